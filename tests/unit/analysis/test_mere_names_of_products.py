"""Boot files that differ in their names alone, in own files of Kea and dnsmasq: raced once, each told."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coexist.analysis.site import AnalysedSite
from coexist.inventory import load_inventory
from tests.unit.analysis.own_races import hold, runs, told

SITE = """\
site: own
vlans:
  lab: {{id: 1, subnet: 10.0.0.0/22, gateway: 10.0.0.1}}
servers:
  dhcp: {{software: {software}, address: 10.0.0.2, vlan: lab, config: {file}, roles: [dhcp, tftp]}}
  files: {{software: tftpd, address: 10.0.0.3, vlan: lab}}
architectures: {{bios: ipxe, uefi-x64: edk2}}
intent:
  - {{clients: everyone, boot_from: dhcp}}
"""


def mac(number: int) -> str:
    return f"52:54:00:00:00:{number:02x}"


def kea_site(
    folder: Path, hosts: Sequence[Any] = (), classes: Sequence[Any] = (), **subnet: Any
) -> AnalysedSite:
    network = {
        "id": 1,
        "subnet": "10.0.0.0/22",
        "next-server": "10.0.0.2",
        "pools": [{"pool": "10.0.1.10-10.0.1.200"}],
        "option-data": [{"name": "routers", "data": "10.0.0.1"}],
        "reservations": [*hosts],
        **subnet,
    }
    tree = {"Dhcp4": {"client-classes": [*classes], "subnet4": [network]}}
    if not classes:
        del tree["Dhcp4"]["client-classes"]
    (folder / "kea.json").write_text(json.dumps(tree, indent=1))
    (folder / "site.yaml").write_text(SITE.format(software="kea 2.2", file="kea.json"))
    return AnalysedSite(load_inventory(folder))


def dnsmasq_site(folder: Path, lines: Sequence[str]) -> AnalysedSite:
    before = ["port=0", "dhcp-range=10.0.1.10,10.0.1.200,255.255.252.0", "dhcp-option=3,10.0.0.1"]
    (folder / "dnsmasq.conf").write_text("\n".join([*before, "enable-tftp", "tftp-root=/srv", *lines, ""]))
    (folder / "site.yaml").write_text(SITE.format(software="dnsmasq 2.90", file="dnsmasq.conf"))
    return AnalysedSite(load_inventory(folder))


Made: TypeAlias = Callable[[Path, Sequence[str]], AnalysedSite]


def by_reservation(folder: Path, files: Sequence[str]) -> AnalysedSite:
    return kea_site(folder, [{"hw-address": mac(n), "boot-file-name": f} for n, f in enumerate(files)])


def by_reserved_address(folder: Path, files: Sequence[str]) -> AnalysedSite:
    hosts = [
        {"hw-address": mac(n), "ip-address": f"10.0.2.{n + 1}", "boot-file-name": f}
        for n, f in enumerate(files)
    ]
    return kea_site(folder, hosts)


def by_class_of_a_reservation(folder: Path, files: Sequence[str]) -> AnalysedSite:
    hosts = [{"hw-address": mac(n), "client-classes": [f"c{n}"]} for n, _ in enumerate(files)]
    return kea_site(folder, hosts, [{"name": f"c{n}", "boot-file-name": f} for n, f in enumerate(files)])


def with_test(number: int, file: str, **more: Any) -> dict[str, Any]:
    test = f"pkt4.mac == 0x{mac(number).replace(':', '')}"
    return {"name": f"c{number}", "test": test, "boot-file-name": file, **more}


def by_tested_class(folder: Path, files: Sequence[str]) -> AnalysedSite:
    return kea_site(folder, [], [with_test(n, f) for n, f in enumerate(files)])


def by_dhcp_host(folder: Path, files: Sequence[str]) -> AnalysedSite:
    lines = [f"dhcp-host={mac(n)},set:t{n}\ndhcp-boot=tag:t{n},{f},,10.0.0.2" for n, f in enumerate(files)]
    return dnsmasq_site(folder, lines)


def by_dhcp_mac(folder: Path, files: Sequence[str]) -> AnalysedSite:
    lines = [f"dhcp-mac=set:t{n},{mac(n)}\ndhcp-boot=tag:t{n},{f}" for n, f in enumerate(files)]
    return dnsmasq_site(folder, lines)


MADE = [
    by_reservation,
    by_reserved_address,
    by_class_of_a_reservation,
    by_tested_class,
    by_dhcp_host,
    by_dhcp_mac,
]


@pytest.mark.parametrize("made", MADE)
def test_a_file_more_is_no_race_more(tmp_path: Path, made: Made) -> None:
    few = runs(made(tmp_path, ["a.img", "b.img"]))
    site = made(tmp_path, [f"image{n}.img" for n in range(30)])
    assert runs(site) == few
    found = told(site)
    assert len(found) == 60
    for (number, _), files in found.items():
        assert files <= {f"image{number & 255}.img", None}
    assert any(files != {None} for files in found.values())


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize(
    "files",
    [["pxelinux.0", "lpxelinux.0"], ["a.img", "b.0"], ["http://10.0.0.3/a", "http://10.0.0.2/a"]],
    ids=["loaders", "for other machines", "URLs"],
)
def test_what_more_is_known_of_a_file_is_raced(tmp_path: Path, made: Made, files: list[str]) -> None:
    alike = runs(made(tmp_path, ["a.img", "b.img"]))
    site = made(tmp_path, files)
    assert runs(site) > alike
    hold(site)


# -- Kea ----------------------------------------------------------------------------------------------


def test_reservations_that_say_other_things_are_told_apart(tmp_path: Path) -> None:
    """They were one set where they had the same keys, whatever stood there."""
    hosts = [
        {"hw-address": mac(0), "boot-file-name": "a.img"},
        {"hw-address": mac(1), "boot-file-name": "a.img", "next-server": "10.0.0.3"},
        {"hw-address": mac(2), "boot-file-name": "a.img", "next-server": "10.0.0.2"},
        {"hw-address": mac(3), "option-data": [{"name": "boot-file-name", "data": "c.img"}]},
        {"hw-address": mac(4), "option-data": [{"name": "boot-file-name", "data": "d.img"}]},
    ]
    site = kea_site(tmp_path, hosts)
    machines = {case.client.macs.witness for case in site.cases} & {0x525400000000 + n for n in range(5)}
    assert len(machines) == 5
    hold(site)


def test_a_reservation_counts_in_its_own_subnet(tmp_path: Path) -> None:
    """Those of two subnets that say the same are two sets."""
    hosts = [{"hw-address": mac(0), "boot-file-name": "a.img"}]
    more = {"id": 2, "subnet": "10.0.8.0/24", "pools": [{"pool": "10.0.8.9-10.0.8.99"}]}
    site = kea_site(tmp_path, hosts)
    tree = json.loads((tmp_path / "kea.json").read_text())
    elsewhere = {**more, "reservations": [{"hw-address": mac(1), "boot-file-name": "a.img"}]}
    tree["Dhcp4"]["subnet4"].append(elsewhere)
    (tmp_path / "kea.json").write_text(json.dumps(tree))
    site = AnalysedSite(load_inventory(tmp_path))
    hold(site)
    found = told(site)
    assert "a.img" in found[0x525400000000, "bios"]
    assert "a.img" not in found[0x525400000001, "bios"]


IPXE = {"name": "ipxe", "test": "option[77].hex == 'iPXE'", "boot-file-name": "menu.img"}
UEFI = {"name": "uefi", "test": "option[93].hex == 0x0007", "boot-file-name": "other.efi"}
IN_THE_WAY = {
    "a class of others between them": ([with_test(0, "a.img"), UEFI, with_test(1, "b.img")], {}),
    "a class that another one asks for": (
        [
            with_test(0, "a.img"),
            with_test(1, "b.img"),
            {"name": "x", "test": "member('c1')", "next-server": "10.0.0.3"},
        ],
        {},
    ),
    "a class that guards a pool": (
        [with_test(0, "a.img"), with_test(1, "b.img")],
        {"pools": [{"pool": "10.0.1.10-10.0.1.99", "client-class": "c1"}]},
    ),
    "a class with an option": (
        [
            with_test(0, "a.img"),
            with_test(1, "b.img", **{"option-data": [{"name": "tftp-server-name", "data": "x"}]}),
        ],
        {},
    ),
    "a file that the subnet has": (
        [with_test(0, "a.img"), with_test(1, "b.img")],
        {"boot-file-name": "a.img"},
    ),
    "a machine in two classes": (
        [with_test(0, "a.img"), with_test(1, "b.img"), {**with_test(0, "z.img"), "name": "again"}],
        {},
    ),
}


@pytest.mark.parametrize(("classes", "subnet"), IN_THE_WAY.values(), ids=IN_THE_WAY)
def test_classes_are_told_apart_by_what_else_there_is(
    tmp_path: Path, classes: list[Any], subnet: dict[str, Any]
) -> None:
    hold(kea_site(tmp_path, [], classes, **subnet))


FILES = ["a.img", "b.img", "c.0", "d.efi", "pxelinux.0", "ipxe.efi", ""]


@st.composite
def kea_parts(draw: st.DrawFn) -> tuple[list[Any], list[Any], dict[str, Any]]:
    hosts: list[Any] = []
    classes: list[Any] = []
    for number in range(draw(st.integers(2, 5))):
        file = draw(st.sampled_from(FILES))
        said: dict[str, Any] = {"boot-file-name": file} if file else {}
        if draw(st.booleans()):
            said["next-server"] = draw(st.sampled_from(["10.0.0.2", "10.0.0.3"]))
        match draw(st.sampled_from(["host", "class", "both", "listed"])):
            case "host":
                # That of the other server is one machine's at most: Kea refuses an address that stands twice.
                servers = [] if any(host.get("ip-address") == "10.0.0.3" for host in hosts) else ["10.0.0.3"]
                address = draw(st.sampled_from(["", f"10.0.2.{number + 1}", *servers]))
                hosts.append(
                    {
                        "hw-address": mac(number),
                        "hostname": f"h{number}",
                        **said,
                        **({"ip-address": address} if address else {}),
                    }
                )
            case "class":
                classes.append({**with_test(number, file), **said})
            case "both":
                classes.append({**with_test(number, file), **said})
                hosts.append(
                    {
                        "hw-address": mac(number),
                        "hostname": f"h{number}",
                        "boot-file-name": draw(st.sampled_from(FILES)),
                    }
                )
            case _:
                classes.append({"name": f"c{number}", **said})
                hosts.append({"hw-address": mac(number), "client-classes": [f"c{number}"]})
        if draw(st.integers(0, 3)) == 0 and UEFI not in classes:
            classes.append(UEFI)
    file = draw(st.sampled_from(["", "a.img"]))
    return hosts, classes, {"boot-file-name": file} if file else {}


@settings(max_examples=60, deadline=None)
@given(kea_parts())
def test_every_class_of_kea_ends_as_its_own_race_does(
    parts: tuple[list[Any], list[Any], dict[str, Any]],
) -> None:
    hosts, classes, subnet = parts
    with tempfile.TemporaryDirectory() as folder:
        hold(kea_site(Path(folder), hosts, classes, **subnet))


# -- dnsmasq ------------------------------------------------------------------------------------------

TAGGED = [
    f"dhcp-host={mac(0)},set:a",
    f"dhcp-host={mac(1)},set:b",
    "dhcp-boot=tag:a,a.img",
    "dhcp-boot=tag:b,b.img",
]
FOR_UEFI = ["dhcp-match=set:uefi,option:client-arch,7", "dhcp-boot=tag:uefi,other.efi"]
IN_ITS_WAY = {
    "a line of others between them": [*TAGGED[:3], *FOR_UEFI, TAGGED[3]],
    "an option by the tag": [*TAGGED, "dhcp-option=tag:b,66,10.0.0.3"],
    "whom no tag names": [*TAGGED, "dhcp-boot=tag:!b,rest.img"],
    "a tag by a tag": [*TAGGED, "tag-if=set:c,tag:b", "dhcp-option=tag:c,66,10.0.0.3"],
    "a tag by a star": [*TAGGED, "tag-if=set:c,tag:b*", "dhcp-option=tag:c,66,10.0.0.3"],
    "another server": [*TAGGED[:3], "dhcp-boot=tag:b,b.img,,10.0.0.3"],
    "a file for all": [*TAGGED, "dhcp-boot=a.img"],
    "a machine with two tags": [*TAGGED, f"dhcp-mac=set:c,{mac(0)}", "dhcp-boot=tag:c,c.img"],
    "a machine with two of one kind": [
        *(f"dhcp-mac=set:{tag},{mac(n)}" for tag, n in [("a", 0), ("b", 0), ("c", 1), ("d", 1)]),
        *(f"dhcp-boot=tag:{tag},{tag}.img" for tag in "bacd"),
    ],
    "a tag that vendors have too": [*TAGGED, "dhcp-vendorclass=set:b,PXEClient"],
}


@pytest.mark.parametrize("lines", IN_ITS_WAY.values(), ids=IN_ITS_WAY)
def test_tags_are_told_apart_by_what_else_there_is(tmp_path: Path, lines: list[str]) -> None:
    hold(dnsmasq_site(tmp_path, lines))


@st.composite
def dnsmasq_lines(draw: st.DrawFn) -> list[str]:
    tags, lines = ["a", "b", "c", "d"], []
    for number in range(draw(st.integers(2, 5))):
        sets = draw(st.lists(st.sampled_from(tags), min_size=1, max_size=2, unique=True))
        if draw(st.booleans()):
            said = "".join(f",set:{tag}" for tag in sets)
            lines.append(
                f"dhcp-host={mac(number)}{said}{draw(st.sampled_from(['', f',10.0.2.{number + 1}']))}"
            )
        else:
            lines.append(f"dhcp-mac=set:{sets[0]},{mac(number)}")
    for tag in draw(st.permutations(tags)):
        file = draw(st.sampled_from([*FILES[:-1], "e.img", "f.img"]))
        lines.append(f"dhcp-boot=tag:{tag},{file}{draw(st.sampled_from(['', ',,10.0.0.2', ',,10.0.0.3']))}")
        lines += draw(
            st.sampled_from([[], [], [], FOR_UEFI, ["dhcp-boot=g.img"], [f"dhcp-option=tag:{tag},66,x"]])
        )
    return lines


@settings(max_examples=60, deadline=None)
@given(dnsmasq_lines())
def test_every_class_of_dnsmasq_ends_as_its_own_race_does(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        hold(dnsmasq_site(Path(folder), lines))
