"""Boots that are answered alike are replayed once, and each is told what its own replay would say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from random import Random

import pytest

from coexist.analysis.race import RaceResult
from coexist.probe import replay as replay_module
from coexist.probe.observation import Boot, observe
from coexist.probe.question import discover, stranger
from coexist.probe.replay import Replays, replay
from coexist.wire.bootp import BOOTREPLY, Packet, encode
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType
from tests.unit.probe.test_observation import ANYONE, datagram

DHCP, PROXY = IPv4Address("10.0.0.5"), IPv4Address("10.0.9.6")
Said = Sequence[tuple[float, IPv4Address, str, dict[int, bytes]]]
"""Seconds after the DISCOVER, who, the address that is offered, and more options."""


def boot_of(number: int, said: Said, architecture: str = "uefi-x64") -> Boot:
    """What a machine of its own makes of what was said to it."""
    asked = discover(stranger(architecture), xid=number, secs=0).without_options(12)
    asked = replace(asked, chaddr=mac_bytes(0x525400000000 + number))
    packets = [(0.0, datagram(encode(asked)))]
    for after, server, leased, more in said:
        options = {53: bytes((MessageType.OFFER,)), 54: server.packed, **more}
        packet = Packet(
            op=BOOTREPLY,
            xid=asked.xid,
            chaddr=asked.chaddr,
            yiaddr=IPv4Address(leased),
            siaddr=PROXY if 67 in more else IPv4Address(0),
            options=options,
        )
        packets.append((after, datagram(encode(packet), server, 67, ANYONE, 68)))
    packets.append((100.0, datagram(b"")))
    (boot,) = observe(packets)
    return boot


def ends(boot: Boot) -> set[tuple[str | None, str]]:
    return {(end.winner, end.why) for end in replay(boot).outcomes}


NEAR, FAR = {1: bytes((255, 255, 0, 0))}, {1: bytes((255, 255, 255, 0))}
FILE = {60: b"PXEClient", 67: b"shimx64.efi\0", 43: bytes((6, 1, 8, 255))}


def test_machines_that_are_answered_alike_are_replayed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[Boot] = []

    def counted(boot: Boot) -> RaceResult:
        runs.append(boot)
        return replay(boot)

    monkeypatch.setattr(replay_module, "replay", counted)
    replays = Replays()
    for number in range(1, 6):
        jitter = number * 1e-5
        said = ((0.0102 + jitter, DHCP, f"10.0.1.{number}", NEAR), (0.0203 + jitter, PROXY, "0.0.0.0", FILE))
        boot = boot_of(number, said)
        assert set(replays.reasons(boot)) == ends(boot)
    assert len(runs) == 1


@pytest.mark.parametrize(
    "other",
    [
        ((0.01, DHCP, "10.0.1.1", FAR), (0.02, PROXY, "0.0.0.0", FILE)),  # off the subnet, without a router
        ((0.01, DHCP, "10.0.9.6", NEAR), (0.02, PROXY, "0.0.0.0", FILE)),  # the address of the boot server
        ((0.01, DHCP, "10.0.1.1", NEAR), (0.02, PROXY, "0.0.0.0", {**FILE, 67: b"other.efi\0"})),
        ((0.02, DHCP, "10.0.1.1", NEAR), (0.01, PROXY, "0.0.0.0", FILE)),
        ((0.01, DHCP, "10.0.1.1", NEAR), (9.0, PROXY, "0.0.0.0", FILE)),
        ((0.01, DHCP, "10.0.1.1", NEAR),),
    ],
)
def test_a_boot_that_differs_where_it_matters_has_a_replay_of_its_own(other: Said) -> None:
    replays = Replays()
    usual = boot_of(1, ((0.01, DHCP, "10.0.1.1", NEAR), (0.02, PROXY, "0.0.0.0", FILE)))
    for boot in (usual, boot_of(2, other), usual):
        assert set(replays.reasons(boot)) == ends(boot)


def test_whatever_is_said_a_remembered_reason_is_the_boots_own() -> None:
    """Random line-ups of few values, so that many are alike and many nearly are."""
    chance = Random(7)
    replays = Replays()
    for number in range(1, 300):
        said = [
            (
                chance.choice((0.001, 0.0012, 0.5, 4.2)),
                chance.choice((DHCP, PROXY)),
                chance.choice(("0.0.0.0", "10.0.1.7", "10.0.2.8", str(PROXY))),
                {**chance.choice((NEAR, FAR, {})), **chance.choice((FILE, {}))},
            )
            for _ in range(chance.randrange(4))
        ]
        boot = boot_of(number, sorted(said, key=lambda each: each[0]), chance.choice(("bios", "uefi-x64")))
        assert set(replays.reasons(boot)) == ends(boot)
