"""How a Kea's replies are held to its configuration: which address of a pool it offers is its own affair."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from coexist.boot.leases.kea_config import KeaConfig
from coexist.boot.leases.kea_file import KeaLeases
from coexist.boot.servers.kea import KeaModel
from coexist.wire.bootp import Packet


def kea_model(config: KeaConfig) -> KeaModel:
    """The model of a server that runs on a configuration."""
    echo = config.level.value("echo-client-id", bool) is not False
    leases = KeaLeases(config=config, version=config.version)
    return KeaModel(name="own", leases=leases, echoes_client_id=echo)


def of_its_pool(reply: Packet, expected: Packet, config: KeaConfig) -> Packet:
    """The reply with the predicted address, if its own is of a pool like that and nobody's."""
    same = _pools_of(reply.yiaddr, config) & _pools_of(expected.yiaddr, config)
    kept = [s for s in config.subnets if s.value("reservations-out-of-pool", bool) is not True]
    reserved = {host.address for subnet in kept for host in subnet.hosts}
    if not same or reply.yiaddr in reserved:
        return reply
    # A generated name holds the address.
    real, named = (str(a).replace(".", "-").encode() for a in (reply.yiaddr, expected.yiaddr))
    options = {code: value.replace(real, named) for code, value in reply.options.items()}
    return replace(reply, yiaddr=expected.yiaddr, options=options)


def _pools_of(address: IPv4Address, config: KeaConfig) -> set[object]:
    """The pools that hold an address, by what tells them apart."""
    return {
        (number, pool.classes, pool.asks, tuple(pool.level.options))
        for number, subnet in enumerate(config.subnets)
        for pool in subnet.pools
        if pool.holds(address)
    }
