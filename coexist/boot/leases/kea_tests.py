"""The test of a Kea client class, asked about a packet (``src/lib/eval/token.cc``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address

from coexist.boot.responder import Arrival
from coexist.languages.kea.expressions import (
    Call,
    Equal,
    Field,
    Fixed,
    Logic,
    Member,
    Option,
    Truth,
    Value,
    parts_of,
)
from coexist.languages.kea.option_data import DHCP4, STANDARD, OptionTypes, number_of, trimmed
from coexist.wire.options import decode_options

_HEADER_OCTETS = 236

IsMember = Callable[[str], bool]
"""Whether the packet is in a class by now."""


class UnevaluatedError(Exception):
    """An expression that converts octets of another length (``EvalTypeError``): the packet is in no class by
    it."""


_LENGTHS: Mapping[str, tuple[int, ...]] = {
    "addrtotext": (4, 16),
    **{f"{sign}{8 * size}totext": (size,) for sign in ("int", "uint") for size in (1, 2, 4)},
}
"""The octets that a conversion takes; none are none again."""


class Tests:
    """The tests of one configuration. ``interface``: the network card packets arrive on."""

    def __init__(self, types: OptionTypes, interface: str) -> None:
        self.types, self.interface = types, interface
        # An expression with its parts that may fail; it is asked for by each packet.
        self._conversions: dict[int, tuple[Truth | Value, tuple[Call, ...]]] = {}

    def holds(self, truth: Truth, arrival: Arrival, is_member: IsMember) -> bool:
        """Whether a test holds for a packet. Raises `UnevaluatedError`."""
        self._convert(truth, arrival, is_member)
        return self._holds(truth, arrival, is_member)

    def value(self, value: Value, arrival: Arrival, is_member: IsMember) -> bytes:
        """The octets of a value; nothing for an option that was not sent. Raises `UnevaluatedError`."""
        self._convert(value, arrival, is_member)
        return self._value(value, arrival, is_member)

    def _convert(self, tree: Truth | Value, arrival: Arrival, is_member: IsMember) -> None:
        """Evaluate what may fail: all parts of an expression are evaluated, whatever the others say."""
        known = self._conversions.get(id(tree))
        if known is None:
            calls = tuple(part for part in parts_of(tree) if isinstance(part, Call) and part.name in _LENGTHS)
            known = self._conversions[id(tree)] = tree, calls
        for call in known[1]:
            self._value(call, arrival, is_member)

    def _holds(self, truth: Truth, arrival: Arrival, is_member: IsMember) -> bool:
        match truth:
            case Member(name):
                return is_member(name)
            case Logic("not", (part,)):
                return not self._holds(part, arrival, is_member)
            case Logic("and", parts):
                return all(self._holds(part, arrival, is_member) for part in parts)
            case Logic(_, parts):
                return any(self._holds(part, arrival, is_member) for part in parts)
            case Equal(left, right):
                return self._value(left, arrival, is_member) == self._value(right, arrival, is_member)
            case _:
                return self._option(truth, arrival) is not None

    def _value(self, value: Value, arrival: Arrival, is_member: IsMember) -> bytes:
        match value:
            case Fixed(octets):
                return octets
            case Option():
                return self._option(value, arrival) or b""
            case Field(name):
                return self._field(name, arrival)
            case Call():
                return self._call(value, arrival, is_member)

    def _option(self, option: Option, arrival: Arrival) -> bytes | None:
        """An option's octets as Kea keeps them; of one inside another only if that is known to hold some."""
        space: str | None = DHCP4
        options = dict(arrival.packet.options)
        found: bytes | None = None
        for name in option.names:
            if space is None:
                return None
            number = number_of(name)
            known = self.types.find(space, name if number is None else number)
            code = number if number is not None else known.code if known is not None else None
            found = options.get(code) if code is not None else None
            if found is None:
                return None
            found = trimmed(known, found)
            space = known.encapsulates if known is not None and known.encapsulates else None
            inner = decode_options(found)
            options = inner[0] if isinstance(inner, tuple) else {}
        return found

    def _field(self, name: str, arrival: Arrival) -> bytes:
        packet = arrival.packet
        if name == "mac":
            # A group of machines is a test with as many of these as it has members.
            return packet.chaddr[: packet.hlen]
        fields = {
            "hlen": packet.hlen.to_bytes(4, "big"),
            "htype": packet.htype.to_bytes(4, "big"),
            "ciaddr": packet.ciaddr.packed,
            "giaddr": packet.giaddr.packed,
            "yiaddr": packet.yiaddr.packed,
            "siaddr": packet.siaddr.packed,
            "transid": packet.xid.to_bytes(4, "big"),
            "msgtype": int(packet.message_type or 0).to_bytes(4, "big"),
            "iface": self.interface.encode("utf-8", "surrogateescape"),
            "src": arrival.source[0].packed,
            "dst": arrival.address.packed,
            "len": self._length(arrival).to_bytes(4, "big"),
        }
        return fields.get(name, b"")

    def _length(self, arrival: Arrival) -> int:
        """Pkt4::len: the header, and the options as it keeps them."""
        kept = (trimmed(STANDARD.get(code), octets) for code, octets in arrival.packet.options.items())
        return _HEADER_OCTETS + sum(2 + len(octets) for octets in kept)

    def _call(self, call: Call, arrival: Arrival, is_member: IsMember) -> bytes:
        if call.name == "ifelse":
            test, yes, no = call.arguments
            chosen = yes if self._holds(test, arrival, is_member) else no  # type: ignore[arg-type]
            return self._value(chosen, arrival, is_member)  # type: ignore[arg-type]
        octets = [
            b"" if isinstance(part, int) or part is None else self._value(part, arrival, is_member)  # type: ignore[arg-type]
            for part in call.arguments
        ]
        numbers = [part for part in call.arguments if isinstance(part, int)]
        return _function(call.name, octets, numbers, whole=None in call.arguments)


