"""A conversion as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from coexist.errors import Position
from coexist.text.amounts import amount

if TYPE_CHECKING:
    from coexist.analysis.equal_replies import Difference
    from coexist.app.convert import Converted

_SHOWN = 3
"""Lines of a difference that shows in answers to a DHCPINFORM only."""


def as_text(converted: Converted) -> str:
    """What was written, what is lost, and what the proof says."""
    return "\n".join(_lines(converted)) + "\n"


def _lines(converted: Converted) -> Iterator[str]:
    yield f"{converted.server} as {converted.software}: {converted.path}"
    proof = converted.proof
    if converted.lost:
        yield ""
        yield f"{amount(len(converted.lost), 'statement')} without an equal:"
        for lost in converted.lost:
            yield f"  {lost.position}: {_one_line(lost.statement)}"
            yield f"    {lost.why}"
    yield ""
    if proof.too_many:
        yield f"The replies were not compared: that takes {proof.too_many} packets."
    elif proof.differences:
        points = amount(len(proof.differences), "point")
        yield f"Clients are answered differently in {points} ({amount(proof.packets, 'packet')} compared):"
        yield from _differences(proof.differences)
    else:
        yield (
            f"All clients are answered as before: {proof.packets} packets, {proof.mac_cells} kinds of"
            f" machines, {proof.option_cells} combinations of options."
        )
    for origin in proof.unclear:
        yield f"  {_place(origin)}: what this compares is not covered by the proof"
    if proof.informs:
        points = amount(len(proof.informs), "point")
        yield f"A DHCPINFORM is answered differently in {points}, as products do:"
        yield from _differences(proof.informs[:_SHOWN])
    if proof.reserved:
        yield f"Reserved addresses of {amount(len(proof.reserved), 'pool')} are leased differently:"
        yield from _differences(proof.reserved)
    leases = converted.leases
    if leases is not None:
        yield ""
        yield f"Leases carried over: {leases.carried:,}; ended: {leases.ended:,}."
        for problem in leases.problems:
            yield f"  {problem}"


def _differences(differences: Sequence[Difference]) -> Iterator[str]:
    for found in differences:
        yield f"  {_place(found.origin)}: {found.what}: {found.before}, now {found.after}"
        yield f"    {found.witness}"


def _place(origin: object) -> str:
    if isinstance(origin, Position):
        return str(origin)
    return ".".join(map(str, origin)) if isinstance(origin, tuple) else "no line"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def as_json(converted: Converted) -> str:
    """The same as a document."""
    proof, leases = converted.proof, converted.leases
    tree = {
        "version": 1,
        "server": converted.server,
        "software": converted.software,
        "path": converted.path,
        "complete": converted.complete,
        "lost": [
            {"place": str(lost.position), "statement": _one_line(lost.statement), "why": lost.why}
            for lost in converted.lost
        ],
        "proof": {
            "packets": proof.packets,
            "machines": proof.mac_cells,
            "options": proof.option_cells,
            "not_compared": proof.too_many,
            "unclear": [_place(origin) for origin in proof.unclear],
            "differences": [_tree(found) for found in proof.differences],
            "informs": [_tree(found) for found in proof.informs],
            "reserved": [_tree(found) for found in proof.reserved],
        },
        "leases": None
        if leases is None
        else {
            "carried": leases.carried,
            "ended": leases.ended,
            "problems": [str(problem) for problem in leases.problems],
        },
    }
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def _tree(found: Difference) -> dict[str, object]:
    return {
        "place": _place(found.origin),
        "what": found.what,
        "before": found.before,
        "after": found.after,
        "client": found.witness,
        "packets": found.cells,
    }


FORMATS = {"text": as_text, "json": as_json}
