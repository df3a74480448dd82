"""The server's decisions end to end, over loopback sockets: what is asked, answered, delayed, refused."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
import urllib.error
import urllib.request
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import count

import pytest

from coexist.registry.sqlite import sqlite_registry
from coexist.wire.bootp import Packet, decode, encode
from coexist.wire.tftp import Ack, Data, Error, OptionAck, ReadRequest, WriteRequest
from coexist.wire.tftp import decode as decode_tftp
from coexist.wire.tftp import encode as encode_tftp
from tests.unit.server.conftest import THIN, config, discover

LATE = "52:54:01:00:00:01"
late_rule = {
    "name": "late",
    "clients": {"prefixes": ["52:54:01"]},
    "delay": 0.3,
    "programs": {"bios": "late.0"},
}


def test_each_architecture_gets_its_program_on_both_ports(start):
    running = start(config())
    assert running.ask(discover(THIN)).file == b"lpxelinux.0"
    assert running.ask(discover(THIN, 7)).file == b"syslinux64.efi"
    on_4011 = running.ask(discover(THIN, 7, options={53: b"\x03"}), role=4011)
    assert (on_4011.file, on_4011.options[53]) == (b"syslinux64.efi", b"\x05")


def test_a_machine_is_known_by_its_uuid_whatever_card_it_uses(start):
    named = {
        "name": "laptops",
        "clients": {"uuids": ["4c4c4544-0042-3510-8052-b4c04f4e4a32"]},
        "programs": {"bios": "laptop.0"},
    }
    running = start(config(rules=[*config()["rules"], named]))
    uuid = bytes.fromhex("44454c4c420010358052b4c04f4e4a32")
    for card in ("02:00:5e:00:00:01", "02:00:5e:00:00:02"):
        assert running.ask(discover(card, options={97: b"\0" + uuid})).file == b"laptop.0"
    assert running.ask(discover(THIN, options={97: b"\0" + uuid})).file == b"lpxelinux.0"
    stranger = running.client()
    other = discover("02:00:5e:00:00:01", options={97: b"\0" + uuid[::-1]})
    stranger.sendto(encode(other), ("127.0.0.1", running.port(67)))
    running.said.wait_for(r"not answered .*02:00:5e:00:00:01.*no rule is about this client")


def test_strangers_are_not_answered_and_remembered(start, tmp_path):
    running = start(config(registry="registry.sqlite"))
    client = running.client()
    client.sendto(encode(discover("52:54:00:00:00:99", 7)), ("127.0.0.1", running.port(67)))
    running.said.wait_for(r"not answered .*52:54:00:00:00:99.*uefi-x64.*no rule is about this client")
    running.stop()
    registry = sqlite_registry(tmp_path / "registry.sqlite")
    row = registry.find(0x525400000099)
    registry.close()
    assert row is not None
    assert (row.state, row.architecture, row.requests, row.vlan) == ("seen", 7, 1, "office")
    assert row.vendor_class.startswith("PXEClient")
    # No rule names a UUID; it is kept as the machine's set-up shows it (SMBIOS swaps its first three fields).
    assert row.uuid == "11111111-1111-1111-1111-525400000099"
    assert row.first_seen == row.last_seen


def test_a_delayed_answer_delays_nobody_else(start):
    running = start(config(rules=[*config()["rules"], {**late_rule, "delay": 2.0}]))
    late, thin = running.client(), running.client()
    late.sendto(encode(discover(LATE)), ("127.0.0.1", running.port(67)))
    running.said.wait_for("answer waits")
    assert running.ask(discover(THIN), sock=thin).file == b"lpxelinux.0"
    assert running.server.counters.waiting == 1
    answer = decode(late.recv(4096))
    assert isinstance(answer, Packet)
    assert answer.file == b"late.0"


def test_an_identical_discover_is_neither_doubled_nor_forgotten(start):
    running = start(config(rules=[late_rule]))
    client = running.client()
    for _ in range(3):
        client.sendto(encode(discover(LATE)), ("127.0.0.1", running.port(67)))
    client.sendto(encode(discover(LATE, xid=2)), ("127.0.0.1", running.port(67)))
    # The machine began anew with another xid: that exchange is the one that gets the answer, once.
    answer = decode(client.recv(4096))
    assert isinstance(answer, Packet)
    assert answer.xid == 2
    running.said.wait_for(r"answered .*late_ms")
    decisions = running.server.counters.decisions
    assert (decisions[67, "ANSWERED"], decisions[67, "WAITING"], running.server.counters.waiting) == (1, 2, 0)
    client.sendto(encode(discover(LATE, xid=2)), ("127.0.0.1", running.port(67)))
    assert isinstance(decode(client.recv(4096)), Packet)


def test_the_wall_clock_may_jump(start, monkeypatch):
    running = start(config(rules=[late_rule]))
    client = running.client()
    client.sendto(encode(discover(LATE)), ("127.0.0.1", running.port(67)))
    running.said.wait_for("answer waits")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    assert isinstance(decode(client.recv(4096)), Packet)
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    client.sendto(encode(discover(LATE, xid=5)), ("127.0.0.1", running.port(67)))
    assert isinstance(decode(client.recv(4096)), Packet)


def test_deny_lists_groups_and_registrations(start, tmp_path):
    settings = config(
        registry="registry.sqlite",
        deny={"ranges": ["52:54:00:00:00:10 to 52:54:00:00:00:1f"]},
        groups={"lab": {"prefixes": ["52:54:02"]}},
        rules=[
            {"name": "lab", "clients": {"groups": ["lab"]}, "programs": {"bios": "lab.0"}},
            *config()["rules"],
        ],
    )
    running = start(settings)
    assert running.ask(discover("52:54:02:00:00:01")).file == b"lab.0"
    client = running.client()
    client.sendto(encode(discover("52:54:00:00:00:11")), ("127.0.0.1", running.port(67)))
    running.said.wait_for(r"52:54:00:00:00:11.*deny list")
    registry = sqlite_registry(tmp_path / "registry.sqlite")
    registry.decide(0x525400000042, "registered")
    registry.decide(0x525400000043, "registered", group="lab")
    registry.decide(0x525400000001, "ignored")
    registry.close()
    while 0x525400000042 not in running.server.loaded.policy.rules[1].clients:
        time.sleep(0.01)
    assert running.ask(discover("52:54:00:00:00:42")).file == b"lpxelinux.0"
    assert running.ask(discover("52:54:00:00:00:43")).file == b"lab.0"
    client.sendto(encode(discover(THIN)), ("127.0.0.1", running.port(67)))
    running.said.wait_for(rf"not answered mac={THIN}.*deny list")


def test_a_registration_menu(start, tmp_path):
    menu = {
        "prompt": "This machine is not registered",
        "timeout": 255,
        "items": [
            {"text": "Boot from the disk", "local": True},
            {"text": "Ask to be registered", "register": True, "programs": {"bios": "registered.0"}},
        ],
    }
    rule = {"name": "strangers", "clients": {"everyone": True}, "menu": menu}
    running = start(config(registry="registry.sqlite", rules=[*config()["rules"], rule]))
    stranger = "52:54:07:00:00:01"
    offer = running.ask(discover(stranger))
    assert (offer.file, b"Ask to be registered" in offer.options[43]) == (b"", True)
    item = b"\x47\x04\x00\x02\x00\x00\xff"
    chosen = running.ask(discover(stranger, options={53: b"\x03", 43: item}), role=4011)
    assert (chosen.file, item[:-1] in chosen.options[43]) == (b"registered.0", True)
    running.said.wait_for("asks to be registered")
    running.stop()
    registry = sqlite_registry(tmp_path / "registry.sqlite")
    row = registry.find(0x525407000001)
    registry.close()
    assert row is not None
    assert row.state == "asking"


def test_addresses_are_learnt_from_requests(start):
    running = start(config())
    packet = discover(THIN, options={53: b"\x03", 50: bytes((10, 10, 1, 7)), 54: bytes((10, 10, 0, 5))})
    client = running.client()
    client.sendto(encode(packet), ("127.0.0.1", running.port(67)))
    running.said.wait_for("chose another server")
    assert running.server.clients.addresses["10.10.1.7"] == 0x525400000001
    seen = running.server.clients.find(0x525400000001)
    assert seen is not None
    assert (seen.address, seen.answered_by) == ("10.10.1.7", "10.10.0.5")


# -- TFTP ----------------------------------------------------------------------------------------


def fetch(running, name, loses=frozenset(), **options):
    """The file and the options the server agreed to, by a client that acknowledges as RFC 7440 says.

    ``loses``: which of the datagrams that reach it, by number, it never sees.
    """
    heard = count()
    client = running.client()
    client.sendto(encode_tftp(ReadRequest(filename=name, options=options)), ("127.0.0.1", running.port(69)))
    received, agreed, expected, in_window = b"", {}, 1, 0
    while True:
        octets, peer = client.recvfrom(70_000)
        if next(heard) in loses:
            continue
        message = decode_tftp(octets)
        if isinstance(message, Error):
            return message
        if isinstance(message, OptionAck):
            agreed = dict(message.options)
            client.sendto(encode_tftp(Ack(block=0)), peer)
            continue
        assert isinstance(message, Data)
        if message.block != expected & 0xFFFF:
            if in_window >= 0:  # once: what follows a gap is out of order as well
                client.sendto(encode_tftp(Ack(block=(expected - 1) & 0xFFFF)), peer)
            in_window = -1
            continue
        in_window = max(in_window, 0)
        received += message.payload
        expected, in_window = expected + 1, in_window + 1
        last = len(message.payload) < int(agreed.get("blksize", 512))
        if last or in_window == int(agreed.get("windowsize", 1)):
            client.sendto(encode_tftp(Ack(block=message.block)), peer)
            in_window = 0
        if last:
            return received, agreed


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 100_000, 2_000_000])
@pytest.mark.parametrize(
    "options", [{}, {"blksize": "1468", "tsize": "0"}, {"blksize": "1024", "windowsize": "16"}]
)
def test_files_arrive_whole(start, tmp_path, size, options):
    running = start(config())
    content = os.urandom(size)
    (tmp_path / "root" / "file").write_bytes(content)
    for _ in range(2):  # the second one may be on a port with others
        received, agreed = fetch(running, "file", **options)
        assert received == content
        assert agreed == {**options, **({"tsize": str(size)} if "tsize" in options else {})}


@pytest.mark.parametrize("window", [3, 4, 16, 64])
def test_lost_datagrams_are_sent_again(start, tmp_path, window):
    """Behind the gap the windows begin elsewhere, and are no longer those that were prepared."""
    running = start(config())
    content = os.urandom(700_000)
    (tmp_path / "root" / "file").write_bytes(content)
    loses = frozenset({2, 30, 31, 150, 217, 400, 401, 402, 560})
    options = {"blksize": "1024", "windowsize": str(window)}
    assert fetch(running, "file", loses, **options)[0] == content


@pytest.mark.parametrize("error", [errno.EINVAL, errno.EMSGSIZE, errno.EIO])
def test_block_by_block_where_the_kernel_stops_to_segment(start, tmp_path, error):
    """A route may change to a device that cannot: send(2) of a whole window fails from then on."""
    running = start(config())
    content = os.urandom(400_000)
    (tmp_path / "root" / "file").write_bytes(content)
    client = running.client()
    options = {"blksize": "1024", "windowsize": "4"}
    client.sendto(encode_tftp(ReadRequest(filename="file", options=options)), ("127.0.0.1", running.port(69)))
    peer = client.recvfrom(2048)[1]
    (service,) = running.server.services.tftp.values()
    (transfer,) = service.running.values()
    send = transfer.send

    def refuse(octets):
        if len(octets) > 1028:
            raise OSError(error, os.strerror(error))
        return send(octets)

    received = b""
    for block in range(0, 391, 4):
        if block == 20:
            transfer.send = refuse
        client.sendto(encode_tftp(Ack(block=block)), peer)
        for number in range(block + 1, min(block + 4, 391) + 1):
            data = decode_tftp(client.recv(2048))
            assert isinstance(data, Data)
            assert data.block == number
            received += data.payload
    assert received == content
    client.sendto(encode_tftp(Ack(block=391)), peer)
    running.said.wait_for("tftp finished")
    assert dict(running.server.counters.send_errors) == {errno.errorcode[error]: 1}


def test_more_than_65535_blocks(start, tmp_path):
    running = start(config())
    content = os.urandom(8 * 66_000 + 3)
    (tmp_path / "root" / "file").write_bytes(content)
    assert fetch(running, "file", blksize="8", windowsize="64")[0] == content


def test_what_tftp_refuses(start, tmp_path):
    running = start(config())
    (tmp_path / "root" / "file").write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"x")
    assert fetch(running, "../secret").code == 2
    assert fetch(running, "nothing").code == 1
    client = running.client()
    target = ("127.0.0.1", running.port(69))
    for message in (ReadRequest(filename="file", mode="netascii"), WriteRequest(filename="file")):
        client.sendto(encode_tftp(message), target)
        assert isinstance(decode_tftp(client.recv(600)), Error)
    assert (tmp_path / "root" / "file").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("/secret", 1),
        ("../secret", 2),
        ("/../secret", 2),
        ("dir/../../secret", 2),
        ("..\\secret", 2),
        ("\\..\\secret", 2),
        ("dir\\..\\..\\secret", 2),
        ("%2e%2e/secret", 1),
        ("..%2fsecret", 1),
        ("..;/secret", 1),
        ("out", 2),
        ("outdir/secret", 2),
        ("C:\\secret", 1),
    ],
)
def test_no_spelling_reaches_what_is_outside(start, tmp_path, name, code):
    """TFTP knows no percent signs: what they hide is a name like any other, and there is no such file."""
    running = start(config())
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "root" / "dir").mkdir()
    (tmp_path / "root" / "out").symlink_to(tmp_path / "secret")
    (tmp_path / "root" / "outdir").symlink_to(tmp_path)
    (tmp_path / "root" / "dir" / "file").write_bytes(b"x")
    assert fetch(running, name).code == code
    inside = [("dir\\file", b"x"), ("/dir//./file", b"x"), (str(tmp_path / "secret"), None)]
    for inner, content in inside:
        got = fetch(running, inner)
        assert (got[0] == content) if content is not None else got.code == 1


def test_the_whitelist_counts_for_files_too(start, tmp_path):
    """Loopback has no neighbours, so the MAC comes from what the client's DHCP packets said."""
    running = start(config(tftp={"root": "root"}))
    (tmp_path / "root" / "file").write_bytes(b"boot")
    refusal = fetch(running, "file")
    assert refusal.code == 2
    stranger = "52:54:00:00:00:99"
    # Whoever says afterwards that the address is his does not take it from a client that may boot.
    for sent, (mac, served) in enumerate(((stranger, False), (THIN, True), (stranger, True)), start=1):
        packet = discover(mac, options={53: b"\x03", 50: bytes((127, 0, 0, 1)), 54: bytes((10, 0, 0, 1))})
        client = running.client()
        client.sendto(encode(packet), ("127.0.0.1", running.port(67)))
        while sum(running.server.counters.decisions.values()) < sent:
            os.sched_yield()
        result = fetch(running, "file")
        assert (result[0] == b"boot") if served else result.code == 2


