"""A million whitelist entries: memory of the whole server, and seconds from its start to being ready."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from stage import SERVER, Wire, boot_server, median, report, running, wire

ENTRIES = 1_000_000


def run(stage: Wire) -> tuple[float, float]:
    """Seconds until ready and the largest resident set in MiB."""
    whitelist = stage.folder / "whitelist.txt"
    if not whitelist.exists():
        # Spread like real ones: a few vendors, serial numbers with gaps.
        macs = (((0x525400 + n % 7) << 24) | (n * 13 & 0xFFFFFF) for n in range(ENTRIES))
        whitelist.write_text("".join(f"{mac.to_bytes(6, 'big').hex(':')}\n" for mac in macs))
    config = {
        "name": "bench",
        "listen": [{"address": SERVER}],
        "rules": [
            {"name": "listed", "clients": {"files": [str(whitelist)]}, "programs": {"bios": "pxelinux.0"}}
        ],
        "tftp": {"root": str(stage.folder)},
        "registry": "registry.sqlite",
    }
    begun = time.monotonic()
    with running(boot_server(stage, "own", config)) as server:
        ready = time.monotonic() - begun
        status = Path(f"/proc/{server.pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    return ready, peak / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with wire() as stage:
        figures = [run(stage) for _ in range(arguments.runs)]
    report(
        f"whitelist of {ENTRIES:,} entries",
        ready_seconds=median([ready for ready, _ in figures]),
        peak_mib=median([peak for _, peak in figures]),
        wanted={"ready_seconds": 5, "peak_mib": 300},
    )


if __name__ == "__main__":
    main()
