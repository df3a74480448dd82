"""``coexist plan INVENTORY``: what an apply would change on the servers, and what that means for clients."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coexist.cli.decisions import with_option
from coexist.cli.private import write_file
from coexist.cli.prose import say, tell
from coexist.cli.remote import history_option, key_option, late_progress, ssh_options, way_of, ways_on
from coexist.text.amounts import amount

if TYPE_CHECKING:
    from coexist.app.rollouts import SitePlan

EXIT_FINDINGS, EXIT_PENDING, EXIT_HOST = 1, 3, 4


@click.command("plan")
@click.argument("inventory", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the plan here.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 3 if anything would change.")
@click.option("--reason", help="Plan although `coexist check` finds errors, and say why in the record.")
@click.option("--overwrite", multiple=True, is_flag=False, flag_value="", metavar="[PATH]",
              help="Plan to replace files that were edited on a server; with =PATH also that file, which no"
              " rollout wrote. Repeatable.")  # fmt: skip
@click.option("--only", multiple=True, metavar="SERVER", help="This server only; may be repeated.")
@history_option
@key_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
              show_default=True, help="How to print it.")  # fmt: skip
@ssh_options
def command(**given: Any) -> int:
    """Read each server's files over SSH and compare them with what INVENTORY renders.

    Nothing is changed anywhere. Exit code 1 if the plan is refused (errors of `check`, files edited by
    hand), 4 if a server cannot be read.
    """
    from coexist.app.rollouts import plan_site, plan_text, sealed, unfinished

    path: Path = given["inventory"]
    way = way_of(given)
    root = path if path.is_dir() else path.parent
    left = unfinished(root, given["folder"])
    for sentence in () if left is None else ways_on(left, root):
        tell(sentence)
    with late_progress("reading") as told:
        made = plan_site(
            path,
            way,
            reason=given["reason"],
            overwrite="" in given["overwrite"],
            replace=given["overwrite"],
            only=given["only"],
            reading=told,
        )
    written = ""
    if given["out"] is not None or given["form"] == "json":
        written = plan_text(sealed(made.plan, way, root))
    if given["form"] == "json":
        click.echo(written, nl=False)
    else:
        _print(made)
    for finding in (*made.drift, *made.findings):
        tell(f"{finding.severity} {finding.code.code}: {finding.message}; {finding.repair}")
    for (name, file), statements in made.lost.items():
        tell(f"{name}: no rollout wrote {file}; these statements of it would be gone:")
        for line, text in statements:
            tell(f"  {file}:{line}: {text}")
    for name, why in made.left_out.items():
        tell(f"{name}: left out: {why}")
    for why in made.failed.values():
        tell(why)
    refused = made.refused()
    if refused is not None:
        tell(with_option(f"no plan: {refused.why}", refused.decision))
        return EXIT_HOST if refused.kind == "host" else EXIT_FINDINGS
    if given["out"] is not None:
        write_file(given["out"], written.encode(), private=True)
        if not made.plan.is_empty:
            tell(f"next: coexist apply {shlex.quote(str(given['out']))}")
    return EXIT_PENDING if given["detailed_exitcode"] and not made.plan.is_empty else 0


def _print(made: SitePlan) -> None:
    from coexist.report.rollout import steps
    from coexist.report.styles import style

    plan = made.plan
    for name, server in plan.servers.items():
        click.echo(style(f"{name} ({server.host}, {server.software})", bold=True))
        for sentence in server.impact.sentences:
            say(sentence, "  ")
        for line in made.diff(name):
            colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
            click.echo("  " + style(line, colour=colour))
    if plan.is_empty and made.failed:
        return
    if plan.is_empty:
        click.echo("nothing to change" if made.jobs else "nothing to change: no server was looked at")
    for sentence in steps(plan):
        say(sentence)
    if plan.checks:
        click.echo(f"{amount(len(plan.checks), 'answer is', 'answers are')} predicted for the probe")
