"""What can go wrong while one server is changed: a real OpenSSH server, an account and its sudo rules.

In every case the server ends with the whole old or the whole new configuration, its service runs what its
files say, and the record says which.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from coexist.errors import HostError
from coexist.rollout.apply import Rollout, contents_of
from coexist.rollout.document import (
    Change,
    Plan,
    PlannedFile,
    ServerPlan,
    Step,
    encode_contents,
    sha256,
    write_plan,
)
from coexist.rollout.history import History
from coexist.rollout.seal import make_key, sealed_with
from coexist.rollout.ssh import SshSettings
from coexist.rollout.transport import Address
from tests.harness.network import Host, Network
from tests.harness.processes import Process, wait_until
from tests.harness.sshd import Sshd, client_config, client_key, start_sshd

pytestmark = [
    pytest.mark.needs("sshd", "sudo", "flock", "unshare"),
    pytest.mark.timeout(600),
    pytest.mark.untimed,
]

# How long a remote command or a connection may take. Nothing but a server that hangs comes near it.
SECONDS = 30
# A name that a shell, ls or a careless script would stumble over.
HOSTILE = 'it\'s a "list"; $(touch owned)\n-rf *.macs'
OLD = {"main.conf": b"valid old\n", HOSTILE: b"old list\n"}
NEW = {"main.conf": b"valid new\n", HOSTILE: b"new list\n" * 1000}
PROGRAMS = ("cat", "chmod", "chown", "cp", "dd", "flock", "mkdir", "mv", "rm", "stat", "test")


@dataclass
class Site:
    """One server with a service of two files, and a desk to change it from."""

    desk: Host
    server: Host
    sshd: Sshd
    config: Path
    etc: Path
    folder: Path
    plan: Plan

    @property
    def files(self) -> dict[str, bytes]:
        return {name: (self.etc / name).read_bytes() for name in OLD if (self.etc / name).exists()}

    @property
    def running(self) -> bytes:
        return (self.server.directory / "running").read_bytes()

    def history(self) -> History:
        return History(self.folder / "history")

    def rollout(self, history: History | None = None, plan: Plan | None = None, **settings) -> Rollout:
        history = history or self.history()
        plan = plan or self.plan
        journal = history.resume(plan, "apply") or history.begin(plan, "apply")
        settings.setdefault("seconds", SECONDS)
        return Rollout(
            plan=plan,
            journal=journal,
            connect=SshSettings(config=self.config, connect_seconds=SECONDS).connect,
            provide=contents_of(plan, history.content),
            reconnect_seconds=0.05,
            **settings,
        )

    def apply(self, **settings):
        """Apply in this process, from the desk's network; the failure, if any, and the record."""
        rollout = self.rollout(**settings)
        failure = self.desk.namespace.call(rollout.apply)
        return failure, rollout.journal.record

    def command(self, *arguments: str | Path) -> Process:
        return self.desk.start(
            [
                sys.executable,
                "-m",
                "coexist",
                *arguments,
                "--ssh-config",
                self.config,
                "--timeout",
                f"{SECONDS}",
            ]
        )

    def command_plain(self, *arguments: str | Path) -> Process:
        return self.desk.start([sys.executable, "-m", "coexist", *arguments])

    def reset(self) -> None:
        """The old files, running; no history."""
        for name, content in OLD.items():
            (self.etc / name).write_bytes(content)
        for path in self.etc.glob(".coexist*"):
            subprocess.run(["rm", "-rf", path], check=True)
        subprocess.run(["rm", "-rf", self.folder / "history"], check=True)
        for flag in ("reload-fails", "refuse"):
            (self.server.directory / flag).unlink(missing_ok=True)
        subprocess.run([self.server.directory / "reload"], check=True)
        self.sshd.fault()

    def whole(self) -> str:
        """Which whole configuration the files are; anything else fails the test."""
        found = self.files
        assert found in (OLD, NEW), "the files are of two configurations"
        return "old" if found == OLD else "new"

    def quiet(self) -> None:
        """Wait until no command of a cut connection still runs."""
        lock = self.etc / ".coexist.commit.lock"
        if lock.exists():
            subprocess.run(["flock", "-w", "20", lock, "true"], check=True)

    def runs(self) -> str:
        """What the service has loaded last."""
        return {_loaded(OLD): "old", _loaded(NEW): "new"}[self.running]


