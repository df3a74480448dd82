"""The places of an imported site: VLANs, the server itself, and the machines its scopes boot from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any

from coexist.importers.groups import Names, as_name
from coexist.importers.imported import ClientRow
from coexist.inventory.products import TFTPD
from coexist.records import dataclass

_NOWHERE = IPv4Address("192.0.2.1")


@dataclass(slots=True)
class SiteBuilder:
    """Sections of a tree while they grow. ``leased`` are ranges of addresses that are given out."""

    vlans: dict[str, dict[str, Any]] = field(default_factory=dict)
    scopes: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    leased: list[tuple[int, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_vlan(self, wanted: str, subnets: list[str]) -> str:
        """A VLAN with these subnets; its id is the next one."""
        name = self.names.new(wanted or f"net-{subnets[0].partition('/')[0]}")
        self.vlans[name] = {"id": len(self.vlans) + 1, "subnet": one_or_list(subnets)}
        return name

    def add_scope(self, name: str, vlan: str, scope: dict[str, Any]) -> None:
        """A scope; a router in its options that stands in the VLAN is the VLAN's gateway."""
        self.scopes[name] = scope
        if "gateway" not in self.vlans[vlan]:
            gateway = self._router(scope, vlan)
            if gateway:
                self.vlans[vlan]["gateway"] = gateway

    def _router(self, scope: dict[str, Any], vlan: str) -> str | None:
        text = scope.get("options", {}).get(3)
        for part in str(text or "").split(","):
            if self.home_of(part.strip()) == vlan:
                return part.strip()
        return None

    def vlan_for(self, address: str | IPv4Address) -> str:
        """The VLAN an address is in, or a new one for it alone."""
        vlan = self.home_of(address)
        if vlan is None:
            vlan = self.names.new("servers")
            self.vlans[vlan] = {"id": len(self.vlans) + 1, "subnet": f"{address}/32"}
        return vlan

    def home_of(self, address: str | IPv4Address) -> str | None:
        """The VLAN an address is in."""
        try:
            wanted = IPv4Address(str(address))
        except AddressValueError:
            return None
        for name, vlan in self.vlans.items():
            if any(wanted in IPv4Network(net) for net in as_list(vlan["subnet"])):
                return name
        return None

    def tree(
        self,
        name: str,
        servers: dict[str, dict[str, Any]],
        groups: dict[str, dict[str, Any]],
        clients: Sequence[ClientRow],
    ) -> dict[str, Any]:
        """The inventory of a source; ``name`` is what the source, or its file, is called."""
        tree: dict[str, Any] = {"site": as_name(name, "site"), "vlans": self.vlans, "servers": servers}
        if self.scopes:
            tree["scopes"] = self.scopes
        if groups:
            tree["groups"] = groups
        if clients:
            tree["clients"] = "clients.csv"
        return tree

    # -- servers ---------------------------------------------------------------------------------

    def servers(
        self, name: str, said: dict[str, Any], address: IPv4Address | None, used: Iterable[str] = ()
    ) -> dict[str, dict[str, Any]]:
        """The server of the source, where it stands, and a server for each place its clients boot from.

        ``said`` is what the source says about it; without ``address`` a free one is taken.
        """
        self.names.taken.add(name)
        assumed = address is None
        address = address or self._free_address(set(used))
        vlan = self.vlan_for(address)
        own = {"software": said["software"], "address": str(address), "vlan": vlan, **said}
        servers = {name: own}
        for other, net in self.vlans.items():
            if other != vlan and "gateway" in net:
                net["relay_to"] = [name]
        self._boot_servers(name, servers)
        self._say(assumed, address, vlan)
        return servers

    def _free_address(self, used: set[str]) -> IPv4Address:
        """The first address of the first subnet that nothing else uses."""
        for scope in self.scopes.values():
            used |= set(_addresses_in(scope))
        return self._free_in(self.vlans.values(), used)

    def free_address_of(self, vlan: str, used: set[str]) -> IPv4Address:
        """The first address of a VLAN that nothing uses."""
        return self._free_in([self.vlans[vlan]], used)

    def _free_in(self, vlans: Iterable[dict[str, Any]], used: set[str]) -> IPv4Address:
        for vlan in vlans:
            for address in _some_hosts(IPv4Network(as_list(vlan["subnet"])[0])):
                free = not any(low <= int(address) <= high for low, high in self.leased)
                if free and str(address) not in used:
                    return address
        return _NOWHERE

    def _boot_servers(self, own: str, servers: dict[str, dict[str, Any]]) -> None:
        """A server for each next-server that stands in one of the VLANs."""
        named: dict[str, str] = {}
        for scope in self.scopes.values():
            for holder in (scope, *scope.get("rules", ())):
                text = holder.get("next_server")
                if text is None or text == own:
                    continue
                if text not in named:
                    named[text] = self._boot_server(text, own, servers)
                holder["next_server"] = named[text]

    def _boot_server(self, text: str, own: str, servers: dict[str, dict[str, Any]]) -> str:
        vlan = self.home_of(text)
        if vlan is None:
            return text
        name = self.names.new(f"tftp-{text}")
        servers[name] = {"software": TFTPD.software, "address": text, "vlan": vlan}
        if servers[own]["address"] == text:
            servers[own]["host"] = servers[name]["host"] = own
        return name

    def _say(self, assumed: bool, address: IPv4Address, vlan: str) -> None:
        self.notes.append("The ids of the VLANs are not in the source: they are numbered in order.")
        if assumed:
            self.notes.append(
                f"The server's own address is not in the source: {address} is the first free one of {vlan}."
            )
        if len(self.vlans) > 1:
            self.notes.append("Which VLANs the server reaches by a relay is not in the source: see relay_to.")


def one_or_list(items: list[str]) -> Any:
    """A list of one as its element."""
    return items[0] if len(items) == 1 else items


def stands_on(server: dict[str, Any]) -> dict[str, str]:
    """The address of a server in a tree on each VLAN it stands on; the first is its own."""
    return dict(server.get("addresses") or {server["vlan"]: server["address"]})


def stand_on(server: dict[str, Any], addresses: dict[str, str]) -> None:
    """Write where a server stands, in the words for one VLAN or for several."""
    where: dict[str, Any] = {"addresses": dict(addresses)}
    if len(addresses) == 1:
        ((vlan, address),) = addresses.items()
        where = {"address": address, "vlan": vlan}
    rest = {key: value for key, value in server.items() if key not in ("address", "vlan", "addresses")}
    server.clear()
    server |= {"software": rest.pop("software"), **where, **rest}


def as_list(value: Any) -> list[Any]:
    """What may be one or several, as a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _addresses_in(scope: dict[str, Any]) -> Iterable[str]:
    for holder in (scope, *scope.get("rules", ())):
        if "next_server" in holder:
            yield holder["next_server"]
        for value in holder.get("options", {}).values():
            yield from (part.strip() for part in str(value).split(","))


def _some_hosts(network: IPv4Network) -> Iterable[IPv4Address]:
    first = int(network.network_address)
    last = int(network.broadcast_address)
    if last - first < 2:
        yield network.network_address
        return
    for number in range(first + 1, min(last, first + 4096)):
        yield IPv4Address(number)
