"""A machine with a boot order goes on to its next entry where the file of one cannot be had."""

from __future__ import annotations

import json
from typing import Any

from coexist.boot.firmware.boot_order import BootOrder
from tests.truth import predict

MISSING, LOADER = ("boot", "gone.efi"), ("boot", "loader.efi")


def scenario(pxe: str, http: str | None) -> dict[str, Any]:
    programs = {"uefi-x64": pxe} | ({"http-x64": http} if http else {})
    conf = {
        "name": "boot",
        "listen": [{"address": "10.77.0.12", "vlan": "lab"}],
        "rules": [{"name": "all", "clients": {"everyone": True}, "programs": programs}],
        "tftp": {"root": "{tftp}"},
        "http": {"port": 80},
    }
    dhcp = {"type": "dhcpd", "name": "dhcp", "ip": "10.77.0.3", "tftp": False}
    boot = {"type": "coexist", "name": "boot", "ip": "10.77.0.12", "conf": json.dumps(conf)}
    return {
        "client": {"fw": "uefi-default", "nic": "virtio-net-pci"},
        "servers": [dhcp, boot | {"extra_files": ["loader.efi"]}],
        "timeout": 260,
    }


def asked(pxe: str, http: str | None) -> set[tuple[tuple[str, str], ...]]:
    return {way.requests for way in predict(scenario(pxe, http)).ways}


def test_a_missing_file_leads_to_the_entry_for_http() -> None:
    assert asked("gone.efi", "loader.efi") == {(MISSING, LOADER)}


def test_a_file_that_is_there_leads_nowhere_else() -> None:
    assert asked("loader.efi", "other.efi") == {(LOADER,)}


def test_nothing_follows_where_no_other_entry_is_answered() -> None:
    assert asked("gone.efi", None) == {(MISSING,)}


def test_the_entries_that_are_left() -> None:
    order = BootOrder()
    assert order.after("a.efi") == BootOrder(entries=("pxe-ipv6", "http-ipv4", "http-ipv6"))
    assert order.after("http://boot/a.efi") == BootOrder(entries=("http-ipv6",))
    assert BootOrder(entries=("pxe-ipv4",)).after("a.efi") is None
