"""Two boot servers of coexist for the same clients, live: one of them dies while machines boot."""

from __future__ import annotations

import signal
import threading
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from coexist.app.render import write_site
from coexist.boot.responder import Arrival
from coexist.boot.servers.coexist import boot_service
from coexist.inventory import Inventory, inventory_from_tree
from coexist.render import render_site
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from tests.harness.client import hardware_address
from tests.harness.crowd import Crowd
from tests.harness.fleet import Booted, Fleet, Kind
from tests.harness.network import Network
from tests.harness.site import SiteNetwork

TWINS = ("one", "two")
BOOT_SERVER = {
    "software": "coexist",
    "vlan": "office",
    "answers": "intended",
    "programs": {"bios": "undionly.0", "uefi-x64": "loader.efi"},
}
TREE: dict[str, Any] = {
    "site": "twins",
    "vlans": {"office": {"id": 10, "subnet": "10.64.0.0/24", "gateway": "10.64.0.1"}},
    "servers": {
        "dhcp": {"software": "isc-dhcpd 4.4", "address": "10.64.0.5", "vlan": "office", "ping_check": False},
        "one": {**BOOT_SERVER, "address": "10.64.0.6"},
        "two": {
            **BOOT_SERVER,
            "address": "10.64.0.7",
            "pair": {"with": "one", "mode": "by-hash", "after": 3},
        },
    },
    "scopes": {"office": {"server": "dhcp", "vlan": "office", "pools": ["10.64.0.100-10.64.0.200"]}},
    "intent": [{"clients": "everyone", "boot_from": "one"}],
}
MACHINES = [0x52_54_00_0B_00_00 + number for number in range(24)]
UEFI, IPXE = Kind(architecture="uefi-x64", firmware="edk2"), Kind(architecture="bios", firmware="ipxe")
PATIENCE = 60.0


def discover(number: int, secs: int) -> Packet:
    options = {
        53: b"\1",
        55: bytes((1, 3, 43, 60, 66, 67)),
        60: b"PXEClient:Arch:00007:UNDI:003016",
        93: b"\0\7",
    }
    return Packet(op=1, secs=secs, chaddr=mac_bytes(0x52_54_00_0A_00_00 + number), options=options)


def predicted(inventory: Inventory, packet: Packet) -> set[IPv4Address]:
    found = set()
    for name in TWINS:
        model = boot_service(inventory, name)
        (address,) = inventory.site.servers[name].stands_on.values()
        arrival = Arrival(packet=packet, at=0.0, port=67, address=address, source=(UNSPECIFIED, 68))
        if model.receive(model.initial(), arrival).replies:
            found.add(address)
    return found


class Machines:
    """A fleet that boots until each of its machines has its file: who loses its server begins again."""

    def __init__(self, network: Network, site: SiteNetwork) -> None:
        neighbours = {host.address: hardware_address(host) for host in site.hosts.values()}
        self.boots: list[Booted] = []
        self.changed = threading.Condition()
        self.fleet = Fleet(network.host("machines", {"office": None}), neighbours, self._ended)

    def _ended(self, boot: Booted) -> None:
        with self.changed:
            self.boots.append(boot)
            self.changed.notify_all()
        if boot.content is None:
            self.fleet.switch_on(boot.mac, boot.kind)

    def wait_for(self, macs: list[int]) -> None:
        def loaded() -> bool:
            return {boot.mac for boot in self.boots if boot.content is not None} >= set(macs)

        with self.changed:
            done = self.changed.wait_for(loaded, PATIENCE)
        self.fleet.check()
        assert done, [str(boot) for boot in self.boots]


@pytest.mark.needs("dhcpd")
def test_twins_share_their_clients_and_one_alone_boots_all(tmp_path: Path) -> None:
    inventory = inventory_from_tree(TREE)
    write_site(render_site(inventory), tmp_path / "rendered")
    with Network(directory=tmp_path) as network:
        site = SiteNetwork(network, inventory)
        servers = site.start(tmp_path / "rendered")
        crowd = Crowd(network.host("crowd", {"office": "10.64.0.250"}))
        machines = Machines(network, site)
        try:
            dhcp = site.hosts["dhcp"].address
            for secs in (0, 3, 4):
                packets = [discover(number, secs) for number in range(48)]
                seen = [set(answers) - {dhcp} for answers in crowd.ask(packets)]
                assert seen == [predicted(inventory, packet) for packet in packets], secs
            early, late = MACHINES[:8], MACHINES[8:]
            for number, mac in enumerate(early):
                machines.fleet.switch_on(mac, IPXE if number % 4 == 3 else UEFI)
            machines.wait_for(early)
            assert {boot.server for boot in machines.boots} == {site.hosts[name].address for name in TWINS}
            for number, mac in enumerate(late):
                machines.fleet.switch_on(mac, IPXE if number % 4 == 3 else UEFI)
            # The first files of the others are asked for: the server dies under load.
            machines.wait_for([mac for number, mac in enumerate(late) if number % 4 == 3])
            servers["one"].send_signal(signal.SIGKILL)
            machines.wait_for(late)
            after = [boot for boot in machines.boots if boot.mac in late and boot.content is not None]
            assert site.hosts["two"].address in {boot.server for boot in after}
            assert {boot.server for boot in after} <= {site.hosts[name].address for name in TWINS}
        finally:
            machines.fleet.close()
            crowd.close()
