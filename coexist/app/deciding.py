"""Decisions on clients: told to a registry, or kept where a boot server finds them while that is away."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from contextlib import closing
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
        with closing(open_registry(where)) as registry:
            undone = [order for order in orders if not registry.carry_out(order)]
    except RegistryError as error:
        if journal is None:
            raise
        _keep(journal, orders)
        return Told(kept=journal, why=str(error))
    return Told(missing=tuple(order.mac for order in undone if order.state == FORGOTTEN))


def _keep(path: Path, orders: Sequence[Order], *, create: bool = False) -> None:
    with closing(Journal(path, create=create)) as journal:
        for order in orders:
            journal.keep(order)


class Waiting:
    """The decisions of a program that goes on running, where nobody else would carry them over.

    One file a registry, in ``folder``. Every method may be called from several threads.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def tell(self, where: Where, orders: Sequence[Order]) -> Told:
        """Have a registry do what was decided, after all that waits for it; or keep it, behind that.

        Raises `RegistryError` if neither is possible: then nothing of it was done.
        """
        path = self._path(where)
        with self._lock:
            try:
                self._carry(where, path)
                return tell(where, orders, None)
            except RegistryError as error:
                try:
                    _keep(path, orders, create=True)
                except OSError as refused:
                    raise RegistryError(f"{error}; {path}: {refused.strerror}") from None
                return Told(kept=path, why=str(error))

    def carry(self, where: Where) -> int:
        """Give a registry what waits for it, once each; returns how many. Raises `RegistryError`."""
        with self._lock:
            return self._carry(where, self._path(where))

    def count(self, where: Where) -> int:
        """How many decisions wait for a registry."""
        path = self._path(where)
        if not path.is_file():
            return 0
        with closing(Journal(path, create=False)) as journal:
            return len(journal.orders())

    def _path(self, where: Where) -> Path:
        mark = hashlib.sha256(str(where).encode()).hexdigest()[:8]
        return self.folder / f"waiting-{mark}.decisions"

    def _carry(self, where: Where, path: Path) -> int:
        if not path.is_file():
            return 0
        with closing(Journal(path, create=False)) as journal:
            orders = journal.orders()
            if orders:
                with closing(open_registry(where)) as registry:
                    for order in orders:
                        registry.carry_over(order)
                # Only now: what arrived and is asked again is known by its name.
                journal.carried(order.id for order in orders)
        return len(orders)
