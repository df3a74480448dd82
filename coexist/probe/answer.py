"""What came back, and which responders it shows. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address

from coexist.boot.request import BOOT_SERVER_PORT, DHCP_PORT, ClientKind, client_kind
from coexist.probe.question import PLAIN, Asker
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import Option

LATE = 3.0
"""Seconds after the first DISCOVER from which iPXE no longer waits for a ProxyDHCP (dhcp.c, measured)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One reply to one question.

    ``port``: the port that was asked, 67 or 4011. ``at``: seconds after the client's first packet on that
    port; ``after``: seconds after the very packet it answers; ``secs``: what that packet said.
    ``source`` is the sender's IPv4 address.
    """

    asker: Asker
    port: int
    at: float
    after: float
    secs: int
    source: IPv4Address
    packet: Packet

    @property
    def server(self) -> IPv4Address:
        """Who answered: option 54, which survives a relay; the sender where it is missing."""
        identifier = self.packet.options.get(Option.SERVER_IDENTIFIER, b"")
        return IPv4Address(identifier) if len(identifier) == 4 else self.source

    @property
    def offers_address(self) -> bool:
        """Whether it offers an address, as a DHCP server does and a ProxyDHCP does not."""
        return self.packet.yiaddr != UNSPECIFIED

    @property
    def kind(self) -> ClientKind:
        """Whom option 60 of the reply speaks to."""
        return client_kind(self.packet.options.get(Option.VENDOR_CLASS_IDENTIFIER, b""))

    @property
    def role(self) -> str:
        """What the sender is to this client, in the field's words."""
        if self.port == BOOT_SERVER_PORT:
            return "boot server"
        boots = self.kind is not ClientKind.OTHER
        if self.offers_address:
            return "DHCP+PXE" if boots else "DHCP"
        return "ProxyDHCP" if boots else "unclear"

    @property
    def file(self) -> str:
        """The boot file it names: option 67, which UEFI reads first, else the header; empty for none."""
        octets = self.packet.options.get(Option.BOOTFILE_NAME, b"").partition(b"\0")[0] or self.packet.file
        return octets.decode("utf-8", "backslashreplace")

    @property
    def boot_server(self) -> IPv4Address | None:
        """Where the file is to be fetched: siaddr, else option 54 (EDK2 PxeBcDhcp4BootInfo); never 66."""
        if not self.file:
            return None
        return self.packet.siaddr if self.packet.siaddr != UNSPECIFIED else self.server


@dataclass(frozen=True, slots=True, kw_only=True)
class Responder:
    """One server as the wire shows it.

    ``roles`` in the order of the questions. ``answered`` and ``silent``: the architectures (and ``plain``)
    asked. ``earliest``: seconds after the first DISCOVER until its first answer; ``delay``: the shortest
    time between a packet and its answer. ``remarks`` say what a glance would miss.
    """

    address: IPv4Address
    roles: tuple[str, ...]
    answered: tuple[str, ...]
    silent: tuple[str, ...]
    files: tuple[tuple[str, str], ...]
    earliest: float
    delay: float
    answers_4011: bool
    remarks: tuple[str, ...]


def responders(answers: Iterable[Answer], asked: Sequence[Asker]) -> tuple[Responder, ...]:
    """Every server that answered, in the order of addresses."""
    by_server: dict[IPv4Address, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_server[answer.server].append(answer)
    architectures = tuple(dict.fromkeys(asker.architecture for asker in asked))
    return tuple(_responder(server, by_server[server], architectures) for server in sorted(by_server))


def _responder(server: IPv4Address, answers: list[Answer], asked: tuple[str, ...]) -> Responder:
    on_67 = [answer for answer in answers if answer.port == DHCP_PORT]
    heard = {answer.asker.architecture for answer in on_67 or answers}
    first_at = {
        architecture: min(
            answer.at for answer in on_67 or answers if answer.asker.architecture == architecture
        )
        for architecture in asked
        if architecture in heard
    }
    files = {
        (answer.asker.architecture, answer.file): None
        for answer in sorted(answers, key=lambda answer: asked.index(answer.asker.architecture))
        if answer.file
    }
    return Responder(
        address=server,
        roles=tuple(dict.fromkeys(answer.role for answer in answers)),
        answered=tuple(first_at),
        silent=tuple(architecture for architecture in asked if architecture not in heard),
        files=tuple(files),
        earliest=min(first_at.values()),
        delay=min(answer.after for answer in on_67 or answers),
        answers_4011=any(answer.port == BOOT_SERVER_PORT for answer in answers),
        remarks=_remarks(on_67, first_at, asked),
    )


def _remarks(on_67: list[Answer], first_at: dict[str, float], asked: tuple[str, ...]) -> tuple[str, ...]:
    remarks: list[str] = []
    if not on_67:
        remarks.append("answers on port 4011 only")
    boot_clients = [architecture for architecture in asked if architecture != PLAIN]
    answered = [architecture for architecture in boot_clients if architecture in first_at]
    if PLAIN in asked and PLAIN not in first_at and answered:
        remarks.append("answers PXE clients only")
    if len(answered) == 1 and len(boot_clients) > 1:
        remarks.append(f"answers {answered[0]} only")
    if min(first_at.values()) >= LATE:
        remarks.append(f"answers late: {_threshold(on_67)}")
    if len({answer.source for answer in on_67 if answer.packet.giaddr == UNSPECIFIED}) > 1:
        remarks.append("answers from several addresses")
    if any(answer.kind is not ClientKind.OTHER and answer.offers_address for answer in on_67):
        remarks.append("its offer with option 60 makes clients ignore every ProxyDHCP")
    return tuple(remarks)


def _threshold(on_67: list[Answer]) -> str:
    """Whether lateness comes from the server's clock or from the ``secs`` it waits for."""
    if not on_67:
        return "after the client's first window"
    first = min(on_67, key=lambda answer: answer.at)
    if first.after >= LATE:
        return f"{first.after:.1f} s after the packet"
    return f"not before {first.at:.1f} s, the packet with secs {first.secs}"
