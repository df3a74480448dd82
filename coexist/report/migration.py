"""A migration in words and in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from coexist.planning.by_hand import AT_LEAST, SECONDS_A_MACHINE
from coexist.planning.choosing import ProvenStep, Refused
from coexist.planning.gates import Condition
from coexist.planning.progress import moment
from coexist.planning.roadmap import Coming, Roadmap, refusal
from coexist.report.prose import folded
from coexist.text.amounts import amount
from coexist.wire.mac import format_mac

if TYPE_CHECKING:
    from coexist.app.migrations import Overview
    from coexist.planning.sightings import WaveSeen
    from coexist.rollout.metrics import Counted

_SHOWN = 8


def plan_text(planned: Roadmap) -> str:
    """Every step to come, its changes and its proofs."""
    lines = [f"{planned.migration}: from {planned.source} to {planned.target}"]
    if planned.parked or planned.not_parked:
        who = amount(planned.parked, "client has", "clients have")
        lines.append(f"parked registrations: {who} a MAC to be parked under")
        lines += [f"  {each}" for each in planned.not_parked]
    for forward, back in zip(planned.forward, planned.back, strict=True):
        lines += ["", _heading(forward), *_step_lines(forward.planned), *_back_lines(back.planned)]
    if planned.stay:
        lines += ["", f"may stay on {planned.source}: {_macs(planned.stay)}"]
    if planned.left_over:
        lines += ["", f"in no wave, they move when all others have: {_macs(planned.left_over)}"]
    assumptions = list(dict.fromkeys(_assumptions(planned.forward)))
    if assumptions:
        lines += ["", "assumed:", *(f"  {each}" for each in assumptions)]
    return _paragraphs(lines)


def steps_text(planned: Iterable[ProvenStep | Refused]) -> str:
    """The changes and proofs of some steps."""
    lines: list[str] = []
    for each in planned:
        name = each.step.wave if isinstance(each, ProvenStep) else each.wave
        direction = each.step.direction if isinstance(each, ProvenStep) else each.direction
        lines += [f"{name}, {direction}:", *_step_lines(each)]
    return _paragraphs(lines)


def conditions_text(conditions: Sequence[Condition]) -> str:
    """The gate."""
    return _paragraphs(f"gate {condition}" for condition in conditions)


def _paragraphs(lines: Iterable[str]) -> str:
    """Lines as they are printed: folded, what follows a number or a name below its text."""
    return "".join(f"{part}\n" for line in lines for part in folded(line, hang=_hang(line)) or [""])


def _hang(line: str) -> int:
    return 3 if line.lstrip()[:2].rstrip(".").isdigit() else 2


def _heading(coming: Coming) -> str:
    date = f", not before {coming.wave.not_before}" if coming.wave.not_before else ""
    return f"{coming.wave.name}: {amount(len(coming.clients), 'client')}{date}: {_macs(coming.clients)}"


def _step_lines(planned: ProvenStep | Refused) -> list[str]:
    if isinstance(planned, Refused):
        return [f"  {line}" for line in refusal(planned).splitlines()]
    step = planned.step
    lines = [f"  touches {' and '.join(step.servers)}; {step.way}"]
    if planned.gap:
        clients = amount(len(step.clients), "client")
        lines.append(
            f"  without a server: {clients}, each for at most {planned.gap:.0f} s; "
            f"a change by hand counts {SECONDS_A_MACHINE:.0f} s a machine, {AT_LEAST:.0f} s at least"
        )
    if step.way != "hand-over" and step.delay.since_first:
        lines.append("  a machine switched on twice within a minute may have either server while it lasts")
    lines.append(f"  0. before: {planned.proofs[0]}")
    for number, (change, proof) in enumerate(zip(step.changes, planned.proofs[1:], strict=True), start=1):
        if change.settles:
            lines.append("     wait until the boots under way have ended")
        lines.append(f"  {number}. {change.server} {change.what}")
        if change.cuts:
            lines.append(
                f"     a boot that is loading from {change.server} at this moment may have to be repeated"
            )
        lines.append(f"     {proof}")
    return lines


def _back_lines(planned: ProvenStep | Refused) -> list[str]:
    if isinstance(planned, Refused):
        return ["  the way back:", *_step_lines(planned)]
    changes = amount(len(planned.step.changes), "change")
    return [f"  the way back: {changes}, every moment proven ({planned.step.way})"]


def _assumptions(steps: Iterable[Coming]) -> Iterable[str]:
    for coming in steps:
        if isinstance(coming.planned, ProvenStep):
            for proof in coming.planned.proofs:
                yield from proof.assumptions


def _macs(macs: Iterable[int]) -> str:
    ordered = sorted(macs)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return ", ".join(map(format_mac, ordered[:_SHOWN])) + more


def plan_json(planned: Roadmap) -> dict[str, Any]:
    """The same for machines."""
    return {
        "format": 1,
        "migration": planned.migration,
        "from": planned.source,
        "to": planned.target,
        "settle": planned.settle,
        "steps": [
            {"forward": _step_json(forward), "back": _step_json(back)}
            for forward, back in zip(planned.forward, planned.back, strict=True)
        ],
        "stay": [format_mac(mac) for mac in sorted(planned.stay)],
        "left_over": [format_mac(mac) for mac in sorted(planned.left_over)],
        "not_parked": [str(each) for each in planned.not_parked],
    }


def _step_json(coming: Coming) -> dict[str, Any]:
    found: dict[str, Any] = {
        "wave": coming.wave.name,
        "clients": [format_mac(mac) for mac in sorted(coming.clients)],
    }
    planned = coming.planned
    if isinstance(planned, Refused):
        offers = [{"during": offer.during, "costs": offer.costs} for offer in planned.offers]
        return {**found, "refused": refusal(planned), "offers": offers, "attempts": _attempts_json(planned)}
    found["way"] = planned.step.way
    found["gap"] = planned.gap
    found["before"] = str(planned.proofs[0])
    found["changes"] = [
        {
            "server": change.server,
            "what": change.what,
            "settles": change.settles,
            "cuts": change.cuts,
            "proof": str(proof),
            "races": proof.cases,
            "races_of_others": proof.elsewhere,
            "firmwares": list(proof.firmwares),
            "slowest": proof.slowest,
        }
        for change, proof in zip(planned.step.changes, planned.proofs[1:], strict=True)
    ]
    return found


def _attempts_json(refused: Refused) -> list[dict[str, Any]]:
    """Every way that was tried, with the moment that does not hold and the client that shows it."""
    found = []
    for attempt in refused.attempts:
        first = attempt.proof.failures[0]
        found.append(
            {
                "way": attempt.step.way,
                "moment": attempt.moment,
                "client": format_mac(first.witness.mac),
                "vlan": first.witness.vlan,
                "architecture": first.witness.architecture,
                "firmware": first.witness.firmware,
                "boots_from": list(first.servers),
            }
        )
    return found


def status_text(told: Overview) -> str:
    """A table of waves, the gate of the next one, and who is missing or went back."""
    state = told.state
    lines = [f"{told.name}: from {state.source} to {state.target}, {amount(told.clients, 'client')}"]
    if state.retired:
        lines.append(f"{state.source} was retired {moment(state.retired)}")
    lines.append(f"{'wave':<16} {'planned':>7} {'moved':<20} {'seen':>5} {'missing':>7} {'back':>5}")
    lines += [
        f"{wave['name']:<16} {wave['planned']:>7} {wave['moved'] or '-':<20} {wave['seen']:>5} "
        f"{wave['missing']:>7} {wave['back']:>5}"
        for wave in wave_values(told)
    ]
    if told.staying:
        lines.append(f"may stay behind: {len(told.staying)}")
    if state.step is not None:
        lines.append(
            f"under way: {state.step.wave}, {state.step.direction} ({state.step.way}), "
            f"{state.step.done} changes made since {moment(state.step.since)}"
        )
    for seen in told.seen.values():
        lines += [f"{seen.wave}, not seen: {_label(told, mac)}" for mac in sorted(seen.missing)]
        lines += [
            f"{seen.wave}, back on {state.source}: {_label(told, mac)}" for mac in sorted(seen.went_back)
        ]
    lines += [_metrics(server, counted) for server, counted in told.metrics.items()]
    return _paragraphs(lines) + conditions_text(told.gate)


def _metrics(server: str, counted: Counted | str) -> str:
    """A server's own figures, to hold beside what was seen of single machines."""
    if isinstance(counted, str):
        return f"metrics of {server}: missing: {counted.removeprefix(f'{server}: ')}"
    unfinished = {how: count for how, count in counted.transfers.items() if how != "finished" and count}
    ended = "".join(f", {amount(count, 'transfer')} {how}" for how, count in sorted(unfinished.items()))
    return (
        f"metrics of {server}: {amount(counted.answers, 'answer')}, {amount(counted.loaded, 'file')} given "
        f"whole{ended}, {amount(counted.clients, 'machine')} remembered, since it started"
    )


