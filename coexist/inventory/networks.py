"""VLANs, their relays and what their switches do."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from coexist.inventory.documents import written
from coexist.inventory.values import (
    ONE_OR_MORE,
    WHOLE,
    Address,
    Declared,
    Names,
    Seconds,
    one_or_more,
)


def _network(value: Any) -> Any:
    text = written(value)
    try:
        return IPv4Network(text if text is not None else repr(value))
    except (AddressValueError, NetmaskValueError):
        raise ValueError(f"{value!r} is not a subnet; write it as 10.10.0.0/16") from None
    except ValueError:
        right = IPv4Network(str(text), strict=False)
        raise ValueError(f"{text} has host bits set; write {right}") from None


Network = Annotated[
    IPv4Network, BeforeValidator(_network), WithJsonSchema({"type": "string", "examples": ["10.10.0.0/16"]})
]

Networks = Annotated[
    tuple[Network, ...], BeforeValidator(one_or_more), Field(min_length=1), WithJsonSchema(ONE_OR_MORE)
]


class Snooping(Declared):
    """DHCP snooping on a VLAN: the switch drops the offers of servers that are not trusted."""

    trusted: Names


class Relay(Declared):
    """How a relay agent (ip-helper) of a VLAN behaves.

    ``address`` is what it writes into giaddr (the gateway if not given); ``relay_to`` its own targets, beside
    those of the VLAN's ``relay_to``; ``min_secs`` its boot threshold (RRAS drops packets whose ``secs`` is
    smaller, 4 by default there). ``option_82``: it adds relay agent information; ``requires_option_82``: it
    drops answers that do not repeat it (RFC 3046 section 2.1.1). ``passes``: every answer, or only the
    ``first`` after each packet it sends on. ``replaces_server_id``: it writes its own address into option 54
    of the answers, so that clients ask port 4011 of the relay agent.
    """

    address: Address | None = None
    relay_to: Names = ()
    min_secs: Annotated[int, Field(ge=0, le=65535), WHOLE] = 0
    option_82: bool = False
    requires_option_82: bool = False
    passes: Literal["all", "first"] = "all"
    replaces_server_id: bool = False


def _one_or_more(schema: dict[str, Any]) -> None:
    """The JSON Schema of a list that may be written as its only element."""
    several = {key: schema.pop(key) for key in ("type", "items")}
    schema["anyOf"] = [several["items"], {**several, "minItems": 1}]


Relays = Annotated[
    tuple[Relay, ...], BeforeValidator(one_or_more), Field(min_length=1, json_schema_extra=_one_or_more)
]


class Vlan(Declared):
    """One broadcast domain. Times are seconds.

    ``relay``: its relay agent, or a list of them where several pass its packets on. ``routers``: further
    routers beside the gateway and the relay agents; a lease that names another one leads nowhere.
    ``forwarding_delay``: how long a port drops packets after link-up (spanning tree without
    portfast). ``jitter``: packets that arrive closer together than this may arrive in either order.
    ``blocked_ports``: UDP ports a firewall drops between this VLAN's clients and other subnets. ``mtu``: the
    octets of the largest IP packet that reaches its clients, where a tunnel leaves less than Ethernet's 1500
    and nobody tells the sender (ICMP is dropped): larger packets are lost.
    """

    id: Annotated[int, Field(ge=1, le=4094), WHOLE]
    subnet: Networks
    gateway: Address | None = None
    routers: tuple[Address, ...] = ()
    relay_to: Names = ()
    relay: Relays = (Relay.model_construct(),)
    snooping: Snooping | None = None
    forwarding_delay: Seconds = 0.0
    jitter: Seconds | None = None
    blocked_ports: tuple[Annotated[int, Field(ge=1, le=65535), WHOLE], ...] = ()
    mtu: Annotated[int, Field(ge=576, le=9000), WHOLE] | None = None

    @property
    def giaddrs(self) -> tuple[IPv4Address, ...]:
        """What each of its relay agents writes into giaddr, in their order."""
        own = self.gateway or self.subnet[0].network_address + 1
        return tuple(relay.address or own for relay in self.relay)

    @property
    def every_router(self) -> frozenset[IPv4Address]:
        """The addresses by which packets leave it: gateway, relay agents and further routers."""
        own = (self.gateway,) if self.gateway else ()
        return frozenset((*own, *self.giaddrs, *self.routers))

    def targets_of(self, relay: Relay) -> tuple[str, ...]:
        """The servers and addresses that one of its relay agents sends to."""
        return tuple(dict.fromkeys((*self.relay_to, *relay.relay_to)))

    @property
    def targets(self) -> tuple[str, ...]:
        """Where any of its relay agents sends to, each once; empty where none has a target."""
        return tuple(dict.fromkeys(name for relay in self.relay for name in self.targets_of(relay)))
