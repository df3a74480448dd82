from __future__ import annotations

from ipaddress import IPv4Address
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP

from coexist.boot.request import PROBE_HOST_NAME, ClientKind, boot_request, is_probe
from coexist.probe.asking import rounds
from coexist.probe.question import (
    PLAIN,
    Asker,
    boot_server_request,
    discover,
    stranger,
    timetable,
)
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.bootp import BROADCAST_FLAG, Packet, decode, encode
from coexist.wire.options import MessageType, Option

ARCHITECTURES = st.sampled_from([PLAIN, *sorted(ARCHITECTURE_NAMES)])
ASKERS = st.builds(Asker, mac=st.integers(0, 2**40 - 1), architecture=ARCHITECTURES)


@given(ASKERS, st.integers(0, 2**32 - 1), st.sampled_from([0, 4, 12, 28]))
def test_a_discover_is_a_real_clients_and_says_that_it_is_a_probe(asker, xid, secs):
    packet = decode(encode(discover(asker, xid=xid, secs=secs)))
    assert isinstance(packet, Packet)
    request = boot_request(packet)
    assert request is not None

    assert request.mac == asker.mac
    assert request.message_type is MessageType.DISCOVER
    assert (packet.xid, packet.secs, packet.flags) == (xid, secs, BROADCAST_FLAG)
    assert is_probe(packet)
    if asker.architecture == PLAIN:
        assert request.kind is ClientKind.OTHER
        assert request.architecture is None
    else:
        assert request.architecture in ARCHITECTURE_NAMES[asker.architecture]
        assert request.kind is (ClientKind.HTTP if asker.architecture.startswith("http-") else ClientKind.PXE)


def test_a_uefi_discover_says_what_ovmf_says():
    """The options of OVMF 2022.11 as captured, beside the probe's own mark and GUID."""
    packet = discover(stranger("uefi-x64"), xid=1, secs=0)
    assert packet.options[Option.VENDOR_CLASS_IDENTIFIER] == b"PXEClient:Arch:00007:UNDI:003000"
    assert packet.options[Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER] == bytes((1, 3, 0))
    assert packet.options[Option.MAXIMUM_DHCP_MESSAGE_SIZE] == bytes((5, 0xC0))
    assert len(packet.options[Option.CLIENT_MACHINE_IDENTIFIER]) == 17
    assert set(packet.options) - {12} == {53, 57, 55, 97, 94, 93, 60}


def test_scapy_reads_the_probe_as_a_pxe_client():
    read = BOOTP(encode(discover(stranger("bios"), xid=0x01020304, secs=4)))
    options: dict[str, object] = dict(
        option[:2] for option in read[DHCP].options if isinstance(option, tuple)
    )
    assert read.xid == 0x01020304
    assert options["message-type"] == 1
    assert options["hostname"] == PROBE_HOST_NAME
    assert options["vendor_class_id"] == b"PXEClient:Arch:00000:UNDI:002001"


def test_a_relayed_discover_names_the_relay_and_the_clients_subnet():
    packet = discover(
        stranger("bios"), xid=1, secs=0, giaddr=IPv4Address("10.0.0.9"), subnet=IPv4Address("10.20.0.0")
    )
    assert packet.giaddr == IPv4Address("10.0.0.9")
    assert packet.hops == 1
    assert packet.options[Option.RELAY_AGENT_INFORMATION] == bytes((5, 4, 10, 20, 0, 0))


def test_the_boot_server_request_completes_no_lease():
    packet = boot_server_request(stranger("uefi-x64"), xid=1, ciaddr=IPv4Address("10.0.0.9"))
    assert packet.message_type is MessageType.REQUEST
    assert not {Option.REQUESTED_IP_ADDRESS, Option.SERVER_IDENTIFIER} & set(packet.options)
    assert is_probe(packet)


def test_a_real_client_is_no_probe():
    assert not is_probe(discover(stranger("bios"), xid=1, secs=0).without_options(Option.HOST_NAME))


def test_strangers_have_a_mac_each():
    macs = {stranger(architecture).mac for architecture in [PLAIN, *ARCHITECTURE_NAMES]}
    assert len(macs) == len(ARCHITECTURE_NAMES) + 1


@given(
    st.lists(ARCHITECTURES, min_size=1, max_size=30, unique=True),
    st.floats(1, 60),
    st.floats(0.5, 1000),
)
def test_no_more_packets_a_second_than_allowed_and_every_client_asks(architectures, patience, rate):
    askers = [stranger(architecture) for architecture in architectures]
    table = timetable(askers, patience=patience, rate=rate)
    between = [later.at - sooner.at for sooner, later in pairwise(table)]
    assert min(between, default=inf) >= 1 / rate * (1 - 1e-9)
    assert {transmission.asker for transmission in table if transmission.number == 0} == set(askers)
    for asker in askers:
        own = [transmission for transmission in table if transmission.asker == asker]
        assert [t.number for t in own] == list(range(len(own)))
        assert [t.secs for t in own] == [secs for at, secs in asker.schedule if at < patience]


def test_a_client_alone_keeps_its_firmwares_schedule():
    table = timetable([stranger("uefi-x64")], patience=60, rate=20)
    assert [(t.at, t.secs) for t in table] == [(0, 0), (4, 4), (12, 12), (28, 28)]


@given(st.lists(st.builds(Asker, mac=st.integers(0, 3), architecture=ARCHITECTURES), max_size=12))
def test_a_mac_speaks_one_architecture_at_a_time(askers):
    turns = rounds(askers)
    assert sorted(repr(asker) for turn in turns for asker in turn) == sorted(map(repr, set(askers)))
    for turn in turns:
        assert len({asker.mac for asker in turn}) == len(turn)
    most = max((len({a for a in askers if a.mac == asker.mac}) for asker in askers), default=0)
    assert len(turns) == most


@pytest.mark.parametrize(("architecture", "first"), [("bios", 4), ("uefi-x64", 0)])
def test_the_first_secs_is_the_firmwares(architecture, first):
    assert timetable([stranger(architecture)], patience=1, rate=20)[0].secs == first
