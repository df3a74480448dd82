from __future__ import annotations

import errno
import json
import os
import re

import pytest

from coexist.errors import CoexistError, InputError
from coexist.rollout.document import (
    Change,
    Plan,
    PlannedFile,
    ServerPlan,
    Step,
    encode_contents,
    read_plan,
    sha256,
    write_plan,
)
from coexist.rollout.history import History

OLD, NEW, BETWEEN = b"old", b"new", b"between"


def plan(**changes):
    file = PlannedFile(
        name="x", path="/etc/x", before=sha256(OLD), after={"opening": sha256(BETWEEN), "final": sha256(NEW)}
    )
    made = Plan(
        site="test",
        inventory=sha256(b""),
        servers={"a": ServerPlan(host="a.example", software="coexist", files=(file,))},
        steps=(
            Step(why="1", waves=((Change(server="a", version="opening"),),)),
            Step(why="2", waves=((Change(server="a", version="final", since="opening"),),)),
        ),
        contents=encode_contents({sha256(NEW): NEW, sha256(BETWEEN): BETWEEN}),
    )
    return made.model_copy(update=changes).sealed()


def test_a_plan_survives_its_file(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(write_plan(plan()))
    assert read_plan(path) == plan()
    assert read_plan(path).content(sha256(NEW)) == NEW


def test_a_files_digest_at_each_version():
    file = plan().servers["a"].files[0]
    assert [file.at(v) for v in (None, "opening", "middle", "final")] == [
        sha256(OLD), sha256(BETWEEN), sha256(BETWEEN), sha256(NEW),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree["servers"]["a"].update(host="evil.example"),
        lambda tree: tree["servers"]["a"].update(reload=[["reboot"]]),
        lambda tree: tree["contents"].update({sha256(NEW): "ZXZpbA=="}),
        lambda tree: tree["contents"].pop(sha256(NEW)),
        lambda tree: tree.update(digest=""),
        lambda tree: tree.update(unknown=1),
        lambda tree: tree["steps"].pop(),
        lambda tree: tree["contents"].update({sha256(NEW): "%%%"}),
    ],
)
def test_a_plan_that_was_changed_is_refused(tmp_path, change):
    tree = json.loads(write_plan(plan()))
    change(tree)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(tree))
    with pytest.raises(InputError, match=r"plan\.json"):
        read_plan(path)


def test_what_is_no_plan_is_one_sentence(tmp_path):
    path = tmp_path / "plan.json"
    path.write_bytes(b"\x00 not json")
    with pytest.raises(InputError):
        read_plan(path)


# -- the history ---------------------------------------------------------------------------------


def test_an_unfinished_record_is_continued_and_a_finished_one_is_not(tmp_path):
    history = History(tmp_path / "history")
    journal = history.begin(plan(), "apply")
    journal.state("a", "staged", version="opening")
    journal.lock.close()
    again = history.resume(plan(), "apply")
    assert again is not None
    assert again.record.id == journal.record.id
    assert again.record.servers["a"].version == "opening"
    again.state("a", "new", version="final")
    again.close("done")
    assert history.resume(plan(), "apply") is None
    assert history.last_applied() == {("a", "/etc/x"): sha256(NEW)}


def test_what_is_left_follows_applies_and_rollbacks(tmp_path):
    history = History(tmp_path / "history")
    first = history.begin(plan(manifest={"a": {"bios": ("02:00:00:00:00:01",)}}), "apply")
    first.state("a", "new", version="final")
    first.close("done")
    assert history.last_manifest() == {"a": {"bios": ("02:00:00:00:00:01",)}}
    back = history.begin(plan(), "rollback", of=first.record.id)
    back.state("a", "old", version=None)
    back.close("done")
    assert history.last_applied() == {("a", "/etc/x"): sha256(OLD)}
    assert history.last_manifest() == {}
    # The plan can be applied again from its beginning.
    assert history.resume(plan(), "apply") is None


def test_what_is_not_certain_is_not_claimed(tmp_path):
    history = History(tmp_path / "history")
    journal = history.begin(plan(), "apply")
    journal.state("a", "staged", version="opening")
    journal.close("failed")
    assert history.last_applied() == {("a", "/etc/x"): sha256(BETWEEN)}
    again = history.resume(plan(), "apply")
    assert again is not None
    again.state("a", "unknown", version="opening")
    again.close("failed")
    assert history.last_applied() == {}


def test_two_processes_do_not_write_one_history(tmp_path):
    history = History(tmp_path / "history")
    journal = history.begin(plan(), "apply")
    with pytest.raises(CoexistError, match="another rollout"):
        History(tmp_path / "history").begin(plan(), "apply")
    journal.lock.close()
    History(tmp_path / "history").begin(plan(), "apply").lock.close()


def test_bytes_are_kept_by_their_digest_and_found_whole_only(tmp_path):
    history = History(tmp_path / "history")
    history.begin(plan(), "apply").lock.close()
    assert history.content(sha256(NEW)) == NEW
    (tmp_path / "history" / "files" / sha256(NEW)).write_bytes(b"rotten")
    assert history.content(sha256(NEW)) is None
    history.keep(b'secret "abc";')
    assert history.content(sha256(b'secret "abc";')) is None


def test_a_record_is_named_by_its_beginning(tmp_path):
    history = History(tmp_path / "history")
    journal = history.begin(plan(), "apply")
    journal.lock.close()
    assert history.record(journal.record.id[:9]).id == journal.record.id
    with pytest.raises(CoexistError, match="no record"):
        history.record("nothing")


def test_a_record_whose_plan_is_not_its_own_is_one_sentence(tmp_path):
    history = History(tmp_path / "history")
    history.begin(plan(), "apply").close("done")
    (record,) = history.records()
    path = history.folder / record.id / "plan.json"
    path.write_text(write_plan(plan(site="another")))
    with pytest.raises(InputError) as another:
        history.last_applied()
    path.write_text("{")
    with pytest.raises(InputError) as no_plan:
        history.written()
    path.unlink()
    with pytest.raises(InputError, match=os.strerror(errno.ENOENT)) as missing:
        history.plan_of(record)
    for refused in (another, no_plan, missing):
        (problem,) = refused.value.problems
        assert problem.position.file == str(path)
        assert problem.remedy


def test_a_record_about_servers_its_plan_has_not_is_one_sentence(tmp_path):
    history = History(tmp_path / "history")
    history.begin(plan(), "apply").close("done")
    (record,) = history.records()
    path = history.folder / record.id / "record.json"
    tree = json.loads(path.read_text())
    tree["servers"]["b"] = tree["servers"].pop("a")
    path.write_text(json.dumps(tree))
    with pytest.raises(InputError) as refused:
        history.last_applied()
    (problem,) = refused.value.problems
    assert problem.position.file == str(path.with_name("plan.json"))


@pytest.mark.parametrize("path", ["x", "~/x", "-x", "/etc/../x", "/etc//x", "/", "/a\0b"])
def test_the_place_of_a_file_is_a_whole_plain_path(path):
    with pytest.raises(ValueError, match=re.escape(repr(path))):
        PlannedFile(name="x", path=path, before=None, after={"final": sha256(NEW)})
