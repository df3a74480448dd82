"""What a newcomer mistypes: each is refused at its place with what to write, and nothing is written."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from coexist.cli import run
from tests.conftest import ROOT

CAMPUS = ROOT / "inventories" / "campus"
DHCPD = "subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.10 10.0.0.20; }\n"


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What stderr has of a command that is refused: one line for each problem."""
    capsys.readouterr()
    assert run(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for file in ("site.yaml", "clients.csv"):
        (tmp_path / file).write_bytes((CAMPUS / file).read_bytes())
    return tmp_path


def changed(site: Path, old: str, new: str) -> int:
    """Change the inventory; the number of the first line that is another then."""
    path = site / "site.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return text[: text.index(old)].count("\n") + 1


ONLY = "    answers: {only: thin-clients}"
VALUES = {
    "the network's own address": ("address: 10.10.0.6", "address: 10.10.0.0", "10.10.0.1"),
    "the broadcast address": ("address: 10.10.0.6", "address: 10.10.255.255", "10.10.255.254"),
    "a gateway that is the network": ("gateway: 10.10.0.1", "gateway: 10.10.0.0", "10.10.0.1"),
    "a version that is none": ("isc-dhcpd 4.4", "isc-dhcpd latest", "`isc-dhcpd`"),
    "no software": ("software: isc-dhcpd 4.4", "software:", "`isc-dhcpd 4.4`"),
    "an open quote in a command": (
        "    answers: {only: thin-clients}",
        '    deploy: {host: a, reload: "systemctl restart \'x"}',
        "systemctl restart 'x",
    ),
    "a host with its user": (ONLY, "    deploy: {host: root@there}", "`host: there, user: root`"),
    "a host with its port": (ONLY, "    deploy: {host: 'there:2222'}", "`host: there, port: 2222`"),
    "a host as a URL": (ONLY, "    deploy: {host: 'ssh://me@there:22'}", "`host: there, user: me, port: 22`"),
    "an escaped end of a command": (
        "    answers: {only: thin-clients}",
        "    deploy: {host: a, check: 'true \\'}",
        "true ",
    ),
}


@pytest.mark.parametrize("mistake", VALUES)
def test_a_value_that_cannot_be_is_refused_at_its_line(
    mistake: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, value = VALUES[mistake]
    line = changed(site, old, new)
    said = told(capsys, "check", str(site))
    assert re.match(rf"{re.escape(str(site))}/site\.yaml:{line}:\d+: ", said)
    assert value in said
    assert said.count("\n") == 1


def test_the_smallest_networks_have_no_broadcast_address(site: Path) -> None:
    """RFC 3021: of two addresses both are hosts."""
    text = (site / "site.yaml").read_text().replace("10.30.0.0/16", "10.30.0.0/31")
    text = text.replace("gateway: 10.30.0.1", "gateway: 10.30.0.0").replace(
        "pools: [10.30.1.0-10.30.4.255]", "pools: [10.30.0.1-10.30.0.1]"
    )
    (site / "site.yaml").write_text(text)
    assert run(["check", str(site), "--fail-on", "never"]) == 0


def test_no_server_is_called_as_no_server_is(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed(site, "otc", "nobody")
    assert re.search(r"site\.yaml:\d+:3: `boot_from: nobody`", told(capsys, "check", str(site)))


@pytest.mark.parametrize("clients", ['"*.tsv"', ".", "none.csv"])
def test_of_clients_that_cannot_be_read_nothing_more_is_told(
    clients: str, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = changed(site, "clients: clients.csv", f"clients: {clients}")
    said = told(capsys, "check", str(site))
    assert said.startswith(f"{site}/site.yaml:{line}:10: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize("command", ["explain", "doctor"])
@pytest.mark.parametrize("mac", ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"])
def test_the_address_of_a_group_is_no_machine(
    command: str, mac: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mac in told(capsys, command, str(CAMPUS), mac)


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "224.0.1.2/24", "255.255.255.255"])
def test_a_server_is_imported_at_an_address_of_a_network(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dhcpd.conf").write_text(DHCPD)
    out = tmp_path / "site"
    said = told(capsys, "import", "dhcpd", str(tmp_path / "dhcpd.conf"), "-o", str(out), "--address", address)
    assert "--address" in said
    assert address.partition("/")[0] in said
    assert not out.exists()


@pytest.mark.parametrize("kind", ["dhcpd", "kea", "dnsmasq"])
@pytest.mark.parametrize(
    ("octets", "remedy"),
    [(gzip.compress(DHCPD.encode()), "gunzip"), (DHCPD.encode("utf-16"), "UTF-8"), (b"PK\3\4x", "unzip")],
    ids=["gzip", "UTF-16", "zip"],
)
def test_a_source_that_must_be_unpacked_says_so(
    kind: str, octets: bytes, remedy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    source.write_bytes(octets)
    said = told(capsys, "import", kind, str(source), "-o", str(tmp_path / "site"))
    assert said.startswith(f"{source}:1:1: ")
    assert remedy in said


@pytest.mark.parametrize("address", ["mysql://me:secret@there/clients", "http://there/registry.sqlite"])
def test_the_address_of_no_registry_is_refused_without_its_password(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = told(capsys, "registry", "show", address)
    assert said.startswith(f"{address.partition('//')[0]}// ")
    assert "postgresql://" in said
    assert "secret" not in said


def test_a_folder_is_no_registry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "registry", "show", str(tmp_path))
    assert said.startswith(f"{tmp_path}: ")
    assert ";" in said


def test_a_packed_capture_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "boots.pcap.gz"
    path.write_bytes(gzip.compress(b"\xd4\xc3\xb2\xa1"))
    said = told(capsys, "observe", str(path))
    assert said.startswith(f"{path}:1:1: ")
    assert "gunzip" in said
