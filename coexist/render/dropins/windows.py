"""Commands for a Windows DHCP server that touch nothing but what is ours, and those that take it back.

Policies of the scopes stand above everything but reservations ("Introduction to DHCP Policies"), so ours come
first in each scope's processing order; those that were there keep their order among themselves. An option
that no definition of the server has is defined. The deny list is used only where it is heeded already:
to heed it would bring back entries of somebody else. Every name begins with ``coexist``. Not run on Windows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from coexist.boot.leases.plan import Setting
from coexist.boot.own_files import own_files
from coexist.inventory import Inventory
from coexist.languages.windows.commands import OWN
from coexist.languages.windows.export import Export
from coexist.languages.windows.reader import read_export
from coexist.render.dropins import OurPart, rules_of, settings_of
from coexist.render.rendered import RenderedFile
from coexist.render.target import Job
from coexist.render.targets.powershell import command, literal, script
from coexist.render.targets.windows_policies import OURS, Policies, cannot_test

_TEMPLATE = "windows-dhcp/dhcp.ps1.j2"
_MARK = "\ufeff"


def write(inventory: Inventory, name: str) -> OurPart:
    """The drop-in of a server: its commands, and a script that takes them back."""
    job = Job(inventory=inventory, name=name)
    files = own_files(inventory, name)
    export = read_export(files.text().encode("utf-8", "surrogateescape"), files.main)
    path = inventory.site.servers[name].dropin
    assert path is not None  # asked of servers with a drop-in alone
    file = re.split(r"[\\/]", path.path)[-1]
    stem = file.rpartition(".")[0] or file
    ours = script(job, _TEMPLATE, file, "our part: policies for our clients alone", _sections(job, export))
    back = script(
        job, _TEMPLATE, f"{stem}-take-back.ps1", "takes our part back", [("Take back", _take_back(export))]
    )
    folder = path.path.removesuffix(file)
    rendered = (
        _placed(ours, path.path),
        replace(_placed(back, folder + back.path), reload=None),
    )
    text = ours.content.decode().removeprefix(_MARK)
    return OurPart(text=text, findings=tuple(job.findings), files=rendered)


def _placed(file: RenderedFile, target: str) -> RenderedFile:
    reload = None if file.reload is None else file.reload.replace(str(file.target), target)
    return replace(file, target=target, reload=reload)


def _sections(job: Job, export: Export) -> Iterator[tuple[str, list[str]]]:
    plan = rules_of(job, cannot_test)
    policies = Policies(job, plan)
    settings = settings_of(plan)
    known = {code for vendor, code in export.definitions if not vendor}
    commands = [
        line
        for scope in export.scopes
        if scope.active
        for line in policies.commands(str(scope.network.network_address), OWN, settings)
    ]
    refusals = list(_refusals(policies, settings, export))
    yield "What an earlier run made", list(_take_back(export))
    yield "Option definitions", list(policies.definitions(known, OWN))
    yield "Classes", list(policies.class_definitions())
    yield "Policies", commands
    yield "Who is not answered", refusals


def _take_back(export: Export) -> Iterator[str]:
    """Policies before the classes they compare with."""
    for scope in export.scopes:
        where = literal(str(scope.network.network_address))
        found = f"Get-DhcpServerv4Policy -ScopeId {where} | Where-Object Name -Like '{OWN}*'"
        yield f"{found} | Remove-DhcpServerv4Policy"
    yield (
        f"Get-DhcpServerv4Filter -List Deny | Where-Object Description -EQ '{OURS}'"
        " | Remove-DhcpServerv4Filter"
    )
    for kind in ("Vendor", "User"):
        found = f"Get-DhcpServerv4Class -Type {kind} | Where-Object Name -Like '{OWN}*'"
        yield f"{found} | Remove-DhcpServerv4Class"
    yield (
        f"Get-DhcpServerv4OptionDefinition -All | Where-Object Name -Like '{OWN}*'"
        " | Remove-DhcpServerv4OptionDefinition"
    )


def _refusals(policies: Policies, settings: tuple[Setting, ...], export: Export) -> Iterator[str]:
    for setting in settings:
        if not setting.ignore:
            continue
        (scope,) = policies.plan.scopes
        patterns = policies.refusable(setting, scope)
        if patterns is None:
            policies.report(setting, "refuses clients by what they say, or everyone")
        elif not export.filters.denies:
            policies.report(setting, "has a deny list that is switched off")
        else:
            for pattern in patterns:
                yield command(
                    "Add-DhcpServerv4Filter",
                    "Force",
                    List="Deny",
                    MacAddress=pattern,
                    Description=OURS,
                )
