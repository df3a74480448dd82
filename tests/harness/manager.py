"""A boot server that knows machines by a list of MACs, as its own manager keeps it: a program of its own.

It stands in for products that cannot run here, and answers as docs/reference/targets.md says of them: an
offer without option 43 and without a file, the file in the answer on port 4011, no delay. It shares nothing
with the models but the packet codec. The list is read again for each packet: a change counts at once.
"""

from __future__ import annotations

import argparse
import os
import re
import select
import socket
from ipaddress import IPv4Address
from pathlib import Path

from coexist.wire.bootp import BOOTREPLY, BOOTREQUEST, UNSPECIFIED, Packet, decode, encode
from coexist.wire.mac import parse_mac
from coexist.wire.options import MessageType, Option

DHCP, CLIENT, BOOT_SERVER = 67, 68, 4011
UEFI = ("00006", "00007", "00009")
_ARCHITECTURE = re.compile(rb"PXEClient:Arch:(\d{5})")


class Manager:
    """Its list, its programs by the number in option 60, and the conversations it knows."""

    def __init__(
        self, address: IPv4Address, registered: Path, programs: dict[str, str], *, uuid: bool
    ) -> None:
        self.address, self.registered, self.programs, self.uuid = address, registered, programs, uuid
        self.known: set[tuple[bytes, int]] = set()

    def answer(
        self, packet: Packet, port: int, source: tuple[str, int]
    ) -> tuple[Packet, tuple[str, int]] | None:
        """The reply and where it goes; None where it stays silent."""
        asked = _ARCHITECTURE.match(packet.options.get(Option.VENDOR_CLASS_IDENTIFIER, b""))
        if packet.op != BOOTREQUEST or asked is None or packet.mac not in self._macs():
            return None
        number, conversation = asked[1].decode(), (packet.chaddr, packet.xid)
        if port == DHCP and packet.message_type is MessageType.DISCOVER:
            self.known.add(conversation)
            reply = self._reply(packet, MessageType.OFFER, "")
            relayed = packet.giaddr != UNSPECIFIED
            return reply, (str(packet.giaddr), DHCP) if relayed else ("255.255.255.255", CLIENT)
        named = packet.options.get(Option.SERVER_IDENTIFIER, b"\1\1\1\1") != bytes(4)
        belongs = conversation in self.known or number in UEFI
        if port == BOOT_SERVER and packet.message_type is MessageType.REQUEST and named and belongs:
            file = self.programs.get(number)
            if file is None or source[0] == "0.0.0.0":
                return None
            reply = self._reply(packet, MessageType.ACK, file)
            return reply, (str(packet.ciaddr), source[1] if number in UEFI else CLIENT)
        return None

    def _macs(self) -> set[int]:
        return {parse_mac(line) for line in self.registered.read_text().split()}

    def _reply(self, asked: Packet, kind: MessageType, file: str) -> Packet:
        options: dict[int, bytes] = {
            Option.DHCP_MESSAGE_TYPE: bytes((kind,)),
            Option.SERVER_IDENTIFIER: self.address.packed,
            Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient",
        }
        if self.uuid and Option.CLIENT_MACHINE_IDENTIFIER in asked.options:
            options[Option.CLIENT_MACHINE_IDENTIFIER] = asked.options[Option.CLIENT_MACHINE_IDENTIFIER]
        return Packet(
            op=BOOTREPLY, xid=asked.xid, flags=asked.flags, siaddr=self.address, giaddr=asked.giaddr,
            chaddr=asked.chaddr, file=file.encode(), options=options,
        )  # fmt: skip


def _bound(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    made.bind(("", port))
    return made


def main() -> None:
    """Serve until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address", type=IPv4Address)
    parser.add_argument("registered", type=Path)
    parser.add_argument("programs", nargs="+", metavar="NUMBER=FILE")
    parser.add_argument("--uuid", action="store_true", help="send option 97 back")
    given = parser.parse_args()
    programs = dict(text.split("=", 1) for text in given.programs)
    manager = Manager(given.address, given.registered, programs, uuid=given.uuid)
    sockets = {_bound(port): port for port in (DHCP, BOOT_SERVER)}
    os.write(1, b"ready\n")
    while True:
        for each in select.select(list(sockets), [], [])[0]:
            octets, source = each.recvfrom(65535)
            packet = decode(octets)
            answered = manager.answer(packet, sockets[each], source) if isinstance(packet, Packet) else None
            if answered is not None:
                each.sendto(encode(answered[0]), answered[1])


if __name__ == "__main__":
    main()
