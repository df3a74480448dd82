"""Being a boot server, and checking the configuration of one."""

from __future__ import annotations

from pathlib import Path

from coexist.boot.request import BOOT_SERVER_PORT, DHCP_PORT
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A configuration without mistakes: how many rules it has, and what its author should know."""

    rules: int
    cautions: tuple[str, ...]


def checked(config: Path) -> Checked:
    """Read and check a configuration. Raises `InputError` with every mistake."""
    from coexist.server.config import load_config

    loaded = load_config(config)
    return Checked(rules=len(loaded.config.rules), cautions=tuple(map(str, loaded.cautions)))


def serve(
    config: Path,
    *,
    interface: str | None = None,
    dhcp: int = DHCP_PORT,
    boot_server: int = BOOT_SERVER_PORT,
    tftp: int | None = None,
) -> None:
    """Answer booting clients until SIGTERM, in one process or as many as the configuration says.

    ``dhcp``, ``boot_server``, ``tftp``: ports, for trying out; ``tftp`` None: as configured. Raises
    `CoexistError` for what is in the way at the start.
    """
    from coexist.server.logs import adopted
    from coexist.server.run import BootServer
    from coexist.server.services import Ports
    from coexist.server.workers import workers_of

    ports = Ports(dhcp=dhcp, boot_server=boot_server, tftp=tftp)
    workers = workers_of(config, interface=interface, ports=ports)
    if workers is not None:
        workers.run()
        return
    server = BootServer(config, interface=interface, ports=ports)
    server.handle_signals()
    with adopted(server.log):
        server.start()
        server.run()
