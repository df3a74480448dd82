"""The table of products: what each server software is, what it can be told, and what it does by itself.

It is the one place that knows a product by its name. Every other module asks a server for its record
(``Server.product``) and reads a fact there. The behaviour itself, the files and the reading of existing
files are a product's own modules; the record names them.

An installed distribution hands in a product by an entry point of the group ``coexist.products``: its name is
the product's, what it loads is a `Product`. One with the name of a product of this table replaces it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from coexist.errors import CoexistError
from coexist.inventory.values import Delay
from coexist.records import dataclass

ENTRY_POINTS = "coexist.products"

Role = Literal["dhcp", "proxydhcp", "boot-server", "tftp", "http"]
"""``boot-server`` is a PXE boot server that answers on port 4011 only."""

DelayKind = Literal["after", "secs_at_least", "since_first", "after_offer"]
System = Literal["linux", "windows", "none"]

_BOOT_ROLES: frozenset[Role] = frozenset({"proxydhcp", "boot-server"})
_EVERY_DELAY: frozenset[DelayKind] = frozenset({"after", "secs_at_least", "since_first", "after_offer"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a product can be told. What is False or missing becomes a finding when an inventory wants it.

    ``roles``: those its own configuration can hold. ``delays``: the kinds of ``values.Delay`` it knows;
    ``delay_step``: the smallest unit in seconds (0: any). ``whitelist``/``deny_list``: of exact MACs;
    ``mac_ranges``: by beginning or range too. ``by_architecture``: answers some architectures only.
    ``delay_for_groups``: a delay for some clients only. ``programs_for_groups``: boot programs for some
    clients only. ``programs_for_ipxe``: another file for a machine that runs iPXE. ``min_secs``,
    ``ping_check``: of a DHCP server's scopes. ``failover``: the modes it knows of two servers that share a
    scope, each with the settings of `scopes.Failover` that it can be told; ``failover_of_all``: all scopes
    of a server are shared with the same partner, or none is.
    """

    roles: frozenset[Role] = frozenset()
    delays: frozenset[DelayKind] = frozenset()
    delay_step: float = 0.0
    whitelist: bool = False
    deny_list: bool = False
    mac_ranges: bool = False
    by_architecture: bool = False
    delay_for_groups: bool = False
    programs_for_groups: bool = False
    programs_for_ipxe: bool = False
    min_secs: bool = True
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
    informs_if_authoritative: bool = False
    """It answers a DHCPINFORM only where it is authoritative."""
    informs_names: bool = True
    """It tells a machine its own name by DHCPINFORM too."""

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
    """A function from the text of such a file to the same text without its secrets, as valid as before."""
    boots: str = ""
    """The model of its boot service, a function like that of its DHCP service."""
    limits: str = ""
    """What it cannot keep of a declaration: a function that reports on a ``render.Job``. Empty: what
    ``capabilities`` say."""
    renderer: str = ""
    """Its configuration: a function of a ``render.Job`` that returns ``render.RenderedFile``s."""
    importer: str = ""
    """How its configuration is read: an ``importers.kind.Kind``."""
    conversions: str = ""
    """How its own file becomes another product's, where that is more than an inventory can say: pairs of that
    product and a function of the inventory, the server's name and its new declaration."""

    @property
    def software(self) -> str:
        """How an inventory names the version that is modelled."""
        return f"{self.name} {self.modelled}".strip()

    def fault_of(self, version: str) -> Fault | None:
        """What a version does wrong; ``2.92-1`` is 2.92."""
        own = version.partition("-")[0].partition("+")[0].strip()
        return self.faults.get(own)

    def can(self, roles: frozenset[Role]) -> Capabilities:
        """What a server of these roles can be told."""
        if self.as_proxy is not None and "dhcp" not in roles and roles & _BOOT_ROLES:
            return self.as_proxy
        return self.capabilities


# -- coexist's own -----------------------------------------------------------------------------------

