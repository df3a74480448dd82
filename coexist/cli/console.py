"""``coexist console INVENTORY``: look at a site in a browser, and register machines."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coexist.cli.prose import tell
from coexist.cli.remote import way_options
from coexist.errors import CoexistError

if TYPE_CHECKING:
    from coexist.registry.opening import Where

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
    from coexist.app.current import load_current
    from coexist.console.server import LOOPBACK, serve, tls
    from coexist.console.site import ConsoleSettings
    from coexist.console.users import Users
    from coexist.registry.opening import kept_connections

    site = load_current(inventory)
    root = inventory if inventory.is_dir() else inventory.parent
    users_file = users or root / "console-users.json"
    host, port = listen
    has_users = bool(Users(users_file).all)
    if not has_users and host not in LOOPBACK:
        raise CoexistError(
            f"there are no users, and {host} is not this machine alone; add one: "
            f"coexist users add {users_file} NAME --role register"
        )
    link = "" if has_users else secrets.token_urlsafe(24)
    local = host in LOOPBACK and not behind_proxy
    settings = ConsoleSettings(
        path=inventory,
        registries=_registries(registries, site.site.servers),
        users=users_file,
        commit=commit,
        link=link,
        behind_proxy=behind_proxy,
        tls=tls_certificate is not None,
        hosts=LOOPBACK if local else frozenset(),
        ssh_config=ssh_config,
        connect_timeout=connect_timeout,
        probes=_probes(probes, site.site.vlans),
    )
    context = tls(tls_certificate, tls_key) if tls_certificate else None
    scheme = "https" if context else "http"
    if not context and not local and not behind_proxy:
        tell("warning: passwords travel in the clear; give --tls-certificate, or a proxy with --behind-proxy")

    def ready(bound: int) -> None:
        name = f"[{host}]" if ":" in host else host
        tell(f"console: {scheme}://{name}:{bound}/{f'enter?key={link}' if link else ''}")

    with kept_connections():
        asyncio.run(serve(settings, host, port, certificate=context, ready=ready))


def _registries(named: tuple[str, ...], servers: Collection[str]) -> dict[str, Where]:
    from coexist.app.sights import named_registries
    from coexist.registry.opening import open_registry

    found = named_registries(servers, named)
    for where in found.values():
        open_registry(where).close()
    return found


def _probes(named: tuple[str, ...], vlans: Collection[str]) -> dict[str, str]:
    """The card on each VLAN; each is opened once, so that one that cannot be used is told at once."""
    from coexist.app.probe import open_port
    from coexist.inventory.values import closest

    found = {}
    for text in named:
        vlan, _, interface = text.partition("=")
        if not interface:
            raise click.BadParameter(f"{text!r}: write VLAN=INTERFACE", param_hint="--probe")
        if vlan not in vlans:
            raise CoexistError(f"there is no VLAN {vlan!r}; {closest(vlan, vlans)}")
        open_port(interface, (), None).close()
        found[vlan] = interface
    return found
