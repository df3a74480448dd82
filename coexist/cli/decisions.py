"""By which option a decision is said in a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from coexist.errors import Decision

OPTIONS: Mapping[Decision, str] = {
    "reason": "--reason REASON",
    "overwrite": "--overwrite",
    "overwrite-file": "--overwrite=PATH",
    "force": "--force",
    "history": "--history DIRECTORY",
    "gate": "--despite-gate REASON",
    "objections": "--despite REASON",
    "staying": "--leave-behind",
    "go-on": "--yes",
    "migration": "--migration NAME",
    "again": "--again",
}


def with_option(text: str, decision: Decision | None) -> str:
    """A sentence that says what is to be decided, with the option that says it."""
    return text if decision is None else f"{text} ({OPTIONS[decision]})"
