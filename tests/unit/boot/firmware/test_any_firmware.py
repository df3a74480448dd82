"""What holds for every firmware: it ends, whatever it hears, and says the same for the same events."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.boot.firmware import BUILT_IN
from coexist.boot.firmware.machine import KEEP, Boot, Firmware, GiveUp, Heard, Machine
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType

MACHINE = Machine(mac=0x525400123456, architecture=7)
SERVERS = (IPv4Address("10.0.0.2"), IPv4Address("10.0.0.3"))
CLIENT = IPv4Address("10.0.0.100")


class Said(NamedTuple):
    """What a server says to everything it hears."""

    server: IPv4Address
    source_port: int
    lease: bool
    siaddr: IPv4Address
    file: bytes
    options: dict[int, bytes]


said = st.builds(
    Said,
    server=st.sampled_from(SERVERS),
    source_port=st.sampled_from((67, 4011, 5000)),
    lease=st.booleans(),
    siaddr=st.sampled_from((UNSPECIFIED, *SERVERS)),
    file=st.sampled_from((b"", b"a.efi", b"http://10.0.0.2/a", b"\xff\xfe")),
    options=st.dictionaries(
        st.sampled_from((3, 6, 43, 60, 66, 67, 150, 175)),
        st.one_of(
            st.binary(max_size=10),
            st.sampled_from((b"PXEClient", b"HTTPClient", bytes.fromhex("060108ff"), b"http://10.0.0.2/x")),
        ),
        max_size=5,
    ),
)


def course(firmware: Firmware, servers: list[Said], phase: float) -> tuple[Boot | GiveUp, list[float]]:
    """Let every server answer every packet at once; how it ends, and when DISCOVERs were sent."""
    step = firmware.begin(MACHINE, phase)
    timer, now = step.timer, 0.0
    discovers: list[float] = []
    for _ in range(300):
        if step.end is not None:
            return step.end, discovers
        discovers += [now for s in step.sends if s.packet.message_type is MessageType.DISCOVER]
        for sent in step.sends:
            offer = sent.packet.message_type is MessageType.DISCOVER
            for answer in servers:
                steps = firmware.receive(step.state, _heard(answer, sent.packet, offer=offer), (now, now))
                if steps:
                    step = steps[0]
                    timer = timer if step.timer is KEEP else step.timer
                if step.end is not None:
                    return step.end, discovers
        assert timer is not None
        now = max(now, timer[0])
        step = firmware.expire(step.state, (now, now))
        timer = step.timer
    raise AssertionError("it never ends")


def _heard(answer: Said, asked: Packet, *, offer: bool) -> Heard:
    kind = MessageType.OFFER if offer else MessageType.ACK
    packet = Packet(
        op=BOOTREPLY,
        xid=asked.xid,
        chaddr=mac_bytes(MACHINE.mac),
        yiaddr=CLIENT if answer.lease else UNSPECIFIED,
        siaddr=answer.siaddr,
        file=answer.file,
        options={53: bytes((kind,)), 54: answer.server.packed, **answer.options},
    )
    return Heard(packet, answer.server, answer.source_port)


@pytest.mark.parametrize("name", BUILT_IN)
@given(servers=st.lists(said, max_size=4))
def test_it_ends_and_always_alike(name: str, servers: list[Said]) -> None:
    firmware: Firmware = BUILT_IN[name]
    for phase in firmware.phases:
        end, discovers = course(firmware, servers, phase)
        assert isinstance(end, (Boot, GiveUp))
        assert end.why
        assert discovers == sorted(discovers)
        assert (end, discovers) == course(firmware, servers, phase)
        if isinstance(end, Boot):
            assert end.by in SERVERS


@pytest.mark.parametrize("name", BUILT_IN)
def test_silence_is_given_up(name: str) -> None:
    firmware: Firmware = BUILT_IN[name]
    end, discovers = course(firmware, [], firmware.phases[0])
    assert isinstance(end, GiveUp)
    assert discovers[0] == 0.0
    assert len(discovers) >= 4
