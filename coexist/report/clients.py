"""The clients of a registry as rows: for JSON and CSV every column, for a terminal those that fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from coexist.registry.records import iso_time
from coexist.text.foreign import cell
from coexist.wire.architecture import architecture_name
from coexist.wire.mac import format_mac

if TYPE_CHECKING:
    from coexist.app.registries import Contents
    from coexist.registry.records import Act, ClientRow

LISTED = ("mac", "state", "name", "architecture", "vlan", "address", "last_seen", "requests", "decision")
_LEFT_OUT_FIRST = ("requests", "address", "vlan", "architecture", "name", "last_seen")
EXPORTED = ("mac", "name", "location", "hardware", "architecture", "vlan", "tags")


def as_dict(row: ClientRow) -> dict[str, Any]:
    """A client with every column."""
    return {
        "mac": format_mac(row.mac),
        "state": row.state,
        "name": row.name,
        "location": row.location,
        "hardware": row.hardware,
        "group": row.client_group,
        "architecture": architecture_name(row.architecture) if row.architecture is not None else "",
        "uuid": row.uuid,
        "vendor_class": row.vendor_class,
        "vlan": row.vlan,
        "address": row.address,
        "first_seen": iso_time(row.first_seen),
        "last_seen": iso_time(row.last_seen),
        "requests": row.requests,
        "decision": row.decision,
        "rule": row.rule,
        "answered_by": row.answered_by,
    }


def table_of(rows: Sequence[dict[str, Any]], width: int | None) -> tuple[list[str], list[str]]:
    """The lines of a table, at most ``width`` characters if that can be had, and the columns left out."""
    columns = {name: [name, *(str(row[name]) for row in rows)] for name in LISTED}
    widths = {name: max(map(len, cells)) for name, cells in columns.items()}
    kept = set(LISTED) - set(_LEFT_OUT_FIRST)
    for name in reversed(_LEFT_OUT_FIRST):
        wide = sum(widths[each] for each in (*kept, name)) + 2 * len(kept)
        if width is None or wide <= width:
            kept.add(name)
    lines = zip(*([cell.ljust(widths[name]) for cell in columns[name]] for name in LISTED if name in kept),
                strict=True)  # fmt: skip
    return ["  ".join(cells).rstrip() for cells in lines], [n for n in _LEFT_OUT_FIRST if n not in kept]


def exported(rows: Sequence[ClientRow]) -> Iterator[list[str]]:
    """Clients as rows of an inventory's clients.csv, by MAC; no cell is read as a formula."""
    for row in sorted(rows, key=lambda row: row.mac):
        said = (
            format_mac(row.mac), row.name, row.location, row.hardware, _architecture(row), row.vlan,
            row.client_group,
        )  # fmt: skip
        yield [cell(text) for text in said]


def _architecture(row: ClientRow) -> str:
    """By the name an inventory knows; empty for a number without one."""
    name = architecture_name(row.architecture) if row.architecture is not None else ""
    return "" if name.startswith("arch-") else name


def act_line(act: Act) -> str:
    """A decision with who and when."""
    said = (iso_time(act.at), format_mac(act.mac), act.action.ljust(10), act.who or "somebody", act.via)
    return "  ".join(said).rstrip()


def contents_lines(held: Contents) -> Iterator[str]:
    """What a registry holds, a line each."""
    yield f"registry  {held.where}"
    for state, count in held.states.items():
        yield f"{state.ljust(10)}  {count}"
    for server, at in held.last.items():
        yield f"server {server or '(without a name)'} saw a client last at {iso_time(at)}"
