"""config.xml of pfSense and OPNsense: what the firewall would write for its daemon is what is imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.boot.leases.compile import compile_plan
from coexist.boot.leases.plan import ALWAYS
from coexist.cli import run
from coexist.errors import InputError
from coexist.importers import Imported, import_files
from coexist.importers.written import clients_csv, site_yaml
from coexist.inventory import Inventory, load_inventory
from coexist.wire.options import encode_option_value

EXPORTS = Path(__file__).parent / "exports"


def loaded(result: Imported, folder: Path) -> Inventory:
    (folder / "site.yaml").write_text(site_yaml(result))
    (folder / "clients.csv").write_text(clients_csv(result.clients))
    return load_inventory(folder)


def changed(name: str, folder: Path, *changes: tuple[str, str]) -> Path:
    """A sample with other texts in it."""
    text = (EXPORTS / name).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text)
    return path


def options(inventory: Inventory, scope: str) -> dict[int, bytes]:
    plan = compile_plan(inventory, "firewall").scopes[scope]
    everyone = [setting for setting in plan.settings if setting.condition == ALWAYS]
    return {code: octets for setting in everyone for code, octets in setting.options.items()}


# -- pfSense ------------------------------------------------------------------------------------------------


def test_an_interface_of_pfsense_is_what_its_dhcpd_conf_says(tmp_path: Path) -> None:
    result = import_files("pfsense", [EXPORTS / "pfsense-office.xml"])
    inventory = loaded(result, tmp_path)
    site = inventory.site
    # Names and numbers of the VLANs, and where the firewall stands, are in the file.
    assert {name: vlan.id for name, vlan in site.vlans.items()} == {"OFFICE": 1, "LAB": 120}
    assert {vlan: str(a) for vlan, a in site.servers["firewall"].stands_on.items()} == {
        "OFFICE": "10.91.0.1",
        "LAB": "10.91.4.1",
    }
    assert not any(vlan.relay_to for vlan in site.vlans.values())
    office, lab = site.scopes["OFFICE"], site.scopes["LAB"]
    # Pools for machines with a reservation, and for a manufacturer, do not open to everyone.
    assert [(str(p.range), p.allow, p.deny) for p in office.pools] == [
        ("10.91.0.100-10.91.0.149", (), ("unknown-to-firewall",)),
        ("10.91.0.150-10.91.0.160", ("oui-02-91-aa",), ()),
    ]
    assert (office.next_server, office.filename, office.lease_time) == (
        "tftp-10.91.0.9",
        "undionly.kpxe",
        7200,
    )
    assert [(r.architectures, r.filename) for r in office.rules if r.architectures] == [
        (("uefi-ia32",), "ia32.efi"),
        (("uefi-x64",), "x64.efi"),
        (("uefi-arm64",), "arm64.efi"),
    ]
    (till,) = [rule for rule in office.rules if rule.clients and rule.filename]
    assert (till.next_server, till.filename) == ("tftp-10.91.0.10", "till.0")
    # netboot is off there: what stands beside it is sent to nobody, and is told.
    assert (lab.next_server, lab.filename, lab.lease_time, lab.rules) == (None, None, 900, ())
    assert {"<nextserver>", "<filename>"} <= {entry.statement for entry in result.not_modelled}


def test_values_of_numbered_options_are_base64_on_pfsense_alone(tmp_path: Path) -> None:
    sent = options(loaded(import_files("pfsense", [EXPORTS / "pfsense-office.xml"]), tmp_path), "OFFICE")
    assert (sent[150], sent[43], sent[252]) == (
        bytes([10, 91, 0, 9]),
        bytes.fromhex("01040a5b0009"),
        b"http://wpad.example/",
    )
    # Option 46 goes with 44, and the domain and the resolver are the firewall's own.
    assert (sent[44], sent[46], sent[15], sent[6]) == (
        bytes([10, 91, 0, 7]),
        b"\x08",
        b"site.example",
        bytes([10, 91, 0, 1]),
    )
    opnsense = options(loaded(import_files("opnsense", [EXPORTS / "opnsense-isc.xml"]), tmp_path), "lan")
    assert (opnsense[150], opnsense[242]) == (bytes([10, 88, 0, 9]), b"MTAuODguMC45")


def test_a_resolver_that_is_off_names_those_of_the_system(tmp_path: Path) -> None:
    path = changed(
        "pfsense-office.xml",
        tmp_path,
        ("<unbound><enable></enable></unbound>", ""),
        ("<wan><if>em0</if><ipaddr>dhcp</ipaddr></wan>", ""),
    )
    sent = options(loaded(import_files("pfsense", [path]), tmp_path), "OFFICE")
    assert sent[6] == bytes([10, 99, 0, 53])
    # No way out, so the firewall does not say that it is one.
    assert 3 not in sent


def test_pfsense_with_kea_sends_its_boot_files_as_option_67(tmp_path: Path) -> None:
    path = changed("pfsense-office.xml", tmp_path, ("<version>", "<dhcpbackend>kea</dhcpbackend><version>"))
    result = import_files("pfsense", [path])
    inventory = loaded(result, tmp_path)
    office = inventory.site.scopes["OFFICE"]
    assert inventory.site.servers["firewall"].software.product == "kea"
    assert office.filename is None
    files = [encode_option_value(67, rule.options[67]) for rule in office.rules if 67 in rule.options]
    assert files == [b"ia32.efi", b"x64.efi", b"arm64.efi", b"undionly.kpxe"]
    assert [pool.allow for pool in office.pools] == [("known-to-firewall",), ("oui-02-91-aa",)]
    # Kea of pfSense has no numbered options, and no boot files of one machine.
    assert {"<numberoptions>", "<filename>"} <= {entry.statement for entry in result.not_modelled}
    assert 150 not in options(inventory, "OFFICE")
    assert [entry.position.file for entry in result.not_modelled] == [str(path)] * len(result.not_modelled)


# -- OPNsense -----------------------------------------------------------------------------------------------


def test_an_interface_of_opnsense_is_what_its_dhcpd_conf_says(tmp_path: Path) -> None:
    inventory = loaded(import_files("opnsense", [EXPORTS / "opnsense-isc.xml"]), tmp_path)
    scope = inventory.site.scopes["lan"]
    assert (scope.filename, scope.min_secs) == ("undionly.kpxe", 2)
    sent = options(inventory, "lan")
    assert (sent[66], sent[67], sent[26], sent[6]) == (
        b"10.88.0.9",
        b"snp.efi",
        b"\x05\x78",
        bytes([10, 88, 0, 53]),
    )
    by_class = [rule for rule in scope.rules if rule.when]
    assert [rule.filename for rule in by_class] == ["http://10.88.0.9/menu.ipxe"]
    assert [(rule.architectures, rule.filename) for rule in scope.rules if rule.architectures] == [
        (("uefi-x64",), "snponly.efi")
    ]


def test_options_of_opnsense_with_kea(tmp_path: Path) -> None:
    result = import_files("opnsense", [EXPORTS / "opnsense-kea-options.xml"])
    inventory = loaded(result, tmp_path)
    lan, lab = inventory.site.scopes["lan"], inventory.site.scopes["Lab"]
    assert (lan.lease_time, lab.lease_time) == (600, 4000)
    sent = options(inventory, "lan")
    assert (sent[150], sent[26], sent[4], sent[66], sent[15]) == (
        bytes([10, 87, 0, 9, 10, 87, 0, 10]),
        b"\x05\x78",
        bytes([10, 87, 0, 4]),
        b"10.87.0.9",
        b"kea.example",
    )
    # Kea sends the names of its reservations to those too that do not ask.
    assert lan.always_send == (12, 150)
    # An option with a match is for those clients alone, and on the subnets that name it.
    assert 67 not in sent
    (uefi,) = [rule for rule in lan.rules if rule.when]
    assert (uefi.when[0].option, uefi.when[0].octets) == (93, b"\0\7")
    assert encode_option_value(67, uefi.options[67]) == b"x64.efi"
    assert lab.rules == ()
    # Filled in by the firewall: itself.
    assert options(inventory, "Lab")[42] == bytes([10, 87, 1, 1])
    assert [(row.name, row.address) for row in result.clients] == [("nas", "10.87.0.11")]
    assert result.barren == 1


def test_dnsmasq_of_opnsense_on_two_interfaces(tmp_path: Path) -> None:
    result = import_files("opnsense", [EXPORTS / "opnsense-dnsmasq-two.xml"])
    inventory = loaded(result, tmp_path)
    lan, lab = inventory.site.scopes["lan"], inventory.site.scopes["Lab"]
    # A static range leases to nobody but machines with an address of their own.
    assert [str(pool.range) for pool in lan.pools] == ["10.86.0.50-10.86.0.99"]
    assert lab.pools == ()
    assert (lan.lease_time, lab.lease_time) == (86400, 900)
    assert (lan.filename, lab.filename) == ("undionly.kpxe", None)
    first, second = options(inventory, "lan"), options(inventory, "Lab")
    assert (first[3], first[6], first[42]) == (bytes([10, 86, 0, 1]),) * 3
    own = bytes([10, 86, 1, 1])
    assert (second[3], second[6], second[150]) == (own, own, bytes([10, 86, 1, 9]))
    assert 150 not in first
    assert 42 not in second
    by_tag = [rule for rule in lan.rules if rule.when]
    assert [(rule.filename, rule.when[0].octets) for rule in by_tag] == [("snponly.efi", b"\0\7")]
    # Two interfaces of one machine, a machine that is refused, one without a MAC address.
    assert [f"{row.name} {row.mac[-2:]} {row.address}" for row in result.clients] == [
        "laptop 01 10.86.0.20",
        "laptop 02 10.86.0.20",
        "printer 03 10.86.1.21",
        "unwanted 04 ",
    ]
    assert [rule.clients for rule in lan.rules if rule.ignore] == [("unwanted",)]
    assert result.barren == 1


# -- both ---------------------------------------------------------------------------------------------------

SECOND = (
    "<dnsmasq><enable>1</enable><dhcp_ranges><interface>lan</interface><start_addr>10.88.0.200</start_addr>"
    "<end_addr>10.88.0.210</end_addr></dhcp_ranges></dnsmasq><dhcpd>"
)


def test_a_second_server_of_a_firewall_is_told_and_makes_the_exit_code_1(tmp_path: Path) -> None:
    path = changed("opnsense-isc.xml", tmp_path, ("<dhcpd>", SECOND))
    result = import_files("opnsense", [path])
    assert result.barren == 1
    assert any(entry.statement == "<dnsmasq>" for entry in result.not_modelled)
    assert run(["import", "opnsense", str(path), "-o", str(tmp_path / "site")]) == 1


@pytest.mark.parametrize(
    ("name", "old", "new", "line"),
    [
        ("pfsense-office.xml", "<gateway>none</gateway>", "<gateway>nowhere else</gateway>", 48),
        ("pfsense-office.xml", "<filename32>ia32.efi</filename32>", '<filename32>a"b</filename32>', 25),
        ("opnsense-kea-options.xml", "<data>1400</data>", "<data>many</data>", 48),
        ("opnsense-kea-options.xml", "<option>o1,o2,o3</option>", "<option>o9</option>", 14),
        ("opnsense-dnsmasq-two.xml", "10.86.0.99", "10.86.7.99", 13),
    ],
)
def test_what_the_daemon_would_refuse_is_refused_at_its_element(
    name: str, old: str, new: str, line: int, tmp_path: Path
) -> None:
    path = changed(name, tmp_path, (old, new))
    kind = name.partition("-")[0]
    with pytest.raises(InputError) as refused:
        import_files(kind, [path])
    first = refused.value.problems[0]
    assert (first.position.file, first.position.line) == (str(path), line)


def test_keys_of_a_firewall_are_in_no_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, name in (("pfsense", "pfsense-office.xml"), ("opnsense", "opnsense-kea-options.xml")):
        run(["import", kind, str(EXPORTS / name), "-o", str(tmp_path / name)])
    output = capsys.readouterr()
    texts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(texts) == 6
    assert not any("c2VjcmV0LWtleS0xMjM0" in text for text in [*texts, output.out, output.err])
