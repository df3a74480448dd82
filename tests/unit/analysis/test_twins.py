"""Two boot servers of coexist for the same clients: no conflict, and proven to boot alike."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from coexist.analysis import Analysis, analyse
from coexist.boot.request import boot_request
from coexist.boot.respond import Answer, Reason, Silence, respond
from coexist.boot.servers.coexist import boot_policy
from coexist.errors import InputError
from coexist.inventory import load_inventory
from coexist.planning.yaml_edit import apply
from coexist.wire.bootp import Packet
from coexist.wire.load_balancing import bucket
from coexist.wire.mac import mac_bytes

SITE = """site: example
vlans:
  office: {{id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1{vlan}}}
servers:
  dhcp: {{software: kea 2.2, address: 10.10.0.5, vlan: office}}
  one:
    software: coexist
    address: 10.10.0.6
    vlan: office
    programs: {{bios: undionly.kpxe, ipxe: menu.ipxe, uefi-x64: syslinux64.efi}}
    answers: intended
  two:
    software: coexist
    address: 10.10.0.7
    vlan: office
    programs: {{bios: undionly.kpxe, ipxe: menu.ipxe, uefi-x64: {file}}}
    answers: intended
    pair: {pair}
scopes:
  office: {{server: dhcp, vlan: office, pools: [10.10.1.0-10.10.1.255], options: {{3: 10.10.0.1}}}}
architectures: {{bios: [pxe21, ipxe], uefi-x64: edk2}}
intent:
  - {{clients: everyone, boot_from: {intended}}}
