"""Numbers with what they count, as people say them."""

from __future__ import annotations


def amount(number: int, one: str, many: str = "") -> str:
    """``1 file``, ``2 files``, ``1,200 files``; ``many`` is the plural where it is not ``one`` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
