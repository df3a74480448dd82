"""Many datagrams of one socket in one system call: recvmmsg(2) and sendmmsg(2), which Python does not have.

The kernel is given addresses of memory: a ``struct mmsghdr`` for each datagram (recvmmsg(2)), which names a
``struct sockaddr_in`` and, by way of a ``struct iovec``, the octets. What is sent answers what was read last,
so that each answer finds its address where the kernel wrote the sender's. Whoever sends must hold the
``Prepared`` until then.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from array import array
from collections.abc import Iterable

MOST = 64
"""Datagrams in one call."""

# Without declared types and without errno a call costs a third: numbers are passed as int, places as void *.
# Neither call waits, so the interpreter's lock is kept meanwhile (PyDLL).
_libc = ctypes.PyDLL(None)
_sendmmsg, _recvmmsg = _libc.sendmmsg, _libc.recvmmsg

_ROOM = 496  # for one datagram: an ACK, or an ERROR whose text may be cut
_HEAD = 4
_DONTWAIT = int(socket.MSG_DONTWAIT)  # an enumeration's member is slower
_KEY = 6  # port and address in the order of the wire
_KEY_AT = 2  # behind the family
_address = struct.Struct(f"=H{_KEY}s8x")
# What comes to a slot: its sender's port and address, and the first octets.
_slot = struct.Struct(f"={_KEY_AT}x{_KEY}s8x{_HEAD}s{_ROOM - _HEAD}x")
_iovec = struct.Struct("@PN")
# A message in two pieces: where to; and what, with what is not used here (control, its length, flags, and the
# length that the kernel writes). Native alignment, also at the end.
_where_to = struct.Struct("@PI0P")
_what = struct.Struct("@PNPNi0PI0P")
_UNUSED = (0, 0, 0, 0)
_MESSAGE = _where_to.size + _what.size
_LENGTH_AT = _MESSAGE - struct.calcsize("@I0P")
_WHAT_AT = _where_to.size
_place = struct.Struct("@L")  # as large as an address of memory
NOWHERE = bytes(_place.size)
"""The place of nothing (``Prepared``)."""


def key_of(peer: tuple[str, int]) -> bytes:
    """A sender's port and address in the order of the wire."""
    return peer[1].to_bytes(2, "big") + socket.inet_aton(peer[0])


def peer_of(key: bytes) -> tuple[str, int]:
    """Whose key it is."""
    return socket.inet_ntoa(key[2:]), int.from_bytes(key[:2], "big")


class Prepared:
    """Datagrams that stand ready one behind the other in ``octets``, each ``step`` long but for the last:
    ``places`` has where the kernel finds what to know of each, as octets of an address."""

    __slots__ = ("_iovecs", "octets", "places")

    def __init__(self, octets: bytes, step: int) -> None:
        self.octets = octets
        begin = ctypes.cast(ctypes.c_char_p(octets), ctypes.c_void_p).value or 0
        pieces = range(0, len(octets), step)
        iovecs = b"".join(_iovec.pack(begin + at, min(step, len(octets) - at)) for at in pieces)
        self._iovecs = ctypes.create_string_buffer(iovecs, len(iovecs))
        first = ctypes.addressof(self._iovecs)
        self.places = [_place.pack(first + number * _iovec.size) for number in range(len(pieces))]


class Mailbox:
    """Room for ``MOST`` datagrams, which are read from a socket at once, and for an answer to each."""

    def __init__(self) -> None:
        self._room = ctypes.create_string_buffer(MOST * _slot.size)
        self._octets = memoryview(self._room).cast("B")
        begin = ctypes.addressof(self._room)
        slots = range(begin, begin + MOST * _slot.size, _slot.size)
        iovecs = b"".join(_iovec.pack(slot + _address.size, _ROOM) for slot in slots)
        self._iovecs = ctypes.create_string_buffer(iovecs, len(iovecs))
        first = ctypes.addressof(self._iovecs)
        self._messages = _messages(slots, [first + number * _iovec.size for number in range(MOST)])
        self._place = ctypes.c_void_p(ctypes.addressof(self._messages))
        # What there is to look at behind a call, by how many datagrams came.
        words, step = memoryview(self._messages).cast("B").cast("I"), _MESSAGE // 4
        self._slots = [self._octets[: count * _slot.size] for count in range(MOST + 1)]
        self._lengths = [words[_LENGTH_AT // 4 : count * step : step] for count in range(MOST + 1)]
        heads = memoryview(array("I", [_HEAD] * MOST))
        self._all_heads = [heads[:count] for count in range(MOST + 1)]
        self._answers = _messages(slots, [0] * MOST)
        begin = ctypes.addressof(self._answers)
        self._begins = [ctypes.c_void_p(begin + number * _MESSAGE) for number in range(MOST)]
        words, step = memoryview(self._answers).cast("B").cast("L"), _MESSAGE // _place.size
        self._whats = [words[_WHAT_AT // _place.size : count * step : step] for count in range(MOST + 1)]

    def take(self, fd: int) -> Iterable[tuple[bytes, bytes]]:
        """Read what has come, ``MOST`` at most: for each datagram its sender's key, and its octets if it is
        as long as an ACK, else none. Empty if nothing can be read."""
        count = _recvmmsg(fd, self._place, MOST, _DONTWAIT, None)
        if count < 0:
            return ()
        arrived = _slot.iter_unpack(self._slots[count])
        lengths = self._lengths[count]
        if lengths == self._all_heads[count]:
            return arrived
        return [
            (key, head if length == _HEAD else b"")
            for (key, head), length in zip(arrived, lengths.tolist(), strict=True)
        ]

    def key(self, number: int) -> bytes:
        """Whose a datagram is that was read last."""
        begin = number * _slot.size + _KEY_AT
        return bytes(self._octets[begin : begin + _KEY])

    def octets(self, number: int) -> bytes:
        """A datagram that was read last."""
        begin = number * _slot.size + _address.size
        return bytes(self._octets[begin : begin + min(self._lengths[MOST][number], _ROOM)])

    def answer(self, places: list[bytes]) -> None:
        """Take an answer to each datagram that was read last: its place, of ``Prepared``, or ``NOWHERE``."""
        self._whats[len(places)][:] = memoryview(b"".join(places)).cast("L")

    def send(self, fd: int, first: int, end: int) -> int:
        """Send the answers from ``first`` up to ``end`` on a socket; how many were, -1 if the first cannot
        be."""
        sent: int = _sendmmsg(fd, self._begins[first], end - first, 0)
        return sent


def _messages(senders: Iterable[int], iovecs: Iterable[int]) -> ctypes.Array[ctypes.c_char]:
    """A message for each ``struct sockaddr_in`` and ``struct iovec``."""
    octets = b"".join(
        _where_to.pack(sender, _address.size) + _what.pack(iovec, 1, *_UNUSED)
        for sender, iovec in zip(senders, iovecs, strict=True)
    )
    return ctypes.create_string_buffer(octets, len(octets))
