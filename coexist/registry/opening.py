"""Where a registry is: a file, or the address of a PostgreSQL database; and how it is opened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from coexist.records import dataclass
from coexist.registry.records import ClientRow, RegistryError
from coexist.registry.registry import Registry
from coexist.registry.sqlite import SqliteEngine, sqlite_registry
from coexist.text.amounts import amount

if TYPE_CHECKING:
    from coexist.registry.postgresql import Pools

SCHEMES = ("postgresql", "postgres")
_pools: Pools | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The address of a PostgreSQL database. Its password is never told."""

    url: str

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        user, at, host = parts.netloc.rpartition("@")
        query = "&".join(item for item in parts.query.split("&") if not item.startswith("password="))
        return urlunsplit((parts.scheme, user.partition(":")[0] + at + host, parts.path, query, ""))

    @property
    def mark(self) -> str:
        """What tells this database from another, for names of files."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:8]


Where = Path | Database


def is_database(text: str) -> bool:
    """Whether a text is the address of a database and not the name of a file."""
    return text.partition("://")[0] in SCHEMES and "://" in text


def where_is(text: str) -> Where:
    """The place a text names. Raises `RegistryError` for the address of something else."""
    scheme, found, _ = text.partition("://")
    if found and scheme not in SCHEMES:
        # What is behind it may hold a password.
        what = f"{scheme}:// is no address of a registry"
        raise RegistryError(f"{what}; name a file, or write postgresql://USER@HOST/NAME")
    return Database(url=text) if is_database(text) else Path(text)


def connect(where: Where) -> Registry:
    """The registry for a server: a file is begun if it is not there. Raises `RegistryError`."""
    if isinstance(where, Database):
        from coexist.registry.postgresql import postgres_registry

        return postgres_registry(where.url, str(where))
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise RegistryError(f"{where}: {error}") from None
    return sqlite_registry(where)


def open_registry(where: Where | str) -> Registry:
    """The registry for a command. Raises `RegistryError` with what to do."""
    place = where_is(where) if isinstance(where, str) else where
    if isinstance(place, Database):
        if _pools is not None:
            return _pools.open(place.url, str(place))
        return connect(place)
    return _open_file(place)


def rows_of(where: Where, server: str) -> list[ClientRow]:
    """The clients in a registry as one server saw them. Raises `RegistryError`."""
    registry = open_registry(where)
    try:
        return registry.rows(server=server)
    finally:
        registry.close()


@contextmanager
def kept_connections() -> Iterator[None]:
    """Meanwhile connections to databases are kept and used again; for a program that goes on running."""
    global _pools  # noqa: PLW0603 a program has one console
    from coexist.registry.postgresql import Pools

    _pools = Pools()
    try:
        yield
    finally:
        _pools.close()
        _pools = None


def state_of(where: Where) -> tuple[object, ...]:
    """Equal as long as nobody wrote into a registry; zeros where it is not."""
    if isinstance(where, Path):
        return (*_stat(where), *_stat(where.with_name(where.name + "-wal")))
    try:
        registry = open_registry(where)
        try:
            return registry.version
        finally:
            registry.close()
    except RegistryError:
        return (0, 0)


def _stat(path: Path) -> tuple[int, int]:
    """What changes when a file is written to: its time and size."""
    try:
        stat = path.stat()
    except OSError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size


def _open_file(path: Path) -> Registry:
    try:
        opened = sqlite_registry(path, patience=10.0, create=False)
    except RegistryError as error:
        if "there is no registry" in str(error):
            raise
        raise RegistryError(_cannot(path, error)) from None
    try:
        assert isinstance(opened.engine, SqliteEngine)
        opened.engine.check()
        damaged = opened.damaged
    except RegistryError as error:
        opened.close()
        raise RegistryError(_cannot(path, error)) from None
    if damaged:
        opened.close()
        raise RegistryError(
            f"{path}: {amount(damaged, 'row')} of this registry cannot be read; take a"
            " new copy, or put it back from a backup"
        )
    return opened


def _cannot(path: Path, error: RegistryError) -> str:
    said = str(error).removeprefix(f"{path}: ")
    remedy = ""
    if "not a database" in said:
        remedy = "; name the registry of a boot server (`registry:` of its configuration)"
    if path.is_dir():
        remedy = "; it is a directory: name the file in it"
    if "readonly" in said:
        remedy = "; run this as root or as the server's user"
    return f"{path}: this registry cannot be opened: {said}{remedy}"
