"""The smallest change that makes the intent true, as a patch of the inventory's files."""

from __future__ import annotations

from pathlib import Path

from coexist.app.patching import changed_texts, patch_text
from coexist.inventory import load_inventory
from coexist.planning.solve import Solution, solve
from coexist.records import dataclass

__all__ = ["Solution", "Solved", "solve_site"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """A solution. ``texts``: by file the text as it is and as solved; ``unreached``: what must be edited
    by hand."""

    solution: Solution
    texts: dict[str, tuple[str, str]]
    unreached: tuple[str, ...]

    @property
    def patch(self) -> str:
        """The change, as `patch -p1` takes it."""
        return "".join(patch_text(file, old, new) for file, (old, new) in self.texts.items())

    def write(self) -> None:
        """Change the inventory's files."""
        for file, (_, new) in self.texts.items():
            Path(file).write_bytes(new.encode())


def solve_site(path: Path) -> Solved:
    """Derive what is missing from the intent. Raises `InputError`."""
    loaded = load_inventory(path)
    solution = solve(loaded)
    texts, unreached = changed_texts(loaded, solution.edits)
    return Solved(solution=solution, texts=texts, unreached=tuple(unreached))
