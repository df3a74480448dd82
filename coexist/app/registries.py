"""Registries: the clients that boot servers saw, what is decided on them, and whole copies.

A registry is named by a boot server's configuration (``.yaml``), by its file, or by the address of a database
(``postgresql://``). Every function raises `CoexistError` for one that cannot be used.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import TYPE_CHECKING

from coexist.errors import CoexistError
from coexist.records import dataclass
from coexist.wire.mac import format_mac

if TYPE_CHECKING:
    from coexist.app.deciding import Told
    from coexist.boot.configuration import BootServerConfig
    from coexist.registry.copying import Copied
    from coexist.registry.opening import Where
    from coexist.registry.records import Act, ClientRow
    from coexist.registry.registry import Registry
    from coexist.server.config import Loaded

_STATE_DIRECTORY = "/var/lib/coexist"  # of packaging/systemd/coexist.service


def _is_config(name: str) -> bool:
    return "://" not in name and name.endswith((".yaml", ".yml"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """A registry by its name. ``journal``: the file in which decisions wait while it is away, if a server
    looks there; ``loaded``: the configuration that names it, if one does."""

    where: Where
    journal: Path | None = None
    loaded: Loaded | None = None

    def opened(self) -> AbstractContextManager[Registry]:
        """The registry, until it is left."""
        from coexist.registry.opening import open_registry

        return closing(open_registry(self.where))


def _named(name: str) -> _Named:
    from coexist.registry.opening import where_is

    if Path(name).is_dir():
        raise CoexistError(f"{name} is a directory; name a boot server's configuration, or its registry file")
    if not _is_config(name):
        return _Named(where=where_is(name))
    from coexist.server.config import journal_of, load_config, registry_of

    path = Path(name)
    loaded = load_config(path)
    config = loaded.config
    where = beside = registry_of(path, config, None)
    if isinstance(beside, Path) and not beside.exists():
        where = registry_of(path, config, _STATE_DIRECTORY)
    journals = (journal_of(path, config, folder) for folder in (None, _STATE_DIRECTORY))
    journal = next((each for each in journals if each is not None and each.exists()), None)
    return _Named(where=where, journal=journal, loaded=loaded)


def _decide(
    name: str, registry: _Named, macs: Sequence[int], state: str, columns: Mapping[str, str | None]
) -> Told:
    """Have the registry do what was decided; it waits in a journal, where a server has one, if it must."""
    from coexist.app.deciding import tell
    from coexist.registry.opening import is_database
    from coexist.registry.records import new_order

    orders = [new_order(mac, state, **columns, who=_who(), via="command") for mac in macs]
    try:
        return tell(registry.where, orders, registry.journal)
    except CoexistError as error:
        if registry.journal is None and is_database(name):
            raise CoexistError(
                f"{error}; to decide while the database is away, name the configuration of a boot server"
                " on its host"
            ) from None
        raise


def _notes(told: Told) -> list[str]:
    if told.kept is None:
        return []
    when = "in effect on this server within seconds, and on the others when the database is back"
    return [told.why, f"this waits in {told.kept}; it is {when}"]


def _who() -> str:
    """Whoever runs this program, for the audit."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return str(os.getuid())


# -- the clients of one registry ------------------------------------------------------------------------


def listed(name: str, states: Sequence[str] = (), *, strangers: bool = False) -> list[ClientRow]:
    """The clients, those seen last first; in some ``states`` only, where any are given.

    ``strangers``: only those that the configuration does not call known; a registry does not tell.
    """
    from coexist.registry.records import STATES

    named = _named(name)
    with named.opened() as registry:
        rows = registry.rows(states=tuple(states) or STATES)
    if not strangers:
        return rows
    if named.loaded is None:
        raise CoexistError("a registry does not tell who is known; name the server's configuration")
    known = named.loaded.known
    return [row for row in rows if row.mac not in known]


def register(name: str, macs: Sequence[int], columns: Mapping[str, str | None]) -> list[str]:
    """Register machines (``columns``: name, location, hardware, group); what to know of it."""
    named = _named(name)
    told = _decide(name, named, macs, "registered", columns)
    if named.loaded is None:
        return _notes(told)
    return [*_notes(told), *_without_effect(name, named.loaded.config, columns.get("group"))]


def _without_effect(path: str, config: BootServerConfig, group: str | None) -> list[str]:
    """What a registration does not change, by a server's configuration."""
    from coexist.server.checks import selectors

    asked = selectors(config).values()
    groups = {name for selector in asked for name in selector.groups}
    notes = []
    if group is not None and group not in groups:
        named = ", ".join(sorted(groups | config.groups.keys())) or "none"
        notes.append(f"no rule of {path} asks for the group {group!r} (groups: {named})")
    if group not in groups and not any(selector.registered for selector in asked):
        notes.append(
            f"no rule of {path} asks for registered clients, so the server answers as before; write"
            " `registered: true` into a rule, or take the machine into the inventory (`coexist clients"
            " export`)"
        )
    return notes


def ignore(name: str, macs: Sequence[int]) -> list[str]:
    """Have the servers answer these machines no more; what to know of it."""
    return _notes(_decide(name, _named(name), macs, "ignored", {}))


def forget(name: str, macs: Sequence[int]) -> list[str]:
    """Remove machines; what to know of it. Raises `CoexistError` with those that were not there."""
    from coexist.registry.records import FORGOTTEN

    told = _decide(name, _named(name), macs, FORGOTTEN, {})
    if told.missing:
        raise CoexistError(f"not in the registry: {', '.join(map(format_mac, told.missing))}")
    return _notes(told)


def acts(name: str, macs: Collection[int] = ()) -> list[Act]:
    """Who decided what, the last first; on some machines only, where any are given."""
    with _named(name).opened() as registry:
        return [act for act in registry.acts() if not macs or act.mac in macs]


# -- whole registries -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a registry holds: clients by state, and when each server saw one last (seconds, epoch)."""

    where: str
    states: Mapping[str, int]
    last: Mapping[str, float]


def contents(name: str) -> Contents:
    """What a registry holds."""
    from coexist.registry.opening import open_registry
    from coexist.registry.records import STATES

    with closing(open_registry(name)) as registry:
        rows = registry.rows()
        last: dict[str, float] = {}
        for server, note in registry.sights():
            last[server] = max(last.get(server, 0.0), note.last_seen)
        states: dict[str, int] = {state: sum(row.state == state for row in rows) for state in STATES}
        return Contents(where=registry.where, states=states, last=dict(sorted(last.items())))


def copy(source: str, target: str, server: str | None = None) -> Copied:
    """Copy a registry into another, which is begun if it is not there; ``server``: whose an old file is."""
    from coexist.registry.copying import copy_registry
    from coexist.registry.opening import connect, open_registry, where_is

    if where_is(source) == where_is(target):
        raise CoexistError("both names are of the same registry")
    with closing(open_registry(source)) as opened, closing(connect(where_is(target))) as into:
        return copy_registry(opened, into, server)


def kept_open() -> AbstractContextManager[None]:
    """Meanwhile connections to databases are kept and used again; for a program that goes on running."""
    from coexist.registry.opening import kept_connections

    return kept_connections()


def watchable(servers: Collection[str], named: Sequence[str]) -> dict[str, Where]:
    """Registries by server, from ``SERVER=FILE`` texts; each is opened once."""
    from coexist.app.sights import named_registries
    from coexist.registry.opening import open_registry

    found = named_registries(servers, named)
    for where in found.values():
        open_registry(where).close()
    return found
