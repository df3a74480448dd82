"""CX4xx: what runs after the first file: whether a boot loader finds a server, and the right one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from coexist.analysis.findings import ERROR, Finding, Severity
from coexist.analysis.races import LoaderEnd
from coexist.analysis.rules import Explained, choose, judge, kind, report
from coexist.analysis.rules.bootpath import FILE_ROLES
from coexist.analysis.site import AnalysedSite, Case, identity
from coexist.analysis.space import ClientClass
from coexist.inventory.documents import Path

kind("CX426", "loader-without-server", ERROR, "A boot loader finds no server to ask and ends at its prompt")
kind("CX427", "loader-asks-elsewhere", ERROR, "A boot loader asks another server than the one that boots it")

kind("CX435", "boot-file-not-run", ERROR, "A machine does not run the boot file that it is given")

_NOTHING: frozenset[str] = frozenset()

Ends: TypeAlias = Sequence[tuple[Case, LoaderEnd]]


@judge
def loaders_astray(site: AnalysedSite, explained: Explained) -> Iterable[Finding]:
    """Boot loaders that find no server, or another one than the one that boots them."""
    ends = [(case, end) for case, end in _ends(site, explained) if goes_astray(site, case, end)]
    yield from loader_without_server(site, ends)
    yield from loader_asks_elsewhere(site, ends)


@judge
def boot_file_not_run(site: AnalysedSite, _: Explained) -> Iterable[Finding]:
    """Boot files that Secure Boot refuses, or whose blocks do not fit through the network."""
    found: dict[tuple[Path, str, str, bool], list[ClientClass]] = defaultdict(list)
    for case in site.pxe_cases:
        if not case.intended.boots or not _may_halt(site, case.client) or not site.as_intended(case):
            continue
        for server, halt in site.races.halts(case.client):
            declared = server in site.site.servers
            path: Path = ("servers", str(server)) if declared else ("vlans", case.client.vlan)
            verb = "does not" if halt.certain else "may not"
            message = f"the boot file of {server} {verb} run, because {halt.kind.value}: {halt.why}"
            key = path, message, halt.remedy, halt.certain
            if case.client not in found[key]:
                found[key].append(case.client)
    for (path, message, repair, certain), clients in found.items():
        severity = None if certain else Severity.WARNING
        yield report(site, "CX435", path, message, repair, clients=clients, severity=severity)


def _may_halt(site: AnalysedSite, client: ClientClass) -> bool:
    """Whether more than a program's name decides about it: that is told already (CX404)."""
    firmware = site.races.world.firmwares[client.firmware]
    return site.site.vlans[client.vlan].mtu is not None or getattr(firmware, "secure_boot", False)


def _ends(site: AnalysedSite, explained: Explained) -> Iterator[tuple[Case, LoaderEnd]]:
    """Every loader of every class that boots as intended and that no error of the declarations explains."""
    for case in site.pxe_cases:
        errors = explained.get(identity(case.client), _NOTHING)
        if not case.intended.boots or errors & {"CX401", "CX416"}:
            continue
        ends = site.races.loaders(case.client)
        if ends and site.as_intended(case):
            for end in ends:
                yield case, end


def goes_astray(site: AnalysedSite, case: Case, end: LoaderEnd) -> bool:
    """Whether a loader finds no server, or asks another than the one that boots the class, or one without
    files."""
    if end.fails:
        return True
    if end.asks is None or site.is_unknown(end.asks):
        return False
    server = site.site.servers.get(end.asks)
    mine = end.asks in (end.booted, case.intended.server)
    return not (mine and server is not None and server.effective_roles & FILE_ROLES)


def _place(site: AnalysedSite, case: Case, end: LoaderEnd) -> tuple[Path, str]:
    """The declaration that decides whom a loader asks, and the scope where that is a lease."""
    if end.reads_lease:
        for handed in site.handed_to(case):
            if handed.next_server:
                return handed.next_server[1], handed.scope
            return ("scopes", handed.scope), handed.scope
    return ("servers", str(case.intended.server)), ""


def _remedy(site: AnalysedSite, case: Case, end: LoaderEnd, scope: str) -> str:
    server = str(end.booted if end.booted in site.site.servers else case.intended.server)
    if scope:
        return f"write `next_server: {server}` in the scope {scope}, and no boot file beside it"
    if end.fails and end.remedy:
        return end.remedy
    return f"let the packet that names the boot file name {server} as next server too"


def loader_without_server(site: AnalysedSite, ends: Ends) -> Iterable[Finding]:
    """Boot loaders that no packet tells a server."""
    found: dict[tuple[Path, str, str, bool], list[ClientClass]] = defaultdict(list)
    for case, end in ends:
        if end.fails:
            path, scope = _place(site, case, end)
            message = f"{end.title} ({end.file}) has no server to ask and ends there: {end.why}"
            found[path, message, _remedy(site, case, end, scope), end.certain].append(case.client)
    for (path, message, repair, certain), clients in found.items():
        yield report(site, "CX426", path, message, repair, clients=clients,
                     severity=None if certain else Severity.WARNING, timeline=_lines(site, clients))  # fmt: skip


def loader_asks_elsewhere(site: AnalysedSite, ends: Ends) -> Iterable[Finding]:
    """Boot loaders that ask a server for files which is neither the intended one nor has theirs."""
    found: dict[tuple[Path, str, str], list[ClientClass]] = defaultdict(list)
    for case, end in ends:
        if end.fails:
            continue
        server = site.site.servers.get(str(end.asks))
        what = "which is no declared server" if server is None else "which did not boot these clients"
        if server is not None and not server.effective_roles & FILE_ROLES:
            what = "and no TFTP service is declared there"
        path, scope = _place(site, case, end)
        message = f"{end.title} ({end.file}) asks {end.asks} for its files, {what}: {end.why}"
        found[path, message, _remedy(site, case, end, scope)].append(case.client)
    for (path, message, repair), clients in found.items():
        yield report(site, "CX427", path, message, repair, clients=clients, timeline=_lines(site, clients))


def _lines(site: AnalysedSite, clients: list[ClientClass]) -> tuple[str, ...]:
    """The time line of the class that is shown, with what its loaders do."""
    chosen = choose(clients)
    if chosen is None or site.brief:
        return ()
    tail = tuple(
        f"         {end.title} ({end.file}) asks {end.asks or 'nobody'}: {end.why}"
        for end in site.races.loaders(chosen)
    )
    return (*site.second_timeline(chosen), *tail)
