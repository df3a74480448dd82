"""Every repair that is printed can be followed: obeyed, its finding is gone and no new error is there."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from coexist.analysis import Analysis, Finding, Severity, analyse
from coexist.analysis.catalogue import CATALOGUE
from coexist.analysis.suppress import OF_FILES
from coexist.inventory import load_inventory
from coexist.planning.yaml_edit import apply
from coexist.render.limits import limits
from tests.conftest import ROOT

FAILING = re.compile(r"^## Failing\n+```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
BESIDE = re.compile(r"^```\w+ (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TODAY = date(2026, 1, 15)
BROKEN = ROOT / "inventories" / "broken"

# What people do who were told: in a machine, a list or a daemon's own file, or because only they know a name.
# By site and code: what stands where, and what stands there when it is done.
_SERVER_MAC = "  - {mac: 00:80:64:00:00:01, name: laptop-2"
ACTS: dict[tuple[str, str], dict[str, dict[str, str]]] = {
    # All cards of the machine go into one group.
    ("CX110", "CX110"): {
        "site.yaml": {
            "{mac: 00:80:64:00:00:01, name: tc-1}": (
                "{mac: [00:80:64:00:00:01, 3c:52:82:00:00:01], name: tc-1, tags: thin}"
            ),
            "  - {mac: 3c:52:82:00:00:01, name: tc-1}\n": "",
            '{oui: "00:80:64"}': "{where: {tags: thin}}",
        }
    },
    # The intended server boots these clients first; then the other is switched off.
    ("CX403", "CX112"): {"site.yaml": {", 60: PXEClient": "", "answers: everyone": "answers: nobody"}},
    # The columns are filled.
    ("CX513", "CX513"): {"site.yaml": {"name: tc-1}": "name: tc-1, location: Hall, hardware: wyse}"}},
    # The firmware passes the laptop's own address through, and it is registered.
    ("CX116", "CX116"): {
        "site.yaml": {
            _SERVER_MAC: _SERVER_MAC.replace(":01,", ":02,"),
            "macs: [00:80:64:00:00:01]": "macs: [00:80:64:00:00:01, 00:80:64:00:00:02]",
        }
    },
    # The name is declared.
    ("CX118", "CX118"): {"site.yaml": {"[boot.example]": "[boot.example, time.example]"}},
    # The column is called as it should be.
    ("CX119", "CX119"): {"clients.csv": {"locaton": "location"}},
    # The server's own file includes the drop-in; it says nothing else to these clients.
    ("CX121", "CX121"): {"servers/dhcp/dhcpd.conf": {"": 'include "/etc/dhcp/coexist.conf";\n'}},
    ("CX122", "CX122"): {"servers/dhcp/dhcpd.conf": {' filename "old.0";': ""}},
    ("CX122", "CX408"): {"servers/dhcp/dhcpd.conf": {' filename "old.0";': ""}},
    # The programs for the other architecture are there, and called so.
    ("CX209", "CX404"): {
        "site.yaml": {
            f"filename: {name}.0": f"programs: {{bios: {name}.0, uefi-x64: {name}.efi}}" for name in "ab"
        }
    },
    ("CX423", "CX423"): {
        "site.yaml": {
            "vlan: office}\nscopes": "vlan: office, programs: {bios: x.0, uefi-x64: x.efi}}\nscopes"
        }
    },
    # These machines' firmware was looked at.
    ("CX322", "CX322"): {
        "site.yaml": {
            "{bios: pxe21}": """{bios: ours}
