"""Scenarios of chains and failures: boot loaders of Debian's packages behind every way of naming a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Scenario = dict[str, Any]

# Where Debian 12 has them: pxelinux, syslinux-efi, syslinux-common, grub-efi-amd64-signed, shim-signed, ipxe.
_PXELINUX = {
    "pxelinux.0": {"from": "/usr/lib/PXELINUX/pxelinux.0"},
    "lpxelinux.0": {"from": "/usr/lib/PXELINUX/lpxelinux.0"},
    "ldlinux.c32": {"from": "/usr/lib/syslinux/modules/bios/ldlinux.c32"},
}
_SYSLINUX = {
    "syslinux.efi": {"from": "/usr/lib/SYSLINUX.EFI/efi64/syslinux.efi"},
    "ldlinux.e64": {"from": "/usr/lib/syslinux/modules/efi64/ldlinux.e64"},
}
_SIGNED_GRUB = "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed"
_GRUB = {"grubnetx64.efi": {"from": _SIGNED_GRUB}}
_SHIM = {"shimx64.efi": {"from": "/usr/lib/shim/shimx64.efi.signed"}, "grubx64.efi": {"from": _SIGNED_GRUB}}
IPXE_FILES = {
    "undionly.kpxe": {"from": "/usr/lib/ipxe/undionly.kpxe"},
    "snponly.efi": {"from": "/usr/lib/ipxe/snponly.efi"},
}

LOADERS: Mapping[str, tuple[str, Mapping[str, Any], str]] = {
    "pxelinux.0": ("ipxe", _PXELINUX, "pxelinux.cfg/default"),
    "lpxelinux.0": ("ipxe", _PXELINUX, "pxelinux.cfg/default"),
    "syslinux.efi": ("uefi", _SYSLINUX, "pxelinux.cfg/default"),
    "grubnetx64.efi": ("uefi", _GRUB, "grub/grub.cfg"),
    "shimx64.efi": ("uefi", _SHIM, "grub/grub.cfg"),
}
"""Each loader with the firmware that loads it, its files, and the configuration it reads at last."""

DHCP, PROXY, FILES = "10.77.0.2", "10.77.0.11", "10.77.0.13"


def _configuration(name: str, server: str) -> str:
    if name == "grub/grub.cfg":
        return f"linux /kern-{server}\n"
    return f"DEFAULT l\nPROMPT 0\nLABEL l\n  KERNEL kern-{server}\n"


def files_of(loader: str, server: str, folder: str = "") -> dict[str, Any]:
    _, files, configuration = LOADERS[loader]
    below = "" if configuration.startswith("grub/") else folder
    found: dict[str, Any] = {folder + name: dict(content) for name, content in files.items()}
    found[below + configuration] = {"text": _configuration(configuration, server)}
    return found


def client(loader: str) -> dict[str, Any]:
    return {"fw": LOADERS[loader][0], "nic": "virtio-net-pci", "mem": 512}


def dhcpd(loader: str, *, folder: str = "", **more: Any) -> dict[str, Any]:
    base = {"name": "D", "type": "dhcpd", "ip": DHCP, "tftp": True, "nofiles": True, "file": folder + loader}
    return {**base, "files": files_of(loader, "D", folder), **more}


def proxy(loader: str, *, folder: str = "", **more: Any) -> dict[str, Any]:
    services = [
        f'pxe-service=x86PC,"a",{folder + loader}',
        f'pxe-service=X86-64_EFI,"a",{folder + loader}',
    ]
    base = {"name": "A", "type": "dnsmasq-proxy", "ip": PROXY, "tftp": True, "nofiles": True, "mode": "none"}
    return {**base, "conf": services, "files": files_of(loader, "A", folder), **more}


def coexist(programs: str, files: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    conf = (
        '{"name": "A", "listen": [{"address": "10.77.0.11", "vlan": "lab"}], "rules": [{"name": "all", '
        f'"clients": {{"everyone": true}}, "programs": {programs}}}], "tftp": {{"root": "{{tftp}}"}}, '
        '"registry": "{dir}/registry.sqlite", "http": {"port": 80}}'
    )
    base = {"name": "A", "type": "coexist", "ip": PROXY, "nofiles": True, "file": "none", "conf": conf}
    return {**base, "files": dict(files), **more}


def _files_only(loader: str, folder: str = "") -> dict[str, Any]:
    return {
        "name": "C",
        "type": "tftp",
        "ip": FILES,
        "nofiles": True,
        "file": loader,
        "files": files_of(loader, "C", folder),
    }


def _of_loader(loader: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Every way a loader can be named, and where its lease then sends it."""
    both = f'{{"bios": "{loader}", "uefi-x64": "{loader}"}}'
    next_server = [f"next-server {FILES};"]
    plain: dict[str, Any] = {"boot": None}
    yield "scope", [dhcpd(loader, boot="header")]
    yield "scope-options", [dhcpd(loader, boot="both")]
    yield "scope-folder", [dhcpd(loader, boot="header", folder="net/")]
    yield "scope-next", [dhcpd(loader, boot="header", next=FILES), _files_only(loader)]
    yield "dnsmasq", [{**dhcpd(loader), "type": "dnsmasq-dhcp", "boot": True}]
    yield "proxy", [dhcpd(loader, **plain), proxy(loader)]
    yield "proxy-folder", [dhcpd(loader, **plain), proxy(loader, folder="x/")]
    yield "proxy-next", [dhcpd(loader, body=next_server), proxy(loader), _files_only(loader)]
    yield "proxy-repaired", [dhcpd(loader, body=[f"next-server {PROXY};"]), proxy(loader)]
    yield "proxy-dnsmasq", [{**dhcpd(loader), "type": "dnsmasq-dhcp"}, proxy(loader)]
    yield "coexist", [dhcpd(loader), coexist(both, files_of(loader, "A"))]
    yield "coexist-next", [
        dhcpd(loader, body=next_server), coexist(both, files_of(loader, "A")), _files_only(loader),
    ]  # fmt: skip
    yield "coexist-repaired", [
        dhcpd(loader, body=[f"next-server {PROXY};"]), coexist(both, files_of(loader, "A")),
    ]  # fmt: skip


