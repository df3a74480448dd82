"""What begins work on another core, handed in from above by a program that may do so."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Wait: TypeAlias = Callable[[], bytes | memoryview | None]
"""Waits for a result and returns it; None if it could not be made there: then it is made here."""

Apart: TypeAlias = Callable[[Callable[[], bytes]], Wait]
"""Begins some work, whose result is octets, and returns at once."""
