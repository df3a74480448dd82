"""The offers UEFI PXE keeps, and which of them it takes: ``NetworkPkg/UefiPxeBcDxe/PxeBcDhcp4.c``."""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv4Address
from typing import NamedTuple

from coexist.boot.firmware.edk2_packet import Cached, Kind
from coexist.boot.firmware.machine import Machine


class Stage(Enum):
    """Where the client stands."""

    SELECTING = "collecting offers"
    REQUESTING = "waiting for the DHCPACK"
    ASKING = "asking a boot server on port 4011"
    PROMPTING = "showing the boot prompt"
    DISCOVERING = "boot server discovery"


class State(NamedTuple):
    """A client in one of its stages.

    ``ends``: when the listening windows end (seconds). ``offers``: what the cache of 16 holds, by kind in
    order of arrival. ``fresh``: whether this window brought an acceptable packet. ``last``: the last
    received offer, kept only where the bug of option 67 can bring it to light. ``targets``: whom a request
    goes to and who are asked after it; ``listed``: the only servers whose replies count, empty for any.
    ``answered``: whether anybody replied; ``named``: the server a list of boot servers ends with.
    """

    machine: Machine
    ends: tuple[float, ...]
    stage: Stage = Stage.SELECTING
    window: int = 0
    dhcp_pxe10: tuple[Cached, ...] = ()
    dhcp_binl: tuple[Cached, ...] = ()
    dhcp_only: tuple[Cached, ...] = ()
    proxy_pxe10: tuple[Cached, ...] = ()
    proxy_binl: tuple[Cached, ...] = ()
    bootp: tuple[Cached, ...] = ()
    cached: int = 0
    proxy_seen: bool = False
    heard_any: bool = False
    fresh: bool = False
    last: Cached | None = None
    # after the selection
    chosen: Cached | None = None
    selected: Cached | None = None
    ack: Cached | None = None
    queue: tuple[Cached, ...] = ()
    reply: Cached | None = None
    attempt: int = 0
    base: float = 0.0
    item: int = 0
    targets: tuple[IPv4Address, ...] = ()
    listed: tuple[IPv4Address, ...] = ()
    answered: bool = False
    named: IPv4Address | None = None


def keep(state: State, cached: Cached) -> tuple[State, str]:
    """The state with an offer cached by its kind, and what became of it (PxeBcCacheDhcp4Offer)."""
    match cached.kind:
        case Kind.DISCARDED:
            return state, "discarded: " + cached.why
        case Kind.NOT_PXE_PROXY:
            return state._replace(proxy_seen=True), "discarded: an offer without address and PXEClient"
        case Kind.BOOTP:
            if state.bootp:
                return state, "a second BOOTP reply: discarded"
            return state._replace(bootp=(cached,), cached=state.cached + 1), "BOOTP reply kept"
        case Kind.PROXY_PXE10:
            state = state._replace(proxy_seen=True)
            if state.proxy_pxe10:
                return state, "a second proxy with option 43: discarded"
            return state._replace(proxy_pxe10=(cached,), cached=state.cached + 1), cached.kind.value
        case Kind.PROXY_BINL:
            kept = (*state.proxy_binl, cached)
            return (
                state._replace(proxy_seen=True, proxy_binl=kept, cached=state.cached + 1),
                cached.kind.value,
            )
        # All are cached, but no more than the first, and the first with a file, can ever be chosen.
        case Kind.DHCP_PXE10:
            state = state._replace(dhcp_pxe10=state.dhcp_pxe10 or (cached,))
        case Kind.DHCP_BINL:
            state = state._replace(dhcp_binl=state.dhcp_binl or (cached,))
        case Kind.DHCP_ONLY:
            if not state.dhcp_only or (cached.file and not any(o.file for o in state.dhcp_only)):
                state = state._replace(dhcp_only=(*state.dhcp_only, cached))
    return state._replace(cached=state.cached + 1), cached.kind.value


def select(state: State) -> tuple[Cached | None, str]:
    """The offer that is taken, and why; None where nothing can be booted from (PxeBcSelectDhcp4Offer)."""
    if state.dhcp_pxe10:
        return state.dhcp_pxe10[0], "a DHCP offer with PXEClient and option 43 comes first"
    if state.dhcp_only and state.proxy_pxe10:
        return state.dhcp_only[0], "a plain offer and a proxy with option 43"
    if state.dhcp_binl:
        return state.dhcp_binl[
            0
        ], "a DHCP offer with PXEClient: its server is asked on port 4011, proxies are ignored"
    if state.dhcp_only and state.proxy_binl:
        return state.dhcp_only[0], "a plain offer and proxies that are asked on port 4011"
    for offer in state.dhcp_only:
        if offer.file is not None:
            return offer, "the first plain offer with a boot file"
    if state.bootp:
        return state.bootp[0], "a BOOTP reply with a boot file"
    return None, ""
