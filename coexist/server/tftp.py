"""The TFTP service: requests on port 69, who may have what, and the transfers that come of them."""

from __future__ import annotations

import errno
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from coexist.boot.tftp_advice import advice
from coexist.boot.tftp_transfer import Limits, negotiate
from coexist.records import dataclass
from coexist.server.access import Access, Doorkeeper
from coexist.server.counters import Counters
from coexist.server.files import Content, FrameCache, NotServedError
from coexist.server.logs import Log
from coexist.server.loop import Loop
from coexist.server.mmsg import Mailbox, key_of
from coexist.server.tftp_lock_step import LARGEST_BLKSIZE, LockStep, Port
from coexist.server.tftp_sending import Granted, OwnSocket, Running
from coexist.server.unproven import Unproven
from coexist.wire.tftp import (
    Ack,
    Error,
    ErrorCode,
    ReadRequest,
    TftpMalformed,
    WriteRequest,
    decode,
    encode,
)

MOST_TRANSFERS = 4096
SHORT = 2
"""Slots are short when one in so many is taken: then an address may have ``MOST_PER_ADDRESS``."""
MOST_PER_ADDRESS = 64
MOST_UNPROVEN_REPEATS = 2
"""How often the first packet is repeated to an address that has not answered."""
SWEEP_SECONDS = 0.2
_BATCH = 32
_LARGEST_REQUEST = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class TftpTerms:
    """What the configuration says about TFTP."""

    limits: Limits
    whitelist: bool
    port_range: tuple[int, int] | None
    find: Callable[[str, Access, str], Content]
    advises: bool = False


