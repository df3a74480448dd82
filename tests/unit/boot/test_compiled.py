"""The compiled form answers as ``respond`` and ``encode`` do, octet by octet, whatever arrives."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.boot.compiled import CompiledPolicy, Prepared
from coexist.boot.leases.pairs import Share, every_second
from coexist.boot.policy import BootMenu, BootPolicy, BootProgram, MenuEntry, Rule
from coexist.boot.request import boot_request
from coexist.boot.respond import Answer, Silence, respond
from coexist.inventory.macset import EVERYONE, NOBODY, MacSet
from coexist.inventory.values import Delay
from coexist.wire.bootp import Packet, decode, encode

# Nothing but its properties takes the compiled rules through their cases.
pytestmark = pytest.mark.measured

SERVER = IPv4Address("10.10.0.6")
MACS = st.one_of(st.integers(0x525400000000, 0x525400000007), st.integers(0, (1 << 48) - 1))
ADDRESSES = st.sampled_from([IPv4Address(0), SERVER, IPv4Address("10.10.0.5"), IPv4Address("10.20.0.1")])

programs = st.dictionaries(
    st.sampled_from([0, 6, 7, 9, 16]),
    st.builds(
        BootProgram,
        file=st.sampled_from(["a.0", "syslinux64.efi", "http://h/" + "x" * 120, "dir/b"]),
        server=st.sampled_from([None, IPv4Address("10.10.0.9")]),
    ),
    max_size=4,
)
mac_sets = st.one_of(
    st.just(EVERYONE),
    st.just(NOBODY),
    st.frozensets(st.integers(0x525400000000, 0x525400000007)).map(MacSet.of),
    st.just(MacSet.interval(0x525400000000, 0x5254000000FF)),
    st.frozensets(st.integers(0x525400000000, 0x525400000007)).map(lambda some: EVERYONE - MacSet.of(some)),
)
delays = st.sampled_from(
    [
        Delay(),
        Delay(),
        Delay(after=1.2),
        Delay(secs_at_least=4),
        Delay(since_first=3),
        Delay(after_offer=True),
    ]
)
menus = st.builds(
    BootMenu,
    prompt=st.just("choose"),
    timeout=st.just(5),
    entries=st.just(
        (
            MenuEntry(type=0, text="local"),
            MenuEntry(type=1, text="register", programs={0: BootProgram(file="r.0")}, registers=True),
        )
    ),
)
UUIDS = (bytes(range(16)), bytes(range(16, 32)))
by_uuid = st.dictionaries(st.sampled_from(UUIDS), mac_sets, max_size=2)
rules = st.builds(
    Rule,
    name=st.sampled_from(["one", "two"]),
    clients=mac_sets,
    by_uuid=by_uuid,
    architectures=st.sampled_from([None, frozenset({0}), frozenset({7, 9})]),
    action=st.sampled_from(["serve", "serve", "ignore"]),
    delay=delays,
    programs=programs,
    ipxe=st.sampled_from([None, BootProgram(file="boot.ipxe")]),
    menu=st.one_of(st.none(), menus),
)
policies = st.builds(
    BootPolicy,
    name=st.just("otc"),
    rules=st.lists(rules, max_size=4).map(tuple),
    answers_67=st.booleans(),
    answers_4011=st.booleans(),
    boot_server=st.sampled_from([None, IPv4Address("10.10.0.8")]),
    discovery_control=st.sampled_from([None, 8, 3]),
    offers_file=st.booleans(),
    options=st.sampled_from([{}, {}, {175: b"\x01\x01\x05"}, {97: b"x"}, {60: b"PXEClient:x", 1: b"\0" * 4}]),
    follow_offers=st.booleans(),
    denied=mac_sets.filter(lambda macs: macs != EVERYONE),
    denied_by_uuid=st.one_of(st.just({}), by_uuid),
    http_port=st.sampled_from([None, 80, 8080]),
    share=st.sampled_from(
        [None, *(Share(partner="two", mine=every_second(first), max_seconds=3) for first in (0, 1))]
    ),
)
options = st.fixed_dictionaries(
    {53: st.sampled_from([b"\x01", b"\x01", b"\x03", b"\x08", b"\x05", b""])},
    optional={
        60: st.sampled_from(
            [b"PXEClient:Arch:00000:UNDI:002001", b"HTTPClient:Arch:00016", b"MSFT 5.0", b""]
        ),
        93: st.sampled_from([b"\0\0", b"\0\x07", b"\0\x09", b"\0\x10", b"\x07", b""]),
        54: ADDRESSES.map(lambda address: address.packed),
        50: ADDRESSES.map(lambda address: address.packed),
        77: st.sampled_from([b"iPXE", b"\x04iPXE", b"other"]),
        175: st.binary(max_size=8),
        97: st.one_of(st.sampled_from([b"\0" + uuid for uuid in UUIDS]), st.binary(max_size=300)),
        82: st.binary(max_size=40),
        61: st.binary(max_size=8),
        43: st.sampled_from(
            [b"\x47\x04\x00\x01\x00\x00\xff", b"\x47\x04\x00\x09\x00\x00", b"\x06\x01\x08", b"\xff"]
        ),
        52: st.sampled_from([b"\x01", b"\x02", b"\x03", b"\x07"]),
    },
)
packets = st.builds(
    Packet,
    op=st.sampled_from([1, 1, 1, 2]),
    htype=st.sampled_from([1, 1, 1, 6]),
    hlen=st.sampled_from([6, 6, 6, 16]),
    hops=st.integers(0, 255),
    xid=st.integers(0, 0xFFFFFFFF),
    secs=st.one_of(st.integers(0, 5), st.integers(0, 0xFFFF)),
    flags=st.integers(0, 0xFFFF),
    ciaddr=ADDRESSES,
    yiaddr=ADDRESSES,
    siaddr=ADDRESSES,
    giaddr=ADDRESSES,
    chaddr=st.tuples(MACS, st.binary(max_size=10)).map(lambda parts: parts[0].to_bytes(6, "big") + parts[1]),
    sname=st.sampled_from([b"", b"name", b"\x4d\x04iPXE\xff"]),
    file=st.sampled_from([b"", b"a.0", b"\x3c\x09PXEClient\xff"]),
    options=options.map(lambda some: {code: value for code, value in some.items() if code != 52}),
)


def mac_of(data: bytes) -> int:
    """A packet's chaddr."""
    return int.from_bytes(data[28:34], "big")


