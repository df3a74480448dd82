"""The boot server as a whole: sockets, services, reloads and signals around one loop."""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from coexist.boot.configuration import BootServerConfig, HttpSettings, Listen
from coexist.boot.policy import NOBODY_REGISTERED, BootPolicy, Registered
from coexist.boot.request import BOOT_SERVER_PORT, CLIENT_PORT, DHCP_PORT
from coexist.boot.tftp_transfer import Limits
from coexist.errors import CoexistError, HostError
from coexist.records import dataclass
from coexist.server import interfaces
from coexist.server.access import Access, Doorkeeper
from coexist.server.config import Loaded, journal_of, load_config, registry_of, spool_of, spools_left
from coexist.server.counters import Counters
from coexist.server.files import Content, FrameCache, open_file
from coexist.server.logs import Log
from coexist.server.loop import Loop
from coexist.server.notify import Notifier
from coexist.server.offers import OfferWatch
from coexist.server.proxydhcp import GATHER_SECONDS, ProxyDhcp
from coexist.server.recorder import Recorder
from coexist.server.reload import Reloader
from coexist.server.seen import MOST_PROBES, Client, ClientsSeen
from coexist.server.siblings import Place, Siblings
from coexist.server.sockets import Sockets
from coexist.server.templates import ClientFiles
from coexist.server.tftp import TftpService, TftpTerms

if TYPE_CHECKING:
    from coexist.server.front import Front

