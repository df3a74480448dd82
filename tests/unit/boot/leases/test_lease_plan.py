from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from coexist.boot.leases.compile import compile_plan
from coexist.boot.leases.evaluate import PlanLeases
from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.responder import Arrival
from coexist.boot.servers.declared import plan_leases
from coexist.inventory import inventory_from_tree
from coexist.wire.bootp import BOOTREQUEST, Packet
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.options import MessageType

OWN = IPv4Address("192.0.2.5")
KNOWN, STRANGER = "02:00:00:00:00:01", "02:00:00:00:00:99"
PXE_BIOS = {60: b"PXEClient:Arch:00000:UNDI:002001", 93: b"\0\0"}
PXE_UEFI = {60: b"PXEClient:Arch:00007:UNDI:003016", 93: b"\0\7"}


def leases(
    scope: dict[str, Any], server: dict[str, Any] | None = None, *, groups: dict[str, Any] | None = None
) -> PlanLeases:
    tree = {
        "site": "plan",
        "vlans": {"lab": {"id": 1, "subnet": "192.0.2.0/24", "gateway": "192.0.2.1"}},
        "servers": {
            "dhcp": {"software": "isc-dhcpd 4.4", "address": str(OWN), "vlan": "lab", **(server or {})},
            "files": {"software": "tftpd", "address": "192.0.2.6", "vlan": "lab"},
        },
        "scopes": {"lab": {"server": "dhcp", "vlan": "lab", "pools": ["192.0.2.100-192.0.2.200"], **scope}},
        "clients": [{"mac": KNOWN, "name": "one", "address": "192.0.2.20"}],
        "groups": groups or {},
    }
    return plan_leases(inventory_from_tree(tree), "dhcp")


def ask(source: PlanLeases, options: dict[int, bytes] | None = None, mac: str = STRANGER) -> Lease | NoLease:
    message = {53: bytes((MessageType.DISCOVER,))}
    packet = Packet(
        op=BOOTREQUEST, xid=1, chaddr=mac_bytes(parse_mac(mac)), options={**message, **(options or {})}
    )
    return source(Arrival(packet=packet, at=0.0, port=67, address=OWN, source=(IPv4Address(0), 68)))


def lease(source: PlanLeases, options: dict[int, bytes] | None = None, mac: str = STRANGER) -> Lease:
    found = ask(source, options, mac)
    assert isinstance(found, Lease), found
    return found


def test_a_value_comes_from_the_first_rule_that_fits_and_says_where() -> None:
    source = leases(
        {
            "next_server": "files",
            "filename": "scope.0",
            "options": {17: "/scope"},
            "rules": [
                {"vendor_class": "PXEClient:Arch:00007", "filename": "rule.efi"},
                {"vendor_class": "PXEClient", "options": {17: "/rule"}},
            ],
        }
    )
    uefi, plain = lease(source, PXE_UEFI), lease(source)
    assert (uefi.file, uefi.options[17]) == (b"rule.efi", b"/rule")
    assert (plain.file, plain.options[17]) == (b"scope.0", b"/scope")
    assert uefi.origins["file"] == ("scopes", "lab", "rules", 0, "filename")
    assert uefi.origins[17] == ("scopes", "lab", "rules", 1, "options", "17")
    assert uefi.origins["siaddr"] == ("scopes", "lab", "next_server")


def test_what_the_server_says_of_itself_holds_below_its_scopes() -> None:
    source = leases(
        {"options": {15: "lab.example"}},
        {"options": {15: "campus.example", 42: "192.0.2.42"}, "programs": {"bios": "own.0"}},
    )
    bios = lease(source, PXE_BIOS)
    assert (bios.file, bios.options[15], bios.options[42]) == (
        b"own.0",
        b"lab.example",
        IPv4Address("192.0.2.42").packed,
    )
    assert lease(source).file == b""


def test_a_server_with_files_is_the_next_server_of_its_files() -> None:
    source = leases({"filename": "pxelinux.0"}, {"roles": ["dhcp", "tftp"]})
    assert lease(source).siaddr == OWN
    assert lease(leases({"filename": "pxelinux.0"})).siaddr == IPv4Address(0)


def test_a_file_of_its_own_server_takes_no_other_file_there() -> None:
    source = leases(
        {
            "programs": {"bios": {"file": "scope.0", "server": "192.0.2.77"}},
            "rules": [{"user_class": "kiosk", "filename": "kiosk.0"}],
        }
    )
    assert lease(source, PXE_BIOS).siaddr == IPv4Address("192.0.2.77")
    kiosk = lease(source, {**PXE_BIOS, 77: b"kiosk"})
    assert (kiosk.file, kiosk.siaddr) == (b"kiosk.0", IPv4Address(0))


def test_a_declared_66_and_67_beat_those_that_follow_from_a_rule() -> None:
    rule = {"vendor_class": "PXEClient", "filename": "rule.0", "next_server": "files"}
    declared = lease(leases({"options": {66: "192.0.2.8", 67: "hex:61"}, "rules": [rule]}), PXE_BIOS)
    assert (declared.file, declared.options[67], declared.options[66]) == (b"rule.0", b"a", b"192.0.2.8")
    derived = lease(leases({"rules": [rule]}), PXE_BIOS)
    assert (derived.options[67], derived.options[66]) == (b"rule.0\0", b"192.0.2.6")


