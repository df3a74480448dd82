"""Machines that boot, many at a time: DISCOVER, the offer, REQUEST, then a file by TFTP to its last block.

usage: machines.py MACHINES SECONDS FIRST_ADDRESS FILE LOSS: so many begin in so many seconds, each with a MAC
and an address of its own, and try again as firmware does when a packet is lost. LOSS is the share of packets
that are lost on their way to a machine, and from it. Prints one JSON object.
"""

from __future__ import annotations

import heapq
import json
import random
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from itertools import count

FIRST_MAC = 0x0080640000
PATIENCE = 60.0
"""Seconds after which a machine has failed."""
AGAIN = (1.0, 2.0, 4.0, 8.0)
BLKSIZE, WINDOW = 1468, 4
_COOKIE = b"\x63\x82\x53\x63"
_VENDOR = b"PXEClient:Arch:00000:UNDI:002001"


class Machine:
    """One that boots. Times are of ``time.monotonic``."""

    def __init__(self, number: int, address: IPv4Address) -> None:
        self.number = number
        self.mac = (FIRST_MAC + number).to_bytes(6, "big")
        self.address = address
        self.xid = struct.pack("!I", 0x5E000000 + number)
        self.begun = self.first = self.ended = 0.0
        self.server = ""
        self.file = b""
        self.sock: socket.socket | None = None
        self.port = 0
        self.block = self.acked = 0
        self.missed = -1
        self.window = 1
        self.tries = 0
        self.heard = 0.0

    def packet(self, kind: int) -> bytes:
        options = b"".join(
            bytes((code, len(value))) + value
            for code, value in (
                (53, bytes((kind,))), (60, _VENDOR), (93, b"\0\0"), (97, b"\0" + self.mac.rjust(16, b"\x11")),
                *(((50, self.address.packed), (54, socket.inet_aton("10.10.0.1"))) if kind == 3 else ()),
            )
        )  # fmt: skip
        head = struct.pack("!BBBB4sHH", 1, 1, 6, 0, self.xid, 0, 0x8000) + bytes(16) + self.mac + bytes(202)
        return (head + _COOKIE + options + b"\xff").ljust(300, b"\0")


