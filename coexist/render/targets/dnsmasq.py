"""dnsmasq 2.90 as a DHCP server: one dnsmasq.conf made of tags.

dnsmasq has no order of rules: a line holds when all its tags do. So each rule gets a tag of its own by
``tag-if``, and a value is written for its rule without the tags of the rules above that set it too: exactly
one line holds for a packet. ``dhcp-boot`` gives the file and the server in one line, so it is written for
each pair.

What dnsmasq would add by itself is turned off: its own address as router and as siaddr, and moving the boot
file out of the header (``dhcp-no-override``). An ignored client of one scope is kept out of the scope's
ranges, because ``dhcp-ignore`` is decided before the subnet is known (rfc2131.c, dhcp_reply). All of this
was tried on 2.90: tests/wire/test_same_answers.py. The ProxyDHCP side is ``dnsmasq_proxy``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from typing import TypeVar

from coexist.analysis.running import AROUND_A_BLOCK
from coexist.boot.leases.plan import LeasePlan, PoolPlan, Setting, SubnetPlan, VlanPlan
from coexist.boot.servers.dnsmasq_declared import is_literal, settings_of
from coexist.boot.servers.dnsmasq_leased import in_order, told_by_itself
from coexist.languages.dnsmasq.options import TEXT_ONLY, as_text, read_option
from coexist.languages.dnsmasq.settings import setting_lines
from coexist.render.cells import NO_CELLS
from coexist.render.limits import report_dhcp_limits, report_limits, report_pools
from coexist.render.quoting import comment, dnsmasq_string
from coexist.render.rendered import RenderedFile
from coexist.render.settled import SettledPlan, SettledScope
from coexist.render.target import Job
from coexist.render.targets.dnsmasq_delay import delay_lines, report_delays
from coexist.render.targets.dnsmasq_proxy import proxy_limits, proxy_sections
from coexist.render.targets.dnsmasq_tags import NAMED, Groups, Tags, cannot_test, has, lacks
from coexist.wire.option_codes import Option, option_title

T = TypeVar("T")

_NOBODY = "nobody"
"""A tag that no line sets."""


def limits(job: Job) -> None:
    """Report what it cannot keep."""
    if {"dhcp", "proxydhcp"} <= job.server.effective_roles:
        job.report(
            "CX512",
            ("servers", job.name, "roles"),
            f"{job.name} is a DHCP server and a ProxyDHCP at once: its boot service is not written",
            "write the ProxyDHCP as a server of its own with the same `host`, on the VLANs it is for",
        )
    others = _on_its_host(job)
    if others and "interface" not in job.server.settings:
        job.report(
            "CX512",
            ("servers", job.name, "host"),
            f"{job.name} and {', '.join(others)} are dnsmasq on one host and hear each other's packets",
            "write the network cards of each: `settings: {interface: eth1, bind-interfaces: true}`",
        )
    report_limits(job)
    report_delays(job)
    if "dhcp" in job.server.effective_roles:
        report_dhcp_limits(job, cannot_test)
        report_pools(job, lambda pool: any(map(cannot_test, pool.condition.tests)))
        _report_options(job)
        _report_shared_networks(job)
    else:
        proxy_limits(job)


def _report_options(job: Job) -> None:
    """Report the options of scopes that it sends in another way than is declared."""
    declared = (setting for scope in job.leases.scopes.values() for setting in scope.settings)
    if not any(any(_unwritable(setting)) for setting in declared):
        return
    for scope in job.settled.scopes:
        for setting in (*scope.special, scope.defaults):
            for code, why in () if setting.ignore else _unwritable(setting):
                job.report(
                    "CX516",
                    setting.path,
                    f"{job.name} cannot send option {option_title(code)} of {setting.name}: {why}",
                    "leave the option out, or serve the scope by isc-dhcpd or kea",
                )


def _report_shared_networks(job: Job) -> None:
    """Report the subnets that share a wire where it stands, of a server with several network cards.

    ``complete_context`` (dhcp.c, 2.90) looks at every address of the host for each packet, and asks for
    the card that the packet came in by only behind the loop over ``shared-network`` lines: such a subnet
    counts on every card. One whose relay agent brings the packets is told by giaddr.
    """
    if len(job.server.stands_on) < 2:
        return
    for vlan, subnet, address in _sharing(job.leases):
        if address == vlan.local:
            others = ", ".join(name for name in job.server.stands_on if name != vlan.name)
            job.report(
                "CX526",
                ("servers", job.name, "addresses", vlan.name),
                f"{job.name} leases {subnet.network} of {vlan.name} to clients of {others} too",
                "let relay agents bring the other VLANs, or serve the scope by isc-dhcpd or kea",
            )


def _sharing(plan: LeasePlan) -> Iterator[tuple[VlanPlan, SubnetPlan, IPv4Address]]:
    """The subnets with addresses to lease that a packet's own subnet is not, each with the address by which
    dnsmasq knows the packet's wire: its own there, or a relay agent's."""
    for vlan in plan.vlans:
        nearby = [*vlan.relays, *([vlan.local] if vlan.local else [])]
        for subnet in vlan.subnets:
            if subnet.pools or next(plan.reservations(subnet), None) is not None:
                for address in nearby:
                    if address not in subnet.network:
                        yield vlan, subnet, address


def _unwritable(setting: Setting) -> Iterator[tuple[int, str]]:
    """The options of a setting that a ``dhcp-option`` cannot say, each with the reason."""
    for code, octets in setting.options.items():
        try:
            option_value(code, octets)
        except ValueError as error:
            yield code, str(error)


def render(job: Job) -> tuple[RenderedFile, ...]:
    """The server's dnsmasq.conf, for whichever of the two roles it has."""
    sections: list[tuple[str, list[str]]] = [("General", list(_general(job)))]
    if "dhcp" in job.server.effective_roles:
        sections += _Writer(job, job.settled).sections()
    else:
        sections += proxy_sections(job)
    values = {
        "name": job.name,
        "site": job.inventory.site.site,
        "sections": [
            {"title": title, "lines": "".join([f"{line}\n" for line in lines])}
            for title, lines in sections
            if lines
        ],
    }
    filters = {"string": dnsmasq_string, "comment": comment}
    target, reload = _place(job)
    return (
        RenderedFile(
            path="dnsmasq.conf",
            content=job.templates.render("dnsmasq/dnsmasq.conf.j2", values, filters).encode(),
            purpose="dnsmasq's whole configuration",
            target=target,
            check=job.server.product.check,
            reload=reload,
        ),
    )


