"""What the README and the guides show as typed is typed, in order, in a copy of the example inventories."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from coexist.cli import run
from tests.conftest import ROOT

PAGES = (
    "README.md",
    "docs/guides/campus.md",
    "docs/guides/check.md",
    "docs/guides/import.md",
    "docs/guides/own-files.md",
    "docs/guides/render.md",
    "docs/guides/review.md",
)
ADOPTED = ("dhcp1/etc/dhcp", "dns1/etc", "kea1/etc/kea")
OWN_FILES = ROOT / "tests" / "data" / "own-files"
TYPED = re.compile(r"^ {4}(?:\$ +)?coexist +(?P<words>.+)$")


class Typed(NamedTuple):
    """A command, and the lines that stand below it; none where its output is not shown."""

    words: list[str]
    shown: list[str]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def commands(page: str) -> Iterator[Typed]:
    """The commands of a page's blocks that a newcomer can type: those about an inventory of the repository,
    or about one that the page begins."""
    lines = re.sub(r" \\\n +", " ", (ROOT / page).read_text(encoding="utf-8")).splitlines()
    begun = {"out", "site", "main", "main:site"} if page.endswith("review.md") else {"out"}
    for number, line in enumerate(lines):
        found = TYPED.match(line)
        if found is None:
            continue
        words = shlex.split(found["words"], comments=True)
        about = words[words.index("-o") + 1] if words[0] == "import" else words[1]
        if words[0] in ("init", "adopt", "import") and not any("@" in word for word in words):
            begun.add(about)
        if about.split("/")[0] not in {"inventories", *begun} or "my-templates" in words:
            continue
        if words[0] == "serve" and "--check" not in words:
            words.append("--check")
        shown = []
        for below in lines[number + 1 :]:
            if (below and not below.startswith("    ")) or below.startswith("    $ ") or TYPED.match(below):
                break
            shown.append(below[4:])
        while shown and not shown[-1]:
            shown.pop()
        # In a block without prompts no output is shown.
        yield Typed(words, shown if line.startswith("    $") else [])


def agrees(shown: list[str], printed: list[str]) -> bool:
    """Whether the lines are the printed ones; ``...`` stands for any number of them."""
    if not shown:
        return not printed
    if shown[0].strip() == "...":
        return any(agrees(shown[1:], printed[skip:]) for skip in range(len(printed) + 1))
    return bool(printed) and fnmatch(printed[0], shown[0]) and agrees(shown[1:], printed[1:])


def prepare(folder: Path) -> None:
    """What a reader has: the inventories, and copies of the files of servers that nobody adopted yet."""
    shutil.copytree(ROOT / "inventories", folder / "inventories")
    for path in ADOPTED:
        shutil.copytree(ROOT / "inventories/adopted/servers" / path, folder / "copies", dirs_exist_ok=True)
    for file in (folder / "copies").glob("*.conf"):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        file.write_text("".join(line for line in lines if "/coexist." not in line), encoding="utf-8")
    shutil.copy2(OWN_FILES / "windows" / "office.xml", folder / "copies" / "export.xml")
    shutil.copy2(ROOT / "inventories" / "adopted" / "clients.csv", folder / "copies")


def propose(folder: Path) -> None:
    """A site in a git checkout, with a change that is not committed yet."""
    shutil.copytree(ROOT / "inventories" / "campus", folder / "site")
    git = [
        "git",
        "-C",
        str(folder),
        "-c",
        "user.name=kim",
        "-c",
        "user.email=kim@example.org",
        "-c",
        "commit.gpgsign=false",
    ]
    for words in (["init", "-q", "-b", "main"], ["add", "site"], ["commit", "-q", "-m", "as it is"]):
        subprocess.run([*git, *words], check=True)
    site = folder / "site" / "site.yaml"
    text = site.read_text(encoding="utf-8")
    changed = text.replace("answers: {except: [thin-clients, phones]}", "answers: nobody")
    assert changed != text
    site.write_text(changed, encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_typed(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path)
    if page.endswith("review.md"):
        propose(tmp_path)
    if page.endswith("import.md"):
        # Without a secret: who imports has the file as it is, not a copy of which `adopt` took it out.
        shutil.copy2(OWN_FILES / "dhcpd" / "office.conf", tmp_path / "copies" / "dhcpd.conf")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    typed = list(commands(page))
    assert typed
    wrong: list[tuple[object, ...]] = []
    for words, shown in typed:
        terminal = _Terminal()
        with contextlib.redirect_stdout(terminal), contextlib.redirect_stderr(terminal):
            code = run(words)
        printed = click.unstyle(terminal.getvalue()).rstrip("\n").splitlines()
        told = [line.rstrip() for line in printed]
        # Only the site with the classic mistakes has errors, and only the last one is changed.
        expected = 3 if words[0] == "diff" else int("inventories/broken" in words and words[0] == "check")
        if code != expected:
            wrong.append((words, code, told))
        elif shown and not agrees(shown, told):
            wrong.append((words, shown, told))
    assert wrong == []
