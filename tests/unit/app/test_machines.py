"""A machine is found by what a person calls it."""

from __future__ import annotations

from typing import Any

import pytest

from coexist.app.machines import differing_digits, find_machines, near
from coexist.errors import CoexistError
from coexist.inventory import Inventory, inventory_from_tree
from coexist.wire.mac import parse_mac

ONE, OTHER, FAR = "52:54:00:aa:00:01", "52:54:00:aa:00:02", "3c:52:82:30:00:01"


@pytest.fixture
def inventory() -> Inventory:
    tree: dict[str, Any] = {
        "site": "ward",
        "vlans": {"lan": {"id": 1, "subnet": "10.9.0.0/24", "gateway": "10.9.0.1"}},
        "clients": [
            {"mac": ONE, "name": "Desk-1", "address": "10.9.0.31"},
            {"mac": OTHER, "name": "Desk-2"},
            {"mac": FAR},
        ],
    }
    return inventory_from_tree(tree)


@pytest.mark.parametrize(
    ("text", "mac", "by"),
    [
        (ONE, ONE, "mac"),
        ("52-54-00-99-99-99", "52:54:00:99:99:99", "mac"),
        ("desk-2", OTHER, "name"),
        ("10.9.0.31", ONE, "address"),
    ],
)
def test_by_mac_name_or_reserved_address(inventory: Inventory, text: str, mac: str, by: str) -> None:
    (found,) = find_machines(inventory, text)
    assert (found.mac, found.by) == (parse_mac(mac), by)


@pytest.mark.parametrize(("text", "named"), [("Desk-3", "Desk-"), ("10.9.0.77", "10.9.0.77"), ("x", "x")])
def test_what_is_nobodys_is_refused(inventory: Inventory, text: str, named: str) -> None:
    with pytest.raises(CoexistError, match=named):
        find_machines(inventory, text)


def test_a_typing_mistake_is_near(inventory: Inventory) -> None:
    assert near(inventory, parse_mac("52:54:00:aa:00:03")) == (parse_mac(ONE), parse_mac(OTHER))
    assert near(inventory, parse_mac("52:54:00:ab:00:01")) == (parse_mac(ONE), parse_mac(OTHER))
    assert near(inventory, parse_mac("00:11:22:33:44:55")) == ()
    assert differing_digits(parse_mac(ONE), parse_mac(ONE)) == 0
