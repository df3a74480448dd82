"""The packets that some lease sources can tell apart, one for each kind there is.

A source says by what it distinguishes clients (`Distinctions`). MAC addresses are cut exactly as the space of
clients is; for the options, each combination of answers that the comparisons of one option can give is met by
one value. Whatever two clients of one cell send besides, the sources cannot answer them otherwise.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

from coexist.boot.leases.lease import Distinctions
from coexist.inventory.macset import MacSet
from coexist.inventory.models import OptionTest
from coexist.records import dataclass
from coexist.wire.mac import MAC_SPACE
from coexist.wire.options import Option, encode_options

_OTHER = b"\xf5"
"""An octet that no text has (RFC 3629 section 1), for what nothing compares."""
_STRANGER = 0x02_00_00_00_00_01
_MOST_VALUES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class MacCell:
    """Addresses that are in the same sets: one of them, and how many there are."""

    witness: int
    size: int


def mac_cells(sources: Iterable[Distinctions]) -> list[MacCell]:
    """The cells of all addresses, by every set that one of the sources compares with."""
    sets = [macs for source in sources for macs in (*(m for m, _ in source.clients), source.reserved) if macs]
    toggles: dict[int, int] = defaultdict(int)
    toggles[0] = 0
    points: dict[int, int] = defaultdict(int)
    for number, macs in enumerate(sets):
        for bound in macs.bounds:
            toggles[bound] ^= 1 << number
        for point in macs.points:
            points[point] ^= 1 << number
    toggles.pop(MAC_SPACE, None)
    starts = sorted(toggles)
    signatures, now = [], 0
    for start in starts:
        now ^= toggles[start]
        signatures.append(now)
    found: dict[int, MacCell] = {}

    def add(signature: int, witness: int, size: int) -> None:
        known = found.get(signature)
        found[signature] = MacCell(
            witness=witness if known is None else known.witness, size=size + (known.size if known else 0)
        )

    inside: dict[int, int] = defaultdict(int)
    for point, bits in sorted(points.items()):
        at = bisect_right(starts, point) - 1
        inside[at] += 1
        add(bits ^ signatures[at], point, 1)
    for at, (first, signature) in enumerate(zip(starts, signatures, strict=True)):
        end = starts[at + 1] if at + 1 < len(starts) else MAC_SPACE
        free = end - first - inside[at]
        if free:
            add(signature, _free(first, end, points), free)
    return list(found.values())


def _free(first: int, end: int, taken: Mapping[int, int]) -> int:
    if first <= _STRANGER < end and _STRANGER not in taken:
        return _STRANGER
    return next(mac for mac in range(first, end) if mac not in taken)


def listed_macs(sources: Iterable[Distinctions]) -> list[int]:
    """Every address that one of the sources has written out."""
    found: set[int] = set()
    for source in sources:
        for macs in (*(m for m, _ in source.clients), source.reserved or MacSet.of(())):
            found |= macs.points
    return sorted(found)


def option_cells(sources: Iterable[Distinctions]) -> Iterator[dict[int, bytes]]:
    """The options of a client of each cell; the first one sends none of those that are compared.

    No client sends half an architecture: option 93 is a list of 16 bits each (RFC 4578 section 2.1), and Kea
    drops a packet with another.
    """
    by_option: dict[int, dict[OptionTest, None]] = defaultdict(dict)
    for source in sources:
        for test in source.tests:
            by_option[test.option][test.model_copy(update={"negated": False})] = None
    choices = [_values(code, list(tests)) for code, tests in sorted(by_option.items())]
    for chosen in product(*choices):
        sent = {
            code: value for code, value in zip(sorted(by_option), chosen, strict=True) if value is not None
        }
        if len(sent.get(Option.CLIENT_SYSTEM_ARCHITECTURE, b"")) % 2 == 0:
            yield sent


def _values(code: int, tests: list[OptionTest]) -> list[bytes | None]:
    """A value of an option for each combination of answers its tests can give; None for an option that is
    not sent."""
    inner: dict[int, list[OptionTest]] = defaultdict(list)
    for test in tests:
        if test.suboption is not None:
            inner[test.suboption].append(test)
    candidates: list[bytes | None] = [None, *_candidates([t for t in tests if t.suboption is None])]
    if inner:
        parts = [[None, *_candidates(found)] for found in inner.values()]
        for chosen in product(*parts):
            said = {sub: value for sub, value in zip(inner, chosen, strict=True) if value is not None}
            candidates.append(encode_options(said) if said else _OTHER)
    kept: dict[tuple[bool, ...], bytes | None] = {}
    for value in candidates:
        options = {} if value is None else {code: value}
        answers = (value is not None, *(test.holds(options) for test in tests))
        kept.setdefault(answers, value)
    return list(kept.values())


def _candidates(tests: Sequence[OptionTest]) -> list[bytes]:
    """Values that meet the tests alone and together, as far as they can be met together."""
    found: list[bytes] = [_OTHER]
    begins = [t for t in tests if t.starts_with is not None]
    for pattern in _overlays([(t.at, t.octets) for t in begins]):
        end = max(pattern) + 1 if pattern else 0
        value = bytes(pattern.get(at, _OTHER[0]) for at in range(end))
        found += [value, value + _OTHER] if value else []
    found += [octets for t in tests if t.equals is not None for octets in (t.octets, t.octets + _OTHER)]
    for test in tests:
        if test.ends_with is not None or test.contains is not None:
            found += [value + test.octets for value in (b"", *found)]
    return [value for value in found if value]


def _overlays(pieces: Sequence[tuple[int, bytes]]) -> Iterator[dict[int, int]]:
    """Every set of pieces that fit over each other, as octets by place."""
    level: list[dict[int, int]] = [{}]
    for at, octets in pieces:
        piece = {at + number: octet for number, octet in enumerate(octets)}
        fitting = [
            {**known, **piece}
            for known in level
            if all(known.get(place, octet) == octet for place, octet in piece.items())
        ]
        level += [new for new in fitting if new not in level]
        if len(level) > _MOST_VALUES:
            break
    yield from level
