"""A list of what is changed by hand: as CSV, or as the manager of the server's product imports it."""

from __future__ import annotations

import csv

import pytest

from coexist.app.migration_by_hand import ByHand
from coexist.errors import CoexistError
from coexist.inventory.product import Product
from coexist.inventory.products import OPENTHINCLIENT, WDS
from coexist.planning.by_hand import HandChange

CHANGE = HandChange(server="old", name="ward-1", before=0x00155D000001, after=0x80155D000001)


def of(product: Product) -> ByHand:
    return ByHand(server="old", product=product, owner="", what="lets it go", changes=(CHANGE,))


def test_the_suffix_of_its_products_import_makes_that_file() -> None:
    lines = of(OPENTHINCLIENT).as_file(".ldif").splitlines()
    assert "replace: macAddress" in lines
    assert "macAddress: 80:15:5d:00:00:01" in lines


@pytest.mark.parametrize("product", [OPENTHINCLIENT, WDS], ids=lambda product: product.name)
def test_any_other_suffix_is_csv(product: Product) -> None:
    (row,) = csv.DictReader(of(product).as_file(".csv").splitlines())
    assert "ward-1" in row.values()
    assert of(product).as_file(".txt") == of(product).as_file(".csv")


def test_what_another_products_manager_imports_is_refused() -> None:
    with pytest.raises(CoexistError, match=r"\.csv"):
        of(WDS).as_file(".ldif")
