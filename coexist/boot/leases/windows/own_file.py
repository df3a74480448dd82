"""A Windows DHCP server by its export, as an inventory declares it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

from coexist.boot.leases.windows.pools import Pools
from coexist.boot.leases.windows.source import WindowsLeases
from coexist.boot.own_files import Files, OwnConfig, OwnSubnet
from coexist.errors import InputError, Problem
from coexist.languages.windows.commands import after_commands, without_ours
from coexist.languages.windows.export import Export
from coexist.languages.windows.failover import COMMAND, read_failover
from coexist.languages.windows.reader import read_export
from coexist.languages.windows.values import octets_of

FAILOVER = "failover.xml"
"""The file beside an export that has the failover relations."""


def evaluate(files: Files) -> OwnConfig:
    """What the export says, with the relations beside it. Raises InputError for what cannot be read."""
    export = read_export(_octets(files.text()), files.main)
    try:
        beside: str | None = files.include(FAILOVER)
    except OSError:
        beside = None
    if beside is not None:
        relations = read_failover(_octets(beside), files.called(FAILOVER))
        export = replace(export, relations=(*(export.relations or ()), *relations))
    ours = files.commands()
    if ours is not None:
        called, text = ours
        export = after_commands(without_ours(export), text, called)
    _refuse_bad_values(export)
    _refuse_unknown_scopes(export)
    leases = WindowsLeases(export=export)
    return OwnConfig(leases=leases, subnets=tuple(_subnets(export, files)))


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _refuse_bad_values(export: Export) -> None:
    problems: list[Problem] = []
    for value in WindowsLeases(export=export).values():
        try:
            octets_of(value, export.definitions)
        except (ValueError, OverflowError) as error:
            what = f"the value of option {value.code} cannot be read: {error}"
            problems.append(Problem(value.at, what, "export it again with Export-DhcpServer"))
    if problems:
        raise InputError(problems)


def _refuse_unknown_scopes(export: Export) -> None:
    known = {scope.network.network_address for scope in export.scopes}
    problems = [
        Problem(relation.at, f"the relation {relation.name} shares {scope}, which is no scope of the export",
                f"export both again: {COMMAND}")
        for relation in export.relations or ()
        for scope in relation.scopes
        if scope not in known
    ]  # fmt: skip
    if problems:
        raise InputError(problems)


def _subnets(export: Export, files: Files) -> Iterator[OwnSubnet]:
    partners = {
        scope: _partner(relation.partner, files)
        for relation in export.relations or ()
        for scope in relation.scopes
    }
    for scope in export.scopes:
        if scope.active:
            yield OwnSubnet(
                network=scope.network,
                at=scope.at,
                ranges=Pools(scope, scope.policies).ranges,
                partner=partners.get(scope.network.network_address),
            )


def _partner(named: str, files: Files) -> IPv4Address | None:
    try:
        return IPv4Address(named)
    except ValueError:
        return next(iter(files.resolve(named)), None)
