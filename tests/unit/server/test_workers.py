"""Which worker a packet is for: what the kernel decides, and what this program does."""

from __future__ import annotations

import contextlib
import mmap
import socket
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from coexist.server.counters import Counters
from coexist.server.siblings import BOARD_OCTETS, Place, Siblings
from coexist.server.steering import choose, keep_own, share_of

WORKERS = 3


@pytest.fixture
def group() -> Iterator[list[socket.socket]]:
    sockets: list[socket.socket] = []
    for worker in range(WORKERS):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(("127.0.0.1", sockets[0].getsockname()[1] if sockets else 0))
        sock.setblocking(False)
        keep_own(sock, worker, WORKERS)
        sockets.append(sock)
    choose(sockets[0], WORKERS)
    yield sockets
    for sock in sockets:
        sock.close()


def who_got(group: list[socket.socket]) -> list[int]:
    found = []
    for worker, sock in enumerate(group):
        with contextlib.suppress(BlockingIOError):
            sock.recv(4096)
            found.append(worker)
    return found


def test_the_kernel_steers_as_this_program_does(group: list[socket.socket]) -> None:
    shares: Counter[int] = Counter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        # In a row, as a vendor counts, and even ones only, as cards with two ports have them.
        for mac in [*range(0x0080641000FF, 0x008064100200), *range(0x525400000000, 0x525400000200, 2)]:
            client.sendto(bytes(28) + mac.to_bytes(6, "big") + bytes(266), group[0].getsockname())
            assert who_got(group) == [share_of(mac, WORKERS)]
            shares[share_of(mac, WORKERS)] += 1
        for short in (b"", b"x", bytes(33)):
            client.sendto(short, group[0].getsockname())
            assert who_got(group) == [0]
    assert min(shares.values()) > 0.75 * max(shares.values())


def siblings() -> list[Siblings]:
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    board = mmap.mmap(-1, 2 * BOARD_OCTETS)
    for pair in pairs:
        pair[0].setblocking(False)
    return [
        Siblings(
            Place(
                index=index,
                count=2,
                dhcp=(),
                mailbox=pairs[index][0],
                mailboxes=tuple(pair[1] for pair in pairs),
                board=board,
            ),
            {"10.0.0.1": 0x525400000001, "10.0.0.2": 0x525400000003}.get,
        )
        for index in range(2)
    ]


def close(both: list[Siblings]) -> None:
    for each in both:
        each.place.mailbox.close()
        each.place.mailboxes[each.place.index].close()


def test_a_file_request_goes_to_whoever_has_the_client() -> None:
    both = siblings()
    got: list[tuple[int, bytes, tuple[str, int]]] = []
    owner = share_of(0x525400000001, 2)
    both[owner].request = lambda _, data, peer: got.append((owner, data, peer))
    service, peer = IPv4Address("10.0.0.6"), ("10.0.0.1", 2070)
    assert not both[owner].hand_request(service, b"rrq", peer)
    assert both[1 - owner].hand_request(service, b"rrq", peer)
    both[owner].drain()
    assert got == [(owner, b"rrq", peer)]
    # Of an address that nobody knows, all requests meet at one place.
    given = [each.hand_request(service, b"rrq", ("10.0.0.99", 2070)) for each in both]
    assert sorted(given) == [False, True]
    close(both)


def test_a_connection_is_handed_over_open() -> None:
    both = siblings()
    taken: list[socket.socket] = []
    owner = share_of(0x525400000001, 2)
    both[owner].connection = lambda _, sock: taken.append(sock)
    here, there = socket.socketpair()
    assert both[1 - owner].hand_connection(IPv4Address("10.0.0.6"), here, "10.0.0.1")
    both[owner].drain()
    taken[0].sendall(b"hello")
    assert there.recv(10) == b"hello"
    for sock in (there, *taken):
        sock.close()
    close(both)


def test_addresses_and_counters_are_told() -> None:
    both = siblings()
    learned: list[tuple[str, int]] = []
    both[1].learn = lambda address, mac: learned.append((address, mac))
    both[0].tell_address("10.9.0.1", 0x525400000009)
    both[1].drain()
    assert learned == [("10.9.0.1", 0x525400000009)]
    mine, other = Counters(), Counters()
    other.offers, other.decisions[67, "ANSWERED"] = 3, 4
    other.latency.observe(0.002, 2)
    both[1].post(other)
    mine.offers = 1
    for each in both[0].posted():
        mine.add(each)
    assert (mine.offers, mine.decisions[67, "ANSWERED"], sum(mine.latency.counts)) == (4, 4, 2)
    assert both[1].posted() == []
    close(both)
