"""A registered client's network card on this machine, for as long as one file is fetched.

A server that gives files to its own clients only knows them by the MAC address behind the address they ask
from. So the probe takes both: a macvlan on the VLAN's card with the client's MAC, in a network namespace of
its own, with the address that the client was offered. Before, it asks by ARP whether anybody has that address
(RFC 5227 section 2.1.1): a machine that is on must not lose it. It asks with the card's own MAC: an answer to
the client's would go back to the machine itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from coexist.errors import HostError
from coexist.probe.fetch import Fetched, NotFetched, fetch
from coexist.probe.fetch_http import fetch_http
from coexist.wire.bootp import Packet
from coexist.wire.mac import format_mac
from coexist.wire.options import Option

_ETHERTYPE_ARP = 0x0806
_BROADCAST = b"\xff" * 6
_PROBES = 3
_WAIT = 0.7
"""Seconds that each ARP probe is waited for."""
IN_USE = "the machine is on: its address answers"


def fetch_as(interface: str, mac: int, offer: Packet, server: IPv4Address, file: str) -> Fetched | NotFetched:
    """Fetch a file as the client that was made this offer. Raises HostError if it cannot take its place."""
    try:
        if _is_taken(interface, offer.yiaddr):
            return NotFetched(why=IN_USE)
    except PermissionError:
        raise HostError("the client's place cannot be taken; it needs root") from None
    name, link = f"coexist-{os.getpid()}", f"cx{os.getpid()}"
    card = ["link", interface, "name", link, "address", format_mac(mac), "type", "macvlan", "mode", "bridge"]
    _ip("netns", "add", name)
    try:
        _ip("link", "add", *card)
        _ip("link", "set", link, "netns", name)
        _ip("-n", name, "link", "set", link, "up")
        said = _in_namespace(name, [link, _place(offer), _router(offer), str(server), file])
    finally:
        with contextlib.suppress(HostError):
            _ip("netns", "delete", name)
    if "sha256" in said:
        return Fetched(size=int(said["size"]), sha256=str(said["sha256"]))
    return NotFetched(why=str(said["why"]), code=said["code"])


def _is_taken(interface: str, address: IPv4Address) -> bool:
    """Whether anybody answers an ARP probe for the address."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETHERTYPE_ARP)) as card:
        card.bind((interface, _ETHERTYPE_ARP))
        own = card.getsockname()[4]
        probe = (
            _BROADCAST + own + struct.pack("!HHHBBH", _ETHERTYPE_ARP, 1, 0x0800, 6, 4, 1)
            + own + bytes(4) + bytes(6) + address.packed
        )  # fmt: skip
        for _ in range(_PROBES):
            card.send(probe.ljust(60, b"\0"))
            until = time.monotonic() + _WAIT
            while (left := until - time.monotonic()) > 0:
                card.settimeout(left)
                try:
                    heard = card.recv(128)
                except TimeoutError:
                    break
                if heard[20:22] == b"\0\2" and heard[28:32] == address.packed:
                    return True
    return False


def _place(offer: Packet) -> str:
    mask = offer.options.get(Option.SUBNET_MASK, b"\xff\xff\xff\0")
    prefix = IPv4Network(f"0.0.0.0/{IPv4Address(mask)}").prefixlen
    return f"{offer.yiaddr}/{prefix}"


def _router(offer: Packet) -> str:
    octets = offer.options.get(Option.ROUTER, b"")[:4]
    return str(IPv4Address(octets)) if len(octets) == 4 else ""


def _in_namespace(name: str, arguments: Sequence[str]) -> dict[str, Any]:
    command = ["ip", "netns", "exec", name, sys.executable, "-m", "coexist.probe.guise", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise HostError(f"fetching as a client failed: {_last_line(finished.stderr)}")
    said: dict[str, Any] = json.loads(finished.stdout)
    return said


def _ip(*words: str) -> None:
    try:
        finished = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise HostError("fetching as a client needs iproute2: the command ip is not here") from None
    if finished.returncode != 0:
        why = _last_line(finished.stderr)
        raise HostError(f"the client's place cannot be taken ({why}); it needs root, and a card that bridges")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason was given"])[-1]


# -- inside the namespace ----------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> int:
    """Take the client's address, fetch the file, say as JSON what became of it."""
    link, place, router, server, file = arguments
    _ip("addr", "add", place, "dev", link)
    if router:
        _ip("route", "add", "default", "via", router, "dev", link)
    local = place.partition("/")[0]
    result = fetch_http(file) if "://" in file else fetch(IPv4Address(server), file, local=local)
    sys.stdout.write(json.dumps(asdict(result)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
