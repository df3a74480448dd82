"""Every reader of foreign octets: it may refuse with a reason, and nothing else may happen."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path

from coexist.boot.compiled import CompiledPolicy
from coexist.boot.own_files import OwnConfig, OwnFiles
from coexist.boot.policy import BootMenu, BootPolicy, BootProgram, MenuEntry, Rule
from coexist.boot.request import boot_request
from coexist.boot.respond import Answer, Silence, respond
from coexist.boot.responder import Arrival
from coexist.boot.tftp_transfer import Agreed, Limits, Step, Transfer, negotiate
from coexist.errors import CoexistError, Position
from coexist.importers import import_files
from coexist.importers.written import not_modelled_md
from coexist.inventory import load_inventory
from coexist.inventory.macset import EVERYONE, MacSet
from coexist.inventory.products import part, products
from coexist.probe.capture_file import damage, read_capture
from coexist.probe.observation import observe
from coexist.registry.opening import open_registry
from coexist.rollout.document import read_plan
from coexist.server.config import load_config
from coexist.text.foreign import harmless
from coexist.text.redaction import redacted
from coexist.wire import tftp
from coexist.wire.bootp import UNSPECIFIED, Packet, decode, encode
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


ASKS = Packet(
    op=1,
    xid=7,
    chaddr=bytes.fromhex("525400000001"),
    options={
        53: b"\x01",
        55: bytes(range(1, 80)),
        60: b"PXEClient:Arch:00007:UNDI:003016",
        77: b"iPXE",
        93: b"\0\x07",
    },
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


VERSIONS = {"isc-dhcpd": "4.4", "kea": "2.2", "dnsmasq": "2.90", "windows-dhcp": "2022"}


def _own(product: str) -> Callable[[bytes], None]:
    """A server's own file, and what it says to a machine beside it and to one behind a relay agent."""

    def read(path: Path) -> None:
        evaluate: Callable[[OwnFiles], OwnConfig] = part(products()[product], "own_file")
        own = evaluate(
            OwnFiles(
                root=path.parent,
                version=VERSIONS[product],
                files={f"/etc/{path.name}": path.name},
                place=Position("site.yaml"),
                resolve=lambda _name: (),
                of_server=lambda _address: None,
            )
        )
        assert own.leases.distinctions is not None
        for giaddr in (UNSPECIFIED, IPv4Address("10.10.0.9")):
            own.leases(
                Arrival(
                    packet=replace(ASKS, giaddr=giaddr),
                    at=0.0,
                    port=67,
                    address=SERVER,
                    source=(giaddr, 67 if int(giaddr) else 68),
                )
            )

    return _file(read)


def _own_seeds(product: str) -> Callable[[], Sequence[bytes]]:
    """The files that are held to the real daemons."""
    folder = Path(__file__).parents[1] / "data" / "own-files" / product
    return lambda: [path.read_bytes() for path in sorted(folder.iterdir())]


def _always(some: Sequence[bytes]) -> Callable[[], Sequence[bytes]]:
    return lambda: some


TARGETS: Mapping[str, Target] = {
    "dhcp": Target(dhcp, _always(seeds.DHCP), 10_000),
    "tftp": Target(transfer, _always(seeds.TFTP), 30_000),
    "http": Target(http, _always(seeds.HTTP), 20_000),
    "redaction": Target(redaction, _always(seeds.SECRETS), 3000),
    "capture": Target(_file(_capture), _always(seeds.CAPTURE), 1500),
    "dhcpd": Target(_imported("dhcpd"), _always(seeds.DHCPD), 1000),
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
    "owndhcpd": Target(_own("isc-dhcpd"), _own_seeds("dhcpd")),
    "ownkea": Target(_own("kea"), _own_seeds("kea")),
    "owndnsmasq": Target(_own("dnsmasq"), _own_seeds("dnsmasq")),
    "ownwindows": Target(_own("windows-dhcp"), _own_seeds("windows"), 100),
}
