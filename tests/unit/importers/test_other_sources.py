"""Kea, dnsmasq, Windows, openthinclient, lists of machines: what is read, what is told, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coexist.errors import InputError
from coexist.importers import Imported, import_files
from coexist.importers.kea.site import import_kea
from coexist.importers.ldif import read_ldif
from coexist.importers.lists import import_macs
from coexist.importers.windows import import_windows
from coexist.importers.written import clients_csv, site_yaml
from coexist.inventory import Inventory, load_inventory
from coexist.languages.kea.json_nodes import read_json

SHARED = Path(os.environ.get("COEXIST_SHARED", Path(__file__).parents[4] / "shared"))
CORPUS = [(kind, path) for kind in ("kea", "dnsmasq") for path in sorted(SHARED.glob(f"corpus/{kind}*"))]


def written(imported: Imported, directory: Path) -> Inventory:
    (directory / "site.yaml").write_text(site_yaml(imported))
    (directory / "clients.csv").write_text(clients_csv(imported.clients))
    return load_inventory(directory)


@pytest.mark.parametrize(("kind", "path"), CORPUS, ids=lambda value: getattr(value, "stem", value))
def test_published_files_import(kind: str, path: Path, tmp_path: Path) -> None:
    imported = import_files(kind, [path])
    assert written(imported, tmp_path).site.servers
    assert imported.not_modelled


KEA = """
{ "Dhcp4": {   # a comment
  "valid-lifetime": 4000, "next-server": "10.0.0.9",
  "client-classes": [
    { "name": "uefi", "test": "option[93].hex == 0x0007 or option[93].hex == 0x0009",
      "boot-file-name": "x.efi" },
    { "name": "ipxe", "test": "option[77].text == 'iPXE' and not member('uefi')",
      "option-data": [ { "name": "root-path", "data": "class" } ] },
    { "name": "odd", "test": "pkt4.giaddr == 10.0.0.1", "boot-file-name": "odd" }, ],
  /* subnets */
  "subnet4": [ { "subnet": "10.0.0.0/24", "pools": [ { "pool": "10.0.0.10-10.0.0.20" } ],
    "boot-file-name": "subnet.0", "option-data": [ { "name": "root-path", "data": "subnet" } ],
    "reservations": [
      { "hw-address": "52:54:00:00:00:01", "ip-address": "10.0.0.5", "hostname": "a",
        "boot-file-name": "a.0" },
      { "client-id": "01:02", "ip-address": "10.0.0.6" } ] } ] } }
