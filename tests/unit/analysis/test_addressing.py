"""CX2xx: what the examples of the findings' pages leave open."""

from __future__ import annotations

from typing import Any

from coexist.analysis import analyse
from coexist.inventory import inventory_from_tree


def found(code: str, **changes: Any) -> list[str]:
    site: dict[str, Any] = {
        "site": "small",
        "vlans": {"office": {"id": 1, "subnet": "10.0.0.0/16", "gateway": "10.0.0.1"}},
        "servers": {"dhcp": {"software": "kea", "address": "10.0.0.2", "vlan": "office"}},
        "intent": [{"clients": "everyone", "boot_from": "nobody"}],
    }
    analysis = analyse(inventory_from_tree({**site, **changes}))
    return [finding.message for finding in analysis.findings if finding.code.code == code]


def test_a_pool_that_holds_two_others_overlaps_both() -> None:
    pools = ["10.0.1.0-10.0.1.255", "10.0.1.10-10.0.1.19", "10.0.1.30-10.0.1.39", "10.0.2.0-10.0.2.9"]
    scopes = {
        f"s{number}": {"server": "dhcp", "vlan": "office", "pools": [pool]}
        for number, pool in enumerate(pools)
    }
    assert found("CX208", scopes=scopes) == [
        "the pools of s0 and s1 both lease 10.0.1.10 to 10.0.1.19",
        "the pools of s0 and s2 both lease 10.0.1.30 to 10.0.1.39",
    ]
