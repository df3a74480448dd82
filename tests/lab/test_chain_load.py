"""Chain loads on real firmware: both stages go as predicted, and a loop is one.

OVMF or an iPXE ROM loads Debian's iPXE over TFTP, which asks DHCP again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from coexist.analysis.chain import NextStage, stages
from coexist.analysis.race import ClientCase, RaceResult
from coexist.analysis.world import build_world
from coexist.boot.firmware.ipxe import Ipxe
from coexist.boot.firmware.machine import Machine
from coexist.boot.request import is_ipxe
from coexist.inventory import load_inventory
from coexist.wire.architecture import CANONICAL_CODE
from coexist.wire.bootp import Packet
from coexist.wire.mac import parse_mac
from coexist.wire.options import Option
from tests.harness.capture import Capture, Frame
from tests.harness.firmware import NEEDS, Boot, Firmware, start_firmware
from tests.harness.network import Network
from tests.harness.site import SiteNetwork, render

LINEUPS = Path(__file__).parent / "lineups"
IPXE = Path("/usr/lib/ipxe")
"""Where Debian's package ``ipxe`` has its builds."""
BUILDS = ("undionly.kpxe", "snponly.efi")
MAC = "52:54:00:77:00:0a"
PATIENCE = 300.0
"""Seconds for all stages on a machine that is busy."""
SAID = (
    Option.VENDOR_CLASS_IDENTIFIER,
    Option.USER_CLASS,
    Option.CLIENT_SYSTEM_ARCHITECTURE,
    Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER,
    Option.CLIENT_IDENTIFIER,
    Option.PARAMETER_REQUEST_LIST,
    Option.MAXIMUM_DHCP_MESSAGE_SIZE,
)
"""What servers may tell clients apart by."""

pytestmark = pytest.mark.needs(
    "dhcpd", *NEEDS["ipxe"], *NEEDS["edk2"], *(str(IPXE / name) for name in BUILDS)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What a machine did and what was predicted. ``asked``: the files it asked for and of which server, in
    order, repetitions of a request once."""

    boot: Boot
    asked: tuple[tuple[str | None, str | None], ...]
    first: RaceResult
    next: NextStage

    @property
    def sessions(self) -> list[Frame]:
        """The first DISCOVER of each DHCP session."""
        return sessions(self.boot.of_kind("DISCOVER"))


def sessions(discovers: tuple[Frame, ...]) -> list[Frame]:
    """The first frame of each transaction; iPXE takes a new number whenever it starts, EDK2 as well."""
    return list({frame.packet.xid: frame for frame in reversed(discovers)}.values())[::-1]


def start_chain(folder: Path, name: str, firmware: Firmware, *, until_session: int | None = None) -> Chain:
    """Boot a machine on a line-up until a boot program speaks or it begins a DHCP session of that number."""
    inventory = load_inventory(LINEUPS / f"{name}.yaml")
    render(LINEUPS / f"{name}.yaml", folder)

    def enough(capture: Capture, _console: str) -> bool:
        return until_session is not None and len(sessions(capture.frames("DISCOVER"))) >= until_session

    with Network() as network:
        site = SiteNetwork(network, inventory)
        site.start(folder, files={file: (IPXE / file).read_bytes() for file in BUILDS})
        boot = start_firmware(network, "office", firmware=firmware, mac=MAC, until=enough, timeout=PATIENCE)
    requests = [(site.server_at(str(frame.destination[0])), frame.file) for frame in boot.of_kind("RRQ")]
    architecture = "bios" if firmware == "ipxe" else "uefi-x64"
    case = ClientCase(mac=parse_mac(MAC), vlan="office", architecture=architecture, firmware=firmware)
    predicted = stages(build_world(inventory), case)
    assert predicted.next is not None
    return Chain(
        boot=boot,
        asked=tuple(each for n, each in enumerate(requests) if n == 0 or each != requests[n - 1]),
        first=predicted.first,
        next=predicted.next,
    )


def modelled(firmware: Ipxe, architecture: str) -> Packet:
    """The first packet of the model for this machine."""
    machine = Machine(mac=parse_mac(MAC), architecture=CANONICAL_CODE[architecture])
    return firmware.begin(machine, 0.0).sends[0].packet


@pytest.mark.parametrize(
    ("name", "last"),
    [("chain-load", ("alpha", "alpha.ipxe")), ("chain-load-leaves", ("files", "files.ipxe"))],
)
def test_both_stages_boot_what_was_predicted(tmp_path: Path, name: str, last: tuple[str, str]):
    chain = start_chain(tmp_path, name, "edk2")
    assert chain.asked == (("alpha", "snponly.efi"), last), chain.boot.console[-2000:]
    assert chain.boot.word == ":".join(last)
    found = [[(each.boot_server, each.file) for each in r.outcomes] for r in (chain.first, chain.next.result)]
    assert found == [[each] for each in chain.asked]
    assert chain.next.certain
    assert not chain.next.loops
    again = chain.sessions[-1]
    assert is_ipxe(again.packet)
    expected = modelled(Ipxe(), "uefi-x64")
    assert {code: again.packet.options[code] for code in SAID} == {
        code: expected.options[code] for code in SAID
    }
    assert (again.packet.secs, again.packet.flags) == (expected.secs, expected.flags)


def test_a_loop_is_one(tmp_path: Path):
    chain = start_chain(tmp_path, "chain-load-loop", "ipxe", until_session=4)
    assert chain.boot.ended == "seen enough", chain.boot.console[-2000:]
    assert set(chain.asked) == {("alpha", "undionly.kpxe")}
    assert chain.next.loops
    assert {(each.boot_server, each.file) for each in chain.next.result.outcomes} == set(chain.asked)
    rom, *chained = (frame.packet for frame in chain.sessions)
    assert rom.flags == modelled(Ipxe(), "bios").flags
    # undionly has the address of the ROM's cached DHCPACK, and therefore asks for broadcast answers.
    assert {packet.flags for packet in chained} == {modelled(Ipxe(has_address=True), "bios").flags}
