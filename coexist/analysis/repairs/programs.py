"""Repairs of the programs that are named to a machine (CX4xx)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from coexist.analysis.edits import Edit, append, put, remove
from coexist.analysis.findings import Finding
from coexist.analysis.repairs.chained import SCRIPT, script_of
from coexist.analysis.repairs.registry import Repair, repairs
from coexist.analysis.repairs.subject import cases_of, server_of
from coexist.analysis.site import AnalysedSite
from coexist.boot.loaders.names import IPXE, file_name, loader_by_name, url_host
from coexist.wire.option_codes import Option

# What the projects call the same loader for the other architecture: syslinux 6.03 (efi64), iPXE's build
# targets, GRUB's grub-mknetdir, Microsoft's list of network boot programs.
_SIBLINGS: dict[tuple[str, str], str] = {
    ("lpxelinux", "uefi-x64"): "syslinux.efi",
    ("pxelinux", "uefi-x64"): "syslinux.efi",
    ("syslinux-efi", "bios"): "lpxelinux.0",
    ("ipxe", "uefi-x64"): "snponly.efi",
    ("ipxe", "bios"): "undionly.kpxe",
    ("grub-core", "uefi-x64"): "core.efi",
    ("grub-core", "bios"): "core.0",
    ("wdsnbp", "uefi-x64"): "wdsmgfw.efi",
    ("wdsmgfw", "bios"): "wdsnbp.com",
}
_OPTION_67 = ("options", str(int(Option.BOOTFILE_NAME)))


def _program_for(site: AnalysedSite, name: str, architecture: str, file: str = "") -> str | None:
    """What the loader of a server's programs is called for an architecture; None where nobody knows."""
    server = site.site.servers[name]
    if server.fixed or (not server.product.fills_in and server.product.own_programs):
        return None
    files = [file, *(program.file for program in server.programs.values())]
    for each in files:
        sibling = _SIBLINGS.get((loader_by_name(each) or "", architecture))
        if sibling is not None:
            return each[: len(each) - len(file_name(each))] + sibling
    return None


@repairs("CX404")
def _for_its_architecture(site: AnalysedSite, finding: Finding) -> Repair | None:
    architectures = sorted({client.architecture for client in finding.classes if client.architecture})
    if len(architectures) != 1:
        return None
    architecture = architectures[0]
    if finding.path[0] == "servers" and finding.path[2:3] == ("programs",):
        name = str(finding.path[1])
        declared = site.site.servers[name].programs.get(str(finding.path[3]))
        file = _program_for(site, name, architecture, declared.file if declared else "")
        if file is None:
            return None
        text = f"name its program for {architecture}; `coexist check --files` says whether it is there"
        return Repair(edits=(put("servers", name, "programs", architecture, value=file),), text=text)
    return _by_architecture(site, finding, architecture)


def _by_architecture(site: AnalysedSite, finding: Finding, architecture: str) -> Repair | None:
    """One boot file of a scope becomes a program for each architecture."""
    at, word = finding.path[:2], tuple(map(str, finding.path[2:]))
    if at[0] != "scopes" or word not in (("filename",), _OPTION_67):
        return None
    scope = site.site.scopes[str(at[1])]
    said = scope.filename if word == ("filename",) else scope.options.get(int(Option.BOOTFILE_NAME))
    file = said if isinstance(said, str) else ""
    sibling = _SIBLINGS.get((loader_by_name(file) or "", architecture))
    if sibling is None or scope.programs:
        return None
    other = next((own for (_, own), one in _SIBLINGS.items() if one == file_name(file)), "bios")
    programs = {other: file, architecture: file[: len(file) - len(file_name(file))] + sibling}
    edits = [put(*at, "programs", value=programs), remove(*finding.path)]
    if loader_by_name(file) == IPXE:
        if scope.rules:
            return None
        edits.append(put(*at, "rules", value=[{"user_class": "iPXE", "filename": SCRIPT}]))
    text = "give the program by architecture; `coexist check --files` says whether it is there"
    return Repair(edits=tuple(edits), text=text)


