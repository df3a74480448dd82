"""Many datagrams in one system call, over loopback sockets."""

from __future__ import annotations

import os
import socket

import pytest

from coexist.server.mmsg import MOST, Inbox, Outbox, Prepared, Target

PATIENCE = 20.0


@pytest.fixture
def sockets():
    made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
    for sock in made:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(PATIENCE)
    yield made
    for sock in made:
        sock.close()


def taken(inbox, sock, count):
    found: list[tuple[tuple[str, int], bytes, bytes]] = []
    while len(found) < count:
        for number, (key, head), length in inbox.take(sock.fileno()):
            found.append((Target.peer_of(key), head[:length], inbox.octets(number, length)))
    return found


def test_each_goes_where_it_is_meant_to(sockets):
    one, other, server = sockets
    octets = os.urandom(100) + os.urandom(100) + b"rest"
    prepared = Prepared(octets, 100)
    targets = [Target(sock.getsockname()) for sock in (one, other, one)]
    outbox = Outbox()
    outbox.fill(
        [piece for to, part in zip(targets, prepared.parts, strict=True) for piece in (to.part, part)]
    )
    assert outbox.send(server.fileno(), 0, 3) == 3
    assert [one.recv(2000), other.recv(2000), one.recv(2000)] == [octets[:100], octets[100:200], b"rest"]
    assert outbox.send(server.fileno(), 1, 2) == 1
    assert other.recv(2000) == octets[100:200]


def test_what_comes_is_told_with_its_sender_and_length(sockets):
    one, other, server = sockets
    sent = [
        (one, b"\0\4\0\1"),
        (other, b""),
        (one, b"\0\4"),
        (other, bytes(range(256)) * 2),
        (one, b"\0\4\0\2"),
    ]
    for sock, octets in sent:
        sock.sendto(octets, server.getsockname())
    found = taken(Inbox(), server, len(sent))
    assert [(peer, head) for peer, head, _ in found] == [
        (sock.getsockname(), octets[:4]) for sock, octets in sent
    ]
    for (_, octets), (_, _, read) in zip(sent, found, strict=True):
        assert octets.startswith(read)
        assert len(read) == min(len(octets), 496)


def test_nothing_and_more_than_fits(sockets):
    one, _, server = sockets
    inbox = Inbox()
    assert list(inbox.take(server.fileno())) == []
    for number in range(MOST + 5):
        one.sendto(number.to_bytes(4, "big"), server.getsockname())
    numbers = [int.from_bytes(head, "big") for _, head, _ in taken(inbox, server, MOST + 5)]
    assert numbers == list(range(MOST + 5))


def test_what_cannot_be_sent_is_told(sockets):
    one, _, server = sockets
    prepared = Prepared(bytes(70_000) + b"good", 70_000)
    outbox = Outbox()
    target = Target(one.getsockname())
    outbox.fill([target.part, prepared.parts[0], target.part, prepared.parts[1]])
    assert outbox.send(server.fileno(), 0, 2) == -1
    assert outbox.send(server.fileno(), 1, 2) == 1
    assert one.recv(2000) == b"good"


def test_a_key_is_an_address_and_a_port():
    for peer in (("10.1.2.3", 0x1234), ("255.0.0.255", 0xFF00), ("0.0.0.0", 1)):
        assert Target.peer_of(Target(peer).key) == peer
