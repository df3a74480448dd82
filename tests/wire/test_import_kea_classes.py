"""What coexist.importers.kea.classes says of Kea's classes: the daemon before and after an import.

Each file is one thing that decides which class speaks: a reservation's list, KNOWN, a subnet's list.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from coexist.importers import import_files
from tests.harness.servers import start_kea
from tests.wire.test_import_round_trip import ask, differences, kea_here, rendered, stored

pytestmark = pytest.mark.untimed

MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"


def speaking(name: str, test: str = "", **more: Any) -> dict[str, Any]:
    """A class that gives its name as the file and as option 17."""
    own = {"test": test} if test else {}
    data = [{"name": "root-path", "data": name}]
    return {"name": name, **own, "boot-file-name": f"{name}.0", "option-data": data, **more}


def host(*classes: str, mac: str = MAC, **more: Any) -> dict[str, Any]:
    return {"hw-address": mac, "hostname": f"m{mac[-1]}", "client-classes": list(classes), **more}


UEFI = speaking("uefi", "option[93].hex == 0x0007")
T, S = speaking("T"), speaking("S")
LISTED = {"only-if-required": True}

# Classes, reservations, further keys of the subnet, keys of the whole.
FILES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any], dict[str, Any]]] = {
    "before its test's": ([UEFI, T], [host("T")], {}, {}),
    "in the order listed": ([S, T], [host("T", "S"), host("T", mac=OTHER)], {}, {}),
    "seen by tests": (
        [{"name": "T"}, speaking("M", "member('T')"), speaking("N", "not member('T')")],
        [host("T")],
        {},
        {},
    ),
    "with a test of its own": ([speaking("B", "option[93].hex == 0x0007"), UEFI], [host("uefi")], {}, {}),
    "dropped": ([{"name": "DROP"}], [host("DROP"), host(mac=OTHER)], {}, {}),
    "a pool's": (
        [{"name": "T"}],
        [host("T")],
        {"pools": [{"pool": "10.0.0.100-10.0.0.180", "client-class": "T"}]},
        {},
    ),
    "known": (
        [speaking("K", "member('KNOWN')"), speaking("KK", "member('K')"), UEFI],
        [host(), host("K", mac=OTHER)],
        {},
        {},
    ),
    "asked for": (
        [
            {"name": "T"},
            speaking("one", "member('T')", **LISTED),
            speaking("two", "member('ALL')", **LISTED),
            UEFI,
        ],
        [host("T"), host("one", mac=OTHER)],
        {"require-client-classes": ["one", "two"]},
        {},
    ),
    "global": (
        [UEFI, T, S],
        [host("S")],
        {},
        {"reservations-global": True, "reservations": [host("T"), host("T", mac=OTHER)]},
    ),
    "early": (
        [UEFI, S, T],
        [host("S")],
        {},
        {"early-global-reservations-lookup": True, "reservations": [host("T"), host("T", mac=OTHER)]},
    ),
    "switched off": ([UEFI, T], [host("T")], {}, {"reservations-in-subnet": False}),
    "a vendor's": ([speaking("VENDOR_CLASS_phone snom")], [host()], {}, {}),
}


@pytest.mark.needs("kea-dhcp4")
@pytest.mark.parametrize("name", FILES)
def test_classes_speak_as_before(name: str, tmp_path: Path) -> None:
    classes, hosts, subnet, more = FILES[name]
    pools = [{"pool": "10.0.0.100-10.0.0.250"}]
    net = {
        "subnet": "10.0.0.0/24",
        "pools": pools,
        "boot-file-name": "net.0",
        "reservations": hosts,
        **subnet,
    }
    path = tmp_path / "kea.json"
    path.write_text(json.dumps({"Dhcp4": {"client-classes": classes, "subnet4": [net], **more}}))
    inventory = stored(import_files("kea", [path]), tmp_path / "site")
    address = inventory.site.servers["dhcp"].address
    assert address is not None
    before = ask(
        tmp_path / "before", inventory, address, lambda here: start_kea(here, kea_here(path.read_text()))
    )
    new = kea_here(rendered(inventory, "dhcp", "kea-dhcp4.conf").decode())
    after = ask(tmp_path / "after", inventory, address, lambda here: start_kea(here, new))
    assert any(before.values()), "nobody was answered: nothing is shown"
    wrong = differences(before, after, frozenset())
    assert not wrong, f"{len(wrong)} of {len(before)} differ:\n" + "\n".join(wrong[:12])
