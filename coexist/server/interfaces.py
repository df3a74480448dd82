"""The host's addresses by interface, and word of their changes: rtnetlink (man 7 rtnetlink, netlink)."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address

_RTM_NEWLINK = 16
_RTM_GETLINK = 18
_RTM_NEWADDR = 20
_RTM_GETADDR = 22
_RTM_NEWNEIGH = 28
_RTM_GETNEIGH = 30
_NLM_F_REQUEST_DUMP = 0x301
_NLMSG_DONE = 3
_NLMSG_ERROR = 2
_IFLA_MASTER = 10
_IFF_UP = 0x1
_IFF_LOOPBACK = 0x8
_IFA_LOCAL = 2
_NDA_DST = 1
_NDA_LLADDR = 2
_NUD_FAILED_OR_INCOMPLETE = 0x20 | 0x01
_RTMGRP_LINK = 1
_RTMGRP_IPV4_IFADDR = 0x10
_HEADER = struct.Struct("=IHHII")
_IFINFOMSG = struct.Struct("=BxHiII")
_IFADDRMSG = struct.Struct("=BBBBi")
_NDMSG = struct.Struct("=BBHiHBB")


def addresses() -> dict[IPv4Address, int]:
    """The index of the interface of each IPv4 address of this host. Raises ``OSError``."""
    found: dict[IPv4Address, int] = {}
    request = _IFADDRMSG.pack(socket.AF_INET, 0, 0, 0, 0)
    for kind, body in _dump(_RTM_GETADDR, request):
        if kind == _RTM_NEWADDR:
            index = _IFADDRMSG.unpack_from(body)[4]
            local = dict(_attributes(body[_IFADDRMSG.size :])).get(_IFA_LOCAL)
            if local is not None:
                found[IPv4Address(local)] = index
    return found


def open_links() -> set[int]:
    """The indices of the interfaces by which packets come to this host: up, not the loopback, and no port of
    a bridge or bond. Raises ``OSError``."""
    found: set[int] = set()
    for kind, body in _dump(_RTM_GETLINK, _IFINFOMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0)):
        if kind != _RTM_NEWLINK:
            continue
        _, _, index, flags, _ = _IFINFOMSG.unpack_from(body)
        owned = _IFLA_MASTER in dict(_attributes(body[_IFINFOMSG.size :]))
        if flags & _IFF_UP and not flags & _IFF_LOOPBACK and not owned:
            found.add(index)
    return found


def neighbours() -> dict[str, int]:
    """The MAC of each neighbour (ARP), by IPv4 address. Raises ``OSError``."""
    found: dict[str, int] = {}
    request = _NDMSG.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0)
    for kind, body in _dump(_RTM_GETNEIGH, request):
        if kind != _RTM_NEWNEIGH or _NDMSG.unpack_from(body)[4] & _NUD_FAILED_OR_INCOMPLETE:
            continue
        attributes = dict(_attributes(body[_NDMSG.size :]))
        destination, mac = attributes.get(_NDA_DST, b""), attributes.get(_NDA_LLADDR, b"")
        if len(destination) == 4 and len(mac) == 6:
            found[socket.inet_ntoa(destination)] = int.from_bytes(mac, "big")
    return found


def changes() -> socket.socket:
    """A socket that becomes readable when a link or an address changes. Raises ``OSError``."""
    watch = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    watch.bind((0, _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR))
    return watch


def _dump(kind: int, request: bytes) -> Iterator[tuple[int, bytes]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
        asking.settimeout(2.0)
        asking.send(_HEADER.pack(_HEADER.size + len(request), kind, _NLM_F_REQUEST_DUMP, 1, 0) + request)
        while True:
            data = asking.recv(1 << 18)
            at = 0
            while at + _HEADER.size <= len(data):
                length, answered, *_ = _HEADER.unpack_from(data, at)
                if answered in (_NLMSG_DONE, _NLMSG_ERROR) or length < _HEADER.size:
                    return
                yield answered, data[at + _HEADER.size : at + length]
                at += (length + 3) & ~3


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            return
        yield kind, data[at + 4 : at + length]
        at += (length + 3) & ~3
