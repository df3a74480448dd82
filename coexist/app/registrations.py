"""Registering machines: a change of the inventory's files with who, when and why, and how it is undone.

Registered machines stand in a file of their own, one a line, so that a file that somebody wrote stays as it
is and a change is one line of a diff. Boot servers whose registry is at hand are told at once.
"""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from coexist.app.changes import JOURNAL, Action, Changes, Entry, Who, replaced
from coexist.app.deciding import Waiting
from coexist.app.joining import said_by_group
from coexist.errors import CoexistError, InputError
from coexist.inventory import Inventory, load_inventory
from coexist.planning.yaml_edit import flow
from coexist.records import dataclass
from coexist.registry.opening import Where
from coexist.registry.records import RegistryError, new_order
from coexist.text.closest import closest
from coexist.wire.mac import format_mac, parse_mac

FILE = Path("inventory.d") / "registered.yaml"
ACCEPTED = Path("inventory.d") / "accepted.yaml"
_HEAD = f"# Machines that were registered one by one. Who, when and why: {JOURNAL}\nclients:\n"
_ACCEPTED_HEAD = f"# Findings that were accepted one by one. Who and when: {JOURNAL}\nsuppress:\n"
_COLUMNS = ("name", "location", "hardware", "vlan", "group")
_GIT_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine to be registered: its card, and what is said of it. ``group``: one that it joins."""

    mac: int
    name: str = ""
    location: str = ""
    hardware: str = ""
    vlan: str = ""
    group: str = ""

    def line(self, inventory: Inventory) -> str:
        """The machine as a line of the file. Raises `CoexistError` for a group that it cannot be put into."""
        said = {column: getattr(self, column) for column in _COLUMNS if column != "group"}
        if self.group:
            said = said_by_group(inventory, self.group, said)
        written = {column: value for column, value in said.items() if value}
        return f"  - {flow({'mac': format_mac(self.mac), **written})}\n"


class Registrations:
    """The changes of one inventory. ``registries``: by server, the registry that is told at once."""

    def __init__(
        self, path: Path, *, registries: Mapping[str, Where] | None = None, commit: bool = False
    ) -> None:
        self.path = path
        self.root = path if path.is_dir() else path.parent
        self.changes = Changes(self.root)
        self.registries = dict(registries or {})
        self._waiting = Waiting(self.root / JOURNAL.parent)
        self.commit = commit

    # -- the changes -----------------------------------------------------------------------------

    def register(self, machines: Sequence[Machine], who: Who) -> Entry:
        """Add machines to the inventory, all or none. Raises `CoexistError` with what to correct."""
        if not machines:
            raise CoexistError("there is no machine to register; write a MAC a line")
        with self.changes.locked():
            inventory = load_inventory(self.path)
            _refuse_known(inventory, machines)
            lines = tuple(machine.line(inventory) for machine in machines)
            self._write(FILE, _HEAD, lines, lambda after: _refuse_outside(after, machines))
            entry = self._note("register", who, machines, file=FILE, lines=lines)
        try:
            self._tell([(machine, "registered") for machine in machines], who)
        except RegistryError as error:
            with self.changes.locked():
                self._remove(self.root / FILE, lines)
                self._note("undo", who, machines, file=FILE, undoes=entry.id)
            raise CoexistError(f"nothing was changed: {error}") from None
        return entry

    def ignore(self, macs: Sequence[int], who: Who) -> Entry:
        """Have the boot servers answer these machines no more. Raises `CoexistError` without a reason."""
        if not who.why.strip():
            raise CoexistError("say why these machines are ignored")
        if not self.registries:
            raise CoexistError("no boot server's registry is at hand: the console was started without one")
        with self.changes.locked():
            entry = self._note("ignore", who, [Machine(mac=mac) for mac in macs])
        self._tell([(Machine(mac=mac), "ignored") for mac in macs], who)
        return entry

    def accept(self, code: str, where: str, who: Who) -> Entry:
        """Suppress a finding, with the reason. Raises `CoexistError` without one."""
        if len(who.why.strip()) < 3:
            raise CoexistError(f"say why {code} is accepted")
        with self.changes.locked():
            said = {"code": code, **({"where": where} if where else {}), "reason": who.why}
            lines = (f"  - {flow(said)}\n",)
            self._write(ACCEPTED, _ACCEPTED_HEAD, lines)
            return self._note("accept", who, [], file=ACCEPTED, lines=lines)

    def undo(self, identity: str, who: Who) -> Entry:
        """Take a change back. Raises `CoexistError` if its lines were changed since, or it is undone."""
        with self.changes.locked():
            entry = next((e for e in self.entries() if e.id == identity), None)
            if entry is None:
                raise CoexistError(f"there is no change {identity!r} to undo")
            if entry.undone:
                raise CoexistError(f"the change {identity} is undone already")
            if not entry.can_be_undone:
                raise CoexistError(f"the change {identity} ({entry.action}) is not undone by one click")
            if entry.file:
                self._remove(self.root / entry.file, entry.lines)
            machines = [Machine(mac=parse_mac(mac)) for mac in entry.macs]
            file = Path(entry.file) if entry.file else None
            made = self._note("undo", who, machines, file=file, undoes=identity)
        self._tell([(machine, "seen") for machine in machines], who)
        return made

    def entries(self) -> list[Entry]:
        """Every change, oldest first. A line that cannot be read is passed over."""
        return self.changes.entries()

    # -- the files -------------------------------------------------------------------------------

    def _write(
        self,
        file: Path,
        head: str,
        lines: Sequence[str],
        refuse: Callable[[Inventory], None] = lambda _after: None,
    ) -> None:
        """Append lines; the file is as it was if the inventory cannot be read with them, or ``refuse`` raises
        for what it is then."""
        if not self.path.is_dir():
            raise CoexistError(
                f"{self.path} is one file; the console adds files beside it: name its directory"
            )
        path = self.root / file
        before = path.read_bytes() if path.exists() else None
        text = (before or head.encode()).decode("utf-8")
        if not text.endswith("\n"):
            text += "\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        replaced(path, (text + "".join(lines)).encode())
        try:
            refuse(load_inventory(self.path))
        except CoexistError as error:
            self._put_back(path, before)
            raise CoexistError(f"nothing was changed: {error}") from None

    def _remove(self, path: Path, lines: Sequence[str]) -> None:
        before = path.read_bytes() if path.exists() else b""
        left = before.decode("utf-8").splitlines(keepends=True)
        for line in lines:
            if line not in left:
                raise CoexistError(f"{path}: the line {line.strip()} was changed since; undo it by hand")
            left.remove(line)
        if all(line.startswith(("#", "clients:", "suppress:")) or not line.strip() for line in left):
            path.unlink()
        else:
            replaced(path, "".join(left).encode())
        try:
            load_inventory(self.path)
        except InputError as error:
            self._put_back(path, before)
            raise CoexistError(f"nothing was changed: something needs this machine: {error}") from None

    @staticmethod
    def _put_back(path: Path, before: bytes | None) -> None:
        if before is None:
            path.unlink()
        else:
            replaced(path, before)

    # -- the journal -----------------------------------------------------------------------------

    def _note(
        self,
        action: Action,
        who: Who,
        machines: Sequence[Machine],
        *,
        file: Path | None = None,
        lines: tuple[str, ...] = (),
        undoes: str = "",
    ) -> Entry:
        macs = [format_mac(machine.mac) for machine in machines]
        entry = self.changes.note(action, who, macs=macs, file=file, lines=lines, undoes=undoes)
        if self.commit and file is not None:
            self._commit(file, entry)
        return entry

    def _commit(self, file: Path, entry: Entry) -> None:
        """Record the file in git, and that file alone. Raises `CoexistError` with git's words."""
        more = f" and {len(entry.macs) - 3} more" if len(entry.macs) > 3 else ""
        about = (", ".join(entry.macs[:3]) or entry.undoes) + more
        message = f"{entry.action} {about}\n\n{entry.why or 'no reason given'}\nby {entry.who}"
        for words in (["add", "--", str(file)], ["commit", "-q", "-m", message, "--", str(file)]):
            done = subprocess.run(
                ["git", "-C", str(self.root), *words],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=_GIT_SECONDS,
                check=False,
            )
            if done.returncode != 0:
                said = done.stderr.decode("utf-8", "replace").strip().splitlines()
                raise CoexistError(
                    f"{file} is changed, and git did not record it: {said[-1] if said else 'no reason given'}"
                )

    # -- running servers -------------------------------------------------------------------------

    def _tell(
        self, decided: Sequence[tuple[Machine, Literal["registered", "ignored", "seen"]]], who: Who
    ) -> None:
        """Let the running boot servers know: they look every second, or are woken. Several may share one.

        What a registry cannot be told now waits beside the inventory's history. Raises `RegistryError` where
        it cannot be kept either.
        """
        for where in dict.fromkeys(self.registries.values()):
            orders = []
            for machine, state in decided:
                card: dict[str, str] = {}
                if state == "registered":
                    card = {
                        name: getattr(machine, name) for name in ("name", "location", "hardware", "group")
                    }
                orders.append(new_order(machine.mac, state, **card, who=who.name, via=who.via))
            self._waiting.tell(where, orders)

    def waiting(self) -> dict[str, int]:
        """By registry, how many decisions it was not told yet."""
        counts = {str(where): self._waiting.count(where) for where in dict.fromkeys(self.registries.values())}
        return {where: count for where, count in counts.items() if count}

    def carry_over(self) -> int:
        """Tell the registries what waits for them; returns how many decisions. One that is away keeps its."""
        carried = 0
        for where in dict.fromkeys(self.registries.values()):
            with suppress(RegistryError):
                carried += self._waiting.carry(where)
        return carried


