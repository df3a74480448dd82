"""The harness itself, with dnsmasq and tftpd-hpa as the servers: what it shows is really on the wire."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from tftpy import TftpException

from coexist.boot.request import CLIENT_PORT
from coexist.wire.bootp import BOOTREPLY, Packet, encode
from coexist.wire.options import MessageType, Option
from tests.conftest import ROOT
from tests.harness.client import PxeClient, hardware_address, tftp_get
from tests.harness.frames import ArpRequest, Datagram, arp_reply, parse_frame, parse_frames, udp_frame
from tests.harness.namespaces import HarnessError, Namespace
from tests.harness.network import Network
from tests.harness.processes import Process, wait_until
from tests.harness.servers import start_dnsmasq, start_tftpd

MAC = "52:54:00:00:00:01"


@pytest.fixture
def network():
    with Network() as made:
        made.vlan("office", "10.10.0.0/16")
        made.vlan("workshop", "10.20.0.0/16")
        yield made


def namespaces_of_this_process() -> list[str]:
    listed = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.startswith(f"cx{os.getpid()}-")]


def test_a_network_leaves_nothing_behind_when_its_test_fails():
    left: list[Any] = []

    def fail() -> None:
        with Network() as network:
            network.vlan("office", "10.10.0.0/16")
            host = network.host("server", {"office": "10.10.0.5"})
            left.extend((network, host.start(["sleep", "600"]), network.capture("office")))
            assert len(namespaces_of_this_process()) == 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    network, process, capture = left
    assert namespaces_of_this_process() == []
    assert process.ended
    assert capture.frames() == ()
    assert not network.directory.exists()


_KILLED = """
import os, signal
from tests.harness.network import Network

network = Network()
network.vlan("office", "10.10.0.0/16")
print(network.switch.name, network.host("server", {"office": "10.10.0.5"}).start(["sleep", "600"]).pid)
print(network.directory, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_behind_is_swept_away_by_the_next():
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED], cwd=ROOT, capture_output=True, text=True, check=False
    )
    namespace, sleeping, directory = killed.stdout.split()
    assert Path(directory).is_dir()
    Namespace("sweeper").delete()
    assert namespace not in subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    # What nobody has waited for yet is dead all the same, and has no command line any more.
    command = Path(f"/proc/{sleeping}/cmdline")
    wait_until(lambda: not command.exists() or not command.read_bytes(), "the end of sleep")
    assert not Path(directory).exists()


def test_a_program_that_ends_too_early_says_what_it_said():
    process = Process(["sh", "-c", "echo no such thing; exit 3"])
    with pytest.raises(HarnessError, match=r"(?s)but ended.*no such thing"):
        process.wait_for("ready")
    assert process.stop() == 3


def test_octets_of_a_frame_survive_both_ways():
    datagram = Datagram(
        source_mac=0x525400000001,
        destination_mac=0x525400000002,
        source=(IPv4Address("10.10.0.5"), 67),
        destination=(IPv4Address("10.10.0.9"), 68),
        payload=b"odd",
    )
    assert parse_frame(udp_frame(datagram)) == datagram
    assert parse_frame(udp_frame(datagram)[:20]) is None
    assert list(parse_frames(udp_frame(datagram))) == [datagram]


def test_answers_that_no_card_has_cut_apart_are_heard_one_by_one(network):
    """As a server's storm of answers is seen on a veth: DHCP messages of one length in one UDP datagram."""
    machine = network.host("machine", {"office": None})
    other = network.host("other", {"office": None})
    with PxeClient(machine, MAC) as client, PxeClient(other, "52:54:00:00:00:02") as sender:
        asked = client.discover()
        offers = [
            replace(sender.packet(MessageType.OFFER), op=BOOTREPLY, xid=asked.xid, chaddr=asked.chaddr),
            replace(sender.packet(MessageType.OFFER), op=BOOTREPLY, xid=asked.xid + 1, chaddr=asked.chaddr),
        ]
        for order in (offers, offers[::-1]):
            sender.send_octets(b"".join(encode(offer) for offer in order), port=CLIENT_PORT)
            assert client.reply().packet.xid == asked.xid


@pytest.mark.needs("dnsmasq", "tcpdump")
def test_a_client_takes_an_address_and_others_can_reach_it(network):
    server = network.host("server", {"office": "10.10.0.5"})
    machine = network.host("machine", {"office": None})
    start_dnsmasq(server, ["dhcp-range=10.10.1.0,10.10.1.9,1h", "dhcp-boot=a.0"])
    capture = network.capture("office")
    with PxeClient(machine, MAC) as client:
        client.discover(secs=4)
        offer = client.reply()
        assert offer.source == (IPv4Address("10.10.0.5"), 67)
        assert offer.packet.options[Option.BOOTFILE_NAME].rstrip(b"\0") == b"a.0"
        ack = client.take(offer.packet)
        assert ack.yiaddr in {IPv4Address(f"10.10.1.{last}") for last in range(10)}
    frame = capture.wait_for(lambda frame: frame.kind == "ACK", "ACK")
    assert frame.packet == ack
    assert [frame.kind for frame in capture.frames()] == ["DISCOVER", "OFFER", "REQUEST", "ACK"]
    assert capture.frames("DISCOVER")[0].packet.secs == 4


