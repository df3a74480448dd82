from __future__ import annotations

from typing import Any

from hypothesis import assume, given, settings

from coexist.analysis.profiles import profiles_of, vlans_of
from coexist.analysis.space import Space, cut
from coexist.inventory import Inventory, inventory_from_tree
from coexist.wire.mac import MAC_SPACE
from tests.unit.analysis.worlds import GROUPS, UNIVERSE, readable, trees


def spaces(tree: dict[str, Any]) -> tuple[Inventory, Space]:
    inventory = readable(tree)
    assume(inventory is not None)
    assert inventory is not None
    return inventory, cut(inventory)


@settings(max_examples=2000)
@given(trees())
def test_a_space_says_of_each_address_what_the_inventory_says(
    tree: dict[str, Any],
) -> None:
    """Three properties of one space: to make its site takes longer than to look at it."""
    inventory, space = spaces(tree)
    classes_are_a_partition_of_all_addresses(space)
    a_class_says_of_each_member_what_the_inventory_says(inventory, space)
    the_witness_is_a_member_and_named_as_registered(inventory, space)


def classes_are_a_partition_of_all_addresses(space: Space) -> None:
    assert sum(c.size for c in space.mac_classes) == MAC_SPACE
    assert [c.members.size for c in space.mac_classes] == [c.size for c in space.mac_classes]
    for mac in UNIVERSE:
        assert sum(mac in c.members for c in space.mac_classes) == 1


def a_class_says_of_each_member_what_the_inventory_says(inventory: Inventory, space: Space) -> None:
    members = {name: inventory.group(name) for name in (*GROUPS, "known", "unknown", "everyone", "nobody")}
    for mac in UNIVERSE:
        found = space.class_of(mac)
        for group, macs in members.items():
            if group in space.bits or group not in GROUPS:
                assert space.has((group,), found.signature) == (mac in macs), group
        record = inventory.clients.find(mac)
        saying = [g for n, g in inventory.site.groups.items() if mac in members[n]]
        own = (record.vlan, record.architecture, record.firmware) if record else ("", "", "")
        assert found.vlans == vlans_of(inventory.site, own[0], saying)
        assert found.profiles == profiles_of(inventory.site, own[1], own[2], saying)


def the_witness_is_a_member_and_named_as_registered(inventory: Inventory, space: Space) -> None:
    for found in space.mac_classes:
        assert found.witness in found.members
        record = inventory.clients.find(found.witness)
        assert found.known == (record is not None)
        assert found.name == (record.name if record else "")


def test_a_witness_nobody_registered_is_one_a_machine_could_have() -> None:
    inventory = inventory_from_tree({"site": "empty", "vlans": {"a": {"id": 1, "subnet": "10.0.0.0/8"}}})
    (only,) = cut(inventory).mac_classes
    assert only.size == 2**48
    assert only.witness == 0x020000000001


def test_an_oui_with_a_registered_machine_inside() -> None:
    tree = {
        "site": "phones",
        "vlans": {"a": {"id": 1, "subnet": "10.0.0.0/8"}},
        "groups": {"phones": {"oui": "80:5e:c0", "firmware": "phone-66"}},
        "clients": {"listed": [{"mac": "80:5e:c0:00:00:01", "name": "phone-1"}]},
        "intent": [{"clients": "phones", "boot_from": "nobody"}],
    }
    registered, outside, phones = cut(inventory_from_tree(tree)).mac_classes
    assert (registered.size, phones.size, outside.size) == (1, 2**24 - 1, 2**48 - 2**24)
    assert [(p.architecture, p.firmware) for p in phones.profiles] == [("", "phone-66")]
    # ...:01 is the registered one, so another shows what the rest of the block does.
    assert phones.witness == 0x805EC0000000 + 2


def test_rows_after_an_adapter_that_machines_share_keep_what_they_say() -> None:
    uuid = "4c4c4544-0042-3510-8052-b4c04f4e4a3"
    listed = [
        {"mac": "52:54:00:00:00:01", "uuid": f"{uuid}0", "architecture": "bios", "hardware": "dock"},
        {"mac": "52:54:00:00:00:01", "uuid": f"{uuid}1", "architecture": "bios", "hardware": "thin"},
        {"mac": "52:54:00:00:00:02", "uuid": f"{uuid}2", "architecture": "uefi-x64", "hardware": "dock"},
        {"mac": "52:54:00:00:00:03", "uuid": f"{uuid}3", "architecture": "bios", "hardware": "dock"},
    ]
    tree = {
        "site": "docks",
        "vlans": {"a": {"id": 1, "subnet": "10.0.0.0/8"}},
        "groups": {"thin": {"where": {"hardware": "thin"}}},
        "clients": {"listed": listed},
        "intent": [{"clients": "thin", "boot_from": "nobody"}],
    }
    space = cut(inventory_from_tree(tree))
    found = {mac & 0xFF: space.class_of(mac) for mac in range(0x525400000001, 0x525400000004)}
    assert [{p.architecture for p in found[n].profiles} for n in (1, 2, 3)] == [
        {"bios"},
        {"uefi-x64"},
        {"bios"},
    ]
    assert [space.has(("thin",), found[n].signature) for n in (1, 2, 3)] == [True, False, False]
