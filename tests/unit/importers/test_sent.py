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
