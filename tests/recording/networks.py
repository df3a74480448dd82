"""Scenarios of menus, lists, relay agents and UEFI HTTP boot: who answers whom, and by which way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.lineup.clients import DEFAULT_MAC
from tests.recording.chains import DHCP, FILES, PROXY, Scenario

_D: dict[str, Any] = {"name": "D", "type": "dhcpd", "ip": DHCP, "tftp": True}
_A: dict[str, Any] = {"name": "A", "type": "dnsmasq-proxy", "ip": PROXY, "tftp": True}
_B: dict[str, Any] = {"name": "B", "type": "dnsmasq-proxy", "ip": "10.77.0.12", "tftp": True}
_C: dict[str, Any] = {"name": "C", "type": "tftp", "ip": FILES, "extra_files": ["a.0", "a.efi"]}


def _services(*items: str) -> list[str]:
    """``pxe-service`` lines for both kinds of machine: text, file without its ending, and what follows."""
    found = []
    for item in items:
        text, _, rest = item.partition(",")
        file, _, server = rest.partition(",")
        behind = f",{server}" if server else ""
        uefi = file if file.isdigit() else f"{file}.efi"
        found += [
            f'pxe-service=x86PC,"{text}",{file}{behind}',
            f'pxe-service=X86-64_EFI,"{text}",{uefi}{behind}',
        ]
    return found


def _menus() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    menu = {**_A, "mode": "none", "extra_files": ["a2.0", "a2.efi"]}
    prompt, at_once = 'pxe-prompt="p",2', 'pxe-prompt="p",0'
    two = _services("one,a", "two,a2")
    yield "two-at-once", [_D, {**menu, "conf": [*two, at_once]}]
    yield "two-swapped", [_D, {**menu, "conf": [*_services("two,a2", "one,a"), prompt]}]
    yield "local-first", [_D, {**menu, "conf": [*_services("disk,0", "one,a"), prompt]}]
    yield "local-last", [_D, {**menu, "conf": [*_services("one,a", "disk,0"), prompt]}]
    yield "elsewhere-first", [
        _D, {**menu, "conf": [*_services(f"one,a,{FILES}", "two,a2"), at_once]}, _C,
    ]  # fmt: skip
    yield "beside-scope-file", [{**_D, "boot": "header"}, {**menu, "conf": [*two, at_once]}]
    yield "beside-late-proxy", [_D, {**menu, "conf": [*two, prompt]}, {**_B, "delay": 1}]
    yield "behind-early-proxy", [_D, {**menu, "conf": [*two, prompt], "delay": 1}, _B]
    lease = {**_D, "type": "dnsmasq-dhcp", "mode": "none", "extra_files": ["d2.0", "d2.efi"]}
    yield "in-the-lease", [{**lease, "conf": [*_services("one,d", "two,d2"), at_once]}]
    yield "lease-and-proxy", [{**lease, "conf": [*_services("one,d"), at_once]}, _A]


def _coexist(clients: str, more: str = "", **fields: Any) -> dict[str, Any]:
    """The project's own server with one rule for some clients."""
    address = fields.get("ip", PROXY)
    conf = (
        f'{{"name": "A", "listen": [{{"address": "{address}", "vlan": "lab"}}], '
        f'"rules": [{{"name": "some", "clients": {clients}, '
        f'"programs": {{"bios": "a.0", "uefi-x64": "a.efi"}}{more}}}], "tftp": {{"root": "{{tftp}}"}}, '
        '"registry": "{dir}/registry.sqlite"}'
    )
    has = {"extra_files": ["a.0", "a.efi"], "conf": conf}
    return {"name": "A", "type": "coexist", "ip": PROXY, **has, **fields}


def _lists() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    mine, other = f'{{"macs": ["{DEFAULT_MAC}"]}}', '{"prefixes": ["02:00:5e"]}'
    yield "coexist-listed", [_D, _coexist(mine)]
    yield "coexist-not-listed", [{**_D, "boot": "header"}, _coexist(other)]
    yield "coexist-except", [_D, _coexist(f'{{"everyone": true, "except": {mine}}}'), _B]
    yield (
        "coexist-late-for-us",
        [_D, _coexist(mine, ', "delay": {"after": 1}'), {**_B, "macs": ["02:00:5e:00:00:01"]}],
    )
    yield "two-lists-disjoint", [_D, {**_A, "macs": [DEFAULT_MAC]}, {**_B, "macs": ["02:00:5e:00:00:01"]}]
    yield "two-lists-both", [_D, {**_A, "macs": [DEFAULT_MAC], "delay": 1}, {**_B, "macs": [DEFAULT_MAC]}]
    wildcard = ["dhcp-host=52:54:00:*:*:*,ignore"]
    yield "wildcard-ignored", [{**_D, "boot": "header"}, {**_A, "conf": wildcard}]
    boots = 'filename "{file}"; next-server {ip}; }'
    by_class = [f'class "thin" {{ match if substring(hardware, 1, 3) = 52:54:00; {boots}']
    yield "dhcpd-class", [{**_D, "global": by_class}]
    yield "dhcpd-class-and-proxy", [{**_D, "global": by_class}, _A]
    octets = "00:44:33:22:11:66:55:88:77:99:aa:bb:cc:dd:ee:ff:00"
    uuid = [f'class "machine" {{ match if option uuid = {octets}; {boots}']
    define = "option uuid code 97 = string;"
    yield "dhcpd-class-by-uuid", [{**_D, "global": [define, *uuid]}, {**_A, "delay": 1}]
    yield "dhcpd-host-without-file", [{**_D, "boot": None, "in_host": True, "body": ['filename "";']}, _A]


