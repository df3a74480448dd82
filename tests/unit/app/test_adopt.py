"""A server that runs is taken into an inventory by its own files, without their secrets."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from coexist.analysis import analyse
from coexist.app.adopt import Wanted, adopt
from coexist.app.adopt_sources import over_ssh
from coexist.cli import run
from coexist.errors import InputError
from coexist.inventory import load_inventory
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.languages.dhcpd.secrets import REDACTED, without_secrets
from coexist.languages.dnsmasq.secrets import without_secrets as dnsmasq_secrets
from coexist.languages.kea.secrets import without_secrets as kea_secrets
from coexist.render import render_site
from coexist.rollout.local import LocalConnection

MAIN = """server-identifier 10.60.0.5;
key control {
  algorithm hmac-md5;
  secret "bm90IGZvciBhbnlvbmU=";
};
omapi-key control;
# the old password was hunter2
include "/etc/dhcp/hosts.conf";
subnet 10.60.0.0 netmask 255.255.255.0 {
  option routers 10.60.0.1;
  range 10.60.0.100 10.60.0.149;
}
"""
HOSTS = 'host one { hardware ethernet 52:54:00:60:00:01; fixed-address 10.60.0.11; filename "one.0"; }\n'


@pytest.fixture
def server(tmp_path: Path) -> Path:
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "dhcpd.conf").write_text(MAIN)
    (folder / "hosts.conf").write_text(HOSTS)
    return folder


def adopted(tmp_path: Path, server: Path, *more: str) -> int:
    return run(["adopt", str(tmp_path / "site"), "dhcp1", "--from", str(server / "dhcpd.conf"), *more])


def test_an_inventory_is_begun_with_the_server_as_it_runs(tmp_path: Path, server: Path) -> None:
    assert adopted(tmp_path, server) == 0
    inventory = load_inventory(tmp_path / "site")
    declared = inventory.site.servers["dhcp1"]
    assert dict(declared.config) == {
        "/etc/dhcp/dhcpd.conf": "servers/dhcp1/etc/dhcp/dhcpd.conf",
        "/etc/dhcp/hosts.conf": "servers/dhcp1/etc/dhcp/hosts.conf",
    }
    assert str(declared.address) == "10.60.0.5"
    (vlan,) = inventory.site.vlans.values()
    assert (str(vlan.subnet[0]), str(vlan.gateway)) == ("10.60.0.0/24", "10.60.0.1")
    assert analyse(inventory).findings is not None


def test_the_null_device_is_no_file_of_the_server(tmp_path: Path, server: Path) -> None:
    (server / "dhcpd.conf").write_text(MAIN + 'include "/dev/null";\n')
    assert adopted(tmp_path, server) == 0
    declared = load_inventory(tmp_path / "site").site.servers["dhcp1"]
    assert list(declared.config) == ["/etc/dhcp/dhcpd.conf", "/etc/dhcp/hosts.conf"]
    assert [
        found for found in analyse(load_inventory(tmp_path / "site")).findings if "null" in found.message
    ] == []


def test_no_secret_reaches_the_disk(tmp_path: Path, server: Path) -> None:
    assert adopted(tmp_path, server) == 0
    written = [p.read_text() for p in (tmp_path / "site").rglob("*") if p.is_file()]
    assert not any("bm90IGZv" in text or "hunter2" in text for text in written)
    (main,) = (text for text in written if "key control" in text)
    assert f"secret {REDACTED};" in main
    assert main.count("\n") == MAIN.count("\n")


def test_a_file_without_secrets_is_kept_byte_for_byte(tmp_path: Path, server: Path) -> None:
    assert adopted(tmp_path, server) == 0
    kept = tmp_path / "site" / "servers" / "dhcp1" / "etc" / "dhcp" / "hosts.conf"
    assert kept.read_text() == HOSTS


def test_nothing_is_changed_by_a_plan_of_what_was_adopted(tmp_path: Path, server: Path) -> None:
    assert adopted(tmp_path, server) == 0
    rendered = render_site(load_inventory(tmp_path / "site"))
    assert (rendered.files, set(rendered.left_out)) == ({}, {"dhcp1"})


def test_a_second_server_joins_the_inventory(tmp_path: Path, server: Path) -> None:
    assert adopted(tmp_path, server) == 0
    (server / "dhcpd.conf").write_text(MAIN.replace("10.60.0.5", "10.60.0.6"))
    site = tmp_path / "site"
    before = (site / "site.yaml").read_text()
    assert run(["adopt", str(site), "dhcp2", "--from", str(server / "dhcpd.conf")]) == 0
    assert set(load_inventory(site).site.servers) == {"dhcp1", "dhcp2"}
    places = [str(f.position) for f in analyse(load_inventory(site)).findings if f.code.code == "CX208"]
    assert places[0].endswith("servers/dhcp2/etc/dhcp/dhcpd.conf:11:3")
    assert adopted(tmp_path, server) == 2
    assert before.splitlines()[0] == (site / "site.yaml").read_text().splitlines()[0]


def test_a_server_that_is_there_already_is_taken_once_more_by_again(
    tmp_path: Path, server: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adopted(tmp_path, server) == 0
    (server / "dhcpd.conf").write_text(MAIN + "# later\n")
    capsys.readouterr()
    assert adopted(tmp_path, server) == 2
    assert "--again" in capsys.readouterr().err
    assert adopted(tmp_path, server, "--again") == 0
    assert (tmp_path / "site/servers/dhcp1/etc/dhcp/dhcpd.conf").read_text().endswith("# later\n")


def test_a_file_that_is_missing_on_the_server_is_not_looked_for_here(tmp_path: Path, server: Path) -> None:
    main = server / "dhcpd.conf"
    main.write_text(MAIN.replace("/etc/dhcp/hosts.conf", str(server / "not-there.conf")))
    wanted = Wanted(name="dhcp1", product="isc-dhcpd", path=str(main), host="there")
    there = over_ssh(lambda address: LocalConnection(name=address.name), "dhcp1", "there", "root", sudo=False)
    with pytest.raises(InputError) as refused:
        adopt(tmp_path / "site", wanted, *there)
    (problem,) = refused.value.problems
    assert str(problem.position) == f"{main}:8:9"
    assert "--sudo" in problem.remedy
    assert "--include-root" not in problem.remedy


@pytest.mark.parametrize("text", [MAIN.replace("range", "rnage"), 'option domain-name "x";\n'])
def test_nothing_is_written_for_a_file_that_cannot_be_adopted(
    tmp_path: Path, server: Path, text: str
) -> None:
    (server / "dhcpd.conf").write_text(text)
    assert adopted(tmp_path, server) == 2
    assert not (tmp_path / "site").exists()


def test_the_files_of_a_server_are_taken_again(tmp_path: Path, server: Path) -> None:
    assert adopted(tmp_path, server) == 0
    before = load_inventory(tmp_path / "site").site
    (server / "hosts.conf").write_text(HOSTS + 'include "/etc/dhcp/more.conf";\n')
    (server / "more.conf").write_text("# nothing\n")
    assert adopted(tmp_path, server, "--again") == 0
    declared = load_inventory(tmp_path / "site").site.servers["dhcp1"]
    kept = {path: (tmp_path / "site" / copy).read_text() for path, copy in declared.config.items()}
    assert list(kept) == ["/etc/dhcp/dhcpd.conf", "/etc/dhcp/hosts.conf", "/etc/dhcp/more.conf"]
    assert kept["/etc/dhcp/hosts.conf"] == (server / "hosts.conf").read_text()
    # Nothing else of the inventory is another.
    after = load_inventory(tmp_path / "site").site
    same = declared.model_copy(update={"config": before.servers["dhcp1"].config})
    assert after.model_copy(update={"servers": {"dhcp1": same}}) == before


def test_nobody_is_taken_again_who_was_never_taken(tmp_path: Path, server: Path) -> None:
    assert adopted(tmp_path, server) == 0
    source = str(server / "dhcpd.conf")
    assert run(["adopt", str(tmp_path / "site"), "other", "--from", source, "--again"]) == 2


def test_who_has_no_address_says_so(tmp_path: Path, server: Path) -> None:
    (server / "dhcpd.conf").write_text(MAIN.partition("\n")[2])
    assert adopted(tmp_path, server) == 2
    assert adopted(tmp_path, server, "--address", "10.60.0.5") == 0


def test_what_looks_like_a_secret_is_left_out_and_the_file_stays_valid() -> None:
    text = 'option api-key code 230 = text;\noption api-key "abcdef";\n'
    text += "key k { algorithm hmac-md5; secret YWJj; };\n"
    clean = without_secrets(text)
    assert "abcdef" not in clean
    assert "YWJj" not in clean
    assert len(parse_dhcpd(clean, "x").body) == 3


OWN = Path(__file__).resolve().parents[2] / "data" / "own-files"
MAINS = [
    (product, path)
    for product, folder in (("isc-dhcpd", "dhcpd"), ("kea", "kea"), ("dnsmasq", "dnsmasq"))
    for path in sorted((OWN / folder).glob("*.conf" if folder != "kea" else "*.json"))
]


def site_on_copy(product: str, path: Path, tmp_path: Path) -> Path:
    """A new site with one server, which runs on a copy of a file."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "site.yaml").write_text("site: x\nvlans: {all: {id: 1, subnet: [0.0.0.0/1, 128.0.0.0/1]}}\n")
    given = ["adopt", str(site), "one", "--from", str(path), "--software", product, "--address", "10.254.0.5"]
    assert run(given) == 0
    return site


