"""Every boot program that a site declares, with its place."""

from __future__ import annotations

from collections.abc import Iterator

from coexist.inventory.documents import Path
from coexist.inventory.models import Program, Site


def declared_programs(site: Site) -> Iterator[tuple[Path, Program]]:
    """The programs of servers, of their groups, of scopes and of their rules, in the order they stand."""
    for name, server in site.servers.items():
        for key, program in server.programs.items():
            yield ("servers", name, "programs", key), program
        for group, programs in server.programs_for.items():
            for key, program in programs.items():
                yield ("servers", name, "programs_for", group, key), program
    for name, scope in site.scopes.items():
        for key, program in scope.programs.items():
            yield ("scopes", name, "programs", key), program
        for number, rule in enumerate(scope.rules):
            for key, program in rule.programs.items():
                yield ("scopes", name, "rules", number, "programs", key), program
