"""A Kea configuration as a source of leases: what it leases, from which place, and what it tells apart."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.boot.leases.kea_config import compile_kea
from coexist.boot.leases.kea_file import KeaLeases
from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.responder import Arrival
from coexist.errors import InputError, Position
from coexist.languages.kea.json_nodes import read_json
from coexist.wire.bootp import BOOTREQUEST, UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes, parse_mac

MAC = "02:00:5e:00:00:01"
SUBNET = {"subnet": "10.9.0.0/24", "pools": [{"pool": "10.9.0.10-10.9.0.20"}]}


def no_file(name: str) -> str:
    raise FileNotFoundError(name)


def source(dhcp4: dict[str, Any], **more: Any) -> KeaLeases:
    text = json.dumps({"Dhcp4": dhcp4}, indent=1)
    return KeaLeases(config=compile_kea(read_json(text, "kea.conf", no_file)), **more)


def leased(leases: KeaLeases, *, kind: int = 1, **options: Any) -> Lease | NoLease:
    sent = {int(name[1:]): value for name, value in options.items()}
    packet = Packet(op=BOOTREQUEST, chaddr=mac_bytes(parse_mac(MAC)), options={53: bytes((kind,)), **sent})
    own = IPv4Address("10.9.0.2")
    return leases(Arrival(packet=packet, at=0.0, port=67, address=own, source=(UNSPECIFIED, 68)))


def one(leases: KeaLeases, **options: Any) -> Lease:
    lease = leased(leases, **options)
    assert isinstance(lease, Lease)
    return lease


def test_who_is_heard_before_whom() -> None:
    def data(text: str) -> list[dict[str, Any]]:
        return [{"name": "root-path", "data": text}]

    dhcp4: dict[str, Any] = {
        "option-data": data("global"),
        "next-server": "10.9.0.1",
        "client-classes": [
            {
                "name": "c",
                "test": "option[93].exists",
                "next-server": "10.9.0.3",
                "option-data": data("class"),
            }
        ],
        "subnet4": [SUBNET],
    }
    lease = one(source(dhcp4), _93=b"\0\7")
    assert (lease.options[17], str(lease.siaddr)) == (b"class", "10.9.0.3")
    pool = {"pool": "10.9.0.10-10.9.0.20", "option-data": data("pool")}
    subnet = {**SUBNET, "option-data": data("subnet"), "next-server": "10.9.0.2"}
    lease = one(source({**dhcp4, "subnet4": [subnet]}), _93=b"\0\7")
    assert (lease.options[17], str(lease.siaddr)) == (b"subnet", "10.9.0.3")
    lease = one(source({**dhcp4, "subnet4": [{**subnet, "pools": [pool]}]}))
    assert (lease.options[17], str(lease.siaddr)) == (b"pool", "10.9.0.2")
    host = {"hw-address": MAC, "next-server": "10.9.0.4", "option-data": data("host")}
    lease = one(source({**dhcp4, "subnet4": [{**subnet, "pools": [pool], "reservations": [host]}]}))
    assert (lease.options[17], str(lease.siaddr)) == (b"host", "10.9.0.4")


def test_every_value_names_its_place() -> None:
    lease = one(source({"subnet4": [{**SUBNET, "boot-file-name": "x.0", "valid-lifetime": 60}]}))
    assert lease.lease_time == 60
    lines = {key: place.line for key, place in lease.origins.items() if isinstance(place, Position)}
    assert lines == {"yiaddr": 7, "file": 11, "lease_time": 12}


def test_a_class_that_is_asked_for_is_looked_at_later() -> None:
    part = {"name": "c", "test": "option[93].exists", "only-if-required": True, "boot-file-name": "c.0"}
    dhcp4 = {"client-classes": [part], "subnet4": [SUBNET]}
    assert one(source(dhcp4), _93=b"\0\7").file == b""
    asking = {**SUBNET, "require-client-classes": ["c"]}
    assert one(source({**dhcp4, "subnet4": [asking]}), _93=b"\0\7").file == b"c.0"


def test_a_class_without_test_is_added_where_it_is_asked_for_since_2_7() -> None:
    part = {"name": "c", "only-in-additional-list": True, "boot-file-name": "c.0"}
    dhcp4 = {"client-classes": [part], "subnet4": [{**SUBNET, "evaluate-additional-classes": ["c"]}]}
    assert one(source(dhcp4)).file == b""
    assert one(source(dhcp4, version=(3, 0))).file == b"c.0"


def test_never_send() -> None:
    data = [{"name": "root-path", "data": "x", "always-send": True}]
    never = [{"name": "root-path", "data": "y", "never-send": True}]
    lease = one(source({"option-data": never, "subnet4": [{**SUBNET, "option-data": data}]}))
    assert 17 not in lease.options


def test_who_is_refused() -> None:
    drop = {"name": "DROP", "test": "member('UNKNOWN')"}
    refusal = leased(source({"client-classes": [drop], "subnet4": [SUBNET]}))
    assert isinstance(refusal, NoLease)
    assert isinstance(refusal.origin, Position)
    guarded = {"subnet": "10.9.0.0/24", "pools": [{"pool": "10.9.0.10-10.9.0.20", "client-class": "KNOWN"}]}
    refusal = leased(source({"subnet4": [guarded]}))
    assert isinstance(refusal, NoLease)
    assert not refusal.nak
    asked = {"_50": bytes((10, 9, 0, 11)), "_54": bytes((10, 9, 0, 2))}
    refusal = leased(source({"subnet4": [guarded]}), kind=3, **asked)
    assert isinstance(refusal, NoLease)
    assert refusal.nak


def test_what_it_tells_apart() -> None:
    found = source(
        {
            "client-classes": [
                {"name": "a", "test": "substring(option[60].hex,0,9) == 'PXEClient' or option[61].exists"},
                {"name": "b", "test": "substring(pkt4.mac,0,3) == 0x02005e"},
            ],
            "subnet4": [{**SUBNET, "reservations": [{"hw-address": MAC, "ip-address": "10.9.0.5"}]}],
        }
    ).distinctions
    assert [(test.option, test.octets) for test in found.tests] == [(60, b"PXEClient"), (61, b"")]
    assert sorted(len(macs) for macs, _ in found.clients) == [1, 1 << 24]
    assert found.reserved is not None
    assert parse_mac(MAC) in found.reserved


def test_what_only_the_server_knows_is_open() -> None:
    leases = source(
        {"hooks-libraries": [{"library": "/x/libdhcp_ha.so"}], "hosts-database": {"type": "mysql"}}
    )
    assert [found.what for found in leases.opens] == ["a host database", "the hook libdhcp_ha.so"]


@pytest.mark.parametrize(
    ("dhcp4", "message"),
    [
        ({"option-data": [{"code": 230, "data": "a"}]}, "does not exist"),
        ({"option-data": [{"name": "routers", "data": "a"}]}, "option 3"),
        ({"client-classes": [{"name": "c", "test": "option[60].hex"}]}, "not understood"),
        ({"subnet4": [{"subnet": "10.9.0.0/33"}]}, "no subnet"),
        ({"subnet4": [{"subnet": "10.9.0.0/24", "pools": [{"pool": "10.9.0.9"}]}]}, "no pool"),
    ],
)
def test_what_the_server_refuses(dhcp4: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        source(dhcp4)


@pytest.mark.parametrize(
    ("test", "holds"),
    [
        ("not (addrtotext(option[60].hex) == 'x')", False),
        ("option[60].exists or uint16totext(option[60].hex) == '1'", False),
        ("not (addrtotext(option[61].hex) == 'x')", True),
        ("uint16totext(option[93].hex) == '7'", True),
        ("split(option[60].hex, '', 2) == 'PXE'", True),
        ("pkt.len == 252", True),
    ],
)
def test_a_conversion_of_another_length_puts_a_client_into_no_class(test: str, holds: bool) -> None:
    """Nothing at all is converted to nothing; the length of a packet is its options' and 236 octets."""
    dhcp4 = {"client-classes": [{"name": "c", "test": test, "next-server": "10.9.0.3"}], "subnet4": [SUBNET]}
    found = one(source(dhcp4), _60=b"PXE", _93=b"\0\7", _80=b"", _118=b"")
    assert (found.siaddr == IPv4Address("10.9.0.3")) is holds


