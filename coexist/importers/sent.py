"""What is told of an import as a whole: what the daemon sends unasked, and what its file says besides."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from coexist.importers.account import NotModelled
from coexist.importers.imported import ClientRow
from coexist.importers.site_builder import as_list
from coexist.wire.option_codes import Option


def tell_what_is_sent(
    tree: Mapping[str, Any], rows: Iterable[ClientRow], forced: Iterable[int]
) -> frozenset[int]:
    """Write it into the scopes of a tree: of the ``forced`` options those that a scope has, and whether a
    machine with a name has its address there. Returns the forced options that some scope has."""
    named = sorted(int(IPv4Address(row.address)) for row in rows if row.name and row.address)
    codes = frozenset(forced)
    found: set[int] = set()
    for scope in tree.get("scopes", {}).values():
        sent = sent_unasked(scope, codes)
        scope.update(sent)
        found.update(*sent.values())
        nets = [scope["subnet"]] if "subnet" in scope else as_list(tree["vlans"][scope["vlan"]]["subnet"])
        if scope.get("reservations", True) and any(_holds(IPv4Network(net), named) for net in nets):
            scope["host_names"] = True
    return frozenset(found)


def said_literally(scope: Mapping[str, Any]) -> dict[str, bool]:
    """That nothing follows from what a scope says, if more would than the daemon that was imported sends."""
    holders = (scope, *scope.get("rules", ()))
    more = Option.VENDOR_CLASS_IDENTIFIER in _codes_of(scope) or any(
        holder.get(key) for holder in holders for key in ("next_server", "filename")
    )
    return {"literal": True} if more else {}


def sent_unasked(scope: Mapping[str, Any], codes: frozenset[int]) -> dict[str, list[int]]:
    """What a scope says of those of the options ``codes`` that it has; nothing if it has none."""
    sent = sorted(codes & _codes_of(scope))
    return {"always_send": sent} if sent else {}


def tell_what_is_lost(tree: Mapping[str, Any], server: str, entries: Iterable[NotModelled]) -> None:
    """Keep with a server the statements of its file without which a machine may boot differently.

    While they stand there, its file is not written anew (CX524).
    """
    lost = [f"{entry.position}: {entry.statement}" for entry in entries if not entry.harmless]
    if lost:
        tree["servers"][server]["left_out"] = list(dict.fromkeys(lost))


def _codes_of(scope: Mapping[str, Any]) -> frozenset[int]:
    holders = [scope, *scope.get("rules", ())]
    return frozenset(code for holder in holders for code in holder.get("options", {}))


def _holds(network: IPv4Network, addresses: list[int]) -> bool:
    at = bisect_left(addresses, int(network.network_address))
    return at < len(addresses) and addresses[at] <= int(network.broadcast_address)
