"""A lease plan made ready to be printed: its machines cut into cells, its settings parted.

Products have no ordered list of settings: they have values for everybody and values for some. So each scope's
settings are parted into those for some packets and the defaults, which a target may write in a place of less
authority.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from coexist.boot.leases.plan import Clients, Condition, LeasePlan, PoolPlan, Setting
from coexist.inventory.documents import Path
from coexist.records import dataclass
from coexist.render.cells import Cells, cut
from coexist.wire.option_codes import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledScope:
    """A scope with its settings parted: the first of ``special`` that fits and sets a value gives it, else
    ``defaults``. The other fields are those of `ScopePlan`."""

    name: str
    path: Path
    special: tuple[Setting, ...]
    defaults: Setting
    forced: frozenset[int]
    order: tuple[int, ...]
    lease_time: int
    min_secs: int
    min_lease_time: int | None
    max_lease_time: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledPlan:
    """A lease plan, its scopes parted and its groups cut into cells."""

    plan: LeasePlan
    scopes: tuple[SettledScope, ...]
    cells: Cells

    def cells_of(self, condition: Condition) -> frozenset[str] | None:
        """The cells of the clients a condition is about; None for all."""
        return None if condition.clients is None else self.cells.within(condition.clients)

    def pool_cells(self, pool: PoolPlan) -> frozenset[str] | None:
        """The cells a pool is for; None for all."""
        found: frozenset[str] | None = None
        for clients in pool.clients:
            inside = self.cells.within(clients)
            found = inside if found is None else found & inside
        return None if found == self.cells.all else found


def settled(plan: LeasePlan) -> SettledPlan:
    """A lease plan, ready to be printed."""
    cells = cut(plan.groups)
    scopes = []
    for scope in plan.scopes.values():
        special, defaults = settle(scope.settings, cells, f"scope {scope.name}", scope.path)
        scopes.append(
            SettledScope(
                name=scope.name,
                path=scope.path,
                special=special,
                defaults=defaults,
                forced=scope.forced,
                order=scope.order,
                lease_time=scope.lease_time,
                min_secs=scope.min_secs,
                min_lease_time=scope.min_lease_time,
                max_lease_time=scope.max_lease_time,
            )
        )
    return SettledPlan(plan=plan, scopes=tuple(scopes), cells=cells)


def settle(
    settings: Iterable[Setting], cells: Cells, name: str, path: Path
) -> tuple[tuple[Setting, ...], Setting]:
    """Part settings into those for some packets and what holds for all others.

    A value that an unconditional setting decides is taken out of every setting below it, so that a target
    may write the unconditional ones in a place of less authority.
    """
    defaults = Setting(name=name, path=path)
    special: list[Setting] = []
    for setting in _with_their_file(_possible(settings, cells), cells):
        left = replace(
            setting,
            next_server=setting.next_server if defaults.next_server is None else None,
            file=setting.file if defaults.file is None else None,
            options={code: value for code, value in setting.options.items() if code not in defaults.options},
            ignore=setting.ignore and not defaults.ignore,
        )
        if not left.condition.always:
            if left.ignore or left.next_server is not None or left.file is not None or left.options:
                special.append(left)
            continue
        defaults = replace(
            defaults,
            next_server=left.next_server if defaults.next_server is None else defaults.next_server,
            file=left.file if defaults.file is None else defaults.file,
            options=dict(sorted({**left.options, **defaults.options}.items())),
            ignore=left.ignore or defaults.ignore,
        )
    return tuple(special), defaults


def _possible(settings: Iterable[Setting], cells: Cells) -> Iterator[Setting]:
    """The settings that some machine can meet; one about every machine is about no one in particular."""
    for setting in settings:
        clients = setting.condition.clients
        if clients is None:
            yield setting
        elif (inside := cells.within(clients)) == cells.all:
            yield replace(setting, condition=replace(setting.condition, clients=None))
        elif inside:
            yield setting


def _with_their_file(settings: Iterable[Setting], cells: Cells) -> Iterator[Setting]:
    """The settings; a file's own server apart from its file where a setting above may give another file."""
    above: list[Condition] = []
    for setting in settings:
        rivals = (
            tuple(c for c in above if not _exclude(c, setting.condition, cells))
            if setting.file_server
            else ()
        )
        if setting.file is not None:
            above.append(setting.condition)
        if not rivals:
            yield setting
            continue
        beside = {code: octets for code, octets in setting.options.items() if code == Option.TFTP_SERVER_NAME}
        rest = {code: octets for code, octets in setting.options.items() if code not in beside}
        yield replace(setting, next_server=None, options=rest)
        if not any(rival.always for rival in rivals):
            only_here = replace(setting.condition, unless=rivals)
            yield replace(setting, file=None, options=beside, condition=only_here)


def _exclude(one: Condition, other: Condition, cells: Cells) -> bool:
    """Whether no packet can fulfil both, as far as groups and architectures tell."""
    codes = (one.architectures, other.architectures)
    if codes[0] is not None and codes[1] is not None and not codes[0] & codes[1]:
        return True
    return _disjoint(one.clients, other.clients, cells)


def _disjoint(one: Clients | None, other: Clients | None, cells: Cells) -> bool:
    return one is not None and other is not None and not cells.within(one) & cells.within(other)
