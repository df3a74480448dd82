"""What the models say the wire will answer a probe, and how an answer differs from it. Pure.

The same models run the race of ``coexist check``; here they get the very packets the probe sends.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from itertools import count
from typing import Any

from coexist.analysis.findings import Finding
from coexist.analysis.world import Listener
from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT
from coexist.boot.responder import Arrival, Reaction
from coexist.errors import Position
from coexist.probe.answer import Answer
from coexist.probe.expectation import ON_THE_WIRE, finding, told
from coexist.probe.question import PATIENCE, PLAIN, Asker, boot_server_request, discover
from coexist.wire.bootp import UNSPECIFIED, Packet

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
    listeners: Sequence[Listener],
    asker: Asker,
    *,
    patience: float = PATIENCE,
    giaddr: IPv4Address = UNSPECIFIED,
    own: IPv4Address = UNSPECIFIED,
) -> tuple[Prediction, ...]:
    """What each listener of a VLAN answers a client, on port 67 and, asked from ``own``, on 4011.

    ``giaddr``: the relay agent the probe plays; without it the VLAN's own relay passes the packets on.
    """
    phases = max((len(listener.model.phases) for listener in listeners), default=1)
    courses = [_Course(listeners, asker, patience, giaddr, phase) for phase in range(phases)]
    result: list[Prediction] = []
    for index, listener in enumerate(listeners):
        found = [course.first[index] for course in courses if index in course.first]
        why = next((course.silence[index] for course in courses if index in course.silence), "")
        result.append(_prediction(listener, asker, DHCP_PORT, found, why))
        if own != UNSPECIFIED and asker.architecture != PLAIN:
            result.append(_on_4011(listener, asker, own))
    return tuple(result)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    packet: Packet
    earliest: float
    latest: float
    why: str


class _Course:
    """The client's DISCOVERs and what the servers make of them, in the order of time."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        asker: Asker,
        patience: float,
        giaddr: IPv4Address,
        phase: int,
    ) -> None:
        self.first: dict[int, _Heard] = {}
        self.silence: dict[int, str] = {}
        self._listeners = listeners
        self._states: list[Any] = [
            listener.model.initial(listener.model.phases[phase % len(listener.model.phases)])
            for listener in listeners
        ]
        self._patience = patience
        self._order = count()
        self._due: list[tuple[float, int, int, Arrival | None]] = []
        for at, secs in asker.schedule:
            for index, listener in enumerate(listeners):
                relay = giaddr if giaddr != UNSPECIFIED else listener.relay or UNSPECIFIED
                packet = discover(asker, xid=1, secs=secs, giaddr=relay)
                source = (relay, DHCP_PORT) if relay != UNSPECIFIED else (UNSPECIFIED, CLIENT_PORT)
                self._at(at, index, _arrival(packet, at, DHCP_PORT, listener, source))
        self._run()

    def _at(self, at: float, index: int, arrival: Arrival | None) -> None:
        if at < self._patience:
            heapq.heappush(self._due, (at, next(self._order), index, arrival))

    def _run(self) -> None:
        while self._due:
            at, _, index, arrival = heapq.heappop(self._due)
            model, state = self._listeners[index].model, self._states[index]
            if arrival is None:
                self._react(index, model.resume(state, at))
            else:
                self._react(index, model.receive(state, arrival))

    def _react(self, index: int, reaction: Reaction) -> None:
        self._states[index] = reaction.state
        if reaction.wake is not None:
            self._at(reaction.wake, index, None)
        if reaction.unanswered is not None:
            self.silence.setdefault(index, reaction.unanswered.why)
        for reply in reaction.replies:
            heard = _Heard(packet=reply.packet, earliest=reply.earliest, latest=reply.latest, why=reply.why)
            if index not in self.first or heard.earliest < self.first[index].earliest:
                self.first[index] = heard
            for other, listener in enumerate(self._listeners):
                if other != index and listener.model.overhears and listener.relay is None:
                    source = (self._listeners[index].address, DHCP_PORT)
                    self._at(
                        reply.earliest,
                        other,
                        _arrival(reply.packet, reply.earliest, CLIENT_PORT, listener, source),
                    )


def _arrival(
    packet: Packet, at: float, port: int, listener: Listener, source: tuple[IPv4Address, int]
) -> Arrival:
    return Arrival(packet=packet, at=at, port=port, address=listener.address, source=source)


def _on_4011(listener: Listener, asker: Asker, own: IPv4Address) -> Prediction:
    packet = boot_server_request(asker, xid=1, ciaddr=own)
    arrival = _arrival(packet, 0.0, BOOT_SERVER_PORT, listener, (own, BOOT_SERVER_PORT))
    reaction = listener.model.receive(listener.model.initial(), arrival)
    found = [
        _Heard(packet=reply.packet, earliest=reply.earliest, latest=reply.latest, why=reply.why)
        for reply in reaction.replies
    ]
    why = reaction.unanswered.why if reaction.unanswered is not None else ""
    return _prediction(listener, asker, BOOT_SERVER_PORT, found[:1], why)


def _prediction(listener: Listener, asker: Asker, port: int, found: Sequence[_Heard], why: str) -> Prediction:
    made = Prediction(
        server=listener.model.name, address=listener.address, asker=asker, port=port, answer=None, why=why
    )
    if not found:
        return made
    earliest = min(heard.earliest for heard in found)
    answer = Answer(
        asker=asker,
        port=port,
        at=earliest,
        after=earliest,
        secs=0,
        source=listener.address,
        packet=found[0].packet,
    )
    return replace(made, answer=answer, latest=max(heard.latest for heard in found), why=found[0].why)


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
        if answer.asker == prediction.asker
        and answer.port == prediction.port
        and prediction.address in (answer.server, answer.source)
    ]
    name, where = prediction.server, f"{prediction.asker.architecture} on port {prediction.port}"
    wanted = prediction.answer
    if wanted is None:
        if not seen:
            return None
        return finding(
            "CX703", f"{name} answers {where} and should not: {prediction.why or 'no rule is about it'}",
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


def _boot(answer: Answer) -> str:
    what = f"{answer.file} from {answer.boot_server}" if answer.file else "no file"
    return f"{what} as {answer.role}"
