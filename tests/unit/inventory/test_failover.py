"""How two servers share a scope, as it is declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.errors import InputError
from coexist.inventory import load_inventory

SITE = """site: example
vlans:
  office: {{id: 10, subnet: 10.10.0.0/16}}
servers:
  one: {{software: isc-dhcpd, address: 10.10.0.5, vlan: office}}
  two: {{software: isc-dhcpd, address: 10.10.0.6, vlan: office}}
scopes:
  office:
    server: {servers}
    vlan: office
    pools: [10.10.1.0-10.10.1.99]
    failover: {failover}
"""


def written(folder: Path, failover: str, servers: str = "[one, two]") -> Path:
    (folder / "site.yaml").write_text(SITE.format(failover=failover, servers=servers))
    return folder


@pytest.mark.parametrize(
    ("failover", "buckets"),
    [
        ("{}", 128),
        ("{mode: load-balancing, percent: 25}", 64),
        ("{split: 200}", 200),
        ("{mode: hot-standby}", 256),
        ("{mode: passive-backup, port: 8000}", 256),
    ],
)
def test_it_says_how_many_buckets_are_the_first_servers(failover: str, buckets: int, tmp_path: Path) -> None:
    declared = load_inventory(written(tmp_path, failover)).site.scopes["office"].failover
    assert declared is not None
    assert declared.buckets == buckets


@pytest.mark.parametrize(
    ("failover", "servers", "line"),
    [
        ("{mode: active-active}", "[one, two]", 12),
        ("{weight: 3}", "[one, two]", 12),
        ("{percent: 50, split: 128}", "[one, two]", 12),
        ("{mode: hot-standby, percent: 70}", "[one, two]", 12),
        ("{reserve_percent: 10}", "[one, two]", 12),
        ("{percent: 101}", "[one, two]", 12),
        ("{split: 257}", "[one, two]", 12),
        ("{}", "one", 9),
        ("{}", "[one, one]", 9),
    ],
)
def test_what_it_cannot_be_is_refused_at_its_line(
    failover: str, servers: str, line: int, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as refused:
        load_inventory(written(tmp_path, failover, servers))
    (problem,) = refused.value.problems
    assert problem.position.line == line
    assert problem.remedy or "write" in problem.message


def test_a_server_it_does_not_have_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="three"):
        load_inventory(written(tmp_path, "{}", "[one, three]"))
