"""A real daemon answers what the lease plan of its server says.

Every header field, every option in octets and order: for random inventories and for the project's own.
"""

from __future__ import annotations

import copy
import functools
import operator
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from coexist.inventory import Inventory, inventory_from_tree, load_inventory
from coexist.inventory.documents import Path
from coexist.render import render_site
from coexist.render.limits import limits
from coexist.wire.mac import format_mac
from coexist.wire.options import MessageType
from tests.harness.lease_clients import MACS, asks
from tests.harness.lease_sites import sites
from tests.harness.leases import Ask, LeaseBench
from tests.harness.network import Network

pytestmark = [pytest.mark.needs("dhcpd", "kea-dhcp4", "dnsmasq"), pytest.mark.untimed]

SOFTWARE = {"isc-dhcpd": "isc-dhcpd 4.4", "kea": "kea 2.2", "dnsmasq": "dnsmasq 2.90"}
# No lease is left behind; not the inventory's business.
SETTINGS: Mapping[str, dict[str, Any]] = {
    "kea": {"lease-database": {"type": "memfile", "persist": False}},
}
COLLECTION = sorted(
    path.parent
    for path in (FilePath(__file__).parents[2] / "inventories").glob("*/site.yaml")
    # The servers of "adopted" run on files of their own, which tests/wire/test_beside.py asks.
    if path.parent.name not in ("adopted", "broken")
)

