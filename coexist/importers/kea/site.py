"""A Kea DHCPv4 configuration as an inventory.

What Kea takes from where (Kea 2.2, src/bin/dhcp4/dhcp4_srv.cc): an option comes from the
reservation, else the pool, the subnet, the shared network, the first class that has it, the global
list (buildCfgOptionList); siaddr and ``file`` from the reservation, else the first class that has
it, else the subnet with what it inherits (setFixedFields).
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from coexist.errors import InputError, Problem
from coexist.importers.account import Account, Harmless
from coexist.importers.conditions import ALWAYS, NEVER, Condition, Inexpressible, any_of
from coexist.importers.groups import GroupBook
from coexist.importers.imported import Imported
from coexist.importers.kea.classes import ClassBook, Memberships
from coexist.importers.kea.kept import Kept, leave_switch, never_asked
from coexist.importers.kea.keywords import refuse_unknown_keys, release_of
from coexist.importers.kea.left_out import leave, tell_what_is_left
from coexist.importers.kea.levels import SHORTEST_LEASE, LevelReader, Values, step_of
from coexist.importers.kea.pairs import Relation
from coexist.importers.kea.pools import PoolReader
from coexist.importers.kea.reservations import Reservation, Reservations
from coexist.importers.kea.sections import asked, given_classes, networks_of, subnets
from coexist.importers.program import IGNORE, NEXT_SERVER, Step, guarded, scope_fields
from coexist.importers.sent import said_literally, tell_what_is_lost, tell_what_is_sent
from coexist.importers.site_builder import SiteBuilder
from coexist.inventory.products import KEA
from coexist.languages.kea.json_nodes import Node, read_json
from coexist.languages.source_files import ReadFile
from coexist.wire.option_codes import Option


def import_kea(
    text: str,
    file: str,
    read_file: ReadFile | None = None,
    *,
    server: str = "dhcp",
    address: IPv4Address | None = None,
) -> Imported:
    """A ``kea-dhcp4.conf`` as an inventory. Raises InputError for what is no such configuration."""
    tree = read_json(text, file, read_file or _no_file)
    tree.taken = True
    dhcp4 = tree.get("Dhcp4")
    if dhcp4 is None or not isinstance(dhcp4.value, dict):
        raise InputError([Problem(tree.at, "there is no Dhcp4 section", "import Kea's DHCPv4 configuration")])
    refuse_unknown_keys(tree)
    return _Site(tree, dhcp4, file, server, address).imported()


def _no_file(name: str) -> str:
    raise FileNotFoundError(2, "No such file or directory", name)


class _Site:
    def __init__(self, tree: Node, dhcp4: Node, file: str, server: str, address: IPv4Address | None) -> None:
        self.tree, self.dhcp4, self.file = tree, dhcp4, file
        self.server, self.address = server, address
        # Before anything of it is taken: what a later release knows is marked.
        self.release = release_of(tree)
        self.account = Account()
        self.groups = GroupBook(server=server)
        self.build = SiteBuilder()
        self.levels = LevelReader(dhcp4.items("option-def"))
        self.classes = ClassBook(
            dhcp4.items("client-classes"), self.levels.definitions, self.groups, given_classes(dhcp4)
        )
        self.pair = Relation(dhcp4, server)
        self.kept = Kept(paired=self.pair.partner is not None)
        self.reservations = Reservations(
            dhcp4, self.levels, self.classes, self.groups, self.account, self.kept
        )
        self.pools = PoolReader(
            self.levels,
            self.groups,
            self.account,
            self.build.leased,
            open_to=self.pair.classes,
            kept=None if self.kept.paired else self.kept,
        )
        self._all_networks = tuple(networks_of(dhcp4))
        self._numbered = 0
        # A shared network whose words its only subnet has to say.
        self._above: Node | None = None

    def imported(self) -> Imported:
        """The whole file, level by level, and an account of what nothing took."""
        lease = self.levels.lease_time(self.dhcp4)
        top = self.levels.values(self.dhcp4)
        everywhere = self.reservations.everywhere()
        for part in self.classes.classes.values():
            self._keep_of(part.name, part.node)
        for network in self.dhcp4.items("shared-networks"):
            self._network(network, network.items("subnet4"), top, everywhere, lease)
        for subnet in self.dhcp4.items("subnet4"):
            self._network(None, [subnet], top, everywhere, lease)
        if not self.build.scopes:
            self._without_effect(top)
        servers = self.build.servers(
            self.server,
            self._said(),
            self.address,
            [*(row.address for row in self.reservations.clients.values()), *self.kept.addresses()],
        )
        servers |= self.pair.servers(servers[self.server], self.build)
        clients = self.reservations.rows()
        self.groups.settle_known(clients)
        self.classes.leave_idle()
        self._leave_switches()
        self.levels.leave_unused()
        tree = self.build.tree(Path(self.file).stem, servers, self.groups.groups, clients)
        forced = self.levels.forced_for_all()
        sent = tell_what_is_sent(tree, clients, forced)
        if self.reservations.named:
            _tell_names_unasked(tree)
        for node in (node for code, nodes in forced.items() if code not in sent for node in nodes):
            leave(node, "always-send", "no scope gives this option a value")
        tell_what_is_left(self.tree, self.account)
        left = self.account.close(())
        tell_what_is_lost(tree, self.server, left)
        return Imported(
            tree=tree,
            clients=clients,
            not_modelled=left,
            kept=tuple(sorted(self.kept.statements)),
            comments={"": self.build.notes},
            sources=(self.file,),
            assumed=frozenset({self.server} if self.address is None else ()),
        )

    def _said(self) -> dict[str, Any]:
        release = self.release
        said: dict[str, Any] = {"software": f"{KEA.name} {release}" if release else KEA.software}
        if self.dhcp4.plain("authoritative", bool) is not True:
            said["authoritative"] = False
        self.kept.top(self.dhcp4)
        for reference, node in self.kept.secrets.items():
            self.build.notes.append(
                f"The secret at {node.at} is not here: {{secret: {reference}}} stands for it."
            )
        said["settings"] = self.kept.settings
        return said

    def _keep_of(self, name: str, node: Node) -> None:
        """Keep what a class says that no rule does."""
        why_not = self.classes.plain.why_not(name)
        test = dict(node.members()).get("test")
        if why_not is None:
            self.kept.part_of_class(node, given=name in self.classes.given)
        elif name == "DROP" and test is not None and never_asked(str(test.value)):
            self.kept.drop(node)
        elif name != "DROP" and not any(
            item.value for key, item in node.members() if key in _SAID_BY_CLASSES
        ):
            node.leave(Harmless("it gives its members nothing"))

    def _leave_switches(self) -> None:
        top = self.dhcp4.plain("reservations-global", bool) is True
        for network in self.dhcp4.items("shared-networks"):
            leave_switch(network, top=top)
        for subnet in subnets(self.dhcp4):
            leave_switch(subnet, top=top)

    def _next_number(self, node: Node) -> int:
        """The id of a subnet; Kea numbers those without one in their order (``Subnet::generateNextID``)."""
        own = node.plain("id", int)
        if own:
            return int(own)
        self._numbered += 1
        return self._numbered

    def _network(
        self,
        shared: Node | None,
        nodes: list[Node],
        top: Values,
        everywhere: list[Reservation],
        lease: int | None,
    ) -> None:
        """A VLAN with the scopes of its subnets: of one subnet, or of all of a shared network."""
        middle = self.levels.values(shared) if shared is not None else Values()
        lease = (self.levels.lease_time(shared) if shared is not None else None) or lease
        usable: list[tuple[Node, IPv4Network]] = []
        for node in nodes:
            network = self._subnet(node)
            if network is not None:
                usable.append((node, network))
        if not usable:
            self._without_effect(middle)
            return
        name = shared.plain("name") if shared is not None else None
        vlan = self.build.add_vlan(name or "", [str(network) for _, network in usable])
        if shared is not None and len(usable) > 1:
            self.kept.network(vlan, shared)
            self._above = None
        else:
            self._above = shared
        for node, network in usable:
            key = vlan if len(usable) == 1 else f"{vlan}-{network.network_address}"
            scope: dict[str, Any] = {"server": self.server, "vlan": vlan, **self.pair.said}
            if len(usable) > 1:
                scope["subnet"] = str(network)
            scope |= self._scope(node, network, (top, middle), everywhere, lease, shared)
            self.build.add_scope(key, vlan, scope)

    def _subnet(self, node: Node) -> IPv4Network | None:
        text = node.plain("subnet") or ""
        try:
            network = IPv4Network(text, strict=False)
        except ValueError:
            # kea-dhcp4 refuses it too, and a subnet that is lost is a VLAN without DHCP.
            what = f"{text!r} is no subnet"
            raise InputError([Problem(node.at, what, "write it as 10.1.0.0/24")]) from None
        for vlan in self.build.vlans.values():
            nets = vlan["subnet"] if isinstance(vlan["subnet"], list) else [vlan["subnet"]]
            if any(network.overlaps(IPv4Network(net)) for net in nets):
                node.leave("overlaps a subnet before it")
                return None
        return network

    def _scope(
        self,
        node: Node,
        network: IPv4Network,
        outer: tuple[Values, Values],
        everywhere: list[Reservation],
        lease: int | None,
        shared: Node | None,
    ) -> dict[str, Any]:
        """What one subnet says to its clients; a later step replaces an earlier one."""
        top, middle = outer
        own = self.levels.values(node)
        inside = self.reservations.in_subnet(node, shared)
        self.kept.subnet(str(network), node, self._above, self._next_number(node))
        own_reservations = self.reservations.of(node, str(network)) if inside else []
        members = self.classes.where(self.reservations.groups_of_classes(own_reservations, everywhere))
        steps = [*top.options]
        fields: list[Step] = [*top.fields, *middle.fields, *own.fields]
        if node.plain("next-server") == "0.0.0.0":
            # A subnet that says so inherits none.
            fields = [step for step in fields if step.key is not NEXT_SERVER]
        for condition, found in reversed(members.speaking(asked(node))):
            values = self.levels.values(found.node)
            steps += guarded(condition, values.options)
            fields += guarded(condition, values.fields)
            if found.name == "DROP":
                fields.append(step_of(found.node, IGNORE, value=True))
                fields[-1] = replace(fields[-1], condition=condition)
        steps += [*middle.options, *own.options, *self.pools.options(node, network, members)]
        gate = self._gate(node, members)
        if gate != ALWAYS and (own_reservations or any(r.is_global for r in everywhere)):
            # Kea gives members of the class their reserved address and others none; a scope gives it to all.
            _leave_gate(node)
            gate = NEVER
        for reservation in own_reservations:
            self.reservations.register(reservation, [network])
        for reservation in everywhere:
            self.reservations.register(reservation, self._all_networks)
        here = [*own_reservations, *(r for r in everywhere if r.is_global)]
        steps = [*steps, *fields, *self.reservations.steps(here)]
        result: dict[str, Any] = {}
        pools = self.pools.of(node, network, members, gate)
        if pools:
            result["pools"] = pools
        if gate == NEVER:
            result["reservations"] = False
        seconds = self.levels.lease_time(node) or lease
        # Kea leases for 7200 s if nothing else is said.
        result["lease_time"] = max(SHORTEST_LEASE, seconds if seconds is not None else 7200)
        if seconds is not None and seconds < SHORTEST_LEASE:
            self.kept.shortest(str(network), seconds)
        result |= scope_fields(steps, self.groups.combined, self._complain)
        return result | said_literally(result)

    def _without_effect(self, values: Values) -> None:
        for step in (*values.fields, *values.options):
            self._complain(step, Harmless("without effect: there is no subnet it could hold for"))

    def _gate(self, node: Node, members: Memberships) -> Condition:
        """Whom a subnet is for: the members of one of its classes; nobody where that cannot be said."""
        plain = node.plain("client-class")
        names = [*([plain] if plain else []), *(str(item.value) for item in node.items("client-classes"))]
        if not names:
            return ALWAYS
        try:
            return any_of(members.before_a_subnet(name) for name in names)
        except Inexpressible:
            _leave_gate(node)
            return NEVER

    def _complain(self, step: Step, why: str) -> None:
        self.account.left_out(step.at, step.text, why)


_SAID_BY_CLASSES = (
    "option-data", "next-server", "boot-file-name", "server-hostname", "valid-lifetime", "min-valid-lifetime",
    "max-valid-lifetime",
)  # fmt: skip


def _tell_names_unasked(tree: dict[str, Any]) -> None:
    """Say that Kea sends the name of a reservation to clients too that do not ask for it."""
    for scope in tree["scopes"].values():
        if scope.get("host_names"):
            scope["always_send"] = sorted({*scope.get("always_send", ()), int(Option.HOST_NAME)})


def _leave_gate(node: Node) -> None:
    """Say that the classes of a subnet cannot be said, and so that it leases to nobody."""
    for key in ("client-class", "client-classes"):
        leave(node, key, "whom this subnet is for cannot be said in an inventory: it leases to nobody")
