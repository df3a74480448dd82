"""One race for each structure, not for each class: equal line-ups end alike.

A class's race depends on what the servers that hear its VLAN do about it, not on what they are called. Two
classes whose line-ups are equal up to the servers' names share one race; its outcome is told in each
one's own names. Time lines are always run for the class itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from coexist.analysis.bootfiles import chained_architecture
from coexist.analysis.lineup import LineUps, Names
from coexist.analysis.numbers import other_numbers, tells_apart
from coexist.analysis.space import ClientClass
from coexist.boot.loaders.names import loader_by_name
from coexist.inventory.programs import declared_programs
from coexist.records import dataclass

if TYPE_CHECKING:
    from coexist.analysis.chain import Stages
    from coexist.analysis.ending import Outcome
    from coexist.analysis.facts import Facts
    from coexist.analysis.loading import Chain
    from coexist.analysis.race import ClientCase, FirstStage, RaceResult
    from coexist.analysis.running import Halt
    from coexist.analysis.world import World

SECOND_STAGE = "second stage: iPXE is loaded and asks DHCP again"
"""The line of a time line after which the seconds of the second stage begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """One possible end of a race. ``seconds``: when the client asks for its file, at the latest.

    ``winner`` is the server that is asked for the file, ``decided_by`` the one whose packet decided: names
    of servers, an address where it is nobody's, None for nobody. ``by_firmware``: as an `Outcome` has it.
    """

    winner: str | None
    decided_by: str | None
    file: str | None
    seconds: float | None
    by_firmware: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderEnd:
    """One boot loader of a chain. ``asks``: whom; ``booted``: the server whose file led to it, and the one
    that decided; each a name, an address or a host name of nobody. ``fails``: the boot ends here.
    ``reads_lease`` and ``certain``: as `Stage` has them."""

    loader: str
    title: str
    file: str
    asks: str | None
    booted: str | None
    decided_by: str | None
    fails: bool
    why: str
    reads_lease: bool
    certain: bool
    remedy: str | None


class _Renamed(NamedTuple):
    """The names of a class by those of an equal line-up."""

    servers: Mapping[str, str]
    files: Mapping[str, str]

    def finish(self, finish: Finish) -> Finish:
        """The same end of a race."""
        return Finish(
            winner=self._server(finish.winner),
            decided_by=self._server(finish.decided_by),
            file=self._file(finish.file),
            seconds=finish.seconds,
            by_firmware=finish.by_firmware,
        )

    def loader(self, end: LoaderEnd) -> LoaderEnd:
        """The same boot loader."""
        return LoaderEnd(
            loader=end.loader,
            title=end.title,
            file=self._file(end.file) or "",
            asks=self._server(end.asks),
            booted=self._server(end.booted),
            decided_by=self._server(end.decided_by),
            fails=end.fails,
            why=end.why,
            reads_lease=end.reads_lease,
            certain=end.certain,
            remedy=end.remedy,
        )

    def _server(self, name: str | None) -> str | None:
        return self.servers.get(name, name) if name else name

    def _file(self, name: str | None) -> str | None:
        return self.files.get(name, name) if name else name


_AS_IT_IS = _Renamed({}, {})

T = TypeVar("T")
_Known = dict[int, tuple[T, Names]]
"""What was found of each line-up, by its number, and the names in it."""


@dataclass(slots=True)
class _Ends:
    """How line-ups ended, by their numbers, and the servers that each was told of."""

    met: dict[Any, int] = field(default_factory=dict)
    numbers: dict[Any, int] = field(default_factory=dict)
    finishes: _Known[tuple[Finish, ...]] = field(default_factory=dict)
    second: _Known[tuple[Finish, ...]] = field(default_factory=dict)
    loaders: _Known[tuple[LoaderEnd, ...]] = field(default_factory=dict)
    apart: _Known[tuple[tuple[str, int], ...]] = field(default_factory=dict)
    in_vain: _Known[tuple[str, ...]] = field(default_factory=dict)