once = settings(
    deadline=None,
    # A failing example is told whole; each smaller one would start a daemon.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


def some(bench: LeaseBench, macs: Mapping[str, str], number: int, seed: int) -> list[Ask]:
    """Some of the packet matrix of a server."""
    matrix = [
        ask
        for ask in asks(bench.vlans, dict(macs))
        if ask.message is not MessageType.INFORM or bench.informs(ask)
    ]
    return Random(seed).sample(matrix, min(number, len(matrix)))


def agree(
    inventory: Inventory, name: str, macs: Mapping[str, str], number: int, seed: int
) -> tuple[int, int]:
    """How many packets were compared and answered."""
    files = {file.path: file.content for file in render_site(inventory).files[name]}
    with Network() as network:
        bench = LeaseBench(network, inventory, name)
        bench.start(files)
        differences = bench.compare(some(bench, macs, number, seed))
    shown = "".join(f"--- {file}\n{content.decode()}" for file, content in files.items())
    listed = "\n".join(map(str, differences[:12]))
    assert not differences, f"{shown}{len(differences)} differ:\n{listed}"
    return bench.compared, bench.answered


def beyond(inventory: Inventory, name: str) -> set[Path]:
    """Where a server's product cannot do what is declared of it and its scopes."""
    own = {("servers", name)} | {
        ("scopes", scope) for scope, said in inventory.site.scopes.items() if name in said.servers
    }
    return {finding.path for finding in limits(inventory, (name,)) if finding.path[:2] in own}


def as_product(tree: dict[str, Any], name: str, product: str) -> dict[str, Any]:
    tree = copy.deepcopy(tree)
    tree["servers"][name]["software"] = SOFTWARE[product]
    if product in SETTINGS:
        tree["servers"][name]["settings"] = SETTINGS[product]
    return tree


def within(tree: Any, name: str, product: str) -> Inventory:
    """The inventory for a product, without what that cannot do; one that is left without a scope is none."""
    tree = as_product(tree, name, product)
    if product == "dnsmasq" and "addresses" in tree["servers"][name]:
        # What it shares among subnets counts on all of its cards (CX526): it stands on one here.
        vlan, address = next(iter(tree["servers"][name].pop("addresses").items()))
        tree["servers"][name] |= {"vlan": vlan, "address": address}
    while paths := beyond(inventory := inventory_from_tree(tree), name):
        for path in sorted(paths, reverse=True):
            assume(len(path) > 2)
            holder: Any = functools.reduce(operator.getitem, path[:-1], tree)
            holder.pop(path[-1])
    return inventory


def hold(product: str, examples: int, packets: int, least: int) -> None:
    """The property for a number of inventories, each asked by a number of packets."""
    compared: list[int] = []
    answered: list[int] = []

    @settings(once, max_examples=examples)
    @given(sites(), st.integers(0, 2**32))
    def holds(tree: dict[str, Any], seed: int) -> None:
        asked, replied = agree(within(tree, "dhcp", product), "dhcp", MACS, packets, seed)
        compared.append(asked)
        answered.append(replied)

    holds()
    # It would hold for daemons that are never asked, or never answer.
    assert sum(compared) >= least
    assert sum(answered) > sum(compared) // 3


@pytest.mark.parametrize("product", SOFTWARE)
def test_random_inventories(product: str) -> None:
    hold(product, examples=7, packets=50, least=334)


@pytest.mark.slow
@pytest.mark.parametrize("product", SOFTWARE)
def test_many_random_inventories(product: str) -> None:
    hold(product, examples=60, packets=110, least=6667)


def without_partner(inventory: Inventory, name: str) -> Inventory:
    """A site where a server keeps its scopes alone: one that waits for its partner is silent.

    Pairs are asked in tests/wire/test_pairs.py.
    """
    scopes = {
        key: scope.model_copy(update={"failover": None, "servers": (name,)})
        if name in scope.servers
        else scope
        for key, scope in inventory.site.scopes.items()
    }
    return replace(inventory, site=inventory.site.model_copy(update={"scopes": scopes}), read={})


@pytest.mark.parametrize("folder", COLLECTION, ids=lambda folder: folder.name)
def test_the_own_collection(folder: FilePath) -> None:
    inventory = load_inventory(folder)
    names = [
        name
        for name, server in inventory.site.servers.items()
        if "dhcp" in server.effective_roles and server.software.product in SOFTWARE
    ]
    asked = 0
    for name in names:
        # Some of the registered machines, and one that nobody knows.
        known = list(inventory.clients.macs)[:: max(1, len(inventory.clients) // 6)]
        macs = {str(mac): format_mac(mac) for mac in known} | {"stranger": MACS["stranger"]}
        alone = without_partner(inventory, name)
        if not beyond(alone, name):
            asked += agree(alone, name, macs, 60, 1)[0]
    assert asked or not names


OPTIONS: Mapping[str, dict[int, Any]] = {
    "addresses": {85: "10.4.0.85", 89: ["10.4.0.1", "10.4.0.2"], 112: "10.4.0.112", 136: "10.4.0.36"},
    "addresses that one product knows": {142: "10.4.0.42", 138: "10.4.0.38", 150: "10.4.0.50"},
    "texts that look like addresses": {86: "10.4.0.86", 161: "10.4.0.61", 113: "10.4.0.113", 160: "10.4.0.9"},
    "texts with a NUL": {
        77: "hex:61:00",
        86: "hex:62:00",
        98: "hex:63:00",
        113: "hex:64:00",
        252: "hex:65:00",
    },
    "numbers": {91: 7, 116: 1, 117: [0, 6], 211: 60},
}


@pytest.mark.parametrize("said", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("product", SOFTWARE)
def test_options_of_each_shape(product: str, said: dict[int, Any]) -> None:
    tree: dict[str, Any] = {
        "site": "shapes",
        "vlans": {"office": {"id": 10, "subnet": "10.10.0.0/16", "gateway": "10.10.0.1"}},
        "servers": {
            "dhcp": {"address": "10.10.0.5", "vlan": "office", "roles": ["dhcp"], "ping_check": False}
        },
        "scopes": {
            "office": {
                "server": "dhcp",
                "vlan": "office",
                "pools": ["10.10.1.0-10.10.4.255"],
                "options": said,
            }
        },
    }
    asked, answered = agree(inventory_from_tree(as_product(tree, "dhcp", product)), "dhcp", MACS, 40, 1)
    assert answered > asked // 3


@pytest.mark.parametrize(("product", "kept"), [("isc-dhcpd", True), ("kea", True), ("dnsmasq", False)])
def test_a_shared_subnet_of_a_server_on_several_vlans(product: str, kept: bool) -> None:
    """Dnsmasq leases it on its other network cards too, which CX526 says; the others keep it apart."""
    tree: dict[str, Any] = {
        "site": "cards",
        "vlans": {
            "office": {"id": 10, "subnet": ["10.10.0.0/16", "10.11.0.0/16"], "gateway": "10.10.0.1"},
            "annex": {"id": 40, "subnet": "10.40.0.0/16", "gateway": "10.40.0.1"},
        },
        "servers": {
            "dhcp": {
                "addresses": {"office": "10.10.0.5", "annex": "10.40.0.5"},
                "roles": ["dhcp"],
                "ping_check": False,
            }
        },
        "scopes": {
            "office": {
                "server": "dhcp", "vlan": "office", "subnet": "10.11.0.0/16",
                "pools": ["10.11.1.0-10.11.1.255"],
            }
        },
    }  # fmt: skip
    inventory = inventory_from_tree(as_product(tree, "dhcp", product))
    rendered = render_site(inventory)
    assert {finding.code.code for finding in rendered.findings} == (set() if kept else {"CX526"})
    with Network() as network:
        bench = LeaseBench(network, inventory, "dhcp")
        bench.start({file.path: file.content for file in rendered.files["dhcp"]})
        discovers = [ask for ask in asks(("office", "annex"), MACS) if ask.message is MessageType.DISCOVER]
        differences = bench.compare(discovers[:: len(discovers) // 24])
    assert {difference.ask.vlan for difference in differences} == (set() if kept else {"annex"})


OFFICE = {"id": 10, "subnet": "10.10.0.0/16", "gateway": "10.10.0.1"}
HALL = {"id": 20, "subnet": ["10.20.0.0/16", "10.21.0.0/16"], "gateway": "10.20.0.1", "relay_to": ["dhcp"]}


def two_subnets(one: dict[str, Any], other: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A server with two scopes for the wire of a relay agent, whose address is of the first one's subnet."""
    return {
        "site": "two-subnets",
        "vlans": {"office": OFFICE, "hall": HALL},
        "servers": {
            "dhcp": {"address": "10.10.0.5", "vlan": "office", "roles": ["dhcp"], "ping_check": False}
        },
        "scopes": {
            "one": {"server": "dhcp", "vlan": "hall", "subnet": "10.20.0.0/16", **one},
            "other": {"server": "dhcp", "vlan": "hall", "subnet": "10.21.0.0/16", **other},
        },
        **more,
    }


def agree_on(tree: dict[str, Any], product: str, machines: Iterable[str], number: int) -> tuple[int, int]:
    """`agree` on some packets of some machines, asked of a product."""
    macs = {who: MACS[who] for who in machines}
    return agree(inventory_from_tree(as_product(tree, "dhcp", product)), "dhcp", macs, number, 1)


@pytest.mark.parametrize("product", SOFTWARE)
def test_a_subnet_without_a_pool_on_the_wire_of_another(product: str) -> None:
    """A machine with an address of its own there is found by the relay agent of the other subnet."""
    tree = two_subnets(
        {"pools": ["10.20.1.0-10.20.1.255"], "reservations": False},
        {"pools": []},
        clients=[{"mac": MACS["PC"], "name": "printer", "address": "10.21.7.7"}],
    )
    asked, answered = agree_on(tree, product, ("PC", "stranger"), 40)
    assert answered > asked // 2


@pytest.mark.parametrize("product", SOFTWARE)
def test_a_pool_for_everyone_before_one_for_some(product: str) -> None:
    tree = two_subnets(
        {"pools": ["10.20.1.0-10.20.1.255"]},
        {"pools": [{"range": "10.21.1.0-10.21.1.255", "allow": ["phones"]}]},
        groups={"phones": {"oui": "80:5e:c0"}},
    )
    asked, answered = agree_on(tree, product, ("phone", "stranger"), 40)
    assert answered > asked // 2


@pytest.mark.parametrize("product", SOFTWARE)
def test_a_name_of_all_beside_a_machines_own(product: str) -> None:
    """Sent unasked: an answer to a DHCPINFORM has the name of all in Kea and dhcpd."""
    tree = two_subnets(
        {
            "pools": ["10.20.1.0-10.20.1.255"],
            "options": {12: "node"},
            "always_send": [12],
            "host_names": True,
        },
        {"pools": []},
        clients=[{"mac": MACS["PC"], "name": "own", "address": "10.20.7.7"}],
    )
    tree["servers"]["dhcp"]["authoritative"] = True
    asked, answered = agree_on(tree, product, ("PC", "stranger"), 150)
    assert answered > asked // 2


@pytest.mark.parametrize("product", SOFTWARE)
def test_the_servers_own_subnet_refuses_a_client_that_another_on_its_wire_does_not(product: str) -> None:
    """Kea is silent then; the others lease from the other subnet."""
    tree = two_subnets(
        {"pools": ["10.20.1.0-10.20.1.255"], "rules": [{"clients": ["phones"], "ignore": True}]},
        {"pools": ["10.21.1.0-10.21.1.255"]},
        groups={"phones": {"oui": "80:5e:c0"}},
    )
    tree["servers"]["dhcp"] |= {"address": "10.20.0.5", "vlan": "hall"}
    tree["vlans"]["hall"] = {key: value for key, value in HALL.items() if key != "relay_to"}
    asked, answered = agree_on(tree, product, ("phone", "stranger"), 40)
    assert (answered < asked) == (product == "kea")


@pytest.mark.parametrize("refused", [["known"], ["everyone"]], ids=["known", "all"])
@pytest.mark.parametrize("refusing", ["one", "other"])
@pytest.mark.parametrize("product", SOFTWARE)
def test_an_own_address_in_a_subnet_that_refuses_its_machine(
    product: str, refusing: str, refused: list[str]
) -> None:
    """Dnsmasq is silent, but where it refuses all; Kea and dhcpd lease from the other subnet of the wire."""
    rules = {"rules": [{"clients": refused, "ignore": True}]}
    scopes = {
        name: {"pools": [f"10.{net}.1.0-10.{net}.1.255"], **(rules if name == refusing else {})}
        for name, net in (("one", 20), ("other", 21))
    }
    own = "10.20.7.7" if refusing == "one" else "10.21.7.7"
    tree = two_subnets(
        scopes["one"],
        scopes["other"],
        clients=[
            {"mac": MACS["PC"], "name": "printer", "address": own},
            {"mac": MACS["phone"], "name": "phone"},
        ],
    )
    asked, answered = agree_on(tree, product, ("PC", "phone", "stranger"), 90)
    # dhcpd comes to the refusal of all first there, and to nobody's lease.
    silent = (product, refusing, refused) == ("isc-dhcpd", "other", ["everyone"])
    assert (answered == 0) == silent
    assert silent or answered > asked // 8


@pytest.mark.parametrize("octets", range(221, 228))
def test_the_last_option_that_finds_room(octets: int) -> None:
    """For a client without a list dhcpd looks for more behind the last option that is set: it keeps room."""
    said: dict[int, Any] = {12: "node", 161: "10.10.0.161", 254: "x" * octets, 17: "/export/of/all"}
    said |= {43: "hex:06:01:08:ff", 44: ["10.10.0.44", "10.10.0.45"]}
    tree = two_subnets(
        {"pools": ["10.20.1.0-10.20.1.255"], "options": said, "filename": "x.efi"},
        {"pools": []},
    )
    inventory = inventory_from_tree(as_product(tree, "dhcp", "isc-dhcpd"))
    asked, answered = agree(inventory, "dhcp", {"stranger": MACS["stranger"]}, 30, 1)
    assert answered > asked // 2
