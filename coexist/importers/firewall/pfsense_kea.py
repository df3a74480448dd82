"""The kea-dhcp4.conf that pfSense writes from ``dhcpd`` of config.xml where ``dhcpbackend`` is ``kea``.

Source: services_kea4_configure in src/etc/inc/services.inc of pfSense 2.8. It does not write numbered
options, and no boot files of a reservation: those elements stay unread, as they do on the firewall.

Three things are written in other words that mean the same: a class of the boot file for all others says what
the others are, a beginning of MAC addresses is compared as octets, and the global reservations, which only
make a machine known on the networks where it has no address, are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

from coexist.importers.firewall.config import Firewall, Interface, is_on
from coexist.importers.firewall.written import At, Written, write_json
from coexist.inventory.values import is_address
from coexist.languages.xml_tree import Element

_FILES = (
    ("uefihttp", "substring(option[60].text, 0, 10) == 'HTTPClient'", "uefihttpboot"),
    ("32", "option[93].hex == 0x0006", "filename32"),
    ("64", "option[93].hex == 0x0007 or option[93].hex == 0x0009", "filename64"),
    ("32arm", "option[93].hex == 0x000a", "filename32arm"),
    ("64arm", "option[93].hex == 0x000b", "filename64arm"),
)
_OCTETS = re.compile(r"(?:0x[0-9a-f]+|[0-9a-f]{1,2}(?:[: ][0-9a-f]{1,2})+)\Z")
# What pfSense writes at the pools of an interface, and not at its subnet.
_OF_POOLS = ("tftp-server-name", "ldap-server")
_LISTS = {"winsserver": "netbios-name-servers", "ntpserver": "ntp-servers"}


def write_pfsense_kea(items: list[tuple[Element, Interface]], firewall: Firewall) -> Written:
    """The file for the interfaces that lease addresses."""
    return _Writer(firewall).write(items)


class _Writer:
    def __init__(self, firewall: Firewall) -> None:
        self.firewall = firewall
        self.classes: list[Any] = []
        self.macs: dict[str, Any] = {}

    def write(self, items: list[tuple[Element, Interface]]) -> Written:
        first = items[0][0]
        subnets = [
            At(self._subnet(number, item, interface), item)
            for number, (item, interface) in enumerate(items, start=1)
        ]
        dhcp4: dict[str, Any] = {
            "valid-lifetime": 7200,
            "max-valid-lifetime": 86400,
            "authoritative": first.first("disableauthoritative") is None,
            "option-def": [{"space": "dhcp4", "name": "ldap-server", "code": 95, "type": "string"}],
            "client-classes": [*reversed(self.macs.values()), *self.classes],
            "subnet4": subnets,
        }
        if self.firewall.domain:
            dhcp4["option-data"] = [{"name": "domain-name", "data": self.firewall.domain}]
        pair = self._pair()
        if pair is not None:
            dhcp4["hooks-libraries"] = [pair]
        return write_json({"Dhcp4": dhcp4}, first)

    def _pair(self) -> At | None:
        """Hot standby with another firewall (``kea/ha``)."""
        for kea in self.firewall.root.all("kea"):
            for part in kea.all("ha"):
                role = part.value("role") or "primary"
                other = "standby" if role == "primary" else "primary"
                scheme = "https" if is_on(part.first("tls")) else "http"
                peers = [
                    {
                        "name": part.value(f"{side}name"),
                        "role": own,
                        "url": f"{scheme}://{part.value(side + 'ip')}:{part.value(side + 'port') or '8765'}/",
                        "auto-failover": True,
                    }
                    for side, own in (("local", role), ("remote", other))
                ]
                said: dict[str, Any] = {
                    "this-server-name": part.value("localname"),
                    "mode": "hot-standby",
                    "peers": peers,
                }
                for name, key in _DELAYS.items():
                    if part.value(name).isdigit():
                        said[key] = int(part.value(name))
                library = "/usr/local/lib/kea/hooks/libdhcp_ha.so"
                return At({"library": library, "parameters": {"high-availability": [said]}}, part)
        return None

    # -- a subnet ----------------------------------------------------------------------------------------

    def _subnet(self, number: int, item: Element, interface: Interface) -> dict[str, Any]:
        said: dict[str, Any] = {"id": number, "subnet": str(interface.network)}
        data = _said(item, None)
        for name in _OF_POOLS:
            data.pop(name, None)
        self._itself(item, interface, data)
        for name, key in (("defaultleasetime", "valid-lifetime"), ("maxleasetime", "max-valid-lifetime")):
            if item.value(name).isdigit():
                said[key] = At(int(item.value(name)), item.first(name) or item)
        pools = [item, *item.all("pool")]
        said["pools"] = [
            At(made, pool)
            for place, pool in enumerate(pools)
            if (made := self._pool(place, pool, item, interface)) is not None
        ]
        if any(pool.first("ignoreclientuids") is not None for pool in pools):
            said["match-client-id"] = False
        if is_on(item.first("netboot")):
            if item.value("nextserver"):
                said["next-server"] = At(item.value("nextserver"), item.first("nextserver") or item)
            if item.value("rootpath"):
                data["root-path"] = At(_option("root-path", item.value("rootpath")), item)
            required = self._files(item, interface.name)
            if required:
                said["require-client-classes"] = required
        said["option-data"] = list(data.values())
        said["reservations"] = [At(self._reservation(m, item), m) for m in item.all("staticmap")]
        said["reservations-in-subnet"] = True
        return said

    def _itself(self, item: Element, interface: Interface, data: dict[str, Any]) -> None:
        """The firewall as resolver and router, where the interface names no other."""
        if not any(item.values("dnsserver")):
            own = [str(interface.address)] if self.firewall.resolves else [*self.firewall.resolvers]
            if own:
                data["domain-name-servers"] = At(_option("domain-name-servers", ", ".join(own)), item)
        gateway = item.value("gateway")
        if not gateway and self.firewall.has_gateway:
            gateway = str(interface.address)
        if gateway and gateway != "none":
            data["routers"] = At(_option("routers", gateway), item.first("gateway") or item)

    def _pool(self, place: int, pool: Element, item: Element, interface: Interface) -> dict[str, Any] | None:
        ranges = [(r.value("from"), r.value("to"), r) for r in pool.all("range")]
        ends = [end for first, last, _ in ranges for end in (first, last)]
        if not ranges or any(not is_address(e) or IPv4Address(e) not in interface.network for e in ends):
            for *_, element in ranges:
                element.leave("a range that is not inside the interface's network")
            return None
        first, last, _ = ranges[0]
        made: dict[str, Any] = {"pool": f"{first} - {last}"}
        test = " and ".join(self._tests(pool))
        if test:
            name = f"pool_{interface.name}_{place}"
            self.classes.append(At({"name": name, "test": test}, pool))
            made["client-class"] = name
        # What the pool's first level says again is the interface's own, and stands at the subnet.
        data = _said(pool, item if place else None)
        if place == 0:
            data = {name: value for name, value in data.items() if name in _OF_POOLS}
        elif pool.value("gateway") not in ("", "none", item.value("gateway")):
            data["routers"] = At(_option("routers", pool.value("gateway")), pool)
        if data:
            made["option-data"] = list(data.values())
        if place and is_on(pool.first("netboot")):
            required = self._files(pool, f"{interface.name}_pool_{place}")
            if required:
                made["require-client-classes"] = required
        return made

    def _tests(self, pool: Element) -> Iterator[str]:
        allowed = [f"member('{self._mac(mac, pool)}')" for mac in _macs(pool, "mac_allow")]
        denied = [f"not member('{self._mac(mac, pool)}')" for mac in _macs(pool, "mac_deny")]
        if allowed:
            yield f"({' or '.join(allowed)})"
        if denied:
            yield f"({' and '.join(denied)})"
        if _for_known(pool):
            yield "member('KNOWN')"

    def _mac(self, mac: str, element: Element) -> str:
        digits = mac.replace(":", "")
        name = f"mac_{digits.upper()}"
        test = f"substring(pkt4.mac, 0, {len(digits) // 2}) == 0x{digits}"
        self.macs[name] = At({"name": name, "test": test}, element)
        return name

    def _files(self, holder: Element, where: str) -> list[str]:
        """A class a boot file, which is evaluated where it is required."""
        found = [(short, test, name) for short, test, name in _FILES if holder.value(name)]
        names = [self._file(f"ipxe_{short}_{where}", test, holder, name) for short, test, name in found]
        if holder.value("filename"):
            test = " and ".join(f"not ({test})" for _, test, _ in found) or "member('ALL')"
            names.append(self._file(f"ipxe_legacy_{where}", test, holder, "filename"))
        return names

    def _file(self, name: str, test: str, holder: Element, element: str) -> str:
        data = [_option("boot-file-name", holder.value(element))]
        made = {"name": name, "test": test, "only-if-required": True, "option-data": data}
        self.classes.append(At(made, holder.first(element) or holder))
        return name

    # -- reservations ------------------------------------------------------------------------------------

    def _reservation(self, machine: Element, item: Element) -> dict[str, Any]:
        said: dict[str, Any] = {}
        mac, identifier = machine.value("mac").lower(), machine.value("cid").lower()
        if identifier and not _OCTETS.match(identifier):
            identifier = f"'{identifier}'"
        # A client identifier counts where there is no MAC address.
        if mac:
            said["hw-address"] = mac
        elif identifier:
            said["client-id"] = identifier
        if machine.value("ipaddr"):
            said["ip-address"] = machine.value("ipaddr")
        if machine.value("hostname"):
            said["hostname"] = re.sub("[ .]", "_", machine.value("hostname"))
        data = _said(machine, item)
        if machine.value("gateway") not in ("", item.value("gateway")):
            data["routers"] = At(_option("routers", machine.value("gateway")), machine)
        if data:
            said["option-data"] = list(data.values())
        return said


_DELAYS = {
    "heartbeatdelay": "heartbeat-delay",
    "maxresponsedelay": "max-response-delay",
    "maxackdelay": "max-ack-delay",
    "maxunackedclients": "max-unacked-clients",
}


def _option(name: str, data: str) -> dict[str, Any]:
    return {"name": name, "data": data}


def _for_known(pool: Element) -> bool:
    """Whether only machines with a reservation get addresses of a pool."""
    found = pool.first("denyunknown")
    return found is not None and found.text.strip() != "disabled"


def _macs(pool: Element, name: str) -> Iterator[str]:
    yield from dict.fromkeys(part.strip().lower() for part in pool.value(name).split(",") if part.strip())


def _said(holder: Element, outer: Element | None) -> dict[str, Any]:
    """Options of a level by name, without those that the level around it says alike."""
    for name in ("descr", "arp_table_static_entry"):
        holder.value(name)
    found: dict[str, Any] = {}

    def say(name: str, element: str, data: str) -> None:
        if data and (outer is None or outer.values(element) != holder.values(element)):
            found[name] = At(_option(name, data), holder.first(element) or holder)

    say("domain-name", "domain", holder.value("domain"))
    names = [part.strip() for part in holder.value("domainsearchlist").split(";") if part.strip()]
    say("domain-search", "domainsearchlist", ", ".join(names))
    say("domain-name-servers", "dnsserver", ", ".join(filter(None, holder.values("dnsserver"))))
    for element, name in _LISTS.items():
        say(name, element, ", ".join(filter(is_address, holder.values(element))))
    if "netbios-name-servers" in found:
        found["netbios-node-type"] = At(_option("netbios-node-type", "8"), holder)
    say("tftp-server-name", "tftp", holder.value("tftp"))
    say("ldap-server", "ldap", holder.value("ldap"))
    return found
