"""Failover relations of a dhcpd.conf as an inventory declares them: two servers of a scope.

The file names its partner by address only. A server of that address stands beside its own; a further import
of the partner's file finds it there.
"""

from __future__ import annotations

from typing import Any

from coexist.importers.account import Account
from coexist.importers.site_builder import SiteBuilder
from coexist.inventory.failover import BUCKETS
from coexist.languages.dhcpd.levels import Outline, PoolPart, SubnetPart, Wire
from coexist.languages.dhcpd.syntax import FailoverPeer

_NO_PARTNER = "the partner is named by a host name; declare it as a server, and `failover` in its scopes"
_SOME_POOLS = "a scope is shared as a whole: only some pools of this subnet are in a failover relation"
_BUCKETS = "`hba` that is no beginning of the buckets; write the share as `split`"


class PairBook:
    """The relations of a file, and what was taken over of them."""

    def __init__(self, outline: Outline, server: str, account: Account) -> None:
        self.server = server
        self.account = account
        self.peers = {peer.name: peer for peer in outline.peers}
        self.partners: dict[str, str] = {}

    def shared(self, wire: Wire, subnet: SubnetPart) -> dict[str, Any]:
        """The servers and the failover of a scope; nothing for one that is not shared."""
        pools = [p for p in wire.pools if any(r.first in subnet.network for r in p.ranges)]
        peers = {pool.peer for pool in pools}
        if not any(peers):
            return {}
        peer = self.peers.get(next(iter(peers)))
        if len(peers) > 1 or peer is None:
            self._left(pools, _SOME_POOLS)
            return {}
        if peer.peer is None or (peer.is_primary and _split(peer) is None):
            self._left(pools, _NO_PARTNER if peer.peer is None else _BUCKETS)
            return {}
        partner = self.partners.setdefault(str(peer.peer), f"{self.server}-partner")
        both = (self.server, partner) if peer.is_primary else (partner, self.server)
        return {"server": list(both), "failover": _declared(peer)}

    def settle(self) -> None:
        """Say of each relation whether it is in the inventory."""
        for peer in self.peers.values():
            if str(peer.peer) in self.partners:
                self.account.modelled(peer.at)
            elif not self.account.is_mentioned(peer.at):
                self.account.left_out(peer.at, peer.text, "no scope is shared by it")

    def servers(self, own: dict[str, Any], build: SiteBuilder) -> dict[str, dict[str, Any]]:
        """The partners, each as the server itself but for its address."""
        made = {}
        for address, name in self.partners.items():
            made[name] = {**own, "address": address, "vlan": build.vlan_for(address)}
        return made

    def _left(self, pools: list[PoolPart], why: str) -> None:
        for name in dict.fromkeys(pool.peer for pool in pools if pool.peer):
            peer = self.peers.get(name)
            if peer is not None:
                self.account.left_out(peer.at, peer.text, why)


def _split(peer: FailoverPeer) -> int | None:
    """How many buckets are the primary's; None where they are not the first ones."""
    if peer.hba is None:
        return BUCKETS // 2 if peer.split is None else peer.split
    bits = int.from_bytes(peer.hba, "little")
    return bits.bit_length() if bits & (bits + 1) == 0 else None


def _declared(peer: FailoverPeer) -> dict[str, Any]:
    said: dict[str, Any] = {"mode": "load-balancing", "max_seconds": min(peer.max_seconds or 0, 255)}
    if peer.is_primary:
        said["split"] = _split(peer)
        said["mclt"] = min(max(peer.mclt or 0, 60), 86400)
    if peer.port is not None:
        said["port"] = peer.port
    if peer.max_response_delay:
        said["max_response_delay"] = min(peer.max_response_delay, 65535)
    if peer.max_unacked_updates:
        said["max_unacked_updates"] = peer.max_unacked_updates
    return said
