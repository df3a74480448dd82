"""Servers by their own files: their lines in findings, their distinctions in the space of all clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.analysis import Analysis, analyse
from coexist.analysis.declared import deciding_place
from coexist.analysis.open_files import other_worlds
from coexist.analysis.race import ClientCase, race
from coexist.analysis.site import AnalysedSite
from coexist.analysis.world import build_world
from coexist.boot.leases.lease import Lease
from coexist.boot.own_files import own_config
from coexist.boot.responder import Arrival
from coexist.errors import InputError
from coexist.inventory import load_inventory
from coexist.render import render_site
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.load_balancing import bucket
from coexist.wire.mac import mac_bytes, parse_mac

SITE = """
site: example
vlans:
  office: {id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1}
servers:
  dhcp: {software: isc-dhcpd, address: 10.10.0.5, vlan: office, config: servers/dhcpd.conf}
  boot:
    software: coexist
    address: 10.10.0.6
    vlan: office
    programs: {bios: lpxelinux.0, uefi-x64: syslinux64.efi}
architectures: {bios: ipxe, uefi-x64: edk2}
intent:
  - {clients: everyone, boot_from: boot}
"""
SUBNET = """subnet 10.10.0.0 netmask 255.255.0.0 {
  option routers 10.10.0.1;
  range 10.10.1.0 10.10.1.255;
}
"""


def written(folder: Path, config: str, site: str = SITE) -> Path:
    (folder / "servers").mkdir(exist_ok=True)
    (folder / "servers" / "dhcpd.conf").write_text(config)
    (folder / "site.yaml").write_text(site)
    return folder


def analysed(folder: Path, config: str, site: str = SITE) -> Analysis:
    return analyse(load_inventory(written(folder, config, site)))


def codes(found: Analysis) -> set[str]:
    return {finding.code.code for finding in found.findings}


def test_nothing_needs_to_be_declared_twice(tmp_path: Path) -> None:
    assert codes(analysed(tmp_path, "authoritative;\n" + SUBNET)) == set()


def test_a_finding_names_the_line_of_the_file(tmp_path: Path) -> None:
    found = analysed(tmp_path, 'next-server 10.10.0.9;\n\nfilename "old.0";\n' + SUBNET)
    places = {f.code.code: str(f.position) for f in found.findings}
    assert places["CX401"].endswith("servers/dhcpd.conf:3:1"), places


def test_included_files_are_read_by_their_path_on_the_server(tmp_path: Path) -> None:
    site = SITE.replace(
        "config: servers/dhcpd.conf",
        "config: {/etc/dhcp/dhcpd.conf: servers/dhcpd.conf, /etc/dhcp/more.conf: other/more.conf}",
    )
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "more.conf").write_text('\nfilename "old.0";\n')
    found = analysed(tmp_path, 'include "/etc/dhcp/more.conf";\n' + SUBNET, site)
    places = {f.code.code: str(f.position) for f in found.findings}
    assert places["CX401"].endswith("other/more.conf:2:1"), places


def test_a_file_that_is_refused_is_refused_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        analysed(tmp_path, SUBNET + "filename;\n")
    assert str(refused.value.problems[0].position).endswith("servers/dhcpd.conf:5:9")


def test_a_file_that_is_not_there_is_told_where_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        analysed(tmp_path, SUBNET, SITE.replace("servers/dhcpd.conf", "servers/none.conf"))
    assert refused.value.problems[0].position.line == 6


def test_clients_are_cut_by_what_the_file_tells_apart(tmp_path: Path) -> None:
    text = SUBNET + 'class "lab" { match if substring(hardware, 1, 3) = 52:54:00; filename "lab.0"; }\n'
    text += 'host one { hardware ethernet 52:54:00:00:00:01; filename "one.0"; }\n'
    site = AnalysedSite(load_inventory(written(tmp_path, text)))
    one, lab, other = (
        site.space.class_of(parse_mac(mac))
        for mac in ("52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:01:00:00:00")
    )
    assert (one.size, lab.size) == (1, (1 << 24) - 1)
    assert len({one.number, lab.number, other.number}) == 3
    files = {
        case.client.macs.number: site.scopes.handed(site.heard_scopes("office")[0], case.client).file
        for case in site.cases
    }
    told = {number: file and file[0] for number, file in files.items()}
    assert (told[one.number], told[lab.number], told[other.number]) == ("one.0", "lab.0", None)


def test_explain_names_the_line(tmp_path: Path) -> None:
    text = (
        SUBNET
        + 'host one { hardware ethernet 52:54:00:00:00:01;\n filename "one.0"; next-server 10.10.0.6; }\n'
    )
    inventory = load_inventory(written(tmp_path, text))
    case = ClientCase(mac=parse_mac("52:54:00:00:00:01"), vlan="office", architecture="bios", firmware="ipxe")
    result = race(build_world(inventory), case)
    (place,) = {str(deciding_place(inventory, case, o)) for o in result.outcomes if o.decided_by == "dhcp"}
    assert place.endswith("servers/dhcpd.conf:6:2")


def test_both_ways_of_an_open_condition_are_raced(tmp_path: Path) -> None:
    text = SUBNET.replace("  range 10.10.1.0 10.10.1.255;\n", "")
    text = text.replace(
        "}\n", "  pool { range 10.10.1.0 10.10.1.255; allow after 4 2040/01/05 00:00:00; }\n}\n"
    )
    site = AnalysedSite(load_inventory(written(tmp_path, text)))
    case = next(c for c in site.cases if c.client.architecture == "uefi-x64")
    assert site.winners(case.client) == {None, "boot"}
    places = [str(f.position) for f in analyse(load_inventory(tmp_path)).findings if f.code.code == "CX118"]
    assert [place.rpartition("/")[2] for place in places] == ["dhcpd.conf:3:39"]


@pytest.mark.parametrize(("count", "worlds", "tells"), [(1, 1, False), (3, 7, False), (4, 5, True)])
def test_how_many_open_conditions_are_raced_in_every_combination(
    tmp_path: Path, count: int, worlds: int, tells: bool
) -> None:
    """Of more than three each alone and all together: what is not raced is told, with how many there are."""
    pools = "".join(
        f"  pool {{ range 10.10.{n}.0 10.10.{n}.255; allow after 4 2040/01/0{n} 00:00:00; }}\n"
        for n in range(1, count + 1)
    )
    text = SUBNET.replace("  range 10.10.1.0 10.10.1.255;\n", pools)
    inventory = load_inventory(written(tmp_path, text))
    assert len(list(other_worlds(inventory, build_world(inventory)))) == worlds
    found = [f for f in analyse(inventory).findings if f.code.code == "CX118"]
    assert len(found) == count
    assert all((f"{count} conditions" in finding.repair) is tells for finding in found)


def test_two_servers_by_their_files_lease_the_same_addresses(tmp_path: Path) -> None:
    site = SITE.replace(
        "  boot:\n",
        "  two: {software: isc-dhcpd, address: 10.10.0.7, vlan: office, config: servers/two.conf}\n  boot:\n",
    )
    (tmp_path / "servers").mkdir()
    (tmp_path / "servers" / "two.conf").write_text(SUBNET)
    places = {f.code.code: str(f.position) for f in analysed(tmp_path, SUBNET, site).findings}
    assert places["CX208"].endswith("two.conf:3:3"), places


def test_a_reservation_that_its_own_file_hands_out_needs_no_scope(tmp_path: Path) -> None:
    told = {"00:00:01": "10.10.2.7", "00:00:02": "10.10.2.9"}
    hosts = "".join(
        f"host h{n} {{ hardware ethernet 52:54:00:{mac}; fixed-address {address}; }}\n"
        for n, (mac, address) in enumerate(told.items())
    )
    wanted = {"00:00:01": "10.10.2.7", "00:00:02": "10.10.2.8", "00:00:03": "10.10.1.4"}
    rows = "".join(f'  - {{mac: "52:54:00:{mac}", address: {address}}}\n' for mac, address in wanted.items())
    found = analysed(tmp_path, hosts + SUBNET, f"{SITE}clients:\n{rows}")
    (lost,) = [finding for finding in found.findings if finding.code.code == "CX221"]
    # One has another address in the file, and one has none of its own.
    assert lost.clients == 2
    assert "10.10.1.4" in lost.message


def test_it_is_never_rendered(tmp_path: Path) -> None:
    assert set(render_site(load_inventory(written(tmp_path, SUBNET))).left_out) == {"dhcp"}


def test_scopes_and_own_files_exclude_each_other(tmp_path: Path) -> None:
    site = SITE + "scopes:\n  office: {server: dhcp, vlan: office, pools: [10.10.2.0-10.10.2.9]}\n"
    with pytest.raises(InputError) as refused:
        analysed(tmp_path, SUBNET, site)
    assert refused.value.problems[0].position.line == site[: site.index("  office: {server")].count("\n") + 1


PAIR = """failover peer "pair" {{
  {role};
  address {own}; port 647;
  peer address {other}; peer port 647;
  max-response-delay 60; max-unacked-updates 10;
  load balance max seconds 3;
  {more}
}}
subnet 10.10.0.0 netmask 255.255.0.0 {{
  option routers 10.10.0.1;
  pool {{ failover peer "pair"; range 10.10.1.0 10.10.1.255; }}
}}
{last}
"""


def pair_of(folder: Path, first: str = "", second: str = "") -> Analysis:
    site = SITE.replace(
        "  boot:\n",
        "  two: {software: isc-dhcpd, address: 10.10.0.7, vlan: office, config: servers/two.conf}\n  boot:\n",
    )
    (folder / "servers").mkdir()
    (folder / "servers" / "two.conf").write_text(
        PAIR.format(role="secondary", own="10.10.0.7", other="10.10.0.5", more="", last=second)
    )
    shares = "mclt 600; split 64;"
    text = PAIR.format(role="primary", own="10.10.0.5", other="10.10.0.7", more=shares, last=first)
    return analysed(folder, text, site)


def test_a_failover_pair_shares_its_pools(tmp_path: Path) -> None:
    found = pair_of(tmp_path)
    assert codes(found) == set()
    (scope,) = found.site.site.scopes.values()
    assert scope.servers == ("dhcp", "two")


def test_each_client_is_answered_by_the_server_of_its_bucket(tmp_path: Path) -> None:
    inventory = pair_of(tmp_path).site.inventory
    counted = 0
    for number in range(256):
        mac = mac_bytes(parse_mac(f"52:54:00:00:00:{number:02x}"))
        answers = []
        for name in ("dhcp", "two"):
            config = own_config(inventory, name)
            assert config is not None
            for secs in (0, 4):
                packet = Packet(op=1, secs=secs, chaddr=mac, options={53: b"\1"})
                address = inventory.site.servers[name].stands_on["office"]
                arrival = Arrival(packet=packet, at=0.0, port=67, address=address, source=(UNSPECIFIED, 68))
                lease = config.leases(arrival)
                assert isinstance(lease, Lease)
                answers.append(not lease.left_to)
        assert answers[0] != answers[2]
        assert (answers[1], answers[3]) == (True, True)
        assert answers[0] == (bucket(mac) < 64)
        counted += answers[0]
    assert 0 < counted < 256


def test_a_pair_that_boots_clients_differently_is_told(tmp_path: Path) -> None:
    found = pair_of(tmp_path, second='filename "other.0";\n')
    finding = next(f for f in found.findings if f.code.code == "CX209")
    assert str(finding.position).endswith("servers/dhcpd.conf:9:1")
    assert finding.witness is not None


def test_the_rules_of_a_drop_in_that_is_begun_stand_in_it_together(tmp_path: Path) -> None:
    site = SITE.replace(
        "architectures:",
        "  other: {software: coexist, address: 10.10.0.7, vlan: office, answers: intended,"
        " programs: {bios: pxelinux.0, uefi-x64: grubx64.efi}}\n"
        'groups: {thin: {macs: ["52:54:00:00:00:01"]}}\narchitectures:',
    )
    site = site.replace("intent:\n", "intent:\n  - {clients: thin, boot_from: other}\n")
    config = SUBNET.replace("  range", '  next-server 10.10.0.9;\n  filename "old.0";\n  range')
    found = [f for f in analysed(tmp_path, config, site).findings if f.code.code == "CX401"]
    assert found
    for finding in found:
        begun = [edit for edit in finding.edits if edit.path == ("servers", "dhcp", "dropin")]
        assert [[rule["next_server"] for rule in edit.value["rules"]] for edit in begun] == [
            ["other", "boot"]
        ]


# The list of boot servers of option 43 (PXE 2.1, 2.1.1): type 7 at 10.20.0.9, asked by unicast.
LISTED = """option vendor-class-identifier "PXEClient";
option vendor-encapsulated-options
  06:01:02:08:07:00:07:01:0a:14:00:09:09:0a:00:07:07:4d:61:6e:61:67:65:64:0a:03:00:46:38:ff;
