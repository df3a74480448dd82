"""Roll-outs in words: a plan's steps, and what was done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coexist.rollout.document import Plan
    from coexist.rollout.history import Record

STATES = {
    "untouched": "was not touched",
    "old": "runs its old configuration",
    "staged": "runs the configuration of an intermediate step",
    "new": "runs its new configuration",
    "between": "has files of both configurations",
    "unknown": "could not be asked what it runs",
}


def steps(plan: Plan) -> Iterator[str]:
    """A sentence for each step with what holds afterwards, then what is not proven."""
    for number, step in enumerate(plan.steps, start=1):
        waves = ", then ".join(
            " and ".join(f"{change.server} ({change.version})" for change in wave) for wave in step.waves
        )
        yield f"step {number}: {waves}: {step.why}"
    for sentence in plan.exposed:
        yield f"note: {sentence}"


def summary(record: Record) -> Iterator[str]:
    """What each server runs."""
    for name, server in record.servers.items():
        told = STATES[server.state]
        if record.kind == "rollback" and server.state == "old":
            told = "runs the configuration it had before"
        yield f"{name}: {told}" + (f" ({server.error})" if server.error else "")
    yield f"record {record.id}: {record.outcome}"


def line(record: Record) -> str:
    """A record in a line."""
    states: dict[str, int] = {}
    for server in record.servers.values():
        states[server.state] = states.get(server.state, 0) + 1
    counts = ", ".join(f"{number} {state}" for state, number in states.items())
    of = f" of {record.of}" if record.of else ""
    reason = f"; {record.reason}" if record.reason else ""
    return (
        f"{record.id}  {record.began:%Y-%m-%d %H:%M:%S}  {record.who}  {record.kind}{of}  {record.outcome}  "
        f"{counts}{reason}"
    )


def files(record: Record) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each server with what it runs, and its files before and after."""
    for name, server in record.servers.items():
        state = f"{name}: {server.state}" + (f" ({server.error})" if server.error else "")
        digests = []
        for file in server.files:
            before, after = (digest[:12] if digest else "nothing" for digest in (file.before, file.after))
            digests.append(f"{file.path}: {before} -> {after}")
        yield state, tuple(digests)
