"""clients.csv as people and spreadsheets save it."""

from __future__ import annotations

import re
from array import array
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.errors import Problem
from coexist.inventory.clients import ClientTable
from coexist.inventory.plain_cells import plain_macs, written_macs
from coexist.wire.mac import format_mac


def read(data: bytes) -> tuple[ClientTable, list[str]]:
    table, problems = ClientTable(), list[Problem]()
    table.add_csv(data, "c.csv", problems, lambda: data)
    return table, [str(p) for p in problems]


@pytest.mark.parametrize(
    "mac", ["52:54:00:AB:cd:01", "52-54-00-ab-cd-01", "5254.00ab.cd01", "525400abcd01", " 525400ABCD01 "]
)
def test_the_usual_spellings(mac: str) -> None:
    table, problems = read(f"name,mac\nx,{mac}\n".encode())
    assert problems == []
    assert list(table.macs) == [0x525400ABCD01]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfmac,name\r\n52:54:00:00:00:01,a\r\n",
        b"mac;name\r\n52:54:00:00:00:01;a\r\n",
        b"mac\tname\n52:54:00:00:00:01\ta",
        b'"mac","name"\n"52:54:00:00:00:01","a"\n',
        b"MAC , Name\n52:54:00:00:00:01 , a \n",
    ],
)
def test_byte_order_mark_line_ends_and_separators(data: bytes) -> None:
    table, problems = read(data)
    assert problems == []
    assert list(table.macs) == [0x525400000001]
    assert table.columns["name"] == ["a"]


def test_the_cards_of_a_machine_share_its_row() -> None:
    table, problems = read(b"mac,name,address\n52:54:00:00:00:01 52:54:00:00:00:02,a,10.0.0.1\n")
    assert problems == []
    assert [table.record(row).name for row in (0, 1)] == ["a", "a"]
    assert table.record(1).address == IPv4Address("10.0.0.1")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "c.csv:1:1: the file has no header line"),
        (b"name,os\na,b\n", "c.csv:1:1: there is no column `mac`"),
        (b"mac,name,mac\n", "c.csv:1:10: the column 'mac' "),
        (b"mac,name\n52:54:00:00:00:01\n", "c.csv:2:1: this row has 1 cell, the header has 2"),
        (b"mac,name\n52:54:00:00:00:01,a,b\n", "c.csv:2:19: this row has 3 cells, the header has 2"),
        (b"name,mac\na,52:54:00:00:00:0g\n", "c.csv:2:3: '52:54:00:00:00:0g' is not a MAC address"),
        (b'name,mac\n"a,b",nope\n', "c.csv:2:7: 'nope' is not a MAC address"),
        (b"name,mac\na,\n", "c.csv:2:3: the MAC address is missing"),
        (b"name,mac\na,01:00:5e:00:00:01\n", "c.csv:2:3: 01:00:5e:00:00:01 is a multicast address"),
        (b"name,mac\na,00:00:00:00:00:00\n", "c.csv:2:3: 00:00:00:00:00:00 is no machine's address"),
        (
            b"name,mac\na,1122334455\n",
            "c.csv:2:3: '1122334455' has 10 digits, a MAC address has 12; write 001122334455 if",
        ),
        (
            b"name;mac\na;5,254E+11\n",
            "c.csv:2:3: '5,254E+11' is a MAC address that a spreadsheet took for a number",
        ),
        (b"name,mac\na,5.25400123456E+11\n", "c.csv:2:3: '5.25400123456E+11' is a MAC address that a spread"),
        (b"name,mac,\na,52:54:00:00:00:01,x\n", "c.csv:2:21: 'x' "),
        (
            b"52:54:00:00:00:01,a\n52:54:00:00:00:02,b\n",
            "c.csv:1:1: the file has no header line; begin it with",
        ),
        (
            b"Name;MAC-Adresse\na;525400000001\n",
            "c.csv:1:1: there is no column `mac`; rename 'mac-adresse' to",
        ),
        (b"mac|name\n525400000001|a\n", "c.csv:1:1: there is no column `mac`; separate the columns by comma"),
        (
            "mac,name\n52:54:00:00:00:01,a\n".encode("utf-16"),
            "c.csv:1:1: this is UTF-16 text; save the file as",
        ),
        (b'mac,name\n52:54:00:00:00:01,"a" b\n', "c.csv:2:1: this row is not CSV: ',' expected after"),
        (
            b"mac,architecture\n52:54:00:00:00:01,UEFI\n",
            "c.csv:2:19: 'UEFI' is not an architecture; did you mean",
        ),
        (b"mac,architecture\n52:54:00:00:00:01,uefi\n", "c.csv:2:19: 'uefi' is not an architecture"),
        (b"mac,address\n52:54:00:00:00:01,10.0.0.256\n", "c.csv:2:19: '10.0.0.256' is not an address"),
        (b"mac,name\n52:54:00:00:00:01,\xe4\n", "c.csv:2:19: this is not UTF-8 text"),
        (b'mac,name\n52:54:00:00:00:01,"a\n', "c.csv:2:1: a quote in this row is never closed"),
        (b"mac,name\n52:54:00:00:00:01,a\0b\n", "c.csv:2:1: the file holds a NUL"),
    ],
)
def test_what_is_wrong_is_named_with_its_cell(data: bytes, problem: str) -> None:
    _, problems = read(data)
    assert len(problems) == 1
    assert problems[0].startswith(problem)
    assert "; " in problems[0], "the remedy is missing"


