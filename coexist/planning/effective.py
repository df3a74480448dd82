"""The inventory as it is at one moment of a migration.

Everything else in coexist (the analyzer, the renderers) works on an ``Inventory``. A placement is
turned into one: the two servers' ``answers`` and the intent are replaced by what holds at that moment.

The lists of a moment are groups with a digest of their members in the name, and so files of their own:
what a server reads now is never changed, new lists stand beside the old ones, and one file (the
configuration that names them) is replaced to bring them into force.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from coexist.inventory import Inventory, MacSet
from coexist.inventory.groups import GroupResolver
from coexist.inventory.models import (
    Answers,
    Group,
    IntentRule,
    Migration,
    Program,
    Scope,
    ScopeRule,
    Server,
    Site,
)
from coexist.inventory.values import Delay
from coexist.planning.placement import Placement
from coexist.planning.waves import migrating
from coexist.wire.mac import format_mac

_STANDBY = re.compile(r"\.(?:yielding|waiting)-[0-9a-f]{8}$")


_MADE = re.compile(r"(?P<migration>.+)\.(?P<label>[a-z][A-Za-z0-9_.-]*)-[0-9a-f]{8}")


def as_people_say(groups: Iterable[str]) -> str:
    """Names of groups for a page: those made for a migration by what they mean, those of its intent not."""
    words = []
    for group in groups:
        made = _MADE.fullmatch(group)
        if made is None:
            words.append(group)
        elif not made["label"].startswith(("intent-", "parked-on-")):
            words.append(f"{made['label'].replace('-', ' ')} ({made['migration']})")
    return ", ".join(dict.fromkeys(words))


def stands_by(rule: str) -> bool:
    """Whether a rule of this name, as a server reports it, serves clients of a step that is under way."""
    return _STANDBY.search(rule) is not None


def inventory_at(
    inventory: Inventory,
    name: str,
    placement: Placement,
    parked: Mapping[int, int] | None = None,
) -> Inventory:
    """The inventory while migration ``name`` stands at ``placement``.

    With ``parked`` (see `coexist.planning.parking.park_all`) each server's list also holds the parked
    MACs of the clients it must not serve: for the renderers; no machine has them.
    """
    maker = _Maker(inventory, name, placement, parked or {})
    migration = inventory.site.migrations[name]
    servers = dict(inventory.site.servers)
    servers[migration.source] = maker.source()
    servers[migration.target] = maker.target()
    scopes = dict(inventory.site.scopes)
    if maker.placement.directing and migration.during == "front":
        servers[str(migration.through)] = maker.front()
    elif maker.placement.directing:
        scopes = {key: maker.directing_scope(scope) for key, scope in scopes.items()}
    intent = maker.intent()
    groups = {**inventory.site.groups, **maker.groups}
    update = {"groups": groups, "servers": servers, "scopes": scopes, "intent": intent}
    return _with_site(inventory, inventory.site.model_copy(update=update))


def _with_site(inventory: Inventory, site: Site) -> Inventory:
    resolver = GroupResolver(site, inventory.clients, inventory.root, inventory.sources)
    return Inventory(inventory.root, site, inventory.clients, inventory.sources, resolver)


def answering_only(inventory: Inventory, name: str, macs: MacSet) -> Inventory:
    """The inventory in which one server answers exactly these clients."""
    site = inventory.site
    spans = [(first, last) for first, last in macs.intervals()]
    group = Group.model_construct(
        macs=tuple(first for first, last in spans if first == last),
        range=tuple(f"{format_mac(first)}-{format_mac(last)}" for first, last in spans if first != last),
    )
    key = f"{name}.answered"
    server = site.servers[name].model_copy(update={"answers": Answers(who="only", groups=(key,))})
    update = {"groups": {**site.groups, key: group}, "servers": {**site.servers, name: server}}
    return _with_site(inventory, site.model_copy(update=update))


def programs_elsewhere(site: Site, server: str) -> dict[str, Program]:
    """A server's programs as another one has to name them: each with the server that has the file."""
    declared = site.servers[server]
    place = declared.boot_server or server
    return {
        key: program if program.server else program.model_copy(update={"server": place})
        for key, program in declared.programs.items()
    }