def without(server: dict[str, Any], *names: str) -> dict[str, Any]:
    return {**server, "files": {n: c for n, c in server["files"].items() if n not in names}}


def _failures(loader: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """What is missing on the way: the loader itself, its parts, its configuration, the server."""
    _, files, configuration = LOADERS[loader]
    whole = dhcpd(loader, boot="header")
    yield "missing-loader", [without(whole, loader)]
    yield "missing-configuration", [without(whole, configuration)]
    for part in files:
        if part not in LOADERS and part != "grubnetx64.efi":
            yield f"missing-{part}", [without(whole, part)]
    yield "no-tftp", [{**whole, "tftp": False}]
    yield "proxy-missing-configuration", [dhcpd(loader), without(proxy(loader), configuration)]


def _ipxe() -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """iPXE that a firmware loads, with the script it is given or is not."""
    script = {"boot.ipxe": {"text": "#!ipxe\nchain kern-A || shell\n"}}
    lease = {"name": "D", "type": "dhcpd", "ip": DHCP, "nofiles": True, "file": "none"}
    first = '"bios": "undionly.kpxe", "uefi-x64": "snponly.efi"'
    files = {**IPXE_FILES, **script}
    for firmware in ("ipxe", "uefi"):
        yield firmware, "script", [lease, coexist(f'{{{first}, "ipxe": "boot.ipxe"}}', files)]
        url = f'{{{first}, "ipxe": "http://{PROXY}/boot.ipxe"}}'
        yield firmware, "script-http", [lease, coexist(url, files)]
        lost = f'{{{first}, "ipxe": "lost.ipxe"}}'
        yield firmware, "script-missing", [lease, coexist(lost, files)]
    yield "ipxe", "to-pxelinux", [
        lease, coexist('{"bios": "pxelinux.0", "ipxe": "pxelinux.0"}', files_of("pxelinux.0", "A")),
    ]  # fmt: skip


def chains() -> list[Scenario]:
    """All of them, with their ids."""
    found: list[Scenario] = []
    for loader in LOADERS:
        machine = client(loader)
        for kind in (_of_loader, _failures):
            for name, servers in kind(loader):
                number = f"N-{name}-{loader}@{machine['fw']}"
                found.append({"id": number, "client": machine, "loader": loader, "servers": servers})
    for firmware, name, servers in _ipxe():
        machine = {"fw": firmware, "nic": "virtio-net-pci", "mem": 512}
        found.append(
            {"id": f"N-ipxe-{name}@{firmware}", "client": machine, "loader": "ipxe", "servers": servers}
        )
    return found
