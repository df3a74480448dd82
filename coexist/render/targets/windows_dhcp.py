"""Windows DHCP Server: a PowerShell script of the DhcpServer module.

Rules are policies (``windows_policies``). siaddr and the header's ``file`` cannot be set: the server fills
them from options 66 and 67 (how exactly is not settled by its documentation). Not run on Windows; the syntax
is checked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import pairwise

from coexist.boot.leases.plan import PoolPlan, SubnetPlan, VlanPlan
from coexist.inventory.failover import BUCKETS
from coexist.languages.windows.commands import OWN
from coexist.render.cells import spelled
from coexist.render.failover import Relation, relations
from coexist.render.limits import report_dhcp_limits, report_limits, report_pools
from coexist.render.quoting import comment
from coexist.render.rendered import RenderedFile
from coexist.render.settled import SettledPlan, SettledScope
from coexist.render.target import Job
from coexist.render.targets.powershell import command, literal, script
from coexist.render.targets.windows_policies import OURS, Policies, cannot_test

# The definitions a new Windows DHCP server has: the codes of RFC 2132 but these.
_DEFINED = frozenset(range(2, 77)) - {12, 50, *range(52, 58), *range(60, 64)}


def limits(job: Job) -> None:
    """Report what it cannot keep."""
    report_limits(job)
    report_dhcp_limits(job, cannot_test)
    writer = Writer(job, job.settled)
    report_pools(job, writer.is_for_nobody)
    writer.report_unsaid()


def render(job: Job) -> tuple[RenderedFile, ...]:
    """The server's script."""
    writer = Writer(job, job.settled)
    return (
        script(
            job,
            "windows-dhcp/dhcp.ps1.j2",
            "dhcp.ps1",
            "sets scopes, options, policies, reservations and filters",
            writer.sections(),
        ),
    )


