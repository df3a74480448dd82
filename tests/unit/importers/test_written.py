"""How an import's clients are written: a cell is made safe by itself, whatever stands beside it."""

import csv
import io

from hypothesis import example, given
from hypothesis import strategies as st

from coexist.importers.imported import ClientRow
from coexist.importers.written import clients_csv

MAC = "52:54:00:00:00:01"
# It has to be changed, so that a list that holds it is looked at cell by cell.
UNSAFE = ClientRow(mac=MAC, name="=\x01")
TEXTS = st.text(st.sampled_from("ab1 ,;|=+-@\"'\t\n\r\u2028\u00e9\uff1d"), max_size=6)


def names(rows: list[ClientRow]) -> list[str]:
    return [cells[1] for cells in csv.reader(io.StringIO(clients_csv(rows)))][1:]


@given(st.lists(TEXTS, min_size=1, max_size=4))
@example(["a;=1"])
@example(["a| +1", "b"])
@example(["a", ""])
def test_what_a_cell_becomes_does_not_depend_on_the_others(texts: list[str]) -> None:
    rows = [ClientRow(mac=MAC, name=text) for text in texts]
    assert names(rows) == names([*rows, UNSAFE])[:-1]


@given(TEXTS)
def test_no_cell_is_a_formula(text: str) -> None:
    (name,) = names([ClientRow(mac=MAC, name=text)])
    assert not name.startswith(("=", "+", "-", "@", "\uff1d"))
    for separator in ";|":
        assert not any(part.lstrip().startswith(("=", "+", "-", "@")) for part in name.split(separator)[1:])
