"""``coexist plan INVENTORY``: what an apply would change on the servers, and what that means for clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coexist.cli.private import write_file
from coexist.cli.prose import say, tell
from coexist.cli.remote import connector, history_option, key_option, progress, ssh_options

if TYPE_CHECKING:
    from coexist.analysis.findings import Finding
    from coexist.inventory.loader import Inventory
    from coexist.render.rendered import RenderedSite
    from coexist.rollout.document import Plan
    from coexist.rollout.history import History
    from coexist.rollout.planning import Job
    from coexist.rollout.present import Present

EXIT_FINDINGS, EXIT_PENDING, EXIT_HOST = 1, 3, 4


@click.command("plan")
@click.argument("inventory", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the plan here.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 3 if anything would change.")
@click.option("--reason", help="Plan although `coexist check` finds errors, and say why in the record.")
@click.option("--overwrite", is_flag=True, help="Plan to replace files that were edited on a server.")
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
    from coexist.app.current import load_current
    from coexist.render import render_site
    from coexist.rollout.history import FOLDER, History
    from coexist.rollout.leftovers import left_behind, leftovers
    from coexist.rollout.planning import jobs_of
    from coexist.rollout.present import read_present

    inventory = load_current(given["inventory"], parked=True)
    history = History(given["folder"] or inventory.root / FOLDER)
    rendered = render_site(inventory)
    found = leftovers(inventory, rendered, history.written())
    jobs = jobs_of(inventory, rendered, found)
    chosen = _chosen(inventory, jobs.jobs, given["only"])
    connect = connector(given["ssh_config"], given["connect_timeout"])
    with progress("reading", list(chosen)) as told:
        present = read_present(
            [job.target for job in chosen.values()], connect,
            parallel=given["parallel"], watch=told,
        )  # fmt: skip
    readable = {name: job for name, job in chosen.items() if name in present.files}
    plan, drift, findings = _planned(inventory, rendered, readable, present, history, given)
    drift = (*drift, *left_behind(inventory, jobs.jobs, found))
    _report(plan, drift, findings, given, readable, present, jobs.left_out)
    return _finish(plan, drift, findings, given, present)


def _chosen(inventory: Inventory, jobs: Mapping[str, Job], only: Sequence[str]) -> dict[str, Job]:
    from coexist.inventory.values import closest

    for name in only:
        if name not in inventory.site.servers:
            raise click.BadParameter(f"there is no server {name!r}; {closest(name, inventory.site.servers)}")
    return {name: job for name, job in jobs.items() if not only or name in only}


def _planned(
    inventory: Inventory,
    rendered: RenderedSite,
    jobs: Mapping[str, Job],
    present: Present,
    history: History,
    given: Mapping[str, Any],
) -> tuple[Plan, tuple[Finding, ...], tuple[Finding, ...]]:
    from coexist.analysis import Severity, sorted_findings
    from coexist.app.current import analyse_now, today
    from coexist.cli.wire_checks import with_checks
    from coexist.rollout.drift import drift
    from coexist.rollout.impact import read_manifest
    from coexist.rollout.leftovers import removals
    from coexist.rollout.planning import make_plan

    analysis = analyse_now(given["inventory"], today())
    known = {(f.code.code, f.path) for f in (*analysis.findings, *(s.finding for s in analysis.suppressed))}
    written = [f for f in rendered.findings if (f.code.code, f.path) not in known]
    # What a product cannot keep is shown whatever its severity: it is what the plan would leave out.
    shown = [f for f in analysis.findings if f.severity is Severity.ERROR or f.code.code.startswith("CX5")]
    findings = tuple(sorted_findings([*shown, *written]))
    errors = tuple(finding for finding in findings if finding.severity is Severity.ERROR)
    wanted = {name: {path: file.digest for path, file in job.files.items()} for name, job in jobs.items()}
    found = drift(
        inventory, present.files, wanted, history.last_applied(), history.content, history.written()
    )
    found += removals(inventory, jobs, present.files)
    planned = make_plan(
        inventory,
        jobs,
        present.files,
        read_manifest(history.last_manifest()),
        root=str(inventory.root.resolve()),
        reason=given["reason"],
        findings=tuple(f"{finding.code.code} {finding.message}" for finding in errors),
    )
    plan = with_checks(inventory, planned, present.boot_files).sealed()
    return (plan if plan.is_empty else _with_seal(plan, history, given)), found, findings


def _with_seal(plan: Plan, history: History, given: Mapping[str, Any]) -> Plan:
    """What is written down carries a seal, by which ``apply`` knows it again."""
    from coexist.rollout.seal import KEY_FILE, make_key, sealed_with

    if given["out"] is None and given["form"] != "json":
        return plan
    return sealed_with(plan, make_key(given["key"] or history.folder / KEY_FILE))


def _report(
    plan: Plan,
    drift: Sequence[Finding],
    findings: Sequence[Finding],
    given: Mapping[str, Any],
    jobs: Mapping[str, Job],
    present: Present,
    left_out: Mapping[str, str],
) -> None:
    if given["form"] == "json":
        from coexist.rollout.document import write_plan

        click.echo(write_plan(plan), nl=False)
    else:
        _print_servers(plan, jobs, present)
        if not (plan.is_empty and present.failed):
            _print_steps(plan, jobs)
    for finding in (*drift, *findings):
        tell(f"{finding.severity} {finding.code.code}: {finding.message}; {finding.repair}")
    for name, why in left_out.items():
        tell(f"{name}: left out: {why}")
    for why in present.failed.values():
        tell(why)


def _print_servers(plan: Plan, jobs: Mapping[str, Job], present: Present) -> None:
    from coexist.rollout.drift import diff

    for name, server in plan.servers.items():
        click.secho(f"{name} ({server.host}, {server.software})", bold=True)
        for sentence in server.impact.sentences:
            say(sentence, "  ")
        for file in server.files:
            if file.after:
                before = present.files[name][file.path].content
                rendered = jobs[name].files.get(file.path)
                after = rendered.content if rendered is not None else None
                old, new = (file.path if content is not None else "/dev/null" for content in (before, after))
                for line in diff(before, after, old, new).splitlines():
                    colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
                    click.echo("  " + click.style(line, fg=colour))


def _print_steps(plan: Plan, jobs: Mapping[str, Job]) -> None:
    if plan.is_empty:
        click.echo("nothing to change" if jobs else "nothing to change: no server was looked at")
    for number, step in enumerate(plan.steps, start=1):
        waves = ", then ".join(
            " and ".join(f"{change.server} ({change.version})" for change in wave) for wave in step.waves
        )
        say(f"step {number}: {waves}: {step.why}")
    for sentence in plan.exposed:
        say(f"note: {sentence}")
    if plan.checks:
        click.echo(f"{len(plan.checks)} answers are predicted for the probe")


def _finish(
    plan: Plan,
    drift: Sequence[Finding],
    findings: Sequence[Finding],
    given: Mapping[str, Any],
    present: Present,
) -> int:
    from coexist.analysis import Severity
    from coexist.rollout.document import write_plan

    if present.failed:
        tell("no plan: a server could not be read")
        return EXIT_HOST
    if any(finding.severity is Severity.ERROR for finding in findings) and not given["reason"]:
        tell("no plan: the inventory does not pass `coexist check`: repair it, or say --reason")
        return EXIT_FINDINGS
    edited = [finding for finding in drift if finding.code.code in ("CX601", "CX602")]
    if edited and not given["overwrite"] and not plan.is_empty:
        tell("no plan: a server was changed by hand; take it over, or plan to --overwrite it")
        return EXIT_FINDINGS
    if given["out"] is not None:
        write_file(given["out"], write_plan(plan).encode(), private=True)
    return EXIT_PENDING if given["detailed_exitcode"] and not plan.is_empty else 0
