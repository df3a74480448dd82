"""The remedy for a word that is not known: the known one that is most like it."""

from __future__ import annotations

from collections.abc import Iterable

_MOST_NAMES = 12


def closest(word: str, known: Iterable[str]) -> str:
    """A remedy that names the most similar known word, or lists them, the first dozen of many."""
    from difflib import get_close_matches  # only needed once something is wrong

    names = sorted(known)
    small = {name.lower(): name for name in reversed(names)}
    near = get_close_matches(word, names, n=1) or get_close_matches(word.lower(), small, n=1)
    if near:
        return f"did you mean {small.get(near[0], near[0])!r}?"
    shown = ", ".join(names[:_MOST_NAMES])
    if len(names) > _MOST_NAMES:
        shown += f" and {len(names) - _MOST_NAMES} more"
    return f"known: {shown}" if names else "none is declared"
