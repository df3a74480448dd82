"""Many datagrams of one socket in one system call: recvmmsg(2) and sendmmsg(2), which Python does not have.

The kernel is given addresses of memory: a ``struct mmsghdr`` for each datagram (recvmmsg(2)), which names a
``struct sockaddr_in`` and, by way of a ``struct iovec``, the octets. Whoever has a message sent must hold its
``Target`` and its ``Prepared`` until then.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterable, Sequence

MOST = 64
"""Datagrams in one call."""

# Without declared types and without errno a call costs a third: numbers are passed as int, places as void *.
_libc = ctypes.CDLL(None)
_sendmmsg, _recvmmsg = _libc.sendmmsg, _libc.recvmmsg

_NUMBERS = range(MOST)
_ROOM = 496  # for one datagram: an ACK, or an ERROR whose text may be cut
_HEAD = 4
_address = struct.Struct("=H6s8x")  # family; port and address in the order of the wire; padding
# What comes to a slot: its sender's port and address, and the first octets.
_slot = struct.Struct(f"=2x6s8x{_HEAD}s{_ROOM - _HEAD}x")
_iovec = struct.Struct("@PN")
# A message in two pieces: where to; and what, with what is not used here (control, its length, flags, and the
# length that the kernel writes). Native alignment, also at the end.
_where_to = struct.Struct("@PI0P")
_what = struct.Struct("@PNPNi0PI0P")
_UNUSED = (0, 0, 0, 0)
_MESSAGE = _where_to.size + _what.size
_LENGTH_AT = _MESSAGE - struct.calcsize("@I0P")


class Target:
    """Where datagrams go to; ``key`` tells it as ``Inbox`` tells senders."""

    __slots__ = ("_octets", "key", "part")

    def __init__(self, peer: tuple[str, int]) -> None:
        self.key = self.key_of(peer)
        octets = _address.pack(socket.AF_INET, self.key)
        self._octets = ctypes.create_string_buffer(octets, len(octets))
        self.part = _where_to.pack(ctypes.addressof(self._octets), len(octets))

    @staticmethod
    def key_of(peer: tuple[str, int]) -> bytes:
        """Port and address in the order of the wire."""
        return peer[1].to_bytes(2, "big") + socket.inet_aton(peer[0])

    @staticmethod
    def peer_of(key: bytes) -> tuple[str, int]:
        """Whose key it is."""
        return socket.inet_ntoa(key[2:]), int.from_bytes(key[:2], "big")


class Prepared:
    """Datagrams that stand ready one behind the other in ``octets``, each ``step`` long but for the last:
    what a message says of each is in ``parts``."""

    __slots__ = ("_iovecs", "_octets", "parts")

    def __init__(self, octets: bytes, step: int) -> None:
        self._octets = octets
        begin = ctypes.cast(ctypes.c_char_p(octets), ctypes.c_void_p).value or 0
        places = range(0, len(octets), step)
        iovecs = b"".join(_iovec.pack(begin + at, min(step, len(octets) - at)) for at in places)
        self._iovecs = ctypes.create_string_buffer(iovecs, len(iovecs))
        first = ctypes.addressof(self._iovecs)
        self.parts = [_what.pack(first + number * _iovec.size, 1, *_UNUSED) for number in range(len(places))]


class Outbox:
    """Sends many datagrams at once."""

    def __init__(self) -> None:
        self._messages = ctypes.create_string_buffer(MOST * _MESSAGE)
        self._octets = memoryview(self._messages).cast("B")
        begin = ctypes.addressof(self._messages)
        self._places = [ctypes.c_void_p(begin + number * _MESSAGE) for number in range(MOST)]

    def fill(self, parts: Sequence[bytes]) -> None:
        """Take the messages, at most ``MOST``: for each a target's part and a datagram's."""
        octets = b"".join(parts)
        self._octets[: len(octets)] = octets

    def send(self, fd: int, first: int, end: int) -> int:
        """Send those from ``first`` up to ``end`` on a socket; how many were, -1 if the first cannot be."""
        sent: int = _sendmmsg(fd, self._places[first], end - first, 0)
        return sent


class Inbox:
    """Room for ``MOST`` datagrams, which are read from a socket at once."""

    def __init__(self) -> None:
        self._room = ctypes.create_string_buffer(MOST * _slot.size)
        self._octets = memoryview(self._room).cast("B")
        begin = ctypes.addressof(self._room)
        slots = range(begin, begin + MOST * _slot.size, _slot.size)
        iovecs = b"".join(_iovec.pack(slot + _address.size, _ROOM) for slot in slots)
        self._iovecs = ctypes.create_string_buffer(iovecs, len(iovecs))
        first = ctypes.addressof(self._iovecs)
        messages = b"".join(
            _where_to.pack(slot, _address.size) + _what.pack(first + number * _iovec.size, 1, *_UNUSED)
            for number, slot in enumerate(slots)
        )
        self._messages = ctypes.create_string_buffer(messages, len(messages))
        self._place = ctypes.c_void_p(ctypes.addressof(self._messages))
        # What there is to look at behind a call, by how many datagrams came.
        words, step = memoryview(self._messages).cast("B").cast("I"), _MESSAGE // 4
        self._slots = [self._octets[: count * _slot.size] for count in range(MOST + 1)]
        self._lengths = [words[_LENGTH_AT // 4 : count * step : step] for count in range(MOST + 1)]

    def take(self, fd: int) -> Iterable[tuple[int, tuple[bytes, bytes], int]]:
        """Read what has come: for each datagram its number, its sender's key with its first four octets, and
        its length; ``MOST`` at most. Empty if nothing can be read."""
        count = _recvmmsg(fd, self._place, MOST, socket.MSG_DONTWAIT, None)
        if count < 0:
            return ()
        senders, lengths = _slot.iter_unpack(self._slots[count]), self._lengths[count].tolist()
        return zip(_NUMBERS, senders, lengths, strict=False)

    def octets(self, number: int, length: int) -> bytes:
        """A datagram that was read last."""
        begin = number * _slot.size + _address.size
        return bytes(self._octets[begin : begin + min(length, _ROOM)])
