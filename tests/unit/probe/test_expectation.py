"""What is made of boot files that cannot be fetched."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.inventory import inventory_from_tree
from coexist.probe.answer import Answer
from coexist.probe.expectation import strangers, unfetched
from coexist.probe.fetch import NotFetched
from coexist.probe.question import stranger
from coexist.wire.bootp import BOOTREPLY, Packet

SERVER = IPv4Address("192.0.2.3")


def answer() -> Answer:
    packet = Packet(op=BOOTREPLY, siaddr=SERVER, file=b"a.efi", options={54: SERVER.packed})
    return Answer(
        asker=stranger("uefi-x64"), port=67, at=0.0, after=0.0, secs=0, source=SERVER, packet=packet
    )


def site(**more: Any) -> Any:
    server = {"software": "coexist", "address": str(SERVER), "vlan": "a", "programs": {"uefi-x64": "a.efi"}}
    return inventory_from_tree(
        {
            "site": "s",
            "vlans": {"a": {"id": 1, "subnet": "192.0.2.0/24"}},
            "servers": {"b": {**server, **more}},
        }
    )


@pytest.mark.parametrize("code", [None, 0, 1, 2])
def test_a_file_that_cannot_be_had_is_a_finding(code: int | None) -> None:
    result = NotFetched(why="so it is", code=code)
    for inventory in (None, site()):
        found = unfetched(answer(), result, inventory)
        assert found is not None
        assert found.code.code == "CX706"
        assert "a.efi" in found.message


def test_a_refusal_by_a_whitelist_shows_nothing() -> None:
    narrow = site(answers="known")
    assert unfetched(answer(), NotFetched(why="not allowed", code=2), narrow) is None
    assert unfetched(answer(), NotFetched(why="not there", code=1), narrow) is not None


def test_a_refusal_of_the_client_itself_is_a_finding() -> None:
    found = unfetched(answer(), NotFetched(why="not allowed", code=2), site(answers="known"), as_client=True)
    assert found is not None
    assert found.code.code == "CX706"


@pytest.mark.parametrize(("replaces", "codes"), [(True, []), (False, ["CX701"])])
def test_a_relay_agent_that_writes_its_own_identifier_is_no_stranger(
    replaces: bool, codes: list[str]
) -> None:
    agent = IPv4Address("192.0.2.1")
    vlan = {"id": 1, "subnet": "192.0.2.0/24", "gateway": str(agent), "relay_to": ["b"]}
    core = {"id": 2, "subnet": "198.51.100.0/24", "gateway": "198.51.100.1"}
    inventory = inventory_from_tree(
        {
            "site": "s",
            "vlans": {"a": {**vlan, "relay": {"replaces_server_id": replaces}}, "core": core},
            "servers": {"b": {"software": "isc-dhcpd", "address": "198.51.100.5", "vlan": "core"}},
        }
    )
    packet = Packet(op=BOOTREPLY, yiaddr=IPv4Address("192.0.2.100"), options={53: b"\2", 54: agent.packed})
    heard = replace(answer(), source=agent, packet=packet)
    assert [finding.code.code for finding in strangers(inventory, [heard])] == codes
