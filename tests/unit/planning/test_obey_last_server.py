"""An obeyed repair takes nobody's last server away, and makes nobody worse off who booted as intended."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.analysis import Analysis, Finding, Severity
from coexist.analysis.intent import NOBODY_BOOTS
from coexist.analysis.site import identity as of_class
from coexist.planning.yaml_edit import apply
from tests.unit.planning.test_obey import analysed, errors_of, identity

BASE = """
site: example
vlans:
  wards: {id: 10, subnet: 10.61.0.0/16, gateway: 10.61.0.1%(vlan)s}
%(networks)s
servers:
  dhcp: {software: isc-dhcpd 4.4, address: 10.61.0.5, vlan: wards, ping_check: false}
  otc: {software: openthinclient 2021, address: 10.61.0.12, vlan: wards, answers: %(otc)s}
%(servers)s
scopes:
  wards:
    {server: dhcp, vlan: wards, pools: [10.61.1.0-10.61.9.255], options: {3: 10.61.0.1%(options)s}%(scope)s}
clients:
  - {mac: 00:50:c2:61:00:01, name: tc-1, hardware: wyse, location: Ward, architecture: bios}
  - {mac: 00:50:c2:61:00:02, name: tc-2, hardware: wyse, location: Ward, architecture: uefi-x64}
  - {mac: 00:50:c2:62:00:01, name: pc-1, hardware: office, location: Desk, architecture: uefi-x64}
groups:
  thin: {where: {hardware: wyse}}
  pcs: {where: {hardware: office}}
