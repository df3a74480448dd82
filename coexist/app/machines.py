"""Which machine a person means: by MAC address, UUID, name, or the address reserved for it."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import AddressValueError, IPv4Address

from coexist.errors import CoexistError
from coexist.inventory import Inventory
from coexist.inventory.values import machine_uuid
from coexist.records import dataclass
from coexist.text.closest import closest
from coexist.wire.mac import differing_digits as digits_that_differ
from coexist.wire.mac import format_mac, is_multicast, parse_mac


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A machine somebody asked for: its MAC, and by what it was found (``mac``, ``uuid``, ``name`` or
    ``address``)."""

    mac: int
    by: str


def find_machines(inventory: Inventory, text: str) -> tuple[Named, ...]:
    """The machines that ``text`` means: all cards of a machine where a name or its UUID is given.

    Raises `CoexistError` if it is neither a MAC nor a name or reserved address of a registered client.
    """
    try:
        mac = parse_mac(text)
    except ValueError:
        mac = None
    if mac is not None:
        if is_multicast(mac):
            raise CoexistError(f"{text} is the address of a group of machines; name the MAC of one machine")
        return (Named(mac=mac, by="mac"),)
    table = inventory.clients
    with suppress(ValueError):
        found = list(table.cards.get(machine_uuid(text), ()))
        if found:
            return tuple(Named(mac=mac, by="uuid") for mac in found)
        raise CoexistError(f"no registered client has the UUID {text}; add it to the client's `uuid`")
    names = table.columns["name"]
    found = [mac for mac, name in zip(table.macs, names, strict=True) if name.lower() == text.lower()]
    if found:
        return tuple(Named(mac=mac, by="name") for mac in found)
    try:
        address = int(IPv4Address(text))
    except AddressValueError:
        address = None
    if address is not None:
        found = [mac for mac, own in zip(table.macs, table.addresses, strict=True) if own == address]
        if found:
            return tuple(Named(mac=mac, by="address") for mac in found)
        raise CoexistError(f"no registered client has the address {text}; name it by its MAC or its name")
    known = {name for name in names if name}
    remedy = f"; {closest(text, known)}" if known else ""
    raise CoexistError(
        f"{text!r} is neither a MAC address (52:54:00:12:34:56) nor the name of a registered client{remedy}"
    )


def near(inventory: Inventory, mac: int, digits: int = 2) -> tuple[int, ...]:
    """The registered MACs that differ from this one in one or two hexadecimal digits, the nearest first."""
    found = [
        (distance, known)
        for known in inventory.clients.macs
        if known != mac and (distance := differing_digits(mac, known)) <= digits
    ]
    return tuple(known for _, known in sorted(found))


def differing_digits(one: int, other: int) -> int:
    """In how many of its twelve hexadecimal digits a MAC differs from another."""
    return len(digits_that_differ(one, other))


def named(inventory: Inventory, mac: int) -> str:
    """A MAC with the name of the client it is registered as."""
    record = inventory.clients.find(mac)
    return f"{format_mac(mac)} ({record.name})" if record and record.name else format_mac(mac)
