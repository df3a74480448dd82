"""What the models say the wire will answer a probe, and how an answer differs from it. Pure.

The probe sends its packets into the same segment as every boot (`coexist.analysis.segment`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from coexist.analysis.findings import Finding
from coexist.analysis.relays import RelayAgent
from coexist.analysis.segment import CLOCK, Air, Pending, Traffic
from coexist.analysis.timeline import Link
from coexist.analysis.world import Segment, World
from coexist.boot.firmware.machine import Send
from coexist.boot.request import BOOT_SERVER_PORT, DHCP_PORT
from coexist.errors import Position
from coexist.probe.answer import Answer
from coexist.probe.expectation import ON_THE_WIRE, finding, told
from coexist.probe.question import PATIENCE, PLAIN, Asker, boot_server_request, discover
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED

SLACK = 1.0
"""Seconds an answer may come later than predicted: networks, busy servers, pings before an offer."""

EARLY = 0.1
"""Seconds an answer may come sooner than predicted: clocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What one server does with one client's packets on one port.

    ``answer`` None: it stays silent. Its ``at`` is the earliest time, ``latest`` the latest (seconds after
    the client's first packet); ``why`` is the model's reason.
    """

    server: str
    address: IPv4Address
    asker: Asker
    port: int
    answer: Answer | None
    latest: float = 0.0
    why: str = ""


def predict(
    world: World,
    asker: Asker,
    *,
    patience: float = PATIENCE,
    relay: IPv4Address | None = None,
    targets: Collection[IPv4Address] | None = None,
    own: IPv4Address = UNSPECIFIED,
) -> tuple[Prediction, ...]:
    """What each server that hears the client's VLAN answers it, on port 67 and, asked from ``own``, on 4011.

    ``relay``: the address of the relay agent the probe plays, which asks ``targets`` (all of them, if not
    said); without it the packets are sent on the VLAN itself.
    """
    segment = replace(world.segments[asker.vlan], forwarding_delay=0.0)
    if relay is not None:
        segment = as_relay(segment, relay, targets)
    runs = [
        _Run(world, segment, asker, patience, phase, later_first=later_first)
        for phase in range(_phases(segment))
        # Of answers that come in either order, such a relay agent hands the one or the other back.
        for later_first in ((False, True) if _hands_back_one(segment) else (False,))
    ]
    result: list[Prediction] = []
    for name, address in dict.fromkeys((x.model.name, x.address) for x in segment.listeners):
        seen = [run.first.get((name, address)) for run in runs]
        found = [pending for pending in seen if pending is not None]
        if not found or len(found) == len(seen) or not _hands_back_one(segment):
            why = next((run.silence[name] for run in runs if name in run.silence), "")
            result.append(_prediction(name, address, asker, DHCP_PORT, found, why))
        if own != UNSPECIFIED and asker.architecture != PLAIN:
            result.append(_on_4011(world, segment, name, address, asker, own))
    return tuple(result)


def as_relay(
    segment: Segment, giaddr: IPv4Address, targets: Collection[IPv4Address] | None = None
) -> Segment:
    """The segment as a probe meets it that plays its relay agent: servers are asked from ``giaddr``."""
    agent = RelayAgent(address=giaddr)
    places = {
        (listener.model.name, listener.address): replace(listener, relay=agent, trusted=True)
        for listener in segment.listeners
        if targets is None or listener.address in targets
    }
    return replace(segment, listeners=tuple(places.values()), routed=True, blocked_ports=frozenset())


def _phases(segment: Segment) -> int:
    return max((len(listener.model.phases) for listener in segment.listeners), default=1)


def _hands_back_one(segment: Segment) -> bool:
    return any(listener.relay is not None and listener.relay.first_only for listener in segment.listeners)


class _Run:
    """The client's DISCOVERs on the segment and what comes back, for one phase of the servers' clocks.

    ``first``: the first answer of each server, by its name and address; ``silence``: why one is not heard.
    """

    def __init__(
        self,
        world: World,
        segment: Segment,
        asker: Asker,
        patience: float,
        phase: int,
        *,
        later_first: bool,
    ) -> None:
        self.first: dict[tuple[str, IPv4Address], Pending] = {}
        self.silence: dict[str, str] = {}
        self._traffic = Traffic(world, segment)
        clocks = max((x.model.phases for x in segment.listeners), key=len, default=(0.0,))
        self._air = Air({CLOCK: clocks[phase % len(clocks)]}, (), Link(None, "begin", 0.0, "", None))
        self._later_first = later_first
        for at, secs in asker.schedule:
            if at < patience:
                self._until(at)
                self._traffic.send(self._air, Send(discover(asker, xid=1, secs=secs)), (at, at))
        self._until(patience)
        self._read_silences()

    def _until(self, end: float) -> None:
        """Let everything happen that comes before ``end``."""
        while True:
            for item in self._air.items:
                if item.heard is not None:
                    known = self.first.get((item.sender, item.heard.source))
                    if known is None or item.lo < known.lo:
                        self.first[item.sender, item.heard.source] = item
            self._air.items = tuple(item for item in self._air.items if item.heard is None)
            due = [item for item in self._air.items if item.lo < end]
            if not due:
                return
            item = min(due, key=self._turn)
            self._air.items = tuple(other for other in self._air.items if other is not item)
            self._traffic.happen(self._air, item, (item.lo, item.hi))

    def _turn(self, item: Pending) -> tuple[float, int]:
        if self._later_first and item.agent is not None:
            return item.hi, -item.number
        return item.lo, item.number

    def _read_silences(self) -> None:
        link: Link | None = self._air.trace
        while link is not None:
            if link.kind in ("silent", "lost"):
                self.silence[link.server] = link.detail
            link = link.before


def _on_4011(
    world: World, segment: Segment, name: str, address: IPv4Address, asker: Asker, own: IPv4Address
) -> Prediction:
    air = Air({CLOCK: 0.0}, (), Link(None, "begin", 0.0, "", None))
    packet = boot_server_request(asker, xid=1, ciaddr=own)
    send = Send(packet, address, BOOT_SERVER_PORT, own, BOOT_SERVER_PORT)
    Traffic(world, segment).send(air, send, (0.0, 0.0))
    why = air.trace.detail if air.trace.kind in ("silent", "lost") else ""
    found = [item for item in air.items if item.heard is not None]
    return _prediction(name, address, asker, BOOT_SERVER_PORT, found[:1], why)


def _prediction(
    name: str, address: IPv4Address, asker: Asker, port: int, found: Sequence[Pending], why: str
) -> Prediction:
    made = Prediction(server=name, address=address, asker=asker, port=port, answer=None, why=why)
    if not found:
        return made
    first = min(found, key=lambda item: item.lo)
    assert first.heard is not None
    assert first.reply is not None
    answer = Answer(
        asker=asker,
        port=port,
        at=first.lo,
        after=first.lo,
        secs=0,
        source=address,
        packet=first.heard.packet,
    )
    return replace(made, answer=answer, latest=max(item.hi for item in found), why=first.reply.why)


def compare(
    predictions: Iterable[Prediction],
    answers: Sequence[Answer],
    *,
    patience: float,
    position: Position = ON_THE_WIRE,
) -> tuple[Finding, ...]:
    """Where the wire differs from the predictions (CX702 to CX705).

    ``patience``: seconds the probe waited; what is predicted for later is not missed.
    """
    return tuple(
        difference
        for prediction in predictions
        for difference in [_compare(prediction, answers, patience, position)]
        if difference is not None
    )


def _compare(
    prediction: Prediction, answers: Sequence[Answer], patience: float, position: Position
) -> Finding | None:
    path = ("servers", prediction.server)
    seen = [
        answer
        for answer in answers
        if answer.asker == prediction.asker and answer.port == prediction.port and _is_of(prediction, answer)
    ]
    name, where = prediction.server, f"{prediction.asker.architecture} on port {prediction.port}"
    wanted = prediction.answer
    if wanted is None:
        if not seen:
            return None
        return finding(
            "CX703", f"{name} answers {where}, not predicted: {prediction.why or 'no rule is about it'}",
            "compare its configuration with the inventory: coexist plan",
            answer=seen[0], path=path, position=position,
        )  # fmt: skip
    if not seen:
        if wanted.at + SLACK >= patience:
            return None
        return finding(
            "CX702", f"{name} does not answer {where}, predicted after {wanted.at:.1f} s ({prediction.why})",
            "look at its log, and whether the packets reach it", asker=prediction.asker,
            path=path, position=position, timeline=(told(wanted) + " (predicted)",),
        )  # fmt: skip
    first = min(seen, key=lambda answer: answer.at)
    lines = (told(wanted) + " (predicted)", told(first))
    if (first.role, first.file, first.boot_server) != (wanted.role, wanted.file, wanted.boot_server):
        return finding(
            "CX704",
            f"{name} gives {where} {_boot(first)}, predicted was {_boot(wanted)}",
            "compare its configuration with the inventory: coexist plan",
            answer=first, path=path, position=position, timeline=lines,
        )  # fmt: skip
    if not wanted.at - EARLY <= first.at <= prediction.latest + SLACK:
        return finding(
            "CX705",
            f"{name} answers {where} after {first.at:.1f} s, predicted was {wanted.at:.1f} s",
            "measure again; if it stays so, declare the delay as it is",
            answer=first, path=path, position=position, timeline=lines,
        )  # fmt: skip
    return None


def _is_of(prediction: Prediction, answer: Answer) -> bool:
    """Whether an answer is the predicted server's; a relay agent may have put its own address into it."""
    if prediction.address in (answer.server, answer.source):
        return True
    wanted = prediction.answer
    return (
        wanted is not None
        and wanted.server != prediction.address
        and ((wanted.server, wanted.role) == (answer.server, answer.role))
    )


def _boot(answer: Answer) -> str:
    what = f"{answer.file} from {answer.boot_server}" if answer.file else "no file"
    return f"{what} as {answer.role}"
