"""The race: relays, snooping, jitter, phases, and the time line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.analysis.race import ClientCase, RaceResult, race
from coexist.analysis.world import build_world
from coexist.inventory.loader import inventory_from_tree
from coexist.wire.mac import parse_mac

MAC = parse_mac("52:54:00:12:34:56")
PROGRAMS = {"bios": "x.0", "uefi-x64": "x.efi"}


def proxy(number: int, **more: Any) -> dict[str, Any]:
    base = {"software": "coexist", "address": f"10.0.0.{number}", "vlan": "a", "programs": PROGRAMS}
    return {**base, **more}


def tree(servers: dict[str, Any], **more: Any) -> dict[str, Any]:
    dhcp = {"software": "isc-dhcpd", "address": "10.0.0.2", "vlan": "a", "ping_check": False}
    base: dict[str, Any] = {
        "site": "s",
        "jitter": 0.01,
        "vlans": {
            "a": {"id": 1, "subnet": "10.0.0.0/24", "gateway": "10.0.0.1"},
            "b": {"id": 2, "subnet": "10.1.0.0/24", "gateway": "10.1.0.1", "relay_to": ["dhcp", *servers]},
        },
        "servers": {"dhcp": dhcp, **servers},
        "scopes": {
            "a": {"server": "dhcp", "vlan": "a", "pools": ["10.0.0.100-10.0.0.200"]},
            "b": {
                "server": "dhcp",
                "vlan": "b",
                "pools": ["10.1.0.100-10.1.0.200"],
                "options": {"3": "10.1.0.1"},
            },
        },
    }
    for path, value in more.items():
        section, _, key = path.partition("__")
        if key:
            base[section] = {**base[section], key: {**base[section].get(key, {}), **value}}
        else:
            base[section] = value
    return base


def run(
    declared: dict[str, Any],
    firmware: str = "ipxe",
    vlan: str = "a",
    silent: frozenset[str] = frozenset(),
    architecture: str = "",
) -> RaceResult:
    world = build_world(inventory_from_tree(json.loads(json.dumps(declared))))
    default = "uefi-x64" if firmware.startswith("edk2") else "bios"
    case = ClientCase(mac=MAC, vlan=vlan, architecture=architecture or default, firmware=firmware)
    return race(world, case, silent)


class TestOrder:
    @pytest.mark.parametrize("firmware", ["ipxe", "edk2"])
    def test_two_equal_proxies_are_a_race(self, firmware: str) -> None:
        result = run(tree({"one": proxy(3), "two": proxy(4)}), firmware)
        assert not result.deterministic
        assert set(result.winners) == {"one", "two"}

    @pytest.mark.parametrize("firmware", ["ipxe", "edk2"])
    def test_a_delay_beyond_the_jitter_decides(self, firmware: str) -> None:
        result = run(tree({"one": proxy(3, delay=0.5), "two": proxy(4)}), firmware)
        assert result.deterministic
        assert result.winners == ("two",)

    def test_a_delay_within_the_jitter_does_not(self) -> None:
        result = run(tree({"one": proxy(3, delay=0.005), "two": proxy(4)}))
        assert set(result.winners) == {"one", "two"}

    def test_a_slow_lease_lets_the_later_proxy_win_on_ipxe(self) -> None:
        slow = tree({"one": proxy(3), "two": proxy(4, delay=0.5)}, servers__dhcp={"ping_check": True})
        assert "two" in run(slow).winners
        assert run(slow, "edk2").winners == ("one",)

    def test_a_silent_server_makes_room_for_the_fallback(self) -> None:
        declared = tree({"one": proxy(3), "two": proxy(4, delay=1)})
        assert run(declared, silent=frozenset({"one"})).winners == ("two",)

    def test_a_delay_at_the_tick_depends_on_it(self) -> None:
        declared = tree({"one": proxy(3, delay=3.5)}, scopes__a={"next_server": "dhcp", "filename": "d.efi"})
        result = run(declared, "edk2")
        assert not result.deterministic
        assert set(result.winners) == {"one", "dhcp"}

    @pytest.mark.parametrize(
        ("delay", "winners"),
        [
            ({"since_first": 0.9}, {"one"}),
            ({"since_first": 1}, {"one", None}),
            ({"since_first": 1.2}, {None}),
        ],
    )
    def test_a_wall_clock_that_ends_with_the_second_discover_is_in_doubt(
        self, delay: dict[str, float], winners: set[str | None]
    ) -> None:
        assert set(run(tree({"one": proxy(3, delay=delay)})).winners) == winners

    def test_times_that_differ_are_two_outcomes_of_one_winner(self) -> None:
        result = run(tree({"one": proxy(3, delay=3.5)}), "edk2")
        assert result.deterministic
        assert len(result.outcomes) == 2


class TestNetwork:
    def test_a_relay_reaches_all_its_targets(self) -> None:
        result = run(tree({"one": proxy(3)}), vlan="b")
        assert result.winners == ("one",)
        assert any("10.1.0." in event.text for event in result.events)

    def test_who_is_no_target_is_not_heard(self) -> None:
        declared = tree({"one": proxy(3)}, vlans__b={"relay_to": ["dhcp"]})
        assert run(declared, vlan="b").winners == (None,)

    def test_a_relays_threshold_hides_the_first_discover_of_uefi(self) -> None:
        declared = tree({"one": proxy(3)}, vlans__b={"relay": {"min_secs": 4}})
        uefi, ipxe = run(declared, "edk2", "b"), run(declared, "ipxe", "b")
        assert uefi.outcomes[0].seconds is not None
        assert uefi.outcomes[0].seconds > 10
        assert ipxe.outcomes[0].seconds == pytest.approx(0, abs=0.1)

    def test_snooping_drops_the_untrusted(self) -> None:
        declared = tree({"one": proxy(3)}, vlans__a={"snooping": {"trusted": ["dhcp"]}})
        result = run(declared)
        assert result.winners == (None,)
        assert any("snooping" in event.text for event in result.events)

    def test_spanning_tree_loses_what_comes_early(self) -> None:
        declared = tree({"one": proxy(3)}, vlans__a={"forwarding_delay": 2})
        result = run(declared)
        # By its third DISCOVER iPXE has waited long enough: if the lease comes first, no proxy counts.
        assert set(result.winners) == {None, "one"}
        (won,) = [outcome for outcome in result.outcomes if outcome.winner]
        assert won.seconds == pytest.approx(3, abs=0.2)

    def test_a_blocked_4011_loses_who_only_names_the_file_there(self) -> None:
        binl = proxy(3, discovery_control=None, offers_file=False)
        assert run(tree({"one": binl}), "edk2", "b").winners == ("one",)
        blocked = tree({"one": binl}, vlans__b={"blocked_ports": [4011]})
        result = run(blocked, "edk2", "b")
        assert result.winners == (None,)
        assert "PXE-E16" in result.outcomes[0].why


class TestOutcomes:
    def test_nobody_is_an_answer(self) -> None:
        result = run(tree({}), "edk2")
        (outcome,) = result.outcomes
        assert (outcome.winner, outcome.error) == (None, "PXE-E16: No valid offer received.")
        assert outcome.ended == pytest.approx(60, abs=1.1)

    def test_silence_is_another(self) -> None:
        declared = tree({})
        declared["scopes"] = {}
        assert "PXE-E18" in run(declared, "edk2").outcomes[0].why

    def test_a_dead_server_behind_option_60(self) -> None:
        declared = tree({"one": proxy(3)}, scopes__a={"options": {60: "PXEClient"}})
        # A proxy with option 43 comes before a DHCP server that only says PXEClient, but needs a plain offer.
        assert run(declared, "edk2").winners == (None,)

    def test_two_readings_of_an_old_rom(self) -> None:
        declared = tree({"one": proxy(3)}, scopes__a={"next_server": "dhcp", "filename": "d.0"})
        result = run(declared, "pxe21")
        assert set(result.winners) == {"one", "dhcp"}
        assert any("reading" in a or "either" in a or "both" in a for a in result.assumptions)

    def test_a_phone_takes_its_option(self) -> None:
        declared = tree({}, scopes__a={"options": {66: "10.0.0.9", 150: "10.0.0.8"}})
        assert run(declared, "phone-66").outcomes[0].boot_server == "10.0.0.9"
        assert run(declared, "phone-150").outcomes[0].boot_server == "10.0.0.8"

    def test_http_boot(self) -> None:
        one = proxy(3, programs={"http-x64": "http://10.0.0.3/boot.efi"})
        result = run(tree({"one": one}), "edk2-http", architecture="http-x64")
        assert result.outcomes[0].file == "http://10.0.0.3/boot.efi"

    def test_no_proxy_for_uboot(self) -> None:
        declared = tree({"one": proxy(3)}, scopes__a={"next_server": "dhcp", "filename": "u.img"})
        assert run(declared, "first-offer").outcomes[0].file == "u.img"

    def test_the_time_line_is_in_order_and_ends_with_the_boot(self) -> None:
        events = run(tree({"one": proxy(3, delay=1)})).events
        assert [e.at for e in events] == sorted(e.at for e in events)
        assert events[0].kind == "send"
        assert events[-1].kind == "boot"


servers = st.dictionaries(
    st.sampled_from(("p", "q", "r")),
    st.fixed_dictionaries(
        {
            "software": st.sampled_from(("coexist", "dnsmasq", "openthinclient", "configmgr", "generic")),
            "delay": st.sampled_from(
                ({"after": 0}, {"after": 1}, {"after": 3.5}, {"secs_at_least": 4}, {"since_first": 2})
            ),
            "answers": st.sampled_from(("everyone", "unknown", "known")),
            "discovery_control": st.sampled_from((None, 8, 3)),
        }
    ),
    max_size=3,
)


@given(
    declared=servers,
    firmware=st.sampled_from(("edk2", "ipxe", "pxe21", "first-offer")),
    file=st.booleans(),
    ping=st.booleans(),
)
def test_any_small_world_has_an_answer_and_always_the_same(
    declared: dict[str, dict[str, Any]], firmware: str, file: bool, ping: bool
) -> None:
    numbered = {
        name: proxy(3 + number, roles=["proxydhcp", "tftp"], **fields)
        for number, (name, fields) in enumerate(sorted(declared.items()))
    }
    scope = {"next_server": "dhcp", "filename": "d"} if file else {}
    site = tree(numbered, scopes__a=scope, servers__dhcp={"ping_check": ping})
    first, second = run(site, firmware), run(site, firmware)
    assert first == second
    assert first.outcomes
    assert set(first.winners) <= {None, "dhcp", *numbered}
    assert first.deterministic == (len({(o.winner, o.boot_server, o.file) for o in first.outcomes}) == 1)
