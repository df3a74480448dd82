"""The boot server as a whole: services, registry, reloads and signals around one loop."""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import IO, Any

from coexist.boot.configuration import BootServerConfig
from coexist.boot.policy import NOBODY_REGISTERED, Registered
from coexist.errors import CoexistError
from coexist.server import interfaces
from coexist.server.access import Doorkeeper
from coexist.server.config import Loaded, journal_of, load_config, registry_of, spool_of, spools_left
from coexist.server.counters import Counters
from coexist.server.logs import Log
from coexist.server.loop import Loop
from coexist.server.notify import Notifier
from coexist.server.recorder import Recorder
from coexist.server.reload import Reloader
from coexist.server.seen import MOST_PROBES, Client, ClientsSeen
from coexist.server.services import Ports, Services
from coexist.server.siblings import Place, Siblings
from coexist.server.sockets import Sockets

# How long one thread may keep the others from running (seconds). Every system call of the loop gives the
# interpreter away; while another thread is busy (a reload), this is what getting it back costs.
_SWITCH_SECONDS = 0.00005
_STATUS_SECONDS = 5.0


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
        self.loop = Loop(self._defect)
        self.counters = Counters()
        self.clients = ClientsSeen()
        self.probes = ClientsSeen(MOST_PROBES)
        self.door = Doorkeeper(self.clients)
        self.notifier = Notifier()
        self.loaded = load_config(path)
        self.log = Log(self.loaded.config.log, stream, workers=place.count if place else 1)
        self.siblings = Siblings(place, self.door.mac_of) if place else None
        self.services = Services(
            self.loop,
            Sockets(interface, handed=place.dhcp if place else None, shares=place is not None),
            ports or Ports(),
            interface=interface,
            siblings=self.siblings,
            clients=self.clients,
            probes=self.probes,
            door=self.door,
            counters=self.counters,
            log=self.log,
            describe=self.describe,
            registers=self._asks_for_registration,
        )
        self.recorder: Recorder | None = None
        self.reloader = Reloader(self)
        self._changes: socket.socket | None = None
        self._absent: frozenset[IPv4Address] = frozenset()
        self._metrics: Callable[[], None] | None = None

    # -- from start to end ---------------------------------------------------------------------

    def start(self) -> None:
        """Bind, open and begin. Raises ``CoexistError`` with what is in the way."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        _raise_file_limit()
        config = self.loaded.config
        self.services.arrange(config, at_start=True)
        self._open_registry(config)
        self.use(self.loaded)
        self.services.start()
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
        self.loop.register(siblings.place.mailbox.fileno(), siblings.drain)

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
        self.services.close()
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
        policy = self.services.use(loaded)
        self.door.policy = policy
        self.door.serves_unknown = config.tftp.unknown_addresses == "serve"
        self.clients.standing = policy.standing
        self.log.form = config.log

    def apply(self, loaded: Loaded) -> None:
        """A reload: rearrange the sockets if services or addresses changed, then ``use``."""
        try:
            self.services.arrange(loaded.config, at_start=False)
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

    # -- interfaces ----------------------------------------------------------------------------

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
        self.services.refresh()
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
            workers=workers,
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


def _raise_file_limit() -> None:
    """Each transfer has a socket and each file a descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 1 << 16), hard))