class TftpService:
    """Read requests on one socket, and all transfers that came of them; these leave from ``address``."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        address: str,
        *,
        door: Doorkeeper,
        cache: FrameCache,
        counters: Counters,
        log: Log,
    ) -> None:
        self.loop = loop
        self.sock = sock
        self.address = address
        self.door = door
        self.cache = cache
        self.counters = counters
        self.log = log
        self.terms: TftpTerms | None = None
        self.running: dict[tuple[str, int], Running] = {}
        self.unproven = Unproven()
        self.most = min(MOST_TRANSFERS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
        self.mailbox = Mailbox()
        self._shared: Port | None = None
        # In the order they began; the clients have not answered yet.
        self._unanswered: dict[Running, None] = {}
        self._by_address: Counter[str] = Counter()
        self._next_port = 0
        # Gives a request to the worker that has the client, if that is another one; whether it did.
        self.hand_on: Callable[[bytes, tuple[str, int]], bool] | None = None
        sock.setblocking(False)

    def start(self) -> None:
        """Begin to serve on the loop."""
        self.loop.register(self.sock.fileno(), self.drain)
        self._sweep_later()

    def use(self, terms: TftpTerms) -> None:
        """Serve by these terms from the next request on."""
        self.terms = terms

    def close(self) -> None:
        """Break off all transfers and close the socket."""
        for running in list(self.running.values()):
            self.end(running, "stopped", tell="the server stops")
        self.loop.unregister(self.sock.fileno())
        self.sock.close()

    def drain(self) -> None:
        """Take the requests that have come, at most a batch."""
        for _ in range(_BATCH):
            try:
                data, peer = self.sock.recvfrom(_LARGEST_REQUEST)
            except BlockingIOError:
                return
            except OSError as error:
                self.counters.receive_errors[errno.errorcode.get(error.errno or 0, "?")] += 1
                return
            if self.hand_on is None or not self.hand_on(data, peer):
                self.request(data, peer)

    def _sweep_later(self) -> None:
        """Until the service is closed: a reload may end it while the loop goes on."""
        if self.sock.fileno() >= 0:
            self.loop.call_at(time.monotonic() + SWEEP_SECONDS, self._sweep_again)

    def _sweep_again(self) -> None:
        try:
            self.sweep()
        finally:
            self._sweep_later()

    def sweep(self) -> None:
        """Give every transfer whose patience has ended its next step."""
        now = time.monotonic()
        for running in list(self.running.values()):
            transfer = running.transfer
            if self.count(running):
                running.touched = now
            if now - running.touched >= transfer.patience:
                running.touched = now
                running.look()
                if running.peer not in self.running or self.count(running):
                    continue
                if not running.answered and not self._may_repeat(running, now):
                    self.end(running, "given up")
                    continue
                self.counters.tftp_retransmits += 1
                running.do(transfer.expire())

    def _may_repeat(self, running: Running, now: float) -> bool:
        if running.transfer.attempts >= MOST_UNPROVEN_REPEATS:
            return False
        if not self.unproven.may_repeat(running.peer[0], now):
            return False
        self.unproven.sent(running.peer[0], _first_octets(running), now)
        return True

    def request(self, data: bytes, peer: tuple[str, int]) -> None:
        """Answer one datagram to the service's own port."""
        if not self.unproven.asked(peer[0], len(data), time.monotonic()):
            self.counters.transfers["unanswered before"] += 1
            return
        message = decode(data)
        if isinstance(message, TftpMalformed):
            self.counters.transfers["malformed"] += 1
            self._log_transfer(peer, None, "", "malformed", why=message.value)
            return
        if isinstance(message, WriteRequest):
            self._refuse(peer, None, message.filename, ErrorCode.ACCESS_VIOLATION, "nothing is written here")
            return
        if not isinstance(message, ReadRequest) or peer[1] == 0:
            self.counters.transfers["malformed"] += 1
            return
        known = self.running.get(peer)
        if known is not None:
            known.settle()
            if known.name == message.filename and known.transfer.acked == 0:
                return  # the client's RRQ once more; what it missed is sent again in its time
            self.end(known, "begun again")
        if not self._has_room(peer[0]):
            # Silence: an ERROR would end the client's boot, a second RRQ comes by itself.
            self.counters.transfers["too many"] += 1
            return
        self._begin(message, peer)

    def _has_room(self, address: str) -> bool:
        """Whether a slot is free, or can be taken from a client that has not answered yet."""
        taken = len(self.running)
        if SHORT * taken >= self.most and self._by_address[address] >= MOST_PER_ADDRESS:
            return False
        if taken >= self.most:
            if not self._unanswered:
                return False
            self.end(next(iter(self._unanswered)), "given up for others")
        return True

    def answered(self, running: Running) -> None:
        """See ``Service``."""
        self._unanswered.pop(running, None)
        if running.proves:
            self.unproven.proved(running.peer[0], time.monotonic())

    def unknown(self, port: Port, octets: bytes, peer: tuple[str, int]) -> None:
        """See ``Sharing``: who sends ACKs is told (RFC 1350 section 4)."""
        now = time.monotonic()
        if isinstance(decode(octets), Ack) and self.unproven.asked(peer[0], len(octets), now):
            answer = encode(Error(code=ErrorCode.UNKNOWN_TRANSFER_ID, message="no such transfer"))
            self.unproven.sent(peer[0], len(answer), now)
            self.counters.transfers["unknown"] += 1
            with suppress(OSError):  # it hears of it by our silence
                port.send_one(answer, peer)

    def _begin(self, request: ReadRequest, peer: tuple[str, int]) -> None:
        terms = self.terms
        assert terms is not None
        who = self.door.ask(peer[0], whitelist=terms.whitelist)
        if who.undecided:
            self.counters.transfers["undecided"] += 1  # silence: the client sends its request again
            return
        if not who.allowed:
            self._refuse(peer, who, request.filename, ErrorCode.ACCESS_VIOLATION, who.why)
            return
        try:
            content = terms.find(request.filename, who, peer[0])
        except NotServedError as refusal:
            code = ErrorCode.FILE_NOT_FOUND if refusal.missing else ErrorCode.ACCESS_VIOLATION
            self._refuse(peer, who, request.filename, code, refusal.why)
            return
        agreed = negotiate(request, content.size, terms.limits)
        if isinstance(agreed, Error):
            content.close()
            self._refuse(peer, who, request.filename, ErrorCode(agreed.code), agreed.message)
            return
        shares = agreed.windowsize == 1 and agreed.blksize <= LARGEST_BLKSIZE
        try:
            if shares and self.unproven.believes(peer[0], time.monotonic()):
                way: Port | socket.socket = self._shared_port(peer, terms.port_range)
            else:
                way = self._socket(terms.port_range, peer)
        except OSError as error:
            content.close()
            self.counters.transfers["no socket"] += 1
            self._log_transfer(peer, who, request.filename, f"no socket: {error.strerror}")
            return
        framed = self.cache.take(content, agreed.blksize)
        granted = Granted(peer, request.filename, who, framed, agreed)
        running = LockStep(self, way, granted) if isinstance(way, Port) else OwnSocket(self, way, granted)
        self.running[peer] = running
        self._unanswered[running] = None
        self._by_address[peer[0]] += 1
        self.counters.transfers_running += 1
        if running.proves:
            self.unproven.sent(peer[0], _first_octets(running), time.monotonic())
        running.do(running.transfer.begin())

    def count(self, running: Running) -> int:
        """Bring the blocks a transfer has sent since the last call into the counters; how many."""
        running.settle()
        blocks = running.transfer.sent - running.counted
        self.counters.tftp_blocks += blocks
        self.counters.tftp_octets += blocks * running.transfer.blksize
        running.counted = running.transfer.sent
        return blocks

    def end(self, running: Running, how: str, tell: str | None = None) -> None:
        """Finish with a transfer, and say so to the client if there is something to say."""
        if self.running.get(running.peer) is not running:
            return
        del self.running[running.peer]
        self._unanswered.pop(running, None)
        address = running.peer[0]
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]
        self.count(running)
        if tell is not None:
            with suppress(OSError):  # it hears of it by our silence
                running.send(encode(Error(code=ErrorCode.NOT_DEFINED, message=tell)))
        running.close()
        size = running.framed.content.size
        self.cache.release(running.framed)
        counters = self.counters
        counters.transfers_running -= 1
        counters.transfers[how.partition(":")[0]] += 1
        seconds = time.monotonic() - running.begun
        better: dict[str, Any] = {}
        if how == "finished":
            counters.transfer_seconds.observe(seconds)
            better = self._advice(running)
        refusal = running.transfer.refusal
        self._log_transfer(
            running.peer,
            running.who,
            running.name,
            how,
            octets=size,
            seconds=round(seconds, 3),
            said=refusal.message if refusal is not None else None,
            **better,
        )

    def _advice(self, running: Running) -> dict[str, Any]:
        """What the log says of how the client could be faster."""
        terms = self.terms
        if terms is None or not terms.advises:
            return {}
        found = advice(running.transfer.agreed, running.framed.content.size, terms.limits)
        if found is None:
            return {}
        self.counters.tftp_advised += 1
        return {"faster": str(found), "round_trips": found.round_trips, "could_be": found.could_be}

    def _refuse(
        self, peer: tuple[str, int], who: Access | None, name: str, code: ErrorCode, why: str
    ) -> None:
        self.counters.transfers["refused"] += 1
        octets = encode(Error(code=code, message=why))
        self.unproven.sent(peer[0], len(octets), time.monotonic())
        try:
            self.sock.sendto(octets, peer)
        except OSError as error:
            self.counters.send_errors[errno.errorcode.get(error.errno or 0, "?")] += 1
        self._log_transfer(peer, who, name, "refused", why=why)

    def _log_transfer(
        self, peer: tuple[str, int], who: Access | None, name: str, how: str, **more: Any
    ) -> None:
        client = who.client if who is not None else None
        if self.log.full(client, time.monotonic()):
            return
        fields: dict[str, Any] = {"event": f"tftp {how}", "file": name, "address": peer[0]}
        if who is not None:
            fields |= {"mac": who.mac, "rule": who.rule}
        self.log.decision(client, {**fields, **more})

    def idle(self, port: Port) -> None:
        """See ``Sharing``."""
        if port is self._shared:
            self._shared = None

    def _shared_port(self, peer: tuple[str, int], ports: tuple[int, int] | None) -> Port:
        """The port that a transfer in lock step begins on."""
        shared = self._shared
        if shared is None or not shared.takes(key_of(peer)) or shared.wanted != ports:
            shared = self._shared = Port(self, self._socket(ports), ports)
        return shared

    def _socket(self, ports: tuple[int, int] | None, peer: tuple[str, int] | None = None) -> socket.socket:
        """A socket on a port of its own, for one client or for any."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            if ports is None:
                sock.bind((self.address, 0))
            else:
                self._bind_in(sock, *ports)
            if peer is not None:
                sock.connect(peer)
        except BaseException:
            sock.close()
            raise
        return sock

    def _bind_in(self, sock: socket.socket, first: int, last: int) -> None:
        for _ in range(first, last + 1):
            port = first + self._next_port % (last - first + 1)
            self._next_port += 1
            try:
                sock.bind((self.address, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return
        raise OSError(errno.EADDRINUSE, f"all ports from {first} to {last} are in use")


def _first_octets(running: Running) -> int:
    """How long the packet is that a transfer begins with."""
    transfer = running.transfer
    if transfer.agreed.options:
        return len(transfer.option_acknowledgement())
    return 4 + min(transfer.blksize, transfer.size)
