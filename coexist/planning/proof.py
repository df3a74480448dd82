"""The proof of a moment: every client of a migration has exactly one boot server, the right one.

A moment is a `Placement`: a state of the two servers' files that may last for ever, because the tool was
killed, a host did not answer, or it is Friday. A moment holds if every possible end of every race is the same
boot, from the server the placement names (`coexist.planning.judging`).
"""

from __future__ import annotations

from coexist.analysis.intent import IntentReader
from coexist.analysis.race import ClientCase, RaceResult, race
from coexist.analysis.space import ClientClass, MacClass, cut
from coexist.analysis.world import build_world
from coexist.errors import CoexistError
from coexist.inventory import Inventory
from coexist.planning.effective import inventory_at
from coexist.planning.judging import (
    Failure,
    boots_as,
    boots_from,
    boots_from_either,
    boots_nothing,
    failure,
)
from coexist.planning.placement import Placement
from coexist.planning.waves import migrating, staying
from coexist.records import dataclass
from coexist.text.amounts import amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the races of one moment said.

    ``cases``: races run; ``clients``: clients they stand for; ``firmwares``: what was asked about.
    ``slowest``: seconds from a client's first DISCOVER to its first request for a file, at worst.
    ``without``: clients that are to have no server, ``with_either``: those that may have both
    (`Migration.during`). ``elsewhere``: cases no server of the migration is meant to boot (other VLANs, other
    servers' clients); they must end as they did before the migration.
    """

    cases: int
    clients: int
    firmwares: tuple[str, ...]
    slowest: float | None
    elsewhere: int
    assumptions: tuple[str, ...]
    failures: tuple[Failure, ...]
    without: int = 0
    with_either: int = 0

    @property
    def holds(self) -> bool:
        """Whether every client has exactly one server, the right one, but for those the migration excepts."""
        return not self.failures

    def __str__(self) -> str:
        if self.failures:
            return f"does not hold: {self.failures[0].message}"
        seconds = f", at worst {self.slowest:.1f} s after the first DISCOVER" if self.slowest else ""
        one = self.clients - self.without - self.with_either
        elsewhere = f"; {amount(self.elsewhere, 'race')} of others end as before" if self.elsewhere else ""
        others = f", {self.without} have none" if self.without else ""
        others += f", {self.with_either} have either" if self.with_either else ""
        return (
            f"{one} clients have one server each{others}: {self.cases} races"
            f" over {', '.join(self.firmwares) or 'nothing'}{seconds}{elsewhere}"
        )


class Prover:
    """Proves moments of one migration; what its VLANs were before is looked up once."""

    def __init__(self, inventory: Inventory, name: str) -> None:
        self.inventory = inventory
        self.name = name
        self.migration = inventory.site.migrations[name]
        self.scope = migrating(inventory, self.migration)
        self.staying = staying(inventory, self.migration)
        self.ends = (self.migration.source, self.migration.target)
        self._base_world = build_world(inventory)
        self._before: dict[ClientCase, RaceResult] = {}
        self._proven: dict[Placement, Proof] = {}

    def prove(self, placement: Placement) -> Proof:
        """Run every race of a moment."""
        if placement not in self._proven:
            self._proven[placement] = self._prove(placement)
        return self._proven[placement]

    def _prove(self, placement: Placement) -> Proof:
        inventory = inventory_at(self.inventory, self.name, placement)
        space, world = cut(inventory), build_world(inventory)
        intent = IntentReader(space)
        failures: list[Failure] = []
        asked: set[str] = set()
        assumptions: dict[str, None] = {}
        macs: set[int] = set()
        cases = elsewhere = 0
        slowest: float | None = None
        # Those that may be left behind have no server once the old one is gone: that is what it means.
        gone = placement.retired or (placement.silenced and not placement.directing)
        scope = self.scope - self.staying if gone else self.scope
        shown = {macs.number: _shown(macs, scope) for macs in space.mac_classes}
        for client in space.classes:
            mac = shown[client.macs.number]
            if mac is None or not client.architecture:
                continue
            case = ClientCase(
                mac=mac, vlan=client.vlan, architecture=client.architecture, firmware=client.firmware
            )
            said = intent.of(client)
            if said.server not in self.ends and (said.rule is not None or not self._served_before(case)):
                elsewhere += 1
                result = race(world, case)
                wrong = boots_as(result, self._base_result(case), "before the migration")
                if wrong is not None:
                    failures.append(self._failure(client, mac, result, wrong))
                continue
            result = race(world, case)
            cases += 1
            asked.add(client.firmware)
            macs.update(client.macs.points)
            assumptions.update(dict.fromkeys(result.assumptions))
            wrong = self._wrong(result, placement, mac)
            if wrong is not None:
                failures.append(self._failure(client, mac, result, wrong))
            else:
                times = [outcome.latest for outcome in result.outcomes if outcome.latest is not None]
                slowest = max(times if slowest is None else [*times, slowest], default=slowest)
        if scope and not cases:
            ends_text = " or ".join(self.ends)
            raise CoexistError(
                f"no client of migration {self.name} is meant to boot from {ends_text}; see `intent`"
            )
        failures.sort(key=lambda failure: (-failure.clients, failure.witness.mac))
        return Proof(
            cases=cases,
            clients=len(macs & scope),
            firmwares=tuple(sorted(asked)),
            slowest=slowest,
            elsewhere=elsewhere,
            assumptions=tuple(assumptions),
            failures=tuple(failures),
            without=len(macs & placement.none),
            with_either=len(macs & placement.either),
        )

    def _wrong(self, result: RaceResult, placement: Placement, mac: int) -> str | None:
        """What is wrong with the boot of a client at a moment; None where it is as it may be."""
        if mac in placement.none:
            return boots_nothing(result)
        if mac in placement.either:
            return boots_from_either(result, self.ends)
        return boots_from(result, self.ends[placement.on_target(mac)])

    def _failure(self, client: ClientClass, mac: int, result: RaceResult, wrong: str) -> Failure:
        count = len(self.scope.intersection(client.macs.points))
        return failure(self.inventory, client, mac, result, wrong, clients=count)

    def _served_before(self, case: ClientCase) -> bool:
        """Whether one of the two boots such a client before anything moves; asked where no intent says it."""
        return any(outcome.boot_server in self.ends for outcome in self._base_result(case).outcomes)

    def _base_result(self, case: ClientCase) -> RaceResult:
        if case not in self._before:
            self._before[case] = race(self._base_world, case)
        return self._before[case]


def _shown(macs: MacClass, scope: frozenset[int]) -> int | None:
    """The member a class is shown by: one the migration is about, None if it has none."""
    if not macs.known or macs.witness in scope:
        return macs.witness if macs.known else None
    return min(scope.intersection(macs.points), default=None)
