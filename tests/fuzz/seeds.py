"""What the targets begin with: small inputs of each format that use much of it."""

from __future__ import annotations

import sqlite3
import struct
import tempfile
from functools import cache
from pathlib import Path

from coexist.registry.records import Note
from coexist.registry.sqlite import sqlite_registry
from coexist.wire.bootp import Packet, encode
from coexist.wire.tftp import Ack, Data, Error, OptionAck, ReadRequest
from coexist.wire.tftp import encode as encode_tftp
from tests.harness.frames import Datagram, udp_frame

MENU = b"\x06\x01\x08\x08\x07\x80\x00\x01\x0a\x00\x00\x05\x09\x09\x80\x00\x06choose\x0a\x05\x05pick\xff"
DHCP = [
    encode(Packet(op=1, options={53: b"\x01", 60: b"PXEClient:Arch:00007", 93: b"\0\7", 97: bytes(17)})),
    encode(
        Packet(op=1, options={53: b"\x03", 60: b"PXEClient", 43: MENU, 54: bytes(4), 50: b"\x0a\0\0\x05"})
    ),
    encode(
        Packet(
            op=2, options={53: b"\x02", 54: b"\x0a\0\0\x06", 43: MENU, 66: b"x", 67: b"a.0\0", 82: bytes(9)}
        )
    ),
    encode(Packet(op=1, options={53: b"\x01", 77: b"iPXE", 175: b"\x01\x01\x00"})),
]
TFTP = [
    encode_tftp(message)
    for message in (
        ReadRequest(
            filename="a/b.0", options={"blksize": "1468", "tsize": "0", "windowsize": "4", "timeout": "3"}
        ),
        Ack(block=1),
        Data(block=2, payload=bytes(20)),
        Error(code=1, message="no"),
        OptionAck(options={"blksize": "512"}),
    )
]
HTTP = [
    b'GET /a%20b/c.efi HTTP/1.1\r\nHost: x\r\nRange: bytes=1-5\r\nIf-Range: "a-b"\r\n\r\n',
    b"HEAD http://10.0.0.1:80/x?y HTTP/1.0\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
]


def _frame(payload: bytes) -> bytes:
    from ipaddress import IPv4Address

    nobody, all_ = IPv4Address(0), IPv4Address("255.255.255.255")
    return udp_frame(
        Datagram(
            source_mac=1,
            destination_mac=(1 << 48) - 1,
            source=(nobody, 68),
            destination=(all_, 67),
            payload=payload,
        )
    )


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _captures() -> list[bytes]:
    frames = [_frame(octets) for octets in DHCP]
    pcap = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    pcapng = _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + _block(
        1, struct.pack("<HHI", 1, 0, 0)
    )
    for number, frame in enumerate(frames):
        pcap += struct.pack("<IIII", 1000 + number, 5, len(frame), len(frame)) + frame
        pcapng += _block(6, struct.pack("<IIIII", 0, 0, 1000 + number, len(frame), len(frame)) + frame)
    return [pcap, pcapng]


