"""What servers' own files leave open (a program they run, a name in DNS, the date): every way it can come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from coexist.analysis.world import World, with_models
from coexist.boot.leases.lease import OpenCondition
from coexist.boot.own_files import decided, own_config
from coexist.boot.responder import ServerModel
from coexist.boot.servers import model_for
from coexist.inventory import Inventory

EVERY_COMBINATION = 3
"""Of up to so many conditions of a site every combination is raced; of more, each alone and all at once."""


def open_conditions(inventory: Inventory) -> dict[str, tuple[OpenCondition, ...]]:
    """The open conditions of each server by its own files."""
    configs = {name: own_config(inventory, name) for name in inventory.site.servers}
    return {name: config.leases.opens for name, config in configs.items() if config and config.leases.opens}


def other_worlds(inventory: Inventory, world: World) -> Iterator[World]:
    """The world with open conditions true; the one in which all are false is ``world`` itself."""
    found = [(name, condition) for name, opens in open_conditions(inventory).items() for condition in opens]
    for chosen in _combinations(len(found)):
        by_server: dict[str, dict[OpenCondition, bool]] = {}
        for number in chosen:
            name, condition = found[number]
            by_server.setdefault(name, {})[condition] = True
        yield with_models(world, _models(inventory, by_server))


def _combinations(count: int) -> Iterator[tuple[int, ...]]:
    if count <= EVERY_COMBINATION:
        for flags in product((False, True), repeat=count):
            chosen = tuple(number for number, flag in enumerate(flags) if flag)
            if chosen:
                yield chosen
        return
    yield from ((number,) for number in range(count))
    yield tuple(range(count))


def _models(
    inventory: Inventory, conditions: Mapping[str, Mapping[OpenCondition, bool]]
) -> dict[str, ServerModel]:
    return {name: model_for(decided(inventory, name, found), name) for name, found in conditions.items()}