def _loaded(files):
    return b"".join(files[name] for name in OLD)


@pytest.fixture(scope="module")
def network():
    with Network() as made:
        made.vlan("office", "10.77.0.0/24")
        yield made


@pytest.fixture(scope="module")
def made(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("desk")
    server = network.host("server", {"office": "10.77.0.5"})
    desk = network.host("desk", {"office": "10.77.0.9"})
    etc = server.directory / "etc"
    etc.mkdir()
    here = server.directory
    _script(
        here / "check",
        f"[ ! -e {here}/hold ] || touch {here}/holding; while [ -e {here}/hold ]; do sleep 0.02; done\n"
        f'[ ! -e {here}/refuse ] && grep -q valid "$1" || {{ echo "line 1: no" >&2; exit 1; }}',
    )
    parts = " ".join(f"{_quoted(etc / name)}" for name in OLD)
    _script(here / "reload", f"[ ! -e {here}/reload-fails ] || exit 1\ncat {parts} > {here}/running")
    _script(here / "status", f"grep -q valid {here}/running")
    key = client_key(folder)
    rules = [f"/usr/bin/{program}" for program in PROGRAMS]
    # The wrapper, not the rollout, uses kill.
    rules += ["/usr/bin/kill", *(str(here / name) for name in ("check", "reload", "status"))]
    sshd = start_sshd(server, key, sudo=rules)
    config = client_config(folder, key, [sshd])
    plan = _plan(here, etc)
    sealed = sealed_with(plan, make_key(folder / "seal.key"))
    (folder / "plan.json").write_text(write_plan(sealed))
    return Site(desk, server, sshd, config, etc, folder, plan)


@pytest.fixture
def site(made):
    made.reset()
    yield made
    made.sshd.fault()


def _quoted(path):
    return "'" + str(path).replace("'", "'\\''") + "'"


def _script(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def _plan(here, etc, **changes):
    files = tuple(
        PlannedFile(
            name=name, path=f"{etc}/{name}", before=sha256(OLD[name]), after={"final": sha256(NEW[name])}
        )
        for name in OLD
    )
    server = ServerPlan(
        host="10.77.0.5",
        sudo=True,
        software="test",
        checks={"main.conf": (f"{here}/check", "{path}")},
        reload=((f"{here}/reload",),),
        status=(f"{here}/status",),
        files=files,
    )
    return Plan(
        site="test",
        root=str(here / "inventory"),
        inventory=sha256(b""),
        servers={"server": server.model_copy(update=changes)},
        steps=(Step(why="test", waves=((Change(server="server", version="final"),),)),),
        contents=encode_contents({sha256(content): content for content in NEW.values()}),
    ).sealed()


def test_an_apply_without_faults(site):
    failure, record = site.apply()
    assert failure is None
    assert (site.whole(), site.runs()) == ("new", "new")
    assert record.outcome == "done"
    assert (record.servers["server"].state, record.servers["server"].version) == ("new", "final")
    assert sorted(path.name for path in site.etc.glob(".coexist*")) == [
        ".coexist-kept",
        ".coexist.commit.lock",
        ".coexist.lock",
    ]
    assert not (site.server.directory / "owned").exists()


@pytest.mark.parametrize("kind", ["cut-before", "cut-during", "cut-after"])
def test_the_connection_is_cut_at_every_step(site, kind):
    """Once for each remote command. The rollout connects again and finishes; where it did not, the server
    is whole, the record says what it runs, and the next run finishes."""
    site.apply()
    commands = site.sshd.commands
    assert commands > 10
    for at in range(1, commands + 1):
        site.reset()
        site.sshd.fault(kind, at)
        failure, record = site.apply()
        site.quiet()
        assert site.sshd.commands >= at
        assert failure is None, f"{kind} {at}: {failure}"
        assert (site.whole(), site.runs()) == ("new", "new"), f"{kind} {at}"
        assert record.servers["server"].state == "new"


@pytest.mark.parametrize("kind", ["cut-during", "cut-after"])
def test_the_connection_is_cut_for_good(site, kind):
    """The server cannot be reached again: it is whole all the same, and the record admits not to know."""
    site.apply()
    commands = site.sshd.commands
    for at in range(1, commands + 1):
        site.reset()
        site.sshd.fault(kind, at)
        rollout = site.rollout()
        settings = rollout.connect
        opened: list[str] = []

        def once(address, settings=settings, opened=opened):
            if opened:
                raise HostError("no way there any more")
            opened.append(address.name)
            return settings(address)

        rollout.connect = once
        failure = site.desk.namespace.call(rollout.apply)
        site.quiet()
        whole = site.whole()
        assert site.runs() == whole, f"{kind} {at}"
        state = rollout.journal.record.servers["server"].state
        assert state in (whole, "unknown", "untouched"), f"{kind} {at}"
        assert failure is not None or state == "new"
        site.sshd.fault()
        again, record = site.apply()
        assert again is None
        assert (site.whole(), site.runs(), record.servers["server"].state) == ("new", "new", "new")


def test_the_local_machine_is_killed_at_every_step(site):
    """SIGKILL the command line as each remote command comes in, then run it again."""
    site.apply()
    commands = site.sshd.commands
    key = ("--key", site.folder / "seal.key")
    arguments = ("apply", site.folder / "plan.json", "--history", site.folder / "history", *key)
    for at in range(1, commands + 1, 2):
        site.reset()
        site.sshd.fault("hang", -1)
        # The wrapper needs the pid before the first command comes: the fault is armed by a shell that
        # becomes the program.
        arm = f'echo kill {at} $$ > {site.sshd.folder}/fault; exec "$@"'
        words = [
            sys.executable,
            "-m",
            "coexist",
            *map(str, arguments),
            "--ssh-config",
            site.config,
            "--timeout",
            f"{SECONDS}",
        ]
        killed = site.desk.start(["sh", "-c", arm, "-", *words])
        assert killed.wait() == -signal.SIGKILL, killed.output
        site.quiet()
        whole = site.whole()
        assert site.runs() == whole
        (record,) = site.history().records()
        assert record.outcome == "running"
        assert record.servers["server"].state == "untouched"
        site.sshd.fault()
        again = site.command(*arguments)
        assert again.wait() == 0, again.output
        assert (site.whole(), site.runs()) == ("new", "new")
        (record,) = site.history().records()
        assert (record.outcome, record.servers["server"].state) == ("done", "new")


def test_the_daemons_check_refuses(site):
    (site.server.directory / "refuse").touch()
    failure, record = site.apply()
    assert "main.conf: line 1: no" in failure.message
    assert (site.whole(), site.runs(), record.servers["server"].state) == ("old", "old", "old")


def test_the_reload_fails_and_the_old_files_come_back(site):
    (site.server.directory / "reload-fails").touch()
    failure, record = site.apply()
    # The same reload fails for the old files too, which must be said.
    assert re.search(r"\breload\b.*\bback\b", failure.message)
    assert (site.whole(), record.servers["server"].state) == ("old", "old")


def test_the_service_does_not_run_with_the_new_files_and_is_back_with_the_old(site):
    bad = dict(NEW, **{"main.conf": b"looks right, is not\n"})
    plan = site.plan
    server = plan.servers["server"]
    files = tuple(f.model_copy(update={"after": {"final": sha256(bad[f.name])}}) for f in server.files)
    plan = plan.model_copy(
        update={
            "servers": {"server": server.model_copy(update={"files": files, "checks": {}})},
            "contents": encode_contents({sha256(content): content for content in bad.values()}),
        }
    ).sealed()
    failure, record = site.apply(plan=plan)
    assert f"{site.server.directory}/status" in failure.message
    assert (site.whole(), site.runs(), record.servers["server"].state) == ("old", "old", "old")


def test_a_full_disk(site):
    """The files lie on a file system of 64 KiB: the new list does not fit beside the old."""
    small = site.server.directory / "small"
    small.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "none", small], check=True)
    site.sshd.process.stop()
    site.sshd.process = _restart(site.sshd)
    try:
        for name, content in OLD.items():
            (small / name).write_bytes(content)
        big = b"new list, large\n" * 4000
        files = tuple(
            PlannedFile(name=n, path=f"{small}/{n}", before=sha256(OLD[n]), after={"final": sha256(big)})
            for n in OLD
        )
        server = site.plan.servers["server"].model_copy(update={"files": files, "checks": {}})
        plan = site.plan.model_copy(
            update={"servers": {"server": server}, "contents": encode_contents({sha256(big): big})}
        ).sealed()
        failure, record = site.apply(plan=plan)
        assert os.strerror(errno.ENOSPC) in failure.message
        assert {name: (small / name).read_bytes() for name in OLD} == OLD
        assert record.servers["server"].state == "old"
        assert not list(small.glob(".coexist-*"))
    finally:
        site.sshd.process.stop()
        subprocess.run(["umount", small], check=True)
        site.sshd.process = _restart(site.sshd)