CAPTURE = _captures()
DHCPD = [
    b"""option domain-name "x"; default-lease-time 600; authoritative;
key k { algorithm hmac-md5; secret "abc"; }
class "pxe" { match if substring(option vendor-class-identifier, 0, 9) = "PXEClient"; next-server 10.0.0.6; }
subnet 10.0.0.0 netmask 255.255.255.0 {
  pool { allow members of "pxe"; range 10.0.0.10 10.0.0.20; }
  if option arch = 00:07 { filename "a.efi"; } elsif known { filename "b.0"; }
  else { filename concat("c", ".0"); }
}
group { host a { hardware ethernet 52:54:00:00:00:01; fixed-address 10.0.0.9; } }
"""
]
KEA = [
    b"""// comment
{"Dhcp4": {"valid-lifetime": 600, "option-def": [{"name": "o", "code": 200, "type": "string"}],
 "client-classes": [{"name": "pxe",
   "test": "substring(option[60].hex, 0, 9) == 'PXEClient' and not member('KNOWN')",
   "next-server": "10.0.0.6", "boot-file-name": "a.0"}],
 "subnet4": [{"id": 1, "subnet": "10.0.0.0/24",
   "pools": [{"pool": "10.0.0.10 - 10.0.0.20", "client-class": "pxe"}],
   "option-data": [{"name": "routers", "data": "10.0.0.1"},
                   {"code": 43, "csv-format": false, "data": "0601 08"}],
   "reservations": [{"hw-address": "52:54:00:00:00:01", "ip-address": "10.0.0.9", "hostname": "a"}]}]}}
"""
]
DNSMASQ = [
    b"""# comment
dhcp-range=set:a,10.0.0.10,10.0.0.20,255.255.255.0,1h
dhcp-host=52:54:00:00:00:01,set:b,a,10.0.0.9
dhcp-match=set:efi,option:client-arch,7
dhcp-boot=tag:efi,a.efi,host,10.0.0.6
dhcp-option=tag:!b,option:router,10.0.0.1
dhcp-vendorclass=set:pxe,PXEClient
pxe-service=x86PC,"text",a
pxe-prompt="x",5
"""
]
WINDOWS = [
    b"""<?xml version="1.0"?><DHCPServer xmlns="http://schemas.microsoft.com/windows/dhcp"><IPv4>
<Scopes><Scope><ScopeId>10.0.0.0</ScopeId><Name>n</Name><SubnetMask>255.255.255.0</SubnetMask>
<StartRange>10.0.0.10</StartRange><EndRange>10.0.0.20</EndRange><LeaseDuration>8.00:00:00</LeaseDuration>
<OptionValues><OptionValue><OptionId>67</OptionId><Value>a.0</Value></OptionValue></OptionValues>
<Reservations><Reservation><Name>a</Name><IPAddress>10.0.0.9</IPAddress><ClientId>52-54-00-00-00-01</ClientId>
</Reservation></Reservations></Scope></Scopes></IPv4></DHCPServer>"""
]
LDIF = [
    b"""version: 1
# comment
dn: cn=a,ou=clients,o=x
cn: a
macAddress: 52:54:00:00:00:01
l: cn=r,ou=locations,o=x
description:: aGVsbG8=
 IHdvcmxk

dn: nismapname=BootOptions.PXEServicePolicy,ou=RealmConfiguration,o=x
nismapentry: RegisteredOnly
"""
]
MACS = [b"mac,name,ip\n52:54:00:00:00:01,a,10.0.0.9\n", b"52-54-00-00-00-01 a # x\n525400000002\n"]
CSV = [
    (
        b"mac,name,location,hardware,architecture,vlan,address,tags\n"
        b'52:54:00:00:00:01,"a ""b""",r,h,uefi-x64,office,10.0.0.9,x y\n'
    ),
    b"\xef\xbb\xbfsep=;\nmac;name\n52-54-00-00-00-02;b\n# c\n",
]
YAML = [
    b"""site: x
vlans:
  office: {id: 1, subnet: 10.0.0.0/24}
servers:
  otc:
    software: coexist
    address: 10.0.0.6
    vlan: office
    answers: {only: desks}
    delay: 1.2
    programs: {bios: a.0, uefi-x64: b.efi}
  core: {software: dhcpd 4.4.3, address: 10.0.0.5, vlan: office, roles: [dhcp]}
scopes:
  office: {server: core, vlan: office, pools: [10.0.0.10-10.0.0.20], options: {66: otc}}
groups:
  desks: {prefixes: ["52:54:00"], macs: [&m 52:54:00:00:00:01]}
intent:
  - {clients: desks, boot_from: otc}
suppress:
  - {code: CX301, reason: known}
"""
]
CONFIG = [
    b"""name: otc
listen: [{address: 10.0.0.6, vlan: office}]
groups: {lab: {prefixes: ['52:54:02'], except: {macs: ['52:54:02:00:00:01']}}}
rules:
  - {name: a, clients: {groups: [lab], registered: true}, delay: {secs_at_least: 8}, programs: {bios: a.0}}
  - name: b
    clients: {everyone: true}
    menu:
      prompt: x
      timeout: 5
      items: [{text: disk, local: true}, {text: r, register: true, programs: {bios: c.0}}]
options: {6: [10.0.0.1]}
tftp: {root: /srv, whitelist: false, largest_blksize: 1000}
"""
]
PLAN = [
    b'{"format": 1, "site": "x", "inventory": "%s",'
    b' "servers": {"a": {"host": "a", "software": "coexist", "files": []}},'
    b' "steps": [], "contents": {}, "digest": "%s"}' % (b"0" * 64, b"1" * 64)
]
SECRETS = [
    (
        b'key k { secret "ab\\"c"; }; password: |\n  x\n  y\n"auth": {"pwd": ["a", "b"]}\n'
        b"<Password>x</Password>\n"
        b"userPassword:: YWJj\n ZGVm\nhttp://u:p@h/ -----BEGIN RSA PRIVATE KEY-----\nx\n"
    )
]


@cache
def registry() -> tuple[bytes, ...]:
    """A registry's file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "registry.sqlite"
        made = sqlite_registry(path)
        made.note(
            [Note(1, "10.0.0.9", "office", 7, "PXEClient", "answered", "a", "", 100.0, 101.0, 3, False)]
        )
        made.decide(2, "registered", name="b", group="lab")
        made.close()
        db = sqlite3.connect(path)
        db.execute("PRAGMA journal_mode=DELETE")
        db.close()
        return (path.read_bytes(),)
