"""CX433: rules that know one of the numbers that machines of an architecture announce in option 93."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from coexist.analysis.findings import WARNING, Finding
from coexist.analysis.leases import Handed
from coexist.analysis.numbers import other_numbers
from coexist.analysis.rules import raced, report, rule
from coexist.analysis.site import AnalysedSite, Case
from coexist.analysis.space import ClientClass
from coexist.inventory.documents import Path
from coexist.wire.architecture import CANONICAL_CODE
from coexist.wire.options import Option

_BOOTING = (
    Option.VENDOR_SPECIFIC_INFORMATION,
    Option.VENDOR_CLASS_IDENTIFIER,
    Option.TFTP_SERVER_NAME,
    Option.BOOTFILE_NAME,
)


@rule(
    "CX433",
    "one-architecture-number",
    WARNING,
    "A rule tests only one of the numbers that x64 machines announce",
)
def scopes_of_one_number(site: AnalysedSite) -> Iterable[Finding]:
    """Scopes that answer x64 machines by the number they announce, 7 or 9."""
    return _told(site, _by_scopes)


@raced("CX433")
def services_of_one_number(site: AnalysedSite) -> Iterable[Finding]:
    """Boot services that answer x64 machines by the number they announce."""
    return _told(site, _by_services)


def _told(
    site: AnalysedSite, lines: Callable[[AnalysedSite, Case], Iterable[tuple[Path, int]]]
) -> Iterator[Finding]:
    found: dict[tuple[Path, str, int, int], list[ClientClass]] = defaultdict(list)
    for case in site.pxe_cases:
        usual = CANONICAL_CODE.get(case.client.architecture, 0)
        for path, number in lines(site, case):
            found[path, case.client.architecture, usual, number].append(case.client)
    for (path, architecture, usual, number), clients in found.items():
        yield report(site, "CX433", path, f"{architecture} machines announce {usual} or {number} in option 93, and this line holds for one of them only",
                     f"let both be answered alike: `architectures: {architecture}` stands for both", clients=clients)  # fmt: skip


def _by_scopes(site: AnalysedSite, case: Case) -> Iterator[tuple[Path, int]]:
    """The lines of scopes that one number finds and another does not."""
    for number in other_numbers(case.client.architecture):
        for usual in site.handed_to(case):
            if not site.scopes.tells_apart(usual.scope, case.client, number):
                continue
            other = site.scopes.handed(usual.scope, case.client, number=number)
            path = _first_difference(usual, other)
            if path is not None:
                yield path, number


def _first_difference(one: Handed, other: Handed) -> Path | None:
    """The place of the first value by which two machines would boot differently; None where there is none."""
    if one.ignored != other.ignored:
        return ("scopes", one.scope)
    for mine, theirs in (
        (one.header_file, other.header_file),
        (one.siaddr, other.siaddr),
        *((one.options.get(code), other.options.get(code)) for code in _BOOTING),
    ):
        if (mine and mine[0]) != (theirs and theirs[0]):
            said = [value[1] for value in (mine, theirs) if value is not None]
            # A rule of the scope, which is about one number, before the scope itself.
            return max(said, key=len)
    return None


def _by_services(site: AnalysedSite, case: Case) -> Iterator[tuple[Path, int]]:
    """The boot services that answer one number otherwise than another."""
    if not other_numbers(case.client.architecture):
        return
    scopes = (site.site.scopes[name] for name in site.heard_scopes(case.client.vlan))
    leasing = {server for scope in scopes for server in scope.servers}
    # What leases is told at its scope.
    others = site.topology.hearing[case.client.vlan].keys() & site.boot_services.keys() - leasing
    if others:
        for name, number in site.races.answered_apart(case.client):
            if name in others:
                yield ("servers", name), number