@pytest.mark.parametrize(
    ("own", "address"),
    [
        ({}, "10.7.0.7"),
        ({"ip-address": "10.9.0.8"}, "10.9.0.8"),
        ({"hostname": "one", "reservations-in-subnet": False}, "10.7.0.7"),
    ],
)
def test_a_global_address_counts_in_every_subnet_that_looks_for_it(own: dict[str, Any], address: str) -> None:
    """Also in one that it is not of; a subnet's own reservation comes before it (packets of 2.2.0)."""
    looks = {"reservations-global": True, "reservations-in-subnet": own.pop("reservations-in-subnet", True)}
    subnet = {**SUBNET, **looks, **({"reservations": [{"hw-address": MAC, **own}]} if own else {})}
    everywhere = [{"hw-address": MAC, "ip-address": "10.7.0.7"}]
    found = one(source({"reservations": everywhere, "subnet4": [subnet]}))
    assert found.yiaddr == IPv4Address(address)


@pytest.mark.parametrize(("looks", "address"), [(True, "10.8.0.7"), (False, "10.9.0.10")])
def test_a_subnet_without_reservations_asks_for_none_in_its_network(looks: bool, address: str) -> None:
    reserved = {
        "subnet": "10.8.0.0/24",
        "id": 2,
        "reservations": [{"hw-address": MAC, "ip-address": "10.8.0.7"}],
    }
    entered = {**SUBNET, "id": 1, "reservations-in-subnet": looks}
    found = one(source({"shared-networks": [{"name": "hall", "subnet4": [entered, reserved]}]}))
    assert found.yiaddr == IPv4Address(address)


