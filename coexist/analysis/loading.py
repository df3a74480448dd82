"""What a boot loader finds when it starts, read out of the race that led to it, and what follows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from coexist.analysis.bootfiles import asks_again
from coexist.analysis.course import Course
from coexist.analysis.ending import Leaf, Outcome
from coexist.analysis.running import Halt, halted
from coexist.analysis.timeline import Link
from coexist.analysis.world import World
from coexist.boot.firmware.machine import Boot, Machine
from coexist.boot.loaders.loader import Ending, Loaded, Stage
from coexist.boot.loaders.names import loader_by_name
from coexist.boot.loaders.registry import LOADERS, MOST_STAGES
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import MessageType


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStep:
    """One loader of a chain, and whom it asks: a server, an address or host name of nobody, or None."""

    stage: Stage
    asks: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What one way of booting leads to: the outcome of the race, and the loaders after its file, in order.

    ``ask_again``: the file is an iPXE, which asks DHCP again and boots what it is told. ``halt``: why the
    file is not run at all.
    """

    outcome: Outcome
    steps: tuple[ChainStep, ...]
    ask_again: bool = False
    halt: Halt | None = None

    @property
    def ends(self) -> bool:
        """Whether nothing runs after its first file, for certain."""
        return self.halt is not None and self.halt.certain

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells it from another chain."""
        found = self.outcome
        return (found.winner, found.boot_server, found.file, self.steps)


def chains(course: Course, leaves: Iterable[Leaf]) -> tuple[Chain, ...]:
    """Every chain that the ends of a race lead to, each once, the likeliest first."""
    world = course.world
    found: dict[tuple[Any, ...], Chain] = {}
    for leaf in leaves:
        if leaf.outcome.file is None:
            continue
        loaded = loaded_of(world, course.machine, leaf)
        halt = halt_of(course, leaf.outcome)
        ends = halt is not None and halt.certain
        chain = Chain(
            outcome=leaf.outcome,
            steps=() if ends else tuple(step_of(world, stage) for stage in follow(loaded)),
            ask_again=not ends and asks_again(loaded.file, world.programs.get(loaded.file)),
            halt=halt,
        )
        found.setdefault(chain.key, chain)
    return tuple(found.values())


def halt_of(course: Course, outcome: Outcome) -> Halt | None:
    """Why the machine does not run the file that a race ended with."""
    return halted(course.world, course.segment, course.firmware, course.machine.architecture, outcome)


def loaded_of(world: World, machine: Machine, leaf: Leaf) -> Loaded:
    """What the program finds that a race ended with."""
    outcome = leaf.outcome
    file = outcome.file or ""
    ack: Packet | None = None
    reply: Packet | None = None
    proxy: Packet | None = None
    for server, packet in _taken(leaf.trace):
        kind = packet.message_type
        if kind is MessageType.ACK:
            if ack is None or (packet.yiaddr != UNSPECIFIED and reply is None and ack.yiaddr == UNSPECIFIED):
                ack = packet
            else:
                reply = packet
        elif kind is MessageType.OFFER and packet.yiaddr == UNSPECIFIED and server == outcome.decided_by:
            proxy = packet
    program = world.programs.get(file)
    return Loaded(
        machine=machine,
        server=_asked(leaf.trace) or outcome.boot_server or "",
        file=file,
        ack=ack,
        proxy=proxy,
        reply=reply,
        then=program.then if program else None,
        embedded=program.embedded if program else (),
    )


def _taken(trace: Link) -> Iterator[tuple[str, Packet]]:
    """The packets the client took, first to last, with the server each is from."""
    links: list[Link] = []
    link: Link | None = trace
    while link is not None:
        if link.kind == "heard":
            links.append(link)
        link = link.before
    for link in reversed(links):
        yield link.server, link.detail[0]


def _asked(trace: Link) -> IPv4Address | str | None:
    """The server whose file the firmware asked for, as its packets named it."""
    return trace.detail.server if isinstance(trace.detail, Boot) else None


def loader_of(loaded: Loaded) -> str | None:
    """The loader a file is: as the inventory says, else by its name. shim leads to what ``then`` says."""
    by_name = loader_by_name(loaded.file)
    if by_name == "shim":
        return by_name
    return loaded.then or by_name


def follow(loaded: Loaded) -> Iterator[Stage]:
    """The loaders from a file on, until one's configuration decides, asks DHCP again or ends."""
    for _ in range(MOST_STAGES):
        name = loader_of(loaded)
        model = LOADERS.get(name or "")
        # What a built-in script reads depends on iPXE's own DHCP, which is asked first.
        if model is None or name == NETBOOT_XYZ or loaded.embedded:
            return
        stage = model.follow(loaded)
        yield stage
        if stage.ending is not Ending.PROGRAM or stage.loads is None:
            return
        loaded = replace(loaded, server=stage.server or "", file=stage.loads)


NETBOOT_XYZ = "netboot.xyz"


def step_of(world: World, stage: Stage) -> ChainStep:
    """A loader's stage with the name of whom it asks."""
    return ChainStep(stage=stage, asks=name_of(world, stage.server))


def name_of(world: World, server: IPv4Address | str | None) -> str | None:
    """A server by its name in the inventory; its address or name as it stands where it is nobody's."""
    if server is None:
        return None
    owner = world.owners.get(server) if isinstance(server, IPv4Address) else world.names.get(server.lower())
    if owner is None and isinstance(server, str):
        try:
            owner = world.owners.get(IPv4Address(server))
        except AddressValueError:
            owner = None
    return owner or str(server)
