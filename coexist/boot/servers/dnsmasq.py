"""dnsmasq 2.90 as DHCP server, as ProxyDHCP, or as both: when it answers (``src/dnsmasq.c``).

Function names below are dnsmasq's; packets were looked at with Debian's 2.90. What it answers stands in
``dnsmasq_answers``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from coexist.boot.leases.lease import Leases
from coexist.boot.request import BOOT_SERVER_PORT
from coexist.boot.responder import Arrival, Reaction, Reply, Unanswered
from coexist.boot.servers.dnsmasq_answers import DnsmasqAnswers
from coexist.languages.dnsmasq.config import DnsmasqConfig
from coexist.records import dataclass

POLL = 0.25
"""delay_dhcp waits in polls of a quarter of a second."""
POLL_LATENESS = 0.004
"""How much longer than that one poll was seen to take (LAB: 8 polls 2.00 to 2.03 s)."""
PING_WAIT = 3
"""dnsmasq.h, seconds: as long as an address is pinged before it is offered first."""


class Queued(NamedTuple):
    """A packet that waits while the daemon is deaf, and when it came."""

    arrival: Arrival
    received: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsmasqState:
    """``phase``: where in its second the daemon's clock stands at time 0. ``busy``: until when it is deaf.
    ``queued``: whether a packet that waited was delayed too, whose end depends on the clock.
    """

    phase: float = 0.0
    busy: float | None = None
    on_67: tuple[Queued, ...] = ()
    on_4011: tuple[Queued, ...] = ()
    pinged: bool = False
    queued: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsmasqModel:
    """dnsmasq with what it answers. ``latency``: seconds."""

    name: str
    answers: DnsmasqAnswers
    latency: float = 0.0
    assumptions: tuple[str, ...] = ()

    @property
    def config(self) -> DnsmasqConfig:
        """The configuration it runs."""
        return self.answers.config

    @property
    def leases(self) -> Leases | None:
        """What the scopes of an inventory lease; None where the configuration does, or it only boots."""
        return self.answers.leases

    @property
    def overhears(self) -> bool:
        """It listens on 67 and 4011 only."""
        return False

    @property
    def phases(self) -> tuple[float, ...]:
        """Its delay counts whole seconds of its clock once packets queue up (delay_dhcp)."""
        delays = self.config.delays or self.answers.delay_for
        if not delays and not (self.config.ping and not self._only_proxy):
            return (0.0,)
        return (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)

    @property
    def _only_proxy(self) -> bool:
        return all(r.mode == "proxy" for r in self.config.ranges)

    def initial(self, phase: float = 0.0) -> DnsmasqState:
        """Its clock stands ``phase`` seconds behind a full second."""
        return DnsmasqState(phase=phase)

    def depends_on_phase(self, state: DnsmasqState) -> bool:
        """Once a delayed packet had waited for another."""
        return state.queued

    # -- the queue -------------------------------------------------------------------------------

    def receive(self, state: DnsmasqState, arrival: Arrival) -> Reaction:
        """Answer, or queue the packet while deaf."""
        if arrival.port == BOOT_SERVER_PORT and not self.config.pxe:
            return Reaction(state=state, unanswered=Unanswered(why="nothing listens on that port there"))
        queued = Queued(arrival, arrival.at)
        if state.busy is not None:
            if arrival.port == BOOT_SERVER_PORT:
                return Reaction(state=replace(state, on_4011=(*state.on_4011, queued)))
            return Reaction(state=replace(state, on_67=(*state.on_67, queued)))
        return self._process(state, queued, arrival.at)

    def resume(self, state: DnsmasqState, at: float) -> Reaction:
        """The wait is over: the main loop polls port 67 first, then 4011, one packet each.

        A delay inside the first spoils the poll's result for the second (dnsmasq.c, main loop), so that
        port 4011 waits for as long as port 67 has packets that are delayed.
        """
        state = replace(state, busy=None)
        replies: list[Reply] = []
        unanswered: Unanswered | None = None
        while state.on_67 or state.on_4011:
            if state.on_67:
                queued = state.on_67[0]
                polled = bool(state.on_4011)
                reaction = self._process(replace(state, on_67=state.on_67[1:]), queued, at)
                replies += reaction.replies
                state, unanswered = reaction.state, reaction.unanswered or unanswered
                if state.busy is not None:
                    return Reaction(state=state, replies=tuple(replies), wake=state.busy)
                if not polled:
                    continue
            queued = state.on_4011[0]
            reaction = self._process(replace(state, on_4011=state.on_4011[1:]), queued, at)
            replies += reaction.replies
            state, unanswered = reaction.state, reaction.unanswered or unanswered
            if state.busy is not None:
                return Reaction(state=state, replies=tuple(replies), wake=state.busy)
        return Reaction(state=state, replies=tuple(replies), unanswered=unanswered)

    def _process(self, state: DnsmasqState, queued: Queued, at: float) -> Reaction:
        found = self.answers.answer(queued.arrival, pinged=state.pinged)
        if isinstance(found, str):
            return Reaction(state=state, unanswered=Unanswered(why=found))
        end, polls = at, 0
        if found.pings:
            end, more = _wait(state.phase, end, end, PING_WAIT)
            polls += more
            state = replace(state, pinged=True)
        if found.delay:
            if queued.received < end:
                state = replace(state, queued=True)
            end, more = _wait(state.phase, queued.received, end, found.delay)
            polls += more
        reply = Reply(
            packet=found.packet,
            earliest=end,
            latest=end + polls * POLL_LATENESS + self.latency,
            source_port=found.source_port,
            address=found.address,
            port=found.port,
            why=found.why,
        )
        if end > at:
            state = replace(state, busy=end)
            return Reaction(state=state, replies=(reply,), wake=end)
        return Reaction(state=state, replies=(reply,))


def _wait(phase: float, received: float, begun: float, seconds: float) -> tuple[float, int]:
    """delay_dhcp: quarter-second polls until the clock's full seconds differ by more than ``seconds``.

    Returns when it ends and how many polls that took; without a poll, at once.
    """
    start = int(phase + received)
    polls = 0
    while polls < seconds * 4 and int(phase + begun + polls * POLL) - start <= seconds:
        polls += 1
    return begun + polls * POLL, polls
