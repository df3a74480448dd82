"""An inventory being changed: the declarations as they would be, and the edits that make them so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from coexist.analysis.edits import Edit
from coexist.analysis.races import RaceMemory
from coexist.analysis.site import AnalysedSite
from coexist.inventory import Inventory
from coexist.inventory.documents import Path
from coexist.inventory.models import Answers, Program, Scope, ScopeRule, Server, Vlan
from coexist.inventory.values import Delay


class Draft:
    """Changes declarations one by one. `site` is analysed afresh after each change.

    ``memory``: a change leaves most races as they were.
    """

    def __init__(self, inventory: Inventory, memory: RaceMemory | None = None) -> None:
        self.inventory = inventory
        self.memory = memory or RaceMemory()
        self.edits: list[Edit] = []
        self._site: AnalysedSite | None = None

    @property
    def site(self) -> AnalysedSite:
        """The site as it would be now."""
        if self._site is None:
            self._site = self._analysed(self.inventory)
        return self._site

    def trial(self, name: str, **update: Any) -> AnalysedSite:
        """The site if some fields of a server were others; the draft stays as it is."""
        server = self.inventory.site.servers[name].model_copy(update=update)
        return self._analysed(self._with("servers", name, server))

    def trial_of_rule(self, scope: str, written: dict[str, Any]) -> AnalysedSite:
        """The site if a scope had one more rule at its end; the draft stays as it is."""
        declared = self.inventory.site.scopes[scope]
        rules = (*declared.rules, ScopeRule.model_validate(written))
        return self._analysed(self._with("scopes", scope, declared.model_copy(update={"rules": rules})))

    def _analysed(self, inventory: Inventory) -> AnalysedSite:
        return AnalysedSite(inventory, memory=self.memory)

    def _with(self, section: str, name: str, declared: Any) -> Inventory:
        site = self.inventory.site
        changed = {**getattr(site, section), name: declared}
        return replace(self.inventory, site=site.model_copy(update={section: changed}))

    def _change(self, section: str, name: str, update: Callable[[Any], dict[str, Any]], edit: Edit) -> None:
        declared = getattr(self.inventory.site, section)[name]
        self.inventory = self._with(section, name, declared.model_copy(update=update(declared)))
        self.edits.append(edit)
        self._site = None

    # -- VLANs ------------------------------------------------------------------------------------

    def relay_to(self, vlan: str, server: str, why: str) -> None:
        """Add a relay target."""

        def update(declared: Vlan) -> dict[str, Any]:
            return {"relay_to": (*declared.relay_to, server)}

        self._change(
            "vlans",
            vlan,
            update,
            Edit(kind="append", path=("vlans", vlan, "relay_to"), value=server, why=why),
        )

    def relay_no_more(self, vlan: str, target: str, why: str) -> None:
        """Take a relay target out."""

        def update(declared: Vlan) -> dict[str, Any]:
            return {"relay_to": tuple(t for t in declared.relay_to if t != target)}

        self._change(
            "vlans", vlan, update, Edit(kind="drop", path=("vlans", vlan, "relay_to"), value=target, why=why)
        )

    def trust(self, vlan: str, server: str, why: str) -> None:
        """Let DHCP snooping pass a server's offers."""

        def update(declared: Vlan) -> dict[str, Any]:
            assert declared.snooping is not None
            trusted = (*declared.snooping.trusted, server)
            return {"snooping": declared.snooping.model_copy(update={"trusted": trusted})}

        path = ("vlans", vlan, "snooping", "trusted")
        self._change("vlans", vlan, update, Edit(kind="append", path=path, value=server, why=why))

    # -- servers ----------------------------------------------------------------------------------

    def answer(self, server: str, answers: Answers, why: str) -> None:
        """Set whom a server answers: a plain word, or everyone but some groups."""

        def update(_: Server) -> dict[str, Any]:
            return {"answers": answers}

        path = ("servers", server, "answers")
        written = {"except": list(answers.groups)} if answers.who == "all_except" else answers.who
        self._change("servers", server, update, Edit(kind="put", path=path, value=written, why=why))

    def program(self, path: Path, program: Program, why: str) -> None:
        """Add a boot program to a server's, or to those it has for a group."""
        name, key = str(path[1]), str(path[-1])

        def update(declared: Server) -> dict[str, Any]:
            if path[2] == "programs":
                return {"programs": {**declared.programs, key: program}}
            group = str(path[3])
            changed = {**declared.programs_for[group], key: program}
            return {"programs_for": {**declared.programs_for, group: changed}}

        written = program.file if program.server is None else program.model_dump()
        self._change("servers", name, update, Edit(kind="put", path=path, value=written, why=why))

    def delay(self, server: str, delay: Delay, why: str) -> None:
        """Set a server's delay, or remove it."""

        def update(_: Server) -> dict[str, Any]:
            return {"delay": delay}

        path = ("servers", server, "delay")
        written = delay_value(delay)
        edit = Edit(kind="remove" if written is None else "put", path=path, value=written, why=why)
        self._change("servers", server, update, edit)

    # -- scopes -----------------------------------------------------------------------------------

    def forget(self, path: Path, why: str) -> None:
        """Remove a value of a scope or of one of its rules: a file, a next server, a program or an option."""
        name = str(path[1])
        inside = path[2:]

        def update(declared: Scope) -> dict[str, Any]:
            if inside[0] != "rules":
                return _without(declared, inside)
            number = int(inside[1])
            rules = list(declared.rules)
            rules[number] = rules[number].model_copy(update=_without(rules[number], inside[2:]))
            return {"rules": tuple(rules)}

        self._change("scopes", name, update, Edit(kind="remove", path=path, value=None, why=why))

    def forget_option(self, server: str, code: int, why: str) -> None:
        """Remove an option that a server gives in all of its scopes."""

        def update(declared: Server) -> dict[str, Any]:
            return {"options": {c: value for c, value in declared.options.items() if c != code}}

        path = ("servers", server, "options", code)
        self._change("servers", server, update, Edit(kind="remove", path=path, why=why))

    def rule(self, scope: str, written: dict[str, Any], why: str) -> None:
        """Add a rule at the end of a scope's list."""
        made = ScopeRule.model_validate(written)

        def update(declared: Scope) -> dict[str, Any]:
            return {"rules": (*declared.rules, made)}

        path = ("scopes", scope, "rules")
        self._change("scopes", scope, update, Edit(kind="append", path=path, value=written, why=why))

    def tidy(self) -> None:
        """Take out the rules that say nothing any more; last, because it moves those behind them."""
        touched = {
            edit.path[:4] for edit in self.edits if edit.kind == "remove" and "rules" in edit.path[2:3]
        }
        for path in sorted(touched, key=lambda path: -int(path[3])):
            name, number = str(path[1]), int(path[3])
            rules = self.inventory.site.scopes[name].rules
            if _says_something(rules[number]):
                continue
            kept = (*rules[:number], *rules[number + 1 :])
            edit = Edit(kind="remove", path=path, value=None, why="the rule says nothing any more")
            self._change("scopes", name, lambda _, kept=kept: {"rules": kept}, edit)  # type: ignore[misc]


def _says_something(rule: ScopeRule) -> bool:
    said = (rule.next_server, rule.filename, rule.programs, rule.options, rule.ignore)
    return any(said)


def _without(holder: Scope | ScopeRule, path: Path) -> dict[str, Any]:
    key = str(path[0])
    if key == "options":
        return {"options": {c: v for c, v in holder.options.items() if c != int(path[1])}}
    if key == "programs":
        return {"programs": {k: v for k, v in holder.programs.items() if k != path[1]}}
    return {key: None}


def delay_value(delay: Delay) -> Any:
    """A delay as it is written in YAML; None for none."""
    match delay.kind:
        case "none":
            return None
        case "after":
            return delay.after
        case "secs_at_least":
            return {"secs_at_least": delay.secs_at_least}
        case "since_first":
            return {"since_first": delay.since_first}
        case _:
            return {"after_offer": True}
