from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from coexist.errors import CoexistError
from coexist.inventory import Inventory, inventory_from_tree
from coexist.planning.by_hand import is_by_hand
from coexist.planning.choosing import ProvenStep, Refused
from coexist.planning.effective import stands_by
from coexist.planning.placement import Placement
from coexist.planning.progress import MigrationState, MovedWave, OpenStep
from coexist.planning.proof import Prover
from coexist.planning.roadmap import (
    RefusedError,
    check_retirement,
    last_wave_back,
    next_step,
    roadmap,
    verify_open_step,
)
from coexist.planning.ways import HAND_OVER_DELAYS
from coexist.report.migration import plan_json, plan_text
from tests.unit.planning.sites import site, tree

NOBODY_YET = MigrationState(migration="up", source="old", target="new")
NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
MACS = tuple(range(0x00155D000000, 0x00155D00000C))


def altered(change: Any, **migration: Any) -> Inventory:
    plain = tree(**{"waves": [{"name": "all"}], **migration})
    change(plain)
    return inventory_from_tree(plain)


def only_step(inventory: Inventory) -> ProvenStep | Refused:
    (coming,) = roadmap(inventory, "up", NOBODY_YET).forward
    return coming.planned


def test_between_two_coexist_servers_every_firmware_is_proven() -> None:
    planned = roadmap(site(pilots="pilot-machines", waves=[{"name": "rest"}]), "up", NOBODY_YET)
    assert [(c.wave.name, len(c.clients)) for c in planned.forward] == [("pilots", 2), ("rest", 10)]
    for coming in (*planned.forward, *planned.back):
        step = coming.proven()
        assert step.step.way == "hand-over"
        for proof in step.proofs:
            assert proof.clients == 12
            assert proof.firmwares == ("edk2", "ipxe", "pxe21")
    assert not planned.refused
    assert not planned.left_over


def test_the_plan_says_what_is_touched_who_moves_and_what_was_proven() -> None:
    planned = roadmap(site(waves=[{"name": "all", "size": 2}]), "up", NOBODY_YET)
    text = plan_text(planned)
    assert re.search(r"all: 2 \w+: 00:15:5d:00:00:00, 00:15:5d:00:00:01\n.*new.*old.*hand-over\n", text)
    assert len(re.findall(r"\b12 clients .*\b\d races\b", text)) == 5
    assert len(re.findall(r"\b4 changes\b.*hand-over", text)) == 1
    assert len(planned.left_over) == 10
    assert "00:15:5d:00:00:02" in text
    step = plan_json(planned)["steps"][0]
    assert [change["server"] for change in step["forward"]["changes"]] == ["new", "old", "new", "old"]
    assert [change["server"] for change in step["back"]["changes"]] == ["old", "new", "old", "new"]
    assert [change["settles"] for change in step["forward"]["changes"]] == [False, False, False, True]


def both(product: str) -> Any:
    def change(plain: dict[str, Any]) -> None:
        for name in ("old", "new"):
            plain["servers"][name]["software"] = product

    return change


def test_two_servers_without_a_delay_are_refused_with_the_witness() -> None:
    refused = only_step(altered(both("openthinclient")))
    assert isinstance(refused, Refused)
    (attempt,) = refused.attempts
    assert (attempt.step.way, attempt.moment) == ("overlap", 1)
    failure = attempt.proof.failures[0]
    assert failure.witness.mac in MACS
    assert failure.witness.timeline
    assert failure.servers == ("new", "old")


def test_only_the_new_server_can_stand_by() -> None:
    def change(plain: dict[str, Any]) -> None:
        # Both offer as openthinclient does: without option 43, the file on port 4011.
        plain["servers"]["old"]["software"] = "openthinclient"
        plain["servers"]["new"] |= {"discovery_control": None, "offers_file": False}
        plain["architectures"] = {"bios": "ipxe", "uefi-x64": "edk2"}

    step = only_step(altered(change))
    assert isinstance(step, ProvenStep)
    assert step.step.way == "taker-stands-by"
    assert [change.server for change in step.step.changes] == ["new", "old", "new"]
    assert [change.cuts for change in step.step.changes] == [False, True, False]


def test_a_fixed_server_is_changed_by_hand() -> None:
    def change(plain: dict[str, Any]) -> None:
        plain["servers"]["old"] |= {"fixed": True, "deploy": {"host": "old.example"}}
        plain["servers"]["new"]["deploy"] = {"host": "new.example"}

    inventory = altered(change)
    assert isinstance(only_step(inventory), ProvenStep)
    assert [is_by_hand(inventory, name) for name in ("old", "new", "dhcp")] == [True, False, True]


def test_what_is_wrong_before_is_not_blamed_on_the_step() -> None:
    def change(plain: dict[str, Any]) -> None:
        plain["servers"]["new"]["answers"] = "everyone"

    refused = only_step(altered(change))
    assert isinstance(refused, Refused)
    assert refused.reason == "the moment before the step does not hold already; repair it first"


def test_a_scope_that_boots_ipxe_itself_is_found() -> None:
    def change(plain: dict[str, Any]) -> None:
        plain["scopes"]["office"] |= {"next_server": "old", "filename": "old/lpxelinux.0"}
        plain["architectures"] = {"bios": "ipxe"}

    refused = only_step(altered(change))
    assert isinstance(refused, Refused)
    assert refused.attempts[0].proof.failures[0].servers == ("old",)


