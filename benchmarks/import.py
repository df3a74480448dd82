"""How long 100,000 host declarations take to import, against ``dhcpd -t`` on the same file.

The last line is JSON: seconds of processor time (``dhcpd_cpu``, ``import_cpu``) and of the clock
(``dhcpd_wall``, ``import_wall``) for each shape of file, and the largest ratio of each. The limit is 4: twice
what is wanted, since the clock of a machine that others use tells little.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stage import MISSED, end_in_order

LIMIT = 4.0

_SUBNET = 'subnet 10.0.0.0 netmask 255.0.0.0 { range 10.200.0.10 10.200.0.20; filename "a.0"; }\n'


def _host(number: int, more: str = "") -> str:
    mac = ":".join(f"{octet:02x}" for octet in (0x525400000000 + number).to_bytes(6, "big"))
    address = f"10.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
    return f"host pc-{number} {{\n  hardware ethernet {mac};\n  fixed-address {address};\n{more}}}\n"


SHAPES: dict[str, Callable[[int], str]] = {
    "address": _host,
    "same boot file": lambda n: _host(
        n, f'  next-server 10.0.0.9;\n  filename "pxelinux.0";\n  option host-name "pc-{n}";\n'
    ),
    "500 boot files": lambda n: _host(n, f'  filename "boot/{n % 500}";\n'),
}


def _timed(argv: list[str]) -> tuple[float, float]:
    """Seconds of the clock and of the processor a command takes; it must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(shape: str, hosts: int, directory: Path) -> dict[str, float]:
    """Both times for one shape of file."""
    path = directory / "dhcpd.conf"
    path.write_text(_SUBNET + "".join(map(SHAPES[shape], range(hosts))))
    output = directory / shape.replace(" ", "-")
    dhcpd = _timed(["dhcpd", "-t", "-cf", str(path), "-lf", "/dev/null"])
    ours = _timed([sys.executable, "-m", "coexist", "import", "dhcpd", str(path), "-o", str(output)])
    return {
        "dhcpd_wall": dhcpd[0],
        "import_wall": ours[0],
        "dhcpd_cpu": dhcpd[1],
        "import_cpu": ours[1],
        "ratio_wall": ours[0] / dhcpd[0],
        "ratio_cpu": ours[1] / dhcpd[1],
    }


def main() -> int:
    end_in_order()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hosts", nargs="?", type=int, default=100_000)
    hosts: int = parser.parse_args().hosts
    shapes: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as directory:
        for shape in SHAPES:
            shapes[shape] = measure(shape, hosts, Path(directory))
            values = shapes[shape]
            print(
                f"{shape:16} dhcpd -t {values['dhcpd_cpu']:6.2f} s  import {values['import_cpu']:6.2f} s"
                f"  ratio {values['ratio_cpu']:.1f} (clock {values['ratio_wall']:.1f})"
            )
    worst_cpu = max(values["ratio_cpu"] for values in shapes.values())
    worst_wall = max(values["ratio_wall"] for values in shapes.values())
    rounded = {shape: {k: round(v, 3) for k, v in values.items()} for shape, values in shapes.items()}
    result = {
        "benchmark": "import",
        "hosts": hosts,
        "shapes": rounded,
        "ratio_cpu": round(worst_cpu, 2),
        "ratio_wall": round(worst_wall, 2),
        "limit": LIMIT,
        "passed": worst_wall <= LIMIT,
    }
    print(json.dumps(result))
    return 0 if result["passed"] else MISSED


if __name__ == "__main__":
    sys.exit(main())