def test_an_empty_file_is_a_file() -> None:
    source = leases({"filename": "scope.0", "rules": [{"clients": "known", "filename": ""}]})
    assert lease(source, mac=KNOWN).file == b""
    assert 67 not in lease(source, mac=KNOWN).options
    assert lease(source).file == b"scope.0"


def test_a_user_class_is_compared_whole() -> None:
    source = leases({"rules": [{"user_class": "PXE", "filename": "x"}]})
    assert lease(source, {77: b"iPXE"}).file == b""
    assert lease(source, {77: b"PXE"}).file == lease(source, {77: b"\3PXE"}).file == b"x"


def test_whom_the_server_refuses() -> None:
    assert isinstance(ask(leases({}, {"answers": "known"})), NoLease)
    assert isinstance(ask(leases({}, {"answers": "known"}), mac=KNOWN), Lease)
    refused = ask(leases({"rules": [{"clients": "unknown", "ignore": True}]}))
    assert isinstance(refused, NoLease)
    assert refused.origin == ("scopes", "lab", "rules", 0)


def test_a_phone_has_no_architecture() -> None:
    source = leases({"programs": {"bios": "b.0"}})
    assert lease(source).file == b""
    assert lease(source, {60: b"PXEClient"}).file == b"b.0"
    assert lease(source, {93: b"\0"}).file == b""


def test_a_reserved_address_and_a_pool_for_some() -> None:
    pools = [{"range": "192.0.2.100-192.0.2.110", "allow": "lab"}]
    source = leases({"pools": pools}, groups={"lab": {"oui": "02:00:01"}})
    assert lease(source, mac=KNOWN).yiaddr == IPv4Address("192.0.2.20")
    assert isinstance(ask(source), NoLease)
    assert lease(source, mac="02:00:01:00:00:01").yiaddr == IPv4Address("192.0.2.100")


def test_a_threshold_on_secs_holds_for_the_server_and_the_scope() -> None:
    server = {"delay": {"secs_at_least": 8}}
    assert lease(leases({"min_secs": 4}, server)).min_secs == 8


def test_by_what_it_tells_clients_apart() -> None:
    source = leases(
        {"rules": [{"clients": "lab", "vendor_class": "PXEClient", "filename": "x"}]},
        groups={"lab": {"oui": "02:00:01"}},
    )
    told = source.distinctions
    assert [(parse_mac("02:00:01:00:00:01") in macs, origin) for macs, origin in told.clients] == [
        (True, ("scopes", "lab", "rules", 0))
    ]
    assert [(test.option, test.octets) for test in told.tests] == [(60, b"PXEClient")]
    assert told.reserved is not None
    assert parse_mac(KNOWN) in told.reserved
    assert source.opens == ()


def test_the_plan_knows_nothing_of_other_servers_scopes() -> None:
    source = leases({})
    plan = compile_plan_of_nobody()
    assert set(source.plan.scopes) == {"lab"}
    assert plan.scopes == {}


def compile_plan_of_nobody() -> Any:
    tree = {
        "site": "none",
        "vlans": {"lab": {"id": 1, "subnet": "192.0.2.0/24"}},
        "servers": {"dhcp": {"software": "kea", "address": "192.0.2.5", "vlan": "lab"}},
    }
    return compile_plan(inventory_from_tree(tree), "dhcp")


def test_what_goes_to_clients_that_do_not_ask() -> None:
    source = leases({"options": {209: "a.cfg", 17: "/x"}, "always_send": [209, 210]})
    assert lease(source).forced == {209}


def test_a_machine_is_told_its_own_name_where_it_has_its_address() -> None:
    source = leases({"options": {12: "declared"}, "host_names": True})
    assert lease(source, mac=KNOWN).options[12] == b"one"
    assert lease(source, mac=KNOWN).origins[12] == ("clients",)
    assert lease(source).options[12] == b"declared"
    assert lease(leases({}), mac=KNOWN).options.get(12) is None


def test_a_reserved_address_is_nobody_elses() -> None:
    pools = ["192.0.2.20-192.0.2.21"]
    assert lease(leases({"pools": pools})).yiaddr == IPv4Address("192.0.2.21")
    assert isinstance(ask(leases({"pools": ["192.0.2.20"]})), NoLease)


def test_a_pool_for_what_clients_send() -> None:
    pools = [
        {"range": "192.0.2.100-192.0.2.110", "vendor_class": "PXEClient"},
        {"range": "192.0.2.120-192.0.2.130", "allow": "known"},
    ]
    source = leases({"pools": pools})
    assert lease(source, PXE_BIOS).yiaddr == IPv4Address("192.0.2.100")
    assert isinstance(ask(source), NoLease)
    assert [test.option for test in source.distinctions.tests] == [60]
