"""The rules: each is a function over an analysed site that returns findings.

A rule that crashes fails the run: nothing here catches anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from coexist.analysis.findings import Code, Finding, Severity, Witness
from coexist.analysis.site import AnalysedSite, Case, touched
from coexist.analysis.space import ClientClass
from coexist.errors import Position
from coexist.inventory.documents import Path
from coexist.records import dataclass

Find: TypeAlias = Callable[[AnalysedSite], Iterable[Finding]]

KINDS: dict[str, Code] = {}
"""Every code that the analysis reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A kind of finding and what finds it in the declarations.

    ``find`` asks how races end about what it found only, if at all. ``raced`` finds the rest, where how races
    end has to be asked about every class. ``explains``: an error of it says why its clients do not boot as
    intended, so that nothing is said about the outcome of their race.
    """

    code: Code
    find: Find
    explains: bool = False
    raced: Find | None = None


RULES: dict[str, Rule] = {}
"""Every rule about declarations by its code."""

Explained: TypeAlias = Mapping[tuple[int, str, str, str], frozenset[str]]
"""The codes of the errors in the declarations that concern a class, by its identity."""

Judge: TypeAlias = Callable[[AnalysedSite, Explained], Iterable[Finding]]

JUDGES: list[Judge] = []
"""What is to be said about the races themselves; classes that an error explains are left out."""


def judge(function: Judge) -> Judge:
    """Register a function that judges races. It is pure, as a rule is."""
    JUDGES.append(function)
    return function


def kind(code: str, name: str, severity: Severity, title: str) -> Code:
    """Register a code with its kebab name, its usual severity and one line of what it means."""
    if code in KINDS:
        raise ValueError(f"{code} is declared twice")
    KINDS[code] = Code(code=code, name=name, severity=severity, title=title)
    return KINDS[code]


def rule(
    code: str, name: str, severity: Severity, title: str, *, explains: bool = False
) -> Callable[[Find], Find]:
    """Register a function as the rule of a code. It is pure: it reads the site and writes into nothing."""

    def register(function: Find) -> Find:
        known = kind(code, name, severity, title)
        RULES[code] = Rule(code=known, find=function, explains=explains)
        return function

    return register


def raced(code: str) -> Callable[[Find], Find]:
    """Register a function that finds what a rule is about in how races end; or what a code is about of which
    no declaration tells, whatever errors explain."""

    def register(function: Find) -> Find:
        known = RULES.get(code) or Rule(code=KINDS[code], find=_nothing)
        RULES[code] = replace(known, raced=function)
        return function

    return register


def _nothing(_site: AnalysedSite) -> Iterable[Finding]:
    return ()


def _of_above(code: str) -> Code:
    """A code of a room above this one that reports about classes too."""
    from coexist.analysis.catalogue import CATALOGUE

    return CATALOGUE[code]


def report(
    site: AnalysedSite,
    code: str,
    path: Path,
    message: str,
    repair: str,
    *,
    clients: Sequence[ClientClass] = (),
    timeline: Sequence[str] | None = None,
    severity: Severity | None = None,
    position: Position | None = None,
    count: int | None = None,
) -> Finding:
    """A finding about the declaration at ``path``; its witness is taken from ``clients``.

    ``timeline`` None lets the race write it.
    """
    known = KINDS.get(code) or _of_above(code)
    return Finding(
        code=known,
        severity=known.severity if severity is None else severity,
        position=position or site.inventory.where(*path),
        message=message,
        repair=repair,
        path=path,
        witness=witness_of(clients, site.timeline if timeline is None else lambda _: tuple(timeline)),
        clients=touched(clients) if count is None else count,
        classes=tuple(clients),
    )


def unwell(
    cases: Sequence[Case], is_well: Callable[[Case], bool]
) -> tuple[list[ClientClass], Severity | None]:
    """Whom a finding is about that concerns some classes: those that do not boot as intended. Where all do, it
    is about all of them and a warning."""
    wrong = [case.client for case in cases if not is_well(case)]
    return (wrong, None) if wrong else ([case.client for case in cases], Severity.WARNING)


def witness_of(
    clients: Sequence[ClientClass], timeline: Callable[[ClientClass], tuple[str, ...]]
) -> Witness | None:
    """The client to show, with the lines of what happens to it; None of no clients."""
    chosen = choose(clients)
    if chosen is None:
        return None
    return Witness(
        mac=chosen.macs.witness,
        architecture=chosen.architecture,
        firmware=chosen.firmware,
        vlan=chosen.vlan,
        name=chosen.macs.name,
        timeline=timeline(chosen),
    )


def choose(clients: Sequence[ClientClass]) -> ClientClass | None:
    """The class to show: a registered machine with a name if there is one, else the first."""
    return next((c for c in clients if c.macs.name), next((c for c in clients if c.macs.known), None)) or (
        clients[0] if clients else None
    )
