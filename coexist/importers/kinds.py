"""The kinds of sources that can be imported, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from coexist.errors import InputError, Position, Problem
from coexist.importers.imported import Imported


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is imported: the files in the order given, and what they do not say themselves."""

    paths: tuple[Path, ...]
    server: str = ""
    address: IPv4Address | None = None

    def only_path(self) -> Path:
        """The one file of a kind that is one file."""
        if len(self.paths) != 1:
            place = Position(str(self.paths[1] if len(self.paths) > 1 else "."))
            raise InputError(
                [Problem(place, "this kind is imported one file at a time", "import the others after it")]
            )
        return self.paths[0]


def read_text(path: Path | str) -> str:
    """A configuration file; octets that are no UTF-8 are kept. Raises InputError."""
    path = Path(path)
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise InputError(
            [Problem(Position(str(path)), f"the file cannot be read: {error.strerror}", "check its name")]
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of source: what it is, and its importer."""

    describe: str
    run: Callable[[Request], Imported]


def _beside(path: Path) -> Callable[[str], str]:
    """Reads a file a source names: by its own path, or by its name beside the source."""

    def read(name: str) -> str:
        inside = Path(name)
        beside = path.parent / inside.name
        chosen = inside if inside.is_file() or not beside.is_file() else beside
        return chosen.read_bytes().decode("utf-8", "surrogateescape")

    return read


def _dhcpd(request: Request) -> Imported:
    from coexist.importers.dhcpd.site import import_dhcpd

    path = request.only_path()
    return import_dhcpd(
        read_text(path), str(path), _beside(path), server=request.server or "dhcp", address=request.address
    )


def _kea(request: Request) -> Imported:
    from coexist.importers.kea.site import import_kea

    path = request.only_path()
    return import_kea(
        read_text(path), str(path), _beside(path), server=request.server or "dhcp", address=request.address
    )


KINDS: dict[str, Kind] = {
    "dhcpd": Kind(describe="ISC dhcpd.conf, with the files it includes", run=_dhcpd),
    "kea": Kind(describe="Kea's DHCPv4 configuration (JSON with comments)", run=_kea),
}


def import_files(
    kind: str, paths: Sequence[Path | str], *, server: str = "", address: IPv4Address | None = None
) -> Imported:
    """Read one source of a kind in ``KINDS``.

    ``server`` names the server it describes, ``address`` is its address if the source does not say it.
    Raises InputError for what cannot be read, with its place.
    """
    request = Request(paths=tuple(Path(path) for path in paths), server=server, address=address)
    return KINDS[kind].run(request)