def _waves(told: Overview) -> Iterator[tuple[str, frozenset[int], str | None, WaveSeen | None]]:
    """Each wave: its name, its machines, when it moved, and what was seen of it since."""
    moved = {wave.name: moment(wave.moved) for wave in told.state.waves}
    for members in told.waves:
        name = members.wave.name
        yield name, members.clients, moved.get(name), told.seen.get(name)


def wave_values(told: Overview) -> list[dict[str, Any]]:
    """The waves as texts and figures; a dash where nobody looked or nothing moved."""
    found = []
    for name, clients, moved, seen in _waves(told):
        found.append(
            {
                "name": name,
                "planned": len(clients),
                "moved": moved or "",
                "seen": len(seen.seen) if seen else "-",
                "missing": len(seen.missing) if seen else "-",
                "back": len(seen.went_back) if seen else "-",
                "share": seen.share if seen else None,
                "missing_macs": sorted(seen.missing) if seen else [],
                "back_macs": sorted(seen.went_back) if seen else [],
            }
        )
    return found


def _label(told: Overview, mac: int) -> str:
    name = told.labels.get(mac, "")
    return f"{format_mac(mac)} {name}".rstrip()


def status_json(told: Overview) -> dict[str, Any]:
    """The same for machines."""
    state = told.state
    waves = []
    for name, clients, moved, seen in _waves(told):
        waves.append(
            {
                "wave": name,
                "planned": _listed(clients),
                "moved": moved,
                "seen": _listed(seen.seen) if seen else None,
                "missing": _listed(seen.missing) if seen else None,
                "went_back": _listed(seen.went_back) if seen else None,
            }
        )
    return {
        "format": 1,
        "migration": told.name,
        "from": state.source,
        "to": state.target,
        "retired": moment(state.retired) if state.retired else None,
        "waves": waves,
        "step": state.step.model_dump(mode="json", exclude={"clients"}) if state.step else None,
        "staying": _listed(told.staying),
        "metrics": {
            server: {"missing": counted}
            if isinstance(counted, str)
            else {
                "answers": counted.answers,
                "loaded": counted.loaded,
                "transfers": dict(counted.transfers),
                "http": dict(counted.http),
                "clients": counted.clients,
            }
            for server, counted in told.metrics.items()
        },
        "gate": [
            {"condition": condition.kind, "text": condition.text, "met": condition.met}
            for condition in told.gate
        ],
    }


def _listed(macs: Iterable[int]) -> list[str]:
    return [format_mac(mac) for mac in sorted(macs)]
