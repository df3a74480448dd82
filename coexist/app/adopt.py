"""Take a server that runs into an inventory: its own files as they are, without their secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path, PurePosixPath
from typing import Any

from coexist.boot.own_files import NO_WIRE, OwnConfig, Wire
from coexist.errors import CoexistError, InputError, Position, UndecidedError, unreadable
from coexist.inventory import load_inventory
from coexist.inventory.files import MAIN_FILE
from coexist.inventory.models import Server
from coexist.inventory.product import Product
from coexist.inventory.products import part, products
from coexist.languages.source_files import NOTHING
from coexist.planning.yaml_edit import EditError, flow, put, section_with
from coexist.records import dataclass
from coexist.text.amounts import amount
from coexist.wire.options import Option

Fetch = Callable[[str], bytes]
"""The octets of a file by its path on the server. Raises OSError."""

Listing = Callable[[str], list[str] | None]
"""The files of a folder on the server by their paths; None for what is no folder. Raises OSError."""


def no_folders(_: str) -> list[str] | None:
    """The listing of a source that has none."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is adopted. ``path``: of the main file on the server, empty for its product's usual one; ``host``
    and ``user``: how it is reached, if it is."""

    name: str
    product: str
    path: str = ""
    address: IPv4Address | None = None
    vlan: str = ""
    host: str = ""
    user: str = ""
    again: bool = False
    """The server is declared already: its copies are replaced, and nothing else of the inventory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What was written and found. ``files``: by their path on the server, where they now are; ``redacted``:
    those with a secret that is not in them any more."""

    site: Path
    files: dict[str, Path]
    redacted: tuple[str, ...]
    config: OwnConfig
    declared: dict[str, Any]


@dataclass(slots=True)
class Fetched:
    """The files of a server as they are fetched (`boot.own_files.Files`), each without its secrets from the
    beginning. ``texts``: by the names that the files have for each other. ``shown``: how the main file is
    called in positions, if that is not its path."""

    path: str
    fetch: Fetch
    redact: Callable[[str], str]
    listing: Listing = no_folders
    texts: dict[str, str] = field(default_factory=dict)
    version: str = ""
    redacted: list[str] = field(default_factory=list)
    shown: str = ""

    @property
    def main(self) -> str:
        """How the main file is called in positions."""
        return self.shown or self.path

    @property
    def resolve(self) -> Callable[[str], tuple[IPv4Address, ...]]:
        """Names have no address before an inventory has them."""
        return lambda _: ()

    @property
    def wire(self) -> Wire:
        """Where it stands is not known before its files are."""
        return NO_WIRE

    def text(self) -> str:
        """The main file. Raises InputError."""
        try:
            return self.include(self.path)
        except OSError as error:
            # A copy is looked for under its own name.
            raise InputError([unreadable(error, Position(str(error.filename or self.path)))]) from None

    def include(self, name: str) -> str:
        """A file that another one names. Raises OSError."""
        if name == str(NOTHING):
            return ""
        if name not in self.texts:
            found = self.fetch(name).decode("utf-8", "surrogateescape")
            self.texts[name] = self.redact(found)
            if self.texts[name] != found:
                self.redacted.append(name)
        return self.texts[name]

    def entries(self, name: str) -> list[str] | None:
        """The files of a folder; None for what is none. Raises OSError."""
        found = self.listing(name)
        if found is not None and not found:
            # A daemon looks for its folder: an empty one must be there in the inventory too.
            self.texts[f"{name.rstrip('/')}/.keep"] = ""
        return found

    def commands(self) -> tuple[str, str] | None:
        """There is no drop-in yet."""
        return None

    def of_server(self, address: IPv4Address) -> OwnConfig | None:
        """No other server is known yet."""
        return None

    def called(self, name: str) -> str:
        """How such a file is called in positions."""
        return name


def adopt(site: Path, wanted: Wanted, fetch: Fetch, listing: Listing = no_folders) -> Adopted:
    """Fetch a server's files into the inventory in ``site`` and declare it by them.

    An inventory that is not there is begun with the networks of the files. Raises ``CoexistError``, and
    nothing is written then.
    """
    if wanted.again:
        return _again(site, wanted, fetch, listing)
    product = _product(wanted.product)
    path = wanted.path or product.own_main or product.target or ""
    fetched = Fetched(path, fetch, part(product, "redactor"), listing)
    config: OwnConfig = part(product, "own_file")(fetched)
    main = site / MAIN_FILE
    begun = main.exists()
    if begun and wanted.name in load_inventory(site).site.servers:
        raise UndecidedError(
            f"{main} has a server {wanted.name} already; give this one another name, "
            "or take its files once more",
            "again",
        )
    text = main.read_text(encoding="utf-8") if begun else f"site: {flow(site.absolute().name)}\n"
    known = load_inventory(site).site.vlans if begun else {}
    vlans = {name: tuple(vlan.subnet) for name, vlan in known.items()}
    new = _new_vlans(config, vlans, {vlan.id for vlan in known.values()})
    vlans |= {name: (IPv4Network(str(declared["subnet"])),) for name, declared in new.items()}
    if not vlans:
        raise CoexistError("the file declares no subnet, so no inventory can be begun with it")
    address = wanted.address or config.address
    if address is None:
        raise CoexistError(f"no file says which address {wanted.name} has; name the address, as in 10.10.0.5")
    vlan = wanted.vlan or next((name for name, nets in vlans.items() if any(address in n for n in nets)), "")
    if not vlan:
        raise CoexistError(f"no VLAN of the inventory holds {address}; name the VLAN, or declare it")
    files = {name: place_of(wanted.name, name) for name in fetched.texts}
    copies = {name: str(place) for name, place in files.items() if not name.endswith("/.keep")}
    declared = _declaration(wanted, address, vlan, copies)
    if not product.usual_roles and config.roles:
        declared["roles"] = sorted(config.roles)
    try:
        for name, network in new.items():
            text = section_with(text, "vlans", name, network)
        text = section_with(text, "servers", wanted.name, declared)
    except EditError as error:
        raise CoexistError(f"{main}: {error}; declare the server by hand") from None
    for target in (site / place for place in files.values()):
        if target.exists():
            raise CoexistError(f"{target} is there already; remove it, or give the server another name")
    _write(site, fetched.texts, files)
    site.mkdir(parents=True, exist_ok=True)
    main.write_text(text, encoding="utf-8")
    return Adopted(
        site=main,
        files={name: site / place for name, place in files.items()},
        redacted=tuple(fetched.redacted),
        config=config,
        declared=declared,
    )


def refuse_by_hand(site: Path, name: str, software: str) -> None:
    """Raise ``CoexistError`` for a server whose configuration is in no file that could be fetched.

    ``software``: as it was given; empty for the server ``name`` that the inventory in ``site`` has already.
    """
    product = _product(software) if software else _declared(site, name).product
    if product.exported:
        raise CoexistError(
            f"a server of {product.name} keeps no file that could be fetched: {product.exported}"
        )


def _declared(site: Path, name: str) -> Server:
    server = load_inventory(site).site.servers.get(name)
    if server is None or not server.config:
        text = f"{site / MAIN_FILE} has no server {name} with `config:`; adopt it for the first time"
        raise CoexistError(text)
    return server


def _again(site: Path, wanted: Wanted, fetch: Fetch, listing: Listing) -> Adopted:
    """Fetch the files of a server that is declared by them into the places where its copies are."""
    main = site / MAIN_FILE
    server = _declared(site, wanted.name)
    path = wanted.path or server.main_file or ""
    ours = {} if server.dropin is None else dict.fromkeys(server.dropin.paths, "")
    fetched = Fetched(path, fetch, part(server.product, "redactor"), listing, dict(ours))
    config: OwnConfig = part(server.product, "own_file")(fetched)
    texts = {name: text for name, text in fetched.texts.items() if name not in ours}
    places = {name: PurePosixPath(server.config.get(name, place_of(wanted.name, name))) for name in texts}
    more = {name: str(place) for name, place in places.items() if name not in server.config}
    if more:
        declared = {**server.config, **more}
        try:
            text = put(main.read_text(encoding="utf-8"), ("servers", wanted.name, "config"), declared)
        except EditError as error:
            raise CoexistError(f"{main}: {error}; declare {', '.join(more)} by hand") from None
        main.write_text(text, encoding="utf-8")
    _write(site, texts, places)
    return Adopted(
        site=main,
        files={name: site / place for name, place in places.items()},
        redacted=tuple(fetched.redacted),
        config=config,
        declared={"config": dict(server.config)},
    )


def _write(site: Path, texts: Mapping[str, str], places: Mapping[str, PurePosixPath]) -> None:
    for name, place in places.items():
        target = site / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(texts[name].encode("utf-8", "surrogateescape"))


def _product(name: str) -> Product:
    known = {key: product for key, product in products().items() if product.is_adoptable}
    if name not in known:
        raise CoexistError(
            f"a server of {name!r} cannot be adopted; those that can: {', '.join(sorted(known))}"
        )
    return known[name]


def place_of(server: str, path: str) -> PurePosixPath:
    """Where a file of the server lies in the inventory: below the server, by its path there."""
    parts = [piece for piece in PurePosixPath(path.lstrip("/")).parts if piece not in ("..", ".", "/")]
    return PurePosixPath("servers", server, *parts)


def _declaration(wanted: Wanted, address: IPv4Address, vlan: str, files: dict[str, str]) -> dict[str, Any]:
    declared: dict[str, Any] = {
        "software": wanted.product,
        "address": str(address),
        "vlan": vlan,
        "config": files,
    }
    if wanted.host:
        declared["deploy"] = {"host": wanted.host} | ({"user": wanted.user} if wanted.user else {})
    return declared


def _new_vlans(
    config: OwnConfig, known: Mapping[str, tuple[IPv4Network, ...]], ids: set[int]
) -> dict[str, dict[str, Any]]:
    """A VLAN for each network of the files that no declared one has."""
    found: dict[str, dict[str, Any]] = {}
    for subnet in config.subnets:
        if any(subnet.network.overlaps(network) for networks in known.values() for network in networks):
            continue
        number = next(n for n in range(1, 4095) if n not in ids)
        ids.add(number)
        gateway = _gateway(config, subnet.network)
        found[_named(subnet.network)] = {
            "id": number,
            "subnet": str(subnet.network),
            **({"gateway": str(gateway)} if gateway else {}),
        }
    return found


def _named(network: IPv4Network) -> str:
    return f"net-{network.network_address}-{network.prefixlen}".replace(".", "-")


def _gateway(config: OwnConfig, network: IPv4Network) -> IPv4Address | None:
    """The router that a machine nobody knows is told in a network."""
    lease = config.offered(network)
    # A router without a line is the relay agent that was made up here.
    said = lease is not None and Option.ROUTER in lease.origins
    routers = lease.options.get(Option.ROUTER, b"") if lease is not None and said else b""
    router = IPv4Address(routers[:4]) if len(routers) >= 4 else None
    return router if router is not None and router in network else None


def summary(adopted: Adopted) -> Iterator[str]:
    """What was found, in a few lines."""
    config = adopted.config
    leased = sum(int(last) - int(first) + 1 for s in config.subnets for first, last, _ in s.ranges)
    yield f"{amount(len(adopted.files), 'file')}: {', '.join(map(str, adopted.files.values()))}"
    if config.subnets:
        addresses = amount(leased, "address", "addresses")
        yield f"{amount(len(config.subnets), 'subnet')} with {addresses} to lease"
    distinctions = config.leases.distinctions
    if distinctions.reserved is not None and distinctions.reserved.points:
        yield f"{amount(len(distinctions.reserved.points), 'machine')} with a reserved address"
    sets = amount(len(distinctions.clients), "set") + " of machines"
    yield f"told apart: {sets}, {amount(len(distinctions.tests), 'option')}"
    for condition in config.leases.opens[:4]:
        yield f"{condition.origin}: depends on {condition.what}"
    if len(config.leases.opens) > 4:
        more = amount(len(config.leases.opens) - 4, "more line depends", "more lines depend")
        yield f"{more} on what only the server knows: see CX118"
    for name in adopted.redacted:
        yield f"{name}: secrets are left out; REDACTED stands for each"
