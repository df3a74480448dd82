"""Kea's names of DHCPv4 options, and option data as its configuration writes them.

Source: Kea 2.2 src/lib/dhcp/std_option_defs.h and the ARM, "Standard DHCPv4 Options".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address

from coexist.importers.conditions import Inexpressible
from coexist.wire.option_codes import OptionKind, option_kind
from coexist.wire.options import encode_option_value

NAMES: dict[str, int] = {
    name: int(code)
    for code, name in (
        entry.split(" ")
        for entry in """1 subnet-mask|2 time-offset|3 routers|4 time-servers|5 name-servers
6 domain-name-servers|7 log-servers|8 cookie-servers|9 lpr-servers|10 impress-servers
11 resource-location-servers|12 host-name|13 boot-size|14 merit-dump|15 domain-name|16 swap-server
17 root-path|18 extensions-path|19 ip-forwarding|20 non-local-source-routing|21 policy-filter
22 max-dgram-reassembly|23 default-ip-ttl|24 path-mtu-aging-timeout|25 path-mtu-plateau-table
26 interface-mtu|27 all-subnets-local|28 broadcast-address|29 perform-mask-discovery|30 mask-supplier
31 router-discovery|32 router-solicitation-address|33 static-routes|34 trailer-encapsulation
35 arp-cache-timeout|36 ieee802-3-encapsulation|37 default-tcp-ttl|38 tcp-keepalive-interval
39 tcp-keepalive-garbage|40 nis-domain|41 nis-servers|42 ntp-servers|43 vendor-encapsulated-options
44 netbios-name-servers|45 netbios-dd-server|46 netbios-node-type|47 netbios-scope|48 font-servers
49 x-display-manager|50 dhcp-requested-address|51 dhcp-lease-time|52 dhcp-option-overload
53 dhcp-message-type|54 dhcp-server-identifier|55 dhcp-parameter-request-list|56 dhcp-message
57 dhcp-max-message-size|58 dhcp-renewal-time|59 dhcp-rebinding-time|60 vendor-class-identifier
61 dhcp-client-identifier|62 nwip-domain-name|63 nwip-suboptions|64 nisplus-domain-name
65 nisplus-servers|66 tftp-server-name|67 boot-file-name|68 mobile-ip-home-agent|69 smtp-server
70 pop-server|71 nntp-server|72 www-server|73 finger-server|74 irc-server|75 streettalk-server
76 streettalk-directory-assistance-server|77 user-class|78 slp-directory-agent|79 slp-service-scope
81 fqdn|82 dhcp-agent-options|85 nds-servers|86 nds-tree-name|87 nds-context
88 bcms-controller-names|89 bcms-controller-address|90 authenticate
91 client-last-transaction-time|92 associated-ip|93 client-system|94 client-ndi|97 uuid-guid
98 uap-servers|99 geoconf-civic|100 pcode|101 tcode|108 v6-only-preferred|112 netinfo-server-address
113 netinfo-server-tag|114 v4-captive-portal|116 auto-config|117 name-service-search
118 subnet-selection|119 domain-search|124 vivco-suboptions|125 vivso-suboptions|136 pana-agent
137 v4-lost|138 capwap-ac-v4|141 sip-ua-cs-domains|146 rdnss-selection|159 v4-portparams
212 option-6rd|213 v4-access-domain""".replace("\n", "|").split("|")
    )
}

_HEX = re.compile(r"(?:0[xX])?((?:[0-9A-Fa-f]{2}[: ]?)*)\Z")
_INTEGERS = {"uint8": (1, False), "uint16": (2, False), "uint32": (4, False),
             "int8": (1, True), "int16": (2, True), "int32": (4, True)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Definition:
    """An option a configuration defines."""

    name: str
    code: int
    space: str
    kind: str
    array: bool = False
    encapsulates: str = ""
    record: tuple[str, ...] = ()


@dataclass(slots=True)
class Definitions:
    """The options by space and name or code: Kea's own and the configuration's."""

    own: dict[tuple[str, str | int], Definition] = field(default_factory=dict)
    used: set[Definition] = field(default_factory=set)

    def add(self, definition: Definition) -> None:
        """Declare an option."""
        self.own[definition.space, definition.name] = definition
        self.own[definition.space, definition.code] = definition

    def code(self, name: str, space: str = "dhcp4") -> int | None:
        """The code of an option by name or number."""
        if name.isdigit():
            return int(name)
        found = self.own.get((space, name))
        if found is not None:
            self.used.add(found)
            return found.code
        return NAMES.get(name) if space == "dhcp4" else None

    def encapsulated_space(self, code: int) -> str:
        """The space whose options stand inside an option."""
        found = self.own.get(("dhcp4", code))
        if found is not None and found.encapsulates:
            self.used.add(found)
            return found.encapsulates
        return "vendor-encapsulated-options-space" if code == 43 else ""

    def octets(self, space: str, code: int, data: str, *, csv: bool) -> bytes:
        """Option data as octets. Raises Inexpressible for data that is not of the option's type."""
        if not csv:
            return _raw(data)
        definition = self.own.get((space, code))
        if definition is not None:
            self.used.add(definition)
            return _typed(definition, data)
        if space != "dhcp4":
            return _raw(data)
        return _standard(code, data)


def _raw(data: str) -> bytes:
    if data.startswith("'") and data.endswith("'") and len(data) > 1:
        return data[1:-1].encode("utf-8", "surrogateescape")
    found = _HEX.match(data.strip())
    if found is None:
        raise Inexpressible("the data are not hexadecimal")
    return bytes.fromhex(found[1].replace(":", "").replace(" ", ""))


def _standard(code: int, data: str) -> bytes:
    """The names and shapes of RFC 2132; texts go as they are, a comma in them has a backslash."""
    kind = option_kind(code)
    text = data.replace("\\,", ",") if kind in (OptionKind.TEXT, OptionKind.BYTES) else data
    if kind is OptionKind.BYTES and code not in (60, 77) and _HEX.match(text.strip()):
        return _raw(text)
    try:
        return encode_option_value(code, text)
    except ValueError as error:
        raise Inexpressible(str(error)) from None


def _typed(definition: Definition, data: str) -> bytes:
    if definition.kind == "record":
        parts = [part.strip() for part in re.split(r"(?<!\\),", data)]
        kinds = list(definition.record)
        kinds += kinds[-1:] * (len(parts) - len(kinds)) if definition.array else []
        if len(parts) != len(kinds):
            raise Inexpressible("a record with another number of fields")
        return b"".join(_one(kind, part) for kind, part in zip(kinds, parts, strict=True))
    if definition.array:
        return b"".join(_one(definition.kind, part.strip()) for part in re.split(r"(?<!\\),", data))
    return _one(definition.kind, data)


def _one(kind: str, text: str) -> bytes:
    try:
        if kind in _INTEGERS:
            size, signed = _INTEGERS[kind]
            return int(text.strip(), 0).to_bytes(size, "big", signed=signed)
        if kind == "ipv4-address":
            return IPv4Address(text.strip()).packed
        if kind == "boolean":
            return bytes([{"true": 1, "1": 1, "false": 0, "0": 0}[text.strip()]])
        if kind == "fqdn":
            labels = text.strip().rstrip(".").split(".")
            return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"
    except (ValueError, KeyError, OverflowError, AddressValueError):
        raise Inexpressible(f"{text!r} is no {kind}") from None
    if kind == "string":
        return text.replace("\\,", ",").encode("utf-8", "surrogateescape")
    if kind == "binary":
        return _raw(text)
    if kind == "empty":
        return b""
    raise Inexpressible(f"data of the type {kind}")
