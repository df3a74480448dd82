"""Failover relations of Windows DHCP Server, by the members of DhcpServerv4Failover.

Microsoft's documentation does not say that ``Export-DhcpServer`` writes them. So they are read from the
export, where it has them, and from what ``Get-DhcpServerv4Failover | ConvertTo-Xml`` says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address

from coexist.errors import InputError, Position, Problem
from coexist.languages.windows.durations import seconds_of
from coexist.languages.windows.export import Relation
from coexist.languages.xml_tree import Element, read_xml

COMMAND = (
    "Get-DhcpServerv4Failover | Select-Object Name,PartnerServer,@{n='Mode';e={\"$($_.Mode)\"}},"
    "@{n='ServerRole';e={\"$($_.ServerRole)\"}},@{n='ServerType';e={\"$($_.ServerType)\"}},"
    "LoadBalancePercent,ReservePercent,@{n='ScopeId';e={$_.ScopeId -join ','}},"
    "@{n='MaxClientLeadTime';e={\"$($_.MaxClientLeadTime)\"}},AutoStateTransition,"
    "@{n='StateSwitchInterval';e={\"$($_.StateSwitchInterval)\"}},@{n='State';e={\"$($_.State)\"}},"
    "PrimaryServerIP,SecondaryServerIP | ConvertTo-Xml -As String"
)
"""The command whose output `read_failover` reads: every value as plain text."""

_HOUR = 3600
_WORDS = frozenset(
    {
        "Name",
        "PartnerServer",
        "Mode",
        "ServerRole",
        "ServerType",
        "LoadBalancePercent",
        "ReservePercent",
        "ScopeId",
        "MaxClientLeadTime",
        "AutoStateTransition",
        "StateSwitchInterval",
        "State",
        "PrimaryServerIP",
        "SecondaryServerIP",
        "PrimaryServerName",
        "SecondaryServerName",
        "EnableAuth",
        "SharedSecret",
    }
)


def read_relations(four: Element) -> tuple[Relation, ...] | None:
    """The relations below an export's ``IPv4``; None where it does not speak of any."""
    outer = [holder for name in ("Failovers", "FailoverRelationships") for holder in four.all(name)]
    names = ("Failover", "FailoverRelationship")
    found = [
        item
        for holder in (four, *outer)
        for item in holder.children
        if item.name in names and any(child.name == "Mode" for child in item.children)
    ]
    for item in found:
        item.taken = True
    if not found and not outer:
        return None
    return tuple(_relation(_children(item), item.at) for item in found)


def read_failover(data: bytes, file: str) -> tuple[Relation, ...]:
    """The output of `COMMAND`. Raises InputError for what is none."""
    root = read_xml(data, file)
    if root.name != "Objects":
        raise InputError(
            [Problem(root.at, f"{root.name} is not Objects", f"write this file with: {COMMAND}")]
        )
    return tuple(_relation(_properties(item), item.at) for item in root.all("Object"))


def _children(item: Element) -> dict[str, list[tuple[str, Position]]]:
    found: dict[str, list[tuple[str, Position]]] = {}
    for child in item.children:
        if child.name in _WORDS:
            child.taken = True
            inner = child.children or [child]
            for each in inner:
                each.taken = True
            found.setdefault(child.name, []).extend((each.text.strip(), each.at) for each in inner)
    return found


def _properties(item: Element) -> dict[str, list[tuple[str, Position]]]:
    found: dict[str, list[tuple[str, Position]]] = {}
    for child in item.all("Property"):
        name = child.attributes.get("Name", "")
        inner = child.children or [child]
        found.setdefault(name, []).extend((each.text.strip(), each.at) for each in inner)
    return found


def _relation(said: Mapping[str, list[tuple[str, Position]]], at: Position) -> Relation:
    def text(name: str) -> str:
        return said[name][0][0] if said.get(name) else ""

    def place(name: str) -> Position:
        return said[name][0][1] if said.get(name) else at

    def refused(name: str, what: str) -> InputError:
        return InputError([Problem(place(name), what, f"write it as {COMMAND} does")])

    def percent(name: str, usual: int) -> int:
        value = text(name) or str(usual)
        if not re.fullmatch("[0-9]{1,3}", value) or int(value) > 100:
            raise refused(name, f"{value} is no percentage")
        return int(value)

    def seconds(name: str) -> int | None:
        value = text(name)
        found = seconds_of(value) if value else None
        if value and found is None:
            raise refused(name, f"{value} is no duration such as 01:00:00")
        return found

    mode = text("Mode")
    if mode not in ("LoadBalance", "HotStandby"):
        raise refused("Mode", f"{mode!r} is no mode of failover: LoadBalance or HotStandby")
    kind = text("ServerType").lower()
    partner = text("SecondaryServerIP") if not kind.startswith("secondary") else text("PrimaryServerIP")
    scopes: list[IPv4Address] = []
    for value, _ in said.get("ScopeId", ()):
        for part in re.split(r"[\s,]+", value):
            try:
                scopes += [IPv4Address(part)] if part else []
            except AddressValueError:
                raise refused("ScopeId", f"{part} is no scope") from None
    lead = seconds("MaxClientLeadTime")
    automatic = text("AutoStateTransition").lower() == "true"
    return Relation(
        name=text("Name"),
        partner=partner or text("PartnerServer"),
        mode="LoadBalance" if mode == "LoadBalance" else "HotStandby",
        is_first=not kind.startswith("secondary"),
        is_active=text("ServerRole").lower() != "standby",
        percent=percent("LoadBalancePercent", 50),
        reserve=percent("ReservePercent", 5),
        # "Default is 1 hour" (Add-DhcpServerv4Failover, -MaxClientLeadTime).
        mclt=_HOUR if lead is None else lead,
        switch=seconds("StateSwitchInterval") if automatic else None,
        state=text("State"),
        scopes=tuple(scopes),
        at=at,
    )