"""
BY_HASH = "{with: one, mode: by-hash}"


def written(
    folder: Path, pair: str, *, file: str = "syslinux64.efi", vlan: str = "", intended: str = "one"
) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "site.yaml").write_text(SITE.format(pair=pair, file=file, vlan=vlan, intended=intended))
    return folder


def analysed(folder: Path, pair: str, **more: str) -> Analysis:
    return analyse(load_inventory(written(folder, pair, **more)))


def codes(found: Analysis) -> set[str]:
    return {finding.code.code for finding in found.findings}


@pytest.mark.parametrize(
    "pair", ["one", "{with: one, mode: both}", BY_HASH, "{with: one, mode: by-hash, after: 3}"]
)
@pytest.mark.parametrize("intended", ["one", "two"])
def test_twins_are_no_conflict(pair: str, intended: str, tmp_path: Path) -> None:
    found = analysed(tmp_path, pair, intended=intended)
    assert codes(found) == set()
    for client in found.site.space.classes:
        assert found.site.winners(client) == {"one", "two"}


def test_without_a_pair_they_are_one(tmp_path: Path) -> None:
    text = written(tmp_path, BY_HASH).joinpath("site.yaml").read_text().replace(f"    pair: {BY_HASH}\n", "")
    (tmp_path / "site.yaml").write_text(text.replace("answers: intended", "answers: everyone"))
    assert "CX301" in codes(analyse(load_inventory(tmp_path)))


@pytest.mark.parametrize("pair", ["one", BY_HASH])
def test_one_that_boots_clients_otherwise_is_told(pair: str, tmp_path: Path) -> None:
    (finding,) = (
        f for f in analysed(tmp_path, pair, file="syslinux32.efi").findings if f.code.code == "CX324"
    )
    assert finding.path == ("servers", "two", "pair")
    assert {client.architecture for client in finding.classes} == {"uefi-x64"}


def test_each_is_proven_to_boot_all_with_the_other_down(tmp_path: Path) -> None:
    assert {"CX323", "CX305"} <= codes(analysed(tmp_path, "{with: one, mode: by-hash, after: 99}"))


@pytest.mark.parametrize("pair", ["one", BY_HASH])
def test_a_twin_that_refuses_clients_is_told_to_answer_them(pair: str, tmp_path: Path) -> None:
    text = written(tmp_path, pair, intended="two").joinpath("site.yaml").read_text()
    refuses = f"answers: {{except: [few]}}\n    pair: {pair}"
    text = text.replace(f"answers: intended\n    pair: {pair}", refuses).replace(
        "answers: intended", "answers: everyone"
    )
    text += 'groups: {few: {macs: ["52:54:00:00:00:01"]}}\n'
    (tmp_path / "site.yaml").write_text(text)
    (finding,) = (f for f in analyse(load_inventory(tmp_path)).findings if f.code.code == "CX323")
    assert [(edit.kind, edit.path) for edit in finding.edits] == [("put", ("servers", "two", "answers"))]
    (tmp_path / "site.yaml").write_text(
        apply(text, [(edit.kind, edit.path, edit.value) for edit in finding.edits])
    )
    assert "CX323" not in codes(analyse(load_inventory(tmp_path)))


@pytest.mark.parametrize(("after", "uefi", "ipxe"), [(3, 12, 0), (4, 28, 1)])
def test_a_client_of_the_server_that_is_down_boots_at_a_later_attempt(
    after: int, uefi: int, ipxe: int, tmp_path: Path
) -> None:
    site = analysed(tmp_path, f"{{with: one, mode: by-hash, after: {after}}}").site
    seconds = {c.firmware: site.seconds(c, frozenset({"one"})) for c in site.space.classes}
    assert int(seconds["edk2"] or 0) == uefi
    assert int(seconds["ipxe"] or 0) == ipxe


def request(mac: int, *, secs: int = 0, kind: int = 1, port: int = 67, server: str = "") -> Packet:
    options = {53: bytes((kind,)), 60: b"PXEClient:Arch:00007", 93: b"\0\7"}
    options |= {54: IPv4Address(server).packed} if server else {}
    return Packet(op=1, secs=secs, chaddr=mac_bytes(mac), options=options)


def test_each_answers_its_half_by_the_mac_and_all_who_waited_or_chose(tmp_path: Path) -> None:
    inventory = load_inventory(written(tmp_path, BY_HASH))
    halves = {"one": 0, "two": 0}
    for number in range(256):
        mac = 0x52_54_00_00_00_00 + number
        for name, address in (("one", "10.10.0.6"), ("two", "10.10.0.7")):
            policy = boot_policy(inventory, name)

            def answer(packet: Packet, port: int = 67, policy=policy, address=address) -> Answer | Silence:
                asked = boot_request(packet, port)
                assert asked is not None
                source = (IPv4Address("10.10.1.9"), 68)
                return respond(policy, asked, server=IPv4Address(address), source=source)

            first = answer(request(mac))
            mine = (bucket(mac_bytes(mac)) < 128) == (name == "one")
            assert isinstance(first, Answer) == mine
            assert mine or first.reason is Reason.TWIN  # type: ignore[union-attr]
            halves[name] += mine
            if number < 16:
                assert isinstance(answer(request(mac, secs=3)), Answer) == mine
                assert isinstance(answer(request(mac, secs=4)), Answer)
                assert isinstance(answer(request(mac, kind=3), port=4011), Answer)
                assert isinstance(answer(request(mac, kind=3, server=address)), Answer)
    assert sum(halves.values()) == 256
    assert min(halves.values()) > 100


@pytest.mark.parametrize(
    ("pair", "line"),
    [
        ("three", 18),
        ("two", 18),
        ("dhcp", 18),
        ("{with: one, mode: half}", 18),
        ("{with: one, after: 3}", 18),
        ("{mode: both}", 18),
    ],
)
def test_what_is_no_pair_is_refused_at_its_line(pair: str, line: int, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        load_inventory(written(tmp_path, pair))
    assert {problem.position.line for problem in refused.value.problems} == {line}


def test_a_server_stands_in_one_pair(tmp_path: Path) -> None:
    path = written(tmp_path, "one") / "site.yaml"
    path.write_text(
        path.read_text().replace("answers: intended\n  two:", "answers: intended\n    pair: two\n  two:")
    )
    with pytest.raises(InputError) as refused:
        load_inventory(tmp_path)
    assert len(refused.value.problems) == 2
