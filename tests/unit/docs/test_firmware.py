"""docs/reference/firmware.md lists every parameter with its default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from coexist.boot.firmware import BUILT_IN, parameters

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "firmware.md").read_text(
    encoding="utf-8"
)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _section(name: str) -> str:
    _, _, section = PAGE.partition(f"\n## {name}\n")
    return section.partition("\n## ")[0]


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_firmwares_parameters_are_documented(name: str) -> None:
    section = _section(name)
    rows = re.findall(r"^\| `(\w+)` \| (`[^`]*`) \|", section, re.MULTILINE)
    documented = {key: value.strip("`") for key, value in rows}
    expected = {key: _shown(value) for key, value in parameters(BUILT_IN[name]).items()}
    like = re.search(r"Like ([\w.-]+)(?:, but for| in every parameter)", section)
    if like is not None:
        base = {key: _shown(value) for key, value in parameters(BUILT_IN[like[1]]).items()}
        expected = {key: value for key, value in expected.items() if base[key] != value}
    assert documented == expected


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_value_has_a_source_or_is_called_assumed(name: str) -> None:
    section = _section(name)
    if "\nSource: " in section:
        return
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows
    assert all(line.rstrip(" |").rpartition("| ")[2] for line in rows)
