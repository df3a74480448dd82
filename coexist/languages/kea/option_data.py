"""The types of Kea's DHCPv4 options, and the octets it makes of option data.

Source: ``src/lib/dhcp/std_option_defs.h`` and ``option_definition.cc`` of Kea, and its ARM, "Standard DHCPv4
Options" and "Custom DHCPv4 Options".
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address

from coexist.records import dataclass
from coexist.wire.domain_names import without_pointers
from coexist.wire.options import encode_options
from coexist.wire.pxe import decode_suboptions

DHCP4 = "dhcp4"
VENDOR_SPACE = "vendor-encapsulated-options-space"
_VENDOR_OPTIONS = 43
_AGENT_OPTIONS = 82

_VENDOR_CLASS, _VENDOR_OPTIONS_BY_NUMBER = 124, 125
_LEAST_OCTETS = {61: 2, 81: 3}

_MOST_DIGITS = 10
"""No number of an option has more, and Python reads none of thousands."""


class BadDataError(ValueError):
    """Option data that are not of the option's type."""


@dataclass(frozen=True, slots=True)
class OptionType:
    """What an option holds. ``encapsulates``: the space whose options stand inside it."""

    name: str
    code: int
    kind: str
    array: bool = False
    encapsulates: str = ""
    record: tuple[str, ...] = ()


_ROUTES, _LONG_TUPLE, _RESOLVERS = "static-routes", "long-tuple", "resolvers"
"""Types of single options: of 121, of 143 (a tuple with two octets of length), and of 162."""
_KINDS = {
    "a": "ipv4-address",
    "s": "string",
    "b": "boolean",
    "1": "uint8",
    "2": "uint16",
    "4": "uint32",
    "i": "int32",
    "x": "binary",
    "n": "fqdn",
    "r": "record",
    "e": "empty",
}
# Code, name, type; a star behind the type is an array.
_STANDARD = """
1 subnet-mask a|2 time-offset i|3 routers a*|4 time-servers a*|5 name-servers a*|6 domain-name-servers a*
7 log-servers a*|8 cookie-servers a*|9 lpr-servers a*|10 impress-servers a*|11 resource-location-servers a*
12 host-name s|13 boot-size 2|14 merit-dump s|15 domain-name s|16 swap-server a|17 root-path s
18 extensions-path s|19 ip-forwarding b|20 non-local-source-routing b|21 policy-filter a*
22 max-dgram-reassembly 2|23 default-ip-ttl 1|24 path-mtu-aging-timeout 4|25 path-mtu-plateau-table 2*
26 interface-mtu 2|27 all-subnets-local b|28 broadcast-address a|29 perform-mask-discovery b
30 mask-supplier b|31 router-discovery b|32 router-solicitation-address a|33 static-routes a*
34 trailer-encapsulation b|35 arp-cache-timeout 4|36 ieee802-3-encapsulation b|37 default-tcp-ttl 1
38 tcp-keepalive-interval 4|39 tcp-keepalive-garbage b|40 nis-domain s|41 nis-servers a*|42 ntp-servers a*
43 vendor-encapsulated-options e|44 netbios-name-servers a*|45 netbios-dd-server a*|46 netbios-node-type 1
47 netbios-scope s|48 font-servers a*|49 x-display-manager a*|50 dhcp-requested-address a
51 dhcp-lease-time 4|52 dhcp-option-overload 1|53 dhcp-message-type 1|54 dhcp-server-identifier a
55 dhcp-parameter-request-list 1*|56 dhcp-message s|57 dhcp-max-message-size 2|58 dhcp-renewal-time 4
59 dhcp-rebinding-time 4|60 vendor-class-identifier s|61 dhcp-client-identifier x|62 nwip-domain-name s
63 nwip-suboptions x|64 nisplus-domain-name s|65 nisplus-servers a*|66 tftp-server-name s
67 boot-file-name s|68 mobile-ip-home-agent a*|69 smtp-server a*|70 pop-server a*|71 nntp-server a*
72 www-server a*|73 finger-server a*|74 irc-server a*|75 streettalk-server a*
76 streettalk-directory-assistance-server a*|77 user-class x|78 slp-directory-agent r*
79 slp-service-scope r|81 fqdn r|82 dhcp-agent-options e|85 nds-servers a*|86 nds-tree-name s
87 nds-context s|88 bcms-controller-names n*|89 bcms-controller-address a*|90 authenticate x
91 client-last-transaction-time 4|92 associated-ip a*|93 client-system 2*|94 client-ndi r|97 uuid-guid r
98 uap-servers s|99 geoconf-civic x|100 pcode s|101 tcode s|108 v6-only-preferred 4
112 netinfo-server-address a*|113 netinfo-server-tag s|114 v4-captive-portal s|116 auto-config 1
117 name-service-search 2*|118 subnet-selection a|119 domain-search n*|124 vivco-suboptions r
125 vivso-suboptions 4|136 pana-agent a*|137 v4-lost n|138 capwap-ac-v4 a*|141 sip-ua-cs-domains n*
146 rdnss-selection r*|159 v4-portparams r|212 option-6rd r*|213 v4-access-domain n
"""
_RECORDS = {
    78: ("boolean", "ipv4-address"),
    79: ("boolean", "string"),
    81: ("uint8", "uint8", "uint8", "fqdn"),
    94: ("uint8", "uint8", "uint8"),
    97: ("uint8", "binary"),
    124: ("uint32", "binary"),
    146: ("uint8", "ipv4-address", "ipv4-address", "fqdn"),
    159: ("uint8", "psid"),
    212: ("uint8", "uint8", "ipv6-address", "ipv4-address"),
}
_SPACES = {_VENDOR_OPTIONS: VENDOR_SPACE, _AGENT_OPTIONS: "dhcp-agent-options-space"}


