"""Two VLANs with a boot server, a router and machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.wire.mac import format_mac
from tests.harness.client import PxeClient, hardware_address
from tests.harness.network import Host, Network
from tests.harness.processes import Process
from tests.harness.servers import start_boot_server

OTC = IPv4Address("10.10.0.6")
THIN = "00:80:64:10:00:01"
STRANGER = "00:80:64:99:00:01"


class Site:
    """Two VLANs and a router with a relay; the boot server stands in both unless it is told otherwise."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.clients = ExitStack()
        network.vlan("office", "10.10.0.0/16")
        network.vlan("workshop", "10.20.0.0/16")
        self.otc = network.host("otc", {"office": OTC, "workshop": "10.20.0.6"})
        self.desk = network.host("desk", {"office": "10.10.1.7"})
        self.bench = network.host("bench", {"workshop": "10.20.1.7"})
        root = self.otc.directory / "tftp"
        root.mkdir()
        (root / "lpxelinux.0").write_bytes(b"thin" * 5000)

    def config(self, **changes: Any) -> dict[str, Any]:
        return {
            "name": "otc",
            "listen": [{"address": str(OTC), "vlan": "office"}, {"address": "10.20.0.6", "vlan": "workshop"}],
            "rules": [
                {
                    "name": "thin",
                    "clients": {
                        "macs": [THIN, format_mac(hardware_address(self.desk))],
                    },
                    "programs": {"bios": "lpxelinux.0", "uefi-x64": "syslinux64.efi"},
                }
            ],
            "tftp": {"root": "tftp"},
            "registry": "registry.sqlite",
            **changes,
        }

    def serve(self, *arguments: str, host: Host | None = None, **changes: Any) -> Process:
        on = host or self.otc
        path = on.write("coexist.yaml", json.dumps(self.config(**changes)))
        return start_boot_server(on, path, *arguments, ready="ready")

    def client(self, host: Host, mac: str = THIN, **more: Any) -> PxeClient:
        return self.clients.enter_context(PxeClient(host, mac, **more))


@pytest.fixture
def site() -> Iterator[Site]:
    with Network() as network:
        site = Site(network)
        with site.clients:
            yield site
