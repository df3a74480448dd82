"""The space for options in a packet of dnsmasq 2.90 (free_space, do_encap_opts and dhcp_packet_size of
``src/rfc2131.c``).

What does not fit into the options field goes into ``file`` and ``sname`` if they are empty, or is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from coexist.wire.bootp import FILE_OCTETS, SNAME_OCTETS, Packet
from coexist.wire.options import Option, encode_options

_SMALLEST, _LARGEST = 548, 16384
_BEFORE_OPTIONS = 240
_IP_AND_UDP = 28
_FILE, _SNAME = 1, 2


def _agent_of(asked: Packet, room: int) -> bytes | None:
    """What a relay agent added, if the reply repeats it (dhcp_reply).

    It is kept at the end of the buffer, which has ``room`` octets for options, while the packet's own options
    still stand in front: where those reach that far, it is not repeated.
    """
    agent = asked.options.get(Option.RELAY_AGENT_INFORMATION)
    if agent is None:
        return None
    return agent if len(encode_options(asked.options)) < room - len(agent) - 2 else None


class Area:
    """The options of one packet, in the order they are put in."""

    def __init__(self, asked: Packet) -> None:
        size = asked.options.get(Option.MAXIMUM_DHCP_MESSAGE_SIZE, b"")
        octets = int.from_bytes(size[:2], "big") - _IP_AND_UDP if len(size) >= 2 else _SMALLEST
        if octets < 0:
            octets = _LARGEST
        self.limit = min(max(octets, _SMALLEST), _LARGEST) - _BEFORE_OPTIONS
        self.agent = _agent_of(asked, self.limit)
        if self.agent is not None:
            self.limit -= len(self.agent) + 2
        self.file, self.sname = b"", b""
        self._main: list[tuple[int, bytes]] = []
        self._used = 0
        self._more: dict[int, list[tuple[int, bytes]]] = {_FILE: [], _SNAME: []}
        self._free = 0
        self.overload = 0

    def set_fields(self, file: bytes, sname: bytes, *, overload: bool) -> None:
        """The header fields; with ``overload`` one that is empty may hold options."""
        self.file, self.sname = file[: FILE_OCTETS - 1], sname[: SNAME_OCTETS - 1]
        if overload:
            self._free = (0 if self.file else _FILE) | (0 if self.sname else _SNAME)
            if self._free:
                self.limit -= 3

    def put(self, code: int, value: bytes) -> bool:
        """Add an option; whether there was space."""
        size = len(value) + 2
        if self._used + len(value) + 3 < self.limit:
            self._main.append((code, value))
            self._used += size
            return True
        for bit, room in ((_FILE, FILE_OCTETS), (_SNAME, SNAME_OCTETS)):
            if not self._free & bit:
                continue
            if not self.overload:
                self._used += 3
            self.overload |= bit
            used = sum(len(v) + 2 for _, v in self._more[bit])
            if used + len(value) + 3 < room:
                self._more[bit].append((code, value))
                return True
        return False

    def put_inside(self, code: int, parts: Iterable[tuple[int, bytes]]) -> bool:
        """Add options inside another one, ended by 255; whether there were any (do_encap_opts)."""
        chunks: list[bytes] = [b""]
        some = False
        for inner, value in parts:
            some = True
            octets = bytes((inner & 255, len(value) & 255)) + value
            if len(chunks[-1]) + len(octets) > 255:
                chunks.append(b"")
            chunks[-1] += octets
        if some:
            for chunk in chunks[:-1]:
                self.put(code, chunk)
            self.put(code, chunks[-1] + b"\xff")
        return some

    def _all(self) -> Iterator[tuple[int, bytes]]:
        yield from self._main
        if self.agent is not None:
            yield int(Option.RELAY_AGENT_INFORMATION), self.agent
        yield from self._more[_FILE]
        yield from self._more[_SNAME]

    def options(self) -> dict[int, bytes]:
        """As a reader of the packet has them: the instances of one code joined (RFC 3396)."""
        result: dict[int, bytes] = {}
        for code, value in self._all():
            result[code] = result.get(code, b"") + value
        return result
