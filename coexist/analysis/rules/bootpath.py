"""CX4xx: what the lease says about booting, and what a boot service's offer does with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from coexist.analysis.findings import ERROR, WARNING, Finding
from coexist.analysis.leases import Handed
from coexist.analysis.rules import report, rule, unwell
from coexist.analysis.site import AnalysedSite, Case
from coexist.analysis.space import ClientClass
from coexist.boot.loaders.names import is_url
from coexist.inventory.documents import Path
from coexist.inventory.named_servers import server_address
from coexist.inventory.population import KNOW_NO_PROXYDHCP
from coexist.wire.malformed import Malformed
from coexist.wire.options import Option, decode_option_value
from coexist.wire.pxe import decode_vendor_options

FILE_ROLES = frozenset({"tftp", "http"})
"""Roles of a server that has files to load."""


def _told_option_60(site: AnalysedSite) -> Iterator[tuple[Case, Path, str | None]]:
    """Every class that a DHCP server tells PXEClient: it, the line that says so, whom it asks on port 4011."""
    for case in site.pxe_cases:
        for handed in site.handed_to(case):
            said = handed.vendor_class
            if said is not None and said[0].startswith("PXEClient"):
                yield case, said[1], _asked_on_4011(site, handed)


@rule(
    "CX402",
    "option-60-without-service",
    ERROR,
    "A DHCP server says PXEClient and no boot service is there",
    explains=True,
)
def option_60_without_service(site: AnalysedSite) -> Iterable[Finding]:
    """Option 60 from a DHCP server whose host answers nothing on port 4011."""
    found: dict[tuple[Path, str], list[Case]] = defaultdict(list)
    for case, path, target in _told_option_60(site):
        if target is None or not _serves_4011(site, target):
            found[path, target or "an undeclared host"].append(case)
    for (path, target), cases in found.items():
        clients, severity = unwell(cases, site.is_well)
        yield report(site, "CX402", path, f"option 60 says PXEClient, so clients ask {target} on port 4011, and no boot service is there",
                     "remove option 60, or run the boot service on that host with the role boot-server", clients=clients, severity=severity)  # fmt: skip


def _asked_on_4011(site: AnalysedSite, handed: Handed) -> str | None:
    """The server a client asks after option 60: the boot server of its menu's first item, the next server,
    else the DHCP server itself."""
    listed = _listed_boot_server(handed)
    if listed is not None:
        return site.topology.owner(str(listed))
    if handed.next_server:
        return site.topology.owner(handed.next_server[0])
    return site.site.scopes[handed.scope].servers[0]


def _listed_boot_server(handed: Handed) -> IPv4Address | None:
    """The first server that 43.8 lists for the first item of the menu (43.9)."""
    said = handed.options.get(Option.VENDOR_SPECIFIC_INFORMATION)
    if said is None:
        return None
    vendor = decode_vendor_options(said[0])
    if isinstance(vendor, Malformed) or not vendor.menu:
        return None
    entries = (entry for entry in vendor.boot_servers if entry.type == vendor.menu[0].type)
    return next((address for entry in entries for address in entry.addresses), None)


def _one_host(site: AnalysedSite, name: str, other: str) -> bool:
    """Whether two servers are one machine."""
    one, two = site.site.servers[name], site.site.servers[other]
    same = (one.host or name) == (two.host or other)
    return same or not set(one.stands_on.values()).isdisjoint(two.stands_on.values())


def _serves_4011(site: AnalysedSite, name: str) -> bool:
    """Whether the server, or one on its host, answers on port 4011."""
    return any(
        server.answers_4011 is not False and _one_host(site, name, other)
        for other, server in site.boot_services.items()
    )


@rule(
    "CX403",
    "option-60-hides-proxy",
    ERROR,
    "A DHCP server says PXEClient, so the ProxyDHCP is ignored",
    explains=True,
)
def option_60_hides_proxy(site: AnalysedSite) -> Iterable[Finding]:
    """Option 60 from a DHCP server where a separate ProxyDHCP must boot the client."""
    found: dict[tuple[Path, str], list[ClientClass]] = defaultdict(list)
    for case, path, target in _told_option_60(site):
        if target is None or not _serves_4011(site, target):
            continue  # CX402
        for name in case.intended.servers[:1]:
            if name in case.responders and not _one_host(site, name, target):
                found[path, name].append(case.client)
    for (path, name), clients in found.items():
        yield report(site, "CX403", path, f"option 60 makes clients take this DHCP server for their boot server: they ignore {name}",
                     "remove option 60 from the scope", clients=clients)  # fmt: skip


@rule(
    "CX406",
    "option-66-alone",
    ERROR,
    "Option 66 names the server, and firmware reads siaddr",
    explains=True,
)
def option_66_alone(site: AnalysedSite) -> Iterable[Finding]:
    """A boot server by option 66 only."""
    found: dict[Path, list[Case]] = defaultdict(list)
    for case in site.pxe_cases:
        for handed in site.handed_to(case):
            said = handed.options.get(Option.TFTP_SERVER_NAME)
            if said and handed.file and handed.next_server is None:
                found[said[1]].append(case)
    for path, cases in found.items():
        clients, severity = unwell(cases, site.is_well)
        yield report(site, "CX406", path, "option 66 names the boot server, but firmware reads the header's next server (siaddr), which is 0",
                     "write `next_server:` in the scope; keep option 66 beside it if you like", clients=clients, severity=severity)  # fmt: skip


@rule(
    "CX407",
    "file-without-server",
    ERROR,
    "A scope names a boot file and no server that has it",
    explains=True,
)
def file_without_server(site: AnalysedSite) -> Iterable[Finding]:
    """A boot file and neither a next server nor a TFTP service on the DHCP server itself."""
    found: dict[Path, list[Case]] = defaultdict(list)
    for case in site.pxe_cases:
        for handed in site.handed_to(case):
            if not handed.file or is_url(handed.file[0]):
                continue
            if handed.says_server or handed.options.get(Option.TFTP_SERVER_NAME):
                continue
            # A product may name itself where nothing is said.
            itself = handed.next_server and site.topology.owner(handed.next_server[0])
            if not itself or not site.site.servers[itself].effective_roles & FILE_ROLES:
                found[handed.file[1]].append(case)
    for path, cases in found.items():
        clients, severity = unwell(cases, site.is_well)
        yield report(site, "CX407", path, "the scope names a boot file and no server that has it: iPXE boots nothing, UEFI asks the DHCP server",
                     "write `next_server:` beside the file, or remove the file", clients=clients, severity=severity)  # fmt: skip


@rule("CX408", "header-and-option-differ", ERROR, "The header and options 66 and 67 name different things")
def header_and_option_differ(site: AnalysedSite) -> Iterable[Finding]:
    """``filename`` against option 67, and ``next_server`` against option 66."""
    found: dict[tuple[Path, str], list[ClientClass]] = defaultdict(list)
    for case in site.pxe_cases:
        for handed in site.handed_to(case):
            header, option = handed.header_file, handed.text(Option.BOOTFILE_NAME)
            if header and option and option[0] != header[0]:
                found[option[1], f"the header says {header[0]} and option 67 says {option[0]}: UEFI loads the option's, iPXE the header's"].append(case.client)  # fmt: skip
            named = handed.text(Option.TFTP_SERVER_NAME)
            if handed.siaddr and named and handed.file:
                real = handed.siaddr[0]
                also = server_address(site.site, named[0], case.client.vlan)
                if also is not None and also != real:
                    found[named[1], f"the next server is {real} and option 66 says {also}: firmware uses the first"].append(case.client)  # fmt: skip
    for (path, message), clients in found.items():
        yield report(
            site, "CX408", path, message, "write the same in both, or leave the option out", clients=clients
        )


@rule(
    "CX409",
    "silent-on-4011",
    ERROR,
    "A boot service offers without a file and does not answer port 4011",
    explains=True,
)
def silent_on_4011(site: AnalysedSite) -> Iterable[Finding]:
    """Offers without a file from services that do not answer the second question."""
    for name, server in site.boot_services.items():
        if server.answers_4011 is not False:
            continue
        names_file = server.offers_file is not False and not server.product.asked_on_4011
        declared = "discovery_control" in server.model_fields_set
        strict = (server.discovery_control if declared else server.product.discovery_control) == 8
        if names_file and strict:
            continue
        clients = [c.client for c in site.pxe_cases if name in c.responders]
        if clients:
            yield report(site, "CX409", ("servers", name, "answers_4011"), f"{name} offers, and is silent when clients ask it on port 4011: UEFI ends with PXE-E16",
                         "let it answer port 4011, or name the file in the offer with `discovery_control: 8`", clients=clients)  # fmt: skip


@rule("CX410", "next-server-without-tftp", ERROR, "The next server serves no files")
def next_server_without_tftp(site: AnalysedSite) -> Iterable[Finding]:
    """Next servers that serve no files."""
    found: dict[tuple[Path, str], list[ClientClass]] = defaultdict(list)
    for case in site.pxe_cases:
        for handed in site.handed_to(case):
            # The server of a program is CX421's.
            said = handed.next_server if handed.says_server else None
            if said and "programs" not in said[1] and handed.file and not is_url(handed.file[0]):
                owner = site.topology.owner(said[0])
                if owner and not site.site.servers[owner].effective_roles & FILE_ROLES:
                    found[said[1], owner].append(case.client)
    for (path, owner), clients in found.items():
        yield report(site, "CX410", path, f"the next server is {owner}, and no TFTP service is declared there",
                     f"add the role tftp to {owner}, or name the server that has the file", clients=clients)  # fmt: skip


@rule("CX417", "option-missing-from-lease", ERROR, "Clients do not find the intended options in their lease")
def option_missing_from_lease(site: AnalysedSite) -> Iterable[Finding]:
    """Options of an intent that the clients' scope does not hand out."""
    found: dict[tuple[int, int], list[ClientClass]] = defaultdict(list)
    places: dict[tuple[int, int], tuple[Path, str]] = {}
    for case in site.cases:
        for number, code, name in site.withheld(case):
            given = site.scopes.handed(name, case.client).options.get(code)
            what = f"the scope {name} gives option {code} {'as ' + decode_option_value(code, given[0]) if given else 'not at all'}"
            found[number, code].append(case.client)
            places[number, code] = (given[1] if given else ("scopes", name), what)
    for (number, code), clients in found.items():
        path, what = places[number, code]
        wanted = site.site.intent[number].options[code]
        yield report(site, "CX417", path, f"{what}; the intent wants {wanted}",
                     f"add a rule to the scope: `clients: ...` with `options: {{{code}: {wanted}}}`", clients=clients)  # fmt: skip


