"""Conditions on a client as a sum of terms (each a product of tests), ready to become an inventory's rules.

A rule's conditions all hold together, so an ``or`` becomes several rules and a ``not`` goes down to
the single tests. A condition that cannot be said in an inventory is `Inexpressible`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from coexist.records import dataclass
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.option_codes import Option
from coexist.wire.options import decode_option_value, encode_option_value

# More terms than this from one condition are a misunderstanding.
_MOST_TERMS = 256

Comparison = Literal["equals", "starts_with", "ends_with", "contains", "exists"]


class Inexpressible(Exception):  # noqa: N818 it is no error of the input
    """A condition no inventory can say; the text is the reason."""


@dataclass(frozen=True, slots=True, order=True)
class Test:
    """One comparison of an option of the client's packet, as `coexist.inventory.models.OptionTest`."""

    option: int
    comparison: Comparison
    octets: bytes = b""
    at: int = 0
    suboption: int | None = None
    negated: bool = False

    @property
    def place(self) -> tuple[int, int | None]:
        """The option it looks at."""
        return self.option, self.suboption


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """Whether the client belongs to a group of the inventory."""

    group: str
    negated: bool = False


Literal_: TypeAlias = Test | Member
Term: TypeAlias = tuple[Literal_, ...]
Condition: TypeAlias = tuple[Term, ...]
"""Any of the terms, each of which is all of its tests. ``NEVER`` has none, ``ALWAYS`` the empty one."""

ALWAYS: Condition = ((),)
NEVER: Condition = ()


def test(literal: Literal_) -> Condition:
    """A single test as a condition."""
    return ((literal,),)


def any_of(conditions: Iterable[Condition]) -> Condition:
    """Their disjunction."""
    terms: dict[Term, None] = {}
    for condition in conditions:
        terms.update(dict.fromkeys(condition))
    return _absorbed(tuple(terms))


def all_of(conditions: Iterable[Condition]) -> Condition:
    """Their conjunction."""
    result = ALWAYS
    for condition in conditions:
        terms: dict[Term, None] = {}
        for left in result:
            for right in condition:
                term = _term((*left, *right))
                if term is not None:
                    terms[term] = None
        if len(terms) > _MOST_TERMS:
            raise Inexpressible("the condition has too many cases")
        result = _absorbed(tuple(terms))
    return result


def negate(condition: Condition) -> Condition:
    """Its negation."""
    return all_of(
        tuple((replace(literal, negated=not literal.negated),) for literal in term) for term in condition
    )


def disjoint(left: Condition, right: Condition) -> bool:
    """Whether no client can be seen to meet both."""
    return not all_of((left, right))


def _absorbed(terms: Condition) -> Condition:
    """Without the terms that another one covers."""
    if () in terms:
        return ALWAYS
    sets = [frozenset(term) for term in terms]
    return tuple(term for number, term in enumerate(terms) if not any(other < sets[number] for other in sets))


def _term(literals: Iterable[Literal_]) -> Term | None:
    """One conjunction without repetitions; None if it contradicts itself."""
    kept: list[Literal_] = []
    for literal in dict.fromkeys(literals):
        if any(_contradict(literal, other) for other in kept):
            return None
        if any(_implies(other, literal) for other in kept):
            continue
        kept = [other for other in kept if not _implies(literal, other)]
        kept.append(literal)
    return tuple(kept)


def _contradict(left: Literal_, right: Literal_) -> bool:
    if replace(left, negated=not left.negated) == right:
        return True
    if not (isinstance(left, Test) and isinstance(right, Test)) or left.place != right.place:
        return False
    if left.negated != right.negated:
        plain, turned = (left, right) if right.negated else (right, left)
        return _implies(plain, replace(turned, negated=False))
    return not left.negated and (_excludes(left, right) or _excludes(right, left))


def _excludes(left: Test, right: Test) -> bool:
    """Whether no value passes both of two tests that are not negated."""
    if left.comparison == "equals":
        if right.comparison == "equals":
            return left.octets != right.octets
        return not _passes(left.octets, right)
    if left.comparison == right.comparison == "starts_with" and left.at == right.at:
        return not (left.octets.startswith(right.octets) or right.octets.startswith(left.octets))
    return False


def _implies(left: Literal_, right: Literal_) -> bool:
    """Whether every client that passes the one passes the other."""
    if left == right:
        return True
    if not (isinstance(left, Test) and isinstance(right, Test)) or left.place != right.place:
        return False
    if left.negated or right.negated:
        if left.negated == right.negated:
            return _implies(replace(right, negated=False), replace(left, negated=False))
        return right.negated and not left.negated and _excludes_all(left, replace(right, negated=False))
    if right.comparison == "exists":
        return True
    if left.comparison == "equals":
        return _passes(left.octets, right)
    if left.comparison == right.comparison == "starts_with" and left.at == right.at:
        return left.octets.startswith(right.octets)
    return False


def _excludes_all(left: Test, right: Test) -> bool:
    return _excludes(left, right) or _excludes(right, left)


def _passes(octets: bytes, comparison: Test) -> bool:
    match comparison.comparison:
        case "equals":
            return octets == comparison.octets
        case "starts_with":
            return octets.startswith(comparison.octets, comparison.at)
        case "ends_with":
            return octets.endswith(comparison.octets)
        case "contains":
            return comparison.octets in octets
    return True


