"""``coexist serve CONFIG``: be a boot server."""

from __future__ import annotations

from pathlib import Path

import click

from coexist.cli.prose import say, tell
from coexist.text.amounts import amount


@click.command("serve")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--interface", metavar="INTERFACE", help="Answer on this interface only.")
@click.option(
    "--port-67", "port_67", metavar="PORT", type=click.IntRange(0, 65535), default=67, help="For trying out."
)
@click.option(
    "--port-4011",
    "port_4011",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    default=4011,
    help="For trying out.",
)
@click.option(
    "--port-69",
    "port_69",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    help="For trying out; else as configured.",
)
@click.option("--check", is_flag=True, help="Read and check the configuration, and end.")
def command(
    config: Path, interface: str | None, port_67: int, port_4011: int, port_69: int | None, check: bool
) -> None:
    """Answer booting clients as CONFIG says: ProxyDHCP, PXE boot server, TFTP and HTTP.

    Runs in the foreground and logs to stderr. SIGHUP or a changed file reloads; SIGTERM ends.
    """
    if check:
        from coexist.app.boot_server import checked

        found = checked(config)
        for caution in found.cautions:
            tell(f"caution: {caution}")
        say(f"{config}: {amount(found.rules, 'rule')}, no mistakes")
        return
    from coexist.app.boot_server import serve

    serve(config, interface=interface, dhcp=port_67, boot_server=port_4011, tftp=port_69)