@rule("CX418", "option-43-is-not-pxe", WARNING, "Option 43 in another format is sent together with PXEClient")
def option_43_is_not_pxe(site: AnalysedSite) -> Iterable[Finding]:
    """Option 43 of another vendor beside option 60 PXEClient (PXE 2.1: then 43 is read as PXE options)."""
    found: dict[Path, list[ClientClass]] = defaultdict(list)
    for case in site.pxe_cases:
        if site.kind(case.client) == "raspberry-pi":
            continue  # it looks for words in option 43, not for PXE's sub-options
        for handed in site.handed_to(case):
            said, vendor = handed.vendor_class, handed.options.get(Option.VENDOR_SPECIFIC_INFORMATION)
            if said and said[0].startswith("PXEClient") and vendor and not _is_pxe(vendor[0]):
                found[vendor[1]].append(case.client)
    for path, clients in found.items():
        yield report(site, "CX418", path, "option 43 is no list of PXE options, and option 60 says PXEClient: firmware reads it as one",
                     "send option 43 only to its own devices, by a rule with their clients", clients=clients)  # fmt: skip


def _is_pxe(octets: bytes) -> bool:
    """Whether the octets are sub-options 1-13 or 64-128 up to the end octet."""
    at = 0
    while at < len(octets) and octets[at] != 255:
        tag = octets[at]
        if tag == 0:
            at += 1
            continue
        if not (1 <= tag <= 13 or 64 <= tag <= 128) or at + 1 >= len(octets):
            return False
        at += 2 + octets[at + 1]
    return bool(octets) and at <= len(octets)


