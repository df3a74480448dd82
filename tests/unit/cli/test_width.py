"""What is said to people fits a terminal of 80 columns; what cannot be folded stands on a line of its own."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.cli import cli, run
from coexist.report.prose import folded

ROOT = Path(__file__).resolve().parents[3]
INVENTORIES = sorted(path.name for path in (ROOT / "inventories").iterdir() if path.is_dir())
WIDTH = 80
ANYONE = "52:54:00:99:99:99"
TEXTUAL = (
    "check {site}",
    "check {site} --select CX9",
    "matrix {site}",
    f"explain {{site}} {ANYONE}",
    f"explain {{site}} {ANYONE} --vlan nowhere",
    "render {site} -o {out}",
    "plan {site}",
    "plan {site} --only nobody-of-this-name",
    "history {site}",
    "rollback {site}",
    "migrate plan {site}",
    "migrate next {site}",
    "migrate back {site}",
    "migrate status {site}",
    "migrate status {site} --registry nobody-of-this-name={out}/a-registry-that-is-not-there.sqlite",
    "migrate parked {site}",
    "migrate retire {site}",
    "migrate plan {site} --migration none-of-this-name",
    "checklist show {site}",
    "checklist record {site} nobody-of-this-name USB passed",
    "checklist settle {site} 9",
    "clients list {site}",
    "serve {site} --check",
    "serve {site}/site.yaml --check",
    "apply {site}/site.yaml",
    "import dhcpd {site}/site.yaml -o {out}",
    "observe {site}/site.yaml",
    "init {site}",
    "no-such-command",
)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths as short as an administrator types them, and the width `rich` and `click` ask for."""
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.chdir(ROOT)


def shown(words: list[str], *, stdout: io.StringIO | None = None) -> tuple[int, str]:
    """The exit code, and what a terminal shows of both streams (or of stderr, if stdout goes elsewhere)."""
    terminal = _Terminal()
    with contextlib.redirect_stdout(stdout or terminal), contextlib.redirect_stderr(terminal):
        code = run(words)
    return code, terminal.getvalue()


def too_wide(text: str) -> list[str]:
    """Lines wider than the terminal although a blank would have let them be folded."""
    lines = click.unstyle(text).splitlines()
    return [line for line in lines if len(line) > WIDTH and " " in line.strip()]


@pytest.mark.parametrize("site", INVENTORIES)
@pytest.mark.parametrize("words", TEXTUAL)
def test_what_a_command_says_fits_the_terminal(tmp_path: Path, words: str, site: str) -> None:
    code, text = shown(words.format(site=f"inventories/{site}", out=tmp_path / "out").split())
    assert code in (0, 1, 2, 3), text
    assert text
    assert too_wide(text) == []


@pytest.mark.parametrize("site", INVENTORIES)
def test_the_reasons_of_solve_fit_the_terminal(site: str) -> None:
    patch = io.StringIO()  # lines of the administrator's own files
    code, text = shown(["solve", f"inventories/{site}"], stdout=patch)
    assert code in (0, 1)
    assert text
    assert too_wide(text) == []


def _commands(command: click.Command, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [words]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            found += _commands(inner, (*words, name))
    return found


@pytest.mark.parametrize("words", _commands(cli), ids=" ".join)
def test_help_fits_the_terminal_and_cuts_nothing_off(words: tuple[str, ...]) -> None:
    code, text = shown([*words, "--help"])
    assert code == 0
    assert too_wide(text) == []
    cut = [line for line in text.partition("\nCommands:")[2].splitlines() if line.endswith("...")]
    assert cut == []


WORDS = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=100)


@given(st.lists(WORDS.filter(lambda word: "`" not in word), min_size=1), st.integers(0, 8))
def test_folding_changes_blanks_only_and_breaks_no_word(words: list[str], hang: int) -> None:
    lines = folded(" ".join(words), "  ", hang=hang)
    assert " ".join(lines).split() == words
    for line in lines:
        assert len(line) <= WIDTH or len(line.split()) == 1
    assert all(line.startswith("  " + " " * hang) for line in lines[1:])


def test_folding_keeps_a_command_whole_and_each_lines_own_indentation() -> None:
    text = "first: " + "x" * 50 + " then `coexist checklist settle` ends it\n   second"
    assert folded(text) == [
        "first: " + "x" * 50 + " then",
        "  `coexist checklist settle` ends it",
        "   second",
    ]


def test_a_message_in_a_file_stays_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    place = tmp_path / "a-directory-with-a-long-name" / "site.yaml"
    assert run(["check", str(place)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{place}:1:1: ")
    assert line.endswith("`coexist init DIR`")


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = shown(["check", "inventories/broken"])[1]
    monkeypatch.setenv("NO_COLOR", "1")
    plain = shown(["check", "inventories/broken"])[1]
    assert "\x1b[" in coloured
    assert plain == click.unstyle(coloured)
