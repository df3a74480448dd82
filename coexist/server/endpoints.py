"""Which of the server's addresses a packet is for, and where answers to it leave from (ip(7): IP_PKTINFO)."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address

from coexist.boot.compiled import MOST_OCTETS, CompiledPolicy
from coexist.boot.configuration import Listen
from coexist.boot.policy import BootPolicy
from coexist.server import interfaces

IP_PKTINFO = 8  # linux/in.h; the socket module has the name from Python 3.14 on
PKTINFO = struct.Struct("=I4s4s")
PXE_MULTICAST = "224.0.1.2"
"""PXE 2.1 section 3.2: where boot server discovery by multicast goes (port 4011)."""
_NO_ADDRESS = bytes(4)
_MOST_KNOWN = 1000
_LEAST_OCTETS = 1 << 20
# Joined already, or the interface is not there yet: it is tried again when it comes.
_NO_MATTER = frozenset({errno.EADDRINUSE, errno.ENODEV, errno.EADDRNOTAVAIL})


class Endpoint:
    """One address of the server on one port: how packets to it are decided and where answers leave from."""

    def __init__(
        self, listen: Listen, policy: BootPolicy, port: int, index: int, octets: int = MOST_OCTETS
    ) -> None:
        self._made_of = (listen, port, index, octets)
        self.address = listen.address
        self.vlan = listen.vlan or ""
        self.index = index
        self.policy = policy
        self.compiled = CompiledPolicy(policy, listen.address, port, octets)
        packed = listen.address.packed
        # Broadcasts leave by the interface the request came by, everything else by the routes; both carry
        # the address the client knows this server by.
        self.to_all = [(socket.IPPROTO_IP, IP_PKTINFO, PKTINFO.pack(index, packed, _NO_ADDRESS))]
        self.to_one = [(socket.IPPROTO_IP, IP_PKTINFO, PKTINFO.pack(0, packed, _NO_ADDRESS))]

    def under(self, policy: BootPolicy) -> Endpoint:
        """The same endpoint with another policy."""
        listen, port, index, octets = self._made_of
        return Endpoint(listen, policy, port, index, octets)


class Endpoints:
    """The endpoints of one port, each found once for a way packets come; ``known`` by IP_PKTINFO."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.policy: BootPolicy | None = None
        self.known: dict[bytes, Endpoint | None] = {}
        self.only: Endpoint | None = None
        # Packets come in several ways to one address; what is kept for it is kept once.
        self._made: dict[tuple[IPv4Address, int], Endpoint] = {}
        self._listen: Sequence[tuple[Listen, str | None]] = ()

    def use(self, policy: BootPolicy, listen: Sequence[tuple[Listen, str | None]]) -> None:
        """Another policy or other addresses."""
        self.policy = policy
        self._listen = listen
        self.refresh()

    def refresh(self) -> None:
        """Look at the host's addresses again.

        ``only`` is the endpoint of a host with a single address on its single open interface: every packet
        is for it, and whatever it sends to one host leaves from there by itself. Broadcasts are heard on an
        interface without an address, too.
        """
        self.known.clear()
        self._made.clear()
        self.only = None
        if len(self._listen) != 1 or self.policy is None:
            return
        listen, _ = self._listen[0]
        with suppress(OSError):
            found = {address: at for address, at in interfaces.addresses().items() if not address.is_loopback}
            if found.keys() == {listen.address} and interfaces.open_links() == set(found.values()):
                self.only = self._of(listen, found[listen.address])

    def find(self, info: bytes) -> Endpoint | None:
        """The endpoint of a packet that came this way; None if it is not for this server."""
        assert self.policy is not None
        endpoint = None
        if len(info) >= PKTINFO.size:
            index, _, to = PKTINFO.unpack_from(info)
            found = self._listen_of(index, IPv4Address(to))
            if found is not None:
                endpoint = self._of(found, index)
        if len(self.known) >= _MOST_KNOWN:
            self.known.clear()
        self.known[info] = endpoint
        return endpoint

    def _of(self, listen: Listen, index: int) -> Endpoint:
        assert self.policy is not None
        key = (listen.address, index)
        if key not in self._made:
            if len(self._made) >= 4 * len(self._listen):
                self._made.clear()
            octets = max(_LEAST_OCTETS, MOST_OCTETS // len(self._listen))
            self._made[key] = Endpoint(listen, self.policy, self.port, index, octets)
        return self._made[key]

    def join_multicast(self, sock: socket.socket) -> list[OSError]:
        """Hear boot server discovery by multicast on every address; what was in the way."""
        group = socket.inet_aton(PXE_MULTICAST)
        errors = []
        for listen, _ in self._listen:
            try:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + listen.address.packed)
            except OSError as error:
                if error.errno not in _NO_MATTER:
                    errors.append(error)
        return errors

    def _listen_of(self, index: int, to: IPv4Address) -> Listen | None:
        for listen, _ in self._listen:
            if listen.address == to:
                return listen
        try:
            known = interfaces.addresses()
            name = socket.if_indextoname(index)
        except OSError:
            return None
        if to in known:
            return None  # unicast to an address of this host that is not one of ours
        for listen, interface in self._listen:
            if interface == name or (interface is None and known.get(listen.address) == index):
                return listen
        return None
