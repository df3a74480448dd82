"""The remote commands, run by a real shell on this machine."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.errors import HostError
from coexist.rollout import shell
from coexist.rollout.document import sha256
from coexist.rollout.facts import PresentFile, parse_files, read_digests, read_files
from coexist.rollout.present import Target, read_present
from coexist.rollout.shell import CommitCode, Switch
from coexist.rollout.transport import Address, Finished

HOSTILE = [
    "plain",
    "two words",
    "it's",
    'quo"te',
    "-rf",
    "$(touch owned)",
    "new\nline",
    "a;b&c|d",
    "ümläut",
    "*",
]


class Here:
    """A connection to this very machine."""

    name = "here"

    def __init__(self, folder):
        self.folder = folder

    def run(self, script, *, stdin=b"", seconds=60.0):
        done = subprocess.run(
            ["/bin/sh", "-c", shell.as_command(script)],
            input=stdin, capture_output=True, cwd=self.folder, timeout=seconds, check=False,
        )  # fmt: skip
        return Finished(code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def hold(self, script):
        raise NotImplementedError

    def close(self):
        """Nothing is open."""


@pytest.fixture
def here(tmp_path):
    return Here(tmp_path)


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20), min_size=1, max_size=5
    )
)
def test_every_word_arrives_as_it_was(words):
    script = shell.words(["printf", "%s\\0", *words], sudo=False)
    done = subprocess.run(["/bin/sh", "-c", shell.as_command(script)], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == words


def test_sudo_never_asks_for_a_password():
    assert shell.words(["cat", "/x y"], sudo=True) == "sudo -n -- cat '/x y'"


@pytest.mark.parametrize("name", HOSTILE)
def test_files_with_hostile_names_are_read(here, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x00\xff content\n.\n- 644 x y\n")
    path.chmod(0o640)
    present, absent = read_files(here, [str(path), f"{tmp_path}/nothing {name}"], sudo=False)
    assert present.content == path.read_bytes()
    assert present.mode == "640"
    assert absent == PresentFile(path=f"{tmp_path}/nothing {name}")
    assert not (tmp_path / "owned").exists()
    assert read_digests(here, [str(path), str(tmp_path / "no")], sudo=False) == {
        str(path): sha256(path.read_bytes())
    }


def test_an_empty_file_is_not_an_absent_one(here, tmp_path):
    (tmp_path / "empty").touch()
    (file,) = read_files(here, [str(tmp_path / "empty")], sudo=False)
    assert file.content == b""
    assert file.digest == sha256(b"")


@pytest.mark.parametrize(
    "said", [b"", b"garbage", b"- 644 root root\n!!!\n.\n", b"stat: Permission denied\n.\n"]
)
def test_what_cannot_be_understood_is_one_sentence(said):
    with pytest.raises(HostError, match="here: "):
        parse_files(said, ["/etc/x"], "here")


@pytest.mark.parametrize("name", HOSTILE)
def test_upload_dress_and_keep_with_hostile_names(here, tmp_path, name):
    path = str(tmp_path / name)
    (tmp_path / name).write_bytes(b"old")
    (tmp_path / name).chmod(0o604)
    staged = shell.staging_path(path, "0123")
    kept = shell.kept_path(path, sha256(b"old"))
    folders = [shell.directory_of(staged), shell.directory_of(kept)]
    assert here.run(shell.make_directories(folders, sudo=False)).code == 0
    assert here.run(shell.upload(staged, sudo=False), stdin=b"new").code == 0
    assert here.run(shell.dress(staged, path, mode=0o644, sudo=False)).code == 0
    assert here.run(shell.keep(path, sha256(b"old"), sudo=False)).code == 0
    switch = Switch(path=path, staged=staged, kept=kept, before=sha256(b"old"))
    assert commit(here, tmp_path, [switch]).code == CommitCode.DONE
    assert (tmp_path / name).read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o604
    assert here.run(shell.clean([shell.directory_of(staged)], sudo=False)).code == 0
    assert not (tmp_path / "owned").exists()


def test_a_new_file_has_the_planned_mode(here, tmp_path):
    staged = tmp_path / "staged"
    staged.write_bytes(b"new")
    assert here.run(shell.dress(str(staged), str(tmp_path / "none"), mode=0o640, sudo=False)).code == 0
    assert stat.S_IMODE(staged.stat().st_mode) == 0o640


def commit(here, folder, switches, *, reload=(), status=()):
    script = shell.commit_script(
        switches, directory=str(folder), reload=reload, status=status, seconds=5, sudo=False
    )
    return here.run(script)


@pytest.fixture
def two(here, tmp_path):
    """Two files, their successors staged and themselves kept."""
    switches = []
    for name in ("a", "b"):
        path = tmp_path / name
        path.write_bytes(b"old " + name.encode())
        digest = sha256(path.read_bytes())
        staged, kept = shell.staging_path(str(path), "t"), shell.kept_path(str(path), digest)
        here.run(shell.make_directories([shell.directory_of(staged), shell.directory_of(kept)], sudo=False))
        here.run(shell.upload(staged, sudo=False), stdin=b"new " + name.encode())
        here.run(shell.keep(str(path), digest, sudo=False))
        switches.append(Switch(path=str(path), staged=staged, kept=kept, before=digest))
    return switches


def contents(folder):
    return [(folder / name).read_bytes() for name in ("a", "b") if (folder / name).exists()]


def test_a_commit_switches_all(here, tmp_path, two):
    finished = commit(
        here, tmp_path, two, reload=[["true"], ["touch", f"{tmp_path}/reloaded"]], status=["true"]
    )
    assert finished.code == CommitCode.DONE
    assert contents(tmp_path) == [b"new a", b"new b"]
    assert (tmp_path / "reloaded").exists()


def test_a_reload_that_fails_puts_all_back(here, tmp_path, two):
    script = tmp_path / "reload"
    script.write_text(f"#!/bin/sh\ngrep -q old {tmp_path}/a\n")
    script.chmod(0o755)
    assert commit(here, tmp_path, two, reload=[[str(script)]]).code == CommitCode.RELOAD_FAILED
    assert contents(tmp_path) == [b"old a", b"old b"]


def test_a_service_that_does_not_run_puts_all_back(here, tmp_path, two):
    runs = ["grep", "-q", "old", str(tmp_path / "a")]
    assert commit(here, tmp_path, two, reload=[["true"]], status=runs).code == CommitCode.STATUS_FAILED
    assert contents(tmp_path) == [b"old a", b"old b"]


def test_a_status_command_that_never_works_says_nothing_of_the_service(here, tmp_path, two):
    finished = commit(here, tmp_path, two, reload=[["true"]], status=["sh", "-c", "echo gone >&2; exit 3"])
    assert finished.code == CommitCode.STATUS_UNKNOWN
    assert finished.stderr == b"gone\n"
    assert contents(tmp_path) == [b"old a", b"old b"]


def test_a_reload_that_never_works_is_told_apart(here, tmp_path, two):
    assert commit(here, tmp_path, two, reload=[["false"]]).code == CommitCode.STUCK
    assert contents(tmp_path) == [b"old a", b"old b"]


def test_a_file_changed_at_the_last_moment_stops_the_commit(here, tmp_path, two):
    (tmp_path / "b").write_bytes(b"by hand")
    assert commit(here, tmp_path, two).code == CommitCode.CHANGED
    assert contents(tmp_path) == [b"old a", b"by hand"]


def test_a_rename_that_fails_puts_the_first_one_back(here, tmp_path, two):
    second = Switch(path=two[1].path, staged=two[1].staged + "-gone", kept=two[1].kept, before=two[1].before)
    assert commit(here, tmp_path, [two[0], second]).code == CommitCode.SWITCH_FAILED
    assert contents(tmp_path) == [b"old a", b"old b"]


def test_a_new_file_that_fails_is_removed_again(here, tmp_path, two):
    new = Switch(path=str(tmp_path / "c"), staged=two[0].staged, kept=None, before=None)
    missing = ["test", "!", "-e", str(tmp_path / "c")]
    assert commit(here, tmp_path, [new], status=missing).code == CommitCode.STATUS_FAILED
    assert not (tmp_path / "c").exists()


def test_placeholders_are_words_and_not_replaced_twice():
    argv = ("check", "{path}", "--with={list}", "{other}")
    files = {"path": "/x/{list}", "list": "/y z"}
    assert shell.substituted(argv, files) == ("check", "/x/{list}", "--with=/y z", "{other}")
    assert shell.substituted(("a", "{b}"), {}) == ("a", "{b}")


def test_what_is_kept_again_has_the_mode_it_has_now(here, tmp_path):
    path = tmp_path / "list"
    path.write_bytes(b"same")
    kept = Path(shell.kept_path(str(path), sha256(b"same")))
    assert here.run(shell.make_directories([str(kept.parent)], sudo=False)).code == 0
    for mode in (0o644, 0o600):
        path.chmod(mode)
        assert here.run(shell.keep(str(path), sha256(b"same"), sudo=False)).code == 0
        assert stat.S_IMODE(kept.stat().st_mode) == mode
    assert kept.read_bytes() == b"same"
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: path.symlink_to(path.parent / "real"), "a symbolic link"),
        (lambda path: path.symlink_to("/nowhere"), "a symbolic link"),
        (lambda path: path.symlink_to("/dev/zero"), "a symbolic link"),
        (os.mkfifo, "a pipe"),
        (lambda path: path.mkdir(), "a directory"),
    ],
)
def test_what_is_no_regular_file_is_neither_read_nor_replaced(here, tmp_path, make, what):
    (tmp_path / "real").write_bytes(b"real")
    path = tmp_path / "x"
    make(path)
    with pytest.raises(HostError, match=what):
        read_files(here, [str(path)], sudo=False)
    staged = tmp_path / "staged"
    staged.write_bytes(b"new")
    for before in (None, sha256(b"real"), sha256(b"")):
        switch = Switch(path=str(path), staged=str(staged), kept=None, before=before)
        assert commit(here, tmp_path, [switch]).code == CommitCode.CHANGED
    assert staged.read_bytes() == b"new"
    assert (tmp_path / "real").read_bytes() == b"real"


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_a_device_is_no_file(here, path):
    with pytest.raises(HostError, match="is a device"):
        read_files(here, [path], sudo=False)
    assert read_digests(here, [path], sudo=False) == {}


def test_a_file_that_is_too_large_is_not_read(here, tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(shell.MOST_OCTETS + 10)
    with pytest.raises(HostError, match="is larger than"):
        read_files(here, [str(tmp_path / "large")], sudo=False)


def test_the_lists_of_a_present_configuration_lie_beside_it(here, tmp_path):
    config = {
        "name": "x",
        "listen": [{"address": "10.0.0.1"}],
        "rules": [{"name": "a", "clients": {"files": ["a.list", "../secret", "/etc/shadow", "./b", "-c"]}}],
    }
    (tmp_path / "coexist.yaml").write_text(json.dumps(config))
    target = Target(
        address=Address(name="here", host="here"),
        paths=(f"{tmp_path}/coexist.yaml",),
        boot_config=f"{tmp_path}/coexist.yaml",
    )
    present = read_present([target], lambda _: here, parallel=1)
    assert sorted(present.files["here"]) == [
        f"{tmp_path}/-c",
        f"{tmp_path}/a.list",
        f"{tmp_path}/coexist.yaml",
    ]


@pytest.mark.parametrize(
    "text", ["[" * 500, "a: " * 500, "{" * 5000, "- " * 5000, "\0", "&a [*a]", "!!python/x y"]
)
def test_a_present_configuration_that_is_hostile_names_no_lists(here, tmp_path, text):
    (tmp_path / "coexist.yaml").write_text(text)
    path = f"{tmp_path}/coexist.yaml"
    target = Target(address=Address(name="here", host="here"), paths=(path,), boot_config=path)
    assert list(read_present([target], lambda _: here, parallel=1).files["here"]) == [path]
