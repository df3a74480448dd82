from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from coexist.analysis.world import build_world
from coexist.inventory import load_inventory
from coexist.inventory.loader import inventory_from_tree
from coexist.probe.answer import Answer
from coexist.probe.prediction import SLACK, Prediction, compare, predict
from coexist.probe.question import Asker, stranger
from coexist.wire.mac import parse_mac
from coexist.wire.options import Option
from tests.conftest import ROOT

OWN = IPv4Address("10.10.0.200")


@pytest.fixture(scope="module")
def world():
    return build_world(load_inventory(ROOT / "inventories" / "campus"))


@pytest.fixture(scope="module")
def thin_client():
    inventory = load_inventory(ROOT / "inventories" / "campus")
    mac = inventory.group("thin-clients").sample()
    assert mac is not None
    return Asker(mac=mac, architecture="uefi-x64", vlan="office")


def predicted(world, asker, vlan="office"):
    return {(p.server, p.port): p for p in predict(world, replace(asker, vlan=vlan), own=OWN)}


def as_seen(prediction: Prediction) -> Answer:
    assert prediction.answer is not None
    return prediction.answer


def test_a_thin_client_is_answered_by_its_manager_and_by_dhcp(world, thin_client):
    found = predicted(world, thin_client)
    otc = as_seen(found["otc", 67])
    assert (otc.role, otc.file, str(otc.boot_server)) == ("ProxyDHCP", "syslinux64.efi", "10.10.0.6")
    assert otc.at == 0.0
    assert as_seen(found["dhcp-core", 67]).role == "DHCP"
    assert found["sccm", 67].answer is None
    assert as_seen(found["otc", 4011]).file == "syslinux64.efi"


def test_a_stranger_gets_the_installer_after_its_delay(world):
    found = predicted(world, stranger("bios", "office"))
    assert as_seen(found["sccm", 67]).at == pytest.approx(1.2)
    assert found["otc", 67].answer is None
    assert found["otc", 67].why


def test_a_plain_client_is_not_asked_about_on_4011(world):
    found = predicted(world, stranger("plain", "office"))
    assert {port for _, port in found} == {67}
    assert as_seen(found["dhcp-core", 67]).role == "DHCP"


def test_clients_behind_a_relay_are_answered_to_it(world, thin_client):
    found = predicted(world, replace(thin_client, vlan="workshop"), "workshop")
    assert as_seen(found["otc", 67]).packet.giaddr == IPv4Address("10.20.0.1")


def codes(predictions, answers, patience=60.0):
    return [finding.code.code for finding in compare(predictions, answers, patience=patience)]


def test_what_is_as_predicted_is_no_finding(world, thin_client):
    predictions = list(predicted(world, thin_client).values())
    answers = [as_seen(p) for p in predictions if p.answer is not None]
    assert codes(predictions, answers) == []


def test_every_kind_of_difference_has_its_code(world, thin_client):
    found = predicted(world, thin_client)
    otc, sccm = found["otc", 67], found["sccm", 67]
    answer = as_seen(otc)
    assert codes([otc], []) == ["CX702"]
    rogue = replace(
        answer,
        source=sccm.address,
        packet=answer.packet.with_options({Option.SERVER_IDENTIFIER: sccm.address.packed}),
    )
    assert codes([sccm], [rogue]) == ["CX703"]
    other = replace(answer, packet=answer.packet.with_options({Option.BOOTFILE_NAME: b"other.efi\0"}))
    assert codes([otc], [other]) == ["CX704"]
    assert codes([otc], [replace(answer, at=otc.latest + SLACK + 0.1)]) == ["CX705"]
    assert codes([otc], [replace(answer, at=otc.latest + SLACK - 0.1)]) == []


def test_an_answer_to_another_client_does_not_count(world, thin_client):
    otc = predicted(world, thin_client)["otc", 67]
    other = Asker(mac=parse_mac("02:00:00:00:00:01"), architecture="uefi-x64", vlan="office")
    assert codes([otc], [replace(as_seen(otc), asker=other)]) == ["CX702"]


def test_what_is_predicted_for_later_than_the_probe_waited_is_not_missed(world):
    sccm = predicted(world, stranger("bios", "office"))["sccm", 67]
    assert codes([sccm], [], patience=1.0) == []
    assert codes([sccm], [], patience=10.0) == ["CX702"]


def site(**relay):
    """A VLAN behind a relay agent: a lease server, a boot server, and one there that follows their offers."""
    programs = {"bios": "b.0", "uefi-x64": "b.efi"}
    return inventory_from_tree(
        {
            "site": "s",
            "vlans": {
                "hall": {
                    "id": 1,
                    "subnet": "10.62.1.0/24",
                    "gateway": "10.62.1.1",
                    "relay_to": ["lease", "boot"],
                    "relay": relay,
                },
                "core": {"id": 2, "subnet": "10.62.2.0/24", "gateway": "10.62.2.1"},
            },
            "servers": {
                "lease": {
                    "software": "isc-dhcpd",
                    "address": "10.62.2.5",
                    "vlan": "core",
                    "ping_check": False,
                },
                "boot": {"software": "coexist", "address": "10.62.2.6", "vlan": "core", "programs": programs},
                "follower": {
                    "software": "coexist",
                    "address": "10.62.1.7",
                    "vlan": "hall",
                    "programs": programs,
                    "delay": {"after_offer": True},
                },
            },
            "scopes": {"hall": {"server": "lease", "vlan": "hall", "pools": ["10.62.1.100-10.62.1.200"]}},
        }
    )


def answered(world, **how):
    found = predict(world, stranger("uefi-x64", "hall"), **how)
    return {p.server for p in found if p.answer is not None and p.port == 67}


def test_who_waits_for_an_offer_answers_when_all_are_asked_together():
    assert answered(build_world(site())) == {"lease", "boot", "follower"}


def test_a_relay_agent_hears_no_one_who_waits_for_an_offer():
    relay = IPv4Address("10.62.1.1")
    assert answered(build_world(site()), relay=relay) == {"lease", "boot"}
    assert answered(build_world(site()), relay=relay, targets={IPv4Address("10.62.2.5")}) == {"lease"}


def test_what_the_relay_agent_drops_is_not_expected():
    world = build_world(site(min_secs=255))
    found = predict(world, stranger("uefi-x64", "hall"))
    assert {p.server for p in found if p.answer is not None} == set()
    assert all("255" in p.why for p in found if p.server in ("lease", "boot"))
    assert answered(build_world(site(min_secs=4))) == {"lease", "boot", "follower"}


def test_where_either_answer_may_be_handed_back_neither_is_expected():
    found = predict(build_world(site(passes="first")), stranger("uefi-x64", "hall"))
    assert "boot" not in {p.server for p in found if p.answer is not None}


def test_an_answer_with_the_relay_agents_identifier_is_still_its_servers():
    world = build_world(site(replaces_server_id=True))
    found = {p.server: p for p in predict(world, stranger("uefi-x64", "hall")) if p.port == 67}
    agent = IPv4Address("10.62.1.1")
    seen = replace(as_seen(found["boot"]), source=agent)
    assert seen.server == agent
    assert codes([found["boot"]], [seen]) == []
    assert codes([found["lease"]], [seen]) == ["CX702"]
