"""``coexist observe``: for each client in a capture who answered, who won and why."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any

import click

from coexist.cli.prose import say, tell
from coexist.wire.mac import format_mac

if TYPE_CHECKING:
    from coexist.analysis.findings import Finding
    from coexist.analysis.race import RaceResult
    from coexist.analysis.world import World
    from coexist.inventory.loader import Inventory
    from coexist.probe.frame import Datagram
    from coexist.probe.observation import Boot


@click.command("observe")
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--interface", "-i", metavar="INTERFACE", help="Listen on this network card instead of reading a file."
)
@click.option("--seconds", metavar="SECONDS", type=click.FloatRange(0.1), default=60.0, show_default=True,
              help="How long to listen.")  # fmt: skip
@click.option("--expect", type=click.Path(path_type=Path), metavar="INVENTORY",
              help="Compare with what this inventory predicts.")  # fmt: skip
@click.option(
    "--vlan", metavar="VLAN", help="The VLAN of the inventory; found by the offered addresses if not given."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="How to print it.")  # fmt: skip
def command(**given: Any) -> int:
    """Read FILE (pcap or pcapng) or listen, and tell each boot: answers, winner, reason.

    TFTP, HTTP and port 4011 are only in a capture taken at the client, at its switch port, or at the server.
    Exit code 1 if a boot failed, and with --expect if one went otherwise than predicted.
    """
    from coexist.analysis.world import build_world
    from coexist.app.current import load_current
    from coexist.probe.observation import observe

    if (given["file"] is None) == (given["interface"] is None):
        raise click.UsageError("name either a capture file or --interface")
    inventory = load_current(given["expect"]) if given["expect"] else None
    world = build_world(inventory) if inventory is not None else None
    as_json = given["form"] == "json"
    count, differs = 0, False
    # Each boot is told as it is read: a capture may be larger than this machine's memory.
    for boot in observe(_captured(given)):
        placed = _placed(boot, inventory, given["vlan"])
        predicted, findings = _judged(placed, inventory, world)
        differs |= bool(findings)
        if as_json:
            text = json.dumps(_document(placed, _replay(placed), predicted, findings), indent=2)
            click.echo(("[\n" if count == 0 else ",\n") + indent(text, "  "), nl=False)
        else:
            _print(placed, _replay(placed), predicted, findings)
        count += 1
    if as_json:
        click.echo("\n]" if count else "[]")
    elif not count:
        tell("no client asked for an address")
    return 1 if differs else 0


def _captured(given: dict[str, Any]) -> Iterator[tuple[float, Datagram]]:
    from coexist.cli.captures import captured
    from coexist.probe.segment import Segment

    if given["file"] is not None:
        yield from captured(given["file"])
        return
    with Segment(given["interface"], everything=True) as segment:
        yield from segment.heard(time.monotonic() + given["seconds"])


def _placed(boot: Boot, inventory: Inventory | None, vlan: str | None) -> Boot:
    """The boot with its VLAN: given, or that of an address it was offered or relayed from."""
    from coexist.probe.expectation import vlan_of

    if inventory is None:
        return boot
    addresses = [a for answer in boot.offers for a in (answer.packet.giaddr, answer.packet.yiaddr) if int(a)]
    found = vlan or next((name for a in addresses if (name := vlan_of(inventory, a))), "")
    return replace(boot, asker=replace(boot.asker, vlan=found))


def _replay(boot: Boot) -> RaceResult | None:
    """Why, by the model of the client's firmware; None where it has none for this architecture.

    Nor where the capture does not show how the boot ended: what it does not hold was not silent.
    """
    from coexist.probe.observation import End
    from coexist.probe.replay import replay
    from coexist.wire.architecture import CANONICAL_CODE

    decided = boot.file_request is not None or boot.end is End.GAVE_UP
    known = boot.asker.architecture in CANONICAL_CODE and boot.discovers
    return replay(boot) if decided and known else None


def _judged(
    boot: Boot, inventory: Inventory | None, world: World | None
) -> tuple[tuple[str | None, ...] | None, tuple[Finding, ...]]:
    """Who the inventory says can win, and what differs (CX701, CX707); a boot that failed (CX708)."""
    from coexist.analysis.race import ClientCase, race
    from coexist.probe.expectation import failed_boot, finding, server_names, strangers, told

    failed = failed_boot(boot, server_names(inventory) if inventory is not None else {})
    if inventory is None or world is None:
        return None, failed
    answers = (*boot.offers, *boot.acks, *boot.boot_server_replies)
    found = (*strangers(inventory, answers), *failed)
    if boot.asker.vlan not in world.segments:
        return None, found
    case = ClientCase(
        mac=boot.asker.mac,
        vlan=boot.asker.vlan,
        architecture=boot.asker.architecture,
        firmware=boot.firmware,
    )
    predicted = race(world, case)
    request = boot.file_request
    if request is None:
        return predicted.winners, found
    winner = server_names(inventory).get(request.server, str(request.server))
    if winner in predicted.winners:
        return predicted.winners, found
    wanted = " or ".join(str(name or "nobody") for name in predicted.winners)
    difference = finding(
        "CX707",
        f"{format_mac(boot.asker.mac)} booted {request.file} from {winner}, predicted was {wanted}",
        "compare the servers' configurations with the inventory: coexist plan",
        asker=boot.asker,
        timeline=tuple(told(answer) for answer in answers),
    )
    return predicted.winners, (*found, difference)


def _print(
    boot: Boot,
    replayed: RaceResult | None,
    predicted: tuple[str | None, ...] | None,
    findings: tuple[Finding, ...],
) -> None:
    from coexist.probe.expectation import told

    stage = f", stage {boot.stage}" if boot.stage > 1 else ""
    head = f"{format_mac(boot.asker.mac)} {boot.asker.architecture} ({boot.firmware}{stage})"
    click.secho(head, bold=True)
    asked = ", ".join(f"{at:.2f} s (secs {secs})" for at, secs in boot.discovers)
    say(f"DISCOVER at {asked}" if asked else "REQUEST for an address it had before", "  ")
    replies = (*boot.offers, *boot.acks, *boot.boot_server_replies, *boot.naks)
    for answer in sorted(replies, key=lambda a: a.at):
        say(told(answer), "  ", hang=10)
    say(_asked(boot), "  ", hang=10)
    for request in boot.requests:
        if request.file != (boot.file_request and boot.file_request.file):
            said = f": {request.why}" if request.why else ""
            what = f"then {request.server} for {request.file}: {request.end.value}{said}"
            say(f"{request.at:6.2f} s  {what}", "  ", hang=10)
    if boot.left_out:
        say(f"{boot.left_out} more packets of this client and to it are left out", "  ")
    say(f"end: {_ended(boot)}", "  ")
    if replayed is not None:
        say(f"why: {_why(replayed)}", "  ")
    if predicted is not None:
        say("predicted: " + " or ".join(str(name or "nobody") for name in predicted), "  ")
    for found in findings:
        say(f"{found.code.code} {found.severity}: {found.message}; {found.repair}", "  ")


def _ended(boot: Boot) -> str:
    request = boot.file_request
    if request is None or not boot.failed:
        return boot.end.value
    return f"{boot.end.value}: {request.end.value}" + (f" ({request.why})" if request.why else "")


def _asked(boot: Boot) -> str:
    request = boot.file_request
    if request is None:
        return "no request for a file was captured"
    named = boot.named_by
    by = f", named by {named.server} ({named.role})" if named is not None else ", named by no captured reply"
    return f"{request.at:6.2f} s  asks {request.server} for {request.file}{by}"


def _why(replayed: RaceResult) -> str:
    """The model's reason; where it allows several ends, each of them."""
    ends = dict.fromkeys(f"{outcome.winner or 'nobody'}: {outcome.why}" for outcome in replayed.outcomes)
    return "; or ".join(ends)


