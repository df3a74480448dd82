"""Servers by their own Kea and dnsmasq files: nothing is declared twice, findings name their lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coexist.analysis import Analysis, analyse
from coexist.errors import InputError
from coexist.inventory import load_inventory

SITE = """
site: example
vlans:
  office: {{id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1}}
servers:
  dhcp: {{software: {software}, address: 10.10.0.5, vlan: office, roles: [dhcp], config: servers/{file}}}
  boot:
    software: coexist
    address: 10.10.0.6
    vlan: office
    programs: {{bios: lpxelinux.0, uefi-x64: syslinux64.efi}}
architectures: {{bios: ipxe, uefi-x64: edk2}}
intent:
  - {{clients: everyone, boot_from: boot}}
"""
DNSMASQ = "no-ping\ndhcp-range=10.10.1.0,10.10.1.255,255.255.0.0\ndhcp-option=3,10.10.0.1\n"
KEA = {
    "authoritative": True,
    "subnet4": [
        {
            "subnet": "10.10.0.0/16",
            "pools": [{"pool": "10.10.1.0-10.10.1.255"}],
            "option-data": [{"name": "routers", "data": "10.10.0.1"}],
        }
    ],
}


def analysed(folder: Path, software: str, text: str) -> Analysis:
    file = "dnsmasq.conf" if software == "dnsmasq" else "kea-dhcp4.conf"
    (folder / "servers").mkdir(exist_ok=True)
    (folder / "servers" / file).write_text(text)
    (folder / "site.yaml").write_text(SITE.format(software=software, file=file))
    return analyse(load_inventory(folder))


def kea(**more: object) -> str:
    return json.dumps({"Dhcp4": {**KEA, **more}}, indent=1)


def codes(found: Analysis) -> set[str]:
    return {finding.code.code for finding in found.findings}


def test_nothing_needs_to_be_declared_twice(tmp_path: Path) -> None:
    assert codes(analysed(tmp_path, "dnsmasq", DNSMASQ)) == set()
    assert codes(analysed(tmp_path, "kea 2.2", kea())) == set()


@pytest.mark.parametrize(
    ("software", "text", "place"),
    [
        ("dnsmasq", DNSMASQ + "dhcp-boot=old.0,,10.10.0.9\n", "servers/dnsmasq.conf:4:1"),
        ("kea 2.2", kea(**{"boot-file-name": "old.0", "next-server": "10.10.0.9"}), "kea-dhcp4.conf:20:3"),
    ],
)
def test_a_finding_names_the_line_of_the_file(software: str, text: str, place: str, tmp_path: Path) -> None:
    found = analysed(tmp_path, software, text)
    places = [str(finding.position) for finding in found.findings]
    assert any(where.endswith(place) for where in places), places


def test_what_the_daemon_refuses_is_refused_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dnsmasq\.conf:4:1: bad dhcp-range"):
        analysed(tmp_path, "dnsmasq", DNSMASQ + "dhcp-range=x,y\n")
    with pytest.raises(InputError, match=r"kea-dhcp4\.conf:\d+:\d+: "):
        analysed(tmp_path, "kea 2.2", kea(**{"client-classes": [{"name": "c", "test": "option["}]}))


def test_an_options_tag_of_the_file_tells_clients_apart(tmp_path: Path) -> None:
    text = DNSMASQ + "dhcp-host=02:00:5e:*:*:*,set:lab\ndhcp-boot=tag:lab,lab.0,,10.10.0.9\n"
    found = analysed(tmp_path, "dnsmasq", text)
    assert {finding.clients for finding in found.findings if finding.code.code == "CX401"} == {1 << 24}


def test_what_only_the_server_knows_is_a_finding(tmp_path: Path) -> None:
    hook = [{"library": "/usr/lib/kea/hooks/libdhcp_radius.so"}]
    assert "CX118" in codes(analysed(tmp_path, "kea 2.2", kea(**{"hooks-libraries": hook})))
