"""What a user installs carries every template: the wheel, the sdist, and the editable install."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import coexist
from tests.conftest import ROOT

TEMPLATES = {
    path.relative_to(ROOT / "templates").as_posix()
    for path in (ROOT / "templates").rglob("*")
    if path.is_file()
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_the_wheel_carries_templates_types_and_licence(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    assert {f"coexist/_templates/{name}" for name in TEMPLATES} <= names
    assert "coexist/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_sdist_carries_templates_and_what_make_needs(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {f"coexist/_templates/{name}" for name in TEMPLATES} <= names
    assert {"LICENSE", "Makefile", "README.md", "pyproject.toml", "scripts/setup-python.sh"} <= names


def test_the_checkout_reaches_its_templates_through_the_package():
    folder = Path(coexist.__file__).with_name("_templates")
    assert folder.is_symlink()
    assert folder.resolve() == ROOT / "templates"