COEXIST = Product(
    name="coexist",
    describe="coexist's own boot server (ProxyDHCP, TFTP, HTTP)",
    language="YAML",
    usual_roles=frozenset({"proxydhcp", "tftp"}),
    is_ours=True,
    capabilities=Capabilities(
        roles=frozenset({"proxydhcp", "boot-server", "tftp", "http"}),
        delays=_EVERY_DELAY,
        whitelist=True,
        deny_list=True,
        mac_ranges=True,
        by_architecture=True,
        delay_for_groups=True,
        programs_for_groups=True,
        programs_for_ipxe=True,
    ),
    # Use the file of this offer (PXE 2.1, table 2-3, tag 6, bit 3).
    discovery_control=8,
    # since_first last but one: a machine that is switched on again within a minute looks like one that
    # asks twice, and the race of two equal offers is open again.
    standby=(Delay(after=1.2), Delay(after=2.5), Delay(since_first=0.5), Delay(secs_at_least=5)),
    names_others_files=True,
    gives_files_silently=True,
    target="/etc/coexist/",
    check="coexist serve {path} --check",
    reload="systemctl reload-or-restart coexist",
    boots="coexist.boot.servers.coexist:boot_service",
    limits="coexist.render.targets.coexist:limits",
    renderer="coexist.render.targets.coexist:render",
)

_DHCPD_FAILOVER = frozenset({"max_seconds", "mclt", "max_response_delay", "max_unacked_updates", "port"})
_KEA_FAILOVER = frozenset({"max_response_delay", "max_ack_delay", "max_unacked_clients", "port"})

# -- DHCP servers ------------------------------------------------------------------------------------

ISC_DHCPD = Product(
    name="isc-dhcpd",
    knows_uuids=True,
    settings=frozenset(),
    describe="ISC dhcpd",
    modelled="4.4",
    language="dhcpd.conf",
    usual_roles=frozenset({"dhcp"}),
    capabilities=Capabilities(
        roles=frozenset({"dhcp"}),
        delays=frozenset({"secs_at_least"}),
        whitelist=True,
        deny_list=True,
        mac_ranges=True,
        by_architecture=True,
        failover={
            "load-balancing": _DHCPD_FAILOVER | {"percent", "split"},
            "hot-standby": _DHCPD_FAILOVER,
        },
    ),
    pings=True,
    leases_reserved=True,
    target="/etc/dhcp/dhcpd.conf",
    check="dhcpd -t -4 -cf {path}",
    reload="systemctl restart isc-dhcp-server",
    informs_if_authoritative=True,
    informs_names=False,
    leases="coexist.boot.servers.dhcpd:lease_service",
    pair="coexist.boot.servers.dhcpd:pair",
    own_file="coexist.boot.leases.dhcpd.own_file:evaluate",
    dropin="coexist.render.dropins.dhcpd:write",
    dropin_path="/etc/dhcp/coexist.conf",
    dropin_line='`include "{path}";` before the first class',
    redactor="coexist.languages.dhcpd.secrets:without_secrets",
    limits="coexist.render.targets.dhcpd:limits",
    renderer="coexist.render.targets.dhcpd:render",
    importer="coexist.importers.dhcpd:KIND",
    conversions="coexist.app.convert.from_dhcpd:CONVERSIONS",
)

KEA = Product(
    name="kea",
    knows_uuids=True,
    describe="ISC Kea",
    modelled="2.2",
    language="JSON",
    usual_roles=frozenset({"dhcp"}),
    capabilities=Capabilities(
        roles=frozenset({"dhcp"}),
        whitelist=True,
        deny_list=True,
        mac_ranges=True,
        by_architecture=True,
        ping_check=False,
        min_secs=False,
        failover={
            "load-balancing": _KEA_FAILOVER,
            "hot-standby": _KEA_FAILOVER,
            "passive-backup": frozenset({"port"}),
        },
        failover_of_all=True,
    ),
    target="/etc/kea/kea-dhcp4.conf",
    check="kea-dhcp4 -t {path}",
    reload="systemctl restart kea-dhcp4-server",
    leases="coexist.boot.servers.kea:lease_service",
    lease="coexist.boot.servers.kea:rendered_lease",
    pair="coexist.boot.servers.kea:pair",
    own_file="coexist.boot.leases.kea_own_file:evaluate",
    dropin="coexist.render.dropins.kea:write",
    dropin_path="/etc/kea/coexist.json",
    dropin_line='`<?include "{path}"?>` at the beginning of `client-classes`, without a comma behind it',
    dropin_lists='`<?include "{path}"?>` at the beginning of the global `reservations`, without a comma',
    redactor="coexist.languages.kea.secrets:without_secrets",
    limits="coexist.render.targets.kea:limits",
    renderer="coexist.render.targets.kea:render",
    importer="coexist.importers.kea:KIND",
)

