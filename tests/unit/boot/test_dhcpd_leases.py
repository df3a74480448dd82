"""A dhcpd.conf executed for one client: which scopes set what, and who gets nothing."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.responder import Arrival
from coexist.errors import Position
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import mac_bytes, parse_mac

MAC = "52:54:00:12:34:56"
SUBNET = "subnet 10.0.0.0 netmask 255.255.255.0 {{ range 10.0.0.100 10.0.0.200; {} }}\n"
ARCH = "option arch code 93 = unsigned integer 16;\n"


def lease(
    text: str, *, mac: str = MAC, options: dict[int, bytes] | None = None, giaddr: str = "0.0.0.0"
) -> Lease | NoLease:
    sent = {53: b"\1", 60: b"PXEClient:Arch:00007:UNDI:003000", 93: b"\0\7", **(options or {})}
    packet = Packet(op=1, chaddr=mac_bytes(parse_mac(mac)), options=sent, giaddr=IPv4Address(giaddr))
    arrival = Arrival(
        packet=packet, at=0.0, port=67, address=IPv4Address("10.0.0.2"), source=(UNSPECIFIED, 68)
    )
    return DhcpdLeases(parse_dhcpd(text, "dhcpd.conf"))(arrival)


def found(text: str, **more: str) -> Lease:
    result = lease(text, **more)  # type: ignore[arg-type]
    assert isinstance(result, Lease), result
    return result


def test_inner_scopes_replace_outer_ones() -> None:
    text = 'filename "global"; next-server 10.0.0.9;\n' + SUBNET.format('filename "subnet";')
    given = found(text)
    assert (given.file, given.siaddr) == (b"subnet", IPv4Address("10.0.0.9"))
    host = f'host h {{ hardware ethernet {MAC}; filename "host"; }}\n'
    assert found(text + host).file == b"host"


def test_a_group_around_a_host_counts_for_it() -> None:
    group = f'group {{ filename "group"; host h {{ hardware ethernet {MAC}; }} }}\n'
    assert found(SUBNET.format("") + group).file == b"group"
    assert found(SUBNET.format("") + group, mac="52:54:00:00:00:01").file == b""


def test_a_fixed_address_is_reserved() -> None:
    host = f"host h {{ hardware ethernet {MAC}; fixed-address 10.0.0.7; }}\n"
    given = found(SUBNET.format("") + host)
    assert (given.yiaddr, given.reserved) == (IPv4Address("10.0.0.7"), True)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("option arch = 00:07", True),
        ("option arch = 00:00", False),
        ("exists user-class", False),
        ("not exists user-class", True),
        ('substring (option vendor-class-identifier, 0, 9) = "PXEClient"', True),
        ('option vendor-class-identifier ~= "Arch:0000[67]"', True),
        ('option vendor-class-identifier ~~ "pxeclient"', True),
        ('option arch = 00:07 and suffix (option vendor-class-identifier, 3) = "000"', True),
        ("option arch = 00:00 or hardware = 01:52:54:00:12:34:56", True),
        ("known", False),
        ('binary-to-ascii (16, 8, ":", substring (hardware, 1, 3)) = "52:54:0"', True),
    ],
)
def test_conditions(condition: str, holds: bool) -> None:
    text = ARCH + SUBNET.format(f'if {condition} {{ filename "yes"; }} else {{ filename "no"; }}')
    assert found(text).file == (b"yes" if holds else b"no")


def test_classes_by_condition_and_by_subclass() -> None:
    by_condition = ARCH + 'class "efi" { match if option arch = 00:07; filename "efi"; }\n'
    assert found(by_condition + SUBNET.format("")).file == b"efi"
    by_value = 'class "macs" { match hardware; filename "listed"; }\n'
    listed = f'subclass "macs" 1:{MAC} {{ option root-path "r"; }}\n'
    given = found(by_value + listed + SUBNET.format(""))
    assert (given.file, given.options[17]) == (b"listed", b"r")
    assert found(by_value + listed + SUBNET.format(""), mac="52:54:00:00:00:01").file == b""


def test_pools_by_permission() -> None:
    pools = (
        "subnet 10.0.0.0 netmask 255.255.255.0 {\n"
        "pool { allow known-clients; range 10.0.0.10 10.0.0.20; }\n"
        'pool { deny known-clients; range 10.0.0.100 10.0.0.200; filename "guest"; }\n}\n'
    )
    host = f"host h {{ hardware ethernet {MAC}; }}\n"
    assert found(pools + host).yiaddr == IPv4Address("10.0.0.10")
    assert found(pools).file == b"guest"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ignore booting;", "booting"),
        ("deny unknown-clients;", "unknown"),
        ("pool { allow known-clients; range 10.0.0.10 10.0.0.20; }", "no free leases"),
    ],
)
def test_who_gets_nothing(line: str, reason: str) -> None:
    inner = f"subnet 10.0.0.0 netmask 255.255.255.0 {{ {line} }}\n"
    if not line.startswith("pool"):
        inner = SUBNET.format(line)
    answer = lease(inner)
    assert isinstance(answer, NoLease)
    assert reason in answer.why


def test_a_relayed_packet_is_of_the_relays_subnet() -> None:
    other = 'subnet 10.1.0.0 netmask 255.255.255.0 { range 10.1.0.10 10.1.0.20; filename "far"; }\n'
    assert found(SUBNET.format("") + other, giaddr="10.1.0.1").file == b"far"
    assert "no subnet" in str(lease(SUBNET.format(""), giaddr="10.1.0.1"))


def test_encapsulated_spaces() -> None:
    text = (
        "option space ipxe;\noption ipxe-encap-opts code 175 = encapsulate ipxe;\n"
        "option ipxe.priority code 1 = signed integer 8;\noption ipxe.priority 1;\n"
    )
    assert found(text + SUBNET.format("")).options[175] == bytes((1, 1, 1))


def test_what_the_model_needs_besides() -> None:
    text = "min-secs 4;\nping-check false;\nalways-broadcast on;\nserver-identifier 10.0.0.9;\n"
    given = found(text + SUBNET.format("default-lease-time 600;"))
    assert (given.min_secs, given.ping, given.always_broadcast, given.lease_time) == (4, False, True, 600)
    assert given.server_id == IPv4Address("10.0.0.9")


# --- what differs from what one would expect ----------------------------------------------------


def test_a_false_first_part_makes_a_conjunction_fail_and_its_negation_too() -> None:
    condition = 'if not (option user-class = "x" and exists user-class)'
    assert found(SUBNET.format(f'{condition} {{ filename "a"; }}')).file == b""
    condition = "if not (exists user-class)"
    assert found(SUBNET.format(f'{condition} {{ filename "a"; }}')).file == b"a"


def test_a_class_is_matched_before_anyone_is_known() -> None:
    text = 'class "k" { match if known; filename "k"; }\n' + SUBNET.format('if known { server-name "s"; }')
    given = found(text + f"host h {{ hardware ethernet {MAC}; }}\n")
    assert (given.file, given.sname) == (b"", b"s")


def test_a_value_is_computed_at_the_end() -> None:
    text = "option first code 224 = text;\noption second code 225 = text;\n"
    given = found(text + SUBNET.format('option first = config-option second; option second "late";'))
    assert given.options[224] == b"late"


def test_variables_of_a_lease_are_not_those_of_its_options() -> None:
    text = 'option first code 224 = text;\nset outside = "o";\n'
    given = found(text + SUBNET.format('set inside = "i"; filename = inside; option first = inside;'))
    assert (given.file, given.options.get(224)) == (b"i", None)
    assert found(text + SUBNET.format("option first = outside;")).options[224] == b"o"


def test_a_break_ends_its_own_block_only() -> None:
    inner = 'if exists arch { filename "a"; break; } filename "b"; break;'
    text = SUBNET.format("switch (extract-int(option arch, 16)) { case 7: " + inner + " }")
    assert found(ARCH + text).file == b"b"


def test_the_name_of_a_machine_without_address() -> None:
    text = "use-host-decl-names on;\n" + SUBNET.format("")
    assert found(text + f"host desk {{ hardware ethernet {MAC}; }}\n").options[12] == b"desk"


def test_a_subclass_by_its_hardware_address() -> None:
    text = f'class "c" {{ match hardware; }}\nsubclass "c" 1:{MAC} {{ filename "sub"; }}\n'
    assert found(text + SUBNET.format("")).file == b"sub"


@pytest.mark.parametrize(("asked", "given"), [(None, 60), (10, 30), (100, 90), (70, 70)])
def test_lease_times(asked: int | None, given: int) -> None:
    text = "default-lease-time 60; min-lease-time 30; max-lease-time 90;\n" + SUBNET.format("")
    options = {} if asked is None else {51: asked.to_bytes(4, "big")}
    answer = lease(text, options=options)
    assert isinstance(answer, Lease)
    assert answer.lease_time == given


def test_every_value_names_its_line() -> None:
    text = 'filename "global";\n' + SUBNET.format("\noption routers 10.0.0.1;\nnext-server 10.0.0.9;")
    given = found(text)
    places = {key: str(place) for key, place in given.origins.items()}
    assert places["file"] == "dhcpd.conf:1:1"
    assert places[3] == "dhcpd.conf:3:1"
    assert places["siaddr"] == "dhcpd.conf:4:1"
    assert places["yiaddr"].startswith("dhcpd.conf:2:")


def test_a_request_for_an_address_of_another_is_refused() -> None:
    text = SUBNET.format("") + f"host h {{ hardware ethernet {MAC}; fixed-address 10.0.0.7; }}\n"
    answer = lease(text, options={53: b"\3", 50: bytes([10, 0, 0, 150])})
    assert isinstance(answer, NoLease)
    assert answer.nak == b"requested address is incorrect"
    assert str(answer.origin) == "dhcpd.conf:2:1"


def test_inform_is_answered_where_the_server_is_authoritative() -> None:
    options = {53: b"\10"}
    assert isinstance(lease("authoritative;\n" + SUBNET.format(""), options=options), NoLease)  # no address


def test_an_open_condition_is_decided_from_outside() -> None:
    text = SUBNET.format('pool { range 10.0.0.10; allow after 4 2030/01/03 00:00:00; } filename "f";')
    text = text.replace("range 10.0.0.100 10.0.0.200; ", "")
    source = DhcpdLeases(parse_dhcpd(text, "dhcpd.conf"))
    (condition,) = source.opens
    assert str(condition.origin).startswith("dhcpd.conf:1:")
    packet = Packet(op=1, chaddr=mac_bytes(parse_mac(MAC)), options={53: b"\1"})
    arrival = Arrival(
        packet=packet, at=0.0, port=67, address=IPv4Address("10.0.0.2"), source=(UNSPECIFIED, 68)
    )
    assert isinstance(source(arrival), NoLease)
    closed = source.closed({condition: True})
    assert closed.opens == ()
    assert isinstance(closed(arrival), Lease)


def test_what_a_name_stands_for_is_open() -> None:
    source = DhcpdLeases(parse_dhcpd(SUBNET.format("next-server boot.example;"), "dhcpd.conf"))
    assert [str(found.origin) for found in source.opens] == ["dhcpd.conf:1:70"]
    known = DhcpdLeases(source.configuration, resolve=lambda name: (IPv4Address("10.0.0.9"),))
    assert known.opens == ()


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("if substring(hardware, 1, 3) = 52:54:00 { }", "52:54:00:99:99:99", "52:54:01:00:00:00"),
        ('if binary-to-ascii(16, 8, ":", substring(hardware, 1, 2)) = "52:54" { }', MAC, "52:55:00:00:00:00"),
        (
            'if substring(binary-to-ascii(16, 8, ":", hardware), 0, 7) = "1:52:54" { }',
            "52:54:00:00:00:07",
            "53:54:00:00:00:07",
        ),
    ],
)
def test_the_macs_a_condition_is_about(text: str, inside: str, outside: str) -> None:
    source = DhcpdLeases(parse_dhcpd(SUBNET.format(text), "dhcpd.conf"))
    ((macs, origin),) = source.distinctions.clients
    assert (parse_mac(inside) in macs, parse_mac(outside) in macs) == (True, False)
    assert str(origin).startswith("dhcpd.conf:1:")


def test_hosts_that_say_the_same_are_one_set() -> None:
    hosts = "".join(
        f"host h{n} {{ hardware ethernet 52:54:00:00:00:0{n}; fixed-address 10.0.0.{n + 2}; }}\n"
        for n in range(4)
    )
    own = 'host own { hardware ethernet 52:54:00:00:00:09; filename "own"; }\n'
    distinctions = DhcpdLeases(parse_dhcpd(SUBNET.format("") + hosts + own, "dhcpd.conf")).distinctions
    assert sorted(len(macs.points) for macs, _ in distinctions.clients) == [1, 4]
    assert distinctions.reserved is not None
    assert len(distinctions.reserved.points) == 4


def test_a_value_of_the_leased_address_goes_with_the_address_of_the_reply() -> None:
    name = 'option host-name = concat("pc-", binary-to-ascii(10, 8, "-", leased-address));\n'
    given = found(name + SUBNET.format(""))
    assert given.options[12] == b"pc-" + str(given.yiaddr).replace(".", "-").encode()
    behind = (
        "ddns-hostname = suffix(leased-address, 1); option root-path = config-option server.ddns-hostname;\n"
    )
    given = found(behind + SUBNET.format(""))
    assert given.options[17] == given.yiaddr.packed[3:]


@pytest.mark.parametrize(
    "text",
    [
        'option domain-name = concat(config-option domain-name, ".example");',
        "option domain-name = config-option root-path; option root-path = config-option domain-name;",
    ],
)
def test_an_option_that_is_computed_from_itself_ends_the_daemon(text: str) -> None:
    """dhcpd 4.4.3-P1 takes the file and dies of SIGSEGV at the first DISCOVER."""
    result = lease(text + "\n" + SUBNET.format(""))
    assert isinstance(result, NoLease)
    assert isinstance(result.origin, Position)
    assert result.origin.line == 1


def test_an_option_may_be_computed_from_what_another_was_set_to() -> None:
    text = 'option root-path "a"; option domain-name = concat(config-option root-path, "b");\n'
    assert found(text + SUBNET.format("")).options[15] == b"ab"


def test_a_return_outside_of_a_function_ends_nothing() -> None:
    given = found(
        'return 1; option root-path "x";\n' + SUBNET.format('if not static { return 2; filename "f"; }')
    )
    assert (given.options[17], given.file) == (b"x", b"f")


def test_netware_options_are_not_sent() -> None:
    """4.4.3-P1 sends nothing of the space, only what the whole option is set to."""
    assert 63 not in found("option nwip.autoretries 3;\n" + SUBNET.format("")).options
    assert found("option nwip-suboptions 05:01:01;\n" + SUBNET.format("")).options[63] == b"\5\1\1"


def test_nobody_is_answered_with_an_unknown_site_option_space() -> None:
    result = lease('site-option-space "nowhere";\n' + SUBNET.format(""))
    assert isinstance(result, NoLease)
    assert isinstance(result.origin, Position)
    assert result.origin.line == 1


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({}, b"\2\2yy\1\1x"),
        ({82: b"\1\4port"}, b"\1\1x\2\2yy"),
        ({82: b"\5\4\x0a\0\0\1\2\1z"}, b"\5\4\x0a\0\0\1\2\2yy\1\1x"),
    ],
)
def test_suboptions_of_a_relay_agent_that_the_file_sets(sent: dict[int, bytes], told: bytes) -> None:
    text = 'option agent.remote-id "yy"; option agent.circuit-id "x";\n' + SUBNET.format("")
    result = lease(text, options=sent)
    assert isinstance(result, Lease)
    assert result.options[82] == told
