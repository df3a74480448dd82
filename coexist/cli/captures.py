"""Captures that commands read, with a warning on stderr for one that is not whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from coexist.cli.prose import tell

if TYPE_CHECKING:
    from coexist.app.observe import Packet


def captured(path: Path) -> Iterator[Packet]:
    """Every UDP datagram of a capture with its time. Raises ``InputError``."""
    from coexist.app.observe import read_capture

    yield from read_capture(path)
    tell_damage([path])


def tell_damage(paths: Iterable[Path]) -> None:
    """Warn of each capture that is cut off or damaged."""
    from coexist.app.observe import damage

    for path in paths:
        lost = damage(path)
        if lost is not None:
            tell(f"warning: {lost}")
