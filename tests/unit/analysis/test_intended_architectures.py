"""``answers: intended`` by architecture: what the analysis takes a server to do is what its model does."""

from __future__ import annotations

from typing import Any

import pytest

from coexist.analysis import Analysis, analyse
from coexist.analysis.site import Case, Standing
from coexist.boot.answered import answers_of
from coexist.inventory import inventory_from_tree

ONE, TWO = "00:80:64:00:00:01", "3c:52:82:00:00:02"
OURS = {"uefi-x64": "ours.efi", "bios": "ours.0"}
PRODUCTS: dict[str, dict[str, Any]] = {
    "coexist": {"programs": OURS},
    "generic": {"roles": ["proxydhcp", "tftp"], "programs": OURS},
    "dnsmasq": {"roles": ["proxydhcp", "tftp"], "programs": OURS},
    "openthinclient": {},
    "wds": {"programs": {"uefi-x64": "wdsmgfw.efi", "bios": "wdsnbp.com"}},
}
INTENTS: dict[str, list[dict[str, Any]]] = {
    "one architecture": [
        {"clients": "everyone", "architectures": "bios", "boot_from": "here"},
        {"clients": "everyone", "boot_from": "there"},
    ],
    "of one client this, of another that": [
        {"clients": "one", "architectures": "bios", "boot_from": "here"},
        {"clients": "two", "architectures": "uefi-x64", "boot_from": "here"},
        {"clients": "everyone", "boot_from": "there"},
    ],
    "all but one": [
        {"clients": "one", "architectures": "uefi-x64", "boot_from": "there"},
        {"clients": "one", "boot_from": "here"},
        {"clients": "everyone", "boot_from": "there"},
    ],
}


def analysed(product: str, intent: str, **changes: Any) -> Analysis:
    """Two boot services, of which the one answers what the intent gives it."""
    place = {"vlan": "hall", "answers": "intended"}
    tree = {
        "site": "school",
        "vlans": {"hall": {"id": 7, "subnet": "10.7.0.0/24", "gateway": "10.7.0.1"}},
        "servers": {
            "lease": {"software": "isc-dhcpd", "address": "10.7.0.2", "vlan": "hall", "ping_check": False},
            "here": {"software": product, "address": "10.7.0.3", **place, **PRODUCTS[product], **changes},
            "there": {"software": "coexist", "address": "10.7.0.4", **place, "programs": OURS},
        },
        "scopes": {"hall": {"server": "lease", "vlan": "hall", "pools": ["10.7.0.50-10.7.0.99"]}},
        "clients": [
            {"mac": mac, "name": f"pc{number}", "hardware": "pc", "location": "Hall"}
            for number, mac in enumerate((ONE, TWO))
        ],
        "groups": {"one": {"macs": [ONE]}, "two": {"macs": [TWO]}},
        "architectures": {"bios": "pxe21", "uefi-x64": "edk2"},
        "intent": INTENTS[intent],
    }
    return analyse(inventory_from_tree(tree))


def replies(analysis: Analysis, case: Case) -> bool:
    """Whether the model answers the first packet of a class."""
    site = analysis.site
    model, arrival = site.races.world.models["here"], site.scopes.first_packet("here", case.client)
    assert arrival is not None
    return bool(model.receive(model.initial(), arrival).replies)


@pytest.mark.parametrize("intent", INTENTS)
@pytest.mark.parametrize("product", PRODUCTS)
def test_whom_a_server_answers_is_whom_its_model_answers(product: str, intent: str) -> None:
    analysis = analysed(product, intent)
    told = answers_of(analysis.site.inventory, "here")
    for case in analysis.site.cases:
        client = case.client
        said = any(
            client.macs.witness in macs and (architectures is None or client.architecture in architectures)
            for macs, architectures in told
        )
        assert (case.standing["here"] is Standing.ANSWERS, said) == (replies(analysis, case),) * 2, client


def test_a_product_without_a_list_of_architectures_answers_its_clients_whatever_they_are() -> None:
    analysis = analysed("openthinclient", "one architecture")
    (both,) = {case.responders for case in analysis.site.cases if case.client.architecture == "uefi-x64"}
    assert both == ("here", "there")


@pytest.mark.parametrize("product", ["openthinclient", "wds"])
def test_architectures_that_are_declared_count_as_declared(product: str) -> None:
    """That it cannot keep them is CX510."""
    answers = {"who": "intended", "architectures": "bios"}
    analysis = analysed(product, "one architecture", answers=answers)
    for case in analysis.site.cases:
        answers_it = case.standing["here"] is Standing.ANSWERS
        assert answers_it is replies(analysis, case) is (case.client.architecture == "bios")
