"""Users, sessions and tries."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from coexist.cli import run
from coexist.console.sessions import IDLE, LONGEST, TRIES, TRY_WINDOW, Sessions, Tries, same
from coexist.console.users import Role, User, Users
from coexist.errors import CoexistError

PASSWORD = "a long one indeed"


@pytest.fixture
def users(tmp_path: Path) -> Users:
    found = Users(tmp_path / "users.json")
    found.add("ada", PASSWORD, Role.REGISTER)
    return found


def test_a_password_lets_in_and_another_does_not(users: Users) -> None:
    assert users.log_in("ada", PASSWORD) is not None
    assert users.log_in("ada", PASSWORD + "x") is None
    assert users.log_in("eve", PASSWORD) is None


def test_the_file_is_its_owners_and_holds_no_secret(users: Users) -> None:
    token = users.new_token("ada", "script")
    text = users.path.read_text(encoding="utf-8")
    assert stat.S_IMODE(users.path.stat().st_mode) == 0o600
    assert PASSWORD not in text
    assert token not in text
    assert "$argon2id$" in text


def test_a_token_lets_in_until_its_user_goes(users: Users) -> None:
    first = users.new_token("ada", "script")
    token = users.new_token("ada", "script")
    assert users.of_token(first) is None, "one of the same label replaces it"
    found = users.of_token(token)
    assert found is not None
    assert found.name == "ada"
    assert users.of_token("") is None
    users.remove("ada")
    assert users.of_token(token) is None
    with pytest.raises(CoexistError):
        users.remove("ada")


def test_what_another_process_writes_counts(users: Users) -> None:
    assert users.log_in("ada", PASSWORD)
    Users(users.path).add("bob", PASSWORD, Role.LOOK)
    assert {"ada", "bob"} <= set(users.all)


@pytest.mark.parametrize("text", ["{", "[]", '{"users": {"a": {"role": "king"}}}', '{"users": []}'])
def test_a_damaged_file_is_an_error_with_its_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "users.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CoexistError, match=r"users\.json"):
        Users(path).all  # noqa: B018


def test_weak_passwords_and_odd_names_are_refused(users: Users) -> None:
    with pytest.raises(CoexistError, match="at least"):
        users.add("bob", "short", Role.LOOK)
    with pytest.raises(CoexistError, match="name"):
        users.add("bo\nb", PASSWORD, Role.LOOK)


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "users.json")
    assert run(["users", "add", file, "ada", "--role", "register", "--password", PASSWORD]) == 0
    assert run(["users", "token", file, "ada", "script"]) == 0
    token = capsys.readouterr().out.strip()
    assert Users(Path(file)).of_token(token) is not None
    assert run(["users", "list", file]) == 0
    assert "ada  register  tokens: script" in capsys.readouterr().out
    assert run(["users", "token", file, "eve", "script"]) == 2
    assert run(["users", "remove", file, "ada"]) == 0


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def test_a_session_ends_when_idle_and_at_last() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    secret = sessions.begin(User(name="ada", role=Role.LOOK))
    assert sessions.find("another") is None
    found = sessions.find(secret)
    assert found is not None
    assert same(found, found.csrf)
    assert not same(found, found.csrf + "x")
    clock.time = IDLE + 1
    assert sessions.find(secret) is None
    secret = sessions.begin(User(name="ada", role=Role.LOOK))
    began = clock.time
    while clock.time < began + LONGEST:
        assert sessions.find(secret) is not None
        clock.time += IDLE / 2
    clock.time += 1
    assert sessions.find(secret) is None
    secret = sessions.begin(User(name="ada", role=Role.LOOK))
    sessions.end(secret)
    assert sessions.find(secret) is None


def test_tries_run_out_and_come_back() -> None:
    clock = Clock()
    tries = Tries(clock)
    for _ in range(TRIES):
        assert tries.allowed("from 10.0.0.1")
        tries.failed("from 10.0.0.1")
    assert not tries.allowed("from 10.0.0.1")
    assert tries.allowed("from 10.0.0.2")
    clock.time = TRY_WINDOW + 1
    assert tries.allowed("from 10.0.0.1")
    tries.failed("from 10.0.0.1")
    tries.succeeded("from 10.0.0.1")
    assert tries.allowed("from 10.0.0.1")
