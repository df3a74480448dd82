"""Cells in their plainest spelling, a whole column at once: what makes a million rows quick to read."""

from __future__ import annotations

import sys
from array import array
from binascii import unhexlify
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from itertools import compress, islice
from operator import eq, le

# Two octets before each MAC make it eight.
_PADDING = "\n\n\n\n"
_DIGITS = bytes.maketrans(b"\n", b"0")


@cache
def _packed() -> Callable[[str], bytes]:
    """What packs an address. `socket` takes as long to import as a few thousand cells, and who is handed the
    cells of another process reads none."""
    from socket import AF_INET, inet_pton

    return partial(inet_pton, AF_INET)


def address_octets(text: str) -> bytes:
    """The four octets of an address, a tenth of the time `ipaddress` takes. Raises ValueError."""
    try:
        return _packed()(text)
    except OSError:
        raise ValueError(text) from None


def plain_addresses(cells: Sequence[str]) -> array[int] | None:
    """The addresses of cells as numbers, 0 for an empty cell; None if one is no address."""
    count = len(cells)
    if not any(cells):
        return array("I", bytes(4 * count))
    if "" in cells:
        cells = [cell or "0.0.0.0" for cell in cells]
    try:
        # It takes four plain numbers and nothing else, as `ipaddress` does.
        octets = b"".join(map(_packed(), cells))
    except (OSError, ValueError):
        return None
    numbers = array("I", octets)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def first_octets(macs: array[int]) -> frozenset[int]:
    """The first octets that some MACs have."""
    place = 5 if sys.byteorder == "little" else 2
    return frozenset(macs.tobytes()[place::8])


def in_order(numbers: array[int], places: Sequence[int] | None = None) -> Sequence[int]:
    """Some places of numbers (None: all), in the order of the numbers there; of equal ones in their own."""
    found = numbers
    if places is None:
        places = range(len(numbers))
    elif len(places) < len(numbers):
        found = array(numbers.typecode, map(numbers.__getitem__, places))
    if all(map(le, found, islice(found, 1, None))):
        return places
    return array("I", sorted(places, key=numbers.__getitem__))


def repeat_in(numbers: array[int], places: Sequence[int]) -> bool:
    """Whether two numbers are equal. ``places``: those that count, in the order of their numbers."""
    found = numbers if isinstance(places, range) else list(map(numbers.__getitem__, places))
    return any(map(eq, found, islice(found, 1, None)))


def places_of(numbers: array[int]) -> Sequence[int]:
    """The places of the numbers that are not 0."""
    places = range(len(numbers))
    return places if all(numbers) else array("I", compress(places, numbers))


def plain_macs(cells: list[str]) -> array[int] | None:
    """The MACs of cells that are all written with colons and nothing else; None if one is not."""
    count = len(cells)
    joined = _PADDING + _PADDING.join(cells)
    if len(joined) != 21 * count or not joined.isascii() or joined.count("\n") != 4 * count:
        return None
    colons, padding = ":" * count, "\n" * count
    if any(joined[place::21] != padding for place in range(4)):
        return None
    if any(joined[place::21] != colons for place in (6, 9, 12, 15, 18)):
        return None
    try:
        octets = unhexlify(joined.encode().translate(_DIGITS, b":"))
    except ValueError:
        return None
    # A colon too many leaves an octet too few.
    if len(octets) != 8 * count:
        return None
    numbers = array("Q", octets)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def written_macs(macs: Iterable[int]) -> list[str]:
    """MACs as `plain_macs` reads them."""
    numbers = array("Q", macs)
    if sys.byteorder == "little":
        numbers.byteswap()
    # Of the eight octets of a number, the last six.
    text = numbers.tobytes().hex(":")
    return [text[place : place + 17] for place in range(6, len(text), 24)]