def test_nothing_is_leased_where_a_global_address_meets_a_reservation_without_one() -> None:
    own = [{"hw-address": MAC, "hostname": "one"}]
    subnet = {**SUBNET, "reservations-global": True, "reservations": own}
    everywhere = [{"hw-address": MAC, "ip-address": "10.9.0.7"}]
    found = leased(source({"reservations": everywhere, "subnet4": [subnet]}))
    assert isinstance(found, NoLease)
    assert not found.nak


CARDS = {
    "shared-networks": [
        {
            "name": "frog",
            "interface": "eth7",
            "subnet4": [
                {"subnet": "10.8.0.0/24", "pools": [{"pool": "10.8.0.10-10.8.0.20"}]},
                {"subnet": "10.9.0.0/24", "pools": [{"pool": "10.9.0.10-10.9.0.20"}]},
            ],
        }
    ]
}


def test_the_network_card_of_a_subnet_is_named_by_the_file() -> None:
    """cfg_subnets4.cc: the first subnet of the card the packet came by, whatever the card's address."""
    assert one(source(CARDS)).yiaddr == IPv4Address("10.8.0.10")


def test_a_client_that_renews_is_of_the_subnet_of_its_address() -> None:
    dhcp4 = {"subnet4": [{"subnet": "10.8.0.0/24", "pools": [{"pool": "10.8.0.10/31"}]}, SUBNET]}
    renewing = Packet(
        op=BOOTREQUEST,
        chaddr=mac_bytes(parse_mac(MAC)),
        ciaddr=IPv4Address("10.8.0.11"),
        options={53: b"\3"},
    )
    own = IPv4Address("10.9.0.2")
    lease = source(dhcp4)(
        Arrival(packet=renewing, at=0.0, port=67, address=own, source=(renewing.ciaddr, 68))
    )
    assert isinstance(lease, Lease)
    assert lease.yiaddr == renewing.ciaddr


def test_a_broadcast_of_no_subnet_is_not_let_in() -> None:
    """acceptDirectRequest: an INFORM either."""
    elsewhere = {"subnet4": [{"subnet": "10.8.0.0/24", "pools": [{"pool": "10.8.0.10/31"}]}]}
    assert isinstance(leased(source(elsewhere), kind=8), NoLease)


