"""A dhcpd.conf that a server runs on, as an inventory declares it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.own_files import OwnConfig, OwnFiles, OwnSubnet
from coexist.languages.dhcpd.levels import Outline
from coexist.languages.dhcpd.parser import parse_dhcpd


def evaluate(files: OwnFiles) -> OwnConfig:
    """What the file and its includes say. Raises InputError for what dhcpd refuses."""
    configuration = parse_dhcpd(files.text(), files.main, files.include, files.called)
    leases = DhcpdLeases(configuration, resolve=files.resolve)
    return OwnConfig(leases=leases, subnets=tuple(_subnets(leases.outline)))


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
