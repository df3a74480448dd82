"""Plans of the two-generations site, from files that stand on no server but in this test."""

from __future__ import annotations

import copy
import shutil
from typing import Any

import pytest

from coexist.inventory import inventory_from_tree, load_inventory
from coexist.render import render_site
from coexist.rollout.document import sha256
from coexist.rollout.drift import drift
from coexist.rollout.facts import PresentFile
from coexist.rollout.impact import manifest_of
from coexist.rollout.planning import jobs_of, make_plan
from tests.conftest import ROOT

DEPLOY = "    deploy: {{host: {name}.example, sudo: true}}\n"


@pytest.fixture
def folder(tmp_path):
    """The two generations, with every server reachable."""
    shutil.copytree(ROOT / "inventories" / "two-generations", tmp_path, dirs_exist_ok=True)
    text = (tmp_path / "site.yaml").read_text()
    for name in ("dhcp-core", "otc", "otc-new", "sccm"):
        text = text.replace(
            f"  {name}:\n    software", f"  {name}:\n{DEPLOY.format(name=name)}    software", 1
        )
    (tmp_path / "site.yaml").write_text(text)
    return tmp_path


def loaded(folder):
    inventory = load_inventory(folder)
    return inventory, jobs_of(inventory, render_site(inventory)).jobs


def standing(jobs, **changes):
    """Every server as it is rendered."""
    return {
        name: {
            path: PresentFile(path=path, content=changes.get(path, file.content), mode="644")
            for path, file in job.files.items()
        }
        for name, job in jobs.items()
    }


def nothing(jobs):
    return {name: {path: PresentFile(path=path) for path in job.files} for name, job in jobs.items()}


def move(folder, name):
    lines = (folder / "clients.csv").read_text().splitlines()
    rows = [line + "moved" if f",{name}," in line else line for line in lines]
    assert rows != lines
    (folder / "clients.csv").write_text("\n".join(rows) + "\n")


def test_servers_as_they_shall_be_need_no_plan(folder):
    inventory, jobs = loaded(folder)
    planned = make_plan(inventory, jobs, standing(jobs), manifest_of(inventory), root=".")
    assert planned.plan.is_empty
    assert planned.plan.servers == {}


def test_a_client_that_moves_is_bridged_by_the_new_server(folder):
    inventory, jobs = loaded(folder)
    present, recorded = standing(jobs), manifest_of(inventory)
    move(folder, "tc-sales-1")
    inventory, jobs = loaded(folder)
    plan = make_plan(inventory, jobs, present, recorded, root=".").plan
    assert sorted(plan.servers) == ["otc", "otc-new"]
    assert [[(c.server, c.version) for wave in step.waves for c in wave] for step in plan.steps] == [
        [("otc-new", "opening")],
        [("otc", "final")],
        [("otc-new", "final")],
    ]
    impact = plan.servers["otc-new"].impact
    assert (impact.gained, impact.lost) == (1, 0)
    assert all(word in impact.sentences[0] for word in ("otc-new", " otc", "00:80:64:10:00:03"))
    assert plan.servers["otc"].impact.lost == 1
    assert plan.exposed == ()
    opening = next(f for f in plan.servers["otc-new"].files if f.name == "coexist.yaml").after["opening"]
    assert opening is not None
    text = plan.content(opening).decode()
    assert "after: 1.2" in text
    assert "00:80:64:10:00:03" in text
    # The plan ends where the renderer says.
    for name, server in plan.servers.items():
        for file in server.files:
            assert file.at("final") == sha256(jobs[name].files[file.path].content)


def test_the_same_plan_twice_is_the_same_plan(folder):
    inventory, jobs = loaded(folder)
    plans = [make_plan(inventory, jobs, nothing(jobs), {}, root=".").plan.sealed() for _ in range(2)]
    assert plans[0] == plans[1]


def test_a_first_rollout_takes_nothing_from_anybody(folder):
    inventory, jobs = loaded(folder)
    plan = make_plan(inventory, jobs, nothing(jobs), {}, root=".").plan
    assert sorted(plan.servers) == ["dhcp-core", "otc", "otc-new", "sccm"]
    assert len(plan.steps) == 1
    assert [len(wave) for wave in plan.steps[0].waves] == [1, 3]
    assert all(server.impact.share == 0.0 for server in plan.servers.values())
    assert all(file.before is None for server in plan.servers.values() for file in server.files)


def test_a_configuration_that_cannot_be_read_back_is_said_and_not_bridged(folder):
    inventory, jobs = loaded(folder)
    recorded = manifest_of(inventory)
    present = standing(jobs, **{"/etc/coexist/coexist.yaml": b"by hand: [\n"})
    plan = make_plan(inventory, jobs, present, {}, root=".").plan
    # Whom it boots today is not known: nothing is counted, and one sentence says so.
    impact = plan.servers["otc"].impact
    assert (impact.gained, impact.lost, impact.clients, len(impact.sentences)) == (0, 0, 0, 1)
    assert recorded["otc"]


