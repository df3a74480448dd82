"""``coexist rollback INVENTORY [RECORD]``: exactly the bytes that stood there before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from coexist.cli.prose import say, tell
from coexist.cli.remote import late_progress, rollout_options, stopping, way_of

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
    from coexist.app.rollouts import Record, take_back
    from coexist.report.rollout import summary

    path: Path = given["inventory"]
    root = path if path.is_dir() else path.parent
    records: list[Record] = []

    with stopping(records, root) as stop, late_progress("going back") as watch:
        done = take_back(
            root,
            way_of(given),
            watch,
            record=given["record"],
            reason=given["reason"],
            overwrite=given["overwrite"],
            passed_over=lambda record: tell(f"{record.id} changed no server, and is passed over"),
            begun=records.append,
            stop=stop,
        )
    for sentence in summary(done.record) if done.record else ():
        say(sentence)
    if done.failure is None:
        return 0
    tell(done.failure.message)
    return EXIT_HOST
