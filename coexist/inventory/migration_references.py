"""Whether what migrations name exists, and the server between can do what it is to do."""

from __future__ import annotations

from collections.abc import Iterable

from coexist.inventory.declarations import Declarations
from coexist.inventory.documents import Path
from coexist.inventory.migrations import Migration
from coexist.text.closest import closest
from coexist.wire.mac import parse_mac


def check_migrations(given: Declarations) -> None:
    """Migrations: their servers, groups and machines."""
    for name, migration in given.site.migrations.items():
        path: Path = ("migrations", name)
        given.need_servers((*path, "from"), [migration.source])
        given.need_servers((*path, "to"), [migration.target])
        _through(given, path, migration)
        for key, groups in (
            ("clients", migration.clients),
            ("pilots", migration.pilots),
            ("stays", migration.stays),
        ):
            given.need_groups((*path, key), groups)
        for number, wave in enumerate(migration.waves):
            place: Path = (*path, "waves", number)
            given.need_groups((*place, "clients"), wave.clients)
            _need_values(given, (*place, "location"), "location", wave.location)
            _need_machines(given, (*place, "machines"), wave.machines)


def _through(given: Declarations, path: Path, migration: Migration) -> None:
    """The server that stands between the two must be one that can tell clients where to load."""
    if migration.through is None:
        return
    given.need_servers((*path, "through"), [migration.through])
    server = given.site.servers.get(migration.through)
    if server is None:
        return
    if migration.during == "front" and not server.product.names_others_files:
        message = f"{migration.through} is {server.software.product}, which cannot name others' files"
        given.complain((*path, "through"), message, "name a server with `software: coexist`")
    if migration.during == "scope" and not any(
        migration.through in scope.servers for scope in given.site.scopes.values()
    ):
        message = f"{migration.through} serves no scope"
        given.complain((*path, "through"), message, "name the DHCP server of the clients")
    for end in (migration.source, migration.target):
        declared = given.site.servers.get(end)
        if declared is not None and not declared.programs:
            message = f"{end} names no programs, so {migration.through} cannot name them for it"
            given.complain(
                ("servers", end), message, "write `programs: {bios: ..., uefi-x64: ...}`", key=True
            )


def _need_values(given: Declarations, path: Path, column: str, names: Iterable[str]) -> None:
    known = set(given.table.columns[column]) if names else set()
    for place, name in given.each(path, names):
        if name not in known:
            given.complain(place, f"no client has the {column} {name!r}", closest(name, known - {""}))


def _need_machines(given: Declarations, path: Path, names: Iterable[str]) -> None:
    known = set(given.table.columns["name"]) if names else set()
    for place, name in given.each(path, names):
        if name in known:
            continue
        try:
            registered = parse_mac(name) in given.table.index
        except ValueError:
            registered = False
        if not registered:
            given.complain(place, f"no client has the name or MAC {name!r}", closest(name, known - {""}))
