"""What solve proposes each product can do: no change brings a finding of the renderer about it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, assume, given, settings

from coexist.analysis.race import ClientCase, race
from coexist.analysis.world import build_world
from coexist.inventory import Inventory, inventory_from_tree
from coexist.inventory.documents import Path
from coexist.planning.delays import candidates
from coexist.planning.solve import solve
from coexist.render import render_site
from tests.unit.analysis.worlds import readable
from tests.unit.planning.mixed import mixed_trees
from tests.unit.planning.test_solve import tree as site_of

PROGRAMS = {"bios": "a.0", "uefi-x64": "a.efi"}
DNSMASQ = {"software": "dnsmasq", "roles": ["proxydhcp", "tftp"], "programs": PROGRAMS}


def cannot(inventory: Inventory) -> set[tuple[str, Path]]:
    """What the renderers say they cannot write of the servers' means, and where it is declared.

    CX513 is left out: it counts clients whose own rows lack something, and those of another list are others.
    """
    found = {(finding.code.code, finding.path) for finding in render_site(inventory).findings}
    return {(code, path) for code, path in found if code != "CX513"}


# A site takes half a second: one that fails is small enough to read as it is.
@settings(max_examples=40, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(mixed_trees())
def test_every_product_can_do_what_is_proposed(tree: dict[str, Any]) -> None:
    inventory = readable(tree)
    assume(inventory is not None)
    assert inventory is not None
    assert cannot(solve(inventory).after.site.inventory) <= cannot(inventory)


@settings(max_examples=40, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(mixed_trees())
def test_who_boots_now_never_boots_from_nobody_by_a_patch(tree: dict[str, Any]) -> None:
    inventory = readable(tree)
    assume(inventory is not None)
    assert inventory is not None
    after = solve(inventory).after.site
    worlds = build_world(inventory), build_world(after.inventory)
    for case in after.cases:
        if not case.intended.boots or after.is_phone(case.client):
            continue
        machine = ClientCase(
            mac=case.client.macs.witness,
            vlan=case.client.vlan,
            architecture=case.client.architecture,
            firmware=case.client.firmware,
        )
        now, then = ({each.winner for each in race(world, machine).outcomes} for world in worlds)
        assert None in now or None not in then, machine


def site(spare: dict[str, Any], *intent: dict[str, Any]) -> Inventory:
    base = {"vlan": "office", "programs": PROGRAMS}
    dhcp = {"software": "isc-dhcpd", "address": "10.0.0.2", "vlan": "office", "ping_check": False}
    return inventory_from_tree(
        {
            "site": "small",
            "vlans": {"office": {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1"}},
            "servers": {
                "dhcp": dhcp,
                "otc": {"software": "coexist", "address": "10.0.0.3", **base},
                "spare": {"address": "10.0.0.4", "vlan": "office", **spare},
            },
            "scopes": {"office": {"server": "dhcp", "vlan": "office", "pools": ["10.0.1.0-10.0.1.99"]}},
            "groups": {
                "thin": {"macs": ["00:80:64:00:00:01"]},
                "fat": {"macs": ["00:80:64:00:00:02"]},
                "many": {"oui": "00:80:65"},
            },
            "architectures": {"bios": ["ipxe"], "uefi-x64": ["edk2"]},
            "intent": list(intent),
        }
    )


FALLBACK = {"clients": "everyone", "boot_from": "otc", "fallback": "spare"}


@pytest.mark.parametrize(
    ("declared", "tried"),
    [
        ({"delay_for": {"thin": 2}}, [0, 2]),
        ({"delay_for": {"thin": 1.5, "fat": 2}}, [0, 2]),
        ({"delay_for": {"thin": 1, "fat": 2}}, [0]),
        ({"settings": {"dhcp-reply-delay": 1}}, [0]),
    ],
)
def test_a_dnsmasq_that_delays_a_group_has_no_other_delay(
    declared: dict[str, Any], tried: list[float]
) -> None:
    """It takes one line of dhcp-reply-delay (option.c: ARG_ONE)."""
    analysed = solve(site({**DNSMASQ, **declared}, FALLBACK)).before.site
    assert [delay.after for delay in candidates(analysed, "spare", frozenset({"after"}))] == tried


def test_a_dnsmasq_waits_for_all_as_long_as_for_the_group() -> None:
    solution = solve(site({**DNSMASQ, "delay_for": {"thin": 2}}, FALLBACK))
    assert [(edit.path[1:], edit.value) for edit in solution.edits] == [(("spare", "delay"), 2.0)]
    assert solution.impossible == ()
    assert cannot(solution.after.site.inventory) == set()


def test_wds_waits_whole_seconds() -> None:
    analysed = solve(site({"software": "wds"}, FALLBACK)).before.site
    seconds = [delay.after for delay in candidates(analysed, "spare", frozenset({"after"}))]
    assert len(seconds) > 3
    assert all(value == int(value) for value in seconds)


CONFIGMGR = {"software": "configmgr", "programs": PROGRAMS}


def test_configmgr_leaves_out_the_clients_of_others() -> None:
    rules = ({"clients": "thin", "boot_from": "otc"}, {"clients": "everyone", "boot_from": "spare"})
    solution = solve(site(CONFIGMGR, *rules))
    assert {".".join(map(str, e.path)): e.value for e in solution.edits} == {
        "servers.otc.answers": "intended",
        "servers.spare.answers": {"except": ["thin"]},
    }
    assert solution.impossible == ()
    assert cannot(solution.after.site.inventory) == cannot(solution.before.site.inventory)


@pytest.mark.parametrize("others", ["many", "everyone"])
def test_what_configmgr_cannot_leave_out_is_impossible(others: str) -> None:
    """It ignores single MAC addresses: neither a prefix nor all but its own."""
    rules = [{"clients": others, "boot_from": "otc"}, {"clients": "everyone", "boot_from": "spare"}]
    if others == "everyone":
        rules = [{"clients": "thin", "boot_from": "spare"}, rules[0]]
    solution = solve(site(CONFIGMGR, *rules))
    assert all(edit.path[1] != "spare" for edit in solution.edits)
    assert solution.impossible


def test_a_dnsmasq_that_the_intent_gives_nobody_keeps_its_programs() -> None:
    servers = {"otc": {**DNSMASQ, "answers": "intended"}, "sccm": {"answers": "everyone"}}
    inventory = site_of(servers=servers, intent=[{"clients": "everyone", "boot_from": "sccm"}])
    assert cannot(inventory) == set()
