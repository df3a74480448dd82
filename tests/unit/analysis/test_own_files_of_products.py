"""Servers by their own Kea and dnsmasq files: nothing is declared twice, findings name their lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coexist.analysis import Analysis, analyse
from coexist.errors import InputError
from coexist.inventory import load_inventory

SITE = """
site: example
vlans:
  office: {{id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1}}
servers:
  dhcp: {{software: {software}, address: 10.10.0.5, vlan: office, roles: [dhcp], config: servers/{file}}}
  boot:
    software: coexist
    address: 10.10.0.6
    vlan: office
    programs: {{bios: lpxelinux.0, uefi-x64: syslinux64.efi}}
architectures: {{bios: ipxe, uefi-x64: edk2}}
intent:
  - {{clients: everyone, boot_from: boot}}
"""
DNSMASQ = "no-ping\ndhcp-range=10.10.1.0,10.10.1.255,255.255.0.0\ndhcp-option=3,10.10.0.1\n"
KEA = {
    "authoritative": True,
    "subnet4": [
        {
            "subnet": "10.10.0.0/16",
            "pools": [{"pool": "10.10.1.0-10.10.1.255"}],
            "option-data": [{"name": "routers", "data": "10.10.0.1"}],
        }
    ],
}


def analysed(folder: Path, software: str, text: str) -> Analysis:
    file = "dnsmasq.conf" if software == "dnsmasq" else "kea-dhcp4.conf"
    (folder / "servers").mkdir(exist_ok=True)
    (folder / "servers" / file).write_text(text)
    (folder / "site.yaml").write_text(SITE.format(software=software, file=file))
    return analyse(load_inventory(folder))


def kea(**more: object) -> str:
    return json.dumps({"Dhcp4": {**KEA, **more}}, indent=1)


def codes(found: Analysis) -> set[str]:
    return {finding.code.code for finding in found.findings}


def test_nothing_needs_to_be_declared_twice(tmp_path: Path) -> None:
    assert codes(analysed(tmp_path, "dnsmasq", DNSMASQ)) == set()
    assert codes(analysed(tmp_path, "kea 2.2", kea())) == set()


@pytest.mark.parametrize(
    ("software", "text", "place"),
    [
        ("dnsmasq", DNSMASQ + "dhcp-boot=old.0,,10.10.0.9\n", "servers/dnsmasq.conf:4:1"),
        ("kea 2.2", kea(**{"boot-file-name": "old.0", "next-server": "10.10.0.9"}), "kea-dhcp4.conf:20:3"),
    ],
)
def test_a_finding_names_the_line_of_the_file(software: str, text: str, place: str, tmp_path: Path) -> None:
    found = analysed(tmp_path, software, text)
    places = [str(finding.position) for finding in found.findings]
    assert any(where.endswith(place) for where in places), places


def test_what_the_daemon_refuses_is_refused_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dnsmasq\.conf:4:1: bad dhcp-range"):
        analysed(tmp_path, "dnsmasq", DNSMASQ + "dhcp-range=x,y\n")
    with pytest.raises(InputError, match=r"kea-dhcp4\.conf:\d+:\d+: "):
        analysed(tmp_path, "kea 2.2", kea(**{"client-classes": [{"name": "c", "test": "option["}]}))


def test_an_options_tag_of_the_file_tells_clients_apart(tmp_path: Path) -> None:
    text = DNSMASQ + "dhcp-host=02:00:5e:*:*:*,set:lab\ndhcp-boot=tag:lab,lab.0,,10.10.0.9\n"
    found = analysed(tmp_path, "dnsmasq", text)
    assert {finding.clients for finding in found.findings if finding.code.code == "CX401"} == {1 << 24}


def test_what_only_the_server_knows_is_a_finding(tmp_path: Path) -> None:
    hook = [{"library": "/usr/lib/kea/hooks/libdhcp_radius.so"}]
    assert "CX118" in codes(analysed(tmp_path, "kea 2.2", kea(**{"hooks-libraries": hook})))


# -- Windows DHCP by its export ----------------------------------------------------------------------

EXPORT = """<?xml version="1.0" encoding="utf-8"?>
<DHCPServer><IPv4>
<Classes></Classes>
<OptionValues>{options}</OptionValues>
<Policies>{policies}</Policies>
<Scopes><Scope><ScopeId>10.10.0.0</ScopeId><SubnetMask>255.255.0.0</SubnetMask><Name>Office</Name>
<StartRange>10.10.1.0</StartRange><EndRange>10.10.1.255</EndRange><State>Active</State>
<OptionValues><OptionValue><OptionId>3</OptionId><Value>10.10.0.1</Value></OptionValue></OptionValues>
</Scope></Scopes></IPv4></DHCPServer>
"""
OLD_FILE = "".join(
    f"\n<OptionValue><OptionId>{code}</OptionId><Value>{value}</Value></OptionValue>"
    for code, value in ((66, "10.10.0.9"), (67, "old.0"))
)
NO_PARTNER = '<?xml version="1.0"?>\n<Objects></Objects>\n'


def windows(
    folder: Path, options: str = "", policies: str = "", failover: str | None = NO_PARTNER
) -> Analysis:
    (folder / "servers").mkdir(exist_ok=True)
    (folder / "servers" / "export.xml").write_text(EXPORT.format(options=options, policies=policies))
    if failover is not None:
        (folder / "servers" / "failover.xml").write_text(failover)
    text = SITE.format(software="windows-dhcp", file="export.xml")
    (folder / "site.yaml").write_text(text)
    return analyse(load_inventory(folder))


def test_a_windows_server_needs_its_export_alone(tmp_path: Path) -> None:
    assert codes(windows(tmp_path)) == set()


def test_a_finding_names_the_line_of_the_export(tmp_path: Path) -> None:
    found = windows(tmp_path, OLD_FILE)
    places = [str(finding.position) for finding in found.findings]
    assert any(where.endswith("export.xml:6:1") for where in places), places


def test_a_policy_of_the_export_tells_clients_apart(tmp_path: Path) -> None:
    policy = (
        "<Policy><Name>lab</Name><ProcessingOrder>1</ProcessingOrder><Enabled>true</Enabled>"
        "<Condition>AND</Condition><MacAddress>EQ</MacAddress><MacAddress>02005E*</MacAddress>"
        f"<OptionValues>{OLD_FILE}</OptionValues></Policy>"
    )
    found = windows(tmp_path, policies=policy)
    assert {finding.clients for finding in found.findings if finding.code.code == "CX401"} == {1 << 24}


def test_an_export_does_not_say_whether_a_partner_shares_its_scopes(tmp_path: Path) -> None:
    found = windows(tmp_path, failover=None)
    (finding,) = [finding for finding in found.findings if finding.code.code == "CX118"]
    assert finding.position is not None
    assert finding.position.line == 2


def test_what_no_windows_server_exports_is_refused_at_its_line(tmp_path: Path) -> None:
    bad = "\n<OptionValue><OptionId>6</OptionId><Value>10.10.0.300</Value></OptionValue>"
    with pytest.raises(InputError, match=r"export\.xml:5:1: "):
        windows(tmp_path, bad)


PAIR = """
site: example
vlans:
  office: {id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1}
