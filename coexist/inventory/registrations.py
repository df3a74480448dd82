"""Whether the registered clients fit the site: their VLANs, firmwares, addresses, and no MAC twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from ipaddress import IPv4Address, IPv4Network

from coexist.errors import Position, Problem
from coexist.inventory.broken import EVERY_NAME, Broken
from coexist.inventory.clients import UUID_COLUMN, ClientTable
from coexist.inventory.complaints import Complaints
from coexist.inventory.kinds import Kinds
from coexist.inventory.models import FIRMWARES, Site
from coexist.inventory.values import machine_uuid
from coexist.text.closest import closest
from coexist.wire.mac import format_mac

_Complaint = tuple[Position, str, str]
_Span = tuple[int, int, tuple[tuple[int, int], ...]]
"""First and last address of a VLAN's first network, and those of its others, as numbers."""


def check_registrations(site: Site, table: ClientTable, kinds: Kinds, broken: Broken) -> list[Problem]:
    """What is wrong with single rows of the table, each kind at most fifty times and then counted.

    ``kinds``: the rows told apart by VLAN and firmware, and by what else is of use to others. A row that
    names a ``broken`` declaration is not wrong for that.
    """
    vlans = {*site.vlans, *broken.get("vlans", ())}
    firmwares = {*FIRMWARES, *site.firmwares, *broken.get("firmwares", ())}
    checks = (
        _unknown_names(table, kinds, "vlan", "VLAN", vlans),
        _unknown_names(table, kinds, "firmware", "firmware", firmwares),
        _reserved_addresses(site, table),
        _uuids(table),
        _duplicates(table),
    )
    complaints = Complaints()
    for number, found in enumerate(checks):
        for complaint in found:
            complaints.add(str(number), lambda complaint=complaint: Problem(*complaint))  # type: ignore[misc]
    return list(complaints)


def inside(address: IPv4Address, nets: Iterable[IPv4Network]) -> bool:
    """Whether one of the networks holds the address."""
    return any(address in net for net in nets)


def listed(nets: Iterable[IPv4Network]) -> str:
    """Networks in a sentence."""
    return " and ".join(map(str, nets))


def _unknown_names(
    table: ClientTable, kinds: Kinds, column: str, what: str, known: Set[str]
) -> Iterable[_Complaint]:
    if EVERY_NAME in known:
        return
    values = set(table.columns[column]) if table.repeated else kinds.values(column)
    unknown = {value for value in values if value and value not in known}
    if not unknown:
        return
    for row, value in enumerate(table.columns[column]):
        if value in unknown:
            yield table.position(row, column), f"there is no {what} {value!r}", closest(value, known)


def _reserved_addresses(site: Site, table: ClientTable) -> Iterable[_Complaint]:
    addresses, columns = table.addresses, table.columns
    if not any(addresses):
        return
    yield from _reserved_twice(table)
    everywhere = tuple(net for vlan in site.vlans.values() for net in vlan.subnet)
    spans = {name: _spans(vlan.subnet) for name, vlan in site.vlans.items()}
    anywhere = _spans(everywhere)
    if _each_in_first(table, spans, anywhere):
        return
    for row, (number, name) in enumerate(zip(addresses, columns["vlan"], strict=True)):
        low, high, more = spans.get(name, anywhere)
        if low <= number <= high or not number or any(first <= number <= last for first, last in more):
            continue
        place = f"of VLAN {name}" if name in spans else "of every VLAN"
        message = f"{IPv4Address(number)} is outside the subnets {place}"
        yield table.position(row, "address"), message, "correct the address or the VLAN"


def _each_in_first(table: ClientTable, spans: Mapping[str, _Span], anywhere: _Span) -> bool:
    """Whether every client has an address in the first network of its VLAN, as at most sites; quick."""
    if table.repeated:
        return False
    for vlan, (lowest, highest) in table.spans.items():
        low, high, _ = spans.get(vlan, anywhere)
        if lowest < low or highest > high:
            return False
    return True


def _spans(nets: tuple[IPv4Network, ...]) -> _Span:
    spans = [(int(net.network_address), int(net.broadcast_address)) for net in nets] or [(1, 0)]
    return *spans[0], tuple(spans[1:])


def _reserved_twice(table: ClientTable) -> Iterable[_Complaint]:
    addresses = table.addresses
    if not table.reserved_twice:
        return
    owner: dict[int, int] = {}
    names = table.columns["name"]
    for row, number in enumerate(addresses):
        first = owner.setdefault(number, row) if number else row
        if first != row and names[first] != names[row]:
            message = f"{IPv4Address(number)} is reserved twice, first at {table.position(first, 'address')}"
            yield table.position(row, "address"), message, "give each machine an address of its own"


def _uuids(table: ClientTable) -> Iterable[_Complaint]:
    column = table.columns.get(UUID_COLUMN, ())
    for text in set(column):
        try:
            if text.strip():
                machine_uuid(text)
        except ValueError as error:
            message, _, remedy = str(error).partition("; ")
            for row in (row for row, cell in enumerate(column) if cell == text):
                yield table.position(row, UUID_COLUMN), message, remedy


def _duplicates(table: ClientTable) -> Iterable[_Complaint]:
    """Rows of one MAC. Those of machines with a UUID each share an adapter or a dock."""
    macs = table.macs
    if not table.repeated:
        return
    uuids = table.columns.get(UUID_COLUMN) or [""] * len(macs)
    first: dict[int, int] = {}
    owners: dict[int, set[str]] = {}
    for row, mac in enumerate(macs):
        own = uuids[row].strip().lower()
        known = owners.setdefault(mac, set())
        shared = bool(own) and "" not in known and own not in known
        known.add(own)
        if first.setdefault(mac, row) != row and not shared:
            message = f"{format_mac(mac)} is registered twice, first at {table.position(first[mac])}"
            remedy = "remove one of the rows"
            if UUID_COLUMN in table.columns:
                remedy += ", or give each machine its `uuid` if they share the adapter"
            yield table.position(row), message, remedy
        elif shared and known != {own} and table.addresses[row] != table.addresses[first[mac]]:
            message = (
                f"machines that share {format_mac(mac)} cannot have an address each: they are one client"
            )
            yield table.position(row, "address"), message, "reserve one address for the adapter, or none"
