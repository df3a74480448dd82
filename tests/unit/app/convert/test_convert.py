"""A server in another product's words: what is written, what is lost, and what the proof finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coexist.app.convert import Converted, convert
from coexist.cli import run
from coexist.errors import CoexistError, Position

NET = "subnet 10.81.0.0 netmask 255.255.255.0 { range 10.81.0.100 10.81.0.199; %s }\n"


def site(folder: Path, text: str, software: str = "isc-dhcpd") -> Path:
    """An inventory with one server by its own file."""
    (folder / "own.conf").write_text(text)
    (folder / "site.yaml").write_text(
        "site: one\n"
        "vlans:\n"
        "  lan: {id: 1, subnet: 10.81.0.0/24}\n"
        "  far: {id: 2, subnet: 10.82.0.0/24, gateway: 10.82.0.1, relay_to: [dhcp]}\n"
        f"servers:\n  dhcp: {{software: {software}, address: 10.81.0.5, vlan: lan, config: own.conf}}\n"
    )
    return folder


def converted(folder: Path, text: str, to: str = "kea 3.0") -> tuple[Converted, dict[str, Any]]:
    result = convert(site(folder, text), "dhcp", to)
    return result, json.loads(result.text)["Dhcp4"]


def lost(result: Converted) -> list[tuple[str, int]]:
    return [(entry.statement.split()[0], entry.position.line) for entry in result.lost]


def test_classes_stay_classes_and_hosts_become_reservations(tmp_path: Path) -> None:
    text = (
        'class "pxe" { match if substring(option vendor-class-identifier, 0, 3) = "PXE"; filename "p"; }\n'
        + NET % "option routers 10.81.0.1;"
        + 'host one { hardware ethernet 02:81:00:00:00:01; fixed-address 10.81.0.11; filename "one"; }\n'
    )
    result, tree = converted(tmp_path, text)
    assert result.complete
    (pxe,) = tree["client-classes"]
    assert (pxe["name"], pxe["boot-file-name"]) == ("pxe", "p")
    (subnet,) = tree["subnet4"]
    (one,) = subnet["reservations"]
    assert (one["hw-address"], one["ip-address"], one["boot-file-name"]) == (
        "02:81:00:00:00:01",
        "10.81.0.11",
        "one",
    )


CASES = {
    "a class over its subnet": 'class "a" { match if exists user-class; option domain-name "a"; }\n'
    + NET % 'option domain-name "net";',
    "a condition of the file under a subnet": 'if exists user-class { filename "f"; }\n'
    + NET % 'filename "n";',
    "a condition of a subnet": NET % 'if option user-class = "iPXE" { filename "i"; } else { filename "n"; }',
    "a later statement counts": 'if exists user-class { filename "a"; }\nfilename "b";\n' + NET % "",
    "a default": 'default server.filename "d";\n' + NET % ""
    + 'class "a" { match if exists user-class; filename "a"; }',
    "a switch": NET % 'switch (option user-class) { case "a": filename "a"; break; default: filename "d"; }',
    "classes in their order": 'class "a" { match if exists user-class; filename "a"; }\n'
    'class "b" { match if option user-class = "x"; filename "b"; }\n' + NET % "",
    "subclasses": 'class "s" { match option user-class; }\nsubclass "s" "x" { filename "x"; }\n'
    'subclass "s" "y";\n' + NET % "",
    "a pool for members": 'class "a" { match if exists user-class; }\n'
    "subnet 10.81.0.0 netmask 255.255.255.0 {\n"
    'pool { range 10.81.0.100 10.81.0.120; allow members of "a"; option domain-name "in"; }\n'
    'pool { range 10.81.0.130 10.81.0.140; deny members of "a"; } }\n',
    "unknown clients": NET % "deny unknown-clients;"
    + 'host one { hardware ethernet 02:81:00:00:00:01; filename "one"; }\n',
    "booting denied": 'class "a" { match if exists user-class; deny booting; }\n' + NET % "",
    "lease times": "default-lease-time 900; max-lease-time 600;\n" + NET % "min-lease-time 700;",
    "times of a class": 'class "a" { match if exists user-class; default-lease-time 7200; }\n'
     "default-lease-time 3600; max-lease-time 28800;\n"
    + NET % "default-lease-time 1800;",
    "a group with conditions": NET % ""
    + 'group { if exists user-class { filename "a"; } host one { hardware ethernet 02:81:00:00:00:01; } }\n',
    "names of hosts": "use-host-decl-names on;\n" + NET % ""
    + "host one { hardware ethernet 02:81:00:00:00:01; fixed-address 10.81.0.11; }\n",
    "a client identifier": NET % "" + 'host one { uid 01:02; fixed-address 10.81.0.11; filename "one"; }\n',
    "octets of option 43": NET % "option vendor-encapsulated-options 01:04:00:00:00:00:ff;",
    "a space in option 43": "option space PXE;\noption PXE.menu code 9 = text;\n"
    + NET % 'vendor-option-space PXE; option PXE.menu "m";',
    "a condition in a host": 'class "a" { match if exists user-class; filename "a"; }\n' + NET % ""
    + 'host one { hardware ethernet 02:81:00:00:00:01; if option user-class = "x" { filename "x"; } '
    'else { filename "y"; } }\n',
    "a host by MAC and identifier": NET % ""
    + "host one { hardware ethernet 02:81:00:00:00:01; option dhcp-client-identifier 01:02; "
    'fixed-address 10.81.0.11; filename "one"; }\n',
    "options inside another": "option space ipxe;\noption ipxe.http code 19 = unsigned integer 8;\n"
    "option ipxe-features code 175 = encapsulate ipxe;\n"
    + NET % 'if exists ipxe.http { filename "http"; } else { filename "tftp"; }',
    "a network that is authoritative": "shared-network n { authoritative; subnet 10.81.0.0 netmask"
    " 255.255.255.0 { range 10.81.0.10 10.81.0.20; } subnet 10.81.1.0 netmask 255.255.255.0 { } }\n",
    "the MAC": NET % "if substring(hardware, 1, 3) = 02:81:50 { filename \"mac\"; }",
    "the MAC as text": NET
    % 'if binary-to-ascii(16, 8, ":", substring(hardware, 1, 3)) = "2:81:50" { filename "mac"; }',
    "a pattern": NET % 'if option vendor-class-identifier ~= "^PXE" { filename "p"; }',
    "a search list with pointers": NET % 'option domain-search "lab.example", "net.example";',
    "client identifiers passed over": NET % "ignore-client-uids true;",
    "a number": NET % 'if extract-int(option pxe-system-type, 16) = 7 { filename "seven"; }',
}  # fmt: skip


@pytest.mark.parametrize("text", CASES.values(), ids=CASES)
def test_all_clients_are_answered_as_before(tmp_path: Path, text: str) -> None:
    result, _ = converted(
        tmp_path, text + "subnet 10.82.0.0 netmask 255.255.255.0 { range 10.82.0.50 10.82.0.60; }\n"
    )
    assert [f"{d.what}: {d.before} {d.after} {d.witness}" for d in result.proof.differences] == []
    assert result.complete
    assert result.proof.packets > 20


LOSSES = {
    "a value computed from the packet": ('filename = concat("cfg/", option host-name);', "filename"),
    "a threshold": ("min-secs 3;", "min-secs"),
    "a regular expression": ('if option user-class ~= "a.*b" { filename "x"; }', "if"),
    "what runs on commit": ('on commit { log(info, "x"); }', "on"),
    "a list from several levels": ("append domain-name-servers 10.81.0.4;", "append"),
    "a host name": ("next-server boot.example;", "next-server"),
    "a renewal time under a condition": ("if exists user-class { option dhcp-renewal-time 90; }", "option"),
}


@pytest.mark.parametrize(("statement", "word"), LOSSES.values(), ids=LOSSES)
def test_what_has_no_equal_is_named_with_its_line(tmp_path: Path, statement: str, word: str) -> None:
    result, _ = converted(tmp_path, "option domain-name-servers 10.81.0.3;\n" + NET % f"\n{statement}\n")
    assert lost(result) == [(word, 3)]
    assert not result.complete


def test_a_class_has_no_lease_time_within_the_bounds_of_one_subnet(tmp_path: Path) -> None:
    """Kea chooses a lease time before it tries the classes that the subnet asks for (processDiscover)."""
    text = (
        'class "a" { match if exists user-class; default-lease-time 7200; }\n'
        "subnet 10.82.0.0 netmask 255.255.255.0 { range 10.82.0.50 10.82.0.60; }\n"
    )
    result, tree = converted(tmp_path, text + NET % "max-lease-time 1800;")
    assert lost(result) == [("default-lease-time", 1)]
    assert not result.complete
    assert all("valid-lifetime" not in entry for entry in tree.get("client-classes", ()))


def test_what_no_pool_or_host_may_say_is_named_with_its_line(tmp_path: Path) -> None:
    text = (
        "subnet 10.81.0.0 netmask 255.255.255.0 {\npool {\n ignore-client-uids on; range 10.81.0.10; } }\n"
        "host one { hardware ethernet 02:81:00:00:00:01;\n ignore-client-uids on; }\n"
    )
    result, tree = converted(tmp_path, text)
    assert sorted(lost(result)) == [("ignore-client-uids", 3), ("ignore-client-uids", 5)]
    assert "match-client-id" not in json.dumps(tree)


def test_leases_are_found_by_mac_where_client_identifiers_are_passed_over(tmp_path: Path) -> None:
    other = "subnet 10.82.0.0 netmask 255.255.255.0 { range 10.82.0.50 10.82.0.60; }\n"
    _, tree = converted(tmp_path, other + NET % "ignore-client-uids true;")
    assert {s["subnet"]: s.get("match-client-id") for s in tree["subnet4"]} == {
        "10.81.0.0/24": False,
        "10.82.0.0/24": None,
    }


def test_a_pool_of_spawned_classes_is_missed_by_who_sends_the_value(tmp_path: Path) -> None:
    """A class is made for whoever sends one (``spawn with``), and its pool has no equal."""
    text = (
        'class "modem" { spawn with option agent.remote-id; }\n'
        "subnet 10.82.0.0 netmask 255.255.255.0 {\n"
        ' pool {\n range 10.82.0.50 10.82.0.60; allow members of "modem"; } }\n'
    )
    result, _ = converted(tmp_path, text + NET % "")
    (found,) = (d for d in result.proof.differences if d.what == "an answer")
    assert isinstance(found.origin, Position)
    assert (found.origin.line, found.after) == (4, "silence")
    assert "82=" in found.witness


@pytest.mark.parametrize(("pool", "lines"), [("10.81.0.10 10.81.0.20", [2]), ("10.81.0.30 10.81.0.40", [])])
def test_a_reserved_address_that_others_were_leased_is_named(
    tmp_path: Path, pool: str, lines: list[int]
) -> None:
    text = (
        f"subnet 10.81.0.0 netmask 255.255.255.0 {{ range {pool}; }}\n"
        "host one { hardware ethernet 02:81:00:00:00:01; fixed-address 10.81.0.11; }\n"
    )
    result, _ = converted(tmp_path, text)
    assert [
        found.origin.line for found in result.proof.reserved if isinstance(found.origin, Position)
    ] == lines
    assert result.complete


def test_a_pool_whose_permission_is_lost_is_not_opened(tmp_path: Path) -> None:
    text = (
        'class "a" { match if option user-class ~= "a.*b"; }\nsubnet 10.81.0.0 netmask 255.255.255.0 {\n'
        'pool { range 10.81.0.100 10.81.0.120; allow members of "a"; } }\n'
    )
    result, tree = converted(tmp_path, text)
    assert tree["subnet4"][0]["pools"] == []
    assert ("pool", 3) in lost(result)


def test_what_the_written_file_says_otherwise_is_found(tmp_path: Path) -> None:
    """An empty file name, which Kea cannot say: the proof names the line that said it."""
    text = 'filename "f";\n' + NET % "" + 'host one { hardware ethernet 02:81:00:00:00:01; filename ""; }\n'
    result, _ = converted(tmp_path, text)
    assert not result.complete
    (found,) = [d for d in result.proof.differences if d.what == "file"]
    assert (found.before, found.after) == ('""', '"f"')
    assert str(found.origin).endswith("own.conf:3:49")
    assert "02:81:00:00:00:01" in found.witness


def test_a_comparison_whose_cells_are_unknown_is_no_proof(tmp_path: Path) -> None:
    text = NET % 'if lcase(option user-class) = "a" { filename "x"; }'
    result, _ = converted(tmp_path, text)
    assert result.proof.unclear
    assert not result.complete


def test_secrets_are_in_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'key control { algorithm hmac-md5; secret "c2VjcmV0LXZhbHVl"; };\nomapi-key control;\n' + NET % ""
    for form in ("text", "json"):
        code = run(["convert", str(site(tmp_path, text)), "dhcp", "--to", "kea 3.0", "--format", form])
        output = capsys.readouterr()
        assert code == 1
        assert "c2VjcmV0" not in output.out + output.err


def test_files_are_written_where_asked(tmp_path: Path) -> None:
    place = site(tmp_path, NET % "")
    leases = tmp_path / "dhcpd.leases"
    leases.write_text(
        "lease 10.81.0.101 {\n  starts 4 2026/01/01 00:00:00;\n  ends 4 2026/01/01 01:00:00;\n"
        "  hardware ethernet 02:81:00:00:00:51;\n}\n"
    )
    command = ["convert", str(place), "dhcp", "--to", "kea 2.2"]
    assert run([*command, "--leases", str(leases), "-o", str(tmp_path / "out")]) == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["kea-dhcp4.conf", "kea-leases4.csv"]
    number = json.loads((tmp_path / "out" / "kea-dhcp4.conf").read_text())["Dhcp4"]["subnet4"][0]["id"]
    assert f",{number},0,0," in (tmp_path / "out" / "kea-leases4.csv").read_text()
    leases.write_text("lease 10.81.0.101 {\n  ends soon;\n}\n")
    assert run([*command, "--leases", str(leases)]) == 1


@pytest.mark.parametrize(
    ("server", "to"),
    [("dhcp", "isc-dhcpd 4.4"), ("dhcp", "kae 3.0"), ("dhcp", "windows-dhcp"), ("nobody", "kea 3.0")],
)
def test_what_cannot_be_converted_is_refused(tmp_path: Path, server: str, to: str) -> None:
    with pytest.raises(CoexistError):
        convert(site(tmp_path, NET % ""), server, to)


def test_scopes_of_an_inventory_become_a_file_that_answers_alike(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "site: one\nvlans: {lan: {id: 1, subnet: 10.81.0.0/24}}\n"
        "servers: {dhcp: {software: isc-dhcpd 4.4, address: 10.81.0.5, vlan: lan, boot_server: 10.81.0.9}}\n"
        "scopes:\n  lan:\n    server: dhcp\n    vlan: lan\n    pools: [10.81.0.100-10.81.0.150]\n"
        "    options: {43: 'hex:01:04:0a:51:00:09:ff'}\n"
        "    rules:\n      - {user_class: iPXE, filename: menu.ipxe}\n"
        "      - {architectures: [uefi-x64], filename: ipxe.efi}\n"
    )
    result = convert(tmp_path, "dhcp", "kea 2.2")
    assert result.proof.differences == ()
    assert result.complete


@pytest.mark.parametrize("to", ["isc-dhcpd 4.4", "dnsmasq 2.90"])
def test_a_kea_by_its_own_file_goes_by_way_of_an_inventory(tmp_path: Path, to: str) -> None:
    """What is lost on the way is named with its line, and what changes is found."""
    text = json.dumps(
        {
            "Dhcp4": {
                "valid-lifetime": 600,
                "match-client-id": False,
                "next-server": "10.81.0.9",
                "subnet4": [{"id": 1, "subnet": "10.81.0.0/24", "boot-file-name": "boot.0",
                             "pools": [{"pool": "10.81.0.100-10.81.0.150"}], "renew-timer": 100}],
            }
        },
        indent=1,
    )  # fmt: skip
    result = convert(site(tmp_path, text, "kea"), "dhcp", to)
    assert "boot.0" in result.text
    assert ("renew-timer" in str(result.lost)) is True
    whats = {found.what for found in result.proof.differences}
    assert "option 58" in whats
    assert not whats & {"siaddr", "file", "yiaddr", "an answer"}
