"""The ways by which clients go from one server, the giver, to another, the taker.

Two servers' files cannot be changed at one instant. So a way is a row of single changes, and each moment
between two of them may last for ever. A moment with two servers holds where one of them only *stands by*: it
answers later than the other, so much that no firmware prefers it, and early enough that each waits for it.
`coexist migrate` moves the clients of a wave by one of them (`coexist.planning.steps`), `coexist apply` all
clients whose server differs (`coexist.planning.together`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from coexist.inventory.values import Delay
from coexist.records import dataclass

Way = Literal[
    "hand-over",
    "giver-stands-by",
    "taker-stands-by",
    "overlap",
    "gap",
    "either",
    "put-in-place",
    "direct",
    "take-away",
]
"""The first four leave every client with exactly one server; the others are what `Migration.during` allows:
a moment without one, both at once, or a server between the two, which is put in place, moves clients by one
change each, and is taken away."""
PUT_IN_PLACE, TAKE_AWAY = "put-in-place", "take-away"
"""The names of the two steps of a server that stands between; no wave has a name with a way's."""

Part = Literal["giver", "taker"]
Does = Literal["is ready", "stands by", "hands over", "answers", "lets go"]
"""``is ready``: it has the clients' files, but says nothing. ``hands over``: it names the taker's files."""

_ASKS_TWICE = Delay(since_first=0.5)
HAND_OVER_DELAYS = (_ASKS_TWICE, Delay())
"""How the giver answers while it names the taker's files: both answers are the same boot then, whoever asks
how often. Who was answered does not ask again, so with the first only one of the two is heard: iPXE asks
again after 1.0 s, EDK2 after 3.1 to 3.9 s, PXE 2.1 ROMs after 2 to 4 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One change of one of the two servers. ``what``: a sentence without subject, with places to fill.

    ``settles``: boots that began must have ended before it (``Migration.settle``). ``cuts``: a boot that
    is under way with this server at that very moment may have to be repeated. Until the next change the
    clients have no server (``gap``), or both (``either``).
    """

    part: Part
    does: Does
    what: str
    settles: bool = False
    cuts: bool = False
    gap: bool = False
    either: bool = False


_LETS_GO = "no longer answers them"
_GIVEN_UP = Act(part="giver", does="lets go", what=_LETS_GO, settles=True)

WAYS: Mapping[Way, tuple[Act, ...]] = {
    "hand-over": (
        Act(part="taker", does="is ready", what="has the files for {count} ready, but is silent"),
        Act(part="giver", does="hands over", what="names the files of {taker} in its answers{asked}"),
        Act(part="taker", does="answers", what="answers them too, with the same files"),
        _GIVEN_UP,
    ),
    "giver-stands-by": (
        Act(part="giver", does="stands by", what="answers {count} only {delay}"),
        Act(part="taker", does="answers", what="answers them at once, and so wins"),
        _GIVEN_UP,
    ),
    "taker-stands-by": (
        Act(part="taker", does="stands by", what="answers {count} too, only {delay}"),
        Act(part="giver", does="lets go", what=_LETS_GO, cuts=True),
        Act(part="taker", does="answers", what="answers them at once"),
    ),
    "overlap": (Act(part="taker", does="answers", what="answers {count} too"), _GIVEN_UP),
    "gap": (
        Act(
            part="giver",
            does="lets go",
            what="no longer answers {count}: they have no server until the next change",
            cuts=True,
            gap=True,
        ),
        Act(part="taker", does="answers", what="answers them"),
    ),
    "either": (
        Act(
            part="taker",
            does="answers",
            what="answers {count} too: they boot from either until the next change",
            either=True,
        ),
        _GIVEN_UP,
    ),
}
"""What the two servers do, one after the other. A server between the two has changes of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """What one of the two servers can do. ``standby``: how it can answer some of its clients late."""

    standby: tuple[Delay, ...] = ()
    names_others_files: bool = False
    gives_files_silently: bool = False


def ways_between(giver: End, taker: End, *, first: Part = "giver") -> Iterator[tuple[Way, Delay]]:
    """Every way the two can express that is to leave each client with exactly one server, best first.

    ``first``: which of them is asked first to stand by.
    """
    if giver.names_others_files and taker.gives_files_silently:
        yield from (("hand-over", delay) for delay in HAND_OVER_DELAYS)
    late: list[list[tuple[Way, Delay]]] = [
        [("giver-stands-by", delay) for delay in giver.standby],
        [("taker-stands-by", delay) for delay in taker.standby],
    ]
    for tried in late if first == "giver" else reversed(late):
        yield from tried
    yield "overlap", Delay()
