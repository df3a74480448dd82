"""Where the clients of a migration are at one moment, and the inventory as it is then.

Everything else in coexist (the analyzer, the renderers) works on an ``Inventory``. A placement is
turned into one: the two servers' ``answers`` and the intent are replaced by what holds at that moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from coexist.inventory import Inventory, MacSet
from coexist.inventory.groups import GroupResolver
from coexist.inventory.models import Answers, Group, IntentRule, Migration, Program, Server, Site
from coexist.inventory.values import Delay
from coexist.planning.waves import migrating

_NONE: frozenset[int] = frozenset()
STANDBY_GROUPS = (".yielding", ".waiting")
"""How the groups end whose members a server answers only while a step is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What has changed against the time before the migration, as sets of MACs.

    ``left``: the old server no longer answers them. ``yielding``: it still does, but only as
    ``yielding_delay`` says. ``arrived``: the new server answers them; ``waiting``: those of them it
    answers only as ``waiting_delay`` says. ``handed``: the old server answers them, but names the new
    one's files, so that they boot from there; ``returned``: the same the other way round.
    ``retired``: the old server answers nobody any more.
    """

    left: frozenset[int] = _NONE
    arrived: frozenset[int] = _NONE
    yielding: frozenset[int] = _NONE
    waiting: frozenset[int] = _NONE
    yielding_delay: Delay = field(default_factory=Delay)
    waiting_delay: Delay = field(default_factory=Delay)
    handed: frozenset[int] = _NONE
    returned: frozenset[int] = _NONE
    retired: bool = False

    @classmethod
    def settled(cls, moved: Iterable[int]) -> Placement:
        """Between two steps: whoever moved is on the new server alone."""
        gone = frozenset(moved)
        return cls(left=gone, arrived=gone)

    def on_target(self, mac: int) -> bool:
        """Whether the new server is the one that shall boot this client now."""
        if mac in self.handed or mac in self.returned:
            return mac in self.handed
        return mac in self.left or (mac in self.arrived and mac not in self.waiting)

    def changed(self, **sets: object) -> Placement:
        """A copy with some of its fields replaced."""
        return replace(self, **sets)  # type: ignore[arg-type]


BEFORE = Placement()
"""Nobody has moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A client as one server's list has it: under its own MAC, or parked under another."""

    mac: int
    original: int

    @property
    def parked(self) -> bool:
        """Whether the server must not serve it."""
        return self.mac != self.original


def registrations(
    migration: Migration, scope: frozenset[int], placement: Placement, parked: Mapping[int, int]
) -> dict[str, tuple[Registration, ...]]:
    """Each of the two servers' registration list, by server, in the order of the original MACs.

    ``parked`` has the parked MAC of each client; one without is on the other server not registered
    at all. While a step is under way a client can be active on both.
    """
    source: list[Registration] = []
    target: list[Registration] = []
    for mac in sorted(scope):
        spare = parked.get(mac)
        for entries, active in ((source, mac not in placement.left), (target, mac in placement.arrived)):
            if active or spare is not None:
                entries.append(Registration(mac=mac if active or spare is None else spare, original=mac))
    return {migration.source: tuple(source), migration.target: tuple(target)}


def inventory_at(
    inventory: Inventory,
    name: str,
    placement: Placement,
    parked: Mapping[int, int] | None = None,
) -> Inventory:
    """The inventory while migration ``name`` stands at ``placement``.

    New groups (``<name>.left``, ``.arrived``, ``.yielding``, ``.waiting`` and so on) carry the
    lists. With ``parked`` (see `coexist.planning.parking.park_all`) each server's list also holds the parked
    MACs of the clients it must not serve: for the renderers; no machine has them.
    """
    migration = inventory.site.migrations[name]
    scope = migrating(inventory, migration)
    groups = _groups(name, migration, placement, scope, parked or {})
    servers = dict(inventory.site.servers)
    servers[migration.source] = _source_server(inventory, name, migration, placement, groups)
    servers[migration.target] = _target_server(inventory, name, migration, placement, groups)
    intent = _intent(inventory, name, migration, placement, scope, groups)
    update = {"groups": {**inventory.site.groups, **groups}, "servers": servers, "intent": intent}
    site = inventory.site.model_copy(update=update)
    return with_site(inventory, site)


def with_site(inventory: Inventory, site: Site) -> Inventory:
    """The same clients and files with another site."""
    resolver = GroupResolver(site, inventory.clients, inventory.root, inventory.sources)
    return Inventory(inventory.root, site, inventory.clients, inventory.sources, resolver)


def _group(macs: Iterable[int]) -> Group:
    return Group.model_construct(macs=tuple(sorted(macs)))


def _groups(
    name: str,
    migration: Migration,
    placement: Placement,
    scope: frozenset[int],
    parked: Mapping[int, int],
) -> dict[str, Group]:
    found = {
        f"{name}.clients": _group(scope),
        f"{name}.left": _group(placement.left),
        f"{name}.arrived": _group(placement.arrived),
        f"{name}.yielding": _group(placement.yielding - placement.left),
        f"{name}.waiting": _group(placement.waiting & placement.arrived),
    }
    for server, active in ((migration.source, scope - placement.left), (migration.target, placement.arrived)):
        spare = {parked[mac] for mac in scope - active if mac in parked}
        if spare:
            found[f"{name}.parked-on-{server}"] = _group(spare)
    return {key: group for key, group in found.items() if group.macs}


