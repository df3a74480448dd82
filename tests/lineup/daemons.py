"""The servers of a line-up that run from a configuration of their own, or are no daemon at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

from coexist.boot.configuration import BootServerConfig
from coexist.boot.leases.dhcpd.source import DhcpdLeases
from coexist.boot.leases.dnsmasq_file import DnsmasqFile
from coexist.boot.leases.dnsmasq_ranges import Ranges
from coexist.boot.leases.kea_config import compile_kea
from coexist.boot.leases.kea_file import KeaLeases
from coexist.boot.leases.lease import Lease, NoLease
from coexist.boot.policy import compile_policy
from coexist.boot.responder import Arrival, Reaction, Stateless
from coexist.boot.servers.coexist import CoexistModel
from coexist.boot.servers.dhcpd import DhcpdModel
from coexist.boot.servers.dnsmasq import DnsmasqModel
from coexist.boot.servers.dnsmasq_answers import DnsmasqAnswers
from coexist.boot.servers.kea import KeaModel
from coexist.inventory.macset import MacSet
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.languages.kea.json_nodes import read_json
from coexist.wire.bootp import UNSPECIFIED
from coexist.wire.options import MessageType, Option
from tests.lineup.inexpressible import InexpressibleError
from tests.lineup.pairs import is_alone, leases_of_pair
from tests.lineup.servers import MASK, NET


def coexist(server: Mapping[str, Any]) -> CoexistModel:
    """The project's own server with its configuration."""
    config = BootServerConfig.model_validate(json.loads(server["conf"]))
    return CoexistModel(name=server["name"], policy=compile_policy(config, _no_list))


def _no_list(file: str) -> MacSet:
    raise InexpressibleError(f"the list {file}")


def whole_dhcpd(server: Mapping[str, Any], extension: str, others: Sequence[Mapping[str, Any]]) -> DhcpdModel:
    """An ISC dhcpd by a whole dhcpd.conf, beside the others of its line-up."""
    text = _filled(server["conf"], server, extension)
    leases = DhcpdLeases(parse_dhcpd(text, f"{server['name']}/dhcpd.conf"))
    return DhcpdModel(name=server["name"], leases=leases_of_pair(leases, server, others))


def whole_dnsmasq(server: Mapping[str, Any], extension: str) -> DnsmasqModel:
    """A dnsmasq by a whole dnsmasq.conf."""
    config = read_dnsmasq([_filled(line, server, extension) for line in server["conf"]])
    if config.unmodelled:
        raise InexpressibleError(f"{server['name']}: {config.unmodelled[0].text}: {config.unmodelled[0].why}")
    return DnsmasqModel(
        name=server["name"], answers=DnsmasqAnswers(file=DnsmasqFile(ranges=Ranges(config=config)))
    )


def whole_kea(server: Mapping[str, Any], extension: str, others: Sequence[Mapping[str, Any]]) -> KeaModel:
    """A Kea by a whole configuration, beside the others of its line-up."""
    text = _filled(json.dumps(server["conf"]), server, extension)
    leases = KeaLeases(config=compile_kea(read_json(text, f"{server['name']}/kea-dhcp4.conf", _no_file)))
    return KeaModel(name=server["name"], leases=leases, alone=is_alone(leases, server, others))


def _no_file(name: str) -> str:
    raise InexpressibleError(f"the file {name}")


def udhcpd(server: Mapping[str, Any], extension: str) -> UdhcpdModel:
    """BusyBox's udhcpd: ``opt`` lines by name, siaddr only where a line says so."""
    said: dict[str, list[str]] = {}
    options: dict[int, bytes] = {}
    lines = [_filled(line, server, extension).split() for line in server["conf"]]
    for first, *words in lines:
        if first in ("opt", "option"):
            code, octets = _udhcpd_option(server["name"], words)
            options[code] = octets
        else:
            said[first] = words
    lease = Lease(
        yiaddr=IPv4Address(said["start"][0]),
        netmask=IPv4Address(options.pop(Option.SUBNET_MASK, b"\xff\xff\xff\0")),
        siaddr=IPv4Address(said.get("siaddr", ["0.0.0.0"])[0]),
        sname=said.get("sname", [""])[0].encode(),
        file=said.get("boot_file", [""])[0].encode(),
        options=options,
        forced=frozenset(options),
        lease_time=int.from_bytes(options.pop(Option.IP_ADDRESS_LEASE_TIME, b"\0\x0d\x2f\0"), "big"),
    )
    return UdhcpdModel(name=server["name"], lease=lease)


