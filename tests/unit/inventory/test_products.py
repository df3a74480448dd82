"""The table of products, and products that installed distributions hand in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from importlib.metadata import EntryPoint

import pytest

from coexist.errors import CoexistError, InputError
from coexist.importers.kind import Kind
from coexist.inventory import products as table
from coexist.inventory.loader import inventory_from_tree
from coexist.inventory.product import Product
from coexist.inventory.products import GENERIC, part, products
from coexist.inventory.servers import Server
from coexist.wire.architecture import ARCHITECTURE_NAMES

BOOT = {"proxydhcp", "boot-server"}


@pytest.mark.parametrize("product", products().values(), ids=lambda product: product.name)
def test_every_part_of_a_product_is_there(product: Product) -> None:
    can_boot = bool(product.capabilities.roles & BOOT)
    assert callable(part(product, "renderer"))
    assert product.boots or not can_boot
    assert product.leases or "dhcp" not in product.capabilities.roles
    assert part(product, "leases") is None or callable(part(product, "leases"))
    assert part(product, "boots") is None or callable(part(product, "boots"))
    assert part(product, "importer") is None or isinstance(part(product, "importer"), Kind)
    assert product.usual_roles <= product.capabilities.roles | {"tftp", "http"}
    assert product.default_programs.keys() <= ARCHITECTURE_NAMES.keys()
    assert product.own_programs or not product.default_programs
    assert {delay.kind for delay in product.standby} <= product.capabilities.delays


def test_no_fact_of_the_table_is_the_same_for_all() -> None:
    """A field that no product sets says nothing."""
    plain = Product(name="x", describe="x")
    same = {
        field.name
        for field in fields(Product)
        if all(getattr(product, field.name) == getattr(plain, field.name) for product in products().values())
    }
    assert same == set()


@pytest.fixture
def announce(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Announce one product as an installed distribution does."""

    def add(name: str, value: str) -> None:
        point = EntryPoint(name, value, table.ENTRY_POINTS)
        monkeypatch.setattr(table, "entry_points", lambda group: [point])
        products.cache_clear()

    yield add
    products.cache_clear()


OWN = replace(GENERIC, describe="another responder")
TEXT = "no product"
LOST = replace(GENERIC, renderer="coexist.nowhere:render")


def test_an_installed_product_takes_the_place_of_ours(announce: Callable[[str, str], None]) -> None:
    announce("generic", f"{__name__}:OWN")
    assert products()["generic"] is OWN


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("generic", f"{__name__}:TEXT", "str"),
        ("other", f"{__name__}:OWN", "other"),
        ("other", f"{__name__}:NOTHING", "NOTHING"),
        ("other", "coexist.nowhere:PRODUCT", "coexist.nowhere"),
    ],
)
def test_what_is_no_product_is_named(
    announce: Callable[[str, str], None], name: str, value: str, said: str
) -> None:
    announce(name, value)
    with pytest.raises(CoexistError, match=said):
        products()


def test_a_part_that_is_not_there_is_named() -> None:
    with pytest.raises(CoexistError, match=r"generic.*coexist\.nowhere:render"):
        part(LOST, "renderer")


@pytest.mark.parametrize(
    "product", ["isc-dhcpd", "windows-dhcp", "wds", "configmgr", "openthinclient", "tftpd", "generic"]
)
def test_a_setting_that_no_file_would_have_is_refused(product: str) -> None:
    server = {"software": product, "address": "10.10.0.5", "vlan": "office", "roles": ["tftp"]}
    site = {"site": "x", "vlans": {"office": {"id": 1, "subnet": "10.10.0.0/16"}}}
    with pytest.raises(InputError, match="no setting 'colour'"):
        inventory_from_tree({**site, "servers": {"one": {**server, "settings": {"colour": "blue"}}}})
    for key in products()[product].settings or ():
        inventory_from_tree({**site, "servers": {"one": {**server, "settings": {key: "x"}}}})


@pytest.mark.parametrize(
    ("software", "declared", "fixed", "named"),
    [
        ("configmgr", {"bios": "x.0"}, False, r"smsboot\x64\wdsnbp.com"),
        ("configmgr", {"bios": "x.0"}, True, "x.0"),
        ("openthinclient", {"bios": "x.0"}, False, "lpxelinux.0"),
        ("openthinclient", {"bios": "/lpxelinux.0"}, False, "/lpxelinux.0"),
        ("wds", {"bios": "x.0"}, False, "x.0"),
        ("coexist", {"bios": "x.0"}, False, "x.0"),
    ],
)
def test_a_product_that_cannot_be_told_names_its_own_programs(
    software: str, declared: dict[str, str], fixed: bool, named: str
) -> None:
    server = Server.model_validate(
        {"software": software, "address": "10.0.0.2", "vlan": "a", "fixed": fixed, "programs": declared}
    )
    assert server.named_programs["bios"].file == named
