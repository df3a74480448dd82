"""Many machines that boot at once: the firmware models of ``coexist.boot``, on a real network.

Each machine is a model that decides what to send and which offer to take; this sends its packets as they
are, tells it what is heard and when its time is over, and then loads the file it decided for by TFTP.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import Any

from coexist.boot.firmware import BUILT_IN
from coexist.boot.firmware.machine import KEEP, Boot, Firmware, GiveUp, Heard, Machine, Send, Step
from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.wire import tftp
from coexist.wire.architecture import CANONICAL_CODE
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet, decode, encode
from coexist.wire.mac import format_mac, mac_bytes
from coexist.wire.options import MessageType, Option
from tests.harness.frames import (
    BROADCAST_MAC,
    ETH_P_ALL,
    ETHERTYPE_ARP,
    ArpRequest,
    Datagram,
    Endpoint,
    arp_reply,
    ethernet,
    parse_frames,
    udp_frame,
)
from tests.harness.network import Host

TFTP_PORT = 69
_TRANSFER_PORT = 2070
_BLKSIZE = 1468
_TFTP_PATIENCE = (1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a machine is: an architecture by name, and a firmware by name."""

    architecture: str
    firmware: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """One PXE offer a machine heard. ``after``: how many DISCOVERs it had sent by then."""

    after: int
    by: IPv4Address
    boot_server: IPv4Address
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted:
    """One boot, from its first DISCOVER to its file or its end. Times of ``time.monotonic``.

    ``content`` None: it loaded nothing, and ``error`` says why.
    """

    mac: int
    kind: Kind
    began: float
    ended: float
    discovers: int
    offers: tuple[Offered, ...]
    server: IPv4Address | None = None
    file: str | None = None
    content: bytes | None = None
    error: str = ""

    def __str__(self) -> str:
        end = f"{self.file} from {self.server}" if self.content is not None else self.error
        return f"{format_mac(self.mac)} ({self.kind.firmware}): {end}; offers {self.offers}"


@dataclass(slots=True, kw_only=True, eq=False)
class _Booting:
    """A machine on its way."""

    mac: int
    kind: Kind
    firmware: Firmware
    began: float
    salt: int
    state: Any = None
    deadline: float | None = None
    discovers: int = 0
    offers: list[Offered] = field(default_factory=list)
    address: IPv4Address = UNSPECIFIED
    boot: Boot | None = None
    received: bytearray = field(default_factory=bytearray)
    block: int = 0
    tries: int = 0
    last: tuple[bytes, Endpoint] = (b"", (UNSPECIFIED, 0))


