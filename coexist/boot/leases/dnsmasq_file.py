"""What a dnsmasq.conf leases to a client, as dnsmasq 2.90 finds it (``rfc2131.c``, ``dhcp-common.c``).

Function names in the comments are dnsmasq's. A list that the daemon builds is searched from its last line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from ipaddress import IPv4Address

from coexist.boot.leases.dnsmasq_clients import (
    Hardware,
    NamedClient,
    agent_part,
    name_of,
    tag_applies,
    user_class_of,
)
from coexist.boot.leases.dnsmasq_ranges import CLASS_C, Context, Ranges
from coexist.boot.leases.lease_times import dnsmasq_times
from coexist.boot.responder import Arrival
from coexist.languages.dnsmasq.config import BootLine, DnsmasqConfig, HostLine
from coexist.languages.dnsmasq.options import OptionLine
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED, Packet
from coexist.wire.options import Option

_SERVER_IDENTIFIER_OVERRIDE = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What is known of a client before it is answered. ``tags``: those set before any tag-if; ``offered``:
    the name that its host line gives it, as the offer tells it: none where it was found by the name."""

    contexts: tuple[Context, ...]
    host: HostLine | None
    tags: frozenset[str]
    named: NamedClient
    offered: str = ""


@dataclass(frozen=True, kw_only=True)
class DnsmasqFile:
    """One configuration, asked about clients. ``ranges``: with the network cards it runs on."""

    ranges: Ranges

    @property
    def config(self) -> DnsmasqConfig:
        """The configuration."""
        return self.ranges.config

    # -- who asks --------------------------------------------------------------------------------

    def client(self, arrival: Arrival, contexts: tuple[Context, ...]) -> Client:
        """The client's host line and tags. ``contexts``: those of the packet."""
        packet = arrival.packet
        named = name_of(packet, by_client=self.config.updates_by_client)
        tags = self._tags_sent(packet) | {self.ranges.interface_of(arrival)}
        host = self._find_host(packet, contexts, tags)
        if host is not None:
            tags.add("known")
        elif self._find_host(packet, None, tags) is not None:
            tags.add("known-othernet")
        offered = host.name if host is not None else ""
        tags.update(
            m.tag for m in self.config.matches if m.kind == "name" and _is_named(m.pattern, named.full)
        )
        if host is None and named.name:
            host = self._host_by_name(packet, named.name, contexts, tags)
            if host is not None:
                tags.add("known")
        if host is not None:
            tags.update(host.sets)
        return Client(contexts=contexts, host=host, tags=frozenset(tags), named=named, offered=offered)

    def _tags_sent(self, packet: Packet) -> set[str]:
        user_class = user_class_of(packet)
        return {m.tag for m in self.config.matches if tag_applies(m, packet, user_class)}

    def tag_if(self, tags: frozenset[str], *more: str | None) -> frozenset[str]:
        """run_tag_if: each line once, in order."""
        result = tags | {tag for tag in more if tag}
        for line in self.config.tag_ifs:
            if tags_match(line.tags, result, wild=True):
                result |= frozenset(line.sets)
        return result

    def is_ignored(self, tags: frozenset[str]) -> bool:
        """Whether a dhcp-ignore is for a client with these tags."""
        return any(tags_match(wanted, tags, empty=False) for wanted in self.config.ignores)

    @cached_property
    def _by_mac(self) -> Mapping[bytes, list[tuple[Hardware, HostLine]]]:
        found: dict[bytes, list[tuple[Hardware, HostLine]]] = defaultdict(list)
        for host in reversed(self.config.hosts):
            for hardware in _hardware(host):
                if not hardware.mask:
                    found[hardware.octets].append((hardware, host))
        return found

    @cached_property
    def _patterns(self) -> list[tuple[Hardware, HostLine]]:
        return [
            (hardware, host)
            for host in reversed(self.config.hosts)
            for hardware in _hardware(host)
            if hardware.mask
        ]

    @cached_property
    def _by_name(self) -> Mapping[str, list[HostLine]]:
        found: dict[str, list[HostLine]] = defaultdict(list)
        for host in reversed(self.config.hosts):
            if host.name:
                found[host.name.lower()].append(host)
        return found

    @cached_property
    def _by_client_id(self) -> list[HostLine]:
        return [host for host in reversed(self.config.hosts) if host.client_ids]

    @cached_property
    def reserved_addresses(self) -> frozenset[IPv4Address]:
        """The addresses dhcp-host lines name: nobody else is given them."""
        return frozenset(host.address for host in self.config.hosts if host.address is not None)

    def _find_host(
        self, packet: Packet, contexts: tuple[Context, ...] | None, tags: Iterable[str]
    ) -> HostLine | None:
        """find_config: lines that ask for tags first. By client identifier, then by MAC, then by pattern."""
        known = self.tag_if(frozenset(tags))
        for empty in (False, True):

            def counts(host: HostLine, empty: bool = empty) -> bool:
                return tags_match(host.tags, known, empty=empty) and _is_here(host, contexts)

            found = self._match_host(packet, counts)
            if found is not None:
                return found
        return None

    def _match_host(self, packet: Packet, counts: Callable[[HostLine], bool]) -> HostLine | None:
        client_id = packet.options.get(Option.CLIENT_IDENTIFIER) if self.config.client_ids else None
        if client_id:
            # A text that begins with a NUL is dhcpcd's.
            ids = (client_id, client_id[1:]) if client_id[0] == 0 else (client_id,)
            for host in self._by_client_id:
                if any(own in ids for own in host.client_ids) and counts(host):
                    return host
        return self._match_mac(packet, counts) or self._match_pattern(packet, counts)

    def _match_mac(self, packet: Packet, counts: Callable[[HostLine], bool]) -> HostLine | None:
        for hardware, host in self._by_mac.get(packet.chaddr[: packet.hlen], ()):
            if hardware.fits(packet) and counts(host):
                return host
        return None

    def _match_pattern(self, packet: Packet, counts: Callable[[HostLine], bool]) -> HostLine | None:
        best, most = None, 0
        for hardware, host in self._patterns:
            agree = hardware.fits(packet)
            if agree > most and counts(host):
                best, most = host, agree
        return best

    def _host_by_name(
        self, packet: Packet, name: str, contexts: tuple[Context, ...], tags: Iterable[str]
    ) -> HostLine | None:
        """A line without MAC and client identifier whose name the client has.

        The lines of its MAC are asked again, with the tags of by now: one that counts ends the search.
        """
        known = self.tag_if(frozenset(tags))
        for empty in (False, True):

            def counts(host: HostLine, empty: bool = empty) -> bool:
                return tags_match(host.tags, known, empty=empty) and _is_here(host, contexts)

            found = self._match_mac(packet, counts)
            found = found or next(filter(counts, self._by_name.get(name.lower(), ())), None)
            found = found or self._match_pattern(packet, counts)
            if found is not None:
                return None if found.macs or found.client_ids else found
        return None

    # -- its address -----------------------------------------------------------------------------

    def is_available(self, client: Client, address: IPv4Address, tags: frozenset[str]) -> bool:
        """address_available: whether a range has it for clients with these tags."""
        if client.contexts and address == client.contexts[0].router:
            return False
        return self._holder(client.contexts, address, tags) is not None

    @staticmethod
    def _holder(contexts: tuple[Context, ...], address: IPv4Address, tags: frozenset[str]) -> Context | None:
        for context in contexts:
            item = context.range
            if (
                item.mode == "dynamic"
                and item.start <= address <= item.last
                and tags_match(item.filter, tags)
            ):
                return context
        return None

    def narrow(self, client: Client, address: IPv4Address, tags: frozenset[str]) -> Context | None:
        """narrow_context: the range an address is of."""
        if self.is_available(client, address, tags):
            return self._holder(client.contexts, address, tags)
        here = [c for c in client.contexts if tags_match(c.range.filter, tags) and c.holds(address)]
        static = next((c for c in here if c.range.mode == "static"), None)
        return static or next((c for c in here if c.range.mode != "proxy"), None)

    def own_address(self, client: Client) -> IPv4Address | None:
        """The address of its dhcp-host line, unless it is the server's or the relay's."""
        host = client.host
        if host is None or host.address is None:
            return None
        return None if client.contexts and client.contexts[0].router == host.address else host.address

    def address(self, packet: Packet, client: Client, tags: frozenset[str]) -> IPv4Address | None:
        """The address a DISCOVER is offered when nothing is leased yet."""
        own = self.own_address(client)
        if own is not None:
            return own
        wanted = packet.options.get(Option.REQUESTED_IP_ADDRESS, b"")
        if len(wanted) >= 4:
            address = IPv4Address(wanted[:4])
            if self.is_available(client, address, tags) and address not in self.reserved_addresses:
                return address
        return self._allocate(packet, client, tags)

    def _allocate(self, packet: Packet, client: Client, tags: frozenset[str]) -> IPv4Address | None:
        """address_allocate: by the SDBM hash of the MAC; ranges that ask for the client's tags first."""
        routers = {context.router for context in client.contexts}
        seed = 0
        for octet in packet.chaddr[: packet.hlen]:
            seed = (octet + (seed << 6) + (seed << 16) - seed) & 0xFFFFFFFF
        seed = seed or 1
        for empty in (False, True):
            for context in client.contexts:
                item = context.range
                if item.mode != "dynamic" or not tags_match(item.filter, tags, empty=empty):
                    continue
                first, size = int(item.start), int(item.last) - int(item.start) + 1
                start = 0 if self.config.sequential else seed % size
                for step in range(size):
                    address = IPv4Address(first + (start + step) % size)
                    if (
                        address not in routers
                        and address not in self.reserved_addresses
                        and not (address in CLASS_C and int(address) & 0xFF in (0, 0xFF))
                    ):
                        return address
        return None

    # -- what it is told -------------------------------------------------------------------------

    def options(self, tags: frozenset[str], context: Context | None) -> dict[int, OptionLine]:
        """option_filter: one line a code, the last line of the file first.

        A line whose tags are set without the range's own tag comes before one that needs it.
        """
        lines = [line for line in reversed(self.config.options) if not line.is_inside]
        before = self.tag_if(tags)
        chosen = [line for line in lines if tags_match(line.tags, before, empty=False)]
        if context is not None and context.range.tag:
            after = self.tag_if(tags, context.range.tag)
            chosen = [line for line in chosen if tags_match(line.tags, after, empty=False)]
            for line in lines:
                if (
                    not any(c is line for c in chosen)
                    and tags_match(line.tags, after, empty=False)
                    and not any(c.code == line.code for c in chosen)
                ):
                    chosen.append(line)
        tagged = {line.code for line in chosen}
        plain = {id(line) for line in lines if not line.tags and line.code not in tagged}
        taken = {id(line) for line in chosen} | plain
        result: dict[int, OptionLine] = {}
        for line in lines:
            if id(line) in taken:
                result.setdefault(line.code, line)
        return result

    def boot(self, tags: frozenset[str]) -> BootLine | None:
        """find_boot: a tagged line that fits, then one without tags; the last of the file first."""
        lines = tuple(reversed(self.config.boots))
        found = next((b for b in lines if tags_match(b.tags, tags, empty=False)), None)
        return found or next((b for b in lines if tags_match(b.tags, tags)), None)

    def lease_time(self, packet: Packet, client: Client, context: Context) -> int:
        """The time of its host, or of the range, or what it asks for."""
        host = client.host
        time = context.range.lease_time
        if host is not None and host.lease_time is not None:
            time = host.lease_time
        return dnsmasq_times(time).granted_to(packet)

    def delay(self, tags: frozenset[str]) -> float:
        """apply_delay; the list is read from its last line, a line without tags comes last."""
        lines = tuple(reversed(self.config.delays))
        found = next((d for d in lines if tags_match(d.tags, tags, empty=False)), None)
        found = found or next((d for d in lines if tags_match(d.tags, tags)), None)
        return found.seconds if found else 0

    def override(self, packet: Packet) -> IPv4Address | None:
        """The server identifier a relay asks for, or dhcp-proxy gives it: the relay's address."""
        asked = agent_part(packet, _SERVER_IDENTIFIER_OVERRIDE)
        if len(asked) >= 4:
            return IPv4Address(asked[:4])
        named = self.config.relays_named
        if named is None or packet.giaddr == UNSPECIFIED or (named and packet.giaddr not in named):
            return None
        return packet.giaddr


