"""Several datagrams in one system call: the kernel cuts them apart (UDP_SEGMENT, udp(7), Linux 4.18)."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable

from coexist.server.counters import Counters

UDP_SEGMENT = 103  # linux/udp.h
MOST_SEGMENTS = 64  # UDP_MAX_SEGMENTS
LARGEST_TOGETHER = 65_000
# What the kernel says when it will not segment: no such option, too long for the device, not on this path.
NO_SEGMENTS = frozenset({errno.EINVAL, errno.EMSGSIZE, errno.EIO, errno.EOPNOTSUPP, errno.ENOPROTOOPT})

Ancillary = list[tuple[int, int, bytes]]
Target = tuple[str, int]

_LONGEST = 1_200  # a longer datagram may need fragments on its path, which segments must not
_size = struct.Struct("=H").pack


class Together:
    """Answers of one length from one address to another, collected until ``leave`` or one that differs.

    ``single`` sends an answer by itself, counts it and deals with what goes wrong: it has the answer that
    finds no company, and all of them where the kernel cannot cut. Who receives them sees no difference.
    """

    def __init__(
        self,
        sock: socket.socket,
        single: Callable[[bytes, Ancillary, Target], object],
        counters: Counters,
    ) -> None:
        self.possible = True
        self._sock = sock
        self._single = single
        self._counters = counters
        self._collected: list[bytes] = []
        self._length = self._room = 0
        self._ancillary: Ancillary = []
        self._target: Target = ("", 0)

    def add(self, octets: bytes, ancillary: Ancillary, target: Target) -> None:
        """Have an answer leave with those before it, if they are alike, else with those that follow."""
        if (
            len(octets) != self._length
            or target != self._target
            or ancillary is not self._ancillary
            or len(self._collected) >= self._room
        ):
            self.leave()
            length = self._length = len(octets)
            self._room = min(MOST_SEGMENTS, LARGEST_TOGETHER // length) if length <= _LONGEST else 1
            self._ancillary = ancillary
            self._target = target
        self._collected.append(octets)

    def leave(self) -> None:
        """Send what was collected."""
        collected = self._collected
        if not collected:
            return
        self._collected = []
        if len(collected) > 1 and self.possible:
            segment = (socket.SOL_UDP, UDP_SEGMENT, _size(self._length))
            try:
                self._sock.sendmsg(collected, [*self._ancillary, segment], 0, self._target)
            except OSError as error:
                self.possible = error.errno not in NO_SEGMENTS
            else:
                self._counters.offers += len(collected)
                return
        for octets in collected:
            self._single(octets, self._ancillary, self._target)
