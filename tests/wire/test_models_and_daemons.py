"""The models of dnsmasq, dhcpd and Kea against the daemons themselves: every field, options in wire order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.boot.firmware.edk2 import Edk2
from coexist.boot.firmware.ipxe import Ipxe
from coexist.boot.firmware.machine import Machine
from coexist.boot.responder import Arrival
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import parse_mac
from tests.harness.client import PxeClient
from tests.harness.network import Host, Network
from tests.harness.processes import Process
from tests.harness.servers import start_dhcpd, start_dnsmasq, start_kea
from tests.lineup import dhcpd_text, dnsmasq_lines, model_of

pytestmark = pytest.mark.needs("dhcpd", "kea-dhcp4", "dnsmasq")

OWN = IPv4Address("10.77.0.11")
MAC = "52:54:00:12:34:56"
QUIET = 0.4
"""Seconds without an answer that are silence; these servers wait for nothing."""

PXECLIENT = 'option vendor-class-identifier "PXEClient";'
IPXE_SPACE = [
    "option space ipxe;",
    "option ipxe-encap-opts code 175 = encapsulate ipxe;",
    "option ipxe.no-pxedhcp code 176 = unsigned integer 8;",
    "option ipxe.no-pxedhcp 1;",
]
SERVERS: dict[str, dict[str, Any]] = {
    "proxy with services": {"type": "dnsmasq-proxy"},
    "proxy with a menu": {
        "type": "dnsmasq-proxy",
        "mode": "none",
        "conf": ['pxe-service=x86PC,"one",a', 'pxe-service=x86PC,"two",two', 'pxe-prompt="go",1'],
    },
    "proxy for one architecture": {
        "type": "dnsmasq-proxy",
        "mode": "none",
        "conf": [
            'pxe-service=x86PC,"b",a',
            "dhcp-match=set:bios,option:client-arch,0",
            "dhcp-ignore=tag:!bios",
        ],
    },
    "proxy without a service": {"type": "dnsmasq-proxy", "mode": "boot"},
    "proxy with a prompt alone": {"type": "dnsmasq-proxy", "mode": "boot", "conf": ['pxe-prompt="x",0']},
    "leases with a boot file": {"type": "dnsmasq-dhcp", "boot": True, "next": "10.77.0.13"},
    "leases with options": {
        "type": "dnsmasq-dhcp",
        "conf": ["dhcp-option=66,{ip}", "dhcp-option=67,d.{ext}", "dhcp-option-force=60,PXEClient"],
    },
    "leases with vendor options": {"type": "dnsmasq-dhcp", "conf": ["dhcp-option=vendor:PXEClient,6,8b"]},
    "leases with encapsulated options": {"type": "dnsmasq-dhcp", "conf": ["dhcp-option=encap:175,176,1b"]},
    "leases with a service": {"type": "dnsmasq-dhcp", "conf": ['pxe-service=X86-64_EFI,"d",d.efi']},
    "leases by architecture": {
        "type": "dnsmasq-dhcp",
        "conf": ["dhcp-match=set:efi,option:client-arch,7", "dhcp-boot=tag:efi,d.efi"],
    },
    "dhcpd with header and options": {"type": "dhcpd", "boot": "both"},
    "dhcpd with options": {"type": "dhcpd", "boot": "options", "in_host": True},
    "dhcpd with option 60 and 43": {
        "type": "dhcpd",
        "body": [
            PXECLIENT,
            "next-server {ip};",
            'filename "{file}";',
            "option vendor-encapsulated-options 06:01:08:ff;",
        ],
    },
    "dhcpd with conditions": {
        "type": "dhcpd",
        "global": ['class "efi" { match if option arch = 00:07; filename "class.efi"; }', *IPXE_SPACE],
        "body": ['if exists user-class and option user-class = "iPXE" { option bootfile-name "x.ipxe"; }'],
    },
    "dhcpd by substring": {
        "type": "dhcpd",
        "body": [
            'if substring (option vendor-class-identifier, 10, 10) = "Arch:00000" { filename "b.0"; }',
            'elsif option arch = 00:07 { filename "u.efi"; next-server {ip}; }',
        ],
    },
    "dhcpd with a list of its own": {
        "type": "dhcpd",
        "body": ["option dhcp-parameter-request-list 60,67,3;", PXECLIENT, "option routers 10.77.0.1;"],
    },
    "dhcpd with a vendor space": {
        "type": "dhcpd",
        "global": ["option space PXE;", "option PXE.discovery-control code 6 = unsigned integer 8;"],
        "body": [PXECLIENT, "vendor-option-space PXE;", "option PXE.discovery-control 8;"],
    },
    "dhcpd under another identifier": {"type": "dhcpd", "body": ["server-identifier 10.77.0.9;"]},
    "kea with vendor options": {
        "type": "kea",
        "option_data": [
            {"name": "vendor-encapsulated-options", "csv-format": False, "data": "060108ff"},
            {"name": "vendor-class-identifier", "data": "PXEClient"},
        ],
    },
    "kea": {"type": "kea", "boot": True, "option_data": [{"name": "boot-file-name", "data": "k.efi"}]},
}


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with Network() as made:
        made.vlan("lab", "10.77.0.0/24")
        made.host("client", {"lab": None}, mac=MAC)
        made.host("server", {"lab": OWN})
        yield made


def discover(firmware: str) -> Packet:
    machine = Machine(mac=parse_mac(MAC), architecture=7 if firmware == "uefi" else 0, uuid=bytes(range(16)))
    model = Edk2() if firmware == "uefi" else Ipxe()
    packet: Packet = model.begin(machine, 3.5).sends[0].packet
    return packet


def start(host: Host, server: dict[str, Any], client: dict[str, str]) -> Process:
    extension = "0" if client["fw"] == "ipxe" else "efi"
    file = f"{server['name'].lower()}.{extension}"
    if server["type"].startswith("dnsmasq"):
        return start_dnsmasq(host, [*dnsmasq_lines(server, file, extension)[2:], "interface=eth0"])
    if server["type"] == "dhcpd":
        return start_dhcpd(host, dhcpd_text(server, client, file, extension))
    return start_kea(host, json.dumps(kea_config(server, file)))


def kea_config(server: dict[str, Any], file: str) -> dict[str, Any]:
    subnet = {
        "id": 1,
        "subnet": "10.77.0.0/24",
        "pools": [{"pool": "10.77.0.200 - 10.77.0.220"}],
        **({"next-server": server["ip"], "boot-file-name": file} if server.get("boot") else {}),
        "option-data": server["option_data"],
    }
    return {
        "Dhcp4": {
            "interfaces-config": {"interfaces": ["eth0"], "dhcp-socket-type": "raw"},
            "lease-database": {"type": "memfile", "persist": False},
            "valid-lifetime": 600,
            "subnet4": [subnet],
            "loggers": [{"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stdout"}]}],
        }
    }


def fields(packet: Packet) -> tuple[Any, ...]:
    """What clients can read of a reply; which address a pool gives is the daemon's own choice."""
    return (
        packet.yiaddr != UNSPECIFIED,
        packet.siaddr,
        packet.file,
        packet.sname,
        packet.flags,
        [(int(code), value) for code, value in packet.options.items()],
    )


@pytest.mark.parametrize("firmware", ["uefi", "ipxe"])
@pytest.mark.parametrize("number", range(len(SERVERS)), ids=list(SERVERS))
def test_a_daemon_sends_what_its_model_says(network: Network, number: int, firmware: str) -> None:
    server = {"name": "D", "ip": str(OWN), **list(SERVERS.values())[number]}
    client = {"fw": firmware, "mac": MAC}
    packet = discover(firmware)
    model = model_of(server, client, "0" if firmware == "ipxe" else "efi")
    reaction = model.receive(
        model.initial(), Arrival(packet=packet, at=0.0, port=67, address=OWN, source=(UNSPECIFIED, 68))
    )
    process = start(network.hosts["server"], server, client)
    try:
        with PxeClient(network.hosts["client"], MAC) as asking:
            asking.xid = packet.xid
            asking.send(packet)
            heard = [reply.packet for reply in asking.replies(timeout=QUIET)]
    finally:
        process.stop()
    assert [fields(reply) for reply in heard] == [fields(reply.packet) for reply in reaction.replies]
