"""Repairs of the way to a boot file: which server has it, and how it is asked for (CX4xx)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from coexist.analysis.edits import Edit, append, put, remove
from coexist.analysis.findings import Finding
from coexist.analysis.repairs.dropins import hand_over, leave_out
from coexist.analysis.repairs.losing import first_of_all, left_without_file
from coexist.analysis.repairs.registry import Repair, repairs
from coexist.analysis.repairs.separation import (
    and_nobody_else,
    keep_all_off,
    unintended,
    wall_clock,
)
from coexist.analysis.repairs.subject import cases_of, server_of
from coexist.analysis.running import AROUND_A_BLOCK, Halted
from coexist.analysis.site import AnalysedSite, Case, identity
from coexist.inventory.documents import Path
from coexist.inventory.values import is_address
from coexist.wire.option_codes import Option


@repairs("CX401")
def _one_of_the_two(site: AnalysedSite, finding: Finding) -> Repair | None:
    """The boot file goes where the intent gives the clients to the proxy; else the proxy is kept off."""
    cases = cases_of(site, finding)
    strangers = unintended(cases)
    concerned = [case for case in site.cases if _is_told(site, case, finding.path)]
    if finding.path[0] == "scopes" and _is_of_own_file(site, str(finding.path[1])):
        return _one_of_the_two_beside(site, finding, cases)
    if strangers and all(case.intended.boots for case in cases):
        owners = {
            site.topology.owner(handed.next_server[0])
            for case in cases
            for scope in site.heard_scopes(case.client.vlan)
            if (handed := site.scopes.handed(scope, case.client)).next_server
        }
        if any(owner in case.intended.servers for case in cases for owner in owners):
            return _for_its_owner_alone(site, finding.path, concerned, keep_all_off(site, strangers))
    edits: list[Edit] = [remove(*finding.path)]
    off = keep_all_off(site, unintended(concerned))
    gone = {name for name, repair in off.items() if repair.edits}
    if alone := left_without_file(site, {finding.path}, gone):
        return Repair(text=f"{first_of_all(alone)}; then take the boot file out of the scope")
    for case in concerned:
        for scope in site.heard_scopes(case.client.vlan):
            said = site.scopes.handed(scope, case.client).next_server
            if said and case.intended.boots and "next_server" in said[1]:
                # A boot loader may follow the lease to its files.
                edits.append(put(*said[1], value=case.intended.servers[0]))
    unique = {edit.path: edit for edit in edits}
    repair = Repair(edits=tuple(unique.values()), text="take the boot file out of the scope")
    return and_nobody_else(site, concerned, repair)


def _for_its_owner_alone(
    site: AnalysedSite, path: Path, concerned: Sequence[Case], off: Mapping[str, Repair]
) -> Repair:
    """Proxies are kept from clients that boot by the file; those that a proxy boots are told no file."""
    text = "; ".join(dict.fromkeys(repair.text for repair in off.values()))
    if any(_told_beside_its_own(site, case, path) for case in concerned):
        return Repair(text=f"give the boot file in a rule for the clients that boot by it alone; then {text}")
    if not all(repair.edits for repair in off.values()):
        return Repair(text=text)
    unique = {(edit.kind, edit.path): edit for repair in off.values() for edit in repair.edits}
    return Repair(edits=tuple(unique.values()), text=text)


def _told_beside_its_own(site: AnalysedSite, case: Case, path: Path) -> bool:
    """Whether a class is told the boot file there, which is another server's, and a proxy of its own answers
    it too."""
    told = (site.scopes.handed(scope, case.client) for scope in site.heard_scopes(case.client.vlan))
    owners = {site.file_owner(handed) for handed in told if handed.file and handed.file[1] == path}
    meant = set(case.responders) & set(case.intended.servers)
    return any(meant - {owner} for owner in owners)


def _is_of_own_file(site: AnalysedSite, scope: str) -> bool:
    """Whether a scope stands in its server's own files."""
    return bool(site.site.servers[site.site.scopes[scope].servers[0]].config)


