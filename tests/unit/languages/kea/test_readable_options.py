"""Which options of a client's packet Kea reads."""

from __future__ import annotations

import pytest

from coexist.languages.kea.option_data import is_readable


@pytest.mark.parametrize(
    ("code", "octets", "read"),
    [
        (93, "00", False),
        (93, "0007", True),
        (93, "000700", False),
        (93, "", False),
        (57, "05", False),
        (57, "05c000", True),
        (6, "", True),
        (6, "0a0900", False),
        (94, "0103", False),
        (94, "01031000", True),
        (79, "0261", False),
        (79, "0161", True),
        (61, "01", False),
        (61, "0102", True),
        (81, "0000", False),
        (81, "000000", True),
        (124, "00000009", True),
        (124, "000000090261", False),
        (124, "00000009026162", True),
        (125, "01", True),
        (119, "00", True),
        (119, "0361", False),
        (137, "0001", True),
        (60, "", True),
        (200, "", True),
    ],
)
def test_kea_reads_what_has_its_shape(code: int, octets: str, read: bool) -> None:
    assert is_readable(code, bytes.fromhex(octets)) is read
