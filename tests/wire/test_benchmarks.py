"""A benchmark says why it ends, and takes its processes and namespaces with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.harness.processes import Process, wait_until

NAMESPACES = Path("/run/netns")


def namespaces(benchmark: Process) -> list[str]:
    return [path.name for path in NAMESPACES.glob(f"cx{benchmark.pid}-*")]


def inside(name: str) -> list[str]:
    """The processes of a namespace, by their ids."""
    found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
    return found.stdout.split()


@pytest.mark.parametrize("program", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_a_benchmark_finds_what_it_needs(program: Path) -> None:
    """As it is started: its own folder is where programs are looked for, and http.py stands there."""
    script = f"import runpy, sys; sys.path[0] = {str(program.parent)!r}; runpy.run_path({str(program)!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_benchmark_leaves_nothing(number: signal.Signals) -> None:
    """However often it is told, also while it cleans up."""
    benchmark = Process([sys.executable, ROOT / "benchmarks" / "whitelist.py"])
    started: list[str] = []

    def serves() -> bool:
        started[:] = [pid for name in namespaces(benchmark) for pid in inside(name)]
        return bool(started)

    try:
        wait_until(serves, "the benchmark starts a server in a namespace")
        for _ in range(3):
            benchmark.send_signal(number)
        assert benchmark.wait() == 128 + number
        assert number.name in benchmark.output
    finally:
        benchmark.stop()
    assert namespaces(benchmark) == []
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.parametrize(("killed", "named"), [("machines.py", "machines"), ("coexist serve", "server")])
def test_a_benchmark_says_which_process_of_it_was_killed(killed: str, named: str) -> None:
    """As the kernel does where memory is short: nothing is said by the one that is killed."""
    words = ["--case", "coexist", "--machines", "20", "--seconds", "600"]
    benchmark = Process([sys.executable, ROOT / "benchmarks" / "morning.py", *words])
    found: dict[str, int] = {}

    def runs() -> bool:
        for name in namespaces(benchmark):
            for pid in inside(name):
                with contextlib.suppress(OSError):  # it has ended
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.update(
                        {each: int(pid) for each in ("machines.py", "coexist serve") if each in words}
                    )
        return len(found) == 2

    try:
        wait_until(runs, "the benchmark starts a server and the machines")
        os.kill(found[killed], signal.SIGKILL)
        assert benchmark.wait() == 1
    finally:
        benchmark.stop()
    said = benchmark.output.splitlines()
    assert [line for line in said if "SIGKILL" in line and named in line], benchmark.output
    assert namespaces(benchmark) == []
    assert [pid for pid in found.values() if Path(f"/proc/{pid}").exists()] == []
