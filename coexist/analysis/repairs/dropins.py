"""Repairs on servers that run on their own files: what can be told them is a rule of their drop-in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from coexist.analysis.edits import Edit, append, put
from coexist.analysis.site import AnalysedSite, Case
from coexist.boot.own_files import own_config

_BEYOND = frozenset({"dropin", "whole", "config", "names", "roles", "deploy", "software"})
"""What may be declared of such a server beside what its files say."""


def can_be_told(site: AnalysedSite, edit: Edit) -> bool:
    """Whether an edit changes what the inventory decides, and not what stands in a server's own files."""
    kind, name = (*edit.path, "", "")[:2]
    if kind == "scopes":
        scope = site.site.scopes.get(str(name))
        return scope is None or not any(site.site.servers[s].config for s in scope.servers)
    if kind == "servers" and (server := site.site.servers.get(str(name))) is not None and server.config:
        return len(edit.path) < 3 or edit.path[2] in _BEYOND
    return True


def leave_out(site: AnalysedSite, name: str) -> tuple[Edit, ...]:
    """Let a boot service answer its own clients alone; none where its file leases addresses too."""
    server = site.site.servers[name]
    if "dhcp" in server.effective_roles or not server.product.dropin:
        return ()
    own = _groups(rule.clients for rule in site.site.intent if name in (rule.boot_from, *rule.fallback))
    if not own or "everyone" in own:
        return ()
    others = f"not-{name}"
    made = () if others in site.site.groups else (_group(others, own),)
    return (*made, *_rules(site, name, [{"clients": others, "ignore": True}]))


def hand_over(site: AnalysedSite, scope: str, cases: Sequence[Case]) -> tuple[Edit, ...]:
    """Let the server of a scope name what the intended boot servers have, for their clients."""
    rules = []
    wanted = dict.fromkeys((c.intended.rule, c.intended.server) for c in cases if c.intended.boots)
    for number, server in wanted:
        if number is None or server is None or server not in site.boot_services:
            continue
        programs = _programs(site, server)
        if not programs:
            return ()
        clients = list(site.site.intent[number].clients)
        rules.append({"clients": clients, "next_server": server, "programs": programs})
    servers = site.site.scopes[scope].servers if rules else ()
    return tuple(edit for name in servers for edit in _rules(site, name, rules))


def _programs(site: AnalysedSite, name: str) -> dict[str, str]:
    """The files of a boot service by architecture, as far as they are known."""
    server = site.site.servers[name]
    config = own_config(site.inventory, name)
    if config is not None:
        known = dict(config.programs)
    else:
        known = {key: program.file for key, program in server.named_programs.items()}
    return {key: file for key, file in known.items() if key in site.site.architectures}


def _groups(lists: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(group for names in lists for group in names))


def _group(name: str, own: list[str]) -> Edit:
    return put("groups", name, value={"groups": ["everyone"], "except": own})


def _rules(site: AnalysedSite, name: str, rules: list[dict[str, Any]]) -> list[Edit]:
    """Rules more in a server's drop-in, which is begun if there is none."""
    server = site.site.servers[name]
    if server.dropin is not None:
        return [append("servers", name, "dropin", "rules", value=rule) for rule in rules]
    return [put("servers", name, "dropin", value={"path": server.product.dropin_path, "rules": rules})]
