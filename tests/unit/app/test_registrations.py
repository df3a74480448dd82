"""Changes one by one: a line each, with who and why, undone by its own line, and told to running servers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from coexist.app.changes import Who
from coexist.app.joining import joinable
from coexist.app.registrations import ACCEPTED, FILE, Machine, Registrations, pasted_machines
from coexist.errors import CoexistError
from coexist.inventory import load_inventory
from coexist.registry.sqlite import sqlite_registry
from coexist.wire.mac import parse_mac

NEW, OTHER, KNOWN = (parse_mac(f"52:54:00:00:00:0{n}") for n in (1, 2, 9))
WHO = Who(name="ada", why="new desk")
SITE = """
site: ward
vlans:
  lan: {id: 1, subnet: 10.9.0.0/24, gateway: 10.9.0.1}
servers:
  otc: {software: coexist, address: 10.9.0.3, vlan: lan, answers: {only: thin}, programs: {bios: thin.0}}
clients: clients.csv
groups:
  thin: {where: {hardware: [igel, dell]}}
  vip: {where: {hardware: dell, tags: vip}, except: printers}
  printers: {macs: "52:54:00:00:00:02"}
intent:
  - {clients: thin, boot_from: otc}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site.yaml").write_text(SITE, encoding="utf-8")
    (tmp_path / "clients.csv").write_text(
        "mac,name,hardware\n52:54:00:00:00:09,old-1,igel\n", encoding="utf-8"
    )
    return tmp_path


def test_a_machine_is_a_line_of_its_own_and_counts_at_once(site: Path) -> None:
    before = (site / "clients.csv").read_bytes(), (site / "site.yaml").read_bytes()
    changes = Registrations(site)
    entry = changes.register([Machine(mac=NEW, name='a "b": #c', hardware="igel", vlan="lan")], WHO)
    inventory = load_inventory(site)
    record = inventory.clients.find(NEW)
    assert record is not None
    assert (record.name, record.hardware, record.vlan) == ('a "b": #c', "igel", "lan")
    assert NEW in inventory.group("thin")
    assert ((site / "clients.csv").read_bytes(), (site / "site.yaml").read_bytes()) == before
    assert (site / FILE).read_text(encoding="utf-8").count("\n  - ") == 1
    (noted,) = changes.entries()
    assert (noted.id, noted.who, noted.why, noted.macs) == (
        entry.id,
        "ada",
        "new desk",
        ("52:54:00:00:00:01",),
    )


def test_undoing_takes_its_line_and_no_other(site: Path) -> None:
    changes = Registrations(site)
    first = changes.register([Machine(mac=NEW)], WHO)
    second = changes.register([Machine(mac=OTHER)], WHO)
    changes.undo(first.id, WHO)
    clients = load_inventory(site).clients
    assert clients.find(NEW) is None
    assert clients.find(OTHER) is not None
    assert [entry.undone for entry in changes.entries()] == [True, False, False]
    with pytest.raises(CoexistError, match="undone already"):
        changes.undo(first.id, WHO)
    changes.undo(second.id, WHO)
    assert not (site / FILE).exists()
    with pytest.raises(CoexistError, match="no change"):
        changes.undo("not-one", WHO)


def test_a_line_that_somebody_changed_is_not_undone(site: Path) -> None:
    changes = Registrations(site)
    entry = changes.register([Machine(mac=NEW, name="desk")], WHO)
    text = (site / FILE).read_text(encoding="utf-8")
    (site / FILE).write_text(text.replace("desk", "bench"), encoding="utf-8")
    with pytest.raises(CoexistError, match="changed since"):
        changes.undo(entry.id, WHO)
    assert load_inventory(site).clients.find(NEW) is not None


