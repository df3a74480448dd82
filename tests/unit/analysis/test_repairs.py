"""A repair is made of the cause, of what the product can do, and of whose server it is."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest

from coexist.analysis import Analysis, Finding, analyse
from coexist.analysis.edits import append, put
from coexist.analysis.repairs.registry import Repair, together
from coexist.analysis.repairs.separation import whom_to_answer
from coexist.inventory import inventory_from_tree
from coexist.render.limits import limits

KEA = {"software": "kea 2.2", "address": "10.0.0.2", "vlan": "office"}
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
    return analyse(inventory, None, partial(limits, inventory))


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


@pytest.mark.parametrize(
    ("software", "delay", "is_told"),
    [
        ({"software": "openthinclient"}, {"after_offer": True}, True),
        ({"software": "openthinclient", "delay": {"after_offer": True}}, "none", True),
        ({"software": "openthinclient", "delay": {"after_offer": True}}, {"after_offer": True}, False),
        ({"software": "openthinclient"}, 2, True),
        ({"software": "wds"}, 2, True),
        ({"software": "generic", "roles": ["proxydhcp", "tftp"]}, 2, False),
        ({"software": "dnsmasq", "roles": ["proxydhcp", "tftp"]}, 2, False),
    ],
)
def test_a_delay_of_some_clients_that_a_fixed_server_cannot_have_is_taken_out(
    software: dict[str, Any], delay: Any, is_told: bool
) -> None:
    other = {**software, "fixed": True, "delay_for": {"thin": delay}}
    intent = [{"clients": "everyone", "vlan": "office", "boot_from": "other"}]
    servers = {"dhcp": KEA, "other": {"address": "10.0.0.4", "vlan": "office", **other}}
    found = [f for f in analysed({}, servers=servers, intent=intent).findings if f.code.code == "CX317"]
    removed = [("remove", "servers.other.delay_for.thin", None)]
    assert [edits(finding) for finding in found] == ([removed] if is_told else [])


def test_a_delay_that_a_dhcp_server_of_others_cannot_have_is_told() -> None:
    servers = {"dhcp": {**KEA, "fixed": True, "delay": 2}, "mine": MINE}
    found = {f.code.code: f for f in analysed({}, servers=servers).findings}
    assert edits(found["CX317"]) == [("remove", "servers.dhcp.delay", None)]


def test_a_delay_of_some_clients_that_a_product_cannot_have_is_weighed_by_who_boots_otherwise() -> None:
    """Members of `thin` boot from the other server, which is told to wait for 2 s and cannot."""
    mine = {**MINE, "software": "generic", "roles": ["proxydhcp", "tftp"], "delay": 1}
    mine["programs"] = {"bios": "a.0"}
    other = {"address": "10.0.0.4", "vlan": "office", "software": "openthinclient", "delay_for": {"thin": 2}}
    found = findings(
        {},
        servers={"dhcp": KEA, "mine": mine, "other": other},
        architectures={"bios": "ipxe"},
        intent=[{"clients": "everyone", "vlan": "office", "boot_from": "other"}],
    )
    assert found["CX506"].path == ("servers", "other", "delay_for", "thin")
    assert found["CX506"].witness is not None


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


TREE_OF_66: dict[str, Any] = {
    "site": "small",
    "vlans": {
        "office": {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1"},
        "lab": {"id": 2, "subnet": "10.1.0.0/16", "gateway": "10.1.0.1", "relay_to": ["dhcp"]},
    },
    "servers": {
        "dhcp": {"software": "kea 2.2", "address": "10.0.0.2", "vlan": "office"},
        "files": {"software": "tftpd", "address": "10.0.0.9", "vlan": "office", "names": ["files.example"]},
    },
    "scopes": {
        "office": {"server": "dhcp", "vlan": "office", "pools": ["10.0.1.0-10.0.1.99"]},
        "lab": {
            "server": "dhcp", "vlan": "lab", "pools": ["10.1.1.0-10.1.1.99"], "options": {3: "10.1.0.1"},
        },
    },
    "architectures": {"bios": "ipxe"},
    "intent": [{"clients": "everyone", "boot_from": "files"}],
}  # fmt: skip


def repair_of(tree: dict[str, Any], code: str) -> list[list[tuple[str, str, Any]]]:
    """The edits of each finding of a kind; obeyed together they take it away."""
    inventory = inventory_from_tree(tree)
    found = [f for f in analyse(inventory, None, partial(limits, inventory)).findings if f.code.code == code]
    assert found
    return [edits(finding) for finding in found]


@pytest.mark.parametrize("named", ["10.0.0.9", "hex:31:30:2e:30:2e:30:2e:39"])
def test_the_server_that_option_66_of_a_server_names_is_written_into_its_scopes(named: str) -> None:
    tree = copy.deepcopy(TREE_OF_66)
    tree["servers"]["dhcp"]["options"] = {66: named}
    for scope in tree["scopes"].values():
        scope["filename"] = "a.0"
    assert repair_of(tree, "CX406") == [
        [("put", "scopes.office.next_server", "10.0.0.9"), ("put", "scopes.lab.next_server", "10.0.0.9")]
    ]


@pytest.mark.parametrize(
    ("named", "written"),
    [("hex:66:69:6c:65:73:2e:65:78:61:6d:70:6c:65", "files"), ("elsewhere.example", None)],
)
def test_a_host_name_in_option_66_becomes_its_server_if_it_is_known(named: str, written: str | None) -> None:
    tree = copy.deepcopy(TREE_OF_66)
    tree["scopes"]["lab"] |= {"options": {66: named}, "filename": "a.0"}
    wanted = [("put", "scopes.lab.next_server", written)] if written else []
    assert repair_of(tree, "CX406") == [wanted]


def test_a_delay_of_a_group_that_orders_nobody_is_left_out_where_it_stands() -> None:
    proxy = {"software": "dnsmasq", "roles": ["proxydhcp", "tftp"], "delay_for": {"thin": 2}}
    nobody = {**MINE, "answers": "nobody"}
    servers = {
        "dhcp": {"software": "kea 2.2", "address": "10.0.0.2", "vlan": "office"},
        "mine": nobody,
        "other": {"address": "10.0.0.4", "vlan": "office", "programs": {"uefi-x64": "b.efi"}, **proxy},
    }
    found = findings({}, servers=servers)
    assert edits(found["CX314"]) == [("remove", "servers.other.delay_for.thin", None)]


@pytest.mark.parametrize(
    ("mode", "left"),
    [
        ({}, ("put", "failover", {"mode": "load-balancing"})),
        ({"mode": "load-balancing"}, ("remove", "failover.percent", None)),
    ],
)
def test_a_setting_of_failover_goes_from_every_scope_of_the_pair_and_leaves_it_a_pair(
    mode: dict[str, Any], left: tuple[str, str, Any]
) -> None:
    tree = copy.deepcopy(TREE_OF_66)
    tree["servers"]["second"] = {**tree["servers"]["dhcp"], "address": "10.0.0.3"}
    tree["vlans"]["lab"]["relay_to"] = ["dhcp", "second"]
    for scope in tree["scopes"].values():
        scope |= {"server": ["dhcp", "second"], "failover": {**mode, "percent": 30}}
    kind, word, value = left
    office, lab = repair_of(tree, "CX518")[:2]
    assert office == lab == [(kind, f"scopes.{scope}.{word}", value) for scope in ("office", "lab")]


def test_programs_that_a_product_chooses_by_itself_are_left_out_together() -> None:
    found = findings({"software": "configmgr", "programs": {"uefi-x64": "ipxe.efi", "ipxe": "boot.ipxe"}})
    assert edits(found["CX515"]) == [("remove", "servers.other.programs", None)]


def test_all_lines_of_a_scope_that_lead_a_loader_astray_go_together() -> None:
    tree = copy.deepcopy(TREE_OF_66)
    tree["servers"]["mine"] = {**MINE, "programs": {"uefi-x64": "grubx64.efi"}}
    tree["architectures"] = {"uefi-x64": "edk2"}
    tree["intent"] = [{"clients": "everyone", "boot_from": "mine"}]
    rule = {"architectures": "uefi-x64", "next_server": "files", "filename": "one.efi"}
    tree["scopes"]["office"] |= {"options": {3: "10.0.0.1", 67: "two.efi"}, "rules": [rule]}
    assert repair_of(tree, "CX416")[0] == [
        ("remove", "scopes.office.rules.0.filename", None),
        ("remove", "scopes.office.options.67", None),
        ("put", "scopes.office.rules.0.next_server", "mine"),
    ]


SLOW = {"software": "dnsmasq", "address": "10.0.0.2", "vlan": "office", "roles": ["dhcp"]}


@pytest.mark.parametrize(
    ("delay", "fixed", "scope", "repair"),
    [
        ({}, {}, {}, [("put", "servers.dhcp.ping_check", False)]),
        # What would be written stands there.
        ({"delay": 1.2}, {}, {}, [("put", "servers.dhcp.ping_check", False)]),
        ({}, {"fixed": True}, {}, []),
        ({}, {"software": "isc-dhcpd"}, {"min_secs": 4}, [("remove", "scopes.office.min_secs", None)]),
    ],
)
def test_a_client_that_waits_for_its_lease_is_not_told_to_repair_something_else(
    delay: dict[str, Any],
    fixed: dict[str, Any],
    scope: dict[str, Any],
    repair: list[tuple[str, str, Any]],
) -> None:
    """dnsmasq pings for 3 s. That option 67 names another file than the header (CX408) makes nobody wait."""
    tree = copy.deepcopy(TREE_OF_66)
    del tree["scopes"]["lab"], tree["vlans"]["lab"]
    tree["servers"] = {"dhcp": {**SLOW, **fixed}, "mine": {**MINE, **delay, "answers": "everyone"}}
    tree["scopes"]["office"] |= {
        "filename": "a.efi",
        "next_server": "mine",
        "options": {67: "b.efi"},
        **scope,
    }
    tree["architectures"] = {"uefi-x64": "edk2"}
    tree["intent"] = [{"clients": "everyone", "boot_from": "mine"}]
    found = {f.code.code: f for f in analyse(inventory_from_tree(tree)).findings}
    assert edits(found["CX308"]) == repair
    assert "CX408" in found
    tree["servers"]["dhcp"]["ping_check"] = False
    tree["scopes"]["office"].pop("min_secs", None)
    assert "CX308" not in {f.code.code for f in analyse(inventory_from_tree(tree)).findings}


def test_a_client_that_waits_for_its_port_is_told_to_open_it() -> None:
    vlans = {"office": {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1", "forwarding_delay": 5}}
    servers = {
        "dhcp": {"software": "kea 2.2", "address": "10.0.0.2", "vlan": "office"},
        "mine": {
            "software": "coexist",
            "address": "10.0.0.3",
            "vlan": "office",
            "programs": {"uefi-x64": "a.efi"},
        },
    }
    found = findings(
        {},
        vlans=vlans,
        servers=servers,
        architectures={"uefi-x64": "edk2"},
        intent=[{"clients": "everyone", "boot_from": "mine"}],
    )
    assert edits(found["CX308"]) == edits(found["CX218"]) != []


RELAYED = {
    "office": {
        "id": 1,
        "subnet": "10.0.0.0/16",
        "gateway": "10.0.0.1",
        "relay": {"relay_to": ["dhcp", "mine"], "passes": "first"},
    },
    "core": {"id": 2, "subnet": "10.1.0.0/16", "gateway": "10.1.0.1"},
}
CORE: dict[str, dict[str, Any]] = {
    "dhcp": KEA | {"address": "10.1.0.2", "vlan": "core"},
    "mine": MINE | {"address": "10.1.0.3", "vlan": "core"},
}


@pytest.mark.parametrize(("delay", "code"), [(0, "CX304"), (1, "CX302")])
def test_a_relay_agent_that_hands_back_one_answer_must_hand_back_all(delay: int, code: str) -> None:
    servers = {"dhcp": CORE["dhcp"], "mine": {**CORE["mine"], "delay": delay}}
    found = findings({}, vlans=RELAYED, servers=servers)
    assert edits(found[code]) == [("remove", "vlans.office.relay.passes", None)]
    # Where another answer is missing too, that is not all there is to do.
    silent = {**servers, "mine": {**servers["mine"], "programs": {"bios": "a.0"}}}
    assert all(
        edit.path[0] != "vlans"
        for finding in analysed({}, vlans=RELAYED, servers=silent).findings
        for edit in finding.edits
    )


def test_a_server_that_waits_no_more_answers_its_own_clients_only() -> None:
    """`known` has clients of the other server: it kept them waiting for longer than the other."""
    servers = {
        "dhcp": KEA,
        "mine": MINE | {"answers": "known", "delay": {"secs_at_least": 20}},
        "other": MINE | {"address": "10.0.0.4", "delay": {"since_first": 3}, "delay_for": {"pcs": 0.5}},
    }
    found = findings(
        {},
        servers=servers,
        clients=[
            {"mac": "00:80:64:00:00:01", "name": "a", "architecture": "uefi-x64"},
            {"mac": "00:80:64:00:00:02", "name": "b", "architecture": "uefi-x64"},
        ],
        groups={"thin": {"macs": ["00:80:64:00:00:01"]}, "pcs": {"macs": ["00:80:64:00:00:02"]}},
        intent=[
            {"clients": "thin", "boot_from": "mine", "fallback": "other"},
            {"clients": "everyone", "boot_from": "other"},
        ],
    )
    assert ("remove", "servers.mine.delay", None) in edits(found["CX306"])
    assert ("put", "servers.mine.answers", "intended") in edits(found["CX306"])


def test_what_two_repairs_say_is_said_once() -> None:
    one = Repair(edits=(put("servers", "a", "answers", value="intended"),), text="let a answer its own")
    two = Repair(edits=(append("vlans", "x", "relay_to", value="a"),), text="relay to a")
    three = Repair(edits=(append("vlans", "x", "relay_to", value="b"),), text="relay to b")
    joined = together([one, two, one, three, two])
    assert joined.edits == (*one.edits, *two.edits, *three.edits)
    assert joined.text.count("its own") == 1
