"""Work on a second core: what another process finds is what this one would have found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from coexist.analysis import analyse, sorted_findings
from coexist.analysis.check import _untold, found_in
from coexist.analysis.numbers import other_numbers
from coexist.analysis.races import RaceAskedError, Races
from coexist.analysis.rules import RULES
from coexist.analysis.site import AnalysedSite
from coexist.apart import Apart, Wait
from coexist.app.second_core import begun_apart, has_second_core
from coexist.errors import InputError
from coexist.inventory.clients_ahead import clients_ahead, taken
from coexist.inventory.loader import Inventory, load_inventory
from coexist.render.limits import limits
from tests.conftest import ROOT

SITES = ["broken", "campus", "hospital", "two-generations"]


def at_once(work: Callable[[], bytes]) -> Wait:
    """Work that is done here, and whose result is carried all the same."""
    result = work()
    return lambda: result


def never(_work: Callable[[], bytes]) -> Wait:
    """Another process that came to nothing."""
    return lambda: None


WAYS = [begun_apart, at_once, never]


@pytest.fixture(autouse=True)
def _every_site_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coexist.analysis.check._WORTH_TWO", 0)
    monkeypatch.setattr("coexist.inventory.clients_ahead._WORTH_IT", 0)


@pytest.mark.parametrize("apart", WAYS)
@pytest.mark.parametrize("name", SITES)
def test_two_cores_find_what_one_finds(name: str, apart: Apart) -> None:
    inventory = load_inventory(ROOT / "inventories" / name)
    alone = analyse(inventory, further=partial(limits, inventory))
    both = analyse(inventory, further=partial(limits, inventory), apart=apart)
    assert both.findings == alone.findings
    assert [found.classes for found in both.findings] == [found.classes for found in alone.findings]
    assert [found.edits for found in both.findings] == [found.edits for found in alone.findings]
    assert both.suppressed == alone.suppressed


def test_what_is_found_apart_speaks_of_the_classes_that_are_here() -> None:
    site = AnalysedSite(load_inventory(ROOT / "inventories" / "broken"))
    found, _ = found_in(site, tuple, begun_apart)
    assert sorted_findings(found) == sorted_findings(found_in(site)[0])
    own = {id(client) for client in site.space.classes}
    told = [client for finding in found for client in finding.classes]
    assert told
    assert {id(client) for client in told} <= own


@pytest.mark.parametrize("name", SITES)
def test_a_rule_that_asks_how_a_race_ends_is_asked_again_where_it_is_told(name: str) -> None:
    """The race that a finding shows is run for itself."""
    site = AnalysedSite(load_inventory(ROOT / "inventories" / name))
    found, asking = _untold(site)
    shown = sum(bool(one.witness and one.witness.timeline) for one in found)
    assert site.races.run == shown
    fresh = AnalysedSite(site.inventory)
    alone = {code: [*rule.find(fresh)] for code, rule in RULES.items()}
    assert found == [one for code, ones in alone.items() if code not in asking for one in ones]
    # Only about what it found does a rule ask.
    assert all(alone[code] for code in asking)
    assert bool(asking) is (name == "broken")
    # Whoever asks after that is told.
    assert all(site.races.of(client) for client in site.space.classes)


def test_whoever_asks_how_a_race_ends_where_it_is_not_told_learns_of_it() -> None:
    site = AnalysedSite(load_inventory(ROOT / "inventories" / "campus"))
    client = next(case.client for case in site.pxe_cases if other_numbers(case.client.architecture))
    for ask in (Races.of, Races.second, Races.loaders, Races.halts, Races.answered_apart):
        with site.races.untold(), pytest.raises(RaceAskedError):
            ask(site.races, client)
    assert not site.races.run


def test_only_linux_with_two_cores_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    assert has_second_core()
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {1})
    assert not has_second_core()
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("sys.platform", "darwin")
    assert not has_second_core()


def test_a_crash_apart_is_told_by_nobody() -> None:
    def crash() -> bytes:
        raise ValueError("no")

    assert begun_apart(crash)() is None
    assert begun_apart(lambda: b"1")() == b"1"
    assert begun_apart(lambda: bytes(1 << 20))() == bytes(1 << 20)


# -- clients read ahead ---------------------------------------------------------------------------

SITE = """\
site: s
vlans: {v: {id: 1, subnet: 10.0.0.0/24}}
servers: {otc: {software: coexist, address: 10.0.0.2, vlan: v}}
clients: clients.csv
"""
PLAIN = "mac,name,vlan,address,tags\n" + "".join(
    f"52:54:00:00:00:{number:02x},pc-{number},v,10.0.0.{number + 10},a b\n" for number in range(64)
)

TWO_MACHINES_OF_ONE_DOCK = PLAIN.replace("tags\n", "tags,uuid\n").replace("a b\n", "a b,\n") + "".join(
    f"52:54:00:00:01:01,laptop-{number},v,,,00000000-0000-0000-0000-00000000000{number}\n"
    for number in (1, 2)
)


def written(tmp_path: Path, rows: str, site: str = SITE) -> Path:
    (tmp_path / "site.yaml").write_text(site)
    (tmp_path / "clients.csv").write_text(rows)
    return tmp_path


def columns(inventory: Inventory) -> Iterator[object]:
    table = inventory.clients
    yield (
        [table.name(row) for row in range(len(table))],
        [table.row(mac) for mac in (*table.macs, 1, 1 << 47)],
    )
    yield table.macs, table.addresses, dict(table.columns), table.known, [*table.numbers]
    yield (
        table.repeated,
        table.reserved_twice,
        table.named_twice,
        dict(table.spans),
        table.reserved(0x0A00000F, 0x0A000020),
    )
    for names in (("vlan",), ("tags", "vlan"), ("firmware", "hardware", "vlan")):
        kinds = table.kinds(names)
        yield kinds.columns, kinds.cells, [*map(list, kinds.rows)]
    for row in range(len(table)):
        yield table.record(row), table.position(row, "address"), table.position(row, "tags")


@pytest.mark.parametrize("apart", WAYS)
@pytest.mark.parametrize(
    "rows",
    [
        PLAIN,
        "\ufeff" + PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace(",", ";"),
        PLAIN.replace("pc-3,", '"pc-3",'),
        PLAIN.replace("52:54:00:00:00:07", "5254.0000.0007"),
        PLAIN.replace("tags\n", "tags,rack\n").replace("a b\n", "a b,r1\n"),
        PLAIN.replace("pc-1", "tc-1").replace(",v,", ",,", 40),
        PLAIN.replace("tags\n", "tags,hardware\n")
        .replace("a b\n", "a b,hp\n", 30)
        .replace("a b\n", ",igel\n"),
        TWO_MACHINES_OF_ONE_DOCK,
        "# the machines\n" + PLAIN,
        "\n".join([PLAIN.splitlines()[0], *sorted(PLAIN.splitlines()[1:], key=lambda row: row[15:17])]),
        PLAIN.replace("pc-3,v,10.0.0.13,", "pc-4,v,10.0.0.14,").replace(",v,10.0.0.20", ",v,"),
    ],
)
def test_clients_read_ahead_are_those_that_the_loader_reads(tmp_path: Path, rows: str, apart: Apart) -> None:
    path = written(tmp_path, rows)
    ahead = clients_ahead(path, apart)
    assert list(ahead) == [path / "clients.csv"]
    assert [*columns(load_inventory(path, ahead))] == [*columns(load_inventory(path))]


@pytest.mark.parametrize(
    "wrong",
    [
        PLAIN.replace("52:54:00:00:00:07", "nonsense"),
        PLAIN.replace("10.0.0.17", "10.0.0.400"),
        PLAIN.replace("pc-9,v,", "pc-9,w,"),
        PLAIN.replace("mac,", "cam,"),
        PLAIN.replace("52:54:00:00:00:07", "52:54:00:00:00:08"),
        PLAIN + "\0",
        "",
    ],
)
def test_a_mistake_is_told_as_if_nothing_was_read_ahead(tmp_path: Path, wrong: str) -> None:
    path = written(tmp_path, wrong)
    told = []
    for ahead in (None, clients_ahead(path, begun_apart)):
        with pytest.raises(InputError) as caught:
            load_inventory(path, ahead)
        told.append(str(caught.value))
    assert told[0] == told[1]


def test_a_file_that_was_written_since_is_read_again(tmp_path: Path) -> None:
    path = written(tmp_path, PLAIN)
    ahead = clients_ahead(path, at_once)
    (path / "new").write_text(PLAIN.replace("pc-5,", "tc-5,"))
    (path / "new").replace(path / "clients.csv")
    assert taken(ahead, path / "clients.csv") is None
    assert load_inventory(path, ahead).clients.columns["name"][5] == "tc-5"


@pytest.mark.parametrize(
    "site",
    [
        SITE.replace("clients: clients.csv", "clients: [clients.csv]"),
        SITE.replace("clients: clients.csv", "clients: other.csv"),
        SITE.replace("clients: clients.csv", "clients: ../../etc"),
        SITE.replace("clients: clients.csv", ""),
        "\0",
        "",
    ],
)
def test_what_is_not_plainly_named_is_left_to_the_loader(tmp_path: Path, site: str) -> None:
    assert clients_ahead(written(tmp_path, PLAIN, site), never) == {}
    assert clients_ahead(tmp_path / "missing", never) == {}


def many_vlans(tmp_path: Path) -> Path:
    """A site that is worth a second core: many classes, many rows, and something to find on each VLAN."""
    vlans, rows = range(40), ["mac,name,hardware,architecture,vlan,address"]
    lines = ["site: s", "clients: clients.csv", "vlans:"]
    vlan = "{{id: {1}, subnet: 10.{0}.0.0/16, gateway: 10.{0}.0.1, relay_to: [dhcp]}}"
    lines += [f"  v{n}: {vlan.format(n, n + 1)}" for n in vlans]
    lines += ["servers:", "  dhcp: {software: isc-dhcpd, address: 10.0.0.2, vlan: v0}"]
    lines += [
        f"  otc{n}: {{software: coexist, address: 10.{n}.0.3, vlan: v{n}, programs: {{bios: a.0}}}}"
        for n in vlans
    ]
    lines += ["scopes:"]
    lines += [f"  s{n}: {{server: dhcp, vlan: v{n}, pools: [10.{n}.1.0-10.{n}.1.9]}}" for n in vlans]
    lines += ["intent:"]
    lines += [f"  - {{clients: everyone, vlan: v{n}, boot_from: otc{n}}}" for n in vlans]
    for number in range(2000):
        home, place = number % 40, number // 40
        mac = f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}"
        kind = ("igel", "bios") if place % 2 else ("hp", "uefi-x64")
        rows.append(f"{mac},pc-{number},{kind[0]},{kind[1]},v{home},10.{home}.2.{place}")
    (tmp_path / "site.yaml").write_text("\n".join(lines) + "\n")
    (tmp_path / "clients.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_the_program_says_the_same_on_one_core(tmp_path: Path) -> None:
    path = many_vlans(tmp_path)
    program = [sys.executable, "-m", "coexist", "check", str(path), "--format", "json"]
    one, both = (
        subprocess.run(
            program, capture_output=True, check=False, preexec_fn=partial(os.sched_setaffinity, 0, cores)
        )
        for cores in ({min(os.sched_getaffinity(0))}, os.sched_getaffinity(0))
    )
    assert (both.returncode, both.stdout, both.stderr) == (one.returncode, one.stdout, one.stderr)
    assert len(json.loads(one.stdout)["findings"]) >= 40
