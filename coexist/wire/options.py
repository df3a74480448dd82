"""DHCP options: their codes, the octets of an option area, and the shape of their values.

Sources: RFC 2132 (codes, shapes), RFC 3396 (long options), RFC 4578 (PXE: 93, 94, 97),
RFC 3046 (82), RFC 3004 (77), RFC 5859 (150), RFC 5071 (208 to 211), RFC 8910 (114).
175 is iPXE's own, with its sub-options encapsulated as option 43's are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, IntEnum
from ipaddress import AddressValueError, IPv4Address
from types import MappingProxyType
from typing import TypeAlias

from coexist.wire.malformed import Malformed

OptionInput: TypeAlias = str | int | bool | Sequence[str | int]
"""What an administrator may write as an option's value."""


class Option(IntEnum):
    """Option codes by their RFC titles. ``PAD`` and ``END`` have no length and no value."""

    PAD = 0
    SUBNET_MASK = 1
    TIME_OFFSET = 2
    ROUTER = 3
    TIME_SERVER = 4
    NAME_SERVER = 5
    DOMAIN_NAME_SERVER = 6
    LOG_SERVER = 7
    COOKIE_SERVER = 8
    LPR_SERVER = 9
    IMPRESS_SERVER = 10
    RESOURCE_LOCATION_SERVER = 11
    HOST_NAME = 12
    BOOT_FILE_SIZE = 13
    MERIT_DUMP_FILE = 14
    DOMAIN_NAME = 15
    SWAP_SERVER = 16
    ROOT_PATH = 17
    EXTENSIONS_PATH = 18
    IP_FORWARDING = 19
    NON_LOCAL_SOURCE_ROUTING = 20
    POLICY_FILTER = 21
    MAXIMUM_DATAGRAM_REASSEMBLY_SIZE = 22
    DEFAULT_IP_TIME_TO_LIVE = 23
    PATH_MTU_AGING_TIMEOUT = 24
    PATH_MTU_PLATEAU_TABLE = 25
    INTERFACE_MTU = 26
    ALL_SUBNETS_ARE_LOCAL = 27
    BROADCAST_ADDRESS = 28
    PERFORM_MASK_DISCOVERY = 29
    MASK_SUPPLIER = 30
    PERFORM_ROUTER_DISCOVERY = 31
    ROUTER_SOLICITATION_ADDRESS = 32
    STATIC_ROUTE = 33
    TRAILER_ENCAPSULATION = 34
    ARP_CACHE_TIMEOUT = 35
    ETHERNET_ENCAPSULATION = 36
    TCP_DEFAULT_TTL = 37
    TCP_KEEPALIVE_INTERVAL = 38
    TCP_KEEPALIVE_GARBAGE = 39
    NIS_DOMAIN = 40
    NIS_SERVERS = 41
    NTP_SERVERS = 42
    VENDOR_SPECIFIC_INFORMATION = 43
    NETBIOS_NAME_SERVER = 44
    NETBIOS_DATAGRAM_DISTRIBUTION_SERVER = 45
    NETBIOS_NODE_TYPE = 46
    NETBIOS_SCOPE = 47
    X_WINDOW_FONT_SERVER = 48
    X_WINDOW_DISPLAY_MANAGER = 49
    REQUESTED_IP_ADDRESS = 50
    IP_ADDRESS_LEASE_TIME = 51
    OPTION_OVERLOAD = 52
    DHCP_MESSAGE_TYPE = 53
    SERVER_IDENTIFIER = 54
    PARAMETER_REQUEST_LIST = 55
    MESSAGE = 56
    MAXIMUM_DHCP_MESSAGE_SIZE = 57
    RENEWAL_TIME = 58
    REBINDING_TIME = 59
    VENDOR_CLASS_IDENTIFIER = 60
    CLIENT_IDENTIFIER = 61
    NETWARE_IP_DOMAIN = 62
    NETWARE_IP_INFORMATION = 63
    NISPLUS_DOMAIN = 64
    NISPLUS_SERVERS = 65
    TFTP_SERVER_NAME = 66
    BOOTFILE_NAME = 67
    MOBILE_IP_HOME_AGENT = 68
    SMTP_SERVER = 69
    POP3_SERVER = 70
    NNTP_SERVER = 71
    WWW_SERVER = 72
    FINGER_SERVER = 73
    IRC_SERVER = 74
    STREETTALK_SERVER = 75
    STREETTALK_DIRECTORY_ASSISTANCE_SERVER = 76
    USER_CLASS = 77
    DIRECTORY_AGENT = 78
    SERVICE_SCOPE = 79
    RAPID_COMMIT = 80
    CLIENT_FQDN = 81
    RELAY_AGENT_INFORMATION = 82
    ISNS = 83
    AUTHENTICATION = 90
    CLIENT_LAST_TRANSACTION_TIME = 91
    ASSOCIATED_IP = 92
    CLIENT_SYSTEM_ARCHITECTURE = 93
    CLIENT_NETWORK_INTERFACE_IDENTIFIER = 94
    CLIENT_MACHINE_IDENTIFIER = 97
    USER_AUTHENTICATION = 98
    PCODE = 100
    TCODE = 101
    IPV6_ONLY_PREFERRED = 108
    CAPTIVE_PORTAL = 114
    AUTO_CONFIGURE = 116
    NAME_SERVICE_SEARCH = 117
    SUBNET_SELECTION = 118
    DOMAIN_SEARCH = 119
    SIP_SERVERS = 120
    CLASSLESS_STATIC_ROUTE = 121
    VENDOR_IDENTIFYING_VENDOR_CLASS = 124
    VENDOR_IDENTIFYING_VENDOR_SPECIFIC = 125
    TFTP_SERVER_ADDRESS = 150
    IPXE_ENCAPSULATED = 175
    PXELINUX_MAGIC = 208
    PXELINUX_CONFIGURATION_FILE = 209
    PXELINUX_PATH_PREFIX = 210
    PXELINUX_REBOOT_TIME = 211
    MICROSOFT_CLASSLESS_STATIC_ROUTE = 249
    WEB_PROXY_AUTO_DISCOVERY = 252
    END = 255


