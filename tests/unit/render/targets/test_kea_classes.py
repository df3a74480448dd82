"""Names of Kea's classes: a group may be called as Kea calls a class of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coexist.inventory import inventory_from_tree
from coexist.render import render_site

MAC = "52:54:00:00:00:01"


@pytest.mark.parametrize("group", ["DROP", "KNOWN", "ALL", "banned"])
def test_no_class_is_defined_twice_and_none_is_a_built_in_one(group: str) -> None:
    tree: dict[str, Any] = {
        "site": "one",
        "vlans": {"lan": {"id": 1, "subnet": "10.9.0.0/24"}},
        "servers": {"dhcp": {"software": "kea 2.2", "address": "10.9.0.2", "vlan": "lan"}},
        "scopes": {
            "lan": {
                "server": "dhcp",
                "vlan": "lan",
                "pools": ["10.9.0.50-10.9.0.99"],
                "rules": [{"clients": group, "ignore": True}],
            }
        },
        "groups": {group: {"macs": MAC}},
    }
    files = render_site(inventory_from_tree(tree)).files["dhcp"]
    file = next(file for file in files if file.path == "kea-dhcp4.conf")
    said = json.loads(file.content)["Dhcp4"]
    names = [entry["name"] for entry in said["client-classes"]]
    assert len(names) == len(set(names))
    (reservation,) = said["reservations"]
    (given,) = reservation["client-classes"]
    assert given in names
    assert given not in ("DROP", "KNOWN", "ALL")
    (drop,) = [entry for entry in said["client-classes"] if entry["name"] == "DROP"]
    assert f"member('{given}')" in drop["test"]
