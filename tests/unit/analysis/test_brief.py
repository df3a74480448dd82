"""An analysis for who shows a sentence a finding: the same is found, without the races that only show it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coexist.analysis import Analysis, analyse
from coexist.analysis.findings import Finding
from coexist.inventory import load_inventory

INVENTORIES = Path(__file__).resolve().parents[3] / "inventories"
SITE = """
site: example
vlans:
  office: {id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1}
servers:
  dhcp: {software: isc-dhcpd, address: 10.10.0.5, vlan: office, config: dhcpd.conf}
"""
SUBNET = """subnet 10.10.0.0 netmask 255.255.0.0 {
  option routers 10.10.0.1;
  range 10.10.1.0 10.10.1.255;
  next-server 10.10.0.9;
}
"""


def sentence(finding: Finding) -> tuple[object, ...]:
    """What is found, without how it is shown and repaired."""
    witness = finding.witness and replace(finding.witness, timeline=())
    shown = finding.code.code, finding.severity, finding.position, finding.message, finding.path
    return *shown, witness, finding.clients, finding.classes


@pytest.mark.parametrize("name", ["adopted", "broken", "campus", "hospital"])
def test_the_same_is_found(name: str) -> None:
    inventory = load_inventory(INVENTORIES / name)
    brief, whole = analyse(inventory, brief=True), analyse(inventory)
    assert [*map(sentence, brief.findings)] == [*map(sentence, whole.findings)]
    assert [s.position for s in brief.suppressed] == [s.position for s in whole.suppressed]
    assert not any(f.edits for f in brief.findings)


def of_files(folder: Path, number: int) -> tuple[Analysis, Analysis]:
    """The analyses, brief and whole, of a dhcpd.conf that gives each host but one a boot file of its own."""
    hosts = "host none { hardware ethernet 52:54:00:00:00:00; }\n" + "".join(
        f'host pc{n} {{ hardware ethernet 52:54:00:00:00:{n:02x}; filename "boot/{n}"; }}\n'
        for n in range(1, number)
    )
    (folder / "dhcpd.conf").write_text(SUBNET + hosts)
    (folder / "site.yaml").write_text(SITE)
    inventory = load_inventory(folder)
    return analyse(inventory, brief=True), analyse(inventory)


def test_races_are_not_run_for_each_boot_file_of_a_server_by_its_own_file(tmp_path: Path) -> None:
    few, many = of_files(tmp_path, 3)[0], of_files(tmp_path, 30)[0]
    assert len(many.site.space.classes) > len(few.site.space.classes)
    assert many.site.races.run == few.site.races.run


def test_who_answers_today_is_asked_until_two_classes_differ(tmp_path: Path) -> None:
    """CX104 proposes an intent for everyone only where all boot from one server."""
    whole = of_files(tmp_path, 30)[1]
    (finding,) = (f for f in whole.findings if f.code.code == "CX104")
    assert finding.edits == ()
    shown = sum(bool(f.witness and f.witness.timeline) for f in whole.findings)
    assert whole.site.races.run < shown + len(whole.site.space.classes)