def _standard() -> dict[int, OptionType]:
    found: dict[int, OptionType] = {}
    for entry in _STANDARD.strip().replace("\n", "|").split("|"):
        code, name, kind = entry.split(" ")
        number = int(code)
        found[number] = OptionType(
            name,
            number,
            _KINDS[kind[0]],
            kind.endswith("*"),
            _SPACES.get(number, ""),
            _RECORDS.get(number, ()),
        )
    return found


STANDARD: dict[int, OptionType] = _standard()
"""The options Kea 2.2 knows by itself, by code."""
LATER: dict[int, tuple[tuple[int, int], OptionType]] = {
    option.code: (since, option)
    for since, option in (
        ((2, 4), OptionType("v4-sztp-redirect", 143, _LONG_TUPLE, array=True)),
        ((2, 4), OptionType("status-code", 151, "record", record=("uint8", "string"))),
        ((2, 4), OptionType("base-time", 152, "uint32")),
        ((2, 4), OptionType("start-time-of-state", 153, "uint32")),
        ((2, 4), OptionType("query-start-time", 154, "uint32")),
        ((2, 4), OptionType("query-end-time", 155, "uint32")),
        ((2, 4), OptionType("dhcp-state", 156, "uint8")),
        ((2, 4), OptionType("data-source", 157, "uint8")),
        ((2, 4), OptionType("v4-dnr", 162, _RESOLVERS)),
        ((2, 6), OptionType("classless-static-route", 121, _ROUTES, array=True)),
    )
}
"""Those that later releases know too, with the first stable one (Kea's ChangeLog, 2116, 2130 and 2200)."""

_BY_NAME = {option.name: option for option in STANDARD.values()}
_CABLE_LABS = (
    OptionType("oro", 1, "uint8", array=True),
    OptionType("tftp-servers", 2, "ipv4-address", array=True),
)
_VENDORS: dict[tuple[str, str | int], OptionType] = {
    (space, key): option
    for space in ("vendor-4491", "docsis3-v4")
    for option in _CABLE_LABS
    for key in (option.code, option.name)
}
"""Options of vendors that Kea knows by itself (``docsis3_option_defs.h``)."""
_SIZES = {"uint8": (1, False), "uint16": (2, False), "uint32": (4, False), "int8": (1, True),
          "int16": (2, True), "int32": (4, True)}  # fmt: skip
