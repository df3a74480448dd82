"""``coexist clients`` of another machine: the console's interface, asked with a token."""

from __future__ import annotations

import asyncio
import json

import pytest

from coexist.cli import run
from coexist.console.users import Users
from coexist.inventory import load_inventory
from coexist.wire.mac import parse_mac
from tests.unit.console.consoles import HOSTILE, NEW, Console, Told

Captured = pytest.CaptureFixture[str]


async def clients(console: Console, *words: str, user: str = "ada", mode: int = 0o600) -> int:
    """The exit code of the command, run as another process would run it."""
    token = console.folder / "token"
    token.write_text(Users(console.folder / "users.json").new_token(user, "elsewhere") + "\n")
    token.chmod(mode)
    url = str(console.client.make_url("/"))
    what, *more = words
    where = ["--console", url, "--token-file", str(token)]
    return await asyncio.to_thread(run, ["clients", what, *where, *more])


def test_machines_are_listed_registered_and_ignored(told: Told, capsys: Captured) -> None:
    async def story(console: Console) -> None:
        assert await clients(console, "list", "--strangers", "--format", "json") == 0
        (row,) = json.loads(capsys.readouterr().out)
        assert (row["mac"], row["state"], row["decision"], row["servers"]) == (NEW, "seen", "no rule", "otc")
        assert await clients(console, "list", "--state", "ignored", "--format", "json") == 0
        assert json.loads(capsys.readouterr().out) == []
        assert await clients(console, "register", NEW, "--name", "desk-1", "--group", "thin") == 0
        record = load_inventory(console.folder).clients.find(parse_mac(NEW))
        assert record is not None
        assert (record.name, record.hardware) == ("desk-1", "igel")
        assert await clients(console, "register", NEW) == 2
        assert "is registered" in capsys.readouterr().err
        other = "52:54:00:00:00:02"
        assert await clients(console, "ignore", other) == 2
        assert await clients(console, "ignore", other, "--why", "a loan machine") == 0
        assert await clients(console, "list") == 0
        listed = capsys.readouterr().out
        assert "registered" in listed
        assert HOSTILE not in listed

    told(story)


def test_who_may_not_is_told_so(told: Told, capsys: Captured) -> None:
    async def story(console: Console) -> None:
        assert await clients(console, "register", NEW, user="bob") == 2
        assert "role" in capsys.readouterr().err
        assert await clients(console, "list", mode=0o644) == 2
        assert "chmod 600" in capsys.readouterr().err
        (console.folder / "token").write_text("unknown")
        (console.folder / "token").chmod(0o600)
        url = str(console.client.make_url("/"))
        words = ["clients", "list", "--console", url, "--token-file", str(console.folder / "token")]
        assert await asyncio.to_thread(run, words) == 2
        assert "Traceback" not in capsys.readouterr().err
        assert load_inventory(console.folder).clients.find(parse_mac(NEW)) is None

    told(story)


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["list", "registry.sqlite", "--console", "http://127.0.0.1:1"],
        ["list", "--console", "http://127.0.0.1:1"],
        ["register", "registry.sqlite"],
        ["register", "--console", "http://127.0.0.1:1", NEW],
    ],
)
def test_what_is_named_twice_or_not_at_all(words: list[str], capsys: Captured) -> None:
    assert run(["clients", *words]) == 2
    assert "Traceback" not in capsys.readouterr().err
