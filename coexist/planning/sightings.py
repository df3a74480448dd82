"""Seen, not hoped: which machines really booted from where since their wave moved."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from coexist.planning.progress import MigrationState
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Sighting:
    """A machine got boot files from a server; ``how`` is what saw it (registry, capture)."""

    at: datetime
    mac: int
    server: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveSeen:
    """What became of the machines of one wave since it moved, as sets of MACs.

    ``seen``: last seen booting from the new server. ``went_back``: seen on the new server and on the old one
    after that, or on the old one only. ``missing``: not seen at all.
    """

    wave: str
    moved: datetime
    planned: frozenset[int]
    seen: frozenset[int]
    went_back: frozenset[int]

    @property
    def missing(self) -> frozenset[int]:
        """Machines nobody saw boot since."""
        return self.planned - self.seen - self.went_back

    @property
    def share(self) -> float:
        """The share of planned machines last seen on the new server; 1 for an empty wave."""
        return len(self.seen) / len(self.planned) if self.planned else 1.0


def seen_since(state: MigrationState, sightings: Iterable[Sighting]) -> tuple[WaveSeen, ...]:
    """What was seen of each wave that moved. Sightings before its move say nothing and are left out."""
    last: dict[int, Sighting] = {}
    ends = (state.source, state.target)
    for sighting in sighted_at(sightings, ends):
        known = last.get(sighting.mac)
        if known is None or sighting.at >= known.at:
            last[sighting.mac] = sighting
    found = []
    for wave in state.waves:
        planned = frozenset(wave.clients)
        since = {mac: last[mac] for mac in planned if mac in last and last[mac].at >= wave.moved}
        found.append(
            WaveSeen(
                wave=wave.name,
                moved=wave.moved,
                planned=planned,
                seen=frozenset(mac for mac, sighting in since.items() if sighting.server == state.target),
                went_back=frozenset(
                    mac for mac, sighting in since.items() if sighting.server == state.source
                ),
            )
        )
    return tuple(found)


def sighted_at(sightings: Iterable[Sighting], servers: tuple[str, ...]) -> Iterable[Sighting]:
    """The sightings on some servers."""
    return (sighting for sighting in sightings if sighting.server in servers)