def _one_of_the_two_beside(site: AnalysedSite, finding: Finding, cases: Sequence[Case]) -> Repair | None:
    """The boot file stands in a file of the server's own: rules of drop-ins tell both what is theirs."""
    edits = [edit for name in unintended(cases) for edit in leave_out(site, name)]
    edits += hand_over(site, str(finding.path[1]), cases)
    unique = {(edit.path, repr(edit.value)): edit for edit in edits}
    text = "add rules to the drop-ins: each server answers with what its own clients boot"
    return Repair(edits=tuple(unique.values()), text=text) if unique else None


def _is_told(site: AnalysedSite, case: Case, path: Path) -> bool:
    """Whether a scope gives the class the boot file that stands there."""
    scopes = site.heard_scopes(case.client.vlan)
    files = (site.scopes.handed(scope, case.client).file for scope in scopes)
    return any(file is not None and file[1] == path for file in files)


@repairs("CX406")
def _next_server(site: AnalysedSite, finding: Finding) -> Repair | None:
    """The server that option 66 names, where firmware reads it: beside the option, or in the scopes of the
    server that has the option for all of them."""
    edits: dict[Path, Edit] = {}
    for case in site.pxe_cases:  # those that boot as intended for all that are given it too
        for handed in site.handed_to(case):
            said = handed.text(Option.TFTP_SERVER_NAME)
            if said is None or said[1] != finding.path or handed.next_server or not handed.file:
                continue
            named = said[0] if is_address(said[0]) else site.topology.owner(said[0])
            if named is None:
                return None  # only people know whose name it is
            at: Path = ("scopes", handed.scope) if finding.path[0] == "servers" else finding.path[:-2]
            edits[at] = put(*at, "next_server", value=named)
    return Repair(edits=tuple(edits.values())) if edits else None


@repairs("CX407")
def _who_has_the_file(site: AnalysedSite, finding: Finding) -> Repair | None:
    cases = cases_of(site, finding)
    told = [case for case in site.pxe_cases if _is_told(site, case, finding.path)]
    if any(case.responders for case in told) and not left_without_file(site, {finding.path}):
        return Repair(edits=(remove(*finding.path),), text="take the boot file out: a boot service names it")
    names = [name for case in cases for name in case.intended.servers if _has_files(site, name)]
    at = finding.path[: 4 if "rules" in finding.path else 2]
    return Repair(edits=(put(*at, "next_server", value=names[0]),)) if names else None


def _has_files(site: AnalysedSite, name: str) -> bool:
    return bool({"tftp", "http"} & site.site.servers[name].effective_roles)


@repairs("CX408")
def _say_it_once(site: AnalysedSite, finding: Finding) -> Repair | None:
    told_both = {identity(client) for client in finding.classes}
    if any(identity(case.client) not in told_both for case in left_without_file(site, {finding.path})):
        # Others are told nothing but the option.
        return None
    return Repair(edits=(remove(*finding.path),), text="leave the option out, or write the same in both")