def test_files_made_for_one_client(start, tmp_path):
    (tmp_path / "menu.j2").write_text("LABEL {{ name }} in {{ location }} {{ mac }} from {{ server }}\n")
    (tmp_path / "clients.csv").write_text(f"mac,name,location\n{THIN},desk-7,room 1\n")
    settings = config(
        clients=["clients.csv"],
        tftp={"root": "root", "templates": {"pxelinux.cfg/01-{mac}": "menu.j2"}},
    )
    running = start(settings)
    packet = discover(THIN, options={53: b"\x03", 50: bytes((127, 0, 0, 1)), 54: bytes((10, 0, 0, 1))})
    client = running.client()
    client.sendto(encode(packet), ("127.0.0.1", running.port(67)))
    running.said.wait_for("not answered")
    text, agreed = fetch(running, "/pxelinux.cfg/01-52-54-00-00-00-01", tsize="0")
    assert text == b"LABEL desk-7 in room 1 52:54:00:00:00:01 from 127.0.0.1\n"
    assert agreed == {"tsize": str(len(text))}
    other = fetch(running, "pxelinux.cfg/01-52-54-00-00-00-02")
    assert (other.code, "another client" in other.message) == (2, True)


def heard_before(running, tmp_path):
    """Have the server know that this address answers: its next transfers in lock step share a port."""
    (tmp_path / "root" / "short").write_bytes(b"boot")
    assert fetch(running, "short")[0] == b"boot"
    # Its last ACK may still be on the way.
    running.said.wait_for("tftp finished.*short")