class _Maker:
    """Makes the two servers and the intent of one moment; the groups they need gather in ``groups``."""

    def __init__(
        self, inventory: Inventory, name: str, placement: Placement, parked: Mapping[int, int]
    ) -> None:
        self.inventory = inventory
        self.name = name
        self.migration: Migration = inventory.site.migrations[name]
        self.parked = parked
        self.scope = migrating(inventory, self.migration)
        # A machine that was unregistered since it moved is nobody's any more.
        self.placement = placement.within(self.scope)
        self.groups: dict[str, Group] = {}

    # -- groups --------------------------------------------------------------------------------

    def listed(self, label: str, macs: Iterable[int]) -> str | None:
        """A group of exactly these addresses; None for an empty one."""
        members = tuple(sorted(macs))
        if not members:
            return None
        octets = b"".join(mac.to_bytes(6, "big") for mac in members)
        return self._add(label, octets, Group.model_construct(macs=members))

    def derived(self, label: str, groups: tuple[str, ...], excluded: tuple[str, ...]) -> str:
        """A group of groups."""
        text = "\n".join((*groups, "except", *excluded))
        return self._add(label, text.encode(), Group.model_construct(groups=groups, excluded=excluded))

    def _add(self, label: str, content: bytes, group: Group) -> str:
        key = f"{self.name}.{label}-{hashlib.sha256(content).hexdigest()[:8]}"
        self.groups[key] = group
        return key

    def spare(self, server: str, active: frozenset[int]) -> str | None:
        """The parked MACs of the clients a server must not serve."""
        waiting = self.scope - active
        return self.listed(f"parked-on-{server}", (self.parked[mac] for mac in waiting if mac in self.parked))

    # -- servers -------------------------------------------------------------------------------

    def source(self) -> Server:
        """The old server."""
        at, name = self.placement, self.migration.source
        server = self.inventory.site.servers[name]
        if at.retired or at.silenced:
            return server.model_copy(update={"answers": Answers(who="nobody"), "delay_for": {}})
        answers = self._declared(server.answers, name)
        answers = self._without(answers, self.listed("left", at.left))
        answers = self._with(answers, self.spare(name, self.scope - at.left))
        standing_by = self.listed("yielding", at.yielding - at.left)
        other = self.migration.target if at.handed else None
        return self._standing_by(server, answers, standing_by, at.yielding_delay, other)

    def target(self) -> Server:
        """The new server."""
        at, name = self.placement, self.migration.target
        server = self.inventory.site.servers[name]
        answers = Answers(who="nobody") if at.directing else self._declared(server.answers, name)
        answers = self._with(answers, self.listed("arrived", at.arrived))
        answers = self._with(answers, self.spare(name, at.arrived))
        standing_by = self.listed("waiting", at.waiting & at.arrived)
        other = self.migration.source if at.returned else None
        return self._standing_by(server, answers, standing_by, at.waiting_delay, other)

    def _standing_by(
        self, server: Server, answers: Answers, group: str | None, delay: Delay, hands_over_to: str | None
    ) -> Server:
        update: dict[str, object] = {"answers": answers}
        if group is not None:
            update["delay_for"] = {group: delay, **server.delay_for}
            if hands_over_to is not None:
                programs = programs_elsewhere(self.inventory.site, hands_over_to)
                update["programs_for"] = {group: programs, **server.programs_for}
        return server.model_copy(update=update)

    # -- who stands between ------------------------------------------------------------------------

    def front(self) -> Server:
        """The ProxyDHCP that answers for both: the old server's files to all, the new one's to who moved."""
        server = self.inventory.site.servers[str(self.migration.through)]
        everyone = self.listed("through", self.scope)
        update: dict[str, object] = {
            "answers": Answers(who="only", groups=(everyone,)) if everyone else Answers(who="nobody"),
            "programs": programs_elsewhere(self.inventory.site, self.migration.source),
        }
        moved = self.listed("directed", self.placement.directed)
        if moved is not None:
            update["programs_for"] = {moved: programs_elsewhere(self.inventory.site, self.migration.target)}
        return server.model_copy(update=update)

    def directing_scope(self, scope: Scope) -> Scope:
        """A scope of the DHCP server that stands between: next server and file by where a client is."""
        if self.migration.through not in scope.servers:
            return scope
        site, moved = self.inventory.site, self.placement.directed
        ends = ((self.migration.target, moved), (self.migration.source, self.scope - moved))
        rules = tuple(
            ScopeRule(clients=(group,), programs=programs_elsewhere(site, end))
            for end, macs in ends
            if (group := self.listed(f"loads-from-{end}", macs)) is not None
        )
        return scope.model_copy(update={"rules": (*rules, *scope.rules)})

    # -- whom they answer ----------------------------------------------------------------------

    def _declared(self, answers: Answers, server: str) -> Answers:
        """The declared answers in a form that can be narrowed and widened: lists."""
        if answers.who == "intended":
            chosen = tuple(
                self.derived(f"{server}-intent-{number}", rule.clients, rule.unless)
                for number, rule in enumerate(self.inventory.site.intent)
                if rule.boot_from == server or server in rule.fallback
            )
            return answers.model_copy(update={"who": "only" if chosen else "nobody", "groups": chosen})
        if answers.who in ("known", "unknown"):
            return answers.model_copy(update={"who": "only", "groups": (answers.who,)})
        return answers

    def _without(self, answers: Answers, group: str | None) -> Answers:
        """The same answers, but not to the members of ``group``."""
        if group is None or answers.who == "nobody":
            return answers
        if answers.who == "everyone":
            return answers.model_copy(update={"who": "all_except", "groups": (group,)})
        if answers.who == "all_except":
            return answers.model_copy(update={"groups": (*answers.groups, group)})
        return answers.model_copy(update={"groups": (self.derived("staying", answers.groups, (group,)),)})

    def _with(self, answers: Answers, group: str | None) -> Answers:
        """The same answers, and to the members of ``group`` too."""
        if group is None or answers.who == "everyone":
            return answers
        if answers.who == "nobody":
            return answers.model_copy(update={"who": "only", "groups": (group,)})
        if answers.who == "only":
            return answers.model_copy(update={"groups": (*answers.groups, group)})
        return answers.model_copy(update={"groups": (self.derived("refused", answers.groups, (group,)),)})

    # -- intent --------------------------------------------------------------------------------

    def intent(self) -> tuple[IntentRule, ...]:
        """The intent with each rule about one of the two servers split by where its clients are now."""
        old, new = self.migration.source, self.migration.target
        on_target = frozenset(mac for mac in self.scope if self.placement.on_target(mac))
        found: list[IntentRule] = []
        for number, rule in enumerate(self.inventory.site.intent):
            if rule.boot_from in (old, new):
                members = self.inventory.members(rule.clients, rule.unless)
                about = (MacSet.of(self.scope) & members).points
                for server, macs in ((new, about & on_target), (old, about - on_target)):
                    key = self.listed(f"intent-{number}-{server}", macs)
                    if key is not None:
                        update = {"boot_from": server, "clients": (key,), "unless": ()}
                        found.append(rule.model_copy(update=update))
                if about and not members - MacSet.of(about):
                    continue
            found.append(rule)
        return tuple(found)
