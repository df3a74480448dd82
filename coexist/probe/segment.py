"""The sockets of the probe: a network card of this machine, and a relay agent's port.

A `Segment` sends Ethernet frames and hears every DHCP datagram its card receives (AF_PACKET), because
the probe speaks for clients without an address while this machine has one. The frames carry the card's
own MAC and only ``chaddr`` is the client's: a switch must not learn that the client moved here. Answers
come back as broadcasts, which the broadcast flag asks for.
"""

from __future__ import annotations

import errno
import fcntl
import select
import socket
import struct
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Protocol, Self

from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT
from coexist.boot.respond import LIMITED_BROADCAST
from coexist.errors import HostError
from coexist.probe.frame import ETHERTYPE_IPV4, Datagram, cut_apart, decode_frame, encode_frame
from coexist.wire.bootp import UNSPECIFIED
from coexist.wire.mac import Mac, mac_from_bytes

_SIOCGIFADDR = 0x8915
_SIOCGIFHWADDR = 0x8927
_PACKET_OUTGOING = 4
_LARGEST_FRAME = 65535
# linux/if_packet.h
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_MR_PROMISC = 1


class Port(Protocol):
    """Where questions leave and answers arrive. Times are seconds of ``time.monotonic``."""

    giaddr: IPv4Address
    """The relay agent the probe plays; 0.0.0.0 where it stands on the client's own segment."""

    address: IPv4Address | None
    """The address port 4011 is asked from; None where this machine has none there."""

    def broadcast(self, payload: bytes) -> None:
        """Send a client's DISCOVER: to everyone, or as a relay to every target."""

    def send(self, payload: bytes, to: IPv4Address) -> None:
        """Send to port 4011 of one server."""

    def heard(self, until: float) -> Iterator[tuple[float, Datagram]]:
        """Every DHCP datagram that arrives before ``until``, with the time it came."""

    def close(self) -> None:
        """Give the sockets back."""


class Segment:
    """A network card on the clients' own VLAN.

    ``everything``: hear every UDP datagram the card sees, TFTP and what is sent to others too.
    """

    def __init__(self, interface: str, *, everything: bool = False) -> None:
        self.interface = interface
        self._everything = everything
        self.giaddr = UNSPECIFIED
        try:
            self._raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_IPV4))
        except PermissionError:
            raise HostError("probing needs the capability CAP_NET_RAW: run it as root") from None
        try:
            self._raw.bind((interface, ETHERTYPE_IPV4))
            self.mac = _hardware_address(self._raw, interface)
            if everything:
                self._promiscuous(interface)
        except OSError as error:
            self._raw.close()
            raise _unusable(interface, error) from None
        self.address = _address_of(interface)
        self._boot = _boot_server_socket(self.address, interface) if self.address else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the sockets back."""
        self._raw.close()
        if self._boot:
            self._boot.close()

    def broadcast(self, payload: bytes) -> None:
        """Send from 0.0.0.0:68 to 255.255.255.255:67, as a client without an address does."""
        datagram = Datagram(
            source=UNSPECIFIED,
            source_port=CLIENT_PORT,
            destination=LIMITED_BROADCAST,
            destination_port=DHCP_PORT,
            payload=payload,
        )
        try:
            self._raw.send(encode_frame(datagram, from_mac=self.mac))
        except OSError as error:
            raise HostError(f"the interface {self.interface} cannot send: {error.strerror}") from None

    def send(self, payload: bytes, to: IPv4Address) -> None:
        """Send to port 4011 through the kernel, which knows the way; an unreachable server stays silent."""
        if self._boot is None:
            raise HostError(f"the interface {self.interface} has no address to ask port 4011 from")
        _send(self._boot, payload, (str(to), BOOT_SERVER_PORT))

    def heard(self, until: float) -> Iterator[tuple[float, Datagram]]:
        """Every DHCP datagram the card receives before ``until``."""
        while (left := until - time.monotonic()) > 0:
            if not select.select([self._raw], [], [], left)[0]:
                return
            # Without this, an interface that went down would end the program with a traceback.
            try:
                frame, (_, _, direction, _, _) = self._raw.recvfrom(_LARGEST_FRAME)
            except OSError as error:
                raise HostError(f"the interface {self.interface} stopped: {error.strerror}") from None
            at = time.monotonic()
            datagram = decode_frame(frame, tcp=self._everything)
            if datagram is not None and self._wanted(direction, datagram):
                for single in cut_apart(datagram):
                    yield at, single

    def _wanted(self, direction: int, datagram: Datagram) -> bool:
        return self._everything or (direction != _PACKET_OUTGOING and _is_dhcp(datagram))

    def _promiscuous(self, interface: str) -> None:
        """packet(7): the membership ends with the socket."""
        request = struct.pack("iHH8s", socket.if_nametoindex(interface), _PACKET_MR_PROMISC, 0, b"")
        self._raw.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)


class RelayPort:
    """The place of a relay agent: asks servers from an address of this machine as if for another VLAN."""

    def __init__(self, giaddr: IPv4Address, targets: tuple[IPv4Address, ...]) -> None:
        self.giaddr = giaddr
        self.address: IPv4Address | None = giaddr
        self.targets = targets
        self._relay = _udp(giaddr, DHCP_PORT, "a relay's answers come to this port")
        self._boot = _boot_server_socket(giaddr, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the sockets back."""
        self._relay.close()
        self._boot.close()

    def broadcast(self, payload: bytes) -> None:
        """Send to port 67 of every target."""
        for target in self.targets:
            _send(self._relay, payload, (str(target), DHCP_PORT))

    def send(self, payload: bytes, to: IPv4Address) -> None:
        """Send to port 4011 of one server."""
        _send(self._boot, payload, (str(to), BOOT_SERVER_PORT))

    def heard(self, until: float) -> Iterator[tuple[float, Datagram]]:
        """Every datagram that comes to the two ports before ``until``."""
        sockets = [self._relay, self._boot]
        while (left := until - time.monotonic()) > 0:
            for ready in select.select(sockets, [], [], left)[0]:
                try:
                    payload, (host, port) = ready.recvfrom(_LARGEST_FRAME)
                except ConnectionRefusedError:
                    continue  # an ICMP error about an earlier packet: that server stays silent
                own, own_port = ready.getsockname()
                yield (
                    time.monotonic(),
                    Datagram(
                        source=IPv4Address(host),
                        source_port=port,
                        destination=IPv4Address(own),
                        destination_port=own_port,
                        payload=payload,
                    ),
                )


