"""The campus, from its inventory to booted machines: what is explained is what happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

import pytest

from coexist.analysis.race import ClientCase, RaceResult, race
from coexist.analysis.world import build_world
from coexist.wire.mac import parse_mac
from coexist.wire.options import Option
from coexist.wire.tftp import OptionAck, ReadRequest
from tests.harness.capture import Frame
from tests.harness.firmware import NEEDS, Boot, Firmware, start_firmware
from tests.harness.site import SiteNetwork

pytestmark = pytest.mark.needs("dhcpd", *NEEDS["ipxe"], *NEEDS["edk2"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine of the campus, and what its administrators want it to boot."""

    mac: str
    vlan: str
    firmware: Firmware
    server: str

    @property
    def architecture(self) -> str:
        return "bios" if self.firmware == "ipxe" else "uefi-x64"

    @property
    def file(self) -> str:
        return FILES[self.server, self.architecture]


FILES = {
    ("otc", "bios"): "lpxelinux.0",
    ("otc", "uefi-x64"): "syslinux64.efi",
    ("sccm", "bios"): "wdsnbp.com",
    ("sccm", "uefi-x64"): "wdsmgfw.efi",
}

THIN_CLIENT_BIOS = Machine(mac="00:80:64:10:00:01", vlan="office", firmware="ipxe", server="otc")
THIN_CLIENT_UEFI = Machine(mac="6c:2b:59:20:00:01", vlan="office", firmware="edk2", server="otc")
UNKNOWN_BIOS = Machine(mac="52:54:00:77:00:01", vlan="office", firmware="ipxe", server="sccm")
UNKNOWN_UEFI = Machine(mac="52:54:00:77:00:02", vlan="office", firmware="edk2", server="sccm")
RELAYED_BIOS = Machine(mac="00:80:64:10:00:06", vlan="workshop", firmware="ipxe", server="otc")
RELAYED_UEFI = Machine(mac="6c:2b:59:20:00:04", vlan="workshop", firmware="edk2", server="otc")
RELAYED_UNKNOWN = Machine(mac="52:54:00:77:00:03", vlan="workshop", firmware="ipxe", server="sccm")

MACHINES = {
    "thin-client-bios": THIN_CLIENT_BIOS,
    "thin-client-uefi": THIN_CLIENT_UEFI,
    "unknown-bios": UNKNOWN_BIOS,
    "unknown-uefi": UNKNOWN_UEFI,
    "relayed-bios": RELAYED_BIOS,
    "relayed-uefi": RELAYED_UEFI,
    "relayed-unknown": RELAYED_UNKNOWN,
}

machines = pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES.keys())


@pytest.fixture(scope="module")
def booted(campus: SiteNetwork) -> Callable[[Machine], Boot]:
    """Boots a machine, once for all tests that look at it."""
    boots: dict[Machine, Boot] = {}

    def boot(machine: Machine) -> Boot:
        if machine not in boots:
            boots[machine] = start_firmware(
                campus.network, machine.vlan, firmware=machine.firmware, mac=machine.mac
            )
        return boots[machine]

    return boot


def predicted(campus: SiteNetwork, machine: Machine) -> RaceResult:
    case = ClientCase(
        mac=parse_mac(machine.mac),
        vlan=machine.vlan,
        architecture=machine.architecture,
        firmware=machine.firmware,
    )
    return race(build_world(campus.inventory), case)


def sender(campus: SiteNetwork, frame: Frame) -> str | None:
    """The server that sent a reply, by its own identifier: a relay agent stands between."""
    return campus.server_at(".".join(map(str, frame.packet.options[Option.SERVER_IDENTIFIER])))


@machines
def test_it_boots_what_its_administrators_want(campus, booted, machine):
    boot = booted(machine)
    assert boot.word == f"{machine.server}:{machine.file}", boot.console[-2000:]
    assert (campus.server_at(boot.boot_server), boot.file) == (machine.server, machine.file)


@machines
def test_it_boots_what_was_explained(campus, booted, machine):
    boot, result = booted(machine), predicted(campus, machine)
    outcomes = [(outcome.winner, outcome.boot_server, outcome.file) for outcome in result.outcomes]
    assert outcomes == [(machine.server, campus.server_at(boot.boot_server), boot.file)]
    (outcome,) = result.outcomes
    # Emulated firmware is late on a busy machine, but it cannot be early.
    assert outcome.seconds is not None
    assert outcome.seconds - 0.5 < boot.seconds


@machines
def test_its_packets_come_in_the_order_that_was_explained(campus, booted, machine):
    boot, result = booted(machine), predicted(campus, machine)
    sent = [event.text for event in result.events if event.kind == "send" and "broadcasts" in event.text]
    happened = [frame.kind for frame in boot.frames if frame.kind in ("DISCOVER", "REQUEST")]
    assert [text.split("DHCP")[1].split(",")[0] for text in sent] == happened


@machines
def test_only_the_servers_that_shall_answer_it_do(campus, booted, machine):
    offering = {sender(campus, offer) for offer in booted(machine).of_kind("OFFER")}
    assert offering == {"dhcp-core", machine.server}


@pytest.mark.parametrize("machine", [UNKNOWN_BIOS, UNKNOWN_UEFI, RELAYED_UNKNOWN])
def test_the_distribution_server_keeps_its_delay(campus, booted, machine):
    frames = booted(machine).frames
    discover = next(frame for frame in frames if frame.kind == "DISCOVER")
    offers = [frame for frame in frames if frame.kind == "OFFER" and sender(campus, frame) == "sccm"]
    # The capture's clock and the server's are not the same one: a hundredth of a second between them.
    assert all(offer.time - discover.time > 1.19 for offer in offers)
    assert offers


def test_uefi_loads_its_file_in_windows_of_four_blocks(booted):
    frames = booted(THIN_CLIENT_UEFI).frames
    asked = [frame.message for frame in frames if frame.kind == "RRQ"]
    granted = [frame.message for frame in frames if frame.kind == "OACK"]
    assert all(isinstance(message, ReadRequest) for message in asked)
    assert all(isinstance(message, OptionAck) for message in granted)
    assert [message.options.get("windowsize") for message in (*asked, *granted)] == ["4"] * 4
    assert granted[0].options["tsize"] == "40000"
    transfer = [frame.kind for frame in frames if frame.kind in ("DATA", "TFTP ACK")]
    runs = [len(list(run)) for kind, run in groupby(transfer[transfer.index("DATA") :]) if kind == "DATA"]
    assert runs == [4] * 7  # 28 blocks of 1468 octets for 40000


def test_ipxe_loads_its_file_block_by_block(booted):
    (granted,) = booted(THIN_CLIENT_BIOS).of_kind("OACK")
    assert granted.message.options == {"blksize": "1432", "tsize": "40000"}