@rule(
    "CX419",
    "firmware-ignores-proxies",
    ERROR,
    "The firmware knows no ProxyDHCP, and the intended server is one",
    explains=True,
)
def firmware_ignores_proxies(site: AnalysedSite) -> Iterable[Finding]:
    """Clients that know no ProxyDHCP and must boot from one."""
    found: dict[str, list[ClientClass]] = defaultdict(list)
    for case in site.pxe_cases:
        name = case.intended.server
        ignores = site.kind(case.client) in KNOW_NO_PROXYDHCP and name in case.responders
        if ignores and not any(h.file for h in site.handed_to(case)):
            found[str(name)].append(case.client)
    for name, clients in found.items():
        firmwares = ", ".join(sorted({c.firmware for c in clients}))
        yield report(site, "CX419", ("servers", name), f"{firmwares} takes the first address offer and knows no ProxyDHCP: it never sees {name}",
                     f"give these clients `next_server: {name}` and `filename` in their scope", clients=clients)  # fmt: skip


@rule("CX422", "boots-from-stranger", WARNING, "The boot server's address belongs to no declared server")
def boots_from_stranger(site: AnalysedSite) -> Iterable[Finding]:
    """Next servers and boot servers that are nobody's address."""
    found: dict[tuple[Path, str], list[ClientClass]] = defaultdict(list)
    for case in site.pxe_cases:
        for handed in site.handed_to(case):
            if handed.next_server and handed.file and site.topology.owner(handed.next_server[0]) is None:
                found[handed.next_server[1], handed.next_server[0]].append(case.client)
        for name in case.responders:
            target = site.site.servers[name].boot_server
            if target and site.topology.owner(target) is None:
                found[("servers", name, "boot_server"), target].append(case.client)
    for (path, target), clients in found.items():
        yield report(site, "CX422", path, f"clients load their boot file from {target}, which is no declared server",
                     "declare the server there, or correct the address", clients=clients)  # fmt: skip