@pytest.mark.parametrize(
    "data",
    [
        b"mac;name;;\r\n52:54:00:00:00:01;a;;\r\n",  # empty columns at the end
        b"mac;name\r\n52:54:00:00:00:01;a;;;\r\n;\r\n;;;\r\n",  # and rows
        b"mac,name\n , \n52:54:00:00:00:01 , a\n",
        b"sep=;\r\nmac;name\r\n52:54:00:00:00:01;a\r\n",
        b"mac;name;note, if any\n52:54:00:00:00:01;a;b, c, d\n",
        b'mac,name\n"=""52:54:00:00:00:01""","=""a"""\n',
        "mac,name\n52:54:00:00:00:01\u00a0,\u00a0a\n".encode(),
        b"# " + b"x" * 9000 + b"\nmac,name\n52:54:00:00:00:01,a\n",
        ("mac,name," + ",".join(f"c{n}" for n in range(900)) + "\n525400000001,a" + "," * 900).encode(),
        b"mac,name\r52:54:00:00:00:01,a\r",
    ],
)
def test_what_spreadsheets_make_of_it(data: bytes) -> None:
    table, problems = read(data)
    assert problems == []
    assert list(table.macs) == [0x525400000001]
    assert table.columns["name"] == ["a"]
    assert "" not in table.columns


@pytest.mark.parametrize("between", [" ", ", ", ";", "/", "\n"])
def test_two_cards_in_one_cell(between: str) -> None:
    table, problems = read(f'name,mac\na,"52:54:00:00:00:01{between}52-54-00-00-00-02"\n'.encode())
    assert problems == []
    assert list(table.macs) == [0x525400000001, 0x525400000002]


def test_a_row_of_several_lines_is_named_by_its_first() -> None:
    table, problems = read(
        b'mac,name,address\n52:54:00:00:00:01,"a\nb",10.0.0.999\n52:54:00:00:00:02,c,10.0.0.1\nnope,"d\ne",\n'
    )
    assert [problem.split(": ")[0] for problem in problems] == ["c.csv:5:1", "c.csv:2:1"]
    assert [table.position(row).line for row in (0, 1)] == [2, 4]
    assert table.columns["name"] == ["a\nb", "c"]


def test_an_open_quote_hides_no_other_mistake() -> None:
    _, problems = read(b'mac,name\nnope,a\n52:54:00:00:00:01,"b\n52:54:00:00:00:02,c\nnope,d\n')
    assert [problem.split("; ")[0] for problem in problems] == [
        "c.csv:3:1: a quote in this row is never closed",
        "c.csv:2:1: 'nope' is not a MAC address",
        "c.csv:5:1: 'nope' is not a MAC address",
    ]


