"""The table of products: what each server software is, what it can be told, and what it does by itself.

It is the one place that knows a product by its name. Every other module asks a server for its record
(``Server.product``) and reads a fact there. The behaviour itself, the files and the reading of existing
files are a product's own modules; the record names them.

An installed distribution hands in a product by an entry point of the group ``coexist.products``: its name is
the product's, what it loads is a `product.Product`. One with the name of a product of this table replaces it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from coexist.errors import CoexistError
from coexist.inventory.product import Capabilities, DelayKind, Fault, Product
from coexist.inventory.values import Delay

ENTRY_POINTS = "coexist.products"

_PLAIN_LISTS = ("whitelist.txt", "denylist.txt", "clients.csv")
_EVERY_DELAY: frozenset[DelayKind] = frozenset({"after", "secs_at_least", "since_first", "after_offer"})


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
        architectures_by_client=True,
        delay_for_groups=True,
        programs_for_groups=True,
        programs_for_ipxe=True,
    ),
    # Use the file of this offer (PXE 2.1, table 2-3, tag 6, bit 3).
    discovery_control=8,
    # since_first last but one: a machine that is switched on again within a minute looks like one that
    # asks twice, and the race of two equal offers is open again.
    standby=(
        Delay.model_construct(after=1.2),
        Delay.model_construct(after=2.5),
        Delay.model_construct(since_first=0.5),
        Delay.model_construct(secs_at_least=5),
    ),
    names_others_files=True,
    gives_files_silently=True,
    target="/etc/coexist/",
    check="coexist serve {path} --check",
    reload="systemctl reload-or-restart coexist",
    files=("coexist.yaml",),
    list_ends=(".except.macs", ".macs"),
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
    files=("dhcpd.conf",),
    own_subnet_first=False,
    informs_if_authoritative=True,
    informs_names=False,
    leases="coexist.boot.servers.dhcpd:lease_service",
    pair="coexist.boot.servers.dhcpd:pair",
    own_file="coexist.boot.leases.dhcpd.own_file:evaluate",
    dropin="coexist.render.dropins.dhcpd:write",
    dropin_path="/etc/dhcp/coexist.conf",
    dropin_line='`include "{path}";` before the first class',
    redactor="coexist.languages.dhcpd.secrets:without_secrets",
    lease="coexist.boot.servers.dhcpd:rendered_lease",
    lease_times="coexist.boot.leases.lease_times:dhcpd_declared_times",
    table_order="coexist.boot.leases.dhcpd.free_leases:LeaseTable",
    limits="coexist.render.targets.dhcpd:limits",
    renderer="coexist.render.targets.dhcpd:render",
    importer="coexist.importers.dhcpd:KIND",
    conversions="coexist.app.convert.from_dhcpd:CONVERSIONS",
)

KEA = Product(
    name="kea",
    knows_uuids=True,
    own_subnet_first=False,
    selects_subnet=True,
    tells_full_names=True,
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
    files=("kea-dhcp4.conf",),
    leases="coexist.boot.servers.kea:lease_service",
    lease="coexist.boot.servers.kea:rendered_lease",
    lease_times="coexist.boot.leases.lease_times:kea_times",
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
    lease_time_limits=False,
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
    standby=(Delay.model_construct(after=1.0), Delay.model_construct(after=2.0)),
    target="/etc/dnsmasq.d/coexist.conf",
    check="dnsmasq --test --conf-file={path}",
    reload="systemctl restart dnsmasq",
    files=("dnsmasq.conf",),
    own_subnet_first=False,
    # rfc2131.c: the address of a dhcp-host is taken, and no range is found for it (narrow_context).
    leaves_own_address=False,
    leases="coexist.boot.servers.dnsmasq_declared:lease_service",
    lease="coexist.boot.servers.dnsmasq_leased:rendered_lease",
    lease_times="coexist.boot.leases.lease_times:dnsmasq_times",
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
    lists="coexist.importers.dnsmasq:HOSTS",
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
        lease_time_limits=False,
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
    files=("dhcp.ps1",),
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
    files=("wds.ps1",),
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
    files=("distribution-point.ps1", "mac-ignore-list.txt"),
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
    files=("service.xml", "clients.ldif", "hardware-types.ldif", "policy.ldif"),
    boots="coexist.boot.servers.openthinclient:boot_service",
    limits="coexist.render.targets.openthinclient:limits",
    renderer="coexist.render.targets.openthinclient:render",
    importer="coexist.importers.ldif:KIND",
    mac_changes="coexist.render.targets.openthinclient:mac_changes",
    mac_changes_suffix=".ldif",
)

TFTPD = Product(
    name="tftpd",
    settings=frozenset(),
    describe="a TFTP server and nothing else",
    system="none",
    usual_roles=frozenset({"tftp"}),
    capabilities=Capabilities(roles=frozenset({"tftp", "http"}), whitelist=True, deny_list=True),
    files=_PLAIN_LISTS,
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
    files=_PLAIN_LISTS,
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


def current(product: Product) -> Product:
    """The record that counts of a product: an installed one of its name replaces it."""
    return products().get(product.name, product)


def _installed(point: EntryPoint) -> Product:
    try:
        product = point.load()
    except (ImportError, AttributeError) as error:
        raise CoexistError(f"the product {point.name} of {point.value} cannot be loaded: {error}") from None
    if not isinstance(product, Product):
        raise CoexistError(
            f"the product {point.name} of {point.value} is {type(product).__name__}, not a "
            "coexist.inventory.product.Product"
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
    "lease_times",
    "table_order",
    "pair",
    "own_file",
    "dropin",
    "redactor",
    "boots",
    "limits",
    "renderer",
    "importer",
    "lists",
    "mac_changes",
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
