"""What a declaration wants and its product cannot do: each is a finding with the alternative, never an
omission."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from uuid import UUID

from coexist.analysis.findings import ERROR, Finding
from coexist.analysis.keeping import weighed
from coexist.analysis.site import AnalysedSite
from coexist.boot.leases.plan import PoolPlan
from coexist.inventory import Inventory
from coexist.inventory.deployment import writer
from coexist.inventory.documents import Path
from coexist.inventory.macset import MacSet
from coexist.inventory.models import OptionTest, ScopeRule
from coexist.inventory.product import Capabilities
from coexist.inventory.products import part
from coexist.inventory.values import Delay, in_steps
from coexist.render.failover import report_failover
from coexist.render.target import Job
from coexist.text.amounts import amount

_MOST_SHOWN = 5
_ELSEWHERE = (
    "let coexist boot these clients instead (`software: coexist`), or separate the services by whitelists"
)
_DELAY_CODES = {
    "after": "CX501",
    "secs_at_least": "CX502",
    "since_first": "CX503",
    "after_offer": "CX504",
}
_DELAY_SAYS = {
    "after": "has no delay on its own clock",
    "secs_at_least": "cannot compare the client's secs with a threshold",
    "since_first": "does not remember when a client's first packet came",
    "after_offer": "cannot wait for another server's offer",
}
_DELAY_INSTEAD = {
    "after": "write the delay in seconds (`delay: 1.2`)",
    "secs_at_least": "write a threshold (`delay: {secs_at_least: 4}`), which iPXE and old ROMs reach at once",
}


def limits(inventory: Inventory, only: Collection[str] = ()) -> tuple[Finding, ...]:
    """What the products of the servers that are ours to change cannot keep of what is declared; ``only``: of
    some of them.

    It is all that `render_site` finds: nothing more shows in writing.
    """
    found: list[Finding] = []
    for name, server in inventory.site.servers.items():
        if not server.fixed and (not only or name in only):
            job = Job(inventory=inventory, name=name)
            report_all(job)
            found += job.findings
    return tuple(found)


def first_error(inventory: Inventory, name: str) -> Finding | None:
    """The first thing that a server cannot be told and by which a client boots otherwise or an error's code
    says so; None if there is none. Its scopes count as much as itself."""
    job = Job(inventory=inventory, name=name)
    report_all(job)
    found = weighed(AnalysedSite(inventory), job.findings) if job.findings else []
    return next((finding for finding in found if finding.severity is ERROR), None)


def report_all(job: Job) -> None:
    """Report what the product of one server cannot keep: what its record says, and what it finds itself.

    Of a server that runs on its own files it is what the drop-in cannot say.
    """
    if job.server.config:
        if job.server.dropin is not None:
            job.findings.extend(part(job.server.product, "dropin")(job.inventory, job.name).findings)
        if job.server.whole:
            from coexist.render.dropins import report_copies

            report_copies(job)
        return
    if job.server.product.renderer:
        _left_out(job)
    report: Callable[[Job], None] = part(writer(job.server), "limits") or report_limits
    report(job)


def report_limits(job: Job) -> None:
    """Report what the product cannot be told of what the server is declared to do."""
    can = job.server.can
    _roles(job, can)
    _delays(job, can)
    _lists(job, can)
    report_uuids(job)


def _left_out(job: Job) -> None:
    """Statements of the server's own file that an import could not say: written anew, the file lacks them."""
    lost = job.server.left_out
    if lost:
        shown = "; ".join(lost[:_MOST_SHOWN])
        more = f"; and {len(lost) - _MOST_SHOWN} more" if len(lost) > _MOST_SHOWN else ""
        job.report(
            "CX524",
            ("servers", job.name, "left_out"),
            f"the file of {job.name} has statements that this inventory does not have: {shown}{more}",
            f"let {job.name} run on its own file (`coexist adopt`); or remove from `left_out` the "
            "statements that the inventory has by now, and those that may be lost",
        )


def _roles(job: Job, can: Capabilities) -> None:
    missing = job.server.effective_roles - can.roles
    # Serving files is set up beside the boot service and needs no configuration of this product.
    missing -= {"tftp", "http"}
    for role in sorted(missing):
        job.report(
            "CX512",
            ("servers", job.name, "roles"),
            f"{job.server.software} of {job.name} cannot take the role {role}",
            f"give {role} to another server on the same `host`",
        )


def _delays(job: Job, can: Capabilities) -> None:
    path: Path = ("servers", job.name, "delay")
    _delay(job, can, job.server.delay, path)
    for group, delay in job.server.delay_for.items():
        if not can.delay_for_groups:
            has = "one delay for all" if can.delays else "no delay"
            instead = "write one `delay` for all" if delay.kind in can.delays else "leave the delay out"
            job.report(
                "CX506",
                ("servers", job.name, "delay_for", group),
                f"{job.server.software} has {has}; {job.name} must answer {group} {delay}",
                f"give the group to a server of its own, or {instead}",
            )
        else:
            _delay(job, can, delay, ("servers", job.name, "delay_for", group))


def _delay(job: Job, can: Capabilities, delay: Delay, path: Path) -> None:
    kind = delay.kind
    if kind == "none":
        return
    if kind not in can.delays:
        ways = [way for other, way in _DELAY_INSTEAD.items() if other in can.delays]
        job.report(
            _DELAY_CODES[kind],
            path,
            f"{job.server.software} {_DELAY_SAYS[kind]}: {job.name} must answer {delay}",
            "; or ".join([*ways, _ELSEWHERE]),
        )
    elif kind == "after" and can.delay_step and _is_coarser(delay, can.delay_step):
        rounded = in_steps(delay.after, can.delay_step)
        job.report(
            "CX505",
            path,
            f"{job.server.software} counts delays in steps of {can.delay_step:g} s: {job.name} "
            f"answers after {rounded:g} s, not {delay.after:g} s",
            f"write `delay: {rounded:g}`, and see with `coexist check` whether it is too long",
        )


