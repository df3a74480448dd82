"""What a dhcpd.conf becomes: rules in the daemon's order, and a line for everything that is left out."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from coexist.importers import import_files
from coexist.importers.dhcpd.site import import_dhcpd
from coexist.importers.written import clients_csv, not_modelled_md, site_yaml
from coexist.inventory import load_inventory
from coexist.inventory.loader import inventory_from_tree
from coexist.languages.dhcpd.levels import every_statement
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.languages.dhcpd.syntax import Assign
from tests.unit.importers.imported_statements import import_statements

OWN = Path(__file__).parent / "dhcpd_conf"
FILES = sorted(OWN.glob("*.conf"))


def test_an_architecture_needs_all_of_its_codes() -> None:
    both = import_statements(
        'if option pxe-system-type = 00:07 or option pxe-system-type = 00:09 { filename "x.efi"; }'
        ' else { filename "p.0"; }'
    ).scope
    assert both["rules"] == [{"architectures": ["uefi-x64"], "filename": "x.efi"}]
    assert both["filename"] == "p.0"
    one = import_statements('if option pxe-system-type = 00:07 { filename "x.efi"; }').scope
    assert one["rules"] == [{"when": [{"option": 93, "equals": "7"}], "filename": "x.efi"}]


def test_a_branch_says_what_the_earlier_ones_leave_open() -> None:
    scope = import_statements(
        'if exists user-class { filename "a"; } else { filename "b"; option root-path "r"; }'
    ).scope
    # The first branch sets no root-path, so the second must say to whom it belongs.
    assert scope["filename"] == "b"
    assert {"when": [{"option": 77, "exists": False}], "options": {17: "r"}} in scope["rules"]
    assert scope["rules"].index({"when": [{"option": 77, "exists": True}], "filename": "a"}) >= 0


def test_and_and_or_bind_equally() -> None:
    """`a or b and c` is `(a or b) and c` to dhcpd."""
    scope = import_statements(
        'if exists user-class or exists root-path and exists host-name { filename "x"; }'
    ).scope
    assert scope["rules"] == [
        {"when": [{"option": 77, "exists": True}, {"option": 12, "exists": True}], "filename": "x"},
        {"when": [{"option": 17, "exists": True}, {"option": 12, "exists": True}], "filename": "x"},
    ]


def test_the_first_declared_class_wins_and_a_host_above_it() -> None:
    imported = import_dhcpd(
        'class "one" { match if exists user-class; filename "one"; }\n'
        'class "two" { match if exists host-name; filename "two"; }\n'
        'subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.9; filename "subnet"; }\n'
        'group { filename "group"; host a { hardware ethernet 52:54:00:00:00:01; } }\n',
        "x.conf",
    )
    (scope,) = imported.tree["scopes"].values()
    assert [rule["filename"] for rule in scope["rules"]] == ["group", "one", "two"]
    assert scope["filename"] == "subnet"


def test_a_host_with_an_address_elsewhere_does_not_count() -> None:
    imported = import_dhcpd(
        "subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.9; }\n"
        "subnet 10.0.1.0 netmask 255.255.255.0 { range 10.0.1.9; }\n"
        'host a { hardware ethernet 52:54:00:00:00:01; fixed-address 10.0.1.5; filename "a"; }\n',
        "x.conf",
    )
    here, there = imported.tree["scopes"].values()
    assert "rules" not in here
    assert there["rules"] == [{"clients": "a", "filename": "a"}]


def test_options_inside_an_option_become_its_octets() -> None:
    text = (
        "option space PXE; option PXE.discovery-control code 6 = unsigned integer 8;"
        "option PXE.boot-item code 71 = unsigned integer 32;"
    )
    scope = import_statements(
        "vendor-option-space PXE; option PXE.discovery-control 8; option PXE.boot-item 1;", outside=text
    ).scope
    assert scope["options"] == {43: "hex:06:01:08:47:04:00:00:00:01"}


def test_a_boot_file_option_keeps_or_lacks_its_nul() -> None:
    assert import_statements('option bootfile-name "d.efi\\000";').scope["options"] == {67: "d.efi"}
    assert import_statements('option bootfile-name "d";').scope["options"] == {67: "hex:64"}


def test_statements_say_what_they_say_about_the_server() -> None:
    assert import_statements("min-secs 4;", outside="ping-check off;").server["ping_check"] is False
    assert import_statements("min-secs 4;").scope["min_secs"] == 4


def test_unknown_clients_are_refused() -> None:
    imported = import_dhcpd(
        "subnet 10.0.0.0 netmask 255.255.255.0 { range 10.0.0.9; deny unknown-clients; }\n"
        "host a { hardware ethernet 52:54:00:00:00:01; }\n",
        "x.conf",
    )
    (scope,) = imported.tree["scopes"].values()
    assert scope["rules"] == [{"clients": "unknown-to-dhcp", "ignore": True}]
    assert imported.clients[0].source == "dhcp"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_statement_is_taken_over_or_told(path: Path) -> None:
    text = path.read_text()

    def read(name: str) -> str:
        return (OWN / Path(name).name).read_text()

    imported = import_dhcpd(text, path.name, read)
    told = {entry.position for entry in imported.not_modelled}
    assert not [entry for entry in imported.not_modelled if entry.why == "not understood"]
    # What nobody mentions must show in the tree: take each assignment out and see.
    configuration = parse_dhcpd(text, path.name, read)
    assert len(told) <= len(list(every_statement(configuration.body))) + len(imported.clients)
    assert any(isinstance(statement, Assign) for statement in configuration.body) or imported.clients


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_written_loads(path: Path, tmp_path: Path) -> None:
    imported = import_files("dhcpd", [path])
    (tmp_path / "site.yaml").write_text(site_yaml(imported))
    (tmp_path / "clients.csv").write_text(clients_csv(imported.clients))
    inventory = load_inventory(tmp_path)
    assert len(inventory.clients) == len(imported.clients)
    text = not_modelled_md(imported.not_modelled, imported.sources)
    assert all(str(entry.position) in text for entry in imported.not_modelled)


NET = "subnet 192.0.2.0 netmask 255.255.255.0 {{ {} }}\n"


def test_a_subnet_where_nothing_is_leased_is_no_scope() -> None:
    text = NET.format("range 192.0.2.50 192.0.2.60;") + "subnet 198.51.100.0 netmask 255.255.255.0 { }\n"
    imported = import_dhcpd(text, "dhcpd.conf", address=IPv4Address("192.0.2.5"))
    assert list(imported.tree["scopes"]) == ["net-192.0.2.0"]


def test_known_clients_of_a_file_without_hosts_are_nobody(tmp_path: Path) -> None:
    text = NET.format("pool { allow known clients; range 192.0.2.50 192.0.2.60; }")
    imported = import_dhcpd(text, "dhcpd.conf", address=IPv4Address("192.0.2.5"))
    (name,) = imported.tree["groups"]
    inventory = inventory_from_tree(imported.tree, tmp_path)
    assert not inventory.group(name)


def test_a_pool_for_one_class_keeps_its_condition(tmp_path: Path) -> None:
    text = 'class "uefi" { match if exists pxe-system-type; }\n'
    text += NET.format('pool { range 192.0.2.50 192.0.2.60; allow members of "uefi"; }')
    imported = import_dhcpd(text, "dhcpd.conf", address=IPv4Address("192.0.2.5"))
    (pool,) = imported.tree["scopes"]["net-192.0.2.0"]["pools"]
    assert pool == {"range": "192.0.2.50-192.0.2.60", "when": [{"option": 93, "exists": True}]}
    inventory_from_tree(imported.tree, tmp_path)


@pytest.mark.parametrize(
    ("permits", "pools"),
    [
        ('deny members of "uefi";', 0),
        ('allow members of "uefi"; allow known clients;', 1),
        ('allow members of "uefi"; allow all clients;', 1),
        ("deny dynamic bootp clients;", 1),
        ("allow dynamic bootp clients;", 0),
    ],
)
def test_a_pool_is_never_opened_by_what_cannot_be_said(permits: str, pools: int) -> None:
    text = 'class "uefi" { match if exists pxe-system-type; }\n'
    text += NET.format("option routers 192.0.2.1; pool { range 192.0.2.50 192.0.2.60; " + permits + " }")
    text += "host one { hardware ethernet 52:54:00:00:00:01; }\n"
    imported = import_dhcpd(text, "dhcpd.conf", address=IPv4Address("192.0.2.5"))
    assert len(imported.tree["scopes"]["net-192.0.2.0"].get("pools", ())) == pools
    if not pools:
        assert any("range" in entry.statement for entry in imported.not_modelled)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", {"lease_time": 43200, "max_lease_time": 86400}),
        ("default-lease-time 1800;", {"lease_time": 1800, "max_lease_time": 86400}),
        ("default-lease-time 1800; max-lease-time 1800;", {"lease_time": 1800}),
        ("max-lease-time 900;", {"lease_time": 900}),
        (
            "default-lease-time 100; min-lease-time 500; max-lease-time 4000;",
            {"lease_time": 500, "min_lease_time": 500, "max_lease_time": 4000},
        ),
        ("max-lease-time 200;", {"lease_time": 200}),
        ("min-lease-time 0; max-lease-time 100000;",
         {"lease_time": 43200, "min_lease_time": 0, "max_lease_time": 100000}),
    ],
)  # fmt: skip
def test_the_limits_of_a_lease_time_are_said(text: str, said: dict[str, int]) -> None:
    scope = import_statements("range 10.77.0.10 10.77.0.20;", outside=text).scope
    assert {key: value for key, value in scope.items() if "lease_time" in key} == said


@pytest.mark.parametrize(
    "text",
    [
        'class "few" { match if exists user-class; max-lease-time 700; }',
        "host one { hardware ethernet 52:54:00:00:00:01; min-lease-time 9000; }",
        "default-lease-time 20; min-lease-time 10;",
    ],
)
def test_a_lease_time_without_words_is_told_with_its_line(text: str) -> None:
    imported = import_dhcpd(
        f"{text}\n" + NET.format("range 192.0.2.50 192.0.2.60;"),
        "dhcpd.conf",
        address=IPv4Address("192.0.2.5"),
    )
    assert [entry.position.line for entry in imported.not_modelled if "lease-time" in entry.statement] == [1]
