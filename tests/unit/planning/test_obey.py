"""Every repair that is printed can be followed: obeyed, its finding is gone and no new error is there."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from coexist.analysis import Analysis, Finding, Severity, analyse
from coexist.inventory import load_inventory
from coexist.planning.yaml_edit import apply
from coexist.render.limits import limits
from tests.conftest import ROOT

FAILING = re.compile(r"^## Failing\n+```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
BESIDE = re.compile(r"^```\w+ (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TODAY = date(2026, 1, 15)
BROKEN = ROOT / "inventories" / "broken"

# What only people can decide: a file's name, a machine's place, a scope that is not there.
BY_HAND = {
    "CX109",
    "CX110",
    "CX111",
    "CX114",
    "CX115",
    "CX116",
    "CX117",
    "CX118",
    "CX119",
    "CX120",
    "CX121",
    "CX122",
    "CX201",
    "CX209",
    "CX214",
    "CX219",
    "CX220",
    "CX221",
    "CX302",
    "CX322",
    "CX314",
    "CX319",
    "CX323",
    "CX404",
    "CX405",
    "CX414",
    "CX415",
    "CX418",
    "CX419",
    "CX420",
    "CX422",
    "CX423",
    "CX424",
    "CX425",
    "CX428",
    "CX433",
    "CX507",
    "CX509",
    "CX511",
    "CX513",
    "CX514",
    "CX517",
    "CX518",
    "CX522",
}


def inventories() -> Iterator[tuple[str, dict[str, str]]]:
    for page in sorted((ROOT / "docs" / "findings").glob("CX*.md")):
        for text in FAILING.findall(page.read_text(encoding="utf-8")):
            section = page.read_text(encoding="utf-8").partition("## Failing\n")[2].partition("\n## ")[0]
            yield page.stem, {"site.yaml": text} | dict(BESIDE.findall(section))
    yield "broken", {path.name: path.read_text(encoding="utf-8") for path in BROKEN.glob("*.*")}


def analysed(files: dict[str, str], folder: Path) -> Analysis:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    inventory = load_inventory(folder)
    return analyse(inventory, TODAY, limits(inventory))


def identity(finding: Finding) -> tuple[object, ...]:
    return finding.code.code, finding.path


def errors_of(analysis: Analysis) -> set[tuple[object, ...]]:
    """What is wrong, class by class; by its place where no class is concerned."""
    found: set[tuple[object, ...]] = set()
    for finding in analysis.findings:
        if finding.severity is Severity.ERROR:
            whom = {(c.macs.witness, c.vlan, c.architecture, c.firmware) for c in finding.classes}
            found |= {(finding.code.code, *client) for client in whom} or {identity(finding)}
    return found


SITES = dict(inventories())


@pytest.fixture(scope="module")
def as_written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Analysis]:
    """The analysis of a page's inventory, or of the broken site; each is made once."""
    folder = tmp_path_factory.mktemp("sites")
    return functools.cache(lambda name: analysed(SITES[name], folder / name))


@pytest.mark.parametrize("name", SITES)
def test_an_obeyed_repair_takes_its_finding_away_and_brings_no_error(
    name: str, as_written: Callable[[str], Analysis], tmp_path: Path
) -> None:
    before = as_written(name)
    errors = errors_of(before)
    wrong = []
    for number, finding in enumerate(before.findings):
        if not finding.edits:
            continue
        edits = [(edit.kind, edit.path, edit.value) for edit in finding.edits]
        text = apply(SITES[name]["site.yaml"], edits)
        after = analysed({**SITES[name], "site.yaml": text}, tmp_path / str(number))
        new = errors_of(after) - errors
        left = [
            f for f in after.findings if (*identity(f), f.message) == (*identity(finding), finding.message)
        ]
        if left or new:
            wrong.append(
                (identity(finding), [e[:3] for e in edits], "stays" if left else "", sorted(new, key=str))
            )
    assert wrong == []


@pytest.mark.parametrize("name", SITES)
def test_no_repair_changes_a_server_that_is_fixed(name: str, as_written: Callable[[str], Analysis]) -> None:
    site = as_written(name)
    fixed = {server for server, declared in site.site.site.servers.items() if declared.fixed}
    for finding in site.findings:
        for edit in finding.edits:
            assert edit.path[:1] != ("servers",) or edit.path[1] not in fixed or finding.code.code == "CX317"


def test_the_kinds_without_edits_are_those_that_people_decide(as_written: Callable[[str], Analysis]) -> None:
    with_edits: set[str] = set()
    without: set[str] = set()
    for name in SITES:
        for finding in as_written(name).findings:
            (with_edits if finding.edits else without).add(finding.code.code)
    assert without - with_edits <= BY_HAND
    assert with_edits & BY_HAND == set()
