"""A Kea's own file, evaluated: every reply of the daemon equals the predicted one.

In every header field and every option, in octets and in order. Which address of a pool is offered depends on
those that asked before: it must be of the predicted pool.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from coexist.boot.leases.kea_config import KeaConfig, compile_kea
from coexist.boot.leases.kea_file import KeaLeases
from coexist.boot.servers.kea import KeaModel
from coexist.languages.kea.json_nodes import Node, read_json
from coexist.languages.kea.option_data import STANDARD, is_readable
from coexist.languages.source_files import beside
from coexist.wire.bootp import BROADCAST_FLAG, UNSPECIFIED
from coexist.wire.mac import format_mac
from coexist.wire.options import MessageType, Option
from tests.harness.kea_answers import kea_model, of_its_pool
from tests.harness.matrix import (
    Asked,
    Asker,
    Case,
    Place,
    asking,
    differing,
    discovers,
    informs,
    place_of,
    selecting,
    strangers,
)
from tests.harness.network import Host
from tests.harness.processes import Process
from tests.harness.servers import start_kea

pytestmark = pytest.mark.untimed

FOLDER = Path(__file__).parents[1] / "data" / "own-files" / "kea"
FILES = sorted(FOLDER.glob("*.json"))
STRANGERS = ("02:00:5e:10:00:01", "52:54:00:ab:cd:ef")
# What belongs to the machine the file was written on.
_LOCAL = ("control-socket", "loggers", "lease-database", "interfaces-config", "hooks-libraries",
          "hosts-database", "hosts-databases", "multi-threading", "dhcp-queue-control")  # fmt: skip


def here(tree: Node) -> str:
    """The configuration with what belongs to its machine exchanged for what works on this one."""
    whole = tree.tree()
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

    def kea(host: Host) -> Process:
        return start_kea(host, here(tree))

    with asking(tmp_path, place, kea) as asker:
        seen = list(_rounds(asker, macs, place))
    wrong = differing(model, place, seen, lambda reply, expected: of_its_pool(reply, expected, config))
    assert any(reply is not None for _, _, reply in seen), "nobody was answered: nothing is shown"
    assert not wrong, f"{len(wrong)} of {len(seen)} differ:\n" + "\n".join(wrong[:20])


def _rounds(asker: Asker, macs: list[str], place: Place) -> Iterator[Asked]:
    """All DISCOVERs, then INFORMs, then a REQUEST of each MAC, so that no lease changes another's answer."""
    offers = asker.ask(discovers(macs, place.ways)).values()
    yield from offers
    times = [1, 45, 3600, 10_000_000, 0xFFFFFFFF]
    yield from asker.ask(
        [
            Case(mac=mac, kind=kind, giaddr=way, more={Option.IP_ADDRESS_LEASE_TIME: time.to_bytes(4, "big")})
            for mac in (macs[0], macs[-1])
            for kind in ("plain", "UEFI 7", "Microsoft")
            for way in place.ways
            for time in times
        ]
    ).values()
    yield from asker.ask(informs(macs, place.local)).values()
    rebooting: dict[int, bytes] = {Option.REQUESTED_IP_ADDRESS: bytes((192, 0, 2, 9))}
    own = rebooting | {Option.SERVER_IDENTIFIER: place.server.packed}
    other = rebooting | {Option.SERVER_IDENTIFIER: bytes((192, 0, 2, 77))}
    yield from asker.ask(
        [
            Case(mac=mac, kind="UEFI 7", message=MessageType.REQUEST, more=more)
            for mac in macs
            for more in (own, other, rebooting)
        ]
    ).values()
    yield from asker.ask(selecting(offers)).values()


NETWORK = """
{ "Dhcp4": { "shared-networks": [ { "name": "halls", "subnet4": [
  { "id": 1, "subnet": "10.93.0.0/24", "next-server": "10.93.0.9",
    "pools": [ { "pool": "10.93.0.100/32" } ] },
  { "id": 2, "subnet": "10.93.1.0/24", "next-server": "10.93.1.9",
    "pools": [ { "pool": "10.93.1.100 - 10.93.1.120" } ] } ] } ] } }
"""


