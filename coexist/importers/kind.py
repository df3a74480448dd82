"""A kind of source that can be imported, and what an importer is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from coexist.errors import InputError, Position, Problem
from coexist.importers.imported import Imported
from coexist.inventory.product import Product
from coexist.languages.source_files import Surroundings
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is imported: the files in the order given, and what they do not say themselves.

    ``network``: the subnet of the network card that has the server's ``address``.
    """

    paths: tuple[Path, ...]
    server: str = ""
    address: IPv4Address | None = None
    network: IPv4Network | None = None
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
    """One kind of source: its name on the command line, what it is, and its importer.

    ``product``: whose file it is. A server whose file the inventory's words would change is declared by that
    file; None for lists, exports and databases, which cannot be.
    """

    name: str
    describe: str
    run: Callable[[Request], Imported]
    product: Product | None = None
