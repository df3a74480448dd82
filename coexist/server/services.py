"""What a boot server serves, and on which sockets: ProxyDHCP, TFTP, HTTP, and the ear on port 68."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from coexist.boot.configuration import BootServerConfig, HttpSettings, Listen
from coexist.boot.policy import BootPolicy
from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT
from coexist.boot.tftp_transfer import Limits
from coexist.errors import HostError
from coexist.records import dataclass
from coexist.server.access import Access, Doorkeeper
from coexist.server.config import Loaded
from coexist.server.counters import Counters
from coexist.server.files import Content, FrameCache, open_file
from coexist.server.logs import Log
from coexist.server.loop import Loop
from coexist.server.offers import OfferWatch
from coexist.server.proxydhcp import GATHER_SECONDS, ProxyDhcp
from coexist.server.seen import Client, ClientsSeen
from coexist.server.siblings import Siblings
from coexist.server.sockets import Sockets
from coexist.server.templates import ClientFiles
from coexist.server.tftp import TftpService, TftpTerms

if TYPE_CHECKING:
    from coexist.server.front import Front

_LOOPBACK = IPv4Address("127.0.0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where to listen; other ports than the well-known ones are for trying out. None: as configured."""

    dhcp: int = DHCP_PORT
    boot_server: int = BOOT_SERVER_PORT
    tftp: int | None = None


