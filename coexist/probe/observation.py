"""From captured packets to what each client did: who answered it, whose file it asked for, its end. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from enum import Enum
from ipaddress import IPv4Address

from coexist.boot.request import BOOT_SERVER_PORT, DHCP_PORT, BootRequest, ClientKind, boot_request, is_probe
from coexist.probe.answer import Answer
from coexist.probe.frame import Datagram
from coexist.probe.question import PLAIN, Asker
from coexist.probe.transfers import FAILURES, FileRequest, OpenTransfer, Transfer, Transfers
from coexist.records import dataclass
from coexist.wire.architecture import architecture_name
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet, decode
from coexist.wire.malformed import Malformed
from coexist.wire.options import MessageType, Option

SILENCE = 65.0
"""Seconds without a DISCOVER after which the next one begins another boot: UEFI gives up after 60."""

OVER = 900.0
"""Seconds without a packet after which a boot is told: a menu may wait, a lease is renewed later."""
MOST_AT_ONCE = 20_000
MOST_OF_ONE = 200
"""Packets of a kind that are kept of one boot: the longest recorded has 30."""
MOST_FILES = 1_000
_MOST_COMPARED = 64
_COPIED = 0.05

Captured = tuple[float, Datagram]
"""When a datagram was captured (seconds) and what it was."""


AT_ONCE = 5.0
"""Seconds within which firmware goes on to its next boot entry when it does not run what it has; a program
that runs and returns asks for something first, or takes longer."""

PATIENCE = 12.0
"""Seconds a capture must go on behind a client's last packet for its silence to mean that it gave up."""


class End(Enum):
    """How a boot ended, as far as the capture shows it."""

    LOADED = "it loaded its boot file"
    FAILED = "it did not get its boot file"
    DECLINED = "it declined the address: another machine has it"
    REFUSED = "the DHCP server refused the address (NAK)"
    NOT_RUN = "it did not run it: it asked again as firmware (Secure Boot, or another machine's program)"
    GAVE_UP = "it asked for no file and sent nothing more"
    UNKNOWN = "the capture does not show how it ended"


FAILED = frozenset({End.FAILED, End.DECLINED, End.REFUSED, End.NOT_RUN})
"""Ends that are a failed boot, whatever the inventory says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One boot attempt of one client, from its first DISCOVER to the files it loads.

    ``discovers``: time (seconds after the first) and ``secs`` of each; none where the client asks for an
    address it had before (RFC 2131 section 3.2). ``offers``, ``acks``, ``naks`` and ``boot_server_replies``
    in the order they came. ``stage``: 1, and more for each DISCOVER round that follows a file (a
    chain-loaded program asks again). ``requests``: every file it asks for, the boot file first.
    ``left_out``: packets beyond the number that is kept of one boot.
    """

    asker: Asker
    firmware: str
    began: float
    stage: int
    discovers: tuple[tuple[float, int], ...]
    offers: tuple[Answer, ...]
    acks: tuple[Answer, ...]
    boot_server_replies: tuple[Answer, ...]
    requests: tuple[FileRequest, ...] = ()
    naks: tuple[Answer, ...] = ()
    end: End = End.UNKNOWN
    left_out: int = 0

    @property
    def file_request(self) -> FileRequest | None:
        """The boot file: the first it asked for, and the last request for it before it asked for others."""
        found: FileRequest | None = None
        for request in self.requests:
            if found is not None and (request.server, request.file) != (found.server, found.file):
                break
            found = request if found is None or request.end is not Transfer.ASKED else found
        return None if found is None else replace(found, at=self.requests[0].at)

    @property
    def failed(self) -> bool:
        """Whether it is certain that it failed."""
        return self.end in FAILED

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
    naks: list[Answer] = field(default_factory=list)
    transfers: list[OpenTransfer] = field(default_factory=list)
    declined: float | None = None
    followed: bool = False
    again_after: float | None = None
    heard: float = 0.0
    addresses: set[IPv4Address] = field(default_factory=set)
    recent: deque[Answer] = field(default_factory=lambda: deque(maxlen=_MOST_COMPARED))
    left_out: int = 0


