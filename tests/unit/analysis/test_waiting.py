"""A boot service that answers after another server's offer only, where no such offer is heard."""

from __future__ import annotations

from typing import Any

import pytest

from coexist.analysis import Analysis, Finding, Severity, analyse
from coexist.analysis.site import Standing
from coexist.inventory import inventory_from_tree

AFTER_OFFER = {"after_offer": True}
ISC = {"software": "isc-dhcpd", "ping_check": False}


def analysed(
    dhcp: dict[str, Any] | None = None,
    boot: dict[str, Any] | None = None,
    vlan: dict[str, Any] | None = None,
    architectures: dict[str, str] | None = None,
    **changes: Any,
) -> Analysis:
    """One VLAN, a DHCP server and a boot service that waits; Kea's offers are heard by the client alone."""
    servers = {
        "lease": {"software": "kea", **(dhcp or {}), "address": "10.31.0.2", "vlan": "wards"},
        "late": {
            "software": "coexist",
            "address": "10.31.0.3",
            "vlan": "wards",
            "delay": AFTER_OFFER,
            "programs": {"uefi-x64": "late.efi", "bios": "undionly.kpxe", "ipxe": "late.ipxe"},
            **(boot or {}),
        },
        **changes.pop("servers", {}),
    }
    tree = {
        "site": "clinic",
        "vlans": {
            "wards": {"id": 31, "subnet": "10.31.0.0/24", "gateway": "10.31.0.1", **(vlan or {})},
            **changes.pop("vlans", {}),
        },
        "servers": servers,
        "scopes": {
            "wards": {
                "server": "lease",
                "vlan": "wards",
                "pools": ["10.31.0.100-10.31.0.199"],
                "options": {3: "10.31.0.1"},
            }
        },
        "architectures": architectures or {"uefi-x64": "edk2"},
        "intent": [{"clients": "everyone", "boot_from": "late"}],
    }
    return analyse(inventory_from_tree(tree | changes))


def standing(analysis: Analysis, name: str = "late") -> set[Standing | None]:
    return {case.standing.get(name) for case in analysis.site.cases}


def of(code: str, analysis: Analysis) -> list[Finding]:
    return [finding for finding in analysis.findings if finding.code.code == code]


OTHER = {"software": "coexist", "address": "10.31.0.4", "vlan": "wards", "programs": {"uefi-x64": "x.efi"}}
CORE = {"core": {"id": 32, "subnet": "10.32.0.0/24", "gateway": "10.32.0.1"}}
AFAR = {"address": "10.32.0.3", "vlan": "core"}
OTC = {"software": "openthinclient", "programs": {}}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="the client alone hears Kea's offer"),
        pytest.param(
            {"dhcp": ISC, "boot": AFAR, "vlans": CORE, "vlan": {"relay_to": ["late"]}},
            id="what is broadcast on the clients' VLAN does not reach another one",
        ),
        pytest.param({"boot": OTC}, id="openthinclient is told to by its delay"),
        pytest.param(
            {"boot": {**OTC, "delay": {}, "settings": {"type": "eavesdropping"}}},
            id="openthinclient is told to by its type",
        ),
    ],
)
def test_a_server_that_hears_no_offer_is_no_responder(changes: dict[str, Any]) -> None:
    analysis = analysed(**changes)
    assert standing(analysis) == {Standing.WAITS}
    (finding,) = of("CX325", analysis)
    assert finding.severity is Severity.ERROR
    assert finding.path[:2] == ("servers", "late")
    assert not {f.code.code for f in analysis.findings} & {"CX302", "CX303", "CX304", "CX320"}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"dhcp": ISC}, id="dhcpd broadcasts its offer"),
        pytest.param({"boot": {"delay": 1.2}}, id="it waits for no offer"),
        pytest.param(
            {"dhcp": ISC, "boot": {"delay": {}, "delay_for": {"everyone": AFTER_OFFER}}}, id="of a group"
        ),
    ],
)
def test_a_server_that_hears_an_offer_is_one(changes: dict[str, Any]) -> None:
    analysis = analysed(**changes)
    assert standing(analysis) == {Standing.ANSWERS}
    assert of("CX325", analysis) == []


def test_an_offer_to_the_ipxe_that_was_loaded_is_one() -> None:
    """The ROM asks dhcpd for a unicast; undionly has an address already and asks for a broadcast."""
    first = {**OTHER, "programs": {"bios": "undionly.kpxe"}}
    analysis = analysed(dhcp=ISC, servers={"first": first}, architectures={"bios": "ipxe"})
    assert standing(analysis) == {Standing.ANSWERS}


def test_one_that_answers_nobody_collides_with_nobody() -> None:
    intent = [{"clients": "everyone", "boot_from": "other"}]
    analysis = analysed(servers={"other": OTHER}, intent=intent)
    (finding,) = of("CX325", analysis)
    assert finding.severity is Severity.WARNING
    assert {case.responders for case in analysis.site.cases} == {("other",)}
    assert of("CX112", analysis) == []


def test_a_fallback_that_waits_in_vain_never_takes_over() -> None:
    intent = [{"clients": "everyone", "boot_from": "other", "fallback": "late"}]
    analysis = analysed(servers={"other": OTHER}, intent=intent)
    (finding,) = of("CX305", analysis)
    assert finding.path == ("servers", "late", "delay")
    assert ("servers", "late", "delay") in {edit.path for edit in finding.edits}


def test_whoever_would_be_answered_then_is_kept_off() -> None:
    """Another delay makes it answer those too who are not its own."""
    intent = [
        {"clients": "theirs", "boot_from": "other"},
        {"clients": "everyone", "boot_from": "late"},
    ]
    analysis = analysed(
        servers={"other": {**OTHER, "answers": "intended"}},
        groups={"theirs": {"oui": "00:80:64"}},
        intent=intent,
    )
    (finding,) = (f for f in of("CX325", analysis) if f.severity is Severity.ERROR)
    assert {edit.path[2] for edit in finding.edits} == {"delay", "answers"}
