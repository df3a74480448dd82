"""What a product cannot be told is a finding with an alternative, at the line that asks for it."""

from typing import Any

import pytest

from coexist.analysis.catalogue import CATALOGUE
from coexist.inventory import inventory_from_tree
from coexist.render import render_site
from tests.unit.render.sites import site

PROXY = {"roles": ["proxydhcp"], "programs": {"bios": "a.0"}}
SCOPE: dict[str, Any] = {}

CASES: list[tuple[str, dict[str, Any], dict[str, Any] | None, str]] = [
    ("delay on Kea", {"software": "kea 2.2", "delay": 2}, SCOPE, "CX501"),
    ("delay on dhcpd", {"software": "isc-dhcpd 4.4", "delay": 2}, SCOPE, "CX501"),
    ("delay on openthinclient", {"software": "openthinclient", "delay": 2}, None, "CX501"),
    (
        "delay of prestaged computers",
        {"software": "wds", "answers": {"only": "thin"}, "delay": 2},
        None,
        "CX501",
    ),
    ("secs on dnsmasq", {"software": "dnsmasq 2.90", **PROXY, "delay": {"secs_at_least": 4}}, None, "CX502"),
    ("secs on Kea", {"software": "kea 3.0"}, {"min_secs": 4}, "CX502"),
    (
        "a longest lease on dnsmasq",
        {"software": "dnsmasq 2.90", "roles": ["dhcp"]},
        {"max_lease_time": 86400},
        "CX525",
    ),
    ("a shortest lease on Windows", {"software": "windows-dhcp"}, {"min_lease_time": 600}, "CX525"),
    ("secs on WDS", {"software": "wds", "delay": {"secs_at_least": 4}}, None, "CX502"),
    (
        "first packet on dnsmasq",
        {"software": "dnsmasq 2.90", **PROXY, "delay": {"since_first": 4}},
        None,
        "CX503",
    ),
    ("first packet on ConfigMgr", {"software": "configmgr", "delay": {"since_first": 4}}, None, "CX503"),
    ("waiting on WDS", {"software": "wds", "delay": {"after_offer": True}}, None, "CX504"),
    ("fractions on dnsmasq", {"software": "dnsmasq 2.90", **PROXY, "delay": 1.2}, None, "CX505"),
    ("delay by group on WDS", {"software": "wds", "delay_for": {"thin": 2}}, None, "CX506"),
    (
        "two delays on dnsmasq",
        {"software": "dnsmasq 2.90", **PROXY, "delay": 1, "delay_for": {"thin": 2}},
        None,
        "CX506",
    ),
    (
        "a delay beside dnsmasq's own line",
        {"software": "dnsmasq 2.90", **PROXY, "delay": 1, "settings": {"dhcp-reply-delay": "tag:bios,2"}},
        None,
        "CX506",
    ),
    ("whitelist on ConfigMgr", {"software": "configmgr", "answers": {"only": "thin"}}, None, "CX507"),
    ("deny list on WDS", {"software": "wds", "answers": {"except": "thin"}}, None, "CX508"),
    (
        "deny list on openthinclient",
        {"software": "openthinclient", "answers": {"except": "thin"}},
        None,
        "CX508",
    ),
    (
        "an OUI on openthinclient",
        {"software": "openthinclient", "answers": {"only": ["thin", "phones"]}},
        None,
        "CX509",
    ),
    ("an OUI on ConfigMgr", {"software": "configmgr", "answers": {"except": "phones"}}, None, "CX509"),
    (
        "architectures on WDS",
        {"software": "wds", "answers": {"who": "everyone", "architectures": "bios"}},
        None,
        "CX510",
    ),
    (
        "contains on Kea",
        {"software": "kea 2.2"},
        {"rules": [{"when": [{"option": 60, "contains": "x"}], "filename": "a"}]},
        "CX511",
    ),
    (
        "option 175 on Windows",
        {"software": "windows-dhcp"},
        {"rules": [{"when": [{"option": 175, "exists": True}], "filename": "a"}]},
        "CX511",
    ),
    (
        "silence in one scope on Windows",
        {"software": "windows-dhcp"},
        {"rules": [{"architectures": "bios", "ignore": True}]},
        "CX511",
    ),
    ("addresses by coexist", {"software": "coexist", "roles": ["dhcp", "proxydhcp"]}, None, "CX512"),
    (
        "both roles in one dnsmasq",
        {"software": "dnsmasq 2.90", **PROXY, "roles": ["dhcp", "proxydhcp"]},
        SCOPE,
        "CX512",
    ),
    ("proxy by Kea", {"software": "kea 2.2", "roles": ["dhcp", "proxydhcp"]}, SCOPE, "CX512"),
    (
        "program of openthinclient",
        {"software": "openthinclient", "programs": {"bios": "mine.0"}},
        None,
        "CX515",
    ),
    ("program of ConfigMgr", {"software": "configmgr", "programs": {"bios": "mine.0"}}, None, "CX515"),
    (
        "program without a dot",
        {"software": "dnsmasq 2.90", **PROXY, "programs": {"bios": "pxelinux"}},
        None,
        "CX515",
    ),
    ("no program at all", {"software": "dnsmasq 2.90", "roles": ["proxydhcp"]}, None, "CX515"),
    (
        "options of a dnsmasq proxy",
        {"software": "dnsmasq 2.90", **PROXY, "options": {17: "x"}},
        None,
        "CX516",
    ),
    (
        "address 0.0.0.0 on dnsmasq",
        {"software": "dnsmasq 2.90", "roles": ["dhcp"]},
        {"options": {42: "0.0.0.0"}},
        "CX516",
    ),
    (
        "option 43 of a dnsmasq proxy",
        {"software": "dnsmasq 2.90", **PROXY, "discovery_control": 8},
        None,
        "CX519",
    ),
    ("an old Kea", {"software": "kea 1.8"}, SCOPE, "CX520"),
    ("ping by Kea", {"software": "kea 2.2", "ping_check": True}, SCOPE, "CX521"),
]


