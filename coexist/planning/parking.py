"""Parked registrations: a client kept on the server that must not serve it, under a MAC no machine has.

A server that looks a MAC up exactly forgets a machine whose registered MAC differs in one digit,
and keeps everything else it knows of it (openthinclient: ``macAddress`` of the client entry is compared
as a whole). Turned back, the digit brings the registration back to life. A parked MAC must be
nobody's: not a registered client, no vendor prefix in use, not another's parked MAC, unicast; and it
must lead back to one client only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import combinations
from typing import Literal

from coexist.boot.answered import answers_of
from coexist.inventory import NOBODY, Inventory, MacSet
from coexist.inventory.models import mac_range
from coexist.records import dataclass
from coexist.wire.mac import differing_digits, format_mac, is_multicast, parse_mac_prefix

Strategy = Literal["first-digit", "local", "none"]

DIGITS = 12
"""Only a digit of the vendor prefix is ever changed: any other yields a neighbour of the same series."""
_SERIAL = (1 << 24) - 1
# U/L bit of the first octet (IEEE 802-2014 section 8.2): no manufacturer burns such an address in.
_LOCAL_BIT = 0x02 << 40


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Parked:
    """A client and the MAC it is parked under; ``digit`` (1 to 12, from the left) is what differs."""

    original: int
    parked: int
    digit: int

    def __str__(self) -> str:
        return f"{format_mac(self.original)} parked as {format_mac(self.parked)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotParked:
    """A client for which no digit was free; ``reasons`` counts the candidates by why they were refused."""

    original: int
    reasons: Mapping[str, int]

    def __str__(self) -> str:
        why = ", ".join(f"{count} {reason}" for reason, count in self.reasons.items())
        return f"{format_mac(self.original)} cannot be parked: of the MACs that differ in one digit, {why}"


class Occupied:
    """What a parked MAC must keep away from: clients, vendor prefixes in use, declared sets, parked MACs."""

    def __init__(self, clients: Iterable[int], declared: MacSet = NOBODY) -> None:
        self.clients = frozenset(clients)
        self.declared = declared
        self.prefixes = {mac >> 24 for mac in self.clients}
        self.parked: dict[int, int] = {}
        self._by_serial: dict[int, list[int]] = defaultdict(list)
        for mac in self.clients:
            self._by_serial[mac & _SERIAL].append(mac)

    @classmethod
    def of(cls, inventory: Inventory) -> Occupied:
        """Every registered client, and every OUI, prefix, range and MAC that a group declares."""
        declared = NOBODY
        for group in inventory.site.groups.values():
            declared |= MacSet.of(group.macs)
            for text in (*group.oui, *group.prefix):
                declared |= MacSet.interval(*parse_mac_prefix(text))
            for text in group.range:
                declared |= MacSet.interval(*mac_range(text))
        return cls(inventory.clients.macs, declared)

    def refuses(self, candidate: int, original: int) -> str | None:
        """Why a MAC cannot stand for ``original``, as a clause; None if it can."""
        if is_multicast(candidate):
            return "are multicast"
        if candidate in self.clients:
            return "are registered clients"
        if candidate >> 24 in self.prefixes:
            return "have a vendor prefix in use here"
        if candidate in self.declared:
            return "belong to a group"
        if self.parked.get(candidate, original) != original:
            return "are parked for another client"
        # A client one digit away shares the serial part, for only vendor digits are ever changed.
        near = (mac for mac in self._by_serial[candidate & _SERIAL] if mac != original)
        if any(len(differing_digits(candidate, mac)) == 1 for mac in near):
            return "would lead back to another client too"
        return None

    def park(self, original: int, strategy: Strategy = "first-digit") -> Parked | NotParked:
        """The first free candidate, remembered so that nobody else gets it."""
        reasons: Counter[str] = Counter()
        for digit, candidate in candidates(original, strategy):
            reason = self.refuses(candidate, original)
            if reason is None:
                self.parked[candidate] = original
                return Parked(original=original, parked=candidate, digit=digit)
            reasons[reason] += 1
        return NotParked(original=original, reasons=dict(reasons))


def candidates(original: int, strategy: Strategy) -> Iterator[tuple[int, int]]:
    """The digits and MACs a strategy tries, in its order: its own digit first, then the vendor's others.

    Each value is reached by exclusive or, so that the same change turns it back.
    """
    if strategy == "none":
        return
    # 8 first: it moves an address furthest from its neighbours' prefixes and turns 0 into 8, 5 into d.
    flips = sorted(range(1, 16), key=lambda flip: flip ^ 8)
    order = (1, 2, 3, 4, 5, 6) if strategy == "first-digit" else (2, 1, 3, 4, 5, 6)
    for digit in order:
        found = [original ^ flip << 4 * (DIGITS - digit) for flip in flips]
        if digit == 2:
            # The second digit holds the bit for "local": those that no manufacturer gives out come first.
            found.sort(key=_burned_in)
        yield from ((digit, mac) for mac in found)


def _burned_in(mac: int) -> bool:
    return not mac & _LOCAL_BIT


def park_all(
    inventory: Inventory, clients: Iterable[int], strategy: Strategy
) -> tuple[dict[int, int], tuple[NotParked, ...]]:
    """The parked MAC of each client, and those for which there is none.

    Depends on the registered clients alone, not on who was parked before, so that a client keeps its
    parked MAC from run to run: all registered clients are gone through in ascending order.
    """
    if strategy == "none":
        return {}, ()
    wanted, occupied = frozenset(clients), Occupied.of(inventory)
    parked: dict[int, int] = {}
    failed: list[NotParked] = []
    for mac in sorted(occupied.clients | wanted):
        found = occupied.park(mac, strategy)
        if mac not in wanted:
            continue
        if isinstance(found, Parked):
            parked[mac] = found.parked
        else:
            failed.append(found)
    return parked, tuple(failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPair:
    """Two registrations, one a list, that differ in one vendor digit.

    ``parked_in`` is the list (``active`` or ``other``) that holds the parked one; None where nothing
    tells them apart: then only the machine's own label can, and ``original`` is the one in ``active``.
    """

    original: int
    parked: int
    digit: int
    parked_in: Literal["active", "other"] | None


def parked_pairs(
    active: Collection[int], other: Collection[int], real: Collection[int] = ()
) -> tuple[FoundPair, ...]:
    """The clients of two servers' registration lists that one of them keeps parked, by original MAC.

    A MAC both lists have is no pair, nor is one with several partners (neighbours of a series whose
    vendor has adjacent prefixes): only what can be turned back without doubt is reported. Which of two
    is the machine's own is told by ``real`` (MACs known from elsewhere: leases, reservations), else by
    the vendor prefix that more registrations without a partner share.
    """
    ours, theirs, known = frozenset(active), frozenset(other), frozenset(real)
    left, right = ours - theirs, theirs - ours
    partners: dict[int, list[int]] = defaultdict(list)
    by_serial: dict[int, list[int]] = defaultdict(list)
    for mac in right:
        by_serial[mac & _SERIAL].append(mac)
    for mac in left:
        for candidate in by_serial.get(mac & _SERIAL, ()):
            if len(differing_digits(mac, candidate)) == 1:
                partners[mac].append(candidate)
                partners[candidate].append(mac)
    common = Counter(mac >> 24 for mac in (*ours, *theirs, *known) if not partners.get(mac))
    single = (mac for mac in left if len(partners[mac]) == 1 and len(partners[partners[mac][0]]) == 1)
    found = [_pair(mac, partners[mac][0], known, common) for mac in single]
    return tuple(sorted(found, key=lambda pair: pair.original))


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedOn:
    """A client that is active on one of two servers of an inventory and parked on the other.

    ``parked_on`` is None where the two registrations do not tell which is the real one.
    """

    pair: FoundPair
    servers: tuple[str, str]
    parked_on: str | None


def parked_registrations(inventory: Inventory) -> tuple[ParkedOn, ...]:
    """The parked registrations of an inventory that was made from servers' own lists.

    Looks at each two servers that serve machines by exact MACs. A MAC with a reserved address, or on a
    third server's list, is a machine's own.
    """
    table = inventory.clients
    reserved = {mac for mac, address in zip(table.macs, table.columns["address"], strict=True) if address}
    lists = {
        name: frozenset().union(*(macs.points for macs, _ in answers_of(inventory, name)))
        for name, server in inventory.site.servers.items()
        if server.answers.who == "only"
    }
    found = []
    for one, other in combinations(lists, 2):
        elsewhere = (lists[name] for name in lists if name not in (one, other))
        for pair in parked_pairs(lists[one], lists[other], reserved.union(*elsewhere)):
            parked_on = {"active": one, "other": other}.get(pair.parked_in or "")
            found.append(ParkedOn(pair=pair, servers=(one, other), parked_on=parked_on))
    return tuple(found)


def parked_text(found: Iterable[ParkedOn]) -> str:
    """A Markdown list of parked registrations."""
    lines = []
    for each in found:
        real, spare = format_mac(each.pair.original), format_mac(each.pair.parked)
        if each.parked_on is None:
            what = f"{real} and {spare} differ in digit {each.pair.digit} only: one of them is parked, on"
            lines.append(f"- {what} {each.servers[0]} or {each.servers[1]}")
        else:
            lines.append(f"- {real} is parked on {each.parked_on} as {spare} (digit {each.pair.digit})")
    return "".join(f"{line}\n" for line in lines)


def _pair(ours: int, theirs: int, known: frozenset[int], common: Counter[int]) -> FoundPair:
    digit = differing_digits(ours, theirs)[0]

    def likelihood(mac: int) -> tuple[bool, bool, int]:
        return not is_multicast(mac), mac in known, common[mac >> 24]

    if likelihood(ours) < likelihood(theirs):
        return FoundPair(original=theirs, parked=ours, digit=digit, parked_in="active")
    sure = likelihood(ours) > likelihood(theirs)
    return FoundPair(original=ours, parked=theirs, digit=digit, parked_in="other" if sure else None)
