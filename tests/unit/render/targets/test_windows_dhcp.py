"""Scripts for Windows DHCP Server, with the parameters that the DhcpServer module documents."""

from __future__ import annotations

from typing import Any

import pytest

from coexist.inventory import inventory_from_tree
from coexist.render import render_site

CLIENTS = [
    {"mac": "00:80:64:10:00:01", "name": "tc-1", "hardware": "igel", "address": "10.10.1.20"},
    {"mac": "00:80:64:10:00:02", "hardware": "igel", "address": "10.10.5.2"},
    {"mac": "3c:52:82:30:00:01", "name": "pc-1", "hardware": "hp"},
]
GROUPS = {
    "thin": {"where": {"hardware": "igel"}},
    "phones": {"oui": "80:5e:c0"},
    "loud": {"oui": "80:5e:c0", "except": "quiet"},
    "quiet": {"macs": ["80:5e:c0:00:00:01"]},
}


def rendered(scope: dict[str, Any] | None = None, **server: Any) -> tuple[list[str], list[str]]:
    """The lines of the script, and the codes of what it cannot say."""
    scopes = {"office": {"server": "s", "vlan": "office", "pools": ["10.10.1.0-10.10.1.99"], **(scope or {})}}
    tree = {
        "site": "windows",
        "vlans": {"office": {"id": 10, "subnet": ["10.10.0.0/16"], "gateway": "10.10.0.1"}},
        "servers": {
            "s": {
                "software": "windows-dhcp",
                "address": "10.10.0.5",
                "vlan": "office",
                "roles": ["dhcp"],
                **server,
            }
        },
        "scopes": scopes,
        "clients": CLIENTS,
        "groups": GROUPS,
    }
    result = render_site(inventory_from_tree(tree))
    (file,) = (file for file in result.files["s"] if file.path == "dhcp.ps1")
    return file.content.decode("utf-8-sig").splitlines(), [finding.code.code for finding in result.findings]


def of(lines: list[str], name: str) -> list[str]:
    """The commands of one name, each from there on."""
    return [line[line.index(name) :] for line in lines if name in line]


@pytest.mark.parametrize(
    ("pings", "attempts"), [({"ping_check": True}, ["1"]), ({"ping_check": False}, ["0"]), ({}, [])]
)
def test_conflict_detection_is_set_where_it_is_declared(pings: dict[str, Any], attempts: list[str]) -> None:
    lines, _ = rendered(**pings)
    found = of(lines, "Set-DhcpServerSetting")
    assert found == [f"Set-DhcpServerSetting -ConflictDetectionAttempts {number}" for number in attempts]


def test_whom_the_whole_server_refuses_is_denied() -> None:
    lines, codes = rendered(answers={"except": ["thin", "phones"]})
    denied = [line.split("-MacAddress ")[1].split()[0] for line in of(lines, "Add-DhcpServerv4Filter")]
    assert denied == ["'00-80-64-10-00-01'", "'00-80-64-10-00-02'", "'80-5E-C0-*'"]
    assert of(lines, "Set-DhcpServerv4FilterList") == ["Set-DhcpServerv4FilterList -Deny $true"]
    assert not codes


@pytest.mark.parametrize(
    "answers", [{"except": "loud"}, {"who": "everyone", "architectures": ["uefi-x64"]}], ids=str
)
def test_a_refusal_without_a_filter_is_told(answers: dict[str, Any]) -> None:
    lines, codes = rendered(answers=answers)
    assert not of(lines, "Add-DhcpServerv4Filter")
    assert "CX511" in codes


def test_a_scope_that_refuses_everyone_is_told() -> None:
    _, codes = rendered({"rules": [{"ignore": True}]})
    assert codes == ["CX511"]


