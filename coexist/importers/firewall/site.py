"""The DHCP server of a config.xml as an inventory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import field, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from coexist.errors import InputError, Problem
from coexist.importers.account import Account
from coexist.importers.dhcpd.site import import_dhcpd
from coexist.importers.dnsmasq.site import import_dnsmasq
from coexist.importers.firewall.config import Firewall, Interface, is_on, read_firewall
from coexist.importers.firewall.isc import OPNSENSE, PFSENSE, Dialect, reservations, write_dhcpd
from coexist.importers.firewall.opnsense_dnsmasq import write_dnsmasq
from coexist.importers.firewall.opnsense_kea import write_kea
from coexist.importers.firewall.pfsense_kea import write_pfsense_kea
from coexist.importers.groups import Names, as_name
from coexist.importers.imported import Imported
from coexist.importers.kea.site import import_kea
from coexist.importers.site_builder import as_list, stand_on
from coexist.inventory.products import DNSMASQ, KEA
from coexist.languages.dnsmasq.files import Lines
from coexist.languages.xml_tree import Element, read_xml
from coexist.records import dataclass
from coexist.wire.mac import parse_mac

_DIALECTS = {"pfsense": PFSENSE, "opnsense": OPNSENSE}
# The parts of config.xml that are looked through for what nobody read.
_LOOKED_AT = ("dhcpd", "OPNsense", DNSMASQ.name, "kea", "dhcrelay")
_OWN = {"OPNsense": ("Kea", "DHCRelay")}


def import_firewall(data: bytes, file: str, *, server: str, address: IPv4Address | None = None) -> Imported:
    """A config.xml as an inventory. Raises InputError for what is none."""
    root = read_xml(data, file)
    dialect = _DIALECTS.get(root.name)
    if dialect is None:
        what = f"{root.name} is not {' or '.join(sorted(_DIALECTS))}"
        raise InputError([Problem(root.at, what, "download config.xml from the firewall's backup page")])
    root.taken = True
    return _Site(read_firewall(root), dialect, file, server, address).imported()


@dataclass(slots=True)
class _Site:
    firewall: Firewall
    dialect: Dialect
    file: str
    server: str
    address: IPv4Address | None
    account: Account = field(default_factory=Account)
    barren: int = 0

    def imported(self) -> Imported:
        runs = [run for run in (self._dhcpd(), self._kea(), self._dnsmasq()) if run is not None]
        if not runs:
            what = "no DHCP server is switched on in it"
            raise InputError(
                [Problem(self.firewall.root.at, what, "download the whole config.xml, not a part of it")]
            )
        (_, machines, run), *others = runs
        for other, _, _ in others:
            other.leave(_SECOND)
            self.barren += 1
        found = run()
        self._without_mac(machines)
        self._nobody_read()
        tree = self._placed(found.tree)
        # A machine without a name has one in dhcpd's file, since a host declaration needs it.
        clients = [row._replace(name="") if _NAMELESS.match(row.name) else row for row in found.clients]
        return replace(
            found,
            clients=clients,
            tree={**tree, "site": as_name(Path(self.file).stem, "site")},
            not_modelled=tuple(sorted((*found.not_modelled, *self.account.close(())))),
            comments={"": _NOTES if any("id" in v for v in tree["vlans"].values()) else ()},
            sources=(self.file,),
            assumed=frozenset(),
            barren=found.barren + self.barren,
        )

    # -- the daemons -------------------------------------------------------------------------------------

    def _dhcpd(self) -> _Run | None:
        """ISC's of both firewalls, and Kea of pfSense, which stand in the same elements."""
        items: list[tuple[Element, Interface]] = []
        for holder in self.firewall.root.all("dhcpd"):
            for item in holder.children:
                if not is_on(item.first("enable")):
                    item.leave("switched off")
                elif item.name not in self.firewall.interfaces:
                    item.leave("an interface without an address of its own")
                else:
                    item.taken = True
                    items.append((item, self.firewall.interfaces[item.name]))
        if not items:
            return None
        self._refuse_overlaps((item, interface.network) for item, interface in items)
        by_kea = self.firewall.root.value("dhcpbackend") == KEA.name
        machines = [machine for item, _ in items for machine in reservations(item)]

        def run() -> Imported:
            if by_kea:
                written = write_pfsense_kea(items, self.firewall)
                return written.imported(self._as_kea, self.server)
            written = write_dhcpd(items, self.firewall, self.dialect)
            return written.imported(self._as_dhcpd, self.server)

        return items[0][0], machines, run

    def _kea(self) -> _Run | None:
        for own in self.firewall.root.all("OPNsense"):
            for kea in own.all("Kea"):
                for holder in kea.all("dhcp4"):
                    if not any(general.value("enabled") == "1" for general in holder.all("general")):
                        holder.leave("switched off")
                        continue
                    machines = [m for part in holder.all("reservations") for m in part.all("reservation")]
                    return holder, machines, self._kea_run(holder)
        return None

    def _kea_run(self, holder: Element) -> Callable[[], Imported]:
        return lambda: write_kea(holder, self.firewall).imported(self._as_kea, self.server)

    def _dnsmasq(self) -> _Run | None:
        for holder in self.firewall.root.all(DNSMASQ.name):
            if not is_on(holder.first("enable")):
                holder.leave("switched off")
            elif not any(child.name == "dhcp_ranges" for child in holder.children):
                holder.leave("it leases no addresses")
            else:
                named = ("hwaddr", "client_id")
                machines = [h for h in holder.all("hosts") if any(h.value(name) for name in named)]
                return holder, machines, self._dnsmasq_run(holder)
        return None

    def _dnsmasq_run(self, holder: Element) -> Callable[[], Imported]:
        def run() -> Imported:
            written = write_dnsmasq(holder, self.firewall)
            lines = Lines(list(written.lines), list(written.places))
            found = import_dnsmasq(lines, self.file, server=self.server, address=self._first_address())
            # dnsmasq is the next server itself where no line names another.
            for scope in found.tree["scopes"].values():
                own = self._address_on(found.tree["vlans"][scope["vlan"]])
                if own is not None:
                    scope.setdefault("next_server", own)
            return found

        return run

    def _as_dhcpd(self, text: str, name: str) -> Imported:
        return import_dhcpd(text, name, server=self.server, address=self._first_address())

    def _as_kea(self, text: str, name: str) -> Imported:
        return import_kea(text, name, server=self.server, address=self._first_address())

    def _address_on(self, vlan: dict[str, Any]) -> str | None:
        networks = {IPv4Network(text) for text in as_list(vlan["subnet"])}
        return next(
            (str(i.address) for i in self.firewall.interfaces.values() if i.network in networks), None
        )

    def _first_address(self) -> IPv4Address | None:
        """An address of the firewall; where it stands is said afterwards."""
        return self.address or next((i.address for i in self.firewall.interfaces.values()), None)

    def _refuse_overlaps(self, networks: Iterable[tuple[Element, IPv4Network]]) -> None:
        taken: list[IPv4Network] = []
        for element, network in networks:
            if any(network.overlaps(other) for other in taken):
                what = f"{network} overlaps the network of another interface that leases addresses"
                raise InputError([Problem(element.at, what, "correct one of the two on the firewall")])
            taken.append(network)

    # -- what remains ------------------------------------------------------------------------------------

    def _without_mac(self, machines: list[Element]) -> None:
        """A reservation that names no machine by its MAC address yields nothing."""
        seen: set[int] = set()
        for machine in machines:
            names = ("mac", "hw_address", "hwaddr")
            written = next((text for name in names if (text := machine.value(name))), "")
            numbers = set()
            for part in written.split(","):
                try:
                    numbers.add(parse_mac(part.strip()))
                except ValueError:
                    continue
            if not numbers - seen:
                self.barren += 1
                if not numbers and not machine.why:
                    self.account.left_out(machine.at, f"<{machine.name}>", "a machine without a MAC address")
            seen |= numbers

    def _nobody_read(self) -> None:
        for element in self.firewall.root.children:
            if element.name in _LOOKED_AT:
                own = _OWN.get(element.name)
                parts = [element] if own is None else [c for c in element.children if c.name in own]
                for left in (left for part in parts for left in part.left()):
                    self._left(left)

    def _left(self, element: Element) -> None:
        if element.text.strip() or element.children or element.why:
            # What nobody reads may be a key or a password: its name is enough.
            self.account.left_out(element.at, f"<{element.name}>", element.why or "not understood")

    def _placed(self, tree: dict[str, Any]) -> dict[str, Any]:
        """The tree with the firewall on all of its networks, and the names and numbers that these have."""
        names, ids = Names(), {i.vlan for i in self.firewall.interfaces.values() if i.vlan}
        free = (number for number in range(1, 4095) if number not in ids)
        renamed: dict[str, str] = {}
        addresses: dict[str, str] = {}
        vlans: dict[str, Any] = {}
        for old, vlan in tree["vlans"].items():
            nets = {IPv4Network(text) for text in as_list(vlan["subnet"])}
            own = next((i for i in self.firewall.interfaces.values() if i.network in nets), None)
            name = renamed[old] = names.new(own.shown if own is not None else old)
            number = own.vlan if own is not None and own.vlan else next(free)
            vlans[name] = {**vlan, "id": number}
            if own is not None:
                addresses[name] = str(own.address)
                vlans[name].pop("relay_to", None)
        servers = {name: dict(server) for name, server in tree["servers"].items()}
        for server in servers.values():
            if "vlan" in server:
                server["vlan"] = renamed[server["vlan"]]
            if "addresses" in server:
                server["addresses"] = {renamed[vlan]: text for vlan, text in server["addresses"].items()}
        if addresses and self.address is None:
            stand_on(servers[self.server], addresses)
        scopes = {
            renamed.get(name, name): {**scope, "vlan": renamed[scope["vlan"]]}
            for name, scope in tree.get("scopes", {}).items()
        }
        return {**tree, "vlans": vlans, "servers": servers, **({"scopes": scopes} if scopes else {})}


_NAMELESS = re.compile(r"s_\w+_\d+\Z")
_Run = tuple[Element, list[Element], Callable[[], Imported]]
_SECOND = (
    "a second DHCP server of this firewall; switch the first one off in a copy of the file, and import "
    "that too"
)
_NOTES = (
    "VLANs whose ids are not in the source are numbered in order.",
    "Which other VLANs the firewall reaches by a relay is not in the source: see relay_to.",
)