def check(policy: BootPolicy, port: int, datas: list[bytes], source: tuple[str, int]) -> None:
    compiled = CompiledPolicy(policy, SERVER, port)
    for data in datas:
        area = compiled.area(data)
        if area is None:
            continue
        packet = decode(data)
        assert isinstance(packet, Packet)
        request = boot_request(packet, port)
        assert request is not None
        assert (area.meaning.kind, area.meaning.message_type) == (request.kind, request.message_type)
        outcome = compiled.outcome(area.meaning, data, mac_of(data))
        if outcome is None:
            continue
        expected = respond(policy, request, server=SERVER, source=(IPv4Address(source[0]), source[1]))
        if isinstance(outcome, Silence):
            assert outcome == expected
            continue
        assert isinstance(expected, Answer)
        assert compiled.fill(outcome, area, data) == encode(expected.packet)
        assert compiled.destination(data, source) == (str(expected.address), expected.port)
        assert (outcome.after, outcome.rule, outcome.registers) == (
            expected.after,
            expected.rule,
            expected.registers,
        )


def with_overload(data: bytes, overload: bytes) -> bytes:
    return data[:240] + b"\x34\x01" + overload + data[240:]


@given(
    policies,
    st.sampled_from([67, 4011]),
    st.lists(packets, min_size=1, max_size=6),
    st.sampled_from([("0.0.0.0", 68), ("10.10.1.7", 68), ("10.10.1.7", 4011)]),
)
def test_it_answers_as_respond_does(policy, port, some, source):
    datas = [encode(packet) for packet in some]
    # What another client says in the very same options.
    others = [data[:33] + bytes([data[33] ^ 1]) + data[34:] for data in datas]
    check(policy, port, [*datas, *others, *(with_overload(data, b"\x03") for data in datas)], source)


