"""A dnsmasq configuration as an inventory: a DHCP server, a ProxyDHCP, or both.

Lines are read by ``coexist.languages.dnsmasq.reader``. A tag is set by what the client sends (`tags`), by
its dhcp-host (`hosts`), or by the range it gets an address from; what the lines that ask for tags say where
addresses are leased is in `scopes`, what a ProxyDHCP answers in `proxy`.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from coexist.importers.conditions import ALWAYS, Inexpressible, Member
from coexist.importers.dnsmasq.defaults import say_defaults
from coexist.importers.dnsmasq.holding import outer_of
from coexist.importers.dnsmasq.hosts import Machines
from coexist.importers.dnsmasq.proxy import boot_service
from coexist.importers.dnsmasq.scopes import Scopes
from coexist.importers.dnsmasq.source import Source
from coexist.importers.dnsmasq.tags import TagBook, leave_unasked, read_matches, read_rules
from coexist.importers.groups import GroupBook
from coexist.importers.imported import Imported
from coexist.importers.sent import tell_what_is_lost, tell_what_is_sent
from coexist.importers.site_builder import SiteBuilder, one_or_list, stand_on, stands_on
from coexist.inventory.products import DNSMASQ
from coexist.languages.dnsmasq.config import Range
from coexist.languages.dnsmasq.files import Lines
from coexist.languages.dnsmasq.keywords import refuse_bad_lines
from coexist.languages.dnsmasq.lexer import split_keyword


def import_dnsmasq(
    lines: Lines,
    file: str,
    *,
    server: str = DNSMASQ.name,
    address: IPv4Address | None = None,
    network: IPv4Network | None = None,
) -> Imported:
    """The lines of a dnsmasq configuration (`files.read_lines`) as an inventory.

    ``network``: the subnet of the network card that has ``address``; a range without a netmask has its own.
    Raises InputError at a line the daemon would not start with, and at a range whose netmask is not known.
    """
    return _Site(lines, file, server, address, network).imported()


class _Site:
    def __init__(
        self,
        lines: Lines,
        file: str,
        server: str,
        address: IPv4Address | None,
        network: IPv4Network | None,
    ) -> None:
        self.file, self.server = file, server
        self.source = Source(lines, network)
        refuse_bad_lines(lines, self.source.config)
        self.config = self.source.config
        self.listening = self._listen_addresses()
        self.address = address or next(iter(self.listening), None)
        self.groups = GroupBook(server=server)
        self.build = SiteBuilder()
        self.tags = TagBook()
        self.machines = Machines(self.source, self.groups, self.tags)
        self.scopes = Scopes(self.source, self.groups, self.tags, self.build, server, self.address)

    def imported(self) -> Imported:
        read_matches(self.source, self.groups, self.tags)
        self.machines.read()
        read_rules(self.source, self.tags)
        vlans = [(self.build.add_vlan("", [str(net)]), ranges) for net, ranges in self._networks()]
        own = self.address or self._boot_address()
        for vlan, ranges in vlans:
            if any(r.mode != "proxy" for r in ranges):
                self.build.add_scope(vlan, vlan, self.scopes.scope(vlan, ranges))
        servers = self.build.servers(self.server, self._said(), own, self.machines.addresses())
        self._say_defaults(servers[self.server], vlans)
        proxied = [vlan for vlan, ranges in vlans if any(r.mode == "proxy" for r in ranges)]
        if self._does_both:
            self._add_proxy(servers, proxied)
        else:
            self._own_name(servers[self.server])
            self._stand_everywhere(servers[self.server], proxied)
        rows = self.machines.rows(self.server, self.build.home_of)
        self.groups.settle_known(rows)
        self.scopes.leave_idle()
        if not self.source.only_proxy:
            leave_unasked(self.source)
        self.source.settle()
        self._keep_lines(servers[self.server])
        tree = self.build.tree(Path(self.file).stem, servers, self.groups.groups, rows)
        options = self.source.config.options
        forced = {outer_of(o) if o.is_inside else o.code for o in options if o.force}
        tell_what_is_sent(tree, rows, {code for code in forced if code is not None})
        left = self.source.account.close(())
        tell_what_is_lost(tree, self.server, left)
        return Imported(
            tree=tree,
            clients=rows,
            not_modelled=left,
            comments={"": self.build.notes},
            sources=(self.file,),
            assumed=frozenset({self.server} if own is None else ()),
        )

    def _keep_lines(self, server: dict[str, Any]) -> None:
        """DNS, files and logging: the lines that are carried over as they are."""
        kept = {key: one_or_list(values) for key, values in self.source.kept.items()}
        if self.config.dns:
            port = [value for _, value in self.source.values("port")]
            kept["port"] = port[-1] if port else "53"
            listen = [value for _, value in self.source.values("listen-address")]
            if listen:
                kept["listen-address"] = one_or_list(listen)
        if kept:
            server["settings"] = {**kept, **server.get("settings", {})}

    def _say_defaults(self, server: dict[str, Any], vlans: list[tuple[str, list[Range]]]) -> None:
        stands = stands_on(server)
        for vlan, ranges in vlans:
            leasing = [item for item in ranges if item.mode != "proxy"]
            if leasing:
                own = IPv4Address(stands[vlan]) if vlan in stands else None
                say_defaults(self.source, self.build.scopes[vlan], leasing, own)

    # -- where it stands -------------------------------------------------------------------------

    def _listen_addresses(self) -> list[IPv4Address]:
        found: list[IPv4Address] = []
        for _, value in self.source.values("listen-address"):
            for part in value.split(","):
                with suppress(ValueError):
                    found.append(IPv4Address(part.strip()))
        return [address for address in found if not address.is_loopback]

    def _boot_address(self) -> IPv4Address | None:
        """The address its boot lines name, if it serves TFTP itself and stands in one of its subnets."""
        if not self.config.tftp:
            return None
        named = [b.address for b in self.config.boots] + [s.server for s in self.config.services]
        return next((a for a in named if a is not None and self.build.home_of(a)), None)

    def _networks(self) -> list[tuple[IPv4Network, list[Range]]]:
        result: dict[IPv4Network, list[Range]] = {}
        for item in self.config.ranges:
            if self.source.is_assumed(item):
                self.build.notes.append(
                    f"The netmask of dhcp-range={item.start} is that of the server's network card;"
                    " /24 is assumed."
                )
            try:
                network = self.source.network_of(item)
            except ValueError:
                self.source.leave(item.line, f"the netmask {item.netmask} is not a run of ones")
                continue
            result.setdefault(network, []).append(item)
            self.source.take(item.line)
        return list(result.items())

    def _stand_everywhere(self, server: dict[str, Any], proxied: list[str]) -> None:
        """A ProxyDHCP hears its subnets where it stands: on each of them, as relays are not in the source."""
        stands = stands_on(server) if server.get("addresses") != {} else {}
        listening = {self.build.home_of(address): str(address) for address in self.listening}
        for vlan, address in listening.items():
            if vlan is not None and (vlan in proxied or self.source.only_proxy):
                stands.setdefault(vlan, address)
        used = set(self.machines.addresses())
        for vlan in proxied:
            if vlan not in stands:
                stands[vlan] = str(self.build.free_address_of(vlan, used))
                self.build.notes.append(
                    f"The server's address on {vlan} is not in the source: {stands[vlan]} is assumed."
                )
        stand_on(server, stands)

    # -- what it is ------------------------------------------------------------------------------

    @property
    def _does_both(self) -> bool:
        """Whether it leases addresses on some subnets and is a ProxyDHCP on others."""
        return bool(self.build.scopes) and self.config.is_proxy

    def _said(self) -> dict[str, Any]:
        roles = []
        if self.build.scopes:
            roles.append("dhcp")
        if self.config.is_proxy and not self._does_both:
            roles.append("proxydhcp")
        if self.config.tftp:
            roles.append("tftp")
        said: dict[str, Any] = {"software": DNSMASQ.software, "roles": roles or ["dhcp"]}
        if "dhcp" in roles and not self.config.authoritative:
            said["authoritative"] = False
        if "dhcp" in roles and not self.config.ping:
            said["ping_check"] = False
        late = self._delay(said)
        settings = self._tftp_settings()
        if self.config.is_proxy and not self._does_both:
            said |= boot_service(self.source, self.tags, settings, late)
        if settings:
            said["settings"] = settings
        return said

    def _tftp_settings(self) -> dict[str, Any]:
        """Its TFTP server's own keywords."""
        kept: dict[str, list[Any]] = {}
        for number, text in enumerate(self.source.texts, start=1):
            keyword, value = split_keyword(text)
            if self.config.tftp and keyword.startswith("tftp-"):
                kept.setdefault(keyword, []).append(value or True)
                self.source.take(number)
        return {key: one_or_list(values) for key, values in kept.items()}

    def _delay(self, said: dict[str, Any]) -> list[int]:
        """Says when it answers; the lines it has no word for."""
        late: list[int] = []
        for delay in self.config.delays:
            try:
                condition = self.tags.of(delay.tags)
                members = condition[0] if len(condition) == 1 else ()
                if condition == ALWAYS:
                    said["delay"] = delay.seconds
                elif members and all(isinstance(t, Member) for t in members):
                    group = self.groups.combined(tuple(t for t in members if isinstance(t, Member)))
                    said.setdefault("delay_for", {})[group] = delay.seconds
                else:
                    raise Inexpressible("a delay for clients told by what they send")
            except Inexpressible as reason:
                late.append(delay.line)
                if not self.source.only_proxy:
                    self.source.leave(delay.line, str(reason))
            else:
                self.source.take(delay.line)
        return late

    # -- both on one host ------------------------------------------------------------------------

    def _add_proxy(self, servers: dict[str, dict[str, Any]], proxied: list[str]) -> None:
        """The boot service of a server that leases addresses elsewhere, as a server on the same host.

        Its lines about boot programs count on the subnets of its proxy ranges as in a file of their own.
        """
        own = servers[self.server]
        settings = self._tftp_settings()
        source = self.source
        late = [d.line for d in self.config.delays if not source.account.is_modelled(source.place(d.line))]
        said = boot_service(source, self.tags, settings, late)
        shared = {key: own[key] for key in ("delay", "delay_for") if key in own}
        name = self.build.names.new(f"{self.server}-proxy")
        leasing = {vlan for vlan in proxied if vlan in self.build.scopes}
        for item in self.config.ranges:
            if item.mode == "proxy" and self.build.home_of(item.start) in leasing:
                source.leave(item.line, "PXE clients of a subnet with leases and a proxy range get no lease")
        stands = {v: a for v, a in stands_on(own).items() if v in proxied}
        server: dict[str, Any] = {"software": DNSMASQ.software, "addresses": stands, "host": self.server}
        server["roles"] = ["proxydhcp", "tftp"] if self.config.tftp else ["proxydhcp"]
        server |= shared | said
        if settings:
            server["settings"] = settings
        servers[name] = server
        own["host"] = self.server
        self._stand_everywhere(server, proxied)
        self._own_name(server, name)

    def _own_name(self, server: dict[str, Any], name: str = "") -> None:
        for program in server.get("programs", {}).values():
            if isinstance(program, dict) and program["server"] in stands_on(server).values():
                program["server"] = name or self.server
