"""dnsmasq as an inventory declares it: the configuration its model runs."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from coexist.boot.answered import answered, answered_architectures
from coexist.boot.leases.dnsmasq_file import DnsmasqFile
from coexist.boot.leases.dnsmasq_ranges import Ranges
from coexist.boot.leases.dnsmasq_source import DnsmasqLeases
from coexist.boot.own_files import own_config
from coexist.boot.policy import architecture_codes
from coexist.boot.responder import ServerModel
from coexist.boot.servers.declared import files, plan_leases
from coexist.boot.servers.dnsmasq import DnsmasqModel
from coexist.boot.servers.dnsmasq_answers import DnsmasqAnswers
from coexist.boot.servers.tftpd import FileServerModel
from coexist.inventory import Inventory
from coexist.inventory.boot_programs import Program
from coexist.inventory.models import Server, Site
from coexist.inventory.named_servers import is_relayed_to, server_address
from coexist.languages.dnsmasq.config import DelayLine, DnsmasqConfig, MatchLine, Range, Service
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.languages.dnsmasq.settings import setting_lines
from coexist.wire.architecture import ARCHITECTURE_NAMES, is_http


def lease_service(inventory: Inventory, name: str) -> DnsmasqModel:
    """Its DHCP server: its own file, or the scopes' leases beside a configuration of ranges and delays."""
    own = _own_file(inventory, name)
    if own is not None:
        return own
    server = inventory.site.servers[name]
    config = replace(
        settings_of(server),
        ranges=_ranges(inventory, name, server, "dynamic"),
        authoritative=server.authoritative,
        ping=server.pings,
        delays=_delay_lines(server),
    )
    answers = DnsmasqAnswers(
        file=DnsmasqFile(ranges=Ranges(config=config)),
        leases=plan_leases(inventory, name),
        literal=is_literal(inventory.site, name),
    )
    return DnsmasqModel(name=name, answers=answers)


def is_literal(site: Site, name: str) -> bool:
    """Whether all scopes of a DHCP server are ``literal``: where its boot file goes is said once for all."""
    scopes = [scope for scope in site.scopes.values() if name in scope.servers]
    return bool(scopes) and all(scope.literal for scope in scopes)


def settings_of(server: Server) -> DnsmasqConfig:
    """What of a DHCP server's settings counts for its leases: DNS, domains, and where the boot file goes."""
    said = read_dnsmasq(setting_lines({"port": 0, **server.settings}))
    return DnsmasqConfig(
        dns=said.dns,
        domains=said.domains,
        override=said.override,
        client_ids=said.client_ids,
        rapid_commit=said.rapid_commit,
    )


def _own_file(inventory: Inventory, name: str) -> DnsmasqModel | None:
    """The model of the file it runs on, leases and ProxyDHCP alike; None for a declared server."""
    own = own_config(inventory, name)
    if own is None:
        return None
    assert isinstance(own.leases, DnsmasqLeases)  # the product's own evaluator makes no other
    return DnsmasqModel(name=name, answers=DnsmasqAnswers(file=own.leases.file))


def _ranges(inventory: Inventory, name: str, server: Server, mode: str) -> tuple[Range, ...]:
    """A range for each subnet whose packets reach the server."""
    networks = [
        network
        for vlan, declared in inventory.site.vlans.items()
        if vlan in server.stands_on or is_relayed_to(inventory.site, name, vlan)
        for network in declared.subnet
    ]
    return tuple(Range(start=n.network_address, netmask=n.netmask, mode=mode) for n in networks)


def _delay_lines(server: Server) -> tuple[DelayLine, ...]:
    seconds = server.kept(server.delay).after
    return (DelayLine(seconds=seconds),) if seconds else ()


def boot_service(inventory: Inventory, name: str) -> ServerModel:
    """Its ProxyDHCP as it is rendered (a pxe-service a code, everybody without one ignored), or as its
    settings say."""
    server = inventory.site.servers[name]
    of_file = _own_file(inventory, name)
    if of_file is not None:
        # One process answers as both: where it leases too, that is its lease service already.
        return FileServerModel(name=name) if "dhcp" in server.effective_roles else of_file
    wanted = architecture_codes(answered_architectures(inventory, name))
    own = read_dnsmasq(setting_lines(server.settings))
    if server.says_programs_itself:
        config = own
    else:
        named = frozenset(files(server))
        wanted = named if wanted is None else named & wanted
        config = _services(inventory, name, server, sorted(wanted))
    config = replace(
        config,
        ranges=_ranges(inventory, name, server, "proxy"),
        delays=(*_delay_lines(server), *own.delays),
    )
    answers = DnsmasqAnswers(
        file=DnsmasqFile(ranges=Ranges(config=config)),
        clients=answered(inventory, name),
        architectures=wanted,
        delay_for=tuple(
            (inventory.group(group), server.kept(delay).after)
            for group, delay in server.delay_for.items()
            if delay.kind == "after"
        ),
    )
    return DnsmasqModel(name=name, answers=answers)


def _services(inventory: Inventory, name: str, server: Server, codes: list[int]) -> DnsmasqConfig:
    """The pxe-service lines of the programs, for these architectures."""

    def address(program: Program) -> IPv4Address | None:
        named = program.server or server.boot_server
        return server_address(inventory.site, named, server.vlan) if named else None

    plain = {
        code: program for key, program in server.programs.items() for code in ARCHITECTURE_NAMES.get(key, ())
    }
    ipxe = server.programs.get("ipxe")
    entries = [(code, plain[code], ("!ipxe",) if ipxe else ()) for code in codes]
    if ipxe is not None:
        entries += [(code, ipxe, ("ipxe",)) for code in codes]
    return DnsmasqConfig(
        services=tuple(
            Service(
                architecture=code,
                menu=name,
                type=32768 + number,
                basename=program.file,
                server=address(program),
                tags=tags,
            )
            for number, (code, program, tags) in enumerate(entries)
        ),
        matches=(MatchLine(kind="userclass", tag="ipxe", value=b"iPXE"),) if ipxe else (),
        pxe_vendors=("PXEClient", "HTTPClient") if any(map(is_http, codes)) else ("PXEClient",),
    )