@pytest.mark.parametrize(
    ("server", "scope", "code"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_told(server, scope, code):
    findings = render_site(site(server, scope=scope)).findings
    assert code in {finding.code.code for finding in findings}
    for finding in findings:
        assert finding.code is CATALOGUE[finding.code.code]
        assert finding.message
        assert finding.repair
        assert finding.path[0] in ("servers", "scopes")


def test_a_client_without_location_and_a_name_without_form():
    clients = [
        {"mac": "00:80:64:10:00:01", "name": "a b", "location": "Hall", "hardware": "igel"},
        {"mac": "00:80:64:10:00:02", "name": "tc-2", "hardware": "igel"},
    ]
    rendered = render_site(site({"software": "openthinclient", "answers": {"only": "thin"}}, clients=clients))
    assert {finding.code.code for finding in rendered.findings} == {"CX513", "CX514"}
    text = rendered.files["s"][0].content.decode()
    assert "cn=mac-008064100001,ou=clients" in text
    assert "00:80:64:10:00:02" not in text


@pytest.mark.parametrize(
    ("server", "scope"),
    [
        ({"software": "coexist", "delay": {"since_first": 4}, "answers": {"only": ["thin", "phones"]}}, None),
        ({"software": "isc-dhcpd 4.4", "delay": {"secs_at_least": 4}}, {"min_secs": 3}),
        (
            {
                "software": "dnsmasq 2.90",
                **PROXY,
                "delay": 2,
                "delay_for": {"thin": "none"},
                "answers": {"except": "phones"},
            },
            None,
        ),
        ({"software": "wds", "delay": 3}, None),
        ({"software": "configmgr", "delay": {"secs_at_least": 8}, "answers": {"except": "thin"}}, None),
        ({"software": "openthinclient", "delay": {"after_offer": True}, "answers": {"only": "thin"}}, None),
        ({"software": "windows-dhcp", "delay": 0.5}, {"rules": [{"clients": "thin", "filename": "a.0"}]}),
    ],
)
def test_what_a_product_can_do_is_not_told(server, scope):
    assert not render_site(site(server, scope=scope)).findings


OFFICE, ANNEX = {"office": "10.10.0.5"}, {"annex": "10.40.0.5"}


@pytest.mark.parametrize(
    ("addresses", "subnet", "software", "told"),
    [
        ({**OFFICE, **ANNEX}, "10.11.0.0/16", "dnsmasq 2.90", [("servers", "d", "addresses", "office")]),
        ({"office": "10.11.0.5", **ANNEX}, "10.11.0.0/16", "dnsmasq 2.90", []),
        ({**OFFICE, **ANNEX}, "10.10.0.0/16", "dnsmasq 2.90", []),
        (OFFICE, "10.11.0.0/16", "dnsmasq 2.90", []),
        # A relay agent brings what is of the office.
        (ANNEX, "10.11.0.0/16", "dnsmasq 2.90", []),
        ({**OFFICE, **ANNEX}, "10.11.0.0/16", "kea 2.2", []),
    ],
)
def test_a_shared_subnet_on_one_of_several_cards(
    addresses: dict[str, str], subnet: str, software: str, told: list[tuple[str, ...]]
) -> None:
    first = subnet.removesuffix("0.0/16")
    inventory = inventory_from_tree(
        {
            "site": "x",
            "vlans": {
                "office": {
                    "id": 10,
                    "subnet": ["10.10.0.0/16", "10.11.0.0/16"],
                    "gateway": "10.10.0.1",
                    "relay_to": [] if "office" in addresses else ["d"],
                },
                "annex": {"id": 40, "subnet": "10.40.0.0/16"},
            },
            "servers": {"d": {"software": software, "addresses": addresses, "roles": ["dhcp"]}},
            "scopes": {
                "o": {"server": "d", "vlan": "office", "subnet": subnet, "pools": [f"{first}1.0-{first}1.9"]}
            },
        }
    )
    found = [finding.path for finding in render_site(inventory).findings if finding.code.code == "CX526"]
    assert found == told
