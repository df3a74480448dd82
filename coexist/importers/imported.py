"""What every importer returns, and the parts of an inventory it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, NamedTuple

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
