"""clients.csv as people save it."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.errors import Problem
from coexist.inventory.clients import ClientTable
from coexist.wire.mac import format_mac


def read(data: bytes) -> tuple[ClientTable, list[str]]:
    table, problems = ClientTable(), list[Problem]()
    table.add_csv(data, "c.csv", problems, lambda: data)
    return table, [str(p) for p in problems]


def test_columns_and_places() -> None:
    table, problems = read(
        b"mac,name,hardware,room\n52:54:00:00:00:01,a,x,R1\n\n# note\n52:54:00:00:00:02,b,y,R2\n"
    )
    assert problems == []
    assert list(table.macs) == [0x525400000001, 0x525400000002]
    assert table.columns["room"] == ["R1", "R2"]
    record = table.find(0x525400000002)
    assert record is not None
    assert (record.name, record.hardware, str(record.position)) == ("b", "y", "c.csv:5:1")
    assert str(table.position(1, "hardware")) == "c.csv:5:21"
    assert table.find(1) is None


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


def test_a_machine_with_two_cards() -> None:
    table, problems = read(b"mac,name,address\n52:54:00:00:00:01 52:54:00:00:00:02,a,10.0.0.1\n")
    assert problems == []
    assert [table.record(row).name for row in (0, 1)] == ["a", "a"]
    assert table.record(1).address == IPv4Address("10.0.0.1")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "c.csv:1:1: the file has no header line"),
        (b"name,os\na,b\n", "c.csv:1:1: there is no column `mac`"),
        (b"mac,name,mac\n", "c.csv:1:10: the column 'mac' stands twice"),
        (b"mac,name\n52:54:00:00:00:01\n", "c.csv:2:1: this row has 1 cells, the header has 2"),
        (b"mac,name\n52:54:00:00:00:01,a,b\n", "c.csv:2:19: this row has 3 cells, the header has 2"),
        (b"name,mac\na,52:54:00:00:00:0g\n", "c.csv:2:3: '52:54:00:00:00:0g' is not a MAC address"),
        (b'name,mac\n"a,b",nope\n', "c.csv:2:7: 'nope' is not a MAC address"),
        (b"name,mac\na,\n", "c.csv:2:3: the MAC address is missing"),
        (b"name,mac\na,01:00:5e:00:00:01\n", "c.csv:2:3: 01:00:5e:00:00:01 is a multicast address"),
        (b"mac,architecture\n52:54:00:00:00:01,uefi\n", "c.csv:2:19: 'uefi' is not an architecture"),
        (b"mac,address\n52:54:00:00:00:01,10.0.0.256\n", "c.csv:2:19: '10.0.0.256' is not an address"),
        (b"mac,name\n52:54:00:00:00:01,\xe4\n", "c.csv:2:19: this is not UTF-8 text"),
        (b'mac,name\n52:54:00:00:00:01,"a\n', "c.csv:2:1: this row is not CSV"),
        (b"mac,name\n52:54:00:00:00:01,a\0b\n", "c.csv:2:1: the file holds a NUL"),
    ],
)
def test_what_is_wrong_is_named_with_its_cell(data: bytes, problem: str) -> None:
    _, problems = read(data)
    assert len(problems) == 1
    assert problems[0].startswith(problem)
    assert "; " in problems[0], "the remedy is missing"


def test_a_wrong_row_does_not_hide_the_others() -> None:
    table, problems = read(b"mac,name\nx,1\n52:54:00:00:00:01,2\ny,3\n")
    assert len(problems) == 2
    assert table.columns["name"] == ["2"]


def test_two_files_with_different_columns() -> None:
    table, problems = ClientTable(), list[Problem]()
    table.add_csv(b"mac,room\n52:54:00:00:00:01,R1\n", "a.csv", problems)
    table.add_csv(b"mac,os\n52:54:00:00:00:02,linux\n", "b.csv", problems)
    assert table.columns["room"] == ["R1", ""]
    assert table.columns["os"] == ["", "linux"]
    assert table.position(0).file == "a.csv"
    assert table.position(1).file == "b.csv"


@given(st.binary(max_size=80))
def test_any_octets_are_read_or_refused(data: bytes) -> None:
    table, problems = read(b"mac,name\n" + data)
    assert len(table) == len(table.columns["name"])
    assert all(problem.startswith("c.csv:") for problem in problems)


@given(
    st.lists(
        st.tuples(st.integers(0, (1 << 40) - 1), st.text(alphabet="ab ,;\"'\u00e4#", max_size=6)), max_size=8
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
        for number in range(20_000)
    ]
    table = ClientTable()
    problems: list[Problem] = []
    table.add_csv(("mac,name,address\n" + "\n".join(rows) + ending).encode(), "clients.csv", problems)
    assert problems == []
    assert list(table.macs) == list(range(20_000))
    assert table.columns["name"] == [f"tc-{number}" for number in range(20_000)]
    assert table.position(19_999).line == 20_001


def test_a_short_row_far_down_is_named_by_its_line() -> None:
    rows = [f"{format_mac(number)},tc-{number}" for number in range(20_000)]
    rows[17_000] = format_mac(17_000)
    table = ClientTable()
    problems: list[Problem] = []
    table.add_csv(("mac,name\n" + "\n".join(rows)).encode(), "clients.csv", problems)
    assert [problem.position.line for problem in problems] == [17_002]
    assert len(table) == 19_999
