"""``coexist rollback INVENTORY [RECORD]``: exactly the bytes that stood there before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from coexist.cli.prose import tell
from coexist.cli.remote import progress, rollout, rollout_options

EXIT_HOST = 4


@click.command("rollback")
@click.argument("inventory", type=click.Path(path_type=Path, exists=True))
@click.argument("record", required=False)
@click.option("--reason", help="Why, for the record.")
@click.option("--overwrite", is_flag=True, help="Take back what was edited on a server since, too.")
@rollout_options
def command(**given: Any) -> int:
    """Take back the apply named RECORD, in the reverse of its order; if not given, the last one that changed
    anything.

    Each file gets the bytes it had, by their digest. A server whose files were changed since is refused,
    unless you say --overwrite: what stood there is kept beside.
    """
    from coexist.cli.apply import summarize
    from coexist.errors import CoexistError
    from coexist.rollout.history import FOLDER, History

    path: Path = given["inventory"]
    root = path if path.is_dir() else path.parent
    history = History(given["folder"] or root / FOLDER)
    if given["record"]:
        undone = history.record(given["record"])
    else:
        applies = [record for record in history.records() if record.kind == "apply"]
        if not applies:
            raise CoexistError(f"nothing was applied yet: {history.folder} has no record")
        undone = next((record for record in reversed(applies) if record.touched), applies[-1])
        for record in applies[applies.index(undone) + 1 :]:
            tell(f"{record.id} changed no server, and is passed over")
    if undone.kind != "apply":
        raise CoexistError(f"{undone.id} is a rollback; apply its plan again to undo it")
    plan = history.plan_of(undone)
    journal = history.resume(plan, "rollback", undone.id)
    if journal is None:
        journal = history.begin(plan, "rollback", of=undone.id, reason=given["reason"])
    with progress("going back", list(plan.servers)) as told:
        failure = rollout(plan, journal, history, given, told, overwrite=given["overwrite"]).undo()
    summarize(journal.record)
    if failure is None:
        return 0
    tell(failure.message)
    return EXIT_HOST