def _place(job: Job) -> tuple[str | None, str | None]:
    """Where the file goes and how it is read again: of several dnsmasq on a host each has its own.

    Each must be bound to its own network cards (dhcp.c, make_fd: several may share port 67 then), and the
    inventory does not know their names.
    """
    if not _on_its_host(job) or job.name == (job.server.host or job.name):
        return job.server.product.target, job.server.product.reload
    return f"/etc/dnsmasq-{job.name}.conf", f"systemctl restart dnsmasq@{job.name}"


def _on_its_host(job: Job) -> list[str]:
    """The other dnsmasq that run on its machine."""
    host = job.server.host or job.name
    return [
        name
        for name, server in job.inventory.site.servers.items()
        if name != job.name and (server.host or name) == host and server.product == job.server.product
    ]


def _general(job: Job) -> Iterator[str]:
    if "port" not in job.server.settings:
        yield "port=0"
    if "dhcp" in job.server.effective_roles:
        if job.server.authoritative:
            yield "dhcp-authoritative"
        if job.server.ping_check is False:
            yield "no-ping"
        if not is_literal(job.inventory.site, job.name):
            yield "dhcp-no-override"
            # A machine is its MAC: firmware, boot loader and system send different client identifiers.
            yield "dhcp-ignore-clid"
            # 1000 leases are the default; pools may hold more.
            yield f"dhcp-lease-max={max(1000, _capacity(job))}"
    if "tftp" in job.server.effective_roles:
        # A directory that is missing must not keep DHCP from starting.
        usual: dict[str, object] = {"enable-tftp": True, "tftp-no-fail": True, "tftp-root": "/srv/tftp"}
        if job.server.largest_blksize is not None:
            usual["tftp-mtu"] = job.server.largest_blksize + AROUND_A_BLOCK
        for key, value in usual.items():
            if key not in job.server.settings:
                yield key if value is True else f"{key}={value}"
    yield from setting_lines(job.server.settings)


