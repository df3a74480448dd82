"""The boot server on a real wire: VLANs, relays, well-known ports, DHCP servers beside it, and faults."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
from tftpy import TftpException

from coexist.boot.request import ClientKind
from coexist.probe.frame import Datagram, cut_apart, decode_frame
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet, decode, encode
from coexist.wire.mac import format_mac, mac_bytes, parse_mac
from coexist.wire.options import MessageType, Option
from coexist.wire.tftp import ReadRequest
from coexist.wire.tftp import encode as encode_tftp
from tests.harness.client import Heard, PxeClient, hardware_address, tftp_get
from tests.harness.processes import PATIENCE, Process, wait_until
from tests.harness.servers import start_dhcpd
from tests.wire.server.conftest import OTC, THIN, Site

SO_RCVBUFFORCE = 33  # linux/socket.h
ETH_P_ALL = 3  # linux/if_ether.h: what leaves, too

PLAIN_BIOS = {60: b"PXEClient", 93: b"\0\0"}


def relayed_discover(xid: int, mac: int, options: Mapping[int, bytes] = PLAIN_BIOS) -> Packet:
    """A DISCOVER as the bench relays it."""
    return Packet(
        op=1,
        xid=xid,
        chaddr=mac_bytes(mac),
        giaddr=IPv4Address("10.20.1.7"),
        options={53: b"\x01", **options},
    )


def test_broadcasts_are_answered_from_the_address_of_their_vlan(site):
    site.serve()
    for host, address in ((site.desk, "10.10.0.6"), (site.bench, "10.20.0.6")):
        with site.client(host, architecture=7) as client:
            client.discover()
            heard = client.reply()
        assert heard.source == (IPv4Address(address), 67)
        assert heard.packet.siaddr == IPv4Address(address)
        assert heard.packet.options[Option.SERVER_IDENTIFIER] == IPv4Address(address).packed
        assert heard.packet.options[Option.BOOTFILE_NAME] == b"syslinux64.efi\0"
        assert heard.packet.options[Option.VENDOR_SPECIFIC_INFORMATION] == b"\x06\x01\x08\xff"
        assert len(encode(heard.packet)) >= 300


def test_a_host_with_one_address_answers_from_it(site):
    """The usual host takes a shorter way: it need not ask where a packet came from."""
    solo = site.network.host("solo", {"office": "10.10.0.8"})
    (solo.directory / "tftp").mkdir()
    process = site.serve(host=solo, listen=[{"address": "10.10.0.8"}])
    with site.client(site.desk, architecture=7) as client:
        client.discover()
        heard = client.reply()
        assert (heard.source, heard.packet.siaddr) == ((solo.address, 67), solo.address)
        client.address = IPv4Address("10.10.1.50")
        client.ask_4011(solo.address, hardware_address(solo))
        assert client.reply().source == (solo.address, 4011)
    before = len(process.output)
    solo.add_address("office", "10.10.0.9", 16)
    process.wait_for("interfaces changed", start=before)
    with site.client(site.desk, architecture=7) as client:
        client.discover()
        assert client.reply().source == (solo.address, 67)


def test_what_comes_by_an_interface_without_an_address_is_not_for_this_server(site):
    """Linux hands limited broadcasts to sockets even there; an answer would leave into the other VLAN."""
    half = site.network.host("half", {"office": "10.10.0.8", "workshop": "10.20.0.8"})
    (half.directory / "tftp").mkdir()
    half.namespace.ip("addr flush dev eth1")
    site.serve(host=half, listen=[{"address": "10.10.0.8"}], metrics_port=9100)
    with site.client(site.bench) as client:
        client.discover()
    with site.client(site.desk) as client:
        client.discover()
        assert client.reply().source == (half.address, 67)

    def counted(decision: str) -> bool:
        metrics = half.run(["curl", "-sf", "http://127.0.0.1:9100/metrics"])
        return f'coexist_decisions_total{{decision="{decision}",port="67"}} 1.0' in metrics

    wait_until(lambda: counted("not_listened"), "the other VLAN's DISCOVER")
    assert counted("answered")


def test_a_client_with_an_address_is_answered_on_4011(site):
    site.serve()
    with site.client(site.desk, architecture=7) as client:
        client.address = IPv4Address("10.10.1.50")
        client.ask_4011(OTC, hardware_address(site.otc, "office"))
        heard = client.reply()
    assert (heard.source, heard.packet.message_type) == ((OTC, 4011), MessageType.ACK)


def test_relayed_requests_are_answered_to_the_relay(site):
    site.serve(listen=[{"address": str(OTC)}])
    router = site.network.router({"office": "10.10.0.1", "workshop": "10.20.0.1"})
    site.otc.namespace.ip("route replace 10.20.0.0/16 via 10.10.0.1")
    site.network.relay(router, "workshop", [OTC], option_82=b"\x01\x04port")
    with site.client(site.bench) as client:
        client.discover()
        heard = client.reply()
    assert heard.packet.file == b"lpxelinux.0"
    assert heard.packet.siaddr == OTC
    assert heard.packet.giaddr == IPv4Address("10.20.0.1")


@pytest.mark.parametrize("told", [b"\x01\x04port", bytes((1, 200)) + bytes(200) + bytes((2, 98)) + bytes(98)])
def test_what_the_relay_tells_is_repeated_to_it(site, told):
    """RFC 3046 section 2.2: octet for octet, and the last option (2.1); longer than 255: RFC 3396."""
    site.serve()
    with site.bench.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay:
        relay.bind(("10.20.1.7", 67))
        relay.settimeout(PATIENCE)
        with site.client(site.bench) as client:
            packet = client.packet(MessageType.DISCOVER, {Option.RELAY_AGENT_INFORMATION: told})
        relay.sendto(encode(replace(packet, hops=1, giaddr=IPv4Address("10.20.1.7"))), ("10.20.0.6", 67))
        answer = decode(relay.recv(4096))
    assert isinstance(answer, Packet)
    assert answer.options[Option.RELAY_AGENT_INFORMATION] == told
    assert list(answer.options)[-1] == Option.RELAY_AGENT_INFORMATION


@pytest.mark.needs("dhcpd")
def test_beside_a_dhcp_server_only_4011_is_served(site):
    start_dhcpd(
        site.otc,
        "authoritative; ddns-update-style none; ping-check false;\n"
        "subnet 10.20.0.0 netmask 255.255.0.0 {}\n"
        "subnet 10.10.0.0 netmask 255.255.0.0 { range 10.10.2.1 10.10.2.99;\n"
        '  option vendor-class-identifier "PXEClient"; }\n',
    )
    site.serve(services=["boot-server", "tftp"])
    with site.client(site.desk, architecture=7) as client:
        client.discover()
        offer = client.reply().packet
        assert int(offer.yiaddr)
        client.take(offer)
        client.ask_4011(OTC, hardware_address(site.otc, "office"))
        heard = client.reply(lambda heard: heard.source[1] == 4011)
    assert heard.packet.options[Option.BOOTFILE_NAME] == b"syslinux64.efi\0"


@pytest.mark.needs("dhcpd")
def test_other_servers_answers_are_seen(site):
    core = site.network.host("core", {"office": "10.10.0.5"})
    start_dhcpd(
        core,
        "authoritative; ddns-update-style none; ping-check false;\n"
        "subnet 10.10.0.0 netmask 255.255.0.0 { range 10.10.2.1 10.10.2.99; }\n",
    )
    rules = [{**site.config()["rules"][0], "delay": {"after_offer": True}}]
    process = site.serve(rules=rules, observe=True)
    with site.client(site.desk, broadcast=True) as client:
        client.discover()
        assert client.reply().source[0] == IPv4Address("10.10.0.5")
        process.wait_for("no address offer was heard yet")
        client.discover()
        assert client.reply(lambda heard: heard.source[0] == OTC).packet.file == b"lpxelinux.0"
    process.stop()
    with sqlite3.connect(site.otc.directory / "registry.sqlite") as registry:
        seen = registry.execute("SELECT answered_by FROM clients").fetchall()
    registry.close()
    assert seen == [("10.10.0.5",)]


@pytest.mark.needs("dhcpd")
def test_a_client_that_took_another_pxe_servers_offer_is_left_alone(site):
    other = site.network.host("other", {"office": "10.10.0.5"})
    start_dhcpd(
        other,
        "authoritative; ddns-update-style none; ping-check false;\n"
        "subnet 10.10.0.0 netmask 255.255.0.0 { range 10.10.2.1 10.10.2.99; next-server 10.10.0.5;\n"
        '  filename "other.0"; option vendor-class-identifier "PXEClient"; }\n',
    )
    process = site.serve(follow_offers=True)
    with site.client(site.desk, broadcast=True) as client:
        client.discover()
        offer = client.reply(lambda heard: heard.source[0] == other.address).packet
        client.request(offer)
        client.reply(lambda heard: heard.packet.message_type is MessageType.ACK)
        before = len(process.output)
        client.discover()
        process.wait_for("not answered.*DISCOVER.*the client chose another server", start=before)


def test_the_whitelist_counts_for_tftp_by_the_neighbour_table(site):
    process = site.serve(rules=[{**site.config()["rules"][0]}])
    assert tftp_get(site.desk, OTC, "lpxelinux.0", options={"blksize": 1468}) == b"thin" * 5000
    with pytest.raises(TftpException):
        tftp_get(site.bench, "10.20.0.6", "lpxelinux.0")
    process.wait_for("tftp refused.*no rule is about this client")


def test_a_machine_behind_another_card_loads_its_files_once_it_has_said_its_uuid(site):
    rule = {**site.config()["rules"][0], "clients": {"uuids": ["4c4c4544-0042-3510-8052-b4c04f4e4a32"]}}
    site.serve(rules=[rule])
    uuid = bytes.fromhex("44454c4c420010358052b4c04f4e4a32")
    with pytest.raises(TftpException):
        tftp_get(site.bench, "10.20.0.6", "lpxelinux.0")
    with site.client(site.bench, format_mac(hardware_address(site.bench))) as client:
        client.discover(options={Option.CLIENT_MACHINE_IDENTIFIER: b"\0" + uuid})
        assert client.reply().packet.file == b"lpxelinux.0"
    assert tftp_get(site.bench, "10.20.0.6", "lpxelinux.0", options={"blksize": 1468}) == b"thin" * 5000


def test_through_a_router_the_address_comes_from_dhcp(site):
    """The relay copies the client's REQUEST here; a TFTP request through the router has the router's MAC."""
    router = site.network.router({"office": "10.10.0.1", "workshop": "10.20.0.1"})
    site.otc.namespace.ip("link set eth1 down", "route replace 10.20.0.0/16 via 10.10.0.1")
    site.bench.namespace.ip("route add default via 10.20.0.1")
    site.network.relay(router, "workshop", [OTC])
    process = site.serve(listen=[{"address": str(OTC)}])
    with pytest.raises(TftpException):
        tftp_get(site.bench, OTC, "lpxelinux.0")
    process.wait_for("no client is known by this address")
    with site.client(site.bench) as client:
        client.send(
            client.packet(
                MessageType.REQUEST,
                {
                    Option.REQUESTED_IP_ADDRESS: IPv4Address("10.20.1.7").packed,
                    Option.SERVER_IDENTIFIER: IPv4Address("10.10.0.5").packed,
                },
            )
        )
    process.wait_for("the client chose another server")
    assert tftp_get(site.bench, OTC, "lpxelinux.0", options={"blksize": 1468}) == b"thin" * 5000


def test_httpclients_get_a_url_they_can_fetch(site):
    site.serve(
        services=["proxydhcp", "tftp", "http"],
        http={"port": 80},
        rules=[{**site.config()["rules"][0], "programs": {"http-x64": "lpxelinux.0"}}],
    )
    with site.client(site.desk, architecture=16, kind=ClientKind.HTTP.value) as client:
        client.discover()
        offer = client.reply().packet
    assert offer.options[Option.VENDOR_CLASS_IDENTIFIER] == b"HTTPClient"
    url = offer.options[Option.BOOTFILE_NAME].rstrip(b"\0").decode()
    assert url == "http://10.10.0.6/lpxelinux.0"
    assert site.desk.run(["curl", "-sf", url]) == "thin" * 5000
    status = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"]
    assert site.bench.run([*status, "http://10.20.0.6/lpxelinux.0"]) == "403"


@pytest.mark.needs("atftp", "tftp", "curl")
@pytest.mark.parametrize(
    "command",
    [
        [
            "atftp",
            "--get",
            "-r",
            "lpxelinux.0",
            "-l",
            "got",
            "--option",
            "blksize 1468",
            "--option",
            "windowsize 8",
            str(OTC),
        ],
        ["atftp", "--get", "-r", "lpxelinux.0", "-l", "got", str(OTC)],
        ["tftp", "-m", "binary", str(OTC), "-c", "get", "lpxelinux.0", "got"],
        ["curl", "-sf", "-o", "got", f"tftp://{OTC}/lpxelinux.0"],
    ],
)
def test_clients_nobody_here_wrote_fetch_it(site, command):
    site.serve()
    process = site.desk.start(command)
    assert process.wait() == 0
    assert (site.desk.directory / "got").read_bytes() == b"thin" * 5000


# -- faults --------------------------------------------------------------------------------------


def test_an_interface_goes_down_and_comes_back(site):
    process = site.serve()
    site.otc.namespace.ip("link set eth0 down")
    process.wait_for("interfaces changed")
    with site.client(site.bench) as client:
        client.discover()
        assert client.reply().packet.file == b"lpxelinux.0"
    before = len(process.output)
    site.otc.namespace.ip("addr flush dev eth0", "link set eth0 up", f"addr add {OTC}/16 brd + dev eth0")
    process.wait_for("interfaces changed", start=before)
    with site.client(site.desk) as client:
        client.discover()
        assert client.reply().source == (OTC, 67)
    assert tftp_get(site.desk, OTC, "lpxelinux.0") == b"thin" * 5000


def test_an_interface_that_comes_after_the_server(site):
    site.otc.namespace.ip("addr flush dev eth0", "link set eth0 down")
    process = site.serve()
    before = len(process.output)
    site.otc.namespace.ip("link set eth0 up", f"addr add {OTC}/16 brd + dev eth0")
    process.wait_for("interfaces changed", start=before)
    with site.client(site.desk) as client:
        client.discover()
        assert client.reply().packet.file == b"lpxelinux.0"
    assert tftp_get(site.desk, OTC, "lpxelinux.0") == b"thin" * 5000


def test_what_cannot_be_sent_hurts_nobody_else(site):
    """A route that refuses (EACCES), as a firewall would (EPERM)."""
    process = site.serve()
    site.otc.namespace.ip("route add prohibit 10.30.0.1/32")
    with site.client(site.desk) as client:
        packet = client.packet(MessageType.DISCOVER)
        relayed = Packet(**{name: getattr(packet, name) for name in ("op", "xid", "chaddr", "options")},
                         giaddr=IPv4Address("10.30.0.1"))  # fmt: skip
        client.send(relayed)
        process.wait_for("send failed.*10.30.0.1")
        client.discover()
        assert client.reply().packet.file == b"lpxelinux.0"


def test_a_second_instance_says_what_is_wrong(site):
    site.serve()
    process = site.otc.start([sys.executable, "-m", "coexist", "serve", site.otc.directory / "coexist.yaml"])
    assert process.wait() == 4
    assert "UDP port 67 is in use" in process.output
    assert "Traceback" not in process.output


def test_killed_under_load_it_serves_again_after_a_restart(site):
    process = site.serve()
    stop = threading.Event()

    def load() -> None:
        sock = site.bench.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
        number = 0
        while not stop.is_set():
            number += 1
            packet = relayed_discover(number, 0x008064000000 + number % 5000)
            sock.sendto(encode(packet), ("10.20.0.6", 67))
            sock.sendto(encode_tftp(ReadRequest(filename="lpxelinux.0")), ("10.20.0.6", 69))
        sock.close()

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for _ in range(3):
            process.wait_for("not answered")
            process.send_signal(signal.SIGKILL)
            process.wait()
            process = site.serve()
        with site.client(site.desk) as client:
            client.discover()
            assert client.reply().packet.file == b"lpxelinux.0"
        assert tftp_get(site.desk, OTC, "lpxelinux.0", options={"blksize": 1468}) == b"thin" * 5000
    finally:
        stop.set()
        thread.join()
    process.stop()
    with sqlite3.connect(site.otc.directory / "registry.sqlite") as registry:
        assert registry.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    registry.close()


def test_sighup_reloads_and_sigterm_ends(site):
    process = site.serve()
    process.send_signal(signal.SIGHUP)
    process.wait_for("configuration in use")
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0
    assert "stopped" in process.output


def test_a_flood_of_random_macs_is_bounded_in_memory(site):
    process = site.serve()
    sock = site.bench.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def flood(first: int, count: int) -> int:
        for number in range(first, first + count):
            options = {60: b"PXEClient:" + str(number).encode(), 97: number.to_bytes(17, "big")}
            packet = relayed_discover(number, 0x020000000000 + number * 7919, options)
            sock.sendto(encode(packet), ("10.20.0.6", 67))
        # Its DISCOVER may be lost in the flood, and is sent again as any firmware does.
        with site.client(site.desk) as client:
            answers: list[Heard] = []
            while not answers:
                client.discover()
                answers = list(islice(client.replies(timeout=2), 1))
            assert answers[0].packet.file == b"lpxelinux.0"
        return _resident_kib(process.pid)

    flood(0, 70_000)
    full = flood(70_000, 70_000)
    assert flood(140_000, 70_000) < full + 30_000
    sock.close()


@pytest.mark.parametrize("relayed", [True, False], ids=["relay", "broadcasts"])
def test_answers_of_a_storm_leave_together_and_arrive_one_by_one(site, relayed):
    """On the server's own host a capture shows them before the kernel has cut them apart."""
    site.serve()
    tap = site.otc.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    tap.bind(("eth1", ETH_P_ALL))
    asking = site.bench.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    asking.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    asking.bind(("10.20.1.7", 67) if relayed else ("", 68))
    for sock in (tap, asking):
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
    to = ("10.20.0.6" if relayed else "255.255.255.255", 67)
    thin, xids = parse_mac(THIN), count(1)
    all_seen: set[bytes] = set()

    def wave() -> bool:
        """Many DISCOVERs; whether answers to them left together."""
        asked = {next(xids) for _ in range(500)}
        for xid in asked:
            packet = relayed_discover(xid, thin)
            asking.sendto(encode(packet if relayed else replace(packet, giaddr=UNSPECIFIED)), to)
        asking.settimeout(PATIENCE)
        received = [asking.recv(4096)]
        asking.settimeout(0.5)  # what the server could not take is lost, as on any wire
        with suppress(TimeoutError):
            while len(received) < len(asked):
                received.append(asking.recv(4096))
        assert len({octets[4:8] for octets in received}) == len(received)
        frames = [datagram for datagram in _seen(tap) if datagram.payload[0] == BOOTREPLY]
        seen = [single.payload for datagram in frames for single in cut_apart(datagram)]
        assert len(set(seen)) == len(seen)
        all_seen.update(seen)
        assert set(received) <= all_seen
        return len(frames) < len(seen)

    wait_until(wave, "answers that left together")
    tap.close()
    asking.close()


