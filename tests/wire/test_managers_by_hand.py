"""Two thin-client managers that are changed by hand, live: a gap where the plan says, and never two servers.

A manager is not here. What stands in for each is a responder that behaves as docs/reference/targets.md says
of openthinclient: exact lists, an offer without option 43 and file, the file on port 4011, no delay.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from coexist.app.render import write_site
from coexist.inventory import Inventory, load_inventory
from coexist.inventory.software import Software
from coexist.planning.placement import Placement
from coexist.planning.progress import read_state
from coexist.planning.roadmap import next_step
from coexist.render import render_site
from coexist.rollout.migration import Journal, rendered_inventory
from tests.harness import reload_boot_server
from tests.harness.client import hardware_address
from tests.harness.fleet import Booted, Fleet, Kind
from tests.harness.network import Network
from tests.harness.processes import Process
from tests.harness.site import SiteNetwork

OLD, NEW = "old", "new"
METRICS_PORT = 9100
PILOT, OTHER = 0x00155D000001, 0x00155D000002
KINDS = (Kind(architecture="bios", firmware="ipxe"), Kind(architecture="bios", firmware="pxe21"))
"""Firmware that gives up within half a minute where nobody answers; UEFI takes one."""
TREE: dict[str, Any] = {
    "site": "ward",
    "vlans": {"office": {"id": 10, "subnet": "10.64.0.0/24", "gateway": "10.64.0.1"}},
    "servers": {
        "dhcp": {"software": "isc-dhcpd 4.4", "address": "10.64.0.5", "vlan": "office", "ping_check": False},
        OLD: {"software": "openthinclient", "address": "10.64.0.6", "vlan": "office",
              "answers": {"only": "thin"}, "programs": {"bios": "lpxelinux.0"}},
        NEW: {"software": "openthinclient", "address": "10.64.0.7", "vlan": "office",
              "answers": "nobody", "programs": {"bios": "lpxelinux.0"}},
    },
    "scopes": {"office": {"server": "dhcp", "vlan": "office", "pools": ["10.64.0.100-10.64.0.200"]}},
    "clients": [
        {"mac": f"00:15:5d:00:00:{n:02x}", "name": f"tc{n}", "hardware": "x1", "location": "here",
         "architecture": "bios"}
        for n in (1, 2)
    ],
    "groups": {"thin": {"where": {"hardware": "x1"}}},
    "intent": [{"clients": "thin", "boot_from": OLD}],
    "architectures": {"bios": ["ipxe", "pxe21"]},
    "migrations": {"up": {"from": OLD, "to": NEW, "clients": "thin", "settle": 0, "during": "gap",
                          "window": "00:00-23:59", "gate": {"checklist": False},
                          "waves": [{"name": "first", "machines": "tc1"}, {"name": "rest"}]}},
}  # fmt: skip


class Ward:
    """The site on the wire, and the person who changes the managers."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.folder, self.rendered = folder, folder / "rendered"
        (folder / "site.yaml").write_text(yaml.safe_dump(TREE, sort_keys=False))
        self.changed_at: list[float] = []
        start = self._standing_in(Placement())
        write_site(render_site(start), self.rendered)
        self.site = SiteNetwork(network, start)
        self.servers: dict[str, Process] = self.site.start(self.rendered)
        self.boots: list[Booted] = []
        self.ended = threading.Condition()
        hosts = self.site.hosts
        self.owner = {hosts[name].address: name for name in (OLD, NEW)}
        neighbours = {host.address: hardware_address(host) for host in hosts.values()}
        self.fleet = Fleet(network.host("machines", {"office": None}), neighbours, self._booted)
        self.prober = network.host("prober", {"office": "10.64.0.250"})

    def _standing_in(self, at: Placement) -> Inventory:
        """The inventory at a moment, with what stands in for the two managers."""
        inventory = rendered_inventory(load_inventory(self.folder), "up", at)
        servers = dict(inventory.site.servers)
        for name in (OLD, NEW):
            servers[name] = servers[name].model_copy(
                update={
                    "software": Software(product="coexist"),
                    "discovery_control": None,
                    "offers_file": False,
                    "settings": {"metrics_port": METRICS_PORT},
                }
            )
        return replace(inventory, site=inventory.site.model_copy(update={"servers": servers}))

    def change_by_hand(self) -> str:
        """Make the next change of the step under way, as the list asks for it; tells whose it was."""
        state = read_state((self.folder / "migrations" / "up.yaml").read_text(), "up")
        step = state.under_way()
        assert step is not None
        assert state.step is not None
        change = step.changes[state.step.done]
        site = render_site(self._standing_in(change.placement))
        only = replace(site, files={change.server: site.files[change.server]})
        write_site(only, self.rendered)
        namespace = self.site.hosts[change.server].namespace.name
        words = [reload_boot_server.__file__, str(self.servers[change.server].pid), str(METRICS_PORT)]
        subprocess.run(["ip", "netns", "exec", namespace, sys.executable, *words], check=True)
        self.changed_at.append(time.monotonic())
        return change.server

    def migrate(self, expected: int, *words: str, where: str | None = None) -> None:
        before = ["ip", "netns", "exec", where] if where else []
        argv = [*before, sys.executable, "-m", "coexist", "migrate", words[0], str(self.folder), *words[1:]]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == expected, done.stdout + done.stderr

    def boot(self, mac: int) -> list[str | None]:
        """Whom a machine boots from, with each firmware; two servers in one boot fail the test."""
        found: list[str | None] = []
        for kind in KINDS:
            count = len(self.boots)
            self.fleet.switch_on(mac, kind)
            with self.ended:
                assert self.ended.wait_for(partial(self._more_than, count), 90.0)
                boot = self.boots[-1]
            self.fleet.check()
            assert len({offer.by for offer in boot.offers}) <= 1, f"two servers: {boot}"
            found.append(self.owner[boot.server] if boot.content is not None and boot.server else None)
        return found

    def _more_than(self, count: int) -> bool:
        return len(self.boots) > count

    def _booted(self, boot: Booted) -> None:
        with self.ended:
            self.boots.append(boot)
            self.ended.notify_all()

    def close(self) -> None:
        self.fleet.close()


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    with Network() as network:
        made = Ward(network, tmp_path)
        yield made
        made.close()


