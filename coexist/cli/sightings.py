"""Who was seen booting from where: from boot servers' registries and from packet captures."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

from coexist.errors import CoexistError
from coexist.inventory import Inventory
from coexist.inventory.values import closest
from coexist.planning.effective import stands_by
from coexist.planning.sightings import Sighting
from coexist.wire.bootp import BOOTREPLY, UNSPECIFIED, Packet, decode
from coexist.wire.mac import mac_from_bytes, parse_mac

_ANSWERED = "answered"
_TFTP_PORT = 69


def from_registries(inventory: Inventory, named: tuple[str, ...]) -> Iterator[Sighting]:
    """The clients coexist servers answered last, from ``SERVER=FILE`` texts. Raises ``CoexistError``."""
    from coexist.server.registry import open_registry

    for text in named:
        server, separator, file = text.partition("=")
        if not separator:
            raise CoexistError(f"{text!r} names no server; write --registry SERVER=FILE")
        if server not in inventory.site.servers:
            raise CoexistError(f"there is no server {server!r}; {closest(server, inventory.site.servers)}")
        registry = open_registry(Path(file))
        try:
            rows = registry.rows()
        finally:
            registry.close()
        for row in rows:
            # Who stands by may answer for the other server: that is no boot of its own.
            if row.decision == _ANSWERED and row.last_seen is not None and not stands_by(row.rule):
                at = datetime.fromtimestamp(row.last_seen, UTC)
                yield Sighting(at=at, mac=row.mac, server=server, how="registry")


def from_captures(inventory: Inventory, files: tuple[Path, ...]) -> Iterator[Sighting]:
    """The machines that asked a server for a file by TFTP, from captures of any kind scapy reads."""
    servers = {
        address: name
        for name, server in inventory.site.servers.items()
        for address in server.stands_on.values()
    }
    for file in files:
        yield from _from_capture(file, servers)


def _from_capture(file: Path, servers: dict[IPv4Address, str]) -> Iterator[Sighting]:
    from scapy.error import Scapy_Exception
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether
    from scapy.utils import PcapReader

    owners: dict[IPv4Address, int] = {}
    try:
        with PcapReader(str(file)) as reader:
            for frame in reader:
                if IP not in frame or UDP not in frame:
                    continue
                payload = bytes(frame[UDP].payload)
                if frame[UDP].sport == 67:
                    _learn(payload, owners)
                elif frame[UDP].dport == _TFTP_PORT and payload[:2] == b"\0\1":
                    server = servers.get(IPv4Address(frame[IP].dst))
                    # A relay's own MAC stands in a routed frame: what DHCP said of the address comes first.
                    mac = owners.get(IPv4Address(frame[IP].src))
                    if mac is None and Ether in frame:
                        mac = parse_mac(frame[Ether].src)
                    if server is not None and mac is not None:
                        at = datetime.fromtimestamp(float(frame.time), UTC)
                        yield Sighting(at=at, mac=mac, server=server, how="capture")
    except (Scapy_Exception, OSError) as error:
        raise CoexistError(f"{file}: this capture cannot be read: {error}") from None


def _learn(payload: bytes, owners: dict[IPv4Address, int]) -> None:
    packet = decode(payload)
    if isinstance(packet, Packet) and packet.op == BOOTREPLY and packet.yiaddr != UNSPECIFIED:
        owners[packet.yiaddr] = mac_from_bytes(packet.chaddr[:6])
