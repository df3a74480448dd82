"""The clients' CSV files, read on another core while the models of an inventory are imported.

Nothing is decided here: what was not read ahead, or has changed since, is read where it is needed.
"""

from __future__ import annotations

import marshal
import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
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
# The octets that say how long what stands before the columns is.
_LENGTH = 8
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
    from coexist.inventory.columns import Columns
    from coexist.inventory.csv_text import cell_columns

    (state, header, told, of), (macs, addresses, *cells) = _parted(memoryview(octets))
    if state != _state(file):
        return None
    rows, numbers, columns = array("Q"), array("I"), Columns()
    rows.frombytes(macs)
    numbers.frombytes(addresses)
    columns.take(dict(zip(of, cells, strict=True)))
    return CsvClients(
        macs=rows,
        addresses=numbers,
        columns=columns,
        lines=range(2, len(rows) + 2),
        locate=cell_columns(file.read_bytes, *header),
        told=_told(*told) if told else None,
    )


def _joined(head: tuple[Any, ...], parts: Sequence[bytes]) -> bytes:
    """A head and further parts, which are only looked at where they are asked for."""
    octets = marshal.dumps((head, [*map(len, parts)]))
    return b"".join((len(octets).to_bytes(_LENGTH, "big"), octets, *parts))


def _parted(octets: memoryview) -> tuple[Any, list[memoryview]]:
    """What another process of this program joined."""
    end = _LENGTH + int.from_bytes(octets[:_LENGTH], "big")
    head, lengths = marshal.loads(octets[_LENGTH:end])
    ends = [*accumulate(lengths, initial=end)]
    return head, [octets[first:last] for first, last in pairwise(ends)]


def _told(kinds: tuple[Any, ...], orders: Iterable[int | bytes], others: dict[str, Any]) -> Told:
    from coexist.inventory.client_csv import Told
    from coexist.inventory.kinds import Kinds

    columns, cells, rows = kinds
    by_mac, by_address = map(_unpacked, orders)
    told = Kinds(columns=columns, cells=cells, rows=tuple(map(_unpacked, rows)))
    return Told(kinds=told, by_mac=by_mac, by_address=by_address, **others)


def _packed(rows: Sequence[int]) -> int | bytes:
    """Rows as octets, or how many there are from the first on."""
    return len(rows) if isinstance(rows, range) else array("I", rows).tobytes()


def _unpacked(rows: int | bytes) -> Sequence[int]:
    return range(rows) if isinstance(rows, int) else array("I", rows)


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
    columns = found.columns.packed()
    head = state, (header.names, header.delimiter), _follows(found), [*columns]
    return _joined(head, [found.macs.tobytes(), found.addresses.tobytes(), *columns.values()])


def _follows(found: CsvClients) -> tuple[Any, ...] | None:
    """The parts of `Told`; None of a file that repeats a MAC, or whose rows are of too many kinds."""
    from coexist.inventory.columns import Columns
    from coexist.inventory.csv_text import COLUMNS, named_twice, repeats
    from coexist.inventory.kinds import spans_of, told_apart
    from coexist.inventory.plain_cells import in_order, places_of, repeat_in

    count, by_mac = len(found.macs), in_order(found.macs)
    if repeat_in(found.macs, by_mac):
        return None
    columns = Columns({name: [] for name in COLUMNS[1:]})
    columns.take_all(found.columns, count)
    few = tuple(
        name for name in columns if name != "tags" and not columns.is_joined(name) and repeats(columns[name])
    )
    kinds = told_apart(columns, few)
    if len(kinds.cells) * _ROWS_OF_A_KIND > count:
        return None
    names, addresses = columns["name"], found.addresses
    by_address = in_order(addresses, places_of(addresses))
    others = {
        "names": {rows[0]: names[rows[0]] for rows in kinds.rows},
        "reserved_twice": repeat_in(addresses, by_address),
        "named_twice": named_twice(names),
        "spans": spans_of(kinds, addresses),
    }
    told = kinds.columns, kinds.cells, tuple(map(_packed, kinds.rows))
    return told, (_packed(by_mac), _packed(by_address)), others


def _state(file: Path) -> tuple[int, ...]:
    """What changes when somebody writes a file."""
    status = file.stat()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
