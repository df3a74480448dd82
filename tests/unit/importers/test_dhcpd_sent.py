"""What a dhcpd.conf tells clients besides their boot, taken over as the daemon sends it."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from coexist.importers import Imported
from coexist.importers.dhcpd.site import import_dhcpd
from tests.unit.importers.imported_statements import import_statements

SUBNET = "subnet 10.77.0.0 netmask 255.255.255.0 { range 10.77.0.50 10.77.0.99; }\n"
NAMED = """
host one { hardware ethernet 02:00:00:00:00:01; fixed-address 10.77.0.11; option host-name "alpha"; }
host two { hardware ethernet 02:00:00:00:00:02; fixed-address 10.77.0.12; option host-name "beta"; }
"""
SITE = """option space lab;
option lab.first code 140 = text;
option lab.second code 141 = text;
option lab.low code 9 = text;
option other code 150 = text;
"""


def of(text: str) -> Imported:
    return import_dhcpd(text, "dhcpd.conf")


def scope_of(text: str) -> dict[str, Any]:
    (scope,) = of(text).tree["scopes"].values()
    return dict(scope)


def names_of(scope: dict[str, Any]) -> dict[str, str]:
    """The names told by rules, by the groups they are for."""
    rules = [rule for rule in scope.get("rules", ()) if 12 in rule.get("options", {})]
    return {rule["clients"]: rule["options"][12] for rule in rules}


def lost(text: str) -> list[tuple[int, str]]:
    """The statements by which a client is told otherwise, with their lines."""
    return [(entry.position.line, entry.statement) for entry in of(text).not_modelled if not entry.harmless]


def test_names_that_every_machine_with_an_address_is_told() -> None:
    scope = scope_of(SUBNET + NAMED)
    assert scope["host_names"] is True
    assert "rules" not in scope
    assert not of(SUBNET + NAMED).not_modelled


def test_names_that_some_machines_are_told_are_rules() -> None:
    silent = "host three { hardware ethernet 02:00:00:00:00:03; fixed-address 10.77.0.13; }\n"
    scope = scope_of(SUBNET + NAMED + silent)
    assert "host_names" not in scope
    assert names_of(scope) == {"alpha": "alpha", "beta": "beta"}


def test_a_machine_without_an_address_is_told_its_name_by_a_rule() -> None:
    roaming = 'host four { hardware ethernet 02:00:00:00:00:04; option host-name "delta"; }\n'
    scope = scope_of(SUBNET + NAMED + roaming)
    assert scope["host_names"] is True
    assert names_of(scope) == {"delta": "delta"}


def test_a_name_that_is_no_label_is_a_rule() -> None:
    said = 'fixed-address 10.77.0.15; option host-name "a b";'
    spaced = f"host five {{ hardware ethernet 02:00:00:00:00:05; {said} }}\n"
    assert list(names_of(scope_of(SUBNET + spaced)).values()) == ["a b"]


@pytest.mark.parametrize(
    ("flag", "told"),
    [
        ("use-host-decl-names on;\n", True),
        ("use-host-decl-names off;\n", False),
        ('use-host-decl-names on;\noption host-name "everyone";\n', False),
    ],
)
def test_names_of_declarations(flag: str, told: bool) -> None:
    plain = "host six { hardware ethernet 02:00:00:00:00:06; fixed-address 10.77.0.16; }\n"
    assert scope_of(flag + SUBNET + plain).get("host_names", False) is told
    assert not lost(flag + SUBNET + plain)


def test_a_group_turns_the_names_of_its_declarations_on() -> None:
    inside = "group { use-host-decl-names on; host seven { hardware ethernet 02:00:00:00:00:07; } }\n"
    outside = "host eight { hardware ethernet 02:00:00:00:00:08; }\n"
    assert names_of(scope_of(SUBNET + inside + outside)) == {"seven": "seven"}


def test_a_flag_that_names_nobody_is_told_and_stops_nothing() -> None:
    text = "use-host-decl-names on;\n" + SUBNET
    assert [(entry.position.line, entry.harmless) for entry in of(text).not_modelled] == [(1, True)]


def test_nothing_follows_from_what_is_declared() -> None:
    said = import_statements('next-server 10.77.0.9; filename "pxelinux.0";').scope
    assert said["literal"] is True
    assert "literal" not in import_statements('option domain-name "x";').scope


def test_option_81_of_the_files_own_suboptions() -> None:
    # What Puppet's module writes into every file; the daemon sends 02 00 ff (4.4.3-P1).
    said = import_statements("option fqdn.no-client-update on; option fqdn.rcode2 255;").scope
    assert said["options"][81] == "hex:02:00:ff"


def test_a_sites_own_space_has_the_high_codes() -> None:
    text = (
        SITE
        + SUBNET.replace(
            "{", '{ site-option-space "lab"; option lab.first "one"; option lab.low "no"; option other "x";'
        )
        + 'host nine { hardware ethernet 02:00:00:00:00:09; option lab.second "two"; }\n'
    )
    scope = scope_of(text)
    assert {code: value for code, value in scope["options"].items() if code >= 128} == {140: "one"}
    assert [rule["options"] for rule in scope["rules"]] == [{141: "two"}]
    assert 9 not in scope["options"]


def test_a_space_that_some_clients_have_is_lost() -> None:
    inside = 'if exists user-class { site-option-space "lab"; } option lab.first "one";'
    assert lost(SITE + SUBNET.replace("{", "{ " + inside))


@pytest.mark.parametrize(
    ("statement", "is_lost"),
    [
        ('server-name "boot1";', True),
        ("always-broadcast on;", True),
        ("always-broadcast off;", False),
        ("get-lease-hostnames on;", True),
        ("get-lease-hostnames off;", False),
        ("ignore-client-uids on;", False),
        ("pool { deny dynamic bootp clients; range 10.77.0.100 10.77.0.110; }", False),
        ("server-identifier 10.77.0.200;", False),
        ('host ten { hardware ethernet 02:00:00:00:00:10; option dhcp-client-identifier = "ten"; }', True),
    ],
)
def test_what_no_inventory_has_is_lost_where_a_client_is_told_otherwise(
    statement: str, is_lost: bool
) -> None:
    assert bool(lost(SUBNET.replace("{", "{ " + statement))) is is_lost


def test_a_server_that_calls_itself_otherwise_is_told() -> None:
    text = "server-identifier 10.77.0.200;\n" + SUBNET
    found = import_dhcpd(text, "dhcpd.conf", address=IPv4Address("10.77.0.9")).not_modelled
    assert [(entry.position.line, entry.harmless) for entry in found] == [(1, False)]
