"""When a firmware asks, and which delays still reach it.

Read off the firmware model itself, so that a declared variant is judged by its own parameters: the
model is run on a segment with a DHCP server that offers an address at once, and nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from ipaddress import IPv4Address

from coexist.analysis.segment import CLOCK, Air, Traffic
from coexist.analysis.timeline import Link
from coexist.analysis.world import Listener, Segment, World
from coexist.boot.firmware import Firmware
from coexist.boot.firmware.machine import KEEP, Machine
from coexist.boot.leases.lease import Lease
from coexist.boot.servers.dhcpd import DhcpdModel
from coexist.inventory.values import Delay
from coexist.records import dataclass
from coexist.wire.options import MessageType

_VLAN = "vlan"
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
    """The packets of one attempt, every timer at its latest."""
    world = _world()
    traffic, air = (
        Traffic(world, world.segments[_VLAN]),
        Air({CLOCK: 0.0}, (), Link(None, "begin", 0.0, "", None)),
    )
    step, now = firmware.begin(_MACHINE, phase), 0.0
    timer = step.timer
    at: list[float] = []
    secs: list[int] = []
    for _ in range(_MOST_EVENTS):
        if step.end is not None or any(s.packet.message_type is MessageType.REQUEST for s in step.sends):
            break
        for send in step.sends:
            at.append(now)
            secs.append(send.packet.secs)
            traffic.send(air, send, (now, now))
        step = replace(step, sends=())
        if air.items:
            heard, air.items = air.items[0].heard, air.items[1:]
            steps = () if heard is None else firmware.receive(step.state, heard, (now, now))
            if steps:
                step = steps[0]
                timer = timer if step.timer is KEEP else step.timer
            continue
        if timer is None:
            break
        now = timer[1]
        step = firmware.expire(step.state, (now, now))
        timer = step.timer
    return Schedule(discover_at=tuple(at), secs=tuple(secs), first_window=(0.0, 0.0), until=now)


@lru_cache(maxsize=1)
def _world() -> World:
    """A VLAN with a DHCP server that offers an address at once, and nothing else."""
    lease = Lease(yiaddr=IPv4Address("192.0.2.10"), lease_time=3600)
    model = DhcpdModel(name="dhcp", leases=lambda _: lease, ping_check=False)
    segment = Segment(name=_VLAN, listeners=(Listener(model=model, address=_DHCP),), jitter=0.0)
    return World(segments={_VLAN: segment}, models={"dhcp": model}, firmwares={}, owners={_DHCP: "dhcp"})
