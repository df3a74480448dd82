"""A page for each pilot: what the inventory says of the machine, what was tried, room for what was not."""

from __future__ import annotations

import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from coexist.app.migrations import load
from coexist.app.pilots import other_complaints, pilot_pages
from coexist.cli import run
from coexist.report.pilot_page import file_names, pilot_page, pilots_page
from tests.conftest import ROOT
from tests.unit.planning.sites import tree

ITEMS = 3
HOSTILE = "<b>no sound</b>\u202e"


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: set[str] = set()
        self.outside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.outside += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words.add(data.strip())


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "inventories" / "hospital", tmp_path / "hospital"))


def checklist(folder: Path, *words: str) -> None:
    assert run(["checklist", words[0], str(folder), *words[1:]]) == 0


def test_a_page_for_each_pilot_with_what_the_inventory_says_of_it(hospital: Path) -> None:
    out = hospital / "pages"
    assert run(["migrate", "checklist", str(hospital), "-o", str(out)]) == 0
    table = load(hospital, None).inventory.clients
    pilots = [table.record(row) for row in range(len(table)) if "pilot" in table.columns["tags"][row]]
    assert {path.name for path in out.iterdir()} == {f"{pilot.name}.html" for pilot in pilots}
    assert len(pilots) == 4
    for pilot in pilots:
        text = (out / f"{pilot.name}.html").read_text()
        page = _Page(text)
        assert {pilot.name, pilot.location, pilot.hardware} <= page.words
        assert page.outside == []
        assert text.count('class="open"') == ITEMS


def test_what_was_recorded_is_shown_as_it_is(hospital: Path) -> None:
    checklist(hospital, "record", "tc-surgery-1", "2", "failed", "--who", "kim", "--note", HOSTILE)
    checklist(hospital, "complain", "--machine", "tc-surgery-1", "--note", "too loud", "--who", "sam")
    checklist(hospital, "complain", "--note", "the lift is slow", "--who", "sam")
    loaded = load(hospital, None)
    pages = {page.machine: page for page in pilot_pages(loaded)}
    told = pages["tc-surgery-1"]
    assert (told.missing, told.failed, told.moved) == (ITEMS - 1, 1, False)
    assert [number for number, _ in told.complaints] == [1]
    assert [number for number, _ in other_complaints(loaded)] == [2]
    page = _Page(pilot_page(told))
    assert "b" not in page.tags
    assert "<b>no sound</b>\\u202e" in page.words
    whole = _Page(pilots_page(loaded.name, tuple(pages.values()), other_complaints(loaded)))
    assert whole.tags.count("table") == len(pages)
    assert any("the lift is slow" in words for words in whole.words)


def test_no_two_pages_have_one_name(tmp_path: Path) -> None:
    plain = tree(pilots="pilot-machines", waves=[{"name": "rest"}])
    pilots = [client for client in plain["clients"] if "pilot" in client.get("tags", ())]
    for client, name in zip(pilots, ("Tc 1", "tc/1"), strict=True):
        client["name"] = name
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(plain))
    files = file_names(pilot_pages(load(tmp_path, None)))
    assert len({file.lower() for file in files}) == len(pilots)
    assert all(Path(file).name == file and not file.startswith(".") for file in files)


def test_a_migration_without_pilots_has_no_pages(tmp_path: Path) -> None:
    plain = tree(waves=[])
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(plain))
    assert run(["migrate", "checklist", str(tmp_path), "-o", str(tmp_path / "pages")]) == 2
