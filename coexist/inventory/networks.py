"""VLANs, their relays and what their switches do."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from coexist.inventory.documents import written
from coexist.inventory.values import (
    ONE_OR_MORE,
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
    """How the relay agent (ip-helper) of a VLAN behaves; its targets are the VLAN's ``relay_to``.

    ``address`` is what it writes into giaddr (the gateway if not given); ``min_secs`` its boot
    threshold (RRAS drops packets whose ``secs`` is smaller, 4 by default there).
    """

    address: Address | None = None
    min_secs: Annotated[int, Field(ge=0, le=65535)] = 0
    option_82: bool = False


class Vlan(Declared):
    """One broadcast domain. Times are seconds.

    ``forwarding_delay``: how long a port drops packets after link-up (spanning tree without
    portfast). ``jitter``: packets that arrive closer together than this may arrive in either order.
    ``blocked_ports``: UDP ports a firewall drops between this VLAN's clients and other subnets.
    """

    id: Annotated[int, Field(ge=1, le=4094)]
    subnet: Networks
    gateway: Address | None = None
    relay_to: Names = ()
    relay: Relay = Relay()
    snooping: Snooping | None = None
    forwarding_delay: Seconds = 0.0
    jitter: Seconds | None = None
    blocked_ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = ()
