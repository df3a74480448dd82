"""Exports of other tools, each in its documented format: what is read, and what is named instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.boot.leases.compile import compile_plan
from coexist.cli import run
from coexist.errors import InputError
from coexist.importers import Imported, import_files
from coexist.importers.written import clients_csv, site_yaml
from coexist.inventory import Inventory, load_inventory
from coexist.languages.routeros import option_octets

EXPORTS = Path(__file__).parent / "exports"


def imported(kind: str, name: str) -> Imported:
    return import_files(kind, [EXPORTS / name])


def loaded(result: Imported, folder: Path) -> Inventory:
    (folder / "site.yaml").write_text(site_yaml(result))
    if result.clients:
        (folder / "clients.csv").write_text(clients_csv(result.clients))
    return load_inventory(folder)


def left(result: Imported) -> set[int]:
    return {entry.position.line for entry in result.not_modelled}


# -- lists of machines ---------------------------------------------------------------------------------

LISTS = {
    "fog": (
        "fog.csv",
        ["lab-01 02:91:00:00:00:01", "lab-01 02:91:00:00:00:02", "lab-02 02:91:00:00:00:03"],
        2,
    ),
    "maas": (
        "maas.csv",
        [
            "node-1.campus.example 02:92:00:00:00:01",
            "node-2.campus.example 02:92:00:00:00:02",
            "node-2.campus.example 02:92:00:00:00:03",
        ],
        0,
    ),
    "foreman": ("foreman.csv", ["web.campus.example 02:93:00:00:00:01"], 1),
    "maas, its own JSON": (
        "maas-machines.json",
        ["node-1.maas.example 02:92:00:00:00:12", "node-1.maas.example 02:92:00:00:00:11"],
        1,
    ),
    "fog, its report": ("fog-report.csv", ["lab-09 02:91:00:00:00:09"], 0),
    "netbox, its MAC addresses": (
        "netbox-macs.csv",
        ["pc-21 02:94:00:00:00:21", "pc-21 02:94:00:00:00:22"],
        0,
    ),
    "netbox, 4.2 and later": (
        "netbox-4.2.csv",
        ["pc-31 02:94:00:00:00:31", "pc-31 02:94:00:00:00:32", "pc-31 02:94:00:00:00:33"],
        1,
    ),
    "netbox": ("netbox.csv", ["switch-1 02:94:00:00:00:01", "pc-7 02:94:00:00:00:02"], 1),
}


@pytest.mark.parametrize(("kind", "expected"), LISTS.items(), ids=LISTS)
def test_machines_and_rows_that_yield_nothing(
    kind: str, expected: tuple[str, list[str], int], tmp_path: Path
) -> None:
    name, machines, barren = expected
    kind = kind.partition(",")[0]
    result = imported(kind, name)
    assert [f"{row.name} {row.mac}" for row in result.clients] == machines
    assert result.barren == barren
    code = run(["import", kind, str(EXPORTS / name), "-o", str(tmp_path / "site")])
    assert code == (1 if barren else 0)
    assert len(load_inventory(tmp_path / "site").clients) == len(machines)


def test_every_column_that_is_not_read_is_named() -> None:
    names = {entry.statement for entry in imported("maas", "maas.csv").not_modelled}
    assert {"Power", "Status", "Owner", "Pool"} <= names
    report = {entry.statement for entry in imported("fog", "fog-report.csv").not_modelled}
    assert {"Host ID", "Host Desc", "Image Name"} <= report
    fog = {entry.statement for entry in imported("fog", "fog.csv").not_modelled}
    assert {"description", "imageID", "building", "useAD"} <= fog


def test_passwords_in_an_export_are_in_no_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, name in (("fog", "fog.csv"), ("pfsense", "pfsense.xml"), ("mikrotik", "router.rsc")):
        run(["import", kind, str(EXPORTS / name), "-o", str(tmp_path / kind)])
    texts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    output = capsys.readouterr()
    for value in ("hunter2-domain-password", "c2VjcmV0LWtleQ"):
        assert not any(value in text for text in [*texts, output.out, output.err])


def test_a_list_of_maas_with_other_things_in_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "machines.json"
    path.write_text('[{"fqdn": 1, "interface_set": 5, "tag_names": {"a": 1}, "ip_addresses": 7, "zone": []}]')
    assert import_files("maas", [path]).barren == 1
    for text in ("[1, 2]", "[", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(InputError) as refused:
            import_files("maas", [path])
        assert refused.value.problems[0].position.file == str(path)


# -- DHCP servers ----------------------------------------------------------------------------------------


def test_pfsense(tmp_path: Path) -> None:
    result = imported("pfsense", "pfsense.xml")
    inventory = loaded(result, tmp_path)
    (scope,) = inventory.site.scopes.values()
    assert [str(pool.range) for pool in scope.pools] == ["10.95.0.100-10.95.0.199", "10.95.0.30-10.95.0.39"]
    assert (scope.lease_time, scope.filename) == (3600, "undionly.kpxe")
    assert [(rule.architectures, rule.filename) for rule in scope.rules] == [(("uefi-x64",), "ipxe.efi")]
    server = inventory.site.servers["firewall"]
    assert str(server.address) == "10.95.0.1"
    (plan,) = compile_plan(inventory, "firewall").scopes.values()
    options = {code: octets for setting in plan.settings for code, octets in setting.options.items()}
    assert options[3] == bytes([10, 95, 0, 1])
    assert options[6] == bytes([10, 95, 0, 3, 10, 95, 0, 4])
    assert options[43] == bytes.fromhex("01040a5f0009")
    assert options[150] == bytes([10, 95, 0, 9])
    assert [row.address for row in result.clients] == ["10.95.0.11"]
    assert result.barren == 1
    assert options[160] == b"\xff\xff\xff\xff"
    assert scope.max_lease_time == 7200
    # The key of DNS, a machine without a MAC, an interface that is switched off.
    assert {22, 32, 34} <= left(result)


def test_opnsense_with_kea(tmp_path: Path) -> None:
    result = imported("opnsense", "opnsense-kea.xml")
    inventory = loaded(result, tmp_path)
    (scope,) = inventory.site.scopes.values()
    assert [str(pool.range) for pool in scope.pools] == ["10.96.0.100-10.96.0.150", "10.96.0.192-10.96.0.223"]
    server = inventory.site.servers["firewall"]
    assert (server.software.product, str(server.address)) == ("kea", "10.96.0.1")
    (plan,) = compile_plan(inventory, "firewall").scopes.values()
    options = {code: octets for setting in plan.settings for code, octets in setting.options.items()}
    assert options[3] == bytes([10, 96, 0, 1])
    assert options[6] == bytes([10, 96, 0, 3, 10, 96, 0, 4])
    assert options[15] == b"kea.example"
    assert scope.lease_time == 4000
    assert [f"{row.name} {row.address}" for row in result.clients] == ["nas 10.96.0.11"]


def test_opnsense_with_dnsmasq(tmp_path: Path) -> None:
    result = imported("opnsense", "opnsense-dnsmasq.xml")
    inventory = loaded(result, tmp_path)
    (scope,) = inventory.site.scopes.values()
    assert (scope.lease_time, scope.filename) == (900, "boot.ipxe")
    assert inventory.site.servers["firewall"].software.product == "dnsmasq"
    assert [f"{row.name} {row.address}" for row in result.clients] == ["scanner 10.97.0.20"]
    assert {10, 12} <= left(result)


def test_a_mikrotik_sends_the_set_of_options_of_its_server(tmp_path: Path) -> None:
    path = tmp_path / "router.rsc"
    path.write_text(
        "/ip dhcp-server option\n"
        "add code=66 name=host value=\"s'10.97.0.5'\"\n"
        "add code=67 name=file value=\"'ipxe.efi'\"\n"
        "add code=67 name=other value=\"'other.efi'\"\n"
        "add code=43 name=unused value=0x0102\n"
        "/ip dhcp-server option sets\n"
        "add name=boot options=host,file\n"
        "/ip pool\nadd name=lan ranges=10.97.0.10-10.97.0.90\nadd name=lab ranges=10.97.1.10-10.97.1.90\n"
        "/ip dhcp-server\n"
        "add address-pool=lan dhcp-option-set=boot interface=vlan1 name=lan\n"
        "add address-pool=lab dhcp-option-set=boot interface=vlan2 name=lab\n"
        "/ip dhcp-server network\n"
        "add address=10.97.0.0/24 gateway=10.97.0.1\n"
        "add address=10.97.1.0/24 dhcp-option=other gateway=10.97.1.1\n"
    )
    result = import_files("mikrotik", [path])
    scopes = result.tree["scopes"]
    assert {name: (s["options"][66], s["options"][67]) for name, s in scopes.items()} == {
        "lan": ("hex:31302e39372e302e35", "hex:697078652e656669"),
        # The server's set counts before what a network says.
        "lab": ("hex:31302e39372e302e35", "hex:697078652e656669"),
    }
    assert [entry.position.line for entry in result.not_modelled] == [5]


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        ("0x0104C0A80001", "0104c0a80001"),
        ("'10.97.0.5'", "0a610005"),
        ("s'10.97.0.5'", "31302e39372e302e35"),
        ("'10'", "0a"),
        ("s'10'", "3130"),
        ("'pxelinux.0'", "7078656c696e75782e30"),
        ("0x01'abc'0x02", "0161626302"),
        ("'10.97.0.5''10.97.0.6'", "0a6100050a610006"),
        ("0x18'10.0.0.0'", "180a000000"),
    ],
)
def test_a_mikrotik_value_is_the_octets_of_the_manual(value: str, octets: str) -> None:
    assert option_octets(value) == bytes.fromhex(octets)


@pytest.mark.parametrize("value", ["$(HOSTNAME)", "0x01$(HOSTNAME)", "'300'", "0x123", "plain"])
def test_a_mikrotik_value_of_no_such_form_is_told(value: str) -> None:
    assert option_octets(value) is None


def test_a_mikrotik_tells_clients_apart_by_what_they_send(tmp_path: Path) -> None:
    path = tmp_path / "router.rsc"
    path.write_text(
        "# 2026-02-01 by RouterOS 7.16\n"
        "/ip dhcp-server option\n"
        "add code=67 force=yes name=bios value=\"'undionly.kpxe'\"\n"
        "add code=67 name=uefi value=\"'snponly.efi'\"\n"
        "/ip dhcp-server option sets\nadd name=for-uefi options=uefi\n"
        "/ip pool\nadd name=lan ranges=10.97.0.10-10.97.0.90\n"
        "/ip dhcp-server\nadd address-pool=lan interface=vlan1 name=lan\n"
        "/ip dhcp-server matcher\n"
        "add address-pool=none code=93 name=efi option-set=for-uefi server=lan value=0x0007\n"
        'add code=60 name=odd option-set=for-uefi server=lan value="\\$(X)"\n'
        "/ip dhcp-server network\n"
        "add address=10.97.0.0/24 dhcp-option=bios gateway=10.97.0.1\n"
        "/ip dns\nset servers=10.97.0.53,10.97.0.54\n"
    )
    result = import_files("mikrotik", [path])
    scope = result.tree["scopes"]["lan"]
    assert scope["rules"] == [
        {"when": [{"option": 93, "equals": "hex:0007"}], "options": {67: "hex:736e706f6e6c792e656669"}}
    ]
    assert (scope["always_send"], scope["options"][6]) == ([67], "10.97.0.53, 10.97.0.54")
    assert [entry.position.line for entry in result.not_modelled] == [13]
    loaded(result, tmp_path)


def test_a_file_that_no_header_field_holds_is_told(tmp_path: Path) -> None:
    path = tmp_path / "export.rsc"
    path.write_text(
        "/ip pool\nadd name=lan ranges=10.97.0.10-10.97.0.90\n"
        "/ip dhcp-server\nadd address-pool=lan interface=vlan1 name=lan\n"
        f"/ip dhcp-server network\nadd address=10.97.0.0/24 boot-file-name={'x' * 128}\n"
    )
    result = import_files("mikrotik", [path])
    assert "filename" not in result.tree["scopes"]["lan"]
    assert [entry.position.line for entry in result.not_modelled] == [6]
    loaded(result, tmp_path)


def test_mikrotik(tmp_path: Path) -> None:
    result = imported("mikrotik", "router.rsc")
    inventory = loaded(result, tmp_path)
    (scope,) = inventory.site.scopes.values()
    assert [str(pool.range) for pool in scope.pools] == ["10.98.0.100-10.98.0.150", "10.98.0.160-10.98.0.170"]
    assert (scope.lease_time, scope.filename) == (93600, "pxelinux.0")
    assert str(inventory.site.servers["router"].address) == "10.98.0.1"
    (plan,) = compile_plan(inventory, "router").scopes.values()
    options = {code: octets for setting in plan.settings for code, octets in setting.options.items()}
    # In apostrophes alone an address is four octets, as the manual says; `s` before them makes it a text.
    assert options[66] == bytes([10, 98, 0, 9])
    assert options[43] == bytes.fromhex("0104c0a80001")
    assert options[6] == bytes([10, 98, 0, 3, 10, 98, 0, 4])
    assert [f"{row.name} {row.address}" for row in result.clients] == ["camera 10.98.0.11"]
    assert result.barren == 1
    # A value with variables, a script, a server switched off, a machine blocked, a network nobody leases.
    assert {8, 13, 15, 20, 24} <= left(result)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("pfsense", "<pfsense><dhcpd>"),
        ("pfsense", '<!DOCTYPE x [<!ENTITY a "b">]><pfsense>&a;</pfsense>'),
        ("opnsense", "<other/>"),
        ("opnsense", "<opnsense><dhcpd/></opnsense>"),
        ("mikrotik", "/ip address\nadd address=10.0.0.1/24\n"),
    ],
)
def test_what_is_no_such_file_is_refused_with_its_place(kind: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        import_files(kind, [path])
    assert refused.value.problems[0].position.file == str(path)
    assert refused.value.problems[0].remedy


def test_of_two_columns_for_one_thing_the_closer_one_that_says_something_counts() -> None:
    rows = imported("netbox", "netbox-4.2.csv").clients
    assert [row.location for row in rows] == ["Room 3", "Room 3", "North"]