@pytest.mark.parametrize(
    ("machines", "words"),
    [
        ([Machine(mac=KNOWN)], "clients.csv:2"),
        ([Machine(mac=NEW, vlan="lann")], "lan"),
        ([Machine(mac=NEW), Machine(mac=KNOWN)], "old-1"),
        ([], "no machine"),
    ],
)
def test_what_cannot_be_registered_changes_nothing(site: Path, machines: list[Machine], words: str) -> None:
    with pytest.raises(CoexistError, match=words):
        Registrations(site).register(machines, WHO)
    assert not (site / FILE).exists()
    assert Registrations(site).entries() == []


def test_a_running_server_is_told(site: Path) -> None:
    path = site / "otc.sqlite"
    sqlite_registry(path).close()
    changes = Registrations(site, registries={"otc": path})
    entry = changes.register([Machine(mac=NEW, name="desk-1")], WHO)
    registry = sqlite_registry(path)
    row = registry.find(NEW)
    assert row is not None
    assert (row.state, row.name) == ("registered", "desk-1")
    changes.undo(entry.id, WHO)
    assert [r.state for r in registry.rows()] == ["seen"]
    changes.ignore([NEW], Who(name="ada", why="a printer"))
    assert [r.state for r in registry.rows()] == ["ignored"]
    registry.close()


def test_a_machine_is_put_into_a_group(site: Path) -> None:
    path = site / "otc.sqlite"
    sqlite_registry(path).close()
    changes = Registrations(site, registries={"otc": path})
    changes.register(
        [Machine(mac=NEW, group="thin"), Machine(mac=NEW + 4, hardware="dell", group="vip")], WHO
    )
    inventory = load_inventory(site)
    assert [inventory.clients.find(mac).hardware for mac in (NEW, NEW + 4)] == ["igel", "dell"]  # type: ignore[union-attr]
    assert (NEW in inventory.group("vip"), NEW + 4 in inventory.group("vip")) == (False, True)
    registry = sqlite_registry(path)
    assert {row.mac: row.client_group for row in registry.decided()} == {NEW: "thin", NEW + 4: "vip"}
    registry.close()
    assert joinable(inventory) == ["thin", "vip"]


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (Machine(mac=NEW, hardware="sun", group="thin"), "igel or dell"),
        (Machine(mac=NEW, group="thinn"), "thin"),
        (Machine(mac=NEW, group="printers"), "site.yaml:"),
        (Machine(mac=OTHER, group="vip"), "site.yaml:"),
    ],
)
def test_a_group_that_cannot_have_a_machine_changes_nothing(site: Path, machine: Machine, words: str) -> None:
    with pytest.raises(CoexistError, match=words):
        Registrations(site).register([machine], WHO)
    assert not (site / FILE).exists()
    assert load_inventory(site).clients.find(machine.mac) is None


def test_a_reason_is_owed_for_what_takes_something_away(site: Path) -> None:
    with pytest.raises(CoexistError, match="why"):
        Registrations(site).ignore([NEW], Who(name="ada", why=" "))
    with pytest.raises(CoexistError, match="why"):
        Registrations(site).accept("CX301", "", Who(name="ada", why=""))


def test_a_finding_is_accepted_in_the_inventory(site: Path) -> None:
    changes = Registrations(site)
    entry = changes.accept("CX201", "vlans.lan", Who(name="ada", why="the router leases"))
    (suppression,) = load_inventory(site).site.suppress
    assert (suppression.code, suppression.where, suppression.reason) == (
        "CX201",
        "vlans.lan",
        "the router leases",
    )
    with pytest.raises(CoexistError, match="nothing was changed"):
        changes.accept("CX9", "", Who(name="ada", why="not a code"))
    assert len(load_inventory(site).site.suppress) == 1
    changes.undo(entry.id, WHO)
    assert not (site / ACCEPTED).exists()