def observe(captured: Iterable[Captured]) -> Iterator[Boot]:
    """Every boot in a capture, in the order of their beginnings. Probes are left out.

    A boot is told once nothing more can belong to it, or too many others have begun since: whatever a capture
    holds, what is kept of it is bounded.
    """
    reader = _Reader()
    until = 0.0
    for at, datagram in captured:
        reader.read(at, datagram)
        until = max(until, at)
        while reader.boots and reader.is_over(at):
            yield _closed(reader.take(), until)
    while reader.boots:
        yield _closed(reader.take(), until)


class _Reader:
    def __init__(self) -> None:
        self.boots: deque[_Open] = deque()
        self._of_mac: dict[int, _Open] = {}
        self._of_address: dict[IPv4Address, _Open] = {}
        self._probes: dict[int, None] = {}
        self._transfers = Transfers()

    def is_over(self, at: float) -> bool:
        """Whether the boot that began first is to be told."""
        first = self.boots[0]
        heard = max(first.heard, max((transfer.last for transfer in first.transfers), default=0.0))
        return len(self.boots) > MOST_AT_ONCE or at - heard > OVER

    def take(self) -> _Open:
        """The boot that began first, which is read no further."""
        boot = self.boots.popleft()
        if self._of_mac.get(boot.request.mac) is boot:
            del self._of_mac[boot.request.mac]
        for address in boot.addresses:
            if self._of_address.get(address) is boot:
                del self._of_address[address]
        return boot

    def read(self, at: float, datagram: Datagram) -> None:
        if datagram.tcp:
            self._file(at, self._transfers.http(at, datagram))
            return
        if not {datagram.source_port, datagram.destination_port} & {DHCP_PORT, BOOT_SERVER_PORT}:
            self._file(at, self._transfers.tftp(at, datagram))
            return
        packet = decode(datagram.payload)
        if isinstance(packet, Malformed):
            return
        if packet.op == BOOTREPLY:
            if packet.xid not in self._probes:
                self._reply(at, datagram, packet)
        elif is_probe(packet):
            self._probes[packet.xid] = None
            if len(self._probes) > MOST_AT_ONCE:
                del self._probes[next(iter(self._probes))]
        else:
            self._request(at, datagram, packet)

    def _request(self, at: float, datagram: Datagram, packet: Packet) -> None:
        port = BOOT_SERVER_PORT if datagram.destination_port == BOOT_SERVER_PORT else DHCP_PORT
        request = boot_request(packet, port)
        if request is None:
            return
        boot = self._of_mac.get(request.mac)
        if request.message_type is MessageType.DISCOVER and port == DHCP_PORT:
            # A copy of the same packet, by a relay agent or on another interface, is not another one.
            if boot is not None and packet.xid in boot.sent:
                sent, secs = boot.sent[packet.xid]
                if packet.giaddr != UNSPECIFIED or (at - sent < _COPIED and secs == packet.secs):
                    return
            if boot is None or boot.transfers or at - boot.last > SILENCE:
                boot = self._begin(at, request, boot)
            boot.last = boot.heard = at
            if len(boot.discovers) >= MOST_OF_ONE:
                boot.left_out += 1
                return
            boot.discovers.append((at - boot.began, packet.secs))
        elif _asks_anew(packet, port) and (boot is None or at - boot.last > SILENCE):
            boot = self._begin(at, request, boot)
        if boot is not None:
            boot.heard = at
            if len(boot.sent) < MOST_OF_ONE:
                boot.sent[packet.xid] = (at, packet.secs)
            if request.message_type is MessageType.DECLINE:
                boot.declined = at
            wanted = packet.options.get(Option.REQUESTED_IP_ADDRESS, b"")
            by_request = request.message_type is MessageType.REQUEST and port == DHCP_PORT
            if by_request and len(wanted) == 4 and len(boot.addresses) < MOST_OF_ONE:
                # A capture on a boot server has no lease by unicast; the client says which one it takes.
                self._of_address.setdefault(IPv4Address(wanted), boot)
                boot.addresses.add(IPv4Address(wanted))

    def _begin(self, at: float, request: BootRequest, before: _Open | None) -> _Open:
        follows = before is not None and bool(before.transfers) and at - before.last <= SILENCE
        if before is not None:
            before.followed = True
            by_firmware = not request.is_ipxe and request.kind is not ClientKind.OTHER
            before.again_after = at - before.last if by_firmware else None
        stage = before.stage + 1 if before is not None and follows else 1
        boot = _Open(request=request, began=at, last=at, heard=at, stage=stage)
        self.boots.append(boot)
        self._of_mac[request.mac] = boot
        return boot

    def _reply(self, at: float, datagram: Datagram, packet: Packet) -> None:
        boot = self._of_mac.get(packet.mac)
        kinds = (MessageType.OFFER, MessageType.ACK, MessageType.NAK)
        if boot is None or packet.message_type not in kinds:
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
        if any(_same(answer, other) for other in boot.recent):
            return
        boot.heard = at
        boot.recent.append(answer)
        if len(boot.offers) + len(boot.acks) + len(boot.replies) + len(boot.naks) >= MOST_OF_ONE:
            boot.left_out += 1
            return
        if packet.message_type is MessageType.NAK:
            boot.naks.append(answer)
        elif on_4011:
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
                boot.addresses.add(packet.yiaddr)

    def _file(self, at: float, transfer: OpenTransfer | None) -> None:
        boot = None if transfer is None else self._of_address.get(transfer.client)
        if boot is not None and transfer is not None:
            boot.last = boot.heard = at
            if len(boot.transfers) < MOST_FILES:
                boot.transfers.append(transfer)
            else:
                boot.left_out += 1


