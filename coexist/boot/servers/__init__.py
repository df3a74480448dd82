"""How the products behave that answer booting clients: one module a product.

``models_for`` gives each server of an inventory its model.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from math import ceil
from typing import TYPE_CHECKING, Any

from coexist.boot.answered import answered
from coexist.boot.leases.compile import compile_plan
from coexist.boot.leases.evaluate import PlanLeases, as_told
from coexist.boot.policy import compile_programs
from coexist.boot.responder import ServerModel
from coexist.boot.servers import microsoft
from coexist.boot.servers.coexist import CoexistModel, boot_policy
from coexist.boot.servers.dhcpd import DhcpdModel
from coexist.boot.servers.generic import GenericModel
from coexist.boot.servers.kea import KeaModel
from coexist.boot.servers.openthinclient import OpenThinClientModel
from coexist.boot.servers.tftpd import FileServerModel
from coexist.boot.servers.together import TogetherModel
from coexist.inventory import Inventory
from coexist.inventory.boot_programs import Program
from coexist.inventory.macset import EVERYONE, MacSet
from coexist.inventory.models import Server, Site
from coexist.inventory.references import relay_targets, server_address
from coexist.inventory.values import Delay, option_bytes
from coexist.wire.architecture import ARCHITECTURE_NAMES, is_http
from coexist.wire.options import Option
from coexist.wire.pxe import SubOption

if TYPE_CHECKING:
    # The largest of the models, imported where a site has a dnsmasq.
    from coexist.boot.servers.dnsmasq import DnsmasqModel
    from coexist.boot.servers.dnsmasq_conf import DelayLine, DnsmasqConfig, Range

SERVICES = frozenset({"proxydhcp", "boot-server"})


def models_for(inventory: Inventory) -> dict[str, ServerModel]:
    """The model of every server, by name."""
    return {name: model_for(inventory, name) for name in inventory.site.servers}


def model_for(inventory: Inventory, name: str) -> ServerModel:
    """The model of one server: its lease service, its boot service, or both on one host."""
    server = inventory.site.servers[name]
    parts: list[ServerModel] = []
    if "dhcp" in server.effective_roles:
        parts.append(_lease_service(inventory, name, server))
    if server.effective_roles & SERVICES:
        parts.append(_boot_service(inventory, name, server))
    if not parts:
        return FileServerModel(name=name)
    return parts[0] if len(parts) == 1 else TogetherModel(name=name, parts=tuple(parts))


# -- addresses ------------------------------------------------------------------------------------


def plan_leases(inventory: Inventory, name: str) -> PlanLeases:
    """The leases of a DHCP server as its product makes them of its plan."""
    is_windows = inventory.site.servers[name].software.product == "windows-dhcp"
    return PlanLeases(compile_plan(inventory, name), microsoft.windows_lease if is_windows else as_told)


def _lease_service(inventory: Inventory, name: str, server: Server) -> ServerModel:
    leases = plan_leases(inventory, name)
    match server.software.product:
        case "dnsmasq":
            from coexist.boot.servers.dnsmasq import DnsmasqModel
            from coexist.boot.servers.dnsmasq_conf import DnsmasqConfig

            config = DnsmasqConfig(
                ranges=_ranges(inventory, name, server, "dynamic"),
                authoritative=server.authoritative,
                ping=server.ping_check is not False,
                delays=_delay_lines(server),
            )
            return DnsmasqModel(name=name, config=config, leases=leases)
        case "kea":
            return KeaModel(name=name, leases=leases)
        case "windows-dhcp":
            return microsoft.windows_dhcp(name, leases)
        case _:
            return DhcpdModel(name=name, leases=leases, ping_check=server.ping_check is not False)


def _ranges(inventory: Inventory, name: str, server: Server, mode: str) -> tuple[Range, ...]:
    """A range for each subnet whose packets reach the server."""
    from coexist.boot.servers.dnsmasq_conf import Range

    networks = [
        network
        for vlan, declared in inventory.site.vlans.items()
        if vlan in server.stands_on or _is_target(inventory.site, name, vlan)
        for network in declared.subnet
    ]
    return tuple(Range(start=n.network_address, netmask=n.netmask, mode=mode) for n in networks)


def _is_target(site: Site, name: str, vlan: str) -> bool:
    """Whether a relay agent of the VLAN sends to a server."""
    targets = site.vlans[vlan].targets
    return any(name == server for target in targets for server, _ in relay_targets(site, target, vlan))


def _delay_lines(server: Server) -> tuple[DelayLine, ...]:
    from coexist.boot.servers.dnsmasq_conf import DelayLine

    seconds = ceil(server.delay.after)
    return (DelayLine(seconds=seconds),) if seconds else ()


# -- boot services --------------------------------------------------------------------------------


def _boot_service(inventory: Inventory, name: str, server: Server) -> ServerModel:
    match server.software.product:
        case "coexist":
            return CoexistModel(name=name, policy=boot_policy(inventory, name))
        case "dnsmasq":
            return _dnsmasq_proxy(inventory, name, server)
        case "openthinclient":
            return _openthinclient(inventory, name, server)
        case product:
            return _generic(inventory, name, server, product)


def _architectures(server: Server) -> frozenset[int] | None:
    names = server.answers.architectures
    return None if names is None else frozenset(code for name in names for code in ARCHITECTURE_NAMES[name])


def _files(server: Server) -> dict[int, str]:
    programs = compile_programs({k: p for k, p in server.programs.items() if k != "ipxe"}, lambda _: None)
    return {code: program.file for code, program in programs.items()}


def _boot_server(inventory: Inventory, server: Server) -> IPv4Address | None:
    if server.boot_server is None:
        return None
    return server_address(inventory.site, server.boot_server, server.vlan)


def _dnsmasq_proxy(inventory: Inventory, name: str, server: Server) -> DnsmasqModel:
    """As it is rendered: a pxe-service a code, everybody without one ignored; or as its settings say."""
    from coexist.boot.servers.dnsmasq import DnsmasqModel
    from coexist.boot.servers.dnsmasq_conf import read_dnsmasq, says_its_programs, setting_lines

    wanted = _architectures(server)
    own = read_dnsmasq(setting_lines(server.settings))
    if says_its_programs(server.settings):
        config = own
    else:
        files = _files(server)
        wanted = frozenset(files) if wanted is None else frozenset(files) & wanted
        config = _services(inventory, name, server, sorted(wanted))
    return DnsmasqModel(
        name=name,
        config=replace(
            config,
            ranges=_ranges(inventory, name, server, "proxy"),
            delays=(*_delay_lines(server), *own.delays),
        ),
        clients=answered(inventory, name),
        architectures=wanted,
        delay_for=tuple(
            (inventory.group(group), ceil(delay.after))
            for group, delay in server.delay_for.items()
            if delay.kind == "after"
        ),
    )


def _services(inventory: Inventory, name: str, server: Server, codes: list[int]) -> DnsmasqConfig:
    """The pxe-service lines of the programs, for these architectures."""
    from coexist.boot.servers.dnsmasq_conf import DnsmasqConfig, MatchLine, Service

    def address(program: Program) -> IPv4Address | None:
        named = program.server or server.boot_server
        return server_address(inventory.site, named, server.vlan) if named else None

    plain = {code: program for key, program in server.programs.items() for code in _codes_of(key)}
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


def _codes_of(key: str) -> tuple[int, ...]:
    return tuple(ARCHITECTURE_NAMES.get(key, ()))


def _openthinclient(inventory: Inventory, name: str, server: Server) -> OpenThinClientModel:
    clients = answered(inventory, name)
    kind = server.settings.get("type", "auto")
    mode: Any = "single-homed-broadcast" if kind == "auto" else kind
    return OpenThinClientModel(
        name=name,
        clients=clients,
        mode=mode,
        files=_files(server),
        boot_server=_boot_server(inventory, server),
    )


def _generic(inventory: Inventory, name: str, server: Server, product: str) -> ServerModel:
    """WDS, Configuration Manager, or a responder known by its declaration alone."""
    clients = answered(inventory, name)
    is_microsoft = product in ("wds", "configmgr")
    control = server.discovery_control
    vendor = None
    if control is not None:
        vendor = bytes((SubOption.DISCOVERY_CONTROL, 1, control, 255))
    options = {code: option_bytes(code, value) for code, value in server.options.items()}
    base = GenericModel(
        name=name,
        clients=clients,
        architectures=_architectures(server),
        delay=server.delay,
        files=_files(server),
        file_in="header" if is_microsoft else "both",
        terminated=True,
        offers_file=(not is_microsoft) if server.offers_file is None else server.offers_file,
        vendor_options=options.pop(Option.VENDOR_SPECIFIC_INFORMATION, vendor),
        siaddr=_boot_server(inventory, server),
        answers_67="proxydhcp" in server.effective_roles,
        answers_4011=server.answers_4011 is not False,
        broadcasts=True,
        options=options,
    )
    if product == "wds":
        base = microsoft.wds(base)
    elif product == "configmgr":
        base = microsoft.configmgr(base)
    delays: list[tuple[MacSet, Delay]] = [
        (inventory.group(group), delay) for group, delay in server.delay_for.items()
    ]
    if product == "wds" and server.delay.kind != "none":
        delays.append((inventory.group("known"), microsoft.wds_delay(server.delay, prestaged=True)))
    return _with_delays(base, delays)


def _with_delays(base: GenericModel, delays: list[tuple[MacSet, Delay]]) -> ServerModel:
    """The responder with other delays for some clients: one part for each, of disjoint clients."""
    parts: list[ServerModel] = []
    left = EVERYONE
    for clients, delay in delays:
        own = base.clients & clients & left
        left = left - clients
        if own:
            parts.append(replace(base, clients=own, delay=delay))
    rest = base.clients & left
    if not parts:
        return base
    if rest:
        parts.append(replace(base, clients=rest))
    return TogetherModel(name=base.name, parts=tuple(parts))


__all__ = ["ServerModel", "model_for", "models_for"]
