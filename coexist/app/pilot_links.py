"""Pilots fill in the checklist of their own machine by a link: no log-in, that machine alone.

A link is a random secret. Only its SHA-256 lies beside the inventory (``history/pilots.json``), so a copy of
that file opens nothing. It ends after ``LASTS``, when it is renewed or taken back, when the machine is no
pilot any more, and when the old server is retired.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

from coexist.app.changes import Changes, Who, replaced
from coexist.app.checklists import RESULTS, add
from coexist.app.migrations import Loaded, load, local_now
from coexist.app.pilots import PilotPage, pilot_pages
from coexist.errors import CoexistError
from coexist.planning.checklist import Complaint, Entry
from coexist.records import dataclass
from coexist.text.closest import closest
from coexist.text.foreign import one_line

LINKS = Path("history") / "pilots.json"
LASTS = timedelta(days=30)
LONGEST_NAME, LONGEST_NOTE = 64, 500
_SECRET_OCTETS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link that is in force. ``digest``: the SHA-256 of its secret; ``until``: when it ends."""

    digest: str
    migration: str
    machine: str
    by: str
    until: datetime


class NoLinkError(CoexistError):
    """A link that opens nothing."""


class Pilots:
    """The links of an inventory's pilots. ``now``: the time, with its zone."""

    def __init__(self, path: Path, now: Callable[[], datetime] = local_now) -> None:
        self.path = path
        self.changes = Changes(path if path.is_dir() else path.parent)
        self._now = now

    @property
    def _file(self) -> Path:
        return self.changes.root / LINKS

    def links(self, migration: str) -> dict[str, Link]:
        """The links in force, by machine."""
        return {link.machine: link for link in self._read() if link.migration == migration}

    def renew(self, loaded: Loaded, machines: Sequence[str], who: Who) -> dict[str, str]:
        """A new secret for each of some pilot machines, told this once; an old link of it ends."""
        loaded.refuse_if_retired()
        pilots = loaded.sheet.machines
        for machine in machines:
            if machine not in pilots:
                raise CoexistError(f"there is no pilot machine {machine!r}; {closest(machine, pilots)}")
        if not machines:
            raise CoexistError("no machine is a pilot; name some below `pilots:` of the migration")
        made = {machine: secrets.token_urlsafe(_SECRET_OCTETS) for machine in machines}
        until = self._now() + LASTS
        new = [
            Link(digest=_digest(secret), migration=loaded.name, machine=machine, by=who.name, until=until)
            for machine, secret in made.items()
        ]
        with self.changes.locked():
            kept = [
                link for link in self._read() if link.migration != loaded.name or link.machine not in made
            ]
            self._write([*kept, *new])
            self.changes.note("pilot-link", who, lines=[f"{loaded.name}: {machine}" for machine in made])
        return made

    def end(self, migration: str, machine: str, who: Who) -> None:
        """Take a link back. Raises `CoexistError` if there is none."""
        with self.changes.locked():
            links = self._read()
            kept = [link for link in links if (link.migration, link.machine) != (migration, machine)]
            if len(kept) == len(links):
                raise CoexistError(f"{machine} of {migration} has no link")
            self._write(kept)
            self.changes.note("pilot-link-ended", who, lines=[f"{migration}: {machine}"])

    def open(self, secret: str) -> tuple[Link, Loaded]:
        """The link of a secret. Raises `NoLinkError` for one that opens nothing."""
        digest = _digest(secret)
        link = next((each for each in self._read() if secrets.compare_digest(each.digest, digest)), None)
        if link is None:
            raise NoLinkError("this link is not valid, or has ended; ask for a new one")
        loaded = load(self.path, link.migration)
        if loaded.state.retired is not None or link.machine not in loaded.sheet.machines:
            raise NoLinkError("this machine is tried no more; thank you")
        return link, loaded

    def page(self, secret: str) -> PilotPage:
        """What the pilot of a link sees. Raises `NoLinkError`."""
        link, loaded = self.open(secret)
        return next(page for page in pilot_pages(loaded) if page.machine == link.machine)

    def fill(
        self,
        secret: str,
        results: Mapping[int, tuple[str, str]],
        *,
        name: str,
        complaint: str = "",
    ) -> int:
        """Record what a pilot says: by the number of the item (from 1) a result and a note; a complaint.

        What is there already is not written again. Tells how much was new. Raises `CoexistError`.
        """
        link, loaded = self.open(secret)
        who = _said(name, LONGEST_NAME, "your name")
        if not who:
            raise CoexistError("write your name, so that somebody can ask you")
        sheet, at = loaded.sheet, self._now()
        entries = []
        for number, (result, note) in sorted(results.items()):
            if not result:
                continue
            if result not in RESULTS or not 0 < number <= len(sheet.items):
                raise CoexistError("this page is of another checklist; load it again")
            item, text = sheet.items[number - 1], _said(note, LONGEST_NOTE, "a note")
            last = sheet.cell(link.machine, item)
            if last is None or (last.result, last.note) != (result, text):
                entries.append(
                    Entry(at=at, machine=link.machine, item=item, result=result, who=who, note=text)
                )
        told = _said(complaint, LONGEST_NOTE, "what else is wrong")
        complaints = [Complaint(at=at, machine=link.machine, who=who, note=told)] if told else []
        if entries or complaints:
            add(loaded, entries, complaints)
        pilot = Who(name=who, why=f"{loaded.name}: {link.machine}", via="pilot")
        if entries:
            lines = [f"{each.item}: {each.result}" for each in entries]
            self.changes.note("checklist", pilot, macs=(), lines=lines)
        if complaints:
            self.changes.note("complaint", pilot, lines=[told])
        return len(entries) + len(complaints)

    def _read(self) -> list[Link]:
        """The links that have not ended."""
        if not self._file.is_file():
            return []
        try:
            rows = json.loads(self._file.read_text(encoding="utf-8"))["links"]
            links = [Link(**{**row, "until": datetime.fromisoformat(row["until"])}) for row in rows]
        except (OSError, ValueError, KeyError, TypeError) as error:
            remedy = "remove it and make the links again"
            raise CoexistError(f"{self._file}: this is no file of links ({error}); {remedy}") from None
        return [link for link in links if link.until > self._now()]

    def _write(self, links: Sequence[Link]) -> None:
        rows = [{**asdict(link), "until": link.until.isoformat(timespec="seconds")} for link in links]
        text = json.dumps({"links": rows}, indent=2, ensure_ascii=False) + "\n"
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replaced(self._file, text.encode(), 0o600)


def _said(text: str, longest: int, what: str) -> str:
    """What somebody typed, on one line. Raises `CoexistError` if it is too long."""
    found = one_line(text)
    if len(found) > longest:
        raise CoexistError(f"{what} has at most {longest} letters")
    return found


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
