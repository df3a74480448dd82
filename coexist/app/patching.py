"""Edits of an inventory as new texts of its files, and as a patch."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from coexist.analysis.edits import Edit
from coexist.inventory import Inventory
from coexist.planning.yaml_edit import EditError, apply


def changed_texts(
    inventory: Inventory, edits: Iterable[Edit]
) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Each file's text, as it is and with the edits; and what must be edited by hand."""
    by_file: dict[str, list[tuple[str, Any, Any]]] = defaultdict(list)
    for edit in edits:
        file = inventory.where(*edit.path).file
        by_file[file].append((edit.kind, edit.path, edit.value))
    texts, unreached = {}, []
    for file, wanted in by_file.items():
        # As octets: line ends and a byte-order mark stay.
        old = Path(file).read_bytes().decode()
        try:
            texts[file] = (old, apply(old, wanted))
        except EditError as error:
            unreached.append(f"{file}: {error}; make the changes above by hand (nothing was written)")
    return texts, unreached


def patch_text(file: str, old: str, new: str) -> str:
    """A unified diff, as `patch -p1` takes it."""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{file}", f"b/{file}"
    )
    unended = "\n\\ No newline at end of file\n"
    return "".join(line if line.endswith("\n") else line + unended for line in lines)
