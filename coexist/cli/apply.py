"""``coexist apply plan.json``: bring the servers to what was planned, or leave each whole as it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coexist.cli.prose import say, tell
from coexist.cli.remote import connector, key_option, progress, rollout, rollout_options

if TYPE_CHECKING:
    from coexist.rollout.document import Plan
    from coexist.rollout.history import History, Record

LARGEST_SHARE = 0.3
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

    Safe to run again after any interruption: it goes on where it was. Exit code 4 if a server failed, 1
    if the wire was not as predicted; the record says what each server runs.
    """
    from coexist.errors import CoexistError
    from coexist.rollout.document import read_plan
    from coexist.rollout.history import FOLDER, History
    from coexist.rollout.seal import KEY_FILE, require_seal

    plan = read_plan(given["plan_file"])
    if plan.is_empty:
        click.echo("nothing to change")
        return 0
    if given["folder"] is None and not Path(plan.root).is_dir():
        raise CoexistError(
            f"the plan was made beside {plan.root}, which is not here; make one here, or say where this"
            " rollout is recorded (--history DIRECTORY)"
        )
    history = History(given["folder"] or Path(plan.root) / FOLDER)
    require_seal(plan, given["key"] or history.folder / KEY_FILE)
    if _already(plan, history):
        return _compare(plan, given)
    _gate(plan, given["force"])
    verify = _verifier(plan, given)
    journal = history.resume(plan, "apply")
    if journal is None:
        journal = history.begin(plan, "apply")
    else:
        tell(f"continuing {journal.record.id}")
    try:
        with progress("applying", list(plan.servers)) as told:
            failure = rollout(plan, journal, history, given, told).apply(
                verify=verify, on_failure=given["on_failure"]
            )
    except KeyboardInterrupt:
        tell(f"record {journal.record.id} is not finished; `coexist apply {given['plan_file']}` goes on")
        tell(f"`coexist rollback {plan.root} {journal.record.id}` takes back what was done")
        raise
    summarize(journal.record)
    if failure is None:
        return 0
    tell(failure.message)
    return EXIT_HOST if failure.server else EXIT_REFUSED


def _already(plan: Plan, history: History) -> bool:
    """Whether this plan was applied to its end and nothing of this inventory since."""
    record = history.latest(plan)
    return record is not None and (record.plan, record.kind, record.outcome) == (plan.digest, "apply", "done")


def _compare(plan: Plan, given: dict[str, Any]) -> int:
    """An applied plan is not applied again; say whether it still stands."""
    from coexist.errors import HostError
    from coexist.rollout.converge import standing
    from coexist.rollout.transport import Address

    connect = connector(given["ssh_config"], given["connect_timeout"])
    wrong = []
    for name, server in plan.servers.items():
        try:
            connection = connect(Address(name=name, host=server.host, user=server.user, port=server.port))
            try:
                standing(connection, server, ("final",))
            finally:
                connection.close()
        except HostError as error:
            wrong.append(str(error))
    if wrong:
        raise HostError("this plan was applied, and since then: " + "; ".join(wrong) + "; make a new plan")
    click.echo("already applied; nothing to change")
    return 0


def _gate(plan: Plan, force: bool) -> None:
    """Refuse what changes too many of a server's clients at once."""
    from coexist.errors import CoexistError

    large = [
        f"{name} ({server.impact.share:.0%})"
        for name, server in plan.servers.items()
        if server.impact.share > LARGEST_SHARE
    ]
    if large and not force:
        raise CoexistError(
            f"more than {LARGEST_SHARE:.0%} of the clients change on {', '.join(large)}; nothing was done; "
            "read the plan again, then say --force"
        )


def _verifier(plan: Plan, given: dict[str, Any]) -> Any:
    if not given["probes"] and not given["relays"]:
        return None
    from coexist.cli.wire_checks import verifier

    return verifier(plan, _pairs(given["probes"], "--probe"), _pairs(given["relays"], "--relay"))


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        vlan, found, value = text.partition("=")
        if not (vlan and found and value):
            raise click.UsageError(f"{option} {text!r}: write VLAN=..., for example office=eth0")
        pairs[vlan] = value
    return pairs


STATES = {
    "untouched": "was not touched",
    "old": "runs its old configuration",
    "staged": "runs the configuration of an intermediate step",
    "new": "runs its new configuration",
    "between": "has files of both configurations",
    "unknown": "could not be asked what it runs",
}


def summarize(record: Record) -> None:
    """What each server runs, on stdout."""
    for name, server in record.servers.items():
        told = STATES[server.state]
        if record.kind == "rollback" and server.state == "old":
            told = "runs the configuration it had before"
        say(f"{name}: {told}" + (f" ({server.error})" if server.error else ""))
    say(f"record {record.id}: {record.outcome}")
