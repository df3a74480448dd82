"""What ``coexist probe`` asks is answered as the rules say, and counts neither as a machine nor as a boot."""

from __future__ import annotations

import json
from ipaddress import IPv4Address

import pytest

from coexist.boot.compiled import CompiledPolicy
from coexist.boot.configuration import BootServerConfig
from coexist.boot.policy import compile_policy
from coexist.inventory.macset import MacSet
from coexist.probe import question
from coexist.registry.sqlite import sqlite_registry
from coexist.wire.bootp import Packet, decode, encode
from coexist.wire.mac import parse_mac
from tests.unit.server.conftest import THIN, config, discover

HERE = IPv4Address("127.0.0.1")
EVERYONE = {"name": "everyone", "clients": {"everyone": True}, "programs": {"bios": "late.0"}, "delay": 0.3}


def asks(mac: str, architecture: str = "bios") -> Packet:
    """A probe's DISCOVER in the name of a machine."""
    return question.discover(question.Asker(mac=parse_mac(mac), architecture=architecture), xid=7, secs=0)


def test_a_probe_is_answered_and_no_client_is_seen(start, tmp_path):
    rules = [*config()["rules"], EVERYONE]
    running = start(config(registry="registry.sqlite", rules=rules, log="json"))
    assert running.ask(asks(THIN)).file == b"lpxelinux.0"
    stranger = question.discover(question.stranger("bios"), xid=7, secs=0)
    assert running.ask(stranger).file == b"late.0"  # the delay is kept, or the probe would measure nothing
    on_4011 = question.boot_server_request(
        question.Asker(mac=parse_mac(THIN), architecture="uefi-x64"), xid=8, ciaddr=HERE
    )
    assert running.ask(on_4011, role=4011).file == b"syslinux64.efi"
    plain = question.discover(question.stranger(question.PLAIN), xid=7, secs=0)
    client = running.client()
    client.sendto(encode(plain), ("127.0.0.1", running.port(67)))
    # A machine that really boots is behind all of them in the registry's queue.
    assert running.ask(discover("52:54:01:00:00:01"), sock=client).file == b"late.0"
    running.said.wait_for('"event":"answered","mac":"52:54:01:00:00:01"')
    assert running.server.clients.addresses == {}
    counters = running.server.counters
    assert dict(counters.decisions) == {(67, "PROBE"): 3, (4011, "PROBE"): 1, (67, "DELAYED"): 1,
                                        (67, "ANSWERED"): 1}  # fmt: skip
    assert counters.offers == 4
    running.stop()
    registry = sqlite_registry(tmp_path / "registry.sqlite")
    assert [(row.mac, row.requests) for row in registry.rows()] == [(0x525401000001, 1)]
    registry.close()
    lines = [json.loads(line) for line in running.said.getvalue().splitlines()]
    assert {line["mac"]: line.get("by") for line in lines if line["event"] == "answered"} == {
        THIN: "coexist-probe",
        "02:c0:e8:00:00:00": "coexist-probe",
        "52:54:01:00:00:01": None,
    }


def test_a_probe_does_not_disturb_the_machine_it_names(start):
    """Its own answer waits beside the machine's, and the machine's requests are the machine's alone."""
    running = start(config(rules=[EVERYONE]))
    machine, probe = running.client(), running.client()
    machine.sendto(encode(discover(THIN, xid=1)), ("127.0.0.1", running.port(67)))
    running.said.wait_for("answer waits")
    probe.sendto(encode(asks(THIN)), ("127.0.0.1", running.port(67)))
    for sock, xid in ((machine, 1), (probe, 7)):
        answer = decode(sock.recv(4096))
        assert isinstance(answer, Packet)
        assert answer.xid == xid
    seen = running.server.clients.find(parse_mac(THIN))
    assert seen is not None
    assert (seen.requests, seen.probe) == (1, False)


def test_a_menu_registers_no_probe(start):
    menu = {"items": [{"text": "Ask to be registered", "register": True, "programs": {"bios": "wait.0"}}]}
    running = start(config(rules=[{"name": "all", "clients": {"everyone": True}, "menu": menu}]))
    chosen = asks("52:54:07:00:00:01").with_options({53: b"\x03", 43: b"\x47\x04\x00\x01\x00\x00\xff"})
    assert running.ask(chosen, role=4011).file == b"wait.0"
    assert "asks to be registered" not in running.said.getvalue()


@pytest.mark.parametrize("architecture", ["bios", "uefi-x64", "http-x64"])
def test_a_probe_is_never_answered_by_prepared_octets(architecture):
    """Prepared answers know no probes: the compiled form must leave them to what does."""
    no_lists: dict[str, MacSet] = {}
    settings = BootServerConfig.model_validate(config())
    compiled = CompiledPolicy(compile_policy(settings, no_lists.__getitem__), HERE, 67)
    assert compiled.area(encode(asks(THIN, architecture))) is None
    assert compiled.area(encode(asks(THIN, architecture).without_options(12))) is not None
