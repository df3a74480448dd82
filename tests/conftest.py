"""What every test shares: which tests need what of this machine, and what happens where it lacks it.

A test in tests/wire or tests/lab needs root and network namespaces; ``needs("dhcpd", ...)`` names the
programs (or files, by absolute path) a test uses. Where something lacks, the test is skipped and says
what; with CI set it fails, so that a green run there means the daemons were really asked.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")

# Debian's daemons live where only root's PATH looks.
os.environ["PATH"] = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
)

# A shell that started the tests in the background has them ignore Ctrl-C, and every program they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast the machine is, is not what a property is about. In CI the examples are always the same ones, so
# that a change is judged by what it changed; everywhere else they are new ones each time.
settings.register_profile("coexist", deadline=None, print_blob=True, derandomize=IN_CI)
settings.load_profile("coexist")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for room in ("wire", "lab"):
            if ROOT / "tests" / room in item.path.parents:
                item.add_marker(room)
        if _is_measured(item):
            item.add_marker("measured")
    if "slow" not in config.option.markexpr:
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


# Whose branches are counted. Properties are not: tracing makes their thousands of examples many times slower,
# and what they reach is another thing each time.
_ROOMS = ("analysis", "app", "boot", "docs", "importers", "planning", "render")
MEASURED = (ROOT / "tests" / "golden", *(ROOT / "tests" / "unit" / room for room in _ROOMS))


def _is_measured(item: pytest.Item) -> bool:
    is_property = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    return not is_property and any(room in item.path.parents for room in MEASURED)


def pytest_runtest_setup(item: pytest.Item) -> None:
    missing = next(_missing(item), None)
    if missing is None:
        return
    if IN_CI:
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


def _missing(item: pytest.Item) -> Iterator[str]:
    for marker in item.iter_markers("needs"):
        for program in marker.args:
            if shutil.which(program) is None and not Path(program).is_absolute():
                yield f"{program} is not installed"
            elif Path(program).is_absolute() and not Path(program).exists():
                yield f"{program} does not exist"
    if item.get_closest_marker("wire") or item.get_closest_marker("lab"):
        yield from _namespaces_refused()
    if item.get_closest_marker("lab"):
        if shutil.which("qemu-system-x86_64") is None:
            yield "qemu-system-x86_64 is not installed"
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            yield "/dev/net/tun cannot be opened, and a virtual machine is plugged in there"


@functools.cache
def _namespaces_refused() -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ("network namespaces need root",)
    if shutil.which("ip") is None:
        return ("ip (iproute2) is not installed",)
    name = f"coexist-ask-{os.getpid()}"
    links = "link add br0 type bridge\nlink add veth0 type veth peer name veth1\n"
    try:
        for command, text in ((["ip", "netns", "add", name], ""), (["ip", "-n", name, "-batch", "-"], links)):
            made = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
            if made.returncode != 0:
                return (f"this machine refuses network namespaces or bridges: {made.stderr.strip()}",)
    finally:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return ()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of field data that may lie beside the checkout; skip where there is none."""
    folder = Path(os.environ.get("COEXIST_SHARED") or ROOT.parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"no field data in {folder} (COEXIST_SHARED names another folder)")
    return folder
