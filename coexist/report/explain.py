"""One client's boot: who answers, who wins, and which line makes it so; as text and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from coexist.boot.loaders.loader import Role
from coexist.report.prose import folded

if TYPE_CHECKING:
    from coexist.analysis.chain import NextStage, Stages
    from coexist.analysis.loading import Chain, ChainStep
    from coexist.analysis.race import ClientCase, Outcome, RaceResult
    from coexist.analysis.running import Halt
    from coexist.inventory import Inventory


# -- for programs ---------------------------------------------------------------------------------


Lost = Callable[["Chain"], "str | None"]
"""What tells the file that a chain asks for in vain, where that is known."""


def unknown(_: Chain) -> str | None:
    """Of no file it is known whether it is there."""
    return None


Follows = Callable[["Stages", "Chain"], "Stages | None"]
"""What tells the boot by a machine's next boot entry, where a chain's first file cannot be had or run."""


def nothing(_: Stages, __: Chain) -> None:
    """No next entry is known."""


def stages_as_dict(
    inventory: Inventory, result: Stages, lost: Lost = unknown, follows: Follows = nothing
) -> dict[str, Any]:
    """Both stages as JSON: the first as ``as_dict`` has it, the second in ``next_stage``.

    ``chain`` are the boot loaders that the files of a stage lead to. ``next_stage`` is null where no iPXE
    is loaded. ``loaded``: the files that lead there; ``certain``: whether every outcome of the first stage
    does; ``loop``: whether iPXE can be given iPXE again. ``lost`` tells which file a chain asks in vain for,
    ``follows`` what the machine's next boot entry leads to then (``next_entry``).
    """

    def entry(chain: Chain) -> dict[str, Any]:
        rest = follows(result, chain)
        told = None if rest is None else stages_as_dict(inventory, rest, lost, follows)
        return {**_chain_as_dict(chain, lost), "next_entry": told}

    first = {**as_dict(inventory, result.first), "chain": [entry(chain) for chain in result.chains]}
    if result.next is None:
        return {**first, "next_stage": None}
    second = {
        "loaded": [{"winner": winner, "file": file} for winner, file in result.next.loaded],
        "certain": result.next.certain,
        "loop": result.next.loops,
        **as_dict(inventory, result.next.result),
        "chain": [_chain_as_dict(chain, lost) for chain in result.next.chains],
    }
    return {**first, "next_stage": second}


def _chain_as_dict(chain: Chain, lost: Lost) -> dict[str, Any]:
    return {
        "winner": chain.outcome.winner,
        "file": chain.outcome.file,
        "asks_dhcp_again": chain.ask_again,
        "loaders": [_step_as_dict(step) for step in chain.steps],
        "missing": lost(chain),
        "ends": _halt_as_dict(chain.halt),
    }


def _halt_as_dict(halt: Halt | None) -> dict[str, str | bool] | None:
    if halt is None:
        return None
    return {"kind": halt.kind.name.lower(), "why": halt.why, "repair": halt.remedy, "certain": halt.certain}


def _step_as_dict(step: ChainStep) -> dict[str, Any]:
    stage = step.stage
    return {
        "loader": stage.loader,
        "asks": step.asks,
        "why": stage.why,
        "files": [
            {"file": f.file, "role": f.role.name.lower(), "protocol": f.protocol} for f in stage.fetches
        ],
        "ends": stage.ending.name.lower(),
        "loads": stage.loads,
        "repair": stage.remedy if stage.fails else None,
        "notes": list(stage.notes),
        "assumptions": list(stage.assumptions),
    }


def as_dict(inventory: Inventory, result: RaceResult) -> dict[str, Any]:
    """A race as JSON: the likeliest outcome on top, all possible winners in ``possible``."""
    from coexist.wire.mac import format_mac

    case, first = result.case, result.outcomes[0]
    return {
        "mac": format_mac(case.mac),
        "vlan": case.vlan,
        "architecture": case.architecture,
        "firmware": case.firmware,
        "winner": first.winner,
        "boot_server": first.boot_server,
        "file": first.file,
        "first_rrq_seconds": _rounded(first.seconds),
        "why": first.why,
        "declared_at": _place(inventory, case, first),
        "deterministic": result.deterministic,
        "possible": list(result.winners),
        "outcomes": [_outcome(inventory, case, outcome) for outcome in result.outcomes],
        "events": [
            {"seconds": round(e.at, 3), "kind": e.kind, "server": e.server or None, "text": e.text}
            for e in result.events
        ],
        "assumptions": list(result.assumptions),
    }


def _outcome(inventory: Inventory, case: ClientCase, outcome: Outcome) -> dict[str, Any]:
    return {
        "winner": outcome.winner,
        "boot_server": outcome.boot_server,
        "file": outcome.file,
        "first_rrq_seconds": _rounded(outcome.seconds),
        "latest_seconds": _rounded(outcome.latest),
        "gives_up_seconds": _rounded(outcome.ended) if outcome.winner is None else None,
        "failure": outcome.failure.name.lower() if outcome.failure else None,
        "why": outcome.why,
        "declared_at": _place(inventory, case, outcome),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _place(inventory: Inventory, case: ClientCase, outcome: Outcome) -> str:
    from coexist.analysis.declared import deciding_place

    place = deciding_place(inventory, case, outcome)
    return f"{place.file}:{place.line}"


# -- for people -----------------------------------------------------------------------------------


def boot_text(
    inventory: Inventory, boot: Stages, lost: Lost = unknown, follows: Follows = nothing
) -> Iterator[str]:
    """A whole boot in lines: the race, the loaders its files lead to, and the race of the iPXE it loads."""
    yield from text(inventory, boot.first)
    yield from _after(boot.chains, lost)
    for chain in boot.chains:
        rest = follows(boot, chain)
        if rest is not None:
            yield ""
            yield from folded(f"without {chain.outcome.file} the next boot entry starts:", "", hang=2)
            yield from boot_text(inventory, rest, lost, follows)
    if boot.next is not None:
        yield ""
        yield from next_stage_text(inventory, boot.next)
        yield from _after(boot.next.chains, lost)


def _after(chains: Iterable[Chain], lost: Lost) -> Iterator[str]:
    lines = list(chain_text(chains, lost))
    if lines:
        yield ""
        yield from lines


def text(inventory: Inventory, result: RaceResult) -> Iterator[str]:
    """A race in lines of at most 80 columns where words allow it."""
    from coexist.wire.mac import format_mac

    case = result.case
    record = inventory.clients.find(case.mac)
    name = f" ({record.name})" if record and record.name else ""
    what = " ".join(part for part in (case.architecture, case.firmware) if part)
    yield from folded(f"{format_mac(case.mac)}{name} on VLAN {case.vlan}, {what}")
    yield from _told(inventory, result)


def chain_text(chains: Iterable[Chain], lost: Lost = unknown) -> Iterator[str]:
    """The boot loaders after the first file in such lines; nothing where there are none."""
    notes: dict[str, None] = {}
    for chain in chains:
        missing = lost(chain)
        if chain.steps or missing or chain.halt:
            yield from folded(f"after {chain.outcome.file} of {chain.outcome.winner}:", "", hang=2)
        if chain.halt:
            yield from folded(
                f"{'ENDS' if chain.ends else 'MAY END'}, {chain.halt.kind.value}: {chain.halt.why}",
                "  ",
                hang=2,
            )
            yield from folded(f"repair: {chain.halt.remedy}", "    ", hang=2)
        for step in chain.steps:
            yield from _step_text(step)
            notes.update(dict.fromkeys(step.stage.assumptions))
        if missing:
            yield from folded(f"ENDS: {missing}", "  ", hang=2)
    if notes:
        yield "  assumed:"
        for note in notes:
            yield from folded(f"- {note}", "  ", hang=2)


def _step_text(step: ChainStep) -> Iterator[str]:
    stage = step.stage
    if stage.fails:
        yield from folded(f"{stage.title} ENDS: it has no server to ask, because {stage.why}", "  ", hang=2)
        if stage.remedy:
            yield from folded(f"repair: {stage.remedy}", "    ", hang=2)
        return
    if stage.fetches:
        yield from folded(f"{stage.title} asks {step.asks} ({stage.why}) for", "  ", hang=2)
    for (role, _), files in groupby(stage.fetches, key=lambda fetch: (fetch.role, fetch.group)):
        names = ", ".join(fetch.file for fetch in files)
        said = "" if role is Role.NEEDED else f" ({role.value})"
        yield from folded(f"{names}{said}", "    ", hang=2)
    if stage.loads is None:
        yield from folded(f"then {stage.ending.value}", "    ", hang=2)
    for note in stage.notes:
        yield from folded(note, "    ", hang=2)


def next_stage_text(inventory: Inventory, stage: NextStage) -> Iterator[str]:
    """The second stage in such lines; its seconds count from iPXE's own first DISCOVER."""
    files = " or ".join(f"{file} of {winner}" for winner, file in stage.loaded)
    when = "" if stage.certain else "if it loads "
    what = f"{stage.result.case.architecture} {stage.result.case.firmware}"
    yield from folded(f"second stage: iPXE asks again ({when}{files}), as {what}", "", hang=2)
    if stage.loops:
        yield from folded("LOOP: iPXE is given iPXE again, which asks again, and so on without end", "  ")
    yield from _told(inventory, stage.result)


