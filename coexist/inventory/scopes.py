"""What a DHCP server leases on a subnet, and which of its clients get what."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from coexist.inventory.boot_programs import ArchitectureNames, Programs
from coexist.inventory.networks import Network
from coexist.inventory.values import (
    AddressRange,
    Declared,
    Name,
    Names,
    Options,
    Text,
)


class OptionTest(Declared):
    """A test on one option of the client's packet; exactly one of the comparisons."""

    option: Annotated[int, Field(ge=1, le=254)]
    equals: Text | None = None
    starts_with: Text | None = None
    contains: Text | None = None
    exists: bool | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(x is not None for x in (self.equals, self.starts_with, self.contains, self.exists)) != 1:
            raise ValueError("a test has one comparison; keep equals, starts_with, contains or exists")
        return self


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
    filename: Text | None = None
    programs: Programs = {}
    options: Options = {}
    ignore: bool = False
    name: Name | None = None


class Pool(Declared):
    """Addresses a scope leases, and to whom: nothing given means to everyone."""

    shorthand = {"type": "string", "examples": ["10.10.1.10-10.10.1.99"]}

    range: AddressRange
    allow: Names = ()
    deny: Names = ()

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return value if isinstance(value, dict) and "range" in value else {"range": value}


class Scope(Declared):
    """A subnet as its DHCP server (or a failover pair) serves it.

    ``server`` names one or several. ``next_server`` (siaddr) is a server's name or an address,
    ``filename`` the header field ``file``. ``min_secs`` is a threshold of dhcpd on the client's ``secs``.
    Lease times are seconds.
    """

    servers: Annotated[Names, Field(alias="server")]
    vlan: Name
    subnet: Network | None = None
    pools: tuple[Pool, ...] = ()
    reservations: bool = True
    options: Options = {}
    next_server: Text | None = None
    filename: Text | None = None
    programs: Programs = {}
    rules: tuple[ScopeRule, ...] = ()
    lease_time: Annotated[int, Field(ge=60)] = 43200
    min_secs: Annotated[int, Field(ge=0, le=255)] = 0
