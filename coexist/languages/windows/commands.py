"""Commands of the module DhcpServer, as coexist writes them, put to an export: what the server then has.

A line is a command with literal arguments, one in an ``if (-not (...)) { }`` that looks whether it was run
before, or a pipeline that takes away what coexist made. Anything else is refused.

Source: Microsoft's reference of Add-DhcpServerv4Class, Add-DhcpServerv4Policy, Set-DhcpServerv4OptionValue,
Add-DhcpServerv4Filter and Add-DhcpServerv4OptionDefinition. A policy that is added at a place in the
processing order moves those from there on by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address

from coexist.errors import InputError, Position
from coexist.languages.windows.export import (
    ClientClass,
    Criterion,
    Export,
    Field,
    Filters,
    OptionDefinition,
    OptionValue,
    Policy,
    Scope,
)
from coexist.languages.windows.reader import FIELDS, mac_pattern, refused
from coexist.records import dataclass

OWN = "coexist "
"""What the name of everything begins with that coexist makes on such a server."""

_AGAIN = "render the drop-in again"
_GUARDED = re.compile(r"if \(-not \(.*?\)\) \{ (?P<command>.*) \}\Z")
_WORD = re.compile(r"-(?P<key>[A-Za-z]\w*)|'(?P<text>(?:[^']|'')*)'|(?P<plain>[\w$.:]+)|,|\s+")
_TAKEN_BACK = re.compile(
    r"Get-DhcpServerv4(Policy|Filter|Class|OptionDefinition) .*\| Remove-DhcpServerv4\1\b.*\Z"
)
_SETTINGS = ("#", "$ErrorActionPreference ", "\ufeff#")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    name: str
    values: Mapping[str, tuple[str, ...]]
    at: Position

    def one(self, key: str, usual: str = "") -> str:
        """The single value of a parameter."""
        return next(iter(self.values.get(key, ())), usual)


def without_ours(export: Export) -> Export:
    """The export without what coexist made on the server."""
    filters = export.filters
    return replace(
        export,
        policies=_foreign(export.policies),
        filters=replace(filters, denied=tuple(p for p in filters.denied if p.note != OWN.strip())),
        scopes=tuple(replace(scope, policies=_foreign(scope.policies)) for scope in export.scopes),
    )


def _foreign(policies: tuple[Policy, ...]) -> tuple[Policy, ...]:
    return tuple(policy for policy in policies if not policy.name.startswith(OWN))


def after_commands(export: Export, text: str, file: str) -> Export:
    """What a server with an export has after the commands of a script. Raises InputError for others."""
    for number, line in enumerate(text.splitlines(), start=1):
        written = line.strip()
        if not written or written.startswith(_SETTINGS) or _TAKEN_BACK.match(written):
            continue
        command = _read(written, Position(file, number))
        run = _COMMANDS.get(command.name)
        if run is None:
            raise _refused(command.at, f"{command.name} is no command that is known here")
        export = run(export, command)
    return export


def _refused(at: Position, what: str) -> InputError:
    return refused(at, what, _AGAIN)


def _read(line: str, at: Position) -> _Command:
    guarded = _GUARDED.match(line)
    text = guarded["command"] if guarded is not None else line
    name, _, rest = text.partition(" ")
    values: dict[str, list[str]] = {}
    key, place = "", 0
    while place < len(rest):
        found = _WORD.match(rest, place)
        if found is None or (not key and (found["text"] is not None or found["plain"])):
            raise _refused(at, f"{text!r} is no command with literal arguments")
        place = found.end()
        if found["key"]:
            key = found["key"]
            values[key] = []
        elif found["text"] is not None:
            values[key].append(found["text"].replace("''", "'"))
        elif found["plain"]:
            values[key].append(found["plain"])
    return _Command(name=name, values={k: tuple(v) for k, v in values.items()}, at=at)


# -- what each command does --------------------------------------------------------------------------


def _class(export: Export, command: _Command) -> Export:
    kind, name = command.one("Type"), command.one("Name")
    if kind not in ("Vendor", "User") or (kind, name) in export.classes:
        return export
    made = ClientClass(
        name=name,
        kind="Vendor" if kind == "Vendor" else "User",
        data=command.one("Data").encode(),
        at=command.at,
    )
    return replace(export, classes={**export.classes, (kind, name): made})


def _definition(export: Export, command: _Command) -> Export:
    code = int(command.one("OptionId"))
    if ("", code) in export.definitions:
        return export
    made = OptionDefinition(code=code, kind=command.one("Type"), vendor="", at=command.at)
    return replace(export, definitions={**export.definitions, ("", code): made})


def _policy(export: Export, command: _Command) -> Export:
    order = int(command.one("ProcessingOrder", "1"))
    made = Policy(
        name=command.one("Name"),
        order=order,
        enabled=True,
        any_of=command.one("Condition").upper() == "OR",
        criteria=tuple(
            _criterion(field, command.values[field], command.at)
            for field in FIELDS
            if field in command.values
        ),
        ranges=(),
        options=(),
        lease_time=None,
        at=command.at,
    )

    def insert(scope: Scope) -> Scope:
        moved = (replace(p, order=p.order + 1) if p.order >= order else p for p in scope.policies)
        return replace(scope, policies=tuple(sorted((made, *moved), key=lambda policy: policy.order)))

    return _in_scope(export, command, insert)


def _criterion(field: Field, values: tuple[str, ...], at: Position) -> Criterion:
    operator, *compared = values
    macs = tuple(mac_pattern(value, at, _AGAIN) for value in compared) if field == "MacAddress" else ()
    return Criterion(field=field, operator=operator, values=tuple(compared), macs=macs, at=at)


def _option(export: Export, command: _Command) -> Export:
    code, name = int(command.one("OptionId")), command.one("PolicyName")
    value = OptionValue(code=code, values=command.values["Value"], vendor="", user="", at=command.at)

    def put(scope: Scope) -> Scope:
        policies = tuple(
            replace(p, options=(*(o for o in p.options if o.code != code), value)) if p.name == name else p
            for p in scope.policies
        )
        return replace(scope, policies=policies)

    return _in_scope(export, command, put)


def _in_scope(export: Export, command: _Command, change: Callable[[Scope], Scope]) -> Export:
    address = IPv4Address(command.one("ScopeId"))
    if address not in {scope.network.network_address for scope in export.scopes}:
        raise _refused(command.at, f"{address} is no scope of the server")
    scopes = (change(s) if s.network.network_address == address else s for s in export.scopes)
    return replace(export, scopes=tuple(scopes))


def _filter(export: Export, command: _Command) -> Export:
    filters: Filters = export.filters
    made = mac_pattern(command.one("MacAddress"), command.at, _AGAIN)
    return replace(export, filters=replace(filters, denied=(*filters.denied, made)))


_COMMANDS: Mapping[str, Callable[[Export, _Command], Export]] = {
    "Add-DhcpServerv4Class": _class,
    "Add-DhcpServerv4OptionDefinition": _definition,
    "Add-DhcpServerv4Policy": _policy,
    "Set-DhcpServerv4OptionValue": _option,
    "Add-DhcpServerv4Filter": _filter,
}
