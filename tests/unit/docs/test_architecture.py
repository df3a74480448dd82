"""What CONTRIBUTING.md and the pages say of the code is so: rooms, contracts, modules, functions."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from coexist.inventory.products import ENTRY_POINTS
from tests.conftest import ROOT

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
HOUSE = ROOT / "docs" / "concepts" / "house.md"
# What a page of a finding calls by a name is an inventory's; the test of these pages follows it.
PAGES = sorted([CONTRIBUTING, *(p for p in (ROOT / "docs").rglob("*.md") if p.parent.name != "findings")])
ABOUT_THE_CODE = [
    page
    for page in PAGES
    if page in (CONTRIBUTING, ROOT / "docs/guides/products.md") or page.parent.name == "concepts"
]
"""Elsewhere a path is mostly the reader's own."""
OURS = ("coexist", "tests", "scripts", "benchmarks")
FOREIGN = (".c", ".cc", ".cpp", ".h", ".java")
"""What sources of other programs end with."""
PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")
FENCED = re.compile(r"^```.*?^```$|^~~~.*?^~~~$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
DOTTED = re.compile(r"(?<![\w./-])coexist(?:\.\w+)+(?::\w+)?(?![\w/-])")
CODE = re.compile(r"@?([A-Za-z_][\w.]*)(?:\(.*\)|=.*)?")
FILES = {"service", "socket", "yaml", "ps1", "conf", "json", "txt", "toml", "md", "cfg", "py"}
"""What ends the name of a file, and no module's."""


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _contract(name: str) -> dict[str, Any]:
    contracts: list[dict[str, Any]] = _project()["tool"]["importlinter"]["contracts"]
    return next(contract for contract in contracts if contract["id"] == name)


def _rooms() -> list[set[str]]:
    """The layers of the contract, from above; what starts the program is no room."""
    return [set(layer.split(" | ")) for layer in _contract("downwards")["layers"] if layer != "__main__"]


def _told(page: Path) -> list[str]:
    """What a page's running text has in code."""
    return SPAN.findall(FENCED.sub("", page.read_text(encoding="utf-8")))


@cache
def _defined() -> frozenset[str]:
    """Every name that the program, its tests and its scripts define, and their modules."""
    found: set[str] = set()
    for folder in ("coexist", "tests", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            found.add(path.stem)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    found.add(node.name)
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    found.add(node.id)
                elif isinstance(node, ast.arg):
                    found.add(node.arg)
    return frozenset(found)


def _is_there(name: str) -> bool:
    """Whether a dotted name means a module, or something of one."""
    path, _, attribute = name.partition(":")
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in (*parts[length:], *([attribute] if attribute else [])):
            # A field without a default is no attribute of its class.
            if not hasattr(found, part) and part not in getattr(found, "__annotations__", {}):
                return False
            found = getattr(found, part, None)
        return True
    return False


def test_the_rooms_stand_in_their_order() -> None:
    text = CONTRIBUTING.read_text(encoding="utf-8")
    (drawn,) = re.findall(r"^ {4}cli > .*\n(?: {8,}> .*\n)*", text, re.MULTILINE)
    assert [set(layer.split(" | ")) for layer in " ".join(drawn.split()).split(" > ")] == _rooms()


def test_each_room_is_described_once() -> None:
    rows = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", HOUSE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(set().union(*_rooms()))


@pytest.mark.parametrize("page", [CONTRIBUTING, HOUSE], ids=lambda page: page.name)
def test_what_lies_below_the_pure_line_is_held_to_it(page: Path) -> None:
    text = " ".join(page.read_text(encoding="utf-8").split())
    (line,) = re.findall(r"[Bb]elow `(\w+)` nothing opens a socket", text)
    rooms = _rooms()
    below = rooms[next(number for number, layer in enumerate(rooms) if line in layer) + 1 :]
    held = {name.removeprefix("coexist.") for name in _contract("pure")["source_modules"]}
    assert held == set().union(*below)


@cache
def _modules() -> frozenset[str]:
    """The names of all files with Python in them."""
    return frozenset(path.name for folder in OURS for path in (ROOT / folder).rglob("*.py"))


def _is_lost(word: str) -> bool:
    """Whether a word is the path of a module, or of a folder of ours, that is not there."""
    if not PATH.fullmatch(word) or "NAME" in word or word.endswith(FOREIGN):
        return False
    first, inner, _ = word.partition("/")
    if (inner and first in OURS) or (first in set().union(*_rooms()) and word.count("/")):
        places = [ROOT / word, ROOT / "coexist" / word]
        return not any(place.exists() or place.with_name(f"{place.name}.py").exists() for place in places)
    return word.endswith(".py") and word.rpartition("/")[2] not in _modules()


@pytest.mark.parametrize("page", ABOUT_THE_CODE, ids=_name)
def test_every_module_that_a_page_names_is_there(page: Path) -> None:
    words = [word.strip("(),;:'\"") for span in _told(page) for word in span.split()]
    assert [word for word in words if _is_lost(word)] == []


@pytest.mark.parametrize(
    ("word", "lost"),
    [
        ("analysis/lineup", False),
        ("analysis/line-up", True),
        ("coexist/boot/leases/", False),
        ("boot/lease/", True),
        ("machine.py", False),
        ("machines_that_are_not.py", True),
        ("repairs/losing.py", False),
        ("server/dhcp.c", False),
        ("coexist/cli/NAME.py", False),
        ("tests/unit/nowhere", True),
    ],
)
def test_which_paths_are_lost(word: str, lost: bool) -> None:
    assert _is_lost(word) is lost


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_dotted_name_of_a_page_is_there(page: Path) -> None:
    named = {
        name
        for name in DOTTED.findall(page.read_text(encoding="utf-8"))
        if name.rpartition(".")[2] not in FILES and "NAME" not in name
    }
    assert {name for name in named if name != ENTRY_POINTS and not _is_there(name)} == set()


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("coexist.analysis.race.race", True),
        ("coexist.inventory.product.Product.own_file", True),
        ("coexist.boot.servers.kea:lease_service", True),
        ("coexist.inventory.product.Product.own_files", False),
        ("coexist.boot.nowhere", False),
        ("coexist.boot.servers.kea:leases", False),
    ],
)
def test_which_dotted_names_are_there(name: str, there: bool) -> None:
    assert _is_there(name) is there


def _known_elsewhere() -> set[str]:
    """Make's targets, pytest's markers, and the variables of the environment that Make and tests read."""
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    markers = _project()["tool"]["pytest"]["ini_options"]["markers"]
    return {*targets, *(re.split(r"\W", marker)[0] for marker in markers), "CI", "PYTHON"}


def test_every_function_field_and_constant_of_the_recipes_is_there() -> None:
    """Whatever CONTRIBUTING.md has in code and is one Python name, a call of one or an argument."""
    named = {found[1] for span in _told(CONTRIBUTING) if (found := CODE.fullmatch(span))}
    named = {name for name in named if name.rpartition(".")[2] not in FILES and "NAME" not in name}
    known = _defined() | _known_elsewhere()
    assert len(named) > 30
    assert {name for name in named if not (set(name.split(".")) <= known or _is_there(name))} == set()
