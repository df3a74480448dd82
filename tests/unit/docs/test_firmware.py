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


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_firmwares_parameters_are_documented(name: str) -> None:
    _, _, section = PAGE.partition(f"\n## {name}\n")
    section = section.partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", section, re.MULTILINE))
    rows.update(dict(re.findall(r"^\| `(\w+)` \| (``) \|", section, re.MULTILINE)))
    documented = {key: value.strip("`") for key, value in rows.items()}
    assert documented == {key: _shown(value) for key, value in parameters(BUILT_IN[name]).items()}
