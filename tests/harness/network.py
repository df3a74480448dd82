"""VLANs as bridges, hosts and routers as namespaces: what stands on a small network."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.capture import Capture
from tests.harness.namespaces import HarnessError, Namespace, temporary_folder
from tests.harness.processes import PATIENCE, Process
from tests.harness.relay import RelayAgent


@dataclass(frozen=True, slots=True, kw_only=True)
class Vlan:
    """One broadcast domain: a bridge of its own in the switch's namespace."""

    name: str
    subnet: IPv4Network
    bridge: str


@dataclass(slots=True, kw_only=True)
class Host:
    """A machine: a namespace with an interface ``eth0``, ``eth1``, ... on each of its VLANs.

    ``directory`` is its own place for files; ``own_folders`` are those it has in the place of the machine's.
    What is started on it ends with the network.
    """

    name: str
    namespace: Namespace
    directory: Path
    interfaces: Mapping[str, str]
    addresses: Mapping[str, IPv4Address]
    _stack: contextlib.ExitStack = field(repr=False)
    own_folders: dict[Path, Path] = field(default_factory=dict, repr=False)

    @property
    def address(self) -> IPv4Address:
        """Its first address."""
        return next(iter(self.addresses.values()))

    def start(
        self,
        argv: Sequence[str | Path],
        *,
        ready: str | None = None,
        timeout: float = PATIENCE,
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """Start a program and, with ``ready``, wait until it says what fits that pattern."""
        process = Process(
            self._in_own_folders(argv),
            namespace=self.namespace,
            directory=self.directory,
            environment=environment,
        )
        self._stack.callback(process.stop)
        if ready is not None:
            process.wait_for(ready, timeout=timeout)
        return process

    def run(self, argv: Sequence[str | Path]) -> str:
        """Run a program to its end; its output."""
        return self.namespace.run(self._in_own_folders(argv))

    def own_folder(self, folder: str | Path) -> Path:
        """Put an empty folder of its own in the place of the machine's, for what is started from now on.

        Returns where its files really are. ``folder`` (absolute, as ``/srv``) must exist on the machine.
        """
        place = Path(folder)
        if not place.is_dir():
            raise HarnessError(f"{folder} does not exist here, so nothing can be put in its place")
        mine = self.directory / "own" / place.relative_to("/")
        mine.mkdir(parents=True, exist_ok=True)
        self.own_folders[place] = mine
        return mine

    def own_path(self, folder: str | Path) -> Path:
        """Where a folder of the host's own is, made if need be: in one it has already, or in the place of the
        nearest that exists on this machine."""
        for place, mine in self.own_folders.items():
            if Path(folder).is_relative_to(place):
                inside = mine / Path(folder).relative_to(place)
                inside.mkdir(parents=True, exist_ok=True)
                return inside
        existing = Path(folder)
        while not existing.is_dir():
            existing = existing.parent
        path = self.own_folder(existing) / Path(folder).relative_to(existing)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _in_own_folders(self, argv: Sequence[str | Path]) -> Sequence[str | Path]:
        if not self.own_folders:
            return argv
        mounts = [word for place, mine in self.own_folders.items() for word in (mine, place)]
        # $0 is how many words the mounts take, so that what follows is the command itself.
        script = 'n=$0; while [ $n -gt 0 ]; do mount --bind "$1" "$2"; shift 2; n=$((n-2)); done; exec "$@"'
        return ["unshare", "--mount", "sh", "-ec", script, str(len(mounts)), *mounts, *argv]

    def write(self, name: str, content: str | bytes) -> Path:
        """Write one of its files, folders included; the whole path."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def add_address(self, vlan: str, address: str | IPv4Address, prefix_length: int) -> None:
        """Give an interface another address, as a lease does."""
        self.namespace.ip(f"addr add {address}/{prefix_length} dev {self.interfaces[vlan]}")


class Network:
    """A network to test in; leaving it stops every program and removes every namespace and file."""

    def __init__(self, *, directory: Path | None = None) -> None:
        self._stack = contextlib.ExitStack()
        if directory is None:
            directory = temporary_folder()
            self._stack.callback(shutil.rmtree, directory, ignore_errors=True)
        directory.chmod(0o755)
        self.directory = directory
        self.vlans: dict[str, Vlan] = {}
        self.hosts: dict[str, Host] = {}
        self._ports = 0
        self.switch = self._namespace("switch")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop and remove everything, the newest first."""
        self._stack.close()

    def vlan(self, name: str, subnet: str | IPv4Network) -> Vlan:
        """Add a broadcast domain."""
        made = Vlan(name=name, subnet=IPv4Network(subnet), bridge=f"br{len(self.vlans)}")
        self.switch.ip(
            # Without a forwarding delay ports pass packets at once, as an edge port does.
            f"link add {made.bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            f"link set {made.bridge} up",
        )
        self.vlans[name] = made
        return made

    def host(
        self,
        name: str,
        addresses: Mapping[str, str | IPv4Address | None],
        *,
        gateway: str | IPv4Address | None = None,
        mac: str | None = None,
    ) -> Host:
        """Add a machine with an address on each VLAN, or only an interface where that is None.

        ``mac`` is the hardware address of its first interface.
        """
        namespace = self._namespace(name)
        directory = self.directory / name
        directory.mkdir()
        interfaces = {}
        for index, (vlan, address) in enumerate(addresses.items()):
            interfaces[vlan] = interface = f"eth{index}"
            self._plug(namespace, self.vlans[vlan], interface, mac if index == 0 else None)
            if address is not None:
                subnet = self.vlans[vlan].subnet
                namespace.ip(
                    f"addr add {address}/{subnet.prefixlen} brd {subnet.broadcast_address} dev {interface}"
                )
            namespace.ip(f"link set {interface} up")
        if gateway is not None:
            namespace.ip(f"route add default via {gateway}")
        made = Host(
            name=name,
            namespace=namespace,
            directory=directory,
            interfaces=interfaces,
            addresses={
                vlan: IPv4Address(address) for vlan, address in addresses.items() if address is not None
            },
            _stack=self._stack,
        )
        self.hosts[name] = made
        return made

    def router(self, addresses: Mapping[str, str | IPv4Address], *, name: str = "router") -> Host:
        """Add a machine that routes between its VLANs."""
        made = self.host(name, dict(addresses))
        made.namespace.sysctl({"net.ipv4.ip_forward": 1, "net.ipv4.conf.all.rp_filter": 0})
        return made

    def relay(
        self,
        router: Host,
        vlan: str,
        targets: Sequence[str | IPv4Address],
        *,
        giaddr: str | IPv4Address | None = None,
        min_secs: int = 0,
        option_82: bytes | None = None,
        first_only: bool = False,
        replaces_server_id: bool = False,
    ) -> RelayAgent:
        """Run a relay agent on a router for the clients of ``vlan``: see ``RelayAgent``."""
        agent = RelayAgent(
            router.namespace,
            router.interfaces[vlan],
            giaddr=IPv4Address(giaddr) if giaddr else router.addresses[vlan],
            targets=tuple(map(IPv4Address, targets)),
            min_secs=min_secs,
            option_82=option_82,
            first_only=first_only,
            replaces_server_id=replaces_server_id,
        )
        self._stack.callback(agent.stop)
        return agent

    def tap(self, vlan: str) -> str:
        """Plug a tap for a virtual machine into a VLAN; its name in the switch's namespace."""
        self._ports += 1
        name = f"tap{self._ports}"
        self.switch.ip(
            f"tuntap add dev {name} mode tap",
            f"link set {name} master {self.vlans[vlan].bridge}",
            f"link set {name} up",
        )
        return name

    def unplug(self, name: str) -> None:
        """Remove a tap."""
        self.switch.ip(f"link delete {name}")

    def capture(self, where: str | Host, *, vlan: str | None = None) -> Capture:
        """Begin to capture at a VLAN's bridge (its name), a tap (its name), or a host's interface."""
        if isinstance(where, Host):
            interface = where.interfaces[vlan] if vlan else next(iter(where.interfaces.values()))
            made = Capture(where.namespace, interface)
        else:
            device = self.vlans[where].bridge if where in self.vlans else where
            made = Capture(self.switch, device)
        self._stack.callback(made.stop)
        return made

    def _namespace(self, label: str) -> Namespace:
        made = Namespace(label)
        self._stack.callback(made.delete)
        return made

    def _plug(self, namespace: Namespace, vlan: Vlan, interface: str, mac: str | None) -> None:
        self._ports += 1
        port = f"port{self._ports}"
        address = f" address {mac}" if mac else ""
        self.switch.ip(
            f"link add {port} type veth peer name {interface} netns {namespace.name}{address}",
            f"link set {port} master {vlan.bridge}",
            f"link set {port} up",
        )
