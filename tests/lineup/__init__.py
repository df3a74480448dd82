"""Line-ups of recorded boots as worlds: what a scenario says, without the row's packets.

The fields are those of the recordings: name, type and address of each server, and what its type knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from coexist.analysis.race import ClientCase
from coexist.analysis.world import World
from coexist.wire.architecture import CANONICAL_CODE
from coexist.wire.mac import parse_mac
from tests.lineup.clients import UUID, client_of
from tests.lineup.files import Files, files_of, host_names
from tests.lineup.inexpressible import InexpressibleError
from tests.lineup.models import model_of
from tests.lineup.network import segment_of
from tests.lineup.servers import dhcpd_text, dnsmasq_lines

RECORDED_FOR = 70.0
"""Seconds after power on at which a recording ends unless its scenario says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineUp:
    """A world and the client in it.

    ``has_driver`` is False where its firmware has no driver for its card. ``recorded``: seconds after the
    first DISCOVER at which the recording ends, earliest and latest. ``files``: what each server has.
    ``host_names``: by name server. ``names_winner``: the ways of asking for a file by which a recording names
    its winner.
    """

    world: World
    case: ClientCase
    has_driver: bool
    recorded: tuple[float, float]
    files: Mapping[str, Files]
    host_names: Mapping[IPv4Address, Mapping[str, IPv4Address]]
    names_winner: frozenset[str]


def line_up(scenario: Mapping[str, Any]) -> LineUp:
    """The world of one scenario. Raises InexpressibleError."""
    client = client_of(scenario)
    servers = [server for server in scenario["servers"] if server["type"] != "relay"]
    machine = {"mac": client.mac}
    models = {server["name"]: model_of(server, machine, client.extension, servers) for server in servers}
    world = World(
        segments={"lab": segment_of(scenario["servers"], models)},
        models=models,
        firmwares={client.name: client.firmware},
        owners={IPv4Address(server["ip"]): server["name"] for server in servers},
        uuid=UUID,
    )
    case = ClientCase(
        mac=parse_mac(client.mac),
        vlan="lab",
        architecture=client.architecture,
        firmware=client.name,
        number=CANONICAL_CODE[client.architecture],
    )
    until = scenario.get("timeout", RECORDED_FOR)
    recorded = (until - client.power_on[1], until - client.power_on[0])
    files = {server["name"]: files_of(server) for server in servers}
    return LineUp(
        world=world,
        case=case,
        has_driver=client.has_driver,
        recorded=recorded,
        files=files,
        host_names=host_names(scenario["servers"]),
        # A machine that goes through its boot entries was watched for TFTP alone.
        names_winner=frozenset({"tftp"} if client.name == "uefi-default" else {"tftp", "http"}),
    )


__all__ = [
    "InexpressibleError",
    "LineUp",
    "dhcpd_text",
    "dnsmasq_lines",
    "line_up",
    "model_of",
]