either_way = pytest.mark.parametrize("known", [False, True])
"""A transfer on a port of its own, and one on a port with others."""


@either_way
def test_a_client_that_vanishes_frees_its_transfer(start, tmp_path, known):
    running = start(config())
    if known:
        heard_before(running, tmp_path)
    (tmp_path / "root" / "file").write_bytes(bytes(1_000_000))
    client = running.client()
    client.sendto(encode_tftp(ReadRequest(filename="file")), ("127.0.0.1", running.port(69)))
    _, peer = client.recvfrom(600)
    client.sendto(encode_tftp(Ack(block=1)), peer)
    client.close()
    running.said.wait_for("tftp vanished")
    assert running.server.counters.transfers_running == 0


@either_way
def test_doubled_acknowledgements_are_answered_once_and_an_error_behind_one_is_heard(start, tmp_path, known):
    (tmp_path / "root" / "file").write_bytes(bytes(8 * 300))
    running = start(config())
    if known:
        heard_before(running, tmp_path)
    client = running.client()
    request = encode_tftp(ReadRequest(filename="file", options={"blksize": "8"}))
    client.sendto(request, ("127.0.0.1", running.port(69)))
    octets, peer = client.recvfrom(600)
    assert isinstance(decode_tftp(octets), OptionAck)
    for block in range(200):
        for _ in range(3):
            client.sendto(encode_tftp(Ack(block=block)), peer)
        data = decode_tftp(client.recv(600))
        assert isinstance(data, Data)
        assert data.block == block + 1
    # Silence: the block sent last comes again, though its predecessors were taken without the state machine.
    again = decode_tftp(client.recv(600))
    assert isinstance(again, Data)
    assert again.block == 200
    client.sendto(encode_tftp(Ack(block=200)), peer)
    client.sendto(encode_tftp(Error(code=0, message="enough")), peer)
    running.said.wait_for("tftp refused by the client")


