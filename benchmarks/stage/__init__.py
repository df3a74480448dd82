"""What the benchmarks share: two network namespaces joined by a veth, peers, and one JSON line a case.

Figures of shared machines drift, so a case runs project and peer alternately and quotes medians and ratios.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).resolve().parents[2]
# A program's own folder comes last: http.py there is not the library's http.
_HERE = str(ROOT / "benchmarks")
sys.path[:] = [str(ROOT), *(folder for folder in sys.path if folder != _HERE), _HERE]
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])

from tests.harness.namespaces import Namespace  # noqa: E402
from tests.harness.processes import Process  # noqa: E402

SERVER, CLIENT = "10.77.0.1", "10.77.0.2"
PREFIX = 24
WHITELISTED = 100_000
MOST_SECONDS = 150.0
"""For what is measured, so that a benchmark ends within three minutes."""
MISSED = 3
"""Exit code of a benchmark whose figure is not what is wanted of it; whatever else is not 0 went wrong."""
_BEGUN = time.monotonic()
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SETTLING_SECONDS = 0.5  # the processes that one contender forked end before the next one's turn
FIRST_MAC = 0x000C01020304  # where perfdhcp counts from


class Wire:
    """A server's namespace and a client's, joined by a veth; and a folder that goes with them."""

    def __init__(self) -> None:
        self.server, self.client = Namespace("server"), Namespace("client")
        self.folder = Path(tempfile.mkdtemp(prefix="coexist-bench-"))
        self.server.ip(
            f"link add eth0 type veth peer name eth0 netns {self.client.name}",
            f"addr add {SERVER}/{PREFIX} brd + dev eth0",
            "link set eth0 up",
        )
        self.client.ip(f"addr add {CLIENT}/{PREFIX} brd + dev eth0", "link set eth0 up")

    def close(self) -> None:
        self.server.delete()
        self.client.delete()
        shutil.rmtree(self.folder, ignore_errors=True)


def end_in_order() -> None:
    """Have Ctrl-C, SIGTERM and SIGHUP end a benchmark with its processes and namespaces, however often."""
    for number in _ENDING:
        signal.signal(number, _interrupted)


def say(text: str) -> None:
    """Tell people on stderr what is done or went wrong, whatever Python is busy with and whoever listens."""
    with suppress(OSError):
        os.write(sys.stderr.fileno(), f"{Path(sys.argv[0]).name}: {text}\n".encode())


def ended(process: Process, what: str) -> SystemExit:
    """Why a benchmark cannot go on: how a process of it ended, and the end of what it said."""
    code = process.wait()
    how = f"ended with exit code {code}"
    if code < 0:
        how = f"was ended by {signal.Signals(-code).name}"
    if code == -signal.SIGKILL:
        how += " (by the kernel if memory was short: look into its log)"
    said = process.output[-3000:].strip()
    return SystemExit(f"{what} {how}, {f'and said:{chr(10)}{said}' if said else 'and said nothing'}")


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Meanwhile what would end the benchmark waits, so that what is made here is known when it ends."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _interrupted(number: int, _: object) -> None:
    for each in _ENDING:
        signal.signal(each, signal.SIG_IGN)  # what is begun now is the cleaning up
    say(f"ended by {signal.Signals(number).name} after {time.monotonic() - _BEGUN:.0f} s")
    raise SystemExit(128 + number)


@contextlib.contextmanager
def wire() -> Iterator[Wire]:
    if os.geteuid() != 0:
        raise SystemExit("benchmarks need root, for network namespaces")
    end_in_order()
    with contextlib.ExitStack() as stack:
        with held_back():
            made = Wire()
            stack.callback(made.close)
        yield made


@contextlib.contextmanager
def running(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        process.stop()


def boot_server(stage: Wire, name: str, config: dict[str, Any]) -> Process:
    """``coexist serve`` in the server's namespace, ready."""
    folder = stage.folder / name
    folder.mkdir(exist_ok=True)
    path = folder / "coexist.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    process = Process(
        [sys.executable, "-m", "coexist", "serve", path], namespace=stage.server, directory=ROOT
    )
    process.wait_for(r"\bready server=")
    return process


def dnsmasq(stage: Wire, *options: str) -> Process:
    process = Process(
        [
            "dnsmasq",
            "--no-daemon",
            "--port=0",
            "--conf-file=/dev/null",
            "--user=root",
            "--group=root",
            "--pid-file=",
            "--interface=eth0",
            "--bind-interfaces",
            "--no-resolv",
            "--no-hosts",
            f"--dhcp-leasefile={stage.folder}/leases",
            *options,
        ],
        namespace=stage.server,
    )
    process.wait_for("started")
    time.sleep(0.3)  # dnsmasq says so before it has bound its ports
    return process


class Serving(Protocol):
    """A process that serves."""

    @property
    def pid(self) -> int: ...


def cpu_seconds(process: Serving) -> float:
    """The processor time a server and its workers have used, to the nanosecond; says more than rates on a
    busy machine."""
    used = 0
    waiting = [process.pid]
    while waiting:
        # A server that forks for each transfer has children that end meanwhile.
        with suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{waiting.pop()}/task").iterdir():
                used += int((task / "schedstat").read_text().split()[0])
                waiting += map(int, (task / "children").read_text().split())
    return used / 1e9


def median(values: list[float]) -> float:
    return round(statistics.median(values), 4)


def report(case: str, **figures: Any) -> None:
    load = os.getloadavg()[0]
    print(json.dumps({"case": case, "load": round(load, 2), **figures}), flush=True)


def alternate(
    runs: int, contenders: dict[str, Callable[[], float]], *, seconds: float = MOST_SECONDS
) -> dict[str, list[float]]:
    """Each contender once a round, ``runs`` rounds, every other one backwards.

    ``seconds``: another round begins only if it will have ended by then, to go by those before it.
    """
    figures: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders.items())
    begun = time.monotonic()
    for done in range(runs):
        if done and (time.monotonic() - begun) * (done + 1) / done > seconds:
            break
        for name, run in order:
            time.sleep(_SETTLING_SECONDS)
            figures[name].append(run())
        order.reverse()
    return figures


def by_round(mine: list[float], theirs: list[float]) -> float:
    """The median of the ratios of each round: what both figures of a round have in common goes out of it."""
    return median([own / peer for own, peer in zip(mine, theirs, strict=True)])


def run_tool(stage: Wire, argv: list[str | Path], timeout: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        stage.client.command(argv), capture_output=True, text=True, timeout=timeout, check=False
    )


def compiled(stage: Wire, name: str) -> Path:
    """A load generator written in C beside the benchmarks, compiled into the wire's folder."""
    built = stage.folder / name
    if not built.exists():
        subprocess.run(["cc", "-O2", "-o", built, ROOT / "benchmarks" / f"{name}.c"], check=True)
    return built
