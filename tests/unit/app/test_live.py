"""The machines that ask, as registries have them, beside the inventory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coexist.app.live import SORTS, Live, chosen, mistyped, vendor_of
from coexist.inventory import Inventory, inventory_from_tree
from coexist.registry.opening import connect
from coexist.registry.records import Note
from coexist.registry.registry import Registry
from coexist.registry.sqlite import sqlite_registry
from coexist.wire.mac import parse_mac

KNOWN, TYPO, STRANGER = map(parse_mac, ("00:80:64:10:00:01", "00:80:64:10:00:02", "52:54:00:12:34:56"))
UUID = "4c4c4544-0042-3510-8052-b4c04f4e4a32"


@pytest.fixture
def inventory() -> Inventory:
    tree: dict[str, Any] = {
        "site": "ward",
        "vlans": {"lan": {"id": 1, "subnet": "10.9.0.0/24", "gateway": "10.9.0.1"}},
        "servers": {"dhcp": {"software": "isc-dhcpd 4.4", "address": "10.9.0.2", "vlan": "lan"}},
        "clients": [{"mac": "00:80:64:10:00:01", "name": "desk-1"}],
    }
    return inventory_from_tree(tree)


def note(
    registry: Registry,
    mac: int,
    at: float,
    decision: str = "answered",
    asks: bool = False,
    took: str = "",
    uuid: str = "",
) -> None:
    vendor = "PXEClient:Arch:00007:UNDI:003000"
    registry.note(
        [Note(mac, "10.9.0.9", "lan", 7, vendor, decision, "thin", took, at - 5, at, 2, asks, uuid)]
    )


@pytest.fixture
def live(tmp_path: Path) -> Live:
    paths = {name: tmp_path / f"{name}.sqlite" for name in ("otc", "sccm")}
    for name, path in paths.items():
        registry = sqlite_registry(path)
        note(registry, KNOWN, 1000.0 if name == "otc" else 2000.0, "answered" if name == "otc" else "no rule")
        if name == "otc":
            note(registry, TYPO, 3000.0, asks=True)
        registry.close()
    return Live(paths)


def test_machines_of_several_servers_are_one_row_each(live: Live, inventory: Inventory) -> None:
    typo, known = live.machines(inventory)
    assert (typo.mac, known.mac) == (TYPO, KNOWN)
    assert known.servers == ("sccm", "otc")
    assert (known.decision, known.requests, known.registered, known.name) == ("no rule", 4, True, "desk-1")
    assert (known.first_seen, known.last_seen) == (995.0, 2000.0)
    assert (typo.registered, typo.wants_registration, typo.architecture) == (False, True, "uefi-x64")
    assert "Wyse" in typo.vendor or "WYSE" in typo.vendor
    assert [(each.server, each.decision) for each in known.decided] == [
        ("sccm", "no rule"),
        ("otc", "answered"),
    ]


def test_what_only_one_of_the_servers_was_told_is_kept(live: Live, inventory: Inventory) -> None:
    registry = connect(live.registries["otc"])
    note(registry, KNOWN, 1500.0, took="10.9.0.2", uuid=UUID)
    note(registry, STRANGER, 500.0, took="10.9.0.77")
    registry.close()
    machines = {machine.mac: machine for machine in live.machines(inventory)}
    assert (machines[KNOWN].uuid, machines[KNOWN].servers) == (UUID, ("sccm", "otc"))
    assert (machines[KNOWN].answered_by, machines[STRANGER].answered_by) == ("dhcp", "10.9.0.77")
    assert [m.mac for m in chosen(list(machines.values()), text=UUID[:13].upper())] == [KNOWN]
    assert [m.mac for m in chosen(list(machines.values()), text="dhcp answered")] == [KNOWN]


@pytest.mark.parametrize("field", SORTS)
def test_the_list_is_sorted_by_every_column(live: Live, inventory: Inventory, field: str) -> None:
    registry = connect(live.registries["otc"])
    note(registry, STRANGER, 2500.0, took="10.9.0.1", uuid=UUID)
    registry.close()
    found = [getattr(m, field) for m in chosen(live.machines(inventory), sort=field)]
    assert found == sorted(found, reverse=field in ("last_seen", "first_seen", "requests"))


def test_what_is_written_meanwhile_is_seen(live: Live, inventory: Inventory) -> None:
    before = live.version
    assert len(live.machines(inventory)) == 2
    registry = connect(live.registries["otc"])
    note(registry, STRANGER, 4000.0)
    assert live.version != before
    assert live.machines(inventory)[0].mac == STRANGER
    registry.close()


def test_choosing_and_sorting(live: Live, inventory: Inventory) -> None:
    machines = live.machines(inventory)
    assert [m.mac for m in chosen(machines, which="unregistered")] == [TYPO]
    assert [m.mac for m in chosen(machines, which="registered")] == [KNOWN]
    assert chosen(machines, which="ignored") == []
    assert [m.mac for m in chosen(machines, text="DESK no rule")] == [KNOWN]
    assert [m.mac for m in chosen(machines, sort="mac")] == [KNOWN, TYPO]


def test_mistyped_digits_are_found(inventory: Inventory) -> None:
    assert mistyped(inventory, TYPO) == (KNOWN, 1)
    for text, digits in (("00:80:64:10:10:02", 2), ("f0:80:64:10:00:0e", 2), ("00:80:64:10:00:10", 2)):
        assert mistyped(inventory, parse_mac(text)) == (KNOWN, digits)
    assert mistyped(inventory, parse_mac("00:80:64:11:10:02")) is None
    assert mistyped(inventory, KNOWN) is None


def test_vendors() -> None:
    assert vendor_of(STRANGER) == "locally administered"
    assert vendor_of(parse_mac("00:00:0c:00:00:01")).startswith("C")