def _failover(relation: Relation, scopes: list[str]) -> Iterator[str]:
    """The commands of the pair's first server; the second is told by it."""
    name, failover = relation.name, relation.failover
    if not relation.is_first:
        copied = ", ".join(relation.scopes)
        yield f"# {relation.first} creates this relation, and copies its scopes here: {comment(copied)}"
        return
    if failover.mode == "load-balancing":
        mode = command("", LoadBalancePercent=failover.buckets * 100 // BUCKETS)
    else:
        mode = command("", ServerRole="Active", ReservePercent=failover.reserve_percent)
    time = f"-MaxClientLeadTime ([TimeSpan]::FromSeconds({failover.mclt}))"
    add = command(
        "Add-DhcpServerv4Failover",
        "Force",
        Name=name,
        PartnerServer=str(relation.partner),
        ScopeId=scopes,
    )
    find = f"Get-DhcpServerv4Failover -Name {literal(name)} -ErrorAction SilentlyContinue"
    change = command("Set-DhcpServerv4Failover", "Force", Name=name)
    yield f"if ({find}) {{ {change}{mode} {time} }} else {{ {add}{mode} {time} }}"
    missing = f"$_ -notin ({find}).ScopeId.IPAddressToString"
    more = f"Add-DhcpServerv4FailoverScope -Name {literal(name)} -ScopeId $_ -Force"
    yield f"{literal(scopes)} | Where-Object {{ {missing} }} | ForEach-Object {{ {more} }}"
    yield command("Invoke-DhcpServerv4FailoverReplication", "Force", Name=name)


def _exclusions(where: str, spans: list[tuple[IPv4Address, IPv4Address]]) -> Iterator[str]:
    """The commands that leave a scope with these exclusions and no others."""
    find = f"Get-DhcpServerv4ExclusionRange -ScopeId {literal(where)}"
    said = '"$($_.StartRange)-$($_.EndRange)"'
    listed = ",".join(literal(f"{start}-{end}") for start, end in spans)
    others = f"{find} | Where-Object {{ {said} -notin @({listed}) }}"
    yield f"{others} | Remove-DhcpServerv4ExclusionRange"
    for start, end in spans:
        add = command(
            "Add-DhcpServerv4ExclusionRange", ScopeId=where, StartRange=str(start), EndRange=str(end)
        )
        yield f"if (-not ({find} | Where-Object {{ {said} -eq {literal(f'{start}-{end}')} }})) {{ {add} }}"


class Writer:
    """Commands for the scopes and rules of a plan; what has no command is reported."""

    def __init__(self, job: Job, plan: SettledPlan) -> None:
        self.job = job
        self.plan = plan
        self.policies = Policies(job, plan)
        self.scopes = {scope.name: scope for scope in plan.scopes}
        self.relations = relations(job.inventory, job.name)
        # Windows copies these scopes from the first server to the second, where they must not exist before.
        self.copied = {s for r in self.relations if not r.is_first for s in r.scopes}

    def sections(self) -> Iterator[tuple[str, list[str]]]:
        """Title and commands of each part of the script."""
        body = [(f"VLAN {vlan.name}", list(self._vlan(vlan))) for vlan in self.plan.plan.vlans]
        ping = self.job.server.ping_check
        general = (
            [command("Set-DhcpServerSetting", ConflictDetectionAttempts=1 if ping else 0)]
            if ping is not None
            else []
        )
        yield "General", general
        yield "Option definitions", list(self.policies.definitions(_DEFINED))
        yield "Classes", list(self.policies.class_definitions())
        yield "Who is not answered", list(self._filters())
        yield from body
        for relation in self.relations:
            yield f"Failover {relation.name}", list(_failover(relation, self._shared(relation)))

    # -- who is not answered -------------------------------------------------------------------

    def _filters(self) -> Iterator[str]:
        """Deny filters hold for the whole server; what a single scope refuses has no form."""
        denied: set[str] = set()
        for scope in self.plan.scopes:
            refusals = [s for s in scope.special if s.ignore]
            for setting in refusals:
                patterns = self.policies.refusable(setting, scope)
                if patterns is None:
                    self.policies.report(setting, "refuses clients in one scope only, or by what they say")
                else:
                    denied.update(patterns)
            if scope.defaults.ignore:
                self.policies.report(scope.defaults, "refuses everyone; leave the scope out instead")
        for pattern in sorted(denied):
            add = command(
                "Add-DhcpServerv4Filter", "Force", List="Deny", MacAddress=pattern, Description=OURS
            )
            find = f"Get-DhcpServerv4Filter -List Deny | Where-Object MacAddress -EQ {literal(pattern)}"
            yield f"if (-not ({find})) {{ {add} }}"
        if denied:
            yield command("Set-DhcpServerv4FilterList", Deny=True)

    def report_unsaid(self) -> None:
        """Report all that has no command, and write none: machines are many, what is said of them is not."""
        said = [self._filters()]
        for vlan in self.plan.plan.vlans:
            said += [self._values(subnet, scope) for subnet, scope in self._served(vlan)]
        for commands in said:
            deque(commands, maxlen=0)

    # -- scopes --------------------------------------------------------------------------------

    def _served(self, vlan: VlanPlan) -> list[tuple[SubnetPlan, SettledScope]]:
        """The subnets that this server is told of, each with its scope."""
        return [
            (subnet, self.scopes[subnet.scope])
            for subnet in vlan.subnets
            if subnet.scope is not None and subnet.scope not in self.copied and self._spans(subnet)
        ]

    def _vlan(self, vlan: VlanPlan) -> Iterator[str]:
        served = self._served(vlan)
        for subnet, scope in served:
            yield from self._subnet(vlan, subnet, scope)
        if len(served) > 1:
            ids = [str(subnet.network.network_address) for subnet, _ in served]
            have = command(
                "Get-DhcpServerv4Superscope", SuperscopeName=vlan.name, ErrorAction="SilentlyContinue"
            )
            add = command("Add-DhcpServerv4Superscope", SuperscopeName=vlan.name)
            yield (
                f"{literal(ids)} | Where-Object {{ $_ -notin ({have}).ScopeId.IPAddressToString }}"
                f" | ForEach-Object {{ {add} -ScopeId $_ }}"
            )

    def _shared(self, relation: Relation) -> list[str]:
        """The scopes of a pair as Windows names them, by their networks."""
        return [
            str(subnet.network.network_address)
            for vlan in self.plan.plan.vlans
            for subnet in vlan.subnets
            if subnet.scope in relation.scopes and self._spans(subnet)
        ]

    def _spans(self, subnet: SubnetPlan) -> list[tuple[IPv4Address, IPv4Address]]:
        """The ranges of a scope, ascending; of one without a pool, the addresses that it reserves."""
        if subnet.pools:
            return sorted((pool.first, pool.last) for pool in subnet.pools)
        reserved = [reservation.address for reservation in self.plan.plan.reservations(subnet)]
        return [(min(reserved), max(reserved))] if reserved else []

    def is_for_nobody(self, pool: PoolPlan) -> bool:
        """Whether no policy gives a pool's range to just the clients that the pool is for."""
        cells = self.plan.pool_cells(pool)
        return not pool.condition.always or (cells is not None and self.policies.addresses(cells) is None)

    def _subnet(self, vlan: VlanPlan, subnet: SubnetPlan, scope: SettledScope) -> Iterator[str]:
        where = str(subnet.network.network_address)
        spans = self._spans(subnet)
        first, last = str(spans[0][0]), str(max(last for _, last in spans))
        name = scope.name if len(vlan.subnets) == 1 else f"{scope.name} {subnet.network}"
        change = command(
            "Set-DhcpServerv4Scope", ScopeId=where, Name=name, StartRange=first, EndRange=last, State="Active"
        )
        add = command(
            "Add-DhcpServerv4Scope",
            Name=name,
            StartRange=first,
            EndRange=last,
            SubnetMask=str(subnet.network.netmask),
            State="Active",
        )
        find = f"Get-DhcpServerv4Scope -ScopeId {literal(where)} -ErrorAction SilentlyContinue"
        yield f"if ({find}) {{ {change} }} else {{ {add} }}"
        lease = f"([TimeSpan]::FromSeconds({scope.lease_time}))"
        yield f"Set-DhcpServerv4Scope -ScopeId {literal(where)} -LeaseDuration {lease}"
        if self.job.server.delay.kind == "after":
            yield command(
                "Set-DhcpServerv4Scope", ScopeId=where, Delay=round(self.job.server.delay.after * 1000)
            )
        yield from _exclusions(where, list(self._excluded(subnet, spans)))
        own = f"Get-DhcpServerv4Policy -ScopeId {literal(where)} | Where-Object Name -Like '{OWN}*'"
        yield f"{own} | Remove-DhcpServerv4Policy"
        yield from self._values(subnet, scope)
        yield from self._pool_policies(where, subnet)
        yield from self._reservations(where, subnet)

    def _values(self, subnet: SubnetPlan, scope: SettledScope) -> Iterator[str]:
        """What a scope hands out: its options, and its policies."""
        where = str(subnet.network.network_address)
        yield from self.policies.options(where, None, scope.defaults)
        yield from self.policies.commands(where, OWN, scope.special)

    def _excluded(
        self, subnet: SubnetPlan, spans: list[tuple[IPv4Address, IPv4Address]]
    ) -> Iterator[tuple[IPv4Address, IPv4Address]]:
        """The addresses of the scope's range that are leased to nobody, unless they are reserved."""
        if not subnet.pools:
            yield from spans
        for (_, before), (after, _) in pairwise(spans):
            if int(after) - int(before) > 1:
                yield before + 1, after - 1
        for pool in subnet.pools:
            if self.is_for_nobody(pool):
                yield pool.first, pool.last

    def _pool_policies(self, where: str, subnet: SubnetPlan) -> Iterator[str]:
        for pool in subnet.pools:
            cells = self.plan.pool_cells(pool)
            if cells is None or self.is_for_nobody(pool):
                continue
            addresses = self.policies.addresses(cells)
            conditions = {"MacAddress": addresses} if addresses else {}
            name = f"{OWN}pool {pool.first}-{pool.last}"
            yield command("Add-DhcpServerv4Policy", ScopeId=where, Name=name, Condition="AND", **conditions)
            yield command(
                "Add-DhcpServerv4PolicyIPRange",
                ScopeId=where,
                Name=name,
                StartRange=str(pool.first),
                EndRange=str(pool.last),
            )

    def _reservations(self, where: str, subnet: SubnetPlan) -> Iterator[str]:
        reservations = list(self.plan.plan.reservations(subnet))
        if not reservations:
            return
        yield (
            f"Get-DhcpServerv4Reservation -ScopeId {literal(where)} | Where-Object"
            f" Description -EQ '{OURS}' | Remove-DhcpServerv4Reservation"
        )
        for reservation in reservations:
            mac = spelled(reservation.mac, "-")
            yield command(
                "Add-DhcpServerv4Reservation",
                ScopeId=where,
                IPAddress=str(reservation.address),
                ClientId=mac,
                Name=reservation.name or mac,
                Description=OURS,
            )
