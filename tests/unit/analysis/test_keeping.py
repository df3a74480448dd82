"""What a product cannot keep is an error where a client boots otherwise for it, and names such a client."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from coexist.analysis import Finding, Severity, analyse
from coexist.inventory.loader import inventory_from_tree
from coexist.render import render_site
from coexist.render.limits import limits

FILES = {"bios": "a.0", "uefi-x64": "a.efi"}
DNSMASQ = {"software": "dnsmasq", "roles": ["proxydhcp", "tftp"]}
TWO_DELAYS = {**DNSMASQ, "programs": FILES, "delay": 3, "delay_for": {"thin": 1}}
SPELLED = {"bios": "SMSBoot/x64/WDSNBP.COM"}
ITS_LINES = {"pxe-service": ["0,x,b.0", "7,x,a.efi"]}
COEXIST = {"software": "coexist", "programs": {"bios": "b.0", "uefi-x64": "b.efi"}}


def found(code: str, server: dict[str, Any], other: dict[str, Any] | None = None, **more: Any) -> Finding:
    """The finding of a code about a server ``one``, as it is checked; rendering finds it there too."""
    servers = {
        "dhcp": {"software": "isc-dhcpd", "address": "10.0.0.2", "ping_check": False, **more.pop("dhcp", {})},
        "one": {"address": "10.0.0.3", **server},
        **({"two": {"address": "10.0.0.4", **other}} if other else {}),
    }
    tree = {
        "site": "x",
        "vlans": {"a": {"id": 1, "subnet": "10.0.0.0/24", "gateway": "10.0.0.1"}},
        "servers": {name: {"vlan": "a", **declared} for name, declared in servers.items()},
        "scopes": {
            "a": {"server": "dhcp", "vlan": "a", "pools": ["10.0.0.50-10.0.0.90"], "options": {3: "10.0.0.1"}}
        },
        "groups": {"thin": {"oui": "00:80:64"}},
        "architectures": {"bios": "ipxe", "uefi-x64": "edk2"},
        **more,
    }
    inventory = inventory_from_tree(tree)
    checked = analyse(inventory, None, partial(limits, inventory)).findings
    (one,) = (f for f in checked if f.code.code == code)
    assert [f.path for f in render_site(inventory).findings if f.code.code == code] == [one.path]
    return one


CHANGES: list[tuple[str, str, dict[str, Any], dict[str, Any] | None]] = [
    # 1.5 s is before the other's 1.7 s, and 2 s is not.
    ("rounded", "CX505", {**DNSMASQ, "programs": FILES, "delay": 1.5}, {**COEXIST, "delay": 1.7}),
    ("no delay", "CX501", {"software": "openthinclient", "delay": 1.5}, {**COEXIST}),
    ("one delay", "CX506", TWO_DELAYS, {**COEXIST, "delay": 2}),
    ("no whitelist", "CX507", {"software": "configmgr", "answers": {"only": "thin"}}, None),
    ("no deny list", "CX508", {"software": "wds", "answers": {"except": "thin"}}, None),
    ("no filter", "CX510", {"software": "wds", "answers": {"architectures": "bios"}}, None),
    ("its own program", "CX515", {"software": "openthinclient", "programs": {"bios": "ipxe.0"}}, None),
    ("no such program", "CX515", {"software": "wds", "programs": {**FILES, "uefi-arm64": "c.efi"}}, None),
    ("a suffix", "CX515", {**DNSMASQ, "programs": {"bios": "pxelinux", "uefi-x64": "a.efi"}}, None),
    ("lines that count", "CX519", {**DNSMASQ, "programs": FILES, "settings": ITS_LINES}, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "server", "other"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES]
)
def test_who_boots_otherwise_makes_it_an_error_with_a_witness(
    code: str, server: dict[str, Any], other: dict[str, Any] | None
) -> None:
    architectures = {"architectures": {"bios": "ipxe", "uefi-x64": "edk2", "uefi-arm64": "edk2"}}
    finding = found(code, server, other, **architectures)
    assert finding.severity is Severity.ERROR
    assert finding.witness is not None
    assert finding.classes
    assert finding.clients > 0


def test_the_witness_is_one_of_those_that_boot_otherwise() -> None:
    finding = found("CX506", CHANGES[2][2], CHANGES[2][3])
    assert {client.macs.signature for client in finding.classes} == {finding.classes[0].macs.signature}
    assert finding.witness is not None
    assert finding.witness.mac >> 24 == 0x008064


ALIKE: list[tuple[str, str, dict[str, Any], dict[str, Any] | None]] = [
    ("rounded, alone", "CX505", {**DNSMASQ, "programs": FILES, "delay": 1.5}, None),
    ("rounded, and first", "CX505", {**DNSMASQ, "programs": FILES, "delay": 0.2}, {**COEXIST, "delay": 2.5}),
    ("spelled otherwise", "CX515", {"software": "configmgr", "programs": SPELLED}, None),
    ("a line that says the same", "CX519", {**DNSMASQ, "programs": FILES, "discovery_control": 8}, None),
    ("no ping", "CX521", {"software": "openthinclient"}, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "server", "other"), [case[1:] for case in ALIKE], ids=[case[0] for case in ALIKE]
)
def test_it_stays_a_warning_where_everybody_boots_alike(
    code: str, server: dict[str, Any], other: dict[str, Any] | None
) -> None:
    kea = {"dhcp": {"software": "kea 2.2", "ping_check": True}} if code == "CX521" else {}
    finding = found(code, server, other, **kea)
    assert finding.severity is Severity.WARNING
    assert finding.witness is None


def test_a_ping_that_is_not_made_may_let_another_answer_first() -> None:
    """iPXE takes the last of the offers before it has an address: with a ping the lease comes later."""
    kea = {"dhcp": {"software": "kea 2.2", "ping_check": True}}
    finding = found("CX521", {**COEXIST, "answers": "everyone", "delay": 0.6}, {**COEXIST}, **kea)
    assert finding.severity is Severity.ERROR
    assert {client.firmware for client in finding.classes} == {"ipxe"}
