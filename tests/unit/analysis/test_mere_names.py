"""Boot files that differ in their names alone: one race tells them all, each by its own name."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coexist.analysis.bootfiles import is_a_mere_name
from coexist.analysis.site import AnalysedSite
from coexist.boot.own_files import own_config
from coexist.inventory import load_inventory
from coexist.inventory.models import Program
from tests.unit.analysis.own_races import hold, runs, told

SITE = """\
site: own
vlans:
  lab: {id: 1, subnet: 10.0.0.0/22, gateway: 10.0.0.1}
servers:
  dhcp: {software: isc-dhcpd 4.4, address: 10.0.0.2, vlan: lab, config: dhcpd.conf, roles: [dhcp, tftp]}
  files: {software: tftpd, address: 10.0.0.3, vlan: lab}
architectures: {bios: ipxe, uefi-x64: edk2}
intent:
  - {clients: everyone, boot_from: dhcp}
"""


def conf(hosts: list[str], before: str = "") -> str:
    declared = "\n".join(
        f"  host h{n} {{ hardware ethernet 52:54:00:00:00:{n:02x}; {said} }}" for n, said in enumerate(hosts)
    )
    return (
        "authoritative;\nignore client-updates;\n"
        f"{before}\nsubnet 10.0.0.0 netmask 255.255.252.0 {{\n  option routers 10.0.0.1;\n"
        f"  range 10.0.1.10 10.0.1.200;\n{declared}\n}}\n"
    )


def site_of(folder: Path, hosts: list[str], before: str = "") -> AnalysedSite:
    (folder / "site.yaml").write_text(SITE)
    (folder / "dhcpd.conf").write_text(conf(hosts, before))
    return AnalysedSite(load_inventory(folder))


def hosts_with(files: list[str], more: str = "next-server 10.0.0.2;") -> list[str]:
    return [f'filename "{file}"; {more}' for file in files]


@pytest.mark.parametrize("more", ["next-server 10.0.0.2;", "next-server 10.0.0.3;", ""])
def test_a_file_more_is_no_race_more(tmp_path: Path, more: str) -> None:
    few = runs(site_of(tmp_path, hosts_with(["a.img", "b.img"], more)))
    site = site_of(tmp_path, hosts_with([f"image{n}.img" for n in range(40)], more))
    assert runs(site) == few
    found = told(site)
    assert len(found) == 80
    for (mac, _), files in found.items():
        assert files <= {f"image{mac & 255}.img", None}
    assert any(files != {None} for files in found.values())


def test_machines_with_addresses_of_their_own_share_it_too(tmp_path: Path) -> None:
    def with_addresses(count: int) -> list[str]:
        return [
            f'filename "{n}.img"; next-server 10.0.0.2; fixed-address 10.0.0.{n + 20};' for n in range(count)
        ]

    few = runs(site_of(tmp_path, with_addresses(2)))
    assert runs(site_of(tmp_path, with_addresses(30))) == few
    taken = [*with_addresses(30), 'filename "x.img"; next-server 10.0.0.2; fixed-address 10.0.0.3;']
    site = site_of(tmp_path, taken)
    assert runs(site) > few, "the address is another server's"


PXE_CLIENT = 'option vendor-class-identifier "PXEClient";'
FOR_IPXE = 'if option user-class = "iPXE" { filename "g.img"; }'
APART = {
    "a loader": hosts_with(["pxelinux.0", "lpxelinux.0"]),
    "for other machines": hosts_with(["a.img", "b.0"]),
    "a URL": hosts_with(["http://10.0.0.3/a", "http://10.0.0.2/a"]),
    "another server": [*hosts_with(["a.img"]), *hosts_with(["b.img"], "next-server 10.0.0.3;")],
    "an option": [*hosts_with(["a.img"]), f'filename "b.img"; next-server 10.0.0.2; {PXE_CLIENT}'],
    "a condition": [*hosts_with(["a.img"]), f"next-server 10.0.0.2; {FOR_IPXE}"],
}


@pytest.mark.parametrize("hosts", APART.values(), ids=APART)
def test_what_more_is_known_of_a_file_is_raced(tmp_path: Path, hosts: list[str]) -> None:
    alike = runs(site_of(tmp_path, hosts_with(["a.img", "b.img"])))
    site = site_of(tmp_path, hosts)
    assert runs(site) > alike
    hold(site)


def test_a_name_that_another_line_has_is_no_mere_name(tmp_path: Path) -> None:
    site = site_of(tmp_path, hosts_with(["a.img", "b.img"]), 'next-server 10.0.0.2; filename "a.img";')
    hold(site)
    assert not any(file == "a.img" for _, file in site.races._lineups.files.values())


@pytest.mark.parametrize("value", ['concat("a", binary-to-ascii(16, 8, "-", hardware))', "host-decl-name"])
def test_names_that_are_computed_are_raced_one_by_one(tmp_path: Path, value: str) -> None:
    site = site_of(tmp_path, hosts_with(["a.img", "b.img"]), f"option tftp-server-name = {value};")
    assert not site.races._lineups.files
    hold(site)


FILES = ["a.img", "b.img", "c.0", "d.efi", "pxelinux.0", "undionly.kpxe", "ipxe.efi", "http://10.0.0.3/e", ""]
MORE = [
    "",
    "next-server 10.0.0.2;",
    "next-server 10.0.0.3;",
    'option bootfile-name "f.img";',
    PXE_CLIENT,
    "ignore booting;",
    FOR_IPXE,
]
BEFORE = ["", "next-server 10.0.0.2;", 'filename "a.img"; next-server 10.0.0.3;', "use-host-decl-names on;"]


@st.composite
def machines(draw: st.DrawFn) -> str:
    file = draw(st.sampled_from(FILES))
    said = draw(st.lists(st.sampled_from(MORE), max_size=2, unique=True))
    address = draw(st.sampled_from(["", "fixed-address 10.0.0.{};", "fixed-address 10.0.0.3;"]))
    name = f'filename "{file}";' if file else ""
    return " ".join((name, *said, address.format(draw(st.integers(20, 40)))))


@settings(max_examples=60, deadline=None)
@given(st.lists(machines(), min_size=2, max_size=5), st.sampled_from(BEFORE))
def test_every_class_ends_as_its_own_race_does(hosts: list[str], before: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        hold(site_of(Path(folder), hosts, before))


@pytest.mark.parametrize(
    ("file", "program", "mere"),
    [
        ("images/a.img", None, True),
        ("a.0", None, True),
        ("grubx64.efi", None, False),
        ("ipxe-own.efi", None, False),
        ("http://a/b", None, False),
        ("EFI/BOOT/BOOTX64.EFI", None, False),
        ("a.img", Program(file="a.img", then="grub"), False),
        ("a" * 128, None, False),
        ("ä.img", None, False),
    ],
)
def test_of_a_mere_name_nothing_is_known(file: str, program: Any, mere: bool) -> None:
    assert is_a_mere_name(file, program) is mere


def test_what_hosts_say_is_compared_whole(tmp_path: Path) -> None:
    """Two long statements with one beginning tell machines apart."""
    long = "x" * 150
    hosts = [f'fixed-address 10.0.0.{n + 20}; option root-path "{long}{n % 2}";' for n in range(8)]
    site = site_of(tmp_path, hosts)
    config = own_config(site.inventory, "dhcp")
    assert config is not None
    for macs, _ in config.leases.distinctions.clients:
        assert len({mac % 2 for mac in macs.points}) == 1
