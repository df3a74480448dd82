"""What is heard of other servers, in the order it was said and not the order it is read in."""

from __future__ import annotations

from dataclasses import replace

from coexist.server.seen import ATTEMPT_ENDS_AFTER
from tests.unit.server.conftest import CHOICE, LEASED, OTHER, THIN, config, discover


def test_offers_said_before_a_packet_count_although_everything_is_read_at_once(wire):
    """A server that was busy finds both sockets full; the one of port 67 comes first."""
    wire.client_sends(1)
    wire.other_offers()
    wire.client_sends(3, more=CHOICE)
    wire.client_sends(1)
    wire.proxy.drain()
    assert wire.decisions() == {"ANSWERED": 1, "OTHER_SERVER": 2}


def test_an_offer_heard_before_its_client_was_known_tells_of_the_server(wire):
    wire.other_offers()
    wire.watch.drain()
    wire.client_sends(1)
    wire.client_sends(3, more=CHOICE)
    wire.client_sends(1)
    wire.proxy.drain()
    assert wire.decisions() == {"ANSWERED": 1, "OTHER_SERVER": 2}


AFTER_OFFER = {**config()["rules"][0], "delay": {"after_offer": True}}


def test_an_offer_that_is_read_before_its_discover_counts_from_the_next_one_on(wire):
    """A DHCP server that is faster than this one has answered before the DISCOVER is read here."""
    wire.use(rules=[AFTER_OFFER])
    wire.client_sends(1)
    wire.other_offers(vendor_class=b"")
    wire.watch.drain()
    wire.proxy.drain()
    assert wire.decisions() == {"NO_OFFER": 1}
    wire.client_sends(1)
    wire.proxy.drain()
    assert wire.decisions() == {"NO_OFFER": 1, "ANSWERED": 1}
    client = wire.proxy.clients.find(discover(THIN).mac)
    assert client.answered_by == str(OTHER)


def test_so_does_one_of_a_client_that_begins_again(wire):
    wire.use(rules=[AFTER_OFFER])
    wire.client_sends(1)
    wire.proxy.drain()
    wire.proxy.clients.find(discover(THIN).mac).last -= ATTEMPT_ENDS_AFTER
    wire.client_sends(1)
    wire.other_offers(vendor_class=b"")
    wire.proxy.drain()
    assert wire.decisions() == {"NO_OFFER": 2}
    wire.client_sends(1)
    wire.proxy.drain()
    assert wire.decisions() == {"NO_OFFER": 2, "ANSWERED": 1}


def test_an_offer_of_long_ago_is_of_another_boot(wire):
    wire.use(rules=[AFTER_OFFER])
    wire.other_offers(vendor_class=b"")
    wire.watch.drain()
    wire.watch.early = {mac: (at - 5, server) for mac, (at, server) in wire.watch.early.items()}
    for _ in range(2):
        wire.client_sends(1)
        wire.proxy.drain()
    assert wire.decisions() == {"NO_OFFER": 2}


def test_addresses_offered_to_machines_that_never_boot_are_bounded(wire):
    offer = replace(discover(THIN), op=2, yiaddr=LEASED, options={53: b"\x02", 54: OTHER.packed})
    for number in range(3000):
        wire.watch.observe(replace(offer, chaddr=number.to_bytes(6, "big")), now=0.0)
    assert len(wire.watch.early) == 1000
    assert wire.proxy.clients.clients == {}


def test_an_address_from_a_server_without_pxe_is_no_choice_of_a_boot_server(wire):
    wire.client_sends(1)
    wire.other_offers(vendor_class=b"MSFT 5.0")
    wire.client_sends(3, more=CHOICE)
    wire.client_sends(1)
    wire.proxy.drain()
    assert wire.decisions() == {"ANSWERED": 2, "OTHER_SERVER": 1}


def test_what_a_probe_hears_counts_for_its_own_wait(wire):
    """A rule that waits for a DHCP server's offer answers a probe as it answers a machine."""
    wire.use(rules=[AFTER_OFFER])
    asked = discover(THIN, options={12: b"coexist-probe"})
    wire.send(asked, wire.on_67)
    wire.proxy.drain()
    assert wire.proxy.counters.offers == 0
    offer = replace(asked, op=2, yiaddr=LEASED, options={53: b"\x02", 54: OTHER.packed})
    wire.send(offer, wire.on_68)
    wire.send(asked, wire.on_67)
    wire.proxy.drain()
    assert wire.proxy.counters.offers == 1
    assert wire.proxy.clients.find(asked.mac) is None
