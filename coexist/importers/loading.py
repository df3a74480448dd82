"""An import that was written, read as an inventory: what cannot stand in one is told at its source."""

from __future__ import annotations

from pathlib import Path

from coexist.errors import InputError, Position, Problem
from coexist.importers.imported import Imported
from coexist.inventory import Inventory, load_inventory
from coexist.text.redaction import holds_secret


def loaded(folder: Path, imported: Imported) -> Inventory:
    """The inventory of a folder with an import that was written into it.

    Raises `InputError`: its places are files that stay when what was written is taken away again.
    """
    try:
        return load_inventory(folder)
    except InputError as error:
        raise InputError(_lasting(problem, folder, imported) for problem in error.problems) from None


def _lasting(problem: Problem, folder: Path, imported: Imported) -> Problem:
    """A problem at the source, with the line that the import made of it."""
    at = problem.position
    file = Path(at.file)
    lines = file.read_bytes().splitlines() if file.is_file() else []
    line = lines[at.line - 1].strip() if at.line <= len(lines) else b""
    quoted = "" if not line or holds_secret(line) else f" (`{line.decode('utf-8', 'replace')}`)"
    name = file.relative_to(folder) if file.is_relative_to(folder) else file
    remedy = f"{problem.remedy or 'change it in the source'}; nothing was imported"
    made = f"what was made of it is not valid, {name}:{at.line}{quoted}: {problem.message}"
    return Problem(Position(imported.sources[0]), made, remedy)
