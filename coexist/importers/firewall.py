"""The DHCP servers of OPNsense and pfSense, by the config.xml that both keep.

ISC's and Kea's of pfSense and ISC's of OPNsense stand in ``dhcpd``, an element an interface; OPNsense's Kea
in ``OPNsense/Kea/dhcp4`` and its dnsmasq in ``dnsmasq``. Sources: OPNsense's models (Kea/KeaDhcpv4.xml and
Dnsmasq/Dnsmasq.xml in src/opnsense/mvc/app/models) and pfSense's services.inc.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from coexist.errors import InputError, Problem
from coexist.importers.account import Account
from coexist.importers.addresses import why_nobody
from coexist.importers.imported import ClientRow, Imported
from coexist.importers.kind import Kind, Request
from coexist.importers.site_builder import SiteBuilder
from coexist.inventory.products import DNSMASQ, ISC_DHCPD, KEA, Product
from coexist.languages.source_files import read_octets
from coexist.languages.xml_tree import Element, read_xml
from coexist.records import dataclass
from coexist.wire.mac import format_mac, parse_mac

_ROOTS = ("opnsense", "pfsense")
# Text elements of ``dhcpd`` as options of DHCP.
_ISC_OPTIONS = {"gateway": 3, "domain": 15, "tftp": 66, "rootpath": 17}
_ISC_LISTS = {"dnsserver": 6, "winsserver": 44, "ntpserver": 42}
# Boot files of ``dhcpd`` by the architecture that they are for.
_ISC_PROGRAMS = {
    "filename32": "uefi-ia32",
    "filename64": "uefi-x64",
    "filename32arm": "uefi-arm32",
    "filename64arm": "uefi-arm64",
}
_KEA_OPTIONS = {
    "routers": 3,
    "domain_name_servers": 6,
    "domain_name": 15,
    "ntp_servers": 42,
    "domain_search": 119,
    "tftp_server_name": 66,
    "boot_file_name": 67,
}
_LEAST_SECONDS = 60


@dataclass(slots=True)
class _Site:
    root: Element
    file: str
    server: str
    address: IPv4Address | None
    account: Account = field(default_factory=Account)
    build: SiteBuilder = field(default_factory=SiteBuilder)
    clients: dict[int, ClientRow] = field(default_factory=dict)
    networks: dict[str, tuple[IPv4Address, IPv4Network]] = field(default_factory=dict)
    product: Product | None = None
    barren: int = 0

    def imported(self) -> Imported:
        self._interfaces()
        backend = self.root.value("dhcpbackend")
        for holder in self.root.all("dhcpd"):
            self._isc(holder, {KEA.name: KEA}.get(backend or "", ISC_DHCPD))
        for own in self.root.all("OPNsense"):
            for kea in own.all("Kea"):
                for holder in kea.all("dhcp4"):
                    self._kea(holder)
        for holder in self.root.all(DNSMASQ.name):
            self._dnsmasq(holder)
        product = self.product or ISC_DHCPD
        said = {"software": product.software}
        if product.usual_roles != {"dhcp"}:
            said["roles"] = "dhcp"
        used = [row.address for row in self.clients.values()]
        servers = self.build.servers(self.server, said, self.address or self._own_address(), used)
        for name in ("dhcpd", "OPNsense", DNSMASQ.name):
            for element in self.root.all(name):
                for left in element.left():
                    self._left(left)
        rows = list(self.clients.values())
        return Imported(
            tree=self.build.tree(Path(self.file).stem, servers, {}, rows),
            clients=rows,
            not_modelled=self.account.close(()),
            comments={"": self.build.notes},
            sources=(self.file,),
            assumed=frozenset(),
            barren=self.barren,
        )

    def _left(self, element: Element) -> None:
        if element.text.strip() or element.children or element.why:
            # What nobody reads may be a key or a password: its name is enough.
            self.account.left_out(element.at, f"<{element.name}>", element.why or "not understood")

    def _interfaces(self) -> None:
        for holder in self.root.all("interfaces"):
            for interface in holder.children:
                address, length = interface.value("ipaddr"), interface.value("subnet")
                try:
                    network = IPv4Network(f"{address}/{length}", strict=False)
                except ValueError:
                    # By DHCP, or without an address: no server leases there.
                    continue
                self.networks[interface.name] = (IPv4Address(address), network)

    def _own_address(self) -> IPv4Address | None:
        """The firewall's address on the first network it leases on."""
        for scope in self.build.scopes.values():
            subnet = self.build.vlans[scope["vlan"]]["subnet"]
            for address, network in self.networks.values():
                if str(network) == subnet:
                    return address
        return None

    def _is_new(self, element: Element, network: IPv4Network) -> bool:
        if any(network.overlaps(IPv4Network(v["subnet"])) for v in self.build.vlans.values()):
            element.leave("overlaps a network before it")
            return False
        return True

    def _scope(self, wanted: str, network: IPv4Network, product: Product) -> dict[str, Any]:
        self.product = self.product or product
        name = self.build.add_vlan(wanted, [str(network)])
        scope: dict[str, Any] = {"server": self.server, "vlan": name}
        self.build.scopes[name] = scope
        return scope

    def _finish(self, scope: dict[str, Any]) -> None:
        self.build.add_scope(scope["vlan"], scope["vlan"], scope)

    # -- ISC dhcpd, and Kea of pfSense -----------------------------------------------------------------

    def _isc(self, holder: Element, product: Product) -> None:
        holder.taken = True
        for item in holder.children:
            item.taken = True
            switch = item.first("enable")
            if switch is None or switch.text.strip() == "0":
                item.leave("switched off")
                continue
            known = self.networks.get(item.name)
            if known is None:
                item.leave("an interface without an address of its own")
                continue
            if self._is_new(item, known[1]):
                self._isc_scope(item, known, product)

    def _isc_scope(self, item: Element, known: tuple[IPv4Address, IPv4Network], product: Product) -> None:
        address, network = known
        scope = self._scope(item.name, network, product)
        pools = [*self._ranges(item), *(p for pool in item.all("pool") for p in self._ranges(pool))]
        if pools:
            scope["pools"] = pools
        seconds = item.value("defaultleasetime")
        scope["lease_time"] = max(int(seconds), _LEAST_SECONDS) if seconds.isdigit() else 7200
        options = {code: text for name, code in _ISC_OPTIONS.items() if (text := item.value(name))}
        for name, code in _ISC_LISTS.items():
            values = [text for text in item.values(name) if text]
            if values:
                options[code] = ", ".join(values)
        # What the firewall says where nothing is declared: itself.
        options.setdefault(3, str(address))
        options.setdefault(6, str(address))
        for numbered in item.all("numberoptions"):
            for option in numbered.all("item"):
                self._number_option(option, options)
        scope["options"] = options
        self._isc_boot(item, scope)
        self._reservations(item.all("staticmap"), "mac", "ipaddr", "hostname")
        self._finish(scope)

    def _isc_boot(self, item: Element, scope: dict[str, Any]) -> None:
        server, file = item.value("nextserver"), item.value("filename")
        if server:
            scope["next_server"] = server
        if file:
            scope["filename"] = file
        programs = {
            arch: {"file": text} for name, arch in _ISC_PROGRAMS.items() if (text := item.value(name))
        }
        if programs:
            scope["programs"] = programs

    def _number_option(self, option: Element, options: dict[int, str]) -> None:
        number, kind, value = option.value("number"), option.value("type"), option.value("value")
        if not number.isdigit() or not 0 < int(number) < 255:
            option.leave("an option without its number")
        elif kind == "string":
            digits = value.replace(":", "")
            is_hex = ":" in value and all(c in "0123456789abcdefABCDEF" for c in digits)
            options[int(number)] = f"hex:{value}" if is_hex else value.strip('"')
        elif kind in (
            "text",
            "ip-address",
            "unsigned integer 8",
            "unsigned integer 16",
            "unsigned integer 32",
        ):
            options[int(number)] = value.strip('"')
        else:
            option.leave(f"an option of the type {kind}")

    def _ranges(self, holder: Element) -> Iterator[str]:
        for item in holder.all("range"):
            first, last = item.value("from"), item.value("to")
            if self._leased(first, last):
                yield f"{first}-{last}"
            elif first or last:
                item.leave("a range without its ends")

    def _leased(self, first: str, last: str) -> bool:
        try:
            self.build.leased.append((int(IPv4Address(first)), int(IPv4Address(last))))
        except AddressValueError:
            return False
        return True

    def _reservations(self, items: Iterator[Element], mac: str, address: str, name: str) -> None:
        for item in items:
            # Notes for people.
            item.value("descr"), item.value("description")
            written = item.value(mac)
            try:
                number = parse_mac(written)
            except ValueError:
                item.leave("a machine without a MAC address")
                self.barren += 1
                continue
            why = why_nobody(number)
            if number in self.clients:
                why = f"{format_mac(number)} is there already"
            if why is not None:
                item.leave(why)
                self.barren += 1
                continue
            row = ClientRow(mac=format_mac(number), name=item.value(name), address=item.value(address))
            self.clients[number] = row

    # -- Kea of OPNsense ---------------------------------------------------------------------------------

    def _kea(self, holder: Element) -> None:
        for general in holder.all("general"):
            if general.value("enabled") != "1":
                holder.leave("switched off")
                return
            general.value("interfaces")
        for subnets in holder.all("subnets"):
            for item in subnets.all("subnet4"):
                self._kea_scope(item)
        for reservations in holder.all("reservations"):
            items = list(reservations.all("reservation"))
            for item in items:
                item.value("subnet")
            self._reservations(iter(items), "hw_address", "ip_address", "hostname")

    def _kea_scope(self, item: Element) -> None:
        try:
            network = IPv4Network(item.value("subnet"))
        except ValueError:
            item.leave("a subnet without its network")
            return
        if not self._is_new(item, network):
            return
        scope = self._scope(item.value("description"), network, KEA)
        pools = list(self._kea_pools(item))
        if pools:
            scope["pools"] = pools
        options = self._kea_options(item, network)
        if options:
            scope["options"] = options
        if item.value("next_server"):
            scope["next_server"] = item.value("next_server")
        if item.value("boot_file_name"):
            scope["filename"] = item.value("boot_file_name")
        self._finish(scope)

    def _kea_pools(self, item: Element) -> Iterator[str]:
        for pool in item.value("pools").split():
            first, _, last = pool.partition("-")
            try:
                net = IPv4Network(pool) if "/" in pool else None
            except ValueError:
                net = None
            ends = (str(net[0]), str(net[-1])) if net is not None else (first, last)
            if self._leased(*ends):
                yield "-".join(ends)
            else:
                what = f"the pool {pool!r} has no two ends"
                raise InputError([Problem(item.at, what, "correct it on the firewall, and export again")])

    def _kea_options(self, item: Element, network: IPv4Network) -> dict[int, str]:
        options = {
            code: value.replace(",", ", ")
            for data in item.all("option_data")
            for name, code in _KEA_OPTIONS.items()
            if (value := data.value(name))
        }
        own = next((a for a, net in self.networks.values() if net == network), None)
        if item.value("option_data_autocollect") == "1" and own is not None:
            for code in (3, 6, 42):
                options.setdefault(code, str(own))
        return options

    # -- dnsmasq of OPNsense ---------------------------------------------------------------------------

    def _dnsmasq(self, holder: Element) -> None:
        ranges = list(holder.all("dhcp_ranges"))
        if holder.value("enable") != "1" or not ranges:
            holder.leave("it leases no addresses" if holder.value("enable") == "1" else "switched off")
            return
        of_interface: dict[str, dict[str, Any]] = {}
        for item in ranges:
            self._dnsmasq_range(item, of_interface)
        for item in holder.all("dhcp_options"):
            self._dnsmasq_option(item, of_interface)
        for item in holder.all("dhcp_boot"):
            self._dnsmasq_boot(item, of_interface)
        with_mac = [item for item in holder.all("hosts") if item.value("hwaddr")]
        self._reservations(iter(with_mac), "hwaddr", "ip", "host")
        for scope in of_interface.values():
            self._finish(scope)

    def _dnsmasq_range(self, item: Element, of_interface: dict[str, dict[str, Any]]) -> None:
        name, first, last = item.value("interface"), item.value("start_addr"), item.value("end_addr")
        known = self.networks.get(name)
        if known is None or ":" in first:
            item.leave("a range of IPv6" if ":" in first else "a range without an interface of its own")
            return
        scope = of_interface.get(name)
        if scope is None:
            if not self._is_new(item, known[1]):
                return
            scope = of_interface[name] = self._scope(name, known[1], DNSMASQ)
            scope["options"] = {3: str(known[0]), 6: str(known[0])}
        if not self._leased(first, last):
            item.leave("a range without its ends")
            return
        scope.setdefault("pools", []).append(f"{first}-{last}")
        seconds = item.value("lease_time")
        if seconds.isdigit():
            scope["lease_time"] = max(int(seconds), _LEAST_SECONDS)

    @staticmethod
    def _dnsmasq_option(item: Element, of_interface: dict[str, dict[str, Any]]) -> None:
        code, value, name = item.value("option"), item.value("value"), item.value("interface")
        if item.value("type") not in ("", "set") or item.value("tag") or not code.isdigit():
            item.leave("an option for some clients, or of IPv6")
            return
        for interface, scope in of_interface.items():
            if name in ("", interface):
                scope["options"][int(code)] = value.replace(",", ", ")

    @staticmethod
    def _dnsmasq_boot(item: Element, of_interface: dict[str, dict[str, Any]]) -> None:
        if item.value("tag"):
            item.leave("a boot file for some clients")
            return
        item.value("servername")
        name = item.value("interface")
        for interface, scope in of_interface.items():
            if name in ("", interface):
                scope["filename"] = item.value("filename")
                if item.value("address"):
                    scope["next_server"] = item.value("address")


def import_firewall(data: bytes, file: str, *, server: str, address: IPv4Address | None = None) -> Imported:
    """A config.xml as an inventory. Raises InputError for what is none."""
    root = read_xml(data, file)
    if root.name not in _ROOTS:
        what = f"{root.name} is not {' or '.join(_ROOTS)}"
        raise InputError([Problem(root.at, what, "download config.xml from the firewall's backup page")])
    root.taken = True
    imported = _Site(root, file, server, address).imported()
    if not imported.tree.get("scopes"):
        what = "no DHCP server is switched on in it"
        raise InputError([Problem(root.at, what, "download the whole config.xml, not a part of it")])
    return imported


def _read(request: Request) -> Imported:
    path = request.only_path()
    return import_firewall(
        read_octets(path), str(path), server=request.server or "firewall", address=request.address
    )


KINDS = (
    Kind(name="opnsense", describe="OPNsense's config.xml: its DHCP server (ISC, Kea or dnsmasq)", run=_read),
    Kind(name="pfsense", describe="pfSense's config.xml: its DHCP server (ISC or Kea)", run=_read),
)
