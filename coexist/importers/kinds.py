"""The kinds of sources that can be imported: each product's own, and lists of machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from coexist.errors import CoexistError, InputError, Position, Problem
from coexist.importers.imported import Imported
from coexist.importers.kind import Kind, Request
from coexist.inventory.products import current, part, products
from coexist.languages.source_files import Surroundings, files_of, read_export


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


_LISTS = (
    Kind(name="pxelinux", describe="a pxelinux.cfg folder: its machines", run=_pxelinux),
    Kind(name="macs", describe="CSV or a plain list of MAC addresses", run=_macs),
)


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind by its name. Raises ``CoexistError`` for a product whose importer is none."""
    found: dict[str, Kind] = {}
    for product in products().values():
        for name in ("importer", "lists"):
            kind = part(product, name)
            if kind is None:
                continue
            if not isinstance(kind, Kind):
                raise CoexistError(
                    f"the product {product.name} names {getattr(product, name)} as its {name}, which is "
                    f"{type(kind).__name__}, not a coexist.importers.kind.Kind"
                )
            found[kind.name] = kind if kind.product is None else replace(kind, product=current(kind.product))
    from coexist.importers.exports import KINDS
    from coexist.importers.firewall import KINDS as FIREWALLS
    from coexist.importers.mikrotik import KIND as MIKROTIK

    return found | {kind.name: kind for kind in (*_LISTS, *KINDS, *FIREWALLS, MIKROTIK)}


def import_files(
    kind: str,
    paths: Sequence[Path | str],
    *,
    server: str = "",
    address: IPv4Address | None = None,
    network: IPv4Network | None = None,
    include_roots: Sequence[Path] = (),
) -> Imported:
    """Read one source of a kind in ``kinds()``.

    ``server`` names the server it describes, ``address`` is its address if the source does not say it, and
    ``network`` the subnet of the network card that has it.
    What it includes is read from its folder and from ``include_roots``, nowhere else; the result's
    ``sources`` are all files that were read. Raises InputError for what cannot be read, with its place.
    """
    files = tuple(Path(path) for path in paths)
    around = Surroundings(files[0].parent, tuple(include_roots))
    request = Request(paths=files, server=server, address=address, network=network, around=around)
    imported = kinds()[kind].run(request)
    included = (str(path) for path in dict.fromkeys(around.read))
    return replace(imported, sources=(*imported.sources, *included))
