"""Rules are pure: they make no packet and write into nothing, and their order means nothing."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator

import pytest

from coexist.analysis import analyse, sorted_findings
from coexist.analysis.check import found_in
from coexist.analysis.rules import RULES
from coexist.inventory import load_inventory
from tests.conftest import ROOT

SITES = ["broken", "campus"]


@pytest.mark.parametrize("name", SITES)
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rules_means_nothing(name: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    site = analyse(load_inventory(ROOT / "inventories" / name)).site
    before = sorted_findings(found_in(site)[0])
    order = sorted(RULES)
    random.Random(seed).shuffle(order)
    shuffled = {code: RULES[code] for code in order}
    monkeypatch.setattr("coexist.analysis.check.RULES", shuffled)
    fresh = analyse(load_inventory(ROOT / "inventories" / name)).site
    # One after the other on a site that was asked before, and on a fresh one.
    assert sorted_findings(found_in(site)[0]) == sorted_findings(found_in(fresh)[0]) == before


RULE_MODULES = sorted((ROOT / "coexist" / "analysis" / "rules").glob("[!_]*.py"))
# What makes a packet, and what has a model answer one.
MAKES = {"Packet", "boot_request", "receive", "resume", "initial"}
CHANGES = {"append", "add", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "reverse",
           "setdefault", "sort", "update"}  # fmt: skip


def _root(node: ast.AST) -> str:
    """The name at the beginning of an expression: ``site`` of ``site.plans[name].rules``."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _changed(node: ast.AST) -> list[ast.expr]:
    """What a statement or a call changes in place."""
    match node:
        case ast.Assign(targets=targets) | ast.Delete(targets=targets):
            return [each for each in targets if isinstance(each, ast.Attribute | ast.Subscript)]
        case ast.AugAssign(target=target):
            return [target]
        case ast.Call(func=ast.Attribute(value=value, attr=name)) if name in CHANGES:
            return [value]
        case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[first, *_]):
            return [first]
    return []


def _impure(tree: ast.Module) -> Iterator[int]:
    """Lines of functions that change what they did not make themselves, or that make a packet."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        own = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        for node in ast.walk(function):
            called = node.func if isinstance(node, ast.Call) else None
            if (called.attr if isinstance(called, ast.Attribute) else _root(called or node)) in MAKES:
                yield node.lineno  # type: ignore[attr-defined]
            if isinstance(node, ast.Global | ast.Nonlocal):
                yield node.lineno
            if any(_root(each) not in own for each in _changed(node)):
                yield node.lineno  # type: ignore[attr-defined]


def test_no_rule_makes_a_packet_or_writes_into_what_it_reads() -> None:
    found = [
        f"{path.name}:{line}" for path in RULE_MODULES for line in _impure(ast.parse(path.read_text("utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("found = []\n found.append(site)", False),
        ("for name in site.servers:\n  site.seen.add(name)", True),
        ("site.cache[1] = 2", True),
        ("site.cache[1] += 2", True),
        ("SEEN.append(1)", True),
        ("del site.races[0]", True),
        ("setattr(site, 'x', 1)", True),
        ("global SEEN\n SEEN = 1", True),
        ("return Packet(op=1)", True),
        ("return site.model.receive(1, 2)", True),
    ],
)
def test_what_the_lint_sees(body: str, seen: bool) -> None:
    assert bool([*_impure(ast.parse(f"def rule(site):\n {body}\n"))]) == seen
