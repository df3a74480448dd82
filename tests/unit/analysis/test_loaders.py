"""Chains of boot loaders behind the race: whom they ask on a site, and what is found of it."""

from __future__ import annotations

from typing import Any

import pytest

from coexist.analysis import analyse
from coexist.analysis.chain import Stages, stages
from coexist.analysis.race import ClientCase
from coexist.analysis.site import AnalysedSite
from coexist.analysis.world import build_world
from coexist.inventory import inventory_from_tree
from coexist.planning.solve import solve
from coexist.wire.mac import parse_mac

MAC = parse_mac("52:54:00:aa:bb:cc")


def tree(programs: dict[str, Any], *, scope: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "site": "s",
        "vlans": {"a": {"id": 1, "subnet": "192.0.2.0/24", "gateway": "192.0.2.1"}},
        "servers": {
            "dhcp": {"software": "isc-dhcpd", "address": "192.0.2.2", "vlan": "a", "ping_check": False},
            "boot": {
                "software": "coexist",
                "address": "192.0.2.3",
                "vlan": "a",
                "programs": programs,
            },
        },
        "scopes": {
            "a": {
                "server": "dhcp",
                "vlan": "a",
                "pools": ["192.0.2.100-192.0.2.200"],
                "options": {3: "192.0.2.1", 6: "192.0.2.2"},
                **(scope or {}),
            }
        },
        "architectures": {"uefi-x64": "edk2"},
        "intent": [{"clients": "everyone", "boot_from": "boot"}],
    }


def run(declared: dict[str, Any], architecture: str = "uefi-x64", firmware: str = "edk2") -> Stages:
    case = ClientCase(mac=MAC, vlan="a", architecture=architecture, firmware=firmware)
    return stages(build_world(inventory_from_tree(declared)), case)


def told(declared: dict[str, Any], **more: str) -> list[tuple[str, str | None]]:
    return [(step.stage.loader, step.asks) for c in run(declared, **more).last_chains for step in c.steps]


def codes(declared: dict[str, Any]) -> set[str]:
    return {finding.code.code for finding in analyse(inventory_from_tree(declared)).findings}


def test_what_a_boot_loader_asks_is_told_by_the_race_that_led_to_it() -> None:
    site = AnalysedSite(inventory_from_tree(tree({"uefi-x64": "grubnetx64.efi"})))
    (case,) = (case for case in site.cases if case.client.architecture == "uefi-x64")
    assert site.winners(case.client) == {"boot"}
    assert [end.loader for end in site.races.loaders(case.client)] == [
        step.stage.loader for chain in site.races.stages(case.client).last_chains for step in chain.steps
    ]
    assert site.races.run == 2, "one race, and the one that it is held against"


@pytest.mark.parametrize("file", ["grubnetx64.efi", "shimx64.efi"])
def test_grub_beside_a_proxy_needs_the_next_server_of_the_lease(file: str) -> None:
    assert told(tree({"uefi-x64": file}))[-1] == ("grub", None)
    assert codes(tree({"uefi-x64": file})) == {"CX426"}
    assert told(tree({"uefi-x64": file}, scope={"next_server": "boot"}))[-1] == ("grub", "boot")
    assert codes(tree({"uefi-x64": file}, scope={"next_server": "boot"})) == set()
    assert codes(tree({"uefi-x64": file}, scope={"next_server": "dhcp"})) == {"CX427"}
    assert "CX427" in codes(tree({"uefi-x64": file}, scope={"next_server": "192.0.2.99"}))


def test_the_repair_of_grub_is_a_next_server_in_the_scope() -> None:
    (finding,) = analyse(inventory_from_tree(tree({"uefi-x64": "grubnetx64.efi"}))).findings
    assert finding.path == ("scopes", "a")
    assert "next_server: boot" in finding.repair


def test_pxelinux_and_syslinux_follow_the_proxy() -> None:
    declared = tree({"bios": "x/lpxelinux.0", "uefi-x64": "x/syslinux.efi"}, scope={"next_server": "dhcp"})
    assert told(declared) == [("syslinux-efi", "boot")]
    assert told(declared, architecture="bios", firmware="ipxe") == [("lpxelinux", "boot")]
    assert not codes(declared) & {"CX426", "CX427"}


def test_what_is_declared_of_a_program_beats_its_name() -> None:
    known = {"file": "menu.bin", "then": "grub"}
    assert told(tree({"uefi-x64": "menu.bin"})) == []
    assert told(tree({"uefi-x64": known})) == [("grub", None)]
    shim = {"file": "shimx64.efi", "then": "grub-redhat"}
    assert told(tree({"uefi-x64": shim})) == [("shim", "boot"), ("grub-redhat", "boot")]


def test_ipxe_that_is_given_a_loader_is_followed_to_its_end() -> None:
    programs = {"bios": "undionly.kpxe", "ipxe": "pxelinux.0", "uefi-x64": "snponly.efi"}
    result = run(tree(programs), "bios", "ipxe")
    assert [step.stage.loader for c in result.last_chains for step in c.steps] == ["pxelinux"]


def test_an_ipxe_with_a_script_of_its_own_is_no_loop() -> None:
    looping = run(tree({"uefi-x64": "snponly.efi"}))
    assert looping.next is not None
    assert looping.next.loops
    assert "CX415" in codes(tree({"uefi-x64": "snponly.efi"}))
    scripted = tree({"uefi-x64": {"file": "snponly.efi", "embedded": "tftp://${next-server}/own.ipxe"}})
    result = run(scripted)
    assert result.next is None
    assert told(scripted) == [("ipxe", "boot")]
    assert codes(scripted) == set()


def test_netboot_xyz_reads_the_lease_of_its_own_dhcp() -> None:
    declared = tree({"uefi-x64": "netboot.xyz.efi"}, scope={"next_server": "boot"})
    (step,) = (step for c in run(declared).last_chains for step in c.steps)
    assert (step.stage.loader, step.asks) == ("netboot.xyz", "boot")


def test_solve_gives_the_lease_the_next_server_that_grub_needs() -> None:
    solution = solve(inventory_from_tree(tree({"uefi-x64": "grubnetx64.efi"})))
    assert [(edit.path, edit.value) for edit in solution.edits] == [
        (("scopes", "a", "rules"), {"clients": "everyone", "next_server": "boot"})
    ]
    assert solution.impossible == ()
    assert [finding.code.code for finding in solution.after.findings] == []


def test_solve_says_what_a_fixed_dhcp_server_lacks() -> None:
    declared = tree({"uefi-x64": "shimx64.efi"})
    declared["servers"]["dhcp"]["fixed"] = True
    solution = solve(inventory_from_tree(declared))
    assert solution.edits == ()
    assert len(solution.impossible) == 1


HOSTED = {"uefi-x64": "syslinux.efi", "http-x64": "http://files.example/boot.efi"}
BY_HTTP = {"architectures": {"http-x64": "edk2-http"}}


def scoped(**more: Any) -> dict[str, Any]:
    """A lease that sends HTTP boot clients to a host by its name."""
    rule = {
        "vendor_class": "HTTPClient",
        "filename": "http://files.example/boot.efi",
        "options": {60: "HTTPClient"},
    }
    web = {"software": "generic", "roles": ["http"], "address": "192.0.2.9", "vlan": "a", **more}
    declared = tree({}, scope={"rules": [rule]})
    servers = {"dhcp": declared["servers"]["dhcp"], "web": web}
    return {
        **declared,
        **BY_HTTP,
        "servers": servers,
        "intent": [{"clients": "everyone", "boot_from": "web"}],
    }


def test_a_url_with_a_name_of_nobody_is_unknown() -> None:
    result = run(scoped(), "http-x64", "edk2-http").first
    assert result.winners == ("files.example",)
    assert codes(scoped()) == {"CX428"}
    assert codes({**tree(HOSTED), **BY_HTTP}) == {"CX428"}


def test_a_url_with_a_servers_name_is_that_servers() -> None:
    for spelling in ("files.example", ["other.example", "Files.Example."]):
        declared = scoped(names=spelling)
        assert run(declared, "http-x64", "edk2-http").first.winners == ("web",)
        assert codes(declared) == set()


def test_a_host_that_ipxe_fills_in_is_the_server_that_says_so() -> None:
    programs = {"uefi-x64": "snponly.efi", "ipxe": "http://${next-server}/boot.ipxe"}
    result = run(tree(programs))
    assert result.next is not None
    assert result.next.result.winners == ("boot",)
    assert "CX428" not in codes(tree(programs))


def test_solve_leaves_a_url_of_an_unknown_host_alone() -> None:
    solution = solve(inventory_from_tree(scoped()))
    assert solution.edits == ()
    assert solution.impossible == ()
    assert any("files.example" in line for line in solution.proof)
