"""Transfers in lock step, many on one UDP port: the ACKs of all are read at once, and their next blocks leave
at once (``mmsg``).

The port is the server's part of a transfer's identifier (RFC 1350 section 4), and a client's address and port
tell it from all others there. A client's port must not meet the same one of the server again, or what is late
of its last transfer could be taken for its next one. So a port is for ``MOST_BEGUN`` transfers, each with
another client or another port of it.

Whoever has a transfer knows the port of others, and could write their address on ACKs. So only clients that
were heard a while ago on a port of their own are on such a port (``unproven``).
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import Protocol

from coexist.server.files import Windows
from coexist.server.mmsg import Inbox, Outbox, Target
from coexist.server.sockets import enlarge
from coexist.server.tftp_sending import Granted, Running, Service

MOST_BEGUN = 64
LARGEST_BLKSIZE = 1468
"""A block for each of so many has room in a socket's send buffer (net.core.wmem_default)."""
_MOST_READS = 16  # then other sockets have their turn
_MOST_ERRORS = 64
_ACK_OCTETS = 4
_IP_RECVERR = 11  # linux/in.h
_FROM_ICMP = 2  # SO_EE_ORIGIN_ICMP, linux/errqueue.h
_extended_error = struct.Struct("=IB")  # how struct sock_extended_err begins: errno and origin
_ERROR_OCTETS = 512


class Sharing(Service, Protocol):
    """The service whose transfers share ports."""

    inbox: Inbox
    outbox: Outbox

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
        self._served: set[bytes] = set()
        enlarge(sock)
        # ICMP tells that a client is gone; without a connection it comes by the error queue (ip(7)).
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        service.loop.register(sock.fileno(), self.readable)

    def takes(self, target: Target) -> bool:
        """Whether a transfer may begin here."""
        return len(self._served) < MOST_BEGUN and target.key not in self._served

    def add(self, transfer: LockStep) -> None:
        """A transfer begins here."""
        key = transfer.target.key
        self._served.add(key)
        self.transfers[key] = transfer

    def remove(self, transfer: LockStep) -> None:
        """A transfer has ended."""
        del self.transfers[transfer.target.key]
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
        for _ in range(_MOST_READS):
            if self.fd < 0 or not self._read():
                return

    def _read(self) -> bool:
        """Read once; whether anything had come. Blocks leave first for which the awaited ACK came: they stand
        ready."""
        inbox = self.service.inbox
        arrived = inbox.take(self.fd)
        if not arrived:
            return False
        find = self.transfers.get
        messages: list[bytes] = []
        put = messages.append
        going_on: list[LockStep] = []
        others: list[tuple[bytes, bytes]] = []
        for number, (key, head), length in arrived:
            transfer = find(key)
            if transfer is not None and head == transfer.awaited and length == _ACK_OCTETS:
                at = transfer.at = transfer.at + 1
                block, transfer.awaited = transfer.windows[at]
                put(transfer.where_to)
                put(block)
                going_on.append(transfer)
            else:
                others.append((key, inbox.octets(number, length)))
        if going_on:
            self.send(messages, going_on)
        for key, octets in others:
            self._consider(key, octets)
        return True

    def _consider(self, key: bytes, octets: bytes) -> None:
        transfer = self.transfers.get(key)
        if transfer is not None:
            transfer.consider(octets)
        else:
            self.service.unknown(self, octets, Target.peer_of(key))

    def send(self, messages: list[bytes], transfers: list[LockStep]) -> None:
        """Send a block of each transfer: two ``messages`` for each, as ``Outbox.fill`` takes them."""
        outbox = self.service.outbox
        outbox.fill(messages)
        first, end = 0, len(transfers)
        while first < end:
            sent = outbox.send(self.fd, first, end)
            if sent > 0:
                first += sent
            else:
                transfers[first].send_alone()
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
            transfer = self.transfers.get(Target.key_of(peer))
            if transfer is not None and any(
                (level, kind) == (socket.IPPROTO_IP, _IP_RECVERR)
                and _extended_error.unpack_from(octets) == (errno.ECONNREFUSED, _FROM_ICMP)
                for level, kind, octets in ancillary
            ):
                self.service.end(transfer, "vanished")


class LockStep(Running):
    """A transfer that waits for an ACK behind each block, on a port with others."""

    __slots__ = ("_held", "port", "target", "where_to")

    def __init__(
        self,
        service: Service,
        port: Port,
        target: Target,
        granted: Granted,
    ) -> None:
        peer = granted.peer
        super().__init__(service, lambda octets: port.send_one(octets, peer), granted)
        self.port = port
        self.target = target
        self.where_to = target.part
        self._held: object = None
        port.add(self)

    def close(self) -> None:
        """See ``Running``."""
        self.port.remove(self)

    def look(self) -> None:
        """See ``Running``: whatever has come makes the port readable."""

    def _windows_of(self, first: int) -> Windows:
        blocks = self.framed.blocks(first)
        self._held = blocks  # the kernel is told of places in there
        return blocks.windows

    def _send_window(self, window: bytes) -> None:
        self.port.send([self.where_to, window], [self])

    def send_alone(self) -> None:
        """Send the block that could not leave with others, and find out why."""
        if self.port.transfers.get(self.target.key) is self:
            self.settle()
            self.send_blocks()
