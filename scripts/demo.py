"""What `make demo` shows: what coexist finds, what it writes, and whether real firmware does what it said.

Exit code 0: every boot went as `coexist explain` had said; or no machine could be booted here, which is
said. 1: a boot went otherwise. 2: a command failed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path

from boot import ROOT, Machine, boot_and_compare, left_out, say

from coexist.inventory import load_inventory
from tests.harness.namespaces import HarnessError
from tests.harness.network import Network
from tests.harness.site import SiteNetwork

CAMPUS = Path("inventories/campus")
BROKEN = Path("inventories/broken")
EXAMPLE = "CX402"
REPORT = Path("build/report.html")
COLUMNS = 80

MACHINES = {
    "tc-reception-1, a registered thin client: BIOS, iPXE": Machine(
        mac="00:80:64:10:00:01", vlan="office", firmware="ipxe"
    ),
    "a PC that nobody has registered: BIOS, iPXE": Machine(
        mac="52:54:00:77:00:01", vlan="office", firmware="ipxe"
    ),
    "tc-workshop-1, a thin client behind the relay: UEFI, EDK2": Machine(
        mac="6c:2b:59:20:00:04", vlan="workshop", firmware="edk2"
    ),
}


def main() -> int:
    os.chdir(ROOT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.TemporaryDirectory(prefix="coexist-demo-") as out:
            show_findings()
            show_rendered(Path(out))
            ended = show_boots(Path(out))
            show_report()
            return ended
    except HarnessError as error:
        say(str(error))
        return 2


def show_findings() -> None:
    title("1. What will go wrong, before anything is restarted")
    run_command("check", str(CAMPUS), accept=(0, 1))
    if not BROKEN.is_dir():
        return
    say("", "A site with the classic mistakes; one of its findings whole:")
    run_command("check", str(BROKEN), EXAMPLE, accept=(0, 1))
    found = json.loads(run_command("check", str(BROKEN), "--format", "json", accept=(0, 1), shown=False))
    say("", f"and all {len(found['findings'])} in short, by code and line of site.yaml:")
    for finding in found["findings"]:
        start = f"  {finding['code']}  line {finding['line']:<4} "
        rest = " " * len(start)
        say(textwrap.fill(finding["message"], COLUMNS, initial_indent=start, subsequent_indent=rest))


def show_rendered(out: Path) -> None:
    title("2. Each server's own configuration, from the same inventory")
    say("", f"$ coexist render {CAMPUS} -o OUT")
    run_command("render", str(CAMPUS), "-o", str(out), shown=False)
    for path in sorted(out.rglob("*")):
        if path.is_file():
            say(f"  OUT/{path.relative_to(out)}")


def show_boots(out: Path) -> int:
    title("3. Real firmware against these very files")
    for missing in left_out(*(machine.firmware for machine in MACHINES.values())):
        say(f"Left out: {missing}.", "Everything above is complete; no machine was booted.")
        return 0
    with Network() as network:
        site = SiteNetwork(network, load_inventory(CAMPUS))
        started = site.start(out)
        say(f"{', '.join(started)} run from OUT, in network namespaces of their own;")
        say("a router between the VLANs relays. Each machine boots in QEMU.")
        held = []
        for story, machine in MACHINES.items():
            say("", f"* {story}")
            held.append(boot_and_compare(CAMPUS, site, machine)[1])
    title("Verdict")
    if all(held):
        say(f"All {len(held)} machines booted what coexist explain had said.")
        return 0
    say(f"{held.count(False)} of {len(held)} machines did NOT boot what coexist explain had said.")
    return 1


def show_report() -> None:
    title("To look at")
    REPORT.parent.mkdir(exist_ok=True)
    run_command("report", str(CAMPUS), "-o", str(REPORT))
    # Made as root, it belongs to whoever has the checkout.
    if os.geteuid() == 0:
        owner = ROOT.stat()
        for path in (REPORT, REPORT.parent):
            os.chown(path, owner.st_uid, owner.st_gid)
    say("", f"{REPORT} is that site as a page: network, who answers whom, findings.")
    say("The same live, in a browser; this line starts it and prints the link to open:", "")
    say(f"    .venv/bin/coexist console {CAMPUS}")


def run_command(*arguments: str, accept: Sequence[int] = (0,), shown: bool = True) -> str:
    """Run coexist, show what it says, and return it."""
    if shown:
        say("", f"$ coexist {' '.join(arguments)}")
    finished = subprocess.run(
        [sys.executable, "-m", "coexist", *arguments],
        env={**os.environ, "COLUMNS": str(COLUMNS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if shown or finished.returncode not in accept:
        say(finished.stdout.rstrip())
    if finished.returncode not in accept:
        raise HarnessError(f"coexist {arguments[0]} ended with code {finished.returncode}")
    return finished.stdout


def title(text: str) -> None:
    say("", text, "=" * len(text))


if __name__ == "__main__":
    sys.exit(main())
