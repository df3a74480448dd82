"""Hosts that are read by a pattern mean what the grammar reads in them."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coexist.errors import InputError
from coexist.importers.dhcpd.site import import_dhcpd
from coexist.languages.dhcpd.lexer import skip
from coexist.languages.dhcpd.parser import parse_dhcpd
from coexist.languages.dhcpd.plain_hosts import plain_host, usual_hosts
from coexist.languages.dhcpd.syntax import PlainHosts

HEAD = """
subnet 10.1.0.0 netmask 255.255.255.0 { range 10.1.0.200 10.1.0.210; filename "a.0"; }
subnet 10.2.0.0 netmask 255.255.255.192 { }
group { next-server 10.1.0.9;
"""
TWO = "fixed-address 10.1.0.5, 10.2.0.5"
# The grammar reads a host with a comment; a pattern the same host with blanks in its place.
COMMENT, BLANKS = "#", " "

macs = st.one_of(
    st.integers(0, 5).map(lambda n: f"52:54:00:00:00:0{n}"),
    st.sampled_from(
        ["0:0:0:0:0:0", "1:80:c2:0:0:0", "52:54:0:A:b:C", "52:54:00:00:00:00:01", "52:54:00:00:00:gg"]
    ),
)
addresses = st.sampled_from(
    [
        "10.1.0.5",
        "10.1.0.6",
        "10.2.0.63",
        "10.2.0.64",
        "10.9.9.9",
        "0.0.0.0",
        "10.1.0.5, 10.2.0.5",
        "10.1.0.300",
    ]
)
statements = st.one_of(
    macs.map("hardware ethernet {}".format),
    addresses.map("fixed-address {}".format),
    st.sampled_from(["pc", "pc.site", "the pc"]).map('option host-name "{}"'.format),
    st.sampled_from(["pxelinux.0", "a;b", "snponly.efi"]).map('filename "{}"'.format),
    st.sampled_from(
        ["next-server 10.1.0.7", "default-lease-time 600", 'option root-path "/x"', "deny booting"]
    ),
)
usual = st.tuples(
    macs.map("hardware ethernet {}".format),
    addresses.map("fixed-address {}".format),
    st.sampled_from(['filename "b.0"', "next-server 10.1.0.7"]),
    st.sampled_from(['option host-name "pc"', 'option host-name "other"']),
)
bodies = st.one_of(usual.map(list), st.lists(statements, max_size=5))
blanks = st.sampled_from([" ", "\n\t", "  "])
hosts = st.lists(st.tuples(st.sampled_from(["a", "b", "c-1", "d.e", "f", "g"]), bodies, blanks), max_size=8)


def written(hosts: list[tuple[str, list[str], str]], end: str) -> str:
    lines = [
        f"host {name} {{{blank}" + "".join(f"{said};{blank}" for said in body) + f"{end}\n}}"
        for name, body, blank in hosts
    ]
    return HEAD + "\n".join(lines) + "\n}\n"


def outcome(text: str) -> Any:
    try:
        imported = import_dhcpd(text, "dhcpd.conf")
    except InputError as error:
        return [problem.position.line for problem in error.problems]
    return imported.tree, imported.clients


@given(hosts)
@example([(name, [f"hardware ethernet 52:54:00:00:00:0{name}", TWO, "deny booting"], " ") for name in "ab"])
@example(
    [(name, [f"hardware ethernet 52:54:00:00:00:0{name}", "fixed-address pc.site"], " ") for name in "ab"]
)
@example(
    [
        (
            "a",
            ["hardware ethernet 52:54:00:00:00:01", 'filename "x"', "hardware ethernet 52:54:00:00:00:02"],
            " ",
        )
    ]
)
@example(
    [("a", ["hardware ethernet 52:54:00:00:00:01", 'option host-name "p"', 'option host-name "q"'], " ")]
)
# One machine is told another name on each of its networks.
@example(
    [
        ("a", ["hardware ethernet 52:54:00:00:00:01", "fixed-address 10.2.0.6", 'option host-name "p"'], " "),
        ("b", ["hardware ethernet 52:54:00:00:00:01", "fixed-address 10.1.0.5", 'option host-name "q"'], " "),
    ]
)
# An address that is in no subnet is told by the name of its declaration.
@example(
    [("a", ["hardware ethernet 52:54:00:00:00:01", "fixed-address 10.2.0.64", 'option host-name "p"'], " ")]
)
def test_a_pattern_reads_what_the_grammar_reads(hosts: list[tuple[str, list[str], str]]) -> None:
    assert outcome(written(hosts, BLANKS)) == outcome(written(hosts, COMMENT))


def test_the_pattern_is_what_reads_the_usual_hosts() -> None:
    body = 'host a { hardware ethernet 0:1:2:3:4:5; fixed-address 10.1.0.5; filename "x;y";\n next-server h; '
    found = plain_host(body + 'option host-name "pc"; }', 0)
    assert found is not None
    row, rest, _ = found
    assert row == ("a", "0:1:2:3:4:5", "10.1.0.5", "pc", 0)
    assert rest == 'filename "x;y";\nnext-server h;'
    assert plain_host(body + "# }\n }", 0) is None


PIECES = """host a { hardware ethernet 0:1:2:3:4:5; fixed-address 10.1.0.5; } # host z { }
# a comment of its own: }
host b { hardware ethernet 0:1:2:3:4:6;
  filename "x"; option host-name "bee"; }  host c {
  hardware ethernet 0:1:2:3:4:7; }
"""


@given(st.integers(1, len(PIECES) + 1))
def test_pieces_of_any_size_hold_the_hosts_that_are_read_one_by_one(size: int) -> None:
    at = number = 0
    single = []
    while at < len(PIECES):
        found = plain_host(PIECES, at)
        assert found is not None
        at = skip(PIECES, found[2])
        single.append((found[0], found[1], at))
    at = 0
    while number < len(single):
        usual = usual_hosts(PIECES, at, size)
        for row, rest, end in zip(*usual, strict=True):
            assert (row, rest, skip(PIECES, end)) == single[number]
            number += 1
        number += not usual.rows  # no whole host is in the piece
        at = single[number - 1][2]


def test_a_piece_ends_before_a_host_that_says_something_new_or_has_the_name_of_another() -> None:
    lines = [f"host pc-{n} {{ hardware ethernet 0:1:2:3:{n // 256:x}:{n % 256:x}; }}" for n in range(500)]
    lines[200] = lines[200].replace("; }", '; filename "new"; }')
    (first, other, last) = parse_dhcpd("\n".join(lines), "dhcpd.conf").body
    assert isinstance(first, PlainHosts)
    assert isinstance(last, PlainHosts)
    assert (len(first.rows), other.at.line, len(last.rows)) == (200, 201, 299)
    assert [last.place(row[4]).line for row in last.rows] == list(range(202, 501))
    lines[420] = lines[420].replace("pc-420", "pc-7")
    with pytest.raises(InputError) as refused:
        parse_dhcpd("\n".join(lines), "dhcpd.conf")
    assert [problem.position.line for problem in refused.value.problems] == [421]
