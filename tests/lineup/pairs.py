"""Two daemons of a line-up that share their clients: what each does, by what its partner is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.leases.kea_file import KeaLeases
from coexist.boot.leases.lease import Leases, NoLease
from coexist.languages.dhcpd.parser import parse_dhcpd


def leases_of_pair(
    leases: DhcpdLeases, server: Mapping[str, Any], servers: Sequence[Mapping[str, Any]]
) -> Leases:
    """The leases of an ISC dhcpd, with what its failover partner's file says.

    A peer that never ran leaves the other one recovering, and that answers nobody (server/failover.c,
    "not responding (recovering)"): line-ups begin without leases.
    """
    partners = {}
    for peer in leases.outline.peers:
        other = next((s for s in servers if s["ip"] == str(peer.peer) and s["type"] == "raw-dhcpd"), None)
        if other is None:
            return lambda _: NoLease(why="it is recovering: its partner has never been heard")
        theirs = DhcpdLeases(parse_dhcpd(other["conf"].replace("{ext}", "0"), other["name"]))
        partners.update({found.name: found for found in theirs.outline.peers})
    return replace(leases, partners=partners)


def is_alone(leases: KeaLeases, server: Mapping[str, Any], servers: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a Kea does not hear its partner of high availability.

    Partners hear each other through control agents, which no line-up starts, or by themselves
    (``http-dedicated-listener``, off in 2.2 unless said). Who hears nothing holds the other for down
    (``max-unacked-clients`` 0).
    """
    pair = leases.config.pair
    if pair is None or pair.partner is None:
        return False
    hears = '"http-dedicated-listener": true' in json.dumps(server["conf"])
    running = {s["ip"] for s in servers if s["type"] == "raw-kea"}
    return not hears or str(pair.partner.address) not in running
