"""CX2xx: who hears whom, over relays, switches and firewalls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from coexist.analysis.findings import ERROR, WARNING, Finding
from coexist.analysis.rules import report, rule
from coexist.analysis.site import AnalysedSite, Case, Standing
from coexist.analysis.space import ClientClass
from coexist.boot.request import BOOT_SERVER_PORT
from coexist.wire.tftp import TFTP_PORT

# EDK2 keeps 16 offers of a session and asks four times (Dhcp4Impl.h, PXEBC_OFFER_MAX_NUM).
_OFFERS_KEPT, _DISCOVERS = 16, 4


def wants_service(case: Case) -> bool:
    """Whether the intent says that the class boots or reads options."""
    return case.intended.rule is not None and case.intended.server != "nobody"


@rule(
    "CX201",
    "vlan-without-dhcp",
    ERROR,
    "No DHCP server leases addresses on a VLAN with clients",
    explains=True,
)
def vlan_without_dhcp(site: AnalysedSite) -> Iterable[Finding]:
    """VLANs with clients to serve and no scope."""
    found: dict[str, list[ClientClass]] = defaultdict(list)
    for case in site.cases:
        if wants_service(case) and not site.scopes_by_vlan[case.client.vlan]:
            found[case.client.vlan].append(case.client)
    for vlan, clients in found.items():
        yield report(site, "CX201", ("vlans", vlan), f"no DHCP server leases addresses on VLAN {vlan}: nothing can boot there",
                     f"declare a scope with `vlan: {vlan}`", clients=clients)  # fmt: skip


def _vlans_wanting(site: AnalysedSite) -> dict[str, dict[str, list[ClientClass]]]:
    """For each boot service, the VLANs on which the intent needs it to hear, with the clients."""
    found: dict[str, dict[str, list[ClientClass]]] = defaultdict(lambda: defaultdict(list))
    for case in site.cases:
        for name in case.intended.servers:
            if name in site.boot_services and not points_to(site, case, name):
                found[name][case.client.vlan].append(case.client)
    return found


def points_to(site: AnalysedSite, case: Case, server: str) -> bool:
    """Whether a scope sends the class to that server by next server and file, so no ProxyDHCP is needed."""
    return any(server == pointed for pointed, _ in pointed_servers(site, case.client))


def pointed_servers(site: AnalysedSite, client: ClientClass) -> Iterable[tuple[str, str]]:
    """The declared servers that scopes send the class to, each with the scope's name."""
    for name in site.heard_scopes(client.vlan):
        handed = site.scopes.handed(name, client)
        if handed.file and handed.next_server:
            owner = site.topology.owner(handed.next_server[0])
            if owner:
                yield owner, name


@rule("CX202", "server-unreachable", ERROR, "No broadcast and no relay reaches a server", explains=True)
def server_unreachable(site: AnalysedSite) -> Iterable[Finding]:
    """Servers that hear none of the VLANs they are needed on."""
    for name, vlans in _vlans_wanting(site).items():
        if all(name not in site.topology.hearing[vlan] for vlan in vlans):
            clients = [client for some in vlans.values() for client in some]
            yield report(site, "CX202", ("servers", name), f"no broadcast and no relay reaches {name} from VLAN {', '.join(vlans)}",
                         f"add {name} to `relay_to` of VLAN {', '.join(vlans)}, or let it stand there",
                         clients=clients)  # fmt: skip
    leasing: dict[str, dict[str, None]] = {name: {} for name in site.site.servers}
    for scope in site.site.scopes.values():
        for name in scope.servers:
            leasing[name][scope.vlan] = None
    for name, leases_on in leasing.items():
        if leases_on and all(name not in site.topology.hearing[vlan] for vlan in leases_on):
            yield report(site, "CX202", ("servers", name), f"no broadcast and no relay reaches the DHCP server {name} from VLAN {', '.join(leases_on)}",
                         f"add {name} to `relay_to` of VLAN {', '.join(leases_on)}",
                         clients=[c for c in site.space.classes if c.vlan in leases_on])  # fmt: skip


@rule(
    "CX203", "relay-missing", ERROR, "The intended server hears nothing from the clients' VLAN", explains=True
)
def relay_missing(site: AnalysedSite) -> Iterable[Finding]:
    """Intended servers that hear some VLANs and not this one."""
    for name, vlans in _vlans_wanting(site).items():
        deaf = [vlan for vlan in vlans if name not in site.topology.hearing[vlan]]
        if len(deaf) == len(vlans):
            continue  # CX202
        for vlan in deaf:
            yield report(site, "CX203", ("vlans", vlan, "relay_to"), f"{name} must answer clients on VLAN {vlan} and hears nothing from there",
                         f"add {name} to `relay_to` of VLAN {vlan}", clients=vlans[vlan])  # fmt: skip


