"""Importing a ProxyDHCP and rendering it for dnsmasq again changes no answer, on port 67 nor on port 4011.

dnsmasq runs on the original lines and on the rendered ones. Machines of several architectures, as firmware
and as iPXE, registered ones and strangers, ask both ports; what either sends is compared octet by octet, so
that the boot menu, the discovery control of option 43 and the silence are the same. dnsmasq keeps no state
between them.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT
from coexist.boot.responder import Arrival
from coexist.boot.servers import model_for
from coexist.importers import import_files
from coexist.importers.written import clients_csv, site_yaml
from coexist.inventory import Inventory, load_inventory
from coexist.render import render_site
from coexist.wire.bootp import BOOTREQUEST, BROADCAST_FLAG, UNSPECIFIED, Packet, decode, encode
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.options import MessageType, Option
from tests.harness.network import Host, Network

pytestmark = [pytest.mark.untimed, pytest.mark.needs("dnsmasq")]

SHARED = Path(os.environ.get("COEXIST_SHARED", Path(__file__).parents[3] / "shared"))
SILENCE = 0.5
"""Seconds after the last answer in which none comes any more; these files have no delay and a proxy does
not ping."""

OWN = {
    "menu": """
        dhcp-range=10.20.0.0,proxy,255.255.0.0
        pxe-prompt="Press F8 for a menu",3
        pxe-service=x86PC,"Thin clients",thin/pxelinux,10.20.0.9
        pxe-service=x86PC,"Imaging, all of it",imaging.kpxe
        pxe-service=x86PC,"Boot from the disk",0
        pxe-service=x86PC,"The other server",7,10.20.0.8
        pxe-service=X86-64_EFI,"Thin clients",thin/grub.efi,10.20.0.9
        pxe-service=BC_EFI,"One",one.efi
        pxe-service=BC_EFI,"Two",two.efi
        dhcp-option=vendor:PXEClient,200,5
        dhcp-option=3,10.20.0.1
        enable-tftp
        tftp-root=/srv/tftp
    """,
    "leases elsewhere": """
        dhcp-range=10.30.0.50,10.30.0.99,255.255.255.0,1h
        dhcp-range=10.20.0.0,proxy,255.255.0.0
        dhcp-match=set:x64,option:client-arch,7
        dhcp-option=3,10.30.0.1
        dhcp-boot=tag:x64,first.efi,,10.20.0.9
        pxe-prompt="Press F8 for a menu",3
        pxe-service=x86PC,"Thin clients",thin/pxelinux,10.20.0.9
        pxe-service=x86PC,"Boot from the disk",0
        pxe-service=BC_EFI,"One",one.efi
    """,
    "tags": """
        dhcp-range=10.20.0.0,proxy,255.255.0.0
        dhcp-vendorclass=set:bios,PXEClient:Arch:00000
        dhcp-match=set:x64,option:client-arch,7
        dhcp-match=set:x64,option:client-arch,9
        dhcp-match=set:chained,option:user-class,iPXE
        dhcp-mac=set:lab,02:00:aa:*:*:*
        tag-if=set:first,tag:!chained
        dhcp-host=02:00:cc:00:00:01,ignore
        dhcp-ignore=tag:lab,tag:bios
        dhcp-boot=tag:first,tag:bios,undionly.kpxe,,10.20.0.9
        dhcp-boot=tag:first,tag:x64,ipxe.efi
        dhcp-boot=tag:chained,http://10.20.0.9/menu.ipxe
        pxe-service=tag:first,x86PC,"firmware",undionly.kpxe,10.20.0.9
        pxe-service=tag:first,X86-64_EFI,"firmware",ipxe.efi
        pxe-service=tag:chained,X86-64_EFI,"iPXE",menu.ipxe
    """,
    "only some clients": """
        dhcp-range=10.20.0.0,proxy,255.255.0.0
        dhcp-host=02:00:cc:00:00:01,set:thin
        dhcp-ignore=tag:!thin
        dhcp-match=set:bios,93,0
        dhcp-ignore=tag:!bios
        pxe-service=x86PC,"thin",pxelinux
    """,
    "no service": """
        dhcp-range=10.20.0.0,proxy,255.255.0.0
        dhcp-boot=pxelinux.0,,10.20.0.9
    """,
}
MACS = ("02:00:5e:10:00:01", "02:00:aa:00:00:01", "02:00:cc:00:00:01")
ARCHITECTURES = (0, 6, 7, 9, 11, 16)
IPXE: dict[int, bytes] = {
    Option.USER_CLASS: b"iPXE",
    Option.IPXE_ENCAPSULATED: bytes.fromhex("130101170101180101270101"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One packet of one machine. ``item``: the boot item a REQUEST asks for, None for whatever there is."""

    mac: str
    name: str
    architecture: int | None
    port: int = DHCP_PORT
    item: int | None = None

    def packet(self, xid: int, address: IPv4Address) -> Packet:
        kind = MessageType.DISCOVER if self.port == DHCP_PORT else MessageType.REQUEST
        options: dict[int, bytes] = {
            Option.DHCP_MESSAGE_TYPE: bytes((kind,)),
            Option.PARAMETER_REQUEST_LIST: bytes((1, 3, 43, 54, 60, 66, 67, 97)),
        }
        if self.architecture is not None:
            word = "HTTPClient" if self.architecture >= 15 else "PXEClient"
            options |= {
                Option.VENDOR_CLASS_IDENTIFIER: f"{word}:Arch:{self.architecture:05}:UNDI:003016".encode(),
                Option.CLIENT_SYSTEM_ARCHITECTURE: self.architecture.to_bytes(2, "big"),
                Option.CLIENT_MACHINE_IDENTIFIER: bytes(17),
            }
        if self.name == "iPXE":
            options |= IPXE
        if self.item is not None:
            options[Option.VENDOR_SPECIFIC_INFORMATION] = bytes(
                (71, 4, *self.item.to_bytes(2, "big"), 0, 0, 255)
            )
        return Packet(
            op=BOOTREQUEST,
            xid=xid,
            flags=BROADCAST_FLAG if kind is MessageType.DISCOVER else 0,
            ciaddr=address if kind is MessageType.REQUEST else UNSPECIFIED,
            chaddr=mac_bytes(parse_mac(self.mac)),
            options=options,
        )


