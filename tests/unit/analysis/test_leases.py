"""What the lease plan says is what is raced and what the rules read."""

from __future__ import annotations

from typing import Any

from coexist.analysis import analyse
from coexist.analysis.site import AnalysedSite
from coexist.inventory import inventory_from_tree

DHCP = {"software": "isc-dhcpd 4.4", "address": "192.0.2.5", "vlan": "lab", "ping_check": False}
PROXY = {"software": "coexist", "address": "192.0.2.6", "vlan": "lab", "programs": {"uefi-x64": "proxy.efi"}}


def tree(scope: dict[str, Any], *, boots: str = "boot", **servers: Any) -> dict[str, Any]:
    return {
        "site": "leases",
        "vlans": {"lab": {"id": 1, "subnet": "192.0.2.0/24", "gateway": "192.0.2.1"}},
        "servers": {"dhcp": DHCP, "boot": PROXY, **servers},
        "scopes": {
            "lab": {
                "server": "dhcp",
                "vlan": "lab",
                "pools": ["192.0.2.100-192.0.2.200"],
                "options": {3: "192.0.2.1"},
                **scope,
            }
        },
        "architectures": {"uefi-x64": ["edk2"]},
        "intent": [{"clients": "everyone", "boot_from": boots}],
    }


def codes(declared: dict[str, Any]) -> set[str]:
    return {finding.code.code for finding in analyse(inventory_from_tree(declared)).findings}


def test_a_servers_programs_are_raced_like_a_scopes() -> None:
    programs = {"uefi-x64": "dhcp.efi"}
    assert "CX401" in codes(tree({}, dhcp={**DHCP, "programs": programs, "boot_server": "192.0.2.77"}))
    assert "CX401" in codes(tree({"programs": programs, "next_server": "192.0.2.77"}))
    assert "CX401" not in codes(tree({}))


def test_a_servers_option_60_counts() -> None:
    assert "CX402" in codes(tree({}, dhcp={**DHCP, "options": {60: "PXEClient"}}))
    assert "CX402" not in codes(tree({}))


def test_a_dhcp_server_with_files_names_itself() -> None:
    dhcp = {**DHCP, "roles": ["dhcp", "tftp"]}
    declared = tree({"filename": "own.efi"}, boots="dhcp", dhcp=dhcp)
    del declared["servers"]["boot"]
    assert codes(declared) == set()
    assert "CX407" in codes({**declared, "servers": {"dhcp": DHCP}})


def test_option_67_is_compared_by_its_octets() -> None:
    scope = {"next_server": "dhcp", "filename": "a.efi", "options": {67: "hex:61:2e:65:66:69:00"}}
    dhcp = {**DHCP, "roles": ["dhcp", "tftp"]}
    assert "CX408" not in codes(tree(scope, boots="dhcp", dhcp=dhcp))
    other = {**scope, "options": {67: "hex:62:2e:65:66:69"}}
    assert "CX408" in codes(tree(other, boots="dhcp", dhcp=dhcp))


def test_windows_fills_the_next_server_from_option_66() -> None:
    windows = {"software": "windows-dhcp", "address": "192.0.2.5", "vlan": "lab"}
    files = {"software": "tftpd", "address": "192.0.2.8", "vlan": "lab"}
    scope = {"options": {3: "192.0.2.1", 66: "192.0.2.8", 67: "a.efi"}}
    declared = tree(scope, boots="files", dhcp=windows, files=files)
    del declared["servers"]["boot"]
    assert codes(declared) == set()
    assert "CX406" in codes({**declared, "servers": {"dhcp": DHCP, "files": files}})


def test_a_foreign_service_boots_its_own_program() -> None:
    foreign = {"software": "generic", "address": "192.0.2.9", "vlan": "lab", "roles": ["proxydhcp", "tftp"]}
    declared = tree({}, boots="other", other=foreign)
    del declared["servers"]["boot"]
    site = AnalysedSite(inventory_from_tree(declared))
    assert {f.winner for c in site.cases for f in site.races.of(c.client)} == {"other"}


def test_a_scope_without_addresses_is_no_server_out_of_reach() -> None:
    declared = tree({})
    declared["vlans"]["far"] = {"id": 2, "subnet": "198.51.100.0/24", "gateway": "198.51.100.1"}
    declared["scopes"]["far"] = {"server": "dhcp", "vlan": "far"}
    assert "CX207" not in codes(declared)
    declared["scopes"]["far"]["pools"] = ["198.51.100.10-198.51.100.20"]
    assert "CX207" in codes(declared)


def test_a_user_class_of_a_part_matches_nobody() -> None:
    """iPXE says iPXE; a rule for PXE is not about it."""
    rule = {"user_class": "PXE", "next_server": "192.0.2.77", "filename": "x.0"}
    declared = tree({"rules": [rule]})
    declared["architectures"] = {"uefi-x64": ["ipxe"]}
    assert "CX401" not in codes(declared)


def test_clients_whom_the_same_settings_are_about_are_handed_one_lease() -> None:
    """Registered machines and strangers; a rule for some of them parts them."""
    declared = tree({"filename": "all.efi"})
    declared["clients"] = [{"mac": "52:54:00:00:00:01"}, {"mac": "52:54:00:00:00:02"}]
    declared["groups"] = {"one": {"macs": ["52:54:00:00:00:01"]}, "two": {"macs": ["52:54:00:00:00:02"]}}
    declared["intent"].insert(0, {"clients": "two", "boot_from": "boot"})
    declared["scopes"]["lab"]["rules"] = [{"clients": "one", "options": {66: "192.0.2.6"}}]
    site = AnalysedSite(inventory_from_tree(declared))
    handed = {
        case.client.macs.witness: site.scopes.handed("lab", case.client)
        for case in site.cases
        if case.client.architecture == "uefi-x64"
    }
    one, two, stranger = (handed.pop(0x52_54_00_00_00_01), handed.pop(0x52_54_00_00_00_02), *handed.values())
    assert two is stranger
    assert one.options.keys() - two.options.keys() == {66}


def test_the_lines_of_a_scope_tell_numbers_apart_where_a_rule_tests_one() -> None:
    test = {"option": 93, "equals": "hex:0009"}
    for rules, apart in (([], False), ([{"when": [test], "filename": "nine.efi"}], True)):
        site = AnalysedSite(inventory_from_tree(tree({"filename": "all.efi", "rules": rules})))
        (client,) = (case.client for case in site.cases if case.client.architecture == "uefi-x64")
        assert site.scopes.tells_apart("lab", client, 9) is apart
        assert not site.scopes.tells_apart("lab", client, 7)
