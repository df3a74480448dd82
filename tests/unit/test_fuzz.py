"""A short run of every fuzz target, always the same one, and every input that once was too much."""

from __future__ import annotations

import copy
import json
import random
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.mutate import inputs
from tests.fuzz.targets import TARGETS

CRASHES = Path(__file__).parents[1] / "fuzz" / "crashes"


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_survives_what_is_almost_right(name):
    target = TARGETS[name]
    for data in islice(inputs(target.seeds(), random.Random(name)), target.tries):
        try:
            target.read(data)
        except Exception as error:
            error.add_note(f"the input was {data!r}; put it into {CRASHES}/{name}-NAME")
            raise


KEA = {
    "Dhcp4": {
        "interfaces-config": {"interfaces": ["eth0"]},
        "subnet4": [
            {
                "id": 1,
                "subnet": "10.10.0.0/16",
                "pools": [{"pool": "10.10.1.1-10.10.1.9"}],
                "relay": {"ip-addresses": ["10.10.0.9"]},
                "reservations": [
                    {
                        "hw-address": "52:54:00:00:00:01",
                        "ip-address": "10.10.1.4",
                        "hostname": "desk",
                        "client-classes": ["thin"],
                    }
                ],
                "next-server": "10.0.0.1",
                "server-hostname": "boot",
                "boot-file-name": "a.efi",
                "option-data": [{"name": "routers", "data": "10.10.0.1"}],
                "valid-lifetime": 600,
            }
        ],
        "client-classes": [
            {
                "name": "thin",
                "test": "option[60].hex == 'a'",
                "option-def": [{"name": "z", "code": 220, "type": "string"}],
                "option-data": [{"code": 43, "data": "0102", "csv-format": False}],
            }
        ],
        "option-def": [{"name": "q", "code": 221, "type": "record", "record-types": "uint8,string"}],
        "shared-networks": [{"name": "n", "subnet4": []}],
    }
}
ODD: tuple[Any, ...] = (
    5,
    -1,
    None,
    True,
    [],
    {},
    "",
    "x",
    1.5,
    10**30,
    [5],
    [[]],
    "\ud800",
    "9" * 5000,
    "\u00b2",
)


def places(tree, path=()):
    """The way to each value of a tree."""
    if path:
        yield path
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield from places(value, (*path, key))


@pytest.mark.parametrize("target", ["kea", "ownkea"])
def test_any_value_of_a_kea_file_may_be_any_other(target):
    """What a mutated text hardly ever is: JSON, with a value of another kind at one place."""
    for path in places(KEA):
        for odd in ODD:
            tree = copy.deepcopy(KEA)
            inner: Any = tree
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = odd
            try:
                TARGETS[target].read(json.dumps(tree).encode())
            except Exception as error:
                error.add_note(f"{odd!r:.40} at {path}")
                raise


@pytest.mark.parametrize("path", sorted(CRASHES.glob("*-*")), ids=lambda path: path.name)
def test_what_once_was_too_much(path):
    TARGETS[path.name.partition("-")[0]].read(path.read_bytes())
