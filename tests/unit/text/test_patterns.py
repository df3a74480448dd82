"""A pattern that is compiled at its first use does what a compiled one does."""

from __future__ import annotations

import re

import pytest

from coexist.text.patterns import pattern


def test_it_finds_what_a_compiled_one_finds() -> None:
    late, compiled = pattern(r"(a+)b", re.IGNORECASE), re.compile(r"(a+)b", re.IGNORECASE)
    for text in ("xAAb", "b", "aab ab"):
        assert late.findall(text) == compiled.findall(text)
        assert late.sub("-", text) == compiled.sub("-", text)
    assert (late.pattern, late.flags) == (compiled.pattern, compiled.flags)
    assert pattern(rb"\d").search(b"a1") is not None


def test_it_is_compiled_once_and_not_before() -> None:
    wrong = pattern("(")
    with pytest.raises(re.error):
        wrong.match("")
    late = pattern("a")
    assert late.match is late.match