servers:
  one: {software: windows-dhcp, address: 10.10.0.5, vlan: office, config: one/export.xml}
  two: {software: windows-dhcp, address: 10.10.0.4, vlan: office, config: two/export.xml}
  boot:
    software: coexist
    address: 10.10.0.6
    vlan: office
    programs: {bios: lpxelinux.0, uefi-x64: syslinux64.efi}
architectures: {bios: ipxe, uefi-x64: edk2}
intent:
  - {clients: everyone, boot_from: boot}
"""


def windows_pair(folder: Path, second: str = "", **said: str) -> Analysis:
    for name, kind, options in (("one", "PrimaryServer", ""), ("two", "SecondaryServer", second)):
        (folder / name).mkdir()
        (folder / name / "export.xml").write_text(EXPORT.format(options=options, policies=""))
        values = {
            "Name": "pair",
            "Mode": "LoadBalance",
            "ServerType": kind,
            "ScopeId": "10.10.0.0",
            "PrimaryServerIP": "10.10.0.5",
            "SecondaryServerIP": "10.10.0.4",
            **said,
        }
        inside = "".join(f'<Property Name="{key}">{value}</Property>' for key, value in values.items())
        (folder / name / "failover.xml").write_text(f"<Objects><Object>{inside}</Object></Objects>")
    (folder / "site.yaml").write_text(PAIR)
    return analyse(load_inventory(folder))


def test_two_exports_that_name_each_other_are_a_pair(tmp_path: Path) -> None:
    found = windows_pair(tmp_path)
    assert codes(found) == set()
    assert set(found.site.site.scopes["one 10.10.0.0/16"].servers) == {"one", "two"}


def test_a_pair_of_exports_that_say_different_things_is_found(tmp_path: Path) -> None:
    assert "CX209" in codes(windows_pair(tmp_path, OLD_FILE))


def test_two_exports_on_one_pool_without_failover_are_found(tmp_path: Path) -> None:
    assert "CX208" in codes(windows_pair(tmp_path, ScopeId=""))


def test_a_class_of_one_number_of_option_93_is_found_in_own_files_too(tmp_path: Path) -> None:
    one = {
        "name": "uefi",
        "test": "option[93].hex == 0x0007",
        "boot-file-name": "a.efi",
        "next-server": "10.10.0.9",
    }
    assert "CX433" in codes(analysed(tmp_path, "kea 2.2", kea(**{"client-classes": [one]})))
