from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from coexist.importers import import_files

DNSMASQ = """
    listen-address=192.0.2.2
    dhcp-range=192.0.2.50,192.0.2.60,255.255.255.0,1h
    dhcp-option=17,/plain
    dhcp-option-force=209,forced.cfg
    {host}
"""
KEA = """
    {{"Dhcp4": {{"subnet4": [{{"id": 1, "subnet": "192.0.2.0/24",
      "pools": [{{"pool": "192.0.2.50-192.0.2.60"}}],
      "option-data": [{{"name": "root-path", "data": "/plain"}},
                      {{"code": 209, "csv-format": false, "data": "61", "always-send": true}}],
      "reservations": [{host}]}}]}}}}
"""
DHCPD = """
    option cfg code 209 = text;
    subnet 192.0.2.0 netmask 255.255.255.0 {
      range 192.0.2.50 192.0.2.60;
      option root-path "/plain";
      option cfg "forced.cfg";
      if exists dhcp-parameter-request-list {
        option dhcp-parameter-request-list = concat(option dhcp-parameter-request-list, d0, d1);
      }
    }
"""
HOSTS = {
    "dnsmasq": "dhcp-host=02:00:00:00:00:01,192.0.2.70,node-1",
    "kea": '{"hw-address": "02:00:00:00:00:01", "ip-address": "192.0.2.70", "hostname": "node-1"}',
}


def scope(kind: str, folder: Path, host: str) -> dict[str, Any]:
    path = folder / "source.conf"
    path.write_text(dedent(DNSMASQ if kind == "dnsmasq" else KEA).format(host=host))
    tree = import_files(kind, [path]).tree
    found: dict[str, Any] = next(iter(tree["scopes"].values()))
    return found


@pytest.mark.parametrize("kind", HOSTS)
def test_an_option_sent_unasked_stays_one(kind: str, tmp_path: Path) -> None:
    assert scope(kind, tmp_path, "")["always_send"] == [209]


def test_codes_that_dhcpd_adds_to_the_clients_list(tmp_path: Path) -> None:
    path = tmp_path / "dhcpd.conf"
    path.write_text(dedent(DHCPD))
    imported = import_files("dhcpd", [path])
    found = next(iter(imported.tree["scopes"].values()))
    assert found["always_send"] == [209]
    assert not imported.not_modelled


@pytest.mark.parametrize("kind", HOSTS)
def test_names_are_told_where_a_machine_has_one(kind: str, tmp_path: Path) -> None:
    assert scope(kind, tmp_path, HOSTS[kind])["host_names"] is True
    assert "host_names" not in scope(kind, tmp_path, "")


def dhcpd(folder: Path, statements: str) -> tuple[dict[str, Any], list[str]]:
    """The scope that statements of a subnet make, and what of them is not in it."""
    path = folder / "dhcpd.conf"
    path.write_text(
        f"subnet 192.0.2.0 netmask 255.255.255.0 {{ range 192.0.2.50 192.0.2.60; {statements} }}\n"
    )
    imported = import_files("dhcpd", [path])
    return next(iter(imported.tree["scopes"].values())), [entry.statement for entry in imported.not_modelled]


def test_a_list_of_the_file_is_all_that_clients_are_sent(tmp_path: Path) -> None:
    values = 'option routers 192.0.2.1; option root-path "/srv"; option dhcp-renewal-time 600;'
    found, left = dhcpd(tmp_path, f"{values} option dhcp-parameter-request-list 1, 3, 6;")
    # 58 goes into every reply, listed or not (cons_options); 6 has no value.
    assert (found["options"], found["always_send"]) == ({3: "192.0.2.1", 58: "600"}, [3])
    assert left == ['option root-path "/srv";']


def test_a_list_for_some_clients_takes_nothing_from_the_others(tmp_path: Path) -> None:
    values = 'option routers 192.0.2.1; option root-path "/srv";'
    phones = 'if option vendor-class-identifier = "phone" { option dhcp-parameter-request-list 3; }'
    found, left = dhcpd(tmp_path, f"{values} {phones}")
    assert (found["options"], found["always_send"]) == ({3: "192.0.2.1", 17: "/srv"}, [3])
    assert left == ["option dhcp-parameter-request-list 3;"]


def test_the_last_list_counts(tmp_path: Path) -> None:
    values = 'option routers 192.0.2.1; option root-path "/srv";'
    lists = "option dhcp-parameter-request-list 3; option dhcp-parameter-request-list 17;"
    found, _ = dhcpd(tmp_path, f"{values} {lists}")
    assert (found["options"], found["always_send"]) == ({17: "/srv"}, [17])


def kea(folder: Path, host: str) -> tuple[dict[str, Any], list[str], list[str]]:
    """The scope of a reservation, the names of its machines, and what of it is not in them."""
    path = folder / "kea.conf"
    path.write_text(dedent(KEA).format(host=host))
    imported = import_files("kea", [path])
    names = [row.name for row in imported.clients]
    left = [entry.statement for entry in imported.not_modelled if not entry.statement.startswith('"id"')]
    return next(iter(imported.tree["scopes"].values())), names, left


MACHINE = '"hw-address": "02:00:00:00:00:01"'
NAME = '{"name": "host-name", "data": "node-1"}'


def test_a_name_given_as_option_data_is_told(tmp_path: Path) -> None:
    host = f'{{{MACHINE}, "ip-address": "192.0.2.70", "option-data": [{NAME}]}}'
    found, names, left = kea(tmp_path, host)
    assert (found["host_names"], names, left) == (True, ["node-1"], [])
    assert "rules" not in found


@pytest.mark.parametrize(
    ("address", "data", "told"),
    [
        ("", NAME, "node-1"),
        ('"ip-address": "192.0.2.70",', '{"name": "host-name", "data": "node-1.example"}', "node-1.example"),
        ('"ip-address": "192.0.2.70",', '{"code": 12, "data": "node-1", "always-send": true}', "node-1"),
    ],
)
def test_a_name_that_no_scope_tells_by_itself_is_a_rule(
    address: str, data: str, told: str, tmp_path: Path
) -> None:
    found, _, left = kea(tmp_path, f'{{{MACHINE}, {address} "option-data": [{data}]}}')
    (rule,) = found["rules"]
    assert rule["options"] == {12: told}
    assert not left
    assert (12 in found["always_send"]) == ("always-send" in data)


def test_the_hostname_of_a_reservation_precedes_its_option(tmp_path: Path) -> None:
    host = f'{{{MACHINE}, "ip-address": "192.0.2.70", "hostname": "first", "option-data": [{NAME}]}}'
    found, names, left = kea(tmp_path, host)
    assert (found["host_names"], names, len(left)) == (True, ["first"], 1)
    assert "rules" not in found