@repairs("CX409")
def _answer_4011(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    return (
        None
        if found and found[1].fixed
        else Repair(edits=(remove(*finding.path),), text="let it answer port 4011")
    )


@repairs("CX410", "CX421", "CX427")
def _serve_files(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[0] == "scopes":
        intended = [name for case in cases_of(site, finding) for name in case.intended.servers]
        able = [name for name in intended if _has_files(site, name)]
        at = finding.path if finding.path[-1] == "next_server" else (*finding.path[:2], "next_server")
        if able:
            return Repair(edits=(put(*at, value=able[0]),), text="name the server that has the file")
        return _add_tftp(site, intended[0]) if intended else None
    found = server_of(site, finding)
    if found is None or found[1].boot_server:
        return None
    return _add_tftp(site, found[0])


@repairs("CX435")
def _smaller_blocks(site: AnalysedSite, finding: Finding) -> Repair | None:
    """What Secure Boot refuses needs another program: only blocks can be made smaller here."""
    found = server_of(site, finding)
    cases = cases_of(site, finding)
    halts = [halt for case in cases for _, halt in site.races.halts(case.client)]
    if found is None or found[1].fixed or not halts or any(h.kind is not Halted.BLOCKS for h in halts):
        return None
    passing = [mtu for case in cases if (mtu := site.site.vlans[case.client.vlan].mtu) is not None]
    value = min(passing) - AROUND_A_BLOCK
    return Repair(edits=(put("servers", found[0], "largest_blksize", value=value),), text=halts[0].remedy)


def _add_tftp(site: AnalysedSite, name: str) -> Repair | None:
    server = site.site.servers[name]
    if server.fixed or _has_files(site, name):
        return None
    roles = sorted({*server.effective_roles, "tftp"})
    return Repair(
        edits=(put("servers", name, "roles", value=roles),), text="let it serve files: add the role tftp"
    )


@repairs("CX411")
def _this_file(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    return None if found and found[1].fixed else Repair(edits=(put(*finding.path, value=8),))


@repairs("CX412")
def _url(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    if found is None or found[1].fixed or finding.path[2:3] != ("programs",):
        return None
    name, server = found
    program = server.programs.get(str(finding.path[3]))
    if program is None or not server.product.answers_http:
        return None
    address = next(iter(server.stands_on.values()))
    edits = [put(*finding.path, value=f"http://{address}/{program.file.lstrip('/')}")]
    if "http" not in server.effective_roles:
        edits.append(put("servers", name, "roles", value=sorted({*server.effective_roles, "http"})))
    return Repair(edits=tuple(edits), text="give it by HTTP, as a URL")


@repairs("CX413")
def _by_tftp(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    if found is None or found[1].fixed or finding.path[2:3] != ("programs",):
        return None
    program = found[1].programs.get(str(finding.path[3]))
    file = urlsplit(program.file).path.lstrip("/") if program else ""
    return (
        Repair(
            edits=(put(*finding.path, value=file),),
            text="give it by TFTP; URLs are for iPXE and UEFI HTTP boot",
        )
        if file
        else None
    )


@repairs("CX416")
def _same_server(site: AnalysedSite, finding: Finding) -> Repair | None:
    edits: dict[Any, Edit] = {}
    given = [used for used in site.used_programs if used.path == finding.path]
    chained = any(site.asks_again(used.file) for used in given)
    cases = [used.case for used in given if used.service in used.case.intended.servers]
    for case in cases:
        for scope in site.heard_scopes(case.client.vlan):
            lines = site.scopes.file_lines(scope, case.client, chained=chained)
            edits |= {line: remove(*line) for line in lines}
            handed = site.scopes.handed(scope, case.client, chained=chained)
            if handed.next_server and len(handed.next_server[1]) > 2:
                path = handed.next_server[1]
                edits[path] = put(*path, value=case.intended.servers[0])
    if alone := left_without_file(site, edits):
        return Repair(text=f"{first_of_all(alone)}; then take the boot file out of the scope")
    return Repair(
        edits=tuple(edits.values()),
        text="take the boot file out of the scope, and let it name the same server",
    )


@repairs("CX417")
def _hand_it_out(site: AnalysedSite, finding: Finding) -> Repair | None:
    scope = str(finding.path[1])
    missing: dict[tuple[int, int], None] = {
        (number, code): None
        for case in cases_of(site, finding)
        for number, code, name in site.withheld(case)
        if name == scope
    }
    edits = []
    for number, code in missing:
        rule, value = site.site.intent[number], site.site.intent[number].options[code]
        options = {code: list(value) if isinstance(value, tuple) else value}
        edits.append(
            append("scopes", scope, "rules", value={"clients": list(rule.clients), "options": options})
        )
    return Repair(edits=tuple(edits)) if edits else None


@repairs("CX426")
def _tell_the_loader(site: AnalysedSite, finding: Finding) -> Repair | None:
    if finding.path[0] != "scopes":
        return None
    intended = [
        name for case in cases_of(site, finding) for name in case.intended.servers if _has_files(site, name)
    ]
    return Repair(edits=(put(*finding.path[:2], "next_server", value=intended[0]),)) if intended else None


@repairs("CX425")
def _of_each_stage(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    delay = wall_clock(server[1]) if server and not server[1].fixed else None
    if server is None or delay is None:
        return None
    return Repair(
        edits=(put("servers", server[0], "delay", value=delay.after),),
        text=f"write `delay: {delay.after:g}`: it holds for each stage",
    )


@repairs("CX434")
def _later_version(site: AnalysedSite, finding: Finding) -> Repair | None:
    found = server_of(site, finding)
    fault = found[1].product.fault_of(found[1].software.version) if found and not found[1].fixed else None
    if found is None or fault is None:
        return None
    software = f"{found[1].software.product} {fault.fixed_in}"
    return Repair(edits=(put(*finding.path, value=software),), text=f"run {software} there, and declare it")
