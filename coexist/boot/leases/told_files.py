"""Machines that a server's own file tells a boot file of their own, told apart by its name alone.

What is said beside the name, and what is known of the file, decides how they boot: one race tells it for all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping

from coexist.inventory.macset import MacSet
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldFile:
    """A boot file that some machines are told. ``number``: of their set among those that the configuration
    tells apart; ``beside``: all else that is said to them, equal where they are told the same."""

    number: int
    macs: MacSet
    beside: Hashable
    file: str


def told_files(
    found: Iterable[ToldFile], others: frozenset[str] | None
) -> tuple[Mapping[int, tuple[Hashable, str]], frozenset[str] | None]:
    """What is said beside each file, and its name, by the number of the set; and all names in other lines.

    ``others``: the names that these are known to have; None where that is not known: then no set is told one.
    Machines that are told several of the files are left out, and so are all ranges of addresses.
    """
    if others is None:
        return {}, None
    told = [*found]
    times = Counter(mac for each in told for mac in each.macs.points)
    alone = [
        each for each in told if not each.macs.bounds and all(times[mac] == 1 for mac in each.macs.points)
    ]
    numbers = {each.number for each in alone}
    others |= {each.file for each in told if each.number not in numbers}
    return {each.number: (each.beside, each.file) for each in alone if each.file not in others}, others
