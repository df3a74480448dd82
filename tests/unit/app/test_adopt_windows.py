"""A Windows DHCP server is taken into an inventory by copies of its export and of its failover relations."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.cli import run
from coexist.inventory import load_inventory
from coexist.languages.windows.secrets import without_secrets
from coexist.render import render_site

EXPORT = (
    '<?xml version="1.0" encoding="utf-8"?>\n<DHCPServer><IPv4><Scopes>\n<Scope><ScopeId>10.60.0.0</ScopeId>'
    "<SubnetMask>255.255.255.0</SubnetMask><StartRange>10.60.0.100</StartRange>"
    "<EndRange>10.60.0.149</EndRange><OptionValues><OptionValue><OptionId>3</OptionId>"
    "<Value>10.60.0.1</Value></OptionValue></OptionValues></Scope></Scopes></IPv4></DHCPServer>\n"
)
FAILOVER = (
    "<Objects><Object><Property Name='Name'>a</Property><Property Name='Mode'>HotStandby</Property>"
    "<Property Name='ScopeId'>10.60.0.0</Property></Object></Objects>"
)


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    folder = tmp_path / "copies"
    folder.mkdir()
    (folder / "export.xml").write_text(EXPORT)
    return folder


def adopted(tmp_path: Path, source: str) -> int:
    told = ["--software", "windows-dhcp", "--address", "10.60.0.5"]
    return run(["adopt", str(tmp_path / "site"), "win1", "--from", source, *told])


def test_an_inventory_is_begun_with_an_export(
    tmp_path: Path, copies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adopted(tmp_path, str(copies / "export.xml")) == 0
    assert "export.xml:2:1" in capsys.readouterr().out
    inventory = load_inventory(tmp_path / "site")
    assert dict(inventory.site.servers["win1"].config) == {"export.xml": "servers/win1/export.xml"}
    (vlan,) = inventory.site.vlans.values()
    assert (str(vlan.subnet[0]), str(vlan.gateway)) == ("10.60.0.0/24", "10.60.0.1")
    assert (tmp_path / "site" / "servers" / "win1" / "export.xml").read_text() == EXPORT
    assert render_site(inventory).files == {}


def test_the_relations_beside_an_export_are_taken_too(tmp_path: Path, copies: Path) -> None:
    (copies / "failover.xml").write_text(FAILOVER)
    assert adopted(tmp_path, str(copies / "export.xml")) == 0
    declared = load_inventory(tmp_path / "site").site.servers["win1"]
    assert list(declared.config) == ["export.xml", "failover.xml"]


def test_a_windows_server_is_not_read_over_ssh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert adopted(tmp_path, "admin@win1.example") == 2
    assert "Export-DhcpServer" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_nor_is_one_that_is_declared_already(
    tmp_path: Path, copies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adopted(tmp_path, str(copies / "export.xml")) == 0
    source = ["--from", "admin@win1.example", "--again", "--address", "10.60.0.5"]
    assert run(["adopt", str(tmp_path / "site"), "win1", *source]) == 2
    assert "Export-DhcpServer" in capsys.readouterr().err


@pytest.mark.parametrize("code", ["utf-8", "utf-16"])
def test_the_key_of_a_relation_does_not_reach_the_inventory(code: str) -> None:
    text = "<a>\n<SharedSecret>hunter2</SharedSecret><Name>x</Name></a>".encode(code)
    given = text.decode("utf-8", "surrogateescape")
    cleaned = without_secrets(given).encode("utf-8", "surrogateescape").decode(code)
    assert cleaned == "<a>\n<SharedSecret>REDACTED</SharedSecret><Name>x</Name></a>"
    assert without_secrets(without_secrets(given)) == without_secrets(given)
