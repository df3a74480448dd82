"""Findings as octets, carried between two processes that analyse one site."""

from __future__ import annotations

import io
import pickle
from typing import Any

from coexist.analysis.findings import Code
from coexist.analysis.site import AnalysedSite
from coexist.analysis.space import ClientClass, MacClass

_CLASSES = ("classes", "mac_classes")


def carried(site: AnalysedSite, found: Any) -> bytes:
    """Findings (in any tuples and lists) as octets. What both processes have is named instead of copied."""
    octets = io.BytesIO()
    _Carrier(octets, site).dump(found)
    return octets.getvalue()


def taken(site: AnalysedSite, octets: bytes | memoryview) -> Any:
    """What `carried` made, of the same site."""
    return _Taker(io.BytesIO(octets), site).load()


class _Carrier(pickle.Pickler):
    """Writes a class of clients, or of addresses, by its place in the space, and a code by itself."""

    def __init__(self, file: io.BytesIO, site: AnalysedSite) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._places = {
            id(one): (name, number)
            for name in _CLASSES
            for number, one in enumerate(getattr(site.space, name))
        }

    def persistent_id(self, value: object) -> object:
        if type(value) is Code:
            return value.code
        # A class that was made for one finding is in no space; it is copied.
        return self._places.get(id(value)) if type(value) in (ClientClass, MacClass) else None


class _Taker(pickle.Unpickler):
    """Reads what `_Carrier` wrote."""

    def __init__(self, file: io.BytesIO, site: AnalysedSite) -> None:
        super().__init__(file)
        self._space = site.space

    def persistent_load(self, name: Any) -> object:
        from coexist.analysis.catalogue import CATALOGUE

        if isinstance(name, str):
            return CATALOGUE[name]
        classes, number = name
        return getattr(self._space, classes)[number]
