"""A pilot's link: what it opens, what it lets somebody write, and when it ends."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coexist.app.changes import Changes, Who
from coexist.app.migrations import Loaded, load
from coexist.app.pilot_links import LASTS, LINKS, LONGEST_NOTE, NoLinkError, Pilots
from coexist.errors import CoexistError

ADA = Who(name="ada", why="pilots begin")
START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
SITE = """
site: ward
vlans:
  lan: {id: 1, subnet: 10.9.0.0/24, gateway: 10.9.0.1}
servers:
  dhcp: {software: isc-dhcpd 4.4, address: 10.9.0.2, vlan: lan}
  old: {software: coexist, address: 10.9.0.3, vlan: lan, answers: {only: thin}, programs: {bios: old.0}}
  new: {software: coexist, address: 10.9.0.4, vlan: lan, answers: nobody, programs: {bios: new.0}}
scopes:
  lan: {server: dhcp, vlan: lan, pools: [10.9.0.50-10.9.0.99]}
clients:
  - {mac: "52:54:00:00:00:01", name: desk-1, location: Ward 1, hardware: igel, tags: pilot}
  - {mac: "52:54:00:00:00:02", name: desk-2, hardware: igel, tags: pilot}
  - {mac: "52:54:00:00:00:03", name: desk-3, hardware: igel}
groups:
  thin: {where: {hardware: igel}}
  first: {where: {tags: pilot}}
intent:
  - {clients: thin, boot_from: old}
  - {clients: everyone, boot_from: nobody}
migrations:
  renewal:
    {from: old, to: new, clients: thin, pilots: first, checklist: [boots twice, the badge reader works]}
"""


class Clock:
    """A time that is set."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pilots(tmp_path: Path, clock: Clock) -> Pilots:
    (tmp_path / "site.yaml").write_text(SITE, encoding="utf-8")
    return Pilots(tmp_path, clock)


def loaded(pilots: Pilots) -> Loaded:
    return load(pilots.path, None)


def test_a_link_shows_its_machine_and_takes_its_results(pilots: Pilots) -> None:
    secret = pilots.renew(loaded(pilots), ["desk-1"], ADA)["desk-1"]
    sheet = pilots.page(secret)
    assert (sheet.machine, sheet.location, sheet.hardware) == ("desk-1", "Ward 1", "igel")
    assert sheet.macs == ("52:54:00:00:00:01",)
    assert [item.text for item in sheet.items] == ["boots twice", "the badge reader works"]
    new = pilots.fill(secret, {1: ("passed", ""), 2: ("failed", "no\nlight")}, name="Bo", complaint="it hums")
    assert new == 3
    after = loaded(pilots).sheet
    cell = after.cell("desk-1", "the badge reader works")
    assert cell is not None
    assert (cell.result, cell.note, cell.who) == ("failed", "no light", "Bo")
    assert [(each.machine, each.note) for each in after.complaints] == [("desk-1", "it hums")]
    assert [(machine, item) for machine, item in after.missing if machine == "desk-1"] == []
    # Sent again as it stands, nothing is written twice.
    assert pilots.fill(secret, {1: ("passed", ""), 2: ("failed", "no light")}, name="Bo") == 0
    entries = Changes(pilots.changes.root).entries()
    assert [(each.action, each.via, each.who) for each in entries] == [
        ("pilot-link", "console", "ada"),
        ("checklist", "pilot", "Bo"),
        ("complaint", "pilot", "Bo"),
    ]


def test_the_secret_lies_nowhere(pilots: Pilots, tmp_path: Path) -> None:
    secret = pilots.renew(loaded(pilots), ["desk-1"], ADA)["desk-1"]
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or secret not in file.read_text(encoding="utf-8")
    assert stat.S_IMODE((tmp_path / LINKS).stat().st_mode) == 0o600


def test_a_link_ends_with_its_time_its_renewal_and_its_machine(pilots: Pilots, clock: Clock) -> None:
    both = pilots.renew(loaded(pilots), ["desk-1", "desk-2"], ADA)
    first = pilots.renew(loaded(pilots), ["desk-1"], ADA)["desk-1"]
    with pytest.raises(NoLinkError):
        pilots.page(both["desk-1"])
    assert pilots.page(both["desk-2"]).machine == "desk-2"
    pilots.end("renewal", "desk-2", ADA)
    with pytest.raises(NoLinkError):
        pilots.fill(both["desk-2"], {1: ("passed", "")}, name="Bo")
    with pytest.raises(CoexistError):
        pilots.end("renewal", "desk-2", ADA)
    site = pilots.path / "site.yaml"
    site.write_text(SITE.replace("location: Ward 1, hardware: igel, tags: pilot", "hardware: igel"))
    with pytest.raises(NoLinkError):
        pilots.page(first)
    site.write_text(SITE)
    clock.at += LASTS - timedelta(seconds=1)
    assert pilots.links("renewal").keys() == {"desk-1"}
    clock.at += timedelta(seconds=1)
    with pytest.raises(NoLinkError):
        pilots.page(first)


@pytest.mark.parametrize(
    ("results", "name", "complaint"),
    [
        ({1: ("passed", "")}, "", ""),
        ({1: ("perhaps", "")}, "Bo", ""),
        ({3: ("passed", "")}, "Bo", ""),
        ({0: ("passed", "")}, "Bo", ""),
        ({1: ("failed", "x" * (LONGEST_NOTE + 1))}, "Bo", ""),
        ({}, "Bo", "x" * (LONGEST_NOTE + 1)),
        ({}, "B" * 65, "it hums"),
    ],
)
def test_what_is_wrong_is_not_recorded(
    pilots: Pilots, results: dict[int, tuple[str, str]], name: str, complaint: str
) -> None:
    secret = pilots.renew(loaded(pilots), ["desk-1"], ADA)["desk-1"]
    with pytest.raises(CoexistError):
        pilots.fill(secret, results, name=name, complaint=complaint)
    assert not loaded(pilots).sheet.last
    assert not loaded(pilots).sheet.complaints


def test_only_a_pilot_gets_a_link(pilots: Pilots) -> None:
    with pytest.raises(CoexistError):
        pilots.renew(loaded(pilots), ["desk-3"], ADA)
    with pytest.raises(NoLinkError):
        pilots.page("guessed")


def test_a_damaged_file_of_links_is_named(pilots: Pilots) -> None:
    pilots.renew(loaded(pilots), ["desk-1"], ADA)
    (pilots.changes.root / LINKS).write_text("{}", encoding="utf-8")
    with pytest.raises(CoexistError, match=LINKS.name):
        pilots.links("renewal")