def _is_dhcp(datagram: Datagram) -> bool:
    ports = {datagram.source_port, datagram.destination_port}
    return bool(ports & {DHCP_PORT, BOOT_SERVER_PORT})


def _hardware_address(any_socket: socket.socket, interface: str) -> Mac:
    request = struct.pack("256s", interface.encode()[:15])
    return mac_from_bytes(fcntl.ioctl(any_socket.fileno(), _SIOCGIFHWADDR, request)[18:24])


def _address_of(interface: str) -> IPv4Address | None:
    """The first IPv4 address of an interface, None where it has none (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        request = struct.pack("256s", interface.encode()[:15])
        try:
            return IPv4Address(fcntl.ioctl(asking.fileno(), _SIOCGIFADDR, request)[20:24])
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                return None
            raise _unusable(interface, error) from None


def _unusable(interface: str, error: OSError) -> HostError:
    present = ", ".join(name for _, name in socket.if_nameindex())
    return HostError(
        f"the interface {interface} cannot be used: {error.strerror}; this machine has {present}"
    )


def _boot_server_socket(address: IPv4Address, interface: str | None) -> socket.socket:
    """Port 4011 is where EDK2 asks from; any other where a boot server of this machine holds it."""
    try:
        return _udp(address, BOOT_SERVER_PORT, "", interface)
    except HostError:
        return _udp(address, 0, "port 4011 is asked from there", interface)


def _udp(address: IPv4Address, port: int, why: str, interface: str | None = None) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        if interface is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        made.bind((str(address), port))
    except OSError as error:
        made.close()
        raise HostError(f"{address}:{port} cannot be used ({why}): {error.strerror}") from None
    return made


def _send(sender: socket.socket, payload: bytes, to: tuple[str, int]) -> None:
    try:
        sender.sendto(payload, to)
    except OSError as error:
        # An address nobody routes or answers ARP for is a silent server; anything else is our failure.
        silent = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNREFUSED, errno.EHOSTDOWN)
        if error.errno not in silent:
            raise HostError(f"{to[0]}:{to[1]} cannot be asked: {error.strerror}") from None
