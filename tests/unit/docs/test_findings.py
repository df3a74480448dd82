"""Each page of a finding: its failing inventory names the code, its repaired one is clean."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from coexist.analysis import Analysis, analyse
from coexist.analysis.catalogue import CATALOGUE
from coexist.analysis.rules import KINDS
from coexist.apart import Wait
from coexist.inventory import load_inventory
from coexist.render import render_site

PAGES = Path(__file__).resolve().parents[3] / "docs" / "findings"
CHECKED = sorted(KINDS)
BLOCK = re.compile(r"^## (Failing|Repaired)\n+```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
TODAY = date(2026, 1, 15)


def blocks(code: str) -> dict[str, str]:
    """The fenced inventories of a page by the heading above them."""
    text = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    return {
        heading.lower(): yaml
        for heading, yaml in re.findall(
            r"^## (Failing|Repaired)\n+```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL
        )
    }


def own_files(code: str, heading: str, folder: Path) -> None:
    """Write the files that a page shows below an inventory: fenced, with their path behind the language."""
    text = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    section = text.partition(f"## {heading.capitalize()}\n")[2].partition("\n## ")[0]
    for path, content in re.findall(r"^```\w+ (\S+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")


def analysed(text: str, folder: Path) -> Analysis:
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    return analyse(load_inventory(folder), TODAY)


@pytest.mark.parametrize("code", CHECKED)
def test_the_failing_inventory_of_the_page_names_the_code_and_the_repaired_one_is_clean(
    code: str, tmp_path: Path
) -> None:
    own_files(code, "failing", tmp_path)
    failing = analysed(blocks(code)["failing"], tmp_path)
    found = [finding for finding in failing.findings if finding.code.code == code]
    assert found, [f.code.code for f in failing.findings]
    for finding in found:
        assert finding.position.line > 1, finding.position
        assert finding.repair
        if finding.clients and finding.witness:
            assert finding.witness.vlan in failing.site.site.vlans
    own_files(code, "repaired", tmp_path)
    repaired = analysed(blocks(code)["repaired"], tmp_path)
    assert [f"{f.code.code} {f.message}" for f in repaired.findings] == []


@pytest.mark.parametrize("code", CHECKED)
def test_the_failing_inventory_fails_alike_where_its_declarations_are_looked_into_apart(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a rule asks how a race ends."""
    monkeypatch.setattr("coexist.analysis.check._WORTH_TWO", 0)
    own_files(code, "failing", tmp_path)
    alone = analysed(blocks(code)["failing"], tmp_path)
    apart = analyse(load_inventory(tmp_path), TODAY, apart=done_at_once)
    assert apart.findings == alone.findings
    assert [found.classes for found in apart.findings] == [found.classes for found in alone.findings]


def done_at_once(work: Callable[[], bytes]) -> Wait:
    """Work that is done here, and whose result is carried all the same."""
    result = work()
    return lambda: result


# Every product that an inventory can name has a renderer, so no inventory shows the lack of one.
WITHOUT_INVENTORY = {"CX517"}


@pytest.mark.parametrize(
    "code", sorted(code for code in CATALOGUE if code.startswith("CX5") and code not in WITHOUT_INVENTORY)
)
def test_the_failing_inventory_of_a_target_names_the_code_when_it_is_rendered(
    code: str, tmp_path: Path
) -> None:
    for heading, expected in (("failing", True), ("repaired", False)):
        own_files(code, heading, tmp_path)
        (tmp_path / "site.yaml").write_text(blocks(code)[heading], encoding="utf-8")
        found = [finding.code.code for finding in render_site(load_inventory(tmp_path)).findings]
        assert (code in found) == expected, (heading, found)


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_code_has_a_page_with_its_name_and_severity(code: str) -> None:
    text = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {code} {CATALOGUE[code].name}\n")
    assert f"Severity: {CATALOGUE[code].severity}." in text


def test_there_is_no_page_of_a_code_that_does_not_exist() -> None:
    assert {path.stem for path in PAGES.glob("CX*.md")} <= set(CATALOGUE)


def test_at_least_forty_codes_are_checked_without_running_anything() -> None:
    assert len(CHECKED) >= 40
