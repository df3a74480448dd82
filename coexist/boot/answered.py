"""Whom a server answers, as its declaration and the intent say."""

from __future__ import annotations

from coexist.inventory import EVERYONE, NOBODY, Inventory, MacSet
from coexist.inventory.models import IntentRule, Server
from coexist.wire.architecture import ARCHITECTURE_NAMES


def answered(inventory: Inventory, name: str) -> MacSet:
    """The clients a server answers on any architecture."""
    answers = inventory.site.servers[name].answers
    match answers.who:
        case "intended":
            result = NOBODY
            for macs, _ in intended_clients(inventory, name):
                result |= macs
            return result
        case "only":
            return inventory.members(answers.groups)
        case "all_except":
            return ~inventory.members(answers.groups)
        case "nobody":
            return NOBODY
        case who:
            return inventory.group(who)


def answers_of(inventory: Inventory, name: str) -> list[tuple[MacSet, tuple[str, ...] | None]]:
    """The clients a server answers, each set with the architectures it is about (None: any)."""
    server = inventory.site.servers[name]
    match server.answers.who:
        case "intended" if server.can.architectures_by_client:
            return intended_clients(inventory, name)
        case "nobody":
            return []
    return [(answered(inventory, name), answered_architectures(inventory, name))]


def answered_architectures(inventory: Inventory, name: str) -> tuple[str, ...] | None:
    """The architectures that a server answers, whoever asks; None for all."""
    answers = inventory.site.servers[name].answers
    declared = answers.architectures
    meant = intended_architectures(inventory, name) if answers.who == "intended" else None
    if meant is None:
        return declared
    return tuple(each for each in meant if declared is None or each in declared)


def intended_architectures(inventory: Inventory, name: str) -> tuple[str, ...] | None:
    """The architectures that ``answers: intended`` means for a server; None for all.

    Where the intent gives it clients of some architectures only, it means those. It is one list of clients
    and one of architectures: that some clients are its own by another architecture than others is more than
    a product with two lists can say. One that cannot tell architectures apart has the list of clients alone.
    """
    server = inventory.site.servers[name]
    if not server.can.by_architecture or not _programmed(server):
        return None
    found: dict[str, None] = {}
    for _, architectures in intended_clients(inventory, name):
        if architectures is None:
            return None
        found.update(dict.fromkeys(architectures))
    # Of nobody its list of clients says so.
    return tuple(found) or None


def intended_clients(inventory: Inventory, name: str) -> list[tuple[MacSet, tuple[str, ...] | None]]:
    """The clients the intent gives to a server, first choice or fallback, on any VLAN.

    Each with the architectures it is about; None means any.
    """
    site = inventory.site
    named = sorted({a for rule in site.intent for a in rule.architectures or ()})
    # Architectures the intent never names behave alike: None stands for them.
    by_architecture: dict[str | None, MacSet] = {}
    for architecture in (None, *named):
        found = NOBODY
        for vlan in site.vlans:
            left = EVERYONE
            for rule in site.intent:
                if not _is_about(rule, vlan, architecture):
                    continue
                macs = inventory.members(rule.clients, rule.unless) & left
                left = left - macs
                if name == rule.boot_from or name in rule.fallback:
                    found |= macs
        by_architecture[architecture] = found
    others = by_architecture.pop(None)
    if all(macs == others for macs in by_architecture.values()):
        return [(others, None)] if others else []
    # A rule narrowed to its architecture comes before the one for all others.
    result: list[tuple[MacSet, tuple[str, ...] | None]] = [
        (macs, (architecture,)) for architecture, macs in by_architecture.items() if macs and architecture
    ]
    every = tuple(a for a in _programmed(site.servers[name]) if a not in named)
    return result + ([(others, every)] if others and every else [])


def _programmed(server: Server) -> tuple[str, ...]:
    """The architectures that a server has programs for: all, where its product brings its own along."""
    declared = tuple(name for name in server.programs if name != "ipxe")
    if declared and not server.product.fills_in:
        return declared
    return tuple(sorted(ARCHITECTURE_NAMES)) if server.product.own_programs else declared


def _is_about(rule: IntentRule, vlan: str, architecture: str | None) -> bool:
    if rule.vlan is not None and vlan not in rule.vlan:
        return False
    return rule.architectures is None or architecture in rule.architectures