@pytest.mark.needs("kea-dhcp4")
def test_leases_decide_from_which_subnet_of_a_network_a_machine_is_told(tmp_path: Path) -> None:
    """The first subnet until it is full, then the one leased from last; a lease that is held stays."""
    tree = read_json(NETWORK, "kea.conf", beside(Path("kea.conf")))
    leases = KeaLeases(config=compile_kea(tree))
    (condition,) = leases.opens
    first = KeaModel(name="own", leases=leases)
    last = KeaModel(name="own", leases=leases.closed({condition: True}))
    place = Place(
        server=IPv4Address("10.93.0.2"),
        network=IPv4Network("10.93.0.0/24"),
        local=IPv4Address("10.93.0.250"),
        relays=(),
    )
    early, late, later = (Case(mac=mac, kind="UEFI 7") for mac in strangers(3))
    with asking(tmp_path, place, lambda host: start_kea(host, here(tree))) as asker:

        def told(case: Case) -> Asked:
            (found,) = asker.ask([case]).values()
            return found

        offered = told(early)
        assert offered[2] is not None
        acknowledged = told(early.requesting(offered[2]))
        after = [told(late), told(later)]
        again = told(early)
    of_the_first = [offered, acknowledged, again]
    config = leases.config
    assert not differing(first, place, of_the_first)
    assert not differing(last, place, after, lambda reply, expected: of_its_pool(reply, expected, config))
    assert {str(reply.siaddr) for _, _, reply in after if reply is not None} == {"10.93.1.9"}


NUMBERED = """
{ "Dhcp4": { "shared-networks": [
  { "name": "halls", "relay": { "ip-addresses": [ "10.94.0.1", "10.95.0.1" ] }, "subnet4": [
    { "id": 7, "subnet": "10.94.0.0/16", "next-server": "10.94.0.9", POOLS_94 },
    { "id": 3, "subnet": "10.95.0.0/16", "next-server": "10.95.0.9", POOLS_95 },
    { "id": 5, "subnet": "10.96.0.0/16", "next-server": "10.96.0.9",
      "pools": [ { "pool": "10.96.1.0/24" } ] } ] } ],
  "subnet4": [ { "id": 4, "subnet": "10.93.0.0/16", "pools": [ { "pool": "10.93.1.0/24" } ] } ] } }
"""


@pytest.mark.needs("kea-dhcp4")
@pytest.mark.parametrize("full", [(), (95,), (94, 95)], ids=["pools", "one without", "two without"])
def test_a_relay_agent_of_a_network_is_of_its_subnet_with_the_lowest_id(
    full: tuple[int, ...], tmp_path: Path
) -> None:
    """Whatever the order in the file (``CfgSubnets4``: its subnets are sorted by their ids)."""
    text = NUMBERED
    for net in (94, 95):
        pools = "" if net in full else f'{{ "pool": "10.{net}.1.0/24" }}'
        text = text.replace(f"POOLS_{net}", f'"pools": [ {pools} ]')
    place = Place(
        server=IPv4Address("10.93.0.2"),
        network=IPv4Network("10.93.0.0/16"),
        local=IPv4Address("10.93.0.250"),
        relays=(IPv4Address("10.94.0.1"), IPv4Address("10.95.0.1")),
    )
    hold(read_json(text, "kea.conf", beside(Path("kea.conf"))), place, [*STRANGERS], tmp_path)


REFUSING = """
{ "Dhcp4": { "next-server": "10.93.0.66",
  "client-classes": [
    { "name": "listed", "test": "pkt4.mac == 0x020000930001", "next-server": "10.93.0.77",
      "boot-file-name": "listed.0", "server-hostname": "list",
      "option-data": [ { "name": "root-path", "data": "/listed", "always-send": true } ] },
    { "name": "unlisted", "test": "not member('listed')" } ],
  "shared-networks": [ { "name": "hall", HALL "subnet4": [
    { "id": 2, "subnet": "10.94.0.0/16", FIRST "pools": [ { "pool": "10.94.3.0/24" } ] },
    { "id": 3, "subnet": "10.95.0.0/16", "pools": [ { "pool": "10.95.3.0/24" } ] } ] } ],
  "subnet4": [ { "id": 1, "subnet": "10.93.0.0/16", OWN "pools": [ { "pool": "10.93.3.0/24" } ] } ] } }
"""
_GUARD = '"client-class": "unlisted",'


