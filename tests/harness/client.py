"""A modelled PXE client: the packets of a booting machine, sent and heard on a host's interface.

It works on raw frames, so one host can be many machines, and none needs an address to be heard.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from types import TracebackType
from typing import Self

from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT
from coexist.wire.bootp import BOOTREPLY, BOOTREQUEST, BROADCAST_FLAG, UNSPECIFIED, Packet, decode, encode
from coexist.wire.mac import mac_bytes, parse_mac
from coexist.wire.options import MessageType, Option
from tests.harness.frames import (
    BROADCAST_MAC,
    ETH_P_ALL,
    ArpRequest,
    Datagram,
    Endpoint,
    arp_reply,
    parse_frames,
    udp_frame,
)
from tests.harness.namespaces import HarnessError, Namespace
from tests.harness.network import Host
from tests.harness.processes import PATIENCE

_BROADCAST = IPv4Address("255.255.255.255")
_transactions = itertools.count(0x5EED0001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A reply, who sent it, and when: ``seconds`` since the client's latest packet."""

    packet: Packet
    source: Endpoint
    seconds: float


class PxeClient:
    """One machine. ``architecture`` is its option 93 code, ``kind`` begins its option 60.

    ``address`` is empty until it takes one (``take``); from then on it answers ARP for it while it
    listens.
    """

    def __init__(
        self,
        host: Host,
        mac: str,
        *,
        architecture: int = 0,
        vlan: str | None = None,
        kind: str = "PXEClient",
        broadcast: bool = False,
    ) -> None:
        self.mac = parse_mac(mac)
        self.architecture = architecture
        self.kind = kind
        self.broadcast = broadcast
        self.address = UNSPECIFIED
        self.xid = next(_transactions)
        interface = host.interfaces[vlan] if vlan else next(iter(host.interfaces.values()))
        self._socket = host.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.bind((interface, ETH_P_ALL))
        self._sent = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its socket."""
        self._socket.close()

    def packet(
        self, message_type: MessageType, options: Mapping[int, bytes] | None = None, *, secs: int = 0
    ) -> Packet:
        """A packet as PXE firmware builds it: options 53, 55, 60, 93, 94, 97, and the given ones."""
        vendor_class = f"{self.kind}:Arch:{self.architecture:05}:UNDI:003000"
        return Packet(
            op=BOOTREQUEST,
            xid=self.xid,
            secs=secs,
            flags=BROADCAST_FLAG if self.broadcast else 0,
            ciaddr=self.address,
            chaddr=mac_bytes(self.mac),
            options={
                Option.DHCP_MESSAGE_TYPE: bytes((message_type,)),
                Option.PARAMETER_REQUEST_LIST: bytes((1, 3, 43, 54, 60, 66, 67, 97)),
                Option.VENDOR_CLASS_IDENTIFIER: vendor_class.encode(),
                Option.CLIENT_SYSTEM_ARCHITECTURE: self.architecture.to_bytes(2, "big"),
                Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER: b"\x01\x03\x00",
                Option.CLIENT_MACHINE_IDENTIFIER: b"\0" + mac_bytes(self.mac).rjust(16, b"\x11"),
                **(options or {}),
            },
        )

    def discover(self, *, secs: int = 0, options: Mapping[int, bytes] | None = None) -> Packet:
        """Broadcast a DISCOVER; what was sent."""
        return self.send(self.packet(MessageType.DISCOVER, options, secs=secs))

    def request(self, offer: Packet, *, options: Mapping[int, bytes] | None = None) -> Packet:
        """Broadcast the REQUEST for an offered address; what was sent."""
        chosen: dict[int, bytes] = {
            Option.REQUESTED_IP_ADDRESS: offer.yiaddr.packed,
            Option.SERVER_IDENTIFIER: offer.options[Option.SERVER_IDENTIFIER],
        }
        return self.send(self.packet(MessageType.REQUEST, {**chosen, **(options or {})}))

    def ask_4011(
        self,
        server: IPv4Address,
        server_mac: int,
        *,
        message_type: MessageType = MessageType.REQUEST,
        options: Mapping[int, bytes] | None = None,
    ) -> Packet:
        """Ask a boot server's port 4011 from its own address; what was sent.

        ``server_mac`` is the next hop's: the server itself, or the gateway.
        """
        return self.send(
            self.packet(message_type, options), server=server, server_mac=server_mac, port=BOOT_SERVER_PORT
        )

    def send(
        self,
        packet: Packet,
        *,
        server: IPv4Address = _BROADCAST,
        server_mac: int = BROADCAST_MAC,
        port: int = DHCP_PORT,
    ) -> Packet:
        """Send a packet as it is, by broadcast unless a server is named."""
        self._sent = time.monotonic()
        self.send_octets(encode(packet), server=server, server_mac=server_mac, port=port)
        return packet

    def send_octets(
        self,
        payload: bytes,
        *,
        server: IPv4Address = _BROADCAST,
        server_mac: int = BROADCAST_MAC,
        port: int = DHCP_PORT,
    ) -> None:
        """Send one datagram with any payload."""
        self._socket.send(
            udp_frame(
                Datagram(
                    source_mac=self.mac,
                    destination_mac=server_mac,
                    source=(self.address, CLIENT_PORT),
                    destination=(server, port),
                    payload=payload,
                )
            )
        )

    def replies(self, *, timeout: float = PATIENCE) -> Iterator[Heard]:
        """Each reply to this machine's transaction as it comes, until ``timeout`` seconds passed."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                frame, origin = self._socket.recvfrom(65535)
            except TimeoutError:
                return
            if origin[2] == socket.PACKET_OUTGOING:
                continue
            for found in parse_frames(frame):
                heard = self._understand(found)
                if heard is not None:
                    yield heard

    def reply(
        self, wanted: Callable[[Heard], bool] = lambda heard: True, *, timeout: float = PATIENCE
    ) -> Heard:
        """The first reply that fits; ``HarnessError`` when time runs out."""
        for heard in self.replies(timeout=timeout):
            if wanted(heard):
                return heard
        raise HarnessError(f"no such reply within {timeout:g} s")

    def take(self, offer: Packet) -> Packet:
        """Request an offered address and use it from now on; the server's ACK."""
        self.request(offer)
        ack = self.reply(lambda heard: heard.packet.message_type is MessageType.ACK).packet
        self.address = ack.yiaddr
        return ack

    def _understand(self, datagram: Datagram | ArpRequest) -> Heard | None:
        if isinstance(datagram, ArpRequest):
            if self.address != UNSPECIFIED and datagram.target == self.address:
                self._socket.send(arp_reply(datagram, self.mac))
            return None
        if datagram.stream or datagram.destination[1] != CLIENT_PORT:
            return None
        packet = decode(datagram.payload)
        if not isinstance(packet, Packet) or packet.op != BOOTREPLY:
            return None
        if packet.xid != self.xid or packet.mac != self.mac:
            return None
        return Heard(packet=packet, source=datagram.source, seconds=time.monotonic() - self._sent)


def tftp_get(
    host: Host | Namespace,
    server: IPv4Address | str,
    file: str,
    *,
    options: Mapping[str, int] | None = None,
    timeout: float = PATIENCE,
) -> bytes:
    """Fetch a file with tftpy from inside a host; raises what tftpy raises (``TftpException``)."""
    from tftpy import TftpClient

    namespace = host.namespace if isinstance(host, Host) else host

    def fetch() -> bytes:
        target = io.BytesIO()
        # tftpy closes a file object only when it opened it: the octets stay readable.
        client = TftpClient(str(server), 69, options=dict(options or {}))
        client.download(file, target, timeout=timeout)
        return target.getvalue()

    return namespace.call(fetch)


def hardware_address(host: Host, vlan: str | None = None) -> int:
    """The MAC of a host's interface."""
    interface = host.interfaces[vlan] if vlan else next(iter(host.interfaces.values()))
    with contextlib.closing(host.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW)) as asked:
        asked.bind((interface, 0))
        return int.from_bytes(asked.getsockname()[4], "big")
