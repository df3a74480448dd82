"""The kea-dhcp4.conf that OPNsense writes from ``OPNsense/Kea/dhcp4`` of config.xml.

Source: KeaDhcpv4.xml, KeaDhcpv4.php and FieldTypes/KeaOptionDataField.php in
src/opnsense/mvc/app/models/OPNsense/Kea.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from coexist.errors import InputError, Problem
from coexist.importers.firewall.config import Firewall
from coexist.importers.firewall.written import At, Written, write_json
from coexist.languages.xml_tree import Element

# KeaDhcpv4.xml: the default of `valid_lifetime`.
_USUAL_LIFETIME = "4000"
_NUMBERS = {"uint8": 1, "uint16": 2, "uint32": 4, "int32": 4}


def write_kea(holder: Element, firewall: Firewall) -> Written:
    """The file of a switched-on server."""
    return _Writer(holder, firewall).write()


class _Writer:
    def __init__(self, holder: Element, firewall: Firewall) -> None:
        self.holder, self.firewall = holder, firewall
        self.options = {
            item.attributes.get("uuid", ""): item
            for part in holder.all("options")
            for item in part.all("option")
        }

    def write(self) -> Written:
        lifetime = _USUAL_LIFETIME
        for general in self.holder.all("general"):
            for name in ("interfaces", "fwrules", "dhcp_socket_type"):
                general.value(name)
            lifetime = general.value("valid_lifetime") or lifetime
        reservations = [r for part in self.holder.all("reservations") for r in part.all("reservation")]
        classes = [At(made, item) for name, item in self.options.items() if (made := self._class(name, item))]
        dhcp4: dict[str, Any] = {
            "valid-lifetime": _number(lifetime, self.holder),
            "subnet4": [
                At(self._subnet(number, item, reservations), item)
                for part in self.holder.all("subnets")
                for number, item in enumerate(part.all("subnet4"), start=1)
            ],
        }
        if classes:
            dhcp4["client-classes"] = classes
        pair = self._pair()
        if pair is not None:
            dhcp4["hooks-libraries"] = [pair]
        return write_json({"Dhcp4": dhcp4}, self.holder)

    def _pair(self) -> At | None:
        for part in self.holder.all("ha"):
            if part.value("enabled") != "1":
                part.leave("switched off")
                continue
            peers = [
                At({name: peer.value(name) for name in ("name", "role", "url")}, peer)
                for held in self.holder.all("ha_peers")
                for peer in held.all("peer")
            ]
            said = {
                "this-server-name": part.value("this_server_name") or self.firewall.host,
                "mode": "hot-standby",
                "heartbeat-delay": 10000,
                "max-response-delay": 60000,
                "max-ack-delay": 5000,
                "max-unacked-clients": _number(part.value("max_unacked_clients") or "2", part),
                "sync-timeout": 60000,
                "peers": peers,
            }
            library = "/usr/local/lib/kea/hooks/libdhcp_ha.so"
            return At({"library": library, "parameters": {"high-availability": [said]}}, part)
        return None

    # -- subnets -----------------------------------------------------------------------------------------

    def _subnet(self, number: int, item: Element, reservations: list[Element]) -> dict[str, Any]:
        item.value("description")
        said: dict[str, Any] = {"id": number, "subnet": item.value("subnet")}
        if item.value("next_server"):
            said["next-server"] = item.value("next_server")
        if item.value("valid_lifetime"):
            said["valid-lifetime"] = _number(item.value("valid_lifetime"), item)
        for name in ("match-client-id", "allocator"):
            item.value(name)
        data = self._data(item, default_domain=True)
        self._collected(item, data)
        said["option-data"] = [*data.values(), *self._raw(item)]
        asked = [uuid for uuid in self._chosen(item) if self.options[uuid].value("match_code")]
        if asked:
            said["require-client-classes"] = asked
        said["pools"] = [At({"pool": pool}, item) for pool in item.value("pools").split()]
        uuid = item.attributes.get("uuid", "")
        own = [r for r in reservations if r.value("subnet") == uuid]
        said["reservations"] = [At(self._reservation(r), r) for r in own if _identified(r)]
        return said

    def _collected(self, item: Element, data: dict[str, Any]) -> None:
        """What the firewall fills in when the page is saved; a file may be older than that."""
        network = next(
            (i for i in self.firewall.interfaces.values() if str(i.network) == item.value("subnet")), None
        )
        if item.value("option_data_autocollect") == "1" and network is not None:
            for name in ("routers", "domain-name-servers", "ntp-servers"):
                data.setdefault(name, At({"name": name, "data": str(network.address)}, item))

    def _reservation(self, item: Element) -> dict[str, Any]:
        item.value("description")
        said: dict[str, Any] = {}
        if item.value("hw_address"):
            said["hw-address"] = item.value("hw_address").replace("-", ":")
        else:
            said["client-id"] = item.value("client_id")
        for name in ("ip_address", "hostname"):
            if item.value(name):
                said[name.replace("_", "-")] = item.value(name)
        data = [*self._data(item).values(), *self._raw(item)]
        if data:
            said["option-data"] = data
        return said

    def _data(self, item: Element, *, default_domain: bool = False) -> dict[str, Any]:
        """``option_data``: an element an option, named as Kea's with ``_``; in the order of the file."""
        found: dict[str, Any] = {}
        for holder in item.all("option_data"):
            for element in holder.children:
                element.taken = True
                name, text = element.name.replace("_", "-"), element.text.strip()
                if text:
                    found[name] = At({"name": name, "data": text}, element)
        if default_domain and self.firewall.domain:
            data = {"name": "domain-name", "data": self.firewall.domain}
            found.setdefault("domain-name", At(data, item))
        # OPNsense before 25.7 has the boot file as an element of the subnet.
        if item.value("boot_file_name"):
            data = {"name": "boot-file-name", "data": item.value("boot_file_name")}
            found.setdefault("boot-file-name", At(data, item))
        return found

    # -- options by number -------------------------------------------------------------------------------

    def _chosen(self, item: Element) -> list[str]:
        """The options that a subnet or reservation names."""
        chosen = [uuid.strip() for uuid in item.value("option").split(",") if uuid.strip()]
        for uuid in chosen:
            if uuid not in self.options:
                raise InputError([Problem(item.at, f"the option {uuid} is not in the file", _AGAIN)])
        return chosen

    def _raw(self, item: Element) -> list[Any]:
        """The options that everyone on a subnet is sent; a reservation's may still ask for a class."""
        found = []
        for uuid in self._chosen(item):
            option = self.options[uuid]
            asked = bool(option.value("match_code"))
            if asked and item.name == "subnet4":
                continue
            said = self._said(option)
            found.append(At({**said, "client-classes": [uuid]} if asked else said, option))
        return found

    def _said(self, option: Element) -> dict[str, Any]:
        return {
            "code": _number(option.value("code"), option),
            "csv-format": False,
            "data": _encoded(option, "encoding", "data"),
            "always-send": option.value("force") == "1",
        }

    def _class(self, name: str, option: Element) -> dict[str, Any] | None:
        """The class of an option that is for some clients.

        OPNsense names the class at the option, which Kea can since 2.7. Here the class has the option, and
        the subnets require the class: earlier releases say the same so.
        """
        option.value("description")
        if not option.value("match_code"):
            return None
        data = _encoded(option, "match_encoding", "match_data")
        test = f"option[{option.value('match_code')}].hex == 0x{data}"
        return {"name": name, "test": test, "only-if-required": True, "option-data": [self._said(option)]}


