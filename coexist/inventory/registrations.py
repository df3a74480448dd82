"""Whether the registered clients fit the site: their VLANs, firmwares, addresses, and no MAC twice."""

from __future__ import annotations

from collections.abc import Iterable, Set
from ipaddress import IPv4Address, IPv4Network

from coexist.errors import Position, Problem
from coexist.inventory.broken import EVERY_NAME, Broken
from coexist.inventory.clients import ClientTable
from coexist.inventory.complaints import Complaints
from coexist.inventory.models import FIRMWARES, Site
from coexist.inventory.values import closest
from coexist.wire.mac import format_mac

_Complaint = tuple[Position, str, str]


def check_registrations(site: Site, table: ClientTable, broken: Broken) -> list[Problem]:
    """What is wrong with single rows of the table, each kind at most fifty times and then counted.

    A row that names a ``broken`` declaration is not wrong for that.
    """
    vlans = {*site.vlans, *broken.get("vlans", ())}
    firmwares = {*FIRMWARES, *site.firmwares, *broken.get("firmwares", ())}
    kinds = (
        _unknown_names(table, "vlan", "VLAN", vlans),
        _unknown_names(table, "firmware", "firmware", firmwares),
        _reserved_addresses(site, table),
        _duplicates(table),
    )
    complaints = Complaints()
    for number, found in enumerate(kinds):
        for complaint in found:
            complaints.add(str(number), lambda complaint=complaint: Problem(*complaint))  # type: ignore[misc]
    return list(complaints)


def inside(address: IPv4Address, nets: Iterable[IPv4Network]) -> bool:
    """Whether one of the networks holds the address."""
    return any(address in net for net in nets)


def _unknown_names(table: ClientTable, column: str, what: str, known: Set[str]) -> Iterable[_Complaint]:
    if EVERY_NAME in known:
        return
    unknown = {value for value in set(table.columns[column]) if value and value not in known}
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
    for row, (number, name) in enumerate(zip(addresses, columns["vlan"], strict=True)):
        low, high, more = spans.get(name, anywhere)
        if low <= number <= high or not number or any(first <= number <= last for first, last in more):
            continue
        place = f"of VLAN {name}" if name in spans else "of every VLAN"
        message = f"{IPv4Address(number)} is outside the subnets {place}"
        yield table.position(row, "address"), message, "correct the address or the VLAN"


def _spans(nets: tuple[IPv4Network, ...]) -> tuple[int, int, tuple[tuple[int, int], ...]]:
    """First and last address of the first network, and those of the others, as numbers."""
    spans = [(int(net.network_address), int(net.broadcast_address)) for net in nets] or [(1, 0)]
    return *spans[0], tuple(spans[1:])


def _reserved_twice(table: ClientTable) -> Iterable[_Complaint]:
    addresses = table.addresses
    distinct = set(addresses)
    distinct.discard(0)
    if len(distinct) == len(addresses) - addresses.count(0):
        return
    owner: dict[int, int] = {}
    names = table.columns["name"]
    for row, number in enumerate(addresses):
        first = owner.setdefault(number, row) if number else row
        if first != row and names[first] != names[row]:
            message = f"{IPv4Address(number)} is reserved twice, first at {table.position(first, 'address')}"
            yield table.position(row, "address"), message, "give each machine an address of its own"


def _duplicates(table: ClientTable) -> Iterable[_Complaint]:
    macs = table.macs
    if len(table.known) == len(macs):
        return
    first: dict[int, int] = {}
    for row, mac in enumerate(macs):
        if first.setdefault(mac, row) != row:
            message = f"{format_mac(mac)} is registered twice, first at {table.position(first[mac])}"
            yield table.position(row), message, "remove one of the rows"