@pytest.mark.needs("dnsmasq")
def test_a_relay_agent_reaches_every_target_and_brings_replies_back(network):
    router = network.router({"office": "10.10.0.1", "workshop": "10.20.0.1"})
    for last in (5, 6):
        host = network.host(f"server{last}", {"office": f"10.10.0.{last}"}, gateway="10.10.0.1")
        start_dnsmasq(host, [f"dhcp-range=10.20.{last}.0,10.20.{last}.9,255.255.0.0,1h"])
    network.relay(router, "workshop", ["10.10.0.5", "10.10.0.6"], option_82=b"\x01\x04port")
    machine = network.host("machine", {"workshop": None})
    with PxeClient(machine, MAC) as client:
        client.discover()
        replies = client.replies()
        heard = [next(replies), next(replies)]
    assert {each.packet.yiaddr.packed[2] for each in heard} == {5, 6}
    assert {each.source for each in heard} == {(IPv4Address("10.20.0.1"), 67)}
    assert all(Option.RELAY_AGENT_INFORMATION not in each.packet.options for each in heard)


@pytest.mark.needs("dnsmasq")
def test_a_relay_agent_drops_what_is_below_its_threshold(network):
    router = network.router({"office": "10.10.0.1", "workshop": "10.20.0.1"})
    host = network.host("server", {"office": "10.10.0.5"}, gateway="10.10.0.1")
    start_dnsmasq(host, ["dhcp-range=10.20.5.0,10.20.5.9,255.255.0.0,1h"])
    network.relay(router, "workshop", ["10.10.0.5"], min_secs=4)
    capture = network.capture(host)
    machine = network.host("machine", {"workshop": None})
    with PxeClient(machine, MAC) as client:
        for secs in (0, 3, 4):
            client.discover(secs=secs)
        client.reply()
    assert [frame.packet.secs for frame in capture.frames("DISCOVER")] == [4]


@pytest.mark.needs("in.tftpd", "tcpdump")
def test_files_travel_between_hosts(network):
    server = network.host("server", {"office": "10.10.0.5"})
    machine = network.host("machine", {"office": "10.10.0.9"})
    content = bytes(range(256)) * 9
    root = server.write("tftp/file", content).parent
    start_tftpd(server, root)
    capture = network.capture(server)
    assert tftp_get(machine, server.address, "file", options={"blksize": 1024}) == content
    with pytest.raises(TftpException):
        tftp_get(machine, server.address, "none")
    capture.wait_for(lambda frame: frame.kind == "TFTP ERROR", "error")
    kinds = [frame.kind for frame in capture.frames()]
    assert kinds == ["RRQ", "OACK", "TFTP ACK", *["DATA", "TFTP ACK"] * 3, "RRQ", "TFTP ERROR"]
    assert [frame.file for frame in capture.frames("RRQ")] == ["file", "none"]


def test_a_client_asks_a_boot_server_and_answers_arp_for_its_address(network):
    server = network.host("server", {"office": "10.10.0.5"})
    machine = network.host("machine", {"office": None})
    echo = server.start(["python3", "-c", _ECHO_4011, "10.10.0.5"], ready="ready")
    with PxeClient(machine, MAC, architecture=7) as client:
        client.address = IPv4Address("10.10.1.1")
        asked = client.ask_4011(server.address, hardware_address(server))
        heard = client.reply()
    echo.stop()
    assert heard.source == (IPv4Address("10.10.0.5"), 4011)
    assert heard.packet == replace(asked, op=BOOTREPLY)


_ECHO_4011 = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
    asked.bind((sys.argv[1], 4011))
    print("ready", flush=True)
    while True:
        data, peer = asked.recvfrom(2000)
        asked.sendto(bytes((2,)) + data[1:], peer)
"""


def test_arp_names_the_address_that_was_asked_for():
    request = ArpRequest(sender_mac=1, sender=IPv4Address("10.10.0.5"), target=IPv4Address("10.10.1.1"))
    frame = arp_reply(request, 0x525400000001)
    assert frame[:6] == bytes((0, 0, 0, 0, 0, 1))
    assert frame[20:22] == b"\0\2"
    assert frame[22:32] == bytes.fromhex("525400000001") + request.target.packed


def test_replies_to_other_machines_are_not_heard(network):
    machine = network.host("machine", {"office": None})
    other = network.host("other", {"office": None})
    with PxeClient(machine, MAC) as client, PxeClient(other, "52:54:00:00:00:02") as sender:
        discover = client.discover()
        for packet in (
            Packet(op=BOOTREPLY, xid=client.xid + 77, chaddr=discover.chaddr),
            Packet(op=BOOTREPLY, xid=client.xid, chaddr=bytes(6)),
            Packet(op=BOOTREPLY, xid=client.xid, chaddr=discover.chaddr, file=b"mine"),
        ):
            sender.send(packet, port=68)
        assert client.reply().packet.file == b"mine"
    assert len(encode(discover)) >= 300
    assert discover.message_type is MessageType.DISCOVER


def test_a_host_can_have_folders_of_its_own(network):
    server = network.host("server", {"office": "10.10.0.5"})
    (server.own_path("/srv/some/where") / "file").touch()
    (server.own_folder("/mnt") / "here").write_text("mine alone")
    assert server.own_path("/srv/some/where/else").is_dir()
    assert server.run(["ls", "/srv/some/where"]) == "else\nfile\n"
    said = server.start(["cat", "/mnt/here"])
    assert said.wait() == 0
    assert said.output == "mine alone"
    assert not Path("/mnt/here").exists()
    with pytest.raises(HarnessError, match="/no/such/folder"):
        server.own_folder("/no/such/folder")