def test_options_without_a_definition_are_defined_once() -> None:
    options = {150: "10.10.0.9", 208: "hex:f1:00:74:7e", 210: "/boot/", 66: "10.10.0.9", 26: 1400}
    lines, _ = rendered({"options": options})
    defined = [line.split("-Type ")[1].split()[0] for line in of(lines, "Add-DhcpServerv4OptionDefinition")]
    assert defined == ["'IPv4Address'", "'BinaryData'", "'String'"]
    assert " -MultiValued" in of(lines, "Add-DhcpServerv4OptionDefinition")[0]
    values = {line.split()[4]: line.split("-Value ")[1] for line in of(lines, "Set-DhcpServerv4OptionValue")}
    assert values == {
        "26": "1400 -Force",
        "66": "'10.10.0.9' -Force",
        "150": "'10.10.0.9' -Force",
        "208": "0xf1,0x00,0x74,0x7e -Force",
        "210": "'/boot/' -Force",
    }


def test_octets_in_an_option_of_text_are_told() -> None:
    lines, codes = rendered({"options": {17: "hex:ff:00"}})
    assert codes == ["CX516"]
    assert not of(lines, "Set-DhcpServerv4OptionValue")


def test_addresses_between_pools_are_excluded() -> None:
    lines, _ = rendered({"pools": ["10.10.1.0-10.10.1.9", "10.10.1.10-10.10.1.19", "10.10.2.0-10.10.2.9"]})
    (scope,) = of(lines, "Add-DhcpServerv4Scope ")
    assert "-StartRange '10.10.1.0' -EndRange '10.10.2.9' -SubnetMask '255.255.0.0'" in scope
    (gap,) = of(lines, "Add-DhcpServerv4ExclusionRange")
    (others,) = (line for line in lines if line.endswith("| Remove-DhcpServerv4ExclusionRange"))
    assert " -notin @('10.10.1.20-10.10.1.255') " in others
    assert "-StartRange '10.10.1.20' -EndRange '10.10.1.255'" in gap


def test_a_pool_for_a_group_is_a_policy_with_a_range() -> None:
    lines, codes = rendered({"pools": [{"range": "10.10.1.0-10.10.1.9", "allow": "phones"}]})
    (policy,) = of(lines, "Add-DhcpServerv4Policy ")
    assert policy.endswith("-MacAddress 'EQ','805EC0*'")
    (given,) = of(lines, "Add-DhcpServerv4PolicyIPRange")
    assert given.endswith("-StartRange '10.10.1.0' -EndRange '10.10.1.9'")
    assert not codes


@pytest.mark.parametrize(
    "pool",
    [{"allow": "loud"}, {"vendor_class": "PXEClient"}],
    ids=["a range without some", "what clients send"],
)
def test_a_pool_that_no_policy_gives_is_for_nobody(pool: dict[str, Any]) -> None:
    lines, codes = rendered({"pools": [{"range": "10.10.1.0-10.10.1.9", **pool}]})
    assert codes == ["CX511"]
    assert not of(lines, "Add-DhcpServerv4PolicyIPRange")
    (kept,) = of(lines, "Add-DhcpServerv4ExclusionRange")
    assert "-StartRange '10.10.1.0' -EndRange '10.10.1.9'" in kept


def test_a_machine_without_a_name_is_reserved_by_its_address() -> None:
    lines, _ = rendered()
    named = [line.split("-ClientId ")[1] for line in of(lines, "Add-DhcpServerv4Reservation")]
    assert named == [
        "'00-80-64-10-00-01' -Name 'tc-1' -Description 'coexist'",
        "'00-80-64-10-00-02' -Name '00-80-64-10-00-02' -Description 'coexist'",
    ]


def test_reserved_addresses_need_no_pool() -> None:
    lines, _ = rendered({"pools": []})
    (scope,) = of(lines, "Add-DhcpServerv4Scope ")
    assert "-StartRange '10.10.1.20' -EndRange '10.10.5.2'" in scope
    (nobody,) = of(lines, "Add-DhcpServerv4ExclusionRange")
    assert "-StartRange '10.10.1.20' -EndRange '10.10.5.2'" in nobody
    assert len(of(lines, "Add-DhcpServerv4Reservation")) == 2