class MessageType(IntEnum):
    """Option 53: RFC 2132 section 9.6."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


class OptionKind(Enum):
    """The shape of an option's value."""

    TEXT = "text"
    ADDRESS = "one IPv4 address"
    ADDRESSES = "one or more IPv4 addresses"
    U8 = "a number of 8 bits"
    U16 = "a number of 16 bits"
    U32 = "a number of 32 bits"
    I32 = "a signed number of 32 bits"
    U8_LIST = "one or more numbers of 8 bits"
    U16_LIST = "one or more numbers of 16 bits"
    BOOLEAN = "true or false"
    BYTES = "octets"


def _kinds() -> dict[int, OptionKind]:
    o = Option
    by_kind: dict[OptionKind, tuple[Option, ...]] = {
        OptionKind.TEXT: (
            o.HOST_NAME, o.MERIT_DUMP_FILE, o.DOMAIN_NAME, o.ROOT_PATH, o.EXTENSIONS_PATH, o.NIS_DOMAIN,
            o.NETBIOS_SCOPE, o.MESSAGE, o.VENDOR_CLASS_IDENTIFIER, o.NETWARE_IP_DOMAIN, o.NISPLUS_DOMAIN,
            o.TFTP_SERVER_NAME, o.BOOTFILE_NAME,
            # RFC 3004 prefixes each user class with its length; iPXE and the servers that
            # look at 77 write the bare text.
            o.USER_CLASS,
            o.USER_AUTHENTICATION, o.PCODE, o.TCODE, o.CAPTIVE_PORTAL, o.PXELINUX_CONFIGURATION_FILE,
            o.PXELINUX_PATH_PREFIX, o.WEB_PROXY_AUTO_DISCOVERY,
        ),
        OptionKind.ADDRESS: (
            o.SUBNET_MASK, o.SWAP_SERVER, o.BROADCAST_ADDRESS, o.ROUTER_SOLICITATION_ADDRESS,
            o.REQUESTED_IP_ADDRESS, o.SERVER_IDENTIFIER, o.SUBNET_SELECTION,
        ),
        # 21 and 33 are pairs of addresses.
        OptionKind.ADDRESSES: (
            o.ROUTER, o.TIME_SERVER, o.NAME_SERVER, o.DOMAIN_NAME_SERVER, o.LOG_SERVER, o.COOKIE_SERVER,
            o.LPR_SERVER, o.IMPRESS_SERVER, o.RESOURCE_LOCATION_SERVER, o.POLICY_FILTER, o.STATIC_ROUTE,
            o.NIS_SERVERS, o.NTP_SERVERS, o.NETBIOS_NAME_SERVER, o.NETBIOS_DATAGRAM_DISTRIBUTION_SERVER,
            o.X_WINDOW_FONT_SERVER, o.X_WINDOW_DISPLAY_MANAGER, o.NISPLUS_SERVERS, o.MOBILE_IP_HOME_AGENT,
            o.SMTP_SERVER, o.POP3_SERVER, o.NNTP_SERVER, o.WWW_SERVER, o.FINGER_SERVER, o.IRC_SERVER,
            o.STREETTALK_SERVER, o.STREETTALK_DIRECTORY_ASSISTANCE_SERVER, o.ASSOCIATED_IP,
            o.TFTP_SERVER_ADDRESS,
        ),
        OptionKind.U8: (
            o.DEFAULT_IP_TIME_TO_LIVE, o.TCP_DEFAULT_TTL, o.NETBIOS_NODE_TYPE, o.OPTION_OVERLOAD,
            o.DHCP_MESSAGE_TYPE, o.AUTO_CONFIGURE,
        ),
        OptionKind.U16: (
            o.BOOT_FILE_SIZE, o.MAXIMUM_DATAGRAM_REASSEMBLY_SIZE, o.INTERFACE_MTU,
            o.MAXIMUM_DHCP_MESSAGE_SIZE,
        ),
        OptionKind.U32: (
            o.PATH_MTU_AGING_TIMEOUT, o.ARP_CACHE_TIMEOUT, o.TCP_KEEPALIVE_INTERVAL,
            o.IP_ADDRESS_LEASE_TIME, o.RENEWAL_TIME, o.REBINDING_TIME, o.CLIENT_LAST_TRANSACTION_TIME,
            o.IPV6_ONLY_PREFERRED, o.PXELINUX_REBOOT_TIME,
        ),
        OptionKind.I32: (o.TIME_OFFSET,),
        OptionKind.U8_LIST: (o.PARAMETER_REQUEST_LIST,),
        OptionKind.U16_LIST: (
            o.PATH_MTU_PLATEAU_TABLE, o.CLIENT_SYSTEM_ARCHITECTURE, o.NAME_SERVICE_SEARCH,
        ),
        OptionKind.BOOLEAN: (
            o.IP_FORWARDING, o.NON_LOCAL_SOURCE_ROUTING, o.ALL_SUBNETS_ARE_LOCAL, o.PERFORM_MASK_DISCOVERY,
            o.MASK_SUPPLIER, o.PERFORM_ROUTER_DISCOVERY, o.TRAILER_ENCAPSULATION,
            o.ETHERNET_ENCAPSULATION, o.TCP_KEEPALIVE_GARBAGE,
        ),
    }  # fmt: skip
    return {int(code): kind for kind, codes in by_kind.items() for code in codes}


