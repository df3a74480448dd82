"""From the XML of ``Export-DhcpServer`` to its dataclasses; what is not understood is named with its place.

Source: Microsoft's documentation of the module DhcpServer and of its WMI classes, and "Introduction to DHCP
Policies". Not read on a Windows server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Literal, get_args

from coexist.errors import InputError, Position, Problem
from coexist.languages.windows.durations import seconds_of
from coexist.languages.windows.export import (
    AddressRange,
    ClientClass,
    Criterion,
    Export,
    Field,
    Filters,
    MacPattern,
    OptionDefinition,
    OptionValue,
    Policy,
    Reservation,
    Scope,
    Unread,
)
from coexist.languages.windows.failover import read_relations
from coexist.languages.xml_tree import Element, read_xml

_AGAIN = "export it again with Export-DhcpServer"
FIELDS: tuple[Field, ...] = get_args(Field)
_MOST_DIGITS = 10
_OPERATORS = ("EQ", "NE", "ISP", "ISNP")
# They change no reply: texts for people, the other protocol, DNS updates, leases that were given, and what
# network access protection was told before it was removed.
_NOTES = frozenset(
    {
        "name",
        "description",
        "majorversion",
        "minorversion",
        "type",
        "nameprotection",
        "dnssettings",
        "dynamicupdates",
        "defaultvalue",
        "multivalued",
        "maxbootpclients",
        "napprofile",
        "npsunreachableaction",
        "ipv6",
        "leases",
        "multicastscopes",
        "auditlog",
        "databaseconfig",
        "dnscredential",
        "bindings",
    }
)

_NAP = frozenset({"napenable", "napenabled"})


def read_export(data: bytes, file: str) -> Export:
    """An export. Raises InputError for what is none, and for what a Windows server would not write."""
    root = read_xml(data, file)
    if root.name != "DHCPServer":
        raise refused(root.at, f"{root.name} is not DHCPServer", "export with Export-DhcpServer")
    root.taken = True
    four = root.first("IPv4")
    if four is None:
        return Export(at=root.at, classes={}, definitions={}, unread=tuple(_unread(root)))
    defined = _each(four, "OptionDefinitions", "OptionDefinition")
    found = Export(
        at=root.at,
        classes={(c.kind, c.name): c for c in map(_class, _each(four, "Classes", "Class"))},
        definitions={(d.vendor, d.code): d for d in map(_definition, defined)},
        options=_options(four),
        policies_off=_switched_off(four),
        policies=_policies(four),
        attempts=_number(four, "ConflictDetectionAttempts"),
        filters=_filters(four),
        scopes=tuple(map(_scope, _each(four, "Scopes", "Scope"))),
        relations=read_relations(four),
    )
    # What was read is known now.
    return replace(found, unread=tuple(_unread(root)))


def refused(at: Position, what: str, remedy: str = _AGAIN) -> InputError:
    """A refusal at a line of the export."""
    return InputError([Problem(at, what, remedy)])


def _unread(root: Element) -> Iterator[Unread]:
    for element in root.left():
        text = " ".join(element.text.split())
        if not text and not element.children:
            continue
        name = element.name.lower()
        is_note = name in _NOTES or (name in _NAP and text.lower() == "false")
        yield Unread(at=element.at, name=element.name, text=f"<{element.name}>{text}", is_note=is_note)


def _each(holder: Element, outer: str, inner: str) -> Iterator[Element]:
    for element in holder.all(outer):
        yield from element.all(inner)


def _is(holder: Element, name: str, value: str) -> bool:
    return holder.value(name).lower() == value


def _switched_off(holder: Element) -> Position | None:
    """The place of an ActivatePolicies that is false."""
    found = holder.first("ActivatePolicies")
    return found.at if found is not None and found.text.strip().lower() == "false" else None


def _number(holder: Element, name: str) -> tuple[int, Position] | None:
    """A whole number of a child, None where it is empty or not there."""
    found = holder.first(name)
    text = found.text.strip() if found is not None else ""
    if found is None or not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        raise refused(found.at, f"{text[:40]} is no number")
    return int(text), found.at


def _duration(holder: Element, name: str) -> tuple[int, Position] | None:
    """A .NET TimeSpan (``8.00:00:00``) in seconds; its largest value stands for an unlimited lease."""
    found = holder.first(name)
    text = found.text.strip() if found is not None else ""
    if found is None or not text:
        return None
    seconds = seconds_of(text)
    if seconds is None:
        raise refused(found.at, f"{text} is no duration such as 8.00:00:00")
    return seconds, found.at


def _address(holder: Element, name: str) -> IPv4Address:
    text = holder.value(name)
    try:
        return IPv4Address(text)
    except AddressValueError:
        raise refused(holder.at, f"{name} of this {holder.name} is no address: {text!r}") from None


def _range(element: Element) -> AddressRange:
    first, last = _address(element, "StartRange"), _address(element, "EndRange")
    if first > last:
        raise refused(element.at, f"{first} to {last} is no range of addresses")
    return first, last, element.at


# -- classes and options -----------------------------------------------------------------------------


def _class(item: Element) -> ClientClass:
    name, data = item.value("Name"), item.value("Data")
    kind: Literal["Vendor", "User"] = "Vendor" if _is(item, "Type", "vendor") else "User"
    try:
        octets = bytes.fromhex(data[2:]) if data.lower().startswith("0x") else data.encode()
    except ValueError:
        raise refused(item.at, f"the data of the class {name} are no octets: {data}") from None
    return ClientClass(name=name, kind=kind, data=octets, at=item.at)


def _definition(item: Element) -> OptionDefinition:
    code = _number(item, "OptionId")
    if code is None:
        raise refused(item.at, "this option definition has no OptionId")
    return OptionDefinition(
        code=code[0], kind=item.value("Type"), vendor=item.value("VendorClass"), at=item.at
    )


def _options(holder: Element) -> tuple[OptionValue, ...]:
    return tuple(map(_option, _each(holder, "OptionValues", "OptionValue")))


def _option(item: Element) -> OptionValue:
    code = _number(item, "OptionId")
    if code is None or not 0 < code[0] < 255:
        raise refused(item.at, "this option value has no OptionId from 1 to 254")
    return OptionValue(
        code=code[0],
        values=tuple(item.values("Value")),
        vendor=item.value("VendorClass"),
        user=item.value("UserClass"),
        at=item.at,
    )


# -- policies and filters ----------------------------------------------------------------------------


def _policies(holder: Element) -> tuple[Policy, ...]:
    found = map(_policy, _each(holder, "Policies", "Policy"))
    return tuple(sorted(found, key=lambda policy: policy.order))


def _policy(item: Element) -> Policy:
    criteria = tuple(found for field in FIELDS if (found := _criterion(item, field)) is not None)
    name, order = item.value("Name"), _number(item, "ProcessingOrder")
    if not criteria:
        raise refused(item.at, f"the policy {name} has no condition that is known")
    return Policy(
        name=name,
        order=0 if order is None else order[0],
        enabled=not _is(item, "Enabled", "false"),
        any_of=_is(item, "Condition", "or"),
        criteria=criteria,
        ranges=tuple(map(_range, _each(item, "IPRanges", "IPRange"))),
        options=_options(item),
        lease_time=_duration(item, "LeaseDuration"),
        at=item.at,
    )


def _criterion(item: Element, field: Field) -> Criterion | None:
    """Its values, of which the first is the comparison."""
    elements = [element for element in item.all(field) if element.text.strip()]
    if not elements:
        return None
    values = [element.text.strip() for element in elements]
    operator = values[0].upper() if values[0].upper() in _OPERATORS else "EQ"
    rest = [(e, v) for e, v in zip(elements, values, strict=True) if v.upper() not in _OPERATORS]
    macs = tuple(mac_pattern(v, e.at) for e, v in rest) if field == "MacAddress" else ()
    return Criterion(
        field=field, operator=operator, values=tuple(v for _, v in rest), macs=macs, at=elements[0].at
    )


def mac_pattern(text: str, at: Position, remedy: str = _AGAIN) -> MacPattern:
    """The addresses of ``00155D*`` or ``00-15-5D-01-02-03``. Raises InputError for what is neither."""
    begins = text.endswith("*")
    digits = text.removesuffix("*").replace("-", "").replace(":", "")
    if not re.fullmatch("[0-9A-Fa-f]{12}" if not begins else "[0-9A-Fa-f]{0,12}", digits):
        raise refused(at, f"{text} is no MAC address or its beginning", remedy)
    first, last = int(digits.ljust(12, "0"), 16), int(digits.ljust(12, "F"), 16)
    return MacPattern(text=text, first=first, last=last, at=at)


def _filters(four: Element) -> Filters:
    lists: dict[str, list[MacPattern]] = {"allow": [], "deny": []}
    switches = {"Allow": False, "Deny": False}
    for outer in four.all("Filters"):
        switches = {name: _is(outer, name, "true") for name in switches}
        for item in outer.all("Filter"):
            kind = item.value("List").lower()
            if kind not in lists:
                raise refused(item.at, f"{kind!r} is no list of filters")
            machine = item.first("MacAddress") or item
            found = mac_pattern(machine.text.strip(), machine.at)
            lists[kind].append(replace(found, note=item.value("Description")))
    return Filters(
        allows=switches["Allow"],
        denies=switches["Deny"],
        allowed=tuple(lists["allow"]),
        denied=tuple(lists["deny"]),
    )


# -- scopes ------------------------------------------------------------------------------------------


def _scope(item: Element) -> Scope:
    name = item.value("Name")
    try:
        network = IPv4Network(f"{item.value('ScopeId')}/{item.value('SubnetMask')}")
    except ValueError:
        what = f"the scope {name or item.value('ScopeId')} has no subnet that can be read"
        raise refused(item.at, what) from None
    delay = _number(item, "Delay")
    has_range = bool(item.value("StartRange") or item.value("EndRange"))
    excluded = [
        *_each(item, "ExclusionRanges", "IPRange"),
        *_each(item, "ExclusionRanges", "ExclusionRange"),
    ]
    return Scope(
        network=network,
        name=name,
        kind=item.value("Type"),
        active=not _is(item, "State", "inactive"),
        ranges=(_range(item),) if has_range else (),
        excluded=tuple(map(_range, excluded)),
        lease_time=_duration(item, "LeaseDuration"),
        # Milliseconds (Set-DhcpServerv4Scope, -Delay).
        delay=None if delay is None else (delay[0] / 1000, delay[1]),
        superscope=item.value("SuperScopeName"),
        policies_off=_switched_off(item),
        policies=_policies(item),
        options=_options(item),
        reservations=tuple(map(_reservation, _each(item, "Reservations", "Reservation"))),
        at=item.at,
    )


def _reservation(item: Element) -> Reservation:
    text = item.value("ClientId")
    try:
        client = bytes.fromhex(text.replace("-", "").replace(":", ""))
    except ValueError:
        client = b""
    if not client:
        raise refused(item.at, f"{text!r} is no client of a reservation")
    return Reservation(
        address=_address(item, "IPAddress"),
        client_id=client,
        name=item.value("Name"),
        kind=item.value("Type"),
        options=_options(item),
        at=item.at,
    )
