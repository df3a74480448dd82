"""Lease plans as they are printed: what each product needs so that its daemon answers as the plan says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from coexist.errors import InputError
from coexist.inventory import inventory_from_tree
from coexist.render import render_site
from coexist.render.target import Job


def tree(software: str, scope: dict[str, Any], **server: Any) -> dict[str, Any]:
    return {
        "site": "settled",
        "vlans": {"lab": {"id": 1, "subnet": "192.0.2.0/24", "gateway": "192.0.2.1"}},
        "servers": {
            "dhcp": {"software": software, "address": "192.0.2.5", "vlan": "lab", "roles": ["dhcp"], **server}
        },
        "scopes": {"lab": {"server": "dhcp", "vlan": "lab", "pools": ["192.0.2.100-192.0.2.109"], **scope}},
        "clients": [{"mac": "02:00:00:00:00:01", "name": "one", "address": "192.0.2.104"}],
        "groups": {"lab": {"oui": "02:00:01"}, "empty": {"where": {"hardware": "none"}}},
    }


def rendered(declared: dict[str, Any]) -> str:
    file = render_site(inventory_from_tree(declared)).files["dhcp"][0]
    return file.content.decode()


@pytest.mark.parametrize("answers", ["known", {"except": "lab"}])
def test_kea_drops_whom_it_does_not_answer(answers: Any) -> None:
    kea = json.loads(rendered(tree("kea 2.2", {}, answers=answers)))["Dhcp4"]
    assert [entry["name"] for entry in kea["client-classes"]].count("DROP") == 1
    assert all("client-class" not in subnet for subnet in kea["subnet4"])


def test_dhcpd_leases_around_reserved_addresses() -> None:
    text = rendered(tree("isc-dhcpd 4.4", {}))
    assert "range 192.0.2.100 192.0.2.103;" in text
    assert "range 192.0.2.105 192.0.2.109;" in text


def test_a_pool_of_reserved_addresses_alone_is_none() -> None:
    assert "pool {" not in rendered(tree("isc-dhcpd 4.4", {"pools": ["192.0.2.104"]}))


def test_dnsmasq_is_no_router_where_a_rule_names_one_for_others() -> None:
    rule = {"vendor_class": "PXEClient", "options": {3: "192.0.2.1"}}
    blank = [
        line for line in rendered(tree("dnsmasq 2.90", {"rules": [rule]})).splitlines() if line.endswith(",3")
    ]
    assert [line.count("tag:!") for line in blank] == [1]


def test_a_rule_for_nobody_is_left_out_and_one_for_everybody_is_a_default() -> None:
    rules = [
        {"clients": "empty", "filename": "nobody.0"},
        {"clients": ["known", "unknown"], "filename": "all.0"},
    ]
    declared = inventory_from_tree(tree("kea", {"filename": "scope.0", "rules": rules}))
    plan = Job(inventory=declared, name="dhcp").settled
    (scope,) = plan.scopes
    assert (scope.special, scope.defaults.file) == ((), "all.0")


@pytest.mark.parametrize(
    ("software", "sent"),
    [
        ("isc-dhcpd 4.4", "concat(option dhcp-parameter-request-list, 3c:d1)"),
        ("kea 2.2", '"always-send": true'),
        ("dnsmasq 2.90", "dhcp-option-force=tag:scope-lab,209"),
    ],
)
def test_what_is_always_sent(software: str, sent: str) -> None:
    assert sent in rendered(tree(software, {"options": {209: "a.cfg"}, "always_send": [209]}))


@pytest.mark.parametrize(
    ("software", "told"),
    [
        ("isc-dhcpd 4.4", 'option host-name "one";'),
        ("kea 2.2", '"data": "6f6e65"'),
        ("dnsmasq 2.90", "192.0.2.104,set:named,one"),
    ],
)
def test_names_are_told(software: str, told: str) -> None:
    assert told in rendered(tree(software, {"host_names": True}))
    assert told not in rendered(tree(software, {}))


@pytest.mark.parametrize(
    ("software", "said"),
    [
        ("isc-dhcpd 4.4", 'allow members of "pool 192.0.2.100";'),
        ("kea 2.2", '"client-class": "pool/1"'),
        ("dnsmasq 2.90", "dhcp-range=tag:o60-1,set:scope-lab,192.0.2.100"),
    ],
)
def test_a_pool_for_what_clients_send(software: str, said: str) -> None:
    pool = {"range": "192.0.2.100-192.0.2.103", "vendor_class": "PXEClient"}
    assert said in rendered(tree(software, {"pools": [pool]}))


def test_a_pool_that_a_product_cannot_tell_is_for_nobody() -> None:
    pool = {"range": "192.0.2.100-192.0.2.103", "vendor_class": "PXEClient", "allow": "lab"}
    result = render_site(inventory_from_tree(tree("isc-dhcpd 4.4", {"pools": [pool]})))
    assert [(f.code.code, f.path) for f in result.findings] == [("CX511", ("scopes", "lab", "pools", 0))]
    assert b"pool {" not in result.files["dhcp"][0].content


LIMITS = {"lease_time": 3600, "min_lease_time": 600, "max_lease_time": 7200}


def test_limits_of_a_lease_time_are_written_to_dhcpd() -> None:
    text = rendered(tree("isc-dhcpd 4.4", LIMITS))
    assert re.findall(r"(\w+)-lease-time (\d+);", text) == [
        ("default", "3600"),
        ("max", "7200"),
        ("min", "600"),
    ]


def test_limits_of_a_lease_time_are_written_to_kea() -> None:
    (subnet,) = json.loads(rendered(tree("kea 3.0", LIMITS)))["Dhcp4"]["subnet4"]
    assert {key: value for key, value in subnet.items() if key.endswith("valid-lifetime")} == {
        "valid-lifetime": 3600, "min-valid-lifetime": 600, "max-valid-lifetime": 7200,
    }  # fmt: skip


@pytest.mark.parametrize("limit", [{"min_lease_time": 4000}, {"max_lease_time": 3000}])
def test_the_limits_stand_around_the_lease_time(limit: dict[str, int]) -> None:
    with pytest.raises(InputError):
        inventory_from_tree(tree("isc-dhcpd 4.4", {"lease_time": 3600, **limit}))
