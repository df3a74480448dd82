"""When a firmware asks, and which delays still reach it."""

from __future__ import annotations

from dataclasses import dataclass

from coexist.inventory.models import Site
from coexist.inventory.values import Delay


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The packets of one boot attempt that has a lease but no boot file yet. Times in seconds.

    ``discover_at`` and ``secs`` belong together. ``first_window``: the shortest and longest time it
    collects offers before it first decides. ``until``: when it takes no offer any more.
    """

    discover_at: tuple[float, ...]
    secs: tuple[int, ...]
    first_window: tuple[float, float]
    until: float

    def reachable(self, delay: Delay) -> bool:
        """Whether an answer with this delay can still be heard."""
        for at, secs in zip(self.discover_at, self.secs, strict=True):
            if at + delay.after < self.until and secs >= delay.secs_at_least and at >= delay.since_first:
                return True
        return False


_KINDS = {
    "edk2": Schedule(discover_at=(0, 3, 12, 28), secs=(0, 4, 12, 28), first_window=(3, 4), until=60),
    "edk2-http": Schedule(discover_at=(0, 3, 12, 28), secs=(0, 4, 12, 28), first_window=(3, 4), until=60),
    "ipxe": Schedule(discover_at=(0, 1), secs=(4, 10), first_window=(3, 3), until=3),
    "pxe21": Schedule(discover_at=(0, 4, 12, 28), secs=(4, 8, 16, 32), first_window=(4, 4), until=60),
}


def schedule_of(site: Site, firmware: str) -> Schedule | None:
    """The schedule of a firmware; None for those that wait for no second answer (phones, first offer)."""
    variant = site.firmwares.get(firmware)
    return _KINDS.get(variant.like if variant else firmware)
