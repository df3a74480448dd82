"""A dnsmasq's own file as a `LeaseSource`: what it leases to a client, each value with its line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from ipaddress import IPv4Address
from itertools import product

from coexist.boot.leases.dnsmasq_clients import Hardware
from coexist.boot.leases.dnsmasq_file import Client, DnsmasqFile, tags_match
from coexist.boot.leases.dnsmasq_files import DnsmasqFiles
from coexist.boot.leases.dnsmasq_ranges import Context
from coexist.boot.leases.lease import Distinctions, FieldName, Lease, NoLease, OpenCondition, Origin
from coexist.boot.leases.pairs import Share
from coexist.boot.leases.told_files import ToldFile, told_files
from coexist.boot.responder import Arrival
from coexist.errors import Position
from coexist.inventory.macset import NOBODY, MacSet
from coexist.inventory.models import OptionTest
from coexist.languages.dnsmasq.config import HostLine, MatchLine
from coexist.languages.dnsmasq.options import Kind
from coexist.records import dataclass
from coexist.wire.bootp import UNSPECIFIED
from coexist.wire.options import Option

_SIADDR = 255
# Told by other means, or by no means.
_NOT_OPTIONS = frozenset({0, 52, 57, Option.CLIENT_FQDN, _SIADDR})
_AGENT_PARTS = {"circuit": 1, "remote": 2, "subscriber": 6}
_MOST_STARS_INSIDE = 1
"""Of a pattern's stars that an octet stands behind: each makes 256 ranges of each."""
_ETHERNET_OCTETS = 6


