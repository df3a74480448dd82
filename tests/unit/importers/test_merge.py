"""Several sources in one site: what collides is told, and the inventory keeps loading."""

from __future__ import annotations

import re
from pathlib import Path

from coexist.cli import run
from coexist.inventory import load_inventory

HOSTS = 'host a {{ hardware ethernet 52:54:00:00:00:01; fixed-address {net}.5; filename "{file}"; }}\n'
SUBNET = "subnet {net}.0 netmask 255.255.255.0 {{ range {net}.100 {net}.150; {more} }}\n"


def source(directory: Path, name: str, net: str, file: str, more: str = "") -> str:
    path = directory / name
    path.write_text(SUBNET.format(net=net, more=more) + HOSTS.format(net=net, file=file))
    return str(path)


def test_two_servers_on_one_subnet_stand_side_by_side(tmp_path: Path) -> None:
    first = source(tmp_path, "one.conf", "10.0.0", "one.0")
    second = source(tmp_path, "two.conf", "10.0.0", "two.0", "deny unknown-clients;")
    site = tmp_path / "site"
    assert run(["import", f"dhcpd:{first}", f"dhcpd:{second}", "-o", str(site)]) == 0
    inventory = load_inventory(site)
    assert set(inventory.site.servers) == {"dhcp", "dhcp-2"}
    assert [scope.vlan for scope in inventory.site.scopes.values()] == ["net-10.0.0.0"] * 2
    assert len(inventory.clients) == 1
    text = (site / "conflicts.md").read_text()
    assert "MAC 52:54:00:00:00:01" in text
    assert re.search(r"DHCP .*\b10\.0\.0\.0/24", text)
    # The machine is registered once and stays known to the second server.
    assert inventory.group("known-to-dhcp").size == 1


def test_an_overlapping_subnet_is_left_out_and_told(tmp_path: Path) -> None:
    first = source(tmp_path, "one.conf", "10.0.0", "one.0")
    wide = tmp_path / "wide.conf"
    wide.write_text("subnet 10.0.0.0 netmask 255.255.0.0 { range 10.0.9.1 10.0.9.9; }\n")
    site = tmp_path / "site"
    assert run(["import", "dhcpd", first, "-o", str(site)]) == 0
    assert run(["import", "dhcpd", str(wide), "-o", str(site)]) == 0
    assert "overlaps 10.0.0.0/24" in (site / "conflicts.md").read_text()
    assert len(load_inventory(site).site.scopes) == 1


def test_each_server_that_no_subnet_holds_stands_in_a_vlan_of_its_own(tmp_path: Path) -> None:
    """The second source's subnet holds the first one's server, so it is left out, and its own server's place
    with it."""
    site = tmp_path / "site"
    first = source(tmp_path, "one.conf", "10.0.0", "one.0")
    wide = source(tmp_path, "two.conf", "10.7.7", "two.0", "option routers 10.7.7.1;")
    assert run(["import", "dhcpd", first, "-o", str(site), "--address", "10.7.7.8"]) == 0
    assert run(["import", "dhcpd", wide, "-o", str(site), "--address", "10.7.7.9"]) == 0
    inventory = load_inventory(site)
    stands = {
        str(s.address): s.vlan for s in inventory.site.servers.values() if s.product.name == "isc-dhcpd"
    }
    assert set(stands) == {"10.7.7.8", "10.7.7.9"}
    assert len(set(stands.values())) == 2
    assert "overlaps 10.7.7.8/32" in (site / "conflicts.md").read_text()


def test_a_refused_file_writes_nothing(tmp_path: Path, capsys) -> None:
    bad = tmp_path / "bad.conf"
    bad.write_text('option routers 10.0.0.1\n\nfilename "x";\n')
    assert run(["import", "dhcpd", str(bad), "-o", str(tmp_path / "site")]) == 2
    assert f"{bad}:3:" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()
