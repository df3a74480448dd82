"""Lists of machines: CSV files, plain lists of MAC addresses, folders of PXELINUX."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from coexist.errors import Position
from coexist.importers.account import Account
from coexist.importers.addresses import why_nobody
from coexist.importers.groups import as_name
from coexist.importers.imported import ClientRow, Imported
from coexist.inventory.values import is_address
from coexist.languages.source_files import text_lines
from coexist.records import dataclass
from coexist.wire.architecture import ARCHITECTURE_NAMES
from coexist.wire.mac import format_mac, parse_mac

_MEANINGS = {
    "mac": ("mac", "mac address", "macaddress", "mac-address", "mac_address", "hwaddr", "hw-address"),
    "name": ("name", "hostname", "host", "host name", "computername", "computer name", "client", "device"),
    "location": ("location", "room", "site", "place", "building", "standort", "raum"),
    "hardware": ("hardware", "model", "hardware type", "hwtype", "device type", "type", "modell"),
    "architecture": ("architecture", "arch"),
    "vlan": ("vlan",),
    "address": ("address", "ip", "ip address", "ipaddress", "ip-address", "ipv4"),
    "tags": ("tags", "tag"),
}  # fmt: skip


class Meaning(NamedTuple):
    """The field of a client that a column is, empty for none, and how late it comes among others of it."""

    name: str
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What the columns of one kind of CSV mean.

    ``fields``: a client's field by the heading of a column, in small letters. ``order``: the headings of a
    kind that writes none. ``separators``: between the MAC addresses of one machine in one cell. Of two
    headings for one field the one that ``fields`` has first is preferred.
    """

    fields: Mapping[str, str]
    order: tuple[str, ...] = ()
    separators: str = ""

    def meanings(self, headings: Iterable[str]) -> list[Meaning]:
        """What columns mean by their headings."""
        ranks = {heading: rank for rank, heading in enumerate(self.fields)}
        return [
            Meaning(self.fields.get(name.lower(), ""), ranks.get(name.lower(), len(ranks)))
            for name in headings
        ]


ANY_LIST = Columns(fields={h: name for name, headings in _MEANINGS.items() for h in headings})
"""A list that anybody wrote."""
_SHOWN = 160
_NEXT = "\n"
"""Between the MAC addresses of several columns."""
# What an export without a heading has behind them may be a password.
_SAFE_CELLS = 4
_SPLIT = re.compile(r"[\s,;|]+")


@dataclass(slots=True)
class Machines:
    """Client rows, each MAC once; what repeats or is no machine's goes to the account.

    ``barren``: rows that yielded no machine. ``begun``: a line was read, so that no heading follows.
    """

    account: Account
    rows: dict[int, ClientRow] = field(default_factory=dict)
    barren: int = 0
    begun: bool = False

    def add(self, mac: int, row: ClientRow, at: Position, text: str) -> None:
        """One more machine."""
        nobody = why_nobody(mac)
        if nobody is not None:
            self.account.left_out(at, text, nobody)
            return
        if mac in self.rows:
            other = self.rows[mac]
            same = " word for word" if other == row else f" as {other.name!r}" if other.name else ""
            self.account.left_out(at, text, f"{format_mac(mac)} is in the list already{same}")
            return
        self.rows[mac] = row
        self.account.modelled(at)

    def imported(self, file: str, comments: Iterable[str] = ()) -> Imported:
        """An inventory of nothing but machines."""
        tree = {"site": as_name(Path(file).stem, "site")}
        if self.rows:
            tree["clients"] = "clients.csv"
        return Imported(
            tree=tree,
            clients=list(self.rows.values()),
            not_modelled=self.account.close(()),
            comments={"": list(comments)},
            sources=(file,),
            barren=self.barren,
        )


def import_macs(text: str, file: str, columns: Columns = ANY_LIST) -> Imported:
    """A list of machines: CSV with or without a heading, or one MAC a line with a comment behind ``#``.

    Every column whose heading says what it is is taken over; of lines without a heading the cell
    that is a MAC, the one that is an address, and the first other one as the name.
    """
    lines = text_lines(text)
    delimiter = max(",;\t", key=lambda sign: sum(line.count(sign) for line in lines[:50]))
    machines = Machines(Account())
    ordered = columns.meanings(columns.order)
    heading: list[Meaning] | None = None
    if columns.order:
        heading = ordered
    for number, line in enumerate(lines, start=1):
        plain = line.partition("#")[0] if not line.count('"') else line
        if not plain.strip():
            continue
        at = Position(file, number)
        try:
            cells = [cell.strip() for cell in next(csv.reader([plain], delimiter=delimiter))]
        except csv.Error as error:
            machines.account.left_out(at, line.strip()[:_SHOWN], f"no line of a CSV file: {error}")
            continue
        if not machines.begun:
            machines.begun = True
            known = columns.meanings(cells)
            if any(meaning.name == "mac" for meaning in known):
                heading = known
                _unread(cells, known, at, machines.account)
                continue
            _unread(list(columns.order[: len(cells)]), ordered, at, machines.account)
        text = line.strip() if not columns.order else ",".join(cells[:_SAFE_CELLS])
        _rows(cells, heading, at, text[:_SHOWN], machines, columns)
    return machines.imported(file)


