"""A dhcpd.conf as an inventory.

In a scope dhcpd executes, for each packet, the statements of the subnet with those around it from
the outside in, then the pool's, then those of the classes the packet is in with the first declared
class last, then the host's with its groups (ack_lease in server/dhcp.c). A later value replaces an
earlier one; no scope is executed twice. Here the same steps are taken in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from coexist.importers.account import Account
from coexist.importers.conditions import (
    ALWAYS,
    NEVER,
    Condition,
    Inexpressible,
    Member,
    all_of,
    any_of,
    disjoint,
    negate,
    test,
)
from coexist.importers.dhcpd.execution import (
    UNKNOWN_CLIENTS,
    Execution,
    Interpreter,
    encapsulated,
    variables_of,
)
from coexist.importers.dhcpd.hosts import HostBook
from coexist.importers.dhcpd.levels import (
    ClassPart,
    Level,
    Outline,
    PoolPart,
    SubnetPart,
    Wire,
    every_statement,
    outline,
)
from coexist.importers.dhcpd.meaning import Facts, condition_of
from coexist.importers.dhcpd.parser import ReadInclude, parse_dhcpd
from coexist.importers.dhcpd.syntax import Binary, Configuration, Data, Expression, Permit
from coexist.importers.groups import GroupBook, as_name
from coexist.importers.imported import Imported
from coexist.importers.program import IGNORE, Step, effective, guarded, scope_fields
from coexist.importers.site_builder import SiteBuilder, one_or_list

_SOFTWARE = "isc-dhcpd 4.4"


def import_dhcpd(
    text: str,
    file: str,
    read_include: ReadInclude | None = None,
    *,
    server: str = "dhcp",
    address: IPv4Address | None = None,
) -> Imported:
    """A dhcpd.conf as an inventory.

    ``server`` is the name the server gets, ``address`` its address if the file does not say it.
    Raises InputError for a file that dhcpd refuses.
    """
    return _Site(parse_dhcpd(text, file, read_include), server, address).imported()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedScope:
    """Statements for one subnet as an inventory's scope: ``scope`` lacks its server, VLAN and subnet.

    ``groups`` are the groups its rules speak of; ``server`` what the statements say about the
    server itself (``ping_check``).
    """

    scope: dict[str, Any]
    groups: dict[str, Any] = field(default_factory=dict)
    server: dict[str, Any] = field(default_factory=dict)
    imported: Imported


def import_statements(body: str, *, outside: str = "", subnet: str = "10.77.0.0/24") -> ImportedScope:
    """What statements inside a subnet mean (``outside``: those before it, at the file's top level).

    Raises InputError for statements that dhcpd refuses.
    """
    network = IPv4Network(subnet)
    text = f"{outside}\nsubnet {network.network_address} netmask {network.netmask} {{\n{body}\n}}\n"
    imported = import_dhcpd(text, "<statements>")
    (scope,) = imported.tree["scopes"].values()
    own = {key: value for key, value in scope.items() if key not in ("server", "vlan", "subnet")}
    (server,) = (s for s in imported.tree["servers"].values() if s["software"] == _SOFTWARE)
    said = {key: server[key] for key in ("ping_check", "authoritative") if key in server}
    return ImportedScope(scope=own, groups=imported.tree.get("groups", {}), server=said, imported=imported)


@dataclass(slots=True)
class _Class:
    """A class as a scope sees it: its condition, and the levels to execute with their own."""

    part: ClassPart
    condition: Condition
    levels: list[tuple[Condition, Level]]


class _Site:
    def __init__(self, configuration: Configuration, server: str, address: IPv4Address | None) -> None:
        self.configuration = configuration
        self.server = server
        self.address = address
        self.account = Account()
        self.outline: Outline = outline(configuration, self.account)
        self.groups = GroupBook(server=server)
        facts = Facts(
            known=self.groups.known_group,
            mac_group=self.groups.of_prefix,
            parents=self._parents(),
            variables=variables_of(configuration.body),
        )
        self.facts = facts
        self.interpreter = Interpreter(self.outline, facts, self.account)
        self.hosts = HostBook(self.outline, self.interpreter, self.groups, self.account)
        self.build = SiteBuilder()
        self._read_classes: dict[str, _Class | Inexpressible] = {}
        self.assumed = False

    def _parents(self) -> dict[str, int]:
        parents = {"agent": 82}
        for definition in self.outline.definitions:
            shape = definition.option.format
            if shape.startswith("E") and shape.endswith(".") and definition.option.space == "dhcp":
                parents[shape[1:-1].lower()] = definition.option.code
        return parents

    def imported(self) -> Imported:
        self.hosts.read()
        self.hosts.close()
        classes = self._classes()
        self._unused_levels()
        taken: list[IPv4Network] = []
        for wire in self.outline.wires:
            self._wire(wire, classes, taken)
        self._authoritative()
        self._unused_names()
        servers = self._servers()
        tree: dict[str, Any] = {
            "site": as_name(self._site_name(), "site"),
            "vlans": self.build.vlans,
            "servers": servers,
        }
        if self.build.scopes:
            tree["scopes"] = self.build.scopes
        if self.groups.groups:
            tree["groups"] = self.groups.groups
        clients = self.hosts.rows(self.groups.tags, self.server if self.groups.known else "")
        if clients:
            tree["clients"] = "clients.csv"
        left = self.account.close(every_statement(self.configuration.body))
        return Imported(
            tree=tree,
            clients=clients,
            not_modelled=left,
            comments={"": self.build.notes},
            sources=(self.configuration.file,),
            assumed=frozenset({self.server} if self.assumed else ()),
        )

    def _site_name(self) -> str:
        return self.configuration.file.rsplit("/", 1)[-1].removesuffix(".conf")

    def _unused_levels(self) -> None:
        """Read every scope once, so that each statement is accounted for even where no client meets it."""
        self.interpreter.level(self.outline.root)
        for host in self.outline.hosts:
            for level in host.level.outwards():
                self.interpreter.level(level)
        for level, _ in self.outline.plain:
            for outer in level.outwards():
                self.interpreter.level(outer)
        for level in self.outline.named_groups.values():
            self.interpreter.level(level)

    def _unused_names(self) -> None:
        """Definitions and variables that nothing here sets or looks at, so that they are in no rule."""
        used = self.configuration.used
        filled = {option.space.lower() for option in used}
        for definition in self.outline.definitions:
            option = definition.option
            holds = option.format.startswith("E") and option.format[1:].rstrip(".").lower() in filled
            if option not in used and not holds:
                self.account.left_out(
                    definition.at, definition.text, "names an option that nothing here uses"
                )
        for statement in self.interpreter.assigned:
            if statement.name not in self.facts.read:
                self.account.left_out(statement.at, statement.text, "a variable that nothing here uses")

    # -- classes ---------------------------------------------------------------------------------

    def _classes(self) -> list[_Class]:
        return [found for part in self.outline.classes.values() if (found := self._class(part)) is not None]

    def _class(self, part: ClassPart) -> _Class | None:
        for declaration in part.declarations:
            self.account.modelled(declaration.at)
        try:
            return self._understood(part)
        except Inexpressible as reason:
            for statement in (*part.match_if, *((part.match,) if part.match else ())):
                self.account.left_out(statement.at, statement.text, str(reason))
            why = f"belongs to the class {part.name}, whose members are told by something else: {reason}"
            levels = [part.level, *(level for level, _ in part.subclasses.values() if level is not None)]
            for level in levels:
                for step in (*self.interpreter.level(level).steps, *self.interpreter.level(level).defaults):
                    self.account.left_out(step.at, step.text, why)
            for _, statement in part.subclasses.values():
                self.account.left_out(statement.at, statement.text, why)
            return None

    def _understood(self, part: ClassPart) -> _Class:
        """The class, read once. Raises Inexpressible."""
        found = self._read_classes.get(part.name)
        if found is None:
            try:
                found = self._read_class(part)
            except Inexpressible as reason:
                found = reason
            self._read_classes[part.name] = found
        if isinstance(found, Inexpressible):
            raise found
        return found

    def _read_class(self, part: ClassPart) -> _Class:
        """The class's condition: nobody without ``match``, those with a subclass where a value is matched."""
        inside = ALWAYS
        for match_if in part.match_if:
            inside = condition_of(match_if.condition, self.facts)
            self.interpreter.understood(match_if)
        if part.match is None:
            condition = inside if part.match_if else NEVER
            return _Class(part, condition, [(condition, part.level)])
        if part.match.spawn:
            raise Inexpressible("a class made anew for every value that is seen")
        self.account.modelled(part.match.at)
        every, own = self._subclasses(part, part.match.value)
        condition = all_of([inside, every])
        levels = [(condition, part.level)]
        levels += [(all_of([inside, value]), level) for value, level in own]
        return _Class(part, condition, levels)

    def _subclasses(
        self, part: ClassPart, value: Expression
    ) -> tuple[Condition, list[tuple[Condition, Level]]]:
        conditions: list[Condition] = []
        own: list[tuple[Condition, Level]] = []
        macs: list[int] = []
        for data, (level, statement) in part.subclasses.items():
            condition = condition_of(Binary("=", value, Data(data)), self.facts)
            self.account.modelled(statement.at)
            conditions.append(condition)
            if level is not None:
                own.append((condition, level))
            if len(condition) == 1 and len(condition[0]) == 1 and isinstance(condition[0][0], Member):
                macs.append(int.from_bytes(data[-6:], "big"))
        if len(macs) == len(conditions) > 1:
            return test(Member(self.groups.of_macs(part.name, macs))), own
        return any_of(conditions), own

    # -- wires and subnets -----------------------------------------------------------------------

    def _wire(self, wire: Wire, classes: list[_Class], taken: list[IPv4Network]) -> None:
        subnets = [subnet for subnet in wire.subnets if self._usable(subnet, taken)]
        for pool in wire.pools:
            self.account.modelled(pool.at)
        if not subnets:
            return
        vlan = self.build.add_vlan(wire.name, [str(_network(subnet)) for subnet in subnets])
        for subnet in subnets:
            key = vlan if len(subnets) == 1 else f"{vlan}-{subnet.network.address}"
            scope = self._scope(wire, subnet, classes, key)
            self.build.add_scope(key, vlan, {"server": self.server, "vlan": vlan, **scope})

    def _usable(self, subnet: SubnetPart, taken: list[IPv4Network]) -> bool:
        try:
            network = _network(subnet)
        except ValueError:
            self.account.left_out(subnet.at, subnet.text, "the netmask is not a run of ones")
            return False
        other = next((net for net in taken if net.overlaps(network)), None)
        if other is not None:
            self.account.left_out(subnet.at, subnet.text, f"overlaps the subnet {other}")
            return False
        taken.append(network)
        self.account.modelled(subnet.at)
        return True

    def _scope(self, wire: Wire, subnet: SubnetPart, classes: list[_Class], key: str) -> dict[str, Any]:
        network = _network(subnet)
        execution = self._execution(wire, subnet, classes, key)
        steps = [*reversed(execution.defaults), *execution.steps]
        steps = _unknown_refused(steps, self.groups.known_group)
        steps = encapsulated(steps, self.facts.parents, self.configuration.widths, self.account)
        scope: dict[str, Any] = {}
        if len(wire.subnets) > 1:
            scope["subnet"] = str(network)
        pools = self._pools(wire, subnet)
        if pools:
            scope["pools"] = pools
        return scope | scope_fields(steps, self.groups.combined, self._complain)

    def _complain(self, step: Step, why: str) -> None:
        self.account.left_out(step.at, step.text, why)

    def _execution(self, wire: Wire, subnet: SubnetPart, classes: list[_Class], key: str) -> Execution:
        result = Execution()
        base = self.interpreter.chain(subnet.level)
        _extend(result, base)
        limit = frozenset(subnet.level.outwards())
        self._pool_steps(wire, subnet, result, key)
        for found in reversed(classes):
            for condition, level in found.levels:
                levels = limit
                if level is not found.part.level:
                    levels = limit | {found.part.level}
                part = self.interpreter.chain(level, levels)
                self._guard(result, condition, part)
        for level in [lv for found in classes for _, lv in found.levels]:
            self.interpreter.level(level)
        _extend(result, self.hosts.steps(wire, limit))
        return result

    def _guard(self, result: Execution, condition: Condition, part: Execution) -> None:
        if condition == NEVER:
            return
        for steps, into in ((part.steps, result.steps), (part.defaults, result.defaults)):
            for step in steps:
                try:
                    into.extend(guarded(condition, [step]))
                except Inexpressible as reason:
                    self._complain(step, str(reason))

    # -- pools -----------------------------------------------------------------------------------

    def _pools(self, wire: Wire, subnet: SubnetPart) -> list[Any]:
        pools: list[Any] = []
        for pool in wire.pools:
            allow, deny = self._permits(pool)
            for part in pool.ranges:
                if part.first not in subnet.network:
                    continue
                self.account.modelled(part.at)
                self.build.leased.append((int(part.first), int(part.last)))
                if part.bootp:
                    why = "addresses for BOOTP clients too; the inventory knows DHCP only"
                    self.account.left_out(part.at, part.text, why)
                text = f"{part.first}-{part.last}" if part.first != part.last else str(part.first)
                entry: dict[str, Any] = {"range": text}
                if allow:
                    entry["allow"] = one_or_list(allow)
                if deny:
                    entry["deny"] = one_or_list(deny)
                pools.append(entry if len(entry) > 1 else text)
        return pools

    def _permits(self, pool: PoolPart) -> tuple[list[str], list[str]]:
        """The groups a pool is for and those it is not for."""
        allow: list[str] = []
        deny: list[str] = []
        for permit in pool.permits:
            group = self._permitted(permit)
            if group is None:
                continue
            if group == "everyone" and permit.allowed:
                continue
            (allow if permit.allowed else deny).append(group)
        return allow, deny

    def _permitted(self, permit: Permit) -> str | None:
        if permit.who in ("known", "unknown"):
            self.account.modelled(permit.at)
            return self.groups.known_group() if permit.who == "known" else self.groups.unknown_group()
        if permit.who == "all":
            self.account.modelled(permit.at)
            return "everyone"
        why = {
            "dynamic bootp": "about BOOTP clients, which the inventory does not know",
            "authenticated": "authentication of DHCP is not in the inventory",
            "unauthenticated": "authentication of DHCP is not in the inventory",
            "after": "a date is not in the inventory",
        }.get(permit.who)
        if why is None:
            condition = self._class_condition(permit.class_name)
            if (
                condition is not None
                and len(condition) == 1
                and all(isinstance(t, Member) for t in condition[0])
            ):
                self.account.modelled(permit.at)
                return self.groups.combined(tuple(t for t in condition[0] if isinstance(t, Member)))
            if (
                condition is not None
                and condition
                and all(len(p) == 1 and isinstance(p[0], Member) and not p[0].negated for p in condition)
            ):
                self.account.modelled(permit.at)
                names = [p[0].group for p in condition if isinstance(p[0], Member)]
                return self._union(permit.class_name, names)
            why = "an inventory's pool is for groups of MAC addresses, not for a class told by options"
        self.account.left_out(permit.at, permit.text, why)
        return None

    def _union(self, wanted: str, names: list[str]) -> str:
        existing = next((n for n, g in self.groups.groups.items() if g == {"groups": names}), None)
        return existing or self.groups.declare(wanted, {"groups": names})

    def _class_condition(self, name: str) -> Condition | None:
        part = self.outline.classes.get(name)
        if part is None:
            return None
        try:
            return self._understood(part).condition
        except Inexpressible:
            return None

    def _eligible(self, pool: PoolPart) -> Condition:
        """Who may get an address of a pool. Raises Inexpressible."""
        allowed: list[Condition] = []
        denied: list[Condition] = []
        for permit in pool.permits:
            if permit.who in ("known", "unknown"):
                known = test(Member(self.groups.known_group()))
                condition = known if permit.who == "known" else negate(known)
            elif permit.who == "all":
                condition = ALWAYS
            elif permit.who == "class":
                part = self.outline.classes.get(permit.class_name)
                condition = self._understood(part).condition if part else NEVER
            else:
                continue
            (allowed if permit.allowed else denied).append(condition)
        who = any_of(allowed) if allowed else ALWAYS
        return all_of([who, *(negate(condition) for condition in denied)])

    def _pool_steps(self, wire: Wire, subnet: SubnetPart, result: Execution, key: str) -> None:
        """The statements of the pools hold for those who get an address of them."""
        here = [p for p in wire.pools if any(r.first in subnet.network for r in p.ranges)]
        speaking = [pool for pool in here if pool.level.statements]
        for pool in speaking:
            part = self.interpreter.level(pool.level)
            try:
                condition = self._pool_condition(pool, here, wire, key)
            except Inexpressible as reason:
                for step in (*part.steps, *part.defaults):
                    self._complain(step, f"holds for the clients of a pool: {reason}")
                continue
            self._guard(result, condition, part)

    def _pool_condition(self, pool: PoolPart, here: list[PoolPart], wire: Wire, key: str) -> Condition:
        condition = self._eligible(pool)
        for other in wire.pools:
            if other is not pool and not disjoint(condition, self._eligible(other)):
                if other in here and _same(self.interpreter, pool, other):
                    continue
                raise Inexpressible("its clients may as well get an address of another pool")
        reserved = self.hosts.reserved_on(wire)
        if not reserved:
            return condition
        group = self.groups.of_clients(f"reserved-in-{key}", reserved)
        return all_of([condition, test(Member(group, negated=True))])

    # -- servers ---------------------------------------------------------------------------------

    def _authoritative(self) -> None:
        for _, statement in self.outline.authoritative:
            self.account.modelled(statement.at)
        for peer in self.outline.peers:
            why = "how two DHCP servers share leases is not in the inventory"
            self.account.left_out(peer.at, peer.text, why)

    def _is_authoritative(self) -> bool:
        values = {statement.value for _, statement in self.outline.authoritative}
        if len(values) > 1:
            why = "the inventory says it of the whole server; some of its subnets differ"
            for _, statement in self.outline.authoritative:
                self.account.left_out(statement.at, statement.text, why)
        return True in values

    def _servers(self) -> dict[str, dict[str, Any]]:
        said: dict[str, Any] = {"software": _SOFTWARE}
        if not self._is_authoritative():
            said["authoritative"] = False
        if self.interpreter.ping_check is False:
            said["ping_check"] = False
        peer = next((p.address for p in self.outline.peers if p.address), None)
        address = self.address or self.interpreter.server_identifier or peer
        self.assumed = address is None
        used = {address for _, address in self.hosts.machines.rows.values() if address}
        return self.build.servers(self.server, said, address, used)


def _network(subnet: SubnetPart) -> IPv4Network:
    if not int(subnet.network.mask):
        return IPv4Network((int(subnet.network.address), 0))
    return IPv4Network(f"{subnet.network.address}/{subnet.network.mask}")


def _extend(result: Execution, part: Execution) -> None:
    result.steps += part.steps
    result.defaults += part.defaults


def _unknown_refused(steps: list[Step], known: Callable[[], str]) -> list[Step]:
    """`boot-unknown-clients` as a refusal of the clients without a host declaration."""
    kept = [step for step in steps if step.key != UNKNOWN_CLIENTS]
    refusals = effective([step for step in steps if step.key == UNKNOWN_CLIENTS])
    for number, step in enumerate(refusals):
        if not step.value:
            continue
        later = [negate(other.condition) for other in refusals[number + 1 :] if not other.value]
        condition = all_of([step.condition, test(Member(known(), negated=True)), *later])
        if condition:
            kept.append(Step(condition=condition, key=IGNORE, value=True, at=step.at, text=step.text))
    return kept


def _same(interpreter: Interpreter, left: PoolPart, right: PoolPart) -> bool:
    def values(pool: PoolPart) -> list[tuple[object, object, object]]:
        execution = interpreter.level(pool.level)
        return [(s.condition, s.key, s.value) for s in (*execution.steps, *execution.defaults)]

    return values(left) == values(right)


__all__ = ["ImportedScope", "import_dhcpd", "import_statements"]
