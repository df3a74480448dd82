"""The journal of what people changed one by one: who, when, why and over which way.

One line a change in ``history/changes.jsonl``, beside the inventory; only its owner reads it.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from coexist.records import dataclass
from coexist.text.whole_files import write_whole

JOURNAL = Path("history") / "changes.jsonl"

Action = Literal[
    "register",
    "ignore",
    "accept",
    "undo",
    "pilot-link",
    "pilot-link-ended",
    "checklist",
    "complaint",
    "complaint-settled",
]
_UNDONE_BY_ONE_CLICK: tuple[Action, ...] = ("register", "ignore", "accept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Whoever changes something, and why. ``via``: console, api, pilot or command."""

    name: str
    why: str
    via: str = "console"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A change that was made. ``lines``: what was added to ``file``, or what was recorded; ``undoes``: the
    change it takes back."""

    id: str
    at: str
    who: str
    via: str
    action: Action
    why: str
    macs: tuple[str, ...] = ()
    file: str = ""
    lines: tuple[str, ...] = ()
    undoes: str = ""
    undone: bool = field(default=False, compare=False)

    @property
    def can_be_undone(self) -> bool:
        """Whether one click takes it back."""
        return self.action in _UNDONE_BY_ONE_CLICK and not self.undone


class Changes:
    """The journal of the inventory in the directory ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / JOURNAL

    def note(
        self,
        action: Action,
        who: Who,
        *,
        macs: Sequence[str] = (),
        file: Path | None = None,
        lines: Sequence[str] = (),
        undoes: str = "",
    ) -> Entry:
        """Write a change down, through to the disk."""
        entry = Entry(
            id=secrets.token_hex(6),
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            who=who.name,
            via=who.via,
            action=action,
            why=who.why,
            macs=tuple(macs),
            file=str(file) if file else "",
            lines=tuple(lines),
            undoes=undoes,
        )
        self._folder()
        said = {name: getattr(entry, name) for name in entry.__dataclass_fields__ if name != "undone"}
        with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as journal:
            journal.write(json.dumps(said, ensure_ascii=False) + "\n")
            journal.flush()
            os.fsync(journal.fileno())
        return entry

    def entries(self) -> list[Entry]:
        """Every change, oldest first. A line that cannot be read is passed over."""
        if not self.path.is_file():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                said = json.loads(line)
                found.append(Entry(**{**said, "macs": tuple(said["macs"]), "lines": tuple(said["lines"])}))
            except (ValueError, TypeError, KeyError):
                continue
        gone = {entry.undoes for entry in found if entry.undoes}
        return [replace(entry, undone=entry.id in gone) for entry in found]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One change at a time, also of several processes."""
        with (self._folder() / ".changes.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _folder(self) -> Path:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.path.parent


def replaced(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file whole or not at all; what others may do with one that is there stays as it is."""
    mode = path.stat().st_mode & 0o777 if path.exists() else mode
    write_whole(path, content, mode)
