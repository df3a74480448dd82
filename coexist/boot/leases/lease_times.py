"""For how long a client is leased an address after it asked for a time of its own (option 51), by product.

All times are seconds. The default is for clients that ask for no time. A product has its own limits where
none are declared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from coexist.records import dataclass
from coexist.wire.bootp import Packet
from coexist.wire.option_codes import Option

# includes/dhcpd.h and server/dhcp.c of ISC dhcpd 4.4.3
_DHCPD_DEFAULT, _DHCPD_LONGEST, _DHCPD_SHORTEST = 43200, 86400, 300
# calc_time of dnsmasq's rfc2131.c ("sanity")
_DNSMASQ_SHORTEST = 120
KEA_LIFETIME = 7200
"""Where nothing says another (``SimpleParser4::GLOBAL4_DEFAULTS``)."""


def four_octets(octets: bytes) -> int | None:
    """What option 51 asks for; None if it has not four octets."""
    return int.from_bytes(octets, "big") if len(octets) == 4 else None


def _not_zero(octets: bytes) -> int | None:
    return four_octets(octets) or None


def _first_four(octets: bytes) -> int | None:
    return four_octets(octets[:4])


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """The time of a client that asks for none, and the shortest and longest one that another can get.

    ``reads``: what the octets of option 51 ask for, None for nothing.
    """

    default: int
    shortest: int
    longest: int
    reads: Callable[[bytes], int | None] = four_octets

    def granted(self, asked: int | None) -> int:
        """The time for a client that asks for ``asked`` seconds, or for nothing (None)."""
        return self.default if asked is None else max(min(asked, self.longest), self.shortest)

    def granted_to(self, packet: Packet) -> int:
        """The time for a client after a packet."""
        return self.granted(self.reads(packet.options.get(Option.IP_ADDRESS_LEASE_TIME, b"")))


TimesOf: TypeAlias = Callable[[int, int | None, int | None], LeaseTimes]
"""What a product makes of the default, the shortest and the longest time that are declared."""


def dhcpd_times(default: int | None, shortest: int | None, longest: int | None) -> LeaseTimes:
    """ISC dhcpd (``ack_lease``): its limits hold for the default too, and the shortest time wins.

    A lease that would end after 2038-01-19 (MAX_TIME) is told what is left until then, which no model knows:
    they have no clock.
    """
    most = _DHCPD_LONGEST if longest is None else longest
    least = min(_DHCPD_SHORTEST, most) if shortest is None else shortest
    times = LeaseTimes(default=0, shortest=least, longest=max(most, least))
    return replace(times, default=times.granted(_DHCPD_DEFAULT if default is None else default))


def kea_times(default: int, shortest: int | None, longest: int | None) -> LeaseTimes:
    """Kea (``AllocEngine::getValidLft``): everyone gets the default without limits; 0 asks for nothing."""
    return LeaseTimes(
        default=default,
        shortest=default if shortest is None else shortest,
        longest=default if longest is None else longest,
        reads=_not_zero,
    )


def dhcpd_declared_times(default: int, shortest: int | None, longest: int | None) -> LeaseTimes:
    """Those of a rendered dhcpd.conf, whose longest time is the default unless another is declared."""
    return dhcpd_times(default, shortest, default if longest is None else longest)


def dnsmasq_times(
    default: int,
    shortest: int | None = None,  # noqa: ARG001 it has no such limits
    longest: int | None = None,  # noqa: ARG001
) -> LeaseTimes:
    """What dnsmasq grants (``calc_time``): a client may ask for less, down to two minutes."""
    least = min(_DNSMASQ_SHORTEST, default)
    return LeaseTimes(default=default, shortest=least, longest=default, reads=_first_four)


def one_time(
    default: int,
    shortest: int | None = None,  # noqa: ARG001 it has no such limits
    longest: int | None = None,  # noqa: ARG001
) -> LeaseTimes:
    """The same time for everyone, whatever a client asks for."""
    return LeaseTimes(default=default, shortest=default, longest=default)