_DNSMASQ_CAN = Capabilities(
    roles=frozenset({"dhcp", "proxydhcp", "boot-server"}),
    delays=frozenset({"after"}),
    delay_step=1.0,
    delay_for_groups=True,
    whitelist=True,
    deny_list=True,
    mac_ranges=True,
    by_architecture=True,
    programs_for_ipxe=True,
    min_secs=False,
)

DNSMASQ = Product(
    name="dnsmasq",
    knows_uuids=True,
    describe="dnsmasq as DHCP server or as ProxyDHCP",
    modelled="2.90",
    faults={
        # dhcp.c dhcp_packet lost an `else` with the leasequery code (dnsmasq-discuss 2026q1, 018404).
        "2.92": Fault(
            what="it sends its answers to requests on port 4011 to 255.255.255.255, where no client listens",
            fixed_in="2.93",
            misroutes_4011=True,
        )
    },
    language="dnsmasq.conf",
    capabilities=_DNSMASQ_CAN,
    as_proxy=Capabilities(
        roles=frozenset({"proxydhcp"}),
        delays=frozenset({"after"}),
        delay_step=1.0,
        delay_for_groups=True,
        whitelist=True,
        deny_list=True,
        mac_ranges=True,
        by_architecture=True,
        programs_for_ipxe=True,
    ),
    # A second line is refused ("illegal repeated keyword": option.c of 2.90 marks the keyword ARG_ONE).
    delay_keyword="dhcp-reply-delay",
    pings=True,
    # rfc2131.c: pxe_uefi_workaround answers every architecture once there is a pxe-service.
    empty_offers=True,
    # dnsmasq.c: delay_dhcp sleeps in its only thread.
    deaf_while_delaying=True,
    # dhcp-reply-delay takes whole seconds and a tag.
    standby=(Delay(after=1.0), Delay(after=2.0)),
    target="/etc/dnsmasq.d/coexist.conf",
    check="dnsmasq --test --conf-file={path}",
    reload="systemctl restart dnsmasq",
    leases="coexist.boot.servers.dnsmasq_declared:lease_service",
    lease="coexist.boot.servers.dnsmasq_leased:rendered_lease",
    own_main="/etc/dnsmasq.conf",
    own_file="coexist.boot.leases.dnsmasq_own_file:evaluate",
    dropin="coexist.render.dropins.dnsmasq:write",
    dropin_path="/etc/dnsmasq.d/coexist.conf",
    dropin_line="`conf-dir={folder}/,*.conf` or `conf-file={path}` as the last line",
    redactor="coexist.languages.dnsmasq.secrets:without_secrets",
    program_settings=frozenset({"pxe-service", "pxe-prompt", "dhcp-boot"}),
    boots="coexist.boot.servers.dnsmasq_declared:boot_service",
    limits="coexist.render.targets.dnsmasq:limits",
    renderer="coexist.render.targets.dnsmasq:render",
    importer="coexist.importers.dnsmasq:KIND",
)

