"""The table of registered clients: columns, places, rows by value."""

from __future__ import annotations

from ipaddress import IPv4Address

from coexist.errors import Position, Problem
from coexist.inventory.clients import ClientTable
from coexist.inventory.models import Client


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


def test_two_files_with_different_columns() -> None:
    table, problems = ClientTable(), list[Problem]()
    table.add_csv(b"mac,room\n52:54:00:00:00:01,R1\n", "a.csv", problems)
    table.add_csv(b"mac,os\n52:54:00:00:00:02,linux\n", "b.csv", problems)
    assert table.columns["room"] == ["R1", ""]
    assert table.columns["os"] == ["", "linux"]
    assert table.position(0).file == "a.csv"
    assert table.position(1).file == "b.csv"


def test_rows_by_value_address_and_tag() -> None:
    table, problems = read(
        b"mac,hardware,room,tags,address\n"
        b"52:54:00:00:00:01,x,R1,a b,10.0.0.9\n"
        b"52:54:00:00:00:02,x,R2,b,10.0.0.7\n"
        b"52:54:00:00:00:03,y,R2,,\n"
    )
    assert problems == []
    assert list(table.rows([("hardware", ("x",)), ("room", ("R2", "R3"))])) == [1]
    assert list(table.rows([("tags", ("b",))])) == [0, 1]
    assert list(table.rows([("tags", ("a",)), ("hardware", ("x",))])) == [0]
    assert list(table.rows([("room", ("none",))])) == []
    assert table.reserved(int(IPv4Address("10.0.0.7")), int(IPv4Address("10.0.0.9"))) == [0, 1]


def test_listed_clients_stand_beside_those_of_a_file() -> None:
    table, _ = read(b"mac,room\n52:54:00:00:00:01,R1\n")
    cards = (0x525400000002, 0x525400000003)
    listed = Client.model_validate({"mac": ["52:54:00:00:00:02", "525400000003"], "name": "a"})
    table.add_listed([listed], lambda number: Position("site.yaml", 7 + number))
    assert list(table.macs) == [0x525400000001, *cards]
    assert [str(table.position(row)) for row in range(3)] == ["c.csv:2:1", "site.yaml:7:1", "site.yaml:7:1"]
    assert table.columns["room"] == ["R1", "", ""]
    assert table.find(cards[1]) == table.record(2)
