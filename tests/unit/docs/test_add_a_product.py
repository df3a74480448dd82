"""docs/guides/products.md is followed to the letter: its files are written, built, installed and used."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from textwrap import dedent

import pytest

from tests.conftest import ROOT

GUIDE = ROOT / "docs" / "guides" / "products.md"
FILE = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

SITE = dedent(
    """\
    site: example
    vlans:
      office: {id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1}
    servers:
      dhcp: {software: isc-dhcpd, address: 10.10.0.5, vlan: office, ping_check: false}
      acme:
        software: acme-pxe 3.1
        address: 10.10.0.6
        vlan: office
        answers: {only: thin}
        delay: DELAY
        programs: {bios: acme.0, uefi-x64: acme.efi}
    scopes:
      office: {server: dhcp, vlan: office, pools: [10.10.1.0-10.10.1.255], options: {3: 10.10.0.1}}
    clients:
      - {mac: 52:54:00:00:00:01, name: tc-1, tags: thin}
    groups:
      thin: {where: {tags: thin}}
    architectures: {bios: ipxe, uefi-x64: edk2}
    intent:
      - {clients: thin, boot_from: acme}
    """
)


class Environment:
    """A virtual environment with coexist and the product, and nothing of the tests'."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        packages = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
        # What this interpreter has is seen there too, editable installations included.
        ours = sysconfig.get_path("purelib")
        Path(packages, "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")

    def install(self, package: Path) -> None:
        offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "-q", *offline]
        done = subprocess.run([*command, str(package)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def run(self, code: str) -> str:
        """What a piece of Python prints there, without the end of its last line."""
        done = subprocess.run([self.python, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    def coexist(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [self.python, "-m", "coexist", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    package = tmp_path_factory.mktemp("coexist-acme-pxe")
    files = FILE.findall(GUIDE.read_text(encoding="utf-8"))
    assert len(files) == 5
    for name, text in files:
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text(text, encoding="utf-8")
    environment = Environment(tmp_path_factory.mktemp("environment"))
    environment.install(package)
    return environment


def write(folder: Path, delay: str = "1") -> Path:
    (folder / "site").mkdir()
    (folder / "site" / "site.yaml").write_text(SITE.replace("DELAY", delay))
    return folder / "site"


def test_the_product_is_named_checked_and_raced(environment: Environment, tmp_path: Path) -> None:
    site = write(tmp_path)
    checked = environment.coexist("check", site, "--format", "json")
    errors = [f["code"] for f in json.loads(checked.stdout)["findings"] if f["severity"] == "error"]
    assert errors == [], checked.stderr
    said = json.loads(environment.coexist("explain", site, "52:54:00:00:00:01", "--format", "json").stdout)
    assert {outcome["winner"] for boot in said for outcome in boot["outcomes"]} == {"acme"}


def test_what_its_record_does_not_allow_is_a_finding(environment: Environment, tmp_path: Path) -> None:
    done = environment.coexist("render", write(tmp_path, "{secs_at_least: 4}"), "-o", tmp_path / "out")
    assert "CX502" in done.stdout + done.stderr
    assert done.returncode == 1


def test_it_is_rendered_and_read_back(environment: Environment, tmp_path: Path) -> None:
    done = environment.coexist("render", write(tmp_path), "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    rendered = tmp_path / "out" / "acme" / "pxe.ini"
    manifest = json.loads((tmp_path / "out" / "acme" / "manifest.json").read_text())
    assert manifest["files"][0]["target"] == "/etc/acme/pxe.ini"
    arguments = ("-o", tmp_path / "back", "--server", "acme", "--address", "10.10.0.6")
    done = environment.coexist("import", "acme-pxe", rendered, *arguments)
    assert done.returncode == 0, done.stderr
    done = environment.coexist("render", tmp_path / "back", "-o", tmp_path / "again")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again" / "acme" / "pxe.ini").read_bytes() == rendered.read_bytes()


def test_without_the_package_the_product_is_unknown(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "coexist", "check", str(write(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "site.yaml:7:15" in done.stderr
    assert "acme-pxe" in done.stderr
