"""What `make demo` shows: what coexist finds, what it writes, and whether real firmware does what it said.

Exit code 0: every boot went as `coexist explain` had said, or there was no live part (not root, or a
program is missing), which is said. 1: a boot went otherwise. 2: a command failed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from coexist.inventory import Inventory, load_inventory  # noqa: E402 after the path to it
from coexist.wire.bootp import UNSPECIFIED  # noqa: E402
from coexist.wire.options import Option  # noqa: E402
from tests.harness.capture import Frame  # noqa: E402
from tests.harness.firmware import NEEDS, Boot, Firmware, start_firmware  # noqa: E402
from tests.harness.namespaces import HarnessError, Namespace  # noqa: E402
from tests.harness.network import Network  # noqa: E402
from tests.harness.site import SiteNetwork  # noqa: E402

COEXIST = ROOT / ".venv" / "bin" / "coexist"
CAMPUS = "inventories/campus"
BROKEN = "inventories/broken"
COLUMNS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine to switch on: who it is, and the firmware it has."""

    story: str
    mac: str
    vlan: str
    architecture: str
    firmware: Firmware


MACHINES = (
    Machine(
        story="tc-reception-1, a registered thin client (BIOS, iPXE ROM)",
        mac="00:80:64:10:00:01",
        vlan="office",
        architecture="bios",
        firmware="ipxe",
    ),
    Machine(
        story="a PC nobody has registered (BIOS, iPXE ROM)",
        mac="52:54:00:77:00:01",
        vlan="office",
        architecture="bios",
        firmware="ipxe",
    ),
    Machine(
        story="tc-workshop-1, a thin client behind the relay (UEFI, EDK2)",
        mac="6c:2b:59:20:00:04",
        vlan="workshop",
        architecture="uefi-x64",
        firmware="edk2",
    ),
)


def main() -> int:
    os.chdir(ROOT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    out = Path(tempfile.mkdtemp(prefix="coexist-demo-"))
    try:
        show_findings()
        show_rendered(out)
        return show_boots(out)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def show_findings() -> None:
    title("1. What will go wrong, before anything is restarted")
    run_command("check", CAMPUS, accept=(0, 1))
    if (ROOT / BROKEN).is_dir():
        say("", "The same kind of site with the classic mistakes:")
        run_command("check", BROKEN, accept=(0, 1))


def show_rendered(out: Path) -> None:
    title("2. Each server's own configuration, from the same inventory")
    run_command("render", CAMPUS, "-o", str(out), shown=["-o", "OUT"])
    for path in sorted(out.rglob("*")):
        if path.is_file():
            say(f"  OUT/{path.relative_to(out)}")


def show_boots(out: Path) -> int:
    title("3. Real firmware against these very files")
    missing = next(left_out(), None)
    if missing is not None:
        say(f"Left out: {missing}.", "Everything above is complete; no machine was booted.")
        return 0
    inventory = load_inventory(ROOT / CAMPUS)
    with Network() as network:
        site = SiteNetwork(network, inventory)
        started = site.start(out)
        say(f"Running in network namespaces: {', '.join(started)},", "and a router that relays for workshop.")
        held = [predicted_and_booted(network, inventory, machine) for machine in MACHINES]
    title("Verdict")
    if all(held):
        say(f"{len(held)} of {len(held)} machines booted what coexist explain had said.")
        return 0
    say(f"{held.count(False)} of {len(held)} machines did NOT boot what coexist explain had said.")
    return 1


def predicted_and_booted(network: Network, inventory: Inventory, machine: Machine) -> bool:
    say("", f"* {machine.story}")
    asked = ["explain", CAMPUS, machine.mac, "--vlan", machine.vlan]
    asked += ["--arch", machine.architecture, "--firmware", machine.firmware]
    predicted = json.loads(run_command(*asked, "--format", "json", quiet=True))["outcomes"]
    for outcome in predicted:
        say(f"  predicted: {wording(outcome)}")
    boot = start_firmware(network, machine.vlan, firmware=machine.firmware, mac=machine.mac)
    for line in timeline(boot, names(inventory)):
        say(f"    {line}")
    winner = names(inventory).get(boot.boot_server or "", boot.boot_server)
    held = boot.word is not None and any(
        (outcome["boot_server"], outcome["file"]) == (winner, boot.file) for outcome in predicted
    )
    say(
        f"  happened:  {winner or 'nobody'} won; {boot.ended}",
        f"  {'as predicted' if held else 'NOT AS PREDICTED'}",
    )
    return held


def wording(outcome: Mapping[str, Any]) -> str:
    if outcome["boot_server"] is None:
        return "nobody wins"
    after = "" if outcome["seconds"] is None else f" after {outcome['seconds']:.1f} s"
    return f"{outcome['boot_server']} wins with {outcome['file']}{after}"


def timeline(boot: Boot, servers: Mapping[str, str]) -> Iterator[str]:
    """The boot's packets up to the first request for a file, seconds after the first DISCOVER."""
    start = boot.frames[0].time if boot.frames else 0.0
    for frame in boot.frames:
        yield f"{frame.time - start:6.2f} s  {packet_wording(frame, servers)}"
        if frame is boot.request:
            return


def packet_wording(frame: Frame, servers: Mapping[str, str]) -> str:
    if frame.file is not None:
        server = str(frame.destination[0])
        return f"{frame.kind:13} {frame.file} from {servers.get(server, server)}"
    packet = frame.packet
    identifier = packet.options.get(Option.SERVER_IDENTIFIER, b"")
    who = ".".join(map(str, identifier)) if len(identifier) == 4 else ""
    who = servers.get(who, who)
    if packet.op == 1:
        return f"{frame.kind:13} {'to ' + who if who else 'to everyone'}"
    what = [str(packet.yiaddr)] if packet.yiaddr != UNSPECIFIED else []
    what += [packet.file.decode(errors="replace")] if packet.file else []
    return f"{frame.kind:13} from {who}: {', '.join(what) or 'nothing to boot'}"


def names(inventory: Inventory) -> dict[str, str]:
    return {
        str(address): name
        for name, server in inventory.site.servers.items()
        for address in server.stands_on.values()
    }


def left_out() -> Iterator[str]:
    """Why machines cannot be booted here."""
    if os.geteuid() != 0:
        yield "booting machines needs root (or password-free sudo)"
    for program in sorted(
        {"ip", "dhcpd", *(name for machine in MACHINES for name in NEEDS[machine.firmware])}
    ):
        if shutil.which(program) is None and not Path(program).exists():
            yield f"{program} is not installed"
    try:
        Namespace("ask").delete()
    except HarnessError as error:
        yield f"this machine refuses network namespaces ({error})"


def run_command(
    *arguments: str, accept: Sequence[int] = (0,), shown: Sequence[str] | None = None, quiet: bool = False
) -> str:
    """Run coexist and show what it says; what it wrote to stdout."""
    written = [*arguments[: len(arguments) - len(shown)], *shown] if shown else list(arguments)
    if not quiet:
        say("", f"$ coexist {' '.join(written)}")
    finished = subprocess.run(
        [COEXIST, *arguments],
        env={**os.environ, "COLUMNS": str(COLUMNS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if not quiet else None,
        text=True,
        check=False,
    )
    if not quiet or finished.returncode not in accept:
        say(finished.stdout.rstrip())
    if finished.returncode not in accept:
        say(f"coexist ended with code {finished.returncode}.")
        sys.exit(2)
    return finished.stdout


def title(text: str) -> None:
    say("", text, "=" * len(text))


def say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
