"""Existing configuration as an inventory, with a list of everything that is not in it.

``import_files`` reads one kind of source; ``merged`` makes one site of several imports.
"""

from __future__ import annotations

from coexist.importers.account import NotModelled
from coexist.importers.imported import ClientRow, Imported
from coexist.importers.kinds import import_files, kinds

__all__ = ["ClientRow", "Imported", "NotModelled", "import_files", "kinds"]
