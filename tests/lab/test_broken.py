"""The site of the classic mistakes: what it really does to machines is what is predicted for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coexist.analysis.race import ClientCase, race
from coexist.analysis.world import build_world
from coexist.inventory import load_inventory
from coexist.wire.mac import parse_mac
from tests.conftest import ROOT
from tests.harness.firmware import NEEDS, Firmware, start_firmware
from tests.harness.network import Network
from tests.harness.site import SiteNetwork, render

pytestmark = [pytest.mark.slow, pytest.mark.needs("dhcpd", *NEEDS["ipxe"], *NEEDS["edk2"])]

THIN_CLIENT, UNKNOWN = "00:80:64:10:00:01", "52:54:00:77:00:01"

Case = tuple[str, str, Firmware]

CASES: list[Case] = [
    (mac, vlan, firmware)
    for mac in (THIN_CLIENT, UNKNOWN)
    for vlan in ("office", "workshop", "lab")
    for firmware in ("ipxe", "edk2")
]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteNetwork]:
    """The broken site with every server running from its rendered configuration."""
    out = tmp_path_factory.mktemp("rendered")
    render(ROOT / "inventories" / "broken", out)
    with Network() as network:
        site = SiteNetwork(network, load_inventory(ROOT / "inventories" / "broken"))
        site.start(out)
        yield site


@pytest.mark.parametrize(("mac", "vlan", "firmware"), CASES)
def test_a_machine_does_what_was_predicted(broken: SiteNetwork, mac: str, vlan: str, firmware: Firmware):
    architecture = "bios" if firmware == "ipxe" else "uefi-x64"
    case = ClientCase(mac=parse_mac(mac), vlan=vlan, architecture=architecture, firmware=firmware)
    predicted = race(build_world(broken.inventory), case)
    boot = start_firmware(broken.network, vlan, firmware=firmware, mac=mac)
    happened = (broken.server_at(boot.boot_server) or boot.boot_server, boot.file)
    assert happened in {(outcome.boot_server, outcome.file) for outcome in predicted.outcomes}, (
        f"{boot.ended}\n{[frame.kind for frame in boot.frames]}"
    )
