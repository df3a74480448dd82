"""CX4xx: whether the boot program fits the machine, can be loaded, and leads where it must."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from coexist.analysis.bootfiles import follows_lease, ipxe_architecture, runs_on_bios
from coexist.analysis.findings import ERROR, WARNING, Finding
from coexist.analysis.rules import raced, report, rule, unwell
from coexist.analysis.rules.bootpath import FILE_ROLES
from coexist.analysis.rules.loaders import goes_astray
from coexist.analysis.site import AnalysedSite, Case, Standing, Used, identity
from coexist.analysis.space import ClientClass
from coexist.boot.loaders.names import is_url, url_host
from coexist.inventory.documents import Path
from coexist.wire.options import Option


@rule(
    "CX404",
    "program-of-wrong-architecture",
    ERROR,
    "A boot program does not run on the client's architecture",
)
def program_of_wrong_architecture(site: AnalysedSite) -> Iterable[Finding]:
    """BIOS programs for UEFI clients, and the other way round."""
    found: dict[tuple[Path, str, bool], list[ClientClass]] = defaultdict(list)
    for file, _, path, case, *_ in site.used_programs:
        bios = case.client.architecture in ("bios", "http-bios")
        # iPXE on a BIOS machine loads scripts and kernels too; what it cannot run is an EFI program.
        made_for_bios = runs_on_bios(file)
        if made_for_bios is not None and made_for_bios != bios:
            found[path, file, bios].append(case.client)
    for (path, file, bios), clients in found.items():
        have, need = ("a UEFI", "BIOS") if bios else ("a BIOS", "UEFI")
        yield report(site, "CX404", path, f"{file} is {have} program, and these are {need} clients",
                     "give the program by architecture: `programs: {bios: ..., uefi-x64: ...}`", clients=clients)  # fmt: skip


@rule(
    "CX405",
    "no-program-for-architecture",
    ERROR,
    "The intended server has no boot program for an architecture",
    explains=True,
)
def no_program_for_architecture(site: AnalysedSite) -> Iterable[Finding]:
    """Intended servers without a program for an architecture of their clients."""
    found: dict[tuple[str, str], list[ClientClass]] = defaultdict(list)
    for case in site.pxe_cases:
        for name in case.intended.servers:
            if case.standing.get(name) is Standing.NO_PROGRAM and site.site.servers[name].programs:
                found[name, case.client.architecture].append(case.client)
    for (name, architecture), clients in found.items():
        yield report(site, "CX405", ("servers", name, "programs"), f"{name} has no boot program for {architecture}",
                     f"add `{architecture}: <file>` to its programs, or leave {architecture} out of the intent", clients=clients)  # fmt: skip


@rule("CX411", "discovery-control-without-file", ERROR, "Option 43.6 asks for a boot menu that is not there")
def discovery_control_without_file(site: AnalysedSite) -> Iterable[Finding]:
    """Option 43.6 without bit 3: a menu is expected (PXE 2.1 table 2-1; EDK2 ends with PXE-E21)."""
    for name, server in site.boot_services.items():
        control = server.discovery_control
        if (
            control is None
            or control & 8
            or server.settings.get("pxe_service")
            or server.settings.get("menu")
        ):
            continue
        clients = [c.client for c in site.pxe_cases if name in c.responders]
        if clients:
            yield report(site, "CX411", ("servers", name, "discovery_control"), f"discovery control {control} makes ROMs look for a boot menu, and {name} sends none",
                         "write `discovery_control: 8`: boot the file of this offer", clients=clients)  # fmt: skip


@rule(
    "CX412",
    "http-client-without-url",
    ERROR,
    "A UEFI HTTP boot client is given something that is no URL",
    explains=True,
)
def http_client_without_url(site: AnalysedSite) -> Iterable[Finding]:
    """UEFI HTTP boot clients that are given a plain file name."""
    found: dict[tuple[Path, str], list[Case]] = defaultdict(list)
    for used in site.used_programs:
        if not used.case.client.architecture.startswith("http-") or is_url(used.file):
            continue
        # A server that has files by HTTP makes a URL of its own program's path.
        if used.scope is not None or not site.is_well(used.case):
            found[used.path, used.file].append(used.case)
    for (path, file), cases in found.items():
        clients, severity = unwell(cases, site.is_well)
        yield report(site, "CX412", path, f"UEFI HTTP boot needs a URL, and {file} is not one",
                     f"write http://<server>/{file.lstrip('/')}", clients=clients, severity=severity)  # fmt: skip


@rule("CX413", "url-for-tftp-firmware", ERROR, "A firmware that only knows TFTP is given a URL")
def url_for_tftp_firmware(site: AnalysedSite) -> Iterable[Finding]:
    """URLs given to PXE firmware, which only knows TFTP."""
    found: dict[tuple[Path, str], list[ClientClass]] = defaultdict(list)
    for file, _, path, case, *_ in site.used_programs:
        if is_url(file) and site.kind(case.client) in ("edk2", "pxe21"):
            found[path, file].append(case.client)
    for (path, file), clients in found.items():
        firmwares = ", ".join(sorted({c.firmware for c in clients}))
        yield report(site, "CX413", path, f"{firmwares} cannot load {file}: PXE firmware knows TFTP only",
                     "give it a TFTP path; URLs are for iPXE (`ipxe:`) and UEFI HTTP boot (`http-x64:`)", clients=clients)  # fmt: skip


@rule("CX414", "url-needs-dns", ERROR, "A URL names a host and the scope gives no DNS server")
def url_needs_dns(site: AnalysedSite) -> Iterable[Finding]:
    """URLs with a host name where the scope gives no DNS server."""
    found: dict[tuple[Path, str, str], list[ClientClass]] = defaultdict(list)
    for file, _, path, case, *_ in site.used_programs:
        host = url_host(file)
        if host is None or host.replace(".", "").isdigit():
            continue
        for handed in site.handed_to(case):
            if Option.DOMAIN_NAME_SERVER not in handed.options:
                found[path, host, handed.scope].append(case.client)
    for (path, host, scope), clients in found.items():
        yield report(site, "CX414", path, f"the URL names {host}, and the scope {scope} gives no DNS server",
                     "add option 6 to the scope, or write the address into the URL", clients=clients)  # fmt: skip


def _loads(site: AnalysedSite, client: ClientClass, file: str) -> bool:
    """Whether the race has the class load this file, so that its second stage was raced too."""
    return any(finish.file == file for finish in site.races.of(client))


_Looping: TypeAlias = Mapping[tuple[Path, str], Sequence[ClientClass]]
"""The classes that are given iPXE again, by the line that says so and the file."""


@rule("CX415", "ipxe-loads-itself", ERROR, "iPXE is chain-loaded and then given iPXE again")
def ipxe_loads_itself(site: AnalysedSite) -> Iterable[Finding]:
    """Chain-loaded iPXE that is given iPXE again: an endless loop.

    What a class loads is raced on; of a program that only a fallback would give, the declarations decide.
    """
    return _without_end(site, _declared_loops(site))


@raced("CX415")
def ipxe_is_given_again(site: AnalysedSite) -> Iterable[Finding]:
    """Files that no declaration names: a server's own settings, or a program for user class iPXE alone."""
    found = []
    for case in site.pxe_cases:
        if case.intended.boots:
            again = [f for f in site.races.second(case.client) if f.file and site.asks_again(f.file)]
            found += [(case.client, finish) for finish in again]
    named = (
        {identity(client) for clients in _declared_loops(site).values() for client in clients}
        if found
        else ()
    )
    looping: dict[tuple[Path, str], list[ClientClass]] = defaultdict(list)
    for client, finish in found:
        if identity(client) not in named:
            server = str(finish.decided_by or finish.winner)
            place: Path = ("servers", server) if server in site.site.servers else ("vlans", client.vlan)
            looping[place, str(finish.file)].append(client)
    return _without_end(site, looping)


def _declared_loops(site: AnalysedSite) -> _Looping:
    found: dict[tuple[Path, str], list[ClientClass]] = defaultdict(list)
    for used in site.used_programs:
        file, path, case = used.file, used.path, used.case
        if not site.asks_again(file):
            continue
        if used.scope is not None and not ipxe_architecture(case.client.architecture, file):
            continue  # this machine cannot run it (CX404)
        loops = (
            site.loops(case.client)
            if _loads(site, case.client, file)
            else path[-1] != "ipxe" and _names_itself(site, used)
        )
        if loops:
            found[path, file].append(case.client)
    return found


def _without_end(site: AnalysedSite, looping: _Looping) -> Iterator[Finding]:
    for (path, file), clients in looping.items():
        yield report(site, "CX415", path, f"{file} is iPXE; it asks again and is given iPXE again, without end",
                     "add `ipxe: <script or URL>` to the programs: what a client gets that already runs iPXE", clients=clients)  # fmt: skip


def _names_itself(site: AnalysedSite, used: Used) -> bool:
    """Whether a proxy has nothing for iPXE but this file, or a scope names it again."""
    client = used.case.client
    if used.service is not None:
        return "ipxe" not in site.programs_of(used.service, client)[0]
    again = site.scopes.handed(str(used.scope), client, chained=True).file
    return again is not None and again[0] == used.file


@rule(
    "CX416",
    "second-stage-leaves",
    ERROR,
    "The second stage asks again and follows another server",
    explains=True,
)
def second_stage_leaves(site: AnalysedSite) -> Iterable[Finding]:
    """Second stages that follow the lease where the scope names another server's file."""
    found: dict[tuple[Path, str, Path], list[Case]] = defaultdict(list)
    for file, _, path, case, name, _ in site.used_programs:
        if name is None or name not in case.intended.servers:
            continue
        chained = site.asks_again(file)
        if not chained and not follows_lease(file):
            continue
        if chained and _loads(site, case.client, file) and site.stays_with(case.client, name):
            continue
        for scope in site.heard_scopes(case.client.vlan):
            handed = site.scopes.handed(scope, case.client, chained=chained)
            owner = site.file_owner(handed)
            if handed.file and owner != name and not site.is_unknown(owner):
                found[path, file, handed.file[1]].append(case)
    for (path, file, _), cases in found.items():
        clients, severity = unwell(cases, partial(_comes_back, site, str(path[1]), file))
        how = "asks DHCP again" if site.asks_again(file) else "reads the lease"
        yield report(site, "CX416", path, f"{file} {how} and follows the scope's boot file, which is another server's",
                     "remove the boot file from the scope, or point its next server to the same server",
                     clients=clients, severity=severity)  # fmt: skip


