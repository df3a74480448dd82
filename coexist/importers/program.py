"""What a server does for a scope's clients, as steps in the order it takes them, turned into rules.

In a dhcpd.conf, as in most servers, a later or inner value replaces an earlier or outer one. An
inventory's rules are read the other way: the first that fits gives the value. So the steps are
turned round, and a value that is set for everyone ends all that came before it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import combinations
from typing import Any, TypeAlias

from coexist.errors import Position
from coexist.importers.conditions import (
    ALWAYS,
    Condition,
    GroupNamer,
    Inexpressible,
    Literal_,
    Term,
    all_of,
    any_of,
    negate,
    rule_conditions,
)
from coexist.records import dataclass

Key: TypeAlias = Hashable
"""What a step sets: an option by its number, or next_server, filename, ignore, or one of `SCOPE_ONLY`.
An importer may use others among its steps, and must have resolved them before it asks for rules."""

IGNORE = "ignore"
NEXT_SERVER = "next_server"
FILENAME = "filename"
LEASE_TIMES = ("lease_time", "min_lease_time", "max_lease_time")
SCOPE_ONLY = (*LEASE_TIMES, "min_secs")

# All parts of a conjunction of so many tests can be looked up one by one.
_FEW_TESTS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One value for the clients of a condition. ``text`` is the statement, for people.

    ``value`` None takes the value away: what was set before does not hold for these clients.
    """

    condition: Condition
    key: Key
    value: Any
    at: Position
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Statements under a condition, the next ones only where it does not hold."""

    condition: Condition
    steps: tuple[Step, ...]


Complain: TypeAlias = Callable[[Step, str], None]


def chosen(branches: Sequence[Branch]) -> list[Step]:
    """The steps of ``if``/``elsif``/``else``, of which one branch is taken.

    The first branch's steps come last, so they win; a later branch need not say that the earlier
    conditions do not hold where those set the same value for all their clients.
    """
    result: list[Step] = []
    for number in range(len(branches) - 1, -1, -1):
        branch = branches[number]
        for step in branch.steps:
            others = [
                negate(earlier.condition)
                for earlier in branches[:number]
                if not _always_sets(earlier, step.key)
            ]
            condition = all_of([*others, branch.condition, step.condition])
            if condition:
                result.append(
                    Step(condition=condition, key=step.key, value=step.value, at=step.at, text=step.text)
                )
    return result


def _always_sets(branch: Branch, key: Key) -> bool:
    return any(step.key == key and step.condition == ALWAYS for step in branch.steps)


def guarded(condition: Condition, steps: Iterable[Step]) -> list[Step]:
    """The steps under one more condition."""
    return chosen([Branch(condition=condition, steps=tuple(steps))])


def effective(steps: Sequence[Step]) -> list[Step]:
    """The steps that can have an effect: those not replaced for all their clients by later ones."""
    later: dict[Key, set[frozenset[Literal_]]] = {}
    kept: list[Step] = []
    for step in reversed(steps):
        covering = later.setdefault(step.key, set())
        if covering and all(_covered(term, covering) for term in step.condition):
            continue
        covering.update(map(frozenset, step.condition))
        kept.append(step)
    kept.reverse()
    return kept


def _covered(term: Term, covering: set[frozenset[Literal_]]) -> bool:
    """Whether one of the conjunctions says no more than the term does."""
    if len(term) > _FEW_TESTS:
        return frozenset(term) in covering or frozenset() in covering
    return any(
        frozenset(part) in covering for size in range(len(term) + 1) for part in combinations(term, size)
    )


def scope_fields(steps: Sequence[Step], group_of: GroupNamer, complain: Complain) -> dict[str, Any]:
    """The part of an inventory scope the steps describe: options, next_server, filename, rules, ...

    ``complain`` is told of every step that cannot be said.
    """
    result: dict[str, Any] = {}
    rules: list[tuple[Condition, list[Step]]] = []
    kept = effective(steps)
    for step in reversed(_with_refusals(kept, complain)):
        if step.condition == ALWAYS and step.key != IGNORE:
            _put(result, step)
        elif step.key in SCOPE_ONLY:
            complain(step, "holds for a whole scope only, here it depends on the client")
        elif rules and rules[-1][0] == step.condition and step.key != IGNORE:
            rules[-1][1].append(step)
        else:
            rules.append((step.condition, [step]))
    written = [
        rule for condition, part in _joined(rules) for rule in _rules(condition, part, group_of, complain)
    ]
    if written:
        result["rules"] = written
    if "options" in result:
        result["options"] = dict(sorted(result["options"].items()))
    order = (*SCOPE_ONLY, NEXT_SERVER, FILENAME, "options", "rules")
    return {key: result[key] for key in order if key in result}


def _joined(rules: list[tuple[Condition, list[Step]]]) -> list[tuple[Condition, list[Step]]]:
    """Neighbours that give the same values, as one rule for the clients of both."""
    result: list[tuple[Condition, list[Step]]] = []
    for condition, steps in rules:
        if result and _values(result[-1][1]) == _values(steps):
            result[-1] = (any_of([result[-1][0], condition]), [*result[-1][1], *steps])
        else:
            result.append((condition, steps))
    return result


def _values(steps: Iterable[Step]) -> dict[Key, Any]:
    values: dict[Key, Any] = {}
    for step in steps:
        values.setdefault(step.key, step.value)
    return values


def _with_refusals(steps: list[Step], complain: Complain) -> list[Step]:
    """The steps with each refusal narrowed to the clients no later step lets in again.

    An inventory's rule can refuse, it cannot take a refusal back. Refusals come last: they win.
    """
    plain = [step for step in steps if step.key != IGNORE]
    refusals = [step for step in steps if step.key == IGNORE]
    narrowed: list[Step] = []
    for number, step in enumerate(refusals):
        if not step.value:
            continue
        later = [negate(other.condition) for other in refusals[number + 1 :] if not other.value]
        try:
            condition = all_of([step.condition, *later])
        except Inexpressible as reason:
            complain(step, str(reason))
            continue
        if condition:
            narrowed.append(Step(condition=condition, key=IGNORE, value=True, at=step.at, text=step.text))
    return plain + narrowed


def _put(holder: dict[str, Any], step: Step) -> None:
    if isinstance(step.key, int):
        options = holder.setdefault("options", {})
        if step.value is not None:
            options.setdefault(step.key, step.value)
    elif step.value is not None:
        holder.setdefault(str(step.key), step.value)


def _rules(
    condition: Condition, steps: Sequence[Step], group_of: GroupNamer, complain: Complain
) -> Iterable[dict[str, Any]]:
    values: dict[str, Any] = {}
    for step in steps:
        _put(values, step)
    if not values:
        return
    try:
        heads = rule_conditions(condition, group_of)
    except Inexpressible as reason:
        for step in steps:
            complain(step, str(reason))
        return
    for head in heads:
        yield head | _ordered(values)


def _ordered(values: dict[str, Any]) -> dict[str, Any]:
    order = (NEXT_SERVER, FILENAME, "options", IGNORE)
    result = {key: values[key] for key in order if key in values}
    if "options" in result:
        result["options"] = dict(sorted(result["options"].items()))
    return result