OPTION_KINDS = frozenset({*_KINDS.values(), *_SIZES, "ipv6-address", "ipv6-prefix", "psid", "tuple"})
"""The types a definition may have."""
_HEX = re.compile(r"(?:0[xX])?([0-9A-Fa-f]*)\Z")


_LENGTHS = {"ipv4-address": 4, "ipv6-address": 16, "boolean": 1, "psid": 3}


class OptionTypes:
    """The types of a configuration: Kea's own, and those it defines. ``version``: of the server; of one that
    is not known the options of all releases are known."""

    def __init__(
        self, own: tuple[tuple[str, OptionType], ...] = (), version: tuple[int, int] | None = None
    ) -> None:
        self._own: dict[tuple[str, str | int], OptionType] = {}
        self._later: dict[str | int, OptionType] = {}
        for since, option in LATER.values():
            if version is None or version >= since:
                self._later[option.name] = self._later[option.code] = option
        for space, option in own:
            self._own[space, option.name] = self._own[space, option.code] = option

    def find(self, space: str, key: str | int) -> OptionType | None:
        """The type of an option by name or code."""
        found = self._own.get((space, key)) or _VENDORS.get((space, key))
        if found is not None or space != DHCP4:
            return found
        standard = STANDARD.get(key) if isinstance(key, int) else _BY_NAME.get(key)
        return standard or self._later.get(key)

    def octets(self, option: OptionType | None, data: str, *, csv: bool) -> bytes:
        """The octets of option data. Raises BadDataError."""
        if option is None or not csv:
            octets = raw_octets(data)
            if option is not None and not _is_held(option, octets):
                raise BadDataError(f"{len(octets)} octets are not what {option.name} holds")
            return _kept(option, octets)
        fields = _fields(data)
        if option.kind == "empty":
            if data.strip():
                raise BadDataError("the option holds no data of its own")
            return b""
        if option.kind == "record":
            return _record(option, fields)
        if option.array:
            return b"".join(_one(option.kind, part) for part in fields)
        if not fields:
            raise BadDataError("no option value specified")
        # What stands behind a comma is not looked at.
        return _one(option.kind, fields[0])


STANDARD_TYPES = OptionTypes(version=(2, 2))
"""Those of every release alone."""


def trimmed(option: OptionType | None, octets: bytes) -> bytes:
    """A text option as Kea keeps it: without NULs at its end (``option_string.cc``)."""
    return octets.rstrip(b"\0") if option is not None and option.kind == "string" else octets


def _kept(option: OptionType | None, octets: bytes) -> bytes:
    """Octets as Kea keeps them in an option of a type (``OptionDefinition::optionFactory``): in a list of
    names it writes each out, whatever pointers led to it. Raises BadDataError."""
    if option is None:
        return octets
    if option.kind != "fqdn" or not option.array:
        return octets[: _single_length(option, octets)] + _behind_number(option, octets)
    if not octets:
        raise BadDataError("a list of names has no name")
    try:
        return without_pointers(octets)
    except ValueError as error:
        raise BadDataError(f"the octets are no list of names: {error}") from None


def _single_length(option: OptionType, octets: bytes) -> int:
    """How many octets the value of an option has, or its record: what is behind it is not kept."""
    kinds = option.record or (option.kind,)
    if option.array or not {*_SIZES, *_LENGTHS}.issuperset(kinds):
        return len(trimmed(option, octets))
    at = 0
    for kind in kinds:
        at = _behind(kind, octets, at)
    return at


def _behind_number(option: OptionType, octets: bytes) -> bytes:
    """What is kept of octets behind a single number: they are read as options inside it (``OptionInt``)."""
    if option.array or option.kind not in _SIZES:
        return b""
    return encode_options(dict(sorted(decode_suboptions(octets[_SIZES[option.kind][0] :]).items())))