def _cases() -> Iterator[Case]:
    for mac in MACS:
        yield Case(mac, "no PXE", None)
        for code in ARCHITECTURES:
            for name in ("firmware", "iPXE"):
                yield Case(mac, name, code)
                yield Case(mac, name, code, BOOT_SERVER_PORT)
                for item in (0x8000, 0x8001, 0x8003):
                    yield Case(mac, name, code, BOOT_SERVER_PORT, item)


CASES = tuple(_cases())
Answers = dict[Case, Packet | None]


def _ask(directory: Path, text: str, own: IPv4Address, prefix: str) -> Answers:
    """What dnsmasq answers to every case; None is silence."""
    client_address = own + 100
    directory.mkdir()
    with Network(directory=directory) as network:
        network.vlan("lan", prefix)
        server = network.host("server", {"lan": own})
        client = network.host("client", {"lan": client_address})
        path = server.write("dnsmasq.conf", _here(text))
        server.start(
            ["dnsmasq", "--keep-in-foreground", f"--conf-file={path}", "--interface=eth0",
             "--bind-interfaces", "--user=root", "--pid-file=", "--log-facility=-"],
            ready="DHCP, proxy on subnet",
        )  # fmt: skip
        packets = {xid: case.packet(xid, client_address) for xid, case in enumerate(CASES, start=1)}
        heard = _exchange(client, packets, own)
    return {case: heard.get(xid) for xid, case in enumerate(CASES, start=1)}


_ELSEWHERE = ("interface", "bind-", "listen-address", "log-", "keep-in-foreground", "enable-tftp", "tftp-")


def _here(text: str) -> str:
    """The lines without the network card, the log and the files of another machine."""
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if not line.startswith((*_ELSEWHERE, "port="))]
    return "\n".join([*kept, "port=0", ""])


