"""Transfers in lock step, many on one UDP port: the ACKs of all are read at once, and their next blocks leave
at once (``mmsg``).

The port is the server's part of a transfer's identifier (RFC 1350 section 4), and a client's address and port
tell it from all others there. A client's port must not meet the same one of the server again, or what is late
of its last transfer could be taken for its next one. So a port is for ``MOST_BEGUN`` transfers at most, each
with another client or another port of it.

Whoever has a transfer knows the port of others, and could write their address on ACKs. So only clients that
were heard a while ago on a port of their own are on such a port (``unproven``).
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import Protocol

from coexist.server.files import Blocks, ChangedError, Following
from coexist.server.mmsg import NOWHERE, Mailbox, key_of, peer_of
from coexist.server.sockets import enlarge, enlarge_to_send
from coexist.server.tftp_sending import CHANGED, Granted, Running, Service

MOST_BEGUN = 256
LARGEST_BLKSIZE = 1468
_BLOCK_COSTS = 2560
"""Octets of a socket's send buffer that the largest block takes (skb->truesize is 2304 in Linux 6.18)."""
_READS_OF_FEW = 4  # where ACKs still come behind so many, they come from many
_MOST_TOGETHER = 512  # datagrams, then other sockets have their turn
_MOST_ERRORS = 64
_IP_RECVERR = 11  # linux/in.h
_FROM_ICMP = 2  # SO_EE_ORIGIN_ICMP, linux/errqueue.h
_extended_error = struct.Struct("=IB")  # how struct sock_extended_err begins: errno and origin
_ERROR_OCTETS = 512


_NOTHING: Following = (None, NOWHERE, None, 0)
"""What follows where nothing stands ready: the state machine is asked."""


class Sharing(Service, Protocol):
    """The service whose transfers share ports."""

    mailbox: Mailbox

    def unknown(self, port: Port, octets: bytes, peer: tuple[str, int]) -> None:
        """A datagram came to a port from where no transfer of it is."""

    def idle(self, port: Port) -> None:
        """The last transfer of a port has ended, and the port is closed."""


