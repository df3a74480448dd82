"""Two generations of a boot server on one VLAN, live, and an inventory that migrates between them."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from coexist.app.render import write_site
from coexist.inventory import Inventory, load_inventory
from coexist.render import render_site
from coexist.rollout.migrated import current_inventory
from tests.harness import reload_boot_server
from tests.harness.network import Network
from tests.harness.processes import Process
from tests.harness.site import SiteNetwork

OLD, NEW = "old", "new"
PROGRAMS = {"bios": "lpxelinux.0", "uefi-x64": "syslinux64.efi"}
_METRICS_PORT = 9100
_PYTHON = shlex.quote(sys.executable)


class Generations:
    """The site in ``folder``: dhcpd, the old and the new server, all started from what was rendered."""

    def __init__(
        self,
        network: Network,
        folder: Path,
        clients: Sequence[Mapping[str, Any]],
        migration: Mapping[str, Any],
    ) -> None:
        self.folder = folder
        self.rendered = folder / "rendered"
        self._write(clients, migration, reload={})
        self.site = SiteNetwork(network, self.inventory)
        write_site(render_site(current_inventory(self.inventory)), self.rendered)
        self.servers: dict[str, Process] = self.site.start(self.rendered)
        reload = {
            name: (
                f"ip netns exec {self.site.hosts[name].namespace.name} {_PYTHON} "
                f"{shlex.quote(reload_boot_server.__file__)} {self.servers[name].pid} {_METRICS_PORT}"
            )
            for name in (OLD, NEW)
        }
        self._write(clients, migration, reload=reload)

    @property
    def inventory(self) -> Inventory:
        """The inventory as declared."""
        return load_inventory(self.folder)

    def start_migrate(self, *words: str) -> Process:
        """``coexist migrate WORDS`` as a program of its own."""
        first, *rest = words
        return Process([sys.executable, "-m", "coexist", "migrate", first, self.folder, *rest])

    def migrate(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The same, to its end."""
        first, *rest = words
        argv = [sys.executable, "-m", "coexist", "migrate", first, str(self.folder), *rest]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def _write(
        self, clients: Sequence[Mapping[str, Any]], migration: Mapping[str, Any], reload: Mapping[str, str]
    ) -> None:
        columns = ("mac", "name", "hardware", "location", "architecture", "firmware", "tags")
        rows = [",".join(str(client.get(column, "")) for column in columns) for client in clients]
        (self.folder / "clients.csv").write_text("\n".join([",".join(columns), *rows]) + "\n")
        (self.folder / "site.yaml").write_text(yaml.safe_dump(self._tree(migration, reload), sort_keys=False))

    def _tree(self, migration: Mapping[str, Any], reload: Mapping[str, str]) -> dict[str, Any]:
        return {
            "site": "two-generations",
            "vlans": {"office": {"id": 10, "subnet": "10.10.0.0/16", "gateway": "10.10.0.1"}},
            "servers": {
                "dhcp": {
                    "software": "isc-dhcpd 4.4",
                    "address": "10.10.0.5",
                    "vlan": "office",
                    "ping_check": False,
                },
                OLD: self._boot_server(OLD, "10.10.0.6", {"only": "thin-clients"}, reload),
                NEW: self._boot_server(NEW, "10.10.0.7", "nobody", reload),
            },
            "scopes": {
                "office": {"server": "dhcp", "vlan": "office", "pools": ["10.10.1.0-10.10.9.255"]},
            },
            "clients": "clients.csv",
            "groups": {
                "thin-clients": {"where": {"hardware": ["ud3", "wyse"]}},
                "pilot-machines": {"where": {"tags": "pilot"}},
            },
            "intent": [{"clients": "thin-clients", "boot_from": OLD}],
            "migrations": {"upgrade": {"from": OLD, "to": NEW, "clients": "thin-clients", **migration}},
        }

    def _boot_server(
        self, name: str, address: str, answers: Any, reload: Mapping[str, str]
    ) -> dict[str, Any]:
        return {
            "software": "coexist",
            "address": address,
            "vlan": "office",
            "answers": answers,
            "programs": {key: f"{name}/{file}" for key, file in PROGRAMS.items()},
            "settings": {
                "metrics_port": _METRICS_PORT,
                "registry": str(self.folder / f"{name}.sqlite"),
            },
            "deploy": {
                "host": "localhost",
                "paths": {"*": str(self.rendered / name)},
                "check": f"{_PYTHON} -m coexist serve {{path}} --check",
                "reload": reload.get(name, "true"),
            },
        }
