"""A dhcpd.conf as an inventory.

In a scope dhcpd executes, for each packet, the statements of the subnet with those around it from
the outside in, then the pool's, then those of the classes the packet is in with the first declared
class last, then the host's with its groups (ack_lease in server/dhcp.c). A later value replaces an
earlier one; no scope is executed twice. Here the same steps are taken in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from coexist.boot.leases.lease_times import dhcpd_times
from coexist.errors import InputError, Problem
from coexist.importers.account import Account, Harmless
from coexist.importers.conditions import (
    NEVER,
    Condition,
    Inexpressible,
    Member,
    all_of,
    negate,
    test,
)
from coexist.importers.dhcpd.classes import ClassBook, ClientClass
from coexist.importers.dhcpd.declarations import account_declarations
from coexist.importers.dhcpd.execution import (
    UNKNOWN_CLIENTS,
    Execution,
    Interpreter,
    variables_of,
)
from coexist.importers.dhcpd.hosts import HostBook
from coexist.importers.dhcpd.meaning import Facts
from coexist.importers.dhcpd.names import NameBook
from coexist.importers.dhcpd.pairs import PairBook
from coexist.importers.dhcpd.pools import PoolBook
from coexist.importers.dhcpd.request_list import apply_request_lists
from coexist.importers.dhcpd.spaces import encapsulated, in_site_space
from coexist.importers.groups import GroupBook
from coexist.importers.imported import Imported
from coexist.importers.program import IGNORE, LEASE_TIMES, Step, effective, guarded, scope_fields
from coexist.importers.sent import said_literally, sent_unasked, tell_what_is_lost
from coexist.importers.site_builder import SiteBuilder
from coexist.inventory.products import ISC_DHCPD
from coexist.languages.dhcpd.levels import (
    Outline,
    SubnetPart,
    Wire,
    every_statement,
    outline,
)
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.languages.dhcpd.syntax import Configuration
from coexist.languages.source_files import ReadFile


def import_dhcpd(
    text: str,
    file: str,
    read_include: ReadFile | None = None,
    *,
    server: str = "dhcp",
    address: IPv4Address | None = None,
) -> Imported:
    """A dhcpd.conf as an inventory.

    ``server`` is the name the server gets, ``address`` its address if the file does not say it.
    Raises InputError for a file that dhcpd refuses.
    """
    return _Site(parse_dhcpd(text, file, read_include), server, address).imported()


_SHORTEST_LEASE = 60
"""Seconds: the least that an inventory takes as ``lease_time``."""


class _Site:
    def __init__(self, configuration: Configuration, server: str, address: IPv4Address | None) -> None:
        self.configuration = configuration
        self.server = server
        self.address = address
        self.account = Account()
        self.outline: Outline = outline(configuration)
        account_declarations(configuration.body, self.account)
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
        self.names = NameBook(self.hosts, self.interpreter, self.account)
        self.build = SiteBuilder()
        self.classes = ClassBook(self.outline, self.interpreter, facts, self.groups, self.account)
        self.pools = PoolBook(self.classes, self.hosts, self.build.leased)
        self.pairs = PairBook(self.outline, server, self.account)
        self.assumed = False

    def _parents(self) -> dict[str, int]:
        parents = {"agent": 82, "fqdn": 81}
        for definition in self.outline.definitions:
            shape = definition.option.format
            if shape.startswith("E") and shape.endswith(".") and definition.option.space == "dhcp":
                parents[shape[1:-1].lower()] = definition.option.code
        return parents

    def imported(self) -> Imported:
        self.hosts.read()
        self.hosts.close()
        classes = self.classes.read()
        self._unused_levels()
        taken: list[IPv4Network] = []
        for wire in self.outline.wires:
            self._wire(wire, classes, taken)
        self._authoritative()
        self.names.close()
        self._unused_names()
        servers = self._servers()
        clients = self.hosts.rows(self.groups.tags, self.server if self.groups.known else "")
        self.groups.settle_known(clients)
        left = self.account.close(every_statement(self.configuration.body))
        tree = self.build.tree(self._site_name(), servers, self.groups.groups, clients)
        tell_what_is_lost(tree, self.server, left)
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
                    definition.at, definition.text, Harmless("names an option that nothing here uses")
                )
        for statement in self.interpreter.assigned:
            if statement.name not in self.facts.read:
                self.account.left_out(
                    statement.at, statement.text, Harmless("a variable that nothing here uses")
                )

    # -- wires and subnets -----------------------------------------------------------------------

    def _wire(self, wire: Wire, classes: list[ClientClass], taken: list[IPv4Network]) -> None:
        subnets = [subnet for subnet in wire.subnets if self._usable(subnet, taken)]
        for pool in wire.pools:
            self.account.modelled(pool.at)
        if not subnets:
            return
        vlan = self.build.add_vlan(wire.name, [str(_network(subnet)) for subnet in subnets])
        for subnet in subnets:
            key = vlan if len(subnets) == 1 else f"{vlan}-{subnet.network.address}"
            scope = self._scope(wire, subnet, classes, key)
            if not subnet.level.statements and "pools" not in scope and not self._reserves(subnet):
                # It is only told to the daemon: nobody is leased an address there.
                continue
            shared = self.pairs.shared(wire, subnet)
            self.build.add_scope(key, vlan, {"server": self.server, "vlan": vlan, **shared, **scope})

    def _reserves(self, subnet: SubnetPart) -> bool:
        """Whether a machine has an address of its own in a subnet."""
        rows = self.hosts.machines.rows.values()
        return any(address and IPv4Address(address) in subnet.network for _, address in rows)

    def _usable(self, subnet: SubnetPart, taken: list[IPv4Network]) -> bool:
        try:
            network = _network(subnet)
        except ValueError:
            what = "the netmask is not a run of ones, and no inventory has such a subnet"
            remedy = "correct the netmask, or take the server in by its own file: coexist adopt"
            raise InputError([Problem(subnet.at, what, remedy)]) from None
        other = next((net for net in taken if net.overlaps(network)), None)
        if other is not None:
            # dhcpd refuses it too ("conflicts with subnet").
            what = f"{network} overlaps the subnet {other}"
            raise InputError([Problem(subnet.at, what, "correct one of the two")])
        taken.append(network)
        self.account.modelled(subnet.at)
        return True

    def _scope(self, wire: Wire, subnet: SubnetPart, classes: list[ClientClass], key: str) -> dict[str, Any]:
        network = _network(subnet)
        execution = self._execution(wire, subnet, classes, key)
        steps = [*reversed(execution.defaults), *execution.steps]
        steps = _unknown_refused(steps, self.groups.known_group)
        steps = in_site_space(steps, self._codes_of, self.facts.parents, self.account)
        steps = encapsulated(steps, self.facts.parents, self.configuration.widths, self.account)
        steps, listed = apply_request_lists(steps, self._complain)
        scope: dict[str, Any] = {}
        if len(wire.subnets) > 1:
            scope["subnet"] = str(network)
        pools = self.pools.pools(wire, subnet)
        if pools:
            scope["pools"] = pools
        steps, all_told = self.names.told(wire, subnet, steps)
        scope |= self._timed(scope_fields(steps, self.groups.combined, self._complain), steps)
        if all_told:
            scope["host_names"] = True
        scope |= sent_unasked(scope, listed)
        return scope | said_literally(scope)

    def _timed(self, fields: dict[str, Any], steps: list[Step]) -> dict[str, Any]:
        """The fields of a scope with the lease times that follow from those that are said."""
        said = [fields.pop(key, None) for key in LEASE_TIMES]
        times = dhcpd_times(*said)
        if times.default < _SHORTEST_LEASE:
            step = next(step for step in reversed(steps) if step.key in LEASE_TIMES)
            self._complain(step, f"leases below {_SHORTEST_LEASE} s are not in the inventory")
            return fields
        result: dict[str, Any] = {"lease_time": times.default}
        # What is left out, dhcpd is told of a rendered scope anyway.
        if times.shortest != dhcpd_times(times.default, None, times.longest).shortest:
            result["min_lease_time"] = times.shortest
        if times.longest != times.default:
            result["max_lease_time"] = times.longest
        return result | fields

    def _codes_of(self, space: str) -> list[int]:
        options = (definition.option for definition in self.outline.definitions)
        return [option.code for option in options if option.space.lower() == space]

    def _complain(self, step: Step, why: str) -> None:
        self.account.left_out(step.at, step.text, why)

    def _execution(self, wire: Wire, subnet: SubnetPart, classes: list[ClientClass], key: str) -> Execution:
        result = Execution()
        base = self.interpreter.chain(subnet.level)
        _extend(result, base)
        limit = frozenset(subnet.level.outwards())
        for condition, part in self.pools.said(wire, subnet, key):
            self._guard(result, condition, part)
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

    # -- servers ---------------------------------------------------------------------------------

    def _authoritative(self) -> None:
        for _, statement in self.outline.authoritative:
            self.account.modelled(statement.at)
        self.pairs.settle()

    def _is_authoritative(self) -> bool:
        values = {statement.value for _, statement in self.outline.authoritative}
        if len(values) > 1:
            why = "the inventory says it of the whole server; some of its subnets differ"
            for _, statement in self.outline.authoritative:
                self.account.left_out(statement.at, statement.text, why)
        return True in values

    def _servers(self) -> dict[str, dict[str, Any]]:
        said: dict[str, Any] = {"software": ISC_DHCPD.software}
        if not self._is_authoritative():
            said["authoritative"] = False
        if self.interpreter.ping_check is False:
            said["ping_check"] = False
        peer = next((p.address for p in self.outline.peers if p.address), None)
        address = self.address or self.interpreter.server_identifier or peer
        self.assumed = address is None
        used = {address for _, address in self.hosts.machines.rows.values() if address}
        servers = self.build.servers(self.server, said, address, used)
        self._identifiers(servers[self.server]["address"])
        partners = self.pairs.servers(servers[self.server], self.build)
        if partners:
            self.build.notes.append(_PARTNER)
        return servers | partners

    def _identifiers(self, address: str) -> None:
        """A server tells its own address as option 54: another is left out."""
        for statement, said in self.interpreter.server_identifiers:
            if str(said) != address:
                why = f"the server calls itself by its own address, {address}"
                self.account.left_out(statement.at, statement.text, why)


_PARTNER = (
    "The failover partner's name is not in the source. In a secondary's, the primary's share of the clients "
    "is not either: half is assumed."
)


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


__all__ = ["import_dhcpd"]
