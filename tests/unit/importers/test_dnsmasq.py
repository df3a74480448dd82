"""dnsmasq.conf: whom its lines are for, and which of them change no answer."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from coexist.cli import run
from coexist.errors import InputError
from coexist.importers import Imported, import_files
from coexist.importers.merge import merge
from coexist.importers.written import clients_csv, site_yaml
from coexist.inventory import Inventory, inventory_from_tree, load_inventory
from coexist.render import render_site

RANGE = "dhcp-range=10.0.0.50,10.0.0.99,255.255.255.0,1h\nlisten-address=10.0.0.2\n"


@pytest.fixture
def read(tmp_path: Path):
    def imported(text: str) -> Imported:
        path = tmp_path / "dnsmasq.conf"
        path.write_text(RANGE + dedent(text))
        return import_files("dnsmasq", [path])

    return imported


def written(imported: Imported, directory: Path) -> Inventory:
    (directory / "site.yaml").write_text(site_yaml(imported))
    (directory / "clients.csv").write_text(clients_csv(imported.clients))
    return load_inventory(directory / "site.yaml")


def told(imported: Imported) -> dict[str, str]:
    return {entry.statement: entry.why for entry in imported.not_modelled}


def scope(imported: Imported) -> dict[str, Any]:
    (found,) = imported.tree["scopes"].values()
    return found


def test_a_pattern_makes_machines_known(read):
    imported = read(
        """\
        dhcp-host=02:00:00:*:*:*,set:lab
        dhcp-host=52:54:00:00:00:01,a
        dhcp-ignore=tag:!known
        """
    )
    (rule,) = scope(imported)["rules"]
    assert rule["ignore"]
    group = imported.tree["groups"][rule["clients"]]
    assert group["groups"] == ["everyone"]
    kept = [imported.tree["groups"][name] for name in group["except"]]
    assert {"where": {"source": "dnsmasq"}} in kept
    assert {"prefix": ["02:00:00"]} in kept


def test_a_pattern_is_not_for_machines_with_a_line_of_their_own(read):
    # find_config: an exact address first, then the pattern with the fewest stars.
    imported = read(
        """\
        dhcp-host=52:54:00:*:*:*,set:lab
        dhcp-host=52:54:00:11:*:*,set:near
        dhcp-host=52:54:00:00:00:01,a
        dhcp-boot=tag:lab,lab.0
        """
    )
    (rule,) = scope(imported)["rules"]
    group = imported.tree["groups"][rule["clients"]]
    names = {name: imported.tree["groups"][name] for name in group["except"]}
    assert sorted(map(str, names.values())) == [
        "{'prefix': ['52:54:00:11']}",
        "{'where': {'source': 'dnsmasq'}}",
    ]


def test_an_address_of_two_lines_is_refused_as_the_daemon_does(read, tmp_path: Path):
    lines = "dhcp-host=52:54:00:00:00:01,10.0.0.5,a\ndhcp-host=52:54:00:00:00:02,10.0.0.5,b\n"
    with pytest.raises(InputError, match=r"dnsmasq\.conf:4:1: .*\b10\.0\.0\.5\b"):
        read(lines)
    # Of a hosts file it skips the line and goes on.
    (tmp_path / "hosts").write_text(lines.replace("dhcp-host=", ""))
    imported = read(f"dhcp-hostsfile={tmp_path / 'hosts'}\n")
    assert [row.name for row in imported.clients] == ["a"]
    (skipped,) = (entry for entry in imported.not_modelled if entry.position.file == str(tmp_path / "hosts"))
    assert skipped.position.line == 2


PROXIES = """\
    dhcp-range=10.0.1.0,proxy,255.255.255.0
    dhcp-range=10.0.2.0,proxy,255.255.255.0
    listen-address=10.0.2.9
    pxe-service=x86PC,"a",a.0
