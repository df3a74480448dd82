"""An inventory's own network: its VLANs, routers with relay agents, and a host for each of its servers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from types import MappingProxyType

from coexist.boot.servers.coexist import boot_server_config
from coexist.inventory import Inventory
from coexist.inventory.named_servers import server_address
from tests.harness.namespaces import HarnessError
from tests.harness.network import Host, Network
from tests.harness.processes import Process
from tests.harness.programs import boot_program, ipxe_script
from tests.harness.servers import start_boot_server, start_dhcpd, start_dnsmasq, start_kea, start_tftpd

SPEAKING = ("bios", "uefi-x64", "http-x64")
"""The architectures that boot programs can be made for."""


TFTP_ROOT = Path("/srv/tftp")
"""Where tftpd-hpa and dnsmasq serve files from."""

_OCTETS = 40_000
"""Of a boot program: some windows of some blocks."""


def render(inventory: Path, out: Path) -> None:
    """What an administrator does: ``coexist render``."""
    command = [sys.executable, "-m", "coexist", "render", str(inventory), "-o", str(out)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise HarnessError(f"{' '.join(command)}: code {finished.returncode}: {finished.stderr}")


class SiteNetwork:
    """A site laid out: each VLAN a broadcast domain, each server a host, one router between them.

    Servers that share a machine (``host`` in the inventory) share a host here. ``dnsmasq_relays``: the VLANs
    whose relay agent is dnsmasq.
    """

    def __init__(
        self, network: Network, inventory: Inventory, *, dnsmasq_relays: frozenset[str] = frozenset()
    ) -> None:
        self.network = network
        self.inventory = inventory
        self.dnsmasq_relays = dnsmasq_relays
        self.hosts: dict[str, Host] = {}
        for name, vlan in inventory.site.vlans.items():
            if vlan.snooping is not None or vlan.forwarding_delay:
                raise HarnessError(f"vlan {name}: these bridges neither snoop nor hold packets back")
            network.vlan(name, vlan.subnet[0])
        self._add_router()
        self._add_hosts()

    def start(
        self,
        rendered: Path,
        *,
        leave_out: frozenset[str] = frozenset(),
        files: Mapping[str, bytes] = MappingProxyType({}),
    ) -> dict[str, Process]:
        """Start every server from its own folder of ``rendered``, with the boot programs it names.

        ``files``: what programs of these names hold instead of one that says whose it is.
        """
        started = {}
        for name, server in self.inventory.site.servers.items():
            if name in leave_out:
                continue
            product = server.software.product
            if product not in _STARTERS:
                raise HarnessError(f"{name}: the lab cannot run {product}")
            if "tftp" in server.effective_roles:
                self.add_programs(name, files)
            started[name] = _STARTERS[product](self.hosts[name], rendered / name)
        return started

    def server_at(self, address: str | None) -> str | None:
        """The server that has an address; None for an address of none of them."""
        for name, server in self.inventory.site.servers.items():
            if address in {str(each) for each in server.stands_on.values()}:
                return name
        return None

    def add_programs(self, server: str, files: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """Write the boot programs a server names: each says whose it is and what it is called."""
        declared = self.inventory.site.servers[server]
        coexist = declared.software.product == "coexist"
        root = boot_server_config(self.inventory, server).tftp.root if coexist else TFTP_ROOT
        served = self.hosts[server].own_path(root)
        for architecture, program in declared.programs.items():
            content = files.get(program.file)
            if content is None and architecture in (*SPEAKING, "ipxe"):
                word = f"{server}:{program.file}"
                script = architecture == "ipxe"
                content = ipxe_script(word) if script else boot_program(architecture, word, size=_OCTETS)
            if content is not None and "://" not in program.file:
                path = served / program.file.lstrip("/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)

    def _add_router(self) -> None:
        site = self.inventory.site
        gateways = {
            name: vlan.gateway or vlan.subnet[0].network_address + 1
            for name, vlan in site.vlans.items()
            if vlan.gateway is not None or vlan.targets
        }
        if not gateways:
            return
        router = self.network.router(gateways)
        for name, vlan in site.vlans.items():
            for port in vlan.blocked_ports if name in gateways else ():
                where = f"iif {router.interfaces[name]} ipproto udp dport {port}"
                router.namespace.ip(f"rule add {where} blackhole")
            for relay in vlan.relay if vlan.targets else ():
                targets = [server_address(site, target) for target in vlan.targets_of(relay)]
                if name in self.dnsmasq_relays:
                    _relay_by_dnsmasq(router, name, targets)
                    continue
                if relay.address not in (None, gateways[name]):
                    router.add_address(name, str(relay.address), vlan.subnet[0].prefixlen)
                self.network.relay(
                    router,
                    name,
                    [target for target in targets if target is not None],
                    giaddr=relay.address,
                    min_secs=relay.min_secs,
                    option_82=b"\x01\x02" + vlan.id.to_bytes(2, "big") if relay.option_82 else None,
                    first_only=relay.passes == "first",
                    replaces_server_id=relay.replaces_server_id,
                )

    def _add_hosts(self) -> None:
        site = self.inventory.site
        machines: dict[str, dict[str, IPv4Address]] = {}
        for name, server in site.servers.items():
            machines.setdefault(server.host or name, {}).update(server.stands_on)
        made = {
            machine: self.network.host(machine, addresses, gateway=site.vlans[next(iter(addresses))].gateway)
            for machine, addresses in machines.items()
        }
        for name, server in site.servers.items():
            self.hosts[name] = made[server.host or name]


def _relay_by_dnsmasq(router: Host, vlan: str, targets: Iterable[IPv4Address | None]) -> None:
    """dnsmasq's ``dhcp-relay``, beside the other agents of the router."""
    lines = [f"dhcp-relay={router.addresses[vlan]},{target}" for target in targets if target is not None]
    start_dnsmasq(router, ["bind-interfaces", f"interface={router.interfaces[vlan]}", *lines])


def _start_boot_server(host: Host, folder: Path) -> Process:
    return start_boot_server(host, folder / "coexist.yaml", ready=r"\bready\b")


def _start_dhcpd(host: Host, folder: Path) -> Process:
    return start_dhcpd(host, folder / "dhcpd.conf")


def _start_kea(host: Host, folder: Path) -> Process:
    return start_kea(host, folder / "kea-dhcp4.conf")


def _start_dnsmasq(host: Host, folder: Path) -> Process:
    config = folder / "dnsmasq.conf"
    # Its own TFTP server is only one of those that may serve the files beside it.
    if host.own_folders and "enable-tftp" not in config.read_text():
        start_tftpd(host, TFTP_ROOT)
    return start_dnsmasq(host, config)


def _start_tftpd(host: Host, folder: Path) -> Process:
    return start_tftpd(host, TFTP_ROOT)


_STARTERS: dict[str, Callable[[Host, Path], Process]] = {
    "coexist": _start_boot_server,
    "dnsmasq": _start_dnsmasq,
    "isc-dhcpd": _start_dhcpd,
    "kea": _start_kea,
    "tftpd": _start_tftpd,
}
