"""The compiled form of ``respond``: the same answers, from octets that were prepared once.

A boot server sees the same few packets over and over: the options of a client do not change between its
DISCOVERs, and those of equal machines differ in what is only repeated to them (97, 82) or not looked at.
So what an option area says is worked out once per area, and the reply once per meaning and rule, *by
calling* ``respond`` and ``encode``. What else may differ in a reply is copied from the request: xid, flags,
ciaddr, giaddr and chaddr (RFC 2131 table 3). Whatever depends on more than that (option overload, ``secs``,
what was seen of the client) and what a probe asks is left to ``respond``.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import field, replace
from ipaddress import IPv4Address

from coexist.boot.policy import BootPolicy, Rule
from coexist.boot.request import (
    BOOT_SERVER_PORT,
    CLIENT_PORT,
    DHCP_PORT,
    PROBE_HOST_NAME,
    BootRequest,
    ClientKind,
    boot_request,
    machine_uuid,
)
from coexist.boot.respond import LIMITED_BROADCAST, Reason, Silence, is_of_twin, respond, unwanted_reason
from coexist.records import dataclass
from coexist.wire.bootp import MAGIC_COOKIE, MINIMUM_OCTETS, Packet, decode, encode
from coexist.wire.bootp_places import (
    CIADDR,
    COOKIE,
    FILE_BEHIND_SNAME,
    FLAGS,
    FLAGS_AND_CIADDR,
    GIADDR,
    GIADDR_AND_CHADDR,
    MAC,
    OP_HTYPE_HLEN,
    OP_TO_HOPS,
    OPTIONS,
    SECS,
    SIADDR,
    SNAME_AND_FILE,
    XID,
)
from coexist.wire.malformed import Malformed
from coexist.wire.options import MessageType, Option, decode_options, encode_options

_ETHERNET_REQUEST = b"\x01\x01\x06"
_NO_ADDRESS = bytes(4)
_BROADCAST = (str(LIMITED_BROADCAST), CLIENT_PORT)
MOST_OCTETS = 16 << 20
"""What may be kept of option areas: octets that senders choose, and what comes with each."""
_AREA_COSTS = 640
LONGEST_VENDOR_CLASS = 64
"""What is remembered of option 60; firmware's own has 32 characters."""
_MOST_MEANINGS = 4_096
_NO_RULE = -1
_DENIED = -2
_END = bytes((Option.END,))
_ECHOED = (Option.CLIENT_MACHINE_IDENTIFIER, Option.RELAY_AGENT_INFORMATION)
# All that ``boot_request`` and ``respond`` look at in a packet's options, but for what is only repeated.
_MEANINGFUL = (
    Option.DHCP_MESSAGE_TYPE,
    Option.SERVER_IDENTIFIER,
    Option.VENDOR_CLASS_IDENTIFIER,
    Option.USER_CLASS,
    Option.CLIENT_SYSTEM_ARCHITECTURE,
    Option.VENDOR_SPECIFIC_INFORMATION,
)