@rule("CX204", "relay-and-local", WARNING, "A server hears each broadcast twice: directly and by the relay")
def relay_and_local(site: AnalysedSite) -> Iterable[Finding]:
    """Servers that stand on a VLAN and are its relay's target too."""
    for vlan, hearing in site.topology.hearing.items():
        for name, how in hearing.items():
            if how.local and how.relayed:
                there = [case for case in site.cases if case.client.vlan == vlan]
                served = [case for case in there if name in case.intended.servers]
                yield report(site, "CX204", ("vlans", vlan, "relay_to"), f"{name} stands on VLAN {vlan} and is a relay target there: each client gets its offers twice",
                             f"remove {name} from `relay_to` of VLAN {vlan}",
                             clients=[case.client for case in served or there])  # fmt: skip


@rule("CX205", "relay-to-nothing", WARNING, "A relay target answers no DHCP")
def relay_to_nothing(site: AnalysedSite) -> Iterable[Finding]:
    """Relay targets that answer no broadcast."""
    for vlan in site.site.vlans:
        for path, target in site.topology.targets(vlan):
            owner = site.topology.owner(target)
            if owner is None:
                why = f"{target} is no declared server"
            elif site.site.servers[owner].effective_roles & {"dhcp", "proxydhcp"}:
                continue
            else:
                why = f"{owner} answers neither DHCP nor ProxyDHCP"
            yield report(site, "CX205", path, f"the relay of VLAN {vlan} sends to {target}, but {why}",
                         "remove it, or declare what stands there", count=0)  # fmt: skip


@rule(
    "CX206",
    "snooping-drops-offers",
    ERROR,
    "DHCP snooping drops the offers of a server that must answer",
    explains=True,
)
def snooping_drops_offers(site: AnalysedSite) -> Iterable[Finding]:
    """Servers that must answer and are not trusted by the VLAN's switch."""
    found: dict[tuple[str, str], list[ClientClass]] = defaultdict(list)
    for case in site.cases:
        vlan = case.client.vlan
        if site.site.vlans[vlan].snooping is None:
            continue
        for name in case.intended.servers:
            if case.standing.get(name) is Standing.SNOOPED:
                found[vlan, name].append(case.client)
        if wants_service(case):
            for scope in site.scopes_by_vlan[vlan]:
                for name in site.site.scopes[scope].servers:
                    how = site.topology.hearing[vlan].get(name)
                    if how and not how.heard:
                        found[vlan, name].append(case.client)
    for (vlan, name), clients in found.items():
        yield report(site, "CX206", ("vlans", vlan, "snooping", "trusted"), f"DHCP snooping on VLAN {vlan} drops the offers of {name}",
                     f"add {name} to `trusted`, and trust its port on the switch", clients=clients)  # fmt: skip


@rule(
    "CX207",
    "scope-out-of-reach",
    ERROR,
    "A scope's DHCP server hears nothing from the scope's VLAN",
    explains=True,
)
def scope_out_of_reach(site: AnalysedSite) -> Iterable[Finding]:
    """Scopes whose server hears other VLANs and not this one."""
    for name, scope in site.site.scopes.items():
        hearing = site.topology.hearing[scope.vlan]
        if any(server in hearing for server in scope.servers) or not site.scopes.has_addresses(name):
            continue
        elsewhere = [
            server
            for server in scope.servers
            if any(
                server in site.topology.hearing[s.vlan]
                for s in site.site.scopes.values()
                if server in s.servers
            )
        ]
        if elsewhere:
            who = " and ".join(scope.servers)
            lease, hear = ("leases", "hears") if len(scope.servers) == 1 else ("lease", "hear")
            yield report(site, "CX207", ("scopes", name), f"{who} {lease} addresses on VLAN {scope.vlan} and {hear} nothing from there",
                         f"add {who} to `relay_to` of VLAN {scope.vlan}",
                         clients=[c for c in site.space.classes if c.vlan == scope.vlan])  # fmt: skip


