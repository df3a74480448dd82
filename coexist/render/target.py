"""What a renderer is: a function from one server of the inventory to its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field
from typing import TypeAlias

from coexist.analysis.findings import Finding
from coexist.boot.leases.compile import compile_plan
from coexist.boot.leases.plan import LeasePlan
from coexist.inventory import Inventory
from coexist.inventory.models import Server
from coexist.records import dataclass
from coexist.render.findings import inexpressible
from coexist.render.rendered import RenderedFile
from coexist.render.settled import SettledPlan, settled
from coexist.render.templates import Templates


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One server to render. ``findings`` collects what cannot be said on its product. ``literal``: nothing
    that is not declared is added (options 66 and 67 beside the header, option 60 unasked). ``made``: what
    was made of the declaration already."""

    inventory: Inventory
    name: str
    templates: Templates = field(default_factory=Templates)
    literal: bool = False
    findings: list[Finding] = field(default_factory=list)
    made: dict[type, LeasePlan | SettledPlan] = field(default_factory=dict, compare=False, repr=False)

    @property
    def leases(self) -> LeasePlan:
        """The lease plan of a DHCP server. It costs little, whatever the number of clients."""
        plan = self.made.get(LeasePlan)
        if not isinstance(plan, LeasePlan):
            plan = self.made[LeasePlan] = compile_plan(self.inventory, self.name, literal=self.literal)
        return plan

    @property
    def settled(self) -> SettledPlan:
        """That plan, ready to be printed. Its groups are cut, which takes a while for many clients."""
        plan = self.made.get(SettledPlan)
        if not isinstance(plan, SettledPlan):
            plan = self.made[SettledPlan] = settled(self.leases)
        return plan

    @property
    def server(self) -> Server:
        """The server's declaration."""
        return self.inventory.site.servers[self.name]

    def report(
        self, code: str, path: Iterable[str | int], message: str, repair: str, *, clients: int = 0
    ) -> None:
        """Add a finding about this target."""
        self.findings.append(
            inexpressible(self.inventory, code, tuple(path), message, repair, clients=clients)
        )


Renderer: TypeAlias = Callable[[Job], tuple[RenderedFile, ...]]
"""A product's renderer, which its record names."""
