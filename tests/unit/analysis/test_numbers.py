"""x64 machines announce 7 or 9: both are raced where servers tell them apart."""

from __future__ import annotations

from typing import Any

import pytest

from coexist.analysis import analyse
from coexist.analysis.race import ClientCase, RaceResult, race
from coexist.analysis.world import build_world
from coexist.inventory import inventory_from_tree

MAC = 0x0242AC110002
DHCP = {"software": "isc-dhcpd", "address": "10.2.0.2", "vlan": "hall", "ping_check": False}
FILES = {"software": "tftpd", "address": "10.2.0.3", "vlan": "hall"}


def site(rules: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "site": "s",
        "vlans": {"hall": {"id": 3, "subnet": "10.2.0.0/24", "gateway": "10.2.0.1"}},
        "servers": {"dhcp": DHCP, "files": FILES, **more.get("servers", {})},
        "scopes": {
            "hall": {
                "server": "dhcp",
                "vlan": "hall",
                "pools": ["10.2.0.100-10.2.0.200"],
                "next_server": "files",
                "rules": rules,
            }
        },
        "architectures": {"uefi-x64": "edk2"},
        "intent": [{"clients": "everyone", "boot_from": more.get("intended", "files")}],
    }


def run(declared: dict[str, Any], number: int | None = None) -> RaceResult:
    world = build_world(inventory_from_tree(declared))
    case = ClientCase(mac=MAC, vlan="hall", architecture="uefi-x64", firmware="edk2", number=number)
    return race(world, case)


def codes(declared: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    findings = analyse(inventory_from_tree(declared)).findings
    return {finding.code.code: finding.path for finding in findings}


@pytest.mark.parametrize("number", ["7", "9"])
def test_a_rule_about_one_number_divides_the_machines(number: str) -> None:
    declared = site([{"when": [{"option": 93, "equals": number}], "filename": "x.efi"}])
    result = run(declared)
    assert set(result.winners) == {"files", None}
    assert all(outcome.by_firmware for outcome in result.outcomes)
    assert any("7 or 9" in assumption for assumption in result.assumptions)
    assert run(declared, int(number)).winners == ("files",)
    found = codes(declared)
    assert found["CX433"][:4] == ("scopes", "hall", "rules", 0)
    assert "CX304" not in found


def test_a_name_stands_for_both() -> None:
    declared = site([{"architectures": "uefi-x64", "filename": "x.efi"}])
    result = run(declared)
    assert result.winners == ("files",)
    assert not any("7 or 9" in assumption for assumption in result.assumptions)
    assert codes(declared) == {}


def test_a_proxy_with_a_service_for_one_number_is_told() -> None:
    proxy = {
        "software": "dnsmasq",
        "roles": ["proxydhcp", "tftp"],
        "address": "10.2.0.9",
        "vlan": "hall",
        "settings": {"pxe-service": ['7,"hall",hall.efi']},
    }
    declared = site([], servers={"proxy": proxy}, intended="proxy")
    found = codes(declared)
    assert found["CX433"] == ("servers", "proxy")
    assert set(run(declared).winners) == {"proxy", None}
