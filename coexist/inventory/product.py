"""One server software: what it is, what it can be told, what it does by itself, and where its parts stand.

Which there are stands in the table, `products`. An installed distribution makes a record of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from coexist.inventory.values import Delay
from coexist.records import dataclass

Role = Literal["dhcp", "proxydhcp", "boot-server", "tftp", "http"]
"""``boot-server`` is a PXE boot server that answers on port 4011 only."""

DelayKind = Literal["after", "secs_at_least", "since_first", "after_offer"]
System = Literal["linux", "windows", "none"]

_BOOT_ROLES: frozenset[Role] = frozenset({"proxydhcp", "boot-server"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a product can be told. What is False or missing becomes a finding when an inventory wants it.

    ``roles``: those its own configuration can hold. ``delays``: the kinds of ``values.Delay`` it knows;
    ``delay_step``: the smallest unit in seconds (0: any). ``whitelist``/``deny_list``: of exact MACs;
    ``mac_ranges``: by beginning or range too. ``by_architecture``: answers some architectures only;
    ``architectures_by_client``: other architectures of other clients.
    ``delay_for_groups``: a delay for some clients only. ``programs_for_groups``: boot programs for some
    clients only. ``programs_for_ipxe``: another file for a machine that runs iPXE. ``min_secs``,
    ``lease_time_limits``, ``ping_check``: of a DHCP server's scopes. ``failover``: the modes it knows of two
    servers that share a scope, each with the settings of `scopes.Failover` that it can be told;
    ``failover_of_all``: all scopes of a server are shared with the same partner, or none is.
    """

    roles: frozenset[Role] = frozenset()
    delays: frozenset[DelayKind] = frozenset()
    delay_step: float = 0.0
    whitelist: bool = False
    deny_list: bool = False
    mac_ranges: bool = False
    by_architecture: bool = False
    architectures_by_client: bool = False
    delay_for_groups: bool = False
    programs_for_groups: bool = False
    programs_for_ipxe: bool = False
    min_secs: bool = True
    lease_time_limits: bool = True
    ping_check: bool = True
    failover: Mapping[str, frozenset[str]] = field(default_factory=dict)
    failover_of_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What one version does wrong: in words, the version it is gone in, and what of it a boot meets.

    ``misroutes_4011``: its answers to requests on port 4011 go elsewhere.
    """

    what: str
    fixed_in: str
    misroutes_4011: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One server software. Each False or empty field is what most products do."""

    name: str
    """As it stands in an inventory's ``software``."""
    describe: str
    """One line for people."""
    modelled: str = ""
    """The version whose behaviour the model has; empty where no version matters."""
    faults: Mapping[str, Fault] = field(default_factory=dict)
    """What versions that are in use do wrong, by version."""
    language: str = ""
    """What its configuration is written in."""
    system: System = "linux"
    """What it runs on; "none" where a rollout cannot know."""
    usual_roles: frozenset[Role] = frozenset()
    """Its roles when none are declared."""
    settings: frozenset[str] | None = None
    """The keys of a server's ``settings`` that its files are written with; None: any, and they go in as they
    are."""
    is_ours: bool = False
    """coexist's own server: a rollout reads its configuration back and asks for its metrics."""

    # -- what it can be told

    capabilities: Capabilities = Capabilities()
    as_proxy: Capabilities | None = None
    """Those of its ProxyDHCP, where they differ."""
    delay_keyword: str = ""
    """The one line of its configuration that holds a delay, for everyone or for one group; empty where each
    group can have its own."""

    knows_uuids: bool = False
    """It can tell machines apart by their UUID (option 97) in a configuration written by hand."""

    # -- what its leases say

    pings: bool = False
    """It pings an address before it offers it, unless told otherwise."""
    leases_reserved: bool = False
    """It leases a reserved address to others too, if a pool holds it."""
    own_subnet_first: bool = True
    """Of several subnets on one wire it leases from that of each relay agent's address first; else it goes
    through them in one order, whichever relay agent brings the packet."""
    selects_subnet: bool = False
    """It begins at a subnet that is open to the client: at the lowest where a relay agent brings the packet,
    on its own wire at its own. Where scopes share a wire each subnet refuses clients for itself."""
    leaves_own_address: bool = True
    """A machine whose own address is of a subnet that refuses it, but not all others, is leased another one,
    where another subnet of its wire lets it in."""
    informs_if_authoritative: bool = False
    """It answers a DHCPINFORM only where it is authoritative."""
    informs_names: bool = True
    """It tells a machine its own name by DHCPINFORM too."""
    tells_full_names: bool = False
    """It tells a machine a name of several labels too, as it is registered."""

    # -- what its boot service says

    own_programs: bool = False
    """It names boot programs of its own when none are declared."""
    default_programs: Mapping[str, str] = field(default_factory=dict)
    """Those programs by architecture, as far as they are known."""
    fills_in: bool = False
    """It names its own programs for every architecture that none is declared for."""
    program_settings: frozenset[str] = frozenset()
    """The keys of a server's ``settings`` that are its own lines about boot programs."""
    takes_programs: bool = True
    """It can be told which programs to name; else those that are declared have no effect."""
    asked_on_4011: bool = False
    """Its offer names no file: the client must ask on port 4011."""
    discovery_control: int | None = None
    """PXE option 43.6 of its offers when nothing is declared."""
    answers_http: bool = True
    """It answers an HTTPClient too."""
    empty_offers: bool = False
    """It answers an architecture it has no program for, with an empty offer."""
    deaf_while_delaying: bool = False
    """It hears nothing while it delays an answer."""
    delays_registered: bool = True
    """Its delay holds for machines that are registered with it."""

    # -- what a migration can do with it

    standby: tuple[Delay, ...] = ()
    """Delays by which it stands by for some of its clients, best first."""
    names_others_files: bool = False
    """It can answer with the boot files of another server."""
    gives_files_silently: bool = False
    """It gives files to clients whose DISCOVER it does not answer."""

    # -- how it is rolled out

    target: str | None = None
    """The usual path of its configuration; a folder ends with a slash."""
    files: tuple[str, ...] = ()
    """The names of the files that its renderer writes, the configuration first; some of them not always.
    Empty: any."""
    list_ends: tuple[str, ...] = ()
    """How the names of its lists of machines end, behind a group's name. Its configuration names these files
    and finds them in its own folder."""
    own_main: str = ""
    """The usual path of its main file where coexist did not write it; empty: the same."""
    exported: str = ""
    """How its configuration becomes a file, where the server keeps none that could be read."""
    check: str | None = None
    """A command that accepts or refuses a file (``{path}``)."""
    reload: str | None = None
    """A command that puts the file to use."""

    # -- its parts, each ``module:attribute``, empty where it has none

    leases: str = ""
    """The model of its DHCP service: a function of the inventory and the server's name that returns a
    ``boot.responder.ServerModel``."""
    lease: str = ""
    """What it makes of a lease before it is sent: a ``boot.leases.evaluate.AsProduct``. Empty: nothing."""
    lease_times: str = ""
    """What it grants a client that asks for a lease time (option 51): a ``boot.leases.lease_times.TimesOf``.
    Empty: the same time for everyone."""
    table_order: str = ""
    """In which order it leases the free addresses of pools for the same clients on one wire, which are one
    pool to it: a ``boot.leases.evaluate.TableOrder``. Empty: it goes from pool to pool, those of the client's
    own subnet first."""
    pair: str = ""
    """How it shares clients with a failover partner: a function of an ``inventory.failover.Failover``,
    whether the server is the first of the two and the partner's name that returns a
    ``boot.leases.pairs.Share``. Empty: it has no failover."""
    own_file: str = ""
    """How a configuration file that somebody wrote is evaluated: a function of ``boot.own_files.Files``
    that returns a ``boot.own_files.OwnConfig``. Empty: it is not."""
    dropin: str = ""
    """Our part of such a file: a function of the inventory and the server's name that returns a
    ``render.dropins.OurPart``. Empty: there is none."""
    dropin_path: str = ""
    """Where it usually lies."""
    dropin_line: str = ""
    """What its own file has where it includes ours (``{path}``, ``{folder}``), and where that must stand."""
    dropin_lists: str = ""
    """What its own file has where it includes our second file, a list of machines (``{path}``)."""
    redactor: str = ""
    """A function from the text of such a file to the same text without its secrets, as valid as before.
    Empty: no copy of such a file is made."""
    boots: str = ""
    """The model of its boot service, a function like that of its DHCP service."""
    limits: str = ""
    """What it cannot keep of a declaration: a function that reports on a ``render.Job``. Empty: what
    ``capabilities`` say."""
    renderer: str = ""
    """Its configuration: a function of a ``render.Job`` that returns ``render.RenderedFile``s. The templates
    of an installed product are below ``templates/PRODUCT`` in the package that has this function."""
    importer: str = ""
    """How its configuration is read: an ``importers.kind.Kind``."""
    lists: str = ""
    """How a list of its machines alone is read: an ``importers.kind.Kind``."""
    mac_changes: str = ""
    """What its manager imports to give registered machines other MACs: a function from triples of a machine's
    name, its MAC now and its MAC then to a file's text. Empty: they are typed there."""
    mac_changes_suffix: str = ""
    """How such a file is called at its end, as ``.ldif``."""
    conversions: str = ""
    """How its own file becomes another product's, or another's file its own, where that is more than an
    inventory can say: ``app.convert.written.Conversion``s."""

    @property
    def software(self) -> str:
        """How an inventory names the version that is modelled."""
        return f"{self.name} {self.modelled}".strip()

    @property
    def package(self) -> str:
        """The distribution's package that has its renderer; empty where it has none."""
        return self.renderer.partition(":")[0].partition(".")[0]

    def writes(self, name: str) -> bool:
        """Whether its renderer may write a file of this name."""
        return not self.files or name in self.files or self.is_list(name)

    def is_list(self, name: str) -> bool:
        """Whether a file of this name is a list of machines, which lies beside its configuration."""
        return name.endswith(self.list_ends)

    def groups_of(self, name: str) -> frozenset[str]:
        """The groups that a list of this name may be about."""
        return frozenset(name.removesuffix(end) for end in self.list_ends if name.endswith(end))

    def main_place(self, paths: Mapping[str, str]) -> str | None:
        """Where its configuration goes by ``paths``, which have the place of each file; None: not said."""
        return paths.get(self.files[0]) if self.files else None

    @property
    def is_adoptable(self) -> bool:
        """Whether a server can be declared by a copy of its own files, without the secrets they hold."""
        return bool(self.own_file and self.redactor)

    def fault_of(self, version: str) -> Fault | None:
        """What a version does wrong; ``2.92-1`` is 2.92."""
        own = version.partition("-")[0].partition("+")[0].strip()
        return self.faults.get(own)

    def can(self, roles: frozenset[Role]) -> Capabilities:
        """What a server of these roles can be told."""
        if self.as_proxy is not None and "dhcp" not in roles and roles & _BOOT_ROLES:
            return self.as_proxy
        return self.capabilities
