"""How long ``coexist check`` of a large site takes, beside ``dhcpd -t`` on the same site's dhcpd.conf.

The site: registered clients with reserved addresses on VLANs of their own, a DHCP server for all of them,
and two boot services on each VLAN (a whitelist of thin clients, and everyone else). dhcpd reads the file
that ``coexist render`` writes from the same inventory. Both are started anew for each measurement, one
after the other in turn; the interpreter's start and the reading of the inventory count.

The last line is JSON: medians in seconds, their ratio, and coexist's peak memory in MiB. With ``--growth``
it also has the time for ten times the clients.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from ipaddress import IPv4Address
from pathlib import Path

from stage import end_in_order, held_back

import coexist
from coexist.wire.mac import format_mac

PACKAGE = Path(coexist.__file__).parent
FIRST_MAC = 0x00_80_64_00_00_00
FIRST_NET = int(IPv4Address("10.0.0.0"))


def write_site(folder: Path, clients: int, servers: int, vlans: int) -> None:
    """Write site.yaml and clients.csv of a site of that size."""
    per_vlan = -(-clients // vlans)
    # Room for the clients, a pool for guests and the servers, rounded up to a power of two.
    size = 1 << (per_vlan + 512).bit_length()
    prefix = 32 - (size.bit_length() - 1)
    (folder / "clients.csv").write_text(_rows(clients, per_vlan, size), encoding="utf-8")
    (folder / "site.yaml").write_text("\n".join(_site(servers, vlans, size, prefix)), encoding="utf-8")


def _rows(clients: int, per_vlan: int, size: int) -> str:
    lines = ["mac,name,location,hardware,architecture,vlan,address"]
    for number in range(clients):
        vlan, place = divmod(number, per_vlan)
        thin = place % 5 < 3
        hardware, architecture = ("igel", "bios") if thin else ("hp", "uefi-x64")
        address = IPv4Address(FIRST_NET + vlan * size + 256 + place)
        name = f"{'tc' if thin else 'pc'}-{number}"
        lines.append(
            f"{format_mac(FIRST_MAC + number * 7)},{name},floor-{vlan % 17},{hardware},{architecture},"
            f"v{vlan},{address}"
        )
    return "\n".join(lines) + "\n"


def _site(servers: int, vlans: int, size: int, prefix: int) -> list[str]:
    lines = [
        "site: large",
        "jitter: 0.02",
        "clients: clients.csv",
        "architectures: {bios: ipxe, uefi-x64: edk2}",
    ]
    lines.append("vlans:")
    for vlan in range(vlans):
        net = FIRST_NET + vlan * size
        relay = "" if vlan == 0 else ", relay_to: [dhcp]"
        subnet, gateway = IPv4Address(net), IPv4Address(net + 1)
        lines.append(f"  v{vlan}: {{id: {vlan + 1}, subnet: {subnet}/{prefix}, gateway: {gateway}{relay}}}")
    lines.append("servers:")
    dhcp = IPv4Address(FIRST_NET + 2)
    lines.append(f"  dhcp: {{software: isc-dhcpd 4.4, address: {dhcp}, vlan: v0, ping_check: false}}")
    for number in range(servers - 1):
        vlan, kind = number % vlans, number // vlans
        address = IPv4Address(FIRST_NET + vlan * size + 3 + kind)
        head = f"software: coexist, address: {address}, vlan: v{vlan}"
        if kind == 0:
            rest = f"answers: {{only: thin{vlan}}}, programs: {{bios: lpxelinux.0}}"
            lines.append(f"  otc{vlan}: {{{head}, {rest}}}")
        else:
            programs = "{bios: wdsnbp.com, uefi-x64: wdsmgfw.efi}"
            rest = f"answers: {{except: thin{vlan}}}, delay: 1.2, programs: {programs}"
            lines.append(f"  pc{vlan}: {{{head}, {rest}}}")
    lines.append("scopes:")
    for vlan in range(vlans):
        net = FIRST_NET + vlan * size
        pool = f"{IPv4Address(net + size - 200)}-{IPv4Address(net + size - 2)}"
        rest = f"pools: [{pool}], options: {{3: {IPv4Address(net + 1)}}}"
        lines.append(f"  v{vlan}: {{server: dhcp, vlan: v{vlan}, {rest}}}")
    lines.append("groups:")
    lines += [f"  thin{vlan}: {{where: {{vlan: v{vlan}, hardware: igel}}}}" for vlan in range(vlans)]
    lines.append("intent:")
    served = {number % vlans for number in range(vlans, servers - 1)}
    for vlan in range(vlans):
        lines.append(f"  - {{clients: thin{vlan}, vlan: v{vlan}, boot_from: otc{vlan}}}")
        server = f"pc{vlan}" if vlan in served else "nobody"
        lines.append(f"  - {{clients: everyone, vlan: v{vlan}, boot_from: {server}}}")
    return [*lines, ""]


def render_dhcpd(folder: Path) -> None:
    """Write the dhcpd.conf of the site's DHCP server."""
    from coexist.inventory import load_inventory
    from coexist.render.site import written
    from coexist.render.target import Job
    from coexist.render.templates import Templates

    inventory = load_inventory(folder)
    job = Job(inventory=inventory, name="dhcp", templates=Templates(None))
    (file,) = written(job)
    (folder / "dhcpd.conf").write_bytes(file.content)