WINDOWS_DHCP = Product(
    name="windows-dhcp",
    settings=frozenset(),
    describe="Windows DHCP Server",
    language="PowerShell",
    system="windows",
    usual_roles=frozenset({"dhcp"}),
    capabilities=Capabilities(
        roles=frozenset({"dhcp"}),
        delays=frozenset({"after"}),
        delay_step=0.001,
        whitelist=True,
        deny_list=True,
        mac_ranges=True,
        min_secs=False,
        failover={
            "load-balancing": frozenset({"percent", "mclt"}),
            "hot-standby": frozenset({"reserve_percent", "mclt"}),
        },
    ),
    leases="coexist.boot.servers.microsoft:lease_service",
    lease="coexist.boot.leases.windows.reply:windows_lease",
    pair="coexist.boot.servers.microsoft:pair",
    own_main="export.xml",
    exported="run `Export-DhcpServer -File export.xml` there, copy that here, and name the copy in --from",
    own_file="coexist.boot.leases.windows.own_file:evaluate",
    dropin="coexist.render.dropins.windows:write",
    dropin_path="C:\\ProgramData\\coexist\\coexist.ps1",
    redactor="coexist.languages.windows.secrets:without_secrets",
    limits="coexist.render.targets.windows_dhcp:limits",
    renderer="coexist.render.targets.windows_dhcp:render",
    importer="coexist.importers.windows:KIND",
)

# -- boot services -----------------------------------------------------------------------------------

WDS = Product(
    name="wds",
    knows_uuids=True,
    settings=frozenset(),
    describe="Windows Deployment Services",
    language="PowerShell",
    system="windows",
    usual_roles=frozenset({"proxydhcp", "tftp"}),
    capabilities=Capabilities(
        roles=frozenset({"proxydhcp", "boot-server"}),
        delays=frozenset({"after"}),
        # wdsutil /ResponseDelay
        delay_step=1.0,
        whitelist=True,
    ),
    own_programs=True,
    # RemoteInstall\Boot on a WDS server with boot images (Microsoft, "Managing Network Boot Programs").
    default_programs={
        "bios": r"boot\x64\wdsnbp.com",
        "uefi-ia32": r"boot\x86\wdsmgfw.efi",
        "uefi-x64": r"boot\x64\wdsmgfw.efi",
    },
    asked_on_4011=True,
    answers_http=False,
    # Prestaged devices are answered at once (wdsutil /Set-Server /?, /ResponseDelay).
    delays_registered=False,
    boots="coexist.boot.servers.microsoft:wds_service",
    limits="coexist.render.targets.wds:limits",
    renderer="coexist.render.targets.wds:render",
)

CONFIGMGR = Product(
    name="configmgr",
    knows_uuids=True,
    settings=frozenset({"server_name", "site_code"}),
    describe="Configuration Manager distribution point",
    language="PowerShell",
    system="windows",
    usual_roles=frozenset({"proxydhcp", "tftp"}),
    capabilities=Capabilities(
        roles=frozenset({"proxydhcp", "boot-server"}),
        delays=frozenset({"secs_at_least"}),
        # MACIgnoreListFile: whole addresses to leave out; nothing names those it answers.
        deny_list=True,
    ),
    own_programs=True,
    takes_programs=False,
    # RemoteInstall\SMSBoot (Microsoft, "Boot from a PXE server on a different network"). An SMSPXE.log has
    # the ACK to architecture 7 with "BootFile: smsboot\x64\wdsmgfw.efi" (NC State University, "Configuration
    # Manager PXE process", activedirectory.ncsu.edu).
    default_programs={
        "bios": r"smsboot\x64\wdsnbp.com",
        "uefi-ia32": r"smsboot\x86\wdsmgfw.efi",
        "uefi-x64": r"smsboot\x64\wdsmgfw.efi",
    },
    asked_on_4011=True,
    answers_http=False,
    boots="coexist.boot.servers.microsoft:configmgr_service",
    limits="coexist.render.targets.configmgr:limits",
    renderer="coexist.render.targets.configmgr:render",
)