"""


def test_a_proxy_stands_on_each_of_its_subnets(tmp_path: Path):
    path = tmp_path / "dnsmasq.conf"
    path.write_text(dedent(PROXIES))
    imported = import_files("dnsmasq", [path])
    server = imported.tree["servers"]["dnsmasq"]
    assert server["addresses"] == {"net-10.0.2.0": "10.0.2.9", "net-10.0.1.0": "10.0.1.1"}
    assert any("10.0.1.1 is assumed" in note for note in imported.comments[""])
    rendered = render_site(written(imported, tmp_path)).files["dnsmasq"][0].content.decode()
    ranges = [line for line in rendered.splitlines() if line.startswith("dhcp-range")]
    assert ranges == ["dhcp-range=10.0.1.0,proxy,255.255.255.0", "dhcp-range=10.0.2.0,proxy,255.255.255.0"]


def test_a_proxy_of_several_subnets_comes_into_a_site_that_has_one_of_them(tmp_path: Path):
    path = tmp_path / "dnsmasq.conf"
    path.write_text(dedent(PROXIES))
    tree = {
        "site": "there",
        "vlans": {"office": {"id": 7, "subnet": "10.0.1.0/24"}},
        "servers": {"old": {"software": "wds", "address": "10.0.1.5", "vlan": "office"}},
    }
    merged, _ = merge(inventory_from_tree(tree), import_files("dnsmasq", [path]))
    assert merged.tree["servers"]["dnsmasq"]["addresses"] == {
        "net-10.0.2.0": "10.0.2.9",
        "office": "10.0.1.1",
    }


BOTH = """\
    dhcp-range=10.0.3.0,proxy,255.255.255.0
    dhcp-match=set:efi,option:client-arch,7
    dhcp-host=52:54:00:00:00:01,a
    dhcp-ignore=tag:!known
    dhcp-boot=tag:efi,first.efi,,10.0.0.9
    dhcp-option=3,10.0.0.1
    pxe-service=x86PC,"a",a.0,10.0.0.9
    pxe-service=x86PC,"disk",0
    pxe-prompt="menu",2
    dhcp-reply-delay=1
    enable-tftp
