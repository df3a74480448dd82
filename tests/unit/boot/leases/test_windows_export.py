"""What a Windows DHCP server leases by its export: levels, policies, ranges, filters and what stays open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.leases.windows.source import WindowsLeases
from coexist.boot.responder import Arrival
from coexist.boot.servers.microsoft import windows_dhcp
from coexist.errors import InputError, Position
from coexist.languages.windows.failover import read_failover
from coexist.languages.windows.reader import read_export
from coexist.wire.bootp import BOOTREQUEST, UNSPECIFIED, Packet
from coexist.wire.load_balancing import bucket
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.option_codes import INFINITE_LEASE
from coexist.wire.options import MessageType, Option

OFFICE = Path(__file__).parents[3] / "data" / "own-files" / "windows" / "office.xml"
EDK2 = b"PXEClient:Arch:00007:UNDI:003016"
BIOS = b"PXEClient:Arch:00000:UNDI:002001"


def line_of(text: str, *, after: str = "") -> int:
    """The line of the first element of the file with a text behind a mark."""
    lines = OFFICE.read_text().splitlines()
    begin = next(n for n, line in enumerate(lines) if after in line)
    return next(n + 1 for n, line in enumerate(lines) if n >= begin and text in line)


def export(text: str) -> WindowsLeases:
    return WindowsLeases(export=read_export(text.encode(), "export.xml"))


@pytest.fixture(scope="module")
def office() -> WindowsLeases:
    return WindowsLeases(export=read_export(OFFICE.read_bytes(), "office.xml"))


def asked(
    leases: WindowsLeases,
    mac: str,
    more: Mapping[int, bytes] | None = None,
    *,
    relay: str = "0.0.0.0",
    here: str = "10.50.0.5",
    kind: MessageType = MessageType.DISCOVER,
) -> Lease | NoLease:
    packet = Packet(
        op=BOOTREQUEST,
        giaddr=IPv4Address(relay),
        chaddr=mac_bytes(parse_mac(mac)),
        options={Option.DHCP_MESSAGE_TYPE: bytes((kind,)), **(more or {})},
    )
    return leases(
        Arrival(packet=packet, at=0.0, port=67, address=IPv4Address(here), source=(UNSPECIFIED, 68))
    )


def leased(leases: WindowsLeases, mac: str, more: Mapping[int, bytes] | None = None, **how: str) -> Lease:
    found = asked(leases, mac, more, **how)  # type: ignore[arg-type]
    assert isinstance(found, Lease), found
    return found


def file_of(lease: Lease) -> bytes:
    return lease.options[Option.BOOTFILE_NAME].rstrip(b"\0")


def line(lease: Lease, value: int | str) -> int:
    origin = lease.origins[value]  # type: ignore[index]
    assert isinstance(origin, Position)
    return origin.line


@pytest.mark.parametrize(
    ("mac", "more", "file", "stands_after"),
    [
        ("52:54:00:00:00:01", {}, b"server.0", "<OptionValues>"),
        ("52:54:00:00:00:01", {60: EDK2}, b"snponly.efi", "<Name>uefi<"),
        ("52:54:00:00:00:01", {60: BIOS}, b"server.0", "<OptionValues>"),
        # The first policy in order gives an option.
        ("52:54:00:00:00:01", {60: EDK2, 77: b"iPXE"}, b"http://10.50.0.9/boot.ipxe", "<Name>second stage<"),
        # A scope's policy comes before the server's, and a reservation before every policy.
        ("00:15:5d:00:00:07", {60: EDK2}, b"virtual.0", "<Name>virtual machines<"),
        ("00:15:5d:00:00:01", {60: EDK2}, b"own.0", "<Name>printer<"),
    ],
)  # fmt: skip
def test_an_option_comes_from_the_level_of_most_authority(
    office: WindowsLeases, mac: str, more: dict[int, bytes], file: bytes, stands_after: str
) -> None:
    lease = leased(office, mac, more)
    assert file_of(lease) == file
    at = line(lease, Option.BOOTFILE_NAME)
    # The value stands two lines below its element, and behind what gives it.
    assert OFFICE.read_text().splitlines()[at + 1].strip() == f"<Value>{file.decode()}</Value>"
    assert at >= line_of(stands_after) - 1


def test_options_of_several_policies_are_combined(office: WindowsLeases) -> None:
    lease = leased(office, "52:54:00:00:00:01", {60: EDK2, 77: b"iPXE"})
    assert lease.options[Option.TFTP_SERVER_NAME] == b"10.50.0.9\0"
    assert lease.siaddr == IPv4Address("10.50.0.9")
    assert lease.rule == "second stage"


@pytest.mark.parametrize(
    ("mac", "address", "reserved", "seconds"),
    [
        # 10.50.0.100-109 is excluded and 10.50.0.110 reserved.
        ("52:54:00:00:00:01", "10.50.0.111", False, 691200),
        ("52:54:00:50:00:02", "10.50.0.110", True, 691200),
        ("00:15:5d:00:00:07", "10.50.0.180", False, 3600),
        # A reserved address may be an excluded one; the lease time is still its policy's.
        ("00:15:5d:00:00:01", "10.50.0.105", True, 3600),
    ],
)
def test_addresses_come_from_reservations_policies_and_the_rest_of_the_range(
    office: WindowsLeases, mac: str, address: str, reserved: bool, seconds: int
) -> None:
    lease = leased(office, mac)
    assert (str(lease.yiaddr), lease.reserved, lease.lease_time) == (address, reserved, seconds)


def test_a_relayed_client_is_served_by_its_scope_whose_policies_are_off(office: WindowsLeases) -> None:
    lease = leased(office, "52:54:00:00:00:01", relay="10.51.0.1")
    assert (str(lease.yiaddr), file_of(lease)) == ("10.51.0.10", b"server.0")
    assert lease.lease_time == INFINITE_LEASE
    refused = asked(office, "52:54:00:00:00:01", relay="10.52.0.1")
    assert isinstance(refused, NoLease)


def test_a_denied_machine_is_refused_at_its_filter(office: WindowsLeases) -> None:
    refused = asked(office, "de:ad:be:00:00:01")
    assert isinstance(refused, NoLease)
    assert isinstance(refused.origin, Position)
    assert refused.origin.line == line_of("DE-AD-BE-")


def test_options_of_a_vendor_class_go_inside_option_43(office: WindowsLeases) -> None:
    lease = leased(office, "52:54:00:00:00:01", {60: b"MSFT 5.0"})
    assert lease.options[Option.VENDOR_SPECIFIC_INFORMATION] == b"\2\4\0\0\0\1"
    assert lease.options[2] == (3600).to_bytes(4, "big")
    assert Option.VENDOR_SPECIFIC_INFORMATION not in leased(office, "52:54:00:00:00:01").options


def test_an_inform_is_told_options_alone(office: WindowsLeases) -> None:
    told = asked(office, "52:54:00:00:00:01", kind=MessageType.INFORM)
    assert isinstance(told, Lease)
    assert (told.yiaddr, file_of(told)) == (UNSPECIFIED, b"server.0")


def test_a_pxe_uuid_does_not_hide_a_reservation(office: WindowsLeases) -> None:
    uuid = {61: b"\0" + bytes(range(16))}
    assert leased(office, "52:54:00:50:00:02", uuid).reserved
    assert not leased(office, "52:54:00:50:00:02", {61: b"\xff\0\0\0\1\0\2"}).reserved
    assert leased(office, "52:54:00:00:00:09", {61: b"\1\x52\x54\0\x50\0\2"}).reserved


@pytest.mark.parametrize(("attempts", "waits"), [(0, 0.25), (3, 3.25)])
def test_an_offer_waits_for_the_delay_and_for_the_pings(attempts: int, waits: float) -> None:
    text = OFFICE.read_text().replace("Attempts>0<", f"Attempts>{attempts}<")
    model = windows_dhcp("win", export(text))
    packet = Packet(
        op=BOOTREQUEST,
        chaddr=mac_bytes(parse_mac("52:54:00:00:00:01")),
        options={Option.DHCP_MESSAGE_TYPE: bytes((MessageType.DISCOVER,))},
    )
    arrival = Arrival(
        packet=packet, at=1.0, port=67, address=IPv4Address("10.50.0.5"), source=(UNSPECIFIED, 68)
    )
    (reply,) = model.receive(None, arrival).replies
    assert reply.earliest == 1.0 + waits
    request = replace(packet, options={**packet.options, 53: bytes((MessageType.REQUEST,))})
    (reply,) = model.receive(None, replace(arrival, packet=request)).replies
    assert reply.earliest == 1.0


# -- conditions --------------------------------------------------------------------------------------


def scope(number: int = 1, inside: str = "", state: str = "Active") -> str:
    return (
        f"<Scope><ScopeId>10.{number}.0.0</ScopeId><SubnetMask>255.255.255.0</SubnetMask>\n"
        f"<Name>s{number}</Name><StartRange>10.{number}.0.10</StartRange>"
        f"<EndRange>10.{number}.0.50</EndRange><State>{state}</State>{inside}</Scope>\n"
    )


def policy(criteria: str, condition: str = "AND", file: str = "p.0", ranges: str = "") -> str:
    return (
        f"<Policies>\n<Policy><Name>p</Name><ProcessingOrder>1</ProcessingOrder><Enabled>true</Enabled>"
        f"<Condition>{condition}</Condition>{criteria}<OptionValues><OptionValue><OptionId>67</OptionId>"
        f"<Value>{file}</Value></OptionValue></OptionValues>{ranges}</Policy></Policies>"
    )


def server(*scopes: str, more: str = "") -> WindowsLeases:
    return export(f"<DHCPServer>\n<IPv4>{more}<Scopes>{''.join(scopes)}</Scopes></IPv4></DHCPServer>")


def criterion(field: str, *values: str) -> str:
    return "".join(f"<{field}>{value}</{field}>" for value in values)


AGENT = b"\1\2ab\2\2cd\6\2ef"


@pytest.mark.parametrize(
    ("criteria", "condition", "more", "met"),
    [
        (criterion("MacAddress", "EQ", "525400*"), "AND", {}, True),
        (criterion("MacAddress", "NE", "525400*"), "AND", {}, False),
        (criterion("MacAddress", "NE", "00155D*", "000569*"), "AND", {}, True),
        (criterion("MacAddress", "EQ", "52-54-00-00-00-01"), "AND", {}, True),
        (criterion("MacAddress", "EQ", "5254000*"), "AND", {}, True),
        (criterion("ClientId", "EQ", "525400*"), "AND", {}, True),
        (criterion("ClientId", "EQ", "ff0001*"), "AND", {61: b"\xff\0\1\2"}, True),
        (criterion("RelayAgent", "EQ", AGENT.hex()), "AND", {82: AGENT}, True),
        (criterion("CircuitId", "EQ", "6162"), "AND", {82: AGENT}, True),
        (criterion("RemoteId", "EQ", "0x6364"), "AND", {82: AGENT}, True),
        (criterion("SubscriberId", "NE", "6566"), "AND", {82: AGENT}, False),
        (criterion("CircuitId", "EQ", "6162"), "AND", {}, False),
        (criterion("MacAddress", "EQ", "00155D*") + criterion("CircuitId", "EQ", "6162"), "OR", {82: AGENT},
         True),
        (criterion("MacAddress", "EQ", "00155D*") + criterion("CircuitId", "EQ", "6162"), "AND", {82: AGENT},
         False),
    ],
)  # fmt: skip
def test_criteria(criteria: str, condition: str, more: dict[int, bytes], met: bool) -> None:
    leases = server(scope(1, policy(criteria, condition)))
    lease = leased(leases, "52:54:00:00:00:01", more, here="10.1.0.5")
    assert (lease.options.get(67) == b"p.0\0") == met


def test_what_the_clients_of_a_policy_are_told_apart_by() -> None:
    criteria = criterion("MacAddress", "EQ", "00155D*") + criterion("VendorClass", "EQ", "PXE*")
    classes = "<Classes><Class><Name>PXE</Name><Type>Vendor</Type><Data>0x505845</Data></Class></Classes>"
    leases = server(scope(1, policy(criteria)), more=classes)
    ((macs, _),) = leases.distinctions.clients
    assert list(macs.intervals()) == [(0x00155D000000, 0x00155DFFFFFF)]
    (test,) = leases.distinctions.tests
    assert (test.option, test.octets, test.starts_with is not None) == (60, b"PXE", True)


def test_others_get_no_address_of_a_policys_range() -> None:
    piece = "<StartRange>10.1.0.10</StartRange><EndRange>10.1.0.50</EndRange>"
    ranges = f"<IPRanges><IPRange>{piece}</IPRange></IPRanges>"
    leases = server(scope(1, policy(criterion("MacAddress", "EQ", "00155D*"), ranges=ranges)))
    assert isinstance(asked(leases, "00:15:5d:00:00:01", here="10.1.0.5"), Lease)
    assert isinstance(asked(leases, "52:54:00:00:00:01", here="10.1.0.5"), NoLease)


def test_scopes_of_a_superscope_share_a_wire() -> None:
    piece = "<StartRange>10.1.0.1</StartRange><EndRange>10.1.0.99</EndRange>"
    excluded = f"<ExclusionRanges><IPRange>{piece}</IPRange></ExclusionRanges>"
    full = f"<SuperScopeName>both</SuperScopeName>{excluded}"
    leases = server(scope(1, full), scope(2, "<SuperScopeName>both</SuperScopeName>"), scope(3))
    assert str(leased(leases, "52:54:00:00:00:01", here="10.1.0.5").yiaddr) == "10.2.0.10"


def test_an_allow_list_lets_in_nobody_else() -> None:
    filters = (
        "<Filters><Allow>true</Allow><Deny>false</Deny>\n<Filter><List>Allow</List>"
        "<MacAddress>52-54-00-*</MacAddress></Filter></Filters>"
    )
    leases = server(scope(1), more=filters)
    assert isinstance(asked(leases, "52:54:00:00:00:01", here="10.1.0.5"), Lease)
    refused = asked(leases, "00:15:5d:00:00:01", here="10.1.0.5")
    assert isinstance(refused, NoLease)
    assert isinstance(refused.origin, Position)
    assert refused.origin.line == 3


@pytest.mark.parametrize("state", ["InActive", "Inactive"])
def test_a_scope_that_is_switched_off_leases_nothing(state: str) -> None:
    assert isinstance(asked(server(scope(1, state=state)), "52:54:00:00:00:01", here="10.1.0.5"), NoLease)


# -- what stays open, and what is refused ------------------------------------------------------------


@pytest.mark.parametrize(
    ("leases", "line"),
    [
        (server(scope(1, policy(criterion("Fqdn", "EQ", "*.example")))), 4),
        (server(scope(1, policy(criterion("VendorClass", "EQ", "nobody's*")))), 4),
        (server(scope(1, "<Surprise>1</Surprise>")), 3),
        (server(scope(1, policy(criterion("MacAddress", "EQ", "*"))),
                more="<ActivatePolicies>false</ActivatePolicies>"), 2),
    ],
)  # fmt: skip
def test_what_only_the_server_knows_is_open_at_its_line(leases: WindowsLeases, line: int) -> None:
    *found, failover = leases.opens
    assert [condition.origin.line for condition in found if isinstance(condition.origin, Position)] == [line]
    assert failover.origin == Position("export.xml", 1, 1)


def test_both_branches_of_an_open_condition_are_there() -> None:
    leases = server(scope(1, policy(criterion("Fqdn", "EQ", "*.example"))))
    condition = leases.opens[0]
    assert 67 not in leased(leases, "52:54:00:00:00:01", here="10.1.0.5").options
    decided = leases.closed({condition: True})
    assert file_of(leased(decided, "52:54:00:00:00:01", here="10.1.0.5")) == b"p.0"


def element(path: str, inside: str = "") -> str:
    """Nested elements, the last one on the second line."""
    *outer, last = path.split("/")
    opened = "".join(f"<{name}>" for name in outer)
    return f"{opened}\n<{last}>{inside}</{last}>{''.join(f'</{name}>' for name in reversed(outer))}"


FOUR = "DHCPServer/IPv4"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("<DHCP/>", 1),
        (element(f"{FOUR}/ConflictDetectionAttempts", "many"), 2),
        (element(f"{FOUR}/Scopes/Scope"), 2),
        (element(f"{FOUR}/Policies/Policy", "<Name>p</Name>"), 2),
        (element(f"{FOUR}/Filters/Filter", "<List>Deny</List>\n<MacAddress>no</MacAddress>"), 3),
        (element(f"{FOUR}/Filters/Filter", "<List>All</List>"), 2),
        (element(f"{FOUR}/OptionValues/OptionValue", "<OptionId>300</OptionId>"), 2),
        (element(f"{FOUR}/OptionDefinitions/OptionDefinition", "<Name>none</Name>"), 2),
        (element(f"{FOUR}/Classes/Class", "<Name>c</Name><Data>0xzz</Data>"), 2),
        ("<DHCPServer>\n<IPv4>", 2),
    ],
)
def test_what_no_server_exports_is_refused_at_its_line(text: str, line: int) -> None:
    with pytest.raises(InputError) as refused:
        read_export(text.encode(), "export.xml")
    assert [problem.position.line for problem in refused.value.problems] == [line]


@pytest.mark.parametrize(
    "inside",
    [
        "<LeaseDuration>soon</LeaseDuration>",
        element("Reservations/Reservation", "<ClientId>x</ClientId>").replace("\n", ""),
        element("Reservations/Reservation", "<ClientId>0102</ClientId>").replace("\n", ""),
        "<ExclusionRanges><IPRange/></ExclusionRanges>",
        "<Delay>long</Delay>",
    ],
)
def test_what_no_scope_has_is_refused_at_its_line(inside: str) -> None:
    with pytest.raises(InputError) as refused:
        server(scope(1, inside))
    assert [problem.position.line for problem in refused.value.problems] == [3]


def test_an_export_may_be_utf_16() -> None:
    text = OFFICE.read_text().replace('encoding="utf-8"', 'encoding="utf-16"')
    leases = WindowsLeases(export=read_export(text.encode("utf-16"), "export.xml"))
    assert str(leased(leases, "52:54:00:00:00:01").yiaddr) == "10.50.0.111"


# -- failover ----------------------------------------------------------------------------------------


def objects(**said: str) -> bytes:
    values = {
        "Name": "a-b",
        "PartnerServer": "b.example",
        "Mode": "LoadBalance",
        "ServerType": "PrimaryServer",
        "PrimaryServerIP": "10.50.0.5",
        "SecondaryServerIP": "10.50.0.6",
        "ScopeId": "10.50.0.0",
        "LoadBalancePercent": "50",
        "MaxClientLeadTime": "01:00:00",
        "State": "Normal",
    } | said
    inside = "".join(
        f'\n<Property Name="{name}" Type="System.String">{value}</Property>' for name, value in values.items()
    )
    return f'<?xml version="1.0"?>\n<Objects>\n<Object>{inside}</Object></Objects>'.encode()


def paired(office: WindowsLeases, **said: str) -> WindowsLeases:
    relations = read_failover(objects(**said), "failover.xml")
    return WindowsLeases(export=replace(office.export, relations=relations))


MACS = [f"52:54:00:00:00:{number:02x}" for number in range(64)]


@pytest.mark.parametrize("percent", [0, 30, 50, 100])
def test_load_balance_goes_by_the_hash_of_the_mac_whatever_option_61_says(
    office: WindowsLeases, percent: int
) -> None:
    first = paired(office, LoadBalancePercent=str(percent))
    second = paired(office, LoadBalancePercent=str(percent), ServerType="SecondaryServer")
    for mac in MACS:
        sent = {61: b"\xff" + bytes(range(9))}
        mine, theirs = leased(first, mac, sent), leased(second, mac, sent)
        is_first = bucket(mac_bytes(parse_mac(mac))) < percent * 256 // 100
        assert (not mine.left_to, not theirs.left_to) == (is_first, not is_first)


def test_a_lease_of_a_pair_is_no_longer_than_the_maximum_client_lead_time(office: WindowsLeases) -> None:
    lease = leased(paired(office, MaxClientLeadTime="00:30:00"), "52:54:00:00:00:01")
    assert (lease.lease_time, lease.paired) == (1800, True)
    alone = leased(paired(office), "52:54:00:00:00:01", relay="10.51.0.1")
    assert (alone.lease_time, alone.paired, alone.left_to) == (INFINITE_LEASE, False, "")


@pytest.mark.parametrize(("role", "answers"), [("Active", True), ("Standby", False)])
def test_of_a_hot_standby_the_active_server_answers(office: WindowsLeases, role: str, answers: bool) -> None:
    leases = paired(office, Mode="HotStandby", ServerRole=role)
    assert all((not leased(leases, mac).left_to) == answers for mac in MACS[:8])


@pytest.mark.parametrize("state", ["PartnerDown", "CommunicationInterrupted", "Partner Down"])
def test_a_server_that_has_lost_its_partner_answers_everyone_and_that_is_open(
    office: WindowsLeases, state: str
) -> None:
    leases = paired(office, Mode="HotStandby", ServerRole="Active", State=state)
    assert not any(leased(leases, mac).left_to for mac in MACS[:8])
    (condition,) = leases.opens
    assert condition.origin == Position("failover.xml", 3, 1)


@pytest.mark.parametrize(("state", "opens"), [("PartnerDown", 1), ("CommunicationInterrupted", 2)])
def test_a_standby_server_without_contact_has_its_reserve_only(
    office: WindowsLeases, state: str, opens: int
) -> None:
    said = {"ReservePercent": "7", "AutoStateTransition": "True", "StateSwitchInterval": "00:45:00"}
    leases = paired(office, Mode="HotStandby", ServerRole="Standby", State=state, **said)
    assert not any(leased(leases, mac).left_to for mac in MACS[:8])
    assert len(leases.opens) == opens
    told = [condition.what for condition in leases.opens if "7 %" in condition.what]
    assert ["2700" in what for what in told] == [True] * (opens - 1)


def test_a_relation_that_the_export_has_is_read_there() -> None:
    said = "<Name>a</Name><Mode>HotStandby</Mode><ServerRole>Standby</ServerRole><ScopeId>10.1.0.0</ScopeId>"
    inside = f"<Failovers><Failover>{said}</Failover></Failovers>"
    leases = server(scope(1), more=inside)
    assert leased(leases, "52:54:00:00:00:01", here="10.1.0.5").left_to
    assert leases.opens == ()


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"Mode": "Both"}, 6),
        ({"MaxClientLeadTime": "soon"}, 12),
        ({"LoadBalancePercent": "101"}, 11),
        ({"ScopeId": "all"}, 10),
    ],
)
def test_a_relation_that_cannot_be_is_refused(said: dict[str, str], line: int) -> None:
    with pytest.raises(InputError) as refused:
        read_failover(objects(**said), "failover.xml")
    assert [problem.position.line for problem in refused.value.problems] == [line]
