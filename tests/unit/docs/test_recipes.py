"""CONTRIBUTING.md's recipes are followed to the letter in a copy of the repository.

What is added stands in ``tests/data/recipes``: a block is a new file, or lines above or below the first line
with a text. A recipe is wrong if it leaves out a file that has to be touched, or if the result is not clean.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT

BLOCK = re.compile(
    r"^(?P<fence>`{3,4})\w+\n# (?P<path>\S+)(?: (?P<where>above|below): (?P<line>[^\n]+)| at its end)?\n"
    r"(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
COPIED = ("coexist", "templates", "docs", "scripts", "tests", "inventories")
NAMED = re.compile(r"`([\w./-]+[/.][\w./-]+)`")


class Recipe(NamedTuple):
    """The name that takes the place of NAME and CX123, and the tests that judge what was added."""

    name: str
    tests: tuple[str, ...]


_PAGES = ("docs/test_reference.py", "docs/test_pages.py::test_the_guides_show_every_command")
_REPAIRED = "test_an_obeyed_repair_takes_its_finding_away_and_brings_no_error[CX199]"
_PAGE = "test_the_failing_inventory_of_the_page_names_the_code_and_the_repaired_one_is_clean[CX199]"
RECIPES = {
    "command": Recipe(
        "vlans",
        (
            *("app/test_vlans.py", "report/test_vlans.py", *_PAGES),
            "cli/test_exit_codes.py::test_every_command_is_in_the_table",
            "cli/test_exit_codes.py::test_every_code_of_the_table_is_driven",
            "cli/test_exit_codes.py::test_the_code[vlans-0]",
            "cli/test_exit_codes.py::test_an_inventory_that_cannot_be_read[vlans]",
        ),
    ),
    "language": Recipe(
        "acme",
        (
            "boot/leases/test_own_files.py::test_a_reply_is_one_for_its_packet[acme-office]",
            "boot/leases/test_own_files.py::test_every_value_of_a_lease_stands_at_a_line_of_the_files[acme-office]",
            "inventory/test_products.py::test_every_part_of_a_product_is_there[acme-dhcp]",
            *("test_product_names.py", *_PAGES),
        ),
    ),
    "firmware": Recipe(
        "acme",
        (
            *("boot/firmware/test_acme.py", "boot/firmware/test_variants.py", *_PAGES),
            "boot/firmware/test_any_firmware.py::test_silence_is_given_up[acme-loader]",
            "docs/test_firmware.py",
        ),
    ),
    "finding": Recipe(
        "CX199",
        (
            *_PAGES,
            f"docs/test_findings.py::{_PAGE}",
            "docs/test_findings.py::test_every_code_has_a_page_with_its_name_and_severity[CX199]",
            "analysis/test_rules.py::test_a_site_with_a_name",
            f"planning/test_obey.py::{_REPAIRED}",
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the repository, in which a recipe was followed. ``touched``: files by their paths in it."""

    folder: Path
    touched: tuple[str, ...]

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """A command there, that imports what is there."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.folder,
            env=environment | {"PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )


def _write(folder: Path, block: re.Match[str]) -> None:
    path = folder / block["path"]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block["text"], encoding="utf-8")
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    at = len(lines)
    if block["where"]:
        at = next(number for number, line in enumerate(lines) if block["line"] in line)
        at += block["where"] == "below"
    path.write_text("".join([*lines[:at], block["text"], *lines[at:]]), encoding="utf-8")


def _followed(recipe: str, folder: Path) -> Copy:
    unwanted = shutil.ignore_patterns(".pytest_cache", ".hypothesis")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=unwanted)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy2(path, folder / path.name)
    text = (ROOT / "tests" / "data" / "recipes" / f"{recipe}.md").read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    for block in blocks:
        _write(folder, block)
    return Copy(folder, tuple(dict.fromkeys(block["path"] for block in blocks)))


def _section(recipe: str) -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text.partition(f"\n## Adding a {recipe}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_names_every_file_that_it_touches(recipe: str) -> None:
    text = (ROOT / "tests" / "data" / "recipes" / f"{recipe}.md").read_text(encoding="utf-8")
    touched = {block["path"] for block in BLOCK.finditer(text)}
    name = RECIPES[recipe].name
    named = [path.replace("NAME", name).replace("CX123", name) for path in NAMED.findall(_section(recipe))]
    # Every recipe's, said once.
    named.append("CHANGELOG.md")
    assert {path for path in touched if not path.startswith(tuple(named))} == set()
    assert len(touched) > 3


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_followed_and_what_comes_of_it_is_clean(recipe: str, tmp_path: Path) -> None:
    copy = _followed(recipe, tmp_path)
    assert copy.run("scripts/make-reference.py").returncode == 0
    modules = [path for path in copy.touched if path.endswith(".py")]
    copy.run("-m", "ruff", "format", "-q", *modules)
    copy.run("-m", "ruff", "check", "-q", "--fix", "--select", "I", *modules)
    checked = copy.run("-m", "ruff", "check", "-q", *modules)
    assert checked.returncode == 0, checked.stdout
    contracts = copy.run("-c", "from importlinter.cli import lint_imports_command as l; l()", "--no-cache")
    assert contracts.returncode == 0, contracts.stdout
    plain = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist")
    told = copy.run("-m", "pytest", *plain, *(f"tests/unit/{test}" for test in RECIPES[recipe].tests))
    assert told.returncode == 0, told.stdout[-4000:] + told.stderr
    USED[recipe](copy)


def _site(folder: Path, servers: str, more: str) -> Path:
    (folder / "site").mkdir()
    (folder / "site" / "site.yaml").write_text(
        "site: example\nvlans:\n  office: {id: 10, subnet: 10.60.0.0/24, gateway: 10.60.0.1}\n"
        f"servers:\n{servers}{more}"
    )
    return folder / "site"


def _command(copy: Copy) -> None:
    site = _site(copy.folder, "  dhcp: {software: kea, address: 10.60.0.5, vlan: office}\n", "")
    assert copy.run("-m", "coexist", "vlans", site).stdout.split() == ["10", "office", "10.60.0.0/24"]


def _language(copy: Copy) -> None:
    conf = copy.folder / "tests/data/own-files/acme/office.conf"
    server = "  dhcp: {software: acme-dhcp 3.1, address: 10.60.0.5, vlan: office, config: acme.conf}\n"
    site = _site(copy.folder, server, "intent: [{clients: everyone, boot_from: nobody}]\n")
    shutil.copy2(conf, site / "acme.conf")
    said = copy.run("-m", "coexist", "explain", site, "52:54:00:00:00:01", "--format", "json")
    assert "10.60.0.7" in said.stdout, said.stderr
    (site / "acme.conf").write_text("subnet 10.60.0.0/24\nrang 1 2\n")
    refused = copy.run("-m", "coexist", "check", site)
    assert (refused.returncode, "acme.conf:2:1" in refused.stderr) == (2, True)
    into = copy.folder / "imported"
    made = copy.run("-m", "coexist", "import", "acme-dhcp", conf, "-o", into, "--address", "10.60.0.5")
    assert made.returncode == 0, made.stderr
    assert "52:54:00:00:00:01" in (into / "clients.csv").read_text()
    conf.write_text(f"{conf.read_text()}key abc\n")
    into, more = copy.folder / "adopted", ("--software", "acme-dhcp", "--address", "10.60.0.5")
    made = copy.run("-m", "coexist", "adopt", into, "d", "--from", conf, *more)
    assert made.returncode == 0, made.stderr
    assert "key REDACTED" in (into / "servers/d/etc/acme.conf").read_text()


def _firmware(copy: Copy) -> None:
    servers = (
        "  dhcp: {software: kea, address: 10.60.0.5, vlan: office}\n"
        "  otc: {software: coexist, address: 10.60.0.6, vlan: office, programs: {uboot-arm64: a.img}}\n"
    )
    scopes = "scopes: {o: {server: dhcp, vlan: office, pools: [10.60.0.100-10.60.0.199]}}\n"
    intent = "intent: [{clients: everyone, boot_from: otc}]\n"
    site = _site(copy.folder, servers, f"{scopes}architectures: {{uboot-arm64: acme-loader}}\n{intent}")
    found = json.loads(copy.run("-m", "coexist", "check", site, "--format", "json").stdout)["findings"]
    assert [f["code"] for f in found if f["severity"] == "error"] == ["CX419"]


def _finding(copy: Copy) -> None:
    site = _site(copy.folder, "  dhcp: {software: kea, address: 10.60.0.5, vlan: office}\n", "")
    text = (site / "site.yaml").read_text()
    (site / "site.yaml").write_text(text.replace("site: example", "site: unnamed"))
    found = json.loads(copy.run("-m", "coexist", "check", site, "--format", "json").stdout)["findings"]
    assert "CX199" in [f["code"] for f in found]


USED = {"command": _command, "language": _language, "firmware": _firmware, "finding": _finding}