def _source_server(
    inventory: Inventory, name: str, migration: Migration, placement: Placement, groups: dict[str, Group]
) -> Server:
    server = inventory.site.servers[migration.source]
    if placement.retired:
        return server.model_copy(update={"answers": Answers(who="nobody"), "delay_for": {}})
    left, yielding, spare = f"{name}.left", f"{name}.yielding", f"{name}.parked-on-{migration.source}"
    answers = _answers(inventory, server.answers, migration.source, groups, name)
    if left in groups:
        answers = _without(answers, left, groups, f"{name}.old-serves")
    if spare in groups:
        answers = _with(answers, spare, groups, f"{spare}-refused")
    update: dict[str, object] = {"answers": answers}
    if yielding in groups:
        update["delay_for"] = {yielding: placement.yielding_delay, **server.delay_for}
        if placement.handed:
            others = programs_elsewhere(inventory.site, migration.target)
            update["programs_for"] = {yielding: others, **server.programs_for}
    return server.model_copy(update=update)


def _target_server(
    inventory: Inventory, name: str, migration: Migration, placement: Placement, groups: dict[str, Group]
) -> Server:
    server = inventory.site.servers[migration.target]
    arrived, waiting, spare = f"{name}.arrived", f"{name}.waiting", f"{name}.parked-on-{migration.target}"
    answers = _answers(inventory, server.answers, migration.target, groups, name)
    for group in (arrived, spare):
        if group in groups:
            answers = _with(answers, group, groups, f"{group}-refused")
    update: dict[str, object] = {"answers": answers}
    if waiting in groups:
        update["delay_for"] = {waiting: placement.waiting_delay, **server.delay_for}
        if placement.returned:
            others = programs_elsewhere(inventory.site, migration.source)
            update["programs_for"] = {waiting: others, **server.programs_for}
    return server.model_copy(update=update)


def programs_elsewhere(site: Site, server: str) -> dict[str, Program]:
    """A server's programs as another one has to name them: each with the server that has the file."""
    declared = site.servers[server]
    place = declared.boot_server or server
    return {
        key: program if program.server else program.model_copy(update={"server": place})
        for key, program in declared.programs.items()
    }


def _answers(
    inventory: Inventory, answers: Answers, server: str, groups: dict[str, Group], name: str
) -> Answers:
    """The declared answers in a form that can be narrowed and widened: a list in place of ``intended``."""
    if answers.who == "intended":
        intended = [
            _intended_group(rule, server, number, groups, name)
            for number, rule in enumerate(inventory.site.intent)
        ]
        chosen = tuple(group for group in intended if group)
        return answers.model_copy(update={"who": "only" if chosen else "nobody", "groups": chosen})
    if answers.who in ("known", "unknown"):
        return answers.model_copy(update={"who": "only", "groups": (answers.who,)})
    return answers


def _intended_group(
    rule: IntentRule, server: str, number: int, groups: dict[str, Group], name: str
) -> str | None:
    if rule.boot_from != server and server not in rule.fallback:
        return None
    if not rule.unless:
        return _named(groups, f"{name}.{server}-intent-{number}", Group.model_construct(groups=rule.clients))
    return _named(
        groups,
        f"{name}.{server}-intent-{number}",
        Group.model_construct(groups=rule.clients, excluded=rule.unless),
    )


def _named(groups: dict[str, Group], key: str, group: Group) -> str:
    groups[key] = group
    return key


def _without(answers: Answers, group: str, groups: dict[str, Group], key: str) -> Answers:
    """The same answers, but not to the members of ``group``."""
    if answers.who == "nobody":
        return answers
    if answers.who == "everyone":
        return answers.model_copy(update={"who": "all_except", "groups": (group,)})
    if answers.who == "all_except":
        return answers.model_copy(update={"groups": (*answers.groups, group)})
    groups[key] = Group.model_construct(groups=answers.groups, excluded=(group,))
    return answers.model_copy(update={"groups": (key,)})


def _with(answers: Answers, group: str, groups: dict[str, Group], key: str) -> Answers:
    """The same answers, and to the members of ``group`` too."""
    if answers.who == "nobody":
        return answers.model_copy(update={"who": "only", "groups": (group,)})
    if answers.who == "only":
        return answers.model_copy(update={"groups": (*answers.groups, group)})
    if answers.who == "all_except":
        groups[key] = Group.model_construct(groups=answers.groups, excluded=(group,))
        return answers.model_copy(update={"groups": (key,)})
    return answers


def _intent(
    inventory: Inventory,
    name: str,
    migration: Migration,
    placement: Placement,
    scope: frozenset[int],
    groups: dict[str, Group],
) -> tuple[IntentRule, ...]:
    """The intent with each rule about one of the two servers split by where its clients are now."""
    ends = (migration.source, migration.target)
    on_target = frozenset(mac for mac in scope if placement.on_target(mac))
    found: list[IntentRule] = []
    for number, rule in enumerate(inventory.site.intent):
        if rule.boot_from in ends:
            about = (MacSet.of(scope) & inventory.members(rule.clients, rule.unless)).points
            for server, macs in ((ends[1], about & on_target), (ends[0], about - on_target)):
                if macs:
                    key = _named(groups, f"{name}.intent-{number}-{server}", _group(macs))
                    update = {"boot_from": server, "clients": (key,), "unless": ()}
                    found.append(rule.model_copy(update=update))
        found.append(rule)
    return tuple(found)
