"""The steps of a rollout on two servers that are directories of this machine, changed by a real shell."""

from __future__ import annotations

import subprocess

import pytest

from coexist.errors import HostError
from coexist.planning.together import Version
from coexist.rollout import shell
from coexist.rollout.apply import Rollout, contents_of
from coexist.rollout.document import Change, Plan, PlannedFile, ServerPlan, Step, encode_contents, sha256
from coexist.rollout.history import History
from coexist.rollout.transport import Finished

pytestmark = pytest.mark.needs("flock", "dd")

VERSIONS = {name: f"valid {name}\n".encode() for name in ("before", "opening", "final")}


class Local:
    """A connection to this machine, with a shell for each command as sshd has."""

    def __init__(self, name):
        self.name = name

    def run(self, script, *, stdin=b"", seconds=60.0):
        done = subprocess.run(
            ["/bin/sh", "-c", shell.as_command(script)],
            input=stdin, capture_output=True, timeout=seconds, check=False,
        )  # fmt: skip
        return Finished(code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def hold(self, script):
        process = subprocess.Popen(
            ["/bin/sh", "-c", shell.as_command(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"held\n")
        process.stdin.flush()
        if process.stdout.readline() == b"held\n":
            return Held(process)
        with process:
            pass
        return Finished(code=process.returncode, stdout=b"", stderr=b"busy")

    def close(self):
        """Nothing is open."""


class Held:
    def __init__(self, process):
        self.process = process

    def release(self):
        with self.process:
            pass


class Site:
    def __init__(self, folder):
        self.folder = folder
        self.history = History(folder / "history")
        servers = {}
        for name in ("new", "old"):
            (folder / name).mkdir()
            (folder / name / "conf").write_bytes(VERSIONS["before"])
            versions: tuple[Version, ...] = ("opening", "final") if name == "new" else ("final",)
            file = PlannedFile(
                name="conf",
                path=f"{folder}/{name}/conf",
                before=sha256(VERSIONS["before"]),
                after={version: sha256(VERSIONS[version]) for version in versions},
            )
            servers[name] = ServerPlan(
                host=name,
                software="test",
                files=(file,),
                checks={"conf": ("test", "!", "-e", f"{folder}/{name}/refuse")},
            )
        changes = [
            Change(server="new", version="opening"),
            Change(server="old", version="final"),
            Change(server="new", version="final", since="opening"),
        ]
        self.plan = Plan(
            site="test",
            inventory=sha256(b""),
            servers=servers,
            steps=tuple(Step(why="", waves=((change,),)) for change in changes),
            contents=encode_contents({sha256(content): content for content in VERSIONS.values()}),
        ).sealed()

    def rollout(self, kind="apply", of=None, connect=None):
        journal = self.history.resume(self.plan, kind, of) or self.history.begin(self.plan, kind, of=of)
        return Rollout(
            plan=self.plan,
            journal=journal,
            connect=connect or (lambda address: Local(address.name)),
            provide=contents_of(self.plan, self.history.content),
            reconnect_seconds=0.0,
            seconds=5,
        )

    @property
    def running(self):
        names = {content: name for name, content in VERSIONS.items()}
        return {name: names[(self.folder / name / "conf").read_bytes()] for name in ("new", "old")}

    def refuse(self, name, refuse=True):
        path = self.folder / name / "refuse"
        path.touch() if refuse else path.unlink()


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def states(rollout):
    return {name: (s.state, s.version) for name, s in rollout.journal.record.servers.items()}


def test_all_steps(site):
    rollout = site.rollout()
    assert rollout.apply() is None
    assert site.running == {"new": "final", "old": "final"}
    assert states(rollout) == {"new": ("new", "final"), "old": ("new", "final")}


def test_a_failure_stops_and_the_next_run_goes_on(site):
    site.refuse("old")
    rollout = site.rollout()
    failure = rollout.apply()
    assert failure is not None
    assert failure.server == "old"
    assert site.running == {"new": "opening", "old": "before"}
    assert states(rollout) == {"new": ("staged", "opening"), "old": ("old", None)}
    site.refuse("old", False)
    again = site.rollout()
    assert again.journal.record.id == rollout.journal.record.id
    assert again.apply() is None
    assert site.running == {"new": "final", "old": "final"}


def test_a_failure_takes_everything_back_on_request(site):
    site.refuse("old")
    rollout = site.rollout()
    failure = rollout.apply(on_failure="rollback")
    assert failure is not None
    assert failure.server == "old"
    assert site.running == {"new": "before", "old": "before"}
    assert states(rollout) == {"new": ("old", None), "old": ("old", None)}
    assert rollout.journal.record.outcome == "rolled-back"


def test_a_rollback_of_half_a_rollout_says_what_each_server_runs(site):
    site.refuse("old")
    half = site.rollout()
    half.apply()
    site.refuse("old", False)
    rollout = site.rollout("rollback", half.journal.record.id)
    assert rollout.undo() is None
    assert site.running == {"new": "before", "old": "before"}
    assert states(rollout) == {"new": ("old", None), "old": ("old", None)}


def test_the_wire_takes_back_its_wave_and_no_other(site):
    rollout = site.rollout()
    seen = []

    def verify(wave):
        seen.append([(change.server, change.version) for change in wave])
        return ["CX702 old is silent"] if wave[0].server == "old" else []

    failure = rollout.apply(verify=verify)
    assert failure is not None
    assert failure.server == ""
    assert "CX702 old is silent" in failure.message
    assert seen == [[("new", "opening")], [("old", "final")]]
    assert site.running == {"new": "opening", "old": "before"}
    assert states(rollout) == {"new": ("staged", "opening"), "old": ("old", None)}


def test_a_server_that_cannot_be_reached_was_not_touched(site):
    def connect(address):
        if address.name == "old":
            raise HostError("old: cannot be reached")
        return Local(address.name)

    rollout = site.rollout(connect=connect)
    assert rollout.apply() is not None
    assert states(rollout) == {"new": ("staged", "opening"), "old": ("untouched", None)}


def test_a_rollback_goes_the_same_way_back(site):
    first = site.rollout()
    assert first.apply() is None
    order = []
    rollout = site.rollout("rollback", first.journal.record.id)
    rollout.watch = lambda server, what: order.append(server) if what == "done" else None
    assert rollout.undo() is None
    assert order == ["new", "old", "new"]
    assert site.running == {"new": "before", "old": "before"}


def test_a_history_that_was_lost_does_not_hinder_the_next_rollout(site):
    assert site.rollout().apply() is None
    site.history.folder.rename(site.folder / "elsewhere")
    for name in ("new", "old"):
        (site.folder / name / "conf").write_bytes(VERSIONS["before"])
    assert site.rollout().apply() is None
    assert site.running == {"new": "final", "old": "final"}


def without_old_file(site):
    """The same site, planned again: the old server's file goes."""
    file = site.plan.servers["old"].files[0]
    server = site.plan.servers["old"].model_copy(
        update={
            "checks": {},
            "files": (
                PlannedFile(
                    name="keep",
                    path=f"{file.path}.keep",
                    before=None,
                    after={"final": sha256(b"valid final\n")},
                ),
                file.model_copy(update={"name": file.path, "mode": 0o604, "after": {"final": None}}),
            ),
        }
    )
    update = {
        "servers": {"old": server},
        "steps": (Step(why="", waves=((Change(server="old", version="final"),),)),),
    }
    return site.plan.model_copy(update=update).sealed()


def test_a_file_that_goes_comes_back_as_it_was(site):
    path = site.folder / "old" / "conf"
    path.chmod(0o640)
    site.plan = without_old_file(site)
    first = site.rollout()
    assert first.apply() is None
    assert not path.exists()
    assert (site.folder / "old" / "conf.keep").exists()
    assert states(first) == {"old": ("new", "final")}
    assert site.rollout().apply() is None
    back = site.rollout("rollback", first.journal.record.id)
    assert back.undo() is None
    assert path.read_bytes() == VERSIONS["before"]
    assert path.stat().st_mode & 0o777 == 0o640
    assert not (site.folder / "old" / "conf.keep").exists()


def test_a_reload_that_fails_brings_the_file_back(site):
    plan = without_old_file(site)
    server = plan.servers["old"].model_copy(update={"reload": (("test", "-e", f"{site.folder}/old/conf"),)})
    site.plan = plan.model_copy(update={"servers": {"old": server}}).sealed()
    rollout = site.rollout()
    failure = rollout.apply()
    assert failure is not None
    assert failure.server == "old"
    assert rollout.journal.record.servers["old"].state == "old"
    assert (site.folder / "old" / "conf").read_bytes() == VERSIONS["before"]
    assert not (site.folder / "old" / "conf.keep").exists()


def test_a_wire_that_cannot_be_asked_takes_its_wave_back(site):
    rollout = site.rollout()

    def verify(wave):
        if wave[0].server == "old":
            raise HostError("the interface eth0 cannot be used: Network is down")
        return []

    failure = rollout.apply(verify=verify)
    assert failure is not None
    # The reason of whoever looked is in it, and no server is at fault.
    assert failure.server == ""
    assert "the interface eth0 cannot be used: Network is down" in failure.message
    assert site.running == {"new": "opening", "old": "before"}
    assert rollout.journal.record.outcome == "rolled-back"


def test_a_rollback_takes_back_what_was_edited_only_if_it_is_told(site):
    assert site.rollout().apply() is None
    (site.folder / "old" / "conf").write_bytes(b"by hand\n")
    refused = site.rollout("rollback").undo()
    assert refused is not None
    assert refused.server == "old"
    assert (site.folder / "old" / "conf").read_bytes() == b"by hand\n"
    told = site.rollout("rollback")
    told.overwrite = True
    assert told.undo() is None
    assert site.running == {"new": "before", "old": "before"}
    kept = site.folder / "old" / ".coexist-kept"
    assert b"by hand\n" in [path.read_bytes() for path in kept.iterdir() if path.is_file()]


def test_an_apply_that_was_refused_changed_nothing(site):
    site.refuse("new")
    rollout = site.rollout()
    assert rollout.apply() is not None
    assert not rollout.journal.record.touched
    site.refuse("new", refuse=False)
    done = site.rollout()
    assert done.apply() is None
    assert done.journal.record.touched


def test_a_status_command_that_cannot_work_leaves_the_service_unknown(site):
    servers = {
        name: server.model_copy(update={"status": ("no-such-command",)})
        for name, server in site.plan.servers.items()
    }
    site.plan = site.plan.model_copy(update={"servers": servers, "digest": ""}).sealed()
    rollout = site.rollout()
    failure = rollout.apply()
    assert failure is not None
    assert "no-such-command" in failure.message
    assert states(rollout)["new"][0] == "unknown"
    assert site.running == {"new": "before", "old": "before"}
