"""Where the clients of a migration are at one moment, and what each server's list has of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace

from coexist.inventory.models import Migration
from coexist.inventory.values import Delay
from coexist.records import dataclass

_NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What has changed against the time before the migration, as sets of MACs.

    ``left``: the old server no longer answers them. ``yielding``: it still does, but only as
    ``yielding_delay`` says. ``arrived``: the new server answers them; ``waiting``: those of them it
    answers only as ``waiting_delay`` says. ``handed``: the old server answers them, but names the new
    one's files, so that they boot from there; ``returned``: the same the other way round.
    ``retired``: the old server answers nobody any more.

    ``none``: those that may boot from nobody for now, ``either``: from both (``Migration.during``).
    ``directing``: the server that stands between (``Migration.through``) tells all of them where to load,
    those in ``directed`` from the new server. ``silenced``: the old server answers nobody, and the new one
    only who has arrived.
    """

    left: frozenset[int] = _NONE
    arrived: frozenset[int] = _NONE
    yielding: frozenset[int] = _NONE
    waiting: frozenset[int] = _NONE
    yielding_delay: Delay = field(default_factory=Delay)
    waiting_delay: Delay = field(default_factory=Delay)
    handed: frozenset[int] = _NONE
    returned: frozenset[int] = _NONE
    retired: bool = False
    none: frozenset[int] = _NONE
    either: frozenset[int] = _NONE
    directing: bool = False
    directed: frozenset[int] = _NONE
    silenced: bool = False

    @classmethod
    def settled(cls, moved: Iterable[int]) -> Placement:
        """Between two steps: whoever moved is on the new server alone."""
        gone = frozenset(moved)
        return cls(left=gone, arrived=gone)

    def on_target(self, mac: int) -> bool:
        """Whether the new server is to boot this client now."""
        if self.directing:
            return mac in self.directed
        if mac in self.handed or mac in self.returned:
            return mac in self.handed
        return mac in self.left or (mac in self.arrived and mac not in self.waiting)

    def within(self, scope: frozenset[int]) -> Placement:
        """The same without clients that are no longer part of the migration."""
        return self.changed(
            left=self.left & scope,
            arrived=self.arrived & scope,
            yielding=self.yielding & scope,
            waiting=self.waiting & scope,
            handed=self.handed & scope,
            returned=self.returned & scope,
            none=self.none & scope,
            either=self.either & scope,
            directed=self.directed & scope,
        )

    def changed(self, **sets: object) -> Placement:
        """A copy with some of its fields replaced."""
        return replace(self, **sets)  # type: ignore[arg-type]


BEFORE = Placement()
"""Nobody has moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A client as one server's list has it: under its own MAC, or parked under another."""

    mac: int
    original: int

    @property
    def parked(self) -> bool:
        """Whether the server must not serve it."""
        return self.mac != self.original


def registrations(
    migration: Migration, scope: frozenset[int], placement: Placement, parked: Mapping[int, int]
) -> dict[str, tuple[Registration, ...]]:
    """Each of the two servers' registration list, by server, in the order of the original MACs.

    ``parked`` has the parked MAC of each client; one without is on the other server not registered
    at all. While a step is under way a client can be active on both.
    """
    source: list[Registration] = []
    target: list[Registration] = []
    for mac in sorted(scope):
        spare = parked.get(mac)
        for entries, active in ((source, mac not in placement.left), (target, mac in placement.arrived)):
            if active or spare is not None:
                entries.append(Registration(mac=mac if active or spare is None else spare, original=mac))
    return {migration.source: tuple(source), migration.target: tuple(target)}
