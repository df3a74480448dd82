"""Sentences for people: 80 columns, what must stay whole stays whole."""

from __future__ import annotations

import re
import textwrap

WIDTH = 80
UNFOLDED = 1_000_000
"""A width that no line has."""

_COMMAND = re.compile(r"`[^`\n]{1,60}`")
_TIE = "\x1f"  # stands for a blank that no line ends at; no text of an inventory has it


def instant(seconds: float) -> str:
    """A time of a race, to a tenth of a millisecond: in ms within the first second, in s after it."""
    tenths = round(seconds * 10_000)
    if not 0 < abs(tenths) < 10_000:
        return f"{tenths / 10_000:.4f}".rstrip("0").rstrip(".") + " s"
    return f"{tenths / 10:.1f}".removesuffix(".0") + " ms"


def folded(text: str, indent: str = "", *, hang: int = 2, width: int = WIDTH) -> list[str]:
    """The lines of ``text`` at most ``width`` wide; each keeps its own indentation after ``indent``.

    What follows a fold hangs by ``hang`` columns. A word longer than the line is not broken, and neither
    is a command in backticks.
    """
    lines: list[str] = []
    for line in text.splitlines():
        own = indent + line[: len(line) - len(line.lstrip(" "))]
        said = line.lstrip(" ")
        if len(own) + len(said) <= width and said.isprintable() and not said.endswith(" "):
            lines.append(own + said if said else "")  # as textwrap has it, which takes its time
            continue
        tied = _COMMAND.sub(lambda command: command[0].replace(" ", _TIE), said)
        parts = textwrap.wrap(
            tied,
            width,
            initial_indent=own,
            subsequent_indent=own + " " * hang,
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += [part.replace(_TIE, " ") for part in parts] or [""]
    return lines