def _restart(sshd):
    from tests.harness.sshd import _start

    return _start(sshd.host, sshd.folder)


def test_no_permission(site):
    """Without sudo the account may neither write the directory nor read what is root's."""
    server = site.plan.servers["server"].model_copy(update={"sudo": False})
    plan = site.plan.model_copy(update={"servers": {"server": server}}).sealed()
    failure, record = site.apply(plan=plan)
    assert "Permission denied" in failure.message
    assert (site.whole(), site.runs()) == ("old", "old")
    assert record.servers["server"].state in ("old", "untouched")


def test_sudo_refuses_a_command(site):
    server = site.plan.servers["server"].model_copy(update={"reload": (("/usr/bin/whoami",),)})
    plan = site.plan.model_copy(update={"servers": {"server": server}}).sealed()
    failure, record = site.apply(plan=plan)
    assert "sudo" in failure.message
    assert (site.whole(), record.servers["server"].state) == ("old", "old")


def test_a_changed_host_key_is_refused_before_anything_is_sent(site):
    site.sshd.new_host_key()
    site.sshd.fault()
    try:
        failure, record = site.apply()
        assert re.search(r"host key of 10\.77\.0\.5 .*SHA256:", failure.message)
        assert site.sshd.commands == 0
        assert (site.whole(), record.servers["server"].state) == ("old", "untouched")
    finally:
        client_config(site.folder, site.folder / "id_ed25519", [site.sshd])