# IANA has 16 for x64 UEFI over HTTP and 17 for its byte code, which x64 machines announce too.
HTTP = ("HTTPClient:Arch:00016", "HTTPClient:Arch:00017")
RULES: list[tuple[dict[str, Any], str]] = [
    ({"clients": "thin"}, "-MacAddress 'EQ','008064100001','008064100002'"),
    ({"clients": "unknown"}, "-MacAddress 'NE','008064100001','008064100002','3C5282300001'"),
    (
        {"architectures": ["bios", "http-x64"]},
        "-VendorClass 'EQ'," + ",".join(f"'coexist {kind}*'" for kind in ("PXEClient:Arch:00000", *HTTP)),
    ),
    ({"vendor_class": "PXEClient"}, "-VendorClass 'EQ','coexist PXEClient*'"),
    ({"user_class": "iPXE"}, "-UserClass 'EQ','coexist iPXE'"),
    ({"when": [{"option": 77, "starts_with": "iPXE"}]}, "-UserClass 'EQ','coexist iPXE*'"),
    ({"when": [{"option": 60, "equals": "phone"}]}, "-VendorClass 'EQ','coexist phone'"),
]


@pytest.mark.parametrize(("said", "condition"), RULES)
def test_a_rule_is_a_policy(said: dict[str, Any], condition: str) -> None:
    lines, codes = rendered({"rules": [{**said, "filename": "a.0"}]})
    (policy,) = of(lines, "Add-DhcpServerv4Policy ")
    assert policy.endswith(condition)
    assert "-ProcessingOrder 1 " in policy
    (value,) = of(lines, "Set-DhcpServerv4OptionValue")
    assert value.endswith("-PolicyName 'coexist 1' -OptionId 67 -Value 'a.0' -Force")
    assert not codes


@pytest.mark.parametrize(
    "said",
    [
        {"clients": "loud"},
        {"architectures": "bios", "vendor_class": "PXEClient"},
        {"user_class": "iPXE", "when": [{"option": 77, "starts_with": "i"}]},
        {"when": [{"option": 60, "equals": "hex:ff:fe"}]},
        {"when": [{"option": 60, "ends_with": "x"}]},
    ],
    ids=str,
)
def test_a_rule_that_no_policy_says_is_told_and_left_out(said: dict[str, Any]) -> None:
    lines, codes = rendered({"rules": [{**said, "filename": "a.0"}]})
    assert "CX511" in codes
    assert not of(lines, "Add-DhcpServerv4Policy ")


def test_a_delay_is_the_scope_s_in_milliseconds() -> None:
    lines, _ = rendered(delay=0.5)
    assert [line.split("-Delay ")[1] for line in of(lines, "Set-DhcpServerv4Scope") if "-Delay" in line] == [
        "500"
    ]


def test_several_scopes_of_a_vlan_are_a_superscope() -> None:
    tree = {
        "site": "windows",
        "vlans": {"office": {"id": 10, "subnet": ["10.10.0.0/24", "10.11.0.0/24"], "gateway": "10.10.0.1"}},
        "servers": {"s": {"software": "windows-dhcp", "address": "10.10.0.5", "vlan": "office"}},
        "scopes": {
            "office": {
                "server": "s",
                "vlan": "office",
                "pools": ["10.10.0.10-10.10.0.19", "10.11.0.10-10.11.0.19"],
            }
        },
    }
    (file,) = (f for f in render_site(inventory_from_tree(tree)).files["s"] if f.path == "dhcp.ps1")
    lines = file.content.decode("utf-8-sig").splitlines()
    (joined,) = (line for line in lines if "Add-DhcpServerv4Superscope -SuperscopeName 'office'" in line)
    assert joined.startswith("'10.10.0.0','10.11.0.0' | Where-Object { $_ -notin ")
    assert [line.split("-Name ")[1].split(" -")[0] for line in of(lines, "Add-DhcpServerv4Scope ")] == [
        "'office 10.10.0.0/24'",
        "'office 10.11.0.0/24'",
    ]
