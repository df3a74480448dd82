"""A dnsmasq configuration as an inventory: a DHCP server, a ProxyDHCP, or both.

Lines are read by ``coexist.boot.servers.dnsmasq_conf``. What follows from them (src/rfc2131.c of 2.90): of
the dhcp-boot lines and of the dhcp-options of one number the last whose tags are all set counts,
then the last one without tags; a tag is set by what the client sends, by its dhcp-host, or by the
range it gets an address from.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from coexist.boot.servers.dnsmasq_conf import (
    BootLine,
    DnsmasqConfig,
    HostLine,
    MatchLine,
    Range,
    Tags,
    read_dnsmasq,
    split_keyword,
)
from coexist.errors import InputError, Position, Problem
from coexist.importers.account import Account
from coexist.importers.addresses import why_nobody
from coexist.importers.conditions import (
    ALWAYS,
    NEVER,
    Condition,
    Inexpressible,
    Member,
    Test,
    all_of,
    any_of,
    negate,
    spelled_value,
    test,
)
from coexist.importers.dnsmasq_files import Lines
from coexist.importers.dnsmasq_keywords import refuse_bad_lines
from coexist.importers.dnsmasq_proxy import own_lines, programs
from coexist.importers.groups import GroupBook, as_name
from coexist.importers.imported import ClientRow, Imported
from coexist.importers.program import FILENAME, IGNORE, NEXT_SERVER, Step, effective, scope_fields
from coexist.importers.site_builder import SiteBuilder, one_or_list, stand_on, stands_on
from coexist.wire.mac import format_mac
from coexist.wire.option_codes import Option

_SOFTWARE = "dnsmasq 2.90"
_KNOWN = "known"
_SHORTEST_LEASE = 60

# What stands in a flag of DnsmasqConfig and says all there is to say.
_FLAGS = {
    "dhcp-authoritative": "",
    "no-ping": "",
    "enable-tftp": "",
    "listen-address": "",
    "port": "DNS says nothing about booting",
    "pxe-prompt": "the prompt of a DHCP server's boot menu is not in the inventory",
    "dhcp-pxe-vendor": "vendor classes that a DHCP server treats as PXE clients are not in the inventory",
}
_ELSEWHERE = "DNS, files and logging say nothing about who boots what"


def import_dnsmasq(
    lines: Lines, file: str, *, server: str = "dnsmasq", address: IPv4Address | None = None
) -> Imported:
    """The lines of a dnsmasq configuration (`dnsmasq_files.read_lines`) as an inventory.

    Raises InputError at a line the daemon would not start with.
    """
    refuse_bad_lines(lines)
    return _Site(lines, file, server, address).imported()


@dataclass(slots=True)
class _Tags:
    """When each tag is set; those of the ranges depend on the scope."""

    conditions: dict[str, list[Condition]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)

    def of(self, tags: Iterable[str], here: frozenset[str] = frozenset()) -> Condition:
        """The clients with all these tags (``!tag``: without it). Raises Inexpressible."""
        parts = []
        for tag in tags:
            name = tag.removeprefix("!")
            if name in self.broken:
                raise Inexpressible(f"the tag {name} is set by something else: {self.broken[name]}")
            condition = ALWAYS if name in here else any_of(self.conditions.get(name, ()))
            parts.append(negate(condition) if tag.startswith("!") else condition)
        return all_of(parts)


class _Site:
    def __init__(self, lines: Lines, file: str, server: str, address: IPv4Address | None) -> None:
        self.lines, self.file, self.server = lines, file, server
        self.config: DnsmasqConfig = read_dnsmasq(lines.texts)
        self.listening = self._listen_addresses()
        self.address = address or next(iter(self.listening), None)
        self.account = Account()
        self.groups = GroupBook(server=server)
        self.build = SiteBuilder()
        self.tags = _Tags()
        self.clients: dict[int, ClientRow] = {}
        self.steps: dict[Position, str] = {}
        self.effective: set[Position] = set()
        self.only_proxy = bool(self.config.ranges) and all(r.mode == "proxy" for r in self.config.ranges)

    def imported(self) -> Imported:
        self._read_tags()
        networks = self._networks()
        vlans = [(self._vlan(network, ranges), ranges) for network, ranges in networks]
        own = self.address or self._boot_address()
        for vlan, ranges in vlans:
            if any(r.mode != "proxy" for r in ranges):
                self.build.add_scope(vlan, vlan, self._scope(vlan, ranges))
        said = self._said([vlan for vlan, _ in vlans])
        servers = self.build.servers(self.server, said, own, [row.address for row in self.clients.values()])
        proxied = [vlan for vlan, ranges in vlans if any(r.mode == "proxy" for r in ranges)]
        if self._does_both:
            self._add_proxy(servers, proxied)
        else:
            self._own_name(servers[self.server])
            self._stand_everywhere(servers[self.server], proxied)
        tree: dict[str, Any] = {
            "site": as_name(Path(self.file).stem, "site"),
            "vlans": self.build.vlans,
            "servers": servers,
        }
        if self.build.scopes:
            tree["scopes"] = self.build.scopes
        if self.groups.groups:
            tree["groups"] = self.groups.groups
        rows = self._rows()
        if rows:
            tree["clients"] = "clients.csv"
        self._idle_lines()
        self._other_lines()
        return Imported(
            tree=tree,
            clients=rows,
            not_modelled=self.account.close(()),
            comments={"": self.build.notes},
            sources=(self.file,),
            assumed=frozenset({self.server} if own is None else ()),
        )

    # -- lines -----------------------------------------------------------------------------------

    def place(self, line: int) -> Position:
        """Where a line stands."""
        return self.lines.places[line - 1]

    def text(self, line: int) -> str:
        """A line as it is written."""
        return self.lines.texts[line - 1].strip()

    def leave(self, line: int, why: str) -> None:
        """A line is not, or not all, in the inventory."""
        self.account.left_out(self.place(line), self.text(line), why)

    def take(self, line: int) -> None:
        """A line is in the inventory."""
        self.account.modelled(self.place(line))

    def _listen_addresses(self) -> list[IPv4Address]:
        found: list[IPv4Address] = []
        for text in self.lines.texts:
            keyword, value = split_keyword(text)
            for part in value.split(",") if keyword == "listen-address" else ():
                with suppress(ValueError):
                    found.append(IPv4Address(part.strip()))
        return [address for address in found if not address.is_loopback]

    @property
    def _does_both(self) -> bool:
        """Whether it leases addresses on some subnets and is a ProxyDHCP on others."""
        return bool(self.build.scopes) and self.config.is_proxy

    def _add_proxy(self, servers: dict[str, dict[str, Any]], proxied: list[str]) -> None:
        """The boot service of a server that leases addresses elsewhere, as a server on the same host.

        Its lines about boot programs count on the subnets of its proxy ranges as in a file of their own.
        """
        own = servers[self.server]
        settings = self._tftp_settings()
        late = [d.line for d in self.config.delays if not self.account.is_modelled(self.place(d.line))]
        said = self._boot_service(settings, late)
        shared = {key: own[key] for key in ("delay", "delay_for") if key in own}
        name = self.build.names.new(f"{self.server}-proxy")
        leasing = {vlan for vlan in proxied if vlan in self.build.scopes}
        for item in self.config.ranges:
            if item.mode == "proxy" and self.build.home_of(item.start) in leasing:
                self.leave(item.line, "PXE clients of a subnet with leases and a proxy range get no lease")
        stands = {v: a for v, a in stands_on(own).items() if v in proxied}
        server: dict[str, Any] = {"software": _SOFTWARE, "addresses": stands, "host": self.server}
        server["roles"] = ["proxydhcp", "tftp"] if self.config.tftp else ["proxydhcp"]
        server |= shared | said
        if settings:
            server["settings"] = settings
        servers[name] = server
        own["host"] = self.server
        self._stand_everywhere(server, proxied)
        self._own_name(server, name)

    def _stand_everywhere(self, server: dict[str, Any], proxied: list[str]) -> None:
        """A ProxyDHCP hears its subnets where it stands: on each of them, as relays are not in the source."""
        stands = stands_on(server) if server.get("addresses") != {} else {}
        listening = {self.build.home_of(address): str(address) for address in self.listening}
        for vlan, address in listening.items():
            if vlan is not None and (vlan in proxied or self.only_proxy):
                stands.setdefault(vlan, address)
        used = {row.address for row in self.clients.values()}
        for vlan in proxied:
            if vlan not in stands:
                stands[vlan] = str(self.build.free_address_of(vlan, used))
                self.build.notes.append(
                    f"The server's address on {vlan} is not in the source: {stands[vlan]} is assumed."
                )
        stand_on(server, stands)

    def _boot_address(self) -> IPv4Address | None:
        """The address its boot lines name, if it serves TFTP itself and stands in one of its subnets."""
        if not self.config.tftp:
            return None
        named = [b.address for b in self.config.boots] + [s.server for s in self.config.services]
        return next((a for a in named if a is not None and self.build.home_of(a)), None)

    def _idle_lines(self) -> None:
        """Lines that change no answer: others count instead, or nobody asks for the tag they set."""
        for place, text in self.steps.items():
            if place not in self.effective:
                self.account.left_out(place, text, "without effect: for all its clients another line counts")
        if self.only_proxy:
            return
        asked = self._asked_tags()
        setting: list[tuple[int, Tags]] = [(match.line, (match.tag,)) for match in self.config.matches]
        setting += [(rule.line, rule.sets) for rule in self.config.tag_ifs]
        setting += [(host.line, host.sets) for host in self.config.hosts]
        for line, tags in setting:
            for tag in tags:
                if tag not in asked:
                    self.leave(line, f"sets the tag {tag}, which nothing here asks for")

    def _asked_tags(self) -> set[str]:
        """The tags that lines about DHCP ask for."""
        config = self.config
        holders: list[Tags] = [*config.ignores, *config.broadcasts]
        holders += [item.filter for item in config.ranges]
        holders += [boot.tags for boot in config.boots]
        holders += [option.tags for option in config.options]
        holders += [service.tags for service in config.services]
        holders += [prompt.tags for prompt in config.prompts]
        holders += [delay.tags for delay in config.delays]
        holders += [rule.tags for rule in config.tag_ifs]
        holders += [host.tags for host in config.hosts]
        return {tag.removeprefix("!") for tags in holders for tag in tags}

    def _other_lines(self) -> None:
        for entry in self.config.unmodelled:
            self.leave(entry.line, entry.why)
        for number, text in enumerate(self.lines.texts, start=1):
            plain = text.strip()
            place = self.place(number)
            if not plain or plain.startswith("#") or self.account.is_mentioned(place):
                continue
            keyword = plain.partition("=")[0].strip()
            why = _FLAGS.get(keyword, _ELSEWHERE)
            if keyword in (
                "conf-file",
                "conf-dir",
                "dhcp-hostsfile",
                "dhcp-hostsdir",
                "dhcp-optsfile",
                "dhcp-optsdir",
            ):
                why = ""
            if why:
                self.leave(number, why)
            else:
                self.take(number)

    # -- tags ------------------------------------------------------------------------------------

    def _read_tags(self) -> None:
        for match in self.config.matches:
            try:
                self._set(match.tag, self._matched(match))
                self.take(match.line)
            except Inexpressible as reason:
                self.tags.broken[match.tag] = str(reason)
                if not self.only_proxy:
                    self.leave(match.line, str(reason))
        for host in self._hosts():
            self._host(host)
        if self.clients:
            self._set(_KNOWN, test(Member(self.groups.known_group())))
        for rule in self.config.tag_ifs:
            try:
                condition = self.tags.of(rule.tags)
                for tag in rule.sets:
                    self._set(tag, condition)
                self.take(rule.line)
            except Inexpressible as reason:
                for tag in rule.sets:
                    self.tags.broken[tag] = str(reason)
                if not self.only_proxy:
                    self.leave(rule.line, str(reason))

    def _set(self, tag: str, condition: Condition) -> None:
        self.tags.conditions.setdefault(tag, []).append(condition)

    def _matched(self, match: MatchLine) -> Condition:
        """When a line sets its tag (match_bytes, src/dhcp-common.c): a text is looked for anywhere."""
        if match.kind == "mac":
            return test(Member(self._mac_pattern(match.pattern)))
        code = {"vendorclass": 60, "userclass": 77}.get(match.kind, match.code)
        if not match.value:
            return test(Test(code, "exists"))
        if match.kind == "vendorclass" and match.value.startswith((b"PXEClient", b"HTTPClient")):
            # A vendor class begins with these words or does not have them.
            return test(Test(code, "starts_with", match.value))
        if match.kind == "match" and not match.text:
            return test(Test(code, "equals", match.value))
        return test(Test(code, "contains", match.value))

    def _mac_pattern(self, pattern: str) -> str:
        parts = pattern.lower().split("-")[-1].split(":")
        fixed = [part for part in parts if part != "*"]
        if len(parts) != 6 or parts[: len(fixed)] != fixed or not fixed:
            raise Inexpressible("a pattern of MAC addresses that is not their beginning")
        try:
            return self.groups.of_prefix(bytes(int(part, 16) for part in fixed))
        except ValueError:
            raise Inexpressible("a pattern of MAC addresses with masks") from None

    def _hosts(self) -> Iterable[HostLine]:
        """The lines the daemon takes: each address once (option.c). Raises InputError for a second one."""
        seen: set[IPv4Address] = set()
        for host in self.config.hosts:
            if host.address is not None and host.address in seen:
                what = f"duplicate dhcp-host IP address {host.address}"
                if host.line not in self.lines.listed:
                    remedy = "name all MAC addresses of a machine in one line"
                    raise InputError([Problem(self.place(host.line), what, remedy)])
                self.leave(host.line, f"{what}: the daemon skips this line")
                continue
            if host.address is not None:
                seen.add(host.address)
            yield host

    def _host(self, host: HostLine) -> None:
        if not host.macs:
            self.leave(host.line, "the inventory knows machines by their MAC address only")
            return
        self.take(host.line)
        self._not_of_host(host)
        macs = [_as_number(pattern) for pattern in host.macs if "*" not in pattern]
        for mac in macs:
            self._register(mac, host)
        groups = [self._host_pattern(pattern, host) for pattern in host.macs if "*" in pattern]
        if macs and (host.sets or host.ignore):
            wanted = host.sets[0] if host.sets else host.name or "ignored"
            groups.append(test(Member(self._host_group(wanted, macs))))
        for tag in host.sets:
            self._set(tag, any_of(groups))
        if host.ignore:
            self._set("ignored by dhcp-host", any_of(groups))

    def _not_of_host(self, host: HostLine) -> None:
        """Says what of the line is not in the inventory."""
        if host.client_ids:
            self.leave(host.line, "the client identifier of this host; its MAC addresses are taken over")
        if host.lease_time is not None:
            self.leave(host.line, "a lease time of its own; the inventory has one for a scope")
        if host.tags:
            self.leave(host.line, "counts for clients with a tag only; the inventory registers it for all")

    def _host_pattern(self, pattern: str, host: HostLine) -> Condition:
        """Whom a pattern is for: those that no line names more closely (find_config, src/dhcp-common.c)."""
        try:
            found = test(Member(self._mac_pattern(pattern)))
        except Inexpressible as reason:
            self.leave(host.line, str(reason))
            return NEVER
        self._set(_KNOWN, found)
        fixed = _fixed_octets(pattern)
        closer: list[Condition] = []
        patterns = {p for other in self.config.hosts for p in other.macs}
        if any("*" not in p and _fixed_octets(p)[: len(fixed)] == fixed for p in patterns):
            closer.append(test(Member(self.groups.known_group())))
        for other in sorted(p for p in patterns if "*" in p):
            octets = _fixed_octets(other)
            if len(octets) > len(fixed) and octets[: len(fixed)] == fixed:
                closer.append(test(Member(self._mac_pattern(other))))
        return all_of([found, *map(negate, closer)])

    def _host_group(self, wanted: str, macs: list[int]) -> str:
        """One group for all hosts that set a tag; it grows line by line."""
        name = self._tag_groups.get(wanted)
        texts = [format_mac(mac) for mac in macs]
        if name is None:
            name = self._tag_groups[wanted] = self.groups.declare(wanted, {"macs": texts})
        else:
            self.groups.groups[name]["macs"] += texts
        return name

    @property
    def _tag_groups(self) -> dict[str, str]:
        return self.groups.by_word

    def _register(self, mac: int, host: HostLine) -> None:
        nobody = why_nobody(mac)
        if nobody is not None:
            self.leave(host.line, nobody)
            return
        address = str(host.address or "")
        known = self.clients.get(mac)
        if known is not None and address and known.address != address:
            self.leave(host.line, f"this MAC has the address {known.address or 'of a pool'} already")
            return
        self.clients.setdefault(mac, ClientRow(mac=format_mac(mac), name=host.name, address=address))

    def _rows(self) -> list[ClientRow]:
        rows = []
        for row in self.clients.values():
            address = row.address if self.build.home_of(row.address) else ""
            if row.address and not address:
                line = next(h.line for h in self.config.hosts if str(h.address or "") == row.address)
                self.leave(line, "the address is in none of the subnets; the machine is kept without it")
            source = self.server if self.groups.known else ""
            rows.append(ClientRow(mac=row.mac, name=row.name, address=address, source=source))
        return rows

    # -- networks --------------------------------------------------------------------------------

    def _networks(self) -> list[tuple[IPv4Network, list[Range]]]:
        result: dict[IPv4Network, list[Range]] = {}
        for item in self.config.ranges:
            if item.netmask is None:
                self.build.notes.append(
                    f"The netmask of dhcp-range={item.start} is that of the server's network card;"
                    " /24 is assumed."
                )
            network = IPv4Network(f"{item.start}/{item.netmask or 24}", strict=False)
            result.setdefault(network, []).append(item)
            self.take(item.line)
        return list(result.items())

    def _vlan(self, network: IPv4Network, ranges: list[Range]) -> str:
        return self.build.add_vlan("", [str(network)])

    def _scope(self, vlan: str, ranges: list[Range]) -> dict[str, Any]:
        here = frozenset(r.tag for r in ranges if r.tag)
        scope: dict[str, Any] = {"server": self.server, "vlan": vlan}
        pools = [self._pool(item) for item in ranges if item.mode == "dynamic" and item.end is not None]
        if pools:
            scope["pools"] = pools
        lease = next((r.lease_time for r in ranges), 3600)
        scope["lease_time"] = max(lease, _SHORTEST_LEASE)
        steps = [*self._option_steps(here), *self._boot_steps(here), *self._ignore_steps(here)]
        for line in (*(s.line for s in self.config.services), *(p.line for p in self.config.prompts)):
            self.leave(
                line,
                "a boot menu where addresses are leased is not in the inventory; of a ProxyDHCP it is",
            )
        self.effective |= {step.at for step in effective(steps)}
        return scope | scope_fields(steps, self.groups.combined, self._complain)

    def _complain(self, step: Step, why: str) -> None:
        self.account.left_out(step.at, step.text, why)

    def _pool(self, item: Range) -> Any:
        assert item.end is not None
        self.build.leased.append((int(item.start), int(item.end)))
        text = f"{item.start}-{item.end}"
        if not item.filter:
            return text
        try:
            condition = self.tags.of(item.filter)
        except Inexpressible as reason:
            self.leave(item.line, str(reason))
            return text
        if len(condition) == 1 and condition[0] and all(isinstance(t, Member) for t in condition[0]):
            members = tuple(t for t in condition[0] if isinstance(t, Member))
            return {"range": text, "allow": self.groups.combined(members)}
        self.leave(item.line, "an inventory's pool is for groups of MAC addresses only")
        return text

    # -- steps -----------------------------------------------------------------------------------

    def _steps(
        self, line: int, tags: tuple[str, ...], here: frozenset[str], values: dict[Any, Any]
    ) -> list[Step]:
        try:
            condition = self.tags.of(tags, here)
        except Inexpressible as reason:
            self.leave(line, str(reason))
            return []
        self.take(line)
        self.steps[self.place(line)] = self.text(line)
        if condition == NEVER:
            return []
        return [
            Step(condition=condition, key=key, value=value, at=self.place(line), text=self.text(line))
            for key, value in values.items()
        ]

    def _option_steps(self, here: frozenset[str]) -> list[Step]:
        result: list[Step] = []
        for option in sorted(self.config.options, key=lambda option: bool(option.tags)):
            if option.vendor is not None or option.encapsulated is not None:
                self.leave(option.line, "an option inside another one, for the clients of a vendor")
                continue
            if not 0 < option.code < 255 or not option.value:
                self.leave(option.line, "an option without a value switches off what dnsmasq sends by itself")
                continue
            value = option.value
            if b"\0\0\0\0" in (value[i : i + 4] for i in range(0, len(value), 4)) and option.code in (
                3,
                6,
                42,
                66,
            ):
                self.leave(option.line, "0.0.0.0 stands for the server's own address")
                continue
            result += self._steps(
                option.line, option.tags, here, {option.code: _option_text(option.code, value)}
            )
        return result

    def _boot_steps(self, here: frozenset[str]) -> list[Step]:
        result: list[Step] = []
        for boot in sorted(self.config.boots, key=lambda boot: bool(boot.tags)):
            values = self._boot_values(boot)
            if values is not None:
                result += self._steps(boot.line, boot.tags, here, values)
        return result

    def _boot_values(self, boot: BootLine) -> dict[Any, str] | None:
        if boot.host:
            self.leave(boot.line, f"{boot.host} is looked up while the daemon runs; write its address")
            return None
        if not boot.file or not boot.file.isprintable() or len(boot.file.encode()) > 127:
            self.leave(boot.line, "the header field cannot hold this name")
            return None
        # Without an address dnsmasq names itself, whatever other lines say.
        values: dict[Any, str] = {
            FILENAME: boot.file,
            NEXT_SERVER: str(boot.address) if boot.address else self.server,
        }
        if boot.sname:
            # The server's name goes out as option 66 to whoever asks for it.
            values[int(Option.TFTP_SERVER_NAME)] = boot.sname
        return values

    def _ignore_steps(self, here: frozenset[str]) -> list[Step]:
        result: list[Step] = []
        for number, tags in self._ignore_lines():
            result += self._steps(number, tags, here, {IGNORE: True})
        hosts = self.tags.conditions.get("ignored by dhcp-host")
        if hosts:
            line = next(host.line for host in self.config.hosts if host.ignore)
            result += self._steps(line, ("ignored by dhcp-host",), here, {IGNORE: True})
        return result

    def _ignore_lines(self) -> list[tuple[int, tuple[str, ...]]]:
        numbers = [
            number
            for number, text in enumerate(self.lines.texts, start=1)
            if text.strip().partition("=")[0].strip() == "dhcp-ignore"
        ]
        return list(zip(numbers, self.config.ignores, strict=False))

    # -- the server ------------------------------------------------------------------------------

    def _said(self, vlans: list[str]) -> dict[str, Any]:
        roles = []
        if self.build.scopes:
            roles.append("dhcp")
        if self.config.is_proxy and not self._does_both:
            roles.append("proxydhcp")
        if self.config.tftp:
            roles.append("tftp")
        said: dict[str, Any] = {"software": _SOFTWARE, "roles": roles or ["dhcp"]}
        if "dhcp" in roles and not self.config.authoritative:
            said["authoritative"] = False
        if "dhcp" in roles and not self.config.ping:
            said["ping_check"] = False
        late = self._delay(said)
        settings = self._tftp_settings()
        if self.config.is_proxy and not self._does_both:
            said |= self._boot_service(settings, late)
        if settings:
            said["settings"] = settings
        return said

    def _tftp_settings(self) -> dict[str, Any]:
        """Its TFTP server's own keywords."""
        kept: dict[str, list[Any]] = {}
        for number, text in enumerate(self.lines.texts, start=1):
            keyword, value = split_keyword(text)
            if self.config.tftp and keyword.startswith("tftp-"):
                kept.setdefault(keyword, []).append(value or True)
                self.take(number)
        return {key: one_or_list(values) for key, values in kept.items()}

    def _delay(self, said: dict[str, Any]) -> list[int]:
        """Says when it answers; the lines it has no word for."""
        late = []
        for delay in self.config.delays:
            try:
                condition = self.tags.of(delay.tags)
            except Inexpressible as reason:
                late.append(delay.line)
                if not self.only_proxy:
                    self.leave(delay.line, str(reason))
                continue
            members = condition[0] if len(condition) == 1 else ()
            if condition == ALWAYS:
                said["delay"] = delay.seconds
            elif members and all(isinstance(t, Member) for t in members):
                group = self.groups.combined(tuple(t for t in members if isinstance(t, Member)))
                said.setdefault("delay_for", {})[group] = delay.seconds
            else:
                late.append(delay.line)
                if not self.only_proxy:
                    self.leave(delay.line, "a delay for clients told by what they send")
                continue
            self.take(delay.line)
        return late

    def _boot_service(self, settings: dict[str, Any], late: list[int]) -> dict[str, Any]:
        """The boot service of a ProxyDHCP: its own lines, what follows from them, and whom it answers."""
        answers, others = self._answers()
        own = own_lines(self.config, self.lines.texts, others, late)
        settings |= own.settings
        for number in own.taken:
            self.take(number)
        options = {option.line for option in self.config.options}
        for number, why in own.left:
            if self.only_proxy or number not in options:
                self.leave(number, why)
        for item in self.config.ranges:
            if item.filter:
                self.leave(item.line, "a subnet whose clients are answered by their tags")
        # Whom it answers is said by `answers`; here it is what a client is given that is answered.
        given = programs(replace(self.config, ignores=tuple(others.values())))
        result: dict[str, Any] = {"programs": given} if given else {}
        return result | ({"answers": answers} if answers else {})

    def _answers(self) -> tuple[dict[str, Any], dict[int, tuple[str, ...]]]:
        """Whom it answers by groups; and the dhcp-ignore lines that tell clients by something else."""
        answers: dict[str, Any] = {}
        others: dict[int, tuple[str, ...]] = {}
        for number, tags in self._ignore_lines():
            try:
                ignored = self.tags.of(tags)
            except Inexpressible:
                others[number] = tags
                continue
            kept = negate(ignored)
            groups = [
                p[0].group for p in kept if len(p) == 1 and isinstance(p[0], Member) and not p[0].negated
            ]
            left = [
                p[0].group for p in ignored if len(p) == 1 and isinstance(p[0], Member) and not p[0].negated
            ]
            if groups and len(groups) == len(kept) and not answers:
                answers["only"] = one_or_list(groups)
            elif left and len(left) == len(ignored) and not answers:
                answers["except"] = one_or_list(left)
            else:
                others[number] = tags
                continue
            self.take(number)
        for host in self.config.hosts:
            if host.ignore and self.only_proxy:
                self.leave(host.line, "a ProxyDHCP answers it all the same: ignore counts for leases only")
        return answers, others

    def _own_name(self, server: dict[str, Any], name: str = "") -> None:
        for program in server.get("programs", {}).values():
            if isinstance(program, dict) and program["server"] in stands_on(server).values():
                program["server"] = name or self.server


def _fixed_octets(pattern: str) -> list[int]:
    """The octets of a MAC pattern before its first ``*``."""
    octets = pattern.rsplit("-", maxsplit=1)[-1].split(":")
    known = octets[: octets.index("*")] if "*" in octets else octets
    return [int(octet, 16) for octet in known]


def _as_number(pattern: str) -> int:
    return int.from_bytes(bytes(_fixed_octets(pattern)), "big")


def _option_text(code: int, value: bytes) -> str:
    if code == Option.BOOTFILE_NAME and not value.endswith(b"\0"):
        return "hex:" + value.hex(":")
    return spelled_value(code, value.rstrip(b"\0") if code == Option.BOOTFILE_NAME else value)
