"""The kinds of sources that can be imported, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path

from coexist.errors import InputError, Position, Problem
from coexist.importers.imported import Imported
from coexist.languages.source_files import Surroundings, files_of, read_export, read_octets, read_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is imported: the files in the order given, and what they do not say themselves."""

    paths: tuple[Path, ...]
    server: str = ""
    address: IPv4Address | None = None
    around: Surroundings = field(default_factory=lambda: Surroundings(Path()))

    def only_path(self) -> Path:
        """The one file of a kind that is one file."""
        if len(self.paths) != 1:
            place = Position(str(self.paths[1] if len(self.paths) > 1 else "."))
            raise InputError(
                [Problem(place, "this kind is imported one file at a time", "import the others after it")]
            )
        return self.paths[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of source: what it is, and its importer."""

    describe: str
    run: Callable[[Request], Imported]


def _dhcpd(request: Request) -> Imported:
    from coexist.importers.dhcpd.site import import_dhcpd

    path = request.only_path()
    return import_dhcpd(
        read_text(path),
        str(path),
        request.around.text,
        server=request.server or "dhcp",
        address=request.address,
    )


def _kea(request: Request) -> Imported:
    from coexist.importers.kea.site import import_kea

    path = request.only_path()
    return import_kea(
        read_text(path),
        str(path),
        request.around.text,
        server=request.server or "dhcp",
        address=request.address,
    )


def _dnsmasq(request: Request) -> Imported:
    from coexist.importers.dnsmasq.files import read_lines
    from coexist.importers.dnsmasq.site import import_dnsmasq

    path = request.only_path()
    name = request.server or "dnsmasq"
    return import_dnsmasq(
        read_lines(path, around=request.around), str(path), server=name, address=request.address
    )


def _dnsmasq_hosts(request: Request) -> Imported:
    from coexist.importers.dnsmasq.files import read_lines
    from coexist.importers.lists import import_dnsmasq_hosts

    path = request.only_path()
    return import_dnsmasq_hosts(read_lines(path, as_hosts=True, around=request.around), str(path))


def _macs(request: Request) -> Imported:
    from coexist.importers.lists import import_macs

    path = request.only_path()
    return import_macs(read_export(path), str(path))


def _pxelinux(request: Request) -> Imported:
    from coexist.importers.lists import import_pxelinux

    paths = [file for path in request.paths for file in files_of(path)]
    if not paths:
        raise InputError(
            [Problem(Position(str(request.paths[0])), "there is no file", "name a pxelinux.cfg")]
        )
    return import_pxelinux(paths, str(request.paths[0]))


def _ldif(request: Request) -> Imported:
    from coexist.importers.ldif import import_ldif

    path = request.only_path()
    return import_ldif(read_export(path), str(path), server=request.server, address=request.address)


def _windows(request: Request) -> Imported:
    from coexist.importers.windows import import_windows

    path = request.only_path()
    name = request.server or "windows-dhcp"
    return import_windows(read_octets(path), str(path), server=name, address=request.address)


KINDS: dict[str, Kind] = {
    "dhcpd": Kind(describe="ISC dhcpd.conf, with the files it includes", run=_dhcpd),
    "kea": Kind(describe="Kea's DHCPv4 configuration (JSON with comments)", run=_kea),
    "dnsmasq": Kind(describe="dnsmasq.conf with conf-file, conf-dir and hosts files", run=_dnsmasq),
    "dnsmasq-hosts": Kind(describe="a dhcp-hostsfile of dnsmasq alone: its machines", run=_dnsmasq_hosts),
    "windows-dhcp": Kind(describe="XML of Windows' Export-DhcpServer", run=_windows),
    "openthinclient": Kind(describe="LDIF of an openthinclient manager", run=_ldif),
    "pxelinux": Kind(describe="a pxelinux.cfg folder: its machines", run=_pxelinux),
    "macs": Kind(describe="CSV or a plain list of MAC addresses", run=_macs),
}


def import_files(
    kind: str,
    paths: Sequence[Path | str],
    *,
    server: str = "",
    address: IPv4Address | None = None,
    include_roots: Sequence[Path] = (),
) -> Imported:
    """Read one source of a kind in ``KINDS``.

    ``server`` names the server it describes, ``address`` is its address if the source does not say it.
    What it includes is read from its folder and from ``include_roots``, nowhere else; the result's
    ``sources`` are all files that were read. Raises InputError for what cannot be read, with its place.
    """
    files = tuple(Path(path) for path in paths)
    around = Surroundings(files[0].parent, tuple(include_roots))
    request = Request(paths=files, server=server, address=address, around=around)
    imported = KINDS[kind].run(request)
    included = (str(path) for path in dict.fromkeys(around.read))
    return replace(imported, sources=(*imported.sources, *included))
