"""An import whose words would change an answer declares the server by its own file."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from coexist.analysis import analyse, exact_replies
from coexist.analysis.exact_replies import compare_exactly
from coexist.app import import_proof, imports
from coexist.app.convert import sides
from coexist.app.convert.written import Written
from coexist.app.imports import import_source
from coexist.cli import run
from coexist.importers import Imported
from coexist.importers.kinds import kinds
from coexist.importers.written import clients_csv, site_yaml
from coexist.inventory import Inventory, load_inventory
from coexist.render import render_site
from tests.harness.matrix import place_of

OWN = sorted((Path(__file__).parents[2] / "data" / "own-files" / "dnsmasq").glob("*.conf"))
# A menu that leases carry: no inventory has words for it.
MENU = """port=0
no-ping
dhcp-range=10.42.7.20,10.42.7.90,255.255.255.0,8h
dhcp-option=option:router,10.42.7.1
pxe-prompt="Which system?",5
pxe-service=x86PC,"Rescue",rescue
"""
# Its own address as router and DNS server, an order of options and a domain: said in words.
PLAIN = """domain=lab.example
no-ping
dhcp-range=10.42.7.20,10.42.7.90,255.255.255.0,8h
dhcp-option=26,1400
dhcp-option=42,10.42.7.1
dhcp-option=4,10.42.7.1
dhcp-option=129,NIC=eepro100
dhcp-match=set:efi,option:client-arch,7
dhcp-boot=tag:efi,ipxe.efi,,10.42.7.5
dhcp-boot=undionly.kpxe
"""
PROXY = """port=0
dhcp-range=10.42.8.0,proxy,255.255.255.0
pxe-service=x86PC,"Rescue",rescue
"""


def imported(folder: Path, text: str, *more: str) -> Inventory:
    folder.mkdir(exist_ok=True)
    (folder / "dnsmasq.conf").write_text(text)
    site = folder / "site"
    arguments = ["import", "dnsmasq", str(folder / "dnsmasq.conf"), "-o", str(site), *more]
    assert run([*arguments, "--address", "10.42.7.9"]) == 0
    return load_inventory(site)


def test_a_menu_that_leases_carry_keeps_the_servers_file(tmp_path: Path, capsys) -> None:
    inventory = imported(tmp_path, MENU)
    server = inventory.site.servers["dnsmasq"]
    assert dict(server.config) == {"/etc/dnsmasq.conf": "servers/dnsmasq/etc/dnsmasq.conf"}
    assert server.whole
    assert server.effective_roles == {"dhcp"}
    assert not inventory.site.scopes
    said = capsys.readouterr().err
    assert "dnsmasq.conf:5:1" in said
    assert "dnsmasq.conf:6:1" in said
    (rendered,) = (f for f in render_site(inventory).files["dnsmasq"] if f.path == "own/etc/dnsmasq.conf")
    assert (rendered.content.decode(), rendered.target) == (MENU, "/etc/dnsmasq.conf")
    assert analyse(inventory).findings is not None


def test_words_are_taken_all_the_same_where_they_are_asked_for(tmp_path: Path) -> None:
    inventory = imported(tmp_path, MENU, "--in-words")
    server = inventory.site.servers["dnsmasq"]
    assert (len(server.config), len(server.left_out), len(inventory.site.scopes)) == (0, 2, 1)


def test_what_a_leasing_server_tells_is_said_in_words(tmp_path: Path) -> None:
    inventory = imported(tmp_path, PLAIN)
    server, (scope,) = inventory.site.servers["dnsmasq"], inventory.site.scopes.values()
    assert scope.literal
    assert not server.config
    assert scope.option_order == (129, 4, 42, 26)
    assert {code: str(scope.options[code]) for code in (3, 6, 15)} == {
        3: "10.42.7.9",
        6: "10.42.7.9",
        15: "lab.example",
    }
    (file,) = (f for f in render_site(inventory).files["dnsmasq"] if f.path == "dnsmasq.conf")
    lines = file.content.decode().splitlines()
    codes = [int(line.split(",")[1]) for line in lines if re.match(r"dhcp-option=[^,]*,\d", line)]
    # The last line of a file comes first in a reply; what dnsmasq tells by itself has none.
    assert codes == [26, 42, 4, 129]
    assert not {"dhcp-no-override", "dhcp-ignore-clid"} & set(lines)
    assert 'dhcp-option=tag:scope-net-10.42.7.0,129,"NIC=eepro100"' in lines


def test_an_order_that_names_the_router_gives_it_a_line(tmp_path: Path) -> None:
    text = "port=0\nno-ping\ndhcp-range=10.42.7.20,10.42.7.90,255.255.255.0\ndhcp-option=3,10.42.7.9\n"
    inventory = imported(tmp_path, text)
    (scope,) = inventory.site.scopes.values()
    assert scope.option_order == (3,)
    (file,) = (f for f in render_site(inventory).files["dnsmasq"] if f.path == "dnsmasq.conf")
    assert b"dhcp-option=tag:scope-net-10.42.7.0,3,10.42.7.9" in file.content


def test_a_client_that_ends_its_texts_with_a_nul_is_no_reason_that_breaks_the_yaml(tmp_path: Path) -> None:
    text = "no-ping\ndhcp-range=10.42.7.20,10.42.7.90,255.255.255.0,8h\n" + 'dhcp-option=252,"\\n"\n'
    assert imported(tmp_path, text).site.servers["dnsmasq"].config


def test_a_server_that_ignores_everybody_keeps_its_range(tmp_path: Path) -> None:
    text = "port=0\nno-ping\ndhcp-range=10.42.7.20,10.42.7.90,255.255.255.0\ndhcp-ignore=tag:!known\n"
    assert imported(tmp_path, text).site.servers["dnsmasq"].config


def test_words_that_answer_alike_are_taken(tmp_path: Path) -> None:
    (tmp_path / "dnsmasq.conf").write_text(PROXY)
    taken = import_source("dnsmasq", [tmp_path / "dnsmasq.conf"])
    assert not taken.own_files
    assert "settings" in taken.tree["servers"]["dnsmasq"]


def test_a_second_server_has_its_files_below_its_own_name(tmp_path: Path) -> None:
    imported(tmp_path, MENU)
    other = MENU.replace("10.42.7.", "10.42.9.")
    (tmp_path / "other.conf").write_text(other)
    site = tmp_path / "site"
    assert (
        run(["import", "dnsmasq", str(tmp_path / "other.conf"), "-o", str(site), "--address", "10.42.9.9"])
        == 0
    )
    servers = load_inventory(site).site.servers
    assert set(servers) == {"dnsmasq", "dnsmasq-2"}
    assert (site / servers["dnsmasq"].config["/etc/dnsmasq.conf"]).read_text() == MENU
    assert (site / servers["dnsmasq-2"].config["/etc/dnsmasq.conf"]).read_text() == other


def folder_with_a_menu(tmp_path: Path, more: str = "") -> tuple[Path, str]:
    folder = tmp_path / "etc"
    (folder / "dnsmasq.d").mkdir(parents=True)
    (folder / "dnsmasq.d" / "menu.conf").write_text('pxe-service=x86PC,"Rescue",rescue\n')
    return folder, MENU.rpartition("pxe-service")[0] + f"conf-dir=/etc/dnsmasq.d\n{more}"


def test_included_files_come_along(tmp_path: Path) -> None:
    inventory = imported(*folder_with_a_menu(tmp_path))
    files = inventory.site.servers["dnsmasq"].config
    assert list(files) == ["/etc/dnsmasq.conf", "/etc/dnsmasq.d/menu.conf"]
    assert [f.path for f in render_site(inventory).files["dnsmasq"]][:2] == [f"own{path}" for path in files]


def test_a_file_with_a_secret_is_not_copied(tmp_path: Path) -> None:
    inventory = imported(*folder_with_a_menu(tmp_path, "dhcp-script=/x --token hunter2\n"))
    assert not inventory.site.servers["dnsmasq"].config
    assert {f.code.code for f in render_site(inventory).findings} == {"CX524"}
    assert not any("hunter2" in path.read_text() for path in inventory.root.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_what_is_rendered_answers_as_the_file_did(path: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    place = place_of(path.read_text())
    card = f"{place.server}/{place.network.prefixlen}"
    options = ["--include-root", str(path.parent), "--address", card]
    assert run(["import", "dnsmasq", str(path), "-o", str(site), *options]) == 0
    inventory = load_inventory(site)
    server = inventory.site.servers["dnsmasq"]
    files = {file.path: file.content for file in render_site(inventory).files["dnsmasq"]}
    if server.config:
        assert files["own/etc/dnsmasq.conf"] == path.read_bytes()
        return
    if server.left_out:
        # It holds a secret, so it is not copied, and not written anew either.
        assert "CX524" in {finding.code.code for finding in render_site(inventory).findings}
        return
    arguments = [str(tmp_path / "own"), "dnsmasq", "--software", "dnsmasq", "--from", str(path)]
    address = str(next(iter(server.stands_on.values())))
    assert run(["adopt", *arguments, "--address", address]) == 0
    before = load_inventory(tmp_path / "own")
    written = Written(path="dnsmasq.conf", text=files["dnsmasq.conf"].decode())
    assert compare_exactly(*sides(before, "dnsmasq", before.site.servers["dnsmasq"], written)).first == ""


def test_a_reply_that_differs_in_its_order_is_told(tmp_path: Path) -> None:
    general = "port=0\nno-ping\ndhcp-range=10.42.7.20,10.42.7.90,255.255.255.0\n"
    text = f"{general}dhcp-option=42,10.42.7.1\ndhcp-option=4,10.42.7.1\n"
    swapped = f"{general}dhcp-option=4,10.42.7.1\ndhcp-option=42,10.42.7.1\n"
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "dnsmasq.conf").write_text(text)
    arguments = ["--software", "dnsmasq", "--from", str(tmp_path / "server" / "dnsmasq.conf")]
    assert run(["adopt", str(tmp_path / "own"), "dnsmasq", *arguments, "--address", "10.42.7.9"]) == 0
    own = load_inventory(tmp_path / "own")
    server = own.site.servers["dnsmasq"]
    same, other = (
        compare_exactly(*sides(own, "dnsmasq", server, Written(path="dnsmasq.conf", text=written)))
        for written in (text, swapped)
    )
    assert (same.first, same.compared) == ("", same.packets)
    assert "order" in other.first
    assert other.compared < other.packets


DHCPD = """authoritative;
default-lease-time 600;
subnet 10.42.6.0 netmask 255.255.255.0 {
  range 10.42.6.100 10.42.6.199;
  option routers 10.42.6.1;
  next-server 10.42.6.3;
  if substring(option vendor-class-identifier, 0, 9) = "PXEClient" { filename "pxelinux.0"; }
}
"""
PATTERN = """class "phones" { match if option vendor-class-identifier ~= "^Tel-[0-9]+$";
  option tftp-server-name "10.42.6.4"; }
