"""A Kea DHCPv4 configuration as an inventory.

What Kea takes from where (Kea 2.2, src/bin/dhcp4/dhcp4_srv.cc): an option comes from the
reservation, else the pool, the subnet, the shared network, the first class that has it, the global
list (buildCfgOptionList); siaddr and ``file`` from the reservation, else the first class that has
it, else the subnet with what it inherits (setFixedFields).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from coexist.errors import InputError, Problem
from coexist.importers.account import Account
from coexist.importers.addresses import SHARED_ADDRESS, why_nobody
from coexist.importers.conditions import (
    ALWAYS,
    NEVER,
    POOL_FOR_NOBODY,
    Inexpressible,
    Member,
    pool_conditions,
    spelled_value,
    test,
)
from coexist.importers.groups import GroupBook
from coexist.importers.imported import ClientRow, Imported
from coexist.importers.kea.classes import ClassBook, Memberships
from coexist.importers.kea.keywords import refuse_unknown_keys
from coexist.importers.kea.options import Definition, Definitions
from coexist.importers.program import (
    FILENAME,
    IGNORE,
    NEXT_SERVER,
    Step,
    guarded,
    scope_fields,
)
from coexist.importers.sent import tell_what_is_sent
from coexist.importers.site_builder import SiteBuilder
from coexist.inventory.products import KEA
from coexist.inventory.values import AddressRange
from coexist.languages.kea.json_nodes import Node, read_json
from coexist.languages.source_files import ReadFile
from coexist.wire.mac import format_mac, parse_mac

_SHORTEST_LEASE = 60

_WHY = {
    "interfaces-config": "the inventory knows VLANs, not the server's network cards",
    "control-socket": "how the daemon is controlled says nothing about booting",
    "control-sockets": "how the daemon is controlled says nothing about booting",
    "lease-database": "where leases are kept says nothing about booting",
    "hosts-database": "reservations in a database are not read",
    "hosts-databases": "reservations in a database are not read",
    "expired-leases-processing": "how leases are kept says nothing about booting",
    "dhcp-ddns": "dynamic DNS says nothing about booting",
    "ip-reservations-unique": "whether reservations may share an address follows from the reservations",
    "hooks-libraries": "hooks may do anything; they are not followed",
    "loggers": "logging says nothing about booting",
    "renew-timer": "times a client renews at are not in the inventory",
    "rebind-timer": "times a client renews at are not in the inventory",
    "min-valid-lifetime": "the inventory has one lease time; this limits what clients may ask for",
    "max-valid-lifetime": "the inventory has one lease time; this limits what clients may ask for",
    "server-hostname": "the header field sname, which no boot firmware reads",
    "interface": "the inventory knows VLANs, not the server's network cards",
    "id": "Kea's own number of a subnet",
    "sanity-checks": "how leases are kept says nothing about booting",
    "multi-threading": "how the daemon runs says nothing about booting",
    "relay": "the inventory knows a VLAN's relay by its gateway",
    "user-context": "a note for people",
    "comment": "a note for people",
    "match-client-id": "how leases are told apart is not in the inventory",
    "echo-client-id": "whether option 61 comes back is not in the inventory",
}


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


@dataclass(slots=True)
class _Values:
    """What one level says: header fields and options, as steps for everyone it speaks to."""

    fields: list[Step] = field(default_factory=list)
    options: list[Step] = field(default_factory=list)


@dataclass(slots=True)
class _Reservation:
    """``early``: its classes count before a subnet is chosen; ``is_global``: it counts as a whole."""

    mac: int
    node: Node
    values: _Values
    early: bool = False
    is_global: bool = False


class _Site:
    def __init__(self, tree: Node, dhcp4: Node, file: str, server: str, address: IPv4Address | None) -> None:
        self.tree, self.dhcp4, self.file = tree, dhcp4, file
        self.server, self.address = server, address
        self.account = Account()
        self.groups = GroupBook(server=server)
        self.build = SiteBuilder()
        self.definitions = Definitions()
        self._defined: list[tuple[Definition, Node]] = []
        self._forced: dict[int, list[Node]] = {}
        self.clients: dict[int, ClientRow] = {}
        # The name of the first machine of each address.
        self.owners: dict[str, str] = {}
        self._group_of: dict[frozenset[int], str] = {}
        self._class_groups: dict[tuple[str, frozenset[int]], str] = {}
        # The classes that pools are for.
        self._gates = _gate_classes(dhcp4)
        self._all_networks = tuple(_networks_of(dhcp4))

    def imported(self) -> Imported:
        for node in self.dhcp4.items("option-def"):
            self._definition(node)
        self.classes = ClassBook(
            self.dhcp4.items("client-classes"), self.definitions, self.groups, _given_classes(self.dhcp4)
        )
        lease = self._lease_time(self.dhcp4)
        top = self._values(self.dhcp4)
        everywhere = self._global_reservations()
        for network in self.dhcp4.items("shared-networks"):
            self._network(network, top, everywhere, lease)
        for subnet in self.dhcp4.items("subnet4"):
            self._network(None, top, everywhere, lease, [subnet])
        if not self.build.scopes:
            self._for_nobody(top)
        servers = self.build.servers(
            self.server, self._said(), self.address, [row.address for row in self.clients.values()]
        )
        clients = self._rows()
        self.groups.settle_known(clients)
        self.classes.leave_idle()
        for definition, node in self._defined:
            if definition not in self.definitions.used:
                node.leave("names an option that nothing here uses")
        tree = self.build.tree(Path(self.file).stem, servers, self.groups.groups, clients)
        sent = tell_what_is_sent(tree, clients, self._forced)
        for code, nodes in self._forced.items():
            for node in () if code in sent else nodes:
                self._leave(node, "always-send", "no scope gives this option a value")
        for node, name in self.tree.left():
            self.account.left_out(node.at, _shown(name, node), node.why or _WHY.get(name, "not understood"))
        return Imported(
            tree=tree,
            clients=clients,
            not_modelled=self.account.close(()),
            comments={"": self.build.notes},
            sources=(self.file,),
            assumed=frozenset({self.server} if self.address is None else ()),
        )

    def _global_reservations(self) -> list[_Reservation]:
        """The reservations of no subnet: all of each, or with the early lookup alone its classes."""
        everywhere = self._reservations(self.dhcp4)
        early = self.dhcp4.plain("early-global-reservations-lookup", bool) is True
        is_global = self._is_global(self.dhcp4)
        for reservation in everywhere:
            reservation.early, reservation.is_global = early, is_global
            if not is_global:
                self._leave_switched_off(reservation.node, early)
                continue
            given = reservation.node.get("ip-address")
            if given is not None:
                why = "global: Kea gives the address out in every subnet, the inventory in its own"
                self.account.left_out(given.at, _shown("ip-address", given), why)
        return everywhere if early or is_global else []

    def _leave_switched_off(self, node: Node, early: bool) -> None:
        why = "global reservations are switched off by reservations-global"
        if not early:
            node.leave(why)
            return
        for key, item in node.members():
            if key not in ("hw-address", "client-classes"):
                item.leave(f"{why}; only their classes count, by early-global-reservations-lookup")

    def _rows(self) -> list[ClientRow]:
        tags = self.groups.tags
        source = self.server if self.groups.known else ""
        return [
            replace(row, tags=" ".join(tags.get(mac, ())), source=source) for mac, row in self.clients.items()
        ]

    def _said(self) -> dict[str, Any]:
        said: dict[str, Any] = {"software": KEA.software}
        if self.dhcp4.plain("authoritative", bool) is not True:
            said["authoritative"] = False
        return said

    # -- definitions and classes -----------------------------------------------------------------

    def _definition(self, node: Node) -> None:
        name, code, kind = node.plain("name"), node.plain("code", int), node.plain("type")
        if name is None or code is None or kind is None:
            node.leave("an option definition without name, code or type")
            return
        record = str(node.plain("record-types") or "")
        definition = Definition(
            name=name,
            code=code,
            space=node.plain("space") or "dhcp4",
            kind=kind,
            array=bool(node.plain("array", bool)),
            encapsulates=node.plain("encapsulate") or "",
            record=tuple(part.strip() for part in record.split(",")) if record else (),
        )
        self.definitions.add(definition)
        self._defined.append((definition, node))

    # -- values ----------------------------------------------------------------------------------

    def _values(self, holder: Node) -> _Values:
        """The header fields and options one level says."""
        result = _Values()
        server = holder.plain("next-server")
        if server is not None and server != "0.0.0.0":
            try:
                IPv4Address(server)
                result.fields.append(self._step(holder.get("next-server"), NEXT_SERVER, server))
            except AddressValueError:
                self._leave(holder, "next-server", "this is no IPv4 address")
        file = holder.plain("boot-file-name")
        if file:
            if file.isprintable() and len(file.encode()) <= 127:
                result.fields.append(self._step(holder.get("boot-file-name"), FILENAME, file))
            else:
                self._leave(holder, "boot-file-name", "the header field cannot hold this name")
        result.options = self._options(holder)
        return result

    def _leave(self, holder: Node, key: str, why: str) -> None:
        found = holder.get(key)
        if found is not None:
            found.leave(why)

    def _step(self, node: Node | None, key: object, value: object) -> Step:
        assert node is not None
        return Step(condition=ALWAYS, key=key, value=value, at=node.at, text=node.text)

    def _options(self, holder: Node) -> list[Step]:
        """The option-data of one level; what belongs into another option is put there."""
        inner: dict[str, dict[int, bytes]] = {}
        found: dict[int, tuple[Node, bytes | None]] = {}
        nodes: dict[str, list[Node]] = {}
        for node in holder.items("option-data"):
            space = node.plain("space") or "dhcp4"
            code = node.plain("code", int)
            name = node.plain("name")
            if code is None and name is not None:
                code = self.definitions.code(name, space)
            if code is None:
                node.leave(f"the option {name} is not known")
                continue
            try:
                octets = self._octets(node, space, code)
            except Inexpressible as reason:
                node.leave(str(reason))
                continue
            if space == "dhcp4":
                found[code] = (node, octets)
            elif octets is not None:
                inner.setdefault(space, {})[code] = octets
                nodes.setdefault(space, []).append(node)
        return list(self._settled(found, inner, nodes))

    def _octets(self, node: Node, space: str, code: int) -> bytes | None:
        data = node.plain("data")
        csv = node.plain("csv-format", bool)
        if data is None:
            return None
        return self.definitions.octets(space, code, data, csv=csv is not False)

    def _settled(
        self,
        found: dict[int, tuple[Node, bytes | None]],
        inner: dict[str, dict[int, bytes]],
        nodes: dict[str, list[Node]],
    ) -> Iterator[Step]:
        for code, (node, given) in found.items():
            octets = given
            space = self.definitions.encapsulated_space(code)
            for sub, value in sorted(inner.pop(space, {}).items()):
                octets = (octets or b"") + bytes([sub, len(value)]) + value
            if octets is None or not 0 < code < 255:
                node.leave("an option without data")
                continue
            if node.plain("always-send", bool):
                self._forced.setdefault(code, []).append(node)
            yield self._step(node, code, _option_text(code, octets))
        for space in inner:
            for node in nodes[space]:
                node.leave(f"Kea sends the space {space} only where the option that holds it is listed too")

    def _lease_time(self, holder: Node) -> int | None:
        seconds = holder.plain("valid-lifetime", int)
        if seconds is not None and seconds < _SHORTEST_LEASE:
            self._leave(
                holder, "valid-lifetime", f"leases below {_SHORTEST_LEASE} s are not in the inventory"
            )
            return None
        return None if seconds is None else int(seconds)

    # -- reservations ----------------------------------------------------------------------------

    def _is_global(self, holder: Node) -> bool:
        mode = holder.plain("reservation-mode")
        flag = holder.plain("reservations-global", bool)
        holder.get("reservations-out-of-pool")
        return mode == "global" or flag is True

    def _in_subnet(self, node: Node, shared: Node | None) -> bool:
        """Whether the reservations of a subnet count; the innermost level that says so decides."""
        said = True
        for holder in (self.dhcp4, *([shared] if shared is not None else []), node):
            mode = holder.plain("reservation-mode")
            flag = holder.plain("reservations-in-subnet", bool)
            if mode is not None:
                said = mode not in ("disabled", "global")
            if flag is not None:
                said = flag
        found = node.get("reservations")
        if found is not None and not said:
            found.leave("the reservations of this subnet are switched off by reservations-in-subnet")
        return said

    def _reserved(self, own: list[_Reservation], everywhere: list[_Reservation]) -> dict[str, str]:
        """The group of the machines that have a class reserved, by class, in the order they list them.

        A machine's reservation in the subnet hides its global one, but not the early classes of that.
        """
        hidden = {reservation.mac for reservation in own}
        counting = [r for r in everywhere if r.early]
        counting += own
        counting += [r for r in everywhere if r.is_global and r.mac not in hidden]
        macs: dict[str, set[int]] = {}
        for reservation in counting:
            for item in _peeked(reservation.node, "client-classes"):
                macs.setdefault(item.value, set()).add(reservation.mac)
        for reservation in counting:
            self._class_places(reservation, list(macs))
        return {name: self._members_group(name, frozenset(found)) for name, found in macs.items()}

    def _class_places(self, reservation: _Reservation, order: list[str]) -> None:
        """Say which classes of a reservation mean nothing, or come in another order than another's."""
        last = -1
        for item in _peeked(reservation.node, "client-classes"):
            name = item.value
            if name in self.classes.classes:
                if self.classes.plain.why_not(name) is not None:
                    item.leave(f"the class {name} is not understood")
            elif name not in self._gates:
                item.leave(f"nothing here speaks of the class {name}")
            if order.index(name) < last:
                item.leave("listed in another order by another reservation, which is taken for all")
            last = max(last, order.index(name))

    def _members_group(self, name: str, macs: frozenset[int]) -> str:
        if (name, macs) not in self._class_groups:
            self._class_groups[name, macs] = self.groups.of_clients(name, macs)
        return self._class_groups[name, macs]

    def _reservations(self, holder: Node) -> list[_Reservation]:
        result = []
        looked_up = [item.value for item in self.dhcp4.items("host-reservation-identifiers")]
        by_mac = "hw-address" in looked_up or self.dhcp4.get("host-reservation-identifiers") is None
        for node in holder.items("reservations"):
            text = node.plain("hw-address")
            if not by_mac:
                node.leave("host-reservation-identifiers does not name hw-address")
                continue
            if text is None:
                node.leave("the inventory knows machines by their MAC address only")
                continue
            try:
                mac = parse_mac(text)
            except ValueError:
                node.leave("no Ethernet address")
                continue
            nobody = why_nobody(mac)
            if nobody is not None:
                node.leave(nobody)
                continue
            node.items("client-classes")
            result.append(_Reservation(mac, node, self._values(node)))
        return result

    def _register(self, reservation: _Reservation, networks: Iterable[IPv4Network]) -> None:
        node = reservation.node
        name = node.plain("hostname") or ""
        address = node.plain("ip-address") or ""
        if address and not any(_inside(address, network) for network in networks):
            self._leave(node, "ip-address", "the address is in none of the subnets")
            address = ""
        known = self.clients.get(reservation.mac)
        if known is not None:
            if address and not known.address:
                self.clients[reservation.mac] = replace(known, address=address)
            elif address and known.address != address:
                self._leave(node, "ip-address", f"this MAC has the address {known.address} already")
            return
        for step in reservation.values.options:
            if step.key == 12:
                name = name or str(step.value)
        owner = self.owners.setdefault(address, name) if address else name
        if owner != name:
            node.leave(SHARED_ADDRESS.format(name=owner or "an unnamed machine"))
        self.clients[reservation.mac] = ClientRow(
            mac=format_mac(reservation.mac), name=owner, address=address
        )

    # -- subnets ---------------------------------------------------------------------------------

    def _network(
        self,
        shared: Node | None,
        top: _Values,
        everywhere: list[_Reservation],
        lease: int | None,
        alone: list[Node] | None = None,
    ) -> None:
        nodes = alone if alone is not None else shared.items("subnet4") if shared is not None else []
        middle = self._values(shared) if shared is not None else _Values()
        lease = (self._lease_time(shared) if shared is not None else None) or lease
        usable: list[tuple[Node, IPv4Network]] = []
        for node in nodes:
            network = self._subnet(node)
            if network is not None:
                usable.append((node, network))
        if not usable:
            self._for_nobody(middle)
            return
        name = shared.plain("name") if shared is not None else None
        vlan = self.build.add_vlan(name or "", [str(network) for _, network in usable])
        for node, network in usable:
            key = vlan if len(usable) == 1 else f"{vlan}-{network.network_address}"
            scope: dict[str, Any] = {"server": self.server, "vlan": vlan}
            if len(usable) > 1:
                scope["subnet"] = str(network)
            scope |= self._scope(node, network, (top, middle), everywhere, lease, key, shared)
            self.build.add_scope(key, vlan, scope)

    def _subnet(self, node: Node) -> IPv4Network | None:
        try:
            network = IPv4Network(node.plain("subnet") or "", strict=False)
        except ValueError:
            node.leave("a subnet without its prefix")
            return None
        for vlan in self.build.vlans.values():
            nets = vlan["subnet"] if isinstance(vlan["subnet"], list) else [vlan["subnet"]]
            if any(network.overlaps(IPv4Network(net)) for net in nets):
                node.leave("overlaps a subnet that stands before it")
                return None
        return network

    def _scope(
        self,
        node: Node,
        network: IPv4Network,
        outer: tuple[_Values, _Values],
        everywhere: list[_Reservation],
        lease: int | None,
        key: str,
        shared: Node | None,
    ) -> dict[str, Any]:
        top, middle = outer
        own = self._values(node)
        own_reservations = self._reservations(node) if self._in_subnet(node, shared) else []
        members = self.classes.where(self._reserved(own_reservations, everywhere))
        steps = [*top.options]
        fields: list[Step] = [*top.fields, *middle.fields, *own.fields]
        for condition, found in reversed(members.speaking(_asked(node))):
            values = self._values(found.node)
            steps += guarded(condition, values.options)
            fields += guarded(condition, values.fields)
            if found.name == "DROP":
                fields.append(self._step(found.node, IGNORE, value=True))
                fields[-1] = replace(fields[-1], condition=condition)
        steps += [*middle.options, *own.options, *self._pool_options(node, members)]
        for reservation in own_reservations:
            self._register(reservation, [network])
        for reservation in everywhere:
            self._register(reservation, self._all_networks)
        here = [*own_reservations, *(r for r in everywhere if r.is_global)]
        steps = [*steps, *fields, *self._host_steps(here)]
        result: dict[str, Any] = {}
        pools = self._pools(node, network, members)
        if pools:
            result["pools"] = pools
        seconds = self._lease_time(node) or lease
        # Kea leases for 7200 s if nothing else is said.
        result["lease_time"] = seconds if seconds is not None else 7200
        if self._member_only(node):
            result["pools"] = [_for_nobody(pool) for pool in result.get("pools", ())]
            result["reservations"] = False
        return result | scope_fields(steps, self.groups.combined, self._complain)

    def _for_nobody(self, values: _Values) -> None:
        for step in (*values.fields, *values.options):
            self._complain(step, "without effect: there is no subnet it could hold for")

    def _member_only(self, node: Node) -> bool:
        """Whether a subnet is for the members of a class only, which a scope cannot say."""
        found = [node.get(key) for key in ("client-class", "client-classes")]
        for each in found:
            if each is not None:
                each.leave(
                    "a subnet for some clients only; the inventory's scopes are for all of their VLAN,"
                    " and this one leases to nobody"
                )
        return any(each is not None for each in found)

    def _complain(self, step: Step, why: str) -> None:
        self.account.left_out(step.at, step.text, why)

    def _host_steps(self, reservations: list[_Reservation]) -> list[Step]:
        result: list[Step] = []
        together: dict[tuple[object, ...], list[_Reservation]] = {}
        seen: set[int] = set()
        for reservation in reservations:
            if reservation.mac in seen:
                continue
            seen.add(reservation.mac)
            steps = [*reservation.values.fields, *reservation.values.options]
            same = tuple((step.key, step.value) for step in steps if step.key != 12)
            if same:
                together.setdefault(same, []).append(reservation)
            for step in steps:
                if step.key == 12:
                    self._complain(step, "kept as the name of the client; it is not told to the client")
        for members in together.values():
            macs = frozenset(member.mac for member in members)
            if macs not in self._group_of:
                name = self.clients[members[0].mac].name if members[0].mac in self.clients else ""
                wanted = name if len(macs) == 1 else f"hosts-like-{name}"
                self._group_of[macs] = self.groups.of_clients(wanted or "reserved", macs)
            steps = [*members[0].values.fields, *members[0].values.options]
            condition = test(Member(self._group_of[macs]))
            result += guarded(condition, [step for step in steps if step.key != 12])
        return result

    # -- pools -----------------------------------------------------------------------------------

    def _pools(self, node: Node, network: IPv4Network, members: Memberships) -> list[Any]:
        result: list[Any] = []
        for pool in node.items("pools"):
            text = pool.plain("pool") or ""
            try:
                span = _pool_range(text)
            except ValueError:
                pool.leave("a pool without its range")
                continue
            if span.first not in network or span.last not in network:
                # kea-dhcp4 refuses the file: "does not match the prefix of a subnet".
                what = f"the pool {span} is not in its subnet {network}"
                raise InputError([Problem(pool.at, what, "correct the range or the subnet")])
            self.build.leased.append((int(span.first), int(span.last)))
            entry = self._pool_for(pool, str(span), members)
            result.append(entry)
        return result

    def _pool_for(self, pool: Node, text: str, members: Memberships) -> Any:
        name = pool.plain("client-class")
        if name is None:
            return text
        try:
            condition = members.selecting(name)
        except Inexpressible:
            condition = NEVER
        entry = pool_conditions(condition, self.groups.combined)
        if entry is None:
            self._leave(pool, "client-class", POOL_FOR_NOBODY)
            return {"range": text, "allow": "nobody"}
        return {"range": text, **entry}

    def _pool_options(self, node: Node, members: Memberships) -> list[Step]:
        """Options of the pools: of one pool that all clients lease from they are the scope's own."""
        pools = node.items("pools")
        result: list[Step] = []
        for pool in pools:
            steps = self._options(pool)
            name = pool.plain("client-class")
            try:
                condition = members.selecting(name) if name else ALWAYS
                if len(pools) > 1 and condition == ALWAYS and steps:
                    raise Inexpressible("its clients may as well get an address of another pool")
                result += guarded(condition, steps) if condition else []
            except Inexpressible as reason:
                for step in steps:
                    self._complain(step, f"holds for the clients of a pool: {reason}")
        return result


