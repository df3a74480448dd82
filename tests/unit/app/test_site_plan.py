"""What a plan is refused for: files of others that would be replaced unnamed, and copies that are old."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from coexist.app.rollouts import SitePlan
from coexist.inventory import load_inventory
from coexist.render import render_site
from coexist.rollout.beside import changed_copies
from coexist.rollout.facts import PresentFile
from coexist.rollout.planning import jobs_of, make_plan
from coexist.rollout.present import Present

ADOPTED = Path(__file__).resolve().parents[3] / "inventories" / "adopted"


@pytest.fixture
def made(tmp_path: Path) -> SitePlan:
    """A plan for the adopted site, whose servers run the copies and have empty drop-ins."""
    text = (ADOPTED / "site.yaml").read_text()
    for name in ("dhcp1", "kea1", "dns1"):
        text = text.replace(f"  {name}:\n", f"  {name}:\n    deploy: {{host: {name}}}\n")
    site = tmp_path / "site"
    shutil.copytree(ADOPTED, site)
    (site / "site.yaml").write_text(text)
    inventory = load_inventory(site)
    jobs = jobs_of(inventory, render_site(inventory)).jobs
    present = {
        name: {
            path: PresentFile(path=path, content=(ADOPTED / "servers" / name / path.lstrip("/")).read_bytes())
            if path not in job.files
            else PresentFile(path=path, content=b"", mode="644")
            for path in job.target.paths
        }
        for name, job in jobs.items()
    }
    planned = make_plan(inventory, jobs, present, {}, root=str(tmp_path))
    return SitePlan(
        plan=planned.plan,
        drift=tuple(changed_copies(inventory, present)),
        findings=(),
        left_out={},
        jobs=jobs,
        present=Present(files=present),
    )


def test_a_plan_beside_what_runs_changes_the_drop_ins_alone(made: SitePlan) -> None:
    assert made.refused() is None
    changed = {name: [file.path for file in made.plan.servers[name].files] for name in made.plan.servers}
    assert changed == {
        "dhcp1": ["/etc/dhcp/coexist.conf"],
        "kea1": ["/etc/kea/coexist.json"],
        "dns1": ["/etc/dnsmasq.d/coexist.conf"],
    }


def test_the_plan_says_where_a_drop_in_is_included(made: SitePlan) -> None:
    said = {name: server.impact.sentences[0] for name, server in made.plan.servers.items()}
    assert [text.rpartition(" ")[2] for text in said.values()] == [
        "/etc/dhcp/dhcpd.conf:5",
        "/etc/kea/kea-dhcp4.conf:32",
        "/etc/dnsmasq.conf:25",
    ]


def test_the_whole_configuration_is_tested_before_its_daemon_is_restarted(made: SitePlan) -> None:
    reload = made.plan.servers["dhcp1"].reload
    assert reload[0] == ("dhcpd", "-t", "-4", "-cf", "/etc/dhcp/dhcpd.conf")
    assert len(reload) == 2


def test_a_drop_in_that_takes_machines_away_says_so(made: SitePlan) -> None:
    assert made.plan.servers["dns1"].impact.share == 1.0
    assert made.plan.servers["dhcp1"].impact.share == 0.0


def test_a_file_that_no_rollout_wrote_must_be_named(made: SitePlan) -> None:
    lost = {("dhcp1", "/etc/dhcp/coexist.conf"): ((1, "omapi-port 7911;"),)}
    refused = replace(made, lost=lost, overwrite=True).refused()
    assert refused is not None
    assert refused[0] == "edited"
    assert replace(made, lost=lost, replace=("/etc/dhcp/coexist.conf",)).refused() is None


def test_what_was_proved_of_old_copies_is_refused(made: SitePlan) -> None:
    files = {name: dict(files) for name, files in made.present.files.items()}
    path = "/etc/dhcp/hosts.conf"
    files["dhcp1"][path] = PresentFile(path=path, content=b"# new\n")
    inventory = load_inventory(ADOPTED)
    old = replace(made, drift=tuple(changed_copies(inventory, files)))
    refused = old.refused()
    assert refused is not None
    assert refused[0] == "edited"
    assert replace(old, plan=old.plan.model_copy(update={"reason": "tonight"})).refused() is None
