"""A dhcpd.conf that a server runs on, as an inventory declares it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.own_files import Files, OwnConfig, OwnSubnet
from coexist.languages.dhcpd.levels import Outline
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.languages.dhcpd.syntax import Assign, Data, FailoverPeer


def evaluate(files: Files) -> OwnConfig:
    """What the file and its includes say. Raises InputError for what dhcpd refuses."""
    configuration = parse_dhcpd(files.text(), files.main, files.include, files.called)
    leases = DhcpdLeases(configuration, resolve=files.resolve)
    partners = dict(_partners(leases.outline, files))
    if partners:
        leases = DhcpdLeases(configuration, resolve=files.resolve, partners=partners)
    outline = leases.outline
    return OwnConfig(leases=leases, subnets=tuple(_subnets(outline)), address=_address(outline))


def _address(outline: Outline) -> IPv4Address | None:
    """By its server-identifier, or by its end of a failover relation."""
    for statement in outline.root.statements:
        if not isinstance(statement, Assign) or statement.option.name != "dhcp-server-identifier":
            continue
        if isinstance(statement.value, Data) and len(statement.value.octets) == 4:
            return IPv4Address(statement.value.octets)
    return next((peer.address for peer in outline.peers if peer.address is not None), None)


def _partners(outline: Outline, files: Files) -> Iterator[tuple[str, FailoverPeer]]:
    """Of each relation in which this is the secondary what the primary's file says: it has the shares."""
    for peer in outline.peers:
        other = None if peer.is_primary or peer.peer is None else files.of_server(peer.peer)
        if other is None or not isinstance(other.leases, DhcpdLeases):
            continue
        found = next((p for p in other.leases.outline.peers if p.is_primary and p.peer == peer.address), None)
        if found is not None:
            yield peer.name, found


def _subnets(outline: Outline) -> Iterator[OwnSubnet]:
    partners = {peer.name: peer.peer for peer in outline.peers}
    for wire in outline.wires:
        for subnet in wire.subnets:
            mask = subnet.network.mask
            try:
                network = IPv4Network(f"{subnet.network.address}/{mask}")
            except ValueError:
                # dhcpd takes masks that are no run of ones; no VLAN can have one.
                continue
            ranges = tuple(
                (found.first, found.last, found.at)
                for pool in wire.pools
                for found in pool.ranges
                if found.first in network
            )
            shared = next((partners[pool.peer] for pool in wire.pools if pool.peer in partners), None)
            yield OwnSubnet(network=network, at=subnet.at, ranges=ranges, partner=shared)
