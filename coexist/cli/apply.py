"""``coexist apply plan.json``: bring the servers to what was planned, or leave each whole as it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from coexist.cli.prose import say, tell
from coexist.cli.remote import key_option, progress, rollout_options, stopping, way_of

EXIT_REFUSED, EXIT_HOST = 1, 4


@click.command("apply")
@click.argument("plan_file", metavar="PLAN", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--force", is_flag=True, help="Go on although more than 30% of a server's clients change.")
@click.option("--on-failure", type=click.Choice(["stop", "rollback"]), default="stop", show_default=True,
              help="Leave what is done when a server fails, or take all of it back.")  # fmt: skip
@click.option("--probe", "probes", multiple=True, metavar="VLAN=INTERFACE",
              help="Verify on the wire after each wave, through this card; may be repeated.")  # fmt: skip
@click.option("--relay", "relays", multiple=True, metavar="VLAN=ADDRESS",
              help="The same as a relay agent, from this address of this machine.")  # fmt: skip
@key_option
@rollout_options
def command(**given: Any) -> int:
    """Apply a plan: upload, let each daemon check it, switch, reload, verify.

    Safe to run again after any interruption: it goes on where it was. Ctrl-C lets the servers that were
    begun come to an end, and tells what to type; a second one leaves at once. Exit code 4 if a server
    failed, 1 if the wire was not as predicted; the record says what each server runs.
    """
    from coexist.app.rollouts import Probes, Record, apply_plan, read_plan
    from coexist.report.rollout import summary

    plan = read_plan(given["plan_file"])
    probes = Probes(interfaces=_pairs(given["probes"], "--probe"), relays=_pairs(given["relays"], "--relay"))
    records: list[Record] = []

    def begun(record: Record, continued: bool) -> None:
        records.append(record)
        if continued:
            tell(f"continuing {record.id}")

    stopped = stopping(records, Path(plan.root), given["plan_file"])
    with stopped as stop, progress("applying", list(plan.servers)) as told:
        done = apply_plan(
            plan, way_of(given), told,
            force=given["force"], on_failure=given["on_failure"], probes=probes, begun=begun, stop=stop,
        )  # fmt: skip
    if done.record is None:
        click.echo(done.said)
        return 0
    for sentence in summary(done.record):
        say(sentence)
    if done.failure is None:
        return 0
    tell(done.failure.message)
    return EXIT_HOST if done.failure.server else EXIT_REFUSED


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        vlan, found, value = text.partition("=")
        if not (vlan and found and value):
            raise click.UsageError(f"{option} {text!r}: write VLAN=..., for example office=eth0")
        pairs[vlan] = value
    return pairs