architectures: {bios: [ipxe], uefi-x64: [edk2]}
intent:
%(intent)s
"""
PROGRAMS = "programs: {bios: lpxelinux.0, uefi-x64: syslinux64.efi}"


def site(
    *,
    servers: str = "",
    intent: str = "  - {clients: everyone, boot_from: otc}",
    otc: str = "nobody",
    vlan: str = "",
    options: str = "",
    scope: str = "",
    networks: str = "",
) -> str:
    """A site whose intended server answers nobody, unless ``otc`` says otherwise."""
    return BASE % {
        "servers": servers,
        "intent": intent,
        "otc": otc,
        "vlan": vlan,
        "options": options,
        "scope": scope,
        "networks": networks,
    }


def front(answers: str = "everyone", more: str = "", name: str = "front", last: int = 13) -> str:
    return (
        f"  {name}: {{software: coexist, address: 10.61.0.{last}, vlan: wards, answers: {answers}, "
        f"{PROGRAMS}{more}}}"
    )


SCCM = "  sccm: {software: configmgr, address: 10.61.0.14, vlan: wards, answers: %s}"
AFAR = SCCM.replace("vlan: wards", "vlan: core").replace("10.61.", "10.60.")
TRUSTED = ", snooping: {trusted: [dhcp, otc]}"
PCS_TOO = """  - {clients: thin, boot_from: otc}
  - {clients: pcs, boot_from: sccm}"""
THIN = "  - {clients: thin, boot_from: otc}"
NOBODY_ELSE = PCS_TOO + "\n  - {clients: everyone, boot_from: nobody}"
IPXE = (
    "  chain: {software: %s, %saddress: 10.61.0.16, vlan: wards, answers: everyone, "
    "programs: {bios: undionly.kpxe, uefi-x64: snponly.efi}}"
)
PCS_IPXE = IPXE.replace("answers: everyone", "answers: {only: pcs}")
FROM_IPXE = "  - {clients: everyone, boot_from: chain}"
PCS_FROM_OTC = "  - {clients: pcs, boot_from: otc}\n" + FROM_IPXE
CORE = "  core: {id: 20, subnet: 10.60.0.0/16, gateway: 10.60.0.1}"

# By name: the site, the finding that it is about, and whether its repair has edits (else it says what
# comes first).
SITES: dict[str, tuple[str, str, bool]] = {
    "a server of no intent is the only one that boots them": (site(servers=front()), "CX112", False),
    "a server of no intent beside the intended one": (site(servers=front(), otc="everyone"), "CX112", True),
    "of two lists one is left": (
        site(servers=front("{only: thin}") + "\n" + front("{only: thin}", "", "back", 15)),
        "CX307",
        True,
    ),
    "the delay goes, the server stays": (site(servers=front(more=", delay: 3.5")), "CX311", True),
    "too late for some, the only one for others": (
        site(servers=front(more=", delay: {secs_at_least: 20}")),
        "CX310",
        False,
    ),
    "a deny list that does not name them": (
        site(
            servers=SCCM % "{except: thin}",
            otc="{only: thin}",
            intent="  - {clients: thin, boot_from: otc}\n  - {clients: everyone, boot_from: nobody}",
        ),
        "CX321",
        True,
    ),
    "a boot file for others too": (
        site(
            scope=", filename: lpxelinux.0, next_server: otc",
            intent="  - {clients: pcs, boot_from: nobody}\n  - {clients: everyone, boot_from: otc}",
        ),
        "CX321",
        False,
    ),
    "a boot file beside the only server": (
        site(servers=front("nobody"), otc="{only: pcs}", scope=", filename: lpxelinux.0, next_server: front"),
        "CX401",
        False,
    ),
    "a boot file that the clients of a proxy are told too": (
        site(
            servers=front(),
            scope=", filename: lpxelinux.0, next_server: otc",
            intent="  - {clients: thin, boot_from: otc}\n  - {clients: everyone, boot_from: front}",
        ),
        "CX401",
        False,
    ),
    "a boot file that those alone are told who boot by it": (
        site(
            servers=front(),
            scope=", rules: [{clients: thin, programs: {bios: a.0, uefi-x64: a.efi}, next_server: otc}]",
            intent="  - {clients: thin, boot_from: otc}\n  - {clients: everyone, boot_from: front}",
        ),
        "CX401",
        True,
    ),
    "a boot file beside two strangers": (
        site(
            servers=front() + "\n" + front("everyone", "", "back", 15),
            scope=", rules: [{clients: thin, programs: {bios: a.0, uefi-x64: a.efi}, next_server: otc}]",
            intent="  - {clients: thin, boot_from: otc}\n  - {clients: everyone, boot_from: front}",
        ),
        "CX401",
        True,
    ),
    "trusted, its scope tells others iPXE for ever": (
        site(
            otc="{only: thin}",
            vlan=", snooping: {trusted: [otc]}",
            scope=", filename: undionly.kpxe, next_server: otc",
            intent=THIN,
        ),
        "CX206",
        False,
    ),
    "trusted, its scope tells others what boots": (
        site(
            otc="{only: thin}",
            vlan=", snooping: {trusted: [otc]}",
            scope=", programs: {bios: lpxelinux.0, uefi-x64: syslinux64.efi}, next_server: otc",
            intent=THIN,
        ),
        "CX206",
        True,
    ),
    "relayed, its scope tells others iPXE for ever": (
        site(
            otc="{only: thin}",
            networks=CORE,
            scope=", filename: undionly.kpxe, next_server: otc",
            intent=THIN,
        ).replace("address: 10.61.0.5, vlan: wards", "address: 10.60.0.5, vlan: core"),
        "CX202",
        False,
    ),
    "trusted, it would answer others too": (
        site(servers=SCCM % "everyone", otc="{only: thin}", vlan=TRUSTED, intent=PCS_TOO),
        "CX206",
        True,
    ),
    "trusted, it would answer others whom no deny list names": (
        site(servers=SCCM % "everyone", otc="{only: thin}", vlan=TRUSTED, intent=NOBODY_ELSE),
        "CX206",
        False,
    ),
    "relayed, it would answer others too": (
        site(servers=AFAR % "everyone", otc="{only: thin}", networks=CORE, intent=PCS_TOO),
        "CX203",
        True,
    ),
    "the lease sends them to it": (
        site(
            servers=front().replace("vlan: wards", "vlan: core").replace("10.61.", "10.60."),
            networks=CORE,
            options=", 60: PXEClient",
            scope=", next_server: front",
            intent="  - {clients: everyone, vlan: wards, boot_from: otc}\n"
            "  - {clients: everyone, boot_from: nobody}",
        ),
        "CX112",
        False,
    ),
    "iPXE is told nothing else": (
        site(servers=IPXE % ("generic", "roles: [proxydhcp, tftp], "), intent=FROM_IPXE),
        "CX415",
        False,
    ),
    "iPXE is told something else": (
        site(servers=IPXE % ("dnsmasq 2.90", "roles: [proxydhcp, tftp], "), intent=FROM_IPXE),
        "CX415",
        True,
    ),
    "whom a scope ignores needs no router": (
        site(
            servers=front().replace("vlan: wards", "vlan: core").replace("10.61.", "10.60."),
            networks=CORE,
            vlan=", relay_to: [front]",
            scope=", rules: [{clients: thin, ignore: true}]",
            intent="  - {clients: everyone, vlan: wards, boot_from: front}",
        ),
        "CX214",
        False,
    ),
    "the option is all that others are told": (
        site(
            options=", 67: pxelinux.0",
            scope=", next_server: otc, rules: [{clients: pcs, filename: r.0}]",
        ),
        "CX408",
        False,
    ),
    "a delay that its clients do not feel": (
        site(
            servers=(SCCM % "{only: pcs}").replace("configmgr", "wds").replace("}}", "}, delay: 5}"),
            otc="everyone",
        ),
        "CX501",
        True,
    ),
    "a stranger beside two whose order is wrong": (
        site(
            servers=front("{only: thin}", ", delay: 2")
            + "\n"
            + front("{only: thin}", ", delay: 4", "back", 15),
            otc="{only: thin}",
            intent="  - {clients: thin, boot_from: front, fallback: otc}",
        ),
        "CX306",
        False,
    ),
    "a stranger beside two whose order can be put right": (
        site(
            servers=front("{only: thin}", ", delay: 2")
            + "\n"
            + front("{only: thin}", "", "back", 15)
            + "\n"
            + front("{only: thin}", ", delay: 4", "third", 17),
            intent="  - {clients: thin, boot_from: front, fallback: back}",
        ),
        "CX306",
        True,
    ),
    "without the delay that its product does not keep it boots who gave up": (
        site(
            servers=(SCCM % "everyone").replace("}", ", delay: 5, fixed: true}"),
            otc="{only: thin}",
            intent="  - {clients: thin, boot_from: otc}\n  - {clients: pcs, boot_from: sccm}\n"
            "  - {clients: everyone, boot_from: nobody}",
        ),
        "CX317",
        False,
    ),
    "without the delay nobody else is there": (
        site(
            servers=(SCCM % "everyone").replace("}", ", delay: 5, fixed: true}"),
            intent="  - {clients: everyone, boot_from: sccm}",
        ),
        "CX317",
        True,
    ),
    "whom it answers then would load iPXE for ever": (
        site(
            servers=PCS_IPXE % ("generic", "roles: [proxydhcp, tftp], "),
            otc="{only: pcs}",
            intent=PCS_FROM_OTC,
        ),
        "CX307",
        False,
    ),
    "whom it answers then is told a script": (
        site(
            servers=PCS_IPXE % ("dnsmasq 2.90", "roles: [proxydhcp, tftp], "),
            otc="{only: pcs}",
            intent=PCS_FROM_OTC,
        ),
        "CX307",
        True,
    ),
    "the only DHCP server says PXEClient": (
        site(networks=CORE).replace("ping_check: false", "ping_check: false, options: {60: PXEClient}"),
        "CX201",
        False,
    ),
    "a boot file beside a stranger who comes too late": (
        site(
            servers=front(more=", fixed: true, delay: 20") + "\n" + front("nobody", "", "back", 15),
            scope=", rules: [{clients: thin, architectures: bios, filename: b.0, next_server: back}]",
            intent="  - {clients: thin, boot_from: otc}\n  - {clients: pcs, boot_from: front}",
        ),
        "CX401",
        False,
    ),
}


def wrong(before: Analysis, finding: Finding, after: Analysis) -> list[object]:
    """What is wrong with an obeyed repair."""
    dirty = {error[1:] for error in errors_of(before) if len(error) == 5}
    found: list[object] = [
        left
        for left in after.findings
        if (*identity(left), left.message) == (*identity(finding), finding.message)
    ]
    # An error that concerned some machines, and now concerns none, is not new.
    known = {identity(f) for f in before.findings if f.severity is Severity.ERROR}
    new = errors_of(after) - errors_of(before) - known
    found += [error for error in new if error[1:] not in dirty]
    now = {of_class(case.client): case for case in after.site.cases}
    for case in before.site.cases:
        same = now.get(of_class(case.client))
        if same is None or case.intended.server == NOBODY_BOOTS:
            continue
        if None not in before.site.winners(case.client) and None in after.site.winners(same.client):
            found.append(("boots from nobody", case.client))
    return found


@pytest.mark.parametrize("name", SITES)
def test_nobody_loses_the_last_server(name: str, tmp_path: Path) -> None:
    text, code, has_edits = SITES[name]
    before = analysed({"site.yaml": text}, tmp_path / "before")
    about = [finding for finding in before.findings if finding.code.code == code]
    assert about
    assert {bool(finding.edits) for finding in about} == {has_edits}
    for number, finding in enumerate(before.findings):
        if finding.edits:
            edits = [(edit.kind, edit.path, edit.value) for edit in finding.edits]
            after = analysed({"site.yaml": apply(text, edits)}, tmp_path / str(number))
            assert wrong(before, finding, after) == [], (identity(finding), edits)