def _document(
    boot: Boot,
    replayed: RaceResult | None,
    predicted: tuple[str | None, ...] | None,
    findings: tuple[Finding, ...],
) -> dict[str, Any]:
    request = boot.file_request
    return {
        "mac": format_mac(boot.asker.mac),
        "architecture": boot.asker.architecture,
        "firmware": boot.firmware,
        "vlan": boot.asker.vlan or None,
        "stage": boot.stage,
        "began": boot.began,
        "discovers": [{"at": round(at, 3), "secs": secs} for at, secs in boot.discovers],
        "answers": [
            {
                "at": round(answer.at, 3),
                "server": str(answer.server),
                "role": answer.role,
                "port": answer.port,
                "file": answer.file or None,
                "boot_server": str(answer.boot_server) if answer.boot_server else None,
            }
            for answer in (*boot.offers, *boot.acks, *boot.boot_server_replies)
        ],
        "ended": {"kind": boot.end.name.lower(), "failed": boot.failed, "text": _ended(boot)},
        "requests": [
            {
                "at": round(asked.at, 3),
                "server": str(asked.server),
                "file": asked.file,
                "protocol": asked.protocol,
                "end": asked.end.name.lower(),
                "why": asked.why or None,
            }
            for asked in boot.requests
        ],
        "file_request": request
        and {"at": round(request.at, 3), "server": str(request.server), "file": request.file},
        "named_by": str(boot.named_by.server) if boot.named_by else None,
        "replayed": replayed
        and [{"winner": outcome.winner, "why": outcome.why} for outcome in replayed.outcomes],
        "predicted": None if predicted is None else list(predicted),
        "findings": [{"code": f.code.code, "message": f.message, "repair": f.repair} for f in findings],
    }