class RaceMemory:
    """What is known of line-ups whatever the site: for whoever analyses one that changes little by little."""

    def __init__(self) -> None:
        self._about: object = None
        self._ends = _Ends()

    def of(self, site: Facts) -> _Ends:
        """The ends that hold for a site too."""
        declared = site.site
        if any(server.config for server in declared.servers.values()):
            # The files of a server are read for each site and told apart as objects.
            return _Ends()
        # What a race asks of a site beside the line-up, which is all in its key.
        names = {text: name for name, server in declared.servers.items() for text in server.names}
        about = (declared.firmwares, list(declared_programs(declared)), names)
        if about != self._about:
            self._about, self._ends = about, _Ends()
        return self._ends


class RaceAskedError(Exception):
    """It is asked how a race ends where that is not told."""


class Races:
    """Runs and remembers races of one site; with ``memory`` those of others that are like it.

    ``world``: in another one than its own.
    """

    def __init__(self, site: Facts, memory: RaceMemory | None = None, *, world: World | None = None) -> None:
        self.site = site
        self._given = world
        self.run = 0
        self._untold = False
        self._ends = _Ends() if memory is None or world is not None else memory.of(site)
        self._lineups = LineUps(site, lambda: self.world, self._ends.met)
        self._lined_up: dict[tuple[int, str, str, str, frozenset[str]], tuple[int, Names]] = {}
        self._known: dict[tuple[int, str, str, str, frozenset[str]], tuple[Finish, ...]] = {}

    @cached_property
    def world(self) -> World:
        """The servers as models; built once."""
        from coexist.analysis.world import build_world

        return self._given or build_world(self.site.inventory)

    @cached_property
    def worlds(self) -> tuple[World, ...]:
        """The world, and every other one that servers' own files leave open."""
        from coexist.analysis.open_files import other_worlds

        return (self.world, *other_worlds(self.site.inventory, self.world))

    @contextmanager
    def untold(self) -> Iterator[None]:
        """In it whoever asks how the race of a class ends gets a `RaceAskedError`."""
        self._untold = True
        try:
            yield
        finally:
            self._untold = False

    def _ask(self) -> None:
        if self._untold:
            raise RaceAskedError

    def of(self, client: ClientClass, silent: frozenset[str] = frozenset()) -> tuple[Finish, ...]:
        """Every way the race of a class can end."""
        own = (client.macs.number, client.vlan, client.architecture, client.firmware, silent)
        known = self._known.get(own)
        if known is None:
            self._ask()
            known = self._known[own] = self._shared(client, silent)
        return known

    def second(self, client: ClientClass, silent: frozenset[str] = frozenset()) -> tuple[Finish, ...]:
        """Every way the second stage of a class can end; none where it cannot load iPXE.

        Files and servers are those iPXE is given; ``seconds`` count from its own first DISCOVER.
        """
        first = self.of(client, silent)
        if not self._chain_loads(client, first):
            return ()
        return self._told(self._ends.second, client, silent, lambda: self._outcomes_of_second(client, silent))

    def _outcomes_of_second(self, client: ClientClass, silent: frozenset[str]) -> tuple[Outcome, ...]:
        second = [
            self.stages(one, silent, world).next for world in self.worlds for one in self.each_side(client)
        ]
        found = (outcome for stage in second if stage for outcome in stage.result.outcomes)
        return tuple(dict.fromkeys(found))

    def each_side(self, client: ClientClass) -> tuple[ClientClass, ...]:
        """The class by a member for each way in which pairs of servers divide it; its witness is first."""
        from coexist.analysis.pairs import member, sides

        members = sides(self.world.segments[client.vlan], client.macs).values()
        return tuple(member(client, mac) for mac in members)

    def _shared(self, client: ClientClass, silent: frozenset[str]) -> tuple[Finish, ...]:
        """The ends of the race of an equal line-up, in the class's own names."""
        return self._told(self._ends.finishes, client, silent, lambda: self._outcomes(client, silent))

    def _outcomes(self, client: ClientClass, silent: frozenset[str]) -> tuple[Outcome, ...]:
        """Every outcome of the class's witness, whatever the open conditions of files come to.

        Where no race of iPXE follows, the same ends say what its boot loaders do.
        """
        from coexist.analysis.race import first_stage

        firsts = []
        for world in self.worlds:
            for one in self.each_side(client):
                self.run += 1
                firsts.append(first_stage(world, case_of(one), silent))
        found = tuple(dict.fromkeys(o for first in firsts for o in first.result.outcomes))
        if any(map(self._leads_on, found)) and not self._chain_loads(client, found):
            self._note_loaders(client, silent, [first for first in firsts if first.world is self.world])
        return found

    def _note_loaders(
        self, client: ClientClass, silent: frozenset[str], firsts: Iterable[FirstStage]
    ) -> None:
        from coexist.analysis.chain import chains_after

        key, names = self._line_up(client, silent)
        chains = (chain for first in firsts for chain in chains_after(first) if not chain.ask_again)
        self._ends.loaders.setdefault(key, (_ends_of_all(chains), names))

    def _line_up(self, client: ClientClass, silent: frozenset[str]) -> tuple[int, Names]:
        """The line-up of a class, equal ones by one number, and its names; keys are long to compare."""
        own = (client.macs.number, client.vlan, client.architecture, client.firmware, silent)
        known = self._lined_up.get(own)
        if known is None:
            key, names = self._lineups.of(client, silent)
            known = self._lined_up[own] = (self._number_of(key), names)
        return known

    def _number_of(self, key: Any) -> int:
        return self._ends.numbers.setdefault(key, len(self._ends.numbers))

    def _told(
        self,
        known: _Known[tuple[Finish, ...]],
        client: ClientClass,
        silent: frozenset[str],
        run: Callable[[], Iterable[Outcome]],
    ) -> tuple[Finish, ...]:
        finishes, ours = self._of_equal(known, client, silent, lambda: tuple(map(_finish_of, run())))
        return finishes if ours is _AS_IT_IS else tuple(map(ours.finish, finishes))

    def _of_equal(
        self,
        known: _Known[T],
        client: ClientClass,
        silent: frozenset[str],
        make: Callable[[], T],
    ) -> tuple[T, _Renamed]:
        """What was found of an equal line-up, made where there was none yet, and the class's own names by
        those in it."""
        key, names = self._line_up(client, silent)
        if key not in known:
            known[key] = (make(), names)
        found, theirs = known[key]
        if theirs == names:
            return found, _AS_IT_IS
        pairs = (dict(zip(*both, strict=True)) for both in zip(theirs, names, strict=True))
        return found, _Renamed(*pairs)

    def loaders(self, client: ClientClass, silent: frozenset[str] = frozenset()) -> tuple[LoaderEnd, ...]:
        """Every boot loader that a boot of the class can lead to, after all its races."""
        if not any(self._leads_on(f) for f in self.of(client, silent)):
            return ()
        ends, ours = self._of_equal(
            self._ends.loaders, client, silent, lambda: self._loader_ends(client, silent)
        )
        return ends if ours is _AS_IT_IS else tuple(map(ours.loader, ends))

    def halts(self, client: ClientClass) -> tuple[tuple[str | None, Halt], ...]:
        """Why machines of the class do not run a file that they are told of, each with its server."""
        self._ask()
        boot = self.stages(client)
        further = boot.next.chains if boot.next is not None else ()
        return tuple((c.outcome.winner, c.halt) for c in (*boot.chains, *further) if c.halt is not None)

    def _chain_loads(self, client: ClientClass, ends: Iterable[Finish | Outcome]) -> bool:
        """Whether a race can end with an iPXE that asks DHCP again."""
        programs = self.world.programs
        return any(
            chained_architecture(client.architecture, f.file, programs.get(f.file)) for f in ends if f.file
        )

    def _leads_on(self, finish: Finish | Outcome) -> bool:
        return bool(finish.file) and (
            loader_by_name(str(finish.file)) is not None or finish.file in self.world.programs
        )

    def _loader_ends(self, client: ClientClass, silent: frozenset[str]) -> tuple[LoaderEnd, ...]:
        boots = (self.stages(one, silent) for one in self.each_side(client))
        return _ends_of_all(chain for boot in boots for chain in boot.last_chains)

    def answered_apart(self, client: ClientClass) -> tuple[tuple[str, int], ...]:
        """Each server that the class hears and that answers a number of its architecture differently than the
        usual one: its name, the number."""
        if not other_numbers(client.architecture):
            return ()
        self._ask()
        found, ours = self._of_equal(self._ends.apart, client, frozenset(), lambda: self._told_apart(client))
        return tuple((ours.servers.get(name, name), number) for name, number in found)

    def _told_apart(self, client: ClientClass) -> tuple[tuple[str, int], ...]:
        firmware = self.world.firmwares[client.firmware]
        return tuple(
            dict.fromkeys(
                (listener.model.name, number)
                for listener in self.world.segments[client.vlan].listeners
                for number in tells_apart(listener, client.architecture, firmware, client.macs.witness)
            )
        )

    def in_vain(self, client: ClientClass) -> tuple[str, ...]:
        """The servers that wait for another's offer before they answer the class, and hear none in either
        stage, whatever the open conditions of files come to."""
        nobody = frozenset[str]()
        found, ours = self._of_equal(self._ends.in_vain, client, nobody, lambda: self._waiting(client))
        return tuple(ours.servers.get(name, name) for name in found)

    def _waiting(self, client: ClientClass) -> tuple[str, ...]:
        ways = [(world, one) for world in self.worlds for one in self.each_side(client)]
        each = [self.stages(one, world=world).in_vain for world, one in ways]
        return tuple(sorted(frozenset.intersection(*each)))

    def stages(
        self, client: ClientClass, silent: frozenset[str] = frozenset(), world: World | None = None
    ) -> Stages:
        """Both stages of the class's witness with everything that happens in them."""
        from coexist.analysis.chain import stages

        self.run += 1
        return stages(world or self.world, case_of(client), silent)

    def result(
        self, client: ClientClass, silent: frozenset[str] = frozenset(), world: World | None = None
    ) -> RaceResult:
        """The race of the class's witness with everything that happens in it."""
        from coexist.analysis.race import race

        self.run += 1
        return race(world or self.world, case_of(client), silent)

    def second_timeline(self, client: ClientClass, silent: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """The events of both stages as lines, the second's in its own seconds."""
        found = self.stages(client, silent)
        first = tuple(str(event) for event in found.first.events)
        if found.next is None:
            return first
        return (*first, SECOND_STAGE, *(str(event) for event in found.next.result.events))

    def timeline(self, client: ClientClass, silent: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """The events of a race as lines."""
        return tuple(str(event) for event in self.result(client, silent).events)


def case_of(client: ClientClass) -> ClientCase:
    """The client that runs for a class."""
    from coexist.analysis.race import ClientCase

    return ClientCase(
        mac=client.macs.witness, vlan=client.vlan, architecture=client.architecture, firmware=client.firmware
    )


def _ends_of_all(chains: Iterable[Chain]) -> tuple[LoaderEnd, ...]:
    return tuple(dict.fromkeys(end for chain in chains for end in _ends_of(chain)))


def _ends_of(chain: Chain) -> Iterable[LoaderEnd]:
    file = chain.outcome.file or ""
    for step in chain.steps:
        stage = step.stage
        yield LoaderEnd(
            loader=stage.loader,
            title=stage.title,
            file=file,
            asks=step.asks,
            booted=chain.outcome.winner,
            decided_by=chain.outcome.decided_by,
            fails=stage.fails,
            why=stage.why,
            reads_lease=stage.reads_lease,
            certain=stage.certain,
            remedy=stage.remedy,
        )
        file = stage.loads or file


def _finish_of(outcome: Outcome) -> Finish:
    return Finish(
        winner=outcome.winner,
        decided_by=outcome.decided_by,
        file=outcome.file,
        seconds=outcome.latest,
        by_firmware=outcome.by_firmware,
    )