OPTION_KIND: Mapping[int, OptionKind] = MappingProxyType(_kinds())
"""The shape of each option that has one; every other option is ``BYTES`` (``option_kind``)."""

# Their values are structures that no plain text can spell: lists of labels, routes, sub-options.
_STRUCTURED = frozenset(
    {
        Option.DIRECTORY_AGENT,
        Option.SERVICE_SCOPE,
        Option.CLIENT_FQDN,
        Option.RELAY_AGENT_INFORMATION,
        Option.ISNS,
        Option.AUTHENTICATION,
        Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER,
        Option.CLIENT_MACHINE_IDENTIFIER,
        Option.DOMAIN_SEARCH,
        Option.SIP_SERVERS,
        Option.CLASSLESS_STATIC_ROUTE,
        Option.VENDOR_IDENTIFYING_VENDOR_CLASS,
        Option.VENDOR_IDENTIFYING_VENDOR_SPECIFIC,
        Option.MICROSOFT_CLASSLESS_STATIC_ROUTE,
    }
)

# kind: octets a number, signed
_NUMBERS: dict[OptionKind, tuple[int, bool]] = {
    OptionKind.U8: (1, False),
    OptionKind.U16: (2, False),
    OptionKind.U32: (4, False),
    OptionKind.I32: (4, True),
    OptionKind.U8_LIST: (1, False),
    OptionKind.U16_LIST: (2, False),
}
_LISTS = frozenset({OptionKind.U8_LIST, OptionKind.U16_LIST, OptionKind.ADDRESSES})

