"""TFTP megabytes a second: the boot server beside dnsmasq, tftpd-hpa and tftpy's own server.

``tftpload`` reads a 4 MiB file with blksize 1468; the peers know no windowsize and refuse it. The boot
server has its whitelist and registry on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from stage import (
    MOST_SECONDS,
    ROOT,
    SERVER,
    WHITELISTED,
    Process,
    Wire,
    alternate,
    boot_server,
    by_round,
    compiled,
    cpu_seconds,
    dnsmasq,
    median,
    report,
    run_tool,
    running,
    wire,
)

SIZE = 4 << 20
FILE = "big.bin"
# Clients at a time, windowsize, what is wanted of the ratio to each peer, and the share of the time: the
# closer a ratio is to that, the more rounds it needs, and one of 200 clients takes three times as long.
CASES = (
    (16, 1, {"dnsmasq": 1.1, "tftpd-hpa": 1.5}, 0.26),
    (200, 1, {"dnsmasq": 1.1, "tftpd-hpa": 1.5}, 0.42),
    (16, 4, {"dnsmasq": 2.2}, 0.16),
    (16, 16, {"dnsmasq": 4.0}, 0.16),
)


def rate(stage: Wire, port: int, server: Process, clients: int, windowsize: int, cpu: list[float]) -> float:
    """Megabytes a second over all transfers; microseconds of processor time a block go to ``cpu``."""
    transfers = max(64, clients)
    before = cpu_seconds(server)
    done = run_tool(
        stage,
        [compiled(stage, "tftpload"), "--clients", str(clients), "--transfers", str(transfers),
         "--blksize", "1468", "--windowsize", str(windowsize), "--size", str(SIZE), "--deadline", "60",
         SERVER, str(port), FILE],
        timeout=90,
    )  # fmt: skip
    result = json.loads(done.stdout)
    if done.returncode != 0:
        raise SystemExit(f"transfers failed: {done.stdout}")
    cpu.append((cpu_seconds(server) - before) / (transfers * (SIZE // 1468 + 1)) * 1e6)
    return float(result["MBps"])


@contextmanager
def servers(stage: Wire) -> Iterator[dict[str, tuple[int, Process]]]:
    """All contenders at once, each on a port of its own; an idle server costs the others nothing."""
    root = stage.folder / "tftp"
    root.mkdir()
    (root / FILE).write_bytes(os.urandom(SIZE))
    root.chmod(0o755)
    stage.folder.chmod(0o755)
    client = stage.client.run(["cat", "/sys/class/net/eth0/address"]).strip()
    whitelist = stage.folder / "whitelist.txt"
    whitelist.write_text("".join(f"{n.to_bytes(6, 'big').hex(':')}\n" for n in range(WHITELISTED)) + client)
    config = {
        "name": "bench",
        "listen": [{"address": SERVER}],
        "rules": [{"name": "listed", "clients": {"files": [str(whitelist)]}, "programs": {"bios": FILE}}],
        "tftp": {"root": str(root), "port": 1069},
        "registry": "registry.sqlite",
    }
    tftpd = Process(
        ["in.tftpd", "--foreground", "--listen", "--user", "nobody", "--address", f"{SERVER}:2069",
         "--secure", root],
        namespace=stage.server,
    )  # fmt: skip
    tftpy = Process(
        [sys.executable, "-c", f"import tftpy; tftpy.TftpServer({str(root)!r}).listen({SERVER!r}, 3069)"],
        namespace=stage.server,
        directory=ROOT,
    )
    with (
        running(boot_server(stage, "own", config)) as own,
        running(dnsmasq(stage, "--enable-tftp", f"--tftp-root={root}", "--tftp-max=400")) as theirs,
        running(tftpd),
        running(tftpy),
    ):
        yield {
            "coexist": (1069, own),
            "dnsmasq": (69, theirs),
            "tftpd-hpa": (2069, tftpd),
            "tftpy": (3069, tftpy),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=MOST_SECONDS, help="for all cases together")
    parser.add_argument("--with-tftpy", action="store_true", help="it takes ten times as long")
    parser.add_argument("--only", help="one case, as 16x4 for 16 clients with windowsize 4")
    arguments = parser.parse_args()
    with wire() as stage, servers(stage) as ports:
        if not arguments.with_tftpy:
            del ports["tftpy"]
        for clients, windowsize, wanted, share in CASES:
            if arguments.only not in (None, f"{clients}x{windowsize}"):
                continue
            cpu: dict[str, list[float]] = {name: [] for name in ports}
            contenders: dict[str, Callable[[], float]] = {
                name: partial(rate, stage, port, server, clients, windowsize, cpu[name])
                for name, (port, server) in ports.items()
            }
            seconds = arguments.seconds * (1.0 if arguments.only else share)
            figures = alternate(arguments.runs, contenders, seconds=seconds)
            medians = {name: median(values) for name, values in figures.items()}
            report(
                f"tftp MB/s, {clients} clients, windowsize {windowsize}",
                **medians,
                ratios={
                    name: round(medians["coexist"] / value, 2)
                    for name, value in medians.items()
                    if name != "coexist"
                },
                ratios_by_round={
                    name: round(by_round(figures["coexist"], values), 2)
                    for name, values in figures.items()
                    if name != "coexist"
                },
                wanted=wanted,
                # tftpd-hpa forks for each transfer, so its own process tells nothing.
                cpu_us_a_block={name: median(cpu[name]) for name in ("coexist", "dnsmasq")},
                cpu_ratio=round(median(cpu["dnsmasq"]) / median(cpu["coexist"]), 2),
                runs=figures,
            )


if __name__ == "__main__":
    main()
