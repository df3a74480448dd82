"""dnsmasq.conf: whom its lines are for, and which of them change no answer."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from coexist.importers import Imported, import_files

RANGE = "dhcp-range=10.0.0.50,10.0.0.99,255.255.255.0,1h\nlisten-address=10.0.0.2\n"


@pytest.fixture
def read(tmp_path: Path):
    def imported(text: str) -> Imported:
        path = tmp_path / "dnsmasq.conf"
        path.write_text(RANGE + dedent(text))
        return import_files("dnsmasq", [path])

    return imported


def told(imported: Imported) -> dict[str, str]:
    return {entry.statement: entry.why for entry in imported.not_modelled}


def scope(imported: Imported) -> dict[str, Any]:
    (found,) = imported.tree["scopes"].values()
    return found


def test_a_pattern_makes_machines_known(read):
    imported = read(
        """\
        dhcp-host=02:00:00:*:*:*,set:lab
        dhcp-host=52:54:00:00:00:01,a
        dhcp-ignore=tag:!known
        """
    )
    (rule,) = scope(imported)["rules"]
    assert rule["ignore"]
    group = imported.tree["groups"][rule["clients"]]
    assert group["groups"] == ["everyone"]
    kept = [imported.tree["groups"][name] for name in group["except"]]
    assert {"where": {"source": "dnsmasq"}} in kept
    assert {"prefix": ["02:00:00"]} in kept


def test_a_pattern_is_not_for_machines_with_a_line_of_their_own(read):
    # find_config: an exact address first, then the pattern with the fewest stars.
    imported = read(
        """\
        dhcp-host=52:54:00:*:*:*,set:lab
        dhcp-host=52:54:00:11:*:*,set:near
        dhcp-host=52:54:00:00:00:01,a
        dhcp-boot=tag:lab,lab.0
        """
    )
    (rule,) = scope(imported)["rules"]
    group = imported.tree["groups"][rule["clients"]]
    names = {name: imported.tree["groups"][name] for name in group["except"]}
    assert sorted(map(str, names.values())) == [
        "{'prefix': ['52:54:00:11']}",
        "{'where': {'source': 'dnsmasq'}}",
    ]


@pytest.mark.parametrize("time", ["45m", "infinite", "3600"])
def test_a_lease_time_of_one_machine_is_told(read, time):
    line = f"dhcp-host=52:54:00:00:00:01,10.0.0.5,a,{time}"
    assert told(read(f"{line}\n"))[line] == "a lease time of its own; the inventory has one for a scope"


def test_a_line_that_never_counts_is_told(read):
    imported = read(
        """\
        dhcp-match=set:efi,option:client-arch,7
        dhcp-match=set:ipxe,175
        dhcp-boot=tag:!ipxe,tag:efi,ipxe.efi,,10.0.0.9
        dhcp-boot=tag:!ipxe,undionly.kpxe,,10.0.0.9
        dhcp-boot=tag:nowhere,a.0,,10.0.0.9
        dhcp-option=6,10.0.0.1
        dhcp-option=6,10.0.0.3
        """
    )
    why = "without effect: for all its clients another line counts"
    assert {statement for statement, reason in told(imported).items() if reason == why} == {
        "dhcp-boot=tag:!ipxe,tag:efi,ipxe.efi,,10.0.0.9",
        "dhcp-boot=tag:nowhere,a.0,,10.0.0.9",
        "dhcp-option=6,10.0.0.1",
    }
    assert scope(imported)["options"] == {6: "10.0.0.3"}


@pytest.mark.parametrize(
    "line",
    [
        "dhcp-match=set:idle,option:client-arch,7",
        "dhcp-vendorclass=set:idle,Thin",
        "tag-if=set:idle,tag:known",
        "dhcp-host=52:54:00:00:00:01,set:idle,a",
        "dhcp-mac=set:idle,52:54:00:*:*:*",
    ],
)
def test_a_tag_nobody_asks_for_is_told(read, line):
    assert told(read(f"{line}\n"))[line] == "sets the tag idle, which nothing here asks for"
