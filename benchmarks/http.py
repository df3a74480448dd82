"""Boot images over HTTP beside nginx: octets a second of a large file, requests a second for a small one.

Two hundred connections stay open. Both servers have one process; nginx sends by sendfile and writes no log.
The boot server asks for each request whether the client is on its whitelist.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from stage import (
    CLIENT,
    SERVER,
    Process,
    Wire,
    alternate,
    boot_server,
    by_round,
    compiled,
    cpu_seconds,
    median,
    report,
    run_tool,
    running,
    wire,
)

CONNECTIONS = 200
SOURCES = [f"10.77.0.{number}" for number in range(2, 12)]
"""An address may have 32 connections, so two hundred take several."""
LARGE, SMALL = 64 << 20, 64 << 10
PORT = 80
Cpu = dict[str, list[float]]
NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 60s;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fast;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen {server}:80; root {root}; }}
}}
"""


def load(
    stage: Wire, path: str, seconds: float, server: Process | Worker, cpu: list[float]
) -> tuple[int, int]:
    """Requests and octets; microseconds of the server's processor time a request go to ``cpu``."""
    before = cpu_seconds(server)
    tool = compiled(stage, "httpload")
    words = [str(tool), SERVER, str(PORT), path, str(CONNECTIONS), str(seconds), *SOURCES]
    done = run_tool(stage, [*words], timeout=seconds + 30)
    requests, octets, failures = map(int, done.stdout.split())
    if failures:
        raise SystemExit(f"{failures} of {CONNECTIONS} connections failed")
    cpu.append((cpu_seconds(server) - before) / max(octets, 1) * 1e9)
    return requests, octets


def both(stage: Wire, server: Process | Worker, seconds: float, cpu: Cpu, small: list[float]) -> float:
    """Gigabytes a second of the large file; requests a second of the small one go to ``small``."""
    _, octets = load(stage, "/large", seconds, server, cpu["large"])
    requests, _ = load(stage, "/small", seconds, server, cpu["small"])
    small.append(requests / seconds)
    return octets / seconds / 1e9


def own(
    stage: Wire, root: Path, seconds: float, cpu: Cpu, small: list[float], *, front: str | None = None
) -> float:
    links = json.loads(run_tool(stage, ["ip", "-j", "link", "show", "eth0"], timeout=10).stdout)
    client = links[0]["address"]
    config = {
        "name": "bench",
        "listen": [{"address": SERVER}],
        "services": ["http"],
        "rules": [{"name": "all", "clients": {"macs": [client]}, "programs": {"bios": "small"}}],
        "tftp": {"root": str(root)},
        "http": {"port": PORT, "front": front},
    }
    with running(boot_server(stage, f"own-{front}", config)) as server:
        return both(stage, server, seconds, cpu, small)


def nginx(stage: Wire, root: Path, seconds: float, cpu: Cpu, small: list[float]) -> float:
    config = stage.folder / "nginx.conf"
    config.write_text(NGINX.format(folder=stage.folder, server=SERVER, root=root))
    process = Process(["nginx", "-c", config, "-p", stage.folder], namespace=stage.server)
    with running(process):
        worker = Worker(process)
        return both(stage, worker, seconds, cpu, small)


class Worker:
    """nginx's process that serves; the one that was started only watches it."""

    def __init__(self, first: Process) -> None:
        children = Path(f"/proc/{first.pid}/task/{first.pid}/children")
        while not (found := children.read_text().split()):
            os.sched_yield()
        self.pid = int(found[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    names = ("coexist", "coexist, front: nginx", "nginx")
    cpu: dict[str, dict[str, list[float]]] = {name: {"large": [], "small": []} for name in names}
    small: dict[str, list[float]] = {name: [] for name in names}
    with wire() as stage:
        stage.client.ip(*(f"addr add {source}/24 dev eth0" for source in SOURCES if source != CLIENT))
        root = stage.folder / "root"
        root.mkdir()
        root.chmod(0o755)
        stage.folder.chmod(0o755)
        for name, size in (("large", LARGE), ("small", SMALL)):
            (root / name).write_bytes(os.urandom(1 << 16) * (size >> 16))
        seconds = arguments.seconds
        large = alternate(
            arguments.runs,
            {
                "coexist": lambda: own(stage, root, seconds, cpu["coexist"], small["coexist"]),
                names[1]: lambda: own(stage, root, seconds, cpu[names[1]], small[names[1]], front="nginx"),
                "nginx": lambda: nginx(stage, root, seconds, cpu["nginx"], small["nginx"]),
            },
        )
    for case, wanted, figures in (("64 MiB, GB/s", 0.8, large), ("64 kB, requests/s", 0.6, small)):
        kind = "large" if figures is large else "small"
        for name in names[:2]:
            report(
                f"http {case}: {name}",
                coexist=median(figures[name]),
                nginx=median(figures["nginx"]),
                ratio=round(by_round(figures[name], figures["nginx"]), 2),
                wanted=wanted,
                cpu_ns_an_octet={each: round(median(cpu[each][kind]), 3) for each in names},
            )


if __name__ == "__main__":
    main()
