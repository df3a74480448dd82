"""The second stage of a chain load: iPXE asks again, of servers that remember the first."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import pytest
from hypothesis import given

from coexist.analysis import analyse
from coexist.analysis.chain import KEEPS_PROXY, NO_SCRIPT, PORT_STARTS_AGAIN, Stages, stages
from coexist.analysis.race import ClientCase, RaceResult, race
from coexist.analysis.world import build_world
from coexist.inventory import inventory_from_tree
from coexist.wire.mac import parse_mac
from tests.unit.analysis.worlds import PROFILES, UNIVERSE, VLANS, readable, trees

MAC = parse_mac("52:54:00:12:34:56")
CHAINED = {"bios": "undionly.kpxe", "uefi-x64": "snponly.efi", "http-x64": "http://10.0.0.3/ipxe.efi"}
SCRIPTED = {**CHAINED, "ipxe": "boot.ipxe"}


def proxy(number: int, **more: Any) -> dict[str, Any]:
    base = {"software": "coexist", "address": f"10.0.0.{number}", "vlan": "a", "programs": SCRIPTED}
    return {**base, **more}


def tree(
    servers: dict[str, Any], *, scope: dict[str, Any] | None = None, ping: bool = False
) -> dict[str, Any]:
    return {
        "site": "s",
        "vlans": {"a": {"id": 1, "subnet": "10.0.0.0/24"}},
        "servers": {
            "dhcp": {"software": "isc-dhcpd", "address": "10.0.0.2", "vlan": "a", "ping_check": ping},
            **servers,
        },
        "scopes": {"a": {"server": "dhcp", "vlan": "a", "pools": ["10.0.0.100-10.0.0.200"], **(scope or {})}},
    }


def run(
    declared: dict[str, Any],
    architecture: str = "uefi-x64",
    firmware: str = "edk2",
    silent: frozenset[str] = frozenset(),
) -> Stages:
    case = ClientCase(mac=MAC, vlan="a", architecture=architecture, firmware=firmware)
    return stages(build_world(inventory_from_tree(declared)), case, silent)


def second(result: Stages) -> RaceResult:
    assert result.next is not None
    return result.next.result


def ends(result: RaceResult) -> set[tuple[str | None, str | None]]:
    return {(outcome.winner, outcome.file) for outcome in result.outcomes}


@pytest.mark.parametrize(
    ("architecture", "firmware", "again"),
    [("uefi-x64", "edk2", "uefi-x64"), ("bios", "pxe21", "bios"), ("http-x64", "edk2-http", "uefi-x64")],
)
def test_ipxe_asks_again_and_gets_its_script(architecture: str, firmware: str, again: str) -> None:
    result = run(tree({"one": proxy(3)}), architecture, firmware)
    assert result.next is not None
    assert second(result).case.architecture == again
    assert ends(second(result)) == {("one", "boot.ipxe")}
    assert second(result).events[0].at == 0.0
    assert NO_SCRIPT in second(result).assumptions
    assert result.next.loaded == (("one", CHAINED[architecture]),)
    assert result.next.certain
    assert not result.next.loops


def test_other_programs_have_no_second_stage() -> None:
    assert (
        run(tree({"one": proxy(3, programs={"uefi-x64": "bootx64.efi", "ipxe": "boot.ipxe"})})).next is None
    )


def test_a_rom_that_is_ipxe_and_gets_a_script_has_none() -> None:
    assert run(tree({"one": proxy(3)}), "bios", "ipxe").next is None


def test_a_silent_server_is_silent_in_both_stages() -> None:
    result = run(tree({"one": proxy(3), "two": proxy(4, delay=1)}), silent=frozenset({"one"}))
    assert ends(second(result)) == {("two", "boot.ipxe")}


@pytest.mark.parametrize(("architecture", "firmware"), [("uefi-x64", "edk2"), ("bios", "ipxe")])
def test_ipxe_that_gets_ipxe_again_loops(architecture: str, firmware: str) -> None:
    result = run(tree({"one": proxy(3, programs=CHAINED)}), architecture, firmware)
    assert result.next is not None
    assert result.next.loops
    assert ends(second(result)) == {("one", CHAINED[architecture])}


def test_the_scope_takes_the_second_stage_from_the_proxy() -> None:
    rule = {"user_class": "iPXE", "next_server": "two", "filename": "two.ipxe"}
    two = {"software": "tftpd", "address": "10.0.0.4", "vlan": "a"}
    result = run(tree({"one": proxy(3), "two": two}, scope={"rules": [rule]}))
    assert ends(result.first) == {("one", "snponly.efi")}
    assert ends(second(result)) == {("two", "two.ipxe")}


def test_one_of_two_first_stages_may_chain() -> None:
    result = run(
        tree({"one": proxy(3), "two": proxy(4, programs={"uefi-x64": "two.efi"}, answers="everyone")})
    )
    assert ends(result.first) == {("one", "snponly.efi"), ("two", "two.efi")}
    assert result.next is not None
    assert not result.next.certain
    assert result.next.loaded == (("one", "snponly.efi"),)


class TestServersRemember:
    def test_an_address_is_not_pinged_twice(self) -> None:
        result = second(run(tree({"one": proxy(3)}, ping=True)))
        (outcome,) = result.outcomes
        assert outcome.latest is not None
        assert outcome.latest < 0.5

    def test_a_delay_since_the_first_packet_has_been_running(self) -> None:
        servers = {"one": proxy(3), "two": proxy(4, delay={"since_first": 5})}
        result = run(tree(servers))
        assert ends(result.first) == {("one", "snponly.efi")}
        assert ends(second(result)) == {("one", "boot.ipxe"), ("two", "boot.ipxe")}

    def test_a_long_one_still_runs(self) -> None:
        servers = {"one": proxy(3), "two": proxy(4, delay={"since_first": 50})}
        assert ends(second(run(tree(servers)))) == {("one", "boot.ipxe")}

    def test_a_threshold_on_secs_does_not_hold_ipxe_back(self) -> None:
        servers = {"one": proxy(3), "two": proxy(4, delay={"secs_at_least": 4})}
        assert ends(second(run(tree(servers)))) == {("one", "boot.ipxe"), ("two", "boot.ipxe")}


class TestAnAddressOfTheStageBefore:
    """undionly has one and asks for broadcast answers, which a server beside the DHCP server hears."""

    servers: ClassVar = {
        "one": proxy(3, programs=CHAINED, delay=1.5),
        "two": proxy(4, delay={"after_offer": True}),
    }

    def test_undionly_is_answered_after_the_offer_as_the_rom_was_not(self) -> None:
        result = run(tree(self.servers), "bios", "ipxe")
        assert ends(result.first) == {("one", "undionly.kpxe")}
        assert ends(second(result)) == {("two", "boot.ipxe")}

    def test_of_uefi_builds_either_kind_may_be_loaded(self) -> None:
        result = run(tree(self.servers), "uefi-x64", "ipxe")
        assert ends(result.first) == {("one", "snponly.efi")}
        assert ends(second(result)) == {("one", "snponly.efi"), ("two", "boot.ipxe")}


def test_ipxe_loaded_over_http_asks_as_a_pxe_client_and_may_find_nothing() -> None:
    programs = {"http-x64": CHAINED["http-x64"]}
    result = run(tree({"one": proxy(3, programs=programs)}), "http-x64", "edk2-http")
    assert ends(second(result)) == {(None, None)}
    assert KEEPS_PROXY in second(result).assumptions


@given(trees())
def test_the_first_stage_is_the_race(declared: dict[str, Any]) -> None:
    inventory = readable(declared)
    if inventory is None:
        return
    world = build_world(inventory)
    for vlan in VLANS:
        for architecture, firmware in PROFILES:
            case = ClientCase(mac=UNIVERSE[2], vlan=vlan, architecture=architecture, firmware=firmware)
            found = stages(world, case)
            assert found.first == race(world, case)
            assert found.next is None


class TestCheck:
    def codes(self, declared: dict[str, Any], *intent: dict[str, Any]) -> set[str]:
        whole = {
            **declared,
            "architectures": {"uefi-x64": "edk2"},
            "intent": list(intent) or [{"clients": "everyone", "boot_from": "one"}],
        }
        return {finding.code.code for finding in analyse(inventory_from_tree(whole)).findings}

    def test_a_chain_load_that_stays_is_clean(self) -> None:
        assert self.codes(tree({"one": proxy(3)})) == set()

    def test_a_loop_is_told_once(self) -> None:
        assert self.codes(tree({"one": proxy(3, programs=CHAINED)})) == {"CX415"}

    def test_a_script_from_the_scope_breaks_the_loop(self) -> None:
        rule = {"user_class": "iPXE", "next_server": "one", "filename": "boot.ipxe"}
        declared = tree({"one": proxy(3, programs=CHAINED)}, scope={"rules": [rule]})
        assert self.codes(declared) == set()

    def test_a_loop_by_a_rule_for_ipxe_alone_is_seen(self) -> None:
        rule = {"user_class": "iPXE", "next_server": "one", "filename": "ipxe.efi"}
        assert "CX415" in self.codes(tree({"one": proxy(3)}, scope={"rules": [rule]}))

    def test_a_scope_that_takes_it_is_told_once(self) -> None:
        rule = {"user_class": "iPXE", "next_server": "two", "filename": "two.ipxe"}
        two = {"software": "tftpd", "address": "10.0.0.4", "vlan": "a"}
        assert self.codes(tree({"one": proxy(3), "two": two}, scope={"rules": [rule]})) == {"CX416"}

    def test_a_fallback_that_wins_the_second_stage_is_told(self) -> None:
        servers = {"one": proxy(3), "two": proxy(4, delay={"since_first": 2})}
        intent = {"clients": "everyone", "boot_from": "one", "fallback": ["two"]}
        declared = {**tree(servers), "architectures": {"uefi-x64": "edk2"}, "intent": [intent]}
        findings = analyse(inventory_from_tree(declared)).findings
        (finding,) = (f for f in findings if f.code.code == "CX425")
        assert finding.path == ("servers", "two", "delay")
        assert {"one", "two"} <= set(re.findall(r"\w+", finding.message))
        assert finding.witness is not None
        assert any("second stage" in line for line in finding.witness.timeline)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("snponly.efi", {("one", "boot.ipxe")}),
        ("ipxe.efi", {("one", "boot.ipxe"), (None, None)}),
    ],
)
def test_a_driver_that_takes_the_link_down_may_meet_a_port_that_does_not_forward(
    file: str, expected: set[tuple[str | None, str | None]]
) -> None:
    declared = tree({"one": proxy(3, programs={"uefi-x64": file, "ipxe": "boot.ipxe"})})
    declared["vlans"]["a"]["forwarding_delay"] = 20
    result = second(run(declared))
    assert ends(result) == expected
    assert (PORT_STARTS_AGAIN in result.assumptions) == (len(expected) > 1)