@dataclass(frozen=True, kw_only=True)
class DnsmasqLeases:
    """``places``: where each line of the file stands, the first line first."""

    file: DnsmasqFile
    places: Sequence[Position]

    def at(self, line: int) -> Position:
        """Where a line stands."""
        return self.places[line - 1]

    # -- LeaseSource -----------------------------------------------------------------------------

    @cached_property
    def opens(self) -> tuple[OpenCondition, ...]:
        """Lines that say more than a file can: programs, other files of the host, names it looks up."""
        config = self.file.config
        unknown = (*config.unmodelled, *(config.tftp_limits if config.tftp else ()))
        found = [OpenCondition(origin=self.at(entry.line), what=entry.why) for entry in unknown]
        named = [(boot.line, boot.host) for boot in config.boots if boot.host]
        named += [(service.line, service.host) for service in config.services if service.host]
        found += [
            OpenCondition(origin=self.at(line), what=f"the server's hosts file has an address for {name}")
            for line, name in named
        ]
        patterns = [(host.line, pattern) for host in config.hosts for pattern in host.macs]
        patterns += [(match.line, match.pattern) for match in config.matches if match.kind == "mac"]
        found += [
            OpenCondition(origin=self.at(line), what=f"which machines {pattern} is for: too many ranges")
            for line, pattern in patterns
            if len(_stars_inside(Hardware.of(pattern))[0]) > _MOST_STARS_INSIDE
        ]
        found += [
            OpenCondition(
                origin=self.at(item.line),
                what=f"whether a relay agent's packet came before: from the first one on the range has the"
                f" netmask {mask} of its class, and counts for clients that are not relayed too; write its"
                f" netmask behind its last address",
            )
            for item, mask in self.file.ranges.taking_over
        ]
        return tuple(found)

    def closed(self, decided: Mapping[OpenCondition, bool]) -> DnsmasqLeases:
        """What such lines would say is in no file: it is the same source."""
        return self

    @property
    def shares(self) -> tuple[Share, ...]:
        """Dnsmasq has no failover."""
        return ()

    @cached_property
    def distinctions(self) -> Distinctions:
        """dhcp-host and dhcp-mac tell by MAC; the other lines that set a tag by options."""
        config = self.file.config
        alike: dict[object, list[HostLine]] = defaultdict(list)
        for host in config.hosts:
            alike[(host.sets, host.tags, host.ignore, host.lease_time, host.address is None)].append(host)
        files, told = DnsmasqFiles(config=config), list[ToldFile]()
        clients: list[tuple[MacSet, Origin]] = []
        for hosts in alike.values():
            if any(h.macs for h in hosts):
                macs = _macs([p for h in hosts for p in h.macs])
                told += files.of_hosts(len(clients), macs, hosts)
                clients.append((macs, self.at(hosts[0].line)))
        marks: dict[str, list[MatchLine]] = defaultdict(list)
        for match in config.matches:
            if match.kind == "mac":
                marks[match.tag].append(match)
        for tag, found in marks.items():
            macs = _macs([m.pattern for m in found])
            told += files.of_mark(len(clients), macs, tag)
            clients.append((macs, self.at(found[0].line)))
        told_by_set, others = told_files(told, files.others())
        return Distinctions(
            clients=tuple(clients),
            tests=tuple(test for match in config.matches for test in _tests(match)),
            reserved=_macs([p for h in config.hosts if h.address is not None for p in h.macs]),
            files=told_by_set,
            other_files=others,
        )

    def __call__(self, arrival: Arrival) -> Lease | NoLease:
        """The lease for a packet, of a daemon that has leased nothing yet."""
        file, packet = self.file, arrival.packet
        contexts = file.ranges.contexts(arrival)
        if not contexts:
            return NoLease(why="no dhcp-range is for this subnet")
        if contexts[0].range.mode == "proxy":
            return NoLease(why="its range is a ProxyDHCP's", origin=self.at(contexts[0].range.line))
        client = file.client(arrival, contexts)
        tags = file.tag_if(client.tags)
        for wanted, line in zip(file.config.ignores, file.config.ignore_lines, strict=True):
            if tags_match(wanted, tags, empty=False):
                return NoLease(why="dhcp-ignore is for this client", origin=self.at(line))
        if client.host is not None and client.host.ignore:
            return NoLease(why="its dhcp-host says ignore", origin=self.at(client.host.line))
        address = file.address(packet, client, tags)
        context = file.narrow(client, address, tags) if address is not None else None
        if address is None or context is None:
            return NoLease(why="no dhcp-range or dhcp-host has an address for this client")
        telling = self._telling(arrival, client, context)
        own = file.own_address(client)
        origins: dict[int | FieldName, Origin] = {
            **telling.origins,
            "lease_time": self.at(context.range.line),
        }
        origins["yiaddr"] = self.at(context.range.line)
        if client.host is not None:
            if own is not None:
                origins["yiaddr"] = self.at(client.host.line)
            if client.host.lease_time is not None:
                origins["lease_time"] = self.at(client.host.line)
        return Lease(
            yiaddr=address,
            netmask=context.netmask,
            siaddr=telling.siaddr,
            file=telling.file,
            sname=telling.sname,
            options=telling.options,
            forced=telling.forced,
            lease_time=file.lease_time(packet, client, context),
            reserved=own is not None,
            server_id=file.override(packet),
            origins=origins,
        )

    def _telling(self, arrival: Arrival, client: Client, context: Context) -> _Telling:
        """The boot fields and options for a client."""
        file = self.file
        tags = file.tag_if(client.tags, context.range.tag)
        declared = file.options(client.tags, context)
        result = _Telling(siaddr=context.local, origins={}, options={}, forced=frozenset())
        for code, line in declared.items():
            if code not in _NOT_OPTIONS and line.value:
                result.options[code] = line.value
                result.origins[code] = self.at(line.line)
        # What it tells by itself (do_options): the relay or itself as router, itself as DNS server.
        itself = {Option.ROUTER: context.router}
        if file.config.dns:
            itself[Option.DOMAIN_NAME_SERVER] = context.local
        for code, address in itself.items():
            if code not in declared and address != UNSPECIFIED:
                result.options[code] = address.packed
        result.forced = frozenset(c for c in result.options if c in declared and declared[c].force)
        for line in reversed(file.config.options):
            outer = line.encapsulated
            vendor_class = arrival.packet.options.get(Option.VENDOR_CLASS_IDENTIFIER, b"")
            if (
                line.vendor is not None
                and vendor_class
                and line.vendor.encode("utf-8", "surrogateescape") in vendor_class
            ):
                outer = Option.VENDOR_SPECIFIC_INFORMATION
            if outer is None or not tags_match(line.tags, tags):
                continue
            inner = bytes((line.code & 255, len(line.value))) + line.value
            result.options[outer] = result.options.get(outer, b"") + inner
            result.origins.setdefault(outer, self.at(line.line))
            if line.force:
                result.forced |= {outer}
        boot = file.boot(tags)
        if boot is not None:
            result.file = boot.file.encode("utf-8", "surrogateescape")
            result.sname = boot.sname.encode("utf-8", "surrogateescape")
            result.siaddr = boot.address or (UNSPECIFIED if boot.host else context.local)
            result.origins |= dict.fromkeys(("file", "sname", "siaddr"), self.at(boot.line))
        elif _SIADDR in declared and len(declared[_SIADDR].value) >= 4:
            result.siaddr = IPv4Address(declared[_SIADDR].value[:4])
            result.origins["siaddr"] = self.at(declared[_SIADDR].line)
        return result


