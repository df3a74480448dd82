"""A Kea's own file, evaluated: every reply of the daemon equals the predicted one.

In every header field and every option, in octets and in order. Which address of a pool is offered depends on
those that asked before: it must be of the predicted pool.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from coexist.boot.leases.kea_config import KeaConfig, compile_kea
from coexist.boot.leases.kea_file import KeaLeases
from coexist.boot.responder import Arrival
from coexist.boot.servers.kea import KeaModel
from coexist.languages.kea.json_nodes import Node, read_json
from coexist.languages.source_files import beside
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import format_mac
from coexist.wire.options import MessageType, Option
from tests.harness.matrix import Asked, Asker, Case, difference, discovers
from tests.harness.network import Network
from tests.harness.servers import start_kea

pytestmark = pytest.mark.untimed

FOLDER = Path(__file__).parents[1] / "data" / "own-files" / "kea"
FILES = sorted(FOLDER.glob("*.json"))
STRANGERS = ("02:00:5e:10:00:01", "52:54:00:ab:cd:ef")
_STANDS = re.compile(r"^// stands on (?P<own>\S+)(?P<relays>(, relay \S+)*)$", re.MULTILINE)
# What belongs to the machine the file was written on.
_LOCAL = ("control-socket", "loggers", "lease-database", "interfaces-config", "hooks-libraries",
          "hosts-database", "hosts-databases", "multi-threading", "dhcp-queue-control")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a file's server stands, and the relays that ask it."""

    own: IPv4Interface
    relays: tuple[IPv4Address, ...]


def place_of(text: str) -> Place:
    """What a file's comment says of it."""
    found = _STANDS.search(text)
    assert found is not None, "the file does not say where its server stands"
    relays = re.findall(r"relay (\S+?)(?:,|$)", found["relays"])
    return Place(own=IPv4Interface(found["own"]), relays=tuple(map(IPv4Address, relays)))


def plain(node: Node) -> object:
    """A tree as JSON has it."""
    if isinstance(node.value, dict):
        return {key: plain(item) for key, item in node.value.items()}
    return list(map(plain, node.value)) if isinstance(node.value, list) else node.value


def here(tree: Node) -> str:
    """The configuration with what belongs to its machine exchanged for what works on this one."""
    whole = plain(tree)
    assert isinstance(whole, dict)
    dhcp4 = {key: value for key, value in whole["Dhcp4"].items() if key not in _LOCAL}
    dhcp4["interfaces-config"] = {"interfaces": ["eth0"], "dhcp-socket-type": "raw"}
    dhcp4["lease-database"] = {"type": "memfile", "persist": False}
    return json.dumps({"Dhcp4": dhcp4})


def macs_of(config: KeaConfig) -> list[str]:
    """Addresses with a reservation, and strangers."""
    hosts = [*config.hosts, *(host for subnet in config.subnets for host in subnet.hosts)]
    known = [host.identifiers.get("hw-address", b"") for host in hosts]
    macs = [format_mac(int.from_bytes(octets, "big")) for octets in known if len(octets) == 6]
    return list(dict.fromkeys([*macs[:6], *STRANGERS]))


@pytest.mark.needs("kea-dhcp4")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_reply_is_the_predicted_one(path: Path, tmp_path: Path) -> None:
    text = path.read_text()
    tree = read_json(text, str(path), beside(path))
    hold(tree, place_of(text), macs_of(compile_kea(tree)), tmp_path)


def hold(tree: Node, place: Place, macs: list[str], tmp_path: Path) -> None:
    """Ask a real Kea as all kinds of clients, and hold each reply to the predicted one."""
    config = compile_kea(tree)
    echo = config.level.value("echo-client-id", bool)
    model = KeaModel(name="own", leases=KeaLeases(config=config), echoes_client_id=echo is not False)
    with Network(directory=tmp_path) as network:
        network.vlan("lan", place.own.network)
        client_address = place.own.network.broadcast_address - 1
        server = network.host("server", {"lan": place.own.ip}, gateway=str(client_address))
        client = network.host("client", {"lan": client_address})
        client.namespace.ip("route add 255.255.255.255 dev eth0")
        for address in place.relays:
            client.namespace.ip(f"addr add {address}/32 dev eth0")
        start_kea(server, here(tree))
        asker = Asker(client, place.own.ip, place.relays)
        try:
            seen = list(_rounds(asker, macs, client_address))
        finally:
            asker.close()
    wrong = []
    for case, packet, reply in seen:
        source = (client_address if case.giaddr == UNSPECIFIED else case.giaddr, 68)
        arrival = Arrival(packet=packet, at=0.0, port=67, address=place.own.ip, source=source)
        replies = model.receive(None, arrival).replies
        expected = replies[0].packet if replies else None
        found = difference(_of_its_pool(reply, expected, config), expected)
        if found:
            wrong.append(f"{case.message.name} {case.mac} {case.kind} {case.giaddr} {case.asks}: {found}")
    assert any(reply is not None for _, _, reply in seen), "nobody was answered: nothing is shown"
    assert not wrong, f"{len(wrong)} of {len(seen)} differ:\n" + "\n".join(wrong[:20])


def _of_its_pool(reply: Packet | None, expected: Packet | None, config: KeaConfig) -> Packet | None:
    """The reply with the predicted address, if its own is of a pool like that and nobody's."""
    if reply is None or expected is None:
        return reply
    same = _pools_of(reply.yiaddr, config) & _pools_of(expected.yiaddr, config)
    reserved = {host.address for subnet in config.subnets for host in subnet.hosts}
    if not same or reply.yiaddr in reserved:
        return reply
    # A generated name holds the address.
    real, named = (str(a).replace(".", "-").encode() for a in (reply.yiaddr, expected.yiaddr))
    options = {code: value.replace(real, named) for code, value in reply.options.items()}
    return replace(reply, yiaddr=expected.yiaddr, options=options)


def _pools_of(address: IPv4Address, config: KeaConfig) -> set[object]:
    """The pools that hold an address, by what tells them apart."""
    return {
        (number, pool.classes, pool.asks, tuple(pool.level.options))
        for number, subnet in enumerate(config.subnets)
        for pool in subnet.pools
        if pool.holds(address)
    }


def _rounds(asker: Asker, macs: list[str], address: IPv4Address) -> Iterator[Asked]:
    """All DISCOVERs, then INFORMs, then a REQUEST of each MAC, so that no lease changes another's answer."""
    ways = (UNSPECIFIED, *asker.relays)
    offers = asker.ask(discovers(macs, ways))
    yield from offers.values()
    informs = [
        Case(mac=mac, kind=kind, asks=asks, message=MessageType.INFORM, ciaddr=address)
        for mac in macs
        for kind in ("plain", "UEFI 7", "named")
        for asks in ("no list", "all")
    ]
    yield from asker.ask(informs).values()
    rebooting: dict[int, bytes] = {Option.REQUESTED_IP_ADDRESS: bytes((192, 0, 2, 9))}
    own = rebooting | {Option.SERVER_IDENTIFIER: asker.server.packed}
    other = rebooting | {Option.SERVER_IDENTIFIER: bytes((192, 0, 2, 77))}
    yield from asker.ask(
        [
            Case(mac=mac, kind="UEFI 7", message=MessageType.REQUEST, more=more)
            for mac in macs
            for more in (own, other, rebooting)
        ]
    ).values()
    taken: set[object] = set()
    requests = []
    for case, _, offer in offers.values():
        if offer is not None and not {case.mac, offer.yiaddr} & taken:
            taken |= {case.mac, offer.yiaddr}
            requests.append(case.requesting(offer))
    yield from asker.ask(requests).values()
