"""Numbers with what they count."""

from __future__ import annotations

import pytest

from coexist.text.amounts import amount


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("file",), "0 files"),
        (1, ("file",), "1 file"),
        (2, ("file",), "2 files"),
        (1200, ("file",), "1,200 files"),
        (1, ("class", "classes"), "1 class"),
        (3, ("class", "classes"), "3 classes"),
    ],
)
def test_one_has_no_plural(number: int, words: tuple[str, ...], said: str) -> None:
    assert amount(number, *words) == said