def test_an_unknown_host_key_is_refused_whatever_the_configuration_says(site):
    known = site.folder / "known_hosts"
    text = known.read_text()
    try:
        known.write_text("")
        site.config.write_text(site.config.read_text() + "  StrictHostKeyChecking no\n")
        failure, _ = site.apply()
        assert "is not known" in failure.message
        assert known.read_text() == ""
    finally:
        known.write_text(text)


def test_two_applies_at_once(site):
    """The second one finds the server's lock and touches nothing, from another desk with its own history."""
    connect = SshSettings(config=site.config).connect
    connection = site.desk.namespace.call(lambda: connect(Address(name="server", host="10.77.0.5")))
    lock = site.desk.namespace.call(
        lambda: connection.hold(f"exec sudo -n -- flock -n -E 75 {_quoted(site.etc)}/.coexist.lock cat")
    )
    failure, record = site.apply()
    assert f"{site.etc}/.coexist.lock" in failure.message
    assert (site.whole(), record.servers["server"].state) == ("old", "old")
    lock.release()
    connection.close()
    assert site.apply()[0] is None


def test_two_applies_of_one_inventory_at_once(site):
    history = site.history()
    journal = history.begin(site.plan, "apply")
    key = ("--key", site.folder / "seal.key")
    second = site.command("apply", site.folder / "plan.json", "--history", site.folder / "history", *key)
    assert second.wait() == 2
    assert journal.lock.name in second.output
    journal.lock.close()


