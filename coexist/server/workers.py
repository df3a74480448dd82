"""Several processes that are one boot server: this one makes what they share, starts them and lets them end.

Each worker is a whole boot server for its clients (``steering``), with its own loop, memory and line to the
registry. The sockets of DHCP are made here, once, and stay open here: a worker that dies is started again and
answers what came meanwhile. This process answers nothing itself.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Literal, NoReturn

from coexist.boot.configuration import BootServerConfig
from coexist.boot.request import BOOT_SERVER_PORT, DHCP_PORT
from coexist.errors import CoexistError, HostError
from coexist.records import dataclass
from coexist.server.config import read_config
from coexist.server.logs import adopted, line_of
from coexist.server.notify import Notifier
from coexist.server.run import BootServer
from coexist.server.services import Ports, dhcp_roles
from coexist.server.siblings import BOARD_OCTETS, Place
from coexist.server.sockets import Sockets, handed_over
from coexist.server.steering import choose, keep_own

_START_SECONDS = 60.0
_END_SECONDS = 10.0
_AGAIN_SECONDS = 1.0
"""Before a worker that died is started again."""
_LARGEST = 65_536
_FAILURE = "COEXIST_FAILURE="


@dataclass(slots=True)
class Worker:
    """One process, as the first one sees it. ``news``: what it would say to systemd."""

    index: int
    news: socket.socket
    pid: int = 0
    ready: bool = False
    alive_at: float = 0.0
    again_at: float = 0.0
    status: str = ""
    sockets: tuple[socket.socket, ...] = field(default=())


class _FailedError(CoexistError):
    """What a worker could not do, told by the first process."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code


def how_many(workers: int | Literal["auto"]) -> int:
    """How many processes a configuration means; ``auto`` is one a core that this process may use."""
    return len(os.sched_getaffinity(0)) if workers == "auto" else workers


def workers_of(path: Path, *, interface: str | None, ports: Ports) -> Workers | None:
    """The processes of a configuration; None where one is enough. Raises ``InputError``."""
    with suppress(OSError):  # whoever reads it next says why it cannot be read
        if b"workers" not in path.read_bytes():
            return None  # a file of a hundred thousand MACs is not read twice for nothing
        config = read_config(path)
        if how_many(config.workers) > 1:
            return Workers(path, config, interface=interface, ports=ports)
    return None


