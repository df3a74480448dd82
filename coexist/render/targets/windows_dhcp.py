"""Windows DHCP Server: a PowerShell script of the DhcpServer module.

Rules are policies: several may fit, the first in processing order that sets an option gives it. Windows
tests classes, MAC addresses (with ``*`` behind a beginning) and relay fields, and no other option, so an
architecture is told by the beginning of option 60. siaddr and the header's ``file`` cannot be set: the
server fills them from options 66 and 67 (how exactly is not settled by its documentation). Not run on
Windows; the syntax is checked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address
from itertools import pairwise

from coexist.boot.leases.plan import Condition, PoolPlan, Setting, SubnetPlan, VlanPlan
from coexist.inventory.failover import BUCKETS
from coexist.inventory.models import OptionTest
from coexist.render.cells import octet_prefixes, spelled
from coexist.render.failover import Relation, relations
from coexist.render.limits import report_dhcp_limits, report_limits, report_pools
from coexist.render.quoting import comment
from coexist.render.rendered import RenderedFile
from coexist.render.settled import SettledPlan, SettledScope
from coexist.render.target import Job
from coexist.render.targets.powershell import command, literal, script
from coexist.wire.architecture import architecture_name, is_http
from coexist.wire.option_codes import Option, OptionKind, option_kind, option_title

# The definitions a new Windows DHCP server has: the codes of RFC 2132 but these.
_DEFINED = frozenset(range(2, 77)) - frozenset({12, 50, 52, 53, 54, 55, 56, 57, 60, 61, 62, 63, 66, 67}) | {
    66,
    67,
}
_POLICY = "coexist"
_OUT_OF_A_RANGE = "takes some addresses out of a range"
_ALL_TESTABLE = frozenset({Option.VENDOR_CLASS_IDENTIFIER, Option.USER_CLASS})


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


def cannot_test(test: OptionTest) -> bool:
    """Whether no policy can make this test."""
    return (
        test.option not in _ALL_TESTABLE
        or test.negated
        or test.at != 0
        or test.suboption is not None
        or (test.equals is None and test.starts_with is None)
        or not _is_text(test.octets)
    )


class Writer:
    """Commands for the scopes and rules of a plan; what has no command is reported."""

    def __init__(self, job: Job, plan: SettledPlan) -> None:
        self.job = job
        self.plan = plan
        self.scopes = {scope.name: scope for scope in plan.scopes}
        self.cells = {cell.name: cell for cell in plan.cells.named}
        self.classes: dict[tuple[str, str], str] = {}
        self.codes: set[int] = set()
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
        yield "Option definitions", list(self.definitions(_DEFINED))
        yield "Classes", list(self.class_definitions())
        yield "Who is not answered", list(self._filters())
        yield from body
        for relation in self.relations:
            yield f"Failover {relation.name}", list(_failover(relation, self._shared(relation)))

    # -- definitions ---------------------------------------------------------------------------

    def definitions(self, known: Collection[int], before: str = "") -> Iterator[str]:
        """Definitions of the options set so far that are not ``known``; ``before``: what their names begin
        with."""
        for code in sorted(self.codes.difference(known)):
            kind = {
                OptionKind.TEXT: "String",
                OptionKind.ADDRESS: "IPv4Address",
                OptionKind.ADDRESSES: "IPv4Address",
            }
            extra = ["MultiValued"] if option_kind(code) is OptionKind.ADDRESSES else []
            add = command(
                "Add-DhcpServerv4OptionDefinition",
                *extra,
                OptionId=code,
                Name=f"{before}option {option_title(code)}",
                Type=kind.get(option_kind(code), "BinaryData"),
            )
            find = f"Get-DhcpServerv4OptionDefinition -OptionId {code} -ErrorAction SilentlyContinue"
            yield f"if (-not ({find})) {{ {add} }}"

    def class_definitions(self) -> Iterator[str]:
        """The classes that conditions named so far."""
        for (kind, data), name in sorted(self.classes.items(), key=lambda item: item[1]):
            add = command("Add-DhcpServerv4Class", Name=name, Type=kind, Data=data)
            find = f"Get-DhcpServerv4Class -Type {kind} | Where-Object Name -EQ {literal(name)}"
            yield f"if (-not ({find})) {{ {add} }}"

    def _class(self, kind: str, data: str) -> str:
        return self.classes.setdefault((kind, data), f"{_POLICY} {data}")

    # -- who is not answered -------------------------------------------------------------------

    def _filters(self) -> Iterator[str]:
        """Deny filters hold for the whole server; what a single scope refuses has no form."""
        denied: set[str] = set()
        for scope in self.plan.scopes:
            refusals = [s for s in scope.special if s.ignore]
            for setting in refusals:
                patterns = self.refusable(setting, scope)
                if patterns is None:
                    self.report(setting, "refuses clients in one scope only, or by what they say")
                else:
                    denied.update(patterns)
            if scope.defaults.ignore:
                self.report(scope.defaults, "refuses everyone; leave the scope out instead")
        for pattern in sorted(denied):
            add = command(
                "Add-DhcpServerv4Filter", "Force", List="Deny", MacAddress=pattern, Description=_POLICY
            )
            find = f"Get-DhcpServerv4Filter -List Deny | Where-Object MacAddress -EQ {literal(pattern)}"
            yield f"if (-not ({find})) {{ {add} }}"
        if denied:
            yield command("Set-DhcpServerv4FilterList", Deny=True)

    def refusable(self, setting: Setting, scope: SettledScope) -> list[str] | None:
        """The addresses that a deny list must have for a refusal, None where no list can say it."""
        condition = setting.condition
        everywhere = all(
            any(other.ignore and other.condition == condition for other in each.special)
            for each in self.plan.scopes
        )
        cells = self.plan.cells_of(condition)
        if not everywhere or condition != Condition(clients=condition.clients) or cells is None:
            return None
        if self.plan.cells.rest.name in cells or any(self.cells[name].excluded for name in cells):
            return None
        return [pattern for name in sorted(cells) for pattern in self._patterns(name, "-")]

    def _patterns(self, cell_name: str, sep: str) -> Iterator[str]:
        """The addresses of a cell as Windows writes them: beginnings with a star."""
        cell = self.cells[cell_name]
        for mac in cell.points:
            yield spelled(mac, sep).upper()
        for first, last in cell.intervals:
            for prefix in octet_prefixes(first, last):
                yield (
                    prefix.hex(sep).upper() + (f"{sep}*" if len(prefix) < 6 else "")
                    if sep
                    else f"{prefix.hex().upper()}*"
                )

    def report(self, setting: Setting, why: str) -> None:
        """Report that the product cannot say what a setting says."""
        self.job.report(
            "CX511",
            setting.path,
            f"{self.job.server.software} cannot say what {setting.name} says: it {why}",
            "say it of the whole server (`answers`), by exact addresses, or serve the scope by isc-dhcpd",
        )

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
        return not pool.condition.always or (cells is not None and not self._mac_condition(cells, {}))

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
        own = f"Get-DhcpServerv4Policy -ScopeId {literal(where)} | Where-Object Name -Like '{_POLICY} *'"
        yield f"{own} | Remove-DhcpServerv4Policy"
        yield from self._values(subnet, scope)
        yield from self._pool_policies(where, subnet)
        yield from self._reservations(where, subnet)

    def _values(self, subnet: SubnetPlan, scope: SettledScope) -> Iterator[str]:
        """What a scope hands out: its options, and its policies."""
        where = str(subnet.network.network_address)
        yield from self.options(where, None, scope.defaults)
        yield from self.policies(where, f"{_POLICY} ", scope.special)

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

    def policies(self, where: str, prefix: str, settings: Iterable[Setting]) -> Iterator[str]:
        """A policy of a scope for each setting that gives something, in their order; ``prefix``: before the
        number in its name."""
        order = 0
        for setting in settings:
            conditions = None if setting.ignore else self.conditions(setting)
            if conditions is None:
                continue
            order += 1
            name = f"{prefix}{order}"
            yield command(
                "Add-DhcpServerv4Policy",
                ScopeId=where,
                Name=name,
                Condition="AND",
                ProcessingOrder=order,
                Description=setting.name,
                **conditions,
            )
            yield from self.options(where, name, setting)

    def _pool_policies(self, where: str, subnet: SubnetPlan) -> Iterator[str]:
        for pool in subnet.pools:
            cells = self.plan.pool_cells(pool)
            if cells is None or self.is_for_nobody(pool):
                continue
            conditions: dict[str, list[str]] = {}
            self._mac_condition(cells, conditions)
            name = f"{_POLICY} pool {pool.first}-{pool.last}"
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
            f" Description -EQ '{_POLICY}' | Remove-DhcpServerv4Reservation"
        )
        for reservation in reservations:
            mac = spelled(reservation.mac, "-")
            yield command(
                "Add-DhcpServerv4Reservation",
                ScopeId=where,
                IPAddress=str(reservation.address),
                ClientId=mac,
                Name=reservation.name or mac,
                Description=_POLICY,
            )

    # -- conditions ----------------------------------------------------------------------------

    def conditions(self, setting: Setting) -> dict[str, list[str]] | None:
        """The policy's conditions; None, and a finding, where Windows has none for it."""
        condition = setting.condition
        result: dict[str, list[str]] = {}
        cells = self.plan.cells_of(condition)
        if cells is not None and not self._mac_condition(cells, result):
            self.report(setting, _OUT_OF_A_RANGE)
            return None
        vendor = self._vendor_classes(condition)
        user = self._user_classes(condition)
        if vendor is None or user is None or condition.unless or any(map(cannot_test, condition.tests)):
            self.report(setting, "tests what no policy can test, or the same option twice")
            return None
        if vendor:
            result["VendorClass"] = ["EQ", *vendor]
        if user:
            result["UserClass"] = ["EQ", *user]
        if not result:
            # Everyone but nobody in particular: a beginning every address has.
            result["MacAddress"] = ["EQ", "*"]
        return result

    def _mac_condition(self, cells: frozenset[str], result: dict[str, list[str]]) -> bool:
        positive = self.plan.cells.rest.name not in cells
        named = sorted(name for name in self.cells if (name in cells) == positive)
        if any(self.cells[name].excluded for name in named):
            return False
        patterns = [pattern for name in named for pattern in self._patterns(name, "")]
        if patterns:
            result["MacAddress"] = ["EQ" if positive else "NE", *patterns]
        return True

    def _vendor_classes(self, condition: Condition) -> list[str] | None:
        ways: list[list[str]] = []
        if condition.architectures is not None:
            codes = sorted(c for c in condition.architectures if not architecture_name(c).startswith("arch-"))
            ways.append(
                [f"{'HTTPClient' if is_http(code) else 'PXEClient'}:Arch:{code:05d}*" for code in codes]
            )
        if condition.vendor_class is not None:
            ways.append([condition.vendor_class.decode(errors="replace") + "*"])
        ways += [[pattern] for pattern in _patterns_of(condition, Option.VENDOR_CLASS_IDENTIFIER)]
        if len(ways) > 1:
            return None
        names = []
        for pattern in ways[0] if ways else []:
            star = "*" if pattern.endswith("*") else ""
            names.append(self._class("Vendor", pattern.removesuffix("*")) + star)
        return names

    def _user_classes(self, condition: Condition) -> list[str] | None:
        ways = ["iPXE"] if condition.ipxe else []
        if condition.user_class is not None:
            ways.append(condition.user_class.decode(errors="replace"))
        ways += _patterns_of(condition, Option.USER_CLASS)
        if len(ways) > 1:
            return None
        return [
            self._class("User", way.removesuffix("*")) + ("*" if way.endswith("*") else "") for way in ways
        ]

    # -- options -------------------------------------------------------------------------------

    def options(self, where: str, policy: str | None, setting: Setting) -> Iterator[str]:
        """The commands that set a scope's options, or those of one of its policies."""
        options = dict(setting.options)
        if setting.next_server is not None and Option.TFTP_SERVER_NAME not in options:
            options[Option.TFTP_SERVER_NAME] = str(setting.next_server).encode()
        for code, octets in sorted(options.items()):
            self.codes.add(code)
            value = _value(code, octets)
            if value is None:
                self.job.report(
                    "CX516",
                    setting.path,
                    f"{self.job.server.software} takes text for option {option_title(code)},"
                    f" and {setting.name} has octets",
                    "write the option as text",
                )
                continue
            place = f"-ScopeId {literal(where)}" + (f" -PolicyName {literal(policy)}" if policy else "")
            yield f"Set-DhcpServerv4OptionValue {place} -OptionId {code} -Value {value} -Force"


def _patterns_of(condition: Condition, code: Option) -> list[str]:
    """What the condition's own tests on an option compare it with; a star where more may follow."""
    return [
        test.octets.decode() + ("" if test.equals is not None else "*")
        for test in condition.tests
        if test.option == code and not cannot_test(test)
    ]


def _is_text(octets: bytes) -> bool:
    try:
        return octets.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _value(code: int, octets: bytes) -> str | None:
    kind = option_kind(code)
    if kind is OptionKind.TEXT:
        # Windows ends its strings with a NUL of its own.
        text = octets.removesuffix(b"\0")
        return literal(text.decode()) if _is_text(text) else None
    if kind in (OptionKind.ADDRESS, OptionKind.ADDRESSES) and octets and len(octets) % 4 == 0:
        return literal([str(IPv4Address(octets[at : at + 4])) for at in range(0, len(octets), 4)])
    if kind in (OptionKind.U8, OptionKind.U16, OptionKind.U32, OptionKind.I32, OptionKind.BOOLEAN):
        return str(int.from_bytes(octets, "big", signed=kind is OptionKind.I32))
    return literal(octets) if octets else None