OPENTHINCLIENT = Product(
    name="openthinclient",
    settings=frozenset({"type", "track_unrecognized_clients"}),
    describe="openthinclient manager",
    modelled="2603",
    language="LDIF",
    usual_roles=frozenset({"proxydhcp", "tftp"}),
    capabilities=Capabilities(
        roles=frozenset({"proxydhcp", "boot-server"}),
        delays=frozenset({"after_offer"}),
        whitelist=True,
    ),
    own_programs=True,
    takes_programs=False,
    # AbstractPXEService.java: what it hands out by architecture, whatever the inventory says.
    default_programs={
        "bios": "lpxelinux.0",
        "uefi-ia32": "syslinux32.efi",
        "uefi-x64": "syslinux64.efi",
        "http-ia32": "ipxe32.efi",
        "http-x64": "ipxe64.efi",
    },
    fills_in=True,
    asked_on_4011=True,
    answers_http=False,
    target="/home/openthinclient/otc-manager-home/dhcp/service.xml",
    reload="systemctl restart openthinclient-manager",
    boots="coexist.boot.servers.openthinclient:boot_service",
    limits="coexist.render.targets.openthinclient:limits",
    renderer="coexist.render.targets.openthinclient:render",
    importer="coexist.importers.ldif:KIND",
)

TFTPD = Product(
    name="tftpd",
    settings=frozenset(),
    describe="a TFTP server and nothing else",
    system="none",
    usual_roles=frozenset({"tftp"}),
    capabilities=Capabilities(roles=frozenset({"tftp", "http"}), whitelist=True, deny_list=True),
    limits="coexist.render.targets.lists:limits",
    renderer="coexist.render.targets.lists:render",
)

GENERIC = Product(
    name="generic",
    settings=frozenset(),
    describe="a plain PXE responder described by the inventory alone",
    system="none",
    capabilities=Capabilities(
        roles=frozenset({"dhcp", "proxydhcp", "boot-server", "tftp", "http"}),
        delays=_EVERY_DELAY,
        whitelist=True,
        deny_list=True,
        by_architecture=True,
        delay_for_groups=True,
    ),
    pings=True,
    own_programs=True,
    leases="coexist.boot.servers.dhcpd:lease_service",
    boots="coexist.boot.servers.generic_declared:boot_service",
    limits="coexist.render.targets.lists:limits",
    renderer="coexist.render.targets.lists:render",
)

_OWN = (
    COEXIST,
    ISC_DHCPD,
    KEA,
    DNSMASQ,
    WINDOWS_DHCP,
    WDS,
    CONFIGMGR,
    OPENTHINCLIENT,
    TFTPD,
    GENERIC,
)


# -- reading the table -------------------------------------------------------------------------------


@cache
def products() -> Mapping[str, Product]:
    """Every product by its name: coexist's own, and those of installed distributions.

    Raises ``CoexistError`` for an entry point that is no product.
    """
    found = {product.name: product for product in _OWN}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        found[point.name] = _installed(point)
    return found


def _installed(point: EntryPoint) -> Product:
    try:
        product = point.load()
    except (ImportError, AttributeError) as error:
        raise CoexistError(f"the product {point.name} of {point.value} cannot be loaded: {error}") from None
    if not isinstance(product, Product):
        raise CoexistError(
            f"the product {point.name} of {point.value} is {type(product).__name__}, not a "
            "coexist.inventory.products.Product"
        )
    if product.name != point.name:
        raise CoexistError(
            f"the entry point {point.name} of {point.value} hands in the product {product.name}; "
            "give both one name"
        )
    return product


Part = Literal[
    "leases",
    "lease",
    "pair",
    "own_file",
    "dropin",
    "redactor",
    "boots",
    "limits",
    "renderer",
    "importer",
    "conversions",
]


@cache
def _loaded(reference: str) -> Any:
    """What a reference (``module:attribute``) means; each of a site's servers asks."""
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)


def part(product: Product, name: Part) -> Any:
    """One part of a product, None where it has none. Raises ``CoexistError`` if it cannot be loaded."""
    reference: str = getattr(product, name)
    if not reference:
        return None
    try:
        return _loaded(reference)
    except (ImportError, AttributeError) as error:
        raise CoexistError(
            f"the product {product.name} names {reference} as its {name}, which cannot be loaded: {error}"
        ) from None