def has_shape(option: OptionType | None, octets: bytes) -> bool:
    """Whether octets are what an option of a type holds: Kea starts with no others.

    Lists of records that end with a name are none here (146: "option buffer truncated", whatever they are).
    """
    if option is None or option.kind in ("string", "binary", "empty"):
        return True
    if option.array and option.record[-1:] == ("fqdn",):
        return False
    kinds, at = option.record or (option.kind,), 0
    try:
        for kind in kinds:
            at = _behind(kind, octets, at)
        while option.array and at < len(octets):
            at = _behind(kinds[-1], octets, at)
    except IndexError:
        return False
    return at == len(octets)


def is_readable(code: int, octets: bytes) -> bool:
    """Whether Kea reads an option of a client's packet: it drops the packet otherwise (``Pkt4::unpack``).

    Of a single value and of a record it reads what it needs and no more, but for a boolean of a record, which
    must be one. A list of addresses may be empty. Options with a class of their own have other rules: 61 has
    two octets at least, 81 its flags, 124 texts behind their lengths, and 125 is passed over (2.2.0, each
    asked).
    """
    option = STANDARD.get(code)
    return option is None or code == _VENDOR_OPTIONS_BY_NUMBER or _is_read(option, octets)


def _is_held(option: OptionType, octets: bytes) -> bool:
    """Whether option data in octets is what an option of a type holds: as in a packet, but for a text, which
    is not empty (``kea-dhcp4 -t`` 2.2.0, each type asked)."""
    if option.kind in ("string", "binary"):
        return bool(octets) or option.kind == "binary"
    if option.array and option.kind == "fqdn":
        return True  # `_kept` reads its pointers
    known = {*_SIZES, *_LENGTHS, "string", "binary", "empty", "fqdn"}
    return not known.issuperset(option.record or (option.kind,)) or _is_read(option, octets)


def _is_read(option: OptionType, octets: bytes) -> bool:
    if STANDARD.get(option.code) is option:
        if option.code in _LEAST_OCTETS:
            return len(octets) >= _LEAST_OCTETS[option.code]
        if option.code == _VENDOR_CLASS:
            return _is_vendor_class(octets)
    if option.array and option.kind == "ipv4-address":
        return len(octets) % 4 == 0
    listed = option.array and option.record[-1:] in ((), ("fqdn",))
    if listed or option.kind in ("string", "binary", "empty"):
        return has_shape(option, octets)
    at = 0
    try:
        for kind in option.record or (option.kind,):
            if kind == "boolean" and option.record and octets[at] > 1:
                return False
            at = _behind(kind, octets, at)
    except IndexError:
        return False
    return True


def _is_vendor_class(octets: bytes) -> bool:
    """Whether octets are a number of 32 bits and texts behind their lengths, as often as they like."""
    at = 4
    if len(octets) < at:
        return False
    while at < len(octets):
        at += 1 + octets[at]
    return at == len(octets)


def _behind(kind: str, octets: bytes, at: int) -> int:
    """Where a value ends that begins at an octet. Raises IndexError behind the last one."""
    if kind in ("string", "binary"):
        return len(octets)
    if kind == "fqdn":
        while octets[at]:
            at += octets[at] + 1
        return at + 1
    end = at + (_SIZES[kind][0] if kind in _SIZES else _LENGTHS[kind])
    octets[end - 1]
    return end


def raw_octets(data: str) -> bytes:
    """Data that are hexadecimal, with or without colons or spaces, or a text in single quotes."""
    text = data.strip()
    if len(text) > 1 and text.startswith("'") and text.endswith("'"):
        return text[1:-1].encode("utf-8", "surrogateescape")
    parts = re.split("[: ]", text)
    if len(parts) > 1:
        parts = [part.rjust(2, "0") for part in parts]
    found = _HEX.match("".join(parts))
    if found is None:
        raise BadDataError("the data are not hexadecimal")
    digits = found[1]
    return bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits)


def _fields(data: str) -> list[str]:
    """Parts between commas, without empty ones (``str::tokens``); a backslash keeps a comma."""
    parts = (part.replace("\\,", ",") for part in re.split(r"(?<!\\),", data))
    return [part.strip() for part in parts if part]