def _function(name: str, octets: list[bytes], numbers: list[int], *, whole: bool) -> bytes:
    first = octets[0] if octets else b""
    if first and name in _LENGTHS and len(first) not in _LENGTHS[name]:
        raise UnevaluatedError(f"{name} of {len(first)} octets")
    match name:
        case "concat":
            return b"".join(octets)
        case "substring":
            return _substring(first, numbers[0], None if whole else numbers[1])
        case "hexstring":
            separator = octets[1].decode("latin-1")
            return separator.join(f"{octet:02x}" for octet in first).encode()
        case "lcase":
            return first.lower()
        case "ucase":
            return first.upper()
        case "split":
            return _split(first, octets[1], numbers[0])
        case "addrtotext":
            address = IPv4Address if len(first) == 4 else IPv6Address
            return str(address(first)).encode() if first else b""
        case _:
            signed = name.startswith("int")
            return str(int.from_bytes(first, "big", signed=signed)).encode() if first else b""


def _substring(value: bytes, start: int, length: int | None) -> bytes:
    """TokenSubstring: a negative start counts from the end, a negative length goes back from the start."""
    size = len(value)
    if not size or start < -size or start >= size:
        return b""
    start = start + size if start < 0 else start
    if length is None:
        return value[start:]
    if length < 0:
        begin = max(start + length, 0)
        return value[begin:start]
    return value[start : start + length]


def _split(value: bytes, signs: bytes, number: int) -> bytes:
    """TokenSplit: without signs the whole value, whichever part is asked for (2.2.0, packets)."""
    if not signs:
        return value
    parts, part = [], bytearray()
    for octet in value:
        if octet in signs:
            parts.append(bytes(part))
            part.clear()
        else:
            part.append(octet)
    parts.append(bytes(part))
    return parts[number - 1] if 0 < number <= len(parts) else b""
