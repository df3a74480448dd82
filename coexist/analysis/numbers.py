"""The numbers a machine of one architecture may announce: x64 UEFI says 7, or 9 as RFC 4578 had it.

Both are machines of one name and load the same files. A race follows the second number only where some server
answers it differently than the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

from coexist.analysis.relays import relayed
from coexist.analysis.world import Listener, Segment
from coexist.boot.firmware.machine import Firmware, Machine
from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT
from coexist.boot.responder import Arrival
from coexist.wire.architecture import ARCHITECTURE_NAMES, CANONICAL_CODE
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import MessageType, Option

_ECHOES = (Option.VENDOR_CLASS_IDENTIFIER, Option.CLIENT_SYSTEM_ARCHITECTURE)


def numbers_of(
    architecture: str, segment: Segment, firmware: Firmware, mac: int, silent: frozenset[str]
) -> tuple[int, ...]:
    """The numbers to race for a machine, the usual one first."""
    usual, others = CANONICAL_CODE.get(architecture, 0), other_numbers(architecture)
    if not others:
        return (usual,)
    heard = [listener for listener in segment.listeners if listener.model.name not in silent]
    told = {code: _answers(code, heard, firmware, mac) for code in (usual, *others)}
    return (usual, *(code for code in others if told[code] != told[usual]))


def other_numbers(architecture: str) -> tuple[int, ...]:
    """The numbers beside the usual one that machines of an architecture announce."""
    usual = CANONICAL_CODE.get(architecture, 0)
    return tuple(sorted(ARCHITECTURE_NAMES.get(architecture, frozenset()) - {usual}))


def tells_apart(listener: Listener, architecture: str, firmware: Firmware, mac: int) -> tuple[int, ...]:
    """The numbers that one server answers differently than the usual one."""
    segment = Segment(name="", listeners=(listener,))
    return numbers_of(architecture, segment, firmware, mac, frozenset())[1:]


def _answers(code: int, listeners: list[Listener], firmware: Firmware, mac: int) -> list[Any]:
    """What every server says to the first packet of such a machine, and to its request on port 4011."""
    discover = first_packet(firmware, Machine(mac=mac, architecture=code))
    if discover is None:
        return []
    return [
        answer
        for listener in listeners
        for packet, port, source in _asked(listener, discover)
        for answer in _told(listener, packet, port, source)
    ]


def first_packet(firmware: Firmware, machine: Machine) -> Packet | None:
    """What a machine sends first over IPv4; None of one that has boot entries over IPv6 only."""
    step = firmware.begin(machine, firmware.phases[0])
    while not step.sends and step.end is None and step.timer is not None:
        step = firmware.expire(step.state, step.timer)
    return step.sends[0].packet if step.sends else None


def _asked(listener: Listener, discover: Packet) -> Iterator[tuple[Packet, int, tuple[IPv4Address, int]]]:
    agent = listener.relay
    first = discover if agent is None else relayed(discover, agent)
    yield first, DHCP_PORT, (UNSPECIFIED if agent is None else agent.address, CLIENT_PORT)
    request = discover.with_options({Option.DHCP_MESSAGE_TYPE: bytes((MessageType.REQUEST,))})
    yield request, BOOT_SERVER_PORT, (UNSPECIFIED, CLIENT_PORT)


def _told(
    listener: Listener, packet: Packet, port: int, source: tuple[IPv4Address, int]
) -> Iterator[tuple[Any, ...]]:
    model = listener.model
    arrival = Arrival(packet=packet, at=0.0, port=port, address=listener.address, source=source)
    for reply in model.receive(model.initial(), arrival).replies:
        said = reply.packet.without_options(*_ECHOES)
        yield model.name, reply.earliest, said.siaddr, said.file, said.sname, tuple(said.options.items())