@pytest.mark.parametrize(("product", "path"), MAINS, ids=lambda value: getattr(value, "stem", value))
def test_what_was_adopted_is_what_ran(product: str, path: Path, tmp_path: Path) -> None:
    site = site_on_copy(product, path, tmp_path)
    inventory = load_inventory(site)
    copies = inventory.site.servers["one"].config
    assert next(iter(copies)) == inventory.site.servers["one"].main_file
    for number, (there, copy) in enumerate(copies.items()):
        source = path if number == 0 else next(OWN.rglob(Path(there).name))
        ours, theirs = ((file).read_bytes().split(b"\n") for file in (site / copy, source))
        pairs = zip(ours, theirs, strict=True)
        assert [line for line, other in pairs if line != other and REDACTED.encode() not in line] == []
    rendered = render_site(inventory)
    assert "one" in rendered.left_out
    assert "one" not in rendered.files


SHARED = Path(os.environ.get("COEXIST_SHARED") or OWN.parents[3] / "shared") / "corpus"
PRODUCTS = {"dhcpd": "isc-dhcpd", "kea": "kea", "dnsmasq": "dnsmasq"}
REAL = [
    (product, path)
    for word, product in PRODUCTS.items()
    for path in sorted(SHARED.glob(f"{word}-*"))
    # Its placeholder is what dhcpd refuses, at the same line.
    if "rejected" not in path.name
]


