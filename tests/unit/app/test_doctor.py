"""Where a machine's boot parts from what is declared: the first bad answer, and what to do."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from coexist.app.doctor import Diagnosis, Sight, diagnose
from coexist.app.sights import named_registries, sights_of_registries
from coexist.boot.respond import Reason
from coexist.cli import run
from coexist.errors import CoexistError
from coexist.inventory import load_inventory
from coexist.registry.records import Note
from coexist.registry.sqlite import sqlite_registry
from coexist.report.doctor import as_text
from coexist.wire.mac import parse_mac

TODAY = date(2026, 1, 15)
THIN, TYPO, STRANGER = "52:54:00:12:34:56", "52:54:00:12:34:57", "00:11:22:33:44:55"


def tree() -> dict[str, Any]:
    return {
        "site": "ward",
        "vlans": {"lan": {"id": 1, "subnet": "10.9.0.0/24", "gateway": "10.9.0.1"}},
        "servers": {
            "dhcp": {"software": "isc-dhcpd 4.4", "address": "10.9.0.2", "vlan": "lan", "ping_check": False},
            "otc": {
                "software": "coexist",
                "address": "10.9.0.3",
                "vlan": "lan",
                "answers": {"only": "thin"},
                "programs": {"bios": "thin.0"},
            },
            "sccm": {
                "software": "coexist",
                "address": "10.9.0.4",
                "vlan": "lan",
                "answers": {"except": "thin"},
                "programs": {"bios": "rest.0"},
            },
        },
        "scopes": {
            "lan": {
                "server": "dhcp",
                "vlan": "lan",
                "pools": ["10.9.0.50-10.9.0.99"],
                "options": {3: "10.9.0.1"},
            }
        },
        "architectures": {"bios": "ipxe"},
        "clients": [{"mac": THIN, "name": "desk-1"}],
        "groups": {"thin": {"macs": THIN}},
        "intent": [
            {"clients": "thin", "boot_from": "otc"},
            {"clients": "everyone", "unless": "thin", "boot_from": "sccm"},
        ],
    }


def write(folder: Path, content: dict[str, Any]) -> Path:
    (folder / "site.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return folder


def sight(mac: str = THIN, server: str = "otc", **more: Any) -> Sight:
    at = datetime(2026, 1, 15, 7, 1, 13, tzinfo=UTC)
    return Sight(at=at, mac=parse_mac(mac), server=server, how="test", **{"answered": True, **more})


def verdict(diagnosis: Diagnosis) -> tuple[str, str, str] | None:
    found = diagnosis.verdict
    return None if found is None else (found.topic, found.text, found.remedy)


@pytest.mark.parametrize("machine", [THIN, "desk-1", "DESK-1"])
def test_a_machine_that_boots_as_intended(tmp_path: Path, machine: str) -> None:
    found = diagnose(write(tmp_path, tree()), machine, TODAY, [sight()])
    assert verdict(found) is None
    assert [answer.state for answer in found.answers] == ["good", "good", "good"]


def test_one_digit_of_its_mac_was_mistyped(tmp_path: Path) -> None:
    topic, text, _ = verdict(diagnose(write(tmp_path, tree()), TYPO, TODAY)) or ("", "", "")
    assert topic == "declared"
    assert THIN in text


def test_the_machine_that_was_seen_differs_in_one_digit(tmp_path: Path) -> None:
    topic, text, remedy = verdict(diagnose(write(tmp_path, tree()), THIN, TODAY, [sight(TYPO)])) or ("",) * 3
    assert topic == "seen"
    assert TYPO in text
    assert TYPO in remedy


def test_what_is_declared_goes_wrong_already(tmp_path: Path) -> None:
    content = tree()
    content["servers"]["otc"]["answers"] = "nobody"
    found = diagnose(write(tmp_path, content), THIN, TODAY, [sight()])
    topic, _, remedy = verdict(found) or ("",) * 3
    assert topic == "expected"
    # The command that comes next can be typed as it stands.
    command, word, place, code = shlex.split(remedy)
    assert (command, word, place, code) == ("coexist", "check", str(tmp_path), "CX320")


@pytest.mark.parametrize(
    ("seen", "word"),
    [({"answered": False, "why": "another"}, "explain"), ({"server": "sccm"}, "plan")],
    ids=["not answered", "answered by another"],
)
def test_the_next_command_names_the_inventory_as_it_was_typed(
    tmp_path: Path, seen: dict[str, Any], word: str
) -> None:
    folder = tmp_path / "the site"
    folder.mkdir()
    _, _, remedy = verdict(diagnose(write(folder, tree()), THIN, TODAY, [sight(**seen)])) or ("",) * 3
    words = shlex.split(remedy.rpartition(": ")[2])
    assert words[:3] == ["coexist", word, str(folder)]


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ([sight(answered=False, why=Reason.NO_RULE.value)], ["otc", Reason.NO_RULE.value]),
        ([sight(server="sccm")], ["sccm", "otc"]),
        ([sight(file="thin.0", failed="not found")], ["thin.0", "not found"]),
        ([sight(STRANGER)], []),
        ([sight(server="sccm"), sight()], None),
    ],
)
def test_what_was_seen(tmp_path: Path, seen: list[Sight], words: list[str] | None) -> None:
    found = verdict(diagnose(write(tmp_path, tree()), THIN, TODAY, seen))
    if words is None:
        assert found is None
        return
    assert found is not None
    topic, text, remedy = found
    assert topic == "seen"
    assert all(word in text for word in words)
    assert remedy


def test_nothing_to_look_at_is_not_a_fault(tmp_path: Path) -> None:
    found = diagnose(write(tmp_path, tree()), THIN, TODAY)
    assert found.verdict is None
    assert found.answers[-1].state == "unknown"
    assert found.answers[-1].remedy


def test_a_registry_tells_the_last_decision(tmp_path: Path) -> None:
    registry = sqlite_registry(tmp_path / "clients.sqlite")
    mac = parse_mac(THIN)
    registry.note([Note(mac, "", "lan", 0, "", Reason.NO_RULE.value, "", "", 1.7e9, 1.7e9, 1, False)])
    registry.close()
    inventory = load_inventory(write(tmp_path, tree()))
    (found,) = sights_of_registries({"otc": tmp_path / "clients.sqlite"})
    assert (found.mac, found.server, found.answered, found.why) == (mac, "otc", False, Reason.NO_RULE.value)
    with pytest.raises(CoexistError, match="otc"):
        named_registries(inventory.site.servers, ["otcc=x"])
    with pytest.raises(CoexistError, match="SERVER=FILE"):
        named_registries(inventory.site.servers, ["x"])


def test_the_command_says_where_they_part_in_few_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, tree())
    assert run(["doctor", str(tmp_path), "desk-1"]) == 0
    assert run(["doctor", str(tmp_path), TYPO]) == 1
    told = capsys.readouterr().out
    assert "HERE" in told
    assert run(["doctor", str(tmp_path), TYPO, "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["answers"][document["verdict"]]["state"] == "bad"
    assert run(["doctor", str(tmp_path), "desk-2"]) == 2
    broken = Path(__file__).resolve().parents[3] / "inventories" / "broken"
    assert len(list(as_text(diagnose(broken, "52:54:00:99:99:99", TODAY)))) <= 20
