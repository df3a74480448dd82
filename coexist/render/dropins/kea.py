"""A file for one ``<?include?>`` at the beginning of Kea's ``client-classes``, and one for ``reservations``.

Of several classes that say a value the first one gives it (``setFixedFields``, ``buildCfgOptionList`` of
2.2.0), so the directive stands first in the list, without a comma behind it: each class of the file ends with
its own, and an empty file is none. Kea has one class DROP: where the server's own file has it, that one must
ask for the class ``coexist-refused``.

A class knows its machines by a test, which is slow for tens of thousands. With ``reservations`` in the
drop-in a second file lists them as global reservations without an address: they put a machine into its class,
and the tests of all classes are then made again (Dhcpv4Exchange). It needs ``reservations-global`` in the
server's file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from coexist.boot.leases.compile import compile_rules
from coexist.boot.leases.plan import Setting
from coexist.boot.own_files import own_files
from coexist.boot.servers.kea import is_exact
from coexist.inventory import Inventory
from coexist.languages.kea.json_nodes import Node, read_json
from coexist.render.cells import Cell, Cells
from coexist.render.dropins import OurPart, heading, named, our_part, rules_of, settings_of
from coexist.render.quoting import comment
from coexist.render.settled import SettledPlan, settled
from coexist.render.target import Job
from coexist.render.targets.kea_conditions import Conditions
from coexist.render.targets.kea_expressions import any_of
from coexist.render.targets.kea_json import dumps
from coexist.render.targets.kea_values import option_data
from coexist.wire.mac import parse_mac
from coexist.wire.option_codes import Option, option_title

REFUSED = "coexist-refused"


def write(inventory: Inventory, name: str) -> OurPart:
    """The drop-in of a server."""
    return our_part(_text, inventory, name, _listed)


def _text(job: Job) -> str:
    """The classes of the file, each with a comma behind it."""
    return _entries(job, _classes(job, _plan(job)))


def _listed(job: Job) -> str:
    """The reservations of the second file, each with a comma behind it; empty without that file."""
    if job.server.dropin is None or job.server.dropin.reservations is None:
        return ""
    plan = settled(compile_rules(job.inventory, job.name))
    conditions = Conditions(cells=_by_test(named(plan.cells), _reserved(job)))
    return _entries(job, conditions.listed_machines())


def _entries(job: Job, entries: Iterable[dict[str, Any]]) -> str:
    return f"// {heading(job)}\n" + "".join(f"{dumps(entry).rstrip()},\n" for entry in entries)


def _plan(job: Job) -> SettledPlan:
    plan = rules_of(job, lambda test: test.contains is not None)
    return replace(plan, cells=_by_test(plan.cells, _reserved(job)))


def _reserved(job: Job) -> frozenset[int] | None:
    """The machines that have a reservation in the server's own file, None where none of ours can be listed.

    A second global one is refused (CfgHosts::add4), and one of a subnet hides a global one (currentHost).
    """
    if job.server.dropin is None or job.server.dropin.reservations is None:
        return None
    whole = _own(job).get("Dhcp4")
    found: set[int] = set()
    for holder in () if whole is None else _holders(whole):
        for host in holder.items("reservations"):
            try:
                found.add(parse_mac(str(host.plain("hw-address") or "")))
            except ValueError:
                continue
    return frozenset(found)


def _holders(whole: Node) -> Iterator[Node]:
    yield whole
    yield from whole.items("subnet4")
    for network in whole.items("shared-networks"):
        yield from network.items("subnet4")


def _by_test(cells: Cells, reserved: frozenset[int] | None) -> Cells:
    """The cells with machines as ranges of one, which a class knows by a test: those in ``reserved``, all if
    it is None."""

    def tested(cell: Cell) -> Cell:
        points = [p for p in cell.points if reserved is None or p in reserved]
        intervals = tuple(sorted((*cell.intervals, *((p, p) for p in points))))
        left = tuple(sorted(set(cell.points).difference(points)))
        return replace(cell, points=left, intervals=intervals)

    return Cells(named=tuple(map(tested, cells.named)), rest=cells.rest)


def _classes(job: Job, plan: SettledPlan) -> Iterator[dict[str, Any]]:
    conditions = Conditions(cells=plan.cells)
    yield from conditions.cell_classes()
    settings = settings_of(plan)
    refusals = [conditions.test(setting.condition) for setting in settings if setting.ignore]
    for number, setting in enumerate((s for s in settings if not s.ignore), start=1):
        yield {
            "name": f"coexist-rule-{number}",
            "comment": comment(setting.name),
            "test": conditions.test(setting.condition),
            **dict(_values(job, plan, setting)),
        }
    if refusals:
        yield {"name": REFUSED, "test": any_of(f"({term})" for term in refusals)}
        if not _has_drop(job):
            yield {"name": "DROP", "test": f"member('{REFUSED}')"}


def _has_drop(job: Job) -> bool:
    """Whether the server's own file has a class DROP: a second one is refused."""
    whole = _own(job).get("Dhcp4")
    return whole is not None and any(node.plain("name") == "DROP" for node in whole.items("client-classes"))


def _own(job: Job) -> Node:
    """The server's own file with an empty drop-in."""
    files = own_files(job.inventory, job.name)
    return read_json(files.text(), files.main, files.include)


def _values(job: Job, plan: SettledPlan, setting: Setting) -> Iterator[tuple[str, Any]]:
    (scope,) = plan.scopes
    if setting.next_server is not None:
        yield "next-server", str(setting.next_server)
    if setting.file is not None:
        yield "boot-file-name", setting.file
    options = []
    for code, octets in setting.options.items():
        if is_exact(code, octets):
            options.append(option_data(code, octets, scope.forced))
        elif not _repeats_file(code, octets, setting):
            job.report(
                "CX516",
                setting.path,
                f"{job.name} cannot send option {option_title(code)} of {setting.name} as it is declared: "
                "Kea drops octets of it",
                "leave the option out, or have it in the server's own file",
            )
    if options:
        yield "option-data", options


def _repeats_file(code: int, octets: bytes, setting: Setting) -> bool:
    """Whether an option says the boot file once more: the header has it."""
    return code == Option.BOOTFILE_NAME and octets.rstrip(b"\0") == (setting.file or "").encode()
