"""Line-ups of servers on one VLAN: who wins on which firmware, predicted and booted.

What is expected was measured with other servers before this project's own existed; each file in
``lineups`` says in its first line what it is about. Most of them run with ``-m slow``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from coexist.analysis.race import ClientCase, race
from coexist.analysis.world import build_world
from coexist.inventory import load_inventory
from coexist.wire.mac import parse_mac
from tests.harness.firmware import NEEDS, Firmware, start_firmware
from tests.harness.network import Network
from tests.harness.site import SiteNetwork, render

LINEUPS = Path(__file__).parent / "lineups"
MAC = "52:54:00:77:00:09"

NOTHING = (None, None)


@dataclass(frozen=True, slots=True)
class Boots:
    """What a firmware asks for first, as (server, file); several where real firmware decides by chance.

    ``loads`` is false where the file is asked for in vain.
    """

    asks: frozenset[tuple[str | None, str | None]]
    loads: bool = True


def asks(*requests: tuple[str | None, str | None], loads: bool = True) -> Boots:
    return Boots(frozenset(requests), loads)


ALPHA_BIOS, ALPHA_UEFI = ("alpha", "alpha.0"), ("alpha", "alpha.efi")
BETA_BIOS, BETA_UEFI = ("beta", "beta.0"), ("beta", "beta.efi")

Case = tuple[str, Firmware, str]

QUICK: dict[Case, Boots] = {
    ("scope-file-and-proxy", "ipxe", "bios"): asks(("files", "scope.0")),
    ("scope-file-and-proxy", "edk2", "uefi-x64"): asks(ALPHA_UEFI),
    ("two-proxies-one-late", "ipxe", "bios"): asks(ALPHA_BIOS),
    ("two-proxies-one-late", "edk2", "uefi-x64"): asks(ALPHA_UEFI),
}
SLOW: dict[Case, Boots] = {
    ("scope-file-and-proxy", "ipxe", "uefi-x64"): asks(("files", "scope.efi")),
    ("two-proxies-one-late", "ipxe", "uefi-x64"): asks(ALPHA_UEFI),
    # iPXE's second DISCOVER at one second brings alpha's second offer as dhcpd's ping check ends.
    ("slow-dhcp", "ipxe", "bios"): asks(ALPHA_BIOS, BETA_BIOS),
    ("slow-dhcp", "edk2", "uefi-x64"): asks(ALPHA_UEFI),
    ("late-fallback", "ipxe", "bios"): asks(NOTHING),
    ("late-fallback", "edk2", "uefi-x64"): asks(ALPHA_UEFI),
    ("option-60-left-over", "ipxe", "bios"): asks(NOTHING),
    ("option-60-left-over", "edk2", "uefi-x64"): asks(NOTHING),
    ("options-66-and-67", "ipxe", "bios"): asks(NOTHING),
    # siaddr is empty, so EDK2 asks the DHCP server itself, by option 54.
    ("options-66-and-67", "edk2", "uefi-x64"): asks(("dhcp", "alpha.efi"), loads=False),
    ("silent-on-4011", "ipxe", "bios"): asks(ALPHA_BIOS),
    ("silent-on-4011", "edk2", "uefi-x64"): asks(NOTHING),
    ("offer-without-file", "ipxe", "bios"): asks(ALPHA_BIOS),
    ("offer-without-file", "edk2", "uefi-x64"): asks(ALPHA_UEFI),
    ("secs-threshold", "ipxe", "bios"): asks(ALPHA_BIOS),
    ("secs-threshold", "edk2", "uefi-x64"): asks(ALPHA_UEFI),
    ("equal-proxies", "ipxe", "bios"): asks(ALPHA_BIOS, BETA_BIOS),
    ("equal-proxies", "edk2", "uefi-x64"): asks(ALPHA_UEFI, BETA_UEFI),
    ("blocked-4011", "ipxe", "bios"): asks(ALPHA_BIOS),
    ("blocked-4011", "edk2", "uefi-x64"): asks(NOTHING),
    ("relay-with-a-threshold", "ipxe", "bios"): asks(ALPHA_BIOS),
    ("relay-with-a-threshold", "edk2", "uefi-x64"): asks(ALPHA_UEFI),
    # iPXE does not ask for broadcasts: a server beside the DHCP server never hears its offers.
    ("after-an-offer", "ipxe", "bios"): asks(NOTHING),
    ("after-an-offer", "edk2", "uefi-x64"): asks(ALPHA_UEFI),
    ("kea-and-proxy", "ipxe", "bios"): asks(ALPHA_BIOS),
    ("kea-and-proxy", "edk2", "uefi-x64"): asks(ALPHA_UEFI),
    ("dnsmasq-proxy", "ipxe", "bios"): asks(ALPHA_BIOS),
    ("dnsmasq-proxy", "edk2", "uefi-x64"): asks(ALPHA_UEFI),
}
HTTP: dict[Case, Boots] = {
    ("http-boot", "edk2-http", "http-x64"): asks(("alpha", "http://10.77.0.6/alpha-http.efi")),
    ("http-boot", "edk2", "uefi-x64"): asks(ALPHA_UEFI),
}


def cases() -> list:
    return [
        pytest.param(
            name,
            firmware,
            architecture,
            expected,
            id=f"{name}-{firmware}-{architecture}",
            marks=[pytest.mark.needs("dhcpd", "kea-dhcp4", "dnsmasq", *NEEDS[firmware]), *marks],
        )
        for table, marks in ((QUICK | HTTP, []), (SLOW, [pytest.mark.slow]))
        for (name, firmware, architecture), expected in table.items()
    ]


@pytest.mark.parametrize(("name", "firmware", "architecture", "expected"), cases())
def test_a_lineup(tmp_path: Path, name: str, firmware: Firmware, architecture: str, expected: Boots):
    inventory = load_inventory(LINEUPS / f"{name}.yaml")
    render(LINEUPS / f"{name}.yaml", tmp_path)
    with Network() as network:
        site = SiteNetwork(network, inventory)
        site.start(tmp_path)
        boot = start_firmware(
            network, "office", firmware=firmware, mac=MAC, uefi=architecture.startswith("uefi")
        )
    asked = (site.server_at(boot.boot_server), boot.file)
    assert asked in expected.asks, f"{boot.ended}\n{boot.console[-2000:]}"
    loaded = asked[1].removeprefix(f"http://{boot.boot_server}/") if asked[1] and expected.loads else None
    assert boot.word == (f"{asked[0]}:{loaded}" if loaded else None)
    case = ClientCase(mac=parse_mac(MAC), vlan="office", architecture=architecture, firmware=firmware)
    result = race(build_world(inventory), case)
    outcomes = {(each.boot_server, each.file) for each in result.outcomes}
    assert asked in outcomes
    assert len(outcomes) == 1 or len(expected.asks) > 1
    if firmware.startswith("edk2"):
        # Its DISCOVERs count the windows it needed, which no busy machine changes.
        assert len(boot.of_kind("DISCOVER")) in {each.discovers for each in result.outcomes}
