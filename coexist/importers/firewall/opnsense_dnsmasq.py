"""The dnsmasq.conf that OPNsense writes from ``dnsmasq`` of config.xml: what of it is DHCP.

Source: Dnsmasq.xml in src/opnsense/mvc/app/models/OPNsense/Dnsmasq and dnsmasq.conf in
src/opnsense/service/templates/OPNsense/Dnsmasq. OPNsense tells interfaces apart by the tag that dnsmasq sets
for each; a file that is read elsewhere knows no interfaces, so the tag is set by the ranges of the
interface's network.
"""

from __future__ import annotations

from collections.abc import Set
from ipaddress import IPv4Address

from coexist.importers.firewall.config import Firewall, Interface, is_on
from coexist.importers.firewall.written import Written
from coexist.inventory.values import is_address
from coexist.languages.xml_tree import Element

# The template's `lease_time|default`.
_USUAL_SECONDS = "86400"


def write_dnsmasq(holder: Element, firewall: Firewall) -> Written:
    """The file of a switched-on server."""
    return _Writer(holder, firewall).write()


class _Writer:
    def __init__(self, holder: Element, firewall: Firewall) -> None:
        self.holder, self.firewall = holder, firewall
        self.written = Written()
        self.names = {item.attributes.get("uuid", ""): item.value("tag") for item in holder.all("dhcp_tags")}
        self.served: dict[str, Interface] = {}
        self.tags: dict[str, list[str]] = {}

    def write(self) -> Written:
        add = self.written.add
        add("port=0", self.holder)
        self._settings()
        for item in self.holder.all("dhcp_ranges"):
            self._range(item)
        options = list(self.holder.all("dhcp_options"))
        for item in options:
            self._option(item)
        if not any(_is_for(item, "6", {""}) for item in options):
            for interface in self.served.values():
                for tag in self.tags[interface.name]:
                    add(f"dhcp-option=tag:{tag},6,{interface.address}", self.holder)
        # What dnsmasq says by itself: the address of the interface it answers on.
        for interface in self.served.values():
            if not any(_is_for(item, "3", {"", interface.name}) for item in options):
                for tag in self.tags[interface.name]:
                    add(f"dhcp-option=tag:{tag},3,{interface.address}", self.holder)
        for item in self.holder.all("dhcp_boot"):
            self._boot(item)
        for item in self.holder.all("hosts"):
            self._host(item)
        return self.written

    def _settings(self) -> None:
        for dhcp in self.holder.all("dhcp"):
            for name in ("fqdn", "local", "default_fw_rules", "lease_max", "nosync", "enable_ra"):
                dhcp.value(name)
            domain = dhcp.value("domain") or self.firewall.domain
            if is_on(dhcp.first("fqdn")) and domain:
                self.written.add(f"domain={domain}", dhcp)
            if dhcp.value("authoritative") == "1":
                self.written.add("dhcp-authoritative", dhcp)
            if dhcp.value("reply_delay"):
                self.written.add(f"dhcp-reply-delay={dhcp.value('reply_delay')}", dhcp)
        for name in ("interface", "port", "regdhcp", "regdhcpstatic"):
            self.holder.value(name)

    # -- ranges ------------------------------------------------------------------------------------------

    def _range(self, item: Element) -> None:
        for name in ("description", "nosync", "domain_type"):
            item.value(name)
        first, last = item.value("start_addr"), item.value("end_addr")
        interface = self._interface_of(item, first)
        if interface is None or not is_address(first):
            item.leave("a range of IPv6" if ":" in first else "a range without an interface of its own")
            return
        tag = self._tag(item.value("set_tag")) or f"if-{interface.name}"
        self.served[interface.name] = interface
        self.tags.setdefault(interface.name, [])
        if tag not in self.tags[interface.name]:
            self.tags[interface.name].append(tag)
        mode = "static" if "static" in item.value("mode") else last
        mask = item.value("subnet_mask") or str(interface.network.netmask)
        seconds = item.value("lease_time") or _USUAL_SECONDS
        parts = [f"set:{tag}", first, *([mode] if mode else []), mask, seconds]
        self.written.add(f"dhcp-range={','.join(parts)}", item)
        if item.value("domain"):
            ends = f",{first},{last}" if last else ""
            self.written.add(f"domain={item.value('domain')}{ends}", item)

    def _interface_of(self, item: Element, first: str) -> Interface | None:
        named = self.firewall.interfaces.get(item.value("interface"))
        if named is not None or item.value("interface") or not is_address(first):
            return named
        address = IPv4Address(first)
        return next((i for i in self.firewall.interfaces.values() if address in i.network), None)

    def _tag(self, uuid: str) -> str:
        # A tag is chosen by its uuid; older files have its name.
        return self.names.get(uuid, uuid).replace("-", "")

    # -- what is said ------------------------------------------------------------------------------------

    def _for(self, item: Element) -> list[tuple[str, Interface | None]]:
        """The tags that a line asks for, once for each tag of its interface's ranges."""
        asked = [self._tag(uuid) for uuid in item.value("tag").split(",") if uuid]
        name = item.value("interface")
        if not name:
            return [("".join(f"tag:{tag}," for tag in asked), None)]
        own = self.served.get(name)
        return [("".join(f"tag:{tag}," for tag in (*asked, of)), own) for of in self.tags.get(name, [])]

    def _option(self, item: Element) -> None:
        item.value("description")
        code, value = item.value("option"), item.value("value")
        if not code.isdigit():
            item.leave("an option of IPv6")
            return
        if item.value("type") == "match":
            asked = self._tag(item.value("set_tag"))
            if not asked:
                item.leave("a match that sets no tag")
                return
            self.written.add(f"dhcp-match=set:{asked},{code}{',' + value if value else ''}", item)
            return
        word = "dhcp-option-force" if item.value("force") == "1" else "dhcp-option"
        places = self._for(item)
        if not places:
            item.leave("no range of this interface leases addresses")
        for tags, own in places:
            if "0.0.0.0" not in value.split(","):
                self.written.add(f"{word}={tags}{code}{',' + value if value else ''}", item)
                continue
            # 0.0.0.0 stands for the address that dnsmasq answers from.
            each = [own] if own is not None else list(self.served.values())
            for interface in each:
                text = ",".join(str(interface.address) if p == "0.0.0.0" else p for p in value.split(","))
                for of in [""] if own is not None else [f"tag:{tag}," for tag in self.tags[interface.name]]:
                    self.written.add(f"{word}={tags}{of}{code},{text}", item)

    def _boot(self, item: Element) -> None:
        item.value("description")
        parts = [item.value("filename"), item.value("servername"), item.value("address")]
        while parts and not parts[-1]:
            parts.pop()
        places = self._for(item)
        if not places:
            item.leave("no range of this interface leases addresses")
        for tags, _ in places:
            self.written.add(f"dhcp-boot={tags}{','.join(parts)}", item)

    def _host(self, item: Element) -> None:
        macs = [mac.strip() for mac in item.value("hwaddr").split(",") if mac.strip()]
        for name in ("descr", "comments", "local", "domain", "cnames", "aliases", "host", "ip"):
            item.value(name)
        if not macs:
            # A name of DNS alone, or a machine that dnsmasq knows by its client identifier.
            if item.value("client_id"):
                item.leave("the inventory knows machines by their MAC address only")
            return
        parts = [*macs]
        if item.value("set_tag"):
            parts.append(f"set:{self._tag(item.value('set_tag'))}")
        parts += [text for text in item.value("ip").split(",") if is_address(text)][:1]
        if item.value("host"):
            parts.append(item.value("host"))
        if item.value("lease_time"):
            parts.append(item.value("lease_time"))
        if item.value("ignore") == "1":
            parts.append("ignore")
        self.written.add(f"dhcp-host={','.join(parts)}", item)


def _is_for(item: Element, code: str, interfaces: Set[str]) -> bool:
    """Whether a line says an option to everyone on one of these interfaces; an empty name is all of them."""
    said = item.value("type") in ("", "set") and item.value("option") == code
    return said and not item.value("tag") and item.value("interface") in interfaces
