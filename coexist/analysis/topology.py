"""Who hears the broadcasts of a VLAN, and whose offers get back.

A broadcast reaches every server that stands on the VLAN, and the relay agent copies it to all of its
targets (RFC 1542 section 4.1). A switch with DHCP snooping drops the offers of servers that are not
trusted. Replies to relayed packets go to the relay, so the way back needs no table of its own.
"""

from __future__ import annotations

from functools import cached_property
from ipaddress import AddressValueError, IPv4Address

from coexist.inventory.documents import Path
from coexist.inventory.models import Relay, Site
from coexist.inventory.named_servers import relay_targets
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """How a server hears a VLAN: directly, by the relay or both.

    ``heard``: whether its offers get through.
    """

    server: str
    local: bool
    relayed: bool
    heard: bool


class Topology:
    """The paths between VLANs and servers."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._owners = {
            address: name for name, server in site.servers.items() for address in server.stands_on.values()
        }
        self._names = {text: name for name, server in site.servers.items() for text in server.names}

    def owner(self, target: str) -> str | None:
        """The server a name, an address or a host name means; None for a stranger."""
        if target in self.site.servers:
            return target
        if target.lower() in self._names:
            return self._names[target.lower()]
        try:
            return self._owners.get(IPv4Address(target))
        except AddressValueError:
            return None

    @cached_property
    def hearing(self) -> dict[str, dict[str, Hearing]]:
        """For each VLAN, the servers that hear its clients."""
        local: dict[str, list[str]] = {vlan: [] for vlan in self.site.vlans}
        for name, server in self.site.servers.items():
            for vlan in server.stands_on:
                local[vlan].append(name)
        return {vlan: self._of_vlan(vlan, local[vlan]) for vlan in self.site.vlans}

    def _of_vlan(self, name: str, local: list[str]) -> dict[str, Hearing]:
        vlan = self.site.vlans[name]
        targets = {server for target in vlan.targets for server, _ in relay_targets(self.site, target, name)}
        trusted = set(vlan.snooping.trusted) if vlan.snooping else None
        here = set(local)
        return {
            server: Hearing(
                server=server,
                local=server in here,
                relayed=server in targets,
                heard=trusted is None or server in trusted,
            )
            for server in self.site.servers
            if server in here or server in targets
        }

    def relays(self, vlan: str) -> list[tuple[Path, Relay]]:
        """The relay agents of a VLAN, each with the place of its declaration."""
        declared = self.site.vlans[vlan].relay
        if len(declared) == 1:
            return [(("vlans", vlan, "relay"), declared[0])]
        return [(("vlans", vlan, "relay", number), relay) for number, relay in enumerate(declared)]

    def targets(self, vlan: str) -> list[tuple[Path, str]]:
        """Every target of a VLAN's relay agents, each with its place."""
        found: list[tuple[Path, str]] = [
            (("vlans", vlan, "relay_to", number), target)
            for number, target in enumerate(self.site.vlans[vlan].relay_to)
        ]
        for path, relay in self.relays(vlan):
            found += [((*path, "relay_to", n), target) for n, target in enumerate(relay.relay_to)]
        return found

    def blocked(self, vlan: str, server: str, port: int) -> bool:
        """Whether a firewall drops this UDP port between the VLAN's clients and the server."""
        where = self.site.vlans[vlan]
        if port not in where.blocked_ports:
            return False
        return vlan not in self.site.servers[server].stands_on
