"""Run the benchmarks one after another and print one table: figures, ratios, what is wanted, the load.

usage: bench.py [NAME...]: all of benchmarks/, or those named. Each has three minutes; what does not end by
then, or when this is interrupted, is told to end and cleans up after itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
MOST_SECONDS = 180
_CLEANING_SECONDS = 30
_MISSED = 3  # a figure is not what is wanted: benchmarks/stage
# The median of the rounds' ratios first: what both figures of a round have in common goes out of it.
_RATIOS = ("ratio_by_round", "ratios_by_round", "ratio", "ratios", "ratio_wall")
_NO_FIGURES = ("ratio", "load", "wanted", "limit", "cpu")
_HEAD = ("benchmark", "case", "figures", "ratio", "wanted", "load", "s")


def run(program: Path) -> tuple[list[dict[str, Any]], float, str]:
    """The JSON lines of a benchmark, how long it took, and what went wrong."""
    begun = time.monotonic()
    process = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True)
    try:
        out, _ = process.communicate(timeout=MOST_SECONDS)
        wrong = "" if process.returncode in (0, _MISSED) else f"exit code {process.returncode}"
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=_CLEANING_SECONDS)
        wrong = f"not ready after {MOST_SECONDS} s"
    except BaseException:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=_CLEANING_SECONDS)
        raise
    lines = [line for line in out.splitlines() if line.startswith("{")]
    return [json.loads(line) for line in lines], time.monotonic() - begun, wrong


def row(name: str, found: dict[str, Any], seconds: float) -> tuple[str, ...]:
    """A line of the table."""
    case = str(found.get("case") or found.get("benchmark") or name)
    ratio = next((found[key] for key in _RATIOS if key in found), "")
    wanted = found.get("wanted", found.get("limit", ""))
    figures = ", ".join(
        f"{key} {_short(value)}"
        for key, value in found.items()
        if not key.startswith(_NO_FIGURES) and _is_figure(value)
    )
    load = str(found.get("load", round(os.getloadavg()[0], 2)))
    return name, case, figures, _short(ratio), _short(wanted), load, f"{seconds:.0f}"


def _is_figure(value: object) -> bool:
    """A number, or some that have names, as quantiles have."""
    values = value.values() if isinstance(value, dict) else (value,)
    return all(isinstance(each, int | float) for each in values)


def _short(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items())
    return str(value)


def table(rows: list[tuple[str, ...]]) -> str:
    """The rows in columns."""
    widths = [max(len(each[column]) for each in rows) for column in range(len(_HEAD))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(each, widths, strict=True)) for each in rows)
    return "\n".join(line.rstrip() for line in lines)


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    named = sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.py"))
    rows = [_HEAD]
    failed = 0
    for name in named:
        print(f"{name} ...", file=sys.stderr, flush=True)
        found, seconds, wrong = run(FOLDER / f"{name}.py")
        rows += [row(name, each, seconds) for each in found]
        if wrong:
            failed += 1
            rows.append((name, wrong, "", "", "", f"{os.getloadavg()[0]:.2f}", f"{seconds:.0f}"))
    print(table(rows))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
