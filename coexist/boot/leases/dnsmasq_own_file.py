"""A dnsmasq.conf that a server runs on, as an inventory declares it."""

from __future__ import annotations

from collections import defaultdict
from ipaddress import IPv4Network

from coexist.boot.leases.dnsmasq_file import DnsmasqFile
from coexist.boot.leases.dnsmasq_ranges import Ranges
from coexist.boot.leases.dnsmasq_source import DnsmasqLeases
from coexist.boot.own_files import Files, OwnConfig, OwnSubnet
from coexist.boot.servers.dnsmasq_replies import service_file
from coexist.inventory.product import Role
from coexist.languages.dnsmasq.config import DnsmasqConfig, Range
from coexist.languages.dnsmasq.files import read_source
from coexist.languages.dnsmasq.keywords import refuse_bad_lines
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.records import dataclass
from coexist.wire.architecture import architecture_name


@dataclass(frozen=True, slots=True)
class _Octets:
    """A server's files as dnsmasq reads them."""

    files: Files

    def octets(self, name: str) -> bytes:
        return self.files.include(name).encode("utf-8", "surrogateescape")

    def entries(self, name: str) -> list[str] | None:
        return self.files.entries(name)

    def called(self, name: str) -> str:
        return self.files.called(name)

    def identity(self, name: str) -> object:
        return self.files.called(name)


def evaluate(files: Files) -> OwnConfig:
    """What the file says with the files it names. Raises InputError for what dnsmasq refuses."""
    lines = read_source(files.text().encode("utf-8", "surrogateescape"), files.main, _Octets(files))
    config = read_dnsmasq(lines.texts)
    refuse_bad_lines(lines, config)
    wire = files.wire
    file = DnsmasqFile(ranges=Ranges(config=config, networks=wire.cards, relayed=wire.relayed))
    leases = DnsmasqLeases(file=file, places=tuple(lines.places))
    return OwnConfig(
        leases=leases,
        subnets=_subnets(leases),
        programs=_programs(config),
        tftp_root=config.tftp_root if config.tftp else "",
        roles=_roles(config),
    )


def _roles(config: DnsmasqConfig) -> frozenset[Role]:
    """DHCP server, ProxyDHCP and TFTP server, by its ranges and ``enable-tftp``."""
    found: set[Role] = set()
    if any(item.mode != "proxy" for item in config.ranges):
        found.add("dhcp")
    if any(item.mode == "proxy" for item in config.ranges):
        found.add("proxydhcp")
    if config.tftp:
        found.add("tftp")
    return frozenset(found)


def _programs(config: DnsmasqConfig) -> dict[str, str]:
    """The file of the first pxe-service that is for everyone, by architecture."""
    found: dict[str, str] = {}
    for service in config.services:
        if service.basename and not service.tags and service.server is None:
            name = architecture_name(service.architecture)
            found.setdefault(name, service_file(service).decode("utf-8", "surrogateescape"))
    return found


def _subnets(leases: DnsmasqLeases) -> tuple[OwnSubnet, ...]:
    found: dict[IPv4Network, list[Range]] = defaultdict(list)
    for item in leases.file.config.ranges:
        if item.mode != "proxy":
            found[leases.file.ranges.network_of(item)].append(item)
    return tuple(
        OwnSubnet(
            network=network,
            at=leases.at(items[0].line),
            ranges=tuple(
                (item.start, item.last, leases.at(item.line)) for item in items if item.mode == "dynamic"
            ),
        )
        for network, items in found.items()
    )
