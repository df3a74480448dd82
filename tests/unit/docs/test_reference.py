"""The generated reference says what the models say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_generated_reference_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "scripts" / "make-reference.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    stale = [path.name for path, text in script.outputs().items() if path.read_text() != text]
    assert stale == [], "run .venv/bin/python scripts/make-reference.py"
