"""The JSON Schema and the loader agree: an editor marks nothing that the loader accepts."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from coexist.errors import InputError
from coexist.inventory import inventory_from_tree
from coexist.inventory.models import Site
from coexist.inventory.schema import inventory_schema

SCHEMA = jsonschema.Draft202012Validator(inventory_schema())

# Every section with nearly every key, so that each place of the schema is reached.
WHOLE: dict[str, Any] = {
    "site": "whole",
    "jitter": 0.005,
    "vlans": {
        "a": {
            "id": 1,
            "subnet": "10.0.0.0/16",
            "gateway": "10.0.0.1",
            "relay_to": ["dhcp"],
            "relay": {"address": "10.0.0.1", "min_secs": 4, "option_82": True},
            "snooping": {"trusted": ["dhcp"]},
            "forwarding_delay": 0.5,
            "jitter": 0.1,
            "blocked_ports": [69],
        }
    },
    "servers": {
        "dhcp": {"software": "isc-dhcpd 4.4", "address": "10.0.0.2", "vlan": "a", "ping_check": False},
        "new": {"software": "coexist", "addresses": {"a": "10.0.0.4"}, "answers": "nobody"},
        "otc": {
            "software": "coexist",
            "address": "10.0.0.3",
            "vlan": "a",
            "roles": ["proxydhcp", "tftp"],
            "answers": {"only": ["g"]},
            "delay": 1.5,
            "delay_for": {"g": {"secs_at_least": 4}, "h": "none"},
            "programs": {"bios": "a.0", "uefi-x64": {"file": "a.efi", "server": "otc"}},
            "programs_for": {"g": {"bios": "b.0"}},
            "boot_server": "otc",
            "options": {"66": "10.0.0.3"},
            "discovery_control": 8,
            "offers_file": True,
            "answers_4011": True,
            "authoritative": True,
            "fixed": False,
            "host": "machine",
            "settings": {"log": "json"},
            "deploy": {"host": "otc", "user": "root", "port": 22, "paths": {"*": "/etc"}, "sudo": True},
            "owner": "team",
        },
    },
    "scopes": {
        "a": {
            "server": "dhcp",
            "vlan": "a",
            "subnet": "10.0.0.0/16",
            "pools": ["10.0.1.0-10.0.1.9", {"range": "10.0.2.0-10.0.2.9", "allow": ["g"], "deny": "h"}],
            "reservations": True,
            "options": {"3": "10.0.0.1", "6": ["10.0.0.1", "10.0.0.2"]},
            "next_server": "otc",
            "filename": "a.0",
            "programs": {"bios": "a.0"},
            "rules": [
                {
                    "name": "one",
                    "clients": ["g"],
                    "architectures": ["bios"],
                    "vendor_class": "PXEClient",
                    "user_class": "iPXE",
                    "when": [{"option": 77, "equals": "x", "not": True}],
                    "next_server": "otc",
                    "programs": {"bios": "a.0"},
                    "options": {"66": "10.0.0.3"},
                    "ignore": False,
                }
            ],
            "lease_time": 3600,
            "min_secs": 0,
        }
    },
    "clients": {
        "files": [],
        "listed": [
            {"mac": "52:54:00:00:00:01", "name": "one", "hardware": "x", "location": "hall", "vlan": "a"},
            {"mac": "52:54:00:00:00:02", "name": "two", "hardware": "x", "architecture": "bios"},
        ],
    },
    "groups": {
        "g": {
            "where": {"hardware": ["x"]},
            "macs": ["52:54:00:00:00:01"],
            "oui": ["00:80:64"],
            "prefix": "00:80:65:1",
            "range": ["52:54:00:00:00:00 to 52:54:00:00:00:ff"],
            "groups": ["h"],
            "except": ["h"],
            "architecture": ["bios"],
            "firmware": ["ipxe"],
            "vlan": ["a"],
        },
        "h": {"macs": "52:54:00:00:00:02"},
    },
    "architectures": {"bios": ["pxe21", "mine"], "uefi-x64": "edk2"},
    "firmwares": {"mine": {"like": "ipxe", "parameters": {}}},
    "intent": [
        {
            "clients": ["g"],
            "unless": ["h"],
            "vlan": ["a"],
            "architectures": ["bios"],
            "boot_from": "otc",
            "fallback": [],
            "options": {"66": "10.0.0.3"},
            "owner": "team",
            "reason": "because",
            "until": "2027-01-01",
        }
    ],
    "migrations": {
        "up": {
            "from": "otc",
            "to": "new",
            "clients": ["g"],
            "pilots": ["h"],
            "waves": [{"name": "w", "clients": ["g"], "share": 0.5, "by": "all", "not_before": "2027-01-01"}],
            "gate": {},
            "checklist": ["audio"],
            "stays": ["h"],
            "parking": "none",
            "settle": 90,
        }
    },
    "suppress": [{"code": "CX301", "where": "vlans.a", "reason": "because", "until": "2027-01-01"}],
}


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value of a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


PLACES = list(places(WHOLE))


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def put(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The whole tree with another value at one place."""
    tree = copy.deepcopy(WHOLE)
    at(tree, path[:-1])[path[-1]] = value
    return tree


def loads(tree: dict[str, Any]) -> bool:
    """Whether the loader takes a tree."""
    try:
        inventory_from_tree(copy.deepcopy(tree))
    except InputError:
        return False
    return True


def test_the_whole_is_accepted_by_both() -> None:
    assert loads(WHOLE)
    SCHEMA.validate(WHOLE)


@pytest.mark.parametrize("section", [name for name in Site.model_fields if name != "site"])
def test_a_section_with_nothing_in_it_is_none(section: str) -> None:
    tree = {"site": "small", section: None}
    assert loads(tree)
    SCHEMA.validate(tree)


scalars = st.one_of(
    st.none(),
    st.sampled_from(["", "x", "a", "g", "otc", "none", "10.0.0.1", "52:54:00:00:00:01", "everyone", "bios"]),
    st.integers(-1, 300),
    st.sampled_from([0.5, 1.5]),
)
shapes = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(["a", "bios", "66", "range", "macs", "only", "after"]), inner, max_size=2
        ),
    ),
    max_leaves=4,
)


@given(st.sampled_from(PLACES), shapes)
def test_what_the_loader_accepts_fits_the_schema(path: tuple[Any, ...], value: Any) -> None:
    """But for 0 and 1 where true and false stand: the loader reads them, an editor says what to write."""
    assume(not (isinstance(at(WHOLE, path), bool) and isinstance(value, (int, float))))
    tree = put(path, value)
    if loads(tree):
        SCHEMA.validate(tree)


# Below these any key may stand: names, options, parameters of a product.
_OPEN = {"vlans", "servers", "scopes", "groups", "migrations", "firmwares", "addresses", "delay_for",
         "programs_for", "settings", "paths", "parameters", "where"}  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [p for p in PLACES if isinstance(at(WHOLE, p), dict) and p[-1] not in _OPEN],
    ids=lambda path: ".".join(map(str, path)),
)
def test_a_key_that_is_not_known_is_refused_by_both(path: tuple[Any, ...]) -> None:
    tree = put((*path, "no_such_key"), "x")
    assert not SCHEMA.is_valid(tree)
    assert not loads(tree)