def test_text_in_another_encoding_hides_no_other_mistake() -> None:
    _, problems = read("mac;name\r\n52:54:00:00:00:01;B\u00fcro\r\nnope;\r\n".encode("cp1252"))
    assert [problem.split("; ")[0] for problem in problems] == [
        "c.csv:2:20: this is not UTF-8 text",
        "c.csv:3:1: 'nope' is not a MAC address",
    ]


@pytest.mark.parametrize(("rows", "told"), [(50, 50), (51, 51), (52, 51), (3000, 51)])
def test_the_same_mistake_in_each_row_is_counted(rows: int, told: int) -> None:
    _, problems = read(b"mac,name\n" + b"5.254E+11,a\n" * rows)
    assert len(problems) == told
    assert bool(re.search(r"\bmore rows\b", problems[-1])) == (rows > told)
    if rows > told:
        assert f"and {rows - told} more rows" in problems[-1]


def test_a_wrong_row_does_not_hide_the_others() -> None:
    table, problems = read(b"mac,name\nx,1\n52:54:00:00:00:01,2\ny,3\n")
    assert len(problems) == 2
    assert table.columns["name"] == ["2"]


@given(st.binary(max_size=80))
def test_any_octets_are_read_or_refused(data: bytes) -> None:
    table, problems = read(b"mac,name\n" + data)
    assert len(table) == len(table.columns["name"])
    assert all(problem.startswith("c.csv:") for problem in problems)


@given(
    st.lists(
        st.tuples(st.integers(1, (1 << 40) - 1), st.text(alphabet="ab ,;\"'\u00e4#", max_size=6)), max_size=8
    )
)
def test_what_a_csv_writer_wrote_is_read_back(rows: list[tuple[int, str]]) -> None:
    import csv
    import io

    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["mac", "name"])
    for mac, name in rows:
        writer.writerow([format_mac(mac), name])
    table, problems = read(buffer.getvalue().encode())
    assert problems == []
    assert list(zip(table.macs, table.columns["name"], strict=True)) == [(m, n.strip()) for m, n in rows]


@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_file_of_several_groups_of_lines_is_read_whole(ending: str) -> None:
    rows = [
        f"{format_mac(number)},tc-{number},10.{number >> 8 & 255}.{number & 255}.7"
        for number in range(1, 20_001)
    ]
    table = ClientTable()
    problems: list[Problem] = []
    table.add_csv(("mac,name,address\n" + "\n".join(rows) + ending).encode(), "clients.csv", problems)
    assert problems == []
    assert list(table.macs) == list(range(1, 20_001))
    assert table.columns["name"] == [f"tc-{number}" for number in range(1, 20_001)]
    assert table.position(19_999).line == 20_001


def test_a_short_row_far_down_is_named_by_its_line() -> None:
    rows = [f"{format_mac(number)},tc-{number}" for number in range(1, 20_001)]
    rows[17_000] = format_mac(17_001)
    table = ClientTable()
    problems: list[Problem] = []
    table.add_csv(("mac,name\n" + "\n".join(rows)).encode(), "clients.csv", problems)
    assert [problem.position.line for problem in problems] == [17_002]
    assert len(table) == 19_999


def test_cells_of_wrong_lengths_are_no_macs_together() -> None:
    # Joined they have as many characters as two MACs, each colon in its place.
    assert plain_macs(["52:54:00:00:00:010", "2:54:00:00:00:02"]) is None
    assert plain_macs(["52:54:00:00:00:0", "152:54:00:00:00:02"]) is None
    assert plain_macs(["52:54:00:00:00:01", "02:54:00:00:00:02"]) == array(
        "Q", [0x525400000001, 0x025400000002]
    )


@given(st.lists(st.integers(0, (1 << 48) - 1)))
def test_macs_are_read_as_they_are_written(macs: list[int]) -> None:
    cells = written_macs(macs)
    assert cells == list(map(format_mac, macs))
    assert list(plain_macs(cells) or ()) == macs