def _seen(tap: socket.socket) -> Iterator[Datagram]:
    """The DHCP datagrams an AF_PACKET socket has seen up to now."""
    tap.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            datagram = decode_frame(tap.recv(65535))
            if datagram is not None and datagram.source_port == 67:
                yield datagram


def _resident_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])


def test_a_reload_under_load_leaves_nobody_unanswered(site):
    """Every DISCOVER gets its one answer, by the old rules or by the new ones."""
    listed = [format_mac(0x008064100000 + number) for number in range(1000)]
    site.otc.write("thin.macs", "\n".join(listed))

    def rules(file: str) -> list[dict[str, Any]]:
        return [{"name": "thin", "clients": {"files": ["thin.macs"]}, "programs": {"bios": file}}]

    process = site.serve(rules=rules("0.0"))
    files: set[bytes] = set()
    sock = site.bench.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("10.20.1.7", 67))
    sock.settimeout(PATIENCE)
    xid = 0

    def ask_them_all() -> None:
        """Sixteen at a time are on the way; each must be answered before the next is asked."""
        nonlocal xid
        waiting: set[int] = set()
        for _ in range(500):
            while len(waiting) < 16:
                xid += 1
                waiting.add(xid)
                packet = relayed_discover(xid, 0x008064100000 + xid % 1000)
                sock.sendto(encode(packet), ("10.20.0.6", 67))
            answer = decode(sock.recv(4096))
            assert isinstance(answer, Packet)
            waiting.remove(answer.xid)
            files.add(answer.file)
        for _ in range(len(waiting)):
            answer = decode(sock.recv(4096))
            assert isinstance(answer, Packet)
            waiting.remove(answer.xid)

    for generation in range(1, 6):
        before = len(process.output)
        site.otc.write("coexist.yaml", json.dumps(site.config(rules=rules(f"{generation}.0"))))
        process.send_signal(signal.SIGHUP)
        while "configuration in use" not in process.output[before:]:
            ask_them_all()
        ask_them_all()
        assert f"{generation}.0".encode() in files
    sock.close()


