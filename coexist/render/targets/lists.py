"""Plain lists for anything without a renderer of its own: a whitelist, a deny list, the clients as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from coexist.boot.answered import answered
from coexist.inventory import Inventory, MacSet
from coexist.render.cells import mac_lines
from coexist.render.limits import report_limits
from coexist.render.rendered import RenderedFile
from coexist.render.target import Job
from coexist.wire.mac import format_mac

WHITELIST, DENY_LIST, CLIENTS = "whitelist.txt", "denylist.txt", "clients.csv"
_COLUMNS = ("mac", "name", "location", "hardware", "architecture", "firmware", "vlan", "address", "tags")


def limits(job: Job) -> None:
    """Report what a list cannot hold, and that lists are all there is."""
    if not job.server.product.renderer:
        job.report(
            "CX517",
            ("servers", job.name, "software"),
            f"files for {job.server.software} are not written; {job.name} gets plain lists",
            "carry them over by hand or by a script, or install a renderer (docs/guides/products.md)",
        )
    report_limits(job)


def render(job: Job) -> tuple[RenderedFile, ...]:
    """The lists of a server whose product has no configuration file that is written here."""
    return tuple(plain_lists(job))


def plain_lists(job: Job) -> Iterator[RenderedFile]:
    """Whom the server answers and whom not, as lists of exact addresses, and its clients as CSV."""
    answers = job.server.answers
    served = answered(job.inventory, job.name)
    if answers.who in ("only", "known", "intended"):
        yield RenderedFile(
            path=WHITELIST, content=mac_list(served), purpose="the clients to answer, one MAC a line"
        )
    if answers.who in ("all_except", "unknown"):
        yield RenderedFile(
            path=DENY_LIST, content=mac_list(~served), purpose="the clients not to answer, one MAC a line"
        )
    yield RenderedFile(
        path=CLIENTS, content=client_rows(job.inventory, served), purpose="the registered clients it answers"
    )


def mac_list(macs: MacSet) -> bytes:
    """The exact addresses of a set, one a line; its ranges cannot stand in such a list."""
    inside = MacSet(macs.bounds)
    return mac_lines(tuple(sorted((macs - inside).points))).encode()


def client_rows(inventory: Inventory, served: MacSet) -> bytes:
    """The registered clients of a set as CSV (RFC 4180 with LF), in the order of the inventory."""
    table = inventory.clients
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    columns = [table.columns[name] for name in _COLUMNS[1:]]
    writer.writerows(
        [format_mac(mac), *(cell(column[row]) for column in columns)]
        for row, mac in enumerate(table.macs)
        if mac in served
    )
    return text.getvalue().encode()


def cell(text: str) -> str:
    """A cell that a spreadsheet takes as text: one that would be a formula gets an apostrophe before it."""
    return "'" + text if text[:1] in "=+-@\t\r" and text else text
