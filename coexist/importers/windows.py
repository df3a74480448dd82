"""The XML of Windows' ``Export-DhcpServer`` as an inventory.

Scopes with their ranges and exclusions, options of the server, of scopes and of reservations,
policies by MAC address, vendor class and user class, and the MAC filter. A Windows DHCP server takes an
option from the reservation, else the policy that comes first in its order, the scope, the server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from coexist.errors import InputError, Problem
from coexist.importers.account import Account
from coexist.importers.addresses import why_nobody
from coexist.importers.conditions import (
    ALWAYS,
    Condition,
    Inexpressible,
    Member,
    Test,
    all_of,
    any_of,
    negate,
    spelled_value,
    test,
)
from coexist.importers.groups import GroupBook
from coexist.importers.imported import ClientRow, Imported
from coexist.importers.kind import Kind, Request
from coexist.importers.program import Step, guarded, scope_fields
from coexist.importers.site_builder import SiteBuilder
from coexist.importers.xml_tree import Element, read_xml
from coexist.inventory.products import WINDOWS_DHCP
from coexist.languages.source_files import read_octets
from coexist.wire.mac import format_mac, parse_mac
from coexist.wire.options import encode_option_value

_DURATION = re.compile(r"(?:(\d+)\.)?(\d+):(\d+):(\d+)\Z")
# Of every element: what the inventory says already by the element around it, or does not need.
_NOTES = frozenset({"name", "description", "state", "type", "majorversion", "minorversion", "superscopename"})


def import_windows(
    data: bytes, file: str, *, server: str = WINDOWS_DHCP.name, address: IPv4Address | None = None
) -> Imported:
    """An export of a Windows DHCP server as an inventory."""
    root = read_xml(data, file)
    if root.name != "DHCPServer":
        raise InputError(
            [Problem(root.at, f"{root.name} is not DHCPServer", "export with Export-DhcpServer")]
        )
    return _Site(root, file, server, address).imported()


class _Site:
    def __init__(self, root: Element, file: str, server: str, address: IPv4Address | None) -> None:
        self.root, self.file, self.server, self.address = root, file, server, address
        self.account = Account()
        self.groups = GroupBook(server=server)
        self.build = SiteBuilder()
        self.clients: dict[int, ClientRow] = {}
        self.classes: dict[str, bytes] = {}
        self.pings: bool | None = None
        self.delays: list[tuple[Element, float]] = []

    def imported(self) -> Imported:
        self.root.taken = True
        four = self.root.first("IPv4")
        if four is not None:
            self._ipv4(four)
        said: dict[str, Any] = {"software": WINDOWS_DHCP.software, **self._timing()}
        servers = self.build.servers(
            self.server, said, self.address, [row.address for row in self.clients.values()]
        )
        for element in self.root.left():
            self._left(element)
        rows = [
            replace(row, tags=" ".join(self.groups.tags.get(mac, ()))) for mac, row in self.clients.items()
        ]
        return Imported(
            tree=self.build.tree(Path(self.file).stem, servers, self.groups.groups, rows),
            clients=rows,
            not_modelled=self.account.close(()),
            comments={"": self.build.notes},
            sources=(self.file,),
            assumed=frozenset({self.server} if self.address is None else ()),
        )

    def _timing(self) -> dict[str, Any]:
        """Its ping check, and the delay of its scopes, which is the server's here if they have one."""
        said: dict[str, Any] = {} if self.pings is None else {"ping_check": self.pings}
        seconds = {delay for _, delay in self.delays}
        if len(seconds) == 1 and (delay := seconds.pop()):
            said["delay"] = delay
        elif seconds:
            for element, delay in self.delays:
                if delay:
                    element.leave("the scopes have different delays, and an inventory has one for a server")
        return said

    def _left(self, element: Element) -> None:
        if not element.text.strip() and not element.children:
            return
        text = f"<{element.name}>{' '.join(element.text.split())}"
        why = element.why or (
            "a note for people, or a default" if element.name.lower() in _NOTES else "not understood"
        )
        self.account.left_out(element.at, text, why)

    def _ipv4(self, four: Element) -> None:
        for holder in four.all("Classes"):
            for item in holder.all("Class"):
                self._class(item)
        top = list(self._options(four))
        policies = self._policies(four)
        attempts = four.value("ConflictDetectionAttempts")
        if attempts.isdigit():
            self.pings = int(attempts) > 0
        filters = self._filters(four)
        for holder in four.all("Scopes"):
            for scope in holder.all("Scope"):
                self._scope(scope, top, policies, filters)

    def _class(self, item: Element) -> None:
        name, data = item.value("Name"), item.value("Data")
        item.value("Type")
        try:
            self.classes[name] = (
                bytes.fromhex(data.removeprefix("0x")) if data.startswith("0x") else data.encode()
            )
        except ValueError:
            item.leave("a class whose data are no octets")

    # -- options and policies --------------------------------------------------------------------

    def _options(self, holder: Element, condition: Condition = ALWAYS) -> Iterator[Step]:
        for outer in holder.all("OptionValues"):
            for option in outer.all("OptionValue"):
                step = self._option(option, condition)
                if step is not None:
                    yield step

    def _option(self, option: Element, condition: Condition) -> Step | None:
        code = option.value("OptionId")
        values = option.values("Value")
        vendor, user = option.value("VendorClass"), option.value("UserClass")
        text = f"<OptionValue> {code}: {', '.join(values)}"
        try:
            if vendor or user:
                condition = all_of([condition, *self._of_class(vendor, 60), *self._of_class(user, 77)])
            number = int(code)
            if not 0 < number < 255 or number in (51, 53, 54, 58, 59) or not values:
                raise Inexpressible("an option the server answers by itself")
            octets = _octets(number, values)
        except (Inexpressible, ValueError) as reason:
            option.leave(str(reason))
            return None
        value = "hex:" + octets.hex(":") if number == 67 else spelled_value(number, octets)
        return Step(condition=condition, key=number, value=value, at=option.at, text=text)

    def _of_class(self, name: str, option: int) -> list[Condition]:
        if not name:
            return []
        data = self.classes.get(name)
        if data is None:
            raise Inexpressible(f"the class {name} is not in the export")
        return [test(Test(option, "equals", data))]

    def _policies(self, holder: Element) -> list[tuple[int, list[Step]]]:
        """Those in force: a server's switch is for its own policies, a scope's for those of the scope."""
        result: list[tuple[int, list[Step]]] = []
        off = holder.value("ActivatePolicies").lower() == "false"
        for outer in holder.all("Policies"):
            for policy in outer.all("Policy"):
                if off:
                    policy.leave("its policies are not activated")
                    continue
                if policy.value("Enabled").lower() == "false":
                    policy.leave("a policy that is switched off")
                    continue
                policy.value("Name")
                order = policy.value("ProcessingOrder")
                try:
                    condition = self._policy_condition(policy)
                    steps = guarded(condition, list(self._options(policy)))
                    result.append((int(order) if order.isdigit() else len(result), steps))
                except Inexpressible as reason:
                    policy.leave(str(reason))
        return result

    def _policy_condition(self, policy: Element) -> Condition:
        """``Condition`` is AND or OR over all tests; each list begins with EQ or NE and may end in ``*``."""
        parts: list[Condition] = []
        for name in ("VendorClass", "UserClass", "MacAddress"):
            values = [value for value in policy.values(name) if value]
            if values:
                parts.append(self._tests(name, values))
        for name in ("ClientId", "Fqdn", "RelayAgent", "CircuitId", "RemoteId", "SubscriberId"):
            if any(policy.values(name)):
                raise Inexpressible(f"a policy by {name}")
        if not parts:
            raise Inexpressible("a policy without a condition that is understood")
        return all_of(parts) if policy.value("Condition").upper() != "OR" else any_of(parts)

    def _tests(self, name: str, values: list[str]) -> Condition:
        negative = values[0].upper() == "NE"
        if values[0].upper() in ("EQ", "NE"):
            values = values[1:]
        tests = [self._policy_test(name, value) for value in values]
        return negate(any_of(tests)) if negative else any_of(tests)

    def _policy_test(self, name: str, value: str) -> Condition:
        begins = value.endswith("*")
        text = value.rstrip("*")
        if name == "MacAddress":
            digits = text.replace("-", "").replace(":", "")
            if len(digits) % 2 or not re.fullmatch("[0-9A-Fa-f]+", digits):
                raise Inexpressible(f"{value} is no MAC address or its beginning")
            return test(Member(self.groups.of_prefix(bytes.fromhex(digits))))
        data = self.classes.get(text, self.classes.get(value, text.encode()))
        option = 60 if name == "VendorClass" else 77
        return test(Test(option, "starts_with" if begins else "equals", data))

    def _filters(self, four: Element) -> list[Step]:
        """The MAC filter: who is on the deny list gets no answer, an allow list lets in nobody else."""
        result: list[Step] = []
        for outer in four.all("Filters"):
            switches = {name: outer.value(name).lower() == "true" for name in ("Allow", "Deny")}
            lists: dict[str, list[Condition]] = {"allow": [], "deny": []}
            first: Element | None = None
            for item in outer.all("Filter"):
                first = first or item
                item.value("Description")
                try:
                    condition = self._policy_test("MacAddress", item.value("MacAddress"))
                    lists.setdefault(item.value("List").lower(), []).append(condition)
                except Inexpressible as reason:
                    item.leave(str(reason))
            if first is None:
                continue
            text = "<Filter>"
            if switches["Deny"] and lists["deny"]:
                result.append(
                    Step(condition=any_of(lists["deny"]), key="ignore", value=True, at=first.at, text=text)
                )
            if switches["Allow"] and lists["allow"]:
                others = negate(any_of(lists["allow"]))
                result.append(Step(condition=others, key="ignore", value=True, at=first.at, text=text))
        return result

    # -- scopes ----------------------------------------------------------------------------------

    def _scope(
        self, scope: Element, top: list[Step], policies: list[tuple[int, list[Step]]], filters: list[Step]
    ) -> None:
        try:
            network = IPv4Network(f"{scope.value('ScopeId')}/{scope.value('SubnetMask')}")
        except ValueError:
            what = f"the scope {scope.value('Name') or scope.value('ScopeId')} has no subnet that can be read"
            raise InputError([Problem(scope.at, what, "export it again with Export-DhcpServer")]) from None
        if any(network.overlaps(IPv4Network(v["subnet"])) for v in self.build.vlans.values()):
            scope.leave("overlaps a scope that stands before it")
            return
        if scope.value("State").lower() == "inactive":
            scope.leave("a scope that is switched off")
            return
        name = self.build.add_vlan(scope.value("Name"), [str(network)])
        result: dict[str, Any] = {"server": self.server, "vlan": name}
        pools = self._pools(scope)
        if pools:
            result["pools"] = pools
        seconds = _seconds(scope.value("LeaseDuration"))
        if seconds is not None:
            result["lease_time"] = max(seconds, 60)
        delay = scope.first("Delay")
        if delay is not None:
            # Milliseconds (Set-DhcpServerv4Scope, -Delay).
            delay.taken = True
            self.delays.append((delay, int(delay.text) / 1000 if delay.text.strip().isdigit() else 0.0))
        else:
            self.delays.append((scope, 0.0))
        steps = [*top, *self._options(scope)]
        # The policy that comes first wins: it is executed last. A scope's policies go before the server's.
        for _, part in sorted(policies, key=lambda item: -item[0]):
            steps += part
        for _, part in sorted(self._policies(scope), key=lambda item: -item[0]):
            steps += part
        steps += [*self._reservations(scope), *filters]
        fields = scope_fields(steps, self.groups.combined, self._complain)
        self.build.add_scope(name, name, result | fields)

    def _complain(self, step: Step, why: str) -> None:
        self.account.left_out(step.at, step.text, why)

    def _pools(self, scope: Element) -> list[str]:
        """The range without the excluded parts."""
        try:
            first, last = IPv4Address(scope.value("StartRange")), IPv4Address(scope.value("EndRange"))
        except AddressValueError:
            return []
        excluded: list[tuple[int, int]] = []
        for outer in scope.all("ExclusionRanges"):
            for item in (*outer.all("IPRange"), *outer.all("ExclusionRange")):
                try:
                    low, high = IPv4Address(item.value("StartRange")), IPv4Address(item.value("EndRange"))
                except AddressValueError:
                    item.leave("an exclusion without its range")
                    continue
                excluded.append((int(low), int(high)))
        result: list[str] = []
        start, end = int(first), int(last)
        for bottom, top in [*sorted(excluded), (end + 1, end + 1)]:
            stop = min(bottom - 1, end)
            if start <= stop:
                self.build.leased.append((start, stop))
                result.append(_span(start, stop))
            start = max(start, top + 1)
        return result

    def _reservations(self, scope: Element) -> Iterator[Step]:
        for outer in scope.all("Reservations"):
            for item in outer.all("Reservation"):
                item.value("Type")
                address, name = item.value("IPAddress"), item.value("Name")
                try:
                    mac = parse_mac(item.value("ClientId"))
                except ValueError:
                    item.leave("a reservation by something else than a MAC address")
                    continue
                nobody = why_nobody(mac)
                if nobody is not None:
                    item.leave(nobody)
                    continue
                if mac in self.clients:
                    item.leave(f"{format_mac(mac)} has a reservation already")
                    continue
                self.clients[mac] = ClientRow(mac=format_mac(mac), name=name, address=address)
                steps = list(self._options(item))
                if steps:
                    group = self.groups.of_clients(name or "reserved", [mac])
                    yield from guarded(test(Member(group)), steps)


def _octets(code: int, values: list[str]) -> bytes:
    if all(value.lower().startswith("0x") for value in values):
        return b"".join(int(value, 16).to_bytes(max((len(value) - 1) // 2, 1), "big") for value in values)
    return encode_option_value(code, values[0] if len(values) == 1 else values)


def _span(first: int, last: int) -> str:
    low, high = IPv4Address(first), IPv4Address(last)
    return str(low) if low == high else f"{low}-{high}"


def _seconds(text: str) -> int | None:
    found = _DURATION.match(text)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _read(request: Request) -> Imported:
    path = request.only_path()
    name = request.server or WINDOWS_DHCP.name
    return import_windows(read_octets(path), str(path), server=name, address=request.address)


KIND = Kind(name=WINDOWS_DHCP.name, describe="XML of Windows' Export-DhcpServer", run=_read)