def test_a_subnet_that_says_so_inherits_no_next_server() -> None:
    dhcp4 = {"next-server": "10.9.0.1", "subnet4": [SUBNET]}
    assert one(source(dhcp4)).siaddr == IPv4Address("10.9.0.1")
    dhcp4["subnet4"] = [SUBNET | {"next-server": "0.0.0.0"}]
    assert one(source(dhcp4)).siaddr == UNSPECIFIED


def test_clients_of_a_shared_network_lease_from_one_of_its_subnets() -> None:
    """SharedNetwork4::getPreferredSubnet, of those that are for the same classes."""
    nets: list[dict[str, Any]] = [
        {"subnet": f"10.{n}.0.0/24", "pools": [{"pool": f"10.{n}.0.10/31"}]} for n in (7, 8, 9)
    ]
    nets[0]["pools"] = []
    assert one(source({"shared-networks": [{"name": "s", "subnet4": nets}]})).yiaddr == IPv4Address(
        "10.8.0.10"
    )
    nets[1]["client-class"] = "ALL"
    assert one(source({"shared-networks": [{"name": "s", "subnet4": nets}]})).yiaddr == IPv4Address(
        "10.9.0.10"
    )


# -- a shared network ----------------------------------------------------------------------------------


def network(*subnets: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"shared-networks": [{"name": "halls", "subnet4": list(subnets), **more}]}


def part(number: int, third: int, *addresses: str, **more: Any) -> dict[str, Any]:
    """A subnet 10.9.THIRD.0/24 with an id, a pool and reservations of the machine that asks."""
    hosts = [{"hw-address": MAC, "ip-address": address} for address in addresses]
    return {
        "id": number,
        "subnet": f"10.9.{third}.0/24",
        "pools": [{"pool": f"10.9.{third}.100-10.9.{third}.110"}],
        "reservations": hosts,
        **more,
    }


@pytest.mark.parametrize(
    ("ids", "address"), [((30, 20, 10), "10.9.2.11"), ((1, 2, 3), "10.9.1.11"), ((2, 1, 3), "10.9.2.11")]
)
def test_reservations_in_a_network_are_looked_for_round_by_ids(ids: tuple[int, ...], address: str) -> None:
    """``Impl::getNextSubnet``: from the selected subnet, which has none, upwards, then from the lowest."""
    first, second, third = ids
    told = network(part(first, 0), part(second, 1, "10.9.1.11"), part(third, 2, "10.9.2.11"))
    lease = one(source(told))
    assert (str(lease.yiaddr), lease.reserved) == (address, True)


@pytest.mark.parametrize("key", ["reservations-out-of-pool", "reservation-mode"])
def test_a_reservation_in_a_pool_is_passed_over_where_pools_hold_none(key: str) -> None:
    value: object = True if key == "reservations-out-of-pool" else "out-of-pool"
    inside = one(source({"subnet4": [part(1, 0, "10.9.0.105", **{key: value})]}))
    outside = one(source({"subnet4": [part(1, 0, "10.9.0.11", **{key: value})]}))
    assert (str(inside.yiaddr), inside.reserved) == ("10.9.0.100", False)
    assert (str(outside.yiaddr), outside.reserved) == ("10.9.0.11", True)


@pytest.mark.parametrize(("subnets", "file"), [(2, b"mac"), (3, b"identifier")])
def test_in_a_network_of_many_subnets_the_last_identifier_counts(subnets: int, file: bytes) -> None:
    """FindReservation: more subnets than identifiers are asked for by one query each."""
    hosts = [
        {"hw-address": MAC, "boot-file-name": "mac"},
        {"client-id": "0102", "boot-file-name": "identifier"},
    ]
    parts = [part(number, number - 1) for number in range(1, subnets + 1)]
    parts[0]["reservations"] = hosts
    order = {"host-reservation-identifiers": ["hw-address", "client-id"]}
    assert one(source(network(*parts) | order), o61=b"\1\2").file == file


def test_a_request_for_the_address_of_another_machine_is_refused() -> None:
    other = {"hw-address": "02:00:5e:00:00:99", "ip-address": "10.9.0.11"}
    leases = source({"subnet4": [part(1, 0, reservations=[other])]})
    refused = leased(leases, kind=3, o50=bytes((10, 9, 0, 11)), o54=bytes((10, 9, 0, 2)))
    assert isinstance(refused, NoLease)
    assert refused.nak


