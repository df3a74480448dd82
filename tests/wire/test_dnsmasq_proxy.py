"""dnsmasq as a ProxyDHCP, run on what was rendered for it: whom it answers, whom not, and with what."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address

import pytest

from coexist.inventory import inventory_from_tree
from coexist.render import render_site
from coexist.wire.bootp import BOOTREPLY, BOOTREQUEST, BROADCAST_FLAG, Packet, decode, encode
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.options import MessageType, Option
from tests.harness.network import Host, Network

pytestmark = pytest.mark.needs("dnsmasq")

SERVER = IPv4Address("10.10.0.6")
CLIENT = IPv4Address("10.10.0.9")
SITE = {
    "site": "proxy",
    "vlans": {"office": {"id": 10, "subnet": "10.10.0.0/16"}},
    "servers": {
        "boot": {
            "software": "dnsmasq 2.90",
            "address": str(SERVER),
            "vlan": "office",
            "roles": ["proxydhcp", "tftp"],
            "answers": {"only": ["thin", "phones"]},
            "programs": {"bios": "lpxelinux.0", "uefi-x64": "syslinux64.efi", "ipxe": "menu.ipxe"},
        }
    },
    "groups": {
        "thin": {"macs": ["00:80:64:10:00:01"]},
        "odd": {"macs": ["80:5e:c0:00:00:09"]},
        "phones": {"oui": "80:5e:c0", "except": "odd"},
    },
}
# MAC, architecture, whether it runs iPXE, and the file it shall get on port 4011; None is silence.
CASES = [
    ("00:80:64:10:00:01", 0, False, b"lpxelinux.0"),
    ("00:80:64:10:00:01", 7, False, b"syslinux64.efi"),
    ("00:80:64:10:00:01", 9, False, b"syslinux64.efi"),
    ("00:80:64:10:00:01", 7, True, b"menu.ipxe"),
    ("80:5e:c0:00:00:01", 7, False, b"syslinux64.efi"),
    ("00:80:64:10:00:01", 11, False, None),
    ("00:80:64:10:00:01", 6, False, None),
    ("80:5e:c0:00:00:09", 7, False, None),
    ("3c:52:82:30:00:01", 0, False, None),
]


def _packet(mac: str, architecture: int, is_ipxe: bool, kind: MessageType, xid: int) -> Packet:
    options: dict[int, bytes] = {
        Option.DHCP_MESSAGE_TYPE: bytes((kind,)),
        Option.VENDOR_CLASS_IDENTIFIER: f"PXEClient:Arch:{architecture:05d}:UNDI:003016".encode(),
        Option.CLIENT_SYSTEM_ARCHITECTURE: architecture.to_bytes(2, "big"),
        Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER: b"\1\3\x10",
        Option.CLIENT_MACHINE_IDENTIFIER: bytes(17),
        Option.PARAMETER_REQUEST_LIST: bytes((1, 3, 43, 54, 60, 66, 67, 97)),
    }
    if is_ipxe:
        options[Option.USER_CLASS] = b"iPXE"
    if kind is MessageType.REQUEST and architecture == 0:
        # A BIOS asks for an item of the menu it was offered (PXE 2.1 section 2.2.6), UEFI for whatever
        # there is.
        options[Option.VENDOR_SPECIFIC_INFORMATION] = bytes((71, 4, 0x80, 0, 0, 0, 255))
    return Packet(
        op=BOOTREQUEST,
        xid=xid,
        flags=BROADCAST_FLAG if kind is MessageType.DISCOVER else 0,
        ciaddr=CLIENT if kind is MessageType.REQUEST else IPv4Address(0),
        chaddr=mac_bytes(parse_mac(mac)),
        options=options,
    )


@pytest.fixture
def host(tmp_path):
    (file,) = (f for f in render_site(inventory_from_tree(SITE)).files["boot"] if f.path == "dnsmasq.conf")
    with Network(directory=tmp_path) as network:
        network.vlan("office", "10.10.0.0/16")
        server = network.host("server", {"office": SERVER})
        client = network.host("client", {"office": CLIENT})
        path = server.write("dnsmasq.conf", file.content)
        apart = ["--interface=eth0", "--bind-interfaces", "--user=root", "--pid-file=", "--log-facility=-"]
        server.start(
            ["dnsmasq", "--keep-in-foreground", f"--conf-file={path}", *apart], ready="DHCP, proxy on subnet"
        )
        yield client


def _open(host: Host) -> socket.socket:
    made = host.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    made.bind(("", 68))
    return made


def _answers(client: socket.socket, count: int) -> dict[int, Packet]:
    """Replies by xid, until there are ``count`` or a second passes without one."""
    found: dict[int, Packet] = {}
    client.settimeout(1.0)
    while len(found) < count:
        try:
            reply = decode(client.recv(2048))
        except TimeoutError:
            break
        if isinstance(reply, Packet) and reply.op == BOOTREPLY:
            found[reply.xid] = reply
    return found


def test_it_answers_its_clients_and_nobody_else(host):
    with _open(host) as client:
        for xid, (mac, architecture, is_ipxe, _) in enumerate(CASES, start=1):
            packet = _packet(mac, architecture, is_ipxe, MessageType.DISCOVER, xid)
            client.sendto(encode(packet), ("255.255.255.255", 67))
        offers = _answers(client, len(CASES))
        for xid, (mac, architecture, is_ipxe, _) in enumerate(CASES, start=1):
            packet = _packet(mac, architecture, is_ipxe, MessageType.REQUEST, xid + 100)
            client.sendto(encode(packet), (str(SERVER), 4011))
        acks = _answers(client, len(CASES))
    for xid, (_, _, _, file) in enumerate(CASES, start=1):
        assert (xid in offers) == (file is not None), CASES[xid - 1]
        if file is None:
            assert xid + 100 not in acks or not acks[xid + 100].file, CASES[xid - 1]
            continue
        assert offers[xid].yiaddr == IPv4Address(0)
        assert offers[xid].options[Option.VENDOR_CLASS_IDENTIFIER] == b"PXEClient"
        assert acks[xid + 100].file == file, CASES[xid - 1]
        assert acks[xid + 100].siaddr == SERVER
