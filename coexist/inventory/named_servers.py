"""Which server, at which address, a name or an address of an inventory means."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address

from coexist.inventory.models import Site


def server_address(site: Site, text: str, vlan: str | None = None) -> IPv4Address | None:
    """The address a ``next_server`` or ``boot_server`` means: an address, or a server's name.

    A server with several addresses is taken on ``vlan`` if it stands there, else by its first one.
    None if it is neither.
    """
    server = site.servers.get(text)
    if server is not None:
        stands = server.stands_on
        return stands.get(vlan or "", next(iter(stands.values()), None))
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None


def is_relayed_to(site: Site, name: str, vlan: str) -> bool:
    """Whether a relay agent of a VLAN sends to a server."""
    targets = site.vlans[vlan].targets
    return any(name == server for target in targets for server, _ in relay_targets(site, target, vlan))


def relay_targets(site: Site, target: str, vlan: str) -> tuple[tuple[str, IPv4Address], ...]:
    """The servers that a relay agent of ``vlan`` reaches by one of its targets, with the address it sends to.

    A server's name means its first address off the VLAN, else the one there; an address means every server
    that stands on it. Empty for what is neither.
    """
    server = site.servers.get(target)
    if server is not None:
        stands = server.stands_on
        return ((target, next((a for v, a in stands.items() if v != vlan), next(iter(stands.values())))),)
    address = server_address(site, target)
    return tuple(
        (name, address) for name, s in site.servers.items() if address in s.stands_on.values() and address
    )