def _refuse_known(inventory: Inventory, machines: Sequence[Machine]) -> None:
    for machine in machines:
        record = inventory.clients.find(machine.mac)
        if record is not None:
            name = f" as {record.name}" if record.name else ""
            raise CoexistError(
                f"{format_mac(machine.mac)} is registered{name} at {record.position}; change that line"
            )
        if machine.vlan and machine.vlan not in inventory.site.vlans:
            known = closest(machine.vlan, inventory.site.vlans)
            raise CoexistError(f"there is no VLAN {machine.vlan!r}; {known}")


def _refuse_outside(inventory: Inventory, machines: Sequence[Machine]) -> None:
    """Who is not in the group that was asked for: an ``except`` of it may have the machine."""
    for machine in machines:
        if machine.group and machine.mac not in inventory.group(machine.group):
            place = inventory.where("groups", machine.group)
            raise CoexistError(f"{place}: the group {machine.group} excepts {format_mac(machine.mac)}")


def pasted_machines(text: str) -> list[Machine]:
    """Machines from pasted lines or CSV: a MAC, then name, location, hardware type, VLAN, group, as given.

    A first line that has the column `mac` names the columns, in any order. Raises `CoexistError` with every
    line that cannot be taken whole.
    """
    machines: list[Machine] = []
    wrong: list[str] = []
    usual = ("mac", *_COLUMNS)
    columns: Sequence[str] = usual
    for position, (number, cells) in enumerate(_rows(text)):
        named = [cell.lower() for cell in cells]
        if position == 0 and "mac" in named:
            columns = usual if named == list(usual[: len(named)]) else named
            unknown = [f"line {number}: there is no column {name!r}" for name in named if name not in usual]
            wrong += [f"{each}; there are {', '.join(usual)}" for each in unknown]
            continue
        said = dict(zip(columns, cells, strict=False))
        if any(cells[len(columns) :]):
            wrong.append(f"line {number}: it has more than the columns {', '.join(columns)}")
            continue
        try:
            mac = parse_mac(said.get("mac", ""))
        except ValueError as error:
            wrong.append(f"line {number}: {error}")
            continue
        machines.append(Machine(mac=mac, **{column: said.get(column, "") for column in _COLUMNS}))
    if wrong:
        raise CoexistError("\n".join(wrong))
    return machines


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that hold something, with their numbers, as cells: by tabs, semicolons or commas."""
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        separator = next((each for each in "\t;" if each in line), ",")
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
        if any(cells):
            yield number, cells
