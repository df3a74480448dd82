"""What a race depends on, without names: the line-up a class of clients meets.

Everything a server model may look at is in the key: what stands in the declarations of the servers that
hear the VLAN, what their lists say about this class, what the scopes hand to it, and how the VLAN
carries packets. Server names and addresses are replaced by their place in the line-up.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from coexist.analysis.space import RESERVED, ClientClass
from coexist.boot.loaders.names import url_host
from coexist.inventory.models import Program, Scope, Server
from coexist.inventory.references import server_address
from coexist.wire.options import Option

if TYPE_CHECKING:
    from coexist.analysis.site import AnalysedSite

# Options no boot firmware decides by: the network's own, which differ from subnet to subnet.
_INDIFFERENT = frozenset({2, 4, 5, 6, 7, 9, 12, 15, 26, 28, 33, 40, 41, 42, 44, 46, 47, 51, 58, 59, 119, 121})


class LineUps:
    """Makes the keys of one site."""

    def __init__(self, site: AnalysedSite) -> None:
        self.site = site
        self._fixed: dict[str, Any] = {}
        self._near: dict[str, tuple[bool, ...]] = {}
        self._routers: dict[str, frozenset[IPv4Address]] = {}
        self._subnets: dict[str, tuple[IPv4Network, ...]] = {}

    def of(self, client: ClientClass, silent: frozenset[str]) -> tuple[Any, tuple[str, ...]]:
        """The key of a class's race, and the servers in the order their places are counted."""
        site, vlan = self.site.site, client.vlan
        hearing = self.site.topology.hearing[vlan]
        names: dict[str, int] = {name: number for number, name in enumerate(hearing)}
        where = site.vlans[vlan]
        parts: list[Any] = [
            client.architecture,
            client.firmware,
            self._agents(vlan, names),
            where.forwarding_delay,
            where.jitter,
            where.blocked_ports,
            where.gateway is not None,
            bool(where.targets),
        ]
        for name, how in hearing.items():
            server = site.servers[name]
            parts.append(
                (
                    how.local,
                    how.relayed,
                    how.heard,
                    name in silent,
                    bool(where.blocked_ports) and vlan in server.stands_on,
                    tuple(self._is_near(address, vlan) for address in server.stands_on.values()),
                    self._server(name, server, client, names),
                )
            )
        parts += [
            self._scope(name, site.scopes[name], client, names) for name in self.site.scopes_by_vlan[vlan]
        ]
        return tuple(parts), tuple(names)

    def _agents(self, vlan: str, names: dict[str, int]) -> Any:
        """What the relay agents of a VLAN add and drop; of several also whom each of them asks."""
        declared = self.site.site.vlans[vlan].relay
        return tuple(
            (
                relay.min_secs,
                relay.option_82,
                relay.requires_option_82,
                relay.passes,
                relay.replaces_server_id,
                tuple(self._place(target, names, vlan) for target in relay.relay_to),
            )
            for relay in declared
        )

    def _place(self, text: str | None, names: dict[str, int], vlan: str) -> Any:
        """A reference to a server as its place in the line-up; servers elsewhere are added as they come."""
        if text is None:
            return None
        address = server_address(self.site.site, text, vlan)
        near = None if address is None else self._is_near(address, vlan)
        owner = self.site.topology.owner(text)
        if owner is None:
            return text, near
        return names.setdefault(owner, len(names)), self._roles(owner), near

    def _is_near(self, address: IPv4Address, vlan: str) -> tuple[bool, ...]:
        """Whether clients of each scope of a VLAN reach an address without a router."""
        subnets = self._subnets.get(vlan)
        if subnets is None:
            scopes = (self.site.site.scopes[name] for name in self.site.scopes_by_vlan[vlan])
            own = self.site.site.vlans[vlan].subnet[0]
            subnets = self._subnets[vlan] = tuple(scope.subnet or own for scope in scopes)
        return tuple(address in subnet for subnet in subnets)

    def _is_router(self, value: Any, vlan: str) -> bool:
        """Whether an option 3 names a router of the VLAN first."""
        routers = self._routers.get(vlan)
        if routers is None:
            declared = self.site.site.vlans[vlan]
            gateway = (declared.gateway,) if declared.gateway else ()
            routers = self._routers[vlan] = frozenset((*declared.giaddrs, *declared.routers, *gateway))
        first = next(iter(value), None) if isinstance(value, tuple) else value
        return isinstance(first, str) and _is_address(first) and IPv4Address(first) in routers

    def _roles(self, name: str) -> Any:
        server = self.site.site.servers[name]
        return tuple(sorted(server.effective_roles)), server.host is not None

    def _program(self, program: Program | None, names: dict[str, int], vlan: str) -> Any:
        if program is None:
            return None
        return self._file(program.file, names, vlan), self._place(program.server, names, vlan)

    def _file(self, file: str | None, names: dict[str, int], vlan: str) -> Any:
        """A boot file; of a URL the place of its host too, which another class may know by another place."""
        host = None if file is None else url_host(file)
        return file if host is None else (file, self._place(host, names, vlan))

    def _server(self, name: str, server: Server, client: ClientClass, names: dict[str, int]) -> Any:
        fixed = self._fixed.get(name)
        if fixed is None:
            fixed = self._fixed[name] = (
                str(server.software),
                tuple(sorted(server.effective_roles)),
                server.discovery_control,
                server.offers_file,
                server.answers_4011,
                str(server.discovery_group),
                server.authoritative,
                server.ping_check,
                server.relayed,
                server.echoes_option_82,
                repr(server.settings),
                server.host is not None,
                tuple(sorted(str(p) for p in server.programs)),
            )
        site = self.site
        wanted = server.answers
        signature = client.macs.signature
        listed = site.answers(name, server, client, site.intent_of(client))
        delays = tuple((str(d), site.space.has((g,), signature)) for g, d in server.delay_for.items())
        programs = tuple(
            (key, self._program(program, names, client.vlan))
            for key, program in sorted(site.programs_of(name, client)[0].items())
        )
        return (
            fixed,
            wanted.architectures,
            client.macs.known,
            listed,
            str(server.delay),
            delays,
            programs,
            self._place(server.boot_server, names, client.vlan),
            self._options(server.options, names, client.vlan),
        )

    def _options(self, options: Any, names: dict[str, int], vlan: str) -> Any:
        return tuple(
            (code, self._option(code, value, names, vlan))
            for code, value in sorted(options.items())
            if code not in _INDIFFERENT
        )

    def _option(self, code: int, value: Any, names: dict[str, int], vlan: str) -> Any:
        if code == Option.ROUTER:
            return self._is_router(value, vlan)
        if not isinstance(value, str):
            return value
        return self._place(value, names, vlan) if _is_address(value) else self._file(value, names, vlan)

    def _reach(self, name: str, scope: Scope) -> tuple[bool, ...]:
        """Whether the scope's subnet holds the relay agent, and each of its servers where it stands here."""
        found = self._near.get(name)
        if found is None:
            site = self.site.site
            vlan = site.vlans[scope.vlan]
            subnet = scope.subnet or vlan.subnet[0]
            here = (site.servers[server].stands_on.get(scope.vlan) for server in scope.servers)
            found = tuple(address is not None and address in subnet for address in (*vlan.giaddrs, *here))
            self._near[name] = found
        return found

    def _scope(self, name: str, scope: Scope, client: ClientClass, names: dict[str, int]) -> Any:
        reader, vlan = self.site.scopes, scope.vlan
        if self.site.site.servers[scope.servers[0]].config:
            # Its own files may look at anything: equal only where they cannot tell two clients apart.
            server = scope.servers[0]
            return name, client.macs.signature & reader.space.own[server]
        rules = tuple(
            (
                rule.clients is None or reader.space.has(rule.clients, client.macs.signature),
                rule.architectures,
                rule.vendor_class,
                rule.user_class,
                tuple(map(repr, rule.when)),
                rule.ignore,
                self._place(rule.next_server, names, vlan),
                self._file(rule.filename, names, vlan),
                tuple((k, self._program(p, names, vlan)) for k, p in sorted(rule.programs.items())),
                self._options(rule.options, names, vlan),
            )
            for rule in scope.rules
        )
        return (
            tuple(self._place(server, names, vlan) for server in scope.servers),
            scope.min_secs,
            bool(scope.reservations and client.macs.signature & RESERVED),
            reader.leases(scope, client),
            self._reach(name, scope),
            self._place(scope.next_server, names, vlan),
            self._file(scope.filename, names, vlan),
            tuple((k, self._program(p, names, vlan)) for k, p in sorted(scope.programs.items())),
            self._options(scope.options, names, vlan),
            rules,
        )


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True
