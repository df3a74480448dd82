"""The sites this project ships: what check says of each, and that solve repairs the broken one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from coexist.analysis import Analysis, analyse
from coexist.analysis.findings import Finding
from coexist.inventory import load_inventory
from coexist.planning.solve import solve
from coexist.planning.yaml_edit import apply

INVENTORIES = Path(__file__).resolve().parents[3] / "inventories"


@pytest.fixture(scope="module")
def broken() -> Analysis:
    return analyse(load_inventory(INVENTORIES / "broken"))


@pytest.mark.parametrize("name", ["campus", "two-generations"])
def test_the_sites_that_are_right_are_clean(name: str) -> None:
    analysis = analyse(load_inventory(INVENTORIES / name))
    assert [f"{f.position} {f.code.code} {f.message}" for f in analysis.findings] == []
    assert all(row.agrees is not False for row in analysis.matrix)


def without_drop_ins(folder: Path) -> Path:
    """The adopted site as it was on the first day: nothing of ours in it."""
    site = folder / "adopted"
    shutil.copytree(INVENTORIES / "adopted", site)
    text = (site / "site.yaml").read_text()
    text = re.sub(r"    dropin:\n(?:      .*\n)+", "", text)
    (site / "site.yaml").write_text(
        text.replace("  not-dns1: {groups: everyone, except: thin-clients}\n", "")
    )
    for file in (site / "servers").rglob("*.conf"):
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(line for line in lines if "/coexist." not in line))
    return site


def test_the_adopted_site_has_no_scope_and_no_error() -> None:
    analysis = analyse(load_inventory(INVENTORIES / "adopted"))
    declared = load_inventory(INVENTORIES / "adopted").site
    assert not declared.scopes
    assert [f"{f.position} {f.code.code}" for f in analysis.findings] == []
    assert all(row.agrees for row in analysis.matrix)


def test_the_first_day_shows_the_collision_at_the_lines_of_the_files(tmp_path: Path) -> None:
    analysis = analyse(load_inventory(without_drop_ins(tmp_path)))
    found = [finding for finding in analysis.findings if finding.code.code == "CX401"]
    assert {Path(f.position.file).name for f in found} == {"dhcpd.conf", "kea-dhcp4.conf"}
    assert {text_at(f).strip().split(" ")[0] for f in found} == {"filename", '"boot-file-name":'}
    assert any(row.agrees is False for row in analysis.matrix)


def test_the_repair_of_the_collision_is_the_drop_in(tmp_path: Path) -> None:
    site = without_drop_ins(tmp_path)
    finding = next(f for f in analyse(load_inventory(site)).findings if f.code.code == "CX401")
    edits = [(edit.kind, edit.path, edit.value) for edit in finding.edits]
    (site / "site.yaml").write_text(apply((site / "site.yaml").read_text(), edits))
    repaired, shipped = load_inventory(site), load_inventory(INVENTORIES / "adopted")
    assert repaired.site.servers["dns1"].dropin == shipped.site.servers["dns1"].dropin
    assert all(row.agrees for row in analyse(repaired).matrix)


def test_solve_changes_nothing_that_stands_in_servers_own_files(tmp_path: Path) -> None:
    solution = solve(load_inventory(without_drop_ins(tmp_path)))
    assert [edit.path for edit in solution.edits if edit.path[0] == "scopes"] == []
    places = " ".join(impossible.what for impossible in solution.impossible)
    assert "dhcpd.conf:56:" in places
    assert "kea-dhcp4.conf:" in places


# What stands on the line each finding must name.
LINES = {
    "CX202": "rescue:",
    "CX203": "relay_to: [dhcp-core, sccm]",
    "CX204": "relay_to: [otc]",
    "CX309": "delay: {secs_at_least: 4}",
    "CX321": "answers: everyone",
    "CX401": "67: undionly.kpxe",
    "CX402": "60: PXEClient",
    "CX404": "67: undionly.kpxe",
    "CX406": "66: 10.10.0.7",
    "CX415": "67: undionly.kpxe",
    "CX417": "voice:",
}


def text_at(finding: Finding) -> str:
    return Path(finding.position.file).read_text(encoding="utf-8").splitlines()[finding.position.line - 1]


def test_the_broken_site_shows_the_classic_mistakes_at_their_lines(broken: Analysis) -> None:
    found = {f.code.code: text_at(f) for f in broken.findings}
    assert set(found) == set(LINES)
    assert all(LINES[code] in line for code, line in found.items()), found


def test_each_mistake_has_a_witness_that_is_on_the_site(broken: Analysis) -> None:
    vlans = broken.site.site.vlans
    for finding in broken.findings:
        if finding.code.code == "CX204":  # about the network itself
            continue
        witness = finding.witness
        assert witness is not None, finding.code.code
        assert witness.vlan in vlans
        assert witness.timeline
        assert witness.name, "a registered machine shows it better than an address"
        assert finding.clients > 0


def test_solve_repairs_the_broken_site_and_the_files_say_so_too(tmp_path: Path) -> None:
    folder = INVENTORIES / "broken"
    inventory = load_inventory(folder)
    solution = solve(inventory)
    assert solution.impossible == ()
    assert solution.after.clean
    text = (folder / "site.yaml").read_text(encoding="utf-8")
    changed = apply(text, [(edit.kind, edit.path, edit.value) for edit in solution.edits])
    (tmp_path / "site.yaml").write_text(changed, encoding="utf-8")
    (tmp_path / "clients.csv").write_bytes((folder / "clients.csv").read_bytes())
    again = load_inventory(tmp_path)
    assert again.site == solution.after.site.site
    assert analyse(again).clean
    assert solve(again).edits == ()
    assert "# yaml-language-server" in changed
