"""When a firmware asks, and which delays still reach it.

Read off the firmware model itself, so that a declared variant is judged by its own parameters: the
model is run against a DHCP server that offers an address at once, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from coexist.boot.firmware import Firmware
from coexist.boot.firmware.machine import KEEP, Heard, Machine
from coexist.boot.request import DHCP_PORT
from coexist.inventory.values import Delay
from coexist.wire.bootp import BOOTREPLY, Packet
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option

_MACHINE = Machine(mac=0x02_00_00_00_00_01, architecture=7)
_DHCP = IPv4Address("192.0.2.1")
_MOST_EVENTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The packets of one boot attempt that has an address offer and no boot file yet. Times in seconds.

    ``discover_at`` and ``secs`` belong together. ``first_window``: the shortest and longest time until the
    second packet. ``until``: when it takes no offer any more.
    """

    discover_at: tuple[float, ...]
    secs: tuple[int, ...]
    first_window: tuple[float, float]
    until: float

    def reachable(self, delay: Delay) -> bool:
        """Whether an answer with this delay can still be heard."""
        return any(
            at + delay.after < self.until and secs >= delay.secs_at_least and at >= delay.since_first
            for at, secs in zip(self.discover_at, self.secs, strict=True)
        )


def schedule_of(firmware: Firmware) -> Schedule:
    """The schedule of a firmware model; of its phases the one that asks latest."""
    runs = [_run(firmware, phase) for phase in firmware.phases]
    seconds = [run.discover_at[1] if len(run.discover_at) > 1 else run.until for run in runs]
    latest = runs[seconds.index(max(seconds))]
    return Schedule(
        discover_at=latest.discover_at,
        secs=latest.secs,
        first_window=(min(seconds), max(seconds)),
        until=latest.until,
    )


def _run(firmware: Firmware, phase: float) -> Schedule:
    step, now = firmware.begin(_MACHINE, phase), 0.0
    timer = step.timer
    at: list[float] = []
    secs: list[int] = []
    pending: list[Packet] = []
    for _ in range(_MOST_EVENTS):
        sent = [send.packet for send in step.sends]
        if step.end is not None or any(p.message_type is MessageType.REQUEST for p in sent):
            break
        for packet in sent:
            at.append(now)
            secs.append(packet.secs)
            pending.append(packet)
        if pending:
            heard = Heard(_offer(pending.pop()), _DHCP, DHCP_PORT)
            steps = firmware.receive(step.state, heard, (now, now))
            if steps:
                step = steps[0]
                timer = timer if step.timer == KEEP else step.timer
                continue
        if timer is None:
            break
        now = timer[1]
        step = firmware.expire(step.state, (now, now))
        timer = step.timer
    return Schedule(discover_at=tuple(at), secs=tuple(secs), first_window=(0.0, 0.0), until=now)


def _offer(asked: Packet) -> Packet:
    """A plain address offer."""
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((MessageType.OFFER,)),
        Option.SERVER_IDENTIFIER: _DHCP.packed,
        Option.SUBNET_MASK: b"\xff\xff\xff\x00",
        Option.IP_ADDRESS_LEASE_TIME: b"\0\0\x0e\x10",
    }
    return Packet(
        op=BOOTREPLY,
        xid=asked.xid,
        flags=asked.flags,
        yiaddr=IPv4Address("192.0.2.10"),
        chaddr=mac_bytes(_MACHINE.mac),
        options=options,
    )