@pytest.mark.parametrize("starts_full", [False, True])
def test_a_full_disk_under_the_registry_costs_no_boot(site: Site, starts_full: bool) -> None:
    """The registry's file is on a disk of its own. When there is room again, what was seen is written."""
    disk = site.otc.directory / "state"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "disk", disk], check=True)
    filler = disk / "filler"
    serving: Process | None = None

    def seen() -> bool:
        shown = subprocess.run(
            [
                sys.executable,
                "-m",
                "coexist",
                "clients",
                "list",
                disk / "registry.sqlite",
                "--format",
                "json",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        return shown.returncode == 0 and THIN in {row["mac"] for row in json.loads(shown.stdout)}

    def fill() -> None:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))

    try:
        if starts_full:
            fill()
        serving = site.serve(registry=str(disk / "registry.sqlite"))
        if not starts_full:
            fill()
        with PxeClient(site.desk, THIN) as client:
            for xid in range(3):
                client.discover(secs=xid)
                assert client.reply().packet.mac == client.mac
        serving.wait_for("registry not written")
        with PxeClient(site.desk, THIN) as client:
            client.discover()
            assert client.reply().packet.mac == client.mac
        filler.unlink()
        wait_until(seen, "what was seen is written")
    finally:
        if serving is not None:
            serving.stop(patience=15)
        subprocess.run(["umount", "--lazy", disk], check=True)
