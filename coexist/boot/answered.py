"""Whom a server answers, as its declaration and the intent say."""

from __future__ import annotations

from coexist.inventory import EVERYONE, NOBODY, Inventory, MacSet
from coexist.inventory.models import IntentRule, Server


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
    answers = inventory.site.servers[name].answers
    match answers.who:
        case "intended":
            return intended_clients(inventory, name)
        case "nobody":
            return []
    return [(answered(inventory, name), answers.architectures)]


def answered_architectures(inventory: Inventory, name: str) -> tuple[str, ...] | None:
    """The architectures that a server answers; None for all.

    Where the intent gives it clients of some architectures only, ``answers: intended`` means those. It is one
    list of clients and one of architectures: that some clients are its own by another architecture than
    others is more than a product with two lists can say.
    """
    server = inventory.site.servers[name]
    declared = server.answers.architectures
    if server.answers.who != "intended" or not _programmed(server):
        return declared
    found: dict[str, None] = {}
    for _, architectures in intended_clients(inventory, name):
        if architectures is None:
            return declared
        found.update(dict.fromkeys(architectures))
    if not found:
        return declared  # the intent gives it nobody, which its list of clients says
    return tuple(each for each in found if declared is None or each in declared)


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
    return tuple(name for name in server.programs if name != "ipxe")


def _is_about(rule: IntentRule, vlan: str, architecture: str | None) -> bool:
    if rule.vlan is not None and vlan not in rule.vlan:
        return False
    return rule.architectures is None or architecture in rule.architectures