"""
HOST = "host pc{0} {{ hardware ethernet 02:00:00:42:{1:02x}:{2:02x}; fixed-address 10.42.6.{3}; }}\n"
KEA = """{"Dhcp4": {"valid-lifetime": 600, "subnet4": [{"id": 7, "subnet": "10.42.5.0/24",
  "pools": [{"pool": "10.42.5.100 - 10.42.5.199"}],
  "next-server": "10.42.5.3", "boot-file-name": "pxelinux.0", "reservations": [
  {"hw-address": "02:00:00:42:05:01", "ip-address": "10.42.5.10"}]}]}}
"""


def taken(folder: Path, kind: str, text: str) -> Imported:
    (folder / "source").write_text(text)
    return import_source(kind, [folder / "source"], address=IPv4Address("10.42.1.1"))


@pytest.mark.parametrize(("kind", "text"), [("dhcpd", DHCPD + HOST.format(1, 0, 1, 20)), ("kea", KEA)])
def test_a_server_that_words_say_is_said_in_words(tmp_path: Path, kind: str, text: str) -> None:
    found = taken(tmp_path, kind, text)
    assert not found.own_files
    (scope,) = found.tree["scopes"].values()
    # Neither daemon adds options 66 and 67 to its header.
    assert scope["literal"] is True


def test_without_a_redactor_no_file_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = kinds()["dnsmasq"]
    assert kind.product is not None
    unsafe = replace(kind, product=replace(kind.product, redactor=""))
    monkeypatch.setattr(imports, "kinds", lambda: {"dnsmasq": unsafe})
    found = taken(tmp_path, "dnsmasq", MENU)
    assert not found.own_files
    assert found.comments["servers"]


@pytest.mark.parametrize(
    ("kind", "text", "place"),
    [
        ("dhcpd", DHCPD + PATTERN, "source:9:18"),
        # No inventory says two names of one server.
        ("dhcpd", DHCPD.replace("next-server", 'server-name "boot";\n  next-server'), "source:6:3"),
    ],
)
def test_a_server_that_words_would_change_keeps_its_file(
    tmp_path: Path, kind: str, text: str, place: str
) -> None:
    found = taken(tmp_path, kind, text)
    assert list(found.own_files.values()) == [text]
    assert "scopes" not in found.tree
    assert place in " ".join(found.comments["servers"])


def test_a_choice_of_the_packets_is_compared_where_all_are_too_many(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(exact_replies, "MOST_PACKETS", 100)
    found = taken(tmp_path, "dhcpd", DHCPD)
    assert not found.own_files
    assert "100 of " in found.comments["servers"][0]


def test_of_many_clients_none_is_compared_and_it_is_told(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(imports, "MOST_CLIENTS", 2)
    hosts = "".join(HOST.format(n, 0, n, 20 + n) for n in range(3))
    found = taken(tmp_path, "dhcpd", DHCPD + hosts)
    assert not found.own_files
    assert "not proven" in found.comments["servers"][0]
    kept = taken(tmp_path, "dhcpd", DHCPD + PATTERN + hosts)
    assert len(kept.own_files) == 1


def test_the_partner_of_a_server_that_keeps_its_file_is_imported_by_its_own(tmp_path: Path) -> None:
    peers = [
        {"name": "one", "url": "http://10.42.9.2:8000/", "role": "primary"},
        {"name": "two", "url": "http://10.42.9.3:8000/", "role": "standby"},
    ]
    relation = {"this-server-name": "one", "mode": "hot-standby", "peers": peers}
    hook = {"library": "/x/libdhcp_ha.so", "parameters": {"high-availability": [relation]}}
    odd = {"name": "odd", "test": "pkt4.giaddr == 10.42.9.1", "boot-file-name": "odd.0"}
    subnet = {"id": 7, "subnet": "10.42.9.0/24", "pools": [{"pool": "10.42.9.20 - 10.42.9.90"}]}
    dhcp4 = {"hooks-libraries": [hook], "client-classes": [odd], "subnet4": [subnet]}
    (tmp_path / "kea.json").write_text(json.dumps({"Dhcp4": dhcp4}))
    arguments = ["import", "kea", str(tmp_path / "kea.json"), "-o", str(tmp_path / "site")]
    assert run([*arguments, "--address", "10.42.9.2"]) == 0
    inventory = load_inventory(tmp_path / "site")
    assert [bool(server.config) for server in inventory.site.servers.values()] == [True]
    assert list(render_site(inventory).files) == ["dhcp"]


SECRET = 'key omapi { algorithm hmac-md5; secret "c2VjcmV0c2VjcmV0"; };\nomapi-key omapi;\n'


def test_a_server_with_a_secret_is_compared_and_its_file_is_not_copied(tmp_path: Path, monkeypatch) -> None:
    alike = taken(tmp_path, "dhcpd", SECRET + DHCPD)
    assert not alike.tree["servers"]["dhcp"].get("left_out")
    # As if words said another file name.
    other = render_site(load_inventory(_written(alike, tmp_path / "alike"))).files["dhcp"][0]
    text = other.content.replace(b"pxelinux.0", b"lpxelinux.0")
    changed_file = replace(other, content=text)
    monkeypatch.setattr(import_proof, "written", lambda _: (changed_file,))
    changed = taken(tmp_path, "dhcpd", SECRET + DHCPD)
    assert not changed.own_files
    (left_out,) = changed.tree["servers"]["dhcp"]["left_out"]
    assert "file" in left_out
    assert "adopt" in changed.comments["servers"][-1]
    # Without the secret the file is kept.
    assert taken(tmp_path, "dhcpd", DHCPD).own_files


def _written(imported: Imported, folder: Path) -> Path:
    folder.mkdir()
    (folder / "site.yaml").write_text(site_yaml(imported))
    (folder / "clients.csv").write_text(clients_csv(imported.clients))
    return folder


def test_a_subnet_that_is_only_told_to_the_daemon_changes_nothing(tmp_path: Path) -> None:
    """dhcpd must know the networks of its cards; nothing is leased there, in words and by its own file."""
    text = DHCPD.replace("authoritative;\n", "") + "subnet 10.42.3.0 netmask 255.255.255.0 { }\n"
    assert not taken(tmp_path, "dhcpd", text).own_files
    for more, codes in (("", set()), ("range 10.42.3.10 10.42.3.20;", {"CX207"})):
        file = tmp_path / "dhcpd.conf"
        file.write_text(text.replace("{ }", f"{{ {more} }}"))
        folder = tmp_path / f"own{len(codes)}"
        arguments = [str(folder), "dhcp", "--software", "isc-dhcpd", "--from", str(file)]
        assert run(["adopt", *arguments, "--address", "10.42.6.1"]) == 0
        found = {finding.code.code for finding in analyse(load_inventory(folder)).findings}
        assert found & {"CX207"} == codes
