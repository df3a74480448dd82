"""``coexist solve INVENTORY``: the smallest change that makes the intent true."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from coexist.cli.prose import tell
from coexist.errors import CoexistError

if TYPE_CHECKING:
    from coexist.app.solve import Solution


@click.command("solve")
@click.argument("inventory", type=click.Path(path_type=Path))
@click.option(
    "--write", is_flag=True, help="Change the inventory's files; without it the patch is printed only."
)
def command(inventory: Path, write: bool) -> int:
    """Derive relays, scope entries, whitelists and delays of INVENTORY from its intent.

    Prints a patch (stdout) and its proof (stderr). Exit codes: 0 the intent holds with the patch; 1 a part of
    it is impossible, with the reason and what else would do.
    """
    from coexist.app.solve import solve_site

    solved = solve_site(inventory)
    click.echo(solved.patch, nl=False)
    if write and not solved.unreached:
        solved.write()
    _explain(solved.solution, write and not solved.unreached)
    if solved.unreached:
        raise CoexistError("\n".join(solved.unreached))
    return 1 if solved.solution.impossible else 0


def _explain(solution: Solution, written: bool) -> None:
    from coexist.app.check import counted

    if not solution.edits:
        tell("nothing to change")
    for number, edit in enumerate(solution.edits, start=1):
        tell(f"{number:3}. {'.'.join(map(str, edit.path))}: {edit.why}", hang=2)
    if solution.proof:
        tell("proof, by the race of every class:")
        for line in solution.proof:
            tell(line, "     ", hang=2)
    for item in solution.impossible:
        tell(f"impossible: {item.what}", hang=2)
        tell(f"because {item.because}", "  ", hang=2)
        for alternative in item.alternatives:
            tell(f"instead: {alternative}", "  ", hang=2)
    before, after = counted(solution.before.findings), counted(solution.after.findings)
    did = "written" if written and solution.edits else "with this patch"
    tell(f"check before: {before}; {did}: {after}")
