"""Whether a machine runs the file it is told of: block sizes, other machines' programs, Secure Boot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coexist.analysis import analyse
from coexist.analysis.chain import Stages, stages
from coexist.analysis.race import ClientCase
from coexist.analysis.running import Halted
from coexist.analysis.world import build_world
from coexist.boot.servers.coexist import boot_server_config
from coexist.inventory import Inventory, load_inventory

SITE: dict[str, Any] = {
    "site": "a-town",
    "vlans": {"lab": {"id": 7, "subnet": "10.30.0.0/24", "gateway": "10.30.0.1"}},
    "servers": {
        "leases": {"software": "isc-dhcpd", "address": "10.30.0.2", "vlan": "lab", "ping_check": False},
        "boot": {"software": "coexist", "address": "10.30.0.3", "vlan": "lab"},
    },
    "scopes": {"lab": {"server": "leases", "vlan": "lab", "pools": ["10.30.0.100-10.30.0.200"]}},
    "firmwares": {"locked": {"like": "edk2", "parameters": {"secure_boot": True}}},
    "architectures": {"uefi-x64": "edk2", "bios": "ipxe"},
    "intent": [{"clients": "everyone", "boot_from": "boot"}],
}


def site(
    folder: Path,
    programs: dict[str, Any],
    *,
    mtu: int | None = None,
    largest: int | None = None,
    firmware: str = "edk2",
) -> Inventory:
    tree = json.loads(json.dumps(SITE))
    tree["servers"]["boot"]["programs"] = programs
    tree["architectures"]["uefi-x64"] = firmware
    if mtu is not None:
        tree["vlans"]["lab"]["mtu"] = mtu
    if largest is not None:
        tree["servers"]["boot"]["largest_blksize"] = largest
    (folder / "site.yaml").write_text(json.dumps(tree))
    return load_inventory(folder)


def boot(inventory: Inventory, architecture: str, firmware: str) -> Stages:
    case = ClientCase(mac=0x5254AA, vlan="lab", architecture=architecture, firmware=firmware)
    return stages(build_world(inventory), case)


def kinds(found: Stages) -> set[Halted | None]:
    return {chain.halt.kind if chain.halt else None for chain in found.chains}


@pytest.mark.parametrize(
    ("program", "ends"),
    [
        ("shimx64.efi", None),
        ("bootmgfw.efi", None),
        ("grubnetx64.efi", Halted.SECURE_BOOT),
        ("snponly.efi", Halted.SECURE_BOOT),
        ("syslinux.efi", Halted.SECURE_BOOT),
        ("thin.efi", None),
        ({"file": "thin.efi", "signed": "no"}, Halted.SECURE_BOOT),
        ({"file": "thin.efi", "signed": "vendor"}, Halted.SECURE_BOOT),
        ({"file": "snponly.efi", "signed": "microsoft"}, None),
    ],
)
def test_secure_boot_runs_what_microsoft_signs(tmp_path: Path, program: Any, ends: Halted | None) -> None:
    inventory = site(tmp_path, {"uefi-x64": program})
    assert kinds(boot(inventory, "uefi-x64", "locked")) == {ends}
    assert kinds(boot(inventory, "uefi-x64", "edk2")) == {None}


def test_an_ipxe_that_is_refused_asks_nobody(tmp_path: Path) -> None:
    inventory = site(tmp_path, {"uefi-x64": "snponly.efi", "ipxe": "menu.ipxe"})
    assert boot(inventory, "uefi-x64", "locked").next is None
    assert boot(inventory, "uefi-x64", "edk2").next is not None


def test_a_loader_that_is_refused_loads_nothing(tmp_path: Path) -> None:
    chains = boot(site(tmp_path, {"uefi-x64": "grubnetx64.efi"}), "uefi-x64", "locked").chains
    assert [chain.steps for chain in chains] == [()]


def test_a_program_for_other_machines_does_not_run(tmp_path: Path) -> None:
    inventory = site(tmp_path, {"uefi-x64": "pxelinux.0", "bios": "grubnetx64.efi"})
    assert kinds(boot(inventory, "uefi-x64", "edk2")) == {Halted.ARCHITECTURE}
    assert kinds(boot(inventory, "bios", "ipxe")) == {Halted.ARCHITECTURE}


@pytest.mark.parametrize(
    ("mtu", "largest", "uefi", "ipxe"),
    [
        (1500, None, None, None),
        (1499, None, Halted.BLOCKS, None),
        (1464, None, Halted.BLOCKS, None),
        (1463, None, Halted.BLOCKS, Halted.BLOCKS),
        (1400, 1368, None, None),
        (1400, 1369, Halted.BLOCKS, Halted.BLOCKS),
    ],
)
def test_a_block_must_fit_with_its_headers(
    tmp_path: Path, mtu: int, largest: int | None, uefi: Halted | None, ipxe: Halted | None
) -> None:
    inventory = site(tmp_path, {"uefi-x64": "thin.efi", "bios": "thin.0"}, mtu=mtu, largest=largest)
    assert kinds(boot(inventory, "uefi-x64", "edk2")) == {uefi}
    assert kinds(boot(inventory, "bios", "ipxe")) == {ipxe}


def test_check_tells_whom_it_concerns_and_a_smaller_block_repairs_it(tmp_path: Path) -> None:
    programs = {"uefi-x64": "thin.efi", "bios": "thin.0"}
    findings = analyse(site(tmp_path, programs, mtu=1470)).findings
    (found,) = [finding for finding in findings if finding.code.code == "CX435"]
    assert found.path == ("servers", "boot")
    assert {client.architecture for client in found.classes} == {"uefi-x64"}
    assert [edit.value for edit in found.edits] == [1438]
    repaired = site(tmp_path, programs, mtu=1470, largest=1438)
    assert "CX435" not in {finding.code.code for finding in analyse(repaired).findings}
    assert boot_server_config(repaired, "boot").tftp.largest_blksize == 1438


def test_check_tells_what_secure_boot_refuses(tmp_path: Path) -> None:
    inventory = site(tmp_path, {"uefi-x64": "grubnetx64.efi", "bios": "thin.0"}, firmware="locked")
    found = [finding for finding in analyse(inventory).findings if finding.code.code == "CX435"]
    assert {client.firmware for finding in found for client in finding.classes} == {"locked"}
    assert [finding.edits for finding in found] == [()]