def _comes_back(site: AnalysedSite, name: str, file: str, case: Case) -> bool:
    """Whether a class that a server gives this file boots from it to the end when it is its turn. What the
    boot loader of a fallback asks, no race shows."""
    if not site.is_well(case, name):
        return False
    if name != case.intended.server:
        return site.asks_again(file)
    return not any(goes_astray(site, case, end) for end in site.races.loaders(case.client))


@rule(
    "CX420",
    "empty-offer-for-architecture",
    ERROR,
    "A ProxyDHCP answers with an empty offer and spoils another's",
    explains=True,
)
def empty_offer_for_architecture(site: AnalysedSite) -> Iterable[Finding]:
    """Services that answer an architecture they have no program for, with an empty offer."""
    found: dict[tuple[str, str], list[ClientClass]] = defaultdict(list)
    for case in site.pxe_cases:
        for name, standing in case.standing.items():
            server = site.site.servers[name]
            spoils = case.intended.boots and name != case.intended.server
            if (
                server.product.empty_offers
                and standing is Standing.NO_PROGRAM
                and server.programs
                and spoils
                and site.topology.hearing[case.client.vlan][name].heard
                # Its proxy answers PXEClient only.
                and site.kind(case.client) != "edk2-http"
            ):
                found[name, case.client.architecture].append(case.client)
    for (name, architecture), clients in found.items():
        yield report(site, "CX420", ("servers", name, "programs"), f"{name} has no program for {architecture} and still answers it with an empty offer",
                     f"narrow it: `answers: {{..., architectures: [...]}}` (dhcp-ignore by tag) without {architecture}", clients=clients)  # fmt: skip


@rule("CX421", "program-server-without-tftp", ERROR, "A boot program lies on a server that serves no files")
def program_server_without_tftp(site: AnalysedSite) -> Iterable[Finding]:
    """Programs whose server serves no files; and services that serve the offer but not the file."""
    found: dict[tuple[Path, str], list[ClientClass]] = defaultdict(list)
    for file, server, path, case, name, _ in site.used_programs:
        if is_url(file):
            continue
        where = server or (name and (site.site.servers[name].boot_server or name))
        owner = site.topology.owner(where) if where else None
        if owner and not site.site.servers[owner].effective_roles & FILE_ROLES:
            found[path, owner].append(case.client)
    for (path, owner), clients in found.items():
        yield report(site, "CX421", path, f"this program is loaded from {owner}, and no TFTP service is declared there",
                     f"add the role tftp to {owner}, or name the program's `server`", clients=clients)  # fmt: skip


@rule("CX428", "url-of-unknown-host", WARNING, "A URL names a host that no server of the inventory has")
def url_of_unknown_host(site: AnalysedSite) -> Iterable[Finding]:
    """URLs whose host is a name that no server of the inventory has."""
    found: dict[tuple[Path, str], list[ClientClass]] = defaultdict(list)
    for file, _, path, case, _, _ in site.used_programs:
        host = url_host(file)
        if host and site.is_unknown(host) and site.topology.owner(host) is None:
            found[path, host].append(case.client)
    for (path, host), clients in found.items():
        yield report(site, "CX428", path, f"the URL names {host}, and no server of the inventory has that name: who has the file is unknown",
                     f"write `names: [{host}]` in the server that it means", clients=clients)  # fmt: skip


@rule(
    "CX434",
    "faulty-version",
    ERROR,
    "A server runs a version that answers boot requests wrongly",
    explains=True,
)
def faulty_version(site: AnalysedSite) -> Iterable[Finding]:
    """Boot services in a version whose answers go wrong."""
    for name, server in site.boot_services.items():
        fault = server.product.fault_of(server.software.version)
        if fault is None:
            continue
        clients = [case.client for case in site.pxe_cases if name in case.responders]
        yield report(site, "CX434", ("servers", name, "software"), f"{server.software} is faulty: {fault.what}",
                     f"run {server.software.product} {fault.fixed_in} or later there", clients=clients)  # fmt: skip


@rule("CX423", "no-boot-program", ERROR, "A boot service has no boot program at all", explains=True)
def no_boot_program(site: AnalysedSite) -> Iterable[Finding]:
    """Intended boot services without any program."""
    for name, server in site.boot_services.items():
        if server.programs or server.product.own_programs:
            continue
        clients = [
            c.client
            for c in site.cases
            if name in c.intended.servers and c.standing.get(name) is Standing.NO_PROGRAM
        ]
        if clients:
            yield report(site, "CX423", ("servers", name), f"{name} must boot clients and has no boot program",
                         "write `programs: {bios: ..., uefi-x64: ...}`", clients=clients)  # fmt: skip