@pytest.mark.parametrize("kind", [b"\1", b"\3"])
@pytest.mark.parametrize("first", [0, 1])
def test_machines_of_one_meaning_are_shared_by_their_macs(kind, first):
    policy = BootPolicy(
        name="one",
        rules=(Rule(name="all", clients=EVERYONE, programs={0: BootProgram(file="a.0")}),),
        share=Share(partner="two", mine=every_second(first), max_seconds=3),
    )
    options = {53: kind, 60: b"PXEClient:Arch:00000:UNDI:002001", 93: b"\0\0"}
    datas = [
        encode(Packet(op=1, secs=secs, chaddr=bytes((2, 0, 0, 0, 0, number)), options=options))
        for secs in (0, 3, 4)
        for number in range(16)
    ]
    check(policy, 67, datas, ("0.0.0.0", 68))
    compiled = CompiledPolicy(policy, SERVER, 67)
    areas = [compiled.area(data) for data in datas]
    answered = [
        isinstance(compiled.outcome(area.meaning, data, mac_of(data)), Prepared)
        for area, data in zip(areas, datas, strict=True)
        if area
    ]
    # Both halves are met, and who has waited longer is answered by both.
    assert kind == b"\3" or set(answered[:32]) == {True, False}
    assert all(answered[32:]) == (kind == b"\1")


@given(policies, st.sampled_from([67, 4011]), packets, st.data())
def test_it_answers_as_respond_does_to_damaged_packets(policy, port, packet, data):
    octets = bytearray(encode(packet))
    for _ in range(data.draw(st.integers(1, 8))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(octets)))
    check(policy, port, [bytes(octets), bytes(octets[:cut])], ("10.10.1.7", 68))


@given(policies, st.lists(packets, min_size=2, max_size=6))
def test_what_one_client_taught_is_right_for_the_next(policy, some):
    """The same options from other clients: xid, flags, addresses and MACs differ."""
    first = some[0]
    check(
        policy,
        67,
        [encode(replace(packet, options=first.options, op=1, htype=1, hlen=6)) for packet in some],
        ("0.0.0.0", 68),
    )


def test_the_usual_discover_is_compiled():
    rule = Rule(name="all", clients=EVERYONE, programs={0: BootProgram(file="a.0")})
    compiled = CompiledPolicy(BootPolicy(name="otc", rules=(rule,)), SERVER, 67)
    data = encode(Packet(op=1, options={53: b"\x01", 60: b"PXEClient", 93: b"\0\0", 97: bytes(17)}))
    area = compiled.area(data)
    assert area is not None
    outcome = compiled.outcome(area.meaning, data, mac_of(data))
    assert isinstance(outcome, Prepared)
    assert outcome.file == "a.0"


@pytest.mark.parametrize("delay", [Delay(secs_at_least=4), Delay(since_first=3), Delay(after_offer=True)])
def test_what_depends_on_more_is_left_to_respond(delay):
    rule = Rule(name="all", clients=EVERYONE, programs={0: BootProgram(file="a.0")}, delay=delay)
    compiled = CompiledPolicy(BootPolicy(name="otc", rules=(rule,)), SERVER, 67)
    data = encode(Packet(op=1, options={53: b"\x01", 60: b"PXEClient", 93: b"\0\0"}))
    area = compiled.area(data)
    assert area is not None
    assert compiled.outcome(area.meaning, data, mac_of(data)) is None


def test_memory_is_bounded_whatever_clients_invent():
    rule = Rule(name="all", clients=EVERYONE, programs={0: BootProgram(file="a.0")})
    compiled = CompiledPolicy(BootPolicy(name="otc", rules=(rule,)), SERVER, 67)
    for number in range(40_000):
        compiled.area(
            encode(Packet(op=1, options={53: b"\x01", 60: b"PXEClient", 97: number.to_bytes(17, "big")}))
        )
    assert len(compiled._areas) <= 32_768


@pytest.mark.parametrize("code", [97, 60, 77, 12])
def test_memory_is_bounded_in_octets_whatever_an_option_holds(code):
    rule = Rule(name="all", clients=EVERYONE, programs={0: BootProgram(file="a.0")})
    most = 1 << 19
    compiled = CompiledPolicy(BootPolicy(name="otc", rules=(rule,)), SERVER, 67, most)
    packets = [
        encode(
            Packet(
                op=1,
                options={53: b"\x01", 60: b"PXEClient", code: b"PXEClient" + bytes((n % 251, n >> 8)) * 900},
            )
        )
        for n in range(900)
    ]
    tracemalloc.start()
    for packet in packets:
        area = compiled.area(packet)
        if area is not None:
            compiled.outcome(area.meaning, packet, mac_of(packet))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2 * most