_UDHCPD = {
    "subnet": (Option.SUBNET_MASK, "addresses"),
    "router": (Option.ROUTER, "addresses"),
    "dns": (Option.DOMAIN_NAME_SERVER, "addresses"),
    "lease": (Option.IP_ADDRESS_LEASE_TIME, "number"),
    "domain": (Option.DOMAIN_NAME, "text"),
    "hostname": (Option.HOST_NAME, "text"),
    "rootpath": (Option.ROOT_PATH, "text"),
    "tftp": (Option.TFTP_SERVER_NAME, "text"),
    "bootfile": (Option.BOOTFILE_NAME, "text"),
    "vendor": (Option.VENDOR_CLASS_IDENTIFIER, "text"),
}


def _udhcpd_option(name: str, words: list[str]) -> tuple[int, bytes]:
    if words[0] not in _UDHCPD:
        raise InexpressibleError(f"{name}: opt {words[0]}")
    code, kind = _UDHCPD[words[0]]
    if kind == "addresses":
        return code, b"".join(IPv4Address(w).packed for w in " ".join(words[1:]).replace(",", " ").split())
    if kind == "number":
        return code, int(words[1]).to_bytes(4, "big")
    return code, " ".join(words[1:]).encode()


def networkd(server: Mapping[str, Any], extension: str) -> KeaModel:
    """systemd-networkd's DHCP server: siaddr and file as ``BootServerAddress`` and ``BootFilename`` say."""
    said: dict[str, str] = {}
    for line in _filled(server["conf"], server, extension).splitlines():
        key, found, value = line.partition("=")
        if found:
            said[key.strip()] = value.strip()
    options: dict[int, bytes] = {}
    if said.get("EmitRouter", "yes") == "yes":
        options[Option.ROUTER] = IPv4Address(server["ip"]).packed
    lease = Lease(
        yiaddr=IPv4Address(f"{NET}.{int(said.get('PoolOffset', 0)) + 1}"),
        netmask=IPv4Address(MASK),
        siaddr=IPv4Address(said.get("BootServerAddress", UNSPECIFIED)),
        file=said.get("BootFilename", "").encode(),
        options=options,
        forced=frozenset(options),
        lease_time=3600,
    )
    return KeaModel(name=server["name"], leases=lambda _: lease, raw_sockets=False)


def plain_dhcp(server: Mapping[str, Any]) -> DelayedModel:
    """The plain DHCP responder written for the recordings: each answer to a DISCOVER comes so much later."""
    lease = Lease(
        yiaddr=IPv4Address(server.get("yiaddr", f"{NET}.100")),
        netmask=IPv4Address(MASK),
        siaddr=IPv4Address(server.get("siaddr", UNSPECIFIED)),
        file=server.get("file", "").encode() if server.get("boot") else b"",
        lease_time=600,
    )
    inner = KeaModel(name=server["name"], leases=lambda _: lease, raw_sockets=False)
    return DelayedModel(name=server["name"], inner=inner, delay=server.get("delay", 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayedModel(Stateless):
    """A server whose offers leave ``delay`` seconds after their DISCOVERs."""

    name: str
    inner: KeaModel
    delay: float
    assumptions: tuple[str, ...] = ()

    def initial(self, phase: float = 0.0) -> None:
        """It keeps nothing."""

    def receive(self, state: None, arrival: Arrival) -> Reaction:
        """As the other answers, later."""
        reaction = self.inner.receive(state, arrival)
        if arrival.packet.message_type is not MessageType.DISCOVER:
            return reaction
        return _later(reaction, self.delay)


@dataclass(frozen=True, slots=True, kw_only=True)
class UdhcpdModel(Stateless):
    """BusyBox's udhcpd (networking/udhcp/dhcpd.c, arpping.c).

    Before it offers an address for the first time it asks for two seconds by ARP whether somebody has it,
    and reads no packet meanwhile; what came in then is answered afterwards.
    """

    name: str
    lease: Lease
    assumptions: tuple[str, ...] = ()
    ARP_TIMEOUT = 2.0

    def initial(self, phase: float = 0.0) -> float | None:
        """When it reads packets again."""
        return None

    def receive(self, state: float | None, arrival: Arrival) -> Reaction:
        """DISCOVER and REQUEST on port 67."""
        reaction = KeaModel(name=self.name, leases=self._lease_for, raw_sockets=False).receive(None, arrival)
        if not reaction.replies:
            return replace(reaction, state=state)
        free = arrival.at + self.ARP_TIMEOUT if state is None else state
        return replace(_later(reaction, max(0.0, free - arrival.at), spread=0.06), state=free)

    def _lease_for(self, arrival: Arrival) -> Lease | NoLease:
        return self.lease


def _later(reaction: Reaction, seconds: float, spread: float = 0.0) -> Reaction:
    replies = tuple(
        replace(reply, earliest=reply.earliest + seconds, latest=reply.latest + seconds + spread)
        for reply in reaction.replies
    )
    return replace(reaction, replies=replies)


def _filled(text: str, server: Mapping[str, Any], extension: str) -> str:
    return text.replace("{ext}", extension).replace("{ip}", server["ip"])
