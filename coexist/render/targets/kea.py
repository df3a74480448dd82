"""ISC Kea 2.2 and 3.0: one kea-dhcp4.conf, written by ``json.dumps``.

Kea knows no list of machines but its host reservations. A global reservation without an address puts a
machine into the class of its cell; with ``early-global-reservations-lookup`` that happens before subnets
are selected, so a class may also decide whether a client is served at all. Rules are classes that are
evaluated when a subnet asks for them, in its order; of several the first that sets a value gives it, but a
subnet's own option comes before a class's (section "Option precedence" of the Kea manual): what a rule may
override stands in a last class that always holds.

Kea drops a trailing NUL of option 67 and the end mark of option 43. The flex_option hook library, which comes
with Kea, sends octets as they are. All of this was tried on Kea 2.2.0: tests/wire/test_same_answers.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from coexist.boot.leases.kea_flex import HOOK as FLEX
from coexist.boot.leases.kea_pairs import LOAD_BALANCING
from coexist.boot.leases.plan import PoolPlan, Reservation, Setting, SubnetPlan, VlanPlan
from coexist.boot.servers.kea import is_exact
from coexist.inventory.models import OptionTest
from coexist.render.cells import NO_CELLS, spelled
from coexist.render.failover import relations
from coexist.render.limits import report_dhcp_limits, report_limits, report_pools
from coexist.render.quoting import comment, kea_name
from coexist.render.rendered import RenderedFile
from coexist.render.settled import SettledPlan, SettledScope
from coexist.render.target import Job
from coexist.render.targets.kea_conditions import Conditions
from coexist.render.targets.kea_dialect import Dialect, dialect_of
from coexist.render.targets.kea_expressions import any_of
from coexist.render.targets.kea_high_availability import high_availability
from coexist.render.targets.kea_json import dumps
from coexist.render.targets.kea_kept import MADE_TOO, KeptParts, with_flex_options
from coexist.render.targets.kea_values import NO_CODES, class_settings, first_of, option_data, undisputed
from coexist.wire.option_codes import Option

_LONGEST_DELAY = 65
"""Seconds: Kea 2.2 keeps these times as 16 bits of milliseconds."""


def limits(job: Job) -> None:
    """Report what it cannot keep."""
    if not job.server.software.numbers or job.server.software.numbers < (2, 2):
        job.report(
            "CX520",
            ("servers", job.name, "software"),
            f"files are written for Kea 2.2 to 2.6 and 3.0, not for {job.server.software}; "
            f"{job.name} gets those of 2.2",
            "write the version you run: `software: kea 2.2` or `software: kea 3.0`",
        )
    report_limits(job)
    report_dhcp_limits(job, _cannot_test)
    report_pools(job, lambda pool: any(map(_cannot_test, pool.condition.tests)))
    for relation in relations(job.inventory, job.name):
        delay = relation.failover.max_response_delay
        if delay > _LONGEST_DELAY:
            job.report(
                "CX518",
                ("scopes", relation.scopes[0], "failover", "max_response_delay"),
                f"{job.server.software} cannot wait {delay} s for its partner",
                f"write {_LONGEST_DELAY} or less",
            )


def _cannot_test(test: OptionTest) -> bool:
    """Whether Kea's expressions cannot make this test."""
    return test.contains is not None


def render(job: Job) -> tuple[RenderedFile, ...]:
    """The server's kea-dhcp4.conf."""
    tree = _Writer(job, job.settled, dialect_of(job)).tree()
    return (
        RenderedFile(
            path="kea-dhcp4.conf",
            content=dumps({"Dhcp4": tree}).encode(),
            purpose="the DHCP server's whole configuration",
            target=job.server.product.target,
            check=job.server.product.check,
            reload=job.server.product.reload,
        ),
    )