@rule("CX216", "boot-port-blocked", ERROR, "A firewall drops a port that the boot needs", explains=True)
def boot_port_blocked(site: AnalysedSite) -> Iterable[Finding]:
    """Ports between clients and their intended server that a firewall drops."""
    found: dict[tuple[str, int, str], list[ClientClass]] = defaultdict(list)
    for case in site.cases:
        for name in case.intended.servers:
            server = site.site.servers[name]
            needed = [TFTP_PORT] if not case.client.architecture.startswith("http-") else []
            if server.product.asked_on_4011 or server.offers_file is False:
                needed.append(BOOT_SERVER_PORT)
            for port in needed:
                if site.topology.blocked(case.client.vlan, name, port):
                    found[case.client.vlan, port, name].append(case.client)
    for (vlan, port, name), clients in found.items():
        what = "TFTP" if port == TFTP_PORT else "the boot service's second question"
        yield report(site, "CX216", ("vlans", vlan, "blocked_ports"), f"a firewall drops UDP port {port} ({what}) between VLAN {vlan} and {name}",
                     f"open port {port} to {name}, or let it stand on the VLAN", clients=clients)  # fmt: skip


@rule("CX217", "relay-drops-first-packets", WARNING, "The relay's threshold drops a client's first packets")
def relay_drops_first_packets(site: AnalysedSite) -> Iterable[Finding]:
    """Relays with a threshold on secs, which UEFI's first packet never reaches."""
    for vlan, declared in site.site.vlans.items():
        for path, relay in site.topology.relays(vlan):
            clients = [
                c for c in site.space.classes if c.vlan == vlan and site.kind(c) in ("edk2", "edk2-http")
            ]
            if clients and relay.min_secs and declared.targets_of(relay):
                yield report(site, "CX217", (*path, "min_secs"),
                             f"the relay of VLAN {vlan} drops packets with secs below {relay.min_secs}: UEFI's first one says 0",
                             "set the relay's threshold to 0", clients=clients)  # fmt: skip


@rule("CX218", "port-opens-late", WARNING, "Spanning tree drops a client's first packets")
def port_opens_late(site: AnalysedSite) -> Iterable[Finding]:
    """VLANs whose ports are closed while the first packets are sent."""
    for vlan, declared in site.site.vlans.items():
        if declared.forwarding_delay:
            yield report(site, "CX218", ("vlans", vlan, "forwarding_delay"),
                         f"ports of VLAN {vlan} drop packets for {declared.forwarding_delay:g} s after link-up; iPXE gives up after 15 s",
                         "switch portfast (edge port) on, and set `forwarding_delay: 0`",
                         clients=[c for c in site.space.classes if c.vlan == vlan])  # fmt: skip


@rule("CX219", "port-67-shared", ERROR, "Two services on one host compete for port 67")
def port_67_shared(site: AnalysedSite) -> Iterable[Finding]:
    """A DHCP server and a ProxyDHCP on one machine: each broadcast reaches both, each answer's sender is the same."""
    hosts: dict[str, list[str]] = defaultdict(list)
    for name, server in site.site.servers.items():
        if server.effective_roles & {"dhcp", "proxydhcp"}:
            hosts[server.host or name].append(name)
    for host, names in hosts.items():
        if len(names) > 1:
            yield report(site, "CX219", ("servers", names[1], "host"), f"{' and '.join(names)} share {host} and both listen on UDP port 67",
                         "give one of them the role boot-server (port 4011 only), or a host of its own", count=0)  # fmt: skip


@rule("CX220", "too-many-offers", WARNING, "More offers reach a UEFI client than it keeps")
def too_many_offers(site: AnalysedSite) -> Iterable[Finding]:
    """More responders than UEFI keeps offers of."""
    found: dict[str, list[ClientClass]] = defaultdict(list)
    most: dict[str, int] = defaultdict(int)
    for case in site.cases:
        if site.kind(case.client) not in ("edk2", "edk2-http"):
            continue
        vlan = case.client.vlan
        hearing = site.topology.hearing[vlan]
        leasing = {
            s for name in site.heard_scopes(vlan) for s in site.site.scopes[name].servers if s in hearing
        }
        offers = sum(hearing[s].local + hearing[s].relayed for s in {*case.responders, *leasing})
        if offers * _DISCOVERS > _OFFERS_KEPT:
            found[vlan].append(case.client)
            most[vlan] = max(most[vlan], offers)
    for vlan, clients in found.items():
        yield report(site, "CX220", ("vlans", vlan), f"{most[vlan]} offers answer each packet of a UEFI client on VLAN {vlan}; it keeps {_OFFERS_KEPT} in all",
                     "let fewer servers answer: disjoint whitelists, fewer relay targets", clients=clients)  # fmt: skip