def state(*moved: int) -> MigrationState:
    return NOBODY_YET.updated(waves=(MovedWave(name="first", moved=NOW, clients=moved),))


def test_the_last_wave_goes_back() -> None:
    inventory = site(waves=[{"name": "first", "size": 4}, {"name": "rest"}])
    assert last_wave_back(inventory, "up", NOBODY_YET) is None
    coming = last_wave_back(inventory, "up", state(*MACS[:4]))
    assert coming is not None
    step = coming.proven().step
    assert (step.direction, step.clients) == ("back", frozenset(MACS[:4]))
    assert step.end == Placement.settled(())


def test_a_wave_that_moved_is_not_planned_again() -> None:
    inventory = site(waves=[{"name": "first", "size": 4}, {"name": "rest"}])
    coming = next_step(inventory, "up", state(*MACS[:4]))
    assert coming is not None
    assert (coming.wave.name, coming.clients) == ("rest", frozenset(MACS[4:]))
    assert coming.proven().step.start == Placement.settled(MACS[:4])
    rest = MovedWave(name="rest", moved=NOW, clients=MACS[4:])
    everybody = state(*MACS[:4])
    assert next_step(inventory, "up", everybody.updated(waves=(*everybody.waves, rest))) is None


def test_an_open_step_is_proven_again() -> None:
    open_ = OpenStep(
        wave="all",
        direction="forward",
        way="hand-over",
        delay=HAND_OVER_DELAYS[0],
        clients=MACS,
        done=2,
        since=NOW,
    )
    under_way = NOBODY_YET.updated(step=open_)
    verify_open_step(site(waves=[{"name": "all"}]), "up", under_way)

    def change(plain: dict[str, Any]) -> None:
        plain["servers"]["third"] = {**plain["servers"]["old"], "address": "10.10.0.8"}

    with pytest.raises(RefusedError, match=r"\bchange 0\b"):
        verify_open_step(altered(change), "up", under_way)


def test_the_old_server_is_retired_when_nobody_needs_it() -> None:
    inventory = site(stays="pilot-machines", waves=[{"name": "first"}])
    moved = tuple(mac for mac in MACS if mac not in (MACS[1], MACS[4]))
    proof, staying = check_retirement(inventory, "up", state(*moved))
    assert (proof.holds, proof.clients) == (True, 10)
    assert staying == {MACS[1], MACS[4]}
    with pytest.raises(CoexistError, match=r"^9 .*\bold\b.*`coexist migrate next`"):
        check_retirement(inventory, "up", state(moved[0]))


def test_a_client_of_another_vlan_is_nobodys_business() -> None:
    def change(plain: dict[str, Any]) -> None:
        plain["vlans"]["lab"] = {"id": 20, "subnet": "10.20.0.0/16", "gateway": "10.20.0.1"}
        plain["intent"][0]["vlan"] = "office"
        plain["intent"].append({"clients": "thin-clients", "vlan": "lab", "boot_from": "nobody"})

    step = only_step(altered(change))
    assert isinstance(step, ProvenStep)
    # They are raced all the same, and the plan says how many.
    (others,) = {proof.elsewhere for proof in step.proofs}
    planned = roadmap(altered(change), "up", NOBODY_YET)
    changes = plan_json(planned)["steps"][0]["forward"]["changes"]
    assert [each["races_of_others"] for each in changes] == [others] * 4
    assert f"{others} race" in str(step.proofs[0]).partition("; ")[2]
    alone = only_step(site(waves=[{"name": "all"}]))
    assert isinstance(alone, ProvenStep)
    assert "; " not in str(alone.proofs[0])


def test_an_end_without_a_server_is_a_failure() -> None:
    proof = Prover(site(), "up").prove(Placement(left=frozenset(MACS[:1])))
    assert not proof.holds
    assert proof.failures[0].servers == (None,)
    assert proof.failures[0].clients == 1


def test_rules_of_a_step_under_way_are_recognised_by_name() -> None:
    assert stands_by("up.staying-00000000-up.yielding-1a2b3c4d")
    assert not stands_by("up.arrived-1a2b3c4d")


def test_another_servers_clients_must_not_be_taken_along() -> None:
    def change(plain: dict[str, Any]) -> None:
        plain["clients"].append({"mac": "00:50:56:00:00:01", "name": "pc", "architecture": "bios"})
        plain["servers"]["sccm"] = {
            "software": "coexist",
            "address": "10.10.0.8",
            "vlan": "office",
            "answers": {"except": "thin-clients"},
            "programs": {"bios": "wdsnbp.com", "uefi-x64": "wdsmgfw.efi"},
        }
        plain["intent"].append({"clients": "everyone", "unless": "thin-clients", "boot_from": "sccm"})
        plain["migrations"]["up"].pop("clients")  # every registered client, the PC too

    refused = only_step(altered(change))
    assert isinstance(refused, Refused)
    found = {failure.witness.name: failure for failure in refused.attempts[0].proof.failures}
    assert found["pc"].servers == ("new", "sccm")
    assert re.search(r"\bsccm$", found["pc"].message)


def test_a_migration_of_nobodys_clients_is_told() -> None:
    def change(plain: dict[str, Any]) -> None:
        plain["intent"] = [{"clients": "everyone", "boot_from": "nobody"}]

    with pytest.raises(CoexistError, match=r"\bup\b.*\bold\b.*\bnew\b.*`intent`"):
        only_step(altered(change))