def _asks_anew(packet: Packet, port: int) -> bool:
    """Whether a REQUEST begins a boot: for an address it had before (RFC 2131 section 4.3.2, INIT-REBOOT)."""
    return (
        port == DHCP_PORT
        and packet.message_type is MessageType.REQUEST
        and packet.ciaddr == UNSPECIFIED
        and Option.SERVER_IDENTIFIER not in packet.options
    )


def _same(one: Answer, other: Answer) -> bool:
    """Whether a packet was captured twice: as it reached the relay agent, and as that passed it on."""
    return one.packet == other.packet and one.port == other.port and abs(one.at - other.at) < _COPIED


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


def _closed(boot: _Open, until: float) -> Boot:
    closed = Boot(
        asker=_asker(boot.request),
        firmware=firmware_of(boot.request),
        began=boot.began,
        stage=boot.stage,
        discovers=tuple(boot.discovers),
        offers=tuple(boot.offers),
        acks=tuple(boot.acks),
        boot_server_replies=tuple(boot.replies),
        requests=tuple(transfer.told(boot.began, until) for transfer in boot.transfers),
        naks=tuple(boot.naks),
        left_out=boot.left_out,
    )
    return replace(closed, end=_end(boot, closed, until))


def _end(boot: _Open, closed: Boot, until: float) -> End:
    """What the last that happened says; later packets outdo earlier ones."""
    request = closed.file_request
    if request is not None:
        # A client that goes on has its file: the capture misses the server's packets.
        goes_on = boot.followed or closed.requests[-1].file != request.file
        if goes_on and request.end is Transfer.SILENT and request.tries == 1:
            return End.UNKNOWN
        if request.end in FAILURES:
            return End.FAILED
        alone = all((r.server, r.file) == (request.server, request.file) for r in closed.requests)
        at_once = boot.again_after is not None and boot.again_after <= AT_ONCE
        if request.end is Transfer.LOADED and alone and at_once:
            return End.NOT_RUN
        return End.LOADED if request.end is Transfer.LOADED else End.UNKNOWN
    last_ack = max((answer.at for answer in boot.acks), default=-1.0) + boot.began
    again = max((at for at, _ in boot.discovers), default=0.0) + boot.began
    if boot.declined is not None and boot.declined >= last_ack and boot.declined >= again:
        return End.DECLINED
    refused = max((answer.at for answer in boot.naks), default=-2.0) + boot.began
    if boot.naks and refused > last_ack and refused >= again:
        return End.REFUSED
    over = boot.followed or until - boot.heard >= PATIENCE
    return End.GAVE_UP if over and boot.discovers else End.UNKNOWN
