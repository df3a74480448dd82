"""The story of ``inventories/hospital``, the whole way: two managers that are changed by hand.

After every command the inventory as it stands is raced for machines of every wave and firmware: none has
two servers, and those of a wave have none exactly between its two changes.
"""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from coexist.analysis import analyse
from coexist.analysis.race import ClientCase, race
from coexist.analysis.world import build_world
from coexist.app.current import load_current
from coexist.cli import run
from coexist.planning.yaml_edit import apply
from coexist.render.limits import limits
from coexist.wire.mac import parse_mac
from tests.conftest import ROOT

PILOT, FIRST_WARD, BIOS, LAST = (
    parse_mac(f"00:50:c2:61:{number}") for number in ("00:04", "00:01", "00:03", "01:13")
)
MACHINES = (PILOT, FIRST_WARD, BIOS, LAST)
NIGHT = ("--despite-gate", "a test has no night")
ITEMS = 3


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "inventories" / "hospital", tmp_path / "hospital"))


def state(folder: Path) -> Any:
    return yaml.safe_load((folder / "migrations" / "renewal.yaml").read_text())


def servers(folder: Path) -> list[str | None]:
    """Whom each of the machines boots from; a machine with two servers or a doubtful one fails the test."""
    inventory = load_current(folder)
    world = build_world(inventory)
    found: list[str | None] = []
    for mac in MACHINES:
        record = inventory.clients.find(mac)
        assert record is not None
        firmwares = ("edk2",) if record.architecture == "uefi-x64" else ("ipxe", "pxe21")
        ends = {
            outcome.boot_server
            for firmware in firmwares
            for outcome in race(world, ClientCase(
                mac=mac, vlan="wards", architecture=record.architecture, firmware=firmware
            )).outcomes
        }  # fmt: skip
        (end,) = ends
        found.append(end)
    return found


OLD, NEW = "otc-old", "otc-new"


