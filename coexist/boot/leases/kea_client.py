"""A client of Kea while its packet is answered, and the classes it is put into.

Source: ``dhcp4_srv.cc`` (classifyPacket, requiredClassify).
"""

from __future__ import annotations

from dataclasses import field

from coexist.boot.leases.kea_config import ClassDef, HostDef, KeaConfig, PoolDef, SubnetDef
from coexist.boot.leases.kea_tests import Tests, UnevaluatedError
from coexist.boot.responder import Arrival
from coexist.records import dataclass
from coexist.wire.bootp import Packet
from coexist.wire.options import Option


@dataclass(slots=True, kw_only=True)
class Client:
    """What is known of a packet while it is answered. ``classes``: in the order it was put into them;
    ``identifiers``: by which its reservations are looked for, none where its subnet looks for none."""

    arrival: Arrival
    classes: dict[str, None] = field(default_factory=dict)
    hosts: dict[int, HostDef] = field(default_factory=dict)
    everywhere: HostDef | None = None
    identifiers: tuple[tuple[str, bytes], ...] = ()

    @property
    def packet(self) -> Packet:
        """Its packet."""
        return self.arrival.packet

    def is_in(self, name: str) -> bool:
        """Whether it is in a class by now."""
        return name in self.classes

    def supported(self, guards: tuple[str, ...]) -> bool:
        """Whether a level with these guards is for the client."""
        return not guards or any(name in self.classes for name in guards)


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """The classes of one configuration. ``version``: of the server, (2, 2) to (3, 0)."""

    config: KeaConfig
    tests: Tests
    version: tuple[int, int]

    def classify(self, client: Client) -> None:
        """classifyPacket: built-in classes, then those whose test does not ask who is known."""
        client.classes["ALL"] = None
        if self.config.pair is not None:
            client.classes[self.config.pair.class_of(client.packet)] = None
        vendor = client.packet.options.get(Option.VENDOR_CLASS_IDENTIFIER)
        if vendor is not None:
            client.classes["VENDOR_CLASS_" + vendor.rstrip(b"\0").decode("utf-8", "surrogateescape")] = None
        self.evaluate(client, knowing=False)

    def evaluate(self, client: Client, *, knowing: bool) -> None:
        """EvaluateClasses: those that ask who is known (``knowing``), or the others."""
        for part in self.config.classes.values():
            if part.is_evaluated and not part.listed and part.knowing is knowing:
                self._test(client, part)

    def _test(self, client: Client, part: ClassDef) -> None:
        try:
            if part.test is not None and self.tests.holds(part.test, client.arrival, client.is_in):
                client.classes[part.name] = None
            if part.template is not None:
                octets = self.tests.value(part.template, client.arrival, client.is_in)
                if octets:
                    # Pkt::addSubClass, with every value that is not empty.
                    client.classes.update(dict.fromkeys((part.name, part.spawned(octets))))
        except UnevaluatedError:
            return

    def asked(self, client: Client, subnet: SubnetDef, pool: PoolDef | None) -> None:
        """requiredClassify: the classes that the levels ask for; since 2.7 the pool's first."""
        asks = [
            subnet.shared.asks if subnet.shared is not None else (),
            subnet.asks,
            pool.asks if pool is not None else (),
        ]
        for names in asks if self.version < (2, 7) else reversed(asks):
            for name in names:
                part = self.config.classes.get(name)
                if part is None:
                    continue
                if not part.is_evaluated and self.version >= (2, 7):
                    client.classes[name] = None
                else:
                    self._test(client, part)
