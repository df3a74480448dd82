"""From captured packets to what each client did: who answered it, whose file it asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from coexist.boot.request import BOOT_SERVER_PORT, DHCP_PORT, BootRequest, ClientKind, boot_request, is_probe
from coexist.probe.answer import Answer
from coexist.probe.frame import Datagram
from coexist.probe.question import PLAIN, Asker
from coexist.wire.architecture import architecture_name
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet, decode
from coexist.wire.malformed import Malformed
from coexist.wire.options import MessageType
from coexist.wire.tftp import ReadRequest
from coexist.wire.tftp import decode as decode_tftp

TFTP_PORT = 69

SILENCE = 65.0
"""Seconds without a DISCOVER after which the next one begins another boot: UEFI gives up after 60."""

Captured = tuple[float, Datagram]
"""When a datagram was captured (seconds) and what it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest:
    """A client's request for a file: ``at`` seconds after its first DISCOVER."""

    at: float
    server: IPv4Address
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One boot attempt of one client, from its first DISCOVER to its first file.

    ``discovers``: time (seconds after the first) and ``secs`` of each. ``offers``, ``acks`` and
    ``boot_server_replies`` in the order they came. ``stage``: 1, and more for each DISCOVER round that
    follows a file (a chain-loaded program asks again).
    """

    asker: Asker
    firmware: str
    began: float
    stage: int
    discovers: tuple[tuple[float, int], ...]
    offers: tuple[Answer, ...]
    acks: tuple[Answer, ...]
    boot_server_replies: tuple[Answer, ...]
    file_request: FileRequest | None

    @property
    def named_by(self) -> Answer | None:
        """The reply that named the file the client asked for, and its server: the last one that did."""
        wanted = self.file_request
        if wanted is None:
            return None
        replies = (*self.boot_server_replies, *self.acks, *self.offers)
        return next(
            (a for a in replies if a.file == wanted.file and a.boot_server == wanted.server),
            next((a for a in replies if a.boot_server == wanted.server), None),
        )


@dataclass(slots=True, kw_only=True)
class _Open:
    """A boot that is being read."""

    request: BootRequest
    began: float
    last: float
    stage: int
    discovers: list[tuple[float, int]] = field(default_factory=list)
    sent: dict[int, tuple[float, int]] = field(default_factory=dict)
    offers: list[Answer] = field(default_factory=list)
    acks: list[Answer] = field(default_factory=list)
    replies: list[Answer] = field(default_factory=list)
    file_request: FileRequest | None = None
    addresses: set[IPv4Address] = field(default_factory=set)


def observe(captured: Iterable[Captured]) -> tuple[Boot, ...]:
    """Every boot in a capture, in the order of their beginnings. Probes are left out."""
    reader = _Reader()
    for at, datagram in captured:
        reader.read(at, datagram)
    return tuple(_closed(boot) for boot in reader.boots)


class _Reader:
    def __init__(self) -> None:
        self.boots: list[_Open] = []
        self._of_mac: dict[int, _Open] = {}
        self._of_address: dict[IPv4Address, _Open] = {}
        self._probes: set[int] = set()

    def read(self, at: float, datagram: Datagram) -> None:
        if datagram.destination_port == TFTP_PORT:
            self._tftp(at, datagram)
            return
        if not {datagram.source_port, datagram.destination_port} & {DHCP_PORT, BOOT_SERVER_PORT}:
            return
        packet = decode(datagram.payload)
        if isinstance(packet, Malformed):
            return
        if packet.op == BOOTREPLY:
            if packet.xid not in self._probes:
                self._reply(at, datagram, packet)
        elif is_probe(packet):
            self._probes.add(packet.xid)
        else:
            self._request(at, datagram, packet)

    def _request(self, at: float, datagram: Datagram, packet: Packet) -> None:
        port = BOOT_SERVER_PORT if datagram.destination_port == BOOT_SERVER_PORT else DHCP_PORT
        request = boot_request(packet, port)
        if request is None:
            return
        boot = self._of_mac.get(request.mac)
        if request.message_type is MessageType.DISCOVER and port == DHCP_PORT:
            # A copy of the same packet by a relay agent is not another one.
            if boot is not None and packet.giaddr != UNSPECIFIED and packet.xid in boot.sent:
                return
            if boot is None or boot.file_request is not None or at - boot.last > SILENCE:
                boot = self._begin(at, request, boot)
            boot.discovers.append((at - boot.began, packet.secs))
            boot.last = at
        if boot is not None:
            boot.sent[packet.xid] = (at, packet.secs)

    def _begin(self, at: float, request: BootRequest, before: _Open | None) -> _Open:
        follows = before is not None and before.file_request is not None and at - before.last <= SILENCE
        stage = before.stage + 1 if before is not None and follows else 1
        boot = _Open(request=request, began=at, last=at, stage=stage)
        self.boots.append(boot)
        self._of_mac[request.mac] = boot
        return boot

    def _reply(self, at: float, datagram: Datagram, packet: Packet) -> None:
        boot = self._of_mac.get(packet.mac)
        if boot is None or packet.message_type not in (MessageType.OFFER, MessageType.ACK):
            return
        sent, secs = boot.sent.get(packet.xid, (at, 0))
        on_4011 = BOOT_SERVER_PORT in (datagram.source_port, datagram.destination_port)
        answer = Answer(
            asker=_asker(boot.request),
            port=BOOT_SERVER_PORT if on_4011 else DHCP_PORT,
            at=at - boot.began,
            after=at - sent,
            secs=secs,
            source=datagram.source,
            packet=packet,
        )
        if any(_same(answer, other) for other in (*boot.offers, *boot.acks, *boot.replies)):
            return
        if on_4011:
            boot.replies.append(answer)
        elif packet.message_type is MessageType.ACK:
            boot.acks.append(answer)
            boot.addresses.add(packet.yiaddr)
            self._of_address[packet.yiaddr] = boot
        else:
            boot.offers.append(answer)
            if answer.offers_address:
                # Its ACK may be missing from the capture: unicast, or lost.
                self._of_address.setdefault(packet.yiaddr, boot)

    def _tftp(self, at: float, datagram: Datagram) -> None:
        boot = self._of_address.get(datagram.source)
        message = decode_tftp(datagram.payload)
        if boot is not None and boot.file_request is None and isinstance(message, ReadRequest):
            boot.file_request = FileRequest(
                at=at - boot.began, server=datagram.destination, file=message.filename
            )
            boot.last = at


def _same(one: Answer, other: Answer) -> bool:
    """Whether a packet was captured twice: as it reached the relay agent, and as that passed it on."""
    return one.packet == other.packet and one.port == other.port and abs(one.at - other.at) < 0.05


def _asker(request: BootRequest) -> Asker:
    code = request.architecture
    if request.kind is ClientKind.OTHER:
        return Asker(mac=request.mac, architecture=PLAIN)
    return Asker(mac=request.mac, architecture=architecture_name(code if code is not None else 0))


def firmware_of(request: BootRequest) -> str:
    """The firmware model that fits a client by what it says: iPXE names itself, the rest by architecture."""
    if request.is_ipxe:
        return "ipxe"
    if request.kind is ClientKind.HTTP:
        return "edk2-http"
    if request.kind is ClientKind.OTHER:
        return "first-offer"
    return "pxe21" if (request.architecture or 0) == 0 else "edk2"


def _closed(boot: _Open) -> Boot:
    return Boot(
        asker=_asker(boot.request),
        firmware=firmware_of(boot.request),
        began=boot.began,
        stage=boot.stage,
        discovers=tuple(boot.discovers),
        offers=tuple(boot.offers),
        acks=tuple(boot.acks),
        boot_server_replies=tuple(boot.replies),
        file_request=boot.file_request,
    )
