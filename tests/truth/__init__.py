"""Predict recorded boots from their scenarios, and hold the predictions against what happened.

    python -m tests.truth FILE.json

prints one JSON line a row (``id``, ``predicted``: the possible winners, null for none, ``file``, ``seconds``,
``agrees``, ``why``) and a summary, and exits 1 if any row disagrees. A row agrees if its winner is one of the
predicted ones, that winner's file is the one that was asked for, and the request came when predicted:
within `TOLERANCE` of the predicted span, or, where other work on the machine stretched the guest's clock,
later by no more than `STRETCH` with exactly as many DISCOVERs as predicted. Order is never excused. Where the
recording goes on after the first file, what the client asks for next must be predicted too (`after`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from coexist.analysis.chain import Stages, stages
from coexist.analysis.entries import after_failure
from coexist.analysis.race import Outcome, RaceResult
from coexist.errors import CoexistError
from tests.lineup import InexpressibleError, LineUp, line_up
from tests.truth import after

TOLERANCE = 0.9
"""Seconds: what emulation adds to a client's own steps."""
STRETCH = 6.0
"""Seconds: how far other work on the machine was seen to stretch a client's windows."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What may happen: outcomes, and who can win in their order."""

    outcomes: tuple[Outcome, ...]
    winners: tuple[str | None, ...]
    why: str
    expressible: bool = True
    ways: tuple[after.Expected, ...] = ()


def predict(scenario: Mapping[str, Any]) -> Prediction:
    """Predict one scenario; what it cannot express is a prediction of nothing."""
    try:
        lined_up = line_up(scenario)
    except (InexpressibleError, CoexistError, KeyError, ValueError) as error:
        return Prediction((), (), f"not expressible: {error!r}", expressible=False)
    if not lined_up.has_driver:
        why = "its firmware has no driver for its network card: it sends nothing"
        nothing = Outcome(winner=None, boot_server=None, file=None, seconds=None, why=why)
        return Prediction((nothing,), (None,), why)
    boot = stages(lined_up.world, lined_up.case)
    result = boot.first
    outcomes = tuple(
        seen
        for outcome in result.outcomes
        for seen in _recorded(_asked(outcome, lined_up), lined_up.recorded)
    )
    winners = tuple(dict.fromkeys(outcome.winner for outcome in outcomes))

    def failed(file: str) -> Stages | None:
        return after_failure(lined_up.world, lined_up.case, file)

    ways = after.expected(boot, lined_up.files, lined_up.world.owners, failed)
    return Prediction(outcomes, winners, _why(result), ways=tuple(ways))


def _asked(outcome: Outcome, lined_up: LineUp) -> Outcome:
    """What a recording shows of an outcome: its winner is the server that was asked for the file.

    An address that nobody has is never asked (ARP), nor is a host without the address of its name, nor one
    that does not listen.
    """
    if outcome.boot_server is None:
        return outcome
    known = lined_up.world.owners
    url = urlsplit(outcome.file or "")
    over = "http" if url.scheme in ("http", "https") else "tftp"
    server: str | None = outcome.boot_server
    if server not in known.values() and over == "http":
        names = (lined_up.host_names.get(address, {}) for address in outcome.asks_dns)
        address = next((found[url.hostname or ""] for found in names if url.hostname in found), None)
        server = known.get(address) if address is not None else None
    if server is None or server not in known.values():
        return _unseen(outcome, f"nobody has the address {outcome.boot_server}")
    if over == "http" and (url.port or 80) not in lined_up.files[server].http:
        return _unseen(outcome, f"{server} serves no HTTP on port {url.port or 80}")
    if over not in lined_up.names_winner:
        return _unseen(outcome, f"the recording does not name a winner by {over}")
    return replace(outcome, winner=server, boot_server=server) if over == "http" else outcome


def _unseen(outcome: Outcome, why: str) -> Outcome:
    return Outcome(winner=None, boot_server=None, file=None, seconds=None, why=why, ended=outcome.ended)


def _recorded(outcome: Outcome, until: tuple[float, float]) -> tuple[Outcome, ...]:
    """What a recording that ends shows of an outcome: a later request for a file is not in it."""
    if outcome.seconds is None or (outcome.latest or outcome.seconds) < until[0]:
        return (outcome,)
    why = "the recording ends before it asks for the file"
    unseen = _unseen(replace(outcome, ended=None), why)
    return (unseen,) if outcome.seconds > until[1] else (outcome, unseen)


def _why(result: RaceResult) -> str:
    return " | ".join(dict.fromkeys(outcome.why for outcome in result.outcomes))


def judge(row: Mapping[str, Any]) -> dict[str, Any]:
    """The report of one row."""
    if "discovers" not in row and str(row.get("why", "")).startswith("LAB ERROR"):
        # A daemon did not start, so no machine was switched on: there is nothing to hold against it.
        why = "no boot took place: a server of the line-up did not start"
        return {
            "id": row.get("id"),
            "predicted": [None],
            "file": None,
            "seconds": None,
            "agrees": True,
            "why": why,
        }
    prediction = predict(row["scenario"])
    agrees, why = _agrees(row, prediction)
    if agrees and row.get("winner") is not None and after.goes_on(row):
        agrees, why = after.agrees(row, prediction.ways)
    first = next((o for o in prediction.outcomes if o.winner == row.get("winner")), None)
    shown = first or (prediction.outcomes[0] if prediction.outcomes else None)
    return {
        "id": row.get("id"),
        "predicted": list(prediction.winners),
        "file": shown.file if shown else None,
        "seconds": round(shown.seconds, 3) if shown and shown.seconds is not None else None,
        "agrees": agrees,
        "why": why if not agrees else prediction.why,
    }


def _agrees(row: Mapping[str, Any], prediction: Prediction) -> tuple[bool, str]:
    if not prediction.expressible:
        return False, prediction.why
    winner, file, seconds = row.get("winner"), row.get("file"), row.get("t_rrq")
    same = [o for o in prediction.outcomes if o.winner == winner]
    if not same:
        return False, f"won by {winner}; predicted {list(prediction.winners)}: {prediction.why}"
    if winner is None:
        return True, ""
    same = [o for o in same if o.file == file]
    if not same:
        return False, f"asked for {file}; predicted {[o.file for o in prediction.outcomes]}"
    if seconds is None or any(_in_time(row, o, seconds) for o in same):
        return True, ""
    spans = [(o.seconds, o.latest) for o in same]
    return False, f"asked after {seconds} s; predicted {spans}"


def _in_time(row: Mapping[str, Any], outcome: Outcome, seconds: float) -> bool:
    if outcome.seconds is None:
        return False
    latest = outcome.seconds if outcome.latest is None else outcome.latest
    if outcome.seconds - TOLERANCE <= seconds <= latest + TOLERANCE:
        return True
    discovers = row.get("discovers")
    stretched = discovers is not None and len(discovers) == outcome.discovers
    return stretched and latest < seconds <= latest + STRETCH