def _record(option: OptionType, parts: list[str]) -> bytes:
    """The fields of a record; what is too much is not looked at (``OptionDefinition::optionFactory``)."""
    kinds = list(option.record)
    if option.array:
        kinds += kinds[-1:] * (len(parts) - len(kinds))
    if len(parts) < len(kinds):
        raise BadDataError("the data have fewer fields than the option")
    return b"".join(_one(kind, part) for kind, part in zip(kinds, parts, strict=False))


def _one(kind: str, text: str) -> bytes:
    try:
        if kind in _SPECIAL:
            return _SPECIAL[kind](text)
        if kind in _SIZES:
            size, signed = _SIZES[kind]
            return int(text, 0).to_bytes(size, "big", signed=signed)
        if kind in ("ipv4-address", "ipv6-address"):
            return (IPv4Address if kind == "ipv4-address" else IPv6Address)(text).packed
        if kind == "boolean":
            return bytes([{"true": 1, "1": 1, "false": 0, "0": 0}[text.lower()]])
    except (ValueError, KeyError, OverflowError, AddressValueError):
        raise BadDataError(f"{text!r} is no {kind}") from None
    if kind == "fqdn":
        return _name(text)
    if kind == "string":
        return text.encode("utf-8", "surrogateescape").rstrip(b"\0")
    if kind == "tuple":
        octets = text.encode("utf-8", "surrogateescape")
        return bytes((len(octets),)) + octets
    if kind == "binary":
        # encode::decodeHex passes over blanks alone.
        digits = "".join(text.split())
        if re.fullmatch("(?:[0-9A-Fa-f]{2})+", digits) is None:
            raise BadDataError(
                f"{text!r} is not hexadecimal, two digits an octet and nothing but blanks between"
            )
        return bytes.fromhex(digits)
    if kind == "empty":
        return b""
    raise BadDataError(f"data of the type {kind} are not understood")


def _route(text: str) -> bytes:
    """``10.0.0.0/8 - 10.1.0.1`` as RFC 3442 has it: the width, the octets that count, the router."""
    network, dash, router = text.partition("-")
    try:
        if not dash:
            raise ValueError(text)
        found = IPv4Network(network.strip())
        significant = found.network_address.packed[: (found.prefixlen + 7) // 8]
        return bytes((found.prefixlen,)) + significant + IPv4Address(router.strip()).packed
    except ValueError:
        raise BadDataError(f"{text!r} is no route: write 10.0.0.0/8 - 10.1.0.1") from None


def _long_tuple(text: str) -> bytes:
    """A text behind its length in two octets, as RFC 8572 has it."""
    octets = text.encode("utf-8", "surrogateescape")
    return len(octets).to_bytes(2, "big") + octets


def _resolver(text: str) -> bytes:
    raise BadDataError(f"Kea's notation of resolvers is not understood ({text!r}): write octets")


def _psid(text: str) -> bytes:
    """A port set of RFC 7618: its length, and its number from the left (``writePsid``)."""
    number, _, length = text.partition("/")
    digits = int(length)
    if not 0 <= digits <= 16 or int(number) >> digits:
        raise ValueError
    return bytes((digits,)) + (int(number) << 16 - digits).to_bytes(2, "big")


_SPECIAL = {"psid": _psid, _ROUTES: _route, _LONG_TUPLE: _long_tuple, _RESOLVERS: _resolver}


def number_of(name: str) -> int | None:
    """The code of an option that is named by it; None for a name."""
    return int(name) if name.isascii() and name.isdigit() and len(name) < _MOST_DIGITS else None


def _name(text: str) -> bytes:
    """A domain name as RFC 1035 has it (``OptionDataTypeUtil::writeFqdn``)."""
    octets = text.removesuffix(".").encode("utf-8", "surrogateescape")
    labels = [label for label in octets.split(b".") if label]
    if any(len(label) > 63 for label in labels):
        raise BadDataError(f"{text!r} is no domain name")
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
