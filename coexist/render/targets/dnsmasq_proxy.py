"""dnsmasq 2.90 as a ProxyDHCP.

What is known of it (rfc2131.c of 2.90 and captures): without a ``pxe-service`` for the client it is silent,
or worse answers an architecture it has no service for with an empty offer, which makes firmware ignore
other servers' offers; so whoever has no program here is ignored by tag. A UEFI offer names no file:
firmware asks again on port 4011. A ``pxe-service`` whose name has no dot gets ``.0`` behind it.

Where ``settings`` hold dnsmasq's own ``pxe-service``, ``pxe-prompt`` or ``dhcp-boot``, as they do after an
import, those lines count, and what ``programs`` would make of it is not written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from coexist.boot.answered import answered_architectures
from coexist.boot.leases.plan_clients import answer_groups, answered_clients
from coexist.boot.servers.dnsmasq_replies import service_file
from coexist.inventory.models import Program
from coexist.inventory.named_servers import server_address
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.languages.dnsmasq.settings import setting_lines
from coexist.render.cells import cut
from coexist.render.quoting import dnsmasq_string
from coexist.render.target import Job
from coexist.render.targets.dnsmasq_delay import delay_lines
from coexist.render.targets.dnsmasq_tags import NEVER, Groups, Tags, has, lacks
from coexist.wire.architecture import ARCHITECTURE_NAMES, is_http


def proxy_limits(job: Job) -> None:
    """Report what its configuration cannot hold of a boot service."""
    _report_wire(job)
    if job.server.says_programs_itself:
        _report_unsaid(job)
        return
    for name, program in job.server.programs.items():
        if "." not in program.file.rpartition("/")[2]:
            job.report(
                "CX515",
                ("servers", job.name, "programs", name),
                f"dnsmasq adds .0 to a boot program without a suffix: {job.name} names {program.file}.0",
                f"give the file a suffix on the TFTP server, or link {program.file}.0 to it",
            )
    if not _wanted(job):
        job.report(
            "CX515",
            ("servers", job.name, "programs"),
            f"{job.name} has no boot program; dnsmasq answers nobody without one",
            "write `programs: {bios: ..., uefi-x64: ...}`",
        )


def proxy_sections(job: Job) -> list[tuple[str, list[str]]]:
    """Title and lines of each part of the file."""
    tags = Tags()
    groups = Groups(cells=cut(answer_groups(job.inventory, job.name)), tags=tags)
    own = job.server.says_programs_itself
    services = [] if own else list(_services(job, tags))
    ignored = list(_ignored(job, groups))
    delays = list(delay_lines(job, groups))
    vendors = (
        ["dhcp-pxe-vendor=PXEClient,HTTPClient"]
        if not own and any(map(is_http, _numbers(job.server.programs)))
        else []
    )
    return [
        ("Where it is heard", [*vendors, *_ranges(job)]),
        ("What clients say", tags.matches),
        ("Groups by address range", list(groups.ranges())),
        ("Rules", tags.derived),
        ("Who is not answered", ignored),
        ("Boot programs", services),
        ("Delay", delays),
        ("Machines", list(groups.machines())),
    ]


def _ranges(job: Job) -> Iterator[str]:
    """A proxy range for each subnet whose packets reach the server."""
    networks: list[IPv4Network] = []
    for name, vlan in job.inventory.site.vlans.items():
        relayed = any(
            server_address(job.inventory.site, target) in job.server.stands_on.values()
            for target in vlan.relay_to
        )
        if name in job.server.stands_on or relayed:
            networks += vlan.subnet
    for network in networks:
        yield f"dhcp-range={network.network_address},proxy,{network.netmask}"


def _numbers(names: Iterable[str]) -> frozenset[int]:
    return frozenset(code for name in names for code in ARCHITECTURE_NAMES.get(name, ()))


def _wanted(job: Job) -> frozenset[int]:
    """The architectures it has a program for and must answer."""
    codes = _numbers(job.server.programs)
    answered = answered_architectures(job.inventory, job.name)
    return codes if answered is None else codes & _numbers(answered)


def _services(job: Job, tags: Tags) -> Iterator[str]:
    programs = job.server.programs
    ipxe = programs.get("ipxe")
    terms = [lacks(tags.ipxe())] if ipxe else []
    for name in sorted(programs, key=lambda name: min(ARCHITECTURE_NAMES.get(name, {999}))):
        if name == "ipxe":
            continue
        for code in sorted(ARCHITECTURE_NAMES[name] & _wanted(job)):
            yield _service(job, terms, code, programs[name])
    if ipxe:
        # iPXE announces the architecture of the firmware it runs on.
        for code in sorted(_wanted(job)):
            yield _service(job, [has(tags.ipxe())], code, ipxe)


def _service(job: Job, terms: list[str], code: int, program: Program) -> str:
    address = _program_server(job, program)
    tail = f",{address}" if address is not None else ""
    head = "".join(f"{term}," for term in terms)
    return f"pxe-service={head}{code},{dnsmasq_string(job.name)},{dnsmasq_string(program.file)}{tail}"


def _program_server(job: Job, program: Program) -> IPv4Address | None:
    named = program.server or job.server.boot_server
    return server_address(job.inventory.site, named, job.server.vlan) if named else None


def _ignored(job: Job, groups: Groups) -> Iterator[str]:
    clients = answered_clients(job.server)
    members = groups.cells.all if clients is None else groups.cells.within(clients)
    if members != groups.cells.all:
        outside = groups.membership(groups.cells.all - members) if members else [lacks(NEVER)]
        yield f"dhcp-ignore={','.join(outside)}"
    if job.server.says_programs_itself:
        named = answered_architectures(job.inventory, job.name)
        if named is not None:
            yield f"dhcp-ignore={lacks(groups.tags.architectures(_numbers(named)))}"
        return
    wanted = _wanted(job)
    if wanted:
        yield f"dhcp-ignore={lacks(groups.tags.architectures(wanted))}"


def _report_unsaid(job: Job) -> None:
    """Programs that were changed, while the lines in the settings were not."""
    lines = read_dnsmasq(setting_lines(job.server.settings))
    said = {service_file(service).decode() for service in lines.services if service.basename}
    said |= {boot.file for boot in lines.boots}
    for key, program in job.server.programs.items():
        if program.file not in said:
            job.report(
                "CX519",
                ("servers", job.name, "programs", key),
                f"the pxe-service and dhcp-boot lines in the settings of {job.name} count, "
                f"and none of them names {program.file}",
                "change those lines, or take them out of `settings`: then they are made from `programs`",
            )


def _report_wire(job: Job) -> None:
    """What dnsmasq decides by itself in its offers."""
    server = job.server
    fixed = {"discovery_control", "offers_file", "answers_4011"} & server.model_fields_set
    for key in sorted(fixed):
        job.report(
            "CX519",
            ("servers", job.name, key),
            f"dnsmasq decides by itself about option 43 and the file of its offers; `{key}` has no effect",
            "leave it out, or let coexist be this boot server",
        )
    if server.options:
        job.report(
            "CX516",
            ("servers", job.name, "options"),
            "dnsmasq as a ProxyDHCP sends no further options",
            "let the DHCP server hand them out, or let coexist be this boot server",
        )
