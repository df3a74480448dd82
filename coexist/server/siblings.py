"""What the workers of one boot server tell each other: which address a client has, and what came to one of
them and is another's: a TFTP request, a connection of HTTP.

A packet of DHCP never goes this way: the kernel steers it (``steering``). A file request carries no MAC, so
whoever gets it looks the address up and hands it to the worker that has the client, with everything that the
rules and limits know of it.
"""

from __future__ import annotations

import mmap
import pickle
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address

from coexist.records import dataclass
from coexist.server.counters import Counters
from coexist.server.steering import share_of

BOARD_OCTETS = 64 << 10
"""For the counters of one worker."""
_ADDRESS, _REQUEST, _CONNECTION = b"A", b"R", b"C"
_LARGEST = 4096
_BATCH = 64
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One worker's place among ``count``: what the first process made for all of them."""

    index: int
    count: int
    dhcp: tuple[socket.socket, ...]
    mailbox: socket.socket
    mailboxes: tuple[socket.socket, ...]
    board: mmap.mmap


class Siblings:
    """The other workers, as one of them sees them."""

    def __init__(self, place: Place, mac_of: Callable[[str], int | None]) -> None:
        self.place = place
        self.mac_of = mac_of
        self.learn: Callable[[str, int], None] = _nothing
        self.request: Callable[[IPv4Address, bytes, tuple[str, int]], None] = _nothing
        self.connection: Callable[[IPv4Address, socket.socket], None] = _nothing

    def mine(self, mac: int) -> bool:
        """Whether a client is this worker's."""
        return share_of(mac, self.place.count) == self.place.index

    # -- telling -------------------------------------------------------------------------------

    def tell_address(self, address: str, mac: int) -> None:
        """A client's DHCP packet said which address it has."""
        message = _ADDRESS + socket.inet_aton(address) + mac.to_bytes(6, "big")
        for index, mailbox in enumerate(self.place.mailboxes):
            if index != self.place.index:
                with suppress(OSError):  # its mailbox is full: the client asks again
                    mailbox.send(message)

    def hand_request(self, service: IPv4Address, data: bytes, peer: tuple[str, int]) -> bool:
        """Give a TFTP request to the worker that has the client; whether it was given away."""
        owner = self._owner(peer[0])
        if owner is None:
            return False
        head = _REQUEST + service.packed + socket.inet_aton(peer[0]) + peer[1].to_bytes(2, "big")
        with suppress(OSError):  # a client sends its request again
            owner.send(head + data)
        return True

    def hand_connection(self, service: IPv4Address, sock: socket.socket, peer: str) -> bool:
        """Give a connection to the worker that has the client; whether it was given away."""
        owner = self._owner(peer)
        if owner is None:
            return False
        try:
            socket.send_fds(owner, [_CONNECTION + service.packed], [sock.fileno()])
        except OSError:
            return False  # rather here than nowhere
        sock.close()
        return True

    def _owner(self, address: str) -> socket.socket | None:
        """The mailbox of the worker that has the client at an address; None: it is this one."""
        mac = self.mac_of(address)
        # Who has no MAC has limits by its address: all its requests must meet there.
        key = mac if mac is not None else int.from_bytes(socket.inet_aton(address), "big")
        index = share_of(key, self.place.count)
        return None if index == self.place.index else self.place.mailboxes[index]

    # -- hearing -------------------------------------------------------------------------------

    def drain(self) -> None:
        """Take what the others sent, at most a batch."""
        for _ in range(_BATCH):
            try:
                message, descriptors, _, _ = socket.recv_fds(self.place.mailbox, _LARGEST, 1)
            except OSError:
                return
            self._hear(message, descriptors)

    def _hear(self, message: bytes, descriptors: list[int]) -> None:
        match message[:1]:
            case b"A":
                self.learn(socket.inet_ntoa(message[1:5]), int.from_bytes(message[5:11], "big"))
            case b"R":
                peer = socket.inet_ntoa(message[5:9]), int.from_bytes(message[9:11], "big")
                self.request(IPv4Address(message[1:5]), message[11:], peer)
            case b"C" if descriptors:
                self.connection(IPv4Address(message[1:5]), socket.socket(fileno=descriptors[0]))

    # -- counting ------------------------------------------------------------------------------

    def post(self, counters: Counters) -> None:
        """Let the others read this worker's figures."""
        octets = pickle.dumps(counters)
        begin = self.place.index * BOARD_OCTETS
        if len(octets) + _LENGTH.size > BOARD_OCTETS:
            return
        board = self.place.board
        board[begin : begin + _LENGTH.size] = _LENGTH.pack(0)  # whoever reads meanwhile sees nothing
        board[begin + _LENGTH.size : begin + _LENGTH.size + len(octets)] = octets
        board[begin : begin + _LENGTH.size] = _LENGTH.pack(len(octets))

    def posted(self) -> list[Counters]:
        """The figures of the other workers, a second old at most. They are written by this program."""
        found = []
        for index in range(self.place.count):
            begin = index * BOARD_OCTETS
            (length,) = _LENGTH.unpack(self.place.board[begin : begin + _LENGTH.size])
            if index != self.place.index and length:
                octets = self.place.board[begin + _LENGTH.size : begin + _LENGTH.size + length]
                with suppress(pickle.UnpicklingError, EOFError, ValueError, KeyError):  # half written
                    found.append(pickle.loads(octets))
        return found


def _nothing(*_: object) -> None:
    """What is done with a message before anybody says what to do."""