class Fleet:
    """Machines on one VLAN of a host.

    ``neighbours``: the MAC of each server, or of the next hop to it, by its address. ``gateway``: the router
    that all of them are reached through. ``ended`` is called with each boot, in the fleet's own thread.
    """

    def __init__(
        self,
        host: Host,
        neighbours: Mapping[IPv4Address, int],
        ended: Callable[[Booted], None],
        *,
        seed: int = 1,
        gateway: IPv4Address | None = None,
    ) -> None:
        self._gateway = gateway
        self._neighbours = neighbours
        self._ended = ended
        self._random = random.Random(seed)
        self._salts = itertools.count(self._random.randrange(1 << 16) << 8)
        self._booting: dict[int, _Booting] = {}
        self._starting: list[tuple[int, Kind]] = []
        self._timers: list[tuple[float, int, int, int]] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._stopping = False
        self._failure: BaseException | None = None
        interface = next(iter(host.interfaces.values()))
        self._socket = host.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self._socket.bind((interface, ETH_P_ALL))
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)
        self._thread.start()

    def switch_on(self, mac: int, kind: Kind) -> None:
        """Have a machine boot; not while it boots."""
        self.check()
        with self._lock:
            self._starting.append((mac, kind))

    @property
    def busy(self) -> int:
        """How many machines are on their way."""
        with self._lock:
            return len(self._starting) + len(self._booting)

    def check(self) -> None:
        """Raise what ended the fleet's thread, if anything did."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Switch everything off."""
        self._stopping = True
        self._thread.join()
        self._socket.close()
        self.check()

    # -- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._begin()
                self._expire()
                self._listen()
        except BaseException as error:  # noqa: BLE001 raised again in the test's thread by check()
            self._failure = error

    def _begin(self) -> None:
        with self._lock:
            starting, self._starting = self._starting, []
            for mac, kind in starting:
                firmware = BUILT_IN[kind.firmware]
                self._booting[mac] = _Booting(
                    mac=mac, kind=kind, firmware=firmware, began=time.monotonic(), salt=next(self._salts)
                )
        for mac, kind in starting:
            machine = Machine(
                mac=mac,
                architecture=CANONICAL_CODE[kind.architecture],
                uuid=mac.to_bytes(16, "big"),
            )
            booting = self._booting[mac]
            phases = booting.firmware.phases
            phase = self._random.choice(phases)
            if booting.firmware.continuous:
                phase = self._random.uniform(min(phases), max(phases))
            self._take(booting, booting.firmware.begin(machine, phase))

    def _expire(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            at, _, mac, salt = heapq.heappop(self._timers)
            booting = self._booting.get(mac)
            if booting is None or booting.salt != salt or booting.deadline != at:
                continue
            booting.deadline = None
            if booting.boot is not None:
                self._again(booting)
            else:
                elapsed = now - booting.began
                self._take(booting, booting.firmware.expire(booting.state, (elapsed, elapsed)))

    def _listen(self) -> None:
        wait = min(self._timers[0][0] - time.monotonic(), 0.02) if self._timers else 0.02
        self._socket.settimeout(max(wait, 0.0005))
        for _ in range(256):
            try:
                frame, origin = self._socket.recvfrom(65535)
            except (TimeoutError, BlockingIOError):
                return
            if origin[2] != socket.PACKET_OUTGOING:
                self._hear(frame)
            self._socket.settimeout(0.0)

    def _hear(self, frame: bytes) -> None:
        found = list(parse_frames(frame))
        for datagram in found:
            self._hear_datagram(datagram)
        if not found:
            self._hear_arp(frame)

    def _hear_datagram(self, datagram: Datagram | ArpRequest) -> None:
        if isinstance(datagram, ArpRequest):
            for booting in self._booting.values():
                if booting.address == datagram.target:
                    self._socket.send(arp_reply(datagram, booting.mac))
            return
        port = datagram.destination[1]
        if port in (CLIENT_PORT, BOOT_SERVER_PORT):
            self._hear_dhcp(datagram)
        elif port == _TRANSFER_PORT:
            self._hear_tftp(datagram)

    # -- DHCP ----------------------------------------------------------------------------------

    def _take(self, booting: _Booting, step: Step) -> None:
        booting.state = step.state
        for send in step.sends:
            self._send(booting, send)
        if step.timer is not KEEP:
            booting.deadline = None
            if step.timer is not None:
                self._wake(booting, booting.began + self._random.uniform(*step.timer))
        if isinstance(step.end, GiveUp):
            self._finish(booting, error=f"{step.end.error}: {step.end.why}")
        elif step.end is not None:
            self._load(booting, step.end)

    def _wake(self, booting: _Booting, at: float) -> None:
        booting.deadline = at
        heapq.heappush(self._timers, (at, next(self._numbers), booting.mac, booting.salt))

    def _send(self, booting: _Booting, send: Send) -> None:
        if send.packet.message_type is MessageType.DISCOVER and send.address == LIMITED_BROADCAST:
            booting.discovers += 1
        # The models number their transactions alike; each boot has its own numbers here.
        packet = replace(send.packet, xid=send.packet.xid ^ booting.salt)
        self._transmit(booting, encode(packet), (send.source, send.source_port), (send.address, send.port))

    def _transmit(self, booting: _Booting, payload: bytes, source: Endpoint, destination: Endpoint) -> None:
        broadcast = destination[0] == LIMITED_BROADCAST
        mac = BROADCAST_MAC if broadcast else self._neighbours.get(destination[0])
        if mac is None:
            return
        self._socket.send(
            udp_frame(
                Datagram(
                    source_mac=booting.mac,
                    destination_mac=mac,
                    source=source,
                    destination=destination,
                    payload=payload,
                )
            )
        )

    def _hear_dhcp(self, datagram: Datagram) -> None:
        packet = decode(datagram.payload)
        if not isinstance(packet, Packet) or packet.op != BOOTREPLY:
            return
        booting = self._booting.get(packet.mac)
        if booting is None or booting.boot is not None:
            return
        packet = replace(packet, xid=packet.xid ^ booting.salt)
        if packet.message_type is MessageType.ACK and packet.yiaddr != UNSPECIFIED:
            booting.address = packet.yiaddr
        if packet.message_type is MessageType.OFFER and packet.yiaddr == UNSPECIFIED:
            booting.offers.append(_offered(packet, booting.discovers))
        elapsed = time.monotonic() - booting.began
        heard = Heard(packet, datagram.source[0], datagram.source[1])
        steps = booting.firmware.receive(booting.state, heard, (elapsed, elapsed))
        if steps:
            self._take(booting, steps[0])

    # -- TFTP ----------------------------------------------------------------------------------

    def _load(self, booting: _Booting, boot: Boot) -> None:
        if not isinstance(boot.server, IPv4Address) or boot.file is None:
            self._finish(booting, error=f"it would load {boot.file} from {boot.server}")
            return
        booting.boot = boot
        # Firmware asks for the server's hardware address first, and is known to its neighbours by that.
        self._again(booting)

    def _hear_arp(self, frame: bytes) -> None:
        """The answer to a machine that is about to load its file."""
        if frame[12:14] != ETHERTYPE_ARP.to_bytes(2, "big") or frame[20:22] != b"\0\2":
            return
        booting = self._booting.get(int.from_bytes(frame[0:6], "big"))
        if booting is None or booting.boot is None or booting.last[0] or booting.boot.file is None:
            return
        server = booting.boot.server
        if isinstance(server, IPv4Address) and IPv4Address(frame[28:32]) == (self._gateway or server):
            options = {"tsize": "0", "blksize": str(_BLKSIZE)}
            self._ask(
                booting, tftp.ReadRequest(filename=booting.boot.file, options=options), (server, TFTP_PORT)
            )

    def _ask(self, booting: _Booting, message: tftp.Message, to: Endpoint) -> None:
        booting.last = (tftp.encode(message), to)
        booting.tries = 0
        self._again(booting)

    def _again(self, booting: _Booting) -> None:
        if booting.tries == len(_TFTP_PATIENCE):
            self._finish(booting, error="the file server does not answer")
            return
        payload, to = booting.last
        if payload:
            self._transmit(booting, payload, (booting.address, _TRANSFER_PORT), to)
        elif booting.boot is not None and isinstance(booting.boot.server, IPv4Address):
            hop = self._gateway or booting.boot.server
            self._socket.send(_arp_request(booting.mac, booting.address, hop))
        self._wake(booting, time.monotonic() + _TFTP_PATIENCE[booting.tries])
        booting.tries += 1

    def _hear_tftp(self, datagram: Datagram) -> None:
        booting = self._booting.get(datagram.destination_mac)
        if booting is None or booting.boot is None:
            return
        message = tftp.decode(datagram.payload)
        if isinstance(message, tftp.Error):
            self._finish(booting, error=f"TFTP error: {message.message}")
        elif isinstance(message, tftp.OptionAck):
            self._ask(booting, tftp.Ack(block=0), datagram.source)
        elif isinstance(message, tftp.Data) and message.block == booting.block + 1:
            booting.block += 1
            booting.received += message.payload
            self._ask(booting, tftp.Ack(block=booting.block), datagram.source)
            if len(message.payload) < _BLKSIZE:
                self._finish(booting)

    def _finish(self, booting: _Booting, error: str = "") -> None:
        with self._lock:
            del self._booting[booting.mac]
        boot = booting.boot
        self._ended(
            Booted(
                mac=booting.mac,
                kind=booting.kind,
                began=booting.began,
                ended=time.monotonic(),
                discovers=booting.discovers,
                offers=tuple(booting.offers),
                server=boot.server if boot is not None and isinstance(boot.server, IPv4Address) else None,
                file=boot.file if boot is not None else None,
                content=None if error else bytes(booting.received),
                error=error,
            )
        )


def _arp_request(mac: int, address: IPv4Address, target: IPv4Address) -> bytes:
    """Who has ``target``? RFC 826."""
    words = (1).to_bytes(2, "big") + (0x0800).to_bytes(2, "big") + b"\6\4" + (1).to_bytes(2, "big")
    body = words + mac_bytes(mac) + address.packed + bytes(6) + target.packed
    return ethernet(BROADCAST_MAC, mac, ETHERTYPE_ARP) + body


def _offered(packet: Packet, after: int) -> Offered:
    file = packet.file or packet.options.get(Option.BOOTFILE_NAME, b"")
    with contextlib.suppress(ValueError):
        file = file[: file.index(0)]
    return Offered(
        after=after,
        by=IPv4Address(packet.options[Option.SERVER_IDENTIFIER]),
        boot_server=packet.siaddr,
        file=file.decode(),
    )
