"""What a client gets that asks for a lease time (option 51), by product."""

import pytest

from coexist.boot.leases.lease_times import (
    TimesOf,
    dhcpd_declared_times,
    dhcpd_times,
    dnsmasq_times,
    kea_times,
    one_time,
)
from coexist.wire.bootp import BOOTREQUEST, Packet
from coexist.wire.options import Option

FOREVER = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("said", "asked", "given"),
    [
        # default-lease-time, min-lease-time, max-lease-time
        ((None, None, None), None, 43200),
        ((None, None, None), 60, 300),
        ((None, None, None), FOREVER, 86400),
        ((604800, None, None), None, 86400),
        ((30, None, None), None, 300),
        ((600, None, 200), None, 200),
        ((600, None, 200), 1, 200),
        ((600, 0, 7200), 0, 0),
        ((600, 900, 7200), None, 900),
        ((600, 900, 7200), 100, 900),
        ((600, 900, 800), 850, 900),
        ((600, None, FOREVER), FOREVER, FOREVER),
    ],
)
def test_dhcpd(said: tuple[int | None, int | None, int | None], asked: int | None, given: int) -> None:
    assert dhcpd_times(*said).granted(asked) == given


@pytest.mark.parametrize(
    ("said", "asked", "given"),
    [
        ((7200, None, None), 60, 7200),
        ((7200, None, None), FOREVER, 7200),
        ((7200, 600, None), 60, 600),
        ((7200, None, 9000), 60, 7200),
        ((7200, 600, 9000), 8000, 8000),
        ((7200, 600, 9000), None, 7200),
    ],
)
def test_kea(said: tuple[int, int | None, int | None], asked: int | None, given: int) -> None:
    assert kea_times(*said).granted(asked) == given


@pytest.mark.parametrize(
    ("product", "said", "option_51", "given"),
    [
        (dhcpd_declared_times, (3600, None, None), None, 3600),
        (dhcpd_declared_times, (3600, None, None), b"\0\0\0\1", 300),
        (dhcpd_declared_times, (3600, None, None), b"\0\1\0\0", 3600),
        (dhcpd_declared_times, (3600, None, None), b"\0\1", 3600),
        (dhcpd_declared_times, (3600, 1800, 7200), b"\0\0\0\1", 1800),
        (dhcpd_declared_times, (3600, 1800, 7200), b"\0\1\0\0", 7200),
        (kea_times, (3600, None, None), b"\0\0\0\1", 3600),
        (kea_times, (3600, 1800, 7200), b"\0\0\0\0", 3600),
        (kea_times, (3600, 1800, 7200), b"\0\0\0\1", 1800),
        (dnsmasq_times, (3600, None, None), b"\0\0\0\1", 120),
        (dnsmasq_times, (3600, 1800, 7200), b"\0\1\0\0", 3600),
        (dnsmasq_times, (3600, None, None), b"\0\0\1\0\7", 256),
        (dnsmasq_times, (60, None, None), b"\0\0\0\1", 60),
        (dnsmasq_times, (FOREVER, None, None), b"\0\1\0\0", 65536),
        (one_time, (3600, 1800, 7200), b"\0\0\0\1", 3600),
    ],
)
def test_what_option_51_gets_of_a_declared_scope(
    product: TimesOf, said: tuple[int, int | None, int | None], option_51: bytes | None, given: int
) -> None:
    options = {} if option_51 is None else {int(Option.IP_ADDRESS_LEASE_TIME): option_51}
    packet = Packet(op=BOOTREQUEST, xid=1, chaddr=bytes(6), options=options)
    assert product(*said).granted_to(packet) == given
