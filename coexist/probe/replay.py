"""Why a captured boot went as it did: its offers replayed to the modelled firmware. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, NamedTuple

from coexist.analysis.race import ClientCase, RaceResult, race
from coexist.analysis.world import Listener, Segment, World
from coexist.boot.firmware import firmware_models
from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.boot.responder import Arrival, Reaction, Reply, Stateless, Unanswered
from coexist.probe.answer import Answer
from coexist.probe.observation import Boot
from coexist.records import dataclass
from coexist.wire.architecture import CANONICAL_CODE
from coexist.wire.options import MessageType, Option

_VLAN = "capture"
_APART = 1e-6
_MOST_KNOWN = 1_000


class Reason(NamedTuple):
    """How a replay can end: who won, None for nobody, and why."""

    winner: str | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedServer(Stateless):
    """A server that says what it said in a capture.

    ``offers`` by the number of the DISCOVER they follow, with the seconds they came after it.
    """

    name: str
    address: IPv4Address
    offers: dict[int, tuple[tuple[float, Answer], ...]]
    ack: Answer | None = None
    boot_reply: Answer | None = None
    assumptions: tuple[str, ...] = ()

    def initial(self, phase: float = 0.0) -> int:
        """How many DISCOVERs it has seen."""
        return 0

    def receive(self, state: int, arrival: Arrival) -> Reaction:
        """Say what was said at this point of the capture."""
        if arrival.port == BOOT_SERVER_PORT:
            return self._once(state, arrival, self.boot_reply, BOOT_SERVER_PORT)
        if arrival.packet.message_type is MessageType.DISCOVER:
            recorded = self.offers.get(state, ())
            replies = tuple(_reply(arrival, after, answer, DHCP_PORT) for after, answer in recorded)
            return Reaction(state=state + 1, replies=replies)
        chosen = arrival.packet.options.get(Option.SERVER_IDENTIFIER)
        if chosen != self.address.packed:
            return Reaction(state=state, unanswered=Unanswered(why="the client chose another server"))
        return self._once(state, arrival, self.ack or self._made_up(), DHCP_PORT)

    def _once(self, state: int, arrival: Arrival, answer: Answer | None, port: int) -> Reaction:
        if answer is None:
            return Reaction(state=state, unanswered=Unanswered(why="it said nothing in the capture"))
        return Reaction(state=state, replies=(_reply(arrival, 0.0, answer, port),))

    def _made_up(self) -> Answer | None:
        """The ACK of a server that was not asked for one: its offer again."""
        for recorded in self.offers.values():
            for _, answer in recorded:
                packet = answer.packet.with_options({Option.DHCP_MESSAGE_TYPE: bytes((MessageType.ACK,))})
                return replace(answer, packet=packet)
        return None


def _reply(arrival: Arrival, after: float, answer: Answer, port: int) -> Reply:
    packet = replace(answer.packet, xid=arrival.packet.xid, chaddr=arrival.packet.chaddr)
    at = arrival.at + after
    to = arrival.source if port == BOOT_SERVER_PORT else (LIMITED_BROADCAST, CLIENT_PORT)
    return Reply(
        packet=packet,
        earliest=at,
        latest=at,
        source_port=port,
        address=to[0],
        port=to[1],
        why="as captured",
    )


def replay(boot: Boot, firmware: str | None = None) -> RaceResult:
    """The race of a captured boot's very offers on the model of its firmware."""
    recorded: dict[IPv4Address, dict[int, list[tuple[float, Answer]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for number, after, answer in _times(boot):
        recorded[answer.server][number].append((after, answer))
    answers = (*boot.offers, *boot.acks, *boot.boot_server_replies)
    servers = [
        RecordedServer(
            name=str(address),
            address=address,
            offers={number: tuple(found) for number, found in recorded[address].items()},
            ack=_last(boot.acks, address),
            boot_reply=_last(boot.boot_server_replies, address),
        )
        for address in sorted({answer.server for answer in answers})
    ]
    listeners = tuple(Listener(model=server, address=server.address) for server in servers)
    world = World(
        # The order of arrival is known: there is no jitter left.
        segments={_VLAN: Segment(name=_VLAN, listeners=listeners, jitter=0.0)},
        models={server.name: server for server in servers},
        firmwares=firmware_models({}),
        owners={server.address: server.name for server in servers},
    )
    case = ClientCase(
        mac=boot.asker.mac,
        vlan=_VLAN,
        architecture=boot.asker.architecture,
        firmware=firmware or boot.firmware,
        number=CANONICAL_CODE.get(boot.asker.architecture, 0),  # a recording answers all the same
    )
    return race(world, case)


def _times(boot: Boot) -> list[tuple[int, float, Answer]]:
    """The number of the DISCOVER before each offer, and the seconds since it: to the millisecond, as far as
    captures of different machines can be compared, and in the order they came."""
    found = []
    for rank, answer in enumerate(boot.offers):
        number = max((i for i, (at, _) in enumerate(boot.discovers) if at <= answer.at), default=0)
        after = answer.at - boot.discovers[number][0]
        found.append((number, round(after, 3) + rank * _APART, answer))
    return found


class Replays:
    """The replays of many boots. Machines of one kind are answered alike, so that most were run before."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], tuple[Reason, ...]] = {}

    def reasons(self, boot: Boot) -> tuple[Reason, ...]:
        """Who won and why, each way it can have gone."""
        key = _alike(boot)
        found = self._known.get(key) if key is not None else None
        if found is None:
            ends = replay(boot).outcomes
            found = tuple(dict.fromkeys(Reason(outcome.winner, outcome.why) for outcome in ends))
            if key is not None and len(self._known) < _MOST_KNOWN:
                self._known[key] = found
        return found


def _alike(boot: Boot) -> tuple[Any, ...] | None:
    """Equal for boots whose replays end alike: what a replay looks at, without whose it is. None for a boot
    that nothing is like: it was offered the address of a server."""
    answers = (*boot.offers, *boot.acks, *boot.boot_server_replies)
    servers = {answer.server for answer in answers}
    addresses: dict[IPv4Address, int] = {}
    said = []
    for answer in answers:
        packet = answer.packet
        if packet.yiaddr in servers:
            return None
        # Whether two were offered the same address counts, and on which subnet it is (RFC 950).
        number = addresses.setdefault(packet.yiaddr, len(addresses)) if answer.offers_address else -1
        mask = int.from_bytes(packet.options.get(Option.SUBNET_MASK, b"")[:4], "big")
        said.append(
            (
                answer.server, answer.source, answer.port, number, int(packet.yiaddr) & mask, packet.ciaddr,
                packet.siaddr, packet.giaddr, packet.op, packet.flags, packet.sname, packet.file,
                packet.options_terminated, tuple(packet.options.items()),
            )
        )  # fmt: skip
    times = tuple((number, after) for number, after, _ in _times(boot))
    parts = (len(boot.offers), len(boot.acks))
    return boot.asker.architecture, boot.firmware, times, parts, tuple(said)


def _last(answers: tuple[Answer, ...], server: IPv4Address) -> Answer | None:
    return next((answer for answer in reversed(answers) if answer.server == server), None)
