"""Which options ISC dhcpd puts into a reply, in which order, and where.

``cons_options`` and ``store_options`` in ``common/options.c`` of 4.4.3-P1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from coexist.boot.leases.dhcpd.hash_order import hash_order
from coexist.boot.leases.dhcpd.options import HOLDERS, MANDATORY, WITHOUT_REQUEST
from coexist.boot.leases.lease import Lease
from coexist.records import dataclass
from coexist.wire.bootp import FILE_OCTETS, SNAME_OCTETS, Packet
from coexist.wire.options import MessageType, Option

# includes/dhcp.h: header, UDP and IP; octets of options in a message of 576 and of 1500 octets.
_FIXED = 236 + 28
_SHORTEST, _LONGEST = 576, 1500
_COOKIE = 4
_MOST_CODES = 300
"""PRIORITY_COUNT: so many codes are looked at, one that stands twice counts twice."""


def order_of(asked: Packet, lease: Lease, configured: Mapping[int, bytes]) -> list[int]:
    """The codes a reply has if they are configured, in their order."""
    codes = list(MANDATORY)
    requested = lease.requested
    if requested is None:
        requested = tuple(asked.options.get(Option.PARAMETER_REQUEST_LIST, b""))
    if requested:
        requested = requested[: _MOST_CODES - len(codes)]
        codes += [code for code in requested if code != Option.RELAY_AGENT_INFORMATION]
        codes += sorted(lease.forced)
        if Option.CLIENT_FQDN in asked.options and len(codes) < _MOST_CODES:
            codes.append(Option.CLIENT_FQDN)
        if asked.message_type is not MessageType.INFORM and len(codes) < _MOST_CODES:
            codes.append(Option.SUBNET_MASK)
    else:
        codes += [*WITHOUT_REQUEST, *hash_order(configured), *HOLDERS, Option.VENDOR_SPECIFIC_INFORMATION]
    return _mask_first(list(dict.fromkeys(codes)))


def _mask_first(codes: list[int]) -> list[int]:
    """RFC 2132 section 3.3: the mask changes places with a router before it."""
    if Option.SUBNET_MASK in codes and Option.ROUTER in codes:
        mask, router = codes.index(Option.SUBNET_MASK), codes.index(Option.ROUTER)
        if router < mask:
            codes[mask], codes[router] = codes[router], codes[mask]
    return codes


def room_for(asked: Packet, lease: Lease) -> int:
    """The octets of the options field: what the client takes (57), else what the file says."""
    told = asked.options.get(Option.MAXIMUM_DHCP_MESSAGE_SIZE, b"")
    if len(told) < 2 and asked.message_type is not MessageType.INFORM:
        told = lease.options.get(Option.MAXIMUM_DHCP_MESSAGE_SIZE, b"")
    size = int.from_bytes(told[:2], "big") if len(told) >= 2 else _SHORTEST
    return min(max(size, _SHORTEST), _LONGEST) - _FIXED


@dataclass(slots=True)
class _Area:
    """A field that holds options: ``room`` in octets, ``spare`` of them never used."""

    room: int
    spare: int
    used: int = 0
    pieces: list[tuple[int, bytes]] = field(default_factory=list)

    def fits(self, length: int) -> bool:
        return self.used + self.spare + length < self.room

    def most(self) -> int:
        """The octets that one more piece may have."""
        return self.room - self.used - self.spare

    def put(self, code: int, octets: bytes) -> None:
        self.pieces.append((code, octets))
        self.used += 2 + len(octets)


def laid_out(
    order: Sequence[int],
    configured: Mapping[int, bytes],
    room: int,
    *,
    file_is_free: bool,
    sname_is_free: bool,
    agent: bytes | None,
) -> tuple[dict[int, bytes], int]:
    """The options as they arrive, and option 52. One that finds no room is left out. ``order``: the codes
    that are looked for, also those that have no value. ``agent``: the relay
    agent's (82), which has room of its own behind the others.

    The options field keeps room for option 52 and its end; ``file`` and ``sname`` hold what is too much.
    """
    main = _Area(room - _COOKIE, 5)
    more = [
        _Area(octets, 3)
        for octets, free in ((FILE_OCTETS, file_is_free), (SNAME_OCTETS, sname_is_free))
        if free
    ]
    for code in order:
        if code in configured:
            # Behind the last code nothing can follow; behind the last option something might.
            _store(code, configured[code], main, more, is_last=code == order[-1])
    if agent is not None:
        main.put(Option.RELAY_AGENT_INFORMATION, agent)
    result: dict[int, bytes] = {}
    for code, octets in (piece for area in (main, *more) for piece in area.pieces):
        result[code] = result.get(code, b"") + octets
    bits = [bit for bit, free in ((1, file_is_free), (2, sname_is_free)) if free]
    return result, sum(bit for bit, area in zip(bits, more, strict=True) if area.pieces)


def _store(code: int, octets: bytes, main: _Area, more: list[_Area], *, is_last: bool) -> None:
    length = len(octets)
    if length <= 255:
        alone = is_last and not any(area.pieces for area in more) and main.used + 2 + length < main.room
        if alone or main.fits(length):
            main.put(code, octets)
            return
        for area in more:
            if area.fits(length):
                area.put(code, octets)
                return
    _split(code, octets, main, more)


def _split(code: int, octets: bytes, main: _Area, more: list[_Area]) -> None:
    """Use whatever is left, from area to area; nothing of it if that is too little."""
    before = [(area, area.used, len(area.pieces)) for area in (main, *more)]
    while octets:
        area = next((a for a in (main, *more) if a.most() > 1), None)
        if area is None:
            for changed, used, count in before:
                changed.used = used
                del changed.pieces[count:]
            return
        piece = octets[: min(area.most(), 255)]
        area.put(code, piece)
        octets = octets[len(piece) :]
