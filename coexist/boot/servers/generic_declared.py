"""A plain responder as an inventory declares it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from coexist.boot.answered import answered, answered_architectures
from coexist.boot.policy import architecture_codes
from coexist.boot.responder import ServerModel
from coexist.boot.servers.declared import boot_server, files
from coexist.boot.servers.generic import GenericModel, Where
from coexist.boot.servers.together import TogetherModel
from coexist.inventory import Inventory
from coexist.inventory.macset import EVERYONE, MacSet
from coexist.inventory.values import Delay, option_bytes
from coexist.wire.options import Option
from coexist.wire.pxe import SubOption

OWN_PROGRAM = "its own program"
"""The file of a product that brings its boot programs along, where the inventory names none."""


def boot_service(inventory: Inventory, name: str) -> ServerModel:
    """A responder known by its declaration alone."""
    return delayed(inventory, declared_responder(inventory, name))


def declared_responder(inventory: Inventory, name: str, *, file_in: Where = "both") -> GenericModel:
    """What the inventory says of a responder, with one delay for all."""
    server = inventory.site.servers[name]
    control = server.discovery_control
    vendor = None
    if control is not None:
        vendor = bytes((SubOption.DISCOVERY_CONTROL, 1, control, 255))
    options = {code: option_bytes(code, value) for code, value in server.options.items()}
    return GenericModel(
        name=name,
        clients=answered(inventory, name),
        architectures=architecture_codes(answered_architectures(inventory, name)),
        delay=server.kept(server.delay),
        files=files(server),
        default_file=OWN_PROGRAM if server.product.own_programs and not server.named_programs else None,
        file_in=file_in,
        terminated=True,
        offers_file=(not server.product.asked_on_4011) if server.offers_file is None else server.offers_file,
        vendor_options=options.pop(Option.VENDOR_SPECIFIC_INFORMATION, vendor),
        siaddr=boot_server(inventory, server),
        answers_67="proxydhcp" in server.effective_roles,
        answers_4011=server.answers_4011 is not False,
        broadcasts=True,
        acknowledges_items=True,
        options=options,
    )


def delayed(
    inventory: Inventory, base: GenericModel, further: Iterable[tuple[MacSet, Delay]] = ()
) -> ServerModel:
    """The responder with the delays of its groups and ``further`` ones: one part for each, of disjoint
    clients."""
    server = inventory.site.servers[base.name]
    groups = ((inventory.group(group), server.kept(delay)) for group, delay in server.delay_for.items())
    parts: list[ServerModel] = []
    left = EVERYONE
    for clients, delay in (*groups, *further):
        own = base.clients & clients & left
        left = left - clients
        if own:
            parts.append(replace(base, clients=own, delay=delay))
    rest = base.clients & left
    if not parts:
        return base
    if rest:
        parts.append(replace(base, clients=rest))
    return TogetherModel(name=base.name, parts=tuple(parts))
