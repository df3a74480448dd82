"""A Kea file that is imported and rendered again: all replies are equal, and leases keep their subnet.

In every header field and option, in octets and in order, for clients that ask for nothing, for some and for
all options. Which address of a pool is offered depends on those that asked before.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from coexist.boot.leases.kea_config import KeaConfig, compile_kea
from coexist.importers import import_files
from coexist.importers.written import clients_csv, site_yaml
from coexist.inventory import load_inventory
from coexist.languages.kea.json_nodes import Node, read_json
from coexist.languages.source_files import beside
from coexist.render import render_site
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.mac import format_mac
from coexist.wire.options import MessageType
from tests.harness.matrix import Asked, Asker, Case, Place, difference, discovers, place_of
from tests.harness.network import Host, Network
from tests.harness.servers import start_kea
from tests.wire.test_own_files_kea import FOLDER, STRANGERS, here, macs_of

pytestmark = pytest.mark.untimed

# The other files there say what no inventory can say, and are not written anew (CX524).
NAMES = ("brands", "comments", "ddns", "directory", "dumped", "flat", "kept", "lifetimes", "names", "phones",
         "simple", "small-office", "ztp")  # fmt: skip


@pytest.mark.needs("kea-dhcp4")
@pytest.mark.parametrize("name", NAMES)
def test_the_rendered_file_answers_as_the_imported(name: str, tmp_path: Path) -> None:
    path = FOLDER / f"{name}.json"
    place = place_of(path.read_text())
    original = read_json(path.read_text(), str(path), beside(path))
    rendered = rendered_again(path, place, tmp_path)
    config = compile_kea(original)
    macs = macs_of(config)
    before, after = (
        asked(tree, place, macs, config, tmp_path / where)
        for where, tree in (("a", original), ("b", rendered))
    )
    assert any(reply is not None for reply, _ in before.values()), "nobody was answered: nothing is shown"
    wrong = []
    for case, (reply, _) in before.items():
        other = after[case][0]
        if reply is not None and other is not None:
            other = of_its_pool(replace(other, xid=reply.xid), reply, config)
        found = difference(other, reply)
        if found:
            wrong.append(f"{case}: {found}")
    assert not wrong, f"{len(wrong)} of {len(before)} differ:\n" + "\n".join(wrong[:20])
    assert {case: subnet for case, (_, subnet) in before.items()} == {
        case: subnet for case, (_, subnet) in after.items()
    }


def rendered_again(path: Path, place: Place, folder: Path) -> Node:
    """The file that is rendered of an import of ``path``."""
    imported = import_files("kea", [path], address=place.server)
    site = folder / "site"
    site.mkdir()
    (site / "site.yaml").write_text(site_yaml(imported))
    (site / "clients.csv").write_text(clients_csv(imported.clients))
    made = render_site(load_inventory(site))
    assert not made.findings, made.findings
    return read_json(made.files["dhcp"][0].content.decode(), "rendered", beside(path))


Seen = tuple[Packet | None, str]
"""A reply, and the number of the subnet of the lease that it made."""


def asked(
    tree: Node, place: Place, macs: list[str], config: KeaConfig, folder: Path
) -> dict[tuple[object, ...], Seen]:
    """The replies of a real Kea by case."""
    folder.mkdir()
    with Network(directory=folder) as network:
        network.vlan("lan", place.network)
        client_address = place.network.broadcast_address - 1
        server = network.host("server", {"lan": place.server}, gateway=str(client_address))
        client = network.host("client", {"lan": client_address})
        client.namespace.ip("route add 255.255.255.255 dev eth0")
        for address in place.relays:
            client.namespace.ip(f"addr add {address}/32 dev eth0")
        leases = folder / "leases.csv"
        dhcp4 = json.loads(here(tree))["Dhcp4"]
        dhcp4["lease-database"] = {"type": "memfile", "persist": True, "name": str(leases), "lfc-interval": 0}
        start_kea(server, json.dumps({"Dhcp4": dhcp4}))
        asker = Asker(client, place.server, place.relays)
        try:
            seen = list(rounds(asker, macs, config, client_address))
        finally:
            asker.close()
        subnets = subnets_of(server, leases)
    return {key_of(case): (reply, subnets.get(case.mac, "")) for case, _, reply in seen}


def key_of(case: Case) -> tuple[object, ...]:
    """What two cases have in common that ask two daemons the same."""
    # A REQUEST names the address that its daemon offered.
    more = tuple(case.more) if case.message is MessageType.REQUEST else tuple(case.more.items())
    return case.message, case.mac, case.kind, case.giaddr, case.asks, more


def subnets_of(server: Host, leases: Path) -> dict[str, str]:
    """The number of the subnet of each MAC's lease, as the daemon writes it down."""
    text = server.run(["cat", leases])
    return {row["hwaddr"]: row["subnet_id"] for row in csv.DictReader(text.splitlines())}


def rounds(asker: Asker, macs: list[str], config: KeaConfig, address: IPv4Address) -> Iterator[Asked]:
    """DISCOVERs of all, of clients with an identifier that has a reservation, and a REQUEST of each MAC."""
    ways = (UNSPECIFIED, *asker.relays)
    hosts = [*config.hosts, *(host for subnet in config.subnets for host in subnet.hosts)]
    named = [host.identifiers["client-id"] for host in hosts if "client-id" in host.identifiers]
    known = [
        Case(mac=format_mac(0x02005E200000 + number), kind="plain", giaddr=way, asks="all", more={61: octets})
        for number, octets in enumerate(named)
        for way in ways
    ]
    offers = asker.ask([*discovers(macs, ways), *known])
    yield from offers.values()
    taken: set[object] = set()
    requests = []
    for case, _, offer in offers.values():
        if case.mac in STRANGERS and offer is not None and not {case.mac, offer.yiaddr} & taken:
            taken |= {case.mac, offer.yiaddr}
            requests.append(case.requesting(offer))
    yield from asker.ask(requests).values()


def of_its_pool(reply: Packet, expected: Packet, config: KeaConfig) -> Packet:
    """The reply with the other's address, if both are of one pool."""
    pools = [
        {
            number
            for number, pool in enumerate(p for s in config.subnets for p in s.pools)
            if pool.holds(address)
        }
        for address in (reply.yiaddr, expected.yiaddr)
    ]
    if not pools[0] & pools[1]:
        return reply
    real, wanted = (str(a).replace(".", "-").encode() for a in (reply.yiaddr, expected.yiaddr))
    options = {code: value.replace(real, wanted) for code, value in reply.options.items()}
    return replace(reply, yiaddr=expected.yiaddr, options=options)
