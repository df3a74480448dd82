"""Kea's hook flex_option: what it adds to a reply, replaces and takes out."""

from __future__ import annotations

import json
from ipaddress import IPv4Address

import pytest

from coexist.boot.leases.kea_config import compile_kea
from coexist.boot.leases.kea_file import KeaLeases
from coexist.boot.leases.lease import Lease
from coexist.boot.responder import Arrival
from coexist.languages.kea.json_nodes import read_json
from coexist.wire.bootp import BOOTREQUEST, UNSPECIFIED, Packet


def lease(options: list[dict[str, object]], sent: dict[int, bytes]) -> tuple[Lease, KeaLeases]:
    tree = {
        "Dhcp4": {
            "hooks-libraries": [{"library": "libdhcp_flex_option.so", "parameters": {"options": options}}],
            "option-data": [{"name": "domain-name", "data": "plain.example"}],
            "subnet4": [{"id": 1, "subnet": "10.0.0.0/24", "pools": [{"pool": "10.0.0.10-10.0.0.20"}]}],
        }
    }
    leases = KeaLeases(config=compile_kea(read_json(json.dumps(tree), "kea.json", str)))
    packet = Packet(op=BOOTREQUEST, xid=1, chaddr=b"\2\0\0\0\0\1", options={53: b"\1", **sent})
    here = IPv4Address("10.0.0.1")
    found = leases(Arrival(packet=packet, at=0.0, port=67, address=here, source=(UNSPECIFIED, 68)))
    assert isinstance(found, Lease)
    return found, leases


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"code": 67, "supersede": "'boot'"}, {67: b"boot"}),
        ({"name": "boot-file-name", "supersede": "0x626f6f7400"}, {67: b"boot\0"}),
        ({"code": 67, "supersede": "ifelse(option[77].exists, 'x', '')"}, {67: None}),
        ({"code": 15, "supersede": "concat('a.', 'example')"}, {15: b"a.example"}),
        ({"code": 15, "add": "'other.example'"}, {15: b"plain.example"}),
        ({"code": 15, "remove": "option[60].exists"}, {15: None}),
    ],
)
def test_a_reply_is_changed_when_it_is_sent(
    entry: dict[str, object], expected: dict[int, bytes | None]
) -> None:
    found, leases = lease([entry], {60: b"PXEClient", 55: bytes([15])})
    assert {code: found.options.get(code) for code in expected} == expected
    assert not leases.opens


def test_an_entry_that_fails_leaves_its_option_and_the_others_alone() -> None:
    entries: list[dict[str, object]] = [
        {"code": 15, "supersede": "addrtotext(option[60].hex)"},
        {"code": 67, "supersede": "'boot'"},
    ]
    found, _ = lease(entries, {60: b"PXEClient", 55: bytes([15])})
    assert (found.options[15], found.options[67]) == (b"plain.example", b"boot")


def test_what_it_compares_tells_clients_apart() -> None:
    entry: dict[str, object] = {"code": 67, "supersede": "ifelse(option[77].exists, 'x', 'y')"}
    _, leases = lease([entry], {})
    assert [test.option for test in leases.distinctions.tests] == [77]


def test_an_entry_that_is_not_understood_leaves_the_hook_open() -> None:
    _, leases = lease([{"code": 67, "supersede": "'a'", "client-class": "x"}], {})
    assert len(leases.opens) == 1
