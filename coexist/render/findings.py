"""Findings about what a target cannot express: the CX5xx codes, each with its alternative."""

from __future__ import annotations

from coexist.analysis.catalogue import CATALOGUE
from coexist.analysis.findings import Finding
from coexist.inventory import Inventory
from coexist.inventory.documents import Path


def inexpressible(
    inventory: Inventory,
    code: str,
    path: Path,
    message: str,
    repair: str,
    *,
    clients: int = 0,
) -> Finding:
    """A finding of this room at a declaration; ``path`` is where it was written."""
    known = CATALOGUE[code]
    return Finding(
        code=known,
        severity=known.severity,
        position=inventory.where(*path),
        message=message,
        repair=repair,
        path=path,
        clients=clients,
    )
