"""PXE boot server discovery, and a server that only hands out files."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from tftpy import TftpException

from coexist.wire.options import MessageType, Option
from coexist.wire.pxe import PxeVendorOptions, SubOption, decode_suboptions, encode_vendor_options
from tests.harness.client import hardware_address, tftp_get
from tests.harness.frames import BROADCAST_MAC
from tests.harness.servers import start_dhcpd
from tests.wire.server.conftest import OTC

MULTICAST = (IPv4Address("224.0.1.2"), 0x01005E000102, 4011)  # PXE 2.1 section 3.2; RFC 1112 section 6.4
BROADCAST = (IPv4Address("255.255.255.255"), BROADCAST_MAC, 67)
ITEM = encode_vendor_options(PxeVendorOptions(boot_item=(0, 0)))


@pytest.mark.parametrize(("server", "server_mac", "port"), [MULTICAST, BROADCAST])
def test_discovery_is_answered_in_each_vlan_from_its_address(site, server, server_mac, port):
    site.serve()
    for host, own, address in (
        (site.desk, "10.10.1.50", "10.10.0.6"),
        (site.bench, "10.20.1.50", "10.20.0.6"),
    ):
        with site.client(host, architecture=7) as client:
            client.address = IPv4Address(own)
            asked = client.packet(MessageType.REQUEST, {Option.VENDOR_SPECIFIC_INFORMATION: ITEM})
            client.send(asked, server=server, server_mac=server_mac, port=port)
            heard = client.reply()
        assert heard.source == (IPv4Address(address), port)
        assert heard.packet.message_type is MessageType.ACK
        assert heard.packet.options[Option.BOOTFILE_NAME] == b"syslinux64.efi\0"
        vendor = decode_suboptions(heard.packet.options[Option.VENDOR_SPECIFIC_INFORMATION])
        assert vendor[SubOption.BOOT_ITEM] == bytes(4)


def test_multicast_is_heard_again_once_the_interface_is_another_one(site):
    """A VLAN's interface that is deleted takes its multicast membership with it (ip(7))."""
    process = site.serve()
    before = len(process.output)
    site.otc.namespace.ip("link set eth0 down", "addr flush dev eth0")
    process.wait_for("address not on this host address=10.10.0.6", start=before)
    before = len(process.output)
    site.otc.namespace.ip("link set eth0 up", f"addr add {OTC}/16 brd + dev eth0")
    process.wait_for("interfaces changed", start=before)
    with site.client(site.desk, architecture=7) as client:
        client.address = IPv4Address("10.10.1.50")
        asked = client.packet(MessageType.REQUEST, {Option.VENDOR_SPECIFIC_INFORMATION: ITEM})
        client.send(asked, server=MULTICAST[0], server_mac=MULTICAST[1], port=MULTICAST[2])
        assert client.reply().source == (OTC, 4011)


@pytest.mark.needs("dhcpd")
def test_beside_a_dhcp_server_that_names_it_only_files_are_served(site):
    """`services: [tftp]`: ports 67 and 4011 stay free, and the whitelist still counts."""
    process = site.serve(services=["tftp"])
    start_dhcpd(
        site.otc,
        "authoritative; ddns-update-style none; ping-check false;\n"
        "subnet 10.20.0.0 netmask 255.255.0.0 {}\n"
        "subnet 10.10.0.0 netmask 255.255.0.0 { range 10.10.2.1 10.10.2.99; next-server 10.10.0.6;\n"
        '  filename "lpxelinux.0"; }\n',
    )
    with site.client(site.desk) as client:
        client.discover()
        offer = client.reply().packet
        assert (offer.siaddr, offer.file) == (OTC, b"lpxelinux.0")
        client.take(offer)
        # Whoever listens on 4011 would answer; dhcpd does not, and nobody here does.
        client.ask_4011(OTC, hardware_address(site.otc, "office"))
    assert tftp_get(site.desk, OTC, "lpxelinux.0", options={"blksize": 1468}) == b"thin" * 5000
    with pytest.raises(TftpException):
        tftp_get(site.bench, "10.20.0.6", "lpxelinux.0")
    process.wait_for("tftp refused.*no rule is about this client")
    assert "port=67" not in process.output
    assert "port=4011" not in process.output