def test_who_has_no_part_in_it_is_named(folder):
    text = (folder / "site.yaml").read_text().replace(DEPLOY.format(name="sccm"), "")
    (folder / "site.yaml").write_text(text)
    inventory = load_inventory(folder)
    jobs = jobs_of(inventory, render_site(inventory))
    assert "sccm" not in jobs.jobs
    assert "deploy: {host: " in jobs.left_out["sccm"]


TWO: dict[str, Any] = {
    "site": "two",
    "vlans": {"hall": {"id": 1, "subnet": "10.65.0.0/24", "gateway": "10.65.0.1"}},
    "servers": {
        "lease": {"software": "kea 2.2", "address": "10.65.0.5", "vlan": "hall"},
        "old": {"software": "coexist", "address": "10.65.0.6"},
        "new": {"software": "coexist", "address": "10.65.0.7"},
    },
    "scopes": {"hall": {"server": "lease", "vlan": "hall", "pools": ["10.65.0.100-10.65.0.200"]}},
}
STAYS, MOVES = "52:54:00:00:00:08", "52:54:00:00:00:01"


def planned_move(jitter=0.005, **servers):
    """The plan that moves one client from old to new, whose files stand as they were rendered before."""

    def site(moved):
        tree = copy.deepcopy(TWO)
        tree["vlans"]["hall"]["jitter"] = jitter
        tree["groups"] = {
            "olds": {"macs": ["52:54:00:00:00:09", *([] if moved else [MOVES])]},
            "news": {"macs": [STAYS, *([MOVES] if moved else [])]},
        }
        for name in ("old", "new"):
            tree["servers"][name] |= {
                "vlan": "hall",
                "programs": {"bios": f"{name}.0", "uefi-x64": f"{name}.efi"},
                "answers": {"only": [f"{name}s"]},
                "deploy": {"host": f"{name}.example"},
                **servers.get(name, {}),
            }
        inventory = inventory_from_tree(tree)
        return inventory, jobs_of(inventory, render_site(inventory)).jobs

    (before, jobs), (after, wanted) = site(moved=False), site(moved=True)
    present = standing(jobs)
    for name, job in wanted.items():
        for path in job.files:
            present[name].setdefault(path, PresentFile(path=path))
    return make_plan(after, wanted, present, manifest_of(before), root=".")


PROXY = {"software": "dnsmasq 2.90", "roles": ["proxydhcp", "tftp"]}


@pytest.mark.parametrize(
    ("servers", "way"),
    [
        ({}, "taker-stands-by"),
        ({"old": {"delay": 2.0}}, "giver-stands-by"),
        ({"old": PROXY}, "taker-stands-by"),
        ({"new": PROXY}, "giver-stands-by"),
    ],
)
def test_every_moment_of_a_rollout_is_proven_by_races(servers, way):
    planned = planned_move(**servers)
    assert {move.way for move in planned.ordering.moves} == {way}
    assert all(verdict.judged for verdict in planned.verdicts.values())
    assert planned.plan.exposed == ()


@pytest.mark.parametrize("case", [{"jitter": 3.0}, {"old": PROXY, "new": PROXY}])
def test_what_no_order_makes_safe_is_said(case):
    planned = planned_move(**case)
    assert all(verdict.failure is not None for verdict in planned.verdicts.values())
    assert len(planned.plan.exposed) == len(planned.ordering.moves) == 2


def drift_codes(inventory, jobs, present, last):
    wanted = {name: {path: f.digest for path, f in job.files.items()} for name, job in jobs.items()}
    return sorted(
        (f.code.code, f.path[1]) for f in drift(inventory, present, wanted, last, lambda _: b"was\n")
    )


def test_drift_is_told_from_what_is_planned(folder):
    inventory, jobs = loaded(folder)
    path = "/etc/dhcp/dhcpd.conf"
    left = {
        (name, place): file.digest for name, files in standing(jobs).items() for place, file in files.items()
    }
    assert drift_codes(inventory, jobs, standing(jobs), left) == []
    edited = standing(jobs, **{path: b"by hand\n"})
    assert drift_codes(inventory, jobs, edited, left) == [("CX601", "dhcp-core")]
    gone = standing(jobs)
    gone["dhcp-core"][path] = PresentFile(path=path)
    assert drift_codes(inventory, jobs, gone, left) == [("CX602", "dhcp-core")]
    assert drift_codes(inventory, jobs, edited, {}) == [("CX603", "dhcp-core")]
    assert drift_codes(inventory, jobs, nothing(jobs), {}) == []
