"""Every benchmark starts: it says what it takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = sorted((Path(__file__).resolve().parents[2] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("program", BENCHMARKS, ids=lambda program: program.stem)
def test_a_benchmark_starts(program: Path) -> None:
    done = subprocess.run([sys.executable, program, "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--help" in done.stdout


def test_the_site_of_check_is_written_for_both_programs(tmp_path: Path) -> None:
    check = next(program for program in BENCHMARKS if program.stem == "check")
    size = ["--clients", "10", "--servers", "3", "--vlans", "2", "--prepare", str(tmp_path)]
    done = subprocess.run([sys.executable, check, *size], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len((tmp_path / "clients.csv").read_text(encoding="utf-8").splitlines()) == 11
    assert (tmp_path / "dhcpd.conf").read_text(encoding="utf-8").count("hardware ethernet") == 10
