"""Our part beside a server's own files: what is written, and what of it holds in the files together."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from coexist.analysis import Analysis, analyse
from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.own_files import config_without, heard_on, own_config
from coexist.errors import InputError
from coexist.inventory import Inventory, load_inventory
from coexist.inventory.products import part, products
from coexist.render import render_site
from coexist.text.secret_references import exchanged, references_in
from coexist.wire.bootp import BOOTREQUEST, Packet
from coexist.wire.mac import mac_bytes, parse_mac

THIN, PHONE, OTHER = "52:54:00:00:00:01", "52:54:01:00:00:07", "52:54:02:00:00:09"
SITE = """
site: example
vlans:
  office: {{id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1}}
servers:
  dhcp:
    software: {software}
    address: 10.10.0.5
    vlan: office
    roles: [dhcp]
    config: {{{main}: servers/main.conf}}
    dropin:
      path: {path}
      rules:
        - {{clients: thin, next_server: boot, programs: {{bios: lpxelinux.0, uefi-x64: syslinux64.efi}}}}
        - {{clients: phones, ignore: true}}
  boot:
    software: coexist
    address: 10.10.0.6
    vlan: office
    programs: {{bios: lpxelinux.0, uefi-x64: syslinux64.efi}}
groups:
  thin: {{macs: ["52:54:00:00:00:01", "52:54:00:00:00:02"]}}
  phones: {{prefix: ["52:54:01"]}}
architectures: {{bios: ipxe, uefi-x64: edk2}}
intent:
  - {{clients: phones, boot_from: nobody}}
  - {{clients: thin, boot_from: boot}}
"""
PATHS = {
    "isc-dhcpd": ("/etc/dhcp/dhcpd.conf", "/etc/dhcp/coexist.conf"),
    "kea 2.2": ("/etc/kea/kea-dhcp4.conf", "/etc/kea/coexist.json"),
    "dnsmasq": ("/etc/dnsmasq.conf", "/etc/dnsmasq.d/coexist.conf"),
    "windows-dhcp": ("export.xml", r"C:\ProgramData\coexist\coexist.ps1"),
}
LIVE = {
    "isc-dhcpd": """{include}
class "old" {{ match if substring(hardware, 1, 3) = 52:54:00; next-server 10.10.0.9; filename "old.0"; }}
subnet 10.10.0.0 netmask 255.255.0.0 {{ option routers 10.10.0.1; range 10.10.1.0 10.10.1.255; }}
{more}
""",
    "kea 2.2": """{{"Dhcp4": {{"authoritative": true, "client-classes": [ {include}
 {more}
 {{"name": "old", "test": "substring(pkt4.mac,0,3) == 0x525400", "boot-file-name": "old.0",
   "next-server": "10.10.0.9"}} ],
 "subnet4": [{{"id": 7, "subnet": "10.10.0.0/16", "pools": [{{"pool": "10.10.1.0-10.10.1.255"}}]}}]}}}}
""",
    "dnsmasq": """no-ping
dhcp-range=10.10.1.0,10.10.1.255,255.255.0.0
dhcp-boot=old.0,,10.10.0.9
{include}
{more}
""",
    "windows-dhcp": """<DHCPServer><IPv4><Filters><Allow>false</Allow><Deny>true</Deny></Filters>
