"""Whether and how a console may start: who is let in, by which addresses, and what is said of it."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Collection, Sequence
from pathlib import Path

from coexist.app.current import load_current
from coexist.app.probe import open_port
from coexist.app.registries import watchable
from coexist.console.server import LOOPBACK, tls
from coexist.console.site import ConsoleSettings
from coexist.console.users import Users
from coexist.errors import CoexistError
from coexist.records import dataclass
from coexist.text.closest import closest


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked of a console that starts. ``registries``: SERVER=FILE texts; ``probes``: VLAN=INTERFACE;
    ``users``: their file, None for the one beside the inventory; ``host``: the address to listen on."""

    path: Path
    host: str
    registries: Sequence[str] = ()
    probes: Sequence[str] = ()
    users: Path | None = None
    certificate: str | None = None
    key: str | None = None
    behind_proxy: bool = False
    commit: bool = False
    ssh_config: Path | None = None
    connect_timeout: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A console that may start. ``warnings``: what whoever starts it should know."""

    settings: ConsoleSettings
    certificate: ssl.SSLContext | None
    warnings: tuple[str, ...]

    def address(self, host: str, port: int) -> str:
        """Where to go; the link lets in whoever has it, where there are no users."""
        scheme = "https" if self.certificate else "http"
        name = f"[{host}]" if ":" in host else host
        link = self.settings.link
        return f"{scheme}://{name}:{port}/{f'enter?key={link}' if link else ''}"


def prepared(wanted: Wanted) -> Start:
    """Open what the console will need, once. Raises `CoexistError` for what is in the way.

    Without users it lets in whoever has its link, and listens on this machine only.
    """
    site = load_current(wanted.path).site
    root = wanted.path if wanted.path.is_dir() else wanted.path.parent
    users = wanted.users or root / "console-users.json"
    has_users = bool(Users(users).all)
    if not has_users and wanted.host not in LOOPBACK:
        raise CoexistError(
            f"there are no users, and {wanted.host} is not this machine alone; add one: "
            f"coexist users add {users} NAME --role register"
        )
    local = wanted.host in LOOPBACK and not wanted.behind_proxy
    settings = ConsoleSettings(
        path=wanted.path,
        registries=watchable(site.servers, wanted.registries),
        users=users,
        commit=wanted.commit,
        link="" if has_users else secrets.token_urlsafe(24),
        behind_proxy=wanted.behind_proxy,
        tls=wanted.certificate is not None,
        hosts=LOOPBACK if local else frozenset(),
        ssh_config=wanted.ssh_config,
        connect_timeout=wanted.connect_timeout,
        probes=_cards(wanted.probes, site.vlans),
    )
    context = tls(wanted.certificate, wanted.key) if wanted.certificate else None
    clear = not context and not local and not wanted.behind_proxy
    said = "passwords travel in the clear; give --tls-certificate, or a proxy with --behind-proxy"
    return Start(settings=settings, certificate=context, warnings=(said,) if clear else ())


def _cards(named: Sequence[str], vlans: Collection[str]) -> dict[str, str]:
    """The card on each VLAN; each is opened once, so that one that cannot be used is told at once."""
    found = {}
    for text in named:
        vlan, _, interface = text.partition("=")
        if not interface:
            raise CoexistError(f"{text!r} names no network card; write --probe VLAN=INTERFACE")
        if vlan not in vlans:
            raise CoexistError(f"there is no VLAN {vlan!r}; {closest(vlan, vlans)}")
        open_port(interface, (), None).close()
        found[vlan] = interface
    return found
