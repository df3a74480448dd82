"""Declarations that are wrong in themselves: what names them is not reported again."""

from __future__ import annotations

Broken = dict[str, set[str]]
"""By section, the names that are declared but wrong in themselves; ``EVERY_NAME`` when all of it is."""
EVERY_NAME = "*"
