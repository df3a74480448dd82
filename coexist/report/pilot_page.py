"""Pilots' pages to print or to send: one machine each, with empty boxes where nothing was recorded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from coexist.report.page import filled

if TYPE_CHECKING:
    from coexist.app.pilots import PilotPage
    from coexist.planning.checklist import Complaint

_STATES = {"passed": "kept", "failed": "broken", "not-applicable": "soft"}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def pilot_page(page: PilotPage) -> str:
    """One machine as a page of its own."""
    return _page(f"{page.machine}: {page.migration}", [page])


def pilots_page(
    migration: str, pages: Sequence[PilotPage], others: Sequence[tuple[int, Complaint]] = ()
) -> str:
    """All machines in one document that prints a machine a page; ``others``: complaints about no pilot."""
    return _page(f"Checklist of {migration}", pages, others)


def _page(title: str, pages: Sequence[PilotPage], others: Sequence[tuple[int, Complaint]] = ()) -> str:
    return filled("report/pilots.html.j2", title=title, pages=pages, others=others, states=_STATES, made="")


def file_names(pages: Sequence[PilotPage]) -> tuple[str, ...]:
    """What each page's file is called: by the machine, and never two alike."""
    names: list[str] = []
    taken: set[str] = set()
    for page in pages:
        stem = _NOT_IN_NAMES.sub("-", page.machine).strip(".-") or "machine"
        name, number = stem, 2
        while name.lower() in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.add(name.lower())
        names.append(f"{name}.html")
    return tuple(names)
