"""Files that rollouts wrote and nothing is rendered for any more: named, removed, brought back."""

from __future__ import annotations

import pytest

from coexist.render import render_site
from coexist.rollout.document import sha256
from coexist.rollout.drift import drift
from coexist.rollout.facts import PresentFile
from coexist.rollout.history import History
from coexist.rollout.impact import manifest_of
from coexist.rollout.leftovers import left_behind, leftovers, removals
from coexist.rollout.planning import jobs_of, make_plan
from tests.unit.rollout.test_planning import folder, loaded, standing  # noqa: F401

GONE = "/etc/coexist/of-yesterday.macs"
LIST = b"00:80:64:10:00:01\n"
WRITTEN = {"otc": {GONE: frozenset({sha256(LIST)})}}


@pytest.fixture
def site(folder):  # noqa: F811
    """The two generations, everything as rendered, and a list of yesterday on otc."""
    inventory, _ = loaded(folder)
    rendered = render_site(inventory)
    jobs = jobs_of(inventory, rendered, leftovers(inventory, rendered, WRITTEN)).jobs
    present = standing(jobs)
    present["otc"][GONE] = PresentFile(path=GONE, content=LIST, mode="640")
    return inventory, jobs, present


def found(site, digests=WRITTEN, last=None):
    inventory, jobs, present = site
    wanted = {name: {path: file.digest for path, file in job.files.items()} for name, job in jobs.items()}
    certain = {("otc", GONE): sha256(LIST)} if last is None else last
    return [f.code.code for f in drift(inventory, present, wanted, certain, lambda _: None, digests)]


def planned(site):
    inventory, jobs, present = site
    return make_plan(inventory, jobs, present, manifest_of(inventory), root=".").plan


def test_it_is_removed_in_the_last_version(site):
    plan = planned(site)
    assert sorted(plan.servers) == ["otc"]
    (file,) = [file for file in plan.servers["otc"].files if file.after]
    assert (file.path, file.mode, file.before, file.after) == (GONE, 0o640, sha256(LIST), {"final": None})
    assert file.at("final") is None
    assert plan.servers["otc"].impact.lost == 0
    assert plan.sealed().digest


def test_what_it_means_is_said(site):
    inventory, jobs, present = site
    (finding,) = removals(inventory, jobs, present)
    assert finding.code.code == "CX604"
    config = "/etc/coexist/coexist.yaml"
    assert config not in finding.message
    present["otc"][config] = PresentFile(path=config, content=b"lists: [of-yesterday.macs]\n")
    (finding,) = removals(inventory, jobs, present)
    assert config in finding.message


def test_a_file_that_is_gone_already_is_no_matter(site):
    site[2]["otc"][GONE] = PresentFile(path=GONE)
    assert planned(site).is_empty
    assert removals(*site) == ()
    assert found(site) == []


@pytest.mark.parametrize("last", [None, {}], ids=["recorded", "uncertain"])
def test_one_that_was_edited_is_not_removed_by_accident(site, last):
    assert found(site, last=last) == []
    site[2]["otc"][GONE] = PresentFile(path=GONE, content=b"by hand\n", mode="644")
    assert found(site, last=last) == ["CX601"]


def test_a_path_that_another_server_of_the_machine_has_now_stays(folder):  # noqa: F811
    text = (folder / "site.yaml").read_text().replace("host: otc-new.example", "host: otc.example")
    (folder / "site.yaml").write_text(text)
    inventory, jobs = loaded(folder)
    path = next(iter(set(jobs["otc-new"].files) - set(jobs["otc"].files)))
    written = {"otc": {path: frozenset({sha256(b"")}), GONE: frozenset({sha256(b"")})}}
    assert leftovers(inventory, render_site(inventory), written) == {"otc": (GONE,)}


def test_a_server_that_left_the_inventory_is_named(site):
    inventory, jobs, _ = site
    rendered = render_site(inventory)
    gone = leftovers(inventory, rendered, {**WRITTEN, "sold": {"/etc/x": frozenset({sha256(b"x")})}})
    (finding,) = left_behind(inventory, jobs, gone)
    assert finding.code.code == "CX605"
    assert finding.path == ("servers",)
    assert finding.message.startswith("sold ")
    assert "/etc/x" in finding.message
    without = {name: job for name, job in jobs.items() if name != "otc"}
    (finding,) = left_behind(inventory, without, leftovers(inventory, rendered, WRITTEN))
    assert finding.path == ("servers", "otc")


def test_the_record_knows_what_is_left(site, tmp_path):
    plan = planned(site).sealed()
    history = History(tmp_path / "history")
    assert history.written() == {}
    journal = history.begin(plan, "apply")
    assert history.written() == {}
    journal.state("otc", "new", version="final")
    journal.close("done")
    # The list was removed, and every other file is as it stood before any rollout.
    assert history.written() == {}
    assert history.last_applied()["otc", GONE] is None