_HEX = "hex:"


def option_kind(code: int) -> OptionKind:
    """The shape of an option's value; ``BYTES`` for a code without a known shape."""
    return OPTION_KIND.get(code, OptionKind.BYTES)


def option_title(code: int) -> str:
    """How an option is named to people: ``67 (BOOTFILE_NAME)``, or the bare number."""
    return f"{code} ({Option(code).name})" if code in Option.__members__.values() else str(code)


# --- the octets of an option area -------------------------------------------------------------


def decode_options(area: bytes) -> tuple[dict[int, bytes], bool] | Malformed:
    """Walk one option area: RFC 2132 section 2.

    Returns the options in the order they first appear and whether an END (255) closed the area.
    Instances of one code are joined in order (RFC 3396 section 7). Octets after END are ignored.
    """
    options: dict[int, bytes] = {}
    end = len(area)
    at = 0
    while at < end:
        code = area[at]
        at += 1
        if code == Option.PAD:
            continue
        if code == Option.END:
            return options, True
        if at == end:
            return Malformed.TRUNCATED_OPTION
        length = area[at]
        at += 1
        if at + length > end:
            return Malformed.OPTION_OVERRUN
        value = area[at : at + length]
        options[code] = options[code] + value if code in options else value
        at += length
    return options, False


def encode_options(options: Mapping[int, bytes]) -> bytes:
    """Write options in the mapping's order, without an END.

    A value longer than 255 octets is split into consecutive instances of its code (RFC 3396
    section 5). Raises ``ValueError`` for the codes 0 and 255, which have no value.
    """
    area = bytearray()
    for code, value in options.items():
        if not Option.PAD < code < Option.END:
            raise ValueError(f"option {code} cannot carry a value: use a code from 1 to 254")
        for start in range(0, max(len(value), 1), 255):
            piece = value[start : start + 255]
            area += bytes((code, len(piece))) + piece
    return bytes(area)


# --- values as an administrator writes them ---------------------------------------------------


def encode_option_value(code: int, value: OptionInput) -> bytes:
    """The octets of one option's value, from what an administrator writes.

    Text for a text option; dotted quads (one, a list, or comma separated) for addresses; numbers;
    true or false. ``hex:06:01:08:ff`` or ``hex:060108ff`` gives any option its raw octets. An
    option without a known shape takes text as its UTF-8 octets. No terminating NUL is added.

    Raises ``ValueError`` with a sentence that says what to write.
    """
    if isinstance(value, str) and value.lower().startswith(_HEX):
        return _parse_hex(code, value)
    return _ENCODERS[option_kind(code)](code, value)


def decode_option_value(code: int, octets: bytes) -> str:
    """One option's value for people, in a spelling that ``encode_option_value`` reads back.

    Trailing NULs of a text are left out (RFC 2132 section 2). Octets that do not have the option's
    shape, and options without one, are written as ``hex:``.
    """
    kind = option_kind(code)
    text: str | None = None
    if kind is OptionKind.TEXT:
        text = _text_or_none(octets)
    elif kind in (OptionKind.ADDRESS, OptionKind.ADDRESSES):
        if _has_shape(kind, len(octets), 4):
            text = ", ".join(str(IPv4Address(octets[i : i + 4])) for i in range(0, len(octets), 4))
    elif kind is OptionKind.BOOLEAN:
        text = {b"\x00": "false", b"\x01": "true"}.get(octets)
    elif kind in _NUMBERS:
        size, signed = _NUMBERS[kind]
        if _has_shape(kind, len(octets), size):
            text = ", ".join(
                str(int.from_bytes(octets[i : i + size], "big", signed=signed))
                for i in range(0, len(octets), size)
            )
    return _HEX + octets.hex(":") if text is None else text


