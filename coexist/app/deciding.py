"""Decisions on clients: told to a registry, or kept where a boot server finds them while that is away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coexist.records import dataclass
from coexist.registry.journal import Journal
from coexist.registry.opening import Where, open_registry
from coexist.registry.records import FORGOTTEN, Order, RegistryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of some decisions. ``kept``: the file in which they wait, None if the registry has them;
    ``why`` they wait; ``missing``: the clients to be forgotten that were not there."""

    kept: Path | None = None
    why: str = ""
    missing: tuple[int, ...] = ()


def tell(where: Where | str, orders: Sequence[Order], journal: Path | None) -> Told:
    """Have a registry do what was decided. While it cannot be had, all of it goes into the journal under the
    same names, so that nothing is done twice. ``journal``: None where nobody would carry it over.

    Raises `RegistryError` if neither is possible.
    """
    try:
        registry = open_registry(where)
        try:
            undone = [order for order in orders if not registry.carry_out(order)]
        finally:
            registry.close()
    except RegistryError as error:
        if journal is None:
            raise
        _keep(journal, orders)
        return Told(kept=journal, why=str(error))
    return Told(missing=tuple(order.mac for order in undone if order.state == FORGOTTEN))


def _keep(path: Path, orders: Sequence[Order]) -> None:
    journal = Journal(path, create=False)
    try:
        for order in orders:
            journal.keep(order)
    finally:
        journal.close()
