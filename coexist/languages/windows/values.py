"""Values of options as an export writes them: text and octets."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from coexist.languages.windows.export import ClientClass, OptionDefinition, OptionValue
from coexist.wire.options import encode_option_value

# DhcpServerv4OptionDefinition, Type.
_WIDTHS = {"byte": 1, "word": 2, "dword": 4, "dworddword": 8}


def octets_of(value: OptionValue, definitions: Mapping[tuple[str, int], OptionDefinition]) -> bytes:
    """A value as it goes on the wire, by its definition; by RFC 2132 where the export defines none.

    Raises ``ValueError`` for what is none of that kind.
    """
    if not value.values:
        raise ValueError("it has no value")
    definition = definitions.get((value.vendor, value.code))
    kind = "" if definition is None else definition.kind.lower()
    if kind in _WIDTHS:
        return b"".join(_number(text, _WIDTHS[kind]) for text in value.values)
    if kind in ("ipv4address", "ipaddress"):
        return b"".join(IPv4Address(text).packed for text in value.values)
    if kind == "string":
        return "".join(value.values).encode()
    if kind in ("binarydata", "encapsulateddata", "binary", "encapsulated") or _are_octets(value.values):
        return b"".join(_octets(text) for text in value.values)
    if definition is None and not value.vendor:
        return encode_option_value(value.code, value.values[0] if len(value.values) == 1 else value.values)
    raise ValueError(f"values of the kind {kind or 'that no definition names'} are not known")


def class_of(classes: Mapping[tuple[str, str], ClientClass], kind: str, value: str) -> ClientClass | None:
    """The class that a criterion's value names, with a star or without; None if the export has none such."""
    return classes.get((kind, value)) or classes.get((kind, value.removesuffix("*")))


def class_octets(classes: Mapping[tuple[str, str], ClientClass], kind: str, value: str) -> tuple[bytes, bool]:
    """The octets that a criterion's value is compared as, and whether they are a beginning.

    A class that the export does not define is taken for its own text.
    """
    known = class_of(classes, kind, value)
    begins = value.endswith("*") and (kind, value) not in classes
    return (value.removesuffix("*").encode() if known is None else known.data), begins


def _are_octets(values: tuple[str, ...]) -> bool:
    return all(text.lower().startswith("0x") for text in values)


def _octets(text: str) -> bytes:
    """``0x01``, ``0x0a0b`` or ``1``."""
    if text.lower().startswith("0x"):
        digits = text[2:]
        return bytes.fromhex(digits.rjust(len(digits) + len(digits) % 2, "0"))
    return _number(text, 1)


def _number(text: str, width: int) -> bytes:
    try:
        return int(text, 0).to_bytes(width, "big")
    except OverflowError:
        raise ValueError(f"{text[:20]} does not fit into {width} octets") from None
