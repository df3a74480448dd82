"""What every importer returns, and the parts of an inventory it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from itertools import repeat
from typing import Any, NamedTuple, overload

from coexist.importers.account import NotModelled
from coexist.records import dataclass


class ClientRow(NamedTuple):
    """One registered machine; ``mac`` as colon-separated pairs, ``tags`` separated by blanks.

    ``source`` names the server that knows the machine, where that makes a difference. A tuple, since a file
    may have a hundred thousand of them.
    """

    mac: str
    name: str = ""
    location: str = ""
    hardware: str = ""
    architecture: str = ""
    vlan: str = ""
    address: str = ""
    tags: str = ""
    source: str = ""


COLUMNS = ClientRow._fields
"""The columns of the clients.csv an import writes."""


class ClientColumns(Sequence[ClientRow]):
    """Machines by columns, each with a cell for every machine: a file may have a hundred thousand of them.

    Columns that are not there are empty; ``mac`` is there.
    """

    def __init__(self, columns: Mapping[str, list[str]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns["mac"])

    def __iter__(self) -> Iterator[ClientRow]:
        cells = [self.columns.get(column) or repeat("", len(self)) for column in COLUMNS]
        return map(ClientRow._make, zip(*cells, strict=True))

    @overload
    def __getitem__(self, place: int) -> ClientRow: ...
    @overload
    def __getitem__(self, place: slice) -> ClientColumns: ...
    def __getitem__(self, place: int | slice) -> ClientRow | ClientColumns:
        if isinstance(place, slice):
            return ClientColumns({name: cells[place] for name, cells in self.columns.items()})
        return ClientRow(**{name: cells[place] for name, cells in self.columns.items()})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # it is a list


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A source as an inventory: the tree of its sections, its clients, and all that is not in it.

    ``comments`` are lines for people, by the section of the tree they stand above (``""``: the top).
    ``kept``: statements that stand in a server's ``settings``, which no file of another product takes.
    ``assumed`` names the servers whose address the source does not say. ``barren``: rows of a table that
    yielded nothing at all. ``own_files``: the files a server is declared by, by their place in the inventory.
    """

    tree: dict[str, Any]
    clients: Sequence[ClientRow] = ()
    not_modelled: tuple[NotModelled, ...] = ()
    kept: tuple[NotModelled, ...] = ()
    comments: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    assumed: frozenset[str] = frozenset()
    barren: int = 0
    own_files: Mapping[str, str] = field(default_factory=dict)