@pytest.mark.needs("kea-dhcp4")
@pytest.mark.parametrize("where", ["OWN", "FIRST", "HALL"])
def test_whom_a_guard_refuses(where: str, tmp_path: Path) -> None:
    """A DISCOVER and a DHCPINFORM of a listed machine, locally and by relay agents of a guarded subnet and of
    none: what is left of a DHCPINFORM's answer are the header fields of its classes."""
    text = REFUSING
    for each in ("OWN", "FIRST", "HALL"):
        text = text.replace(f" {each} ", f" {_GUARD} " if each == where else " ")
    config = compile_kea(read_json(text, "kea.conf", beside(Path("kea.conf"))), (2, 2))
    place = Place(
        server=IPv4Address("10.93.0.2"),
        network=IPv4Network("10.93.0.0/16"),
        local=IPv4Address("10.93.0.250"),
        relays=(IPv4Address("10.94.0.1"), IPv4Address("10.97.0.1")),
    )
    macs = ("02:00:00:93:00:01", "02:00:00:93:00:02")
    cases = [
        Case(mac=mac, kind="UEFI 7", asks=asks, giaddr=way, message=message, ciaddr=own, flags=flags)
        for mac in macs
        for asks in ("no list", "all")
        for way in place.ways
        for message, own, flags in (
            (MessageType.DISCOVER, UNSPECIFIED, BROADCAST_FLAG),
            (MessageType.INFORM, place.local, 0),
        )
    ]
    tree = read_json(text, "kea.conf", beside(Path("kea.conf")))
    with asking(tmp_path, place, lambda host: start_kea(host, here(tree))) as asker:
        seen = list(asker.ask(cases).values())
    assert {reply.file for _, _, reply in seen if reply is not None} >= {b"listed.0", b""}
    model = kea_model(config)
    assert not differing(model, place, seen, lambda reply, expected: of_its_pool(reply, expected, config))


LONG = """
{ "Dhcp4": { "boot-file-name": "GLOBAL", "server-hostname": "boot",
  "subnet4": [
  { "id": 1, "subnet": "10.93.0.0/24", "SUBNET": 0, "next-server": "10.93.0.9",
    "pools": [ { "pool": "10.93.0.100 - 10.93.0.150" } ],
    "reservations": [ { "hw-address": "52:54:00:93:00:01", "boot-file-name": "HOST" } ] },
  { "id": 2, "subnet": "10.94.0.0/24", "boot-file-name": "other",
    "pools": [ { "pool": "10.94.0.100 - 10.94.0.150" } ] } ] } }
"""


@pytest.mark.needs("kea-dhcp4")
@pytest.mark.parametrize(("everywhere", "subnet"), [(128, None), (129, None), (200, 128), (200, 127)])
def test_a_file_that_fills_the_header_field(everywhere: int, subnet: int | None, tmp_path: Path) -> None:
    text = LONG.replace("GLOBAL", "g" * everywhere).replace("HOST", "h" * 127)
    text = text.replace('"SUBNET": 0,', "" if subnet is None else f'"boot-file-name": "{"s" * subnet}",')
    tree = read_json(text, "kea.conf", beside(Path("kea.conf")))
    place = Place(
        server=IPv4Address("10.93.0.2"),
        network=IPv4Network("10.93.0.0/24"),
        local=IPv4Address("10.93.0.250"),
        relays=(IPv4Address("10.94.0.1"),),
    )
    hold(tree, place, ["52:54:00:93:00:01", *STRANGERS], tmp_path)


_SET_BY_THE_TEST = (12, 50, 52, 53, 54, 55, 82, 118)
"""Options that say which message it is, and which subnet or name it is for."""
_FQDN = 81
_VALUES = (b"", b"\1", b"\2\2", b"\1\2\3", b"\0\0\0\4", b"\1\2\3\4\5", b"\0\0\0\1\3abc")


@pytest.mark.needs("kea-dhcp4")
@pytest.mark.parametrize("octets", _VALUES)
def test_a_packet_with_an_option_of_another_shape(octets: bytes, tmp_path: Path) -> None:
    """Kea drops it where it cannot read the option, and so does the model."""
    text = json.dumps(
        {"Dhcp4": {"subnet4": [{"id": 1, "subnet": "10.93.0.0/16", "pools": [{"pool": "10.93.1.0/24"}]}]}}
    )
    tree = read_json(text, "kea.conf", beside(Path("kea.conf")))
    place = Place(
        server=IPv4Address("10.93.0.2"),
        network=IPv4Network("10.93.0.0/16"),
        local=IPv4Address("10.93.0.250"),
        relays=(),
    )
    config = compile_kea(tree)
    model = KeaModel(name="own", leases=KeaLeases(config=config))
    codes = [code for code in STANDARD if code not in _SET_BY_THE_TEST]
    cases = [
        Case(mac=mac, kind="plain", more={code: octets})
        for mac, code in zip(strangers(len(codes)), codes, strict=True)
    ]
    with asking(tmp_path, place, lambda host: start_kea(host, here(tree))) as asker:
        seen = list(asker.ask(cases).values())
    answered = {code: reply is not None for code, (_, _, reply) in zip(codes, seen, strict=True)}
    assert any(answered.values())
    assert answered == {code: is_readable(code, octets) for code in codes}
    # Which letters of a name Kea keeps is another matter.
    seen = [each for code, each in zip(codes, seen, strict=True) if code != _FQDN]
    assert not differing(model, place, seen, lambda reply, expected: of_its_pool(reply, expected, config))
