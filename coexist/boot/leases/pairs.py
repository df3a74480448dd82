"""Two DHCP servers that share their clients: which of the two answers whom while both are up.

Each product shares in its own way (``boot/servers``); all of them go by the hash of RFC 3074 or leave
everything to one of the two.
"""

from __future__ import annotations

from coexist.records import dataclass
from coexist.wire.bootp import Packet
from coexist.wire.load_balancing import BUCKETS, bucket
from coexist.wire.options import MessageType, Option

EVERYONE = (1 << BUCKETS) - 1
NOBODY = 0
_SHARED = frozenset({MessageType.DISCOVER, MessageType.REQUEST})


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """How a server that has lost contact comes to hold its partner for down; until then it leaves
    it its clients.

    ``silence``: seconds without a sign of the partner, after which contact is lost. ``waited``: a client of
    the partner whose ``secs`` say more has waited too long. ``clients``: more than so many such clients, and
    the partner is down; 0: it is as soon as contact is lost.
    """

    silence: float = 60.0
    waited: float = 10.0
    clients: int = 10

    def after(self, packet: Packet, waiting: frozenset[bytes]) -> frozenset[bytes]:
        """The clients that have waited too long, after a packet of one of the partner's clients.

        Windows clients were seen with the octets of ``secs`` exchanged (CommunicationState4::analyzeMessage).
        """
        secs = packet.secs
        if secs > 255 and not secs & 255:
            secs >>= 8
        if secs <= self.waited:
            return waiting
        return waiting | {packet.chaddr[: packet.hlen] + packet.options.get(Option.CLIENT_IDENTIFIER, b"")}

    def is_down(self, waiting: frozenset[bytes]) -> bool:
        """Whether a partner without contact is held for down."""
        return not self.clients or len(waiting) > self.clients


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A server's part in a pair.

    ``partner``: the other server, to be named. ``mine``: a bit for each of the 256 buckets of RFC 3074, set
    where the server answers its clients. ``max_seconds``: who says in ``secs`` that it has waited longer is
    answered by both; None: ``secs`` changes nothing. ``requests``: a REQUEST is left to the partner as a
    DISCOVER is. ``reserved``: so are clients with an address of their own. ``longest``: the lease time of a
    client that the partner does not know of yet (the maximum client lead time), in seconds. ``by_mac``: the
    hash is of the hardware address, whatever client identifier a client sends. ``takes_over``: it answers
    everyone when the partner is down. ``detection``: when it holds it for down; None: as soon as contact is
    lost.
    """

    partner: str
    mine: int
    max_seconds: int | None = None
    requests: bool = False
    reserved: bool = False
    longest: int | None = None
    by_mac: bool = False
    takes_over: bool = True
    detection: Detection | None = None

    def left_to(self, packet: Packet, *, reserved: bool = False) -> str:
        """Who answers a packet in this server's place; empty if this one does."""
        kind = packet.message_type
        if kind not in _SHARED or (kind is MessageType.REQUEST and not self.requests):
            return ""
        if reserved and not self.reserved:
            return ""
        identity = packet.chaddr[: packet.hlen] if self.by_mac else identity_of(packet)
        return self.left_to_of(identity, packet.secs)

    def left_to_of(self, identity: bytes, secs: int) -> str:
        """Who answers a client in this server's place, of whatever packet; empty if this one does."""
        if self.has(identity) or (self.max_seconds is not None and secs > self.max_seconds):
            return ""
        return self.partner

    def has(self, identity: bytes) -> bool:
        """Whether a client is this server's own by its hash."""
        return bool(self.mine >> bucket(identity) & 1)


def identity_of(packet: Packet) -> bytes:
    """What a client is hashed by (RFC 3074 section 4): its client identifier, else its hardware address."""
    return packet.options.get(Option.CLIENT_IDENTIFIER) or packet.chaddr[: packet.hlen]


def below(split: int) -> int:
    """The buckets below a number."""
    return (1 << split) - 1


def every_second(first: int) -> int:
    """The buckets 0, 2, 4 and so on (``first`` 0), or 1, 3, 5 and so on (1)."""
    return sum(1 << number for number in range(first, BUCKETS, 2))
