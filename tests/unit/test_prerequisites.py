"""What a machine lacks is said: as a skip on a developer's desk, as a failure where CI counts on it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

TEST = """
import pytest

@pytest.mark.needs("no-such-daemon")
def test_of_a_daemon():
    pass
"""


@pytest.mark.parametrize(
    ("ci", "code", "word"), [("", 0, "SKIPPED"), ("false", 0, "SKIPPED"), ("true", 1, "ERROR")]
)
def test_a_missing_program_is_said(tmp_path, ci, code, word):
    (tmp_path / "test_it.py").write_text(TEST)
    options = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", tmp_path, tmp_path / "test_it.py"],
        cwd=ROOT,
        env={**os.environ, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == code
    assert word in ran.stdout
    assert "no-such-daemon is not installed" in ran.stdout
