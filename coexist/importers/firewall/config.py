"""What config.xml says beside its DHCP servers: interfaces, VLANs, DNS, gateways."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from ipaddress import IPv4Address, IPv4Network

from coexist.inventory.values import is_address
from coexist.languages.xml_tree import Element
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """An interface with an address of its own: ``name`` is its element.

    ``shown`` is what people call it, ``vlan`` the number of its VLAN where the file has it.
    """

    name: str
    shown: str
    address: IPv4Address
    network: IPv4Network
    vlan: int | None = None


@dataclass(slots=True, kw_only=True)
class Firewall:
    """What every DHCP server of a firewall takes from the rest of its configuration.

    ``resolves``: a resolver (dnsmasq, Unbound) is switched on, so that clients are told the firewall itself.
    ``has_gateway``: the firewall knows a way to other networks, so that clients are told it as router.
    """

    root: Element
    interfaces: dict[str, Interface] = field(default_factory=dict)
    domain: str = ""
    host: str = ""
    resolvers: tuple[str, ...] = ()
    resolves: bool = False
    has_gateway: bool = False


def is_on(element: Element | None) -> bool:
    """Whether a switch is on: pfSense writes an empty element, OPNsense a number."""
    return element is not None and element.text.strip() != "0"


def read_firewall(root: Element) -> Firewall:
    """The surroundings of the DHCP servers in a config.xml."""
    found = Firewall(root=root)
    tags = {
        vlan.value("vlanif"): vlan.value("tag")
        for holder in _children(root, "vlans")
        for vlan in _children(holder, "vlan")
    }
    for holder in _children(root, "interfaces"):
        for element in holder.children:
            address, length = element.value("ipaddr"), element.value("subnet")
            try:
                network = IPv4Network(f"{address}/{length}", strict=False)
            except ValueError:
                # By DHCP or PPPoE, which bring a gateway; or without IPv4.
                found.has_gateway |= address not in ("", "none")
                continue
            found.has_gateway |= bool(element.value("gateway"))
            tag = tags.get(element.value("if"), "")
            found.interfaces[element.name] = Interface(
                name=element.name,
                shown=element.value("descr") or element.name,
                address=IPv4Address(address),
                network=network,
                vlan=int(tag) if tag.isdigit() and 0 < int(tag) < 4095 else None,
            )
    for system in _children(root, "system"):
        found.domain, found.host = system.value("domain"), system.value("hostname")
        found.resolvers = tuple(text for text in system.values("dnsserver") if is_address(text))
    # Gateways: pfSense and OPNsense before 24.1, then a model of OPNsense (Routing/Gateways.xml).
    items = [item for holder in _children(root, "gateways") for item in _children(holder, "gateway_item")]
    for own in _children(root, "OPNsense"):
        items += [item for holder in _children(own, "Gateways") for item in _children(holder, "gateway_item")]
        for unbound in _children(own, "unboundplus"):
            found.resolves |= any(is_on(g.first("enabled")) for g in _children(unbound, "general"))
    found.has_gateway |= any(item.value("ipprotocol") in ("", "inet") for item in items)
    for name in ("dnsmasq", "unbound"):
        found.resolves |= any(is_on(holder.first("enable")) for holder in _children(root, name))
    return found


def _children(holder: Element, name: str) -> Iterable[Element]:
    """The children of a name; who reads them says that they are understood."""
    return (child for child in holder.children if child.name == name)
