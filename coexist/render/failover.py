"""Failover between two servers, as the files of both name it, and what a product cannot do of it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from coexist.analysis.pairs import pairs_of
from coexist.inventory import Inventory
from coexist.inventory.documents import Path
from coexist.inventory.models import Failover
from coexist.records import dataclass
from coexist.render.target import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A pair as one of its servers has it; ``first`` is the primary. ``own`` and ``partner``: the addresses
    by which the two talk to each other."""

    failover: Failover
    first: str
    second: str
    is_first: bool
    own: IPv4Address
    partner: IPv4Address
    scopes: tuple[str, ...]

    @property
    def name(self) -> str:
        """What both call it."""
        return f"{self.first}-{self.second}"


def relations(inventory: Inventory, server: str) -> tuple[Relation, ...]:
    """The pairs that a server is in, in the order of the scopes."""
    site = inventory.site
    found = []
    for pair in pairs_of(site):
        failover = site.scopes[pair.scopes[0]].failover
        if server in pair.both and failover is not None:
            own, partner = (
                next(iter(site.servers[name].stands_on.values())) for name in (server, pair.other(server))
            )
            found.append(
                Relation(
                    failover=failover,
                    first=pair.first,
                    second=pair.second,
                    is_first=server == pair.first,
                    own=own,
                    partner=partner,
                    scopes=pair.scopes,
                )
            )
    return tuple(found)


def report_failover(job: Job) -> None:
    """Report what of the declared failover the server's product cannot do."""
    for relation in relations(job.inventory, job.name):
        for scope, message, repair in _limits(job, relation):
            job.report("CX518", ("scopes", scope, "failover"), message, repair)
    if job.server.can.failover_of_all:
        _report_unshared(job)


def _limits(job: Job, relation: Relation) -> Iterator[tuple[str, str, str]]:
    site, can = job.inventory.site, job.server.can
    partner = site.servers[relation.second if relation.is_first else relation.first]
    software, scope = job.server.software, relation.scopes[0]
    if partner.product != job.server.product:
        yield scope, f"{software} has no failover with {partner.software}", _SPLIT
        return
    for name in relation.scopes:
        declared = site.scopes[name].failover
        if declared is None:
            continue
        if declared.mode not in can.failover:
            ways = " or ".join(f"`mode: {mode}`" for mode in sorted(can.failover))
            yield name, f"{software} has no {declared.mode}", f"write {ways}" if ways else _SPLIT
            continue
        for setting in sorted(_beyond(declared, can.failover[declared.mode])):
            what = f"{software} cannot be told `{setting}: {getattr(declared, setting)}` of {declared.mode}"
            yield name, what, f"leave `{setting}` out"
        if declared != relation.failover:
            what = f"{relation.first} and {relation.second} have one failover, and {name} declares another"
            yield name, what, f"write in {name} what stands in {scope}"


_SPLIT = "split the pools into a scope for each server, or let both run the same product with failover"


def _beyond(declared: Failover, known: frozenset[str]) -> frozenset[str]:
    """The settings that are written, are not the usual ones, and that a product has no word for."""
    fields = Failover.model_fields
    said = declared.model_fields_set - {"mode"} - known
    return frozenset(name for name in said if getattr(declared, name) != fields[name].default)


def _report_unshared(job: Job) -> None:
    """Report scopes that a server shares with nobody, or with another, where all of its scopes are shared."""
    shared = {name for relation in relations(job.inventory, job.name)[:1] for name in relation.scopes}
    if not shared:
        return
    for name, scope in job.inventory.site.scopes.items():
        if job.name in scope.servers and name not in shared:
            path: Path = ("scopes", name, "server")
            job.report(
                "CX518",
                path,
                f"{job.server.software} shares all scopes of {job.name} or none, and {name} is not shared "
                f"as {min(shared)} is",
                "declare the same two servers and the same `failover` for it",
            )
