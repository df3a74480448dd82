"""Many datagrams in one system call, over loopback sockets."""

from __future__ import annotations

import os
import socket

import pytest

from coexist.server.mmsg import MOST, NOWHERE, Mailbox, Prepared, key_of, peer_of

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


def taken(mailbox, sock, count):
    """Whose datagram each is, its octets if it is as long as an ACK, and its octets."""
    found: list[tuple[tuple[str, int], bytes, bytes]] = []
    while len(found) < count:
        for number, (key, head) in enumerate(list(mailbox.take(sock.fileno()))):
            assert key == mailbox.key(number)
            found.append((peer_of(key), head, mailbox.octets(number)))
    return found


def ask(server, *clients):
    """A datagram of each client, read at once."""
    for sock in clients:
        sock.sendto(b"\0\4\0\1", server.getsockname())
    mailbox = Mailbox()
    assert len(taken(mailbox, server, len(clients))) == len(clients)
    return mailbox


def test_each_answer_goes_to_whom_it_answers(sockets):
    one, other, server = sockets
    octets = os.urandom(100) + os.urandom(100) + b"rest"
    prepared = Prepared(octets, 100)
    mailbox = ask(server, one, other, one)
    mailbox.answer(prepared.places)
    assert mailbox.send(server.fileno(), 0, 3) == 3
    assert [one.recv(2000), other.recv(2000), one.recv(2000)] == [octets[:100], octets[100:200], b"rest"]
    assert mailbox.send(server.fileno(), 1, 2) == 1
    assert other.recv(2000) == octets[100:200]


def test_who_is_not_answered_can_be_left_out(sockets):
    one, other, server = sockets
    prepared = Prepared(b"first" + b"other", 5)
    mailbox = ask(server, one, other, one)
    mailbox.answer([prepared.places[1], NOWHERE, prepared.places[0]])
    assert mailbox.send(server.fileno(), 0, 1) == mailbox.send(server.fileno(), 2, 3) == 1
    assert [one.recv(2000), one.recv(2000)] == [b"other", b"first"]
    other.setblocking(False)
    with pytest.raises(BlockingIOError):
        other.recv(2000)


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
    found = taken(Mailbox(), server, len(sent))
    assert [(peer, head) for peer, head, _ in found] == [
        (sock.getsockname(), octets if len(octets) == 4 else b"") for sock, octets in sent
    ]
    for (_, octets), (_, _, read) in zip(sent, found, strict=True):
        assert octets.startswith(read)
        assert len(read) == min(len(octets), 496)


def test_nothing_and_more_than_fits(sockets):
    one, _, server = sockets
    mailbox = Mailbox()
    assert list(mailbox.take(server.fileno())) == []
    for number in range(MOST + 5):
        one.sendto(number.to_bytes(4, "big"), server.getsockname())
    numbers = [int.from_bytes(head, "big") for _, head, _ in taken(mailbox, server, MOST + 5)]
    assert numbers == list(range(MOST + 5))


def test_what_cannot_be_sent_is_told(sockets):
    one, _, server = sockets
    prepared = Prepared(bytes(70_000) + b"good", 70_000)
    mailbox = ask(server, one, one)
    mailbox.answer(prepared.places)
    assert mailbox.send(server.fileno(), 0, 2) == -1
    assert mailbox.send(server.fileno(), 1, 2) == 1
    assert one.recv(2000) == b"good"


def test_a_key_is_an_address_and_a_port():
    for peer in (("10.1.2.3", 0x1234), ("255.0.0.255", 0xFF00), ("0.0.0.0", 1)):
        assert peer_of(key_of(peer)) == peer
