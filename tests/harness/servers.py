"""Real servers on a host: each function starts one and returns when it answers."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.harness import manager
from tests.harness.network import Host
from tests.harness.processes import Process, udp_ports, wait_until


def start_dhcpd(
    host: Host, config: str | Path, *, interfaces: Iterable[str] = (), leases: str = ""
) -> Process:
    """ISC dhcpd from a file, or from its text. It answers on all interfaces unless some are named.

    ``leases``: what it remembers of an earlier run.
    """
    install(host, "/etc/dhcp/dhcpd.conf", config)
    install(host, "/var/lib/dhcp/dhcpd.leases", leases)
    listen = list(interfaces) or list(host.interfaces.values())
    # fmt: off
    return host.start(
        [
            "dhcpd", "-4", "-f", "-d", "-cf", "/etc/dhcp/dhcpd.conf", "-lf", "/var/lib/dhcp/dhcpd.leases",
            "--no-pid", *listen,
        ],
        ready="Server starting service",
    )
    # fmt: on


def install(host: Host, path: str, content: str | Path) -> None:
    """Put a text, or a copy of a file, where its package has it, in folders of the host's own.

    Debian's AppArmor profiles let a daemon read its files nowhere else.
    """
    place = host.own_path(Path(path).parent) / Path(path).name
    place.write_text(content if isinstance(content, str) else content.read_text())


def start_dnsmasq(host: Host, config: str | Iterable[str] | Path, *arguments: str | Path) -> Process:
    """dnsmasq from a file as it is, or from lines to which "no DNS, no ping check" is added."""
    if not isinstance(config, Path):
        own = config.splitlines() if isinstance(config, str) else list(config)
        config = host.write("dnsmasq.conf", "\n".join(["port=0", "no-ping", *own]) + "\n")
    # fmt: off
    return host.start(
        [
            "dnsmasq", "--keep-in-foreground", f"--conf-file={config}", "--user=root", "--group=root",
            "--pid-file=", f"--dhcp-leasefile={host.directory}/dnsmasq.leases", "--no-resolv", "--no-hosts",
            "--log-dhcp", "--log-facility=-", *arguments,
        ],
        # Its sockets are open by then (dnsmasq.c, main); one that answers nobody says nothing more.
        ready="started, version",
    )
    # fmt: on


def start_kea(host: Host, config: str | Path) -> Process:
    """Kea's DHCPv4 server from a file, or from its text; its leases stay the host's own."""
    install(host, "/etc/kea/kea-dhcp4.conf", config)
    for folder in ("/var/lib/kea", "/run/kea", "/run/lock/kea"):
        host.own_path(folder)
    return host.start(
        ["kea-dhcp4", "-c", "/etc/kea/kea-dhcp4.conf"],
        ready="DHCP4_STARTED",
        environment={"KEA_PIDFILE_DIR": "/run/kea", "KEA_LOCKFILE_DIR": "/run/lock/kea"},
    )


def start_tftpd(host: Host, root: Path) -> Process:
    """tftpd-hpa on the host's first address, serving one folder."""
    # fmt: off
    process = host.start([
        "in.tftpd", "--foreground", "--listen", "--user", "root", "--address", f"{host.address}:69",
        "--secure", root,
    ])
    # fmt: on
    wait_until(lambda: process.ended or 69 in udp_ports(host.namespace), "in.tftpd on port 69")
    return process


def start_manager(host: Host, programs: Mapping[str, str], *, uuid: bool = False) -> Process:
    """What stands in for a manager (``tests.harness.manager``); its list is ``registered`` among its files.

    ``programs``: files by the number in option 60.
    """
    words = [f"{number}={file}" for number, file in programs.items()]
    argv = [sys.executable, manager.__file__, str(host.address), f"{host.directory}/registered", *words]
    return host.start([*argv, "--uuid"] if uuid else argv, ready="ready")


def start_boot_server(host: Host, config: Path, *arguments: str, ready: str) -> Process:
    """``coexist serve`` from a configuration, until it says ``ready``."""
    return host.start([sys.executable, "-m", "coexist", "serve", config, *arguments], ready=ready)
