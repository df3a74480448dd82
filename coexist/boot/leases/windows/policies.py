"""Which policies a packet meets.

Of several values of a criterion one is enough with EQ, and none may be met with NE; a star behind a value
compares a beginning ("Introduction to DHCP Policies", Conditions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from operator import or_

from coexist.boot.leases.lease import OpenCondition, Origin
from coexist.errors import Position
from coexist.inventory.macset import NOBODY, MacSet
from coexist.inventory.models import OptionTest
from coexist.languages.windows.export import Criterion, Export, Field, MacPattern, Policy
from coexist.languages.windows.values import class_octets, class_of
from coexist.wire.bootp import Packet
from coexist.wire.options import Option, decode_options

_AGENT_PARTS: dict[Field, int] = {"CircuitId": 1, "RemoteId": 2, "SubscriberId": 6}
_CLASSES: dict[Field, tuple[str, int]] = {
    "VendorClass": ("Vendor", Option.VENDOR_CLASS_IDENTIFIER),
    "UserClass": ("User", Option.USER_CLASS),
}
_ETHERNET, _UUID = 1, 0
_UUID_LENGTH = 17

Decide = Callable[[OpenCondition], bool]
"""Whether an open condition is true."""


def client_id(packet: Packet) -> bytes:
    """What a reservation and a policy know a client by: its client identifier, else its hardware address.

    An identifier that is a hardware address of Ethernet or the UUID of a PXE client (PXE 2.1, section 2.2.1,
    option 61) stands for the hardware address.
    """
    sent = packet.options.get(Option.CLIENT_IDENTIFIER, b"")
    hardware = packet.chaddr[: packet.hlen]
    if not sent or (sent[0] == _UUID and len(sent) == _UUID_LENGTH):
        return hardware
    return sent[1:] if sent[0] == _ETHERNET and len(sent) == 7 else sent


def mac_set(patterns: tuple[MacPattern, ...]) -> MacSet:
    """The addresses of some patterns."""
    single = MacSet.of(p.first for p in patterns if p.first == p.last)
    return reduce(or_, (MacSet.interval(p.first, p.last) for p in patterns if p.first != p.last), single)


class Matching:
    """The criteria of an export's policies, asked of packets."""

    def __init__(self, export: Export) -> None:
        self.export = export
        self._macs: dict[Position, MacSet] = {}

    def meets(self, policy: Policy, packet: Packet, decide: Decide) -> bool:
        """Whether a packet meets a policy."""
        found = (self._holds(criterion, packet, decide) for criterion in policy.criteria)
        return any(found) if policy.any_of else all(found)

    def opens(self, policy: Policy) -> Iterator[OpenCondition]:
        """What of a policy only the server knows."""
        for criterion in policy.criteria:
            yield from self._opens(criterion)

    def _opens(self, criterion: Criterion) -> Iterator[OpenCondition]:
        if criterion.field == "Fqdn":
            what = f"the name of the client: Fqdn {criterion.operator} {', '.join(criterion.values)}"
            yield OpenCondition(origin=criterion.at, what=what)
        if criterion.field in _CLASSES:
            kind, _ = _CLASSES[criterion.field]
            for value in criterion.values:
                if class_of(self.export.classes, kind, value) is None:
                    what = f"the {kind.lower()} class {value}, which the export does not define"
                    yield OpenCondition(origin=criterion.at, what=what)

    def _holds(self, criterion: Criterion, packet: Packet, decide: Decide) -> bool:
        unknown = list(self._opens(criterion))
        if criterion.field == "Fqdn":
            return any(map(decide, unknown))
        found = self._any(criterion, packet) or any(map(decide, unknown))
        return found != (criterion.operator == "NE")

    def _any(self, criterion: Criterion, packet: Packet) -> bool:
        field = criterion.field
        if field == "MacAddress":
            return packet.mac in self.macs(criterion)
        if field in _CLASSES:
            kind, code = _CLASSES[field]
            sent = packet.options.get(code)
            return sent is not None and any(
                sent.startswith(data) if begins else sent == data
                for data, begins in self._class_values(kind, criterion)
            )
        if field == "ClientId":
            own = client_id(packet).hex()
            return any(
                own.startswith(digits) if begins else own == digits
                for digits, begins in map(_digits, criterion.values)
            )
        agent = packet.options.get(Option.RELAY_AGENT_INFORMATION)
        if agent is None:
            return False
        if field in _AGENT_PARTS:
            inner = decode_options(agent)
            agent = inner[0].get(_AGENT_PARTS[field], b"") if isinstance(inner, tuple) else b""
        return any(agent.hex() == digits for digits, _ in map(_digits, criterion.values))

    def macs(self, criterion: Criterion) -> MacSet:
        """The addresses a criterion compares with."""
        found = self._macs.get(criterion.at)
        if found is None:
            found = self._macs[criterion.at] = mac_set(criterion.macs)
        return found

    def _class_values(self, kind: str, criterion: Criterion) -> Iterator[tuple[bytes, bool]]:
        """The octets that are compared, and whether they are a beginning."""
        return (class_octets(self.export.classes, kind, value) for value in criterion.values)

    # -- what tells clients apart ----------------------------------------------------------------

    def clients(self, policy: Policy) -> Iterator[tuple[MacSet, Origin]]:
        """The sets of machines that a policy compares with."""
        for criterion in policy.criteria:
            if criterion.field == "MacAddress":
                yield self.macs(criterion), criterion.at
            if criterion.field == "ClientId":
                found = NOBODY
                for digits, begins in map(_digits, criterion.values):
                    if len(digits) == 12 or (begins and len(digits) < 12):
                        first, last = digits.ljust(12, "0"), digits.ljust(12, "f")
                        found |= MacSet.interval(int(first, 16), int(last, 16))
                yield found, criterion.at

    def tests(self, policy: Policy) -> Iterator[OptionTest]:
        """The comparisons of options that a policy makes."""
        for criterion in policy.criteria:
            if criterion.field in _CLASSES:
                kind, code = _CLASSES[criterion.field]
                for data, begins in self._class_values(kind, criterion):
                    yield _test(code, data, begins=begins)
            elif criterion.field == "ClientId":
                for digits, begins in map(_digits, criterion.values):
                    if len(digits) % 2 == 0 and digits:
                        octets = bytes.fromhex(digits)
                        yield _test(Option.CLIENT_IDENTIFIER, octets, begins=begins)
                        yield _test(Option.CLIENT_IDENTIFIER, bytes((_ETHERNET,)) + octets, begins=begins)
            elif criterion.field in _AGENT_PARTS or criterion.field == "RelayAgent":
                for digits, _ in map(_digits, criterion.values):
                    if len(digits) % 2 == 0 and digits:
                        yield OptionTest(
                            option=Option.RELAY_AGENT_INFORMATION,
                            suboption=_AGENT_PARTS.get(criterion.field),
                            equals=f"hex:{bytes.fromhex(digits).hex(':')}",
                        )


def _test(code: int, octets: bytes, *, begins: bool) -> OptionTest:
    if not octets:
        return OptionTest(option=code, exists=True)
    text = f"hex:{octets.hex(':')}"
    return OptionTest(option=code, starts_with=text) if begins else OptionTest(option=code, equals=text)


def _digits(value: str) -> tuple[str, bool]:
    """The hexadecimal digits of a value, and whether it is a beginning."""
    digits = value.removesuffix("*").removeprefix("0x").replace("-", "").replace(":", "").lower()
    return digits, value.endswith("*")