<OptionValues><OptionValue><OptionId>66</OptionId><Value>10.10.0.9</Value></OptionValue>
<OptionValue><OptionId>67</OptionId><Value>old.0</Value></OptionValue></OptionValues>
<Scopes><Scope><ScopeId>10.10.0.0</ScopeId><SubnetMask>255.255.0.0</SubnetMask>
<StartRange>10.10.1.0</StartRange><EndRange>10.10.1.255</EndRange><State>Active</State>
{more}{include}
</Scope></Scopes></IPv4></DHCPServer>
""",
}
INCLUDE = {
    "isc-dhcpd": 'include "/etc/dhcp/coexist.conf";',
    "kea 2.2": '<?include "/etc/kea/coexist.json"?>',
    "dnsmasq": "conf-dir=/etc/dnsmasq.d/,*.conf",
    "windows-dhcp": "",
}
OVERRIDES = {
    "isc-dhcpd": 'host one { hardware ethernet 52:54:00:00:00:01; filename "special.0"; }',
    "kea 2.2": '{"name": "DROP", "test": "pkt4.mac == 0x525499000000"},',
    "dnsmasq": "dhcp-mac=set:special,52:54:00:00:00:01\ndhcp-boot=tag:special,special.0,,10.10.0.9",
    "windows-dhcp": "<Reservations><Reservation><IPAddress>10.10.0.7</IPAddress>"
    "<ClientId>52-54-00-00-00-01</ClientId><OptionValues><OptionValue><OptionId>67</OptionId>"
    "<Value>special.0</Value></OptionValue></OptionValues></Reservation></Reservations>",
}
every_product = pytest.mark.parametrize("software", list(PATHS))
every_included = pytest.mark.parametrize("software", [name for name, line in INCLUDE.items() if line])
"""Those whose own files include ours."""


def site_of(folder: Path, software: str, *, include: str | None = None, more: str = "") -> Inventory:
    main, path = PATHS[software]
    (folder / "servers").mkdir()
    line = INCLUDE[software] if include is None else include
    (folder / "servers" / "main.conf").write_text(LIVE[software].format(include=line, more=more))
    (folder / "site.yaml").write_text(SITE.format(software=software, main=main, path=path))
    return load_inventory(folder)


def told(inventory: Inventory, mac: str, architecture: int = 0, *, ours: bool = True) -> Lease | NoLease:
    vendor = f"PXEClient:Arch:{architecture:05d}:UNDI:003016".encode()
    options = {53: b"\1", 60: vendor, 93: architecture.to_bytes(2, "big")}
    packet = Packet(op=BOOTREQUEST, chaddr=mac_bytes(parse_mac(mac)), options=options)
    config = own_config(inventory, "dhcp") if ours else config_without(inventory, "dhcp")
    assert config is not None
    return config.leases(heard_on(inventory, "dhcp", "office", packet))


def boots(lease: Lease | NoLease) -> tuple[str, IPv4Address] | None:
    return (lease.file.decode(), lease.siaddr) if isinstance(lease, Lease) else None


def found(analysis: Analysis, code: str) -> list[str]:
    return [str(finding.position) for finding in analysis.findings if finding.code.code == code]


@every_product
def test_the_files_together_say_what_the_rules_say(software: str, tmp_path: Path) -> None:
    inventory = site_of(tmp_path, software)
    ours = IPv4Address("10.10.0.6")
    assert boots(told(inventory, THIN)) == ("lpxelinux.0", ours)
    assert boots(told(inventory, THIN, 7)) == ("syslinux64.efi", ours)
    assert isinstance(told(inventory, PHONE), NoLease)
    # Who is in no rule is told what the file says, and everyone was before.
    assert boots(told(inventory, OTHER)) == boots(told(inventory, OTHER, ours=False))
    assert boots(told(inventory, THIN, ours=False)) == ("old.0", IPv4Address("10.10.0.9"))
    codes = {finding.code.code for finding in analyse(inventory).findings}
    assert not codes & {"CX121", "CX122"}


@every_product
def test_a_line_that_stands_above_a_rule_is_named(software: str, tmp_path: Path) -> None:
    analysis = analyse(site_of(tmp_path, software, more=OVERRIDES[software]))
    places = found(analysis, "CX122")
    line = {"isc-dhcpd": 4, "kea 2.2": 5, "dnsmasq": 6, "windows-dhcp": 6}[software]
    assert places
    assert all(f"main.conf:{line}:" in place for place in places), places


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("{43: 'hex:01:02'}", "option vendor-encapsulated-options 01:03;"),
        ("{150: 10.10.0.6}", "option voip 10.10.0.9;"),
        ("{17: iscsi:10.10.0.6}", 'option root-path "iscsi:10.10.0.9";'),
        ("{66: 10.10.0.6}", 'option tftp-server-name "10.10.0.9";'),
    ],
)
def test_every_option_that_a_rule_gives_is_compared(options: str, line: str, tmp_path: Path) -> None:
    more = "host one {{ hardware ethernet 52:54:00:00:00:01; {} }}\n"
    site_of(tmp_path, "isc-dhcpd", more=more.format(line))
    main = tmp_path / "servers" / "main.conf"
    main.write_text("option voip code 150 = ip-address;\n" + main.read_text())
    site = (tmp_path / "site.yaml").read_text()
    rules = site.replace("syslinux64.efi}}\n", f"syslinux64.efi}}, options: {options}}}\n", 1)
    (tmp_path / "site.yaml").write_text(rules)
    places = found(analyse(load_inventory(tmp_path)), "CX122")
    assert places
    assert all("main.conf:5:" in place for place in places), places
    # What it says itself is no other.
    ours = {"01:03": "01:02", "10.10.0.9": "10.10.0.6"}
    for theirs, own in ours.items():
        line = line.replace(theirs, own)
    main.write_text(main.read_text().rpartition("host one")[0] + more.format(line))
    assert found(analyse(load_inventory(tmp_path)), "CX122") == []


@every_included
def test_files_that_do_not_include_it_are_named(software: str, tmp_path: Path) -> None:
    analysis = analyse(site_of(tmp_path, software, include=""))
    (finding,) = [f for f in analysis.findings if f.code.code == "CX121"]
    assert finding.path == ("servers", "dhcp", "dropin")
    assert PATHS[software][1] in finding.message
    assert PATHS[software][0] in finding.repair
    assert found(analysis, "CX122") == []


@every_included
def test_it_is_the_one_file_that_is_rendered(software: str, tmp_path: Path) -> None:
    inventory = site_of(tmp_path, software)
    files = render_site(inventory).files["dhcp"]
    main, path = PATHS[software]
    own = [file for file in files if file.target is not None]
    assert [file.target for file in own] == [path]
    assert own[0].check is None
    assert own[0].test is not None
    assert main in own[0].test


def test_a_class_of_the_file_that_is_declared_before_ours_counts(tmp_path: Path) -> None:
    software = "isc-dhcpd"
    analysis = analyse(site_of(tmp_path, software, include="", more=INCLUDE[software]))
    places = found(analysis, "CX122")
    assert places
    assert all("main.conf:2:" in place for place in places), places


def test_kea_drops_whom_its_own_class_names_too(tmp_path: Path) -> None:
    drop = """{"name": "DROP", "test": "member('coexist-refused') or pkt4.mac == 0x525499000000"},"""
    analysis = analyse(site_of(tmp_path, "kea 2.2", more=drop))
    assert found(analysis, "CX122") == []


def test_a_drop_in_needs_files_to_go_into(tmp_path: Path) -> None:
    text = SITE.format(software="isc-dhcpd", main="/x", path="/etc/dhcp/coexist.conf")
    (tmp_path / "site.yaml").write_text(text.replace("    config: {/x: servers/main.conf}\n", ""))
    with pytest.raises(InputError) as refused:
        load_inventory(tmp_path)
    assert refused.value.problems[0].position.line == 7


def test_its_rules_are_checked_as_those_of_a_scope(tmp_path: Path) -> None:
    text = SITE.format(software="isc-dhcpd", main="/x", path="/etc/dhcp/coexist.conf")
    (tmp_path / "site.yaml").write_text(text.replace("{clients: phones, ig", "{clients: fones, ig"))
    with pytest.raises(InputError) as refused:
        load_inventory(tmp_path)
    assert refused.value.problems[0].position.line == 16


@every_product
def test_an_inventory_with_a_large_group_stays_a_few_classes(software: str, tmp_path: Path) -> None:
    inventory = site_of(tmp_path, software)
    many = ", ".join(f'"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"' for number in range(1, 400))
    text = (tmp_path / "site.yaml").read_text()
    listed = '"52:54:00:00:00:01", "52:54:00:00:00:02"'
    (tmp_path / "site.yaml").write_text(text.replace(listed, many))
    few = len(analyse(inventory).site.space.classes)
    assert len(analyse(load_inventory(tmp_path)).site.space.classes) <= few


def written_whole(folder: Path) -> None:
    text = (folder / "site.yaml").read_text()
    (folder / "site.yaml").write_text(text.replace("    dropin:\n", "    whole: true\n    dropin:\n"))


@every_included
def test_whole_files_are_written_octet_for_octet(software: str, tmp_path: Path) -> None:
    site_of(tmp_path, software)
    text = (
        (tmp_path / "site.yaml")
        .read_text()
        .replace("    roles: [dhcp]\n", "    roles: [dhcp]\n    whole: true\n")
    )
    (tmp_path / "site.yaml").write_text(text)
    rendered = render_site(load_inventory(tmp_path))
    main, path = PATHS[software]
    files = {file.target: file.content for file in rendered.files["dhcp"] if file.target is not None}
    assert set(files) == {main, path}
    assert files[main] == (tmp_path / "servers" / "main.conf").read_bytes()
    assert "CX523" not in {finding.code.code for finding in rendered.findings}


@every_included
def test_a_file_without_its_secrets_is_not_written_whole(software: str, tmp_path: Path) -> None:
    site_of(tmp_path, software)
    comment = {"isc-dhcpd": "# REDACTED\n", "kea 2.2": "// REDACTED\n", "dnsmasq": "# REDACTED\n"}[software]
    copy = tmp_path / "servers" / "main.conf"
    copy.write_text(comment + copy.read_text())
    text = (
        (tmp_path / "site.yaml")
        .read_text()
        .replace("    roles: [dhcp]\n", "    roles: [dhcp]\n    whole: true\n")
    )
    (tmp_path / "site.yaml").write_text(text)
    (finding,) = [f for f in render_site(load_inventory(tmp_path)).findings if f.code.code == "CX523"]
    assert finding.path == ("servers", "dhcp", "whole")


SECRETS = {
    "isc-dhcpd": 'key control { algorithm hmac-md5; secret "bm90IGZvciBhbnlvbmU="; }\n',
    "kea 2.2": '"hosts-database": {"type": "mysql", "name": "kea", "password": "not-for-anyone"},\n',
}


@pytest.mark.parametrize("software", ["isc-dhcpd", "kea 2.2"])
def test_the_line_that_a_finding_says_makes_the_copy_whole(software: str, tmp_path: Path) -> None:
    """The secret is named there: `apply` writes its value, as in every other file."""
    site_of(tmp_path, software)
    copy, site = tmp_path / "servers" / "main.conf", tmp_path / "site.yaml"
    before = copy.read_text()
    at = before.index('"Dhcp4"') if software == "kea 2.2" else 0
    at = before.index("{", at) + 1 if software == "kea 2.2" else 0
    redactor = part(products()[software.partition(" ")[0]], "redactor")
    hidden = redactor(SECRETS[software])
    assert "REDACTED" in hidden
    copy.write_text(before[:at] + hidden + before[at:])
    site.write_text(site.read_text().replace("    roles: [dhcp]\n", "    roles: [dhcp]\n    whole: true\n"))
    (finding,) = [f for f in render_site(load_inventory(tmp_path)).findings if f.code.code == "CX523"]
    number = copy.read_text()[:at].count("\n") + 1
    assert f"servers/main.conf:{number} " in finding.message
    lines = copy.read_text().split("\n")
    lines[number - 1] = finding.repair.split("`")[1]
    copy.write_text("\n".join(lines))
    rendered = render_site(load_inventory(tmp_path))
    assert "CX523" not in {finding.code.code for finding in rendered.findings}
    (main,) = (file.content for file in rendered.files["dhcp"] if file.target == PATHS[software][0])
    assert references_in(main) == {"file:/PATH"}
    value = b"bm90IGZvciBhbnlvbmU="
    assert value in exchanged(main, {"file:/PATH": value})


@every_included
@pytest.mark.parametrize("check", ["looks-at --config {path}", ""])
def test_a_check_of_the_administrators_is_given_the_main_file(
    software: str, check: str, tmp_path: Path
) -> None:
    site_of(tmp_path, software)
    site = tmp_path / "site.yaml"
    deployed = f"    roles: [dhcp]\n    deploy: {{host: there, check: '{check}'}}\n"
    site.write_text(site.read_text().replace("    roles: [dhcp]\n", deployed))
    main, path = PATHS[software]
    (ours,) = (file for file in render_site(load_inventory(tmp_path)).files["dhcp"] if file.target == path)
    assert ours.test == check.replace("{path}", main)


@every_product
def test_a_changed_rule_is_read_again(software: str, tmp_path: Path) -> None:
    inventory = site_of(tmp_path, software)
    assert isinstance(told(inventory, PHONE), NoLease)
    server = inventory.site.servers["dhcp"]
    assert server.dropin is not None
    fewer = server.dropin.model_copy(update={"rules": server.dropin.rules[:1]})
    changed = {**inventory.site.servers, "dhcp": server.model_copy(update={"dropin": fewer})}
    other = replace(inventory, site=inventory.site.model_copy(update={"servers": changed}))
    assert isinstance(told(other, PHONE), Lease)
    assert isinstance(told(inventory, PHONE), NoLease)


@every_product
@pytest.mark.parametrize("name", ["refused", "rules", "rule-1", "never"])
def test_a_group_may_have_the_name_of_what_is_ours(software: str, name: str, tmp_path: Path) -> None:
    site_of(tmp_path, software)
    text = (tmp_path / "site.yaml").read_text()
    (tmp_path / "site.yaml").write_text(
        text.replace("clients: thin", f"clients: {name}").replace("  thin:", f"  {name}:")
    )
    inventory = load_inventory(tmp_path)
    assert boots(told(inventory, THIN)) == ("lpxelinux.0", IPv4Address("10.10.0.6"))
    assert isinstance(told(inventory, PHONE), NoLease)
    assert boots(told(inventory, OTHER)) == boots(told(inventory, OTHER, ours=False))
