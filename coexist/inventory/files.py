"""Files an inventory names: their content, or why there is none."""

from __future__ import annotations

import stat
from pathlib import Path

from coexist.errors import Position, Problem, unreadable
from coexist.text.closest import closest

MAIN_FILE = "site.yaml"
"""What an inventory is called in its folder."""


def shown(path: Path) -> str:
    """The path as the person at the terminal would type it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_named(root: Path, name: str, place: Position, problems: list[Problem]) -> bytes | None:
    """The octets of the file that ``place`` names, relative to ``root``; None, and a problem, without it."""
    path = root / name
    try:
        if stat.S_ISREG(path.stat().st_mode):
            return path.read_bytes()
    except (FileNotFoundError, ValueError):  # ValueError: a NUL in the name
        others = sorted(file.name for file in root.glob("*.csv"))
        remedy = closest(name, others) if others else "write it, or remove the line"
        problems.append(Problem(place, f"there is no file {name}", remedy))
        return None
    except OSError as error:
        problems.append(unreadable(error, place, name))
        return None
    problems.append(Problem(place, f"{name} is a directory or a device, not a file", "name a CSV file"))
    return None
