"""How the boots of a class end, held against the intent: both stages, and with servers thought away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import IntEnum

from coexist.analysis.rules.ordering import delay_of
from coexist.analysis.site import AnalysedSite, Case

PATIENCE = 10.0
"""Seconds: a boot that takes longer waited for a later attempt."""


class Flaw(IntEnum):
    """What is wrong with how a class boots, the worst of it; more is worse."""

    NONE = 0
    SLOW = 1
    """A delay makes it wait for a later attempt."""
    SECOND_STAGE = 2
    """The iPXE it loads ends at another server, at none, or is given iPXE again."""
    FIRST_STAGE = 3
    """It boots from another server than intended, or a fallback does not take over."""


def flaw(site: AnalysedSite, case: Case, without: frozenset[str] = frozenset()) -> Flaw:
    """What is wrong with a class; ``without``: servers thought away."""
    if not arrives(site, case, without):
        return Flaw.FIRST_STAGE
    if not stays(site, case, without):
        return Flaw.SECOND_STAGE
    return Flaw.NONE if _quick(site, case, without) else Flaw.SLOW


def flaws(site: AnalysedSite, cases: Sequence[Case], without: frozenset[str] = frozenset()) -> list[Flaw]:
    """What is wrong with each of some classes."""
    return [flaw(site, case, without) for case in cases]


def spares(after: Sequence[Flaw], before: Sequence[Flaw]) -> bool:
    """Whether no class ends worse than before."""
    return all(then <= now for then, now in zip(after, before, strict=True))


def weight(found: Sequence[Flaw]) -> tuple[int, ...]:
    """How bad flaws are together: the number of the worst first."""
    count = Counter(found)
    return tuple(count[kind] for kind in sorted(Flaw, reverse=True) if kind)


def holds(site: AnalysedSite, case: Case, without: frozenset[str] = frozenset()) -> bool:
    """Whether a class boots as intended in both stages, and each fallback takes over."""
    return arrives(site, case, without) and stays(site, case, without)


def turns(case: Case, without: frozenset[str] = frozenset()) -> Iterator[tuple[str, frozenset[str]]]:
    """Each server that is to boot a class, with those that are silent while it does."""
    order = [name for name in case.intended.servers if name not in without]
    for number, name in enumerate(order):
        yield name, without | frozenset(order[:number])


def in_the_way(site: AnalysedSite, case: Case) -> tuple[str, ...]:
    """The servers that answer a class, are not meant to, and without which it may boot as intended."""
    strangers = tuple(name for name in case.responders if name not in case.intended.servers)
    if not strangers or not arrives(site, case):
        return strangers
    if stays(site, case):
        return ()
    taking = {winner for _, silent in turns(case) for winner in site.second_winners(case.client, silent)}
    return tuple(name for name in strangers if name in taking)


def arrives(site: AnalysedSite, case: Case, without: frozenset[str] = frozenset()) -> bool:
    """Whether the first stage of a class ends as intended, and so with each fallback."""
    if not case.intended.boots:
        return site.winners(case.client, without) == {None}
    return all(site.falls_to(case.client, name, silent) for name, silent in turns(case, without))


def stays(site: AnalysedSite, case: Case, without: frozenset[str] = frozenset()) -> bool:
    """Whether the iPXE that a class may load comes back to the server that gave it, and gets no iPXE."""
    return all(site.stays_with(case.client, name, silent) for name, silent in turns(case, without))


def _quick(site: AnalysedSite, case: Case, without: frozenset[str]) -> bool:
    for name, silent in turns(case, without):
        delayed = name in site.boot_services and delay_of(site, name, case.client)[0].kind != "none"
        seconds = site.seconds(case.client, silent)
        if delayed and seconds is not None and seconds >= PATIENCE:
            return False
    return True
