"""What a client could ask for to load its file in fewer round trips.

In TFTP a server answers what a client asked for and offers nothing by itself (RFC 2347: an OACK has no option
that was not requested). So a client that asks for no windowsize waits for a round trip after each block,
whatever the server can do, and only its own settings change that.
"""

from __future__ import annotations

from coexist.boot.tftp_transfer import Agreed, Limits
from coexist.records import dataclass

WORTH_ROUND_TRIPS = 500
"""Fewer are no matter: half a second at a millisecond each."""
WORTH_TIMES = 2
"""A change that saves less than this is none that anybody notices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """``options``: what to ask for, with the most that the server agrees to. ``round_trips``: how many the
    transfer took, and how many it would have taken (``could_be``)."""

    options: dict[str, int]
    round_trips: int
    could_be: int

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.options.items())


def advice(agreed: Agreed, size: int, limits: Limits) -> Advice | None:
    """How a transfer of ``size`` octets on these terms would have been faster; None where it was well.

    A client that asked for windows, if only small ones, knows of them: its firmware chose (UEFI asks for 4).
    """
    blksize, windowsize = agreed.blksize, agreed.windowsize
    options = {}
    if WORTH_TIMES * blksize <= limits.blksize:
        blksize = options["blksize"] = limits.blksize
    if "windowsize" not in agreed.options and limits.windowsize > 1:
        windowsize = options["windowsize"] = limits.windowsize
    took = _round_trips(size, agreed.blksize, agreed.windowsize)
    could_be = _round_trips(size, blksize, windowsize)
    if took < WORTH_ROUND_TRIPS or took < WORTH_TIMES * could_be:
        return None
    return Advice(options=options, round_trips=took, could_be=could_be)


def _round_trips(size: int, blksize: int, windowsize: int) -> int:
    return -(-(size // blksize + 1) // windowsize)
