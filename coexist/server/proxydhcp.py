"""ProxyDHCP and PXE boot server on sockets: packets in, decisions by ``boot``, answers out at their time."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address

from coexist.boot.compiled import LONGEST_VENDOR_CLASS, Area, Prepared
from coexist.boot.configuration import Listen
from coexist.boot.policy import BootPolicy, Standing
from coexist.boot.request import BOOT_SERVER_PORT, BootRequest, ClientKind, boot_request, is_probe
from coexist.boot.respond import Answer, Silence, respond
from coexist.server.counters import Counters
from coexist.server.decisions import Decisions
from coexist.server.endpoints import IP_PKTINFO, PKTINFO, PXE_MULTICAST, Endpoint, Endpoints
from coexist.server.logs import Log
from coexist.server.loop import Loop
from coexist.server.offers import OfferWatch
from coexist.server.seen import Client, ClientsSeen
from coexist.server.segments import Ancillary, Target, Together
from coexist.server.waiting import AnswersWaiting, Waiting
from coexist.wire.bootp import Packet, decode, encode
from coexist.wire.bootp_places import CIADDR, MAC, XID
from coexist.wire.malformed import Malformed
from coexist.wire.options import MessageType, Option

_BATCH = 64
_LARGEST = 4096
_EVERYONE = "255.255.255.255"
_ANCILLARY = socket.CMSG_SPACE(PKTINFO.size)
_NO_ADDRESS = bytes(4)
_BY_ROUTE: Ancillary = []
"""What leaves from the only address there is needs nothing said."""
_STORM = 4_000
"""Packets a second from which on they are gathered: each wake-up costs as much as the answer to a packet, for
this process and for whoever shares its processors."""
GATHER_SECONDS = 0.001
STRANGERS_SHARE = 0.4
"""Of the time, for packets of machines that no rule names, while more packets come than can be answered."""
_MOST_SAVED_SECONDS = 0.1
_REPEATED_OFTEN = 2.0  # seconds between two log lines about the same error of a socket


class ProxyDhcp:
    """The service on one port, 67 or 4011 (``role``); ``sock`` may be bound to another one in tests."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        role: int,
        *,
        clients: ClientsSeen,
        probes: ClientsSeen,
        counters: Counters,
        log: Log,
        registers: Callable[[Client], None],
        gathers: float = GATHER_SECONDS,
    ) -> None:
        """``gathers``: for how many seconds packets of a storm come together."""
        self.loop = loop
        self.sock = sock
        self.role = role
        self.clients = clients
        # What coexist's own probe asks is answered as the rules say, and no sight of the machine it names.
        self.probes = probes
        self.counters = counters
        self.log = log
        self._decisions = Decisions(role, counters=counters, log=log, registers=registers)
        self.gathers = gathers
        self.alternate = sock.getsockname()[1] != role
        self.pxe_servers: set[bytes] = set()
        # What other servers answered is read before a packet is decided on, since what they said earlier
        # may wait on its own socket behind it.
        self.watch: OfferWatch | None = None
        # Packets come so fast that they are gathered, and their answers leave together.
        self.storm = False
        self._endpoints = Endpoints(role)
        self._waiting = AnswersWaiting(counters)
        self._drained = 0.0
        # Whether packets queue, and the time that is left for those of strangers meanwhile.
        self._behind = False
        self._strangers_seconds = _MOST_SAVED_SECONDS
        self._collects = False
        self._together = Together(sock, self._send_one, counters)
        self._complained: dict[str, float] = {}
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)

    def start(self) -> None:
        """Begin to serve on the loop."""
        self.loop.register(self.sock.fileno(), self.drain)

    def use(self, policy: BootPolicy, listen: Sequence[tuple[Listen, str | None]]) -> None:
        """Decide by this policy from the next packet on; ``listen`` with the interface of each address."""
        self._endpoints.use(policy, listen)
        self._join_multicast()

    def refresh(self) -> None:
        """Look up interfaces again: one came, went or has another address."""
        self._endpoints.refresh()
        self._join_multicast()

    def _join_multicast(self) -> None:
        if self.role == BOOT_SERVER_PORT:
            for error in self._endpoints.join_multicast(self.sock):
                self._complain("multicast", PXE_MULTICAST, error)

    def close(self) -> None:
        """Stop and close the socket."""
        self.loop.unregister(self.sock.fileno())
        self.sock.close()

    # -- receiving -----------------------------------------------------------------------------

    def drain(self) -> None:
        """Answer what has come, at most a batch, so that others get their turn."""
        begun = time.monotonic()
        self._collects = self.storm
        saved = self._strangers_seconds + STRANGERS_SHARE * (begun - self._drained)
        self._strangers_seconds = min(saved, _MOST_SAVED_SECONDS)
        try:
            count = self._read(begun)
        finally:
            if self._collects:
                self._collects = False
                self._together.leave()
        self._behind = count == _BATCH
        if count:
            ended = time.monotonic()
            self.counters.latency.observe(ended - begun, count)
            self.storm = count > _STORM * (begun - self._drained)
            if self.storm and count < _BATCH:
                self.loop.pause(self.sock.fileno(), ended + self.gathers)
        self._drained = begun

    def _read(self, now: float) -> int:
        """Decide on the packets of a batch; how many there were."""
        receive = self.sock.recvmsg
        endpoints = self._endpoints.known
        endpoint = only = self._endpoints.only
        receive_from = self.sock.recvfrom
        watch = self.watch
        wall = time.time()
        for count in range(_BATCH):
            try:
                if only is not None:
                    data, source = receive_from(_LARGEST)
                    ancillary = None
                else:
                    data, ancillary, _, source = receive(_LARGEST, _ANCILLARY)
            except BlockingIOError:
                return count
            except OSError as error:
                # ENETDOWN and the like are reported once by the socket; it goes on working afterwards.
                self.counters.receive_errors[errno.errorcode.get(error.errno or 0, "?")] += 1
                return count
            if watch is not None:
                watch.drain()
            if only is None:
                info = ancillary[0][2] if ancillary else b""
                try:
                    endpoint = endpoints[info]
                except KeyError:
                    endpoint = self._endpoints.find(info)
            if endpoint is not None:
                if self._behind:
                    self._receive_if_there_is_time(endpoint, data, source, now, wall)
                else:
                    self.receive(endpoint, data, source, now, wall)
                if watch is not None:
                    watch.recall(int.from_bytes(data[MAC], "big"), now)
            else:
                self.counters.decisions[self.role, "NOT_LISTENED"] += 1
        return _BATCH

    def _receive_if_there_is_time(
        self, endpoint: Endpoint, data: bytes, source: tuple[str, int], now: float, wall: float
    ) -> None:
        """Packets queue: whom the rules name comes first, and nobody's flood takes the others' time."""
        mac = int.from_bytes(data[MAC], "big")
        if self._strangers_seconds <= 0.0 and endpoint.policy.standing(mac) is not Standing.REGISTERED:
            self.counters.decisions[self.role, "NO_TIME"] += 1
            return
        begun = time.monotonic()
        self.receive(endpoint, data, source, now, wall)
        client = self.clients.find(mac)
        if client is None or client.standing is not Standing.REGISTERED:
            self._strangers_seconds -= time.monotonic() - begun

    def receive(
        self, endpoint: Endpoint, data: bytes, source: tuple[str, int], now: float, wall: float
    ) -> None:
        """Decide on one packet and answer it, now or later."""
        compiled = endpoint.compiled
        area = compiled.area(data)
        if area is None:
            self._receive_unusual(endpoint, data, source, now, wall)
            return
        meaning = area.meaning
        if meaning.kind is ClientKind.OTHER:
            if meaning.message_type is MessageType.REQUEST:
                self._learn_address(area.requested, meaning.server_identifier, data)
            self.counters.decisions[self.role, "NOT_A_BOOT_CLIENT"] += 1
            return
        mac = int.from_bytes(data[MAC], "big")
        client = self.clients.note(mac, now, wall)
        client.architecture = meaning.architecture
        client.vendor_class = meaning.vendor_class
        client.uuid = area.uuid
        client.vlan = endpoint.vlan
        if meaning.message_type is MessageType.REQUEST:
            self._learn_address(area.requested, meaning.server_identifier, data)
        outcome = compiled.outcome(meaning, data, mac)
        if outcome is None or (
            outcome.__class__ is Prepared and outcome.after and client.waiting is not None
        ):
            self._decide_slowly(endpoint, client, data, source, now)
        elif isinstance(outcome, Prepared):
            self._answer(endpoint, client, outcome, area, data, source, now)
        else:
            self._decisions.silent(client, outcome, meaning.message_type, now)

    def _receive_unusual(
        self, endpoint: Endpoint, data: bytes, source: tuple[str, int], now: float, wall: float
    ) -> None:
        packet = decode(data)
        if isinstance(packet, Malformed):
            self._decisions.malformed(packet, source[0], now)
            return
        request = boot_request(packet, self.role)
        probe = is_probe(packet)
        client = None
        if request is not None and request.kind is not ClientKind.OTHER:
            client = (self.probes if probe else self.clients).note(request.mac, now, wall)
            client.probe = probe
            client.architecture = request.architecture
            vendor_class = packet.options.get(Option.VENDOR_CLASS_IDENTIFIER, b"")
            client.vendor_class = vendor_class[:LONGEST_VENDOR_CLASS]
            client.uuid = request.uuid
            client.vlan = endpoint.vlan
        if probe:
            self.counters.decisions[self.role, "PROBE"] += 1
        elif request is not None and request.message_type is MessageType.REQUEST:
            requested = packet.options.get(Option.REQUESTED_IP_ADDRESS, b"")
            self._learn_address(requested, packet.options.get(Option.SERVER_IDENTIFIER, b""), data)
        if client is not None:
            self._decide_slowly(endpoint, client, data, source, now)
        elif not probe:
            self.counters.decisions[self.role, "NOT_A_BOOT_CLIENT"] += 1

    def _learn_address(self, requested: bytes, server: bytes, data: bytes) -> None:
        """A REQUEST says which address the client will have: option 50, or ciaddr (RFC 2131, 4.3.2)."""
        octets = requested if len(requested) == 4 else data[CIADDR]
        if octets == _NO_ADDRESS:
            return
        mac = int.from_bytes(data[MAC], "big")
        address = socket.inet_ntoa(octets)
        self.clients.learn(address, mac)
        client = self.clients.find(mac)
        if client is not None:
            client.address = address
            # It says too whose offer the client took (option 54).
            if len(server) == 4:
                client.answered_by = socket.inet_ntoa(server)
                client.chosen = server
                client.took_other = server in self.pxe_servers

    # -- deciding ------------------------------------------------------------------------------

    def _decide_slowly(
        self, endpoint: Endpoint, client: Client, data: bytes, source: tuple[str, int], now: float
    ) -> None:
        """``respond`` itself: for what depends on more than the packet's options."""
        answer, request = self._respond(endpoint, client, data, source, now)
        if isinstance(answer, Silence):
            self._decisions.silent(client, answer, request.message_type, now)
            return
        if answer.after:
            waiting = Waiting(data[XID], time.monotonic() + answer.after, data, source, endpoint, None)
            self._schedule(client, waiting, now, answer.rule)
            return
        if answer.registers:
            self._decisions.registered(client)
        self._send(endpoint, encode(answer.packet), (str(answer.address), answer.port), source)
        self._decisions.answered(client, answer, now)

    def _respond(
        self, endpoint: Endpoint, client: Client, data: bytes, source: tuple[str, int], now: float
    ) -> tuple[Answer | Silence, BootRequest]:
        packet = decode(data)
        assert isinstance(packet, Packet)  # it was, when it came
        request = boot_request(packet, self.role)
        assert request is not None
        answer = respond(
            endpoint.policy,
            request,
            server=endpoint.address,
            source=(IPv4Address(source[0]), source[1]),
            seen=client.seen(now, data[XID]),
        )
        return answer, request

    def _answer(
        self,
        endpoint: Endpoint,
        client: Client,
        prepared: Prepared,
        area: Area,
        data: bytes,
        source: tuple[str, int],
        now: float,
    ) -> None:
        if prepared.after:
            due = time.monotonic() + prepared.after  # not the batch's time: rather late than early
            waiting = Waiting(data[XID], due, data, source, endpoint, (prepared, area))
            self._schedule(client, waiting, now, prepared.rule)
            return
        if prepared.registers:
            self._decisions.registered(client)
        compiled = endpoint.compiled
        self._send(endpoint, compiled.fill(prepared, area, data), compiled.destination(data, source), source)
        self._decisions.answered(client, prepared, now)

    def _schedule(self, client: Client, waiting: Waiting, now: float, rule: str) -> None:
        """Have the answer wait."""
        if not self._waiting.add(client, waiting):
            self.counters.decisions[self.role, "TOO_MANY_WAITING"] += 1
            return
        waiting.timer = self.loop.call_at(waiting.due, lambda: self._send_late(client, waiting))
        self._decisions.waits(client, rule, waiting.due - now, now)

    def _send_late(self, client: Client, waiting: Waiting) -> None:
        self._waiting.remove(client)
        now = time.monotonic()
        endpoint, data, source = waiting.endpoint, waiting.data, waiting.source
        policy = self._endpoints.policy
        assert policy is not None
        made: Answer | Prepared
        # The policy may be another one by now, and the client may have gone with another server.
        if endpoint.policy is not policy or policy.follow_offers or waiting.prepared is None:
            if endpoint.policy is not policy:
                endpoint = endpoint.under(policy)
            answer, request = self._respond(endpoint, client, data, source, now)
            if isinstance(answer, Silence):
                self._decisions.silent(client, answer, request.message_type, now)
                return
            octets, made = encode(answer.packet), answer
            target = (str(answer.address), answer.port)
        else:
            prepared, area = waiting.prepared
            octets, made = endpoint.compiled.fill(prepared, area, data), prepared
            target = endpoint.compiled.destination(data, source)
        self._send(endpoint, octets, target, source)
        self.counters.lateness.observe(now - waiting.due)
        self._decisions.answered(client, made, now, waiting.due)

    # -- answering -----------------------------------------------------------------------------

    def _send(self, endpoint: Endpoint, octets: bytes, target: Target, source: Target) -> None:
        if self.alternate:
            # Not a port any firmware uses: a test asks, and hears the answer where it asked from.
            target = source
        if target[0] == _EVERYONE:
            ancillary = endpoint.to_all
        elif endpoint is self._endpoints.only:
            ancillary = _BY_ROUTE
        else:
            ancillary = endpoint.to_one
        if self._collects:
            self._together.add(octets, ancillary, target)
        else:
            self._send_one(octets, ancillary, target)

    def _send_one(self, octets: bytes, ancillary: Ancillary, target: Target) -> None:
        try:
            if ancillary:
                self.sock.sendmsg((octets,), ancillary, 0, target)
            else:
                self.sock.sendto(octets, target)
            self.counters.offers += 1
        except OSError as error:
            # EPERM (a firewall), ENOBUFS (a full queue), ENETDOWN: the client asks again, so do not insist.
            name = errno.errorcode.get(error.errno or 0, "?")
            self.counters.send_errors[name] += 1
            self._complain(name, target[0], error)

    def _complain(self, name: str, target: str, error: OSError) -> None:
        now = time.monotonic()
        if now - self._complained.get(name, -_REPEATED_OFTEN) >= _REPEATED_OFTEN:
            self._complained[name] = now
            self.log.event("send failed", port=self.role, to=target, why=error.strerror)
