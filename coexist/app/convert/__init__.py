"""Convert a DHCP server to another product: its whole file, what has no equal, and the proof of the rest.

The written file is read back by its own language and evaluated as its daemon would; what it answers is
compared with the source's own evaluation for all clients there can be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

from pydantic import ValidationError

from coexist.analysis.equal_replies import Comparison, Side, compare
from coexist.app.convert.leases import CarriedLeases
from coexist.app.convert.through_inventory import write as write_through_inventory
from coexist.app.convert.written import Conversion, Written
from coexist.boot.leases.lease import LeaseSource
from coexist.boot.own_files import Files, OwnConfig, OwnSubnet, Wire, own_config, wire_of
from coexist.boot.servers import model_for
from coexist.boot.servers.declared import plan_leases
from coexist.errors import CoexistError, Position
from coexist.importers.account import NotModelled
from coexist.inventory import Inventory, load_inventory
from coexist.inventory.models import Server
from coexist.inventory.products import current, part, products
from coexist.inventory.software import Software
from coexist.records import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A server in another product's words. ``lost``: statements without an equal, each with its line."""

    server: str
    software: str
    path: str
    text: str
    lost: tuple[NotModelled, ...]
    proof: Comparison
    leases: CarriedLeases | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing is lost and all clients are answered as before."""
        return not self.lost and self.proof.equal and not (self.leases and self.leases.problems)


def convert(site: Path, name: str, to: str, leases: Path | None = None) -> Converted:
    """Convert the server ``name`` to the product ``to`` ("kea 3.0"), with its lease file if there is one.

    Raises ``CoexistError``.
    """
    inventory = load_inventory(site)
    server = inventory.site.servers.get(name)
    if server is None:
        known = ", ".join(sorted(inventory.site.servers))
        raise CoexistError(f"there is no server {name}; the inventory has {known}")
    if "dhcp" not in server.effective_roles:
        raise CoexistError(f"{name} is no DHCP server; only DHCP servers are converted")
    target = _as(server, to)
    if not (target.product.own_file and target.product.renderer):
        able = sorted(p.name for p in products().values() if p.own_file and p.renderer)
        raise CoexistError(f"nothing is converted to {to}; name one of {', '.join(able)}")
    if target.product == server.product:
        raise CoexistError(f"{name} runs {server.product.name} already; name another product")
    conversion = _conversion(server, target)
    carry = None if conversion is None else conversion.carry
    if leases is not None and carry is None:
        raise CoexistError(
            f"no leases are carried from {server.product.describe} to {target.product.describe}; "
            "leave the leases out"
        )
    write = conversion.write if conversion is not None and server.config else write_through_inventory
    written = write(inventory, name, target)
    carried = None if leases is None or carry is None else carry(leases, written.text, target)
    return Converted(
        server=name,
        software=to,
        path=written.path,
        text=written.text,
        lost=written.lost,
        proof=prove(inventory, name, target, written),
        leases=carried,
    )


def _as(server: Server, to: str) -> Server:
    """The declaration of the server as another product, without what only its own product knows."""
    try:
        software = Software.model_validate(to)
    except ValidationError as error:
        raise CoexistError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    roles = server.effective_roles
    target = server.model_copy(update={"software": software, "config": {}, "dropin": None, "roles": roles})
    conversion = _conversion(server, target)
    return target.model_copy(update={"settings": {} if conversion is None else dict(conversion.settings)})


def _conversion(server: Server, target: Server) -> Conversion | None:
    """The way of the one product's own to the other, or else of the other's; None if neither has one."""
    wanted = (server.product, target.product)
    for product in wanted:
        own: tuple[Conversion, ...] = part(product, "conversions") or ()
        for conversion in own:
            if (current(conversion.of or product), current(conversion.to)) == wanted:
                return conversion
    return None


# -- the proof -----------------------------------------------------------------------------------------


def prove(inventory: Inventory, name: str, target: Server, written: Written) -> Comparison:
    """Read what was written for the server ``name`` as ``target`` back by its language, and compare it with
    what the inventory says of the server."""
    return compare(*sides(inventory, name, target, written))


def sides(
    inventory: Inventory, name: str, target: Server, written: Written
) -> tuple[Side, Side, IPv4Address, list[IPv4Address]]:
    """What the inventory says of a server, what its written file does, its address, and its relay agents."""
    text: Files = _Text(written.path, written.text, target.software.version, wire_of(inventory.site, name))
    config: OwnConfig = part(target.product, "own_file")(text)
    servers = {
        **inventory.site.servers,
        name: target.model_copy(update={"config": {written.path: written.path}}),
    }
    after = replace(
        inventory,
        site=inventory.site.model_copy(update={"servers": servers}),
        read={**inventory.read, name: config},
    )
    address = next(iter(inventory.site.servers[name].stands_on.values()))
    relays = [
        giaddr
        for vlan in inventory.site.vlans.values()
        if name in vlan.relay_to
        for giaddr in (vlan.giaddrs or vlan.routers)
    ]
    return _side(inventory, name), _side(after, name), address, relays


def _side(inventory: Inventory, name: str) -> Side:
    own = own_config(inventory, name)
    leases: LeaseSource = plan_leases(inventory, name) if own is None else own.leases
    subnets = _subnets_of_scopes(inventory, name) if own is None else own.subnets
    return Side(model=model_for(inventory, name), leases=leases, subnets=subnets)


def _subnets_of_scopes(inventory: Inventory, name: str) -> tuple[OwnSubnet, ...]:
    leases = plan_leases(inventory, name)
    return tuple(
        OwnSubnet(
            network=subnet.network,
            at=Position(""),
            ranges=tuple((pool.first, pool.last, Position("")) for pool in subnet.pools),
        )
        for vlan in leases.plan.vlans
        for subnet in vlan.subnets
        if subnet.scope is not None
    )


@dataclass(frozen=True, slots=True)
class _Text:
    """A written file, as `boot.own_files.Files` has it."""

    main: str
    written: str
    version: str
    wire: Wire

    @property
    def resolve(self) -> Callable[[str], tuple[IPv4Address, ...]]:
        return lambda _: ()

    def text(self) -> str:
        return self.written

    def include(self, name: str) -> str:
        raise FileNotFoundError(2, "it is not there", name)

    def entries(self, name: str) -> list[str] | None:
        raise FileNotFoundError(2, "it is not there", name)

    def commands(self) -> tuple[str, str] | None:
        return None

    def of_server(self, address: IPv4Address) -> OwnConfig | None:
        return None

    def called(self, name: str) -> str:
        return name