@pytest.mark.needs("flock", "dd")
@pytest.mark.parametrize(
    ("product", "path"), [*MAINS, *REAL], ids=lambda value: getattr(value, "stem", value)
)
def test_a_plan_of_what_was_adopted_changes_no_octet(product: str, path: Path, tmp_path: Path) -> None:
    site = site_on_copy(product, path, tmp_path)
    there = tmp_path / "server"
    deploy = f'{{host: localhost, paths: {{"*": {there}}}, check: "true", reload: "true"}}'
    adopted = (site / "site.yaml").read_text().rstrip("\n") + f"\n    deploy: {deploy}\n"
    (site / "site.yaml").write_text(adopted)
    config = load_inventory(site).site.servers["one"].config
    sources = {name: path if at == 0 else next(OWN.rglob(Path(name).name)) for at, name in enumerate(config)}
    for name, source in sources.items():
        copy = there / "own" / name.lstrip("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
    # Whether these files boot anyone on a network without bounds is not the question.
    plan = ["plan", str(site), "--detailed-exitcode", "--reason", "as it runs"]
    assert run(plan) == 0
    # The same where the copies are the truth, if nothing secret is missing in them.
    redacted = any(REDACTED.encode() in (site / copy).read_bytes() for copy in config.values())
    if redacted or not all(name.startswith("/") for name in config):
        return
    (site / "site.yaml").write_text(adopted + "    whole: true\n")
    assert {name for name, files in render_site(load_inventory(site)).files.items() if files} == {"one"}
    assert run(plan) == 0


def test_several_servers_give_an_inventory_with_what_is_so_today(tmp_path: Path, server: Path) -> None:
    boot = tmp_path / "dns"
    boot.mkdir()
    (boot / "dnsmasq.conf").write_text(
        "port=53\ndhcp-range=10.60.0.0,proxy,255.255.255.0\npxe-service=X86PC,Menu,lpxelinux\nenable-tftp\n"
        "pxe-service=BC_EFI,Menu,syslinux.efi\npxe-service=X86-64_EFI,Menu,syslinux.efi\ntftp-root=/srv\n"
        "conf-dir=/etc/dnsmasq.d\n"
    )
    (boot / "dnsmasq.d").mkdir()
    (server / "hosts.conf").write_text("# none\n")
    given = ["adopt", str(tmp_path / "site"), "--server", f"dhcp1=isc-dhcpd={server / 'dhcpd.conf'}"]
    assert run([*given, "--server", f"dns1=dnsmasq={boot / 'dnsmasq.conf'}=10.60.0.7"]) == 0
    inventory = load_inventory(tmp_path / "site")
    assert inventory.site.servers["dns1"].effective_roles == {"proxydhcp", "tftp"}
    (rule,) = inventory.site.intent
    assert (rule.clients, rule.boot_from) == (("everyone",), "dns1")
    analysis = analyse(inventory)
    assert all(row.agrees for row in analysis.matrix)
    assert not [f for f in analysis.findings if f.severity.name == "ERROR"]
    # There is an intent now, and it is for people to change.
    assert run(["adopt", str(tmp_path / "site"), "--propose"]) == 2


def test_a_machine_that_boots_from_elsewhere_is_an_exception(tmp_path: Path, server: Path) -> None:
    (server / "dhcpd.conf").write_text(MAIN)
    (server / "hosts.conf").write_text(HOSTS)
    assert adopted(tmp_path, server, "--propose") == 0
    site = load_inventory(tmp_path / "site").site
    (group,) = site.groups
    told = {rule.clients: rule.boot_from for rule in site.intent}
    assert told == {(group,): "dhcp1", ("everyone",): "nobody"}
    # What two outcomes are possible of is left to people: no rule speaks of it.
    rows = analyse(load_inventory(tmp_path / "site")).matrix
    assert {row.agrees for row in rows} == {True, None}


def test_secrets_of_kea_and_dnsmasq_are_left_out_and_the_lines_stay() -> None:
    kea = '{"Dhcp4": {\n"lease-database": {"type": "mysql", "password": "hunter2", "user": "kea"},\n'
    kea += '# password was old1\n"control": {"url": "http://kea:hunter3@10.0.0.1/"} } }\n'
    told = kea_secrets(kea)
    assert not re.search("hunter|old1", told)
    assert [len(text.split("\n")) for text in (kea, told)] == [5, 5]
    assert '"user": "kea"' in told
    dnsmasq = "# root password hunter4\ndhcp-range=10.0.0.1,10.0.0.9\n"
    assert dnsmasq_secrets(dnsmasq).split("\n")[1:] == dnsmasq.split("\n")[1:]
    assert "hunter4" not in dnsmasq_secrets(dnsmasq)