def _is_coarser(delay: Delay, step: float) -> bool:
    return not math.isclose(in_steps(delay.after, step), delay.after)


def _lists(job: Job, can: Capabilities) -> None:
    answers = job.server.answers
    path: Path = ("servers", job.name, "answers")
    whitelist = answers.who in ("only", "known", "intended")
    if whitelist and not can.whitelist:
        job.report(
            "CX507",
            path,
            f"{job.server.software} has no whitelist: {job.name} would answer everyone",
            "keep the other clients away by VLAN or by the scope's rules, or take a boot server "
            "with a whitelist",
        )
    if answers.who in ("all_except", "unknown") and not can.deny_list:
        job.report(
            "CX508",
            path,
            f"{job.server.software} cannot leave clients out: {job.name} would answer them too",
            "keep these clients away by VLAN, or take a boot server with a deny list",
        )
    if answers.architectures is not None and not can.by_architecture:
        job.report(
            "CX510",
            path,
            f"{job.server.software} cannot leave out an architecture",
            "give each architecture a boot server of its own VLAN, or take one that can tell them apart",
        )
    if not can.mac_ranges and (can.whitelist or can.deny_list):
        for group, macs in _ranged(job):
            job.report(
                "CX509",
                path,
                f"{job.server.software} knows whole MAC addresses only, and {group} has ranges of "
                f"them ({amount(macs.size, 'address', 'addresses')})",
                "register these machines in the clients' CSV file and name them by `where`",
            )


def report_uuids(job: Job, told: Container[UUID] = ()) -> None:
    """Lists are written as MAC addresses: of a machine by its UUID, those of its registered cards.

    ``told``: the machines that the target knows by their UUID.
    """
    for group in job.server.answers.groups:
        if all(uuid in told for uuid in job.inventory.group_uuids(group)):
            continue
        own = " (it could by option 97, in a configuration of your own)"
        could = own if job.server.product.knows_uuids else ""
        job.report(
            "CX522",
            ("servers", job.name, "answers"),
            f"{job.server.software} knows machines by MAC address only{could}: it does not recognise "
            f"a machine of {group} by another card, adapter or dock",
            "register every card of these machines under their UUID, and name the group's members by "
            "`where` or `macs`; or let the firmware pass the machine's own MAC through",
        )


def _ranged(job: Job) -> Iterator[tuple[str, MacSet]]:
    for group in job.server.answers.groups:
        macs = job.inventory.group(group)
        if macs.bounds:
            yield group, macs


def report_dhcp_limits(
    job: Job,
    cannot_test: Callable[[OptionTest], bool] = lambda test: False,  # noqa: ARG005 the most can test all
) -> None:
    """Report what the scopes of a DHCP server want and its product cannot be told."""
    can = job.server.can
    if job.server.ping_check and not can.ping_check:
        job.report(
            "CX521",
            ("servers", job.name, "ping_check"),
            f"{job.server.software} does not ping an address before it offers it",
            "write `ping_check: false`",
        )
    report_failover(job)
    for name, declared in job.inventory.site.scopes.items():
        if job.name not in declared.servers:
            continue
        path: Path = ("scopes", name)
        if declared.min_secs and not can.min_secs:
            job.report(
                "CX502",
                (*path, "min_secs"),
                f"{job.server.software} cannot compare the client's secs with {declared.min_secs}",
                "leave it out and order the services by whitelists, or serve the scope by isc-dhcpd",
            )
        for limit in ("min_lease_time", "max_lease_time"):
            if getattr(declared, limit) is not None and not can.lease_time_limits:
                job.report(
                    "CX525",
                    (*path, limit),
                    f"{job.server.software} has no {limit.replace('_', '-')} for clients that ask for a time",
                    "leave it out, or serve the scope by isc-dhcpd or kea",
                )
        report_tests(job, path, declared.rules, cannot_test)


def report_tests(
    job: Job, path: Path, rules: Iterable[ScopeRule], cannot_test: Callable[[OptionTest], bool]
) -> None:
    """Report the tests of rules that the product cannot make."""
    for number, rule in enumerate(rules):
        for test in rule.when:
            if cannot_test(test):
                what = test.model_dump(exclude_defaults=True, by_alias=True)
                job.report(
                    "CX511",
                    (*path, "rules", number, "when"),
                    f"{job.server.software} cannot test {what}: rule {number + 1} applies to nobody",
                    "test it by `starts_with`, `equals`, `contains` or `exists`, or serve it by isc-dhcpd",
                )


def report_pools(job: Job, is_beyond: Callable[[PoolPlan], bool]) -> None:
    """Report the pools whose clients the product cannot tell: they are leased to nobody.

    Of a pool that is for everyone nothing is asked.
    """
    for vlan in job.leases.vlans:
        for pool in (pool for subnet in vlan.subnets for pool in subnet.pools):
            if (pool.clients or not pool.condition.always) and is_beyond(pool):
                job.report(
                    "CX511",
                    pool.path,
                    f"{job.server.software} cannot select the clients of the pool {pool.first}-{pool.last}: "
                    "nobody is leased its addresses",
                    "name its clients by groups alone or by what they send alone, or serve the scope by kea",
                )