_AGAIN = "correct it on the firewall, and export again"


def _identified(reservation: Element) -> bool:
    return bool(reservation.value("hw_address") or reservation.value("client_id"))


def _number(text: str, element: Element) -> int:
    if not text.isdigit():
        raise InputError([Problem(element.at, f"{text!r} is not a number", _AGAIN)])
    return int(text)


def _encoded(option: Element, encoding: str, name: str) -> str:
    """The octets of a value as hexadecimal digits. Raises InputError for what is no such value."""
    kind, text = option.value(encoding) or "hex", option.value(name)
    try:
        return _octets(kind, text).hex()
    except (ValueError, OverflowError, KeyError):
        raise InputError([Problem(option.at, f"{text!r} is not of the type {kind}", _AGAIN)]) from None


def _octets(kind: str, text: str) -> bytes:
    parts = [part.strip() for part in text.split(",")]
    if kind == "hex":
        return bytes.fromhex(text.removeprefix("0x").replace(":", "").replace(" ", ""))
    if kind == "ipv4-address":
        return b"".join(IPv4Address(part).packed for part in parts)
    if kind == "string":
        return text.encode("utf-8", "surrogateescape")
    if kind == "boolean":
        return bytes([{"1": 1, "true": 1, "0": 0, "false": 0}[text.lower()]])
    if kind == "fqdn":
        return b"".join(_labels(part) for part in parts)
    width = _NUMBERS[kind]
    return b"".join(int(part).to_bytes(width, "big", signed=kind == "int32") for part in parts)


def _labels(name: str) -> bytes:
    """A name as RFC 1035 (3.1) writes it."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    if any(not 0 < len(label) < 64 for label in labels):
        raise ValueError(name)
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
