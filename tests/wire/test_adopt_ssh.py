"""A server that runs is adopted over SSH: its own files, without their secrets, and nothing there changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.cli import run
from coexist.inventory import load_inventory
from tests.harness.network import Network
from tests.harness.servers import install
from tests.harness.sshd import client_config, client_key, start_sshd

pytestmark = [pytest.mark.needs("sshd", "unshare"), pytest.mark.untimed]

MAIN = """key control { algorithm hmac-md5; secret bm90IGZvciBhbnlvbmU=; };
include "/etc/dhcp/hosts.conf";
subnet 10.77.0.0 netmask 255.255.255.0 { option routers 10.77.0.1; range 10.77.0.100 10.77.0.149; }
"""
HOSTS = "host one { hardware ethernet 52:54:00:77:00:01; fixed-address 10.77.0.11; }\n"


def test_a_server_is_adopted_over_ssh(tmp_path: Path) -> None:
    key = client_key(tmp_path)
    site = tmp_path / "site"
    with Network() as network:
        network.vlan("office", "10.77.0.0/24")
        desk = network.host("desk", {"office": "10.77.0.9"})
        server = network.host("server", {"office": "10.77.0.5"})
        install(server, "/etc/dhcp/dhcpd.conf", MAIN)
        install(server, "/etc/dhcp/hosts.conf", HOSTS)
        config = client_config(tmp_path, key, [start_sshd(server, key)])
        given = ["adopt", str(site), "dhcp1", "--from", "deploy@10.77.0.5", "--ssh-config", str(config)]
        assert desk.namespace.call(lambda: run(given)) == 0
        assert (server.own_path("/etc/dhcp") / "dhcpd.conf").read_text() == MAIN
    declared = load_inventory(site).site.servers["dhcp1"]
    assert (str(declared.address), declared.deploy and declared.deploy.user) == ("10.77.0.5", "deploy")
    kept = {path: (site / file).read_text() for path, file in declared.config.items()}
    assert kept["/etc/dhcp/hosts.conf"] == HOSTS
    assert "bm90IGZv" not in kept["/etc/dhcp/dhcpd.conf"]
