"""The documentation as a whole: nothing is missing from its index, no link is dead, every command exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from coexist.cli import COMMANDS, cli

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "inventories").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
PATH = re.compile(r"\b(?:docs|inventories|scripts|packaging|tests)/[\w./-]*\w")
CONTINUED = re.compile(r" \\\n +")
COMMAND = re.compile(r"^(?: {4})?(?:[$#] +)?coexist +(.*)$")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _anchors(page: Path) -> set[str]:
    """The anchors of headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_no_link_is_dead(page: Path) -> None:
    dead = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if "://" in link or link.startswith("mailto:"):
            continue
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            dead.append(link)
    assert dead == []


def test_the_index_names_every_page() -> None:
    linked = set(LINK.findall((DOCS / "README.md").read_text(encoding="utf-8")))
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    missing = {page for page in pages - linked if not re.match(r"findings/CX\d+\.md|README\.md", page)}
    assert missing == set()


def test_what_the_program_calls_a_page_or_a_folder_is_there() -> None:
    sources = [*(ROOT / "coexist").rglob("*.py"), ROOT / "README.md", *(DOCS / "guides").glob("*.md")]
    named = {path: source for source in sources for path in PATH.findall(source.read_text(encoding="utf-8"))}
    assert "docs/findings/README.md" in named
    missing = {
        path: _name(source)
        for path, source in named.items()
        if path.startswith(("docs/", "inventories/", "scripts/", "packaging/")) and not (ROOT / path).exists()
    }
    # A site of the migration guide's reader.
    assert {path for path in missing if path != "inventories/site"} == set(), missing


def _lines() -> Iterator[tuple[str, str]]:
    """Every line of a page's blocks that calls the program."""
    for page in PAGES:
        if page.name in ("CHANGELOG.md", "command-line.md"):
            continue
        fenced = False
        for line in CONTINUED.sub(" ", page.read_text(encoding="utf-8")).splitlines():
            if line.startswith("```"):
                fenced = not fenced
            found = COMMAND.match(line)
            if found and (fenced or line.startswith("    ")):
                yield _name(page), found[1]


@pytest.mark.parametrize(("page", "line"), list(_lines()))
def test_a_command_of_the_documentation_exists_with_its_options(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    command: click.Command = cli
    while isinstance(command, click.Group):
        inner = command.get_command(click.Context(command), words.pop(0))
        assert inner is not None
        command = inner
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    given = {word.partition("=")[0] for word in words if word.startswith("-") and len(word) > 1}
    assert given <= known


def test_the_guides_show_every_command() -> None:
    shown = " ".join(page.read_text(encoding="utf-8") for page in (DOCS / "guides").glob("*.md"))
    assert [name for name in COMMANDS if f"coexist {name}" not in shown] == []


def _all(command: click.Command, words: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _all(inner, f"{words} {name}")
    else:
        yield words, command


@pytest.mark.parametrize(("words", "command"), list(_all(cli, "coexist")))
def test_every_command_and_option_says_what_it_is_for(words: str, command: click.Command) -> None:
    assert command.help, words
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{words} {parameter.opts[0]}"
            assert parameter.help.endswith("."), f"{words} {parameter.opts[0]}: {parameter.help}"