@either_way
def test_a_repeated_request_does_not_begin_twice(start, tmp_path, known):
    running = start(config())
    if known:
        heard_before(running, tmp_path)
    (tmp_path / "root" / "file").write_bytes(bytes(2000))
    client = running.client()
    request = encode_tftp(ReadRequest(filename="file"))
    for _ in range(3):
        client.sendto(request, ("127.0.0.1", running.port(69)))
    _, first = client.recvfrom(600)
    running_transfers = running.server.services.tftp[IPv4Address("127.0.0.1")].running
    assert len(running_transfers) == 1
    client.sendto(encode_tftp(Ack(block=1)), first)
    _, second = client.recvfrom(600)
    assert second == first
    client.sendto(encode_tftp(Error(code=0, message="enough")), first)
    running.said.wait_for("refused by the client.*enough")


@either_way
@pytest.mark.parametrize("change", ["truncate", "rewrite"])
def test_a_file_that_changes_while_it_is_served_is_not_mixed(start, tmp_path, change, known):
    running = start(config())
    if known:
        heard_before(running, tmp_path)
    file = tmp_path / "root" / "file"
    file.write_bytes(bytes(1_000_000))
    client = running.client()
    client.sendto(encode_tftp(ReadRequest(filename="file")), ("127.0.0.1", running.port(69)))
    octets, peer = client.recvfrom(600)
    if change == "truncate":
        os.truncate(file, 600)
    else:
        file.write_bytes(b"y" * 1_000_000)
    block = 1
    while isinstance(message := decode_tftp(octets), Data):
        assert message.payload == bytes(512)
        client.sendto(encode_tftp(Ack(block=block)), peer)
        block += 1
        octets = client.recv(600)
    assert isinstance(message, Error)
    assert fetch(running, "file")[0] == file.read_bytes()