def run(command: list[str], codes: tuple[int, ...]) -> tuple[float, float]:
    """Seconds and peak MiB of one run; exits when the command fails."""
    with tempfile.TemporaryFile() as output:
        begun = time.perf_counter()
        pid = 0
        try:
            with held_back():
                pid = os.posix_spawnp(
                    command[0],
                    command,
                    os.environ,
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
                        (os.POSIX_SPAWN_DUP2, output.fileno(), 2),
                    ],
                    setsigmask=(),
                )
            _, status, usage = os.wait4(pid, 0)
        except BaseException:
            if pid:
                os.kill(pid, signal.SIGKILL)
                os.wait4(pid, 0)
            raise
        seconds = time.perf_counter() - begun
        code = os.waitstatus_to_exitcode(status)
        if code not in codes:
            output.seek(0)
            sys.exit(f"{command[0]} ended with {code}:\n{output.read().decode()[-2000:]}")
    return seconds, usage.ru_maxrss / 1024


def _program() -> list[str]:
    """What a user starts: the script that pip writes; ``python -m`` imports more before it begins."""
    script = Path(sys.executable).with_name("coexist")
    return [str(script)] if script.exists() else [sys.executable, "-m", "coexist"]


def measure(clients: int, servers: int, vlans: int, repeat: int) -> dict[str, float]:
    """Medians of both programs, run in turn."""
    # pip compiles what it installs; a checkout may be without (PYTHONDONTWRITEBYTECODE).
    compileall.compile_dir(PACKAGE, quiet=1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        size = ["--clients", str(clients), "--servers", str(servers), "--vlans", str(vlans)]
        # In a process of its own: the peak memory of a child counts from what its parent held when it began.
        run([sys.executable, __file__, *size, "--prepare", str(folder)], (0,))
        config = folder / "dhcpd.conf"
        coexist = [*_program(), "check", str(folder)]
        dhcpd = ["dhcpd", "-t", "-4", "-cf", str(config)]
        run(coexist, (0,))
        ours, theirs = [], []
        for _ in range(repeat):
            theirs.append(run(dhcpd, (0,)))
            ours.append(run(coexist, (0,)))
    seconds, other = (statistics.median(t for t, _ in runs) for runs in (ours, theirs))
    memory, other_memory = (max(m for _, m in runs) for runs in (ours, theirs))
    print(f"{clients:,} clients, {servers} servers, {vlans} VLANs:")
    print(f"  coexist check  {seconds:6.2f} s  {memory:6.0f} MiB")
    print(f"  dhcpd -t       {other:6.2f} s  {other_memory:6.0f} MiB")
    return {
        "coexist_seconds": round(seconds, 3),
        "dhcpd_seconds": round(other, 3),
        "ratio": round(seconds / other, 3),
        "peak_mib": round(memory, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=100_000)
    parser.add_argument("--servers", type=int, default=200)
    parser.add_argument("--vlans", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--growth", action="store_true", help="measure ten times the clients too")
    parser.add_argument(
        "--prepare", type=Path, metavar="FOLDER", help="write the site and its dhcpd.conf only"
    )
    asked = parser.parse_args()
    end_in_order()
    if asked.prepare:
        write_site(asked.prepare, asked.clients, asked.servers, asked.vlans)
        render_dhcpd(asked.prepare)
        return
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    if shutil.which("dhcpd") is None:
        sys.exit("dhcpd is not installed")
    result: dict[str, float] = {"clients": asked.clients}
    result |= measure(asked.clients, asked.servers, asked.vlans, asked.repeat)
    if asked.growth:
        more = measure(10 * asked.clients, asked.servers, asked.vlans, max(1, asked.repeat // 3))
        result |= {f"ten_times_{key}": value for key, value in more.items()}
        result["growth"] = round(more["coexist_seconds"] / result["coexist_seconds"], 2)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