class Port:
    """A UDP port, and the transfers that are on it."""

    def __init__(self, service: Sharing, sock: socket.socket, wanted: tuple[int, int] | None) -> None:
        """``wanted``: which ports the configuration named when the socket was bound."""
        self.service = service
        self.sock = sock
        self.fd = sock.fileno()
        self.wanted = wanted
        self.transfers: dict[bytes, LockStep] = {}
        # Where each of them is, by its client's key.
        self.following: dict[bytes, Following] = {}
        self._served: set[bytes] = set()
        enlarge(sock)
        # A block for each of the transfers must have room at once.
        self.most = min(MOST_BEGUN, max(1, enlarge_to_send(sock, MOST_BEGUN * _BLOCK_COSTS) // _BLOCK_COSTS))
        # ICMP tells that a client is gone; without a connection it comes by the error queue (ip(7)).
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        service.loop.register(sock.fileno(), self.readable)

    def takes(self, key: bytes) -> bool:
        """Whether a transfer with a client may begin here."""
        return len(self._served) < self.most and key not in self._served

    def add(self, transfer: LockStep) -> None:
        """A transfer begins here."""
        self._served.add(transfer.key)
        self.transfers[transfer.key] = transfer
        self.following[transfer.key] = _NOTHING

    def remove(self, transfer: LockStep) -> None:
        """A transfer has ended."""
        del self.transfers[transfer.key], self.following[transfer.key]
        if not self.transfers:
            self.service.loop.unregister(self.sock.fileno())
            self.sock.close()
            self.fd = -1
            self.service.idle(self)

    def readable(self) -> None:
        """Read and answer until nothing more has come: who answers at once is heard without a wait."""
        if not self._read():
            self.hear_errors()  # they make it readable as well
            return
        for _ in range(_READS_OF_FEW):
            if not self._read():
                return
        if self.fd >= 0:
            with self.service.loop.unwatched(self.fd):
                left = _MOST_TOGETHER
                while left > 0 and (taken := self._read()):
                    left -= taken

    def _read(self) -> int:
        """Read once; how many datagrams had come. Blocks leave first for which the awaited ACK came: these
        stand ready."""
        if self.fd < 0:
            return 0
        following = self.following
        places: list[bytes] = []
        others: list[int] = []
        # Written for what CPython does fast: appending by name, a tuple taken apart, no attributes.
        for key, head in self.service.mailbox.take(self.fd):
            awaited, place, after, _ = following.get(key, _NOTHING)
            if head == awaited and after is not None:
                following[key] = after
                places.append(place)
            else:
                others.append(len(places))
                places.append(NOWHERE)
        if not places:
            return 0
        if len(others) < len(places):
            self._answer(places, others)
        for number in others:
            self._consider(number)
        return len(places)

    def _consider(self, number: int) -> None:
        mailbox = self.service.mailbox
        key, octets = mailbox.key(number), mailbox.octets(number)
        transfer = self.transfers.get(key)
        if transfer is not None:
            transfer.consider(octets)
        else:
            self.service.unknown(self, octets, peer_of(key))

    def _answer(self, places: list[bytes], others: list[int]) -> None:
        """Send to those whose datagrams were read what stands at these places, but not to the ``others``."""
        self.service.mailbox.answer(places)
        first = 0
        for other in others:
            self._send(first, other)
            first = other + 1
        self._send(first, len(places))

    def _send(self, first: int, end: int) -> None:
        """Send the answers from ``first`` up to ``end``."""
        mailbox = self.service.mailbox
        while first < end:
            sent = mailbox.send(self.fd, first, end)
            if sent > 0:
                first += sent
                continue
            transfer = self.transfers.get(mailbox.key(first))
            if transfer is not None:
                transfer.send_alone()
            first += 1

    def send_one(self, octets: bytes | memoryview, peer: tuple[str, int]) -> None:
        """Send a datagram by itself. Raises ``OSError``."""
        try:
            self.sock.sendto(octets, peer)
        except OSError:
            # What went wrong for one client is told to whoever sends next, once (ip(7)).
            self.hear_errors()
            self.sock.sendto(octets, peer)

    def hear_errors(self) -> None:
        """End the transfers whose clients do not listen any more."""
        for _ in range(_MOST_ERRORS):
            try:
                _, ancillary, _, peer = self.sock.recvmsg(0, _ERROR_OCTETS, socket.MSG_ERRQUEUE)
            except OSError:
                return
            transfer = self.transfers.get(key_of(peer))
            if transfer is not None and any(
                (level, kind) == (socket.IPPROTO_IP, _IP_RECVERR)
                and _extended_error.unpack_from(octets) == (errno.ECONNREFUSED, _FROM_ICMP)
                for level, kind, octets in ancillary
            ):
                self.service.end(transfer, "vanished")


class LockStep(Running):
    """A transfer that waits for an ACK behind each block, on a port with others."""

    __slots__ = ("_held", "key", "port")

    def __init__(self, service: Service, port: Port, granted: Granted) -> None:
        peer = granted.peer
        super().__init__(service, lambda octets: port.send_one(octets, peer), granted)
        self.port = port
        self.key = key_of(peer)
        self._held: Blocks | None = None  # the kernel is told of places in there
        port.add(self)

    def close(self) -> None:
        """See ``Running``."""
        self.port.remove(self)

    def look(self) -> None:
        """See ``Running``: whatever has come makes the port readable."""

    def settle(self) -> None:
        """See ``Running``."""
        _, _, _, sent = self.port.following.get(self.key, _NOTHING)
        self.transfer.passed(sent - 1)

    def _send_next(self) -> None:
        """See ``Running``."""
        first = self.transfer.first
        try:
            blocks = self._held = self.framed.blocks(first)
            self.port.following[self.key] = blocks.following[first - blocks.first]
            self.send(blocks.block(first))
        except ChangedError:
            self.service.end(self, "changed", tell=CHANGED)
        except OSError as error:
            self.send_failed(error)

    def send_alone(self) -> None:
        """Send the block that could not leave with others, and find out why."""
        self.settle()
        self.send_blocks()
