"""What a relay agent (ip-helper) does to the packets it sends on and to the answers it hands back. Pure.

RFC 1542 section 4.1 and RFC 3046; what no RFC allows but agents do is a field of `RelayAgent`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from ipaddress import IPv4Address

from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import Option


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayAgent:
    """A relay agent. ``address`` is what it writes into giaddr.

    ``min_secs``: it drops packets whose ``secs`` is smaller. ``requires_option_82``: it drops answers without
    the option 82 it added. ``first_only``: after each packet it sends on, it hands one answer back.
    ``replaces_server_id``: with its own address in option 54.
    """

    address: IPv4Address
    min_secs: int = 0
    option_82: bool = False
    requires_option_82: bool = False
    first_only: bool = False
    replaces_server_id: bool = False

    @property
    def remembers(self) -> bool:
        """Whether what it does depends on what it did before."""
        return self.first_only or self.replaces_server_id


@dataclass(frozen=True, slots=True)
class RelayState:
    """What a relay agent remembers of a client.

    ``open``: it sent a packet on and has handed back no answer yet. ``lenders``: addresses that were offered
    through it, each with the server identifier it replaced.
    """

    open: bool = False
    lenders: tuple[tuple[IPv4Address, bytes], ...] = ()


FRESH = RelayState()


def send_on(agent: RelayAgent, state: RelayState, packet: Packet) -> tuple[RelayState, Packet] | str:
    """The client's packet as it reaches a server, or why it is dropped.

    That an agent which replaced option 54 turns it back for the server whose address is asked for is assumed:
    no server would acknowledge otherwise.
    """
    if packet.secs < agent.min_secs:
        return f"the relay drops packets with secs below {agent.min_secs}"
    sent = relayed(packet, agent)
    if not agent.remembers:
        return state, sent
    if packet.options.get(Option.SERVER_IDENTIFIER) == agent.address.packed:
        wanted = IPv4Address(packet.options.get(Option.REQUESTED_IP_ADDRESS, bytes(4)))
        lender = next((server for address, server in state.lenders if address == wanted), None)
        if lender is not None:
            sent = sent.with_options({Option.SERVER_IDENTIFIER: lender})
    return replace(state, open=True), sent


def hand_back(agent: RelayAgent, state: RelayState, packet: Packet) -> tuple[RelayState, Packet] | str:
    """An answer as the client sees it, or why it is dropped."""
    if agent.first_only:
        if not state.open:
            return "the relay agent hands back the first answer only"
        state = replace(state, open=False)
    if agent.replaces_server_id:
        state, packet = _with_own_identifier(agent, state, packet)
    if Option.RELAY_AGENT_INFORMATION in packet.options:
        # RFC 3046 section 2.1: the agent takes out what it put in.
        packet = packet.without_options(Option.RELAY_AGENT_INFORMATION)
    return state, packet


def misses_option_82(agent: RelayAgent, packet: Packet) -> bool:
    """Whether an answer lacks the option 82 without which the agent drops it."""
    if not (agent.option_82 and agent.requires_option_82):
        return False
    return Option.RELAY_AGENT_INFORMATION not in packet.options


def _with_own_identifier(agent: RelayAgent, state: RelayState, packet: Packet) -> tuple[RelayState, Packet]:
    server = packet.options.get(Option.SERVER_IDENTIFIER)
    if server is None:
        return state, packet
    if packet.yiaddr != UNSPECIFIED and all(address != packet.yiaddr for address, _ in state.lenders):
        state = replace(state, lenders=(*state.lenders, (packet.yiaddr, server)))
    return state, packet.with_options({Option.SERVER_IDENTIFIER: agent.address.packed})


@lru_cache(maxsize=1024)
def _information(giaddr: IPv4Address) -> bytes:
    # RFC 3046: sub-option 1, the circuit; its text is the agent's own affair.
    return b"\x01\x04" + giaddr.packed


def relayed(packet: Packet, agent: RelayAgent) -> Packet:
    """The packet with what the agent adds, whether or not it would drop it."""
    options: Mapping[int, bytes] = packet.options
    if agent.option_82:
        options = {**options, Option.RELAY_AGENT_INFORMATION: _information(agent.address)}
    return Packet(
        op=packet.op,
        htype=packet.htype,
        hlen=packet.hlen,
        hops=packet.hops + 1,
        xid=packet.xid,
        secs=packet.secs,
        flags=packet.flags,
        ciaddr=packet.ciaddr,
        giaddr=agent.address,
        chaddr=packet.chaddr,
        options=options,
    )