TFTP_PORT = 69
_LOOPBACK = IPv4Address("127.0.0.1")
# How long one thread may keep the others from running (seconds). Every system call of the loop gives the
# interpreter away; while another thread is busy (a reload), this is what getting it back costs.
_SWITCH_SECONDS = 0.00005
_STATUS_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where to listen; other ports than the well-known ones are for trying out. None: as configured."""

    dhcp: int = DHCP_PORT
    boot_server: int = BOOT_SERVER_PORT
    tftp: int | None = None


class BootServer:
    """One running boot server. ``start``, ``run`` until ``stop``; all in one thread but ``stop``."""

    def __init__(
        self,
        path: Path,
        *,
        interface: str | None = None,
        ports: Ports | None = None,
        stream: IO[str] | None = None,
        place: Place | None = None,
    ) -> None:
        """``stream`` is where the log goes, stderr if not given; ``place``: which of several workers this is,
        if there are several."""
        self.path = path
        self.interface = interface
        self.ports = ports or Ports()
        self.loop = Loop(self._defect)
        self.counters = Counters()
        self.clients = ClientsSeen()
        self.probes = ClientsSeen(MOST_PROBES)
        self.door = Doorkeeper(self.clients)
        self.cache = FrameCache()
        self.notifier = Notifier()
        self.loaded = load_config(path)
        self.log = Log(self.loaded.config.log, stream, workers=place.count if place else 1)
        self.siblings = Siblings(place, self.door.mac_of) if place else None
        self.proxies: dict[int, ProxyDhcp] = {}
        self.tftp: dict[IPv4Address, TftpService] = {}
        self.watch: OfferWatch | None = None
        self.http: Any = None
        self.front: Front | None = None
        self.recorder: Recorder | None = None
        self.reloader = Reloader(self)
        self._sockets = Sockets(interface, handed=place.dhcp if place else None, shares=place is not None)
        self._changes: socket.socket | None = None
        self._absent: frozenset[IPv4Address] = frozenset()
        self._metrics: Callable[[], None] | None = None

    # -- from start to end ---------------------------------------------------------------------

    def start(self) -> None:
        """Bind, open and begin. Raises ``CoexistError`` with what is in the way."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        _raise_file_limit()
        config = self.loaded.config
        self._arrange(config, at_start=True)
        self._open_registry(config)
        self.use(self.loaded)
        if self.http is not None:
            self.http.start()
        if self.front is not None:
            self.front.start()
            self.loop.every(1.0, self.front.look_after)
        self._watch_interfaces()
        self._count_together(config.metrics_port)
        self.loop.every(1.0, self.log.every_second)
        self.loop.every(_STATUS_SECONDS, self._say_status)
        watchdog = self.notifier.watchdog_seconds
        if watchdog is not None:
            self.loop.every(watchdog / 2, lambda: self.notifier.say("WATCHDOG=1"))
        self.reloader.start()
        if self.recorder is not None:
            self.recorder.start()
        gc.collect()
        gc.freeze()
        self._say_what_is_strange()
        self.log.event(
            "ready" if self.siblings is None else "worker ready",
            worker=None if self.siblings is None else self.siblings.place.index,
            server=config.name,
            addresses=", ".join(str(listen.address) for listen in config.listen),
            services=", ".join(sorted(config.services)),
            rules=len(config.rules),
        )
        self.notifier.say("READY=1", f"STATUS={self.status()}")

    def _count_together(self, port: int | None) -> None:
        """The first worker tells the metrics of all; the others write theirs down for it."""
        siblings = self.siblings
        if siblings is not None:
            self._hear_siblings(siblings)
        if port is None:
            return
        from coexist.server.metrics import ServerCollector, counted, serve_metrics

        if siblings is not None and siblings.place.index:
            self.loop.every(1.0, lambda: siblings.post(counted(self.counters, self.clients, self.log)))
            return
        others = siblings.posted if siblings is not None else list
        self._metrics = serve_metrics(
            ServerCollector(self.counters, self.clients, self.log, others=others), port
        )

    def _hear_siblings(self, siblings: Siblings) -> None:
        self.clients.tell = siblings.tell_address
        siblings.learn = lambda address, mac: self.clients.learn(address, mac, tells=False)
        siblings.request = self._take_request
        siblings.connection = self._take_connection
        self.loop.register(siblings.place.mailbox.fileno(), siblings.drain)

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

    def handle_signals(self) -> None:
        """Stop on SIGTERM and SIGINT, reload on SIGHUP; in the main thread, before ``start`` says ready."""
        signal.signal(signal.SIGTERM, lambda *_: self.loop.stop())
        signal.signal(signal.SIGINT, lambda *_: self.loop.stop())
        signal.signal(signal.SIGHUP, lambda *_: self.reloader.request())

    def run(self) -> None:
        """Serve until ``stop``."""
        try:
            self.loop.run()
        finally:
            self.close()

    def stop(self) -> None:
        """End ``run``; from any thread."""
        self.loop.stop()

    def close(self) -> None:
        """Free everything."""
        self.notifier.say("STOPPING=1")
        self.reloader.close()
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
        if self._metrics is not None:
            self._metrics()
        if self._changes is not None:
            self.loop.unregister(self._changes.fileno())
            self._changes.close()
        if self.recorder is not None:
            self.recorder.close()
        self.log.event("stopped", server=self.loaded.config.name)
        self.log.close()
        self.loop.close()

    # -- configuration -------------------------------------------------------------------------

    def use(self, loaded: Loaded) -> None:
        """Serve by this configuration from the next packet on. In the loop's thread."""
        self.loaded = loaded
        config = loaded.config
        policy = self._policy(loaded)
        listen = self._listen(config)
        self.door.policy = policy
        self.clients.standing = policy.standing
        self.door.serves_unknown = config.tftp.unknown_addresses == "serve"
        self.log.form = config.log
        for proxy in self.proxies.values():
            proxy.use(policy, listen)
        for address, service in self.tftp.items():
            service.use(self._tftp_terms(loaded, address))
        if self.http is not None:
            self._use_http(loaded)

    def apply(self, loaded: Loaded) -> None:
        """A reload: rearrange the sockets if services or addresses changed, then ``use``."""
        try:
            self._arrange(loaded.config, at_start=False)
        except CoexistError as error:
            self.counters.reloads["refused"] += 1
            self.log.event("configuration refused", why=str(error), note="the old one stays in use")
            return
        self.use(loaded)
        gc.freeze()
        self.counters.reloads["done"] += 1
        self._say_what_is_strange()
        self.log.event("configuration in use", file=str(loaded.path), rules=len(loaded.config.rules))

    @property
    def registered(self) -> Registered:
        """What administrators decided in the registry."""
        return self.recorder.registered if self.recorder is not None else NOBODY_REGISTERED

    def status(self) -> str:
        """One line for the service manager."""
        counters = self.counters
        return (
            f"{counters.offers} answers, {counters.waiting} waiting, "
            f"{counters.transfers_running} transfers, {len(self.clients.clients)} clients seen"
        )

    def describe(self, mac: int) -> dict[str, Any]:
        """What is known of a client, for templates."""
        record = self.loaded.clients.find(mac)
        known: dict[str, Any] = {}
        if record is not None:
            known = {
                "name": record.name,
                "location": record.location,
                "hardware": record.hardware,
                "tags": record.tags,
            }
        row = self.recorder.decisions.get(mac) if self.recorder is not None else None
        if row is not None:
            own = {
                "name": row.name,
                "location": row.location,
                "hardware": row.hardware,
                "group": row.client_group,
            }
            known |= {field: value for field, value in own.items() if value}
        return known

    def _say_what_is_strange(self) -> None:
        for caution in self.loaded.cautions:
            self.log.event("caution", why=str(caution))
        self._absent = frozenset()
        self._say_what_is_absent()

    def _say_what_is_absent(self) -> None:
        """An address that no interface has may come; until then nobody is answered from it."""
        try:
            here = interfaces.addresses()
        except OSError:
            return
        wanted = {listen.address for listen in self.loaded.config.listen}
        absent = frozenset(address for address in wanted - here.keys() if not address.is_loopback)
        for address in sorted(absent - self._absent):
            self.log.event(
                "address not on this host",
                address=str(address),
                note="it is served once an interface has it; `ip address` lists what there is",
            )
        self._absent = absent

    def _use_http(self, loaded: Loaded) -> None:
        settings = loaded.config.http or HttpSettings()
        root = settings.root or loaded.config.tftp.root
        self.http.use(
            {
                listen.address: file_finder(loaded, self.describe, listen.address, root)
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

    def _policy(self, loaded: Loaded) -> BootPolicy:
        if self.http is None:
            return replace(loaded.policy, http_port=None)
        return replace(loaded.policy, http_port=self.http.port)

    def _listen(self, config: BootServerConfig) -> tuple[tuple[Listen, str | None], ...]:
        return tuple((listen, listen.interface or self.interface) for listen in config.listen)

    def _tftp_terms(self, loaded: Loaded, address: IPv4Address) -> TftpTerms:
        settings = loaded.config.tftp
        return TftpTerms(
            limits=Limits(blksize=settings.largest_blksize, windowsize=settings.largest_windowsize),
            whitelist=settings.whitelist,
            port_range=settings.port_range,
            advises=settings.advise,
            find=file_finder(loaded, self.describe, address, settings.root),
        )

    # -- sockets -------------------------------------------------------------------------------

    def _arrange(self, config: BootServerConfig, *, at_start: bool) -> None:
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

    def _bind_http(self, config: BootServerConfig, settings: HttpSettings) -> None:
        from coexist.server.http import HttpService

        if settings.front is not None:
            self._bind_behind_nginx(settings)
            return
        sockets = {
            listen.address: self._sockets.tcp(listen.address, settings.port) for listen in config.listen
        }
        self.http = HttpService(sockets, door=self.door, counters=self.counters, log=self.log)
        if self.siblings is not None:
            self.http.hand_on = self.siblings.hand_connection

    def _bind_behind_nginx(self, settings: HttpSettings) -> None:
        """Nginx listens on the addresses, and this server on one port that only nginx is answered on."""
        from coexist.server.connections import MOST_CONNECTIONS, Connections
        from coexist.server.front import Front
        from coexist.server.http import HttpService

        if self.siblings is not None:
            raise HostError("`front: nginx` needs `workers: 1`: nginx does not know whose client it has")
        self.front = Front(self.log)
        self.http = HttpService(
            {_LOOPBACK: self._sockets.tcp(_LOOPBACK, 0)},
            door=self.door,
            counters=self.counters,
            log=self.log,
            connections=Connections(most_per_address=MOST_CONNECTIONS),
            front=self.front,
            port=settings.port,
        )

    def _new_proxy(self, role: int) -> ProxyDhcp:
        port = self.ports.dhcp if role == DHCP_PORT else self.ports.boot_server
        if self.siblings is not None and not self._sockets.has(port):
            raise HostError(f"UDP port {port} is shared among workers at the start only; restart the server")
        return ProxyDhcp(
            self.loop,
            self._sockets.udp(None, port),
            role,
            clients=self.clients,
            probes=self.probes,
            counters=self.counters,
            log=self.log,
            registers=self._asks_for_registration,
            # Each worker has its share of a storm: as many come together as to one alone.
            gathers=GATHER_SECONDS * (self.siblings.place.count if self.siblings is not None else 1),
        )

    def _new_tftp(self, config: BootServerConfig, address: IPv4Address) -> TftpService:
        port = self.ports.tftp if self.ports.tftp is not None else config.tftp.port
        service = TftpService(
            self.loop,
            self._sockets.udp(address, port),
            str(address),
            door=self.door,
            cache=self.cache,
            counters=self.counters,
            log=self.log,
        )
        if (siblings := self.siblings) is not None:
            service.hand_on = lambda data, peer: siblings.hand_request(address, data, peer)
        return service

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
                self.log.event("other servers' answers are not heard", why=str(error))
                return
            self.watch = OfferWatch(self.loop, sock, self.clients, self.probes)
            self.watch.mine = self.siblings.mine if self.siblings is not None else None
            self.watch.start()
        self.watch.own = {listen.address.packed for listen in config.listen}
        self.watch.pxe_servers = proxy.pxe_servers
        proxy.watch = self.watch

    def _watch_interfaces(self) -> None:
        try:
            self._changes = interfaces.changes()
        except OSError as error:
            self.log.event("changes of interfaces are not heard", why=error.strerror)
            return
        self.loop.register(self._changes.fileno(), self._interfaces_changed)

    def _interfaces_changed(self) -> None:
        assert self._changes is not None
        try:
            while self._changes.recv(1 << 16):
                pass
        except OSError:
            pass  # nothing more to read, or too much at once: either way, look again
        for proxy in self.proxies.values():
            proxy.refresh()
        self.log.event("interfaces changed")
        self._say_what_is_absent()

    # -- registry ------------------------------------------------------------------------------

    def _open_registry(self, config: BootServerConfig) -> None:
        folder = os.environ.get("STATE_DIRECTORY")
        worker = self.siblings.place.index if self.siblings is not None else 0
        workers = self.siblings.place.count if self.siblings is not None else 1
        self.recorder = Recorder(
            registry_of(self.path, config, folder),
            self.clients,
            server=config.name,
            spool=spool_of(self.path, config, folder, worker),
            journal=journal_of(self.path, config, folder),
            left=spools_left(self.path, config, folder, workers) if worker == 0 else (),
            trims=worker == 0,
            counters=self.counters,
            log=self.log,
            decided=self.reloader.registered,
        )
        self.loaded = self.loaded.with_registered(self.recorder.load())

    def _asks_for_registration(self, client: Client) -> None:
        self.clients.mark(client)
        self.log.event("asks to be registered", mac=client.mac, vlan=client.vlan)

    def _defect(self) -> None:
        """Something nobody foresaw: say where, and go on with the next packet."""
        self.counters.defects += 1
        self.log.event("defect", trace=traceback.format_exc())

    def _say_status(self) -> None:
        self.notifier.say(f"STATUS={self.status()}")


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


def _raise_file_limit() -> None:
    """Each transfer has a socket and each file a descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 1 << 16), hard))