def _has_shape(kind: OptionKind, length: int, size: int) -> bool:
    return length > 0 and length % size == 0 and (kind in _LISTS or length == size)


def _text_or_none(octets: bytes) -> str | None:
    try:
        text = octets.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not text or not text.isprintable() or text.lower().startswith(_HEX):
        return None
    return text


def _parse_hex(code: int, value: str) -> bytes:
    digits = value[len(_HEX) :].replace(":", "").replace(" ", "")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise ValueError(
            f"option {option_title(code)}: {value!r} is not hexadecimal: write two digits an octet,"
            " as hex:06:01:08:ff"
        ) from None


def _refuse(code: int, value: object) -> ValueError:
    examples = {
        OptionKind.TEXT: 'a text in quotes, as "ipxe.efi"',
        OptionKind.ADDRESS: "one IPv4 address, as 192.0.2.1",
        OptionKind.ADDRESSES: "IPv4 addresses, as [192.0.2.1, 192.0.2.2]",
        OptionKind.U8: "a number from 0 to 255",
        OptionKind.U16: "a number from 0 to 65535",
        OptionKind.U32: "a number from 0 to 4294967295",
        OptionKind.I32: "a number from -2147483648 to 2147483647",
        OptionKind.U8_LIST: "numbers from 0 to 255, as [1, 3, 67]",
        OptionKind.U16_LIST: "numbers from 0 to 65535, as [7, 9]",
        OptionKind.BOOLEAN: "true or false",
        OptionKind.BYTES: "a text in quotes or octets, as hex:06:01:08:ff",
    }
    example = examples[option_kind(code)]
    if code in _STRUCTURED:
        example = "its octets, as hex:06:01:08:ff"
    return ValueError(f"option {option_title(code)}: {value!r} does not fit: write {example}")


def _encode_text(code: int, value: OptionInput) -> bytes:
    if not isinstance(value, str) or not value:
        raise _refuse(code, value)
    return value.encode("utf-8", "surrogateescape")


def _encode_bytes(code: int, value: OptionInput) -> bytes:
    if code in _STRUCTURED:
        raise _refuse(code, value)
    return _encode_text(code, value)


def _encode_boolean(code: int, value: OptionInput) -> bytes:
    spelled = str(value).lower()
    if spelled in ("true", "yes", "on", "1"):
        return b"\x01"
    if spelled in ("false", "no", "off", "0"):
        return b"\x00"
    raise _refuse(code, value)


def _encode_addresses(code: int, value: OptionInput) -> bytes:
    try:
        addresses = [IPv4Address(str(item).strip()) for item in _items(value)]
    except AddressValueError:
        raise _refuse(code, value) from None
    if not addresses or (option_kind(code) is OptionKind.ADDRESS and len(addresses) != 1):
        raise _refuse(code, value)
    return b"".join(address.packed for address in addresses)


def _encode_numbers(code: int, value: OptionInput) -> bytes:
    kind = option_kind(code)
    size, signed = _NUMBERS[kind]
    items = _items(value)
    if not items or (kind not in _LISTS and len(items) != 1) or any(isinstance(i, bool) for i in items):
        raise _refuse(code, value)
    try:
        # int(text, 0) reads 0x0b as well as 11.
        numbers = [item if isinstance(item, int) else int(item.strip(), 0) for item in items]
        return b"".join(number.to_bytes(size, "big", signed=signed) for number in numbers)
    except (ValueError, OverflowError):
        raise _refuse(code, value) from None


def _items(value: OptionInput) -> Sequence[str | int]:
    if isinstance(value, str):
        return value.split(",")
    return (value,) if isinstance(value, int) else value


_ENCODERS: dict[OptionKind, Callable[[int, OptionInput], bytes]] = {
    OptionKind.TEXT: _encode_text,
    OptionKind.ADDRESS: _encode_addresses,
    OptionKind.ADDRESSES: _encode_addresses,
    OptionKind.BOOLEAN: _encode_boolean,
    OptionKind.BYTES: _encode_bytes,
    **dict.fromkeys(_NUMBERS, _encode_numbers),
}
