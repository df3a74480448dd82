from __future__ import annotations

import socket

import pytest

from coexist.boot.policy import BootPolicy, Rule
from coexist.inventory.macset import MacSet
from coexist.server import interfaces
from coexist.server.access import Doorkeeper
from coexist.server.seen import ClientsSeen

THIN, STRANGER = 1, 2


@pytest.fixture
def door(monkeypatch):
    made = Doorkeeper(ClientsSeen())
    made.policy = BootPolicy(
        name="otc", rules=(Rule(name="thin", clients=MacSet.of({THIN}), architectures=frozenset({7})),)
    )
    table: dict[str, int] = {}
    monkeypatch.setattr(interfaces, "neighbours", lambda: dict(table))
    made.clients.learn("10.20.0.1", THIN)
    return made, table


def test_the_neighbour_table_is_asked_before_dhcp(door):
    made, table = door
    table["10.20.0.1"] = STRANGER
    assert not made.ask("10.20.0.1", whitelist=True).allowed


def test_behind_a_router_dhcp_tells(door):
    assert door[0].ask("10.20.0.1", whitelist=True).rule == "thin"


def test_the_architecture_a_client_named_counts(door):
    made, _ = door
    client = made.clients.note(THIN, 0.0, 0.0)
    client.architecture = 0
    assert not made.ask("10.20.0.1", whitelist=True).allowed
    client.architecture = 7
    assert made.ask("10.20.0.1", whitelist=True).allowed


def test_another_policy_decides_anew(door):
    made, _ = door
    made.clients.learn("10.20.0.2", STRANGER)
    assert made.ask("10.20.0.1", whitelist=True).allowed
    assert not made.ask("10.20.0.2", whitelist=True).allowed
    made.policy = BootPolicy(name="otc", rules=(Rule(name="other", clients=MacSet.of({STRANGER})),))
    assert not made.ask("10.20.0.1", whitelist=True).allowed
    assert made.ask("10.20.0.2", whitelist=True).rule == "other"


def test_a_machine_that_names_another_uuid_is_decided_anew(door):
    made, _ = door
    board = b"\x22" * 17
    made.policy = BootPolicy(
        name="otc",
        rules=(Rule(name="thin", clients=MacSet.of({THIN})),),
        denied_by_uuid={board: MacSet.of({THIN})},
    )
    client = made.clients.note(THIN, 0.0, 0.0)
    assert made.ask("10.20.0.1", whitelist=True).allowed
    client.uuid = board
    assert not made.ask("10.20.0.1", whitelist=True).allowed


def test_many_clients_are_decided_on(door):
    made, _ = door
    made.policy = BootPolicy(name="otc", rules=(Rule(name="even", clients=MacSet.of(range(0, 9000, 2))),))
    for mac in (*range(9000), *range(9000)):
        made.clients.addresses["10.30.0.1"] = mac
        access = made.ask("10.30.0.1", whitelist=True)
        assert (access.allowed, access.mac) == (mac % 2 == 0, mac)


def test_who_is_unknown_is_refused_unless_it_is_allowed(door):
    made, _ = door
    refused = made.ask("10.9.9.9", whitelist=True)
    assert (refused.allowed, refused.undecided, refused.mac, refused.client) == (False, False, None, None)
    assert refused.why
    made.serves_unknown = True
    assert made.ask("10.9.9.9", whitelist=True).allowed
    assert made.ask("10.9.9.9", whitelist=False).allowed


def test_a_table_that_cannot_be_asked_again_so_soon_decides_nothing(door, monkeypatch):
    made, table = door
    made.ask("10.9.9.9", whitelist=True)
    made._again = float("inf")
    table["10.9.9.8"] = THIN
    assert made.ask("10.9.9.8", whitelist=True).undecided
    made._again = 0.0
    assert made.ask("10.9.9.8", whitelist=True).allowed


def test_the_real_table_and_addresses_can_be_read():
    assert interfaces.open_links().isdisjoint({socket.if_nametoindex("lo")})
    assert interfaces.addresses()
    assert isinstance(interfaces.neighbours(), dict)
