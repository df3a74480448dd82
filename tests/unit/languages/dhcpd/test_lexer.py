"""Lines and columns of a dhcpd.conf, however long it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.errors import Position
from coexist.languages.dhcpd.lexer import Lexer

PIECE = 4096


@given(st.text("a\n", max_size=300), st.integers(0, 2 * PIECE), st.data())
def test_a_place_is_its_line_and_column(text: str, before: int, data: st.DataObject) -> None:
    whole = "x" * before + text
    offset = data.draw(st.integers(0, len(whole)))
    *ended, line = whole[:offset].split("\n")
    assert Lexer(whole, "f").position(offset) == Position("f", len(ended) + 1, len(line) + 1)


@pytest.mark.parametrize("length", [0, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_the_end_of_a_text_has_a_place(length: int) -> None:
    assert Lexer("\n" * length, "f").position(length) == Position("f", length + 1, 1)
