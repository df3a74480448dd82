"""What boot servers' registries and packet captures saw of machines."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from coexist.app.doctor import Sight
from coexist.errors import CoexistError
from coexist.text.closest import closest

if TYPE_CHECKING:
    from coexist.inventory import Inventory
    from coexist.registry.opening import Where

    Named = Iterable[str] | Mapping[str, Where]
    """Registries as a command is told them, or as they were told to the console."""

_ANSWERED = ("answered", "waits")


def named_registries(servers: Collection[str], named: Named) -> dict[str, Where]:
    """Registries by server, from ``SERVER=FILE`` and ``SERVER=postgresql://...``
    texts. Raises `CoexistError`."""
    from coexist.registry.opening import where_is

    if isinstance(named, Mapping):
        return dict(named)
    found = {}
    for text in named:
        server, separator, where = text.partition("=")
        if not separator or "://" in server:
            raise CoexistError(f"{text!r} names no server; write SERVER=FILE")
        if server not in servers:
            raise CoexistError(f"there is no server {server!r}; {closest(server, servers)}")
        found[server] = where_is(where)
    return found


def sights_of_registries(registries: Mapping[str, Where]) -> Iterator[Sight]:
    """The last decision of each server on each client. Raises `CoexistError`."""
    from coexist.registry.opening import rows_of

    for server, where in registries.items():
        for row in rows_of(where, server):
            if row.last_seen is not None:
                answered = row.decision in _ANSWERED
                yield Sight(
                    at=datetime.fromtimestamp(row.last_seen, UTC),
                    mac=row.mac,
                    server=server,
                    how=f"registry {where}",
                    answered=answered,
                    why="" if answered else row.decision,
                )


def sights_of_captures(inventory: Inventory, files: Sequence[Path]) -> Iterator[Sight]:
    """The boots in captures: whom each machine asked for its file. Raises `InputError`."""
    from coexist.probe.capture_file import read_capture
    from coexist.probe.expectation import server_names
    from coexist.probe.observation import observe

    names = server_names(inventory)
    for file in files:
        for boot in observe(read_capture(file)):
            asked = boot.file_request
            at = datetime.fromtimestamp(boot.began, UTC)
            if asked is None:
                offers = ", ".join(
                    dict.fromkeys(names.get(answer.source, str(answer.source)) for answer in boot.offers)
                )
                yield Sight(
                    at=at,
                    mac=boot.asker.mac,
                    server=str(file),
                    how=f"capture {file}",
                    answered=False,
                    why=f"it was offered something by {offers or 'nobody'} and asked for no file",
                )
                continue
            yield Sight(
                at=at,
                mac=boot.asker.mac,
                server=names.get(asked.server, str(asked.server)),
                how=f"capture {file}",
                answered=True,
                file=asked.file,
            )
