"""A dnsmasq.conf that a server runs on, as an inventory declares it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

from coexist.boot.leases.dnsmasq_file import DnsmasqFile
from coexist.boot.leases.dnsmasq_source import DnsmasqLeases
from coexist.boot.own_files import OwnConfig, OwnFiles, OwnSubnet
from coexist.inventory.files import shown
from coexist.languages.dnsmasq.config import Range, network_of
from coexist.languages.dnsmasq.files import read_lines
from coexist.languages.dnsmasq.keywords import refuse_bad_lines
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.languages.source_files import Surroundings


def evaluate(files: OwnFiles) -> OwnConfig:
    """What the file says with the files it names. Raises InputError for what dnsmasq refuses."""
    main = files.root / next(iter(files.files.values()))
    lines = read_lines(main, around=Surroundings(main.parent, (files.root,)))
    config = read_dnsmasq(lines.texts)
    refuse_bad_lines(lines, config)
    leases = DnsmasqLeases(
        file=DnsmasqFile(config=config),
        places=tuple(replace(place, file=shown(Path(place.file))) for place in lines.places),
    )
    return OwnConfig(leases=leases, subnets=_subnets(leases))


def _subnets(leases: DnsmasqLeases) -> tuple[OwnSubnet, ...]:
    found: dict[IPv4Network, list[Range]] = defaultdict(list)
    for item in leases.file.config.ranges:
        if item.mode != "proxy":
            found[network_of(item)].append(item)
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