def test_two_thousand_that_never_acknowledge(start, tmp_path):
    running = start(config())
    (tmp_path / "root" / "file").write_bytes(b"boot" * 1000)
    silent = []
    for _ in range(2000):
        client = running.client()
        client.sendto(
            encode_tftp(ReadRequest(filename="file", options={"blksize": "1468"})),
            ("127.0.0.1", running.port(69)),
        )
        silent.append(client)
    for client in silent:
        assert isinstance(decode_tftp(client.recv(600)), OptionAck)
    assert running.server.counters.transfers_running == 2000
    assert fetch(running, "file", blksize="1468")[0] == b"boot" * 1000
    assert running.ask(discover(THIN)).file == b"lpxelinux.0"


# -- HTTP ----------------------------------------------------------------------------------------


def test_http_serves_ranges_under_the_same_rules(start, tmp_path):
    (tmp_path / "root" / "file").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "secret").write_text("secret")
    settings = config(http={"port": 0, "whitelist": False}, services=["proxydhcp", "tftp", "http"])
    running = start(settings)
    base = f"http://127.0.0.1:{running.server.services.http.port}"

    def get(path: str, **headers: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(
                urllib.request.Request(base + path, headers=headers), timeout=20
            ) as got:
                return got.status, got.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    assert get("/file") == (200, bytes(range(256)) * 100)
    assert get("/file", Range="bytes=10-19") == (206, bytes(range(10, 20)))
    assert get("/nothing")[0] == 404
    assert get("/%2e%2e/secret")[0] == 403
    assert get("/..%5csecret")[0] == 403
    assert get("/%252e%252e/secret")[0] == 404
    assert get("/file%00.txt")[0] == 403
    offer = running.ask(discover(THIN, 7, options={60: b"HTTPClient:Arch:00016"}))
    assert offer.options[67] == f"{base}/syslinux64.efi\0".encode()
    assert offer.options[60] == b"HTTPClient"


def test_http_refuses_who_may_not_boot(start, tmp_path):
    (tmp_path / "root" / "file").write_bytes(b"x")
    running = start(config(http={"port": 0}, services=["tftp", "http"]))
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"http://127.0.0.1:{running.server.services.http.port}/file", timeout=20)
    assert refusal.value.code == 403
    refusal.value.close()