class Services:
    """The services there are. ``arrange`` opens and closes their sockets, ``use`` says what they serve.

    ``proxies`` by the port of DHCP, ``tftp`` by the address of the server. In the loop's thread.
    """

    def __init__(
        self,
        loop: Loop,
        sockets: Sockets,
        ports: Ports,
        *,
        interface: str | None,
        siblings: Siblings | None,
        clients: ClientsSeen,
        probes: ClientsSeen,
        door: Doorkeeper,
        counters: Counters,
        log: Log,
        describe: Callable[[int], dict[str, Any]],
        registers: Callable[[Client], None],
    ) -> None:
        """``describe``: what is known of a MAC, for templates; ``registers``: a client asks to be known."""
        self.proxies: dict[int, ProxyDhcp] = {}
        self.tftp: dict[IPv4Address, TftpService] = {}
        self.watch: OfferWatch | None = None
        self.http: Any = None
        self.front: Front | None = None
        self._loop = loop
        self._sockets = sockets
        self.ports = ports
        self._interface = interface
        self._siblings = siblings
        self._clients = clients
        self._probes = probes
        self._door = door
        self._counters = counters
        self._log = log
        self._describe = describe
        self._registers = registers
        self._cache = FrameCache()
        if siblings is not None:
            siblings.request = self._take_request
            siblings.connection = self._take_connection

    def start(self) -> None:
        """Begin what has processes or threads of its own; the rest begins with its sockets."""
        if self.http is not None:
            self.http.start()
        if self.front is not None:
            self.front.start()
            self._loop.every(1.0, self.front.look_after)

    def close(self) -> None:
        """Free every socket."""
        for proxy in self.proxies.values():
            proxy.close()
        for service in self.tftp.values():
            service.close()
        if self.watch is not None:
            self.watch.close()
        if self.front is not None:
            self.front.close()
        if self.http is not None:
            self.http.close()

    def refresh(self) -> None:
        """Look up interfaces again: one came, went or has another address."""
        for proxy in self.proxies.values():
            proxy.refresh()

    # -- what is served ------------------------------------------------------------------------

    def use(self, loaded: Loaded) -> BootPolicy:
        """Serve by this configuration from the next packet on; the policy that packets are decided by."""
        config = loaded.config
        policy = self._policy(loaded)
        listen = self._listen(config)
        for proxy in self.proxies.values():
            proxy.use(policy, listen)
        for address, service in self.tftp.items():
            service.use(self._tftp_terms(loaded, address))
        if self.http is not None:
            self._use_http(loaded)
        return policy

    def _policy(self, loaded: Loaded) -> BootPolicy:
        if self.http is None:
            return replace(loaded.policy, http_port=None)
        return replace(loaded.policy, http_port=self.http.port)

    def _listen(self, config: BootServerConfig) -> tuple[tuple[Listen, str | None], ...]:
        return tuple((listen, listen.interface or self._interface) for listen in config.listen)

    def _tftp_terms(self, loaded: Loaded, address: IPv4Address) -> TftpTerms:
        settings = loaded.config.tftp
        return TftpTerms(
            limits=Limits(blksize=settings.largest_blksize, windowsize=settings.largest_windowsize),
            whitelist=settings.whitelist,
            port_range=settings.port_range,
            advises=settings.advise,
            find=file_finder(loaded, self._describe, address, settings.root),
        )

    def _use_http(self, loaded: Loaded) -> None:
        settings = loaded.config.http or HttpSettings()
        root = settings.root or loaded.config.tftp.root
        self.http.use(
            {
                listen.address: file_finder(loaded, self._describe, listen.address, root)
                for listen in loaded.config.listen
            },
            whitelist=settings.whitelist,
        )
        if self.front is not None:
            from coexist.server.front import Fronted

            self.front.use(
                Fronted(
                    addresses=tuple(listen.address for listen in loaded.config.listen),
                    port=settings.port,
                    root=os.path.realpath(loaded.file(root)),
                    whitelist=settings.whitelist,
                    behind=self.http.behind,
                )
            )

    # -- sockets -------------------------------------------------------------------------------

    def arrange(self, config: BootServerConfig, *, at_start: bool) -> None:
        """Have exactly the sockets the configuration asks for.

        Raises ``HostError`` for one that cannot be had; everything then stays as it was.
        """
        wanted_roles = dhcp_roles(config)
        wanted_tftp = {listen.address for listen in config.listen} if "tftp" in config.services else set()
        proxies = {role: self._new_proxy(role) for role in sorted(wanted_roles) if role not in self.proxies}
        services = {
            address: self._new_tftp(config, address) for address in sorted(wanted_tftp - self.tftp.keys())
        }
        if at_start and config.http is not None:
            self._bind_http(config, config.http)
        for role in [role for role in self.proxies if role not in wanted_roles]:
            self.proxies.pop(role).close()
        for address in [address for address in self.tftp if address not in wanted_tftp]:
            self.tftp.pop(address).close()
        self.proxies |= proxies
        self.tftp |= services
        for proxy in proxies.values():
            proxy.start()
        for service in services.values():
            service.start()
        self._arrange_watch(config)

    def _new_proxy(self, role: int) -> ProxyDhcp:
        port = self.ports.dhcp if role == DHCP_PORT else self.ports.boot_server
        if self._siblings is not None and not self._sockets.has(port):
            raise HostError(f"UDP port {port} is shared among workers at the start only; restart the server")
        return ProxyDhcp(
            self._loop,
            self._sockets.udp(None, port),
            role,
            clients=self._clients,
            probes=self._probes,
            counters=self._counters,
            log=self._log,
            registers=self._registers,
            # Each worker has its share of a storm: as many come together as to one alone.
            gathers=GATHER_SECONDS * (self._siblings.place.count if self._siblings is not None else 1),
        )

    def _new_tftp(self, config: BootServerConfig, address: IPv4Address) -> TftpService:
        port = self.ports.tftp if self.ports.tftp is not None else config.tftp.port
        service = TftpService(
            self._loop,
            self._sockets.udp(address, port),
            str(address),
            door=self._door,
            cache=self._cache,
            counters=self._counters,
            log=self._log,
        )
        if (siblings := self._siblings) is not None:
            service.hand_on = lambda data, peer: siblings.hand_request(address, data, peer)
        return service

    def _bind_http(self, config: BootServerConfig, settings: HttpSettings) -> None:
        from coexist.server.http import HttpService

        if settings.front is not None:
            self._bind_behind_nginx(settings)
            return
        sockets = {
            listen.address: self._sockets.tcp(listen.address, settings.port) for listen in config.listen
        }
        self.http = HttpService(sockets, door=self._door, counters=self._counters, log=self._log)
        if self._siblings is not None:
            self.http.hand_on = self._siblings.hand_connection

    def _bind_behind_nginx(self, settings: HttpSettings) -> None:
        """Nginx listens on the addresses, and this server on one port that only nginx is answered on."""
        from coexist.server.connections import MOST_CONNECTIONS, Connections
        from coexist.server.front import Front
        from coexist.server.http import HttpService

        if self._siblings is not None:
            raise HostError("`front: nginx` needs `workers: 1`: nginx does not know whose client it has")
        self.front = Front(self._log)
        self.http = HttpService(
            {_LOOPBACK: self._sockets.tcp(_LOOPBACK, 0)},
            door=self._door,
            counters=self._counters,
            log=self._log,
            connections=Connections(most_per_address=MOST_CONNECTIONS),
            front=self.front,
            port=settings.port,
        )

    def _arrange_watch(self, config: BootServerConfig) -> None:
        """Listening on port 68 is a help and no service: without it the server goes on."""
        needed = config.observe or config.follow_offers
        needed |= any(rule.delay.after_offer for rule in config.rules)
        proxy = self.proxies.get(DHCP_PORT)
        if not needed or proxy is None or self.ports.dhcp != DHCP_PORT:
            if self.watch is not None:
                self.watch.close()
                self.watch = None
            if proxy is not None:
                proxy.watch = None
            return
        if self.watch is None:
            try:
                sock = self._sockets.listener(CLIENT_PORT)
            except HostError as error:
                self._log.event("other servers' answers are not heard", why=str(error))
                return
            self.watch = OfferWatch(self._loop, sock, self._clients, self._probes)
            self.watch.mine = self._siblings.mine if self._siblings is not None else None
            self.watch.start()
        self.watch.own = {listen.address.packed for listen in config.listen}
        self.watch.pxe_servers = proxy.pxe_servers
        proxy.watch = self.watch

    # -- what came to another worker -----------------------------------------------------------

    def _take_request(self, service: IPv4Address, data: bytes, peer: tuple[str, int]) -> None:
        """A TFTP request that came to another worker."""
        if (tftp := self.tftp.get(service)) is not None:
            tftp.request(data, peer)

    def _take_connection(self, service: IPv4Address, sock: socket.socket) -> None:
        """A connection of HTTP that came to another worker."""
        if self.http is None:
            sock.close()
        else:
            self.http.take(service, sock)


def file_finder(
    loaded: Loaded, describe: Callable[[int], dict[str, Any]], address: IPv4Address, directory: str
) -> Callable[[str, Access, str], Content]:
    """Finds what a client asks for: a file made for it, or one of the served directory."""
    root = os.path.realpath(loaded.file(directory))
    made = ClientFiles(loaded.client_files, describe, str(loaded.config.boot_server or address))

    def find(name: str, who: Access, peer: str) -> Content:
        content: Content | None = made.make(name, who, peer)
        return content if content is not None else open_file(root, name)

    return find


def dhcp_roles(config: BootServerConfig) -> set[int]:
    """The ports of DHCP that a configuration serves on."""
    roles = {DHCP_PORT} if "proxydhcp" in config.services else set()
    if config.services & {"proxydhcp", "boot-server"} and config.answers_4011:
        roles.add(BOOT_SERVER_PORT)
    return roles
