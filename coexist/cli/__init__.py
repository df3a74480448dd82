"""The command line: one module a command, imported only when that command runs.

A command is a ``click.Command`` named ``command`` in its own module. It returns its exit code
(``None`` means 0) or raises: a `CoexistError` becomes one sentence on stderr, here and nowhere else.
stdout is data, stderr is for people.
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import click

from coexist import __version__
from coexist.cli.decisions import with_option
from coexist.cli.prose import tell
from coexist.cli.streams import harmless_streams
from coexist.errors import CoexistError, HostError, UndecidedError

EXIT_USAGE = 2
EXIT_DEFECT = 70  # EX_SOFTWARE of sysexits.h: a crash must not read as "findings" (1)
EXIT_OUTPUT_FAILED = 74  # EX_IOERR
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
EXIT_OUTPUT_CLOSED = 141  # 128 + SIGPIPE, as a shell reports it

EXIT_CODES = {
    0: "done; nothing found",
    1: "findings at or above `--fail-on`, a step or a plan that is refused, an intent that is impossible, "
    "a checklist with open items, a wire that is not as predicted, a conversion that answers differently",
    EXIT_USAGE: "wrong usage, or an input that cannot be read: every mistake is told with its place",
    3: "changes are pending: `plan --detailed-exitcode`; `migrate next`, `back` and `retire` without `--yes` "
    "or with something left to do by hand; `diff` where clients boot differently",
    4: "a host failed or could not be reached; a network card could not be used",
    EXIT_DEFECT: "a defect of coexist itself, with its traceback",
    EXIT_OUTPUT_FAILED: "stdout could not be written: the disk is full or broken",
    EXIT_INTERRUPTED: "interrupted (Ctrl-C)",
    EXIT_OUTPUT_CLOSED: "the reader of stdout went away, as `head` does",
}
"""What each exit code means, for every command."""


class Entry(NamedTuple):
    """One line of the command table: where a command lives, and what ``coexist --help`` says of it."""

    target: str
    summary: str


COMMANDS: dict[str, Entry] = {
    "init": Entry("coexist.cli.init:command", "Begin an inventory."),
    "import": Entry("coexist.cli.import_:command", "Read the configuration of servers that exist."),
    "adopt": Entry("coexist.cli.adopt:command", "Take a server that runs, by the files it runs on."),
    "convert": Entry("coexist.cli.convert:command", "Write a server for another product, proven equal."),
    "check": Entry("coexist.cli.check:command", "Find what goes wrong, for every client there can be."),
    "explain": Entry("coexist.cli.explain:command", "Tell who boots one machine, packet by packet."),
    "doctor": Entry("coexist.cli.doctor:command", "Tell why a machine did not boot."),
    "matrix": Entry("coexist.cli.matrix:command", "Show who answers whom, against the intent."),
    "diff": Entry("coexist.cli.diff:command", "Show who boots differently between two versions."),
    "report": Entry("coexist.cli.report:command", "Write a page about the site, for people to look at."),
    "solve": Entry(
        "coexist.cli.solve:command", "Derive delays, whitelists and scope entries from the intent."
    ),
    "probe": Entry("coexist.cli.probe:command", "Ask the wire who answers booting clients."),
    "observe": Entry("coexist.cli.observe:command", "Tell from a capture who answered, who won and why."),
    "render": Entry("coexist.cli.render:command", "Write each server's own configuration."),
    "plan": Entry("coexist.cli.plan:command", "Show what an apply would change, and for whom."),
    "apply": Entry("coexist.cli.apply:command", "Bring the servers to what was planned."),
    "rollback": Entry("coexist.cli.rollback:command", "Take an apply back, byte for byte."),
    "history": Entry("coexist.cli.history:command", "List what was rolled out, when and by whom."),
    "migrate": Entry("coexist.cli.migrate:command", "Move clients to a new boot server, wave by wave."),
    "checklist": Entry("coexist.cli.checklist:command", "Record what was tried on the pilot machines."),
    "schema": Entry("coexist.cli.schema:command", "Print the JSON Schema of an inventory, for editors."),
    "console": Entry("coexist.cli.console:command", "Look at the site in a browser; register machines."),
    "users": Entry("coexist.cli.users:command", "Say who may use the console."),
    "serve": Entry("coexist.cli.serve:command", "Be a boot server: ProxyDHCP, TFTP and HTTP."),
    "clients": Entry("coexist.cli.clients:command", "List, register and ignore the clients a server saw."),
    "registry": Entry("coexist.cli.registry:command", "Copy a registry, see what it holds."),
}


class LazyGroup(click.Group):
    """A group that lists its commands from a table and imports a command only to run it."""

    def __init__(self, *, entries: Mapping[str, Entry], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the table's order, which is the order of the work."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command ``cmd_name``; None when the table does not have it."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module_name, _, attribute = entry.target.partition(":")
        command = getattr(importlib.import_module(module_name), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.target} is {type(command).__name__}, not a click command")
        command.short_help = entry.summary
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of a command line; name the nearest one where there is none of that name."""
        if args[0] not in self.entries and not args[0].startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.entries, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(self.entries)}"
            ctx.fail(f"there is no command {args[0]!r}; {remedy}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table itself, so that ``--help`` imports no command."""
        if self.entries:
            with formatter.section("Commands"):
                formatter.write_dl([(name, entry.summary) for name, entry in self.entries.items()])


cli = LazyGroup(
    name="coexist",
    entries=COMMANDS,
    help="Declare, prove and run several PXE boot services on one network.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
)
cli = click.version_option(__version__, prog_name="coexist", message="%(prog)s %(version)s")(cli)


def run(args: Sequence[str], group: click.Group = cli, given: object = None) -> int:
    """Run one command line (without the program's name) and return its exit code.

    Every expected failure ends here as one sentence on stderr. Tests call this too. ``given``: what a command
    takes by ``click.pass_obj``.
    """
    # Closed by `>&-` or `2>&-`: whoever closed one does not want it, and no file gets its number.
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 it is open as long as the process
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    with harmless_streams():
        return _run(args, group, given)


def _run(args: Sequence[str], group: click.Group, given: object) -> int:
    try:
        with group.make_context("coexist", list(args), color=_colour(), obj=given) as context:
            result = group.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as request:
        return request.exit_code
    except click.ClickException as error:
        _show_usage(error)
        return EXIT_USAGE
    except (HostError, UndecidedError) as error:
        tell(with_option(str(error), error.decision))
        return error.exit_code
    except CoexistError as error:
        tell(str(error))
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo(err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _discard_stdout()
        return EXIT_OUTPUT_CLOSED
    except OSError as error:
        if error.filename is not None:
            tell(f"{error.filename}: {error.strerror}{_REMEDIES.get(error.errno or 0, '')}")
            return EXIT_USAGE
        if error.errno not in _OUTPUT_ERRORS:
            return _report_defect()
        _discard_stdout()
        tell(f"the output cannot be written: {error.strerror}")
        return EXIT_OUTPUT_FAILED
    except Exception:  # noqa: BLE001 the one place where a defect gets its own exit code
        return _report_defect()
    return result if isinstance(result, int) else 0


def main() -> NoReturn:
    """Be the ``coexist`` program."""
    # pydantic would read the metadata of every installed package to find plugins for itself.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    instruction = os.environ.get("_COEXIST_COMPLETE")
    if instruction is not None:
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(cli, {}, "coexist", "_COEXIST_COMPLETE", instruction))
    if sys.argv[1:2] in (["check"], ["import"]):
        # They read, write and end. To walk a million clients in search of cycles, and to take them apart
        # one by one at the end, costs a tenth of the whole run.
        gc.disable()
        code = run(sys.argv[1:], given=_second_core())
        sys.stderr.flush()
        os._exit(code)
    code = run(sys.argv[1:])
    if code == EXIT_INTERRUPTED:
        # A thread that still waits for a host that says nothing is not waited for.
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _second_core() -> object:
    """What begins work on another core, where there is one."""
    from coexist.app.second_core import begun_apart, has_second_core

    return begun_apart if has_second_core() else None


_REMEDIES = {
    errno.ENOENT: "; check the path: a directory of it is missing",
    errno.ENOTDIR: "; check the path: a part of it is a file",
    errno.EISDIR: "; name a file in it",
    errno.EEXIST: "; name another directory",
    errno.EACCES: "; write elsewhere, or ask for the permission",
    errno.EPERM: "; write elsewhere, or ask for the permission",
    errno.EROFS: "; write elsewhere",
    errno.ENOSPC: "; make room, then run it again",
    errno.EDQUOT: "; make room, then run it again",
}
_OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)
"""What writing to stdout ends with when it is a file on a full or broken disk; it has no name then."""


def _colour() -> bool | None:
    """No colour where ``NO_COLOR`` is set (https://no-color.org), else where there is a terminal."""
    return False if os.environ.get("NO_COLOR") else None


def _show_usage(error: click.ClickException) -> None:
    """What ``click`` shows of a wrong use, folded."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help' for help.\n", err=True)
    tell(f"Error: {error.format_message()}")


def _report_defect() -> int:
    traceback.print_exc()
    tell("coexist itself is at fault here, not your input: please report the lines above.")
    return EXIT_DEFECT


def _discard_stdout() -> None:
    # The interpreter flushes stdout once more at exit and would complain about the closed pipe
    # (https://docs.python.org/3/library/signal.html#note-on-sigpipe).
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