# -- operation -----------------------------------------------------------------------------------


def test_a_changed_list_is_used_without_a_restart(start, tmp_path):
    (tmp_path / "list.txt").write_text("")
    rule = {"name": "listed", "clients": {"files": ["list.txt"]}, "programs": {"bios": "a.0"}}
    running = start(config(rules=[rule]))
    (tmp_path / "list.txt").write_text("# thin clients\n5254.0000.0077  desk\n")
    running.said.wait_for("configuration in use")
    assert running.ask(discover("52:54:00:00:00:77")).file == b"a.0"


def test_a_bad_configuration_is_refused_with_its_line_and_the_old_one_goes_on(start, tmp_path):
    running = start(config())
    path = tmp_path / "coexist.yaml"
    path.write_text(
        "name: otc\nlisten: [{address: 127.0.0.1}]\nrules:\n  - {name: a, clients: {macs: [x]}}\n"
    )
    running.said.wait_for(r"configuration refused .*coexist.yaml:4:\d+: .*MAC address")
    assert running.ask(discover(THIN)).file == b"lpxelinux.0"
    path.write_text(json.dumps(config(rules=[late_rule])))
    running.said.wait_for("configuration in use")


def test_a_reload_loses_no_answer_and_asks_the_new_rules(start, tmp_path):
    running = start(config(rules=[{**late_rule, "delay": 3.0}]))
    client = running.client()
    client.sendto(encode(discover(LATE)), ("127.0.0.1", running.port(67)))
    running.said.wait_for("answer waits")
    (tmp_path / "coexist.yaml").write_text(
        json.dumps(config(rules=[{**late_rule, "delay": 3.0, "programs": {"bios": "new.0"}}]))
    )
    running.said.wait_for("configuration in use")
    answer = decode(client.recv(4096))
    assert isinstance(answer, Packet)
    assert answer.file == b"new.0"


def test_a_second_instance_is_told_so(start, tmp_path):
    from coexist.errors import HostError
    from coexist.server.run import BootServer
    from coexist.server.services import Ports

    running = start(config())
    ports = Ports(dhcp=running.port(67), boot_server=0, tftp=0)
    second = BootServer(tmp_path / "coexist.yaml", ports=ports)
    with pytest.raises(HostError, match=rf"UDP port {running.port(67)} is in use"):
        second.start()
    assert running.ask(discover(THIN)).file == b"lpxelinux.0"
    second.close()