class Workers:
    """The first process. Raises ``CoexistError`` for what is in the way at the start."""

    def __init__(self, path: Path, config: BootServerConfig, *, interface: str | None, ports: Ports) -> None:
        self.path = path
        self.config = config
        self.interface = interface
        self.ports = ports
        self.count = how_many(config.workers)
        self.notifier = Notifier()
        self._stopping = False
        # From here on a worker that ends is started again, whatever it says.
        self._serving = False
        self._failure: _FailedError | None = None
        self._bell, self._ring = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(self.count)]
        for pair in pairs:
            for end in pair:
                end.setblocking(False)
        self._inbound = [pair[0] for pair in pairs]
        self._outbound = tuple(pair[1] for pair in pairs)
        self._board = mmap.mmap(-1, self.count * BOARD_OCTETS)
        self._workers = [Worker(index, _news()) for index in range(self.count)]

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        self._bind()
        signal.set_wakeup_fd(self._ring, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._end())
        signal.signal(signal.SIGHUP, lambda *_: self._tell(signal.SIGHUP))
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # What is in the way is in every worker's way: the first says it, alone.
        self._start(self._workers[0])
        self._watch(until=lambda: self._workers[0].ready)
        for worker in self._workers[1:]:
            if not self._stopping:
                self._start(worker)
        self._watch(until=lambda: all(worker.ready for worker in self._workers))
        if not self._stopping:
            self._serving = True
            self._say("ready", server=self.config.name, workers=self.count)
            self.notifier.say("READY=1", f"STATUS={self.count} workers")
        self._watch(until=lambda: False)
        self.notifier.say("STOPPING=1")
        if self._failure is not None:
            raise self._failure

    # -- what they share -----------------------------------------------------------------------

    def _bind(self) -> None:
        """Make the sockets of DHCP: for each port a group with one for each worker, in their order."""
        if handed_over():
            raise HostError(
                "several workers bind their sockets themselves; stop coexist.socket, or write `workers: 1`"
            )
        self._refuse_second()
        for role in sorted(dhcp_roles(self.config)):
            port = self.ports.dhcp if role == DHCP_PORT else self.ports.boot_server
            sockets = Sockets(self.interface, handed=(), shares=True)
            for worker in self._workers:
                sock = sockets.udp(None, port)
                keep_own(sock, worker.index, self.count)
                worker.sockets = (*worker.sockets, sock)
            choose(self._workers[0].sockets[-1], self.count)

    def _refuse_second(self) -> None:
        """Ports that several sockets may share would be shared with a second server, too."""
        alone = Sockets(self.interface, handed=())
        config, tftp = self.config, self.ports.tftp
        roles = {DHCP_PORT: self.ports.dhcp, BOOT_SERVER_PORT: self.ports.boot_server}
        for role in sorted(dhcp_roles(config)):
            alone.udp(None, roles[role]).close()
        for listen in config.listen:
            if "tftp" in config.services:
                alone.udp(listen.address, tftp if tftp is not None else config.tftp.port).close()
            if config.http is not None:
                alone.tcp(listen.address, config.http.port).close()

    # -- processes -----------------------------------------------------------------------------

    def _start(self, worker: Worker) -> None:
        worker.ready = False
        sys.stdout.flush()
        sys.stderr.flush()
        worker.pid = os.fork()
        if not worker.pid:
            self._be(worker)

    def _be(self, worker: Worker) -> NoReturn:
        """What a worker does, until it ends."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.environ["NOTIFY_SOCKET"] = "@" + worker.news.getsockname()[1:].decode()
            os.environ.pop("WATCHDOG_PID", None)
            place = Place(
                index=worker.index,
                count=self.count,
                dhcp=worker.sockets,
                mailbox=self._inbound[worker.index],
                mailboxes=self._outbound,
                board=self._board,
            )
            server = BootServer(self.path, interface=self.interface, ports=self.ports, place=place)
            server.handle_signals()
            with adopted(server.log):
                server.start()
                server.run()
            code = 0
        except CoexistError as error:
            code = error.exit_code
            Notifier().say(f"{_FAILURE}{code} {error}")
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _tell(self, number: signal.Signals) -> None:
        for worker in self._workers:
            if worker.pid:
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, number)

    def _end(self) -> None:
        self._stopping = True
        self._tell(signal.SIGTERM)

    # -- watching ------------------------------------------------------------------------------

    def _watch(self, *, until: Callable[[], bool]) -> None:
        """Look after the workers until something is so, or all have ended."""
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        for worker in self._workers:
            poll.register(worker.news, select.POLLIN)
        begun = time.monotonic()
        while not (self._stopping or until()):
            poll.poll(1000)
            self._look()
            late = time.monotonic() - begun > _START_SECONDS
            if late and not any(worker.ready for worker in self._workers):
                self._failure = _FailedError("the first worker did not become ready", 4)
                self._end()
        if not self._stopping:
            return
        last = time.monotonic() + _END_SECONDS
        while any(worker.pid for worker in self._workers):
            poll.poll(200)
            self._look()
            if time.monotonic() > last:
                self._tell(signal.SIGKILL)

    def _look(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._bell, _LARGEST):
                pass
        for worker in self._workers:
            self._hear(worker)
        for worker in self._workers:
            if worker.pid:
                ended, status = os.waitpid(worker.pid, os.WNOHANG)
                if ended:
                    self._ended(worker, os.waitstatus_to_exitcode(status))
            elif worker.again_at and not self._stopping and time.monotonic() >= worker.again_at:
                worker.again_at = 0.0
                self._start(worker)
        self._keep_alive()

    def _ended(self, worker: Worker, code: int) -> None:
        worker.ready, worker.pid = False, 0
        if self._stopping:
            return
        if not self._serving:
            said = f"worker {worker.index} ended with code {code}"
            self._failure = self._failure or _FailedError(said, code or 1)
            self._end()
            return
        self._say("worker ended", worker=worker.index, code=code, note="it is started again")
        worker.again_at = time.monotonic() + _AGAIN_SECONDS

    def _hear(self, worker: Worker) -> None:
        """What it says to its service manager."""
        with suppress(BlockingIOError):
            while True:
                news = worker.news.recv(_LARGEST).decode("utf-8", "replace")
                if news.startswith(_FAILURE) and not worker.ready:
                    self._told_failure(worker, *news.removeprefix(_FAILURE).split(" ", 1))
                    continue
                for line in news.splitlines():
                    worker.alive_at = time.monotonic()
                    if line == "READY=1":
                        worker.ready = True
                    elif line.startswith("STATUS="):
                        worker.status = line.removeprefix("STATUS=")
                        self._tell_status()

    def _told_failure(self, worker: Worker, code: str, said: str) -> None:
        if self._serving:
            self._say("worker does not start", worker=worker.index, why=said)
        else:
            self._failure = _FailedError(said, int(code))

    def _tell_status(self) -> None:
        said = "; ".join(worker.status for worker in self._workers if worker.status)
        self.notifier.say(f"STATUS={self.count} workers: {said}")

    def _keep_alive(self) -> None:
        """The watchdog of the service manager is fed while every worker feeds its own."""
        seconds = self.notifier.watchdog_seconds
        now = time.monotonic()
        if seconds is not None and all(now - worker.alive_at < seconds for worker in self._workers):
            self.notifier.say("WATCHDOG=1")

    def _say(self, event: str, **fields: object) -> None:
        sys.stderr.write(line_of(self.config.log, time.time(), {"event": event, **fields}))
        sys.stderr.flush()


def _news() -> socket.socket:
    """A socket with an address of the kernel's choice, as NOTIFY_SOCKET has one."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    sock.bind("")
    return sock
