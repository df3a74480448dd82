"""The command line as a whole: its table, its exit codes, and what it says when a command cannot."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from coexist import __version__
from coexist.cli import COMMANDS, Entry, LazyGroup, cli, run
from coexist.errors import CoexistError, HostError, InputError, Position, Problem


def _raises(error: BaseException) -> click.Command:
    @click.command
    def command() -> None:
        raise error

    return command


def _returns(value: int | None) -> click.Command:
    @click.command
    def command() -> int | None:
        return value

    return command


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> Callable[[click.Command], int]:
    """Run a command the way the table does: by the name of its module."""

    def run_it(command: click.Command) -> int:
        monkeypatch.setattr(sys.modules[__name__], "command", command, raising=False)
        group = LazyGroup(name="coexist", entries={"it": Entry(f"{__name__}:command", "Do it.")})
        return run(["it"], group)

    return run_it


@pytest.mark.parametrize(("value", "code"), [(None, 0), (0, 0), (1, 1), (3, 3)])
def test_a_command_returns_its_exit_code(outcome, value, code):
    assert outcome(_returns(value)) == code


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CoexistError("the moon is down"), 2, "the moon is down\n"),
        (HostError("dhcp1 refused the key"), 4, "dhcp1 refused the key\n"),
        (
            PermissionError(13, "Permission denied", "/etc/dhcp"),
            2,
            "/etc/dhcp: Permission denied; write elsewhere, or ask for the permission\n",
        ),
    ],
)
def test_an_expected_failure_is_one_sentence_without_a_traceback(outcome, capsys, error, code, said):
    assert outcome(_raises(error)) == code
    assert capsys.readouterr() == ("", said)


def test_every_problem_of_an_input_is_told(outcome, capsys):
    problems = [
        Problem(Position("site.yaml", 9, 3), "no VLAN 20", "declare it under vlans"),
        Problem(Position("site.yaml", 2, 1), "no name"),
    ]
    assert outcome(_raises(InputError(problems))) == 2
    assert capsys.readouterr().err.splitlines() == [
        "site.yaml:2:1: no name",
        "site.yaml:9:3: no VLAN 20; declare it under vlans",
    ]


def test_a_defect_shows_its_traceback_and_is_not_taken_for_findings(outcome, capsys):
    assert outcome(_raises(KeyError("left out"))) == 70
    assert "Traceback" in (said := capsys.readouterr().err)
    assert "KeyError: 'left out'" in said


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_is_quiet(outcome, capsys, error):
    assert outcome(_raises(error)) == 130
    assert capsys.readouterr() == ("", "\n")


@pytest.mark.parametrize("arguments", [["no-such-command"], ["--no-such-option"]])
def test_wrong_usage_exits_2(capsys, arguments):
    assert run(arguments) == 2
    assert arguments[0] in capsys.readouterr().err


def test_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"coexist {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_names_a_command_and_help_lists_it(capsys, name):
    command = cli.get_command(click.Context(cli), name)
    assert isinstance(command, click.Command)
    assert command.help
    assert run(["--help"]) == 0
    assert COMMANDS[name].summary[:40] in capsys.readouterr().out


def _python(code: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_import_nothing_heavy(option):
    heavy = {"asyncio", "jinja2", "networkx", "paramiko", "pydantic", "rich", "scapy", "yaml"}
    code = f"import sys; from coexist.cli import run; run(['{option}']); print(*sys.modules, file=sys.stderr)"
    imported = set(_python(code).stderr.split())
    assert "coexist.cli" in imported
    assert not imported & heavy


def test_a_reader_that_goes_away_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    try:
        finished = _python(
            "import sys; from coexist.cli import main; sys.argv[1:] = ['--help']; main()", writer
        )
    finally:
        os.close(writer)
    assert (finished.returncode, finished.stderr) == (141, "")


def test_the_shell_completes_command_names():
    environment = {**os.environ, "_COEXIST_COMPLETE": "bash_source"}
    command = [sys.executable, "-m", "coexist"]
    script = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "_COEXIST_COMPLETE=bash_complete" in script


def test_a_command_that_does_not_exist_is_answered_with_the_nearest_one(capsys):
    assert run(["chekc"]) == 2
    assert re.findall(r"'(\w+)'", capsys.readouterr().err) == ["chekc", "check"]
    assert run(["frobnicate"]) == 2
    assert f"known: {', '.join(COMMANDS)}" in capsys.readouterr().err


_SCHEMA = "import sys; from coexist.cli import main; sys.argv[1:] = ['schema']; main()"


def test_a_full_disk_below_stdout_is_no_defect():
    with open("/dev/full", "w") as full:  # noqa: PTH123 a device
        finished = _python(_SCHEMA, full.fileno())
    assert finished.returncode == 74
    assert finished.stderr.endswith(f": {os.strerror(errno.ENOSPC)}\n")
    assert finished.stderr.count("\n") == 1


def test_a_closed_stdout_is_no_defect():
    command = ["sh", "-c", '"$@" >&-', "sh", sys.executable, "-c", _SCHEMA]
    finished = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")


_FAILING = "import sys; sys.argv = ['coexist', 'check', 'nowhere']; from coexist.cli import main; main()"


@pytest.mark.parametrize(("code", "wanted"), [(_SCHEMA, 0), (_FAILING, 2)])
def test_a_closed_stderr_leaves_the_exit_code_what_it_is(code: str, wanted: int) -> None:
    command = ["sh", "-c", '"$@" 2>&-', "sh", sys.executable, "-c", code]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert finished.returncode == wanted


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "--select", "CX999", "."], "no code begins with CX999"),
        (["probe", "-i", "lo", "-a", "uefi-x46"], "'uefi-x46' is not known; did you mean 'uefi-x64'?"),
        (["clients", "list", "."], ". is a directory; name a boot server's configuration"),
        (["migrate", "plna", "."], "Did you mean 'plan'?"),
    ],
)
def test_a_wrong_name_is_answered_with_what_would_do(capsys, arguments, said):
    assert run(arguments) == 2
    assert said in capsys.readouterr().err