_R: dict[str, Any] = {"name": "R", "type": "relay", "ip": "10.77.0.1", "up": "10.78.0.1"}
_FAR_D: dict[str, Any] = {
    "name": "D", "type": "dhcpd", "ip": "10.78.0.2", "seg": "core", "gw": "10.78.0.1", "tftp": True,
    "global": ["subnet 10.78.0.0 netmask 255.255.255.0 { }"], "body": ["option routers 10.77.0.1;"],
}  # fmt: skip
_FAR_A: dict[str, Any] = {
    "name": "A", "type": "coexist", "ip": "10.78.0.11", "seg": "core", "gw": "10.78.0.1",
}  # fmt: skip


def _relays() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    far = _coexist('{"everyone": true}', **_FAR_A)
    late = _coexist('{"everyone": true}', ', "delay": {"after": 1}', **_FAR_A)
    to_d, to_both = {**_R, "targets": ["10.78.0.2"]}, {**_R, "targets": ["10.78.0.2", "10.78.0.11"]}
    boots = {**_FAR_D, "boot": "header"}
    yield "lease-boots", [to_d, boots]
    yield "local-proxy", [to_d, _FAR_D, _A]
    yield "no-router", [to_d, {**boots, "body": []}]
    yield "both-far", [to_both, _FAR_D, far]
    yield "first-only-lease", [{**to_both, "passes": "first"}, boots, late]
    yield "first-only-proxy-late", [{**to_both, "passes": "first"}, _FAR_D, late]
    yield "own-identifier", [{**to_d, "replaces_server_id": True}, boots]
    yield "own-identifier-both", [{**to_both, "replaces_server_id": True}, _FAR_D, far]
    yield "dnsmasq", [{**to_both, "impl": "dnsmasq"}, _FAR_D, far]
    yield "dnsmasq-lease", [{**to_d, "impl": "dnsmasq"}, boots]
    yield "min-secs", [{**to_d, "min_secs": 4}, boots, {**_D, "ip": "10.77.0.4", "name": "E", "pool": 180}]


def _http() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """UEFI HTTP boot."""

    def conf(program: str) -> str:
        return (
            f'{{"name": "A", "listen": [{{"address": "{PROXY}", "vlan": "lab"}}], "rules": [{{"name": "all", '
            f'"clients": {{"everyone": true}}, "programs": {{{program}}}}}], "tftp": {{"root": "{{tftp}}"}}, '
            '"registry": "{dir}/registry.sqlite", "http": {"port": 80}}'
        )

    server = {"name": "A", "type": "coexist", "ip": PROXY, "extra_files": ["a.efi"]}
    there, lost = f"http://{PROXY}/a.efi", f"http://{PROXY}/lost.efi"
    yield "there", [_D, {**server, "conf": conf(f'"http-x64": "{there}"')}]
    yield "missing", [_D, {**server, "conf": conf(f'"http-x64": "{lost}"')}]
    of_lease = ['option vendor-class-identifier "HTTPClient";']
    files = {**server, "conf": conf('"bios": "a.0"')}
    yield "lease", [{**_D, "body": [*of_lease, f'filename "{there}";']}, files]
    yield "lease-missing", [{**_D, "body": [*of_lease, f'filename "{lost}";']}, files]


def networks() -> list[Scenario]:
    """All of them, with their ids."""
    found: list[Scenario] = []
    for kind, family in (("M", _menus), ("L", _lists), ("R", _relays)):
        for name, servers in family():
            for firmware in ("ipxe", "uefi"):
                machine = {"fw": firmware, "nic": "virtio-net-pci"}
                found.append({"id": f"{kind}-{name}@{firmware}", "client": machine, "servers": servers})
    for name, servers in _http():
        machine = {"fw": "uefi-http", "nic": "virtio-net-pci"}
        found.append({"id": f"H-{name}@uefi-http", "client": machine, "servers": servers})
    return found
