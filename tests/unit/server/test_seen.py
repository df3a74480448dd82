from __future__ import annotations

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
