"""Hold the branches that tests take in each room against what they must be (`tool.branch-coverage`).

    make coverage

Reads the data that pytest-cov left (`.coverage`) and prints each room. Where one is below its gate, it names
the modules with the most branches left, and ends with 1. It counts branches alone: lines that run prove less.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """The branches of one module: how many there are, and how many were taken."""

    path: str
    branches: int
    taken: int


def modules(report: Mapping[str, object]) -> Iterator[Module]:
    """The modules of coverage's JSON report."""
    files = report["files"]
    assert isinstance(files, dict)
    for path, found in files.items():
        summary = found["summary"]
        yield Module(path=path, branches=summary["num_branches"], taken=summary["covered_branches"])


def judged(room: str, least: float, measured: list[Module]) -> tuple[bool, list[str]]:
    """Whether a room passes, and the lines that say so."""
    mine = [module for module in measured if module.path.startswith(f"coexist/{room}/")]
    total = sum(module.branches for module in mine)
    if not total:
        return False, [f"coexist/{room}: nothing was measured"]
    share = 100 * sum(module.taken for module in mine) / total
    passes = share >= least
    lines = [f"coexist/{room}: {share:.1f}% of {total} branches, at least {least:g}%"]
    if not passes:
        left = sorted(mine, key=lambda module: module.taken - module.branches)[:SHOWN]
        lines += [f"  {module.path}: {module.branches - module.taken} are not taken" for module in left]
    return passes, lines


def main() -> int:
    """Print every room; 1 where one is below its gate."""
    gates = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["branch-coverage"]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "-q", "-o", str(target)]
        subprocess.run(command, check=True, cwd=ROOT)
        measured = list(modules(json.loads(target.read_text())))
    results = [judged(room, least, measured) for room, least in gates.items()]
    for _, lines in results:
        print("\n".join(lines))
    return 0 if all(passes for passes, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
