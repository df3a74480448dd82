"""Values of dnsmasq options, and the lines around them, as dnsmasq 2.90 reads them."""

from __future__ import annotations

import pytest

from coexist.languages.dnsmasq.lexer import assignment, octets_of, plain_line
from coexist.languages.dnsmasq.options import Kind, RefusedError, read_option
from coexist.languages.dnsmasq.reader import read_dnsmasq
from coexist.render.targets.dnsmasq import option_value


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        ("224,0x0102", b"0x0102"),
        ("224,0102", b"\x66"),
        ("224,01:02", b"\1\2"),
        ("224,256", b"\1\0"),
        ("224,65536", b"\0\1\0\0"),
        ("224,-1", b"\xff\xff\xff\xff"),
        ("224,300s", b"\x01\x2c"),
        ("224,9i", b"\0\0\0\x09"),
        ("224,ff", b"ff"),
        ('224,"7"', b"7"),
        ('224,"1.2.3.4"', b"1.2.3.4"),
        ("224,/a/b", b"/a/b"),
        ("224,10.0.0.0/8", b"\x08\x0a"),
        ('252,"\\n"', b"\n"),
        ("121,10.50.0.0/16,10.40.0.254,0.0.0.0/0,10.40.0.1", bytes.fromhex("100a320a2800fe000a280001")),
        ("119,corp.example,lab.corp.example", b"\4corp\7example\0\3lab\xc0\0"),
        ("120,10.0.0.9", b"\1\x0a\0\0\x09"),
        ("120,sip.example", b"\0\3sip\7example\0"),
        ("vendor:MSFT,2,1i", b"\0\0\0\1"),
        ("option:T1,20m", b"\0\0\x04\xb0"),
        ("option:time-offset,-3600", b"\xff\xff\xf1\xf0"),
    ],
)
def test_octets_of_a_value(value: str, octets: bytes) -> None:
    plain = plain_line(value)
    assert plain is not None
    assert read_option(plain).value == octets


@pytest.mark.parametrize(
    "value",
    ["3,router", "55,1,3,6", "43,5", "option:hostname,a", "nothing", "vendor:a,encap:1,2,3", "option:nil,1"],
)
def test_what_the_daemon_refuses(value: str) -> None:
    with pytest.raises(RefusedError):
        read_option(value)


def test_how_a_value_was_read() -> None:
    kinds = [read_option(value).kind for value in ("3", "3,10.0.0.1", "15,a", "224,1:2", "224,1")]
    assert kinds == [Kind.EMPTY, Kind.ADDRESSES, Kind.TEXT, Kind.HEX, Kind.OCTETS]


def test_tags_vendors_and_enterprises_before_an_option() -> None:
    option = read_option("net:lab,#old,bare,vendor:PXE Client,6,8b")
    assert (option.tags, option.vendor, option.code) == (("lab", "!old", "bare"), "PXE Client", 6)
    assert read_option("vi-encap:9,1,2").enterprise == 9
    assert read_option("option:Bootfile-Name,x").code == 67


@pytest.mark.parametrize(
    ("wanted", "value", "holds"),
    [
        ("t,175,39", b"\1\2\x27", True),
        ("t,175,00:27", b"\0\x27\1", True),
        ("t,175,00:27", b"\1\0\x27", False),
        ("t,175,00:*:01", b"\0\x99\1", True),
        ("t,93,7", b"\0\6\0\7", True),
        ("t,93,7", b"\6\0\7\0", False),
        ("t,60,PXE", b"a PXE client", True),
        ("t,60", b"", True),
    ],
)
def test_matches(wanted: str, value: bytes, holds: bool) -> None:
    assert read_option(wanted, match=True).matches(value) is holds


def test_quotes_and_comments() -> None:
    plain = plain_line('  dhcp-option = 224,"a, #b\\t\\"c" # d')
    assert plain is not None
    keyword, value = assignment(plain)
    assert keyword == "dhcp-option"
    assert octets_of(value or "") == b'224,a, #b\t"c'
    assert plain_line('pxe-prompt="open') is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lan,10.1.0.10,10.1.0.20,255.255.255.0,12h", ("10.1.0.10", "10.1.0.20", "lan", (), 43200)),
        ("net:a,tag:!b,set:c,10.1.0.20,10.1.0.10", ("10.1.0.10", "10.1.0.20", "c", ("a", "!b"), 3600)),
        ("10.1.0.10,static,255.255.255.0,5", ("10.1.0.10", "10.1.0.10", None, (), 120)),
        ("10.1.0.10,10.1.0.20,infinite", ("10.1.0.10", "10.1.0.20", None, (), 0xFFFFFFFF)),
    ],
)
def test_ranges(line: str, expected: tuple[object, ...]) -> None:
    (found,) = read_dnsmasq(f"dhcp-range={line}").ranges
    assert (str(found.start), str(found.last), found.tag, found.filter, found.lease_time) == expected


@pytest.mark.parametrize(
    "line",
    ["cafe,10.1.0.1,10.1.0.9", "a,b,10.1.0.1,10.1.0.9", "10.1.0.1", "10.1.0.1,10.1.9.9,255.255.255.0", "x,y"],
)
def test_ranges_the_daemon_refuses(line: str) -> None:
    (refused,) = read_dnsmasq(f"port=0\ndhcp-range={line}").refused
    assert refused.line == 2


def test_a_range_for_ipv6_is_none() -> None:
    config = read_dnsmasq("dhcp-range=fd00::10,fd00::20,64\ndhcp-option=option6:dns-server,[::]")
    assert (config.ranges, config.options, config.refused) == ((), (), ())


def test_hosts() -> None:
    line = "06-02:00:5E:00:00:01,02:00:5e:00:00:*,net:a,set:b,tag:!c,id:x,10.0.0.5,pc.example,45m"
    (host,) = read_dnsmasq(f"dhcp-host={line}").hosts
    assert host.macs == ("06-02:00:5e:00:00:01", "02:00:5e:00:00:*")
    assert (host.sets, host.tags, host.client_ids) == (("a", "b"), ("!c",), (b"x",))
    assert (str(host.address), host.name, host.lease_time) == ("10.0.0.5", "pc", 2700)


def test_the_domain_of_an_address() -> None:
    lines = "domain=a.example\ndomain=b.example,10.0.0.0/24\ndomain=c.example,10.0.1.1,10.0.1.9"
    assert [d.name for d in read_dnsmasq(lines).domains] == ["a.example", "b.example", "c.example"]


@pytest.mark.parametrize("names", ["a.example", "a.example,b.a.example,b.a.example", "x.y,.,y"])
def test_names_are_told_as_they_were_read(names: str) -> None:
    octets = read_option(f"119,{names}").value
    assert option_value(119, octets) == f",{names}"