class _Writer:
    """One server's tree."""

    def __init__(self, job: Job, plan: SettledPlan, dialect: Dialect) -> None:
        self.job = job
        self.plan = plan
        self.dialect = dialect
        self.conditions = Conditions(cells=plan.cells)
        self.scopes = {scope.name: scope for scope in plan.scopes}
        self.exact: dict[int, list[tuple[str, bytes]]] = {}
        self.pool_classes: dict[str, str] = {}
        self.relation = next(iter(relations(job.inventory, job.name)), None)
        vlans = plan.plan.vlans
        networks = (str(subnet.network) for vlan in vlans for subnet in vlan.subnets)
        self.kept = KeptParts(job, networks, (vlan.name for vlan in vlans))

    def tree(self) -> dict[str, Any]:
        """Everything below ``Dhcp4``."""
        scope_classes = [entry for scope in self.plan.scopes for entry in self._scope_classes(scope)]
        networks, subnets = [], []
        for vlan in self.plan.plan.vlans:
            made = [self._subnet(subnet) for subnet in vlan.subnets]
            if len(made) > 1:
                entry = {"name": vlan.name, **_relays(vlan, always=True), "subnet4": made}
                networks.append(self.kept.network(vlan.name, entry))
            elif vlan.subnets[0].scope is not None:
                subnets.append({**made[0], **_relays(vlan)})
        settings = {
            key: value
            for key, value in self.job.server.settings.items()
            if key != "hooks_directory" and key not in MADE_TOO
        }
        cells, pools = self.conditions.cell_classes(), self._pool_class_entries()
        classes = self.kept.classes([*cells, *pools, *self._drop_class(), *scope_classes])
        return {
            "comment": f"{self.plan.plan.name}: written by coexist from the inventory of"
            f" {self.job.inventory.site.site}; change it there.",
            "interfaces-config": {"interfaces": ["*"], "dhcp-socket-type": "raw"},
            "lease-database": {"type": "memfile"},
            # High availability listens for its partner by itself only where there are several threads.
            **({"multi-threading": {"enable-multi-threading": True}} if self.relation else {}),
            "authoritative": self.plan.plan.server.authoritative,
            # A machine is its MAC: firmware, boot loader and system send different client identifiers.
            "match-client-id": False,
            "host-reservation-identifiers": ["hw-address"],
            "early-global-reservations-lookup": True,
            "reservations-global": True,
            "reservations-in-subnet": True,
            **self._sharing(),
            **settings,
            **self._hooks(),
            **self._definitions(),
            # Kea 2.2's grammar has no empty list of classes.
            **({"client-classes": classes} if classes else {}),
            "shared-networks": networks,
            "subnet4": subnets,
            "reservations": self.kept.reservations(self.conditions.listed_machines()),
        }

    def _sharing(self) -> dict[str, bool]:
        """Interfaces of one machine may have one address, which Kea must be told (2.2 and later)."""
        plan = self.plan.plan
        reserved = [r.address for vlan in plan.vlans for s in vlan.subnets for r in plan.reservations(s)]
        return {} if len(set(reserved)) == len(reserved) else {"ip-reservations-unique": False}

    # -- who is not answered -------------------------------------------------------------------

    def _kept_out(self, scope: SettledScope) -> list[Setting]:
        """The refusals of a scope that its subnet's class makes."""
        return [s for s in scope.special if s.ignore and self._dropped(scope, s) is None]

    def _dropped(self, scope: SettledScope, setting: Setting) -> str | None:
        """A test for a refusal that the whole server makes, None for one of the subnet.

        A broadcast is let in only if some subnet would take it (acceptDirectRequest), and that is asked
        before host reservations put a machine into its class: a subnet that refuses all that are in no list
        refuses everyone. And an INFORM is answered without a subnet. The class DROP is asked later.
        """
        if self.plan.plan.is_guard(scope.name, setting):
            return None
        test = self.conditions.test(setting.condition)
        here = "" if setting.path[:1] == ("servers",) else self._place(scope)
        return f"({here}) and ({test})" if here else f"({test})"

    def _place(self, scope: SettledScope) -> str:
        """By what the packets of a scope's VLAN are known, empty where all are.

        What no other VLAN's relay agent passed on is of the server's own VLAN, also through an agent there.
        """
        vlan = self.plan.plan.wire_of(scope.name)
        if vlan.local is None:
            return any_of(f"pkt4.giaddr == {relay}" for relay in vlan.relays)
        vlans = self.plan.plan.vlans
        others = [f"pkt4.giaddr == {relay}" for other in vlans if other is not vlan for relay in other.relays]
        return f"not ({any_of(others)})" if others else ""

    def _drop_class(self) -> Iterator[dict[str, Any]]:
        terms = {
            term: None
            for scope in self.plan.scopes
            for setting in scope.special
            if setting.ignore and (term := self._dropped(scope, setting)) is not None
        }
        if terms:
            # With KNOWN in it a class waits for the host reservations.
            yield {
                "name": "DROP",
                "test": f"(member('KNOWN') or member('UNKNOWN')) and ({any_of(terms)})",
            }

    # -- scopes --------------------------------------------------------------------------------

    def _scope_classes(self, scope: SettledScope) -> Iterator[dict[str, Any]]:
        refusals = self._kept_out(scope)
        if refusals:
            terms = any_of(self.conditions.test(setting.condition) for setting in refusals)
            yield {"name": served_class(scope), "test": f"not ({terms})"}
        for number, setting in enumerate(class_settings(scope), start=1):
            name = f"{scope.name}/{number}"
            yield {
                "name": name,
                "comment": comment(setting.name),
                "test": self.conditions.test(setting.condition),
                self.dialect.only_listed: True,
                **self._values(scope, setting, name),
            }

    def _values(self, scope: SettledScope, setting: Setting, class_name: str) -> dict[str, Any]:
        entry: dict[str, Any] = {}
        if setting.next_server is not None:
            entry["next-server"] = str(setting.next_server)
        if setting.file is not None:
            entry["boot-file-name"] = setting.file
        options = []
        for code, octets in setting.options.items():
            exact = is_exact(code, octets)
            # Where option data say it, the library says nothing, and nothing of the classes below either.
            self.exact.setdefault(code, []).append((class_name, b"" if exact else octets))
            if exact:
                options.append(option_data(code, octets, scope.forced))
        if options:
            entry["option-data"] = options
        return entry

    def _hooks(self) -> dict[str, Any]:
        exact = {
            code: choices
            for code, choices in sorted(self.exact.items())
            if any(octets for _, octets in choices)
        }
        if not exact and self.relation is None:
            return {}
        folder = self.dialect.hooks
        if "hooks_directory" in self.job.server.settings:
            folder = str(self.job.server.settings["hooks_directory"]).rstrip("/") + "/"
        options = [{"code": code, "supersede": first_of(choices)} for code, choices in exact.items()]
        hooks = list(self.job.server.settings.get("hooks-libraries", []))
        if self.relation is not None:
            hooks.append({"library": f"{folder}libdhcp_lease_cmds.so"})
            parameters = {"high-availability": [high_availability(self.relation)]}
            hooks.append({"library": f"{folder}libdhcp_ha.so", "parameters": parameters})
        if exact:
            hooks = with_flex_options(hooks, f"{folder}{FLEX}", options)
        return {"hooks-libraries": hooks}

    def _definitions(self) -> dict[str, Any]:
        """Options that encapsulate others, of those a rule looks into."""
        codes = {
            test.option
            for scope in self.plan.scopes
            for setting in scope.special
            for test in setting.condition.tests
            if test.suboption is not None and test.option != Option.RELAY_AGENT_INFORMATION
        }
        made = [
            {"name": f"coexist-{code}", "code": code, "type": "empty", "encapsulate": f"coexist-in-{code}"}
            for code in sorted(codes)
        ]
        return {"option-def": [*self.job.server.settings.get("option-def", []), *made]} if made else {}

    # -- subnets -------------------------------------------------------------------------------

    def _subnet(self, subnet: SubnetPlan) -> dict[str, Any]:
        entry: dict[str, Any] = {
            # Leases name their subnet by this number: it must not change when others are added.
            "id": int(subnet.network.network_address),
            "subnet": str(subnet.network),
        }
        if subnet.scope is None:
            return self.kept.subnet(str(subnet.network), entry)
        scope = self.scopes[subnet.scope]
        values = class_settings(scope)
        if scope.defaults.ignore:
            entry.update(self.dialect.restrict("DROP"))
        elif self._kept_out(scope):
            entry.update(self.dialect.restrict(served_class(scope)))
        entry["valid-lifetime"] = scope.lease_time
        for limit, seconds in (("min", scope.min_lease_time), ("max", scope.max_lease_time)):
            if seconds is not None:
                entry[f"{limit}-valid-lifetime"] = seconds
        if values:
            entry[self.dialect.evaluate] = [f"{scope.name}/{n}" for n in range(1, len(values) + 1)]
        entry["option-data"] = [
            option_data(code, octets, scope.forced) for code, octets in undisputed(scope).items()
        ]
        pools = [p for p in subnet.pools if self.plan.pool_cells(p) != NO_CELLS]
        entry["pools"] = [made for pool in pools for made in self._pools(pool)]
        unasked = Option.HOST_NAME in scope.forced
        entry["reservations"] = [
            self._reservation(r, unasked=unasked and subnet.names)
            for r in self.plan.plan.reservations(subnet)
        ]
        return self.kept.subnet(str(subnet.network), entry)

    def _pools(self, pool: PoolPlan) -> Iterator[dict[str, Any]]:
        """A pool; of load balancing two halves, each for the clients of one server, so that the two never
        lease one address to two clients."""
        relation = self.relation
        if relation is None or relation.failover.mode != LOAD_BALANCING or pool.first == pool.last:
            yield self._pool(pool, None)
            return
        middle = IPv4Address((int(pool.first) + int(pool.last)) // 2)
        yield self._pool(replace(pool, last=middle), f"HA_{relation.first}")
        yield self._pool(replace(pool, first=middle + 1), f"HA_{relation.second}")

    def _pool(self, pool: PoolPlan, whose: str | None) -> dict[str, Any]:
        """``whose``: the class of the clients that its server has of a pair."""
        entry: dict[str, Any] = {"pool": f"{pool.first} - {pool.last}"}
        cells = self.plan.pool_cells(pool)
        member = None if cells is None else self.conditions.membership(cells)
        said = None if pool.condition.always else self.conditions.test(pool.condition)
        test = f"({member}) and {said}" if member and said else member or said
        if whose is not None and test is None:
            entry.update(self.dialect.restrict(whose))
            return entry
        if test is not None:
            test = test if whose is None else f"member({kea_name(whose)}) and ({test})"
            name = self.pool_classes.setdefault(test, f"pool/{len(self.pool_classes) + 1}")
            entry.update(self.dialect.restrict(name))
        return entry

    def _pool_class_entries(self) -> Iterator[dict[str, Any]]:
        for test, name in self.pool_classes.items():
            yield {"name": name, "test": test}

    def _reservation(self, reservation: Reservation, *, unasked: bool) -> dict[str, Any]:
        """``unasked``: its name goes to clients too that do not ask for it."""
        entry: dict[str, Any] = {
            "hw-address": spelled(reservation.mac),
            "ip-address": str(reservation.address),
        }
        if reservation.mac in self.conditions.class_of:
            entry["client-classes"] = [self.conditions.class_of[reservation.mac]]
        if unasked and reservation.host_name:
            entry["hostname"] = reservation.host_name
        elif reservation.host_name:
            told = reservation.host_name.encode()
            entry["option-data"] = [option_data(Option.HOST_NAME, told, NO_CODES)]
        if reservation.name:
            entry["comment"] = comment(reservation.name)
        return entry


def served_class(scope: SettledScope) -> str:
    """The class of the clients a scope answers."""
    return f"{scope.name}/served"


def _relays(vlan: VlanPlan, *, always: bool = False) -> dict[str, Any]:
    outside = [r for r in vlan.relays if always or not any(r in s.network for s in vlan.subnets)]
    return {"relay": {"ip-addresses": [str(relay) for relay in outside]}} if outside else {}
