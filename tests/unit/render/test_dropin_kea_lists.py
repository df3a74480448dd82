"""Our part of a Kea as two files: classes, and machines of groups as global reservations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coexist.analysis import analyse
from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.own_files import config_without, heard_on, own_config
from coexist.errors import InputError
from coexist.inventory import Inventory, load_inventory
from coexist.render import render_site
from coexist.wire.bootp import BOOTREQUEST, Packet
from coexist.wire.mac import mac_bytes, parse_mac

RULES, LISTS = "/etc/kea/coexist.json", "/etc/kea/coexist-reservations.json"
# The second has a global reservation in the server's own file, the third one of its subnet.
LISTED = ("52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03")
OTHERS = ("52:54:01:00:00:07", "52:54:02:00:00:09")
SITE = """
site: example
vlans:
  office: {id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1}
servers:
  dhcp:
    software: kea 2.2
    address: 10.10.0.5
    vlan: office
    config: {/etc/kea/kea-dhcp4.conf: servers/main.conf}
    dropin:
      path: /etc/kea/coexist.json
      reservations: /etc/kea/coexist-reservations.json
      rules:
        - {clients: thin, next_server: boot, programs: {bios: lpxelinux.0, uefi-x64: syslinux64.efi}}
        - {clients: refused, ignore: true}
  boot:
    software: coexist
    address: 10.10.0.6
    vlan: office
    programs: {bios: lpxelinux.0, uefi-x64: syslinux64.efi}
groups:
  thin: {macs: ["52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"]}
  refused: {macs: ["52:54:01:00:00:07"]}
architectures: {bios: ipxe, uefi-x64: edk2}
intent:
  - {clients: refused, boot_from: nobody}
  - {clients: thin, boot_from: boot}
"""
LIVE = """{"Dhcp4": {"authoritative": true, "reservations-global": %s, "reservations-in-subnet": true,
 "client-classes": [ <?include "/etc/kea/coexist.json"?>
 {"name": "old", "test": "substring(pkt4.mac,0,2) == 0x5254", "boot-file-name": "old.0",
   "next-server": "10.10.0.9"} ],
 "reservations": [ %s
 {"hw-address": "52:54:00:00:00:02", "option-data": [{"name": "domain-name", "data": "two.example"}]} ],
 "subnet4": [{"id": 7, "subnet": "10.10.0.0/16", "pools": [{"pool": "10.10.1.0-10.10.1.255"}],
   "reservations": [{"hw-address": "52:54:00:00:00:03", "ip-address": "10.10.0.33"}]}]}}
"""
INCLUDE = f'<?include "{LISTS}"?>'


def site_of(folder: Path, *, include: str = INCLUDE, looks: str = "true") -> Inventory:
    (folder / "servers").mkdir()
    (folder / "servers" / "main.conf").write_text(LIVE % (looks, include))
    (folder / "site.yaml").write_text(SITE)
    return load_inventory(folder)


def told(inventory: Inventory, mac: str, *, ours: bool = True) -> Lease | NoLease:
    options = {53: b"\1", 60: b"PXEClient:Arch:00000:UNDI:002001", 93: b"\0\0"}
    packet = Packet(op=BOOTREQUEST, chaddr=mac_bytes(parse_mac(mac)), options=options)
    config = own_config(inventory, "dhcp") if ours else config_without(inventory, "dhcp")
    assert config is not None
    return config.leases(heard_on(inventory, "dhcp", "office", packet))


def written(inventory: Inventory) -> dict[str | None, str]:
    return {file.target: file.content.decode() for file in render_site(inventory).files["dhcp"]}


def codes(inventory: Inventory) -> set[str]:
    return {finding.code.code for finding in analyse(inventory).findings}


def test_each_machine_is_listed_or_tested_and_never_reserved_twice(tmp_path: Path) -> None:
    files = written(site_of(tmp_path))
    assert set(re.findall(r"52:54:[0-9a-f:]+", files[LISTS])) == {LISTED[0], OTHERS[0]}
    tested = re.findall(r"0x525400[0-9a-f]{6}", files[RULES])
    assert set(tested) == {"0x525400000002", "0x525400000003"}


def test_both_files_together_say_what_the_rules_say(tmp_path: Path) -> None:
    inventory = site_of(tmp_path)
    for mac in LISTED:
        lease, before = told(inventory, mac), told(inventory, mac, ours=False)
        assert isinstance(lease, Lease)
        assert isinstance(before, Lease)
        assert (lease.file, str(lease.siaddr)) == (b"lpxelinux.0", "10.10.0.6")
        assert before.file == b"old.0"
        # What our rule does not say is as it was: the address, and the options of the machine's reservation.
        kept = {code: value for code, value in lease.options.items() if code != 66}
        assert (lease.yiaddr, kept) == (before.yiaddr, before.options)
    assert isinstance(told(inventory, OTHERS[0]), NoLease)
    other = told(inventory, OTHERS[1])
    assert isinstance(other, Lease)
    assert other.file == b"old.0"
    assert not codes(inventory) & {"CX121", "CX122"}


def test_a_list_that_is_not_included_is_named(tmp_path: Path) -> None:
    (finding,) = [f for f in analyse(site_of(tmp_path, include="")).findings if f.code.code == "CX121"]
    assert LISTS in finding.message
    assert RULES not in finding.message
    assert "reservations" in finding.repair


def test_a_server_that_looks_for_no_global_reservation_does_not_heed_the_list(tmp_path: Path) -> None:
    inventory = site_of(tmp_path, looks="false")
    assert "CX122" in codes(inventory)


def test_both_files_are_the_only_ones_that_are_rendered(tmp_path: Path) -> None:
    assert set(written(site_of(tmp_path))) - {None} == {RULES, LISTS}


@pytest.mark.parametrize("software", ["isc-dhcpd", "dnsmasq"])
def test_no_other_product_has_such_a_list(software: str, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        SITE.replace("software: kea 2.2", f"software: {software}\n    roles: [dhcp]")
    )
    with pytest.raises(InputError) as refused:
        load_inventory(tmp_path)
    assert [problem.position.line for problem in refused.value.problems] == [7]


def test_a_machine_that_gets_a_reservation_is_tested_from_then_on(tmp_path: Path) -> None:
    site_of(tmp_path)
    main = tmp_path / "servers" / "main.conf"
    more = '{"hw-address": "52:54:00:00:00:01", "hostname": "one"},\n {"hw-address": "52:54:00:00:00:02"'
    main.write_text(main.read_text().replace('{"hw-address": "52:54:00:00:00:02"', more))
    inventory = load_inventory(tmp_path)
    assert LISTED[0] not in written(inventory)[LISTS]
    lease = told(inventory, LISTED[0])
    assert isinstance(lease, Lease)
    assert lease.file == b"lpxelinux.0"
