from __future__ import annotations

import csv
import io
import json

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.cli import run
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
    for filtered in (harmless(f"a{text}b"), one_line(f"a{text}b"), styled(f"a{text}b"), cell(f"a{text}b")):
        assert filtered.isprintable()
        assert filtered.isascii()


def test_ordinary_text_is_itself():
    text = "a\tb\nMüller ✓ 東京 \\x1b"
    assert harmless(text) == styled(text) == text


def test_our_styles_stay():
    text = click.style("bold", bold=True, fg="red")
    assert styled(text) == text
    assert styled("\x1b[1mx\x1b[2J\x1b[0m") == "\x1b[1mx\\u001b[2J\x1b[0m"


@given(st.text())
def test_json_stays_the_same_json(text):
    written = json.dumps({"a": text}, ensure_ascii=False)
    assert json.loads(styled(written)) == {"a": text}


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
