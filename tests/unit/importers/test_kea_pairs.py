"""Two Keas of one relation, imported one after the other: one scope of two servers."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.importers.imported import Imported
from coexist.importers.kea.site import import_kea
from coexist.importers.merge import merge
from coexist.inventory import inventory_from_tree

ROLES = {"load-balancing": "secondary", "hot-standby": "standby", "passive-backup": "backup"}


def imported(this: str, mode: str = "load-balancing", url: str = "10.32.0.5", **more: Any) -> Imported:
    peers = [
        {"name": "north", "url": "http://10.32.0.4:8123/", "role": "primary"},
        {"name": "south", "url": f"http://{url}:8123/", "role": ROLES[mode]},
    ]
    relation = {"this-server-name": this, "mode": mode, "peers": peers, "max-response-delay": 20000, **more}
    hook = {"library": "/x/libdhcp_ha.so", "parameters": {"high-availability": [relation]}}
    pools = [
        {"pool": "10.32.1.0-10.32.1.99", "client-class": "HA_north"},
        {"pool": "10.32.1.100-10.32.1.199", "client-class": "HA_south"},
    ]
    dhcp4 = {"hooks-libraries": [hook], "subnet4": [{"id": 1, "subnet": "10.32.0.0/16", "pools": pools}]}
    own = {"north": "10.32.0.4", "south": "10.32.0.5"}[this]
    text = json.dumps({"Dhcp4": dhcp4}, indent=1)
    return import_kea(text, f"{this}.conf", server=f"kea-{this}", address=IPv4Address(own))


def scope_of(found: Imported) -> dict[str, Any]:
    (scope,) = found.tree["scopes"].values()
    return dict(scope)


@pytest.mark.parametrize("mode", ROLES)
def test_the_relation_is_the_failover_of_every_scope(mode: str) -> None:
    for this, servers in (("north", ["kea-north", "south"]), ("south", ["north", "kea-south"])):
        found = imported(this, mode)
        scope = scope_of(found)
        assert scope["server"] == servers
        expected = {"mode": mode, "port": 8123, "max_response_delay": 20}
        if mode == "passive-backup":
            del expected["max_response_delay"]
        assert scope["failover"] == expected
        # Whose clients a pool is for is the servers' business: a scope leases both halves to all.
        assert scope["pools"] == ["10.32.1.0-10.32.1.99", "10.32.1.100-10.32.1.199"]
        inventory_from_tree(dict(found.tree))


def test_the_partners_file_finds_its_place() -> None:
    first = inventory_from_tree(dict(imported("north").tree))
    second, (conflict,) = merge(first, imported("south"))
    assert not second.tree.get("scopes")
    assert not second.tree.get("servers")
    assert conflict.done == "one scope of a failover pair; both say the same"


def test_a_partner_by_its_host_name_is_not_taken_over() -> None:
    scope = scope_of(imported("north", url="south.example"))
    assert scope["server"] == "kea-north"
    assert "failover" not in scope
    assert [pool["allow"] for pool in scope["pools"]] == ["nobody", "nobody"]
