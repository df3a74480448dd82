"""Machines by their UUID: in clients.csv, in the inventory, in groups, and two machines on one adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from coexist.analysis import analyse
from coexist.app.explain import explain
from coexist.errors import CoexistError, InputError
from coexist.inventory import Inventory, inventory_from_tree, load_inventory
from coexist.wire.mac import parse_mac

ONE, TWO = "00112233-4455-6677-8899-aabbccddee01", "00112233-4455-6677-8899-aabbccddee02"
CARDS = ("52:54:00:00:00:01", "52:54:00:00:00:02")
SITE = """site: s
vlans: {a: {id: 1, subnet: 192.0.2.0/24, gateway: 192.0.2.1}}
servers:
  dhcp: {software: isc-dhcpd, address: 192.0.2.2, vlan: a, ping_check: false}
  boot: {software: coexist, address: 192.0.2.3, vlan: a, programs: {uefi-x64: syslinux.efi}}
scopes: {a: {server: dhcp, vlan: a, pools: [192.0.2.100-192.0.2.200], options: {3: 192.0.2.1, 6: 192.0.2.2}}}
architectures: {uefi-x64: edk2}
clients: clients.csv
intent: [{clients: everyone, boot_from: boot}]
"""


def site(folder: Path, rows: str, more: str = "") -> Path:
    (folder / "site.yaml").write_text(SITE + more)
    (folder / "clients.csv").write_text(rows)
    return folder


def listed(*clients: dict[str, Any], **groups: Any) -> Inventory:
    return inventory_from_tree({"site": "s", "clients": list(clients), "groups": groups})


def test_every_card_of_a_machine_has_its_uuid(tmp_path: Path) -> None:
    place = site(
        tmp_path, f"mac,name,uuid\n{CARDS[0]} {CARDS[1]},pc,{ONE.upper()}\n52:54:00:00:00:09,other,\n"
    )
    table = load_inventory(place).clients
    assert table.cards == {UUID(ONE): tuple(map(parse_mac, CARDS))}
    record = table.find(parse_mac(CARDS[1]))
    assert record is not None
    assert record.uuid == UUID(ONE)
    assert parse_mac("52:54:00:00:00:09") not in table.uuids


def test_a_group_by_uuid_has_the_cards_of_its_machines() -> None:
    inventory = listed({"mac": list(CARDS), "uuid": ONE}, {"mac": "52:54:00:00:00:09"}, g={"uuid": ONE})
    assert sorted(inventory.group("g").points) == [parse_mac(card) for card in CARDS]
    assert inventory.group("g").size == 2


@pytest.mark.parametrize("text", ["4c4c", "00000000-0000-0000-0000-000000000000", "f" * 32])
def test_what_is_no_uuid_is_told_with_its_place(tmp_path: Path, text: str) -> None:
    place = site(tmp_path, f"mac,name,uuid\n{CARDS[0]},pc,{text}\n")
    with pytest.raises(InputError) as error:
        load_inventory(place)
    (problem,) = error.value.problems
    assert (problem.position.line, problem.position.column) == (2, 22)
    with pytest.raises(InputError):
        listed({"mac": CARDS[0], "uuid": text})


def test_machines_that_share_an_adapter_need_a_uuid_each(tmp_path: Path) -> None:
    both = f"mac,name,uuid\n{CARDS[0]},one,{ONE}\n{CARDS[0]},two,{TWO}\n"
    found = analyse(load_inventory(site(tmp_path, both))).findings
    assert [finding.code.code for finding in found] == ["CX116"]
    assert found[0].position.line == 3
    for rows in (
        f"mac,name,uuid\n{CARDS[0]},one,{ONE}\n{CARDS[0]},two,\n",
        f"mac,name,uuid\n{CARDS[0]},one,{ONE}\n{CARDS[0]},two,{ONE}\n",
        f"mac,name,uuid,address\n{CARDS[0]},one,{ONE},192.0.2.7\n{CARDS[0]},two,{TWO},192.0.2.8\n",
    ):
        with pytest.raises(InputError) as error:
            load_inventory(site(tmp_path, rows))
        assert [problem.position.line for problem in error.value.problems] == [3]


def test_cards_of_one_uuid_are_one_machine_whatever_their_names(tmp_path: Path) -> None:
    rows = f"mac,name,uuid,tags\n{CARDS[0]},,{ONE},x\n{CARDS[1]},,{ONE},y\n"
    more = "groups: {x: {where: {tags: x}}, y: {where: {tags: y}}}\n"
    place = site(tmp_path, rows, more)
    text = (place / "site.yaml").read_text().replace(
        "intent: [{clients: everyone, boot_from: boot}]",
        "intent: [{clients: x, boot_from: boot}, {clients: everyone, boot_from: nobody}]",
    ).replace("programs:", "answers: {only: x}, programs:")  # fmt: skip
    other = text.replace("boot_from: nobody", "boot_from: rest").replace(
        "scopes:", "  rest: {software: coexist, address: 192.0.2.4, vlan: a, answers: {except: x},"
        " programs: {uefi-x64: b.efi}}\nscopes:",
    )  # fmt: skip
    (place / "site.yaml").write_text(other)
    assert "CX110" in {finding.code.code for finding in analyse(load_inventory(place)).findings}


def test_explain_finds_a_machine_by_its_uuid_and_sends_it(tmp_path: Path) -> None:
    place = site(tmp_path, f"mac,name,uuid\n{CARDS[0]} {CARDS[1]},pc,{ONE}\n")
    explained = explain(place, ONE.upper())
    assert [boot.first.case.mac for boot in explained.boots] == [parse_mac(card) for card in CARDS]
    (step,) = (step for chain in explained.boots[0].chains for step in chain.steps)
    # SMBIOS 2.6, section 7.2.1: the first three fields are sent with their octets swapped.
    assert "pxelinux.cfg/33221100-5544-7766-8899-aabbccddee01" in [f.file for f in step.stage.fetches]
    with pytest.raises(CoexistError):
        explain(place, TWO)
