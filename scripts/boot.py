"""Boot one machine of an inventory on real firmware, and hold it against what `coexist explain` says.

Lays the site out in network namespaces, renders it, starts every server from its rendered files and powers
a machine on in QEMU: docs/guides/real-firmware.md. Needs root.

Exit code 0: it went as predicted. 1: it did not. 2: it could not be tried.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from coexist.errors import CoexistError  # noqa: E402 after the path to it
from coexist.inventory import Inventory, load_inventory  # noqa: E402
from coexist.wire.bootp import BOOTREQUEST, UNSPECIFIED  # noqa: E402
from coexist.wire.mac import parse_mac  # noqa: E402
from coexist.wire.options import Option  # noqa: E402
from tests.harness.capture import Frame  # noqa: E402
from tests.harness.firmware import NEEDS, Boot, Firmware, start_firmware  # noqa: E402
from tests.harness.namespaces import HarnessError, Namespace  # noqa: E402
from tests.harness.network import Network  # noqa: E402
from tests.harness.site import SiteNetwork, render  # noqa: E402

# Debian's daemons live where only root's PATH looks.
os.environ["PATH"] = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine to switch on: who it is, where, and the firmware it has."""

    mac: str
    vlan: str
    firmware: Firmware
    uefi: bool = False

    @property
    def architecture(self) -> str:
        if self.firmware == "edk2-http":
            return "http-x64"
        return "uefi-x64" if self.uefi or self.firmware == "edk2" else "bios"


def boot_and_compare(inventory: Path, site: SiteNetwork, machine: Machine) -> tuple[Boot, bool]:
    """Say what is predicted, boot, say what happened; the boot, and whether it was predicted."""
    predicted = explained(inventory, machine)
    for outcome in predicted:
        say(f"  predicted: {outcome_wording(outcome)}")
    boot = start_firmware(
        site.network, machine.vlan, firmware=machine.firmware, mac=machine.mac, uefi=machine.uefi
    )
    for line in timeline(boot, names(site.inventory)):
        say(f"    {line}")
    server = site.server_at(boot.boot_server) or boot.boot_server
    held = any((outcome["boot_server"], outcome["file"]) == (server, boot.file) for outcome in predicted)
    say(f"  happened:  {f'{server} won' if server else 'nobody won'}; {boot.ended}")
    say(f"  {'as predicted' if held else 'NOT AS PREDICTED'}")
    return boot, held


def explained(inventory: Path, machine: Machine) -> list[dict[str, Any]]:
    """The outcomes of ``coexist explain --format json``."""
    command = [sys.executable, "-m", "coexist", "explain", str(inventory), machine.mac]
    command += ["--vlan", machine.vlan, "--arch", machine.architecture, "--firmware", machine.firmware]
    asked = subprocess.run([*command, "--format", "json"], stdout=subprocess.PIPE, text=True, check=False)
    if asked.returncode not in (0, 1):
        raise HarnessError(f"coexist explain ended with code {asked.returncode}")
    outcomes: list[dict[str, Any]] = json.loads(asked.stdout)["outcomes"]
    return outcomes


def outcome_wording(outcome: Mapping[str, Any]) -> str:
    if outcome["boot_server"] is None:
        return "nobody wins"
    first, latest = outcome["first_rrq_seconds"], outcome["latest_seconds"]
    after = f"{first:.1f} s" if latest is None or latest - first < 0.1 else f"{first:.1f} to {latest:.1f} s"
    when = "at once" if first < 0.1 else f"after {after}"
    return f"{outcome['boot_server']} wins with {outcome['file']} {when}"


def timeline(boot: Boot, servers: Mapping[str, str]) -> Iterator[str]:
    """The boot's packets up to the first request for a file, seconds after the first DISCOVER."""
    start = boot.frames[0].time if boot.frames else 0.0
    for frame in boot.frames:
        yield f"{frame.time - start:6.2f} s  {frame_wording(frame, servers)}"
        if frame is boot.request:
            return


def frame_wording(frame: Frame, servers: Mapping[str, str]) -> str:
    if frame.file is not None:
        server = str(frame.destination[0])
        return f"{frame.kind:13} {frame.file} from {servers.get(server, server)}"
    packet = frame.packet
    identifier = packet.options.get(Option.SERVER_IDENTIFIER, b"")
    who = ".".join(map(str, identifier)) if len(identifier) == 4 else ""
    who = servers.get(who, who)
    if packet.op == BOOTREQUEST:
        return f"{frame.kind:13} to {who or 'everyone'}"
    what = [str(packet.yiaddr)] if packet.yiaddr != UNSPECIFIED else []
    what += [packet.file.decode(errors="replace")] if packet.file else []
    return f"{frame.kind:13} from {who or 'a server without a name'}: {', '.join(what) or 'no file'}"


def names(inventory: Inventory) -> dict[str, str]:
    """The name of the server that has each address."""
    return {
        str(address): name
        for name, server in inventory.site.servers.items()
        for address in server.stands_on.values()
    }


def left_out(*firmwares: Firmware) -> Iterator[str]:
    """Why machines cannot be booted here."""
    if os.geteuid() != 0:
        yield "booting machines needs root, or sudo without a password"
        return
    for program in sorted({"ip", "dhcpd", *(need for firmware in firmwares for need in NEEDS[firmware])}):
        if shutil.which(program) is None and not Path(program).exists():
            yield f"{program} is not installed"
            return
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        yield "/dev/net/tun cannot be opened, and machines are plugged in there"
        return
    try:
        Namespace("ask").delete()
    except HarnessError as error:
        yield f"this machine refuses network namespaces ({error})"


def say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)


def machine_of(inventory: Inventory, arguments: argparse.Namespace) -> Machine:
    record = inventory.clients.find(parse_mac(arguments.mac))
    vlan = arguments.vlan or (record.vlan if record else "") or next(iter(inventory.site.vlans))
    if vlan not in inventory.site.vlans:
        raise HarnessError(f"{arguments.inventory} has no VLAN {vlan}")
    return Machine(mac=arguments.mac, vlan=vlan, firmware=arguments.firmware, uefi=arguments.uefi)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("inventory", type=Path)
    parser.add_argument("mac")
    parser.add_argument("--vlan", help="its own, or the first of the inventory")
    parser.add_argument("--firmware", choices=sorted(NEEDS), default="ipxe")
    parser.add_argument("--uefi", action="store_true", help="iPXE as the ROM of a UEFI machine")
    parser.add_argument("--console", action="store_true", help="show what the firmware wrote")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        inventory = load_inventory(arguments.inventory)
        machine = machine_of(inventory, arguments)
        for missing in left_out(machine.firmware):
            raise HarnessError(missing)
        with tempfile.TemporaryDirectory() as out, Network() as network:
            render(arguments.inventory, Path(out))
            site = SiteNetwork(network, inventory)
            site.start(Path(out))
            boot, held = boot_and_compare(arguments.inventory, site, machine)
    except (CoexistError, HarnessError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.console:
        say("", boot.console)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
