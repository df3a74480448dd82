"""Pairs of DHCP servers in check: who is raced, what differs, and what is left with one of the two down."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from coexist.analysis import Analysis, Finding, Severity, analyse
from coexist.analysis.pairs import side_of, sides
from coexist.app.explain import explain
from coexist.errors import CoexistError
from coexist.inventory import load_inventory
from coexist.planning.yaml_edit import apply
from coexist.render.limits import limits
from coexist.wire.load_balancing import bucket
from coexist.wire.mac import mac_bytes, parse_mac

SITE = """site: example
vlans:
  office: {{id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1{vlan}}}
servers:
  one: {{software: {software}, address: 10.10.0.5, vlan: office{one}}}
  two: {{software: {software}, address: 10.10.0.6, vlan: office{two}}}
  boot:
    software: coexist
    address: 10.10.0.7
    vlan: office
    programs: {{bios: lpxelinux.0, uefi-x64: syslinux64.efi}}
scopes:
  office:
    server: [one, two]
    vlan: office
    pools: [10.10.1.0-10.10.1.255]
    options: {{3: 10.10.0.1}}
{failover}architectures: {{bios: pxe21, uefi-x64: edk2}}
intent:
  - {{clients: everyone, boot_from: boot}}
"""
BALANCED = "    failover: {mode: load-balancing}\n"


def text_of(
    software: str = "kea 2.2", *, failover: str = BALANCED, vlan: str = "", one: str = "", two: str = ""
) -> str:
    return SITE.format(software=software, failover=failover, vlan=vlan, one=one, two=two)


def analysed(folder: Path, text: str) -> Analysis:
    folder.mkdir(exist_ok=True)
    (folder / "site.yaml").write_text(text)
    inventory = load_inventory(folder)
    return analyse(inventory, further=partial(limits, inventory))


def found(analysis: Analysis) -> dict[str, Finding]:
    return {finding.code.code: finding for finding in analysis.findings}


@pytest.mark.parametrize("software", ["isc-dhcpd", "kea 2.2", "kea 3.0", "windows-dhcp"])
@pytest.mark.parametrize("mode", ["load-balancing", "hot-standby"])
def test_a_pair_that_is_equal_is_clean(software: str, mode: str, tmp_path: Path) -> None:
    text = text_of(software, failover=f"    failover: {{mode: {mode}}}\n")
    assert set(found(analysed(tmp_path, text))) == set()


def test_a_class_is_raced_for_a_member_of_each_side(tmp_path: Path) -> None:
    site = analysed(tmp_path, text_of()).site
    (client, _) = site.space.classes
    members = sides(site.races.world.segments["office"], client.macs)
    # By the MAC, by the client identifier: four ways, and each share has the other side's opposite.
    assert len(members) == 4
    for side, mac in members.items():
        assert side[0] == (bucket(mac_bytes(mac)) % 2 == 0)
        assert side[:2] == tuple(not has for has in side[2:])
    assert next(iter(members.values())) == client.macs.witness


def test_a_registered_machine_is_on_one_side(tmp_path: Path) -> None:
    (tmp_path / "clients.csv").write_text("mac,name\n52:54:00:00:00:01,one\n")
    site = analysed(tmp_path, text_of() + "clients: clients.csv\n").site
    macs = next(c.macs for c in site.space.classes if c.macs.known)
    assert len(sides(site.races.world.segments["office"], macs)) == 1
    (share,) = site.scopes.shares("office", "one")
    has = share.has(mac_bytes(macs.witness))
    assert side_of(share, macs, mine=has) == macs.witness
    assert side_of(share, macs, mine=not has) is None


def test_half_the_clients_of_a_server_that_is_not_heard_boot_from_nobody(tmp_path: Path) -> None:
    text = text_of(vlan=", snooping: {trusted: [one, boot]}")
    analysis = analysed(tmp_path, text)
    uefi = next(c for c in analysis.site.space.classes if c.firmware == "edk2")
    assert analysis.site.winners(uefi) == {"boot", None}
    assert any(f.severity is Severity.ERROR for f in analysis.findings)


def test_servers_that_give_different_files_are_told_with_a_client_of_each(tmp_path: Path) -> None:
    text = text_of("isc-dhcpd", one=', options: {67: "a.0"}', two=', options: {67: "b.0"}')
    finding = found(analysed(tmp_path, text))["CX209"]
    assert finding.severity is Severity.ERROR
    assert "a.0" in finding.message
    assert "b.0" in finding.message
    words = [word.strip("()") for word in finding.message.split()]
    named = [mac_bytes(parse_mac(word)) for word in words if word.count(":") == 5]
    assert [bucket(mac) < 128 for mac in named] == [True, False]


def test_two_servers_without_failover_are_an_error_and_the_repair_ends_it(tmp_path: Path) -> None:
    text = text_of(failover="")
    finding = found(analysed(tmp_path / "before", text))["CX222"]
    assert finding.severity is Severity.ERROR
    edits = [(edit.kind, edit.path, edit.value) for edit in finding.edits]
    assert set(found(analysed(tmp_path / "after", apply(text, edits)))) == set()


@pytest.mark.parametrize("change", [", fixed: true", ", software: isc-dhcpd"])
def test_what_people_decide_about_servers_without_failover_has_no_edits(change: str, tmp_path: Path) -> None:
    text = text_of("dnsmasq", failover="") if "software" in change else text_of(failover="", two=change)
    text = text.replace("software: dnsmasq", "software: dnsmasq, roles: [dhcp]")
    finding = found(analysed(tmp_path, text))["CX222"]
    assert finding.edits == ()


def test_a_backup_does_not_take_over(tmp_path: Path) -> None:
    finding = found(analysed(tmp_path, text_of(failover="    failover: {mode: passive-backup}\n")))["CX323"]
    assert finding.severity is Severity.WARNING
    assert finding.witness is not None
    assert any("client gives up" in line for line in finding.witness.timeline)


def test_a_machine_is_told_with_a_server_switched_off(tmp_path: Path) -> None:
    analysed(tmp_path, text_of())
    for down, other in (("one", "two"), ("two", "one")):
        told = explain(tmp_path, "52:54:00:00:00:01", firmware="edk2", architecture="uefi-x64", down=(down,))
        (race,) = told.races
        offers = {event.server for event in race.events if event.kind == "reply"}
        assert offers == {other, "boot"}
    with pytest.raises(CoexistError, match="three"):
        explain(tmp_path, "52:54:00:00:00:01", down=("three",))


def test_a_standby_whose_offers_are_dropped_is_told_once(tmp_path: Path) -> None:
    text = text_of(failover="    failover: {mode: hot-standby}\n", vlan=", snooping: {trusted: [one, boot]}")
    assert set(found(analysed(tmp_path, text))) == {"CX206"}


@pytest.mark.parametrize(
    ("software", "failover"),
    [
        ("isc-dhcpd", "{mode: passive-backup}"),
        ("isc-dhcpd", "{max_ack_delay: 5}"),
        ("kea 2.2", "{percent: 70}"),
        ("kea 2.2", "{max_seconds: 5}"),
        ("kea 2.2", "{max_response_delay: 120}"),
        ("windows-dhcp", "{port: 700}"),
        ("dnsmasq, roles: [dhcp]", "{}"),
    ],
)
def test_what_a_product_cannot_do_of_failover(software: str, failover: str, tmp_path: Path) -> None:
    finding = found(analysed(tmp_path, text_of(software, failover=f"    failover: {failover}\n")))["CX518"]
    assert finding.severity is Severity.ERROR
    assert finding.path[:3] == ("scopes", "office", "failover")


def test_servers_of_two_products_have_no_failover(tmp_path: Path) -> None:
    text = text_of("kea 2.2").replace("two: {software: kea 2.2", "two: {software: isc-dhcpd")
    assert "CX518" in found(analysed(tmp_path, text))


def test_a_kea_shares_all_of_its_scopes(tmp_path: Path) -> None:
    vlan = "  lab: {id: 11, subnet: 10.11.0.0/16, gateway: 10.11.0.1, relay_to: [one, boot]}\n"
    text = text_of().replace("servers:\n", vlan + "servers:\n")
    lab = "  lab: {server: one, vlan: lab, pools: [10.11.1.0-10.11.1.9], options: {3: 10.11.0.1}}\n"
    finding = found(analysed(tmp_path, text.replace("scopes:\n", "scopes:\n" + lab)))["CX518"]
    assert finding.path == ("scopes", "lab", "server")


def test_own_files_of_two_keas_are_one_pair(tmp_path: Path) -> None:
    (tmp_path / "servers").mkdir()
    for name in ("one", "two"):
        (tmp_path / "servers" / f"{name}.json").write_text(OWN.replace("NAME", name))
    head, _, tail = text_of(one=", config: servers/one.json", two=", config: servers/two.json").partition(
        "scopes:\n"
    )
    analysis = analysed(tmp_path, head + tail[tail.index("architectures") :])
    assert set(found(analysis)) == set()
    (scope,) = analysis.site.site.scopes.values()
    assert scope.servers == ("one", "two")
    (name,) = analysis.site.site.scopes
    (one,), (two,) = (analysis.site.scopes.shares(name, server) for server in scope.servers)
    for number in range(32):
        mac = mac_bytes(0x52_54_00_00_00_00 + number)
        assert one.has(mac) != two.has(mac)


OWN = """{"Dhcp4": {
  "interfaces-config": {"interfaces": ["eth0"]},
  "hooks-libraries": [
    {"library": "/usr/lib/x86_64-linux-gnu/kea/hooks/libdhcp_lease_cmds.so"},
    {"library": "/usr/lib/x86_64-linux-gnu/kea/hooks/libdhcp_ha.so", "parameters": {"high-availability": [{
      "this-server-name": "NAME", "mode": "load-balancing",
      "peers": [{"name": "one", "url": "http://10.10.0.5:8001/", "role": "primary"},
                {"name": "two", "url": "http://10.10.0.6:8001/", "role": "secondary"}]}]}}],
  "subnet4": [{"id": 1, "subnet": "10.10.0.0/16",
    "pools": [{"pool": "10.10.1.0-10.10.1.127", "client-class": "HA_one"},
              {"pool": "10.10.1.128-10.10.1.255", "client-class": "HA_two"}],
    "option-data": [{"name": "routers", "data": "10.10.0.1"}]}]
}}
"""


@pytest.mark.parametrize(("clients", "boots"), [(10, False), (0, True)])
def test_before_a_kea_holds_its_partner_for_down_it_leaves_it_its_clients(
    clients: int, boots: bool, tmp_path: Path
) -> None:
    failover = f"    failover: {{mode: load-balancing, max_unacked_clients: {clients}}}\n"
    (tmp_path / "site.yaml").write_text(text_of(failover=failover))
    # The first server has the even buckets.
    mac = next(n for n in range(0x525400000001, 0x525400000100) if bucket(mac_bytes(n)) % 2 == 0)
    shown = ":".join(f"{octet:02x}" for octet in mac_bytes(mac))
    told = {
        noticed: explain(tmp_path, shown, architecture="uefi-x64", down=("one",), notices=noticed)
        for noticed in (True, False)
    }

    def winners(noticed: bool) -> set[str | None]:
        return {outcome.winner for race in told[noticed].races for outcome in race.outcomes}

    assert winners(True) == {"boot"}
    assert (winners(False) == {"boot"}) is boots
