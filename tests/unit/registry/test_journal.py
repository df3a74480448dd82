from __future__ import annotations

import pytest

from coexist.registry import journal as journal_module
from coexist.registry.journal import Journal, overlaid
from coexist.registry.records import FORGOTTEN, Decision, RegistryError, new_order


def test_what_is_kept_is_read_by_another_process_until_it_is_carried_over(tmp_path):
    server, command = Journal(tmp_path / "j"), Journal(tmp_path / "j", create=False)
    assert server.orders() == []
    later = new_order(1, "ignored", who="bob", via="command")
    earlier = new_order(2, "registered", name="desk", who="ann")._replace(at=later.at - 5)
    for order in (later, earlier):
        command.keep(order)
    assert server.orders() == [earlier, later]
    server.carried([earlier.id])
    assert server.orders() == command.orders() == [later]
    for each in (server, command):
        each.close()


def test_what_is_decided_after_a_clock_was_put_back_stays_the_later_decision(tmp_path):
    journal = Journal(tmp_path / "j")
    first = new_order(1, "ignored")._replace(at=1000.0)
    other = new_order(2, "ignored")._replace(at=900.0)
    second = new_order(1, "registered", name="desk")._replace(at=400.0)
    for order in (first, other, second):
        journal.keep(order)
    assert [order.id for order in journal.orders()] == [other.id, first.id, second.id]
    assert journal.orders()[2].at > first.at
    assert overlaid({}, journal.orders())[1].state == "registered"
    journal.close()


def test_a_full_journal_refuses_and_drops_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_module, "MOST_ORDERS", 2)
    journal = Journal(tmp_path / "j")
    kept = [new_order(mac, "registered") for mac in (1, 2)]
    for order in kept:
        journal.keep(order)
    with pytest.raises(RegistryError):
        journal.keep(new_order(3, "registered"))
    assert {order.id for order in journal.orders()} == {order.id for order in kept}
    journal.close()


def test_a_command_begins_no_journal_that_no_server_reads(tmp_path):
    with pytest.raises(RegistryError):
        Journal(tmp_path / "j", create=False)
    assert not (tmp_path / "j").exists()


def test_the_later_decision_is_in_effect_and_what_is_not_said_stays():
    there = Decision(1, "registered", "desk", "hall", "", "lab", 10.0, 4)
    other = Decision(2, "ignored", "", "", "", "", 30.0, 5)
    orders = [
        new_order(1, "registered", name="new")._replace(at=20.0),
        new_order(2, "registered")._replace(at=20.0),
        new_order(3, FORGOTTEN)._replace(at=20.0),
    ]
    found = overlaid({1: there, 2: other}, orders)
    assert found[1] == there._replace(name="new", decided_at=20.0)
    assert (found[2], found[3].state) == (other, FORGOTTEN)