firmwares: {ours: {like: pxe21, parameters: {reading: proxy-first}}}"""
        }
    },
    # The other team lets its server answer BIOS machines alone.
    ("CX420", "CX420"): {
        "site.yaml": {"    fixed: true": "    fixed: true\n    answers: {architectures: bios}"}
    },
}


def inventories() -> Iterator[tuple[str, dict[str, str]]]:
    for page in sorted((ROOT / "docs" / "findings").glob("CX*.md")):
        for text in FAILING.findall(page.read_text(encoding="utf-8")):
            section = page.read_text(encoding="utf-8").partition("## Failing\n")[2].partition("\n## ")[0]
            yield page.stem, {"site.yaml": text} | dict(BESIDE.findall(section))
    yield "broken", {path.name: path.read_text(encoding="utf-8") for path in BROKEN.glob("*.*")}


def analysed(files: dict[str, str], folder: Path) -> Analysis:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    inventory = load_inventory(folder)
    return analyse(inventory, TODAY, partial(limits, inventory))


def identity(finding: Finding) -> tuple[object, ...]:
    return finding.code.code, finding.path


def errors_of(analysis: Analysis) -> set[tuple[object, ...]]:
    """What is wrong, class by class; by its place where no class is concerned."""
    found: set[tuple[object, ...]] = set()
    for finding in analysis.findings:
        if finding.severity is Severity.ERROR:
            whom = {(c.macs.witness, c.vlan, c.architecture, c.firmware) for c in finding.classes}
            found |= {(finding.code.code, *client) for client in whom} or {identity(finding)}
    return found


SITES = dict(inventories())


@pytest.fixture(scope="module")
def as_written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Analysis]:
    """The analysis of a page's inventory, or of the broken site; each is made once."""
    folder = tmp_path_factory.mktemp("sites")
    return functools.cache(lambda name: analysed(SITES[name], folder / name))


@pytest.mark.parametrize("name", SITES)
def test_an_obeyed_repair_takes_its_finding_away_and_brings_no_error(
    name: str, as_written: Callable[[str], Analysis], tmp_path: Path
) -> None:
    before = as_written(name)
    errors = errors_of(before)
    wrong = []
    for number, finding in enumerate(before.findings):
        if not finding.edits:
            continue
        edits = [(edit.kind, edit.path, edit.value) for edit in finding.edits]
        text = apply(SITES[name]["site.yaml"], edits)
        after = analysed({**SITES[name], "site.yaml": text}, tmp_path / str(number))
        new = errors_of(after) - errors
        left = [
            f for f in after.findings if (*identity(f), f.message) == (*identity(finding), finding.message)
        ]
        if left or new:
            wrong.append(
                (identity(finding), [e[:3] for e in edits], "stays" if left else "", sorted(new, key=str))
            )
    assert wrong == []


@pytest.mark.parametrize("name", SITES)
def test_no_repair_changes_a_server_that_is_fixed(name: str, as_written: Callable[[str], Analysis]) -> None:
    site = as_written(name)
    fixed = {server for server, declared in site.site.site.servers.items() if declared.fixed}
    for finding in site.findings:
        for edit in finding.edits:
            assert edit.path[:1] != ("servers",) or edit.path[1] not in fixed or finding.code.code == "CX317"


@pytest.mark.parametrize("name", sorted({name for name, _ in ACTS}))
def test_what_people_do_takes_the_finding_away_and_brings_no_error(
    name: str, tmp_path: Path, as_written: Callable[[str], Analysis]
) -> None:
    before = as_written(name)
    errors = errors_of(before)
    for finding in before.findings:
        if finding.edits:
            continue
        code = finding.code.code
        files = dict(SITES[name])
        for file, changes in ACTS[name, code].items():
            for old, new in changes.items():
                assert old in files[file], (code, old)
                files[file] = files[file].replace(old, new) if old else new + files[file]
        after = analysed(files, tmp_path / code)
        assert code not in {left.code.code for left in after.findings}
        assert errors_of(after) <= errors


def test_every_finding_has_an_edit_or_an_act_of_people(as_written: Callable[[str], Analysis]) -> None:
    without = {
        (name, finding.code.code)
        for name in SITES
        for finding in as_written(name).findings
        if not finding.edits
    }
    assert without == set(ACTS)


OF_NO_INVENTORY = (
    OF_FILES
    # Every product that an inventory can name has a renderer.
    | {"CX517"}
    # What servers hold (CX6xx) and what was seen on the wire (CX7xx) are found there.
    | {code for code in CATALOGUE if code[:3] in ("CX6", "CX7")}
)


def test_every_code_that_an_inventory_can_have_is_obeyed(as_written: Callable[[str], Analysis]) -> None:
    found = {finding.code.code for name in SITES for finding in as_written(name).findings}
    assert found == set(CATALOGUE) - OF_NO_INVENTORY
    # Each on its own page.
    for name in found & set(SITES):
        assert name in {finding.code.code for finding in as_written(name).findings}
    assert found <= set(SITES)
