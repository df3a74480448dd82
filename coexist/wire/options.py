"""DHCP options: the octets of an option area, and values as an administrator writes them.

RFC 2132 section 2 (areas), RFC 3396 (values longer than 255 octets). The numbers and shapes
come from ``option_codes`` and are named here too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address
from typing import TypeAlias

from coexist.wire.malformed import Malformed
from coexist.wire.option_codes import (
    OPTION_KIND,
    MessageType,
    Option,
    OptionKind,
    option_kind,
    option_title,
)

__all__ = [
    "OPTION_KIND",
    "MessageType",
    "Option",
    "OptionInput",
    "OptionKind",
    "decode_option_value",
    "decode_options",
    "encode_option_value",
    "encode_options",
    "option_kind",
    "option_title",
]

OptionInput: TypeAlias = str | int | bool | Sequence[str | int]
"""What an administrator may write as an option's value."""

# Their values are structures that no plain text can spell: lists of labels, routes, sub-options. From 128 on
# sites have texts of their own (RFC 3942).
_STRUCTURED = frozenset(
    {
        Option.NETWARE_IP_INFORMATION,
        Option.DIRECTORY_AGENT,
        Option.SERVICE_SCOPE,
        Option.CLIENT_FQDN,
        Option.RELAY_AGENT_INFORMATION,
        Option.ISNS,
        Option.BCMCS_CONTROLLER_DOMAIN_NAMES,
        Option.AUTHENTICATION,
        Option.CLIENT_NETWORK_INTERFACE_IDENTIFIER,
        Option.CLIENT_MACHINE_IDENTIFIER,
        Option.GEOCONF_CIVIC,
        Option.DHCP4O6_SOURCE_ADDRESS,
        Option.DOMAIN_SEARCH,
        Option.SIP_SERVERS,
        Option.CLASSLESS_STATIC_ROUTE,
        Option.CABLELABS_CLIENT_CONFIGURATION,
        Option.GEOCONF,
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

# Each value is a pair: address and mask, destination and router (RFC 2132 sections 4.3 and 5.8).
_PAIRS = frozenset({Option.POLICY_FILTER, Option.STATIC_ROUTE})

_HEX = "hex:"
# Octets without their prefix: as a text, 06:01:08:ff would be eleven octets that no client reads.
_FORGOTTEN_HEX = re.compile(r"0[xX][0-9A-Fa-f]+|[0-9A-Fa-f]{2}(?:([:-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2})*")


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
    option without a known shape takes text as its UTF-8 octets, unless it looks like octets without their
    ``hex:``. No terminating NUL is added.

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
        if _has_shape(kind, len(octets), 8 if code in _PAIRS else 4):
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


def octets_text(octets: bytes) -> str:
    """An option's octets as text, without the NULs that end it (RFC 2132 section 2); what is no UTF-8 is
    replaced."""
    return octets.rstrip(b"\0").decode("utf-8", "replace")


def _text_or_none(octets: bytes) -> str | None:
    try:
        text = octets.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not text or not text.isprintable() or text.lower().startswith(_HEX):
        return None
    return text


def _parse_hex(code: int, value: str) -> bytes:
    # Group by group: "6:1" is not 0x61.
    try:
        return b"".join(bytes.fromhex(group) for group in value[len(_HEX) :].split(":"))
    except ValueError:
        raise ValueError(
            f"option {option_title(code)}: {value!r} is not hexadecimal; write two digits an octet,"
            " as hex:06:01:08:ff"
        ) from None


def spoken(value: object) -> str:
    """A value as a message shows it: ``true`` as it is written, anything else as Python does."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


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
    if code in _PAIRS:
        example = "pairs of IPv4 addresses, as [10.1.0.0, 255.255.0.0]"
    return ValueError(f"option {option_title(code)}: {spoken(value)} does not fit; write {example}")


def _encode_text(code: int, value: OptionInput) -> bytes:
    if not isinstance(value, str) or not value:
        raise _refuse(code, value)
    return value.encode("utf-8", "surrogateescape")


def _encode_bytes(code: int, value: OptionInput) -> bytes:
    if code in _STRUCTURED:
        raise _refuse(code, value)
    if isinstance(value, str) and _FORGOTTEN_HEX.fullmatch(value.strip()):
        octets = value.strip().lower().removeprefix("0x").replace("-", ":")
        raise ValueError(f"option {option_title(code)}: {value!r} looks like octets; write hex:{octets}")
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
    if code in _PAIRS and len(addresses) % 2:
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
