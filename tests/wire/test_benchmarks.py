"""A benchmark that is interrupted takes its processes and namespaces with it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.harness.processes import Process, wait_until

NAMESPACES = Path("/run/netns")


def namespaces(benchmark: Process) -> list[str]:
    return [path.name for path in NAMESPACES.glob(f"cx{benchmark.pid}-*")]


def inside(name: str) -> list[str]:
    """The processes of a namespace, by their ids."""
    found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
    return found.stdout.split()


def test_an_interrupted_benchmark_leaves_nothing() -> None:
    benchmark = Process([sys.executable, ROOT / "benchmarks" / "whitelist.py"])
    started: list[str] = []

    def serves() -> bool:
        started[:] = [pid for name in namespaces(benchmark) for pid in inside(name)]
        return bool(started)

    try:
        wait_until(serves, "the benchmark starts a server in a namespace")
        benchmark.send_signal(signal.SIGTERM)
        assert benchmark.wait() == 128 + signal.SIGTERM
    finally:
        benchmark.stop()
    assert namespaces(benchmark) == []
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []
