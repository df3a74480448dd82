"""Same intent, same answer: dhcpd, Kea and dnsmasq, each run on what was rendered for it from one inventory,
answer every client alike, on its own VLAN and through a relay."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Self

import pytest

from coexist.boot.responder import Arrival
from coexist.boot.servers.declared import plan_leases
from coexist.boot.servers.dhcpd import DhcpdModel
from coexist.inventory import inventory_from_tree
from coexist.render import render_site
from coexist.wire.bootp import BOOTREPLY, BOOTREQUEST, BROADCAST_FLAG, UNSPECIFIED, Packet, decode, encode
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.options import MessageType, Option
from tests.harness.network import Host, Network
from tests.harness.servers import start_dhcpd, start_kea

pytestmark = pytest.mark.needs("dhcpd", "kea-dhcp4", "dnsmasq")

SERVER = IPv4Address("10.10.0.5")
PRODUCTS = ("isc-dhcpd 4.4", "kea 2.2", "dnsmasq 2.90")
# Each product's ways to leave no traces, which are not the inventory's business.
SETTINGS: dict[str, dict[str, Any]] = {
    "kea 2.2": {"lease-database": {"type": "memfile", "persist": False}},
    "isc-dhcpd 4.4": {},
    "dnsmasq 2.90": {},
}
COMPARED = (
    Option.ROUTER,
    Option.DOMAIN_NAME_SERVER,
    Option.DOMAIN_NAME,
    Option.ROOT_PATH,
    Option.NTP_SERVERS,
    Option.VENDOR_SPECIFIC_INFORMATION,
    Option.VENDOR_CLASS_IDENTIFIER,
    Option.TFTP_SERVER_NAME,
    Option.BOOTFILE_NAME,
    Option.TFTP_SERVER_ADDRESS,
    Option.PXELINUX_PATH_PREFIX,
)
PATIENCE = 1.0
"""Seconds without any answer after which the ones that lack are silence; a daemon needs milliseconds."""


def site(software: str) -> dict[str, Any]:
    """An inventory that uses everything a scope can say."""
    return {
        "site": "same-answers",
        "vlans": {
            "office": {"id": 10, "subnet": "10.10.0.0/16", "gateway": "10.10.0.1"},
            "workshop": {
                "id": 20,
                "subnet": ["10.20.0.0/16", "10.21.0.0/16"],
                "gateway": "10.20.0.1",
                "relay_to": ["dhcp"],
            },
            "voice": {"id": 30, "subnet": "10.30.0.0/16", "gateway": "10.30.0.1", "relay_to": ["dhcp"]},
        },
        "servers": {
            "dhcp": {
                "software": software,
                "address": str(SERVER),
                "vlan": "office",
                "roles": ["dhcp"],
                "ping_check": False,
                "options": {15: "campus.example"},
                "settings": SETTINGS[software],
            },
            "otc": {"software": "tftpd", "address": "10.10.0.6", "vlan": "office"},
            "wds": {"software": "tftpd", "address": "10.10.0.7", "vlan": "office"},
        },
        "scopes": {
            "office": {
                "server": "dhcp",
                "vlan": "office",
                "pools": [
                    {"range": "10.10.1.0-10.10.1.255", "allow": ["thin", "pilots"]},
                    {"range": "10.10.2.0-10.10.3.255", "deny": ["thin", "pilots"]},
                ],
                "options": {3: "10.10.0.1", 6: ["10.10.0.5", "10.10.0.4"], 17: 'a "root", with\\ $(things)'},
                "next_server": "wds",
                "programs": {"bios": "wdsnbp.com", "uefi-x64": "wdsmgfw.efi"},
                "rules": [
                    {"clients": "banned", "ignore": True},
                    {"clients": "pilots", "programs": {"ipxe": "http://boot.example/pilot.ipxe"}},
                    {
                        "clients": ["thin", "pilots"],
                        "next_server": "otc",
                        "programs": {
                            "bios": {"file": "lpxelinux.0"},
                            "uefi-x64": {"file": "syslinux64.efi", "server": "10.10.0.8"},
                            "http-x64": "http://boot.example/thin.efi",
                        },
                        "options": {43: "hex:06:01:08:ff", 210: "/thin/"},
                    },
                    {
                        "vendor_class": "PXEClient:Arch:00011",
                        "filename": "arm64.efi",
                        "options": {60: "PXEClient"},
                    },
                    {"user_class": "kiosk", "options": {17: "kiosk-root"}},
                    {"when": [{"option": 60, "equals": "special"}], "options": {42: "10.10.0.42"}},
                    {"when": [{"option": 61, "exists": True}], "options": {150: "10.10.0.50"}},
                ],
            },
            "workshop": {
                "server": "dhcp",
                "vlan": "workshop",
                "subnet": "10.21.0.0/16",
                "pools": ["10.21.1.0-10.21.2.255"],
                "options": {3: "10.21.0.1"},
                "rules": [
                    {"architectures": ["uefi-x64", "uefi-ia32"], "clients": "thin", "ignore": True},
                    {"clients": "unknown", "filename": "guest.0", "next_server": "wds"},
                ],
            },
            "voice": {
                "server": "dhcp",
                "vlan": "voice",
                "pools": ["10.30.1.0-10.30.4.255"],
                "options": {6: "10.10.0.5", 66: "old.example"},
                "rules": [
                    {"clients": "phones", "options": {66: "https://voip.example/provision", 150: "10.10.0.9"}}
                ],
            },
        },
        "clients": [
            {"mac": "00:80:64:10:00:01", "name": "tc-1", "hardware": "igel"},
            {
                "mac": "00:80:64:10:00:02",
                "name": 'tc "2" $(reboot)',
                "hardware": "igel",
                "address": "10.10.7.7",
            },
            {"mac": "00:80:64:10:00:03", "name": "pilot", "hardware": "igel", "tags": "pilot"},
            {"mac": "3c:52:82:30:00:01", "name": "pc", "hardware": "hp", "address": "10.10.7.8"},
            {"mac": "80:5e:c0:40:00:07", "name": "odd phone", "hardware": "yealink", "address": "10.30.7.7"},
            {"mac": "3c:52:82:30:00:66", "name": "banned", "hardware": "hp", "tags": "banned"},
        ],
        "groups": {
            "thin": {"where": {"hardware": "igel"}},
            "pilots": {"where": {"tags": "pilot"}},
            "odd": {"macs": "80:5e:c0:40:00:07"},
            "phones": {"oui": "80:5e:c0", "prefix": "00:15:65:a", "except": "odd"},
            "banned": {"where": {"tags": "banned"}, "range": "02:00:00:00:10:00 to 02:00:00:00:12:ff"},
        },
    }


MACS = {
    "thin client": "00:80:64:10:00:01",
    "thin client with an address": "00:80:64:10:00:02",
    "pilot": "00:80:64:10:00:03",
    "PC with an address": "3c:52:82:30:00:01",
    "stranger": "3c:52:82:30:00:99",
    "phone by OUI": "80:5e:c0:40:00:01",
    "phone by 28 bits": "00:15:65:a7:00:01",
    "no phone by 28 bits": "00:15:65:b7:00:01",
    "phone left out": "80:5e:c0:40:00:07",
    "banned": "3c:52:82:30:00:66",
    "banned by range": "02:00:00:00:11:23",
    "just outside the range": "02:00:00:00:13:00",
}
RELAYS = {"office": "0.0.0.0", "workshop": "10.20.0.1", "voice": "10.30.0.1"}


def _pxe(code: int, kind: str = "PXEClient") -> dict[int, bytes]:
    return {
        Option.VENDOR_CLASS_IDENTIFIER: f"{kind}:Arch:{code:05d}:UNDI:003016".encode(),
        Option.CLIENT_SYSTEM_ARCHITECTURE: code.to_bytes(2, "big"),
        Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER: b"\1\3\x10",
        Option.CLIENT_MACHINE_IDENTIFIER: bytes(17),
    }


KINDS: dict[str, dict[int, bytes]] = {
    "no PXE": {},
    "BIOS": _pxe(0),
    "BIOS without option 93": {Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient"},
    "UEFI IA32": _pxe(6),
    "UEFI x64 as 7": _pxe(7),
    "UEFI x64 as 9": _pxe(9),
    "UEFI ARM64": _pxe(11),
    "HTTP x64": _pxe(16, "HTTPClient"),
    "iPXE on BIOS": _pxe(0) | {Option.USER_CLASS: b"iPXE", Option.IPXE_ENCAPSULATED: b"\x13\1\1"},
    "iPXE on UEFI, counted user class": _pxe(7) | {Option.USER_CLASS: b"\4iPXE"},
    "iPXE by option 175": _pxe(7) | {Option.IPXE_ENCAPSULATED: b"\x13\1\1"},
    "kiosk": {Option.USER_CLASS: b"kiosk"},
    "kiosk, counted": {Option.USER_CLASS: b"\5kiosk"},
    "longer than kiosk": {Option.USER_CLASS: b"kiosks"},
    "special": {Option.VENDOR_CLASS_IDENTIFIER: b"special"},
    "more than special": {Option.VENDOR_CLASS_IDENTIFIER: b"special2"},
    "with a client identifier": {Option.CLIENT_IDENTIFIER: b"\0id"},
}

Case = tuple[str, str, str]
"""Who, as what, on which VLAN."""
CASES: tuple[Case, ...] = tuple((who, kind, vlan) for who in MACS for kind in KINDS for vlan in RELAYS)


def _packet(case: Case, xid: int, offer: Packet | None = None) -> Packet:
    who, kind, vlan = case
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((MessageType.REQUEST if offer else MessageType.DISCOVER,)),
        **KINDS[kind],
        Option.PARAMETER_REQUEST_LIST: bytes(
            [1, 3, 6, 12, 15, 17, 42, 43, 54, 60, 66, 67, 128, 129, 150, 175, 210]
        ),
    }
    if offer is not None:
        options[Option.REQUESTED_IP_ADDRESS] = offer.yiaddr.packed
        options[Option.SERVER_IDENTIFIER] = offer.options[Option.SERVER_IDENTIFIER]
    return Packet(
        op=BOOTREQUEST,
        xid=xid,
        secs=4,
        flags=BROADCAST_FLAG,
        giaddr=IPv4Address(RELAYS[vlan]),
        chaddr=mac_bytes(parse_mac(MACS[who])),
        options=options,
    )


class Clients:
    """Asks for all clients from one host: by broadcast on its VLAN, and as the relay of the others."""

    def __init__(self, host: Host) -> None:
        self.local = host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.local.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.local.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        self.local.bind(("", 68))
        self.relay = host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.relay.bind(("", 67))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.local.close()
        self.relay.close()

    def ask(self, packets: Mapping[int, Packet]) -> dict[int, Packet]:
        """Send all and collect the first reply to each xid until none comes any more."""
        answers: dict[int, Packet] = {}
        waiting = dict(packets)
        for batch in _batches(list(packets.items()), 16):
            for packet in (p for _, p in batch):
                if packet.giaddr == UNSPECIFIED:
                    self.local.sendto(encode(packet), ("255.255.255.255", 67))
                else:
                    self.relay.sendto(encode(packet), (str(SERVER), 67))
            self._collect(waiting, answers, 0.05)
        self._collect(waiting, answers, PATIENCE)
        return answers

    def _collect(self, waiting: dict[int, Packet], answers: dict[int, Packet], patience: float) -> None:
        while waiting:
            ready, _, _ = select.select([self.local, self.relay], [], [], patience)
            if not ready:
                return
            for each in ready:
                reply = decode(each.recv(2048))
                # The relay's port also hears the broadcasts of this very host.
                if (
                    isinstance(reply, Packet)
                    and reply.op == BOOTREPLY
                    and waiting.pop(reply.xid, None) is not None
                ):
                    answers[reply.xid] = reply


def _batches(items: list[tuple[int, Packet]], size: int) -> Iterator[list[tuple[int, Packet]]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


@dataclass(frozen=True, slots=True)
class Seen:
    """What matters of an answer."""

    kind: MessageType | None
    leased: str
    siaddr: IPv4Address
    file: bytes
    options: tuple[tuple[int, bytes], ...]


RESERVED = {"10.10.7.7", "10.10.7.8", "10.30.7.7"}


def _leased(address: IPv4Address) -> str:
    if str(address) in RESERVED:
        return str(address)
    network = ".".join(str(address).split(".")[:2])
    third = int(str(address).split(".")[2])
    if network == "10.10":
        return "thin pool" if third == 1 else "office pool" if third in (2, 3) else f"stray {address}"
    return f"{network} pool"


def _seen(packet: Packet) -> Seen:
    return Seen(
        packet.message_type,
        _leased(packet.yiaddr),
        packet.siaddr,
        packet.file,
        tuple((int(code), _value(code, packet.options[code])) for code in COMPARED if code in packet.options),
    )


def _value(code: int, octets: bytes) -> bytes:
    # dnsmasq ends option 66 with a NUL and cannot be told not to; RFC 2132 section 2 has clients drop it.
    return octets.rstrip(b"\0") if code == Option.TFTP_SERVER_NAME else octets


def _start(host: Host, product: str, files: dict[str, bytes]) -> None:
    if product.startswith("isc-dhcpd"):
        start_dhcpd(host, host.write("dhcpd.conf", files["dhcpd.conf"]))
    elif product.startswith("kea"):
        start_kea(host, host.write("kea-dhcp4.conf", files["kea-dhcp4.conf"]))
    else:
        path = host.write("dnsmasq.conf", files["dnsmasq.conf"])
        apart = ["--interface=eth0", "--bind-interfaces", "--user=root", "--pid-file=", "--log-facility=-"]
        leases = f"--dhcp-leasefile={host.directory}/leases"
        host.start(
            ["dnsmasq", "--keep-in-foreground", f"--conf-file={path}", leases, *apart],
            ready="DHCP, sockets bound",
        )


def answers_of(
    product: str, directory: Path, rendered: dict[str, bytes]
) -> dict[Case, tuple[Seen | None, Seen | None]]:
    """The OFFER and the ACK that each case gets from a product; None is silence."""
    with Network(directory=directory) as network:
        network.vlan("office", "10.10.0.0/16")
        server = network.host("server", {"office": SERVER}, gateway="10.10.0.1")
        clients = network.host("clients", {"office": "10.10.0.1"})
        clients.namespace.ip("addr add 10.20.0.1/32 dev eth0", "addr add 10.30.0.1/32 dev eth0")
        _start(server, product, rendered)
        offers: dict[int, Packet] = {}
        acks: dict[int, Packet] = {}
        with Clients(clients) as asker:
            # A machine that asked on another VLAN meanwhile would rightly be refused what it was offered
            # here.
            for vlan in RELAYS:
                here = {n: case for n, case in enumerate(CASES, start=1) if case[2] == vlan}
                offered = asker.ask({n: _packet(case, n) for n, case in here.items()})
                acks |= asker.ask({n + 10_000: _packet(here[n], n + 10_000, o) for n, o in offered.items()})
                offers |= offered
    return {
        case: (
            _seen(offers[n]) if n in offers else None,
            _seen(acks[n + 10_000]) if n + 10_000 in acks else None,
        )
        for n, case in enumerate(CASES, start=1)
    }


def rendered_for(product: str) -> dict[str, bytes]:
    result = render_site(inventory_from_tree(site(product)))
    assert not result.findings, result.findings
    return {file.path: file.content for file in result.files["dhcp"]}


@pytest.fixture(scope="module")
def answers(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict[Case, tuple[Seen | None, Seen | None]]]:
    return {
        product: answers_of(product, tmp_path_factory.mktemp("net"), rendered_for(product))
        for product in PRODUCTS
    }


def test_something_is_asked_and_something_refused(answers) -> None:
    """The comparison would also hold for three daemons that say nothing."""
    for product in PRODUCTS:
        offers = [offer for offer, _ in answers[product].values()]
        assert sum(offer is not None for offer in offers) > 500
        assert {offer.file for offer in offers if offer is not None} >= {
            b"lpxelinux.0",
            b"syslinux64.efi",
            b"wdsnbp.com",
            b"wdsmgfw.efi",
            b"arm64.efi",
            b"guest.0",
            b"http://boot.example/thin.efi",
            b"http://boot.example/pilot.ipxe",
        }
        assert answers[product]["banned", "BIOS", "office"] == (None, None)
        assert answers[product]["banned by range", "UEFI x64 as 7", "office"] == (None, None)
        assert answers[product]["thin client", "UEFI x64 as 9", "workshop"] == (None, None)


def test_the_model_that_the_race_asks_says_the_same(answers) -> None:
    """What is predicted is what is served: siaddr, file or silence, for every case."""
    model = DhcpdModel(name="dhcp", leases=plan_leases(inventory_from_tree(site(PRODUCTS[0])), "dhcp"))
    differences = []
    for number, case in enumerate(CASES, start=1):
        packet = _packet(case, number)
        source = (packet.giaddr, 67)
        arrival = Arrival(packet=packet, at=0.0, port=67, address=SERVER, source=source)
        replies = model.receive(model.initial(), arrival).replies
        predicted = (replies[0].packet.siaddr, replies[0].packet.file) if replies else None
        offer = answers[PRODUCTS[0]][case][0]
        seen = (offer.siaddr, offer.file) if offer is not None else None
        if predicted != seen:
            differences.append(f"{case}: predicted {predicted}, seen {seen}")
    assert not differences, "\n".join(differences[:20])


def test_three_daemons_give_every_client_the_same_answer(answers) -> None:
    differences = [
        f"{case}\n" + "\n".join(f"    {product}: {answers[product][case]}" for product in PRODUCTS)
        for case in CASES
        if len({answers[product][case] for product in PRODUCTS}) > 1
    ]
    assert not differences, f"{len(differences)} of {len(CASES)} differ:\n" + "\n".join(differences[:12])
