"""The state of a migration as a file beside the inventory: which wave moved, when, what is under way.

``migrations/NAME.yaml`` is written by ``coexist migrate`` and meant for version control: one
client a line, times in UTC, nothing that changes from run to run without a reason. It is the journal
too: a step is written down before its first change and after each one, so that a run that was killed is
resumed from where it stood.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from coexist.errors import InputError, Position, Problem
from coexist.inventory.documents import SourceMap, read_yaml, written
from coexist.inventory.validation import problem_of
from coexist.inventory.values import Declared, Delay, Name, Text
from coexist.planning.placement import Placement
from coexist.planning.steps import Direction, Step, build_step
from coexist.planning.ways import Way
from coexist.wire.mac import format_mac, parse_mac

DIRECTORY = "migrations"
"""Beside ``site.yaml``; the loader does not read it as inventory."""

_Document = TypeVar("_Document", bound=Declared)


def _mac(value: Any) -> Any:
    # A plain int was never written: it is a MAC of the program's own.
    if type(value) is int:
        return value
    text = written(value)
    if text is None:
        raise ValueError(f"{value!r} is not a MAC address; write 52:54:00:12:34:56")
    return parse_mac(text)


Macs = tuple[Annotated[int, BeforeValidator(_mac)], ...]


class MovedWave(Declared):
    """A wave that is on the new server."""

    name: Name
    moved: AwareDatetime
    clients: Macs = ()


class OpenStep(Declared):
    """A step that began and has not ended.

    ``done`` of its changes were made; ``trying`` is true while the next one is, so it may have been
    made or not. ``since``: when the last change was made (or the step began). ``unserved``: from when on its
    clients may have no server. Of a change made by hand that is when it became somebody's to make.
    """

    wave: Name
    direction: Direction
    way: Way
    delay: Delay = Delay()
    clients: Macs
    done: Annotated[int, Field(ge=0)] = 0
    trying: bool = False
    since: AwareDatetime
    unserved: AwareDatetime | None = None


class Happened(Declared):
    """A line of the history. ``gap``: the seconds for which clients had no server at most, if one ended."""

    at: AwareDatetime
    what: Text
    gap: Annotated[float, Field(ge=0)] | None = None


class MigrationState(Declared):
    """What a migration's file holds. ``through``: the server that stands between (`Migration.through`), and
    ``stands`` whether it is not there yet, there, or taken away again."""

    # Made by the names of its fields, written by those of the file.
    model_config = ConfigDict(populate_by_name=True)

    migration: Name
    source: Annotated[Name, Field(alias="from")]
    target: Annotated[Name, Field(alias="to")]
    waves: tuple[MovedWave, ...] = ()
    step: OpenStep | None = None
    through: Name | None = None
    stands: Literal["before", "between", "after"] = "before"
    retired: AwareDatetime | None = None
    history: tuple[Happened, ...] = ()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        step = self.under_way()
        if step is not None and self.step is not None and self.step.done > len(step.changes):
            raise ValueError(
                f"{self.step.done} changes of the step are done, and a {step.way} has {len(step.changes)};"
                " take the file back from version control"
            )
        return self

    @property
    def moved(self) -> dict[str, frozenset[int]]:
        """The MACs of each wave that moved, in order."""
        return {wave.name: frozenset(wave.clients) for wave in self.waves}

    @property
    def on_target(self) -> frozenset[int]:
        """Every MAC that moved."""
        return frozenset(mac for wave in self.waves for mac in wave.clients)

    @property
    def settled(self) -> Placement:
        """The placement of the waves alone, without the step under way."""
        moved = self.on_target
        if self.stands == "between":
            return Placement(directing=True, silenced=True, directed=moved)
        return Placement.settled(moved).changed(silenced=self.stands == "after")

    def under_way(self) -> Step | None:
        """The step under way, rebuilt."""
        if self.step is None:
            return None
        open_ = self.step
        return build_step(
            (self.source, self.target),
            wave=open_.wave,
            direction=open_.direction,
            clients=frozenset(open_.clients),
            start=self.settled,
            way=open_.way,
            delay=open_.delay,
            through=self.through,
        )

    @property
    def placement(self) -> Placement:
        """Where the clients are now; of a change that may or may not have been made, before it."""
        if self.retired is not None:
            return self.settled.changed(retired=True)
        step = self.under_way()
        return self.settled if step is None or self.step is None else step.moments[self.step.done]

    def updated(self, **fields: object) -> MigrationState:
        """A copy with some fields replaced."""
        return self.model_copy(update=fields)

    def noting(self, at: datetime, what: str, gap: float | None = None) -> MigrationState:
        """A copy with one more line of history."""
        return self.updated(history=(*self.history, Happened(at=at, what=what, gap=gap)))


def path_of(name: str) -> PurePath:
    """The state's file, relative to the inventory's directory."""
    return PurePath(DIRECTORY) / f"{name}.yaml"


def read_state(text: str, file: str) -> MigrationState:
    """Parse a state file. Raises ``InputError`` with every problem and its place."""
    return read_document(MigrationState, text, file)


def read_document(model: type[_Document], text: str, file: str) -> _Document:
    """A YAML text as a model. Raises ``InputError`` with every problem and its place."""
    problems: list[Problem] = []
    sources = SourceMap(Position(file))
    tree = read_yaml(text, file, sources, problems)
    if problems:
        raise InputError(problems)
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise InputError(
            problem_of(item, tree, sources) for item in error.errors(include_url=False)
        ) from None


def write_state(state: MigrationState, names: Mapping[int, str] | None = None) -> str:
    """The text of a state file; ``names`` are put beside the MACs as comments."""
    known = names or {}
    lines = [
        "# Written by `coexist migrate`. Keep it in version control, beside the inventory.",
        *_pairs("", migration=state.migration, **{"from": state.source, "to": state.target}),
    ]
    if state.through is not None:
        lines += _pairs("", through=state.through, stands=state.stands)
    if state.retired:
        lines += _pairs("", retired=moment(state.retired))
    lines.append("waves:" if state.waves else "waves: []")
    for wave in state.waves:
        lines += [f"  - name: {quoted(wave.name)}", f"    moved: {moment(wave.moved)}"]
        lines += _macs("    ", wave.clients, known)
    if state.step is not None:
        lines += _step(state.step, known)
    lines.append("history:" if state.history else "history: []")
    lines += [f"  - {_happened(line)}" for line in state.history]
    return "\n".join(lines) + "\n"


def _happened(line: Happened) -> str:
    gap = "" if line.gap is None else f", gap: {line.gap:.1f}"
    return f"{{at: {moment(line.at)}, what: {quoted(line.what)}{gap}}}"


def _step(step: OpenStep, known: Mapping[int, str]) -> list[str]:
    delay = step.delay.model_dump(exclude_defaults=True)
    shown = ", ".join(f"{key}: {str(value).lower()}" for key, value in delay.items())
    return [
        "# A step is under way: `coexist migrate next` goes on with it, `back` takes it back.",
        "step:",
        *_pairs("  ", wave=step.wave, direction=step.direction, way=step.way),
        f"  delay: {{{shown}}}",
        f"  done: {step.done}",
        f"  trying: {str(step.trying).lower()}",
        f"  since: {moment(step.since)}",
        *([f"  unserved: {moment(step.unserved)}"] if step.unserved is not None else []),
        *_macs("  ", step.clients, known),
    ]


def _macs(indent: str, macs: Iterable[int], known: Mapping[int, str]) -> list[str]:
    ordered = sorted(macs)
    if not ordered:
        return [f"{indent}clients: []"]
    # Quoted: YAML 1.1 tools read 52:54:00:12:34:56 as a number in base 60.
    return [
        f"{indent}clients:",
        *(
            f'{indent}  - "{format_mac(mac)}"' + (f"  # {_comment(known[mac])}" if known.get(mac) else "")
            for mac in ordered
        ),
    ]


def _comment(text: str) -> str:
    return " ".join(text.split())


def _pairs(indent: str, **values: str) -> list[str]:
    return [f"{indent}{key}: {quoted(value) if key != 'retired' else value}" for key, value in values.items()]


def quoted(text: str) -> str:
    """A scalar any YAML reader takes for this text, on one line."""
    return (
        yaml.safe_dump(text, width=10**6, allow_unicode=True, default_style=_style(text))
        .strip()
        .removesuffix("\n...")
    )


def _style(text: str) -> Literal['"'] | None:
    plain = text.replace("-", "").replace("_", "").replace(".", "")
    return None if plain.isalnum() and not plain[0].isdigit() else '"'


def moment(at: datetime) -> str:
    """A time as the files have it: UTC, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
