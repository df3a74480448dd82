from __future__ import annotations

from coexist.boot.policy import Standing
from coexist.server.seen import ATTEMPT_ENDS_AFTER, ClientsSeen


def test_a_boot_attempt_lasts_until_the_client_is_silent_for_long():
    clients = ClientsSeen()
    client = clients.note(1, 100.0, 0.0)
    clients.note(1, 104.0, 0.0)
    assert client.seen(112.0, b"x").since_first == 12.0
    clients.note(1, 112.0 + ATTEMPT_ENDS_AFTER, 0.0)
    assert client.seen(113.0 + ATTEMPT_ENDS_AFTER, b"x").since_first == 1.0


def test_what_was_seen_of_others_ends_with_the_attempt():
    clients = ClientsSeen()
    client = clients.note(1, 0.0, 0.0)
    client.offer_heard = client.took_other = True
    assert clients.note(1, 5.0, 0.0).seen(5.0, b"x").took_other
    seen = clients.note(1, 5.0 + ATTEMPT_ENDS_AFTER, 0.0).seen(70.0, b"x")
    assert (seen.took_other, seen.offer_heard) == (False, False)


def test_the_wall_clock_decides_nothing():
    clients = ClientsSeen()
    client = clients.note(1, 100.0, 1e9)
    clients.note(1, 101.0, 1e9 - 3600)
    assert client.seen(101.0, b"x").since_first == 1.0
    assert client.requests == 2


def test_a_flood_of_invented_macs_is_bounded():
    clients = ClientsSeen(most=100)
    clients.keeps = True
    for mac in range(10_000):
        clients.note(mac, 0.0, 0.0)
        clients.learn(f"10.{mac >> 8}.{mac & 255}.1", mac)
    assert len(clients.clients) == 100
    assert clients.forgotten == 9_900
    assert 9_999 in clients.clients


def test_a_client_whose_answer_waits_keeps_its_place():
    clients = ClientsSeen(most=3)
    waiting = clients.note(1, 0.0, 0.0)
    waiting.waiting = object()
    for mac in range(2, 10):
        clients.note(mac, 0.0, 0.0)
    assert clients.find(1) is waiting
    assert len(clients.clients) == 3


def test_each_change_is_kept_once():
    clients = ClientsSeen()
    clients.keeps = True
    for _ in range(3):
        clients.note(1, 0.0, 0.0)
    assert len(clients.changed) == 1


def test_addresses_are_bounded_and_the_newest_word_counts():
    clients = ClientsSeen()
    for number in range(70_000):
        clients.learn(f"10.0.{number >> 8}.{number & 255}", number)
    assert len(clients.addresses) == 65_536
    clients.learn("10.0.255.1", 7)
    assert clients.addresses["10.0.255.1"] == 7


REGISTERED, PREFIX = 7, range(1000, 2000)


def standing(mac: int) -> Standing:
    if mac == REGISTERED:
        return Standing.REGISTERED
    return Standing.SERVED if mac in PREFIX else Standing.STRANGER


def test_strangers_take_no_place_from_those_the_rules_know():
    clients = ClientsSeen(most=100)
    clients.standing = standing
    clients.note(REGISTERED, 0.0, 0.0)
    clients.note(PREFIX[0], 0.0, 0.0)
    for mac in range(10_000, 20_000):
        clients.note(mac, 1.0, 0.0)
    assert clients.note(REGISTERED, 10.0, 0.0).seen(10.0, b"").since_first == 10.0
    assert clients.note(PREFIX[0], 10.0, 0.0).seen(10.0, b"").since_first == 10.0
    for mac in PREFIX[1:]:
        clients.note(mac, 11.0, 0.0)
    assert clients.note(REGISTERED, 12.0, 0.0).seen(12.0, b"").since_first == 12.0
    assert len(clients.clients) == 100


def test_a_full_table_of_better_ones_remembers_no_stranger():
    clients = ClientsSeen(most=10)
    clients.standing = lambda mac: Standing.REGISTERED if mac < 100 else Standing.STRANGER
    for mac in range(10):
        clients.note(mac, 0.0, 0.0)
    assert clients.note(1000, 0.0, 0.0).requests == 1
    assert clients.find(1000) is None
    assert clients.note(50, 0.0, 0.0) is clients.find(50)
    assert len(clients.clients) == 10


def test_a_client_that_was_registered_since_keeps_its_place():
    clients = ClientsSeen(most=10)
    clients.note(REGISTERED, 0.0, 0.0)
    clients.standing = standing
    for mac in range(10_000, 10_100):
        clients.note(mac, 0.0, 0.0)
    assert clients.find(REGISTERED) is not None


def test_a_stranger_does_not_say_whose_an_address_is():
    clients = ClientsSeen()
    clients.standing = standing
    clients.learn("10.0.0.1", REGISTERED)
    clients.learn("10.0.0.1", 99)
    assert clients.addresses["10.0.0.1"] == REGISTERED
    clients.learn("10.0.0.2", 99)
    clients.learn("10.0.0.2", PREFIX[0])
    assert clients.addresses["10.0.0.2"] == PREFIX[0]
    for number in range(70_000):
        clients.learn(f"10.1.{number >> 8}.{number & 255}", 10_000 + number)
    assert clients.addresses["10.0.0.1"] == REGISTERED
    assert len(clients.addresses) == 65_536
