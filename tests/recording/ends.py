"""Scenarios of boots that end badly: files that cannot be had or run, addresses refused or in use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.recording.chains import (
    DHCP,
    FILES,
    LOADERS,
    PROXY,
    Scenario,
    client,
    coexist,
    dhcpd,
    files_of,
    proxy,
)

ELSEWHERE = "10.79.0.5"
"""An address of a network to which no router leads."""
_BIOS, _UEFI = "pxelinux.0", "grubnetx64.efi"


def _denied(server: dict[str, Any], name: str) -> dict[str, Any]:
    """The same server, whose users may not read one of its files."""
    files = {key: dict(content) for key, content in server["files"].items()}
    files[name]["mode"] = 0o600
    return {**server, "files": files}


def _failures() -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    for loader in (_BIOS, _UEFI, "syslinux.efi"):
        configuration = LOADERS[loader][2]
        yield "denied-loader", loader, [_denied(dhcpd(loader, boot="header"), loader)]
        yield "denied-configuration", loader, [_denied(dhcpd(loader, boot="header"), configuration)]
        yield "no-route", loader, [dhcpd(loader, boot="header", next=ELSEWHERE)]
        yield "proxy-silent", loader, [dhcpd(loader), {**proxy(loader), "tftp": False}]
    for loader in (_BIOS, _UEFI):
        # The configuration's server cannot be reached, the loader's can.
        yield "no-route-after", loader, [dhcpd(loader, body=[f"next-server {ELSEWHERE};"]), proxy(loader)]
        # A server that is there and serves no files.
        silent = {"name": "C", "type": "host", "ip": FILES}
        yield "silent-after", loader, [dhcpd(loader, body=[f"next-server {FILES};"]), proxy(loader), silent]
        yield "nobody", loader, [dhcpd(loader, boot="header", next=FILES)]
    for firmware, loader in (("uefi", _BIOS), ("ipxe", _UEFI)):
        for name, servers in (
            ("scope", [dhcpd(loader, boot="header")]),
            ("proxy", [dhcpd(loader), proxy(loader)]),
        ):
            yield f"wrong-architecture-{name}@{firmware}", loader, servers


def _secure_boot() -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """What firmware with Microsoft's keys makes of a loader: Debian signs its GRUB, Microsoft its shim."""
    for loader in ("shimx64.efi", _UEFI, "syslinux.efi"):
        yield "scope", loader, [dhcpd(loader, boot="header")]
    for loader in ("shimx64.efi", _UEFI):
        yield "proxy", loader, [dhcpd(loader), proxy(loader)]
    programs = '{"uefi-x64": "shimx64.efi"}'
    yield (
        "repaired",
        "shimx64.efi",
        [
            dhcpd("shimx64.efi", body=[f"next-server {PROXY};"]),
            coexist(programs, files_of("shimx64.efi", "A")),
        ],
    )


def _addresses() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Two DHCP servers, one of which refuses what the other leased, and addresses that are in use."""
    lease = {"name": "D", "type": "dhcpd", "ip": DHCP, "tftp": True, "boot": "header"}
    other = {"name": "E", "type": "dnsmasq-dhcp", "ip": "10.77.0.3", "pool": 200, "tftp": True}
    late = {**other, "boot": True, "delay": 1}
    boot = {"name": "A", "type": "dnsmasq-proxy", "ip": PROXY, "tftp": True}
    yield "nak-late-offer", [lease, late]
    yield "nak-plain", [lease, other]
    yield "nak-beside-proxy", [{**lease, "boot": None}, {**other, "delay": 2}, boot]
    tolerant = ['pxe-prompt="p",0']
    yield "nak-both-refuse", [
        {**other, "name": "D", "ip": DHCP, "boot": True}, {**late, "conf": []},
    ]  # fmt: skip
    yield "nak-menu", [{**lease, "boot": None}, {**other, "delay": 2}, {**boot, "conf": tolerant}]
    taken = {"name": "T", "type": "host", "ip": "10.77.0.150"}
    yield "in-use-unasked", [{**lease, "pool": 150}, taken]
    yield "in-use-pinged", [{**lease, "pool": 150, "ping": True}, taken]
    yield "in-use-pinged-proxy", [{**lease, "boot": None, "pool": 150, "ping": True}, boot, taken]
    yield "pool-empty", [{**lease, "pool": 0}, boot]
    yield "pool-empty-beside", [{**lease, "pool": 0}, {**other, "boot": True}]


def ends() -> list[Scenario]:
    """All of them, with their ids."""
    found: list[Scenario] = []
    for name, loader, servers in _failures():
        title, at, firmware = name.partition("@")
        machine = client(loader) if not at else {"fw": firmware, "nic": "virtio-net-pci", "mem": 512}
        number = f"F-{title}-{loader}@{machine['fw']}"
        found.append({"id": number, "client": machine, "loader": loader, "servers": servers})
    for name, loader, servers in _secure_boot():
        machine = {**client(loader), "secure_boot": True}
        number = f"F-secure-boot-{name}-{loader}@uefi"
        found.append({"id": number, "client": machine, "loader": loader, "servers": servers})
    for name, servers in _addresses():
        for firmware in ("ipxe", "uefi"):
            machine = {"fw": firmware, "nic": "virtio-net-pci"}
            found.append({"id": f"F-{name}@{firmware}", "client": machine, "servers": servers})
    return found
