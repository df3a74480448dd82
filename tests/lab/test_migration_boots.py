"""Two real machines, a BIOS one and a UEFI one, before their wave and after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.wire.bootp import UNSPECIFIED
from tests.harness.firmware import NEEDS, Boot, Firmware, start_firmware
from tests.harness.generations import NEW, OLD, PROGRAMS, Generations
from tests.harness.network import Network

MACHINES: tuple[tuple[str, str, Firmware], ...] = (
    ("52:54:00:00:10:01", "bios", "ipxe"),
    ("52:54:00:00:10:02", "uefi-x64", "edk2"),
)
ROWS = [
    {
        "mac": mac,
        "name": f"tc-{architecture}",
        "hardware": "ud3",
        "architecture": architecture,
        "firmware": name,
    }
    for mac, architecture, name in MACHINES
]


def boot(network: Network, mac: str, firmware: Firmware) -> Boot:
    return start_firmware(network, "office", firmware=firmware, mac=mac)


def offering(found: Boot) -> set[str]:
    """Who offered it a boot file and no address."""
    offers = [frame for frame in found.of_kind("OFFER") if frame.packet.yiaddr == UNSPECIFIED]
    return {str(frame.source[0]) for frame in offers}


@pytest.mark.timeout(900)
@pytest.mark.needs("dhcpd", *NEEDS["ipxe"], *NEEDS["edk2"])
def test_they_boot_from_the_old_server_before_and_the_new_one_after(tmp_path: Path) -> None:
    waves = [{"name": "bios", "machines": "tc-bios"}, {"name": "uefi", "machines": "tc-uefi-x64"}]
    migration = {"waves": waves, "gate": {"checklist": False}, "settle": 1.0}
    with Network() as network:
        generations = Generations(network, tmp_path, ROWS, migration)
        on = {mac: OLD for mac, _, _ in MACHINES}
        for moving in (None, *MACHINES):
            if moving is not None:
                moved = generations.migrate("next", "--yes")
                assert moved.returncode == 0, moved.stderr
                on[moving[0]] = NEW
            for mac, architecture, firmware in MACHINES:
                found = boot(network, mac, firmware)
                server = on[mac]
                assert found.word == f"{server}:{server}/{PROGRAMS[architecture]}", found.console[-2000:]
                address = str(generations.site.hosts[server].address)
                assert (found.boot_server, offering(found)) == (address, {address})
        back = generations.migrate("back", "--yes")
        assert back.returncode == 0, back.stderr
        mac, architecture, firmware = MACHINES[1]
        assert boot(network, mac, firmware).word == f"{OLD}:{OLD}/{PROGRAMS[architecture]}"
