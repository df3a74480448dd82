"""What the examples of the findings' pages leave open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coexist.analysis import Finding, Severity, analyse
from coexist.inventory import inventory_from_tree, load_inventory


def found(code: str, scope: dict[str, Any] | None = None, **changes: Any) -> list[Finding]:
    site: dict[str, Any] = {
        "site": "small",
        "vlans": {"office": {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1"}},
        "servers": {"dhcp": {"software": "kea", "address": "10.0.0.2", "vlan": "office"}},
        "scopes": {"office": {"server": "dhcp", "vlan": "office", "pools": ["10.0.1.0-10.0.1.99"]}},
        "intent": [{"clients": "everyone", "boot_from": "nobody"}],
    }
    if scope:
        changes["scopes"] = {"office": {**site["scopes"]["office"], **scope}}
    analysis = analyse(inventory_from_tree({**site, **changes}))
    return [finding for finding in analysis.findings if finding.code.code == code]


def test_a_pool_that_holds_two_others_overlaps_both() -> None:
    pools = ["10.0.1.0-10.0.1.255", "10.0.1.10-10.0.1.19", "10.0.1.30-10.0.1.39", "10.0.2.0-10.0.2.9"]
    scopes = {
        f"s{number}": {"server": "dhcp", "vlan": "office", "pools": [pool]}
        for number, pool in enumerate(pools)
    }
    assert [finding.message for finding in found("CX208", scopes=scopes)] == [
        "the pools of s0 and s1 both lease 10.0.1.10 to 10.0.1.19",
        "the pools of s0 and s2 both lease 10.0.1.30 to 10.0.1.39",
    ]


def test_who_boots_by_a_scope_against_the_intent_is_told_to_change_the_scope() -> None:
    scope = {
        "server": "dhcp",
        "vlan": "office",
        "pools": ["10.0.1.0-10.0.1.99"],
        "next_server": "tftp",
        "rules": [{"architectures": "bios", "filename": "pxelinux.0"}],
    }
    dhcp = {"software": "kea", "address": "10.0.0.2", "vlan": "office"}
    tftp = {"software": "tftpd", "address": "10.0.0.3", "vlan": "office"}
    (finding,) = found("CX321", servers={"dhcp": dhcp, "tftp": tftp}, scopes={"office": scope})
    assert finding.path == ("scopes", "office", "rules", 0, "filename")
    assert {"tftp", "office", "nobody"} <= set(finding.message.split())
    assert finding.repair
    repaired = {**scope, "rules": []}
    assert found("CX321", servers={"dhcp": dhcp, "tftp": tftp}, scopes={"office": repaired}) == []


def test_dnsmasq_gives_http_clients_no_empty_offer() -> None:
    """Its proxy answers PXEClient only; the PXE clients without a program get the empty offer."""
    place = {"vlan": "office", "programs": {"bios": "a.0"}}
    servers = {
        "dhcp": {"software": "kea", "address": "10.0.0.2", "vlan": "office"},
        "fog": {"software": "dnsmasq", "roles": ["proxydhcp", "tftp"], "address": "10.0.0.3", **place},
        "web": {
            "software": "coexist",
            "roles": ["proxydhcp", "tftp", "http"],
            "address": "10.0.0.4",
            "vlan": "office",
            "programs": {"http-x64": "http://10.0.0.4/a.efi", "uefi-x64": "a.efi"},
        },
    }
    spoiled = found(
        "CX420",
        servers=servers,
        architectures={"uefi-x64": "edk2", "http-x64": "edk2-http"},
        intent=[{"clients": "everyone", "boot_from": "web"}],
    )
    assert [(f.path, f.witness and f.witness.architecture) for f in spoiled] == [
        (("servers", "fog", "programs"), "uefi-x64")
    ]
    # What the switches drop spoils nothing.
    snooped = {"id": 1, "subnet": "10.0.0.0/16", "snooping": {"trusted": ["dhcp", "web"]}}
    unspoiled = found(
        "CX420",
        vlans={"office": snooped},
        servers=servers,
        architectures={"uefi-x64": "edk2", "http-x64": "edk2-http"},
        intent=[{"clients": "everyone", "boot_from": "web"}],
    )
    assert unspoiled == []


def test_a_service_without_declared_programs_answers_with_its_own() -> None:
    place = {"vlan": "office", "answers": "everyone"}
    for software in ("wds", "configmgr", "openthinclient", "generic"):
        roles = {"roles": ["proxydhcp", "tftp"]} if software == "generic" else {}
        both = found(
            "CX301",
            servers={
                "dhcp": {"software": "kea", "address": "10.0.0.2", "vlan": "office"},
                "mine": {"software": "openthinclient", "address": "10.0.0.3", **place},
                "other": {"software": software, "address": "10.0.0.4", "fixed": True, **place, **roles},
            },
            architectures={"uefi-x64": "edk2", "bios": "ipxe"},
            intent=[{"clients": "everyone", "boot_from": "mine"}],
        )
        assert both, software


def test_openthinclient_fills_in_what_is_not_declared() -> None:
    place = {"vlan": "office", "programs": {"bios": "lpxelinux.0"}}
    servers: dict[str, Any] = {
        "dhcp": {"software": "kea", "address": "10.0.0.2", "vlan": "office"},
        "otc": {"software": "openthinclient", "address": "10.0.0.3", **place},
    }
    rest: dict[str, Any] = {
        "architectures": {"uefi-x64": "edk2"},
        "intent": [{"clients": "everyone", "boot_from": "otc"}],
    }
    assert not found("CX405", servers=servers, **rest)
    assert not found("CX320", servers=servers, **rest)
    servers["otc"]["software"] = "wds"
    assert found("CX405", servers=servers, **rest)


def test_windows_ends_option_67_with_a_nul_and_takes_66_for_its_next_server() -> None:
    servers = {
        "dhcp": {"software": "windows-dhcp", "address": "10.0.0.2", "vlan": "office"},
        "wds": {
            "software": "wds",
            "address": "10.0.0.3",
            "vlan": "office",
            "programs": {"uefi-x64": "boot.efi"},
        },
    }
    rest: dict[str, Any] = {
        "architectures": {"uefi-x64": "edk2"},
        "intent": [{"clients": "everyone", "boot_from": "wds"}],
    }
    options = {3: "10.0.0.1", 66: "10.0.0.3", 67: "boot.efi"}
    for code in ("CX302", "CX303", "CX304", "CX406"):
        assert not found(code, servers=servers, scope={"options": options}, **rest), code


def test_a_value_is_compared_by_its_octets() -> None:
    servers = {
        "dhcp": {"software": "kea", "address": "10.0.0.2", "vlan": "office"},
        "files": {"software": "tftpd", "address": "10.0.0.3", "vlan": "office"},
    }
    rest: dict[str, Any] = {
        "architectures": {"uefi-x64": "edk2"},
        "intent": [{"clients": "everyone", "boot_from": "files"}],
    }
    same = {
        "next_server": "files",
        "filename": "b.efi",
        "options": {3: "10.0.0.1", 67: "hex:62:2e:65:66:69:00"},
    }
    assert not found("CX408", servers=servers, scope=same, **rest)
    url = {
        "next_server": "files",
        "options": {3: "10.0.0.1", 67: "hex:" + ":".join(f"{c:02x}" for c in b"http://10.0.0.3/b")},
    }
    assert found("CX413", servers=servers, scope=url, **rest)


def test_clients_that_miss_a_group_by_a_letters_case_are_counted() -> None:
    clients = [
        {"mac": f"52:54:00:00:00:0{n}", "hardware": hardware, "tags": tags}
        for n, (hardware, tags) in enumerate(
            [("thin client", "lab"), ("Thin Client", "Lab new"), ("thin  client", "new"), ("pc", "LAB")]
        )
    ]
    groups = {
        "thin": {"where": {"hardware": "thin client"}},
        "lab": {"where": {"tags": ["lab", "Lab"]}},
        "any": {"where": {"hardware": ["pc", "PC"]}},
    }
    missed = found("CX117", clients=clients, groups=groups)
    assert sorted((finding.path, finding.clients) for finding in missed) == [
        (("groups", "lab", "where", "tags"), 1),
        (("groups", "thin", "where", "hardware"), 1),
        (("groups", "thin", "where", "hardware"), 1),
    ]


def test_a_loop_is_no_row_that_agrees() -> None:
    servers = {
        "dhcp": {"software": "kea", "address": "10.0.0.2", "vlan": "office"},
        "files": {"software": "tftpd", "address": "10.0.0.3", "vlan": "office"},
    }
    scope = {"server": "dhcp", "vlan": "office", "pools": ["10.0.1.0-10.0.1.99"], "next_server": "files"}
    tree: dict[str, Any] = {
        "site": "small",
        "vlans": {"office": {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1"}},
        "servers": servers,
        "scopes": {"office": {**scope, "options": {3: "10.0.0.1"}, "filename": "undionly.kpxe"}},
        "architectures": {"bios": "pxe21"},
        "intent": [{"clients": "everyone", "boot_from": "files"}],
    }
    (row,) = analyse(inventory_from_tree(tree)).matrix
    assert (row.loops, row.agrees) == (True, False)
    rule = {"user_class": "iPXE", "filename": "menu.ipxe"}
    tree["scopes"]["office"]["rules"] = [rule]
    (row,) = analyse(inventory_from_tree(tree)).matrix
    assert (row.loops, row.agrees) == (False, True)


def test_a_row_of_phones_says_whether_they_find_the_intended_options_in_their_lease() -> None:
    tree: dict[str, Any] = {
        "site": "small",
        "vlans": {"voice": {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1"}},
        "servers": {"dhcp": {"software": "kea", "address": "10.0.0.2", "vlan": "voice"}},
        "scopes": {
            "voice": {"server": "dhcp", "vlan": "voice", "pools": ["10.0.1.0-10.0.1.99"]},
        },
        "architectures": {"bios": "phone-66"},
        "intent": [{"clients": "everyone", "options": {66: "phones.example"}}],
    }

    def agrees(**scope: Any) -> bool | None:
        changed = tree | {"scopes": {"voice": tree["scopes"]["voice"] | scope}}
        return next(row for row in analyse(inventory_from_tree(changed)).matrix if row.vlan == "voice").agrees

    assert agrees() is False
    assert agrees(options={66: "other.example"}) is False
    assert agrees(options={66: "phones.example"}) is True
    assert agrees(options={66: f"hex:{b'phones.example'.hex()}"}) is True
    tree["scopes"] = {"voice": tree["scopes"]["voice"] | {"server": "far"}}
    tree["vlans"]["far"] = {"id": 2, "subnet": "10.1.0.0/16", "gateway": "10.1.0.1"}
    tree["servers"]["far"] = {"software": "kea", "address": "10.1.0.2", "vlan": "far"}
    assert agrees(options={66: "phones.example"}) is False  # nobody hears them
    tree["intent"] = [{"clients": "everyone", "boot_from": "nobody"}]
    assert agrees() is None


def test_the_columns_that_are_a_sites_own_are_told_once_and_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "clients.csv").write_text(
        "mac,name,asset,room no,spare,hardwear\n52:54:00:00:00:01,tc-1,A-1,7,,wyse\n"
    )
    site = (
        "site: s\nvlans: {lab: {id: 1, subnet: 10.0.0.0/24, gateway: 10.0.0.1}}\n"
        "servers: {dhcp: {software: kea 2.2, address: 10.0.0.2, vlan: lab}}\n"
        "scopes: {lab: {server: dhcp, vlan: lab, pools: [10.0.0.9-10.0.0.99]}}\n"
        "intent: [{clients: everyone, boot_from: nobody}]\n"
    )

    def told(clients: str) -> dict[str, Finding]:
        (tmp_path / "site.yaml").write_text(f"{site}clients: {clients}\n")
        found = analyse(load_inventory(tmp_path)).findings
        return {f.code.code: f for f in found if f.code.code in ("CX119", "CX123")}

    found = told("clients.csv")
    # An empty column loses nothing; one that is nearly a known one has a finding of its own.
    assert set(found) == {"CX119", "CX123"}
    assert (found["CX123"].severity, found["CX123"].position.line) == (Severity.INFO, 2)
    assert "asset" in found["CX123"].message
    assert "room no" in found["CX123"].message
    assert "hardwear" not in found["CX123"].message
    assert set(told("{files: clients.csv, columns: [asset]}")) == {"CX119", "CX123"}
    assert told("{files: clients.csv, columns: [asset, room no, hardwear]}") == {}


DHCP = {"software": "isc-dhcpd", "address": "10.0.0.2", "vlan": "office", "ping_check": False}
BOOT = {"software": "coexist", "address": "10.0.0.3", "vlan": "office"}
PROXY = {**BOOT, "programs": {"bios": "a.0", "uefi-x64": "a.efi"}}
SHIM = {**BOOT, "programs": {"bios": "a.0", "uefi-x64": "shimx64.efi"}}
FALLBACK = {
    "software": "coexist",
    "address": "10.0.0.4",
    "vlan": "office",
    "programs": {"bios": "b.0", "uefi-x64": "shimx64.efi"},
    "delay": 1.5,
}
FROM_BOOT = [{"clients": "everyone", "boot_from": "boot"}]


SILENT = {**PROXY, "answers": "nobody"}
WITH_FALLBACK = [{"clients": "everyone", "boot_from": "boot", "fallback": "late"}]
OPTION_60 = {"options": {60: "PXEClient"}}
OPTION_66 = {"options": {66: "10.0.0.9"}, "filename": "x.efi"}
ELSEWHERE = {"next_server": "10.0.0.9", "filename": "x.efi"}
NOBODY = [{"clients": "everyone", "boot_from": "nobody"}]


@pytest.mark.parametrize(
    ("code", "scope", "boot", "intent", "firmware", "severity"),
    [
        ("CX402", OPTION_60, SILENT, NOBODY, "pxe21", Severity.WARNING),
        ("CX402", OPTION_60, PROXY, FROM_BOOT, "edk2", Severity.ERROR),
        # UEFI takes the proxy's file.
        ("CX406", OPTION_66, PROXY, FROM_BOOT, "edk2", Severity.WARNING),
        ("CX406", OPTION_66, SILENT, FROM_BOOT, "edk2", Severity.ERROR),
        ("CX407", {"filename": "x.efi"}, PROXY, FROM_BOOT, "edk2", Severity.WARNING),
        ("CX407", {"filename": "x.efi"}, SILENT, FROM_BOOT, "edk2", Severity.ERROR),
        # Nothing is intended: they boot, or they do not.
        ("CX407", {"filename": "x.efi"}, PROXY, [], "edk2", Severity.WARNING),
        ("CX407", {"filename": "x.0"}, SILENT, [], "ipxe", Severity.ERROR),
        ("CX416", ELSEWHERE, SHIM, FROM_BOOT, "edk2", Severity.ERROR),
        # What a fallback's loader asks, no race shows.
        ("CX416", ELSEWHERE, PROXY, WITH_FALLBACK, "edk2", Severity.ERROR),
    ],
)
def test_what_harms_nobody_who_boots_as_intended_is_a_warning(
    code: str,
    scope: dict[str, Any],
    boot: dict[str, Any],
    intent: list[dict[str, Any]],
    firmware: str,
    severity: Severity,
) -> None:
    servers = {"dhcp": DHCP, "boot": boot, "late": FALLBACK}
    kind = {"uefi-x64" if firmware == "edk2" else "bios": firmware}
    (finding,) = found(code, scope, servers=servers, intent=intent, architectures=kind)
    assert finding.severity is severity


@pytest.mark.parametrize(
    ("software", "severity"), [("dnsmasq", Severity.WARNING), ("coexist", Severity.ERROR)]
)
def test_ipxe_of_a_fallback_that_comes_back_to_it_is_a_warning(software: str, severity: Severity) -> None:
    """dnsmasq's iPXE follows its menu to port 4011, though the scope names another server's script."""
    chained = {"bios": "undionly.kpxe", "ipxe": "boot.ipxe"}
    late = {**FALLBACK, "software": software, "delay": 2, "programs": chained, "roles": ["proxydhcp", "tftp"]}
    (finding,) = found(
        "CX416",
        {"next_server": "10.0.0.9", "rules": [{"user_class": "iPXE", "filename": "x.ipxe"}]},
        servers={"dhcp": DHCP, "boot": PROXY, "late": late},
        intent=WITH_FALLBACK,
        architectures={"bios": "pxe21"},
    )
    assert finding.severity is severity


URL = {**PROXY, "programs": {"uefi-x64": "x.efi", "http-x64": "http://10.0.0.3/x.efi"}}
OTHER_LEASE = {"software": "isc-dhcpd", "address": "10.0.0.6", "vlan": "office", "ping_check": False}


@pytest.mark.parametrize(
    ("scope", "boot", "severity"),
    [
        # Of an offer that does not say HTTPClient UEFI HTTP boot takes no file.
        ({"filename": "x.efi", "next_server": "boot"}, URL, Severity.WARNING),
        ({"filename": "x.efi", "next_server": "boot", "options": {60: "HTTPClient"}}, URL, Severity.ERROR),
        ({}, {**URL, "programs": {"http-x64": "x.efi"}}, Severity.ERROR),
        ({}, {**URL, "programs": {"http-x64": "x.efi"}, "settings": {"http": {"root": "/srv"}}}, None),
    ],
)
def test_a_file_that_http_boot_does_not_take_is_a_warning(
    scope: dict[str, Any], boot: dict[str, Any], severity: Severity | None
) -> None:
    servers = {"dhcp": DHCP, "boot": boot}
    said = found("CX412", scope, servers=servers, intent=FROM_BOOT, architectures={"http-x64": "edk2-http"})
    assert [finding.severity for finding in said] == ([] if severity is None else [severity])


@pytest.mark.parametrize(
    ("boot", "intent", "severity"),
    [
        (PROXY, FROM_BOOT, Severity.WARNING),
        # From the intended server by either file: which, is chance.
        (SILENT, FROM_BOOT, Severity.ERROR),
        (SILENT, [], Severity.ERROR),
    ],
)
def test_leases_that_differ_harm_nobody_who_boots_from_a_proxy(
    boot: dict[str, Any], intent: list[dict[str, Any]], severity: Severity
) -> None:
    scopes = {
        server: {
            "server": server,
            "vlan": "office",
            "pools": [f"10.0.{net}.1-10.0.{net}.99"],
            "filename": f"{net}.efi",
            "next_server": "boot",
        }
        for net, server in enumerate(("dhcp", "dhcp2"), start=1)
    }
    (finding,) = found(
        "CX209",
        servers={"dhcp": DHCP, "dhcp2": OTHER_LEASE, "boot": boot},
        scopes=scopes,
        intent=intent,
        architectures={"uefi-x64": "edk2"},
    )
    assert finding.severity is severity


def test_a_finding_counts_those_who_do_not_boot_as_intended() -> None:
    """UEFI takes the proxy's file, iPXE on BIOS boots nothing."""
    servers = {"dhcp": DHCP, "boot": PROXY}
    (finding,) = found(
        "CX407",
        {"filename": "x.0"},
        servers=servers,
        intent=FROM_BOOT,
        architectures={"bios": "ipxe", "uefi-x64": "edk2"},
    )
    assert finding.severity is Severity.ERROR
    assert {client.firmware for client in finding.classes} == {"ipxe"}
