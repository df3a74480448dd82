"""``coexist explain INVENTORY MAC``: who answers one client, who wins, and which line makes it so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coexist.cli.prose import folded

if TYPE_CHECKING:
    from coexist.analysis.chain import NextStage, Stages
    from coexist.analysis.race import ClientCase, Outcome, RaceResult
    from coexist.inventory import Inventory


@click.command("explain")
@click.argument("inventory", type=click.Path(path_type=Path))
@click.argument("mac")
@click.option("--vlan", metavar="VLAN", help="The VLAN it stands on; every one it may stand on unless given.")
@click.option("--arch", metavar="ARCHITECTURE", help="Its architecture, such as bios or uefi-x64.")
@click.option("--firmware", metavar="FIRMWARE", help="Its firmware, such as ipxe or edk2.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print it."
)
def command(
    inventory: Path, mac: str, vlan: str | None, arch: str | None, firmware: str | None, form: str
) -> None:
    """Tell what the machine with this MAC does when it boots on the site of INVENTORY.

    VLAN, architecture and firmware are those of its record and its groups unless they are given; where
    neither says, each possibility the site declares is told.
    """
    from coexist.analysis.chain import stages
    from coexist.analysis.world import build_world
    from coexist.cli.current import load_current
    from coexist.wire.mac import parse_mac

    try:
        number = parse_mac(mac)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="MAC") from None
    site = load_current(inventory)
    cases = list(_cases(site, number, vlan, arch, firmware))
    world = build_world(site)
    results = [stages(world, case) for case in cases]
    if form == "json":
        found = [stages_as_dict(site, result) for result in results]
        click.echo(json.dumps(found[0] if len(found) == 1 else found, indent=2))
        return
    for index, result in enumerate(results):
        if index:
            click.echo()
        for line in text(site, result.first):
            click.echo(line)
        if result.next is not None:
            click.echo()
            for line in next_stage_text(site, result.next):
                click.echo(line)


def _cases(
    inventory: Inventory, mac: int, vlan: str | None, architecture: str | None, firmware: str | None
) -> Iterator[ClientCase]:
    """Every case the declarations leave open."""
    from coexist.analysis.profiles import profiles_of, vlans_of
    from coexist.analysis.race import ClientCase
    from coexist.boot.firmware import BUILT_IN
    from coexist.wire.architecture import ARCHITECTURE_NAMES

    site = inventory.site
    _known("--vlan", vlan, site.vlans)
    _known("--arch", architecture, ARCHITECTURE_NAMES)
    _known("--firmware", firmware, {**BUILT_IN, **site.firmwares})
    record = inventory.clients.find(mac)
    groups = [
        group
        for name, group in site.groups.items()
        if (group.architecture or group.firmware or group.vlan) and mac in inventory.group(name)
    ]
    own = record.vlan if record else ""
    vlans = (vlan,) if vlan else vlans_of(site, own, groups)
    said = (record.architecture if record else "", record.firmware if record else "")
    profiles = profiles_of(site, architecture or said[0], firmware or said[1], groups)
    for name in vlans:
        for profile in profiles:
            yield ClientCase(mac=mac, vlan=name, architecture=profile.architecture, firmware=profile.firmware)


def _known(option: str, value: str | None, names: Mapping[str, object]) -> None:
    from coexist.inventory.values import closest

    if value is not None and value not in names:
        raise click.BadParameter(f"{value!r} is not known; {closest(value, names)}", param_hint=option)


# -- for programs ---------------------------------------------------------------------------------


def stages_as_dict(inventory: Inventory, result: Stages) -> dict[str, Any]:
    """Both stages as JSON: the first as ``as_dict`` has it, the second in ``next_stage``.

    ``next_stage`` is null where no iPXE is loaded. ``loaded``: the files that lead there; ``certain``:
    whether every outcome of the first stage does; ``loop``: whether iPXE can be given iPXE again.
    """
    if result.next is None:
        return {**as_dict(inventory, result.first), "next_stage": None}
    second = {
        "loaded": [{"winner": winner, "file": file} for winner, file in result.next.loaded],
        "certain": result.next.certain,
        "loop": result.next.loops,
        **as_dict(inventory, result.next.result),
    }
    return {**as_dict(inventory, result.first), "next_stage": second}


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


def text(inventory: Inventory, result: RaceResult) -> Iterator[str]:
    """A race in lines of at most 80 columns where words allow it."""
    from coexist.wire.mac import format_mac

    case = result.case
    record = inventory.clients.find(case.mac)
    name = f" ({record.name})" if record and record.name else ""
    what = " ".join(part for part in (case.architecture, case.firmware) if part)
    yield from folded(f"{format_mac(case.mac)}{name} on VLAN {case.vlan}, {what}")
    yield from _told(inventory, result)


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
        yield from folded(f"NOT DETERMINISTIC: {winners}, whichever packet is first", "  ")
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
        return f"nobody: it gives up{when}"
    file = outcome.file or "its configuration"
    seconds = "" if outcome.seconds is None else f" after {_span(outcome)} s"
    where = "" if outcome.boot_server == outcome.winner else f" at {outcome.boot_server}"
    return f"{outcome.winner}: it asks{where} for {file}{seconds}"


def _span(outcome: Outcome) -> str:
    first, last = outcome.seconds or 0.0, outcome.latest or 0.0
    return f"{first:.1f}" if last - first < 0.1 else f"{first:.1f} to {last:.1f}"