@dataclass(slots=True, kw_only=True)
class _Telling:
    siaddr: IPv4Address
    origins: dict[int | FieldName, Origin]
    options: dict[int, bytes]
    forced: frozenset[int]
    file: bytes = b""
    sname: bytes = b""


def _macs(patterns: Sequence[str]) -> MacSet:
    """The addresses that patterns hold."""
    points: set[int] = set()
    found = NOBODY
    for pattern in patterns:
        hardware = Hardware.of(pattern)
        if len(hardware.octets) != _ETHERNET_OCTETS:
            continue
        if not hardware.mask:
            points.add(int.from_bytes(hardware.octets, "big"))
            continue
        found |= _held(hardware)
    return found | MacSet.of(points)


def _held(hardware: Hardware) -> MacSet:
    """The addresses of one pattern: a range for each value of the stars that something stands behind."""
    stars, trailing = _stars_inside(hardware)
    inside = stars[-_MOST_STARS_INSIDE:]
    found = NOBODY
    for values in product(range(256), repeat=len(inside)):
        octets = bytearray(hardware.octets)
        for at, value in zip(inside, values, strict=True):
            octets[at] = value
        first = int.from_bytes(octets, "big")
        found |= MacSet.interval(first, first + (1 << 8 * trailing) - 1)
    return found


def _stars_inside(hardware: Hardware) -> tuple[list[int], int]:
    """The stars of a pattern that an octet stands behind, and how many stars end it."""
    if len(hardware.octets) != _ETHERNET_OCTETS:
        return [], 0
    stars = [at for at in range(_ETHERNET_OCTETS) if hardware.mask >> (_ETHERNET_OCTETS - 1 - at) & 1]
    trailing = 0
    while _ETHERNET_OCTETS - 1 - trailing in stars:
        trailing += 1
    return [at for at in stars if at < _ETHERNET_OCTETS - trailing], trailing


def _tests(match: MatchLine) -> list[OptionTest]:
    """The comparison of options that decides a tag."""
    text = f"hex:{match.value.hex(':')}"
    match match.kind:
        case "vendorclass":
            return [OptionTest(option=60, contains=text)] if match.value else []
        case "userclass":
            return [OptionTest(option=77, contains=text)] if match.value else []
        case "name":
            plain = match.pattern.removesuffix("*")
            return [OptionTest(option=code, contains=plain) for code in (12, Option.CLIENT_FQDN) if plain]
        case "match" if match.option is not None:
            option = match.option
            code = 124 if option.enterprise is not None else option.code
            if not 1 <= code <= 254:
                return []
            if not match.value or option.mask:
                return [OptionTest(option=code, exists=True)]
            if option.kind is Kind.HEX:
                return [OptionTest(option=code, starts_with=text)]
            return [OptionTest(option=code, contains=text)]
        case "circuit" | "remote" | "subscriber":
            return [OptionTest(option=82, suboption=_AGENT_PARTS[match.kind], equals=text)]
    return []