"""
ELSEWHERE = """
site: example
vlans:
  office: {id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1}
  servers: {id: 20, subnet: 10.20.0.0/24, gateway: 10.20.0.1}
servers:
  dhcp: {software: isc-dhcpd, address: 10.10.0.5, vlan: office, config: servers/dhcpd.conf}
  boot:
    software: generic
    address: 10.20.0.9
    vlan: servers
    roles: [boot-server, tftp]
    programs: {bios: boot.0}
    answers: {only: lab}
groups:
  lab: {oui: "52:54:01"}
architectures: {bios: pxe21}
intent:
  - {clients: everyone, vlan: office, boot_from: boot}
"""


def test_a_boot_server_elsewhere_that_a_file_names_tells_clients_apart(tmp_path: Path) -> None:
    """Both classes are equal to the file; a server that hears nothing from their VLAN answers one of them."""
    site = AnalysedSite(load_inventory(written(tmp_path, LISTED + SUBNET, ELSEWHERE)))
    lab, others = parse_mac("52:54:01:00:00:01"), parse_mac("52:54:02:00:00:01")
    classes = {
        mac: case.client
        for mac in (lab, others)
        for case in site.cases
        if case.client.vlan == "office" and mac in case.client.macs.members
    }
    ends = {mac: site.winners(client) for mac, client in classes.items()}
    for mac, winners in ends.items():
        raced = race(
            build_world(site.inventory),
            ClientCase(mac=mac, vlan="office", architecture="bios", firmware="pxe21"),
        )
        assert winners == set(raced.winners)
        assert site.winners(classes[mac], frozenset({"boot"})) == {None}
    assert ends[lab] != ends[others]
