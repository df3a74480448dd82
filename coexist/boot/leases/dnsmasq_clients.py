"""What dnsmasq 2.90 reads of a client's packet: the tags its lines set, and its name (``src/rfc2131.c``)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from coexist.languages.dnsmasq.config import MatchLine
from coexist.languages.dnsmasq.options import OptionLine, read_hex
from coexist.wire.bootp import Packet
from coexist.wire.options import Option, decode_options

_HARDWARE_OCTETS = 16
_VENDOR_IDENTIFYING_CLASS = 124
_AGENT_PARTS = {"circuit": 1, "remote": 2, "subscriber": 6}
_ENCODED, _SERVER_UPDATES, _OVERRIDDEN, _NO_UPDATES = 4, 1, 2, 8


class NamedClient(NamedTuple):
    """The name a client says: whole, and before its first dot; empty if it says none that is legal.

    ``told``: by option 81, whose flags are then those of the answer; ``ended``: its texts end with a NUL, and
    so must those it is told.
    """

    full: str = ""
    name: str = ""
    flags: int = 0
    ended: bool = False

    @property
    def told(self) -> bool:
        """Whether it sent option 81."""
        return self.flags != 0


class Hardware(NamedTuple):
    """A MAC address as a line writes it. ``mask``: a bit for any octet, the last one lowest."""

    octets: bytes
    mask: int
    kind: int

    @classmethod
    def of(cls, pattern: str) -> Hardware:
        """``06-02:00:5e:*:*:*`` or parts of that."""
        return _hardware(pattern)

    def fits(self, packet: Packet) -> int:
        """How many octets agree, and one more (memcmp_masked); 0 if it is another address."""
        if len(self.octets) != packet.hlen or self.kind not in (0, packet.htype):
            return 0
        count, last = 1, len(self.octets) - 1
        for at, octet in enumerate(self.octets):
            if not self.mask >> (last - at) & 1:
                if octet != packet.chaddr[at]:
                    return 0
                count += 1
        return count


@lru_cache(maxsize=1 << 16)
def _hardware(pattern: str) -> Hardware:
    """Each line is asked about each packet."""
    return Hardware(*read_hex(pattern, _HARDWARE_OCTETS, typed=True))


def told_fqdn(client: NamedClient, hostname: str, domain: str) -> bytes:
    """Option 81 of a reply to a client that sent it."""
    name = bytes((client.flags & 15, 255, 255))
    if client.flags & _ENCODED:
        labels = map(_octets, [hostname, *(domain.split(".") if domain else [])])
        name += b"".join(bytes((len(label) & 255,)) + label for label in labels)
        return name + (b"\0" if domain else b"")
    return name + told_text(client, hostname + (f".{domain}" if domain else ""))


def told_text(client: NamedClient, text: str) -> bytes:
    """A text as the client ends its own."""
    return _octets(text) + (b"\0" if client.ended else b"")


def offered_name(client: NamedClient, own: str) -> str:
    """The name that goes with an offer; ``own``: that of the client's dhcp-host."""
    if own and (client.told or not client.full or client.full.lower() == own.lower()):
        return own
    return client.name if client.told else ""


def _octets(text: str) -> bytes:
    """The text as it stands in a file, which need not be UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def name_of(packet: Packet, *, by_client: bool) -> NamedClient:
    """Options 81 and 12. ``by_client``: dhcp-client-update."""
    value = packet.options.get(Option.CLIENT_FQDN, b"")
    if len(value) >= 3:
        flags = value[0]
        if by_client:
            flags = (flags | _OVERRIDDEN) & ~_SERVER_UPDATES if flags & _SERVER_UPDATES else flags
            flags |= _NO_UPDATES
        else:
            flags = flags if flags & _SERVER_UPDATES else flags | _SERVER_UPDATES | _OVERRIDDEN
            flags &= ~_NO_UPDATES
        octets = value[3:]
        ended = not flags & _ENCODED and octets.endswith(b"\0")
        text = _labels(octets) if flags & _ENCODED else octets.partition(b"\0")[0]
        return _named(text, flags, ended)
    octets = packet.options.get(Option.HOST_NAME, b"")
    return _named(octets.partition(b"\0")[0], 0, octets.endswith(b"\0"))


def _named(text: bytes, flags: int, ended: bool) -> NamedClient:
    name = text.decode("latin-1").removesuffix(".")
    if not re.match(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.|$)", name) or re.search("[\\x00-\\x1f\\x7f]", name):
        return NamedClient(flags=flags, ended=ended)
    return NamedClient(full=name, name=name.partition(".")[0], flags=flags, ended=ended)


def _labels(octets: bytes) -> bytes:
    labels, at = [], 0
    while at < len(octets) and octets[at] and at + octets[at] < len(octets):
        labels.append(octets[at + 1 : at + 1 + octets[at]])
        at += octets[at] + 1
    return b".".join(labels)


def user_class_of(packet: Packet) -> bytes | None:
    """Option 77; the lengths of a counted one (RFC 3004) as NULs."""
    value = packet.options.get(Option.USER_CLASS)
    if not value:
        return None
    counted, at = bytearray(value), 0
    while at < len(value):
        counted[at] = 0
        at += value[at] + 1
    return bytes(counted) if at == len(value) else value


def agent_part(packet: Packet, code: int) -> bytes:
    """A part of option 82; empty without it."""
    value = packet.options.get(Option.RELAY_AGENT_INFORMATION)
    inner = decode_options(value) if value else None
    return inner[0].get(code, b"") if isinstance(inner, tuple) else b""


def tag_applies(match: MatchLine, packet: Packet, user_class: bytes | None) -> bool:
    """Whether a line sets its tag, but for the client's name. ``user_class``: `user_class_of`."""
    options = packet.options
    match match.kind:
        case "mac":
            return Hardware.of(match.pattern).fits(packet) > 0
        case "vendorclass":
            value = options.get(Option.VENDOR_CLASS_IDENTIFIER)
            return bool(value) and match.value in (value or b"")
        case "userclass":
            return user_class is not None and match.value in user_class
        case "match":
            return _is_matched(match, packet)
        case "circuit" | "remote" | "subscriber":
            value = agent_part(packet, _AGENT_PARTS[match.kind])
            return bool(value) and value == match.value
    return False


def _is_matched(match: MatchLine, packet: Packet) -> bool:
    option = match.option or OptionLine(code=match.code, value=match.value)
    if option.enterprise is not None:
        return any(option.matches(part) for part in _enterprise_parts(packet, option.enterprise))
    value = packet.options.get(option.code)
    return bool(value) and option.matches(value or b"")


def _enterprise_parts(packet: Packet, enterprise: int) -> list[bytes]:
    """The vendor classes of an enterprise in option 124 (RFC 3925)."""
    value = packet.options.get(_VENDOR_IDENTIFYING_CLASS, b"")
    parts: list[bytes] = []
    at = 0
    while at + 5 <= len(value):
        length = value[at + 4]
        data = value[at + 5 : at + 5 + length]
        if int.from_bytes(value[at : at + 4], "big") == enterprise:
            inner = 0
            while inner < len(data):
                parts.append(data[inner + 1 : inner + 1 + data[inner]])
                inner += data[inner] + 1
        at += 5 + length
    return parts
