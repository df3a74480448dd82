"""What a DHCP server leases on a subnet, and which of its clients get what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from coexist.inventory.boot_programs import ArchitectureNames, Programs
from coexist.inventory.failover import Failover
from coexist.inventory.networks import Network
from coexist.inventory.values import (
    WHOLE,
    AddressRange,
    Declared,
    HeaderFile,
    Name,
    Names,
    Options,
    Text,
)
from coexist.wire.option_codes import OptionKind, option_kind
from coexist.wire.options import decode_options, encode_option_value


class OptionTest(Declared):
    """A test on one option of the client's packet; exactly one of the comparisons.

    ``at`` is the octet (from 0) where ``starts_with`` begins to compare. ``suboption`` looks into an
    option that encapsulates others (82, 175). ``not`` turns the answer round; a client that does not
    send the option fails every comparison and passes its negation.
    """

    option: Annotated[int, Field(ge=1, le=254), WHOLE]
    suboption: Annotated[int, Field(ge=1, le=254), WHOLE] | None = None
    equals: Text | None = None
    starts_with: Text | None = None
    ends_with: Text | None = None
    contains: Text | None = None
    exists: bool | None = None
    at: Annotated[int, Field(ge=0, le=254), WHOLE] = 0
    negated: Annotated[bool, Field(alias="not")] = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        comparisons = (self.equals, self.starts_with, self.ends_with, self.contains, self.exists)
        if sum(x is not None for x in comparisons) != 1:
            raise ValueError(
                "a test has one comparison; keep equals, starts_with, ends_with, contains or exists"
            )
        if self.at and self.starts_with is None:
            raise ValueError("`at` goes with `starts_with`; remove one, or write the other")
        return self

    @property
    def octets(self) -> bytes:
        """What the option is compared with: the whole value for ``equals``, a piece of it otherwise."""
        plain = OptionKind.BYTES if self.suboption is not None else option_kind(self.option)
        if self.equals is not None and self.suboption is None:
            return encode_option_value(self.option, self.equals)
        text = next(
            (t for t in (self.equals, self.starts_with, self.ends_with, self.contains) if t is not None), ""
        )
        if text.lower().startswith("hex:"):
            return encode_option_value(_ANY_OCTETS, text)
        if plain in (OptionKind.TEXT, OptionKind.BYTES):
            return text.encode("utf-8", "surrogateescape")
        return encode_option_value(self.option, text)

    def holds(self, options: Mapping[int, bytes]) -> bool:
        """Whether a packet with these options passes."""
        value = options.get(self.option)
        if value is not None and self.suboption is not None:
            inner = decode_options(value)
            value = inner[0].get(self.suboption) if isinstance(inner, tuple) else None
        return self._compare(value) != self.negated

    def _compare(self, value: bytes | None) -> bool:
        if self.exists is not None:
            return (value is not None) == self.exists
        if value is None:
            return False
        if self.equals is not None:
            return value == self.octets
        if self.starts_with is not None:
            return value.startswith(self.octets, self.at)
        return value.endswith(self.octets) if self.ends_with is not None else self.octets in value


# An option of no known shape: `hex:` gives its octets.
_ANY_OCTETS = 254


class ScopeRule(Declared):
    """What a DHCP server hands to some of its clients.

    All conditions must hold. Rules are read from top to bottom; each value (next server, file,
    each option) comes from the first rule that matches and sets it, then from the scope.
    ``programs`` sets the file by architecture. ``ignore``: the client gets no answer at all.
    """

    clients: Names | None = None
    architectures: ArchitectureNames | None = None
    vendor_class: Text | None = None
    user_class: Text | None = None
    when: tuple[OptionTest, ...] = ()
    next_server: Text | None = None
    filename: HeaderFile | None = None
    programs: Programs = {}
    options: Options = {}
    ignore: bool = False
    name: Name | None = None


class Pool(Declared):
    """Addresses a scope leases, and to whom: nothing given means to everyone.

    ``allow`` and ``deny`` name groups; the other conditions are those of a rule, about what a client sends.
    """

    shorthand = {"type": "string", "examples": ["10.10.1.10-10.10.1.99"]}

    range: AddressRange
    allow: Names = ()
    deny: Names = ()
    architectures: ArchitectureNames | None = None
    vendor_class: Text | None = None
    user_class: Text | None = None
    when: tuple[OptionTest, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return value if isinstance(value, dict) and "range" in value else {"range": value}


class Scope(Declared):
    """A subnet as its DHCP server (or a failover pair) serves it.

    ``server`` names one or several. ``next_server`` (siaddr) is a server's name or an address, ``filename``
    the header field ``file``, at most 127 octets. ``always_send``: options, by code, that go to clients too
    that do not ask for them. ``host_names``: a registered machine is sent its name (option 12) with its
    address. ``literal``: nothing follows from what is declared, neither options 66 and 67 from
    ``next_server`` and ``filename`` nor option 60 for clients that do not ask for it. ``option_order``: the
    order of options in a reply by code, where a product keeps one (dnsmasq); others follow. Those of a
    ``literal`` scope of dnsmasq have a line, though it would tell its own address by itself. ``min_secs``
    is a threshold of dhcpd on the client's ``secs``. ``failover``: how two servers share it. Lease times
    are seconds: ``lease_time`` is for a client that asks for none (option 51), ``min_lease_time`` and
    ``max_lease_time`` limit what it can ask for. Without them the limits are the product's own.
    """

    servers: Annotated[Names, Field(alias="server")]
    vlan: Name
    subnet: Network | None = None
    pools: tuple[Pool, ...] = ()
    reservations: bool = True
    options: Options = {}
    always_send: tuple[Annotated[int, Field(ge=1, le=254), WHOLE], ...] = ()
    option_order: tuple[Annotated[int, Field(ge=1, le=254), WHOLE], ...] = ()
    host_names: bool = False
    literal: bool = False
    next_server: Text | None = None
    filename: HeaderFile | None = None
    programs: Programs = {}
    rules: tuple[ScopeRule, ...] = ()
    lease_time: Annotated[int, Field(ge=60, le=0xFFFFFFFF), WHOLE] = 43200
    min_lease_time: Annotated[int, Field(ge=0, le=0xFFFFFFFF), WHOLE] | None = None
    max_lease_time: Annotated[int, Field(ge=60, le=0xFFFFFFFF), WHOLE] | None = None
    min_secs: Annotated[int, Field(ge=0, le=255), WHOLE] = 0
    failover: Failover | None = None

    @model_validator(mode="after")
    def _limits_around_the_lease_time(self) -> Self:
        least, usual, most = self.min_lease_time, self.lease_time, self.max_lease_time
        if least is not None and least > usual:
            raise ValueError(f"min_lease_time {least} is above lease_time {usual}; write a smaller one")
        if most is not None and most < usual:
            raise ValueError(f"max_lease_time {most} is below lease_time {usual}; write a larger one")
        return self

    @model_validator(mode="after")
    def _failover_of_two(self) -> Self:
        if self.failover is not None and len(set(self.servers)) != 2:
            raise ValueError(
                "failover is between two servers; write both, the primary first: `server: [dhcp1, dhcp2]`"
            )
        return self