def test_git_records_the_one_file(site: Path) -> None:
    def git(*words: str) -> str:
        known = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        return subprocess.run(
            ["git", "-C", site, *known, *words], capture_output=True, text=True, check=True
        ).stdout

    git("init", "-q")
    git("config", "user.name", "t")
    git("config", "user.email", "t@example.org")
    (site / "elsewhere.txt").write_text("not ours", encoding="utf-8")
    Registrations(site, commit=True).register([Machine(mac=NEW)], WHO)
    assert git("show", "--name-only", "--format=%s %b").split("\n\n")[-1].strip() == str(FILE)
    assert "new desk" in git("log", "-1", "--format=%B")
    assert "elsewhere.txt" in git("status", "--short")


def test_pasted_lines() -> None:
    text = "mac;name\n52:54:00:00:00:01;desk-1;ward 3;igel\n\n5254.0000.0002\tdesk-2\n"
    first, second = pasted_machines(text)
    assert (first.mac, first.name, first.location, first.hardware) == (NEW, "desk-1", "ward 3", "igel")
    assert (second.mac, second.name) == (OTHER, "desk-2")
    with pytest.raises(CoexistError, match="line 2"):
        pasted_machines("52:54:00:00:00:01\nnonsense")


def test_a_damaged_line_of_the_journal_hides_no_other(site: Path) -> None:
    changes = Registrations(site)
    changes.register([Machine(mac=NEW)], WHO)
    with (site / "history" / "changes.jsonl").open("a", encoding="utf-8") as journal:
        journal.write("{\n")
    changes.register([Machine(mac=OTHER)], WHO)
    assert len(changes.entries()) == 2


def test_a_list_may_name_its_columns() -> None:
    (machine,) = pasted_machines('\ufeffName,MAC,VLAN\n"desk, the second",52:54:00:00:00:01,lan\n')
    assert (machine.mac, machine.name, machine.vlan) == (NEW, "desk, the second", "lan")


@pytest.mark.parametrize(
    "text", ["mac,tags\\n52:54:00:00:00:01,x\\n", "52:54:00:00:00:01,a,b,c,lan,thin,more"]
)
def test_nothing_of_a_list_is_left_out(text: str) -> None:
    with pytest.raises(CoexistError, match="line"):
        pasted_machines(text)


def test_what_a_registry_cannot_be_told_waits_and_is_told_once(site: Path) -> None:
    path = site / "otc.sqlite"
    changes = Registrations(site, registries={"otc": path})
    # There is no registry yet: the inventory has the machine, and the decision waits.
    entry = changes.register([Machine(mac=NEW, name="desk-1")], WHO)
    assert load_inventory(site).clients.find(NEW) is not None
    assert changes.waiting() == {str(path): 1}
    assert changes.carry_over() == 0
    changes.ignore([NEW + 4], Who(name="ada", why="a printer"))
    assert changes.waiting() == {str(path): 2}
    sqlite_registry(path).close()
    # Whoever comes next finds it, also a console that was started anew.
    again = Registrations(site, registries={"otc": path})
    assert again.carry_over() == 2
    assert (again.carry_over(), again.waiting()) == (0, {})
    registry = sqlite_registry(path)
    assert {row.mac: (row.state, row.name) for row in registry.decided()} == {
        NEW: ("registered", "desk-1"),
        NEW + 4: ("ignored", ""),
    }
    assert len(registry.acts()) == 2
    again.undo(entry.id, WHO)
    assert {row.mac for row in registry.decided()} == {NEW + 4}
    registry.close()


def test_what_can_be_neither_told_nor_kept_changes_nothing(site: Path) -> None:
    path = site / "otc.sqlite"
    changes = Registrations(site, registries={"otc": path})
    # A folder in the place of the file in which the decision would wait.
    changes._waiting._path(path).mkdir(parents=True)
    with pytest.raises(CoexistError, match="nothing was changed"):
        changes.register([Machine(mac=NEW)], WHO)
    assert load_inventory(site).clients.find(NEW) is None
    assert not (site / FILE).exists()
    assert [(e.action, e.undone) for e in changes.entries()] == [("register", True), ("undo", False)]
