"""Ask and wait as firmware does: DISCOVERs by the clients' schedules, then port 4011."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address

from coexist.boot.request import BOOT_SERVER_PORT, DHCP_PORT, ClientKind
from coexist.probe.answer import Answer
from coexist.probe.question import (
    BOOT_SERVER_PATIENCE,
    BOOT_SERVER_SCHEDULE,
    PATIENCE,
    PLAIN,
    Asker,
    Transmission,
    boot_server_request,
    discover,
    timetable,
)
from coexist.probe.segment import Port
from coexist.records import dataclass
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet, decode, encode
from coexist.wire.malformed import Malformed
from coexist.wire.options import Option

RATE = 20.0
"""Packets a second the probe sends at most: as few as one classroom that is switched on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a probe did and heard. ``skipped`` says in sentences what could not be asked; ``interrupted``:
    somebody did not wait for its end."""

    askers: tuple[Asker, ...]
    answers: tuple[Answer, ...]
    seconds: float
    skipped: tuple[str, ...] = ()
    interrupted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """A packet that was sent and may still be answered; times of ``time.monotonic``."""

    asker: Asker
    port: int
    sent: float
    began: float
    secs: int


Progress = Callable[[float, int], None]
"""Told now and then: the share of the work done (0 to 1) and the answers so far."""


def ask(
    port: Port,
    askers: Sequence[Asker],
    *,
    patience: float = PATIENCE,
    rate: float = RATE,
    boot_servers: Iterable[IPv4Address] = (),
    subnet: IPv4Address | None = None,
    progress: Progress | None = None,
    keep_on_interrupt: bool = False,
) -> Asked:
    """Ask for some clients and return every answer, in the order of arrival.

    A MAC that is asked for with several architectures is asked for one after the other, each for as long as
    it waits: a server may keep one answer in mind for each MAC, and a machine has one architecture at a time.
    ``patience``: seconds each client waits. ``rate``: packets a second at most. ``boot_servers`` are asked
    on port 4011 even if they stay silent on 67. ``subnet``: see ``discover``. With ``keep_on_interrupt`` a
    ``KeyboardInterrupt`` ends the asking and what was heard is returned. Raises ``HostError`` when the
    interface cannot be used.
    """
    conversation = _Conversation(port, rate, subnet, progress)
    skipped: tuple[str, ...] = ()
    interrupted = False
    try:
        turns = rounds(askers)
        for number, turn in enumerate(turns):
            conversation.discover(timetable(turn, patience=patience, rate=rate), patience, number, len(turns))
        questions = conversation.boot_questions(askers, tuple(boot_servers))
        if questions and port.address is None:
            skipped = ("port 4011 was not asked: the interface has no IPv4 address",)
        elif questions:
            conversation.boot_requests(questions, min(patience, BOOT_SERVER_PATIENCE))
    except KeyboardInterrupt:
        if not keep_on_interrupt:
            raise
        interrupted = True
        skipped = (
            f"interrupted after {time.monotonic() - conversation.began:.0f} s: who is late was not heard",
        )
    return Asked(
        askers=tuple(askers),
        answers=tuple(conversation.answers),
        seconds=time.monotonic() - conversation.began,
        skipped=skipped,
        interrupted=interrupted,
    )


def rounds(askers: Sequence[Asker]) -> list[list[Asker]]:
    """The clients in as few groups as possible, none of them with a MAC twice."""
    result: list[list[Asker]] = []
    for asker in dict.fromkeys(askers):
        place = next((turn for turn in result if all(asker.mac != other.mac for other in turn)), None)
        if place is None:
            result.append([asker])
        else:
            place.append(asker)
    return result


class _Conversation:
    """The packets in flight and the answers so far."""

    def __init__(
        self, port: Port, rate: float, subnet: IPv4Address | None, progress: Progress | None
    ) -> None:
        self._port = port
        self._gap = 1.0 / rate
        self._subnet = subnet
        self._progress = progress or _unseen
        self._open: dict[int, _Open] = {}
        self.answers: list[Answer] = []
        self.began = time.monotonic()

    def discover(
        self, transmissions: Sequence[Transmission], patience: float, number: int, rounds_in_all: int
    ) -> None:
        """Send every DISCOVER at its time and listen until the last client gives up."""
        began: dict[Asker, float] = {}
        start = time.monotonic()
        total = max((t.at for t in transmissions if t.number == 0), default=0.0) + patience
        for transmission in transmissions:
            self._listen(start + transmission.at)
            now = time.monotonic()
            asker = transmission.asker
            sent = _Open(
                asker=asker,
                port=DHCP_PORT,
                sent=now,
                began=began.setdefault(asker, now),
                secs=transmission.secs,
            )
            packet = discover(
                asker,
                xid=self._remember(sent),
                secs=transmission.secs,
                giaddr=self._port.giaddr,
                subnet=self._subnet,
            )
            self._port.broadcast(encode(packet))
            share = (number + min(1.0, (now - start) / total)) / rounds_in_all
            self._progress(0.9 * share, len(self.answers))
        self._listen(max(began.values(), default=start) + patience)

    def boot_questions(
        self, askers: Sequence[Asker], boot_servers: tuple[IPv4Address, ...]
    ) -> list[tuple[Asker, IPv4Address]]:
        """Whom each client would ask on port 4011: who offered it a boot, by option 54 and by siaddr.

        iPXE asks option 54, EDK2 siaddr and else option 54 (both read in their sources).
        """
        questions = {
            (asker, server): None
            for asker in askers
            if asker.architecture != PLAIN
            for server in boot_servers
        }
        for answer in self.answers:
            if answer.kind is ClientKind.PXE:
                questions[answer.asker, answer.server] = None
                if answer.packet.siaddr != UNSPECIFIED:
                    questions[answer.asker, answer.packet.siaddr] = None
        return list(questions)

    def boot_requests(self, questions: Sequence[tuple[Asker, IPv4Address]], patience: float) -> None:
        """Ask port 4011 as EDK2 does, and repeat what was not answered."""
        address = self._port.address
        start = time.monotonic()
        began: dict[tuple[Asker, IPv4Address], float] = {}
        for after in BOOT_SERVER_SCHEDULE:
            if after >= patience:
                break
            for question in questions:
                if self._answered_4011(*question):
                    continue
                asker, server = question
                self._listen(max(start + after, time.monotonic() + self._gap))
                now = time.monotonic()
                sent = _Open(
                    asker=asker,
                    port=BOOT_SERVER_PORT,
                    sent=now,
                    began=began.setdefault(question, now),
                    secs=0,
                )
                xid = self._remember(sent)
                packet = boot_server_request(asker, xid=xid, ciaddr=address or UNSPECIFIED)
                self._port.send(encode(packet), server)
        self._progress(0.95, len(self.answers))
        end = max(began.values(), default=start) + patience
        while time.monotonic() < end and not all(self._answered_4011(*question) for question in questions):
            self._listen(min(end, time.monotonic() + 0.1))

    def _answered_4011(self, asker: Asker, server: IPv4Address) -> bool:
        return any(
            answer.port == BOOT_SERVER_PORT
            and answer.asker == asker
            and server in (answer.source, answer.server)
            for answer in self.answers
        )

    def _remember(self, sent: _Open) -> int:
        xid = secrets.randbits(32)
        while xid in self._open:
            xid = secrets.randbits(32)
        self._open[xid] = sent
        return xid

    def _listen(self, until: float) -> None:
        for at, datagram in self._port.heard(until):
            packet = decode(datagram.payload)
            if isinstance(packet, Malformed) or not _is_reply(packet):
                continue
            sent = self._open.get(packet.xid)
            if sent is None or packet.mac != sent.asker.mac:
                continue
            self.answers.append(
                Answer(
                    asker=sent.asker,
                    port=sent.port,
                    at=at - sent.began,
                    after=at - sent.sent,
                    secs=sent.secs,
                    source=datagram.source,
                    packet=packet,
                )
            )


def _unseen(_share: float, _answers: int) -> None:
    """Nobody watches."""


def _is_reply(packet: Packet) -> bool:
    return packet.op == BOOTREPLY and Option.DHCP_MESSAGE_TYPE in packet.options
