"""Options on both sides: what a client sent, as dhcpd sees it, and what its statements have set so far.

A value that is set is not computed yet: dhcpd keeps the expression and evaluates it when the reply is put
together (``evaluate_option_cache``), so that ``config-option`` and variables are read at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from functools import cached_property

from coexist.boot.leases.dhcpd.hash_order import hash_order
from coexist.boot.leases.lease import Origin
from coexist.languages.dhcpd.syntax import Call, Data, Expression, OptionName
from coexist.records import dataclass
from coexist.wire.bootp import Packet
from coexist.wire.options import Option

Spaces = Mapping[str, Mapping[int, OptionName]]

DHCP, SERVER, AGENT = "dhcp", "server", "agent"
MANDATORY = (53, 54, 51, 58, 59, 56, 50, 92)
"""The options that precede all that is asked for (cons_options), where they have a value."""
WITHOUT_REQUEST = (1, 3, 6, 12, 81)
"""The options that a client which asks for nothing is sent next; all others follow."""
HOLDERS = (63, 124, 125)
"""Those that hold the spaces every dhcpd has (nwip, vivco, vivso), beside 81 and 82.

For a client that asks for nothing they are looked for behind all that are set (``cons_options``).
"""
_FQDN = {"no-client-update": 1, "server-update": 2, "encoded": 3, "rcode1": 4, "rcode2": 5}
_FQDN_HOST, _FQDN_DOMAIN, _FQDN_WHOLE = 6, 7, 8
_VIVSO_WIDTHS = {"vendor-class": (4, 1), "vendor": (4, 1)}


def ends_with_nul(packet: Packet) -> bool:
    """Whether a client ends its host name with a NUL, and so expects as much (RFC 2132 section 2)."""
    return packet.options.get(Option.HOST_NAME, b"").endswith(b"\0")


def has_text(shape: str) -> bool:
    """Whether an option of that format ends in text (format_has_text)."""
    letters = iter(shape)
    for letter in letters:
        if letter == "t":
            return True
        if letter in "AaXxDd":
            return False
        if letter in "EN":
            for inner in letters:
                if inner == ".":
                    break
    return False


def encapsulated_space(option: OptionName | None) -> str | None:
    """The space whose options an option holds; empty for the vendor's, None for none."""
    if option is None or option.format[:1] not in ("E", "e"):
        return None
    name = option.format.partition("E")[2]
    return name[: name.index(".")].lower() if "." in name else None


@dataclass(frozen=True, slots=True)
class Setting:
    """What a statement set an option to, and where it stands; None is no value at all."""

    option: OptionName
    value: Expression | None
    origin: Origin


class OptionState:
    """What has been set so far: by space, in the order in which codes were first set."""

    def __init__(self) -> None:
        self.spaces: dict[str, dict[int, Setting]] = {}

    def find(self, space: str, code: int) -> Setting | None:
        """What an option was set to."""
        table = self.spaces.get(space)
        return None if table is None else table.get(code)

    def set(self, how: str, setting: Setting) -> None:
        """Set an option as ``set_option`` does: default, append, prepend, or replacing it."""
        option = setting.option
        table = self.spaces.setdefault(option.space.lower(), {})
        before = table.get(option.code)
        if how == "default" and before is not None:
            return
        if how in ("append", "prepend") and before is not None:
            setting = _joined(how, before, setting)
        table[option.code] = setting

    def put(self, option: OptionName, octets: bytes, origin: Origin) -> None:
        """Set an option to constant octets."""
        self.set("supersede", Setting(option, Data(octets), origin))

    def drop(self, code: int) -> None:
        """Forget one of DHCP's options."""
        self.spaces.get(DHCP, {}).pop(code, None)


def _joined(how: str, before: Setting, new: Setting) -> Setting:
    if before.value is None or new.value is None:
        return Setting(before.option, None, new.origin)
    pair = (before.value, new.value) if how == "append" else (new.value, before.value)
    function = "concat-domain-lists" if before.option.format.startswith("Dc") else "concat"
    return Setting(before.option, Call(function, pair), new.origin)


