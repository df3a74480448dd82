"""A dhcpd.conf that a server runs on, as an inventory declares it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.own_files import Files, OwnConfig, OwnSubnet
from coexist.languages.dhcpd.levels import Outline
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.languages.dhcpd.syntax import Assign, Data


def evaluate(files: Files) -> OwnConfig:
    """What the file and its includes say. Raises InputError for what dhcpd refuses."""
    configuration = parse_dhcpd(files.text(), files.main, files.include, files.called)
    leases = DhcpdLeases(configuration, resolve=files.resolve)
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


def _subnets(outline: Outline) -> Iterator[OwnSubnet]:
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
            yield OwnSubnet(network=network, at=subnet.at, ranges=ranges)
