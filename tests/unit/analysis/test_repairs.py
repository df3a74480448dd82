"""A repair is made of the cause, of what the product can do, and of whose server it is."""

from __future__ import annotations

from typing import Any

import pytest

from coexist.analysis import Analysis, Finding, analyse
from coexist.analysis.repairs.separation import whom_to_answer
from coexist.inventory import inventory_from_tree
from coexist.render.limits import limits

MINE = {"software": "coexist", "address": "10.0.0.3", "vlan": "office", "programs": {"uefi-x64": "a.efi"}}


def analysed(other: dict[str, Any], **changes: Any) -> Analysis:
    tree: dict[str, Any] = {
        "site": "small",
        "vlans": {
            "office": {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1"},
            "core": {"id": 2, "subnet": "10.1.0.0/16", "gateway": "10.1.0.1"},
        },
        "servers": {
            "dhcp": {"software": "kea 2.2", "address": "10.0.0.2", "vlan": "office"},
            "mine": MINE,
            "other": {"address": "10.0.0.4", "vlan": "office", "programs": {"uefi-x64": "b.efi"}, **other},
        },
        "scopes": {
            "office": {
                "server": "dhcp",
                "vlan": "office",
                "pools": ["10.0.1.0-10.0.1.99"],
                "options": {3: "10.0.0.1"},
            }
        },
        "groups": {"thin": {"macs": ["00:80:64:00:00:01"]}},
        "architectures": {"uefi-x64": "edk2"},
        "intent": [{"clients": "everyone", "vlan": "office", "boot_from": "mine"}],
        **changes,
    }
    inventory = inventory_from_tree(tree)
    return analyse(inventory, None, limits(inventory))


def findings(other: dict[str, Any], **changes: Any) -> dict[str, Finding]:
    return {finding.code.code: finding for finding in analysed(other, **changes).findings}


def edits(finding: Finding) -> list[tuple[str, str, Any]]:
    return [(edit.kind, ".".join(map(str, edit.path)), edit.value) for edit in finding.edits]


def test_ours_is_told_to_answer_nobody() -> None:
    found = findings({"software": "coexist"})
    for code in ("CX301", "CX112"):
        assert edits(found[code]) == [("put", "servers.other.answers", "nobody")]


def test_another_teams_server_on_the_vlan_is_kept_off_by_the_switches() -> None:
    found = findings({"software": "configmgr", "fixed": True})
    assert edits(found["CX112"]) == [("put", "vlans.office.snooping", {"trusted": ["dhcp", "mine"]})]


def test_another_teams_server_behind_a_relay_is_no_longer_its_target() -> None:
    vlans = {
        "office": {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1", "relay_to": ["other"]},
        "core": {"id": 2, "subnet": "10.1.0.0/16", "gateway": "10.1.0.1"},
    }
    found = findings(
        {"software": "configmgr", "fixed": True, "address": "10.1.0.4", "vlan": "core"}, vlans=vlans
    )
    assert edits(found["CX112"]) == [("drop", "vlans.office.relay_to", "other")]


@pytest.mark.parametrize(
    ("software", "answers"),
    [
        ("coexist", "intended"),
        ("wds", "intended"),
        ("configmgr", {"except": ["thin"]}),
        ("tftpd", "intended"),
    ],
)
def test_a_list_is_written_in_the_terms_the_product_has(software: str, answers: Any) -> None:
    intent = [{"clients": "thin", "boot_from": "mine"}, {"clients": "everyone", "boot_from": "other"}]
    site = analysed({"software": software}, intent=intent).site
    assert whom_to_answer(site, "other") == answers
    assert whom_to_answer(analysed({"software": software, "fixed": True}).site, "other") is None
    assert whom_to_answer(analysed({"software": software}).site, "other") == "nobody"


def test_a_delay_is_written_in_the_steps_of_the_product() -> None:
    other = {"software": "dnsmasq", "roles": ["proxydhcp", "tftp"], "answers": "nobody"}
    found = findings({**other, "delay": 1.5})
    assert edits(found["CX505"]) == [("put", "servers.other.delay", 2.0)]
    found = findings({**other, "delay": {"secs_at_least": 4}})
    assert edits(found["CX502"]) == [("put", "servers.other.delay", 2.0)]
    assert "CX317" not in found


def test_what_a_fixed_server_is_said_to_do_and_cannot_is_corrected_in_the_declaration() -> None:
    found = findings({"software": "openthinclient", "fixed": True, "delay": 2, "answers": "nobody"})
    assert edits(found["CX317"]) == [("remove", "servers.other.delay", None)]
    assert "CX501" not in found


def test_the_race_is_run_with_the_delay_as_it_is_written() -> None:
    """1.5 s on dnsmasq is written as 2 s: another server at 2 s comes within the jitter then."""
    dnsmasq = {"software": "dnsmasq", "roles": ["proxydhcp", "tftp"], "delay": 1.5}
    servers = {
        "dhcp": {"software": "kea 2.2", "address": "10.0.0.2", "vlan": "office"},
        "mine": {**MINE, "software": "generic", "roles": ["proxydhcp", "tftp"], "delay": 2},
        "other": {**MINE, **dnsmasq, "address": "10.0.0.4", "programs": {"uefi-x64": "b.efi"}},
    }
    intent = [{"clients": "everyone", "boot_from": "other", "fallback": "mine"}]
    assert {"CX312", "CX304", "CX316", "CX306", "CX303"} & findings({}, servers=servers, intent=intent).keys()