def _capacity(job: Job) -> int:
    scopes = [scope for scope in job.inventory.site.scopes.values() if job.name in scope.servers]
    pools = sum(int(pool.range.last) - int(pool.range.first) + 1 for s in scopes for pool in s.pools)
    return pools + sum(1 for address in job.inventory.clients.columns["address"] if address)


class _Writer:
    """The lines of a DHCP server."""

    def __init__(self, job: Job, plan: SettledPlan) -> None:
        self.job = job
        self.plan = plan
        self.literal = is_literal(job.inventory.site, job.name)
        self.scopes = {scope.name: scope for scope in plan.scopes}
        self.tags = Tags()
        self.groups = Groups(cells=plan.cells, tags=self.tags)

    def sections(self) -> list[tuple[str, list[str]]]:
        """Title and lines of each part of the file."""
        values = [
            (f"What the scope {scope.name} hands out", list(self._values(scope)))
            for scope in self.plan.scopes
        ]
        ignored = list(self._ignored())
        subnets = [subnet for vlan in self.plan.plan.vlans for subnet in vlan.subnets]
        ranges = [line for vlan in self.plan.plan.vlans for line in self._ranges(vlan)]
        delays = list(delay_lines(self.job, self.groups))
        reserved = [reservation for subnet in subnets for reservation in self.plan.plan.reservations(subnet)]
        return [
            ("What clients say", self.tags.matches),
            ("Groups by address range", list(self.groups.ranges())),
            ("Rules", self.tags.derived),
            ("Who is not answered", ignored),
            ("Addresses", [*ranges, *self._shared_networks()]),
            *values,
            ("Delay", delays),
            ("Machines", list(self.groups.machines(reserved))),
        ]

    # -- scopes --------------------------------------------------------------------------------

    def _rules(self, scope: SettledScope) -> list[tuple[str, Setting]]:
        """The tag of each setting, in the order of their authority; the scope's own tag is the last."""
        rules = []
        for number, setting in enumerate((s for s in scope.special if not s.ignore), start=1):
            terms = [has(scope_tag(scope.name)), *self.groups.literals(setting.condition)]
            rules.append(
                (self.tags.any_of(("rule", scope.name, number), f"{scope.name}-{number}", [terms]), setting)
            )
        return [*rules, (scope_tag(scope.name), scope.defaults)]

    def _values(self, scope: SettledScope) -> Iterator[str]:
        rules = self._rules(scope)
        here = has(scope_tag(scope.name))
        yield from self._boot_lines(scope, rules)
        by_itself = self._by_itself(scope)
        codes = in_order({code for _, setting in rules for code in setting.options}, scope.order)[::-1]
        if Option.ROUTER not in scope.defaults.options:
            # Without a value: not even the default, which would be dnsmasq itself or the relay.
            above = [lacks(tag) for tag, setting in rules if Option.ROUTER in setting.options]
            yield f"dhcp-option={','.join([here, *above])},{int(Option.ROUTER)}"
        for code in codes:
            word = "dhcp-option-force" if code in scope.forced else "dhcp-option"
            for terms, setting in choices([(tag, s if code in s.options else None) for tag, s in rules]):
                if code == Option.HOST_NAME and self._tells_names(scope):
                    # A declared name would keep a machine's own away.
                    terms.append(lacks(NAMED))
                # What cannot be said is left out: `limits` told it.
                octets = setting.options[code]
                if setting is scope.defaults and code not in scope.order and by_itself.get(code) == octets:
                    continue
                with suppress(ValueError):
                    yield f"{word}={','.join(terms)},{code}{self._value(code, octets)}"

    def _value(self, code: int, octets: bytes) -> str:
        """An option's value. A text of a literal server is one: a client that ends its own is told a NUL."""
        text = as_text(code, octets) if self.literal else ""
        return f",{text}" if text else option_value(code, octets)

    def _by_itself(self, scope: SettledScope) -> dict[int, bytes]:
        """What a literal server tells without a line where it stands."""
        vlans = [vlan for vlan in self.plan.plan.vlans if any(s.scope == scope.name for s in vlan.subnets)]
        if not self.literal or len(vlans) != 1 or vlans[0].local is None:
            return {}
        subnet = next(subnet for subnet in vlans[0].subnets if subnet.scope == scope.name)
        address = subnet.pools[0].first if subnet.pools else subnet.network.network_address
        return told_by_itself(settings_of(self.job.server), vlans[0].local, address)

    def _tells_names(self, scope: SettledScope) -> bool:
        subnets = (subnet for vlan in self.plan.plan.vlans for subnet in vlan.subnets)
        return any(subnet.scope == scope.name and subnet.names for subnet in subnets)

    def _boot_lines(self, scope: SettledScope, rules: list[tuple[str, Setting]]) -> Iterator[str]:
        files = choices([(tag, setting.file) for tag, setting in rules])
        servers = choices([(tag, setting.next_server) for tag, setting in rules])
        nowhere = [opposite(terms[0]) for terms, _ in servers]
        elsewhere: list[tuple[list[str], IPv4Address | None]] = [*servers]
        if scope.defaults.next_server is None:
            elsewhere.append((nowhere, None))
        for terms, file in files:
            for more, address in elsewhere:
                joined = list(dict.fromkeys([*terms, *more]))
                if any(opposite(term) in joined for term in joined):
                    continue
                tail = f",,{address}" if address is not None else ""
                yield f"dhcp-boot={','.join(joined)},{dnsmasq_string(file)}{tail}"
        here = has(scope_tag(scope.name))
        for terms, address in elsewhere:
            # Heeded where no dhcp-boot holds; dnsmasq would name itself.
            joined = list(dict.fromkeys([here, *terms]))
            yield f"dhcp-option={','.join(joined)},option:server-ip-address,{address or '0.0.0.0'}"

    # -- who is not answered -------------------------------------------------------------------

    def _ignored(self) -> Iterator[str]:
        """Refusals of the whole server."""
        seen = {s.condition: None for scope in self.plan.scopes for s in scope.special if _server_wide(s)}
        for condition in seen:
            yield f"dhcp-ignore={','.join(self.groups.literals(condition))}"

    def _barred(self, scope: SettledScope) -> list[str]:
        """The literals that keep ignored clients out of the scope's ranges."""
        refusals = [s for s in scope.special if s.ignore and not _server_wide(s)]
        if not refusals:
            return []
        ways = [self.groups.literals(setting.condition) for setting in refusals]
        return [lacks(self.tags.any_of(("ignored", scope.name), f"ignored-{scope.name}", ways))]

    # -- subnets -------------------------------------------------------------------------------

    def _ranges(self, vlan: VlanPlan) -> Iterator[str]:
        """The ranges of one wire, leased from in their order.

        dnsmasq looks for an address in all ranges with tags before it looks in one without
        (``address_allocate``, dhcp.c, 2.90): one that comes before a range with tags has a tag for everyone.
        """
        found = [each for subnet in vlan.subnets for each in self._ranges_of(subnet)]
        last = max((number for number, (terms, _) in enumerate(found) if terms), default=0)
        for number, (terms, rest) in enumerate(found):
            everyone = [lacks(_NOBODY)] if number < last else []
            yield f"dhcp-range={','.join([*(terms or everyone), rest])}"

    def _ranges_of(self, subnet: SubnetPlan) -> Iterator[tuple[list[str], str]]:
        """The literals of each range of a subnet, and what comes after them."""
        scope = self.scopes[subnet.scope] if subnet.scope is not None else None
        if scope is None or scope.defaults.ignore:
            return
        barred = self._barred(scope)
        tag = f"set:{scope_tag(scope.name)}"
        tail = f"{subnet.network.netmask},{subnet.network.broadcast_address},{scope.lease_time}"
        pools = [pool for pool in subnet.pools if self.plan.pool_cells(pool) != NO_CELLS]
        for pool in pools:
            yield [*barred, *self._permits(pool)], f"{tag},{pool.first},{pool.last},{tail}"
        if next(self.plan.plan.reservations(subnet), None) is not None or not pools:
            yield barred, f"{tag},{subnet.network.network_address},static,{tail}"

    def _permits(self, pool: PoolPlan) -> list[str]:
        cells = self.plan.pool_cells(pool)
        members = [] if cells is None else self.groups.membership(cells)
        return [*members, *self.groups.literals(pool.condition)]

    def _shared_networks(self) -> Iterator[str]:
        """Where the packet's own subnet is not the one that addresses are leased from."""
        for _, subnet, address in _sharing(self.plan.plan):
            first = subnet.pools[0].first if subnet.pools else subnet.network.network_address
            yield f"shared-network={address},{first}"


def _server_wide(setting: Setting) -> bool:
    return setting.ignore and setting.path[:1] == ("servers",)


def scope_tag(name: str) -> str:
    """The tag that a scope's ranges set."""
    return f"scope-{name}"


def opposite(literal: str) -> str:
    """The literal that holds where another does not."""
    tag = literal.removeprefix("tag:")
    return has(tag[1:]) if tag.startswith("!") else lacks(tag)


def choices(rules: Sequence[tuple[str, T | None]]) -> list[tuple[list[str], T]]:
    """For each rule that sets a value: the literals under which it is the one that gives it."""
    result: list[tuple[list[str], T]] = []
    above: list[str] = []
    for tag, value in rules:
        if value is not None:
            result.append(([has(tag), *map(lacks, above)], value))
            above.append(tag)
    return result


# What 2.90 makes of colon-separated octets, tried for every code: it ends 66 and 67 with a NUL of its own.
# The others it takes for addresses only, and 0.0.0.0 for itself.
_TERMINATED = frozenset({66, 67})
_ADDRESSES_ONLY = frozenset(
    {1, 3, 6, 7, 9, 16, 21, 28, 32, 33, 41, 42, 44, 45, 48, 49, 50, 54, 65, 68, 69, 70, 71, 74, 150}
)
_TIMES = frozenset({Option.RENEWAL_TIME, Option.REBINDING_TIME})
_OTHERWISE = frozenset({Option.TIME_OFFSET})
_POINTER = 0xC0


