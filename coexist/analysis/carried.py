"""Findings as octets, carried between two processes that analyse one site."""

from __future__ import annotations

import io
import pickle
from typing import Any

from coexist.analysis.findings import Code
from coexist.analysis.site import AnalysedSite
from coexist.analysis.space import ClientClass


def carried(site: AnalysedSite, found: Any) -> bytes:
    """Findings (in any tuples and lists) as octets. What both processes have is named instead of copied."""
    octets = io.BytesIO()
    _Carrier(octets, site).dump(found)
    return octets.getvalue()


def taken(site: AnalysedSite, octets: bytes) -> Any:
    """What `carried` made, of the same site."""
    return _Taker(io.BytesIO(octets), site).load()


class _Carrier(pickle.Pickler):
    """Writes a class of clients by its number in the space, and a code by itself."""

    def __init__(self, file: io.BytesIO, site: AnalysedSite) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._numbers = {id(client): number for number, client in enumerate(site.space.classes)}

    def persistent_id(self, value: object) -> object:
        if type(value) is Code:
            return value.code
        # A class that was made for one finding is in no space; it is copied.
        return self._numbers.get(id(value)) if type(value) is ClientClass else None


class _Taker(pickle.Unpickler):
    """Reads what `_Carrier` wrote."""

    def __init__(self, file: io.BytesIO, site: AnalysedSite) -> None:
        super().__init__(file)
        self._classes = site.space.classes

    def persistent_load(self, name: Any) -> object:
        from coexist.analysis.catalogue import CATALOGUE

        return CATALOGUE[name] if isinstance(name, str) else self._classes[name]