@pytest.mark.parametrize("at", [1, 4, 8])
def test_a_server_that_hangs(site, at):
    """It is given up after a while, and the record tells what is known."""
    site.sshd.fault("hang", at)
    rollout = site.rollout()
    import coexist.rollout.converge as converge_module
    import coexist.rollout.transport as transport_module

    assert converge_module.COMMAND_SECONDS >= 10
    assert transport_module.COMMAND_SECONDS >= 10
    settings = rollout.connect

    class Impatient:
        def __init__(self, connection):
            self._connection = connection
            self.name = connection.name

        def run(self, script, *, stdin=b"", seconds=60.0):
            return self._connection.run(script, stdin=stdin, seconds=min(seconds, 2.0))

        def hold(self, script):
            return self._connection.hold(script)

        def close(self):
            self._connection.close()

    rollout.connect = lambda address: Impatient(settings(address))
    failure = site.desk.namespace.call(rollout.apply)
    # The hanging command keeps nothing busy: the second connection gets through and finishes.
    assert failure is None
    assert (site.whole(), site.runs()) == ("new", "new")


def test_somebody_changed_a_file_since_the_plan(site):
    (site.etc / "main.conf").write_bytes(b"valid, by hand\n")
    failure, _ = site.apply()
    assert f"{site.etc}/main.conf " in failure.message
    assert (site.etc / "main.conf").read_bytes() == b"valid, by hand\n"


def test_mode_and_owner_of_the_old_file_stay(site):
    path = site.etc / "main.conf"
    os.chown(path, 4242, 4242)
    path.chmod(0o640)
    try:
        assert site.apply()[0] is None
        state = path.stat()
        assert (state.st_uid, stat.S_IMODE(state.st_mode)) == (4242, 0o640)
    finally:
        os.chown(path, 0, 0)


def test_rollback_restores_exactly_those_bytes(site):
    assert site.apply()[0] is None
    inventory = site.folder
    process = site.command("rollback", inventory)
    assert process.wait() == 0, process.output
    assert (site.whole(), site.runs()) == ("old", "old")
    apply, rollback = site.history().records()
    assert (rollback.kind, rollback.of, rollback.outcome) == ("rollback", apply.id, "done")
    # The same plan can be applied again: the servers are where it begins.
    assert site.apply()[0] is None
    assert (site.whole(), site.runs()) == ("new", "new")


def test_rollback_uses_the_servers_own_copy_where_the_file_holds_a_secret(site):
    secret = b'valid old\nkey omapi { secret "c2VjcmV0IGtleQ=="; }\n'
    (site.etc / "main.conf").write_bytes(secret)
    server = site.plan.servers["server"]
    files = tuple(
        f.model_copy(update={"before": sha256(secret)}) if f.name == "main.conf" else f for f in server.files
    )
    plan = site.plan.model_copy(
        update={"servers": {"server": server.model_copy(update={"files": files})}}
    ).sealed()
    assert site.apply(plan=plan)[0] is None
    process = site.command("rollback", site.folder)
    assert process.wait() == 0, process.output
    assert (site.etc / "main.conf").read_bytes() == secret
    everything = b"".join(
        p.read_bytes() for p in site.folder.rglob("*") if p.is_file() and p.name != "id_ed25519"
    )
    assert b"c2VjcmV0" not in everything
    kept = site.etc / ".coexist-kept"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700


def test_the_history_is_nobody_elses(site):
    site.apply()
    for path in (site.folder / "history").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.name == ".lock"
    process = site.command_plain("history", site.folder, "--format", "json")
    assert process.wait() == 0
    (record,) = json.loads(process.output)
    assert record["plan"] == site.plan.digest
    assert record["who"]


# -- interrupted by a person, or by a power cut -----------------------------------------------------------


@pytest.fixture
def held(site, tmp_path):
    """A plan of two servers in two waves; the check of the first waits while a file is there."""
    here = site.server.directory
    (here / "hold").touch()
    plan = _plan(here, site.etc)
    (here / "etc-2").mkdir(exist_ok=True)
    (here / "etc-2" / "main.conf").write_bytes(OLD["main.conf"])
    file = PlannedFile(
        name="main.conf",
        path=f"{here}/etc-2/main.conf",
        before=sha256(OLD["main.conf"]),
        after={"final": sha256(NEW["main.conf"])},
    )
    second = plan.servers["server"].model_copy(update={"checks": {}, "reload": (), "files": (file,)})
    root = here / "inventory"
    root.mkdir(exist_ok=True)
    waves = tuple((Change(server=name, version="final"),) for name in ("server", "second"))
    plan = plan.model_copy(
        update={
            "servers": {**plan.servers, "second": second},
            "steps": (Step(why="test", waves=waves),),
            "root": str(root),
        }
    ).sealed()
    path = tmp_path / "a plan.json"
    path.write_text(write_plan(sealed_with(plan, make_key(site.folder / "seal.key"))))
    yield path
    for name in ("hold", "holding", "etc-2/main.conf"):
        (here / name).unlink(missing_ok=True)
    for left in (here / "etc-2").glob(".coexist*"):
        subprocess.run(["rm", "-rf", left], check=True)


