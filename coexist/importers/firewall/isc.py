"""The dhcpd.conf that pfSense and OPNsense write from ``dhcpd`` of config.xml.

Sources: services_dhcpdv4_configure in src/etc/inc/services.inc of pfSense 2.8, and dhcpd_dhcp4_configure in
net/isc-dhcp/src/etc/inc/plugins.inc.d/dhcpd.inc of OPNsense's plugins. What only DNS updates, OMAPI and
logs take is not written: it stays an element that nobody read.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from ipaddress import IPv4Address

from coexist.importers.firewall.config import Firewall, Interface, is_on
from coexist.importers.firewall.written import Written
from coexist.inventory.values import is_address
from coexist.languages.xml_tree import Element
from coexist.records import dataclass

# Statements that both firewalls begin the file with.
_HEAD = (
    "option ldap-server code 95 = text;",
    "option arch code 93 = unsigned integer 16;",
    "default-lease-time 7200;",
    "max-lease-time 86400;",
    "one-lease-per-client true;",
    "deny duplicates;",
)
# Lists of addresses, and what else is sent with one.
_LISTS = {
    "winsserver": ("netbios-name-servers", "option netbios-node-type 8;"),
    "ntpserver": ("ntp-servers", ""),
}
_ARCHITECTURES = (
    ("00:06", "filename32"),
    ("00:07", "filename64"),
    ("00:09", "filename64"),
    ("00:0a", "filename32arm"),
    ("00:0b", "filename64arm"),
)
_NOTES = ("descr", "description", "arp_table_static_entry", "ddnsclientupdates", "winsserver_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """In what the two firewalls differ.

    ``encoded``: values of numbered options are base64. ``classes``: a pool may be for the interface's own
    reservations only, and a reservation may have boot files by architecture.
    """

    encoded: bool
    classes: bool


PFSENSE = Dialect(encoded=True, classes=True)
OPNSENSE = Dialect(encoded=False, classes=False)


def reservations(item: Element) -> list[Element]:
    """The machines that have something of their own on an interface: those a daemon can know."""
    return list(item.all("staticmap"))


def write_dhcpd(items: list[tuple[Element, Interface]], firewall: Firewall, dialect: Dialect) -> Written:
    """The file for the interfaces that lease addresses, at least one."""
    return _Writer(firewall, dialect).write(items)


class _Writer:
    def __init__(self, firewall: Firewall, dialect: Dialect) -> None:
        self.firewall, self.dialect = firewall, dialect
        self.written = Written()
        self.custom = 0

    def write(self, items: list[tuple[Element, Interface]]) -> Written:
        first = items[0][0]
        if self.firewall.domain:
            self._say(f'option domain-name "{self.firewall.domain}";', first)
        for line in _HEAD:
            self._say(line, first)
        if first.first("disableauthoritative") is None:
            self._say("authoritative;", first)
        for item, interface in items:
            if item.value("failover_peerip"):
                self._peer(item, interface)
        for item, interface in items:
            self._interface(item, interface)
        return self.written

    def _say(self, line: str, element: Element) -> None:
        self.written.add(line, element)

    def _peer(self, item: Element, interface: Interface) -> None:
        """A failover pair. Which one is the primary follows from the skew of a CARP address there."""
        skews = [
            vip.value("advskew")
            for holder in self.firewall.root.all("virtualip")
            for vip in holder.all("vip")
            if vip.value("interface") == interface.name and vip.value("mode") in ("carp", "")
        ]
        primary = any(skew.isdigit() and int(skew) < 20 for skew in skews)
        split = item.value("failover_split") or "128"
        own = ("primary", "519", "520") if primary else ("secondary", "520", "519")
        at = item.first("failover_peerip") or item
        for line in (
            f'failover peer "dhcp_{interface.name}" {{',
            f"{own[0]}; address {interface.address}; port {own[1]};",
            f"peer address {at.text.strip()}; peer port {own[2]};",
            "max-response-delay 10; max-unacked-updates 10; load balance max seconds 3;",
            f"split {split}; mclt 600;" if primary else "",
            "}",
        ):
            self._say(line, at)

    # -- an interface ----------------------------------------------------------------------------------

    def _interface(self, item: Element, interface: Interface) -> None:
        pools = [item, *item.all("pool")]
        machines = reservations(item)
        self._options_of(item)
        for pool in pools[1:]:
            self._options_of(pool)
        for machine in machines:
            self._options_of(machine)
        for mac in dict.fromkeys(mac for pool in pools for mac, _ in _macs(pool)):
            octets = mac.count(":") + 1
            line = f"match if substring (hardware, 1, {octets}) = {mac};"
            self._say(f'class "{mac.replace(":", "")}" {{ {line} }}', item)
        by_class = self.dialect.classes and any(p.value("denyunknown") == "class" for p in pools)
        if by_class:
            line = "match pick-first-value (option dhcp-client-identifier, hardware);"
            self._say(f'class "s_{interface.name}" {{ {line} }}', item)
        network = interface.network
        self._say(f"subnet {network.network_address} netmask {network.netmask} {{", item)
        for number, pool in enumerate(pools):
            self._pool(pool, item, interface, is_first=number == 0)
        self._subnet(item, interface)
        self._say("}", item)
        for number, machine in enumerate(machines):
            self._machine(machine, item, f"s_{interface.name}_{number}")
            if by_class and machine.value("mac"):
                self._say(f'subclass "s_{interface.name}" 1:{machine.value("mac")};', machine)

    def _pool(self, pool: Element, item: Element, interface: Interface, *, is_first: bool) -> None:
        ranges = [(r.value("from"), r.value("to"), r) for r in pool.all("range")]
        ends = [end for first, last, _ in ranges for end in (first, last)]
        outside = [end for end in ends if not is_address(end) or IPv4Address(end) not in interface.network]
        if not ranges or outside:
            for *_, element in ranges:
                element.leave("a range that is not inside the interface's network")
            return
        self._say("pool {", pool)
        for mac, kind in _macs(pool):
            self._say(f'{kind} members of "{mac.replace(":", "")}";', pool)
        deny = "ignore" if pool.first("nonak") is not None and self.dialect.classes else "deny"
        known = pool.first("denyunknown")
        if known is not None and known.text.strip() != "disabled":
            if known.text.strip() == "class" and self.dialect.classes:
                self._say(f'allow members of "s_{interface.name}";', known)
            self._say(f"{deny} unknown-clients;", known)
        if item.value("failover_peerip"):
            self._say(f'{deny} dynamic bootp clients; failover peer "dhcp_{interface.name}";', pool)
        if pool.first("ignorebootp") is not None:
            self._say("ignore bootp;", pool)
        if not is_first:
            self._own(pool, item)
        for first, last, element in ranges:
            self._say(f"range {first} {last};", element)
        self._say("}", pool)

    def _subnet(self, item: Element, interface: Interface) -> None:
        gateway = item.value("gateway")
        if not gateway and self.firewall.has_gateway:
            gateway = str(interface.address)
        if gateway and gateway != "none":
            self._say(f"option routers {gateway};", item.first("gateway") or item)
        servers = item.values("dnsserver")
        if not any(servers):
            own = [str(interface.address)] if self.firewall.resolves else [*self.firewall.resolvers]
            if own:
                self._say(f"option domain-name-servers {', '.join(own)};", item)
        if item.first("disablepingcheck") is not None:
            self._say("ping-check false;", item)
        if item.value("minsecs"):
            self._say(f"min-secs {item.value('minsecs')};", item.first("minsecs") or item)
        self._said(item, None)
        self._boot(item, None)

    def _own(self, holder: Element, item: Element) -> None:
        """What a pool says that the interface does not."""
        gateway = holder.value("gateway")
        if gateway and gateway not in ("none", item.value("gateway")):
            self._say(f"option routers {gateway};", holder)
        self._said(holder, item)
        self._boot(holder, item)

    # -- one level -------------------------------------------------------------------------------------

    def _said(self, holder: Element, outer: Element | None) -> None:
        """Options of a level, without those that the level around it says alike."""
        for name in _NOTES:
            holder.value(name)
        for name, line in (
            ("domain", 'option domain-name "{}";'),
            ("defaultleasetime", "default-lease-time {};"),
            ("maxleasetime", "max-lease-time {};"),
            ("interface_mtu", "option interface-mtu {};"),
            ("ldap", 'option ldap-server "{}";'),
            ("tftp", 'option tftp-server-name "{}";'),
        ):
            self._one(holder, outer, name, line)
        # OPNsense's file has option 67 only beside option 66.
        if holder.value("tftp"):
            self._one(holder, outer, "bootfilename", 'option bootfile-name "{}";')
        found = holder.value("domainsearchlist")
        if found and (outer is None or outer.value("domainsearchlist") != found):
            names = ", ".join(f'"{name}"' for name in re.split(r"[ ;]+", found) if name)
            self._say(f"option domain-search {names};", holder.first("domainsearchlist") or holder)
        lists = {"dnsserver": ("domain-name-servers", ""), **_LISTS}
        for name, (option, more) in lists.items():
            values = [text for text in holder.values(name) if text]
            if values and (outer is None or outer.values(name) != holder.values(name)):
                self._say(
                    f"option {option} {', '.join(values)}; {more}".rstrip(), holder.first(name) or holder
                )
        for _, kind, value, element in _numbered(holder, self.dialect):
            text = f'"{value}"' if kind == "text" else value
            self._say(f"option {_custom(element)} {text};", element)

    def _one(self, holder: Element, outer: Element | None, name: str, line: str) -> None:
        text = holder.value(name)
        if text and (outer is None or outer.value(name) != text):
            self._say(line.format(text), holder.first(name) or holder)

    def _options_of(self, holder: Element) -> None:
        """Definitions of a level's numbered options, which stand before all that use them."""
        for number, kind, _, element in _numbered(holder, self.dialect):
            self._say(f"option {_custom(element)} code {number} = {kind};", element)

    def _boot(self, holder: Element, outer: Element | None) -> None:
        """The boot files of a level; a firewall writes none of them while ``netboot`` is off."""
        if not is_on(holder.first("netboot")):
            return
        self._one(holder, outer, "nextserver", "next-server {};")
        self._one(holder, outer, "rootpath", 'option root-path "{}";')
        files = list(self._files(holder, outer))
        file = holder.value("filename")
        if outer is not None and file == outer.value("filename"):
            file = ""
        for number, (condition, name, element) in enumerate(files):
            self._say(f'{"else " if number else ""}if {condition} {{ filename "{name}"; }}', element)
        if file:
            line = f'filename "{file}";'
            self._say(f"else {{ {line} }}" if files else line, holder.first("filename") or holder)

    def _files(self, holder: Element, outer: Element | None) -> Iterator[tuple[str, str, Element]]:
        conditions = [
            ('exists user-class and option user-class = "iPXE"', "filenameipxe"),
            ('substring (option vendor-class-identifier, 0, 10) = "HTTPClient"', "uefihttpboot"),
            *((f"option arch = {code}", name) for code, name in _ARCHITECTURES),
        ]
        for condition, name in conditions:
            text, element = holder.value(name), holder.first(name)
            if text and element is not None and (outer is None or outer.value(name) != text):
                yield condition, text, element

    # -- reservations ----------------------------------------------------------------------------------

    def _machine(self, machine: Element, item: Element, name: str) -> None:
        mac = machine.value("mac")
        self._say(f"host {name} {{", machine)
        if mac:
            self._say(f"hardware ethernet {mac.lower()};", machine)
        if machine.value("cid"):
            text = machine.value("cid").replace('"', '\\"')
            self._say(f'option dhcp-client-identifier "{text}";', machine)
        if machine.value("ipaddr"):
            self._say(f"fixed-address {machine.value('ipaddr')};", machine)
        if machine.value("hostname"):
            shown = re.sub("[ .]", "_", machine.value("hostname"))
            self._say(f'option host-name "{shown}";', machine)
        gateway = machine.value("gateway")
        if gateway and gateway not in ("none", item.value("gateway")):
            self._say(f"option routers {gateway};", machine)
        self._said(machine, item)
        if not (self.dialect.classes and is_on(machine.first("netboot"))):
            # A reservation's file is written whether or not `netboot` is on.
            self._one(machine, None, "filename", 'filename "{}";')
            self._one(machine, None, "rootpath", 'option root-path "{}";')
        else:
            self._boot(machine, None)
        self._say("}", machine)


def _macs(pool: Element) -> Iterator[tuple[str, str]]:
    """The (beginnings of) MAC addresses that a pool is or is not for."""
    for name, kind in (("mac_allow", "allow"), ("mac_deny", "deny")):
        for mac in dict.fromkeys(part.strip().lower() for part in pool.value(name).split(",")):
            if mac:
                yield mac, kind


def _custom(element: Element) -> str:
    return f"custom-{element.at.line}-{element.at.column}"


def _numbered(holder: Element, dialect: Dialect) -> Iterator[tuple[int, str, str, Element]]:
    """Options by number: the number, dhcpd's type, the value as it stands in dhcpd.conf."""
    for numbered in holder.all("numberoptions"):
        for item in numbered.all("item"):
            number, kind, value = item.value("number"), item.value("type") or "text", item.value("value")
            if not number.isdigit() or not 0 < int(number) < 255:
                item.leave("an option without its number")
                continue
            if dialect.encoded:
                try:
                    value = base64.b64decode(value, validate=True).decode("utf-8", "surrogateescape")
                except (binascii.Error, ValueError):
                    item.leave("an option's value that is not base64, as pfSense writes it")
                    continue
            yield int(number), kind, value, item
