"""The lists of coexist's own server: a group each, and what the ranges of a group hold too many."""

from __future__ import annotations

import pytest

from coexist.boot.servers.coexist import boot_policy, boot_server_config, list_members
from coexist.inventory import Inventory, inventory_from_tree
from coexist.wire.mac import parse_mac

INSIDE = "52:54:00:00:00:10"


def site(*groups: str) -> Inventory:
    """A server for some of three groups: two machines, a range without one of them, and the others."""
    return inventory_from_tree(
        {
            "site": "small",
            "vlans": {"lab": {"id": 1, "subnet": "10.0.0.0/24", "gateway": "10.0.0.1"}},
            "servers": {
                "s": {
                    "software": "coexist",
                    "address": "10.0.0.5",
                    "vlan": "lab",
                    "answers": {"only": list(groups)},
                    "programs": {"bios": "x.0"},
                }
            },
            "clients": [{"mac": "52:54:00:00:01:01", "name": "a"}, {"mac": INSIDE, "name": "b"}],
            "groups": {
                "lab": {"range": "52:54:00:00:00:00 to 52:54:00:00:00:ff", "except": "one"},
                "one": {"macs": INSIDE},
                "lab.except": {"where": {"name": "a"}},
            },
        }
    )


@pytest.mark.parametrize("group", ["one", "lab", "lab.except"])
def test_a_server_answers_the_members_of_its_group_and_nobody_else(group: str) -> None:
    inventory = site(group)
    members = inventory.group(group)
    policy = boot_policy(inventory, "s")
    for text in (INSIDE, "52:54:00:00:01:01", "52:54:00:00:00:20", "52:54:00:00:02:00"):
        mac = parse_mac(text)
        assert any(mac in rule.clients for rule in policy.rules) == (mac in members)


def test_a_group_may_be_called_as_a_list_of_exceptions_is() -> None:
    inventory = site("lab.except")
    assert list_members(inventory, "lab.except.macs") == inventory.group("lab.except")
    (rule,) = boot_server_config(site("lab"), "s").rules
    assert rule.clients.excluded is not None
    assert rule.clients.excluded.macs == (parse_mac(INSIDE),)
