"""What an inventory declares, and complaints about names that it does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from coexist.errors import Problem
from coexist.inventory.broken import EVERY_NAME, Broken
from coexist.inventory.clients import ClientTable
from coexist.inventory.documents import Path, SourceMap
from coexist.inventory.groups import BUILT_IN, GroupResolver
from coexist.inventory.models import FIRMWARES, Site
from coexist.inventory.named_servers import server_address
from coexist.text.closest import closest


class Declarations:
    """What is declared, and where; ``problems`` collects what is wrong."""

    def __init__(
        self,
        site: Site,
        clients: ClientTable,
        resolver: GroupResolver,
        sources: SourceMap,
        broken: Broken,
    ) -> None:
        self.broken = broken
        self.site = site
        self.table = clients
        self.resolver = resolver
        self.sources = sources
        self.problems: list[Problem] = []

    def complain(self, path: Path, message: str, remedy: str, *, key: bool = False) -> None:
        """Note what is wrong at a value, or with ``key`` at the key that holds it."""
        self.problems.append(Problem(self.sources.at(path, value=not key), message, remedy))

    def need_host(self, path: Path, address: IPv4Address, nets: Iterable[IPv4Network]) -> None:
        """Complain about the address of a network itself, or of all its hosts (RFC 919, RFC 1122 3.2.1.3)."""
        for net in nets:
            # Of two addresses both are hosts (RFC 3021).
            if net.prefixlen < 31 and address in (net.network_address, net.broadcast_address):
                what = "the network" if address == net.network_address else "every host"
                first, last = net.network_address + 1, net.broadcast_address - 1
                self.complain(
                    path, f"{address} is the address of {what} of {net}", f"write one of {first} to {last}"
                )

    def is_broken(self, section: str, name: str) -> bool:
        """Whether a declaration of this name was left out because it is wrong itself."""
        names = self.broken.get(section, set())
        return name in names or EVERY_NAME in names

    def declared(self, section: str) -> set[str]:
        """The names of a section, those of wrong declarations too."""
        return {*getattr(self.site, section), *self.broken.get(section, ())} - {EVERY_NAME}

    def each(self, path: Path, names: Iterable[str]) -> Iterator[tuple[Path, str]]:
        """Each name of a one-or-more field with its place."""
        for number, name in enumerate(names):
            single = (*path, number)
            yield (single if single in self.sources.values else path), name

    def need_groups(self, path: Path, names: Iterable[str]) -> None:
        """Complain of each name that is no group."""
        for place, name in self.each(path, names):
            if name not in BUILT_IN and name not in self.site.groups and not self.is_broken("groups", name):
                self.complain(
                    place, f"there is no group {name!r}", closest(name, [*BUILT_IN, *self.declared("groups")])
                )

    def need_vlans(self, path: Path, names: Iterable[str]) -> None:
        """Complain of each name that is no VLAN."""
        for place, name in self.each(path, names):
            if name not in self.site.vlans and not self.is_broken("vlans", name):
                self.complain(place, f"there is no VLAN {name!r}", closest(name, self.declared("vlans")))

    def need_servers(self, path: Path, names: Iterable[str], *, address_too: bool = False) -> None:
        """Complain of each name that is no server; with ``address_too`` an address will do."""
        for place, name in self.each(path, names):
            if name in self.site.servers or self.is_broken("servers", name):
                continue
            if not (address_too and server_address(self.site, name)):
                what = "server or address" if address_too else "server"
                self.complain(place, f"there is no {what} {name!r}", closest(name, self.declared("servers")))

    def need_firmware(self, path: Path, names: Iterable[str]) -> None:
        """Complain of each name that is no firmware."""
        for place, name in self.each(path, names):
            known = name in FIRMWARES or name in self.site.firmwares
            if not known and not self.is_broken("firmwares", name):
                self.complain(
                    place, f"there is no firmware {name!r}", closest(name, [*FIRMWARES, *self.site.firmwares])
                )