"""


def test_leases_here_and_a_proxy_there_are_two_servers_on_one_host(read, tmp_path: Path):
    imported = read(BOTH)
    leases, proxy = imported.tree["servers"]["dnsmasq"], imported.tree["servers"]["dnsmasq-proxy"]
    assert (leases["roles"], leases["vlan"]) == (["dhcp", "tftp"], "net-10.0.0.0")
    assert (proxy["roles"], proxy["vlan"]) == (["proxydhcp", "tftp"], "net-10.0.3.0")
    assert leases["host"] == proxy["host"] == "dnsmasq"
    assert leases["delay"] == proxy["delay"] == 1
    assert proxy["answers"] == {"only": "known-to-dnsmasq"}
    assert proxy["programs"] == {
        "bios": {"file": "a.0", "server": "10.0.0.9"},
        "uefi-x64": {"file": "first.efi", "server": "10.0.0.9"},
    }
    assert proxy["settings"]["pxe-service"] == ['x86PC,"a",a.0,10.0.0.9', 'x86PC,"disk",0']
    assert [rule.get("filename") for rule in scope(imported)["rules"]] == [None, "first.efi"]
    # Where addresses are leased the menu is not said.
    assert 'pxe-prompt="menu",2' in told(imported)
    assert "dhcp-option=3,10.0.0.1" not in told(imported)

    rendered = render_site(written(imported, tmp_path))
    files = {name: rendered.files[name][0] for name in ("dnsmasq", "dnsmasq-proxy")}
    assert len({file.target for file in files.values()}) == 2
    text = files["dnsmasq-proxy"].content.decode()
    assert "dhcp-range=10.0.3.0,proxy,255.255.255.0" in text
    assert 'pxe-service=x86PC,"a",a.0,10.0.0.9' in text
    assert "proxy" not in files["dnsmasq"].content.decode()
    # Which network card is whose the administrator must say.
    assert {finding.code.code for finding in rendered.findings} == {"CX512", "CX524"}
    # The menu stands in the leases too, which the inventory does not say.
    lost = [told_at.removeprefix(imported.sources[0]).split(":")[1] for told_at in leases["left_out"]]
    assert lost == ["9", "10", "11"]


def test_a_subnet_with_leases_and_a_proxy_range_is_told(read):
    line = "dhcp-range=10.0.0.0,proxy,255.255.255.0"
    imported = read(f'{line}\npxe-service=x86PC,"a",a.0\n')
    assert line in told(imported)
    assert imported.tree["servers"]["dnsmasq-proxy"]["vlan"] == "net-10.0.0.0"


@pytest.mark.parametrize("time", ["45m", "infinite", "3600"])
def test_a_lease_time_of_one_machine_is_told(read, time):
    line = f"dhcp-host=52:54:00:00:00:01,10.0.0.5,a,{time}"
    assert line in told(read(f"{line}\n"))
    assert line.rpartition(",")[0] not in told(read(f"{line.rpartition(',')[0]}\n"))


def test_a_line_that_never_counts_is_told(read):
    imported = read(
        """\
        dhcp-match=set:efi,option:client-arch,7
        dhcp-match=set:ipxe,175
        dhcp-boot=tag:!ipxe,tag:efi,ipxe.efi,,10.0.0.9
        dhcp-boot=tag:!ipxe,undionly.kpxe,,10.0.0.9
        dhcp-boot=tag:nowhere,a.0,,10.0.0.9
        dhcp-option=6,10.0.0.1
        dhcp-option=6,10.0.0.3
        """
    )
    why = "without effect: for all its clients another line counts"
    assert {statement for statement, reason in told(imported).items() if reason == why} == {
        "dhcp-boot=tag:!ipxe,tag:efi,ipxe.efi,,10.0.0.9",
        "dhcp-boot=tag:nowhere,a.0,,10.0.0.9",
        "dhcp-option=6,10.0.0.1",
    }
    assert scope(imported)["options"] == {3: "10.0.0.2", 6: "10.0.0.3"}


@pytest.mark.parametrize(
    "line",
    [
        "dhcp-match=set:idle,option:client-arch,7",
        "dhcp-vendorclass=set:idle,Thin",
        "tag-if=set:idle,tag:known",
        "dhcp-host=52:54:00:00:00:01,set:idle,a",
        "dhcp-mac=set:idle,52:54:00:*:*:*",
    ],
)
def test_a_tag_nobody_asks_for_is_told(read, line):
    (entry,) = (entry for entry in read(f"{line}\n").not_modelled if entry.statement == line)
    assert entry.harmless
    assert "idle" in entry.why.replace(",", "").split()


def test_what_dnsmasq_tells_by_itself_is_in_the_inventory(read):
    imported = read("dhcp-boot=loader.0\ndomain=lab.example\n")
    own = imported.tree["servers"]["dnsmasq"]["address"]
    assert scope(imported)["options"] == {3: own, 6: own, 15: "lab.example"}
    imported = read("port=0\ndhcp-option=3\ndhcp-option=15,other.example\ndomain=lab.example\n")
    assert scope(imported)["options"] == {15: "other.example"}
    assert scope(imported)["next_server"] == imported.tree["servers"]["dnsmasq"]["address"]


def test_a_match_by_number_looks_among_all_octets(read):
    imported = read("dhcp-match=set:menu,175,39\ndhcp-boot=tag:menu,menu.ipxe\ndhcp-boot=loader.0\n")
    (rule,) = scope(imported)["rules"]
    assert rule["when"] == [{"option": 175, "contains": "hex:27"}]


def test_a_forced_option_goes_to_clients_that_do_not_ask(read):
    imported = read("port=0\ndhcp-option-force=209,configs/common\n")
    assert scope(imported)["options"][209] == "configs/common"
    assert scope(imported)["always_send"] == [209]
    assert "left_out" not in imported.tree["servers"]["dnsmasq"]


DNS = """\
domain-needed
server=192.0.2.53
server=/lab.example/192.0.2.54
interface=lan0
dhcp-script=/usr/local/sbin/leased
dhcp-range=10.7.0.10,10.7.0.90,255.255.255.0,1h
"""


def test_what_is_not_about_leases_is_carried_over_word_for_word(tmp_path: Path):
    path = tmp_path / "dnsmasq.conf"
    path.write_text(DNS)
    imported = import_files("dnsmasq", [path], address=IPv4Address("10.7.0.1"))
    assert imported.not_modelled == ()
    rendered = render_site(written(imported, tmp_path))
    lines = rendered.files["dnsmasq"][0].content.decode().splitlines()
    assert set(DNS.splitlines()[:5]) <= set(lines)
    assert "port=53" in lines
    assert "port=0" not in lines
    assert not rendered.findings


def test_a_line_that_cannot_be_said_keeps_the_file_from_being_written(tmp_path: Path):
    path = tmp_path / "dnsmasq.conf"
    path.write_text(DNS + 'pxe-service=x86PC,"net",net.0\n')
    imported = import_files("dnsmasq", [path], address=IPv4Address("10.7.0.1"))
    site = written(imported, tmp_path)
    assert site.site.servers["dnsmasq"].left_out == (f'{path}:7:1: pxe-service=x86PC,"net",net.0',)
    (finding,) = render_site(site).findings
    assert (finding.code.code, finding.path) == ("CX524", ("servers", "dnsmasq", "left_out"))
    assert f"{path}:7" in finding.message


def test_an_option_without_a_value_is_not_sent(read):
    imported = read("port=0\ndhcp-option=3\ndhcp-option=6\n")
    assert 3 not in scope(imported).get("options", {})
    assert told(imported)["dhcp-option=6"].startswith("without effect")
    assert "left_out" not in imported.tree["servers"]["dnsmasq"]


def test_the_tag_of_the_only_network_card_is_everyones(read):
    imported = read("interface=br0\ndhcp-option=tag:br0,15,lan.example\ndhcp-option=tag:br1,42,10.0.0.3\n")
    assert scope(imported)["options"][15] == "lan.example"
    assert 42 not in scope(imported)["options"]


def test_a_range_without_a_netmask_has_that_of_the_card_that_is_given(tmp_path: Path) -> None:
    path = tmp_path / "dnsmasq.conf"
    path.write_text("port=0\ndhcp-range=10.0.0.50,10.0.2.99,1h\ndhcp-option=3,10.0.0.1\n")
    with pytest.raises(InputError) as refused:
        import_files("dnsmasq", [path])
    (problem,) = refused.value.problems
    assert problem.position.line == 2
    assert "--address 10.0.0.1/22" in (problem.remedy or "")
    card = IPv4Network("10.0.0.0/21")
    found = import_files("dnsmasq", [path], address=IPv4Address("10.0.0.2"), network=card)
    assert [vlan["subnet"] for vlan in found.tree["vlans"].values()] == ["10.0.0.0/21"]
    assert (
        run(["import", "dnsmasq", str(path), "-o", str(tmp_path / "site"), "--address", "10.0.0.2/21"]) == 0
    )
    assert [v.subnet for v in load_inventory(tmp_path / "site").site.vlans.values()] == [(card,)]


def test_an_option_that_holds_others_is_one_value_behind_all_options(read) -> None:
    found = read(
        """
        dhcp-option=encap:175,176,1b
        dhcp-option=encap:175,8,1b
        dhcp-option=42,10.0.0.1
        dhcp-option-force=vi-encap:25506,1,07
        """
    )
    (scope,) = found.tree["scopes"].values()
    assert scope["options"][175] == "hex:08:01:01:b0:01:01:ff"
    assert scope["options"][125] == "hex:00:00:63:a2:03:01:01:07"
    assert scope["option_order"][-3:] == [42, 125, 175]
    assert scope["always_send"] == [125]
    assert not told(found)


@pytest.mark.parametrize(
    "lines",
    [
        "dhcp-option=tag:x,encap:175,176,1b",
        "dhcp-option=encap:175,190,user",
        "dhcp-option=175,8:1:1\ndhcp-option=encap:175,176,1b",
        "dhcp-option=vendor:MSFT,2,1i",
        "dhcp-option=encap:175,8,1b\ndhcp-option-force=encap:175,9,1b",
    ],
)
def test_an_option_that_holds_others_for_some_or_with_texts_is_told(read, lines: str) -> None:
    found = read("\n" + lines)
    assert any("encap" in line or "vendor" in line for line in told(found))
