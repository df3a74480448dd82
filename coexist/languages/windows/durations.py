"""Durations as .NET writes a TimeSpan."""

from __future__ import annotations

import re

from coexist.wire.option_codes import INFINITE_LEASE

_DURATION = re.compile(r"(?:(\d+)\.)?(\d+):(\d+):(\d+)(?:\.\d+)?\Z")


def seconds_of(text: str) -> int | None:
    """The seconds of ``8.00:00:00``, at most `INFINITE_LEASE`; None for what is none."""
    found = _DURATION.match(text)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return min(days * 86400 + hours * 3600 + minutes * 60 + seconds, INFINITE_LEASE)
