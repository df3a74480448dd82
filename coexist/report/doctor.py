"""Why a machine did not boot, in a few plain lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from coexist.app.doctor import Answer, Diagnosis
from coexist.report.prose import folded
from coexist.wire.mac import format_mac

_MOST_EXPECTED = 3
_SIGNS = {"good": "ok   ", "bad": "HERE ", "unknown": "?    "}


def as_text(diagnosis: Diagnosis) -> Iterator[str]:
    """The machine, a line a question, and the next thing to do.

    Of the VLANs and firmwares it may have, a few are shown: the bad one first that decides.
    """
    yield diagnosis.machine
    verdict = diagnosis.verdict
    expected = [answer for answer in diagnosis.answers if answer.topic == "expected"]
    shown = [verdict] if verdict in expected else []
    shown += [answer for answer in expected if answer not in shown][: _MOST_EXPECTED - len(shown)]
    hidden = len(expected) - len(shown)
    for answer in diagnosis.answers:
        if answer.topic == "expected" and answer not in shown:
            continue
        yield from _lines(answer, decides=answer is verdict)
        if hidden and answer is max(shown, key=diagnosis.answers.index):
            yield f"       and {hidden} more cases: coexist explain"
    if verdict is None:
        yield from folded("nothing is wrong as far as this can be seen", "  ")


def _lines(answer: Answer, *, decides: bool) -> Iterator[str]:
    state = answer.state if decides or answer.state != "bad" else "unknown"
    yield from folded(f"{_SIGNS[state]}{answer.text}", "  ", hang=5)
    if answer.remedy and (decides or answer.state == "unknown"):
        yield from folded(f"next: {answer.remedy}", "       ")


def as_dict(diagnosis: Diagnosis) -> dict[str, Any]:
    """The diagnosis as JSON values; ``verdict`` is the number of the first bad answer, or null."""
    verdict = diagnosis.verdict
    return {
        "version": 1,
        "mac": format_mac(diagnosis.mac),
        "machine": diagnosis.machine,
        "answers": [
            {
                "topic": answer.topic,
                "state": answer.state,
                "text": answer.text,
                "remedy": answer.remedy or None,
            }
            for answer in diagnosis.answers
        ],
        "verdict": None if verdict is None else diagnosis.answers.index(verdict),
    }


def as_json(diagnosis: Diagnosis) -> str:
    """One object."""
    return json.dumps(as_dict(diagnosis), indent=2, ensure_ascii=False)