def test_errors_on_send_are_counted_and_survived(start):
    """EPERM comes from firewalls, ENOBUFS from full queues: udp(7), send(2)."""
    running = start(config())
    proxy = running.server.services.proxies[67]
    real = proxy.sock

    class Refusing:
        number = errno.EPERM

        def sendmsg(self, *_):
            raise OSError(self.number, os.strerror(self.number))

        sendto = sendmsg

        def __getattr__(self, name):
            return getattr(real, name)

    client = running.client()
    for number in (errno.EPERM, errno.ENOBUFS, errno.ENETDOWN):
        Refusing.number = number
        proxy.sock = Refusing()
        client.sendto(encode(discover(THIN)), ("127.0.0.1", running.port(67)))
        running.said.wait_for(f"send failed .*{os.strerror(number)}")
    proxy.sock = real
    assert running.ask(discover(THIN)).file == b"lpxelinux.0"
    assert set(running.server.counters.send_errors.values()) == {1}


def test_metrics_tell_what_happened(start, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "root" / "file").write_bytes(b"x")
    running = start(config(metrics_port=port))
    running.ask(discover(THIN))
    fetch(running, "file")
    running.said.wait_for("tftp finished")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as got:
        text = got.read().decode()
    assert 'coexist_decisions_total{decision="answered",port="67"} 1.0' in text
    assert 'coexist_tftp_transfers_total{end="finished"} 1.0' in text
    assert "coexist_answer_seconds_count 1.0" in text


@pytest.mark.parametrize("advises", [True, False])
def test_the_log_tells_which_clients_could_be_faster(start, tmp_path, advises):
    (tmp_path / "root" / "file").write_bytes(bytes(4800))
    settings = config(log="json")
    running = start(settings | {"tftp": settings["tftp"] | {"advise": advises}})
    fetch(running, "file", blksize="8")
    fetch(running, "file", blksize="1468", windowsize="4")
    running.said.wait_for(r"(?s)tftp finished.*tftp finished.*\n")
    lines = [json.loads(line) for line in running.said.getvalue().splitlines()]
    slow, fast = [line for line in lines if line["event"] == "tftp finished"]
    told = {"faster": "blksize=1468 windowsize=64", "round_trips": 601, "could_be": 1}
    assert {key: slow[key] for key in told if key in slow} == (told if advises else {})
    assert not told.keys() & fast.keys()
    assert running.server.counters.tftp_advised == advises


def test_json_logs_and_a_storm_of_one_client(start):
    running = start(config(log="json"))
    client = running.client()
    for _ in range(50):
        running.ask(discover(THIN), sock=client)
    running.said.wait_for("left out for a minute")
    running.stop()
    lines = [json.loads(line) for line in running.said.getvalue().splitlines()]
    answered = [line for line in lines if line["event"] == "answered"]
    assert len(answered) == 12
    assert answered[0]["mac"] == THIN


def test_a_configuration_whose_sockets_cannot_be_had_is_refused_for_registrations_too(start, tmp_path):
    """The rules of a refused configuration must not come into use by the next decision in the registry."""
    running = start(config(registry="registry.sqlite"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.2", 0))
        running.server.services.ports = replace(running.server.services.ports, tftp=taken.getsockname()[1])
        listen = [{"address": "127.0.0.1"}, {"address": "127.0.0.2"}]
        (tmp_path / "coexist.yaml").write_text(json.dumps(config(registry="registry.sqlite", listen=listen)))
        running.said.wait_for("configuration refused .*is in use")
        registry = sqlite_registry(tmp_path / "registry.sqlite")
        registry.decide(0x525400000042, "registered")
        registry.close()
        while 0x525400000042 not in running.server.loaded.policy.rules[0].clients:
            time.sleep(0.01)
        assert len(running.server.loaded.config.listen) == 1
        assert running.ask(discover("52:54:00:00:00:42")).file == b"lpxelinux.0"
    running.server.reloader.request()
    running.said.wait_for("configuration in use")
    assert len(running.server.loaded.config.listen) == 2


def test_what_is_not_there_is_said_at_the_start(start):
    running = start(config(listen=[{"address": "127.0.0.1"}, {"address": "198.51.100.7"}],
                           tftp={"root": "gone"}))  # fmt: skip
    running.said.wait_for("address not on this host address=198.51.100.7")
    running.said.wait_for("caution .*coexist.yaml:1:.*there is no directory .*gone")
    running.said.wait_for("ready")
    assert running.ask(discover(THIN)).file == b"lpxelinux.0"
