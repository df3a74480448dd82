"""Who was seen booting from where: from boot servers' registries and from packet captures."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

from coexist.boot.request import DHCP_PORT
from coexist.errors import CoexistError, HostError
from coexist.inventory import Inventory
from coexist.planning.effective import stands_by
from coexist.planning.sightings import Sighting
from coexist.text.closest import closest
from coexist.wire import bootp, tftp
from coexist.wire.options import Option
from coexist.wire.tftp import TFTP_PORT

if TYPE_CHECKING:
    from coexist.app.sights import Named
    from coexist.rollout.metrics import Counted
    from coexist.rollout.transport import Connect

_ANSWERED = "answered"


def from_registries(inventory: Inventory, named: Named) -> Iterator[Sighting]:
    """The clients coexist servers answered last, from ``SERVER=FILE`` texts. Raises ``CoexistError``."""
    from coexist.app.sights import named_registries
    from coexist.registry.opening import rows_of

    for server, where in named_registries(inventory.site.servers, named).items():
        for row in rows_of(where, server):
            # Who stands by may answer for the other server: that is no boot of its own.
            if row.decision == _ANSWERED and row.last_seen is not None and not stands_by(row.rule):
                at = datetime.fromtimestamp(row.last_seen, UTC)
                yield Sighting(at=at, mac=row.mac, server=server, how="registry")


def from_metrics(inventory: Inventory, named: tuple[str, ...], connect: Connect) -> dict[str, Counted | str]:
    """What servers counted, from ``SERVER`` or ``SERVER=FILE`` texts; why, where that cannot be had.

    Raises ``CoexistError`` for a server the inventory does not know.
    """
    from coexist.rollout.metrics import copied_metrics, read_metrics

    found: dict[str, Counted | str] = {}
    for text in named:
        server, copied, file = text.partition("=")
        _known(inventory, server)
        try:
            found[server] = (
                copied_metrics(server, Path(file)) if copied else read_metrics(inventory, server, connect)
            )
        except HostError as error:
            found[server] = str(error)
    return found


def _known(inventory: Inventory, server: str) -> None:
    if server not in inventory.site.servers:
        raise CoexistError(f"there is no server {server!r}; {closest(server, inventory.site.servers)}")


def from_captures(inventory: Inventory, files: tuple[Path, ...]) -> Iterator[Sighting]:
    """The machines that asked a server for a file by TFTP, from captures. Raises ``InputError``."""
    from coexist.probe.capture_file import read_capture

    servers = {
        address: name
        for name, server in inventory.site.servers.items()
        for address in server.stands_on.values()
    }
    for file in files:
        owners: dict[IPv4Address, int] = {}
        for seconds, datagram in read_capture(file):
            if DHCP_PORT in (datagram.source_port, datagram.destination_port):
                _learn(datagram.payload, owners)
                continue
            asks = datagram.destination_port == TFTP_PORT
            if not asks or not isinstance(tftp.decode(datagram.payload), tftp.ReadRequest):
                continue
            server, mac = servers.get(datagram.destination), owners.get(datagram.source)
            if server is not None and mac is not None:
                at = datetime.fromtimestamp(seconds, UTC)
                yield Sighting(at=at, mac=mac, server=server, how="capture")


def _learn(payload: bytes, owners: dict[IPv4Address, int]) -> None:
    """Whose an address is: frames that come over a router carry the router's MAC, DHCP messages the client's.

    A client's REQUEST is heard by everyone on its VLAN, the server's reply perhaps by the client alone.
    """
    packet = bootp.decode(payload)
    if not isinstance(packet, bootp.Packet):
        return
    requested = packet.options.get(Option.REQUESTED_IP_ADDRESS, b"")
    if packet.op == bootp.BOOTREQUEST and len(requested) == 4:
        owners[IPv4Address(requested)] = packet.mac
    elif packet.op == bootp.BOOTREPLY and packet.yiaddr != bootp.UNSPECIFIED:
        owners[packet.yiaddr] = packet.mac