class Morning:
    """All of them in one loop."""

    def __init__(self, machines: int, seconds: float, first: IPv4Address, file: str, loss: float) -> None:
        self.machines = [Machine(number, first + number) for number in range(machines)]
        self.by_xid = {machine.xid: machine for machine in self.machines}
        self.file = file.encode()
        self.loss = loss
        self.chance = random.Random(machines)
        self.timers: list[tuple[float, int, Callable[[], None]]] = []
        self.numbers = count()
        self.poll = select.epoll()
        self.by_fd: dict[int, Machine] = {}
        self.left = machines
        self.dhcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.dhcp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.dhcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.dhcp.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        self.dhcp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        self.dhcp.bind(("", 68))
        self.dhcp.setblocking(False)
        self.poll.register(self.dhcp.fileno(), select.EPOLLIN)
        began = time.monotonic()
        for machine in self.machines:
            self.at(began + seconds * machine.number / machines, lambda machine=machine: self.begin(machine))

    def at(self, when: float, call: Callable[[], None]) -> None:
        heapq.heappush(self.timers, (when, next(self.numbers), call))

    def run(self) -> None:
        while self.left:
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                heapq.heappop(self.timers)[2]()
            wait = max(self.timers[0][0] - time.monotonic(), 0.0) if self.timers else 0.1
            for fd, _ in self.poll.poll(min(wait, 0.1), 256):
                if fd == self.dhcp.fileno():
                    self.offers()
                elif fd in self.by_fd:
                    self.blocks(self.by_fd[fd])

    # -- DHCP ------------------------------------------------------------------------------------

    def begin(self, machine: Machine) -> None:
        machine.begun = time.monotonic()
        self.discover(machine, 0)

    def discover(self, machine: Machine, tries: int) -> None:
        if machine.server or machine.ended:
            return
        if time.monotonic() - machine.begun > PATIENCE:
            self.end(machine)
            return
        self.send(machine.packet(1))
        self.at(time.monotonic() + AGAIN[min(tries, 3)], lambda: self.discover(machine, tries + 1))

    def lost(self) -> bool:
        return self.chance.random() < self.loss

    def send(self, octets: bytes) -> None:
        if self.lost():
            return
        self.dhcp.sendto(octets, ("255.255.255.255", 67))

    def offers(self) -> None:
        while True:
            try:
                data, source = self.dhcp.recvfrom(2048)
            except BlockingIOError:
                return
            machine = self.by_xid.get(data[4:8])
            if self.lost():
                continue
            if machine is None or machine.server or data[0] != 2 or machine.ended:
                continue
            machine.server = source[0]
            # It takes an address elsewhere; everybody hears which one.
            self.send(machine.packet(3))
            self.request(machine)

    # -- TFTP ------------------------------------------------------------------------------------

    def request(self, machine: Machine) -> None:
        machine.sock = sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.bind((str(machine.address), 0))
        self.by_fd[sock.fileno()] = machine
        self.poll.register(sock.fileno(), select.EPOLLIN)
        self.ask(machine)

    def ask(self, machine: Machine) -> None:
        words = (self.file, b"octet", b"blksize", b"%d" % BLKSIZE, b"windowsize", b"%d" % WINDOW)
        assert machine.sock is not None
        self.later(machine)
        if self.lost():
            return
        machine.sock.sendto(b"\0\1" + b"".join(word + b"\0" for word in words), (machine.server, 69))

    def later(self, machine: Machine) -> None:
        machine.heard = heard = time.monotonic()
        self.at(heard + AGAIN[min(machine.tries, 3)], lambda: self.insist(machine, heard))

    def insist(self, machine: Machine, heard: float) -> None:
        """Nothing came: say once more what was said last."""
        if machine.ended or machine.heard != heard:
            return
        if time.monotonic() - machine.begun > PATIENCE:
            self.end(machine)
            return
        machine.tries += 1
        if machine.port:
            self.acknowledge(machine)
        else:
            # The REQUEST may have been lost, and with it whose the address is.
            self.send(machine.packet(3))
            self.ask(machine)

    def acknowledge(self, machine: Machine) -> None:
        assert machine.sock is not None
        machine.acked = machine.block
        self.later(machine)
        if not self.lost():
            machine.sock.sendto(struct.pack("!HH", 4, machine.block & 0xFFFF), (machine.server, machine.port))

    def blocks(self, machine: Machine) -> None:
        sock = machine.sock
        while sock is not None and not machine.ended:
            try:
                data, source = sock.recvfrom(2048)
            except (BlockingIOError, ConnectionRefusedError):
                return
            if self.lost() or machine.port not in (0, source[1]) or source[0] != machine.server:
                continue
            kind, number = struct.unpack_from("!HH", data)
            if kind == 5:
                continue  # refused: the REQUEST was lost, and is sent again
            machine.port = source[1]
            if kind == 6:
                # A server that knows no windows (RFC 7440) waits for an ACK after each block.
                machine.window = WINDOW if b"windowsize" in data.lower() else 1
                self.acknowledge(machine)
            elif kind == 3:
                self.block(machine, number, len(data) - 4)

    def block(self, machine: Machine, number: int, length: int) -> None:
        if number != (machine.block + 1) & 0xFFFF:
            if machine.missed != machine.block:
                machine.missed = machine.block
                self.acknowledge(machine)  # one was lost: the window begins anew behind the last that came
            return
        machine.first = machine.first or time.monotonic()
        machine.block += 1
        machine.tries = 0
        if length < BLKSIZE:
            self.acknowledge(machine)
            self.end(machine)
        elif machine.block - machine.acked >= machine.window:
            self.acknowledge(machine)

    def end(self, machine: Machine) -> None:
        machine.ended = time.monotonic()
        self.left -= 1
        if machine.sock is not None:
            del self.by_fd[machine.sock.fileno()]
            self.poll.unregister(machine.sock.fileno())
            machine.sock.close()
            machine.sock = None
        if machine.ended - machine.begun > PATIENCE:
            machine.block = 0


def quantiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds) or [0.0]
    return {
        name: round(ordered[min(int(len(ordered) * share), len(ordered) - 1)], 3)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }


def main() -> None:
    machines, seconds, first, file, loss = sys.argv[1:]
    morning = Morning(int(machines), float(seconds), IPv4Address(first), file, float(loss))
    morning.run()
    booted = [machine for machine in morning.machines if machine.block]
    print(
        json.dumps(
            {
                "machines": len(morning.machines),
                "booted": len(booted),
                "first_byte": quantiles([machine.first - machine.begun for machine in booted]),
                "end": quantiles([machine.ended - machine.begun for machine in booted]),
            }
        )
    )


if __name__ == "__main__":
    main()
