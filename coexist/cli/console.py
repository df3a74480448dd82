"""``coexist console INVENTORY``: look at a site in a browser, and register machines."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from coexist.cli.prose import tell
from coexist.cli.remote import way_options

DEFAULT_PORT = 8068


def _listen(_: click.Context, __: click.Parameter, value: str) -> tuple[str, int]:
    host, _colon, port = value.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f"{value!r} is no address and port; write 127.0.0.1:{DEFAULT_PORT}")
    return host.strip("[]"), int(port)


@click.command("console")
@click.argument("inventory", type=click.Path(path_type=Path))
@click.option(
    "--listen",
    default=f"127.0.0.1:{DEFAULT_PORT}",
    show_default=True,
    callback=_listen,
    metavar="ADDRESS:PORT",
    help="Where to listen.",
)
@click.option(
    "--registry",
    "registries",
    multiple=True,
    metavar="SERVER=FILE",
    help="The registry of a running boot server (a file, or postgresql://...); may be repeated.",
)
@click.option(
    "--users",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file of users; console-users.json beside the inventory if not given.",
)
@click.option("--tls-certificate", metavar="FILE", help="A certificate chain in PEM form: serve HTTPS.")
@click.option("--tls-key", metavar="FILE", help="The key of the certificate, if it is in another file.")
@click.option(
    "--behind-proxy", is_flag=True, help="Believe X-Forwarded-For and X-Forwarded-Proto of a proxy in front."
)
@click.option(
    "--probe",
    "probes",
    multiple=True,
    metavar="VLAN=INTERFACE",
    help="Let a machine's page ask the wire, through this card; may be repeated.",
)
@way_options
@click.option("--commit", is_flag=True, help="Record each change of the inventory in git.")
def command(
    inventory: Path,
    listen: tuple[str, int],
    registries: tuple[str, ...],
    users: Path | None,
    tls_certificate: str | None,
    tls_key: str | None,
    behind_proxy: bool,
    probes: tuple[str, ...],
    commit: bool,
    ssh_config: Path | None,
    connect_timeout: float,
) -> None:
    """Serve pages about the site of INVENTORY until it is stopped (Ctrl-C).

    Machines that ask, who answers whom, findings with their races, and machines to be registered. Without
    users it lets in whoever has the link that it prints, and listens on this machine only.
    """
    from coexist.app.registries import kept_open
    from coexist.console.server import serve
    from coexist.console.starting import Wanted, prepared

    host, port = listen
    start = prepared(
        Wanted(
            path=inventory,
            host=host,
            registries=registries,
            probes=probes,
            users=users,
            certificate=tls_certificate,
            key=tls_key,
            behind_proxy=behind_proxy,
            commit=commit,
            ssh_config=ssh_config,
            connect_timeout=connect_timeout,
        )
    )
    for warning in start.warnings:
        tell(f"warning: {warning}")

    def ready(bound: int) -> None:
        tell(f"console: {start.address(host, bound)}")

    with kept_open():
        asyncio.run(serve(start.settings, host, port, certificate=start.certificate, ready=ready))
