"""What an inventory may declare: the whole site, and every part of it by name.

Each model checks what can be seen in its own text. Whether the names it uses exist and
whether two declarations fit together is ``references`` and the rules of ``analysis``.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from coexist.inventory.boot_programs import STAGES, ArchitectureName, ArchitectureNames, Program, Programs
from coexist.inventory.documents import written
from coexist.inventory.failover import Failover
from coexist.inventory.migrations import Gate, Migration, Share, Wave
from coexist.inventory.networks import Network, Networks, Relay, Snooping, Vlan
from coexist.inventory.population import FIRMWARES, Client, Clients, FirmwareVariant, Group, mac_range
from coexist.inventory.product import Role
from coexist.inventory.scopes import OptionTest, Pool, Scope, ScopeRule
from coexist.inventory.servers import Answers, Deployment, DropIn, Server
from coexist.inventory.twins import Twin
from coexist.inventory.values import Declared, MacAddresses, Name, Names, Options, Seconds, Text

__all__ = [
    "FIRMWARES",
    "STAGES",
    "Answers",
    "ArchitectureName",
    "ArchitectureNames",
    "Client",
    "Clients",
    "Deployment",
    "DropIn",
    "Failover",
    "FirmwareVariant",
    "Gate",
    "Group",
    "IntentRule",
    "MacAddresses",
    "Migration",
    "Network",
    "Networks",
    "OptionTest",
    "Pool",
    "Program",
    "Programs",
    "Relay",
    "Role",
    "Scope",
    "ScopeRule",
    "Server",
    "Share",
    "Site",
    "Snooping",
    "Suppression",
    "Twin",
    "Vlan",
    "Wave",
    "mac_range",
]


class IntentRule(Declared):
    """Which server boots which clients. The first rule that matches a client on a VLAN decides.

    ``boot_from`` names a server, or is ``nobody``. ``fallback`` are the servers that take
    over, in this order, when those before them stay silent. ``options`` are what a phone or another
    non-PXE client must find in its lease.
    """

    clients: Names = ("everyone",)
    unless: Names = ()
    vlan: Names | None = None
    architectures: ArchitectureNames | None = None
    boot_from: Name | None = None
    fallback: Names = ()
    options: Options = {}
    owner: Text | None = None
    reason: Text | None = None
    until: date | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.boot_from is None and not self.options:
            raise ValueError(
                "the rule says nothing; write `boot_from: otc`, `boot_from: nobody`, "
                "or the `options` they must find"
            )
        return self


def _code(value: Any) -> Any:
    text = str(written(value) or value)
    if not re.fullmatch(_CODE, text):
        raise ValueError(f"{text!r} is no code of a finding; write it as in CX301")
    return text


_CODE = r"CX[1-7][0-9]{2}"


class Suppression(Declared):
    """A finding that is accepted, with the reason; ``where`` narrows it to a path such as servers.sccm."""

    code: Annotated[str, BeforeValidator(_code), WithJsonSchema({"type": "string", "pattern": f"^{_CODE}$"})]
    where: Text | None = None
    reason: Annotated[Text, Field(min_length=3)]
    until: date | None = None


class Site(Declared):
    """The whole inventory as it is written."""

    site: Name
    jitter: Seconds = 0.005
    vlans: dict[Name, Vlan] = {}
    servers: dict[Name, Server] = {}
    scopes: dict[Name, Scope] = {}
    clients: Clients = Clients.model_construct()
    groups: dict[Name, Group] = {}
    architectures: dict[ArchitectureName, Names] = {"bios": ("pxe21", "ipxe"), "uefi-x64": ("edk2",)}
    firmwares: dict[Name, FirmwareVariant] = {}
    intent: tuple[IntentRule, ...] = ()
    migrations: dict[Name, Migration] = {}
    suppress: tuple[Suppression, ...] = ()
