"""Chain-loaded iPXE asks again: what solve does so that it comes back to the server that gave it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from coexist.inventory import Inventory, inventory_from_tree
from coexist.planning.solve import Solution, solve

CHAINED = {"bios": "undionly.kpxe", "uefi-x64": "snponly.efi"}
SCRIPTED = {**CHAINED, "ipxe": "boot.ipxe"}
PLAIN = {"bios": "a.0", "uefi-x64": "a.efi"}
ALONE = {"clients": "everyone", "boot_from": "otc"}
FALLBACK = {**ALONE, "fallback": "spare"}
TO_OTC = {"next_server": "otc", "filename": "boot.ipxe"}
TO_OTHER = {"next_server": "10.0.0.99", "filename": "other.ipxe"}
DNSMASQ = {"software": "dnsmasq", "roles": ["proxydhcp", "tftp"]}


def tree(
    intent: dict[str, Any], *, scope: dict[str, Any] | None = None, **servers: dict[str, Any]
) -> Inventory:
    """One VLAN of UEFI machines; ``otc`` gives them iPXE and has a script for it."""
    declared: dict[str, Any] = {
        "dhcp": {"software": "isc-dhcpd", "vlan": "office", "ping_check": False},
        "otc": {"software": "coexist", "vlan": "office", "programs": SCRIPTED},
    }
    for name, change in servers.items():
        default = {"software": "coexist", "vlan": "office", "programs": SCRIPTED}
        declared[name] = {**declared.get(name, default), **change}
    for number, server in enumerate(declared.values(), start=2):
        server["address"] = f"10.0.0.{number}"
    office = {"server": "dhcp", "vlan": "office", "pools": ["10.0.1.0-10.0.1.99"], "options": {3: "10.0.0.1"}}
    return inventory_from_tree(
        {
            "site": "chained",
            "vlans": {"office": {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1"}},
            "servers": declared,
            "scopes": {"office": {**office, **(scope or {})}},
            "groups": {"thin": {"oui": "00:80:64"}},
            "architectures": {"uefi-x64": "edk2"},
            "intent": [intent],
        }
    )


def before(solution: Solution) -> set[str]:
    return {finding.code.code for finding in solution.before.findings}


def changes(solution: Solution) -> dict[str, Any]:
    errors = [f for f in solution.after.findings if f.code.code in ("CX415", "CX416", "CX425")]
    assert solution.impossible == (), solution.impossible
    assert errors == []
    return {".".join(map(str, edit.path)): edit.value for edit in solution.edits}


def test_a_stranger_that_only_the_second_stage_hears_gets_a_list() -> None:
    solution = solve(tree(ALONE, spare={"delay": {"since_first": 5}}))
    assert "CX425" in before(solution)
    assert changes(solution) == {"servers.spare.answers": "intended"}


@pytest.mark.parametrize("delay", [{"since_first": 2}, {"secs_at_least": 4}, {"after_offer": True}])
def test_a_fallback_that_does_not_hold_back_for_ipxe_gets_a_delay_that_does(delay: dict[str, Any]) -> None:
    solution = solve(tree(FALLBACK, spare={"delay": delay}))
    assert "CX425" in before(solution)
    assert changes(solution) == {"servers.spare.delay": 0.5}


def test_a_threshold_alone_can_hold_both_stages_at_the_price_of_a_later_attempt() -> None:
    spare = {"software": "configmgr", "programs": {"uefi-x64": "wdsmgfw.efi", "ipxe": "x.ipxe"}}
    solution = solve(tree(FALLBACK, spare=spare))
    assert "CX425" in before(solution)
    assert changes(solution) == {"servers.spare.delay": {"secs_at_least": 5}}
    assert "CX308" in {finding.code.code for finding in solution.after.findings}


def test_a_scope_that_names_another_script_says_it_no_more() -> None:
    solution = solve(tree(ALONE, scope={"rules": [{"user_class": "iPXE", **TO_OTHER}]}))
    assert "CX416" in before(solution)
    assert set(changes(solution)) == {
        "scopes.office.rules.0.next_server",
        "scopes.office.rules.0.filename",
        "scopes.office.rules.0",
    }


def test_a_scope_that_gives_ipxe_again_says_it_no_more() -> None:
    solution = solve(tree(ALONE, scope={"next_server": "otc", "filename": "snponly.efi"}))
    assert "CX415" in before(solution)
    assert set(changes(solution)) == {"scopes.office.next_server", "scopes.office.filename"}


def test_a_scope_that_names_the_only_script_stays() -> None:
    rules = [{"user_class": "iPXE", **TO_OTC}]
    assert changes(solve(tree(ALONE, scope={"rules": rules}, otc={"programs": CHAINED}))) == {}


def test_a_fixed_scope_stays_and_is_named() -> None:
    scope = {"rules": [{"user_class": "iPXE", **TO_OTHER}]}
    solution = solve(tree(ALONE, scope=scope, dhcp={"fixed": True}))
    assert solution.edits == ()
    kept = {item.what.split()[-1] for item in solution.impossible}
    assert kept == {"next_server", "filename", "otc"}
    assert all("office" in item.what.split() for item in solution.impossible)
    assert [item.what for item in solution.impossible if f"{2**48:,}" in item.what]


def test_where_no_delay_helps_the_scope_names_the_script() -> None:
    """openthinclient waits for the offer of an address, and nothing else."""
    solution = solve(tree(FALLBACK, spare={"software": "openthinclient", "programs": {}}))
    assert "CX425" in before(solution)
    assert changes(solution) == {"scopes.office.rules": {"user_class": "iPXE", **TO_OTC}}


def test_a_script_that_the_server_has_for_others_serves_these_too() -> None:
    solution = solve(tree(ALONE, otc={"programs_for": {"thin": CHAINED}}))
    assert "CX415" in before(solution)
    assert changes(solution) == {"servers.otc.programs_for.thin.ipxe": "boot.ipxe"}


@pytest.mark.parametrize("name", ["otc", "spare"])
def test_a_script_that_nobody_declares_is_for_the_administrator_to_name(name: str) -> None:
    """The others are left alone: nothing that is done to them ends the loop."""
    servers: dict[str, Any] = {"otc": {"programs": PLAIN}, "spare": {"programs": PLAIN, "delay": 0.5}}
    solution = solve(tree(FALLBACK, **{**servers, name: {**servers[name], "programs": CHAINED}}))
    assert "CX415" in before(solution)
    assert solution.edits == ()
    (item,) = solution.impossible
    servers_told = [word for word in re.findall(r"\w+", item.because) if word in ("otc", "spare")]
    # Of the fallback it holds only once the first is silent, which is said before.
    assert servers_told == (["otc", "otc"] if name == "otc" else ["otc", "spare", "spare"])
    assert any("`ipxe: " in text and name in re.findall(r"\w+", text) for text in item.alternatives)


def test_a_fixed_server_that_takes_the_second_stage_is_named() -> None:
    solution = solve(tree(FALLBACK, spare={"delay": {"since_first": 2}, "fixed": True}, dhcp={"fixed": True}))
    (item,) = solution.impossible
    assert re.search(r"\bedk2\b.*\biPXE\b.*\botc\b.*\bspare\b", item.because)
    assert any("`user_class: iPXE`" in text for text in item.alternatives)


def test_the_second_stage_of_a_fallback_counts_too() -> None:
    """Seen by check and by solve: with otc silent, iPXE of the fallback is taken by a third server."""
    third = {"delay": {"since_first": 5}}
    solution = solve(tree(FALLBACK, otc={"programs": PLAIN}, spare={"delay": 0.5}, third=third))
    (finding,) = [f for f in solution.before.findings if f.code.code == "CX425"]
    assert finding.message.startswith("when otc is silent, these clients load iPXE from spare")
    assert changes(solution) == {"servers.third.answers": "intended"}


def test_the_proof_tells_both_stages() -> None:
    solution = solve(tree(FALLBACK, spare={**DNSMASQ}))
    assert changes(solution) == {"servers.spare.delay": 1.0}
    (line,) = solution.proof
    assert "otc; otc silent: spare" in line
    assert "after 4.0 s (its iPXE again after" in line
    assert "and 7.0 s (its iPXE again after" in line
