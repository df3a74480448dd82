"""Every reader of foreign octets: it may refuse with a reason, and nothing else may happen."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from coexist.boot.compiled import CompiledPolicy
from coexist.boot.policy import BootMenu, BootPolicy, BootProgram, MenuEntry, Rule
from coexist.boot.request import boot_request
from coexist.boot.respond import Answer, Silence, respond
from coexist.boot.tftp_transfer import Agreed, Limits, Step, Transfer, negotiate
from coexist.errors import CoexistError
from coexist.importers import import_files
from coexist.importers.written import not_modelled_md
from coexist.inventory import load_inventory
from coexist.inventory.macset import EVERYONE, MacSet
from coexist.probe.capture_file import damage, read_capture
from coexist.probe.observation import observe
from coexist.registry.opening import open_registry
from coexist.rollout.document import read_plan
from coexist.server.config import load_config
from coexist.text.foreign import harmless
from coexist.text.redaction import redacted
from coexist.wire import tftp
from coexist.wire.bootp import Packet, decode, encode
from coexist.wire.http import Request, byte_range, decode_request, is_current, is_wanted
from coexist.wire.pxe import decode_suboptions, decode_vendor_options
from tests.fuzz import seeds

SERVER = IPv4Address("10.10.0.6")
SOURCE = (IPv4Address("10.10.1.7"), 68)
MENU = BootMenu(
    prompt="choose", timeout=5, entries=(MenuEntry(type=0, text="disk"), MenuEntry(type=1, text="net"))
)
POLICY = BootPolicy(
    name="fuzz",
    rules=(
        Rule(
            name="menu", clients=MacSet.interval(0, 1 << 40), programs={0: BootProgram(file="a")}, menu=MENU
        ),
        Rule(name="all", clients=EVERYONE, programs={0: BootProgram(file="a"), 7: BootProgram(file="b")}),
    ),
    http_port=80,
)


@dataclass(frozen=True, slots=True)
class Target:
    """A reader and what it is fed first. ``tries``: how many inputs each test run feeds it."""

    read: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    tries: int = 200


def dhcp(data: bytes) -> None:
    """A packet or a reason; the compiled form of the decision agrees with ``respond``."""
    packet = decode(data)
    if not isinstance(packet, Packet):
        return
    again = decode(encode(packet))
    assert isinstance(again, Packet)
    assert again.options == packet.options
    for value in packet.options.values():
        decode_vendor_options(value)
        decode_suboptions(value)
    for port in (67, 4011):
        request = boot_request(packet, port)
        compiled = CompiledPolicy(POLICY, SERVER, port)
        area = compiled.area(data)
        if request is None or area is None:
            continue
        outcome = compiled.outcome(area.meaning, data, int.from_bytes(data[28:34], "big"))
        expected = respond(POLICY, request, server=SERVER, source=SOURCE)
        if isinstance(outcome, Silence):
            assert outcome == expected
        elif outcome is not None:
            assert isinstance(expected, Answer)
            assert compiled.fill(outcome, area, data) == encode(expected.packet)


def transfer(data: bytes) -> None:
    """A TFTP transfer survives any datagram."""
    message = tftp.decode(data)
    if isinstance(message, tftp.ReadRequest):
        agreed = negotiate(message, 100_000, Limits())
        if isinstance(agreed, Agreed):
            running = Transfer(100_000, agreed)
            running.begin()
            assert running.receive(data) in Step
    elif not isinstance(message, tftp.TftpMalformed):
        tftp.encode(message)


def http(data: bytes) -> None:
    """A request or a status; a range lies in the file."""
    request = decode_request(data)
    if isinstance(request, Request):
        is_current(request, '"a"', 1000)
        is_wanted(request, '"a"', 1000)
        found = byte_range(request, 100, '"a"', 1000)
        assert not isinstance(found, tuple) or 0 <= found[0] < found[1] <= 100
        assert isinstance(request.stays, bool)


def redaction(data: bytes) -> None:
    """Lines stay lines."""
    text = data.decode("utf-8", "surrogateescape")
    assert redacted(text).count("\n") == text.count("\n")
    assert "\x1b" not in harmless(text)


def _file(read: Callable[[Path], object], name: str = "source") -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            with suppress(CoexistError):
                read(path)

    return run


def _imported(kind: str) -> Callable[[bytes], None]:
    def read(path: Path) -> None:
        imported = import_files(kind, [path], server="a", address=SERVER)
        not_modelled_md(imported.not_modelled, imported.sources).encode("utf-8", "backslashreplace")

    return _file(read)


def _capture(path: Path) -> None:
    damage(path)
    for boot in observe(read_capture(path)):
        assert boot.named_by is None or boot.file_request is not None


def _clients(path: Path) -> None:
    (path.parent / "site.yaml").write_text("site: x\nclients: clients.csv\n")
    load_inventory(path.parent)


def _registry(path: Path) -> None:
    opened = open_registry(path)
    try:
        opened.rows()
        opened.decisions()
        opened.find(1)
    finally:
        opened.close()


def _always(some: Sequence[bytes]) -> Callable[[], Sequence[bytes]]:
    return lambda: some


TARGETS: Mapping[str, Target] = {
    "dhcp": Target(dhcp, _always(seeds.DHCP), 2000),
    "tftp": Target(transfer, _always(seeds.TFTP), 3000),
    "http": Target(http, _always(seeds.HTTP), 3000),
    "redaction": Target(redaction, _always(seeds.SECRETS), 1500),
    "capture": Target(_file(_capture), _always(seeds.CAPTURE), 800),
    "dhcpd": Target(_imported("dhcpd"), _always(seeds.DHCPD)),
    "kea": Target(_imported("kea"), _always(seeds.KEA)),
    "dnsmasq": Target(_imported("dnsmasq"), _always(seeds.DNSMASQ)),
    "windows": Target(_imported("windows-dhcp"), _always(seeds.WINDOWS)),
    "ldif": Target(_imported("openthinclient"), _always(seeds.LDIF), 500),
    "macs": Target(_imported("macs"), _always(seeds.MACS), 500),
    "clients": Target(_file(_clients, "clients.csv"), _always(seeds.CSV), 300),
    "inventory": Target(_file(lambda path: load_inventory(path.parent), "site.yaml"), _always(seeds.YAML)),
    "config": Target(_file(load_config, "coexist.yaml"), _always(seeds.CONFIG)),
    "plan": Target(_file(read_plan, "plan.json"), _always(seeds.PLAN), 1000),
    "registry": Target(_file(_registry, "registry.sqlite"), seeds.registry),
}
