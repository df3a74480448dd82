"""Which of two servers answers a client: dhcpd's and Kea's own files."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from coexist.boot.leases.dhcpd.failover import share_of
from coexist.boot.leases.kea_config import compile_kea
from coexist.boot.leases.kea_file import KeaLeases
from coexist.boot.leases.lease import Lease
from coexist.boot.leases.pairs import Detection, Share, below, every_second
from coexist.boot.responder import Arrival
from coexist.boot.servers.dhcpd import DhcpdModel
from coexist.boot.servers.kea import KeaModel
from coexist.errors import InputError, Position
from coexist.languages.dhcpd.syntax import FailoverPeer
from coexist.languages.kea.json_nodes import read_json
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.load_balancing import bucket
from coexist.wire.mac import mac_bytes
from coexist.wire.options import MessageType, Option

AT = Position("dhcpd.conf", 1, 1)
MACS = [mac_bytes(0x52_54_00_00_00_00 + number) for number in range(512)]


def packet(mac: bytes, kind: MessageType = MessageType.DISCOVER, secs: int = 0, **options: bytes) -> Packet:
    codes: dict[int, bytes] = {int(Option.DHCP_MESSAGE_TYPE): bytes((kind,))}
    codes |= {int(Option[name]): value for name, value in options.items()}
    return Packet(op=1, secs=secs, chaddr=mac, options=codes)


def peer(
    *, primary: bool, split: int | None = None, hba: bytes | None = None, secs: int | None = 3
) -> FailoverPeer:
    return FailoverPeer(AT, "", "p", None, primary, None, split, hba, secs, 600 if primary else None)


@pytest.mark.parametrize("split", [0, 1, 64, 128, 255, 256])
def test_the_primary_answers_the_buckets_below_its_split(split: int) -> None:
    first, second = peer(primary=True, split=split), peer(primary=False)
    one, two = share_of(first, second), share_of(second, first)
    for mac in MACS:
        mine = bucket(mac) < split
        assert (not one.left_to(packet(mac)), not two.left_to(packet(mac))) == (mine, not mine)
    assert (one.longest, two.longest) == (600, 600)


def test_a_bit_of_hba_is_a_bucket_the_lowest_of_an_octet_first() -> None:
    hba = bytes((0b00000101,)) + bytes(31)
    share = share_of(peer(primary=True, hba=hba), None)
    assert {bucket(mac) for mac in MACS if share.has(mac)} == {0, 2}


def test_after_its_seconds_both_answer_and_without_a_limit_always() -> None:
    first, second = peer(primary=True, split=128), peer(primary=False)
    shares = share_of(first, second), share_of(second, first)
    assert all(not share.left_to(packet(mac, secs=4)) for mac in MACS for share in shares)
    assert any(share.left_to(packet(mac, secs=3)) for mac in MACS for share in shares)
    for secs in (None, 0):
        unlimited = share_of(peer(primary=False, secs=secs), peer(primary=True, split=256, secs=secs))
        assert not any(unlimited.left_to(packet(mac)) for mac in MACS)


def test_a_client_identifier_counts_before_the_hardware_address() -> None:
    share = Share(partner="other", mine=below(128))
    mac = next(mac for mac in MACS if share.has(mac) and not share.has(b"\1" + mac))
    assert not share.left_to(packet(mac))
    assert share.left_to(packet(mac, CLIENT_IDENTIFIER=b"\1" + mac)) == "other"


def test_requests_and_reserved_clients_are_shared_where_the_product_does() -> None:
    mac = MACS[0]
    plain = Share(partner="other", mine=0)
    whole = replace(plain, requests=True, reserved=True)
    for share, expected in ((plain, ""), (whole, "other")):
        assert share.left_to(packet(mac, MessageType.REQUEST)) == expected
        assert share.left_to(packet(mac), reserved=True) == expected
        assert share.left_to(packet(mac, MessageType.INFORM)) == ""


# -- Kea --------------------------------------------------------------------------------------------


def relation(
    this: str, mode: str = "load-balancing", second: str = "secondary", **more: object
) -> dict[str, object]:
    peers = [
        {"name": "b", "url": "http://10.2.0.6:8001/", "role": second},
        {"name": "a", "url": "http://10.2.0.5:8001/", "role": "primary"},
    ]
    return {"this-server-name": this, "mode": mode, "peers": peers, **more}


def kea(*relations: dict[str, object]) -> KeaLeases:
    parameters = {"high-availability": list(relations)}
    pools = [
        {"pool": "10.2.1.0-10.2.1.99", "client-class": "HA_a"},
        {"pool": "10.2.1.100-10.2.1.199", "client-class": "HA_b"},
    ]
    tree = {
        "hooks-libraries": [{"library": "/x/libdhcp_ha.so", "parameters": parameters}],
        "subnet4": [{"subnet": "10.2.0.0/16", "pools": pools}],
    }
    text = json.dumps({"Dhcp4": tree}, indent=1)
    return KeaLeases(config=compile_kea(read_json(text, "kea.json", lambda name: Path(name).read_text())))


def leased(leases: KeaLeases, asked: Packet) -> Lease:
    found = leases(
        Arrival(packet=asked, at=0.0, port=67, address=IPv4Address("10.2.0.5"), source=(UNSPECIFIED, 68))
    )
    assert isinstance(found, Lease)
    return found


def test_each_kea_answers_every_second_bucket_from_its_own_pool() -> None:
    one, two = kea(relation("a")), kea(relation("b"))
    for mac in MACS:
        asked = packet(mac)
        first = bucket(mac) % 2 == 0
        assert (not leased(one, asked).left_to, not leased(two, asked).left_to) == (first, not first)
        # Whose client it is decides the pool, whoever answers.
        pool = IPv4Address("10.2.1.0" if first else "10.2.1.100")
        assert leased(one, asked).yiaddr == leased(two, asked).yiaddr == pool
    assert not one.opens


@pytest.mark.parametrize(("mode", "second"), [("hot-standby", "standby"), ("passive-backup", "backup")])
def test_of_the_other_modes_the_primary_answers_all(mode: str, second: str) -> None:
    one, two = kea(relation("a", mode, second)), kea(relation("b", mode, second))
    for mac in MACS[:8]:
        assert not leased(one, packet(mac)).left_to
        assert "a" in leased(two, packet(mac)).left_to
        # While both are up secs changes nothing, and a REQUEST is left to the partner too.
        assert leased(two, packet(mac, secs=60)).left_to
        assert leased(two, packet(mac, MessageType.REQUEST, SERVER_IDENTIFIER=bytes(4))).left_to
    assert [share.takes_over for share in two.shares] == [mode == "hot-standby"]


def test_a_server_without_auto_failover_does_not_take_over() -> None:
    found = relation("b")
    found["peers"][0]["auto-failover"] = False  # type: ignore[index]
    assert [share.takes_over for share in kea(found).shares] == [False]


def test_several_relations_and_none_stay_open() -> None:
    for relations in ((), (relation("a"), relation("a"))):
        assert [condition.what for condition in kea(*relations).opens] == ["the hook libdhcp_ha.so"]


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (relation("c"), 9),
        (relation("a", "active-active"), 10),
        (relation("a", "hot-standby"), 11),
        (relation("a", "load-balancing", "third"), 15),
    ],
)
def test_what_kea_refuses_is_refused_at_its_line(broken: dict[str, object], line: int) -> None:
    with pytest.raises(InputError) as refused:
        kea(broken)
    assert refused.value.problems[0].position.line == line


# -- the models -------------------------------------------------------------------------------------


def test_a_model_answers_its_partners_clients_when_it_is_alone() -> None:
    leases = kea(relation("b", "hot-standby", "standby"))
    model = KeaModel(name="b", leases=leases)
    arrival = Arrival(
        packet=packet(MACS[0]), at=0.0, port=67, address=IPv4Address("10.2.0.6"), source=(UNSPECIFIED, 68)
    )
    assert not model.receive(None, arrival).replies
    assert replace(model, alone=True).receive(None, arrival).replies


def test_a_dhcpd_acknowledges_an_active_lease_that_names_its_partner() -> None:
    lease = Lease(yiaddr=IPv4Address("10.2.1.1"), left_to="other", paired=True)
    model = DhcpdModel(name="two", leases=lambda _: lease, ping_check=False)

    def arrival(asked: Packet) -> Arrival:
        return Arrival(
            packet=asked, at=0.0, port=67, address=IPv4Address("10.2.0.6"), source=(UNSPECIFIED, 68)
        )

    request = packet(MACS[0], MessageType.REQUEST, SERVER_IDENTIFIER=IPv4Address("10.2.0.5").packed)
    heard = model.receive(model.initial(), arrival(request))
    assert not heard.replies
    # The partner has leased the address and said so. A DISCOVER goes by the hash all the same.
    assert not model.receive(heard.state, arrival(packet(MACS[0]))).replies
    assert model.receive(heard.state, arrival(request)).replies


def test_the_two_halves_are_all() -> None:
    assert every_second(0) | every_second(1) == below(256)
    assert every_second(0) & every_second(1) == 0


# -- Kea, between the loss of contact and PARTNER-DOWN ------------------------------------------------


def lost_kea(**more: Any) -> tuple[KeaModel, list[bytes]]:
    """The first server of a pair that has lost the other, and clients of that one."""
    leases = kea(relation("a", **more))
    theirs = [mac for mac in MACS if bucket(mac) % 2]
    return KeaModel(name="one", leases=leases, lost=True), theirs


def arrived(mac: bytes, secs: int) -> Arrival:
    return Arrival(
        packet=packet(mac, secs=secs),
        at=0.0,
        port=67,
        address=IPv4Address("10.2.0.5"),
        source=(UNSPECIFIED, 68),
    )


def test_the_delays_of_the_hook_are_read_in_seconds() -> None:
    usual = kea(relation("a")).shares[0].detection
    assert usual == Detection(silence=60.0, waited=10.0, clients=10)
    said: dict[str, Any] = {"max-response-delay": 30000, "max-ack-delay": 5000, "max-unacked-clients": 2}
    assert kea(relation("a", **said)).shares[0].detection == Detection(silence=30.0, waited=5.0, clients=2)


def test_a_kea_takes_over_when_more_than_so_many_clients_have_waited_too_long() -> None:
    model, theirs = lost_kea(**{"max-unacked-clients": 2, "max-ack-delay": 5000})
    state = model.initial()
    # Not those that have not waited, nor one that asks again, and none of its own clients.
    asked = [(theirs[0], 5), (theirs[0], 6), (theirs[0], 60), (theirs[1], 0x0900), (theirs[2], 4)]
    for mac, secs in asked:
        reaction = model.receive(state, arrived(mac, secs))
        assert not reaction.replies
        state = reaction.state
    own = next(mac for mac in MACS if not bucket(mac) % 2)
    reaction = model.receive(state, arrived(own, 60))
    assert reaction.replies
    assert reaction.state == state
    # The third is counted and dropped; after it the server answers everyone.
    state = model.receive(state, arrived(theirs[2], 6)).state
    assert not model.receive(model.initial(), arrived(theirs[3], 0)).replies
    assert model.receive(state, arrived(theirs[3], 0)).replies


def test_without_clients_to_wait_for_the_loss_of_contact_is_enough() -> None:
    model, theirs = lost_kea(**{"max-unacked-clients": 0})
    assert model.receive(model.initial(), arrived(theirs[0], 0)).replies


def test_a_kea_that_hears_its_partner_counts_nobody() -> None:
    model, theirs = lost_kea(**{"max-unacked-clients": 0})
    near = replace(model, lost=False)
    reaction = near.receive(near.initial(), arrived(theirs[0], 60))
    assert (reaction.replies, reaction.state) == ((), near.initial())


def test_a_kea_that_does_not_take_over_waits_for_ever() -> None:
    none: dict[str, Any] = {"max-unacked-clients": 0}
    found = relation("a", **none)
    found["peers"][1]["auto-failover"] = False  # type: ignore[index]
    model = KeaModel(name="one", leases=kea(found), lost=True)
    mac = next(mac for mac in MACS if bucket(mac) % 2)
    assert not model.receive(model.initial(), arrived(mac, 60)).replies
