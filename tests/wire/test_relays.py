"""Relay agents that do more than copy: one answer only, another server identifier, and dnsmasq as the agent.

The wire is asked by ``coexist probe --expect``: what every server and agent really does must be what the
models say of the inventory.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from coexist.inventory import load_inventory
from tests.harness.network import Network
from tests.harness.site import SiteNetwork, render

SITE = """
site: a-terminal
vlans:
  core: {id: 80, subnet: 10.80.0.0/24, gateway: 10.80.0.1}
  one: {id: 81, subnet: 10.81.0.0/24, gateway: 10.81.0.1, relay_to: [dhcp, otc], relay: {passes: first}}
  own:
    id: 82
    subnet: 10.82.0.0/24
    gateway: 10.82.0.1
    relay_to: [dhcp, otc]
    relay: {replaces_server_id: true}
  daemon: {id: 83, subnet: 10.83.0.0/24, gateway: 10.83.0.1, relay_to: [dhcp, otc]}
servers:
  dhcp: {software: isc-dhcpd, address: 10.80.0.5, vlan: core, ping_check: false}
  otc:
    software: coexist
    address: 10.80.0.6
    vlan: core
    delay: 0.6
    programs: {bios: thin.0, uefi-x64: thin.efi}
scopes:
  one: {server: dhcp, vlan: one, pools: [10.81.0.100-10.81.0.150], options: {3: 10.81.0.1}}
  own: {server: dhcp, vlan: own, pools: [10.82.0.100-10.82.0.150], options: {3: 10.82.0.1}}
  daemon: {server: dhcp, vlan: daemon, pools: [10.83.0.100-10.83.0.150], options: {3: 10.83.0.1}}
intent:
  - {clients: everyone, boot_from: otc}
"""
AGENTS = ("one", "own", "daemon")


@pytest.mark.needs("dhcpd", "dnsmasq")
def test_what_a_relay_agent_makes_of_answers_is_predicted(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    render(tmp_path, tmp_path / "out")
    with Network() as network:
        site = SiteNetwork(network, load_inventory(tmp_path), dnsmasq_relays=frozenset({"daemon"}))
        site.start(tmp_path / "out")
        hosts = {
            vlan: network.host(f"ask-{vlan}", {vlan: f"10.8{number}.0.9"}, gateway=f"10.8{number}.0.1")
            for number, vlan in enumerate(AGENTS, start=1)
        }
        asks = ["-i", "eth0", "--wait", "3", "--expect", str(tmp_path), "-a", "uefi-x64", "-a", "bios"]
        command = [sys.executable, "-m", "coexist", "probe", *asks, "--format", "json"]
        # A MAC for each: the boot server would take them for one client that asks again.
        asked = {
            vlan: host.start([*command, "--vlan", vlan, "--mac", f"02:00:5e:00:01:0{number}"])
            for number, (vlan, host) in enumerate(hosts.items())
        }
        codes = {vlan: process.wait(timeout=120) for vlan, process in asked.items()}
        found = {vlan: json.loads(process.output) for vlan, process in asked.items()}

    assert {vlan: found[vlan]["findings"] for vlan in AGENTS} == {vlan: [] for vlan in AGENTS}
    assert codes == dict.fromkeys(AGENTS, 0)
    roles = {vlan: {a["role"] for a in found[vlan]["answers"] if a["port"] == 67} for vlan in AGENTS}
    # The boot server's answer comes second: an agent that passes one answer keeps it back.
    assert roles["one"] == {"DHCP"}
    assert roles["own"] == roles["daemon"] == {"DHCP", "ProxyDHCP"}
    identifiers = {vlan: {a["server"] for a in found[vlan]["answers"] if a["port"] == 67} for vlan in AGENTS}
    assert identifiers["own"] == {"10.82.0.1"}
    assert identifiers["daemon"] == {"10.80.0.5", "10.80.0.6"}