def domain_of(config: DnsmasqConfig, address: IPv4Address) -> str:
    """get_domain: the domain of an address; empty where there is none."""
    lines = tuple(reversed(config.domains))
    found = next((line for line in lines if line.holds(address)), None)
    found = found or next((line for line in lines if line.first is None), None)
    return found.name if found else ""


def tags_match(
    tags: tuple[str, ...], pool: frozenset[str], *, empty: bool = True, wild: bool = False
) -> bool:
    """match_netid: all of them, those with ``!`` absent.

    ``empty``: what no tags at all mean; ``wild``: whether one may end with ``*`` (match_netid_wild).
    """
    if not tags:
        return empty
    return all(_is_set(t.removeprefix("!"), pool, wild) != t.startswith("!") for t in tags)


def _is_set(tag: str, pool: frozenset[str], wild: bool) -> bool:
    if wild and tag.endswith("*"):
        return any(name.startswith(tag[:-1]) for name in pool)
    return tag in pool


def _is_here(host: HostLine, contexts: tuple[Context, ...] | None) -> bool:
    """is_config_in_context."""
    if contexts is None or host.address is None:
        return True
    return any(context.holds(host.address) for context in contexts)


def _hardware(host: HostLine) -> list[Hardware]:
    return [Hardware.of(pattern) for pattern in host.macs]


def _is_named(pattern: str, name: str) -> bool:
    """dhcp-name-match."""
    if not name:
        return False
    if pattern.endswith("*"):
        return name.lower().startswith(pattern[:-1].lower())
    return name.lower() == pattern.lower()