def test_the_whole_way(hospital: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = str(hospital)
    assert run(["check", where]) == 0
    assert run(["render", where, "--output", str(hospital / "rendered")]) == 0
    assert run(["migrate", "plan", where]) == 0
    assert servers(hospital) == [OLD, OLD, OLD, OLD]

    # The pilots: four registrations on each manager.
    assert run(["migrate", "next", where, "--yes", *NIGHT, "--list", str(hospital / "old.ldif")]) == 3
    assert (hospital / "old.ldif").read_text().count("replace: macAddress") == 4
    assert servers(hospital) == [OLD, OLD, OLD, OLD]
    assert run(["migrate", "next", where, "--done-by-hand", "--yes"]) == 3
    assert servers(hospital) == [None, OLD, OLD, OLD]
    assert run(["migrate", "next", where, "--done-by-hand", "--yes"]) == 0
    assert servers(hospital) == [NEW, OLD, OLD, OLD]
    assert run(["check", where]) == 0

    # The gate waits for the checklist.
    assert run(["migrate", "next", where, "--yes"]) == 2
    pilots = state(hospital)["waves"][0]["clients"]
    assert len(pilots) == 4
    inventory = load_current(hospital)
    for mac in pilots:
        record = inventory.clients.find(parse_mac(mac))
        assert record is not None
        for item in range(1, ITEMS + 1):
            words = ["checklist", "record", where, record.name, str(item), "passed", "--who", "kim"]
            assert run(words) == 0

    for wave, after in (("first-wards", [NEW, NEW, NEW, OLD]), ("everyone-else", [NEW, NEW, NEW, NEW])):
        before = servers(hospital)
        assert run(["migrate", "next", where, "--yes", *NIGHT]) == 3
        assert servers(hospital) == before
        assert run(["migrate", "next", where, "--done-by-hand", "--yes"]) == 3
        assert servers(hospital) == [
            None if new != old else old for old, new in zip(before, after, strict=True)
        ]
        assert run(["migrate", "next", where, "--done-by-hand", "--yes"]) == 0
        assert servers(hospital) == after
        assert [each["name"] for each in state(hospital)["waves"]][-1] == wave
        if wave == "first-wards":
            one_machine_back(hospital)

    # The end: the old manager is switched off by hand, and the inventory says what is.
    capsys.readouterr()
    assert run(["migrate", "retire", where, "--yes"]) == 3
    assert "-  renewal:" in capsys.readouterr().out
    assert run(["migrate", "retire", where, "--yes", "--done-by-hand"]) == 0
    written = yaml.safe_load((hospital / "site.yaml").read_text())
    assert "migrations" not in written
    assert written["servers"][OLD]["answers"] == "nobody"
    assert written["intent"][0]["boot_from"] == NEW
    assert servers(hospital) == [NEW, NEW, NEW, NEW]
    assert run(["check", where]) == 0


def one_machine_back(hospital: Path) -> None:
    where = str(hospital)
    back = ["migrate", "back", where, "--machine", "tc-ward-1-1", "--yes"]
    assert run([*back, "--list", str(hospital / "back.csv")]) == 3
    assert (hospital / "back.csv").read_text().count("tc-ward-1-1") == 1
    for expected in (3, 0):
        assert run(["migrate", "next", where, "--done-by-hand", "--yes"]) == expected
    assert servers(hospital) == [NEW, OLD, NEW, OLD]
    assert len(state(hospital)["waves"][-1]["clients"]) == 35


OWN = {
    "dhcp-a": ("isc-dhcpd", "dhcpd.conf", "10.60.0.5"),
    "dhcp-b": ("isc-dhcpd", "dhcpd.conf", "10.60.0.6"),
    "lab-dnsmasq": ("dnsmasq", "dnsmasq.conf", "10.63.0.2"),
}
"""The servers that run on files of their own: product, main file, address."""


def planned(hospital: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    capsys.readouterr()
    assert run(["migrate", "plan", str(hospital), "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)["steps"]


def test_servers_that_run_are_adopted_instead_of_declared(
    hospital: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where, main = str(hospital), hospital / "site.yaml"
    declared = planned(hospital, capsys)
    assert run(["render", where, "--output", str(tmp_path / "own")]) == 0
    site = yaml.safe_load(main.read_text())
    intent = site["intent"]
    # Nothing is said of them, nor by whom the relay agents' packets are leased.
    del site["scopes"]
    for name in OWN:
        del site["servers"][name]
    for vlan in site["vlans"].values():
        vlan["relay_to"] = [each for each in vlan.pop("relay_to", []) if each not in OWN]
    site["intent"] = [rule for rule in intent if rule.get("boot_from") not in OWN]
    main.write_text(yaml.safe_dump(site, sort_keys=False))
    sources = [
        f"--server={name}={product}={tmp_path / 'own' / name / file}={address}"
        for name, (product, file, address) in OWN.items()
    ]
    assert run(["adopt", where, *sources]) == 0
    adopted = yaml.safe_load(main.read_text())
    assert all(adopted["servers"][name]["config"] for name in OWN)
    # The intent that was there stays; the laboratory's is written, and then what check asks for.
    assert adopted["intent"] == site["intent"]
    main.write_text(apply(main.read_text(), [("put", ("intent",), intent)]))
    for vlan in ("wards", "phones"):
        inventory = load_current(hospital)
        found = analyse(inventory, None, partial(limits, inventory)).findings
        (wrong,) = (each for each in found if each.code.code == "CX207" and each.classes[0].vlan == vlan)
        edits = [(edit.kind, edit.path, edit.value) for edit in wrong.edits]
        assert [value for _, _, value in edits] == ["dhcp-a", "dhcp-b"]
        main.write_text(apply(main.read_text(), edits))
    assert run(["check", where]) == 0
    assert planned(hospital, capsys) == declared
    assert servers(hospital) == [OLD, OLD, OLD, OLD]
