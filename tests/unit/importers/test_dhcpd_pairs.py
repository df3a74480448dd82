"""Failover pairs of dhcpd.conf files: imported one after the other, they are one scope of two servers."""

from __future__ import annotations

from typing import Any

import pytest

from coexist.analysis import analyse
from coexist.importers.dhcpd.site import import_dhcpd
from coexist.importers.imported import Imported
from coexist.importers.merge import merge
from coexist.inventory import inventory_from_tree

PEER = """failover peer "halls" {{
  {role}; address {own}; port 847; peer address {other}; peer port 647;
  max-response-delay 30; max-unacked-updates 5; load balance max seconds 4; {more}
}}
"""
BODY = """subnet 10.31.0.0 netmask 255.255.0.0 {{
  option routers 10.31.0.1;
  {inside}
  pool {{ failover peer "halls"; range 10.31.2.0 10.31.3.255; }}
  {beside}
}}
"""


def conf(role: str, more: str = "", inside: str = "", beside: str = "", other: str = "") -> str:
    own, partner = ("10.31.0.4", "10.31.0.5") if role == "primary" else ("10.31.0.5", "10.31.0.4")
    peer = PEER.format(role=role, own=own, other=other or partner, more=more)
    return peer + BODY.format(inside=inside, beside=beside)


PRIMARY = conf("primary", "mclt 900; split 200;")


def imported(text: str, server: str = "dhcp") -> Imported:
    return import_dhcpd(text, f"{server}.conf", server=server)


def scope_of(found: Imported) -> dict[str, Any]:
    (scope,) = found.tree["scopes"].values()
    return dict(scope)


def test_a_primary_says_how_clients_are_shared_and_with_whom() -> None:
    found = imported(PRIMARY)
    scope = scope_of(found)
    assert scope["server"] == ["dhcp", "dhcp-partner"]
    assert scope["failover"] == {
        "mode": "load-balancing",
        "max_seconds": 4,
        "split": 200,
        "mclt": 900,
        "port": 847,
        "max_response_delay": 30,
        "max_unacked_updates": 5,
    }
    assert found.tree["servers"]["dhcp-partner"]["address"] == "10.31.0.5"
    assert not found.not_modelled


def test_the_two_files_of_a_pair_become_one_scope_without_a_finding() -> None:
    first = inventory_from_tree(dict(imported(PRIMARY).tree))
    second, conflicts = merge(first, imported(conf("secondary"), "dhcp2"))
    assert not second.tree.get("scopes")
    assert not second.tree.get("servers")
    assert [conflict.done for conflict in conflicts] == ["one scope of a failover pair; both say the same"]
    codes = {finding.code.code for finding in analyse(first).findings}
    assert not codes & {"CX208", "CX209", "CX222"}


@pytest.mark.parametrize(
    ("order", "word"),
    [
        ((PRIMARY, conf("secondary", inside='filename "other.0";')), "filename"),
        ((conf("secondary"), PRIMARY), "failover"),
    ],
)
def test_what_the_second_file_says_otherwise_is_told(order: tuple[str, str], word: str) -> None:
    first = inventory_from_tree(dict(imported(order[0]).tree))
    _, (conflict,) = merge(first, imported(order[1], "dhcp2"))
    assert conflict.done.endswith(f"otherwise: {word}")


@pytest.mark.parametrize(
    "text",
    [
        conf("primary", "mclt 900; split 200;", beside="range 10.31.4.0 10.31.4.9;"),
        conf("primary", "mclt 900; split 200;", other="dhcp2.example"),
        conf("primary", f"mclt 900; hba {':'.join(['aa'] * 32)};"),
    ],
)
def test_what_no_scope_can_say_of_a_pair_is_told(text: str) -> None:
    found = imported(text)
    assert scope_of(found)["server"] == "dhcp"
    assert "failover" not in scope_of(found)
    assert [left.statement for left in found.not_modelled] == ["failover peer halls"]


def test_a_beginning_of_the_buckets_is_a_split() -> None:
    hba = ":".join(["ff"] * 3 + ["01"] + ["00"] * 28)
    assert scope_of(imported(conf("primary", f"mclt 900; hba {hba};")))["failover"]["split"] == 25
