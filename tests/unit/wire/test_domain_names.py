"""Lists of domain names: with pointers and without."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coexist.wire.domain_names import packed_names, unpacked_names, without_pointers

LABELS = st.binary(min_size=1, max_size=12).filter(lambda label: b"." not in label)
NAMES = st.lists(st.lists(LABELS, min_size=1, max_size=4).map(b".".join), min_size=1, max_size=5)


@given(names=NAMES)
def test_names_are_read_as_they_were_written(names: list[bytes]) -> None:
    plain = packed_names(names, compressed=False)
    assert unpacked_names(plain) == names
    packed = packed_names(names, compressed=True)
    assert [n.lower() for n in unpacked_names(packed)] == [n.lower() for n in names]
    assert without_pointers(packed).lower() == plain.lower()
    assert without_pointers(plain) == plain


def test_a_pointer_stands_for_the_end_of_an_earlier_name() -> None:
    octets = b"\3lab\3net\0\2pc\xc0\4"
    assert without_pointers(octets) == b"\3lab\3net\0\2pc\3net\0"


@pytest.mark.parametrize("damaged", [b"\xc0\x05", b"\xc0\x08", b"\3pc1\xc0\5", b"\2pc\xc0\x20", b"\xc0"])
def test_a_pointer_that_leads_nowhere_ends_a_list(damaged: bytes) -> None:
    assert unpacked_names(b"\3lab\0" + damaged) == [b"lab"]


@pytest.mark.parametrize(
    "octets",
    [b"\3lab", b"\3lab\3ne", b"\3lab\xc0\x20", b"\xc0\0", b"\3lab\xc0\0", b"\xc0", b"\3lab\0\3o", b"\x41a\0"],
)
def test_a_damaged_list_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match=r"name|pointer|label"):
        without_pointers(octets)