def _begun(site, plan) -> Process:
    """An apply that waits for the check of the first server, whose second is not begun."""
    options = ("--history", site.folder / "history", "--key", site.folder / "seal.key")
    process = site.desk.start(
        [sys.executable, "-m", "coexist", "apply", plan, *options, "--ssh-config", site.config]
    )
    wait_until((site.server.directory / "holding").exists, "the check of the first server")
    return process


def _typed(site, output: str, verb: str) -> Process:
    """Type what was said, exactly."""
    said = next(text for text in output.replace("\n", " ").split("`") if text.startswith(f"coexist {verb} "))
    words = shlex.split(said)[1:]
    return site.desk.start([sys.executable, "-m", "coexist", *words])


def _second(site) -> bytes:
    return (site.server.directory / "etc-2" / "main.conf").read_bytes()


@pytest.mark.parametrize("verb", ["apply", "rollback"])
def test_ctrl_c_finishes_what_was_begun_and_names_the_command_to_type(site, held, verb):
    process = _begun(site, held)
    process.send_signal(signal.SIGINT)
    process.wait_for("interrupted: ")
    (site.server.directory / "hold").unlink()
    assert process.wait() == 130, process.output
    assert (site.whole(), site.runs(), _second(site)) == ("new", "new", OLD["main.conf"])
    (record,) = site.history().records()
    assert (record.outcome, record.servers["server"].state) == ("running", "new")
    assert record.servers["second"].state == "untouched"
    again = _typed(site, process.output, verb)
    assert again.wait() == 0, again.output
    expected = "new" if verb == "apply" else "old"
    files = NEW if verb == "apply" else OLD
    assert (site.whole(), site.runs(), _second(site)) == (expected, expected, files["main.conf"])
    assert site.history().records()[-1].outcome == "done"


@pytest.mark.parametrize("verb", ["apply", "rollback"])
def test_a_second_ctrl_c_leaves_at_once(site, held, verb):
    process = _begun(site, held)
    process.send_signal(signal.SIGINT)
    process.wait_for("interrupted: ")
    process.send_signal(signal.SIGINT)
    # The check on the server still waits: nothing there ends it.
    assert process.wait() == 130, process.output
    (site.server.directory / "hold").unlink()
    site.quiet()
    assert (site.whole(), site.runs(), _second(site)) == ("old", "old", OLD["main.conf"])
    again = _typed(site, process.output, verb)
    assert again.wait() == 0, again.output
    expected = "new" if verb == "apply" else "old"
    assert (site.whole(), site.runs()) == (expected, expected)


def test_a_killed_apply_is_taken_back_wherever_it_was(site):
    """Without naming the record: one that was killed in a switch is not passed over."""
    site.apply()
    commands = site.sshd.commands
    (site.server.directory / "inventory").mkdir(exist_ok=True)
    options = ("--history", site.folder / "history", "--ssh-config", site.config)
    for at in range(2, commands + 1, 3):
        site.reset()
        arm = f'echo kill {at} $$ > {site.sshd.folder}/fault; exec "$@"'
        words = ("apply", site.folder / "plan.json", *options, "--key", site.folder / "seal.key")
        program = [sys.executable, "-m", "coexist", *map(str, words)]
        killed = site.desk.start(["sh", "-c", arm, "-", *program])
        assert killed.wait() == -signal.SIGKILL, killed.output
        site.quiet()
        (record,) = site.history().records()
        assert record.touched == (site.whole() == "new" or bool(record.servers["server"].doing))
        site.sshd.fault()
        back = site.command("rollback", site.server.directory / "inventory", *options[:2])
        assert back.wait() == 0, back.output
        assert "passed over" not in back.output
        assert (site.whole(), site.runs()) == ("old", "old"), at
