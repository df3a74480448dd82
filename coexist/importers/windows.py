"""The XML of Windows' ``Export-DhcpServer`` as an inventory.

Scopes with their ranges and exclusions, options of the server, of scopes and of reservations,
policies by MAC address, vendor class and user class, and the MAC filter. A Windows DHCP server takes an
option from the reservation, else the policy that comes first in its order, the scope, the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from coexist.boot.leases.windows.pools import Pools
from coexist.errors import Position
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
from coexist.inventory.products import WINDOWS_DHCP
from coexist.languages.source_files import read_octets
from coexist.languages.windows.export import (
    Criterion,
    Export,
    MacPattern,
    OptionValue,
    Policy,
    Reservation,
    Scope,
)
from coexist.languages.windows.reader import read_export
from coexist.languages.windows.values import class_octets, octets_of
from coexist.wire.mac import format_mac
from coexist.wire.options import Option

_BY_ITSELF = frozenset({51, 53, 54, 58, 59})
_HARDWARE = 6


def import_windows(
    data: bytes, file: str, *, server: str = WINDOWS_DHCP.name, address: IPv4Address | None = None
) -> Imported:
    """An export of a Windows DHCP server as an inventory."""
    return _Site(read_export(data, file), file, server, address).imported()


class _Site:
    def __init__(self, export: Export, file: str, server: str, address: IPv4Address | None) -> None:
        self.export, self.file, self.server, self.address = export, file, server, address
        self.account = Account()
        self.groups = GroupBook(server=server)
        self.build = SiteBuilder()
        self.clients: dict[int, ClientRow] = {}
        self.delays: list[tuple[Position, float]] = []

    def imported(self) -> Imported:
        export = self.export
        top = list(self._options(export.options))
        policies = self._policies(export.policies, export.policies_off)
        filters = self._filters()
        for scope in export.scopes:
            self._scope(scope, top, policies, filters)
        said: dict[str, Any] = {"software": WINDOWS_DHCP.software, **self._timing()}
        servers = self.build.servers(
            self.server, said, self.address, [row.address for row in self.clients.values()]
        )
        for entry in export.unread:
            self._leave(
                entry.at, entry.text, "a note for people, or a default" if entry.is_note else "not understood"
            )
        for relation in export.relations or ():
            self._leave(relation.at, f"<Failover>{relation.name}", "a pair: declare `failover` of its scopes")
        rows = [
            row._replace(tags=" ".join(self.groups.tags.get(mac, ()))) for mac, row in self.clients.items()
        ]
        return Imported(
            tree=self.build.tree(Path(self.file).stem, servers, self.groups.groups, rows),
            clients=rows,
            not_modelled=self.account.close(()),
            comments={"": self.build.notes},
            sources=(self.file,),
            assumed=frozenset({self.server} if self.address is None else ()),
        )

    def _leave(self, at: Position, text: str, why: str) -> None:
        self.account.left_out(at, text, why)

    def _timing(self) -> dict[str, Any]:
        """Its ping check, and the delay of its scopes, which is the server's here if they have one."""
        attempts = self.export.attempts
        said: dict[str, Any] = {} if attempts is None else {"ping_check": attempts[0] > 0}
        seconds = {delay for _, delay in self.delays}
        if len(seconds) == 1 and (delay := seconds.pop()):
            said["delay"] = delay
        elif seconds:
            for at, delay in self.delays:
                if delay:
                    why = "the scopes have different delays, and an inventory has one for a server"
                    self._leave(at, f"<Delay>{round(delay * 1000)}", why)
        return said

    # -- options and policies --------------------------------------------------------------------

    def _options(self, values: tuple[OptionValue, ...], condition: Condition = ALWAYS) -> Iterator[Step]:
        for value in values:
            step = self._option(value, condition)
            if step is not None:
                yield step

    def _option(self, value: OptionValue, condition: Condition) -> Step | None:
        code = value.code
        text = f"<OptionValue> {code}: {', '.join(value.values)}"
        try:
            if code in _BY_ITSELF:
                raise Inexpressible("an option the server answers by itself")
            octets = octets_of(value, self.export.definitions)
            if value.vendor:
                # The options of a vendor class go inside option 43.
                code, octets = Option.VENDOR_SPECIFIC_INFORMATION, bytes((code, len(octets))) + octets
            wanted = (*self._of_class("Vendor", value.vendor, 60), *self._of_class("User", value.user, 77))
            condition = all_of([condition, *wanted]) if wanted else condition
        except (Inexpressible, ValueError, OverflowError) as reason:
            self._leave(value.at, text, str(reason))
            return None
        spelled = "hex:" + octets.hex(":") if code in (43, 67) else spelled_value(code, octets)
        return Step(condition=condition, key=int(code), value=spelled, at=value.at, text=text)

    def _of_class(self, kind: str, name: str, option: int) -> list[Condition]:
        if not name:
            return []
        known = self.export.classes.get((kind, name))
        if known is None:
            raise Inexpressible(f"the class {name} is not in the export")
        return [test(Test(option, "equals", known.data))]

    def _policies(self, policies: tuple[Policy, ...], off: Position | None) -> list[tuple[int, list[Step]]]:
        """Those in force: a server's switch is for its own policies, a scope's for those of the scope."""
        result: list[tuple[int, list[Step]]] = []
        for policy in policies:
            text = f"<Policy>{policy.name}"
            if off is not None:
                self._leave(policy.at, text, "its policies are not activated")
                continue
            if not policy.enabled:
                self._leave(policy.at, text, "a policy that is switched off")
                continue
            if policy.ranges:
                self._leave(policy.ranges[0][2], "<IPRange>", "the addresses of a policy")
            if policy.lease_time is not None:
                self._leave(policy.lease_time[1], "<LeaseDuration>", "the lease time of a policy")
            try:
                condition = self._policy_condition(policy)
                result.append((policy.order, guarded(condition, list(self._options(policy.options)))))
            except Inexpressible as reason:
                self._leave(policy.at, text, str(reason))
        return result

    def _policy_condition(self, policy: Policy) -> Condition:
        """AND or OR over all criteria; of the values of one, any with EQ, and none with NE."""
        parts = [self._criterion(criterion) for criterion in policy.criteria]
        return any_of(parts) if policy.any_of else all_of(parts)

    def _criterion(self, criterion: Criterion) -> Condition:
        if criterion.field == "MacAddress":
            found = any_of([self._machines(pattern) for pattern in criterion.macs])
        elif criterion.field in ("VendorClass", "UserClass"):
            found = any_of([self._class_test(criterion.field, value) for value in criterion.values])
        else:
            raise Inexpressible(f"a policy by {criterion.field}")
        return negate(found) if criterion.operator == "NE" else found

    def _machines(self, pattern: MacPattern) -> Condition:
        digits = pattern.text.rstrip("*").replace("-", "").replace(":", "")
        if len(digits) % 2:
            raise Inexpressible(f"{pattern.text} ends inside an octet")
        return test(Member(self.groups.of_prefix(bytes.fromhex(digits))))

    def _class_test(self, field: str, value: str) -> Condition:
        kind, option = ("Vendor", 60) if field == "VendorClass" else ("User", 77)
        data, begins = class_octets(self.export.classes, kind, value)
        return test(Test(option, "starts_with" if begins else "equals", data))

    def _filters(self) -> list[Step]:
        """The MAC filter: who is on the deny list gets no answer, an allow list lets in nobody else."""
        filters = self.export.filters
        result: list[Step] = []
        lists = ((filters.denies, filters.denied, False), (filters.allows, filters.allowed, True))
        for heeded, patterns, lets_in in lists:
            if not heeded or not patterns:
                continue
            listed: list[Condition] = []
            for pattern in patterns:
                try:
                    listed.append(self._machines(pattern))
                except Inexpressible as reason:
                    self._leave(pattern.at, f"<Filter>{pattern.text}", str(reason))
            whom = negate(any_of(listed)) if lets_in else any_of(listed)
            result.append(Step(condition=whom, key="ignore", value=True, at=patterns[0].at, text="<Filter>"))
        return result

    # -- scopes ----------------------------------------------------------------------------------

    def _scope(
        self, scope: Scope, top: list[Step], policies: list[tuple[int, list[Step]]], filters: list[Step]
    ) -> None:
        text = f"<Scope>{scope.network}"
        if any(scope.network.overlaps(IPv4Network(v["subnet"])) for v in self.build.vlans.values()):
            self._leave(scope.at, text, "overlaps a scope before it")
            return
        if not scope.active:
            self._leave(scope.at, text, "a scope that is switched off")
            return
        name = self.build.add_vlan(scope.name, [str(scope.network)])
        result: dict[str, Any] = {"server": self.server, "vlan": name}
        pools = self._pools(scope)
        if pools:
            result["pools"] = pools
        if scope.lease_time is not None:
            result["lease_time"] = max(scope.lease_time[0], 60)
        self.delays.append((scope.at, 0.0) if scope.delay is None else (scope.delay[1], scope.delay[0]))
        steps = [*top, *self._options(scope.options)]
        # The policy that comes first wins: it is executed last. A scope's policies go before the server's.
        for _, part in sorted(policies, key=lambda item: -item[0]):
            steps += part
        for _, part in sorted(self._policies(scope.policies, scope.policies_off), key=lambda item: -item[0]):
            steps += part
        steps += [*self._reservations(scope.reservations), *filters]
        fields = scope_fields(steps, self.groups.combined, self._complain)
        self.build.add_scope(name, name, result | fields)

    def _complain(self, step: Step, why: str) -> None:
        self._leave(step.at, step.text, why)

    def _pools(self, scope: Scope) -> list[str]:
        """The range without the excluded parts."""
        result: list[str] = []
        for first, last, _ in Pools(scope, ()).ranges:
            self.build.leased.append((int(first), int(last)))
            result.append(_span(int(first), int(last)))
        return result

    def _reservations(self, reservations: tuple[Reservation, ...]) -> Iterator[Step]:
        for own in reservations:
            text = f"<Reservation>{own.address}"
            if len(own.client_id) != _HARDWARE:
                self._leave(own.at, text, "a reservation by something else than a MAC address")
                continue
            mac = int.from_bytes(own.client_id, "big")
            nobody = why_nobody(mac)
            if nobody is not None:
                self._leave(own.at, text, nobody)
                continue
            if mac in self.clients:
                self._leave(own.at, text, f"{format_mac(mac)} has a reservation already")
                continue
            self.clients[mac] = ClientRow(mac=format_mac(mac), name=own.name, address=str(own.address))
            steps = list(self._options(own.options))
            if steps:
                group = self.groups.of_clients(own.name or "reserved", [mac])
                yield from guarded(test(Member(group)), steps)


def _span(first: int, last: int) -> str:
    low, high = IPv4Address(first), IPv4Address(last)
    return str(low) if low == high else f"{low}-{high}"


def _read(request: Request) -> Imported:
    path = request.only_path()
    name = request.server or WINDOWS_DHCP.name
    return import_windows(read_octets(path), str(path), server=name, address=request.address)


KIND = Kind(name=WINDOWS_DHCP.name, describe="XML of Windows' Export-DhcpServer", run=_read)
