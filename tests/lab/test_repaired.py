"""The broken site as `coexist solve` repairs it: its machines boot as its administrators want."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from coexist.analysis.race import ClientCase, race
from coexist.analysis.world import build_world
from coexist.inventory import Inventory, load_inventory
from coexist.wire.mac import parse_mac
from tests.conftest import ROOT
from tests.harness.firmware import NEEDS, Firmware, start_firmware
from tests.harness.network import Network
from tests.harness.site import SiteNetwork, render

pytestmark = [pytest.mark.slow, pytest.mark.needs("dhcpd", *NEEDS["ipxe"], *NEEDS["edk2"])]

THIN_CLIENT, UNKNOWN, WORKSHOP_PC = "00:80:64:10:00:01", "52:54:00:77:00:01", "3c:52:82:30:00:04"

NONE: frozenset[str] = frozenset()
SCCM_IS_DOWN = frozenset({"sccm"})

Case = tuple[str, str, Firmware, frozenset[str], str | None]

CASES: list[Case] = [
    (THIN_CLIENT, "office", "ipxe", NONE, "otc"),
    (THIN_CLIENT, "office", "edk2", NONE, "otc"),
    (THIN_CLIENT, "workshop", "ipxe", NONE, "otc"),
    (THIN_CLIENT, "workshop", "edk2", NONE, "otc"),
    (UNKNOWN, "office", "ipxe", NONE, "sccm"),
    (UNKNOWN, "office", "edk2", NONE, "sccm"),
    (UNKNOWN, "lab", "ipxe", NONE, None),
    (WORKSHOP_PC, "workshop", "ipxe", NONE, "sccm"),
    (WORKSHOP_PC, "workshop", "edk2", NONE, "sccm"),
    (WORKSHOP_PC, "workshop", "ipxe", SCCM_IS_DOWN, "rescue"),
    (WORKSHOP_PC, "workshop", "edk2", SCCM_IS_DOWN, "rescue"),
]

Running = Callable[[frozenset[str]], SiteNetwork]


@pytest.fixture(scope="module")
def repaired(tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    """The inventory that ``coexist solve --write`` leaves."""
    site = tmp_path_factory.mktemp("repaired") / "site"
    shutil.copytree(ROOT / "inventories" / "broken", site)
    subprocess.run([sys.executable, "-m", "coexist", "solve", "--write", site], check=True)
    return load_inventory(site)


@pytest.fixture(scope="module")
def running(repaired: Inventory, tmp_path_factory: pytest.TempPathFactory):
    """Runs the repaired site, from its rendered files, without the servers that are down."""
    out = tmp_path_factory.mktemp("rendered")
    render(repaired.root, out)
    with ExitStack() as stack:
        sites: dict[frozenset[str], SiteNetwork] = {}

        def run(down: frozenset[str]) -> SiteNetwork:
            if down not in sites:
                sites[down] = SiteNetwork(stack.enter_context(Network()), repaired)
                sites[down].start(out, leave_out=down)
            return sites[down]

        yield run


@pytest.mark.parametrize(("mac", "vlan", "firmware", "down", "server"), CASES)
def test_a_machine_boots_as_intended(
    running: Running, mac: str, vlan: str, firmware: Firmware, down: frozenset[str], server: str | None
):
    site = running(down)
    architecture = "bios" if firmware == "ipxe" else "uefi-x64"
    case = ClientCase(mac=parse_mac(mac), vlan=vlan, architecture=architecture, firmware=firmware)
    predicted = race(build_world(site.inventory), case, silent=down)
    boot = start_firmware(site.network, vlan, firmware=firmware, mac=mac)
    assert {outcome.boot_server for outcome in predicted.outcomes} == {server}
    assert site.server_at(boot.boot_server) == server, f"{boot.ended}\n{[f.kind for f in boot.frames]}"
    assert boot.word == (f"{server}:{boot.file}" if server else None)


def test_nothing_is_left_to_find(repaired: Inventory):
    found = subprocess.run(
        [sys.executable, "-m", "coexist", "check", repaired.root, "--fail-on", "error"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout
