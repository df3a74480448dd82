"""ISC dhcpd 4.4: one dhcpd.conf.

A rule belongs to a scope and speaks about a group of machines. dhcpd evaluates a subnet's statements first,
then those of the classes a packet is in, the first declared class last (``execute_statements_in_scope`` in
``ack_lease``, server/dhcp.c). So each subnet leaves its scope's name in a private option, each group its
own, and the class ``coexist-rules``, declared first, has the last word: it writes the rules from the last
to the first, and a later statement replaces an earlier one. A packet may be in five classes at most
(PACKET_MAX_CLASSES); here it is in two or three. All of this was tried on 4.4.3-P1:
tests/wire/test_same_answers.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from types import MappingProxyType

from coexist.boot.leases.plan import Condition, PoolPlan, Reservation, Setting, SubnetPlan, spellings
from coexist.inventory.models import OptionTest
from coexist.render.cells import NO_CELLS, Cells, mac_lines, spelled
from coexist.render.failover import Relation, relations
from coexist.render.limits import report_dhcp_limits, report_limits, report_pools
from coexist.render.quoting import comment, dhcpd_octets, dhcpd_string
from coexist.render.rendered import RenderedFile
from coexist.render.settled import SettledPlan, SettledScope
from coexist.render.target import Job
from coexist.render.targets.dhcpd_expressions import (
    OPTION_NAMES,
    any_of,
    architecture_test,
    equals,
    group_test,
    interval_test,
    none_of,
    option_name,
    option_test,
    option_value,
    range_class,
    starts_with,
)
from coexist.wire.option_codes import Option

_FAILOVER_PORT = 647


def limits(job: Job) -> None:
    """Report what it cannot keep."""
    report_limits(job)
    report_dhcp_limits(job)
    report_pools(job, lambda pool: is_beyond(job.settled, pool))
    _report_ports(job)


def _report_ports(job: Job) -> None:
    """Report two pairs of a server that would listen on one port."""
    used: set[int] = set()
    for relation in relations(job.inventory, job.name):
        port = relation.failover.port or _FAILOVER_PORT
        if port in used:
            job.report(
                "CX518",
                ("scopes", relation.scopes[0], "failover"),
                f"{job.name} has failover with two servers, and both would use port {port}",
                f"write another `port` in the failover of {relation.scopes[0]}",
            )
        used.add(port)


def render(job: Job) -> tuple[RenderedFile, ...]:
    """The server's dhcpd.conf."""
    shared = relations(job.inventory, job.name)
    writer = Writer(job.settled, {scope: relation.name for relation in shared for scope in relation.scopes})
    values = {
        "name": job.name,
        "site": job.inventory.site.site,
        "server": job.server,
        "ping_check": job.server.ping_check is not False,
        "relations": [
            {"name": r.name, "is_first": r.is_first, "statements": tuple(_failover(r))} for r in shared
        ],
        "definitions": tuple(writer.definitions()),
        "scopes": [
            {"name": scope.name, "rules": tuple(writer.rules(scope))}
            for scope in writer.scopes.values()
            if scope.special
        ],
        "classes": tuple(writer.classes()),
        "networks": tuple(writer.networks()),
    }
    text = job.templates.render(
        "isc-dhcpd/dhcpd.conf.j2", values, {"string": dhcpd_string, "comment": comment}
    )
    return (
        RenderedFile(
            path="dhcpd.conf",
            content=text.encode(),
            purpose="the DHCP server's whole configuration",
            target=job.server.product.target,
            check=job.server.product.check,
            reload=job.server.product.reload,
        ),
    )


class Writer:
    """Statements of one server's file."""

    def __init__(self, plan: SettledPlan, peers: Mapping[str, str] = MappingProxyType({})) -> None:
        """``peers``: by scope the failover relation that its pools are in."""
        self.plan = plan
        self.peers = peers
        self.cells: Cells = plan.cells
        self.scopes = {scope.name: scope for scope in plan.scopes}

    # -- options -------------------------------------------------------------------------------

    def _used_codes(self) -> set[int]:
        codes = {int(Option.IPXE_ENCAPSULATED)}
        for scope in self.plan.scopes:
            for setting in (*scope.special, scope.defaults):
                codes.update(setting.options)
        return codes | {test.option for test in self._tests()}

    def _tests(self) -> Iterator[OptionTest]:
        """Every test of a rule or a pool."""
        conditions = [setting.condition for scope in self.plan.scopes for setting in scope.special]
        conditions += [p.condition for v in self.plan.plan.vlans for s in v.subnets for p in s.pools]
        for condition in conditions:
            for each in (condition, *condition.unless):
                yield from each.tests

    def definitions(self) -> Iterator[str]:
        """The options that dhcpd has no name for, and the ones inside others that a rule looks at."""
        inner = {
            test.option
            for test in self._tests()
            if test.suboption is not None and test.option != Option.RELAY_AGENT_INFORMATION
        }
        for code in sorted(self._used_codes() | inner):
            if code in inner:
                yield f"option space coexist-in-{code};"
                yield f"option {option_name(code)} code {code} = encapsulate coexist-in-{code};"
            elif code not in OPTION_NAMES:
                yield f"option {option_name(code)} code {code} = string;"

    def statements(self, scope: SettledScope, setting: Setting) -> Iterator[str]:
        """The values of a setting."""
        if setting.ignore:
            yield "ignore booting;"
        if setting.next_server is not None:
            yield f"next-server {setting.next_server};"
        if setting.file is not None:
            yield f"filename {dhcpd_string(setting.file)};"
        for code, octets in setting.options.items():
            yield f"option {option_name(code)} {option_value(code, octets)};"
        if not scope.forced.isdisjoint(setting.options):
            # The last such statement decides: it has all codes, and one without a value is not sent. Who has
            # no list is sent everything.
            wanted = "option dhcp-parameter-request-list"
            codes = dhcpd_octets(bytes(sorted(scope.forced)))
            yield f"if exists dhcp-parameter-request-list {{ {wanted} = concat({wanted}, {codes}); }}"

    # -- conditions ----------------------------------------------------------------------------

    def rules(self, scope: SettledScope) -> Iterator[dict[str, object]]:
        """The scope's rules from the one of least authority to the one of most."""
        for setting in reversed(scope.special):
            yield {
                "name": setting.name,
                "condition": self.condition(setting.condition),
                "statements": tuple(self.statements(scope, setting)),
            }

    def condition(self, condition: Condition) -> str:
        """A condition as a boolean expression."""
        return " and ".join(self._terms(condition)) or "1 = 1"

    def _terms(self, condition: Condition) -> Iterator[str]:
        if condition.clients is not None:
            yield from self._membership(self.cells.within(condition.clients))
        if condition.architectures is not None:
            yield any_of([architecture_test(code) for code in sorted(condition.architectures)])
        if condition.ipxe:
            yield any_of(
                [
                    equals("user-class", b"iPXE"),
                    equals("user-class", b"\4iPXE"),
                    f"exists {option_name(Option.IPXE_ENCAPSULATED)}",
                ]
            )
        if condition.vendor_class is not None:
            yield starts_with("vendor-class-identifier", condition.vendor_class)
        if condition.user_class is not None:
            yield any_of([equals("user-class", text) for text in spellings(condition.user_class)])
        for test in condition.tests:
            yield option_test(test)
        for other in condition.unless:
            yield none_of(self.condition(other))

    def _membership(self, cells: frozenset[str]) -> Iterator[str]:
        if self.cells.rest.name not in cells:
            yield any_of([group_test(cell.name) for cell in self.cells.named if cell.name in cells])
            return
        others = [group_test(cell.name) for cell in self.cells.named if cell.name not in cells]
        if others:
            yield f"not {any_of(others, always=True)}"

    # -- groups --------------------------------------------------------------------------------

    def classes(self) -> Iterator[dict[str, str]]:
        """A class for each group of machines; of some two, one by list and one by ranges."""
        for cell in self.cells.named:
            if cell.points:
                members = mac_lines(cell.points, f"subclass {dhcpd_string(cell.name)} 1:", ";\n")
                yield {"name": cell.name, "group": cell.name, "match": "match hardware", "members": members}
            if cell.intervals:
                match = f"match if {interval_test(cell)}"
                yield {"name": range_class(cell), "group": cell.name, "match": match, "members": ""}
        yield from self._pool_classes()

    def _pool_classes(self) -> Iterator[dict[str, str]]:
        """A class for each pool that goes by what clients send; it says nothing of their group."""
        for vlan in self.plan.plan.vlans:
            for pool in (pool for subnet in vlan.subnets for pool in subnet.pools):
                if not pool.condition.always:
                    match = f"match if {self.condition(pool.condition)}"
                    yield {"name": pool_class(pool), "group": "", "match": match, "members": ""}

    def _permits(self, pool: PoolPlan) -> Iterator[str]:
        cells = self.plan.pool_cells(pool)
        if not pool.condition.always:
            yield f"allow members of {dhcpd_string(pool_class(pool))};"
        if cells is None:
            return
        rest = self.cells.rest.name in cells
        word = "deny" if rest else "allow"
        for cell in self.cells.named:
            if (cell.name in cells) != rest:
                if cell.points:
                    yield f"{word} members of {dhcpd_string(cell.name)};"
                if cell.intervals:
                    yield f"{word} members of {dhcpd_string(range_class(cell))};"

    # -- subnets -------------------------------------------------------------------------------

    def networks(self) -> Iterator[dict[str, object]]:
        """Each VLAN; several subnets on one wire are a shared network."""
        for vlan in self.plan.plan.vlans:
            subnets = [self._subnet(subnet) for subnet in vlan.subnets]
            # dhcpd finds the wire of a relayed packet by a subnet that holds giaddr.
            subnets += [
                _relay_subnet(relay)
                for relay in vlan.relays
                if not any(relay in subnet.network for subnet in vlan.subnets)
            ]
            yield {"name": vlan.name, "shared": len(subnets) > 1, "subnets": subnets}

    def _subnet(self, subnet: SubnetPlan) -> dict[str, object]:
        scope = self.scopes[subnet.scope] if subnet.scope is not None else None
        return {
            "address": subnet.network.network_address,
            "netmask": subnet.network.netmask,
            "comment": f"scope {scope.name}" if scope else "nothing is leased here",
            "scope": scope.name if scope else None,
            "statements": tuple(self._scope_statements(scope)) if scope else ("not authoritative;",),
            "pools": [made for pool in subnet.pools if (made := self._pool(pool, subnet.scope))["ranges"]],
            "hosts": "".join(map(_host, self.plan.plan.reservations(subnet))),
        }

    def _scope_statements(self, scope: SettledScope) -> Iterator[str]:
        yield f"default-lease-time {scope.lease_time};"
        longest = scope.lease_time if scope.max_lease_time is None else scope.max_lease_time
        yield f"max-lease-time {longest};"
        if scope.min_lease_time is not None:
            yield f"min-lease-time {scope.min_lease_time};"
        if scope.min_secs:
            yield f"min-secs {min(scope.min_secs, 255)};"
        yield from self.statements(scope, scope.defaults)

    def _pool(self, pool: PoolPlan, scope: str | None) -> dict[str, object]:
        is_for_someone = self.plan.pool_cells(pool) != NO_CELLS and not is_beyond(self.plan, pool)
        free = self.plan.plan.free(pool) if is_for_someone else ()
        ranges = tuple(f"{first} {last}" for first, last in free)
        peer = self.peers.get(scope or "")
        return {"peer": peer, "ranges": ranges, "permits": tuple(self._permits(pool))}


def _failover(relation: Relation) -> Iterator[str]:
    """The statements of a failover peer. The primary says how clients are shared, and the lead time."""
    failover = relation.failover
    port = failover.port or _FAILOVER_PORT
    yield "primary;" if relation.is_first else "secondary;"
    yield f"address {relation.own};"
    yield f"port {port};"
    yield f"peer address {relation.partner};"
    yield f"peer port {port};"
    yield f"max-response-delay {failover.max_response_delay};"
    yield f"max-unacked-updates {failover.max_unacked_updates};"
    if relation.is_first:
        yield f"mclt {failover.mclt};"
        yield f"split {failover.buckets};"
    yield f"load balance max seconds {failover.max_seconds};"


def pool_class(pool: PoolPlan) -> str:
    """The class of the clients that send what a pool asks for."""
    return f"pool {pool.first}"


def is_beyond(plan: SettledPlan, pool: PoolPlan) -> bool:
    """Whether dhcpd cannot say whom a pool is for: what it permits is a union, never both of two."""
    cells = plan.pool_cells(pool)
    return not pool.condition.always and cells is not None and plan.cells.rest.name not in cells


def _relay_subnet(relay: IPv4Address) -> dict[str, object]:
    return {
        "address": relay,
        "netmask": "255.255.255.255",
        "comment": "the relay",
        "scope": None,
        "statements": (),
        "pools": (),
        "hosts": "",
    }


def _host(reservation: Reservation) -> str:
    mac = spelled(reservation.mac)
    note = f" # {comment(reservation.name)}" if reservation.name else ""
    told = f" option host-name {dhcpd_string(reservation.host_name)};" if reservation.host_name else ""
    return (
        f"host mac-{mac.replace(':', '')} {{ hardware ethernet {mac};"
        f" fixed-address {reservation.address};{told} }}{note}\n"
    )