def both(server: str | None) -> list[str | None]:
    return [server] * len(KINDS)


@pytest.mark.timeout(600)
@pytest.mark.needs("dhcpd")
def test_a_gap_where_the_plan_says_and_never_two_servers(ward: Ward) -> None:
    coming = next_step(load_inventory(ward.folder), "up", Journal(load_inventory(ward.folder), "up").read())
    assert coming is not None
    planned = coming.proven()
    assert [change.gap for change in planned.step.changes] == [True, False]
    assert ward.boot(PILOT) == ward.boot(OTHER) == both(OLD)

    ward.migrate(3, "next", "--yes")
    assert ward.boot(PILOT) == both(OLD), "it is only written down"
    # What was not done is not believed: the wire is asked.
    where = ward.prober.namespace.name
    verify = f"office={next(iter(ward.prober.interfaces.values()))}"
    ward.migrate(2, "next", "--done-by-hand", "--yes", "--verify", verify, where=where)
    assert ward.change_by_hand() == OLD
    ward.migrate(3, "next", "--done-by-hand", "--yes", "--verify", verify, where=where)
    assert (ward.boot(PILOT), ward.boot(OTHER)) == (both(None), both(OLD))
    assert ward.change_by_hand() == NEW
    assert (ward.boot(PILOT), ward.boot(OTHER)) == (both(NEW), both(OLD))
    ward.migrate(0, "next", "--done-by-hand", "--yes", "--verify", verify, where=where)

    # One machine back, the same way.
    ward.migrate(3, "back", "--machine", "tc1", "--yes")
    assert ward.change_by_hand() == NEW
    assert ward.boot(PILOT) == both(None)
    ward.migrate(3, "next", "--done-by-hand", "--yes")
    assert ward.change_by_hand() == OLD
    ward.migrate(0, "next", "--done-by-hand", "--yes")
    assert (ward.boot(PILOT), ward.boot(OTHER)) == (both(OLD), both(OLD))
