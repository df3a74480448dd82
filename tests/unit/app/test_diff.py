"""Two versions of an inventory compared: exact for every client, with what changes named."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from coexist.analysis.site import AnalysedSite
from coexist.analysis.space import ClientClass
from coexist.app.diff import Change, Difference, Kind, compare
from coexist.cli import run
from coexist.inventory import load_inventory
from coexist.report.diff import as_dict, as_markdown, as_text
from coexist.wire.mac import MAC_SPACE, format_mac, parse_mac

TODAY = date(2026, 1, 15)
CLIENTS = [f"52:54:00:00:00:0{n}" for n in range(1, 6)]


def tree(*, thin: list[str], delay: float = 0.0, file: str = "thin.0", clients: int = 5) -> dict[str, Any]:
    return {
        "site": "two",
        "vlans": {"lan": {"id": 1, "subnet": "10.9.0.0/24", "gateway": "10.9.0.1"}},
        "servers": {
            "dhcp": {"software": "isc-dhcpd 4.4", "address": "10.9.0.2", "vlan": "lan", "ping_check": False},
            "old": {
                "software": "coexist",
                "address": "10.9.0.3",
                "vlan": "lan",
                "answers": {"only": "thin"},
                "programs": {"bios": file},
            },
            "rest": {
                "software": "coexist",
                "address": "10.9.0.4",
                "vlan": "lan",
                "answers": {"except": "thin"},
                "programs": {"bios": "rest.0"},
                **({"delay": delay} if delay else {}),
            },
        },
        "scopes": {"lan": {"server": "dhcp", "vlan": "lan", "pools": ["10.9.0.50-10.9.0.99"]}},
        "architectures": {"bios": "ipxe"},
        "clients": [{"mac": mac, "name": f"pc{n}"} for n, mac in enumerate(CLIENTS[:clients], start=1)],
        "groups": {"thin": {"macs": thin}},
        "intent": [
            {"clients": "thin", "boot_from": "old"},
            {"clients": "everyone", "unless": "thin", "boot_from": "rest"},
        ],
    }


def compared(folder: Path, old: dict[str, Any], new: dict[str, Any]) -> Difference:
    for name, content in (("old", old), ("new", new)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "site.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return compare(folder / "old", folder / "new", TODAY)


def test_nothing_changes(tmp_path: Path) -> None:
    found = compared(tmp_path, tree(thin=CLIENTS[:2]), tree(thin=CLIENTS[:2]))
    assert found.empty
    assert run(["diff", str(tmp_path / "old"), str(tmp_path / "new")]) == 0


def test_a_machine_that_moves_is_named(tmp_path: Path) -> None:
    found = compared(tmp_path, tree(thin=CLIENTS[:2]), tree(thin=CLIENTS[:3]))
    (change,) = found.changes
    assert (change.kind, change.clients, change.name) == (Kind.ELSEWHERE, 1, "pc3")
    assert change.before is not None
    assert change.before.winners == ("rest",)
    assert change.after is not None
    assert change.after.winners == ("old",)
    assert run(["diff", str(tmp_path / "old"), str(tmp_path / "new")]) == 3


@pytest.mark.parametrize(
    ("change", "kind", "clients"),
    [
        ({"file": "other.0"}, Kind.FILE, 2),
        ({"delay": 1.5}, Kind.LATER, MAC_SPACE - 2),
        ({"delay": 9.0}, Kind.NOBODY, MAC_SPACE - 2),
    ],
)
def test_what_changes_and_for_how_many(
    tmp_path: Path, change: dict[str, Any], kind: Kind, clients: int
) -> None:
    found = compared(tmp_path, tree(thin=CLIENTS[:2]), tree(thin=CLIENTS[:2], **change))
    assert [(c.kind, c.clients) for c in found.changes] == [(kind, clients)]


def test_findings_that_come_and_go(tmp_path: Path) -> None:
    there = compared(tmp_path, tree(thin=CLIENTS[:2]), tree(thin=CLIENTS[:2], delay=9.0))
    codes = {finding.code.code for finding in there.appeared}
    assert "CX310" in codes
    assert there.gone == ()
    back = compared(tmp_path, tree(thin=CLIENTS[:2], delay=9.0), tree(thin=CLIENTS[:2]))
    assert {finding.code.code for finding in back.gone} == codes


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.sets(st.sampled_from(CLIENTS), min_size=1),
    st.sets(st.sampled_from([*CLIENTS, "52:54:00:00:00:09"]), min_size=1),
    st.integers(1, 5),
    st.booleans(),
)
def test_every_client_is_in_exactly_the_change_that_its_own_races_show(
    tmp_path_factory: pytest.TempPathFactory, before: set[str], after: set[str], registered: int, by_oui: bool
) -> None:
    folder = tmp_path_factory.mktemp("sites")
    old, new = tree(thin=sorted(before)), tree(thin=sorted(after), clients=registered)
    if by_oui:
        new["groups"]["thin"] = {"oui": "52:54:00", "except": "some"}
        new["groups"]["some"] = {"macs": sorted(after)}
    found = compared(folder, old, new)
    sites = [AnalysedSite(load_inventory(folder / name)) for name in ("old", "new")]
    changed = 0
    for mac in (*CLIENTS, "52:54:00:00:00:09", "52:54:00:77:77:77", "00:11:22:33:44:55"):
        winners = [_winners(site, parse_mac(mac)) for site in sites]
        changed += winners[0] != winners[1]
        rows = [c for c in found.changes if c.witness == parse_mac(mac)]
        for row in rows:
            assert row.before is not None
            assert row.after is not None
            assert (set(row.before.winners), set(row.after.winners)) == (winners[0], winners[1])
    if changed == 0:
        assert not found.changes
    else:
        assert found.changes
    explicit = set(CLIENTS) | {"52:54:00:00:00:09"}
    moved = [m for m in explicit if _winners(sites[0], parse_mac(m)) != _winners(sites[1], parse_mac(m))]
    if not by_oui:
        assert sum(change.clients for change in found.changes) == len(moved)


def _winners(site: AnalysedSite, mac: int) -> set[str | None]:
    macs = site.space.class_of(mac)
    client = ClientClass(macs=macs, vlan="lan", architecture="bios", firmware="ipxe")
    return set(site.winners(client))


def _one(tmp_path: Path) -> tuple[Difference, Change]:
    found = compared(tmp_path, tree(thin=CLIENTS[:2]), tree(thin=CLIENTS[:3]))
    return found, found.changes[0]


def test_the_forms_name_the_machine_and_both_ends(tmp_path: Path) -> None:
    found, change = _one(tmp_path)
    for text in (as_text(found), as_markdown(found)):
        assert format_mac(change.witness) in text
        assert "rest" in text
        assert "old" in text
    tables = [line for line in as_markdown(found).splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in tables}) == 1
    told = json.loads(json.dumps(as_dict(found)))
    assert told["version"] == 1
    assert told["changes"][0]["after"]["winners"] == ["old"]
    assert told["changes"][0]["kind"] == "elsewhere"


def test_what_is_neither_directory_nor_revision_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["diff", "no-such-revision", str(tmp_path)]) == 2
    assert "no-such-revision" in capsys.readouterr().err