# --- as an inventory says it --------------------------------------------------------------------


GroupNamer: TypeAlias = Callable[[tuple[Member, ...]], str]
"""The name of the group of those who are in (and not in) some groups."""


def rule_conditions(condition: Condition, group_of: GroupNamer) -> list[dict[str, Any]]:
    """The conditions of one inventory rule each.

    Terms that differ in one architecture only are joined where a name stands for all of them.
    """
    rules: list[dict[str, Any]] = []
    for rest, architectures in _by_architecture(condition):
        rule: dict[str, Any] = {}
        members = tuple(literal for literal in rest if isinstance(literal, Member))
        if members:
            rule["clients"] = group_of(members)
        if architectures:
            rule["architectures"] = list(architectures)
        tests = [literal for literal in rest if isinstance(literal, Test)]
        vendor = next((t for t in tests if _is_vendor_class(t)), None)
        if vendor is not None:
            rule["vendor_class"] = vendor.octets.decode()
            tests.remove(vendor)
        if tests:
            rule["when"] = [_written(t) for t in tests]
        rules.append(rule)
    return rules


POOL_FOR_NOBODY = "an inventory's pool has one condition, and this is none or several; it is for nobody"


def pool_conditions(condition: Condition, group_of: GroupNamer) -> dict[str, Any] | None:
    """The conditions of a pool; None where one pool cannot say them."""
    if condition == ALWAYS:
        return {}
    try:
        heads = rule_conditions(condition, group_of)
    except Inexpressible:
        return None
    if len(heads) != 1:
        return None
    entry = dict(heads[0])
    clients = entry.pop("clients", None)
    return entry if clients is None else {"allow": clients, **entry}


def _is_vendor_class(literal: Test) -> bool:
    return (
        literal.option == Option.VENDOR_CLASS_IDENTIFIER
        and literal.comparison == "starts_with"
        and not literal.at
        and not literal.negated
        and _plain_text(literal.octets) is not None
    )


def _by_architecture(condition: Condition) -> list[tuple[Term, tuple[str, ...]]]:
    """Each term without its test of option 93, and the architectures that stand for the tests.

    Only names of which every code is asked for, and never ``bios``: a rule for it also holds for a
    PXE client that sends no option 93, a comparison with 0 does not.
    """
    joined: dict[Term, set[int]] = {}
    order: list[tuple[Term, int | None]] = []
    for term in condition:
        code, rest = _architecture(term)
        if code is None:
            order.append((term, None))
        else:
            order.append((rest, code))
            joined.setdefault(rest, set()).add(code)
    result: list[tuple[Term, tuple[str, ...]]] = []
    done: set[tuple[Term, int]] = set()
    for rest, code in order:
        if code is None:
            result.append((rest, ()))
            continue
        if (rest, code) in done:
            continue
        names = [
            name for name, codes in ARCHITECTURE_NAMES.items() if codes <= joined[rest] and 0 not in codes
        ]
        covered = {number for name in names for number in ARCHITECTURE_NAMES[name]}
        if code in covered:
            result.append((rest, tuple(names)))
            done |= {(rest, number) for number in covered}
        else:
            result.append(((*rest, _is_architecture(code)), ()))
            done.add((rest, code))
    return result


def _architecture(term: Term) -> tuple[int | None, Term]:
    for literal in term:
        if (
            isinstance(literal, Test)
            and literal.place == (Option.CLIENT_SYSTEM_ARCHITECTURE, None)
            and literal.comparison == "equals"
            and not literal.negated
            and len(literal.octets) == 2
        ):
            rest = tuple(other for other in term if other is not literal)
            return int.from_bytes(literal.octets, "big"), rest
    return None, term


def _is_architecture(code: int) -> Test:
    return Test(int(Option.CLIENT_SYSTEM_ARCHITECTURE), "equals", code.to_bytes(2, "big"))


def _written(literal: Test) -> dict[str, Any]:
    result: dict[str, Any] = {"option": literal.option}
    if literal.suboption is not None:
        result["suboption"] = literal.suboption
    if literal.comparison == "exists":
        return result | {"exists": not literal.negated}
    result[literal.comparison] = _spelled(literal)
    if literal.at:
        result["at"] = literal.at
    if literal.negated:
        result["not"] = True
    return result


def _spelled(literal: Test) -> str:
    if literal.suboption is None and literal.comparison == "equals":
        return spelled_value(literal.option, literal.octets)
    if literal.suboption is None:
        text = decode_option_value(literal.option, literal.octets)
        from_text = not text.startswith("hex:") and text.encode() == literal.octets
        if from_text:
            return text
    elif (plain := _plain_text(literal.octets)) is not None:
        return plain
    return "hex:" + literal.octets.hex(":")


def spelled_value(code: int, octets: bytes) -> str:
    """An option's value as an administrator would write it, if that means exactly these octets."""
    for text in (decode_option_value(code, octets), _plain_text(octets)):
        try:
            if text and not text.startswith("hex:") and encode_option_value(code, text) == octets:
                return text
        except ValueError:
            continue
    return "hex:" + octets.hex(":")


def _plain_text(octets: bytes) -> str | None:
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() and text and not text.lower().startswith("hex:") else None
