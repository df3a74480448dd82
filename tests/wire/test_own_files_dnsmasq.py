"""A dnsmasq's own file, evaluated: every reply of the daemon equals the predicted one.

In every header field and every option, in octets and in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from coexist.boot.leases.dnsmasq_clients import Hardware
from coexist.boot.leases.dnsmasq_file import DnsmasqFile
from coexist.boot.leases.dnsmasq_ranges import Ranges
from coexist.boot.servers.dnsmasq import DnsmasqModel
from coexist.boot.servers.dnsmasq_answers import DnsmasqAnswers
from coexist.languages.dnsmasq.files import read_lines
from coexist.languages.dnsmasq.keywords import refuse_bad_lines
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.wire.mac import format_mac
from coexist.wire.options import MessageType, Option
from tests.harness.matrix import (
    Asked,
    Asker,
    Case,
    Place,
    asking,
    differing,
    discovers,
    informs,
    place_of,
    selecting,
)
from tests.harness.network import Host
from tests.harness.processes import Process
from tests.harness.servers import start_dnsmasq

pytestmark = pytest.mark.untimed

FOLDER = Path(__file__).parents[1] / "data" / "own-files" / "dnsmasq"
FILES = sorted(FOLDER.glob("*.conf"))
FIRST = "02:00:5e:10:00:ff"
STRANGERS = ("02:00:5e:10:00:01", "52:54:00:ab:cd:ef")
# What belongs to the machine the file was written on.
_LOCAL = re.compile(
    r"\s*(interface|except-interface|listen-address|bind-\w+|tftp-root|enable-tftp|log-\w+|user|group|pid-file"
    r"|dhcp-leasefile|dhcp-script|keep-in-foreground|no-daemon|conf-dir|conf-file|dhcp-\w+file|dhcp-\w+dir"
    r"|local-service|addn-hosts|resolv-file|server|dnssec|trust-anchor|cache-size)\b"
)


def start(host: Host, texts: list[str], listed: set[int]) -> Process:
    """dnsmasq on the lines of all its files as one; hosts and options files stay files."""
    plain = [t for n, t in enumerate(texts, start=1) if n not in listed and not _LOCAL.match(t)]
    path = host.write("dnsmasq.conf", "\n".join([*plain, ""]))
    more: list[str] = []
    for keyword, option in (("dhcp-host", "dhcp-hostsfile"), ("dhcp-option", "dhcp-optsfile")):
        lines = [
            t.removeprefix(f"{keyword}=")
            for n, t in enumerate(texts, start=1)
            if n in listed and t.startswith(f"{keyword}=")
        ]
        if lines:
            more.append(f"--{option}={host.write(option, chr(10).join([*lines, '']))}")
    return start_dnsmasq(host, path, "--interface=eth0", "--bind-interfaces", "--no-ping", *more)


def macs_of(model: DnsmasqModel) -> list[str]:
    """Addresses the file speaks of, one that a pattern of it holds, and strangers."""
    patterns = [p for host in model.config.hosts for p in host.macs][:5]
    patterns += [m.pattern for m in model.config.matches if m.kind == "mac"][:2]
    found = []
    for pattern in patterns:
        octets = Hardware.of(pattern).octets
        if len(octets) == 6:
            found.append(format_mac(int.from_bytes(octets, "big")))
    return list(dict.fromkeys([*found, *STRANGERS]))


@pytest.mark.needs("dnsmasq")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_reply_is_the_predicted_one(path: Path, tmp_path: Path) -> None:
    place = place_of(path.read_text())
    lines = read_lines(path)
    config = read_dnsmasq(lines.texts)
    refuse_bad_lines(lines, config)
    relayed = tuple(map(IPv4Network, place.relays))
    file = DnsmasqFile(ranges=Ranges(config=config, networks=(place.network,), relayed=relayed))
    model = DnsmasqModel(name="own", answers=DnsmasqAnswers(file=file))

    def dnsmasq(host: Host) -> Process:
        return start(host, lines.texts, lines.listed)

    with asking(tmp_path, place, dnsmasq) as asker:
        # The first packet of a relay agent says what netmask its range has; the daemon keeps it.
        asker.ask([Case(mac=FIRST, kind="plain", giaddr=relay) for relay in place.relays])
        seen = list(_rounds(asker, macs_of(model), place))
    wrong = differing(model, place, seen)
    assert any(reply is not None for _, _, reply in seen), "nobody was answered: nothing is shown"
    assert not wrong, f"{len(wrong)} of {len(seen)} differ:\n" + "\n".join(wrong[:20])


def _rounds(asker: Asker, macs: list[str], place: Place) -> Iterator[Asked]:
    """All DISCOVERs, then INFORMs, then a REQUEST of each MAC, so that no lease changes another's answer."""
    offers = asker.ask(discovers(macs, place.ways)).values()
    yield from offers
    yield from asker.ask(informs(macs, place.local)).values()
    yield from asker.ask(selecting(offers)).values()
    # What is not for them: another server's address, and an address of nobody's.
    strange = {Option.SERVER_IDENTIFIER: bytes((192, 0, 2, 77))}
    odd = [
        Case(mac=mac, kind="UEFI 7", message=MessageType.REQUEST, more=strange | {50: bytes((192, 0, 2, 9))})
        for mac in macs
    ]
    own = {Option.SERVER_IDENTIFIER: place.server.packed, 50: bytes((192, 0, 2, 9))}
    odd += [Case(mac=mac, kind="plain", message=MessageType.REQUEST, more=own) for mac in macs]
    yield from asker.ask(odd).values()


@pytest.mark.needs("dnsmasq")
def test_a_client_that_asks_for_rapid_commit_is_acknowledged_at_once(tmp_path: Path) -> None:
    path = FOLDER / "rapid.conf"
    place = place_of(path.read_text())
    lines = read_lines(path)
    file = DnsmasqFile(ranges=Ranges(config=read_dnsmasq(lines.texts), networks=(place.network,)))
    model = DnsmasqModel(name="own", answers=DnsmasqAnswers(file=file))
    kinds = ("plain", "UEFI 7", "named", "fully named", "Microsoft")
    cases = [
        Case(mac=mac, kind=kind, asks=asks, more={Option.RAPID_COMMIT: b""})
        for number, kind in enumerate(kinds)
        for mac, asks in (("02:00:5e:45:00:01", "all"), (f"02:00:5e:45:01:0{number}", "PXE's list"))
    ]

    def dnsmasq(host: Host) -> Process:
        return start(host, lines.texts, lines.listed)

    with asking(tmp_path, place, dnsmasq) as asker:
        seen = list(asker.ask(cases).values())
    assert {reply and reply.message_type for _, _, reply in seen} == {MessageType.ACK}
    assert not differing(model, place, seen)
