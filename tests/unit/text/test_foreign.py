from __future__ import annotations

import csv
import io
import json
import re

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.cli import run
from coexist.report.styles import MARK, style
from coexist.text.foreign import cell, harmless, markdown, markdown_code, one_line, styled

HOSTILE = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\r",
    "\x08",
    "\x7f",
    "\u202eevil",
    "\u2066x\u2069",
    "\udcff",
    "\u200b",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_acts_on_a_terminal_is_spelled_out(text):
    for filtered in (harmless(f"a{text}b"), one_line(f"a{text}b"), styled(f"a{text}b", 7), cell(f"a{text}b")):
        assert filtered.isprintable()
        assert filtered.isascii()


def test_ordinary_text_is_itself():
    text = "a\tb\nMüller ✓ 東京 \\x1b"
    assert harmless(text) == styled(text, 7) == text


def test_our_styles_stay():
    text = style("bold", bold=True, colour="red")
    assert styled(text, MARK) == click.style("bold", bold=True, fg="red")
    assert click.unstyle(text) == "bold"
    assert styled(style("x\x1b[2J", bold=True), MARK) == "\x1b[1mx\\u001b[2J\x1b[0m"


@pytest.mark.parametrize("code", ["8", "2", "30", "0", "38;5;0", "1;8"])
def test_styles_of_foreign_text_are_spelled_out(code):
    """One hides what follows, another makes an error look like none."""
    said = f"file \x1b[{code}mx"
    for text in (said, style(said, bold=True)):
        assert f"\\u001b[{code}mx" in styled(text, MARK)


@given(st.text())
def test_json_stays_the_same_json(text):
    written = json.dumps({"a": text}, ensure_ascii=False)
    assert json.loads(styled(written, 7)) == {"a": text}


@pytest.mark.parametrize("text", ["a;=1+1", "a; @x", "a|+1", "\uff1d1+1", "a;\uff0b1"])
def test_a_cell_is_no_formula_to_other_spreadsheets(text):
    assert all(part.strip()[:1] not in "=+-@\uff1d\uff0b" for part in re.split("[;|]", cell(text)))


@given(st.text())
def test_a_cell_is_one_and_no_formula(text):
    out = io.StringIO()
    csv.writer(out).writerow([cell(text)])
    (row,) = csv.reader(io.StringIO(out.getvalue()))
    assert len(row) == 1
    assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r"))


def test_markup():
    assert markdown("a*b [x](y) <script>") == "a\\*b \\[x](y) \\<script>"
    assert markdown_code("a`b|c\n# d") == "a'b\u00a6c # d"


def test_a_command_writes_no_control_characters(tmp_path, capsys):
    (tmp_path / "site.yaml").write_text('site: "a\\e[2J\\u202e"\n')
    run(["check", str(tmp_path)])
    run(["check", str(tmp_path / "\x1b[2Jx")])
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert "\u202e" not in said.out + said.err
