"""``coexist migrate``: from one server generation to the next, in proven steps, and back."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coexist.cli.captures import tell_damage
from coexist.cli.of_migration import of_migration
from coexist.cli.prose import say, tell
from coexist.cli.remote import options_given, way_options
from coexist.errors import CoexistError
from coexist.text.amounts import amount

if TYPE_CHECKING:
    from coexist.app.migration_by_hand import ByHand
    from coexist.app.migration_moves import Shown

EXIT_FINDINGS = 1
EXIT_PENDING = 3
DOING = frozenset({"overwrite", "ssh_config", "connect_timeout", "yes"})
"""The options of whatever makes a step."""


@click.group("migrate", no_args_is_help=True)
def command() -> None:
    """Move clients from one boot server to another, a wave at a time, every moment proven."""


def _doing_options(function: Any) -> Any:
    for option in (
        click.option("--overwrite", is_flag=True, help="Replace files that were edited on a server."),
        way_options,
        click.option("--yes", is_flag=True, help="Do it; without this it is only shown."),
    ):
        function = option(function)
    return function


_format = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text",
                       show_default=True, help="How to print it.")  # fmt: skip


def _seen_options(function: Any) -> Any:
    for option in (
        click.option(
            "--capture",
            "captures",
            multiple=True,
            metavar="FILE",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="A packet capture that shows machines booting; may be repeated.",
        ),
        click.option(
            "--registry",
            "registries",
            multiple=True,
            metavar="SERVER=FILE",
            help="A copy of a coexist server's registry; may be repeated.",
        ),
    ):
        function = option(function)
    return function


_list = click.option(
    "--list",
    "table",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what is to be changed by hand: CSV, or what the server's manager imports (.ldif).",
)


@command.command("plan", short_help="Print every step to come, with its proof.")
@of_migration
@_format
def plan(inventory: Path, name: str | None, form: str) -> int:
    """Print every step still to come: servers touched, clients that move, and the proof of each moment.

    Exits with 1 if a step cannot be made safe; the client that shows it is printed with its time line.
    """
    from coexist.app import migration_moves
    from coexist.app.migrations import load
    from coexist.report.migration import plan_json, plan_text

    loaded = load(inventory, name)
    planned = migration_moves.plan(loaded)
    click.echo(
        json.dumps(plan_json(planned), indent=2) if form == "json" else plan_text(planned), nl=form == "json"
    )
    return EXIT_FINDINGS if planned.refused or planned.not_parked else 0


@command.command("next", short_help="Move the next wave.")
@of_migration
@_doing_options
@_seen_options
@click.option("--despite-gate", metavar="REASON", help="Move although the gate is shut; kept in the history.")
@click.option("--done-by-hand", is_flag=True, help="The change that somebody makes by hand was made.")
@click.option(
    "--verify",
    "interfaces",
    multiple=True,
    metavar="VLAN=INTERFACE",
    help="With --done-by-hand: ask the wire whether it was; may be repeated.",
)
@_list
def next_(
    inventory: Path,
    name: str | None,
    registries: tuple[str, ...],
    captures: tuple[Path, ...],
    *,
    despite_gate: str | None,
    done_by_hand: bool,
    interfaces: tuple[str, ...],
    table: Path | None,
    yes: bool,
    **doing: Any,
) -> int:
    """Move the next wave, or finish the step that is under way.

    Without --yes nothing is changed, and the exit code 3 says that there is something to do. Changes of
    servers that coexist does not reach are listed, for somebody to make; --done-by-hand goes on after them.
    """
    from coexist.app import migration_moves
    from coexist.app.migrations import load, surroundings

    wanted = migration_moves.Next(
        yes=yes,
        despite_gate=despite_gate,
        done_by_hand=done_by_hand,
        interfaces=interfaces,
        registries=registries,
        captures=captures,
    )
    show = _Shower(inventory, table)
    with _interrupted(inventory, name):
        pending = migration_moves.move_next(
            load(inventory, name), wanted, lambda: surroundings(tell=tell, **doing), show
        )
    show.end(yes=yes)
    tell_damage(captures)
    return EXIT_PENDING if pending else 0


@contextlib.contextmanager
def _interrupted(inventory: Path, name: str | None) -> Iterator[None]:
    """What to type after Ctrl-C: a server that was begun is finished first, and the step stays under way."""
    from coexist.app.migrations import load

    try:
        yield
    except KeyboardInterrupt:
        loaded = load(inventory, name)
        if loaded.state.under_way() is None:
            tell("no step is under way")
        else:
            words = (
                f"{shlex.quote(str(inventory))} --migration {shlex.quote(loaded.name)}{options_given(DOING)}"
            )
            tell(f"the step is under way: `coexist migrate next {words}` goes on with it")
            tell(f"`coexist migrate back {words}` takes it back")
        raise


class _Shower:
    """How what is decided is shown; what is to be made by hand goes into the file ``table`` too."""

    def __init__(self, inventory: Path, table: Path | None) -> None:
        self.inventory = inventory
        self.table = table
        self.listed = False

    def __call__(self, what: Shown | ByHand | str) -> None:
        from coexist.app.migration_moves import Shown
        from coexist.report.migration import conditions_text, steps_text

        if isinstance(what, str):
            tell(what)
        elif isinstance(what, Shown):
            click.echo(steps_text([what.planned]) + conditions_text(what.conditions), nl=False)
        else:
            self.listed = True
            _tell_by_hand(what, self.inventory, self.table)

    def end(self, *, yes: bool) -> None:
        """Say why there is no file, where one was asked for."""
        if self.table is not None and not self.listed:
            begun = "" if yes else " before the step has begun: --yes begins it"
            tell(f"{self.table} is not written: nothing is to be changed by hand{begun}")


def _tell_by_hand(change: ByHand, inventory: Path, table: Path | None) -> None:
    heading = f"In the manager of {change.server}" + (f" (ask {change.owner})" if change.owner else "")
    click.echo(f"{heading}: {change.server} {change.what}")
    for line in change.lines:
        click.echo(f"  {line}")
    if table is not None:
        table.write_text(change.as_file(table.suffix), encoding="utf-8")
        tell(f"{table}: {amount(len(change.changes), 'registration')}")
    tell(f"when it is done: coexist migrate next {inventory} --done-by-hand --yes")
    tell("with --verify VLAN=INTERFACE the wire is asked whether it is")


@command.command("back", short_help="Take the last step, wave or single machines back.")
@of_migration
@_doing_options
@click.option(
    "--machine",
    "machines",
    multiple=True,
    metavar="NAME",
    help="Only this one, by name or MAC; may be repeated.",
)
@_list
def back(
    inventory: Path,
    name: str | None,
    machines: tuple[str, ...],
    *,
    table: Path | None,
    yes: bool,
    **doing: Any,
) -> int:
    """Take back the step that is under way, or the wave that moved last, or single machines of any wave.

    Possible until the old server is retired, and proven like every other step.
    """
    from coexist.app.migration_moves import move_back
    from coexist.app.migrations import load, surroundings

    loaded = load(inventory, name)
    show = _Shower(inventory, table)
    with _interrupted(inventory, name):
        pending = move_back(loaded, machines, lambda: surroundings(tell=tell, **doing), show, yes=yes)
    show.end(yes=yes)
    return EXIT_PENDING if pending else 0


@command.command("status", short_help="Show what moved and what was seen.")
@of_migration
@_format
@_seen_options
@click.option("--metrics", multiple=True, metavar="SERVER[=FILE]",
              help="What a coexist server counted: asked on the server itself, or a copy of its metrics; "
              "may be repeated.")  # fmt: skip
@way_options
def status(
    inventory: Path,
    name: str | None,
    form: str,
    registries: tuple[str, ...],
    captures: tuple[Path, ...],
    metrics: tuple[str, ...],
    ssh_config: Path | None,
    connect_timeout: float,
) -> int:
    """Show each wave: planned, moved, seen booting from the new server, missing, and gone back."""
    from coexist.app.migrations import load
    from coexist.app.sightings import from_metrics
    from coexist.cli.remote import connector
    from coexist.report.migration import status_json, status_text

    loaded = load(inventory, name)
    seen = loaded.seen(registries, captures)
    tell_damage(captures)
    counted = (
        from_metrics(loaded.inventory, metrics, connector(ssh_config, connect_timeout)) if metrics else {}
    )
    told = loaded.overview(seen, counted)
    click.echo(
        json.dumps(status_json(told), indent=2) if form == "json" else status_text(told), nl=form == "json"
    )
    return 0


@command.command("checklist", short_help="Write a page for each pilot.")
@of_migration
@click.option(
    "--output",
    "-o",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Where to write the pages; it is made if it is not there.",
)
def checklist(inventory: Path, name: str | None, output: Path) -> int:
    """Write a page for each pilot machine: where it stands, what it is, what to try on it, and room to write.

    A page needs nothing beside it: print it, or send it to whoever works at the machine.
    """
    from coexist.app.migrations import load
    from coexist.app.pilots import pilot_pages
    from coexist.report.pilot_page import file_names, pilot_page

    loaded = load(inventory, name)
    pages = pilot_pages(loaded)
    if not pages:
        raise CoexistError(
            f"{loaded.inventory.where('migrations', loaded.name)}: {loaded.name} has no pilot machine; "
            "name a group in `pilots:`, or declare a wave that has members"
        )
    output.mkdir(parents=True, exist_ok=True)
    for page, file in zip(pages, file_names(pages), strict=True):
        (output / file).write_text(pilot_page(page), encoding="utf-8")
        say(f"{output / file}: {page.machine}, {amount(len(page.items), 'item')}, {page.missing} not tried")
    return 0


@command.command("parked", short_help="List parked registrations.")
@click.argument("inventory", type=click.Path(path_type=Path))
def parked(inventory: Path) -> int:
    """List registrations that differ in one digit on two servers: machines one of them keeps parked."""
    from coexist.app.parked import parked_in
    from coexist.inventory import load_inventory

    number, text = parked_in(load_inventory(inventory))
    click.echo(text, nl=False)
    tell(f"{number} parked registrations")
    return 0


@command.command("retire", short_help="Take the old server away.")
@of_migration
@_doing_options
@click.option(
    "--leave-behind", is_flag=True, help="Although clients that may stay are still on the old server."
)
@click.option(
    "--despite", metavar="REASON", help="Although a test failed or a complaint is open; kept in the history."
)
@click.option("--done-by-hand", is_flag=True, help="Somebody had the old server answer nobody.")
def retire(
    inventory: Path,
    name: str | None,
    *,
    yes: bool,
    leave_behind: bool,
    despite: str | None,
    done_by_hand: bool,
    **doing: Any,
) -> int:
    """Take the old server away: it answers nobody any more, and there is no way back.

    Then the new state is written into the inventory, and the migration's section goes; the patch is printed.
    """
    from coexist.app import migration_moves
    from coexist.app.migrations import load, surroundings

    loaded = load(inventory, name)
    end = migration_moves.retirement(loaded, despite=despite, leave_behind=leave_behind)
    say(f"without {end.source}: {end.proof}")
    click.echo(end.patch, nl=False)
    if end.by_hand and not done_by_hand:
        tell(f"have {end.source} answer nobody (its PXE service off), then say --done-by-hand --yes")
        return EXIT_PENDING
    if not yes:
        return EXIT_PENDING
    migration_moves.retire(loaded, end, lambda: surroundings(tell=tell, **doing), despite)
    tell("the inventory has the new state; keep the patch in version control")
    return 0
