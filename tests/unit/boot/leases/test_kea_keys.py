"""Kea's classification: its keys by version, as its documentation and sources say, and names of classes."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.boot.leases.kea_config import KeaConfig, compile_kea
from coexist.boot.leases.kea_file import KeaLeases
from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.responder import Arrival
from coexist.errors import InputError
from coexist.languages.kea.json_nodes import read_json
from coexist.wire.bootp import BOOTREQUEST, UNSPECIFIED, Packet

PAIRS = {
    "client-class": ("client-classes", "one", ["one"]),
    "require-client-classes": ("evaluate-additional-classes", ["late"], ["late"]),
}


def config(version: tuple[int, int] | None, *, listed: str, **more: Any) -> KeaConfig:
    tree = {
        "client-classes": [
            {"name": "one", "test": "option[93].hex == 0x0007"},
            {"name": "two", "test": "option[93].hex == 0x0000"},
            {"name": "late", "test": "member('ALL')", listed: True, "boot-file-name": "late.0"},
            {"name": "plain", listed: True, "boot-file-name": "plain.0"},
        ],
        "subnet4": [{"id": 1, "subnet": "10.1.0.0/24", "pools": [{"pool": "10.1.0.10-10.1.0.20"}], **more}],
    }
    text = json.dumps({"Dhcp4": tree}, indent=1)
    return compile_kea(read_json(text, "kea.json", str), version)


def told(found: KeaConfig, architecture: int) -> Lease | NoLease:
    packet = Packet(
        op=BOOTREQUEST, chaddr=bytes(5) + b"\1", options={53: b"\1", 93: architecture.to_bytes(2, "big")}
    )
    arrival = Arrival(
        packet=packet, at=0.0, port=67, address=IPv4Address("10.1.0.5"), source=(UNSPECIFIED, 68)
    )
    return KeaLeases(config=found, version=found.version)(arrival)


NEW, OLD = "only-in-additional-list", "only-if-required"


@pytest.mark.parametrize("version", [(2, 2), (2, 6), None])
def test_the_old_names_are_read_by_every_version(version: tuple[int, int] | None) -> None:
    more: dict[str, Any] = {"client-class": "one", "require-client-classes": ["late"]}
    found = config(version, listed=OLD, **more)
    lease = told(found, 7)
    assert isinstance(lease, Lease)
    assert lease.file == b"late.0"
    assert isinstance(told(found, 0), NoLease)
    # They are deprecated in 3.0, and still there.
    assert told(config((3, 0), listed=OLD, **more), 7) == lease


@pytest.mark.parametrize("version", [(2, 7), (3, 0), None])
def test_a_list_of_classes_lets_in_whoever_is_in_one(version: tuple[int, int] | None) -> None:
    more: dict[str, Any] = {"client-classes": ["one", "two"]}
    found = config(version, listed=NEW, **more)
    assert isinstance(told(found, 7), Lease)
    assert isinstance(told(found, 0), Lease)
    assert isinstance(told(found, 9), NoLease)


@pytest.mark.parametrize("version", [(3, 0), None])
def test_an_additional_class_without_a_test_holds_for_everyone(version: tuple[int, int] | None) -> None:
    lease = told(config(version, listed=NEW, **{"evaluate-additional-classes": ["plain"]}), 9)
    assert isinstance(lease, Lease)
    assert lease.file == b"plain.0"
    old = told(config((2, 2), listed=OLD, **{"require-client-classes": ["plain"]}), 9)
    assert isinstance(old, Lease)
    assert old.file == b""


@pytest.mark.parametrize("key", list(PAIRS))
def test_a_new_name_is_refused_where_an_older_server_is_declared(key: str) -> None:
    new, _, value = PAIRS[key]
    with pytest.raises(InputError) as refused:
        config((2, 6), listed=OLD, **{new: value})
    (problem,) = refused.value.problems
    assert new in problem.message
    assert problem.position.line > 1


@pytest.mark.parametrize("key", list(PAIRS))
def test_both_names_together_are_refused(key: str) -> None:
    new, one, several = PAIRS[key]
    with pytest.raises(InputError) as refused:
        config((3, 0), listed=NEW, **{key: one, new: several})
    (problem,) = refused.value.problems
    assert key in problem.message
    assert new in problem.message


def test_the_name_of_a_class_key_is_held_to_the_version_too() -> None:
    with pytest.raises(InputError):
        config((2, 2), listed=NEW)
    assert config(None, listed=NEW).version == (3, 0)
    assert config(None, listed=OLD).version == (2, 2)


def test_a_class_of_a_name_that_is_taken_is_refused_as_kea_does() -> None:
    text = '{"Dhcp4": {"client-classes": [{"name": "a"},\n{"name": "a", "test": "member(\'ALL\')"}]}}'
    with pytest.raises(InputError) as refused:
        compile_kea(read_json(text, "kea.json", str))
    assert [problem.position.line for problem in refused.value.problems] == [2]
