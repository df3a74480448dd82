"""What a renderer is: a product's name, what it can express, and a function from the inventory to files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from coexist.analysis.findings import Finding
from coexist.inventory import Inventory
from coexist.inventory.models import Server
from coexist.render.findings import inexpressible
from coexist.render.rendered import RenderedFile, System
from coexist.render.templates import Templates


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a product can be told. What is False or missing becomes a CX5xx finding when an inventory wants
    it.

    ``delays``: the kinds of ``inventory.values.Delay`` it knows. ``delay_step``: the smallest unit in seconds
    (0: any). ``whitelist``/``deny_list``: of exact MACs; ``mac_ranges``: by beginning or range too.
    ``by_architecture``: answers some architectures only. ``delay_for_groups``: a delay for some clients only.
    ``roles``: the roles a server of this product can have when rendered. ``min_secs``, ``ping_check``,
    ``failover``: of a DHCP server's scopes.
    """

    roles: frozenset[str]
    delays: frozenset[str] = frozenset()
    delay_step: float = 0.0
    whitelist: bool = False
    deny_list: bool = False
    mac_ranges: bool = False
    by_architecture: bool = False
    delay_for_groups: bool = False
    min_secs: bool = True
    ping_check: bool = True
    failover: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One server to render. ``findings`` collects what cannot be said on its product."""

    inventory: Inventory
    name: str
    templates: Templates
    findings: list[Finding] = field(default_factory=list)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """A target. An entry point of the group ``coexist.renderers`` is one of these.

    ``product`` is the software's name in an inventory. ``system`` is what it runs on; ``describe`` one line
    for docs and help.
    """

    product: str
    describe: str
    capabilities: Capabilities
    render: Callable[[Job], tuple[RenderedFile, ...]]
    system: System = "linux"
