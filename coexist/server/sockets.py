"""The server's sockets: bound here, or handed over by systemd (socket activation, sd_listen_fds(3))."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address

from coexist.boot.request import BOOT_SERVER_PORT, DHCP_PORT
from coexist.errors import HostError
from coexist.wire.tftp import TFTP_PORT

RECEIVE_OCTETS = 4 << 20
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33  # asm-generic/socket.h
_IP_FREEBIND = 15
_FIRST_HANDED = 3
_MOVABLE = frozenset({DHCP_PORT, TFTP_PORT, BOOT_SERVER_PORT})  # options of `coexist serve`


class Sockets:
    """Makes sockets by kind and port; those systemd handed over are used first."""

    def __init__(
        self,
        interface: str | None = None,
        *,
        handed: Iterable[socket.socket] | None = None,
        shares: bool = False,
    ) -> None:
        """``handed``: those of the first process, where this is a worker; ``shares``: with other workers."""
        self.interface = interface
        self.shares = shares
        self._handed = handed_over() if handed is None else list(handed)

    def has(self, port: int) -> bool:
        """Whether a UDP socket of this port was handed over."""
        return any(sock.type == socket.SOCK_DGRAM and sock.getsockname()[1] == port for sock in self._handed)

    def udp(self, address: IPv4Address | None, port: int) -> socket.socket:
        """A UDP socket bound to one address, or to all. Raises ``HostError`` if it cannot be had."""
        handed = self._take(socket.SOCK_DGRAM, address, port)
        sock = handed or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        enlarge(sock)
        if handed is None:
            self._bind(sock, address, port, "UDP")
        return sock

    def tcp(self, address: IPv4Address, port: int) -> socket.socket:
        """A listening TCP socket. Raises ``HostError``."""
        handed = self._take(socket.SOCK_STREAM, address, port)
        if handed is not None:
            return handed
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # A server that is started again must not wait for its old connections to be forgotten; a second
        # listener is still refused.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._bind(sock, address, port, "TCP")
        sock.listen(128)
        return sock

    def listener(self, port: int) -> socket.socket:
        """A socket that shares a port with whoever listens there too (broadcasts reach both)."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._bind(sock, None, port, "UDP")
        return sock

    def _bind(self, sock: socket.socket, address: IPv4Address | None, port: int, kind: str) -> None:
        try:
            if self.interface is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.interface.encode())
            if self.shares:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if address is not None:
                # The address may come later than the server: an interface that is still down.
                sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
            sock.bind((str(address) if address is not None else "", port))
        except OSError as error:
            sock.close()
            raise HostError(_explain(error, address, port, kind, self.interface)) from None

    def _take(self, kind: int, address: IPv4Address | None, port: int) -> socket.socket | None:
        for sock in self._handed:
            bound, at = sock.getsockname()[:2]
            if sock.type == kind and at == port and bound in ("0.0.0.0", str(address or "0.0.0.0")):
                self._handed.remove(sock)
                return sock
        return None


def handed_over() -> list[socket.socket]:
    """The IPv4 sockets systemd passed to this process (LISTEN_PID, LISTEN_FDS)."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS", "0"))
    found = []
    for fd in range(_FIRST_HANDED, _FIRST_HANDED + count):
        os.set_inheritable(fd, False)
        sock = socket.socket(fileno=fd)
        if sock.family == socket.AF_INET:
            found.append(sock)
        else:
            sock.detach()
    return found


def enlarge(sock: socket.socket) -> None:
    """Room for the requests of a whole site that is switched on at once."""
    _ask_for(sock, _SO_RCVBUFFORCE, socket.SO_RCVBUF, RECEIVE_OCTETS)


def enlarge_to_send(sock: socket.socket, octets: int) -> int:
    """Room for so many octets to send, as far as that is allowed; how many there is room for."""
    _ask_for(sock, _SO_SNDBUFFORCE, socket.SO_SNDBUF, octets // 2)  # the kernel doubles it (socket(7))
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)


def _ask_for(sock: socket.socket, forced: int, plain: int, octets: int) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, forced, octets)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, plain, octets)  # as much as net.core.rmem_max or wmem_max


def _explain(error: OSError, address: IPv4Address | None, port: int, kind: str, interface: str | None) -> str:
    where = f"{kind} port {port}" + (f" of {address}" if address is not None else "")
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"{where} is in use: another boot or DHCP server runs on this host, perhaps this one a second"
                f" time; `ss -l{kind[0].lower()}np sport = :{port}` says which"
            )
        case errno.EACCES | errno.EPERM:
            elsewhere = f", or with --port-{port} to try it out" if port in _MOVABLE else ""
            return (
                f"{where} may not be used by this user; start with CAP_NET_BIND_SERVICE (the systemd unit"
                f" does){elsewhere}"
            )
        case errno.ENODEV:
            return f"there is no interface {interface}; `ip link` lists them"
    return f"{where} cannot be used: {error.strerror}"
