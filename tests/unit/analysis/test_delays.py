"""docs/concepts/delays.md: when a lone delayed server is asked for its file."""

from __future__ import annotations

from typing import Any

import pytest

from coexist.analysis.race import ClientCase, race
from coexist.analysis.world import build_world
from coexist.inventory.loader import inventory_from_tree

NEVER = None


def seconds(delay: Any, firmware: str) -> list[float | None]:
    """When the file is asked for, one number an outcome; the longest first window stands for its span."""
    inventory = inventory_from_tree(
        {
            "site": "s",
            "vlans": {"a": {"id": 1, "subnet": "10.0.0.0/24"}},
            "servers": {
                "d": {"software": "kea", "address": "10.0.0.2", "vlan": "a"},
                "p": {
                    "software": "coexist",
                    "address": "10.0.0.3",
                    "vlan": "a",
                    "delay": delay,
                    "programs": {"bios": "a", "uefi-x64": "a"},
                },
            },
            "scopes": {"a": {"server": "d", "vlan": "a", "pools": ["10.0.0.100-10.0.0.200"]}},
        }
    )
    architecture = "uefi-x64" if firmware == "edk2" else "bios"
    case = ClientCase(mac=7, vlan="a", architecture=architecture, firmware=firmware)
    outcomes = race(build_world(inventory), case).outcomes
    found: list[float | None] = [*sorted((o.latest for o in outcomes if o.latest is not None), reverse=True)]
    return found or [NEVER]


@pytest.mark.parametrize(
    ("delay", "uefi", "ipxe"),
    [
        (0, 4, 0),
        ({"secs_at_least": 1}, 12, 0),
        ({"secs_at_least": 4}, 12, 0),
        ({"secs_at_least": 5}, 28, 1),
        ({"secs_at_least": 10}, 28, 1),
        ({"secs_at_least": 11}, 28, NEVER),
        ({"secs_at_least": 13}, 60, NEVER),
        ({"secs_at_least": 29}, NEVER, NEVER),
        (1, 4, 1),
        (2.5, 4, 2.5),
        (6, 12, NEVER),
        (10, 12, NEVER),
        (20, 28, NEVER),
        (45, 60, NEVER),
        ({"since_first": 8}, 28, NEVER),
        ({"since_first": 30}, NEVER, NEVER),
    ],
)
def test_one_delay(delay: Any, uefi: float | None, ipxe: float | None) -> None:
    assert seconds(delay, "edk2") == [uefi if uefi is None else pytest.approx(uefi, abs=0.2)]
    assert seconds(delay, "ipxe") == [ipxe if ipxe is None else pytest.approx(ipxe, abs=0.2)]


def test_at_the_tick_both() -> None:
    late, early = seconds(3.5, "edk2")
    assert early is not None
    assert late == pytest.approx(11.5, abs=0.7)
    assert early == pytest.approx(4, abs=0.2)


def test_a_wall_clock_of_four_seconds_misses_the_second_discover() -> None:
    latest = seconds({"since_first": 4}, "edk2")[0]
    assert latest == pytest.approx(28, abs=0.5)