@rule(
    "CX401",
    "scope-file-beside-proxy",
    ERROR,
    "A scope names a boot file for clients that also have a ProxyDHCP",
    explains=True,
)
def scope_file_beside_proxy(site: AnalysedSite) -> Iterable[Finding]:
    """A boot file in the lease of clients that a ProxyDHCP answers too: UEFI takes the proxy, iPXE the scope."""
    found: dict[tuple[Path, str], list[Case]] = defaultdict(list)
    for case in site.pxe_cases:
        for handed in site.handed_to(case):
            if handed.file is None:
                continue
            owner = site.file_owner(handed)
            other = next((name for name in case.responders if name != owner), None)
            if other is not None:
                found[handed.file[1], other].append(case)
    for (path, proxy), cases in found.items():
        clients, severity = unwell(cases, site.is_well)
        yield report(site, "CX401", path, f"the scope names a boot file for clients that {proxy} answers too: UEFI boots from {proxy}, iPXE from the scope",
                     f"remove the boot file from the scope, or keep {proxy} from answering these clients",
                     clients=clients, severity=severity)  # fmt: skip


@rule(
    "CX424",
    "pxe-offer-for-http-client",
    ERROR,
    "A UEFI HTTP boot client gets only PXE offers, which it ignores",
    explains=True,
)
def pxe_offer_for_http_client(site: AnalysedSite) -> Iterable[Finding]:
    """UEFI HTTP boot clients whose intended server only makes PXE offers."""
    found: dict[str, list[ClientClass]] = defaultdict(list)
    for case in site.pxe_cases:
        name = case.intended.server
        if not case.client.architecture.startswith("http-") or name is None or name not in case.responders:
            continue
        if not site.site.servers[name].product.answers_http:
            found[name].append(case.client)
    for name, clients in found.items():
        product = site.site.servers[name].software.product
        yield report(site, "CX424", ("servers", name), f"{product} answers PXEClient only; UEFI HTTP boot ignores its offers",
                     "boot these machines by PXE, or from a server that answers HTTPClient", clients=clients)  # fmt: skip