def _pool_range(text: str) -> AddressRange:
    if "/" in text:
        network = IPv4Network(text.strip())
        return AddressRange(first=network.network_address, last=network.broadcast_address)
    first, _, last = text.partition("-")
    return AddressRange(first=IPv4Address(first.strip()), last=IPv4Address(last.strip()))


def _networks_of(dhcp4: Node) -> Iterator[IPv4Network]:
    """Every subnet of a configuration."""
    for holder in (dhcp4, *dhcp4.items("shared-networks")):
        for node in holder.items("subnet4"):
            try:
                yield IPv4Network(node.plain("subnet") or "", strict=False)
            except ValueError:
                continue


def _given_classes(dhcp4: Node) -> frozenset[str]:
    """The classes that reservations list."""
    return frozenset(
        item.value
        for holder in (dhcp4, *_subnets(dhcp4))
        for node in _peeked(holder, "reservations")
        for item in _peeked(node, "client-classes")
    )


def _gate_classes(dhcp4: Node) -> frozenset[str]:
    """The classes that pools are for."""
    return frozenset(
        dict(pool.members())["client-class"].value
        for subnet in _subnets(dhcp4)
        for pool in _peeked(subnet, "pools")
        if "client-class" in dict(pool.members())
    )


def _subnets(dhcp4: Node) -> Iterator[Node]:
    for holder in (dhcp4, *_peeked(dhcp4, "shared-networks")):
        yield from _peeked(holder, "subnet4")


def _peeked(node: Node, key: str) -> list[Node]:
    """The elements of a list member, which nobody has understood by that."""
    found = dict(node.members()).get(key)
    return found.elements() if found is not None else []


def _asked(subnet: Node) -> list[str]:
    """The classes a subnet asks for, in its order."""
    return [
        item.value
        for key in ("require-client-classes", "evaluate-additional-classes")
        for item in subnet.items(key)
    ]


def _inside(address: str, network: IPv4Network) -> bool:
    try:
        return IPv4Address(address) in network
    except AddressValueError:
        return False


def _option_text(code: int, octets: bytes) -> str:
    """The value as it is written in an inventory; a boot file without its NUL stays without."""
    if code == 67:
        return "hex:" + octets.hex(":") if not octets.endswith(b"\0") else spelled_value(code, octets[:-1])
    return spelled_value(code, octets) if octets else "hex:"


def _shown(name: str, node: Node) -> str:
    return f'"{name}": {node.text}' if name else node.text


def _for_nobody(pool: Any) -> dict[str, Any]:
    """A pool that leases to no client."""
    return {"range": pool["range"] if isinstance(pool, dict) else pool, "allow": "nobody"}