Candidates = tuple[tuple[int, tuple[int, ...], frozenset[int]], ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A reply whose octets stand ready; ``after`` in seconds, as in ``Answer``."""

    head: bytes
    siaddr: bytes
    tail: bytes
    after: float
    rule: str
    registers: bool

    @property
    def file(self) -> str:
        """The boot file in the header."""
        return self.tail[FILE_BEHIND_SNAME].partition(b"\0")[0].decode("utf-8", "replace")


@dataclass(slots=True, eq=False)
class Meaning:
    """What the options of a packet say, and the outcome for each rule that fitted so far."""

    kind: ClientKind
    message_type: MessageType
    architecture: int | None
    vendor_class: bytes
    server_identifier: bytes
    silence: Silence | None
    candidates: Candidates = field(repr=False)
    outcomes: dict[int, Prepared | Silence | None] = field(default_factory=dict, repr=False)


@dataclass(slots=True, eq=False)
class Area:
    """One option area: its meaning, the options a reply repeats (with END), option 50, the machine's UUID."""

    meaning: Meaning
    echo: bytes
    requested: bytes
    uuid: bytes


class CompiledPolicy:
    """``respond`` and ``encode`` for the packets that arrive at one address of the server on one port."""

    def __init__(
        self, policy: BootPolicy, server: IPv4Address, port: int, most_octets: int = MOST_OCTETS
    ) -> None:
        self.most_octets = most_octets
        self.octets = 0
        self.policy = policy
        # Answers are prepared as if it had no twin: whose client a machine is, its MAC says.
        self._alone = replace(policy, share=None)
        self.server = server
        self.port = port
        self._areas: dict[bytes, Area | None] = {}
        self._meanings: dict[tuple[bytes | bool | None, ...], Meaning | None] = {}
        self._candidates: dict[tuple[int | None, bytes], Candidates] = {}
        self._meaningful = (
            (*_MEANINGFUL, Option.CLIENT_MACHINE_IDENTIFIER) if policy.knows_uuids else _MEANINGFUL
        )
        self._spelled: dict[bytes, str] = {}
        # Options of the policy that share a code with a repeated one stand elsewhere in the reply.
        self._usable = not any(code in policy.options for code in _ECHOED)

    def area(self, data: bytes) -> Area | None:
        """The option area of a packet; None for what only ``decode`` and ``respond`` can judge."""
        if data[OP_HTYPE_HLEN] != _ETHERNET_REQUEST or data[COOKIE] != MAGIC_COOKIE:
            return None
        octets = data[OPTIONS]
        try:
            return self._areas[octets]
        except KeyError:
            return self._learn(octets, data)

    def outcome(self, meaning: Meaning, data: bytes, mac: int) -> Prepared | Silence | None:
        """The answer to a packet that says this, or why there is none; None: ask ``respond``. ``mac`` is the
        packet's chaddr."""
        if meaning.silence is not None:
            return meaning.silence
        index = _NO_RULE
        for number, bounds, points in meaning.candidates:
            if bisect_right(bounds, mac) & 1 != (mac in points):
                index = number
                break
        try:
            made = meaning.outcomes[index]
        except KeyError:
            made = meaning.outcomes[index] = self._prepare(index, data)
        if self.policy.share is not None and made.__class__ is Prepared:
            return self._shared(made, meaning, data)
        return made

    def _shared(self, prepared: Prepared, meaning: Meaning, data: bytes) -> Prepared | Silence:
        """A prepared answer, or the silence of a server whose twin answers this client."""
        if is_of_twin(
            self.policy, self.port, meaning.message_type, data[MAC], int.from_bytes(data[SECS], "big")
        ):
            return Silence(reason=Reason.TWIN, rule=prepared.rule)
        return prepared

    def fill(self, prepared: Prepared, area: Area, data: bytes) -> bytes:
        """The reply's octets for one request: ``encode(respond(...).packet)`` of it."""
        if data[FLAGS] < 0x80 and data[CIADDR] == _NO_ADDRESS:
            # No address, so only broadcasts reach it: see ``build_reply``.
            flags_and_ciaddr = bytes((data[FLAGS] | 0x80, data[FLAGS + 1])) + _NO_ADDRESS
        else:
            flags_and_ciaddr = data[FLAGS_AND_CIADDR]
        octets = b"".join(
            (
                prepared.head,
                data[XID],
                b"\0\0",
                flags_and_ciaddr,
                prepared.siaddr,
                data[GIADDR_AND_CHADDR],
                prepared.tail,
                area.echo,
            )
        )
        return octets if len(octets) >= MINIMUM_OCTETS else octets.ljust(MINIMUM_OCTETS, b"\0")

    def destination(self, data: bytes, source: tuple[str, int]) -> tuple[str, int]:
        """``destination`` of ``respond``, as a socket wants it."""
        giaddr = data[GIADDR]
        if giaddr != _NO_ADDRESS:
            return self._spell(giaddr), DHCP_PORT
        if self.port == BOOT_SERVER_PORT and source[0] != "0.0.0.0":
            return source
        if data[CIADDR] != _NO_ADDRESS:
            return self._spell(data[CIADDR]), CLIENT_PORT
        return _BROADCAST

    def _spell(self, octets: bytes) -> str:
        text = self._spelled.get(octets)
        if text is None:
            if len(self._spelled) >= _MOST_MEANINGS:
                self._spelled.clear()
            text = self._spelled[octets] = str(IPv4Address(octets))
        return text

    def _learn(self, octets: bytes, data: bytes) -> Area | None:
        self.octets += len(octets) + _AREA_COSTS
        if self.octets > self.most_octets:
            self._areas.clear()
            self._meanings.clear()
            self.octets = len(octets) + _AREA_COSTS
        area = self._areas[octets] = self._read(octets, data)
        return area

    def _read(self, octets: bytes, data: bytes) -> Area | None:
        decoded = decode_options(octets)
        if isinstance(decoded, Malformed) or not self._usable:
            return None
        options = decoded[0]
        if Option.OPTION_OVERLOAD in options or options.get(Option.HOST_NAME) == PROBE_HOST_NAME:
            return None
        key = (*map(options.get, self._meaningful), Option.IPXE_ENCAPSULATED in options)
        try:
            meaning = self._meanings[key]
        except KeyError:
            if len(self._meanings) >= _MOST_MEANINGS:
                self._meanings.clear()
            self.octets += sum(len(part) for part in key if isinstance(part, bytes)) + _AREA_COSTS
            meaning = self._meanings[key] = self._understand(data)
        if meaning is None:
            return None
        echo = encode_options({code: options[code] for code in _ECHOED if code in options}) + _END
        return Area(meaning, echo, options.get(Option.REQUESTED_IP_ADDRESS, b""), machine_uuid(options))

    def _understand(self, data: bytes) -> Meaning | None:
        request = self._request(data)
        if request is None:
            return None
        unwanted = unwanted_reason(self.policy, request, self.server)
        options = request.packet.options
        return Meaning(
            kind=request.kind,
            message_type=request.message_type,
            architecture=request.architecture,
            vendor_class=options.get(Option.VENDOR_CLASS_IDENTIFIER, b"")[:LONGEST_VENDOR_CLASS],
            server_identifier=options.get(Option.SERVER_IDENTIFIER, b""),
            silence=Silence(reason=unwanted) if unwanted is not None else None,
            candidates=self._candidates_of(request.architecture, request.uuid),
        )

    def _candidates_of(self, architecture: int | None, uuid: bytes) -> Candidates:
        found = self._candidates.get((architecture, uuid))
        if found is None:
            if len(self._candidates) >= _MOST_MEANINGS:
                self._candidates.clear()
            denied = self.policy.refused(uuid)
            rules = [(_DENIED, denied.bounds, denied.points)] if denied.bounds or denied.points else []
            rules += [
                (number, clients.bounds, clients.points)
                for number, rule in enumerate(self.policy.rules)
                if rule.architectures is None or (architecture or 0) in rule.architectures
                for clients in (rule.of(uuid),)
            ]
            found = self._candidates[architecture, uuid] = tuple(rules)
        return found

    def _prepare(self, index: int, data: bytes) -> Prepared | Silence | None:
        request = self._request(data)
        assert request is not None  # its meaning was understood
        rule = self.policy.rules[index] if index >= 0 else None
        if depends_on_more(self.policy, rule, request):
            return None
        answer = respond(self._alone, request, server=self.server)
        if isinstance(answer, Silence):
            return answer
        header = encode(answer.packet)
        options = encode_options(answer.packet.options)
        return Prepared(
            head=header[OP_TO_HOPS],
            siaddr=_NO_ADDRESS + header[SIADDR],
            tail=header[SNAME_AND_FILE] + MAGIC_COOKIE + options,
            after=answer.after,
            rule=answer.rule,
            registers=answer.registers,
        )

    def _request(self, data: bytes) -> BootRequest | None:
        """The request of a packet, without what a reply only repeats."""
        packet = decode(data)
        if not isinstance(packet, Packet):
            return None
        request = boot_request(packet.without_options(*_ECHOED), self.port)
        if request is None or not self.policy.knows_uuids:
            return request
        return replace(request, uuid=machine_uuid(packet.options))


def depends_on_more(policy: BootPolicy, rule: Rule | None, request: BootRequest) -> bool:
    """Whether ``respond`` looks at ``secs`` or at what was seen of the client."""
    if request.port != DHCP_PORT or request.message_type is not MessageType.DISCOVER:
        return False
    if policy.follow_offers:
        return True
    return rule is not None and rule.delay.kind not in ("none", "after")