"""


def test_kea_takes_options_and_fields_from_different_places() -> None:
    imported = import_kea(KEA, "kea.json")
    (scope,) = imported.tree["scopes"].values()
    # A class's file beats the subnet's; the subnet's option beats the class's.
    assert scope["rules"] == [
        {"clients": "a", "filename": "a.0"},
        {"architectures": ["uefi-x64"], "filename": "x.efi"},
    ]
    assert scope["filename"] == "subnet.0"
    assert scope["options"] == {17: "subnet"}
    told = {entry.why for entry in imported.not_modelled}
    assert any("pkt4" in why or "giaddr" in why for why in told)
    assert any("MAC" in why for why in told)
    settings = imported.tree["servers"]["dhcp"]["settings"]
    assert any(
        "client-id" in entry for subnet in settings["subnets"].values() for entry in subnet["reservations"]
    )
    assert imported.clients[0].address == "10.0.0.5"


@given(st.text(alphabet='{}[]",:#/*\\ \nab1<?', max_size=60))
@example('{"\\1"')
@settings(max_examples=200, deadline=None)
def test_any_text_is_json_or_has_a_place(text: str) -> None:
    def no_file(name: str) -> str:
        raise FileNotFoundError(2, "No such file", name)

    try:
        read_json(text, "kea.json", no_file)
    except InputError as error:
        place = error.problems[0].position
    else:
        return
    assert place.line <= text.count("\n") + 1


def test_dnsmasq_reads_its_further_files(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.conf").write_text("dhcp-match=set:bios,option:client-arch,0\n")
    (tmp_path / "conf.d" / "b.bak").write_text("nonsense\n")
    (tmp_path / "hosts").write_text("# machines\n52:54:00:00:00:01,set:thin,10.0.0.5,a\n")
    (tmp_path / "dnsmasq.conf").write_text(
        "conf-dir=/etc/dnsmasq/conf.d,.bak\ndhcp-hostsfile=/etc/dnsmasq/hosts\nlisten-address=10.0.0.2\n"
        "dhcp-range=10.0.0.50,10.0.0.99,255.255.255.0,1h\n"
        "dhcp-boot=all.efi,,10.0.0.9\ndhcp-boot=tag:bios,bios.0\ndhcp-boot=tag:thin,thin.0,,10.0.0.8\n"
        "dhcp-ignore=tag:!known\n"
    )
    imported = import_files("dnsmasq", [tmp_path / "dnsmasq.conf"])
    (scope,) = imported.tree["scopes"].values()
    assert [rule.get("filename", "ignored") for rule in scope["rules"]] == ["ignored", "thin.0", "bios.0"]
    assert scope["filename"] == "all.efi"
    assert scope["rules"][2]["next_server"] == "dnsmasq"
    assert [row.name for row in imported.clients] == ["a"]


def test_a_proxy_keeps_its_programs(tmp_path: Path) -> None:
    path = tmp_path / "dnsmasq.conf"
    path.write_text(
        'dhcp-range=10.0.0.0,proxy,255.255.255.0\npxe-service=x86PC,"boot",lpxelinux\n'
        'pxe-service=7,"boot",x.efi,10.0.0.9\npxe-service=9,"boot",x.efi,10.0.0.9\n'
        "dhcp-reply-delay=2\n"
    )
    imported = import_files("dnsmasq", [path])
    server = imported.tree["servers"]["dnsmasq"]
    assert server["programs"] == {
        "bios": "lpxelinux.0",
        "uefi-x64": {"file": "x.efi", "server": "10.0.0.9"},
    }
    assert (server["roles"], server["delay"]) == (["proxydhcp"], 2)
    assert written(imported, tmp_path).site.servers


def test_windows_refuses_entities() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><DHCPServer>&a;</DHCPServer>'
    with pytest.raises(InputError):
        import_windows(bomb, "dhcp.xml")


@pytest.mark.parametrize(
    ("kind", "name", "text", "line"),
    [
        ("kea", "k.json", '{"Dhcp4": {"subnet4": [\n{"id": 1, "subnet": "10.1.0.0/33"}]}}', 2),
        ("kea", "k.json", '{"Dhcp4": {"subnet4": [{"subnet": "10.1.0.0/24",\n"pools": [{}]}]}}', 2),
        ("windows-dhcp", "w.xml", "<DHCPServer><IPv4><Scopes>\n<Scope/></Scopes></IPv4></DHCPServer>", 2),
        ("dnsmasq", "d.conf", "port=0\ndhcp-range=10.300.0.1,10.2.0.9\n", 2),
        ("dhcpd", "d", "subnet 10.1.0.0 netmask 255.255.0.0 {}\nsubnet 10.1.2.0 netmask 255.255.255.0{}", 2),
    ],
)  # fmt: skip
def test_a_subnet_or_range_that_is_lost_is_an_error_at_its_place(
    tmp_path: Path, kind: str, name: str, text: str, line: int
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        import_files(kind, [path])
    assert [problem.position.line for problem in refused.value.problems] == [line]


def test_a_bare_tag_of_dnsmasq_is_a_tag(tmp_path: Path) -> None:
    path = tmp_path / "d.conf"
    path.write_text("dhcp-range=lan,10.1.0.10,10.1.0.99,255.255.255.0,12h\n")
    (scope,) = import_files("dnsmasq", [path]).tree["scopes"].values()
    assert scope["pools"] == ["10.1.0.10-10.1.0.99"]


def test_windows_leaves_excluded_addresses_out() -> None:
    text = (
        "<DHCPServer><IPv4><Scopes><Scope><ScopeId>10.1.0.0</ScopeId><SubnetMask>255.255.255.0</SubnetMask>"
        "<Name>Halle 3</Name><StartRange>10.1.0.10</StartRange><EndRange>10.1.0.50</EndRange>"
        "<ExclusionRanges><IPRange><StartRange>10.1.0.10</StartRange><EndRange>10.1.0.19</EndRange></IPRange>"
        "<IPRange><StartRange>10.1.0.30</StartRange><EndRange>10.1.0.30</EndRange></IPRange></ExclusionRanges>"
        "</Scope></Scopes></IPv4></DHCPServer>"
    )
    imported = import_windows(text.encode(), "dhcp.xml")
    assert imported.tree["scopes"]["Halle-3"]["pools"] == ["10.1.0.20-10.1.0.29", "10.1.0.31-10.1.0.50"]


def windows_scope(number: int, inside: str) -> str:
    return (
        f"<Scope><ScopeId>10.{number}.0.0</ScopeId><SubnetMask>255.255.255.0</SubnetMask><Name>s{number}</Name>"
        f"<StartRange>10.{number}.0.10</StartRange><EndRange>10.{number}.0.50</EndRange>{inside}</Scope>"
    )


POLICY = (
    "<Policies><Policy><Name>p</Name><ProcessingOrder>1</ProcessingOrder><Enabled>true</Enabled>"
    "<Condition>AND</Condition><MacAddress>EQ</MacAddress><MacAddress>525400*</MacAddress><OptionValues>"
    "<OptionValue><OptionId>67</OptionId><Value>p.0</Value></OptionValue></OptionValues></Policy></Policies>"
)


@pytest.mark.parametrize(("switch", "rules"), [("true", 2), ("false", 0)])
def test_windows_policies_that_are_not_activated_are_left_out(switch: str, rules: int) -> None:
    off = f"<ActivatePolicies>{switch}</ActivatePolicies>{POLICY}"
    text = f"<DHCPServer><IPv4>{off}<Scopes>{windows_scope(1, off)}</Scopes></IPv4></DHCPServer>"
    imported = import_windows(text.encode(), "dhcp.xml")
    assert text.count("p.0") == 2
    written_rules = imported.tree["scopes"]["s1"].get("rules", [])
    assert bool(written_rules) == bool(rules)
    assert sum("not activated" in entry.why for entry in imported.not_modelled) == 2 - rules


@pytest.mark.parametrize(
    ("delays", "expected"), [((0, 0), None), ((300, 300), 0.3), ((300, 0), None), ((500, 1000), None)]
)
def test_windows_delay_is_the_servers_where_its_scopes_agree(
    delays: tuple[int, int], expected: float | None
) -> None:
    scopes = "".join(
        windows_scope(number, f"<Delay>{delay}</Delay>") for number, delay in enumerate(delays, start=1)
    )
    text = f"<DHCPServer><IPv4><Scopes>{scopes}</Scopes></IPv4></DHCPServer>"
    imported = import_windows(text.encode(), "dhcp.xml")
    assert imported.tree["servers"]["windows-dhcp"].get("delay") == expected
    differ = len(set(delays)) > 1
    assert sum("different delays" in entry.why for entry in imported.not_modelled) == (
        sum(map(bool, delays)) if differ else 0
    )


@pytest.mark.parametrize(("attempts", "pings"), [("0", False), ("2", True), (None, None)])
def test_windows_conflict_detection_is_a_ping_check(attempts: str | None, pings: bool | None) -> None:
    said = f"<ConflictDetectionAttempts>{attempts}</ConflictDetectionAttempts>" if attempts else ""
    text = f"<DHCPServer><IPv4>{said}<Scopes>{windows_scope(1, '')}</Scopes></IPv4></DHCPServer>"
    imported = import_windows(text.encode(), "dhcp.xml")
    assert imported.tree["servers"]["windows-dhcp"].get("ping_check") is pings


def test_ldif_joins_lines_and_decodes() -> None:
    entries = read_ldif("version: 1\n\n# note\n going on\ndn:: Y249YQ==\ncn: long\n  name\n", "x.ldif")
    assert [(entry.dn, entry.first("cn")) for entry in entries] == [("cn=a", "long name")]


def test_openthinclient_clients_and_policy(tmp_path: Path) -> None:
    path = tmp_path / "export.ldif"
    base = "#%BASEDN%#"
    path.write_text(
        f"dn: cn=tc-1,ou=clients,{base}\ncn: tc-1\nmacAddress: 52:54:00:00:00:01\n"
        f"l: l=Hall,ou=locations,{base}\n\n"
        f"dn: cn=tc-2,ou=clients,{base}\ncn: tc-2\nmacAddress: 52:54:00:00:00:01\n\n"
        f"dn: cn=igel,ou=hwtypes,{base}\ncn: igel\nuniquemember: cn=tc-1,ou=clients,{base}\n\n"
        f"dn: cn=BootOptions.PXEServicePolicy,nismapname=profile,ou=RealmConfiguration,{base}\n"
        "nismapentry: RegisteredOnly\n\n"
        f"dn: cn=BootOptions.TFTPBootserver,nismapname=profile,ou=RealmConfiguration,{base}\n"
        "nismapentry: 10.0.0.6\n"
    )
    imported = import_files("openthinclient", [path])
    inventory = written(imported, tmp_path)
    assert inventory.site.servers["otc"].answers.groups == ("known-to-otc",)
    assert inventory.group("known-to-otc").size == 1
    assert (imported.clients[0].hardware, imported.clients[0].location) == ("igel", "Hall")
    assert any("52:54:00:00:00:01" in entry.why for entry in imported.not_modelled)


@given(st.text(max_size=120))
@settings(max_examples=100, deadline=None)
def test_any_text_is_a_list_of_machines(text: str) -> None:
    imported = import_macs(text, "list.csv")
    lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    if lines and "mac" in lines[0].lower():
        return  # A heading is no machine.
    assert len(imported.clients) + len(imported.not_modelled) >= (
        1 if lines and '"' not in text and "#" not in text else 0
    )