def _exchange(host: Host, packets: dict[int, Packet], server: IPv4Address) -> dict[int, Packet]:
    """The answers by transaction. A busy machine loses packets: who is silent is asked again."""
    answers: dict[int, Packet] = {}
    heard = -1
    with host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        asker.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        asker.bind(("", CLIENT_PORT))
        while heard < len(answers):
            heard = len(answers)
            for xid, packet in packets.items():
                port = CASES[xid - 1].port
                to = "255.255.255.255" if port == DHCP_PORT else str(server)
                if xid not in answers:
                    asker.sendto(encode(packet), (to, port))
                    _collect(asker, answers, 0.002)
            _collect(asker, answers, SILENCE)
    return answers


def _collect(asker: socket.socket, answers: dict[int, Packet], patience: float) -> None:
    while select.select([asker], [], [], patience)[0]:
        reply = decode(asker.recv(2048))
        if isinstance(reply, Packet):
            answers.setdefault(reply.xid, reply)


def _spoken(packet: Packet | None) -> object:
    """What of a reply a client acts on: all of it, but for nothing at all."""
    if packet is None:
        return None
    options = {int(code): bytes(value) for code, value in packet.options.items()}
    return (
        packet.siaddr,
        packet.sname.rstrip(b"\0"),
        packet.file.rstrip(b"\0"),
        tuple(sorted(options.items())),
    )


def _imported(path: Path, directory: Path) -> Inventory:
    imported = import_files("dnsmasq", [path])
    directory.mkdir()
    (directory / "site.yaml").write_text(site_yaml(imported))
    (directory / "clients.csv").write_text(clients_csv(imported.clients))
    return load_inventory(directory)


def _files() -> list[Path | str]:
    return [*sorted(SHARED.glob("corpus/dnsmasq*proxy*.conf")), *OWN]


@pytest.mark.parametrize("source", _files(), ids=lambda source: getattr(source, "stem", source))
def test_a_proxy_answers_as_before(source: Path | str, tmp_path: Path) -> None:
    text = source.read_text() if isinstance(source, Path) else OWN[source]
    (tmp_path / "dnsmasq.conf").write_text(text)
    inventory = _imported(tmp_path / "dnsmasq.conf", tmp_path / "site")
    name = next(name for name in ("dnsmasq-proxy", "dnsmasq") if name in inventory.site.servers)
    server = inventory.site.servers[name]
    own = server.address
    assert own is not None
    prefix = next(str(net) for v in inventory.site.vlans.values() for net in v.subnet if own in net)
    before = _ask(tmp_path / "before", text, own, prefix)
    (file,) = (f for f in render_site(inventory).files[name] if f.path == "dnsmasq.conf")
    after = _ask(tmp_path / "after", file.content.decode(), own, prefix)
    answered = [case for case, packet in before.items() if packet is not None]
    # Without a service dnsmasq answers nobody, and so it must stay.
    assert bool(answered) == ("pxe-service" in text)
    wrong = [f"{c}:\n  {_spoken(before[c])}\n  {_spoken(after[c])}" for c in CASES
             if _spoken(before[c]) != _spoken(after[c])]  # fmt: skip
    assert not wrong, f"{len(wrong)} of {len(CASES)} differ:\n" + "\n".join(wrong[:8])
    wrong = [f"{c}:\n  {_spoken(after[c])}\n  {_modelled(inventory, name, c, own)}" for c in CASES
             if _spoken(after[c]) != _modelled(inventory, name, c, own)]  # fmt: skip
    assert not wrong, f"the model of the inventory differs in {len(wrong)}:\n" + "\n".join(wrong[:8])


def _modelled(inventory: Inventory, name: str, case: Case, own: IPv4Address) -> object:
    """What the analyzer expects of the same server."""
    model = model_for(inventory, name)
    address = own + 100
    arrival = Arrival(
        packet=case.packet(CASES.index(case) + 1, address),
        port=case.port,
        address=own,
        source=(address, CLIENT_PORT),
        at=0.0,
    )
    replies = model.receive(model.initial(), arrival).replies
    return _spoken(replies[0].packet if replies else None)