@repairs("CX405")
def _the_other_program(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    architectures = sorted({client.architecture for client in finding.classes if client.architecture})
    if server is None or not architectures:
        return None
    named = {each: _program_for(site, server[0], each) for each in architectures}
    edits = tuple(
        put("servers", server[0], "programs", each, value=file) for each, file in named.items() if file
    )
    if len(edits) != len(named):
        return None
    text = f"add its program for {', '.join(named)}; `coexist check --files` says whether it is there"
    return Repair(edits=edits, text=text)


@repairs("CX414")
def _by_address(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    program = server[1].programs.get(str(finding.path[3])) if server and len(finding.path) > 3 else None
    if server is None or server[1].fixed or program is None:
        return None
    host = url_host(program.file) or ""
    owner = next((one for one in site.site.servers.values() if host in one.names), None)
    if owner is None:
        return None
    url = urlsplit(program.file)
    port = f":{url.port}" if url.port else ""
    address = next(iter(owner.stands_on.values()))
    return Repair(
        edits=(put(*finding.path, value=url._replace(netloc=f"{address}{port}").geturl()),),
        text="write the address into the URL, or add option 6 to the scope",
    )


@repairs("CX415")
def _a_script(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    if server is None:
        scope = site.site.scopes[str(finding.path[1])]
        option = tuple(map(str, finding.path[2:])) == _OPTION_67
        file: dict[str, Any] = (
            {"options": {int(Option.BOOTFILE_NAME): SCRIPT}} if option else {"filename": SCRIPT}
        )
        rule = {"user_class": "iPXE", **file}
        text = f"write what iPXE gets as the scope's first rule ({SCRIPT} stands for your script or URL)"
        return Repair(
            edits=() if scope.rules else (put(*finding.path[:2], "rules", value=[rule]),), text=text
        )
    return script_of(site, server[0])


@repairs("CX418")
def _no_vendor_option(_site: AnalysedSite, finding: Finding) -> Repair:
    return Repair(
        edits=(remove(*finding.path),),
        text="leave option 43 out, or send it only to its own devices, by a rule with their clients",
    )


@repairs("CX419")
def _by_the_scope(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    if server is None:
        return None
    edits: dict[tuple[str, str], Edit] = {}
    for case in cases_of(site, finding):
        program = server[1].programs.get(case.client.architecture)
        if program is None:
            return None
        for scope in site.heard_scopes(case.client.vlan):
            if any(site.site.servers[each].fixed for each in site.site.scopes[scope].servers):
                return None
            rule = {
                "architectures": case.client.architecture, "next_server": server[0], "filename": program.file,
            }  # fmt: skip
            edits[scope, case.client.architecture] = append("scopes", scope, "rules", value=rule)
    return Repair(edits=tuple(edits.values())) if edits else None


@repairs("CX422")
def _its_own_files(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    able = server is not None and bool({"tftp", "http"} & server[1].effective_roles)
    if server is None or server[1].fixed or not able or finding.path[2:3] != ("boot_server",):
        return None
    return Repair(
        edits=(remove(*finding.path),),
        text="declare the server there, or let it give its own files: leave `boot_server` out",
    )


@repairs("CX424", "CX412", "CX433")
def _by_pxe(site: AnalysedSite, finding: Finding) -> Repair | None:
    """Machines that boot by HTTP from a server that cannot: they boot by PXE."""
    if finding.path[0] == "scopes" and finding.code.code == "CX433":
        return _both_numbers(site, finding)
    named = sorted({client.architecture for client in finding.classes})
    http = [each for each in named if each.startswith("http-")]
    if not http or len(http) != len(named) or "architectures" not in site.site.model_fields_set:
        return None
    edits: list[Edit] = []
    for each in http:
        plain = each.replace("http-", "uefi-")
        if plain not in site.site.architectures:
            edits.append(put("architectures", plain, value="edk2"))
        edits.append(remove("architectures", each))
    return Repair(edits=tuple(edits), text="let these machines boot by PXE, and declare that")


def _both_numbers(site: AnalysedSite, finding: Finding) -> Repair | None:
    """A rule that asks for one number of option 93 asks for the architecture."""
    at = finding.path[:4]
    # Of a server's own file the path ends with a place there.
    if at[2:3] != ("rules",) or len(at) < 4 or not isinstance(at[3], int):
        return None
    scope, number = str(at[1]), at[3]
    when = site.site.scopes[scope].rules[number].when
    architectures = sorted({client.architecture for client in finding.classes})
    if len(when) != 1 or len(architectures) != 1:
        return None
    return Repair(
        edits=(put(*at, "architectures", value=architectures[0]), remove(*at, "when")),
        text=f"let both numbers be answered alike: `architectures: {architectures[0]}` stands for both",
    )


@repairs("CX428")
def _its_name(site: AnalysedSite, finding: Finding) -> Repair | None:
    server = server_of(site, finding)
    program = server[1].programs.get(str(finding.path[3])) if server and len(finding.path) > 3 else None
    host = url_host(program.file) if program else None
    if server is None or host is None:
        return None
    return Repair(
        edits=(append("servers", server[0], "names", value=host),),
        text=f"write the name in {server[0]}, or in the server that has the file",
    )
