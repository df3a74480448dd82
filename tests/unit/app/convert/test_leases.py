"""dhcpd.leases as Kea's lease file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from coexist.app.convert.leases import carry_leases
from coexist.languages.dhcpd.lease_file import read_lease_file

FILE = Path(__file__).parents[3] / "data" / "convert" / "leases.txt"
CONFIG = json.dumps(
    {
        "Dhcp4": {
            "shared-networks": [{"subnet4": [{"id": 7, "subnet": "10.81.0.0/24"}]}],
            "subnet4": [{"id": 8, "subnet": "10.82.0.0/24"}],
        }
    }
)
NEW_YEAR = 1767225600


def rows(version: tuple[int, ...]) -> dict[str, dict[str, str]]:
    carried = carry_leases(FILE.read_text(), "dhcpd.leases", CONFIG, version)
    return {row["address"]: row for row in csv.DictReader(carried.text.splitlines())}


def test_the_last_entry_of_an_address_counts_and_times_are_utc() -> None:
    row = rows((2, 2))["10.81.0.101"]
    assert (row["hwaddr"], row["client_id"], row["subnet_id"], row["state"]) == (
        "02:81:00:00:00:51",
        "",
        "7",
        "0",
    )
    assert (int(row["valid_lifetime"]), int(row["expire"])) == (3600, NEW_YEAR + 5400)
    assert row["hostname"] == "second&#x2cname"


def test_a_lease_without_an_end_is_infinite_and_counts_from_the_last_packet() -> None:
    row = rows((2, 2))["10.81.0.102"]
    assert row["hwaddr"] == "02:81:00:00:00:52"
    assert row["client_id"] == "01:02:81:00:00:00:52"
    assert (int(row["valid_lifetime"]), int(row["expire"])) == (0xFFFFFFFF, NEW_YEAR + 10 + 0xFFFFFFFF)


def test_an_abandoned_address_is_declined() -> None:
    row = rows((2, 2))["10.81.0.103"]
    assert (row["hwaddr"], row["state"], int(row["expire"])) == ("", "1", NEW_YEAR + 86400)


def test_columns_are_those_of_the_version() -> None:
    assert "pool_id" not in rows((2, 2))["10.81.0.101"]
    assert rows((3, 0))["10.81.0.101"]["pool_id"] == "0"


def test_what_cannot_be_carried_is_named_with_its_line() -> None:
    carried = carry_leases(FILE.read_text(), "dhcpd.leases", CONFIG, (3, 0))
    assert (carried.carried, carried.ended) == (3, 1)
    assert [problem.position.line for problem in carried.problems] == [44, 52, 60]


@pytest.mark.parametrize(
    ("host", "lines"),
    [
        ({"hw-address": "02:81:00:00:00:51"}, [44, 52, 60]),
        ({"hw-address": "02:81:00:00:00:99"}, [35, 44, 52, 60]),
        ({"client-id": "01"}, [35, 44, 52, 60]),
    ],
)
def test_a_lease_of_an_address_that_is_reserved_for_another_is_not_carried(
    host: dict[str, str], lines: list[int]
) -> None:
    """dhcpd leases a reserved address of a pool to anybody; Kea acknowledges it to its machine alone."""
    config = json.loads(CONFIG)
    (subnet,) = config["Dhcp4"]["shared-networks"][0]["subnet4"]
    subnet["reservations"] = [{**host, "ip-address": "10.81.0.101"}]
    carried = carry_leases(FILE.read_text(), "dhcpd.leases", json.dumps(config), (3, 0))
    assert [problem.position.line for problem in carried.problems] == lines
    assert ("10.81.0.101" in carried.text) == (35 not in lines)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("lease 10.0.0.300 { }", 1),
        ("lease { }", 1),
        ("\nlease 10.0.0.3 {\n  binding state hibernating;\n}", 3),
        ('\nlease 10.0.0.3 {\n  uid "abc;\n}', 3),
        ("lease 10.0.0.3 {\n  starts 4 2026/01/01 00:00:00;", 1),
        ("lease 10.0.0.3 {\n  starts 4 2026/13/01 00:00:00;\n}", 2),
    ],
)
def test_a_malformed_entry_is_a_problem_at_its_line(text: str, line: int) -> None:
    read = read_lease_file(text, "leases")
    assert not read.leases
    assert [problem.position.line for problem in read.problems] == [line]


def test_other_declarations_are_passed_over() -> None:
    text = 'failover peer "x" state { my state normal at 4 2026/01/01 00:00:00; }\nhost a { dynamic; }\n'
    read = read_lease_file(text + "lease 10.0.0.3 {\n  binding state free;\n}\n", "leases")
    assert [str(lease.address) for lease in read.leases] == ["10.0.0.3"]
    assert not read.problems