def option_value(code: int, octets: bytes) -> str:
    """The value of a ``dhcp-option``, behind its comma. ``ValueError`` where dnsmasq has no way to write
    it."""
    if not octets:
        return ""
    if code in TEXT_ONLY:
        text = octets.removesuffix(b"\0") if code in _TERMINATED else octets
        return f",{dnsmasq_string(text.decode())}"
    if code in _ADDRESSES_ONLY:
        addresses = [str(IPv4Address(octets[at : at + 4])) for at in range(0, len(octets), 4)]
        if "0.0.0.0" in addresses:
            raise ValueError("dnsmasq puts its own address for 0.0.0.0")
        return "," + ",".join(addresses)
    if code in _TIMES:
        return f",{int.from_bytes(octets, 'big')}"
    if code in _OTHERWISE:
        raise ValueError("dnsmasq builds this option by itself")
    if code == Option.DOMAIN_SEARCH:
        return f",{_names(octets)}"
    # One pair of digits alone would be a decimal number.
    return f",{octets[0]}" if len(octets) == 1 else f",{octets.hex(':')}"


def _names(octets: bytes) -> str:
    """Domain names as dnsmasq is told them. ``ValueError`` for octets it would write in another way."""
    names: list[str] = []
    at = 0
    while at < len(octets):
        labels: list[str] = []
        jumped, here = False, at
        while octets[here]:
            length = octets[here]
            if length >= _POINTER:
                at = at if jumped else here + 2
                here, jumped = int.from_bytes(octets[here : here + 2], "big") & 0x3FFF, True
                if len(labels) > len(octets):
                    raise ValueError("the names point to each other")
                continue
            labels.append(octets[here + 1 : here + 1 + length].decode())
            here += length + 1
        at = at if jumped else here + 1
        names.append(".".join(labels) or ".")
    text = ",".join(names)
    if read_option(f"{int(Option.DOMAIN_SEARCH)},{text}").value != octets:
        raise ValueError("dnsmasq writes these names in another way")
    return text
