"""The clients' CSV files, read on another core while the models of an inventory are imported.

Nothing is decided here: what was not read ahead, or has changed since, is read where it is needed.
"""

from __future__ import annotations

import marshal
import re
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from coexist.apart import Apart, Wait
from coexist.inventory.files import MAIN_FILE

if TYPE_CHECKING:
    from coexist.errors import Problem
    from coexist.inventory.client_csv import CsvClients, Told

Ahead: TypeAlias = Mapping[Path, Wait]
"""The files that are being read."""

# The plainest way to name a file. In every other one it is read when the inventory is.
_NAMED = re.compile(rb"^clients:[ \t]+([A-Za-z0-9_./-]+\.csv)[ \t]*\r?$", re.MULTILINE)
# With fewer, to join kinds takes as long as to tell the rows apart.
_ROWS_OF_A_KIND = 8
# A smaller one is read before another process has begun.
_WORTH_IT = 100_000


def clients_ahead(path: Path, apart: Apart) -> Ahead:
    """Begin to read the file of clients that an inventory at ``path`` seems to name."""
    main = path / MAIN_FILE if path.is_dir() else path
    try:
        named = _NAMED.search(main.read_bytes()) if main.is_file() else None
        if named is None:
            return {}
        file = main.parent / named[1].decode()
        if not file.is_file() or file.stat().st_size < _WORTH_IT:
            return {}
    except OSError:
        return {}  # told by the loader
    return {file: apart(lambda: _read(file))}


def taken(ahead: Ahead, file: Path) -> CsvClients | None:
    """The rows of a file that was read ahead; None if it was not, has changed, or is not a plain one."""
    wait = ahead.get(file)
    octets = wait() if wait is not None else None
    if not octets:
        return None
    from coexist.inventory.client_csv import CsvClients
    from coexist.inventory.csv_text import cell_columns

    # What another process of this program wrote.
    state, macs, addresses, columns, names, delimiter, told = marshal.loads(octets)
    if state != _state(file):
        return None
    rows = array("Q", macs)
    return CsvClients(
        macs=rows,
        addresses=array("I", addresses),
        columns=columns,
        lines=range(2, len(rows) + 2),
        locate=cell_columns(file.read_bytes, names, delimiter),
        told=_told(*told) if told else None,
    )


def _told(columns: tuple[str, ...], cells: Any, rows: Any, numbers: bytes) -> Told:
    from coexist.inventory.client_csv import Told
    from coexist.inventory.kinds import Kinds

    return Told(kinds=Kinds(columns=columns, cells=cells, rows=rows), numbers=array("I", numbers).tolist())


def _read(file: Path) -> bytes:
    """What `taken` reads; nothing of a file with a mistake, or one that is read row by row."""
    from coexist.inventory.client_csv import read_clients
    from coexist.inventory.csv_text import read_header

    state = _state(file)
    data = file.read_bytes()
    problems: list[Problem] = []
    found = read_clients(data, "", problems)
    if found is None or problems or not isinstance(found.lines, range):
        return b""
    header = read_header(data[: data.index(b"\n")].decode("utf-8-sig"), "", problems)
    assert header is not None
    rows = found.macs.tobytes(), found.addresses.tobytes(), found.columns
    return marshal.dumps((state, *rows, header.names, header.delimiter, _follows(found)))


def _follows(found: CsvClients) -> tuple[Any, ...] | None:
    """The parts of `Told`; None of a file that repeats a MAC, or whose rows are of too many kinds."""
    from coexist.inventory.csv_text import COLUMNS, repeats
    from coexist.inventory.kinds import told_apart

    count = len(found.macs)
    if len(set(found.macs)) < count:
        return None
    columns = found.columns | {name: [""] * count for name in COLUMNS[1:] if name not in found.columns}
    few = tuple(name for name, cells in columns.items() if name != "tags" and repeats(cells))
    kinds = told_apart(columns, few)
    if len(kinds.cells) * _ROWS_OF_A_KIND > count:
        return None
    numbers = array("I", sorted(filter(None, found.addresses)))
    return kinds.columns, kinds.cells, kinds.rows, numbers.tobytes()


def _state(file: Path) -> tuple[int, ...]:
    """What changes when somebody writes a file."""
    status = file.stat()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