def _told(inventory: Inventory, result: RaceResult) -> Iterator[str]:
    case = result.case
    if not result.deterministic:
        winners = " or ".join(winner or "nobody" for winner in result.winners)
        by_firmware = all(outcome.by_firmware for outcome in result.outcomes)
        why = "by how its firmware reads the specification" if by_firmware else "whichever packet is first"
        yield from folded(f"NOT DETERMINISTIC: {winners}, {why}", "  ")
    for outcome in result.outcomes:
        yield from folded(_sentence(outcome), "  ")
        yield from folded(f"because {outcome.why}", "    ")
        yield f"    declared at {_place(inventory, case, outcome)}"
    yield ""
    yield "  seconds"
    for event in result.events:
        yield from folded(f"{event.at:8.3f}  {event.text}", "  ", hang=10)
    if result.assumptions:
        yield ""
        yield "  assumed:"
        for assumption in result.assumptions:
            yield from folded(f"- {assumption}", "  ", hang=2)


def _sentence(outcome: Outcome) -> str:
    if outcome.winner is None:
        when = "" if outcome.ended is None else f" after {outcome.ended:.0f} s"
        known = f"{outcome.failure.value}; " if outcome.failure else ""
        return f"nobody: {known}it gives up{when}"
    file = outcome.file or "its configuration"
    seconds = "" if outcome.seconds is None else f" after {_span(outcome)} s"
    where = "" if outcome.boot_server == outcome.winner else f" at {outcome.boot_server}"
    return f"{outcome.winner}: it asks{where} for {file}{seconds}"


def _span(outcome: Outcome) -> str:
    first, last = outcome.seconds or 0.0, outcome.latest or 0.0
    return f"{first:.1f}" if last - first < 0.1 else f"{first:.1f} to {last:.1f}"
