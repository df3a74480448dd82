"""What is made of boot files that cannot be fetched."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.inventory import inventory_from_tree
from coexist.probe.answer import Answer
from coexist.probe.expectation import unfetched
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
