from __future__ import annotations

import re
from typing import Any

import pytest

from coexist.analysis import analyse
from coexist.inventory import Inventory, inventory_from_tree
from coexist.planning.solve import solve
from coexist.planning.solve_ends import holds
from coexist.render.site import render_site

PROGRAMS = {"bios": "a.0", "uefi-x64": "a.efi"}


def tree(**changes: Any) -> Inventory:
    """One VLAN, a DHCP server, `otc` and `sccm`, with some sections replaced."""
    servers: dict[str, dict[str, Any]] = {
        "dhcp": {"software": "isc-dhcpd", "address": "10.0.0.2", "vlan": "office", "ping_check": False},
        "otc": {"software": "coexist", "address": "10.0.0.3", "vlan": "office", "programs": PROGRAMS},
        "sccm": {"software": "coexist", "address": "10.0.0.4", "vlan": "office", "programs": PROGRAMS},
    }
    for name, change in changes.pop("servers", {}).items():
        servers[name] = {**servers.get(name, {}), **change}
    site: dict[str, Any] = {
        "site": "small",
        "vlans": {"office": {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1"}},
        "servers": servers,
        "scopes": {"office": {"server": "dhcp", "vlan": "office", "pools": ["10.0.1.0-10.0.1.99"]}},
        "architectures": {"bios": ["ipxe"], "uefi-x64": ["edk2"]},
        "intent": [{"clients": "everyone", "boot_from": "otc"}],
    }
    return inventory_from_tree({**site, **changes})


def changes(inventory: Inventory) -> dict[str, Any]:
    solution = solve(inventory)
    assert solution.impossible == (), solution.impossible
    assert solution.after.clean, [f.message for f in solution.after.findings]
    return {".".join(map(str, edit.path)): edit.value for edit in solution.edits}


THIN = {"thin": {"oui": "00:80:64"}}
TWO = [{"clients": "thin", "boot_from": "otc"}, {"clients": "everyone", "boot_from": "sccm"}]


def test_two_servers_for_two_kinds_of_clients_get_disjoint_lists_and_no_delay() -> None:
    assert changes(tree(groups=THIN, intent=TWO)) == {
        "servers.otc.answers": "intended",
        "servers.sccm.answers": "intended",
    }


def test_a_fallback_gets_the_smallest_delay() -> None:
    intent = [{"clients": "everyone", "boot_from": "otc", "fallback": "sccm"}]
    assert changes(tree(intent=intent)) == {"servers.sccm.delay": 0.5}


def test_a_fallback_waits_for_a_dhcp_server_that_pings() -> None:
    intent = [{"clients": "everyone", "boot_from": "otc", "fallback": "sccm"}]
    found = changes(tree(intent=intent, servers={"dhcp": {"ping_check": True}}))
    assert found == {"servers.sccm.delay": 1.5}


def test_three_servers_in_a_row() -> None:
    intent = [{"clients": "everyone", "boot_from": "otc", "fallback": ["sccm", "last"]}]
    last = {"software": "coexist", "address": "10.0.0.5", "vlan": "office", "programs": PROGRAMS}
    assert changes(tree(intent=intent, servers={"last": last})) == {
        "servers.sccm.delay": 0.5,
        "servers.last.delay": 1.0,
    }


def test_a_dnsmasq_is_delayed_in_whole_seconds() -> None:
    intent = [{"clients": "everyone", "boot_from": "otc", "fallback": "slow"}]
    slow = {
        "software": "dnsmasq",
        "roles": ["proxydhcp", "tftp"],
        "address": "10.0.0.5",
        "vlan": "office",
        "programs": PROGRAMS,
    }
    solution = solve(tree(intent=intent, servers={"slow": slow, "sccm": {"answers": "nobody"}}))
    assert [(e.path[1:], e.value) for e in solution.edits] == [(("slow", "delay"), 1.0)]


def test_what_holds_already_is_left_alone() -> None:
    assert changes(tree(servers={"sccm": {"answers": "nobody"}})) == {}


def test_a_fixed_server_that_answers_everyone_makes_it_impossible() -> None:
    inventory = tree(intent=[{"clients": "everyone", "boot_from": "otc"}], servers={"sccm": {"fixed": True}})
    solution = solve(inventory)
    assert solution.impossible
    told = solution.impossible[0]
    assert told.because.startswith("sccm ")
    assert any("disjoint whitelists" in text for text in told.alternatives)
    assert any("VLAN" in text and "otc" in text for text in told.alternatives)
    assert all(edit.path[1] != "sccm" for edit in solution.edits)


def test_a_fixed_server_that_comes_late_is_planned_around() -> None:
    inventory = tree(groups=THIN, intent=TWO, servers={"sccm": {"fixed": True, "delay": 1.2}})
    assert changes(inventory) == {"servers.otc.answers": "intended"}


def test_servers_that_stand_in_for_each_other_have_no_order() -> None:
    intent = [
        {"clients": "thin", "boot_from": "otc", "fallback": "sccm"},
        {"clients": "everyone", "boot_from": "sccm", "fallback": "otc"},
    ]
    solution = solve(tree(groups=THIN, intent=intent))
    (item,) = (item for item in solution.impossible if "VLAN" not in item.what)
    assert {"otc", "sccm"} <= set(re.findall(r"\w+", item.what + " " + item.because))


@pytest.mark.parametrize("fixed", [False, True])
def test_a_scope_that_sends_clients_elsewhere_is_cleaned_if_it_is_ours(fixed: bool) -> None:
    scope = {
        "server": "dhcp",
        "vlan": "office",
        "pools": ["10.0.1.0-10.0.1.99"],
        "options": {"66": "10.0.0.4", "67": "old.0"},
    }
    inventory = tree(
        scopes={"office": scope}, servers={"dhcp": {"fixed": fixed}, "sccm": {"answers": "nobody"}}
    )
    solution = solve(inventory)
    if fixed:
        assert any("is fixed" in item.because for item in solution.impossible)
    else:
        assert {edit.path[-1] for edit in solution.edits} == {"66", "67"}
        assert solution.after.clean


BOOT = {"next_server": "otc", "filename": "a.0"}


def scope(**said: Any) -> dict[str, Any]:
    return {"office": {"server": "dhcp", "vlan": "office", "pools": ["10.0.1.0-10.0.1.99"], **said}}


def test_a_scope_entry_goes_although_it_sends_some_clients_right_if_they_find_their_server_without() -> None:
    found = changes(tree(groups=THIN, intent=TWO, scopes=scope(**BOOT)))
    assert found == {
        "scopes.office.filename": None,
        "scopes.office.next_server": None,
        "servers.otc.answers": "intended",
        "servers.sccm.answers": "intended",
    }


def test_a_scope_entry_stays_for_clients_that_have_nothing_else() -> None:
    plain = {"uboot": {"like": "first-offer"}}
    solution = solve(
        tree(
            groups={"thin": {"oui": "00:80:64", "architecture": "bios", "firmware": "uboot"}},
            firmwares=plain,
            intent=TWO,
            scopes=scope(**BOOT),
        )
    )
    entries = [item for item in solution.impossible if re.search(r":\d+:\d+$", item.what)]
    assert {"`clients:`"} <= {word for item in entries for text in item.alternatives for word in text.split()}
    assert not any(edit.path[0] == "scopes" for edit in solution.edits)


def test_rules_that_say_nothing_any_more_go() -> None:
    old = {"next_server": "10.0.0.99", "filename": "old.0"}
    rules = [
        {"architectures": "bios", **old},
        {"vendor_class": "x", "options": {15: "example.org"}},
        {**old, "options": {15: "example.org"}},
        {"architectures": "uefi-x64", **old},
    ]
    solution = solve(tree(scopes=scope(rules=rules)))
    assert solution.impossible == ()
    gone = [edit.path[3:] for edit in solution.edits if len(edit.path) == 4]
    assert gone == [
        (3,),
        (0,),
    ]
    left = solution.after.site.site.scopes["office"].rules
    assert [rule.vendor_class for rule in left] == ["x", None]
    assert solution.after.clean


def test_what_is_impossible_for_some_is_still_done_for_the_others() -> None:
    """A fixed server takes the lab's clients; the office's fallback gets its delay all the same."""
    heard = ["dhcp", "otc", "sccm", "old"]
    vlans = {
        "office": {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1"},
        "lab": {"id": 2, "subnet": "10.2.0.0/16", "gateway": "10.2.0.1", "relay_to": heard},
        "far": {"id": 3, "subnet": "10.3.0.0/16"},
    }
    old = {"software": "coexist", "address": "10.3.0.4", "vlan": "far", "programs": PROGRAMS, "fixed": True}
    scopes = scope(options={3: "10.0.0.1"})
    pools = ["10.2.1.0-10.2.1.9"]
    scopes["lab"] = {"server": "dhcp", "vlan": "lab", "pools": pools, "options": {3: "10.2.0.1"}}
    boot = {"clients": "everyone", "boot_from": "otc", "fallback": "sccm"}
    intent = [
        {**boot, "vlan": "office"},
        {**boot, "vlan": "lab", "unless": "thin"},
        {"clients": "thin", "vlan": "lab", "boot_from": "old"},
        {"clients": "everyone", "boot_from": "nobody"},
    ]
    solution = solve(tree(groups=THIN, vlans=vlans, servers={"old": old}, scopes=scopes, intent=intent))
    assert solution.impossible
    assert all("VLAN lab" in item.what for item in solution.impossible)
    assert "servers.sccm.delay" in {".".join(map(str, edit.path)) for edit in solution.edits}
    assert any(line.startswith("VLAN office") and "otc silent: sccm" in line for line in solution.proof)


def test_the_reason_names_the_race_that_goes_wrong() -> None:
    intent = [{"clients": "everyone", "boot_from": "otc", "fallback": "nas"}]
    nas = {"software": "tftpd", "address": "10.0.0.9", "vlan": "office"}
    servers = {"nas": nas, "sccm": {"answers": "nobody"}}
    # One block: it is one fact of both firmwares.
    (item,) = solve(tree(intent=intent, servers=servers)).impossible
    said = item.because.split(":")[0]
    assert said.startswith("while otc is silent, ")
    assert said.endswith(" from nobody")
    assert {"edk2", "ipxe"} <= set(said.replace(",", "").split())
    assert any({"nas", "`fallback`"} <= set(text.split()) for text in item.alternatives)


def test_the_proof_has_a_line_for_each_fact_and_not_for_each_firmware() -> None:
    solution = solve(tree(intent=[{"clients": "everyone", "boot_from": "otc"}]))
    lines = [line for line in solution.proof if "otc" in line]
    assert len(lines) == len(set(lines)) == 1
    assert "edk2 after" in lines[0]
    assert "ipxe after" in lines[0]


def test_two_dnsmasq_share_the_same_machines_by_architecture() -> None:
    intent = [
        {"clients": "everyone", "architectures": "bios", "boot_from": "otc"},
        {"clients": "everyone", "architectures": "uefi-x64", "boot_from": "sccm"},
    ]
    proxy = {"software": "dnsmasq", "roles": ["proxydhcp", "tftp"]}
    inventory = tree(intent=intent, servers={"otc": proxy, "sccm": proxy})
    assert changes(inventory) == {"servers.otc.answers": "intended", "servers.sccm.answers": "intended"}
    rendered = render_site(solve(inventory).after.site.inventory)
    texts = {name: rendered.files[name][0].content.decode() for name in ("otc", "sccm")}
    lines = {name: re.findall("^pxe-service=.*", text, re.MULTILINE) for name, text in texts.items()}
    assert lines == {
        "otc": ['pxe-service=0,"otc","a.0"'],
        "sccm": ['pxe-service=7,"sccm","a.efi"', 'pxe-service=9,"sccm","a.efi"'],
    }


@pytest.mark.parametrize("product", ["windows-dhcp", "dnsmasq", "kea 2.2", "isc-dhcpd"])
def test_what_a_product_adds_to_a_rule_by_itself_is_no_line_to_take_out(product: str) -> None:
    rules = [{"clients": "thin", "filename": "a.0"}, {"filename": "b.0", "next_server": "sccm"}]
    dhcp = {"software": product, "roles": ["dhcp", "tftp"], "ping_check": None}
    servers = {"dhcp": dhcp, "sccm": {"answers": "nobody"}}
    inventory = tree(servers=servers, groups=THIN, scopes=scope(rules=rules, next_server="dhcp"))
    solution = solve(inventory)
    assert not [
        edit for edit in solution.edits if edit.path[:2] == ("scopes", "office") and len(edit.path) < 3
    ]
    assert not solution.impossible
    assert all(holds(solution.after.site, case) for case in solution.after.site.cases)


@pytest.mark.parametrize(
    "options", [{60: "PXEClient"}, {60: "hex:50:58:45:43:6c:69:65:6e:74"}, {66: "10.0.0.4", 67: "old.0"}]
)
@pytest.mark.parametrize("fixed", [False, True])
def test_an_option_of_a_whole_dhcp_server_goes_as_one_of_a_scope_does(
    options: dict[int, str], fixed: bool
) -> None:
    servers = {"dhcp": {"options": options, "fixed": fixed}, "sccm": {"answers": "nobody"}}
    inventory = tree(servers=servers)
    assert not analyse(inventory).clean
    if fixed:
        found = [each.because for each in solve(inventory).impossible]
        assert "dhcp is fixed" in found
    else:
        assert changes(inventory) == {f"servers.dhcp.options.{code}": None for code in options}


def test_what_a_router_or_a_switch_does_is_named_where_it_is_why() -> None:
    """Nobody else answers: lists of other servers would change nothing."""
    office = {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1"}
    core = {"id": 2, "subnet": "10.1.0.0/16", "gateway": "10.1.0.1"}
    servers = {
        "dhcp": {"address": "10.1.0.2", "vlan": "core"},
        "otc": {"address": "10.1.0.3", "vlan": "core", "delay": 1},
        "sccm": {"answers": "nobody", "vlan": "core", "address": "10.1.0.4"},
    }
    vlans = {"office": {**office, "relay": {"relay_to": ["dhcp", "otc"], "passes": "first"}}, "core": core}
    intent = [{"clients": "everyone", "vlan": "office", "boot_from": "otc"}]
    relayed = solve(tree(vlans=vlans, servers=servers, intent=intent)).impossible
    assert relayed
    for told in relayed:
        assert "`passes: all`" in told.alternatives[0]
        assert not any("whitelists" in text for text in told.alternatives)
    closed = {"office": {**office, "forwarding_delay": 15}}
    (told,) = solve(tree(vlans=closed, servers={"sccm": {"answers": "nobody"}})).impossible
    assert "`forwarding_delay`" in told.alternatives[0]
    assert not any("whitelists" in text for text in told.alternatives)


def test_no_list_keeps_a_client_from_the_file_of_a_scope() -> None:
    scope = {"server": "dhcp", "vlan": "office", "pools": ["10.0.1.0-10.0.1.99"]}
    named = {**scope, "next_server": "otc", "filename": "a.0"}
    intent = [{"clients": "thin", "boot_from": "otc"}, {"clients": "everyone", "boot_from": "nobody"}]
    servers = {"otc": {"software": "tftpd", "programs": {}}, "sccm": {"answers": "nobody"}}
    found = solve(tree(groups=THIN, scopes={"office": named}, servers=servers, intent=intent)).impossible
    texts = [text for told in found if "nothing" in told.what.split(",")[0] for text in told.alternatives]
    assert texts
    assert not any("`except`" in text for text in texts)