def _unread(names: Sequence[str], known: Sequence[Meaning], at: Position, account: Account) -> None:
    for name, meaning in zip(names, known, strict=False):
        if not meaning.name:
            account.left_out(at, name, f"a column the inventory has no name for: {name}")


def _rows(
    cells: list[str],
    heading: list[Meaning] | None,
    at: Position,
    text: str,
    machines: Machines,
    columns: Columns,
) -> None:
    """One row; a machine with several addresses is as many."""
    values = _by_heading(cells, heading) if heading is not None else _by_shape(cells)
    written = values.pop("mac", "")
    parts = re.split(f"[{re.escape(columns.separators)}\\s]+", written) if columns.separators else [written]
    pieces = [piece for part in parts for piece in part.split(_NEXT)]
    before = len(machines.rows)
    for piece in dict.fromkeys(piece for piece in pieces if piece) or [""]:
        _row(piece, dict(values), at, text, machines)
    machines.barren += len(machines.rows) == before


def _row(written: str, values: dict[str, str], at: Position, text: str, machines: Machines) -> None:
    mac = _mac(written)
    if mac is None:
        why = f"{written!r} is no MAC address" if written else "there is no MAC address in this line"
        machines.account.left_out(at, text, why)
        return
    values = {name: value for name, value in values.items() if name}
    for name, valid in (("address", is_address), ("architecture", ARCHITECTURE_NAMES.__contains__)):
        if values.get(name) and not valid(values[name]):
            machines.account.left_out(at, values[name], f"this is no {name}")
            values[name] = ""
    # An address belongs to a subnet and a VLAN's name to a VLAN; a list of machines declares neither.
    for name in ("address", "vlan"):
        if values.get(name):
            home = "subnet" if name == "address" else "VLAN"
            why = f"the {name} of a machine; the list declares no {home} for it"
            machines.account.left_out(at, values.pop(name), why)
    machines.add(mac, ClientRow(mac=format_mac(mac), **values), at, text)


def _by_heading(cells: list[str], heading: list[Meaning]) -> dict[str, str]:
    """Of several columns for one thing the first kind counts that says something; of MAC addresses all."""
    found: dict[str, str] = {}
    for meaning, cell in sorted(zip(heading, cells, strict=False), key=lambda pair: pair[0].rank):
        if meaning.name == "mac" and found.get("mac"):
            found["mac"] += _NEXT + cell
        elif meaning.name:
            found[meaning.name] = found.get(meaning.name) or cell
    return found


def _by_shape(cells: list[str]) -> dict[str, str]:
    if len(cells) == 1:
        cells = [part for part in _SPLIT.split(cells[0]) if part]
    values: dict[str, str] = {}
    for cell in cells:
        if _mac(cell) is not None:
            values.setdefault("mac", cell)
        elif is_address(cell):
            values.setdefault("address", cell)
        elif cell:
            values.setdefault("name", cell)
    return values


def _mac(text: str) -> int | None:
    try:
        return parse_mac(text)
    except ValueError:
        return None


def import_pxelinux(paths: Iterable[Path], shown: str) -> Imported:
    """The machines that have a file of their own in a pxelinux.cfg folder (01-aa-bb-cc-dd-ee-ff).

    What the files say is PXELINUX's business; they are listed.
    """
    machines = Machines(Account())
    for path in sorted(paths):
        at = Position(str(path))
        name = path.name.lower()
        mac = _mac(name[3:]) if name.startswith("01-") else None
        if mac is not None:
            machines.add(mac, ClientRow(mac=format_mac(mac), tags="pxelinux"), at, path.name)
            machines.account.left_out(
                at, path.name, "the menu itself; the machine it belongs to is taken over"
            )
        elif re.fullmatch(r"[0-9a-f]{1,8}", name):
            first = IPv4Address(int(name.ljust(8, "0"), 16))
            why = f"a menu for addresses from {first} on; the inventory knows machines by their MAC address"
            machines.account.left_out(at, path.name, why)
        elif name == "default":
            machines.account.left_out(at, path.name, "the menu of all machines without one of their own")
        else:
            machines.account.left_out(at, path.name, "a menu by UUID or for no machine")
    return machines.imported(shown)
