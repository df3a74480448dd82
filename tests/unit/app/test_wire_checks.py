"""What a plan predicts for the wire: every server of a VLAN is asked at once, as the wire asks it."""

from __future__ import annotations

from typing import Any

from coexist.app.wire_checks import with_checks
from coexist.inventory import inventory_from_tree
from coexist.render import render_site
from coexist.rollout.document import WireCheck
from coexist.rollout.facts import PresentFile
from coexist.rollout.impact import manifest_of
from coexist.rollout.planning import jobs_of, make_plan


def checks(**boot: Any) -> tuple[WireCheck, ...]:
    """The wire checks of a boot server that is rolled out beside a DHCP server."""
    inventory = inventory_from_tree(
        {
            "site": "s",
            "vlans": {"hall": {"id": 1, "subnet": "10.65.0.0/24", "gateway": "10.65.0.1"}},
            "servers": {
                "lease": {
                    "software": "isc-dhcpd",
                    "address": "10.65.0.5",
                    "vlan": "hall",
                    "ping_check": False,
                },
                "boot": {
                    "software": "coexist",
                    "address": "10.65.0.6",
                    "vlan": "hall",
                    "programs": {"bios": "b.0", "uefi-x64": "b.efi"},
                    "deploy": {"host": "boot.example"},
                    **boot,
                },
            },
            "scopes": {"hall": {"server": "lease", "vlan": "hall", "pools": ["10.65.0.100-10.65.0.200"]}},
        }
    )
    jobs = {"boot": jobs_of(inventory, render_site(inventory)).jobs["boot"]}
    present = {"boot": {path: PresentFile(path=path) for path in jobs["boot"].files}}
    plan = make_plan(inventory, jobs, present, manifest_of(inventory), root=".")
    return with_checks(inventory, plan).checks


def answered(found: tuple[WireCheck, ...], by: str | None) -> set[tuple[str, bool]]:
    """By architecture, whether an answer is predicted on port 67."""
    return {(c.architecture, c.reply is not None) for c in found if c.by == by and c.port == 67}


BOTH = {("bios", True), ("uefi-x64", True)}


def test_one_prediction_holds_for_clients_and_relay_agents() -> None:
    assert answered(checks(), None) == BOTH
    assert {check.by for check in checks()} == {None}


def test_a_server_that_waits_for_an_offer_is_expected_on_the_vlan_only() -> None:
    found = checks(delay={"after_offer": True})
    assert answered(found, "interface") == BOTH
    assert answered(found, "relay") == {("bios", False), ("uefi-x64", False)}
    assert {check.server for check in found} == {"boot"}