@dataclass(frozen=True)
class ClientOptions:
    """The options of a packet, those inside other options too."""

    packet: Packet
    spaces: Spaces
    widths: Mapping[str, tuple[int, int]]
    more: dict[str, dict[int, bytes]] = field(default_factory=dict)

    def get(self, space: str, code: int) -> bytes | None:
        """The value of an option, None if the client did not send it."""
        if space == DHCP:
            return self._plain.get(code)
        return self.more.get(space, {}).get(code, self._inner.get(space, {}).get(code))

    def of_space(self, space: str) -> Mapping[int, bytes]:
        """The options that the client sent inside another one, in its order."""
        return self.more.get(space) or self._inner.get(space, {})

    def parse_vendor(self, space: str) -> None:
        """``parse-vendor-option``: read option 43 by a space of the file."""
        octets = self._plain.get(Option.VENDOR_SPECIFIC_INFORMATION)
        if octets and space in self.spaces:
            self.more.update(self._decoded(space, octets))

    @property
    def ended_with_nul(self) -> bool:
        """Whether the client ends its host name with a NUL, and so expects as much (RFC 2132 section 2)."""
        return ends_with_nul(self.packet)

    @cached_property
    def _plain(self) -> dict[int, bytes]:
        names = self.spaces[DHCP]
        found: dict[int, bytes] = {}
        for code, octets in self.packet.options.items():
            if code == Option.HOST_NAME and not octets:
                continue
            option = names.get(code)
            found[code] = octets.rstrip(b"\0") if option is not None and has_text(option.format) else octets
        return found

    @cached_property
    def _inner(self) -> dict[str, dict[int, bytes]]:
        return self._within(DHCP, self._plain)

    def _within(self, space: str, values: Mapping[int, bytes]) -> dict[str, dict[int, bytes]]:
        found: dict[str, dict[int, bytes]] = {}
        for code, octets in values.items():
            option = self.spaces.get(space, {}).get(code)
            inner = encapsulated_space(option)
            if inner and option is not None and option.format[0] == "E":
                found.update(self._decoded(inner, octets))
        return found

    def _decoded(self, space: str, octets: bytes) -> dict[str, dict[int, bytes]]:
        values = _fqdn(octets) if space == "fqdn" else self._split(space, octets)
        return {space: values, **self._within(space, values)}

    def _split(self, space: str, octets: bytes) -> dict[int, bytes]:
        """parse_option_buffer: what stands before a damaged option counts."""
        code_width, length_width = self.widths.get(space, _VIVSO_WIDTHS.get(space, (1, 1)))
        end = {1: 0xFF}.get(code_width) if space == AGENT else None
        found: dict[int, bytes] = {}
        at = 0
        while at + code_width <= len(octets):
            code = int.from_bytes(octets[at : at + code_width], "big")
            at += code_width
            if code == end:
                break
            if code == 0:
                continue
            length = int.from_bytes(octets[at : at + length_width], "big")
            at += length_width
            if at > len(octets) or at + length > len(octets):
                break
            option = self.spaces.get(space, {}).get(code)
            value = octets[at : at + length]
            found[code] = value.rstrip(b"\0") if option is not None and has_text(option.format) else value
            at += length
        return found


def _fqdn(octets: bytes) -> dict[int, bytes]:
    """fqdn_universe_decode: option 81 as the suboptions that dhcpd makes of it."""
    if len(octets) < 3:
        return {}
    flags, name = octets[0], octets[3:]
    is_encoded = bool(flags & 4)
    found = {
        _FQDN["encoded"]: bytes((is_encoded,)),
        _FQDN["no-client-update"]: bytes((bool(flags & 2),)),
        _FQDN["server-update"]: bytes((flags & 1,)),
        _FQDN["rcode1"]: octets[1:2],
        _FQDN["rcode2"]: octets[2:3],
    }
    labels = _labels(name) if is_encoded else name.removesuffix(b"\0").split(b".")
    whole = b".".join(labels)
    if labels and labels[0]:
        found[_FQDN_HOST] = labels[0]
    if len(labels) > 1:
        found[_FQDN_DOMAIN] = b".".join(labels[1:])
    if whole:
        found[_FQDN_WHOLE] = whole
    return found


def fqdn_octets(values: Mapping[int, bytes]) -> bytes | None:
    """fqdn_option_space_encapsulate: option 81 of the suboptions of a file, by code; None if it has none."""
    if not values:
        return None

    def first(name: str) -> int:
        return (values.get(_FQDN[name]) or b"\0")[0]

    encoded = bool(first("encoded"))
    flags = (2 if first("no-client-update") else 0) | (1 if first("server-update") else 0) | encoded << 2
    name = values.get(_FQDN_WHOLE, b"")
    if encoded and name:
        labels = name.removesuffix(b".").split(b".")
        name = b"".join(bytes((len(label),)) + label for label in labels) + b"\0" * name.endswith(b".")
    return bytes((flags, first("rcode1"), first("rcode2"))) + name


def _labels(name: bytes) -> list[bytes]:
    labels: list[bytes] = []
    at = 0
    while at < len(name) and 0 < name[at] < 64:
        labels.append(name[at + 1 : at + 1 + name[at]])
        at += 1 + name[at]
    return labels


Compute = Callable[[Setting], bytes | None]


def encapsulate(
    state: OptionState, space: str, compute: Compute, spaces: Spaces, widths: Mapping[str, tuple[int, int]]
) -> bytes | None:
    """The options of a space as one value (hashed_option_space_encapsulate); None if it has none."""
    if space == "nwip":
        # Its options are set in one kind of list and read from another: 4.4.3-P1 sends none of them.
        return None
    if space == "fqdn":
        table = state.spaces.get(space, {})
        return fqdn_octets({code: compute(setting) or b"" for code, setting in table.items()})
    code_width, length_width = widths.get(space, _VIVSO_WIDTHS.get(space, (1, 1)))
    result = bytearray()
    stored = False

    def store(option: OptionName, value: bytes | None) -> None:
        nonlocal stored
        if value is None or (not value and option.format[:1] != "Z"):
            return
        stored = True
        result.extend(
            option.code.to_bytes(code_width, "big") + len(value).to_bytes(length_width, "big") + value
        )

    table = state.spaces.get(space, {})
    for code in hash_order(table):
        setting = table[code]
        value = compute(setting)
        inner = encapsulated_space(setting.option)
        if value is not None and inner and setting.option.format[0] == "e":
            value += encapsulate(state, inner, compute, spaces, widths) or b""
        store(setting.option, value)
    for inner, option in holders(spaces, space).items():
        if option.format[0] == "E" and option.code not in table:
            store(option, encapsulate(state, inner, compute, spaces, widths))
    return bytes(result) if stored else None


def holders(spaces: Spaces, outer: str) -> dict[str, OptionName]:
    """For each space the option of ``outer`` that holds it, in the order of the spaces."""
    found: dict[str, OptionName] = {}
    for option in spaces.get(outer, {}).values():
        if option.format[:1] in ("E", "e") and (inner := encapsulated_space(option)):
            found[inner] = option
    return {space: found[space] for space in spaces if space in found} if found else found
