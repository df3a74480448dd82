"""The compiled form of ``respond``: the same answers, from octets that were prepared once.

A boot server sees the same few packets over and over: the options of a client do not change between
its DISCOVERs, and those of equal machines hardly differ. So what the option area says is worked out once
per area, and the reply to it once per rule, *by calling* ``respond`` and ``encode``. What may still differ
in a reply is copied from the request: xid, flags, ciaddr, giaddr and chaddr (RFC 2131 table 3). Whatever
depends on more than that (option overload, ``secs``, what was seen of the client) is left to ``respond``.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from coexist.boot.policy import BootPolicy, Rule
from coexist.boot.request import (
    BOOT_SERVER_PORT,
    CLIENT_PORT,
    DHCP_PORT,
    BootRequest,
    ClientKind,
    boot_request,
)
from coexist.boot.respond import LIMITED_BROADCAST, Silence, respond, unwanted_reason
from coexist.wire.bootp import BROADCAST_FLAG, MAGIC_COOKIE, Packet, decode, encode
from coexist.wire.options import MessageType

_ETHERNET_REQUEST = b"\x01\x01\x06"
_NO_ADDRESS = bytes(4)
_BROADCAST = (str(LIMITED_BROADCAST), CLIENT_PORT)
_MOST_AREAS = 16_384
_NO_RULE = -1
_DENIED = -2


@dataclass(frozen=True, slots=True)
class Prepared:
    """A reply whose octets stand ready; ``after`` in seconds, as in ``Answer``."""

    head: bytes
    siaddr: bytes
    tail: bytes
    after: float
    rule: str
    registers: bool
    facts: Facts


@dataclass(slots=True)
class Facts:
    """What one option area says of whoever sends it, and the outcome for each rule that fitted so far."""

    kind: ClientKind
    message_type: MessageType
    architecture: int | None
    is_ipxe: bool
    vendor_class: bytes
    server_identifier: bytes
    requested: bytes
    silence: Silence | None
    candidates: tuple[tuple[int, tuple[int, ...], frozenset[int]], ...]
    outcomes: dict[int, Prepared | Silence | None] = field(default_factory=dict)


class CompiledPolicy:
    """``respond`` and ``encode`` for the packets that arrive at one address of the server on one port."""

    def __init__(self, policy: BootPolicy, server: IPv4Address, port: int) -> None:
        self.policy = policy
        self.server = server
        self.port = port
        self._areas: dict[bytes, Facts | None] = {}
        self._candidates: dict[int | None, tuple[tuple[int, tuple[int, ...], frozenset[int]], ...]] = {}
        self._spelled: dict[bytes, str] = {}

    def facts(self, data: bytes) -> Facts | None:
        """What the options of a packet say; None for what only ``decode`` and ``respond`` can judge."""
        if data[:3] != _ETHERNET_REQUEST or data[236:240] != MAGIC_COOKIE:
            return None
        area = data[240:]
        try:
            return self._areas[area]
        except KeyError:
            return self._learn(area, data)

    def outcome(self, facts: Facts, data: bytes) -> Prepared | Silence | None:
        """The answer to a packet with these facts, or why there is none; None: ask ``respond``."""
        if facts.silence is not None:
            return facts.silence
        mac = int.from_bytes(data[28:34], "big")
        index = _NO_RULE
        for number, bounds, points in facts.candidates:
            if (bounds != () and bisect_right(bounds, mac) & 1 == 1) != (mac in points):
                index = number
                break
        try:
            return facts.outcomes[index]
        except KeyError:
            made = facts.outcomes[index] = self._prepare(facts, index, data)
            return made

    def fill(self, prepared: Prepared, data: bytes) -> bytes:
        """The reply's octets for one request: ``encode(respond(...).packet)`` of it."""
        ciaddr = data[12:16]
        flags = data[10:12]
        if ciaddr == _NO_ADDRESS and flags[0] < 0x80:
            flags = bytes((flags[0] | BROADCAST_FLAG >> 8, flags[1]))
        return b"".join(
            (
                prepared.head,
                data[4:8],
                b"\0\0",
                flags,
                ciaddr,
                _NO_ADDRESS,
                prepared.siaddr,
                data[24:44],
                prepared.tail,
            )
        )

    def destination(self, data: bytes, source: tuple[str, int]) -> tuple[str, int]:
        """``destination`` of ``respond``, as a socket wants it."""
        if data[24:28] != _NO_ADDRESS:
            return self._spell(data[24:28]), DHCP_PORT
        if self.port == BOOT_SERVER_PORT and source[0] != "0.0.0.0":
            return source
        if data[12:16] != _NO_ADDRESS:
            return self._spell(data[12:16]), CLIENT_PORT
        return _BROADCAST

    def _spell(self, octets: bytes) -> str:
        text = self._spelled.get(octets)
        if text is None:
            if len(self._spelled) >= _MOST_AREAS:
                self._spelled.clear()
            text = self._spelled[octets] = str(IPv4Address(octets))
        return text

    def _learn(self, area: bytes, data: bytes) -> Facts | None:
        if len(self._areas) >= _MOST_AREAS:
            self._areas.clear()
        facts = self._areas[area] = self._read(data)
        return facts

    def _read(self, data: bytes) -> Facts | None:
        packet = decode(data)
        if not isinstance(packet, Packet) or packet.overload:
            return None
        request = boot_request(packet, self.port)
        if request is None:
            return None
        unwanted = unwanted_reason(self.policy, request, self.server)
        options = packet.options
        return Facts(
            kind=request.kind,
            message_type=request.message_type,
            architecture=request.architecture,
            is_ipxe=request.is_ipxe,
            vendor_class=options.get(60, b""),
            server_identifier=options.get(54, b""),
            requested=options.get(50, b""),
            silence=Silence(reason=unwanted) if unwanted is not None else None,
            candidates=self._candidates_of(request.architecture),
        )

    def _candidates_of(
        self, architecture: int | None
    ) -> tuple[tuple[int, tuple[int, ...], frozenset[int]], ...]:
        found = self._candidates.get(architecture)
        if found is None:
            if len(self._candidates) >= _MOST_AREAS:
                self._candidates.clear()
            denied = self.policy.denied
            rules = [(_DENIED, denied.bounds, denied.points)] if denied.bounds or denied.points else []
            rules += [
                (number, rule.clients.bounds, rule.clients.points)
                for number, rule in enumerate(self.policy.rules)
                if rule.architectures is None or (architecture or 0) in rule.architectures
            ]
            found = self._candidates[architecture] = tuple(rules)
        return found

    def _prepare(self, facts: Facts, index: int, data: bytes) -> Prepared | Silence | None:
        packet = decode(data)
        assert isinstance(packet, Packet)
        request = boot_request(packet, self.port)
        assert request is not None
        rule = self.policy.rules[index] if index >= 0 else None
        if depends_on_more(self.policy, rule, request):
            return None
        answer = respond(self.policy, request, server=self.server)
        if isinstance(answer, Silence):
            return answer
        octets = encode(answer.packet)
        return Prepared(
            head=octets[:4],
            siaddr=octets[20:24],
            tail=octets[44:],
            after=answer.after,
            rule=answer.rule,
            registers=answer.registers,
            facts=facts,
        )


def depends_on_more(policy: BootPolicy, rule: Rule | None, request: BootRequest) -> bool:
    """Whether ``respond`` looks at ``secs`` or at what was seen of the client."""
    if request.port != DHCP_PORT or request.message_type is not MessageType.DISCOVER:
        return False
    if policy.follow_offers:
        return True
    return rule is not None and rule.delay.kind not in ("none", "after")