def test_an_address_may_be_reserved_by_two_identifiers_of_one_machine() -> None:
    hosts = [{"hw-address": MAC, "ip-address": "10.9.0.11"}, {"client-id": "0102", "ip-address": "10.9.0.11"}]
    leases = source({"ip-reservations-unique": False, "subnet4": [part(1, 0, reservations=hosts)]})
    granted = leased(leases, kind=3, o50=bytes((10, 9, 0, 11)), o54=bytes((10, 9, 0, 2)), o61=b"\1\2")
    assert isinstance(granted, Lease)
    assert granted.reserved


def test_from_which_subnet_a_network_leases_is_open_where_boot_depends_on_it() -> None:
    alike = source(
        network(part(1, 0), part(2, 1, **{"option-data": [{"name": "routers", "data": "10.9.1.1"}]}))
    )
    assert alike.opens == ()
    leases = source(network(part(1, 0), part(2, 1, **{"next-server": "10.9.1.9"})))
    (condition,) = leases.opens
    assert isinstance(condition.origin, Position)
    assert condition.origin.line > 1
    assert str(one(leases).siaddr) == "0.0.0.0"
    assert str(one(leases.closed({condition: True})).siaddr) == "10.9.1.9"
    assert str(one(leases.closed({condition: False})).siaddr) == "0.0.0.0"


def test_an_option_may_be_for_some_classes() -> None:
    """Of those with one code the first that is for the client; an outer level tells those it is not for."""
    classes = [{"name": "pc", "test": "option[60].exists"}]
    for_pcs = {"name": "root-path", "data": "/pc", "client-classes": ["other", "pc"]}
    inner = [for_pcs, {"name": "merit-dump", "data": "m", "client-classes": ["other"]}]
    dhcp4 = {
        "client-classes": [*classes, {"name": "other"}],
        "option-data": [{"name": "root-path", "data": "/all"}],
        "subnet4": [part(1, 0, **{"option-data": inner})],
    }
    leases = source(dhcp4)
    assert one(leases, o60=b"x").options[17] == b"/pc"
    assert one(leases).options[17] == b"/all"
    assert 14 not in one(leases, o60=b"x").options
    with pytest.raises(InputError) as caught:
        compile_kea(read_json(json.dumps({"Dhcp4": dhcp4}, indent=1), "kea.conf", no_file), (2, 6))
    assert "client-classes" in str(caught.value)


def test_a_template_puts_a_client_into_a_class_of_its_value() -> None:
    """By the ARM of 2.4, "Template Classes": SPAWN_, the name, the value; and the class itself."""
    template = "ifelse(option[77].exists, option[77].hex, '')"
    dhcp4 = {
        "client-classes": [
            {"name": "kind", "template-test": template, "next-server": "10.9.0.7"},
            {"name": "SPAWN_kind_lab", "boot-file-name": "lab.0"},
            {"name": "of-labs", "test": "member('SPAWN_kind_lab')", "server-hostname": "labs"},
        ],
        "subnet4": [part(1, 0)],
    }
    leases = source(dhcp4, version=(2, 4))
    lab, other, none = one(leases, o77=b"lab"), one(leases, o77=b"hall"), one(leases)
    assert (lab.file, lab.sname, str(lab.siaddr)) == (b"lab.0", b"labs", "10.9.0.7")
    assert (other.file, other.sname, str(other.siaddr)) == (b"", b"", "10.9.0.7")
    assert (none.file, str(none.siaddr)) == (b"", "0.0.0.0")


def test_a_template_of_an_option_is_told_apart_by_the_values_that_are_named() -> None:
    dhcp4 = {
        "client-classes": [{"name": "kind", "template-test": "option[77].hex"}],
        "subnet4": [part(1, 0, **{"client-class": "SPAWN_kind_lab"})],
    }
    told = source(dhcp4, version=(2, 4)).distinctions
    assert {(test.option, test.equals, test.exists) for test in told.tests} == {
        (77, "hex:6c:61:62", None),
        (77, None, True),
    }
    assert told.unclear == ()
