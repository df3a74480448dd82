"""The daemon on the file that a firewall writes for it, and on coexist's after an import."""

from __future__ import annotations

from pathlib import Path

import pytest

from coexist.importers import import_files
from coexist.importers.firewall.config import Firewall, Interface, is_on, read_firewall
from coexist.importers.firewall.isc import OPNSENSE, PFSENSE, Dialect, write_dhcpd
from coexist.importers.firewall.opnsense_dnsmasq import write_dnsmasq
from coexist.importers.firewall.opnsense_kea import write_kea
from coexist.importers.firewall.pfsense_kea import write_pfsense_kea
from coexist.languages.xml_tree import Element, read_xml
from tests.harness.servers import start_dhcpd, start_kea
from tests.wire.test_import_round_trip import (
    DNSMASQ_PATIENCE,
    ask,
    dhcpd_here,
    differences,
    kea_here,
    rendered,
    start_dnsmasq_on,
    stored,
)

pytestmark = pytest.mark.untimed

EXPORTS = Path(__file__).parents[1] / "unit" / "importers" / "exports"


def firewall_of(path: Path) -> Firewall:
    root = read_xml(path.read_bytes(), str(path))
    return read_firewall(root)


def leasing(firewall: Firewall) -> list[tuple[Element, Interface]]:
    """The interfaces that lease addresses by ``dhcpd``."""
    return [
        (item, firewall.interfaces[item.name])
        for holder in firewall.root.all("dhcpd")
        for item in holder.children
        if is_on(item.first("enable"))
    ]


def told(path: Path, kind: str, directory: Path) -> Path:
    """A sample without the machines that have no MAC address, or nothing but one.

    An inventory knows none of the first, and Kea 2.2 does not start with the others.
    """
    text = path.read_text()
    lines = [line for line in text.splitlines() if "<cid>" not in line and "</mac></staticmap>" not in line]
    here = directory / f"{kind}-{path.name}"
    here.write_text("\n".join(lines))
    return here


@pytest.mark.needs("dhcpd")
@pytest.mark.parametrize(
    ("kind", "name", "dialect"),
    [
        ("pfsense", "pfsense-office.xml", PFSENSE),
        ("pfsense", "pfsense.xml", PFSENSE),
        ("opnsense", "opnsense-isc.xml", OPNSENSE),
    ],
)
def test_dhcpd_answers_as_on_the_firewall(kind: str, name: str, dialect: Dialect, tmp_path: Path) -> None:
    path = told(EXPORTS / name, kind, tmp_path)
    inventory = stored(import_files(kind, [path]), tmp_path / "site")
    address = next(iter(inventory.site.servers["firewall"].stands_on.values()))
    firewall = firewall_of(path)
    text = dhcpd_here(write_dhcpd(leasing(firewall), firewall, dialect).text)
    before = ask(tmp_path / "before", inventory, address, lambda host: start_dhcpd(host, text))
    new = dhcpd_here(rendered(inventory, "firewall", "dhcpd.conf").decode())
    after = ask(tmp_path / "after", inventory, address, lambda host: start_dhcpd(host, new))
    assert any(before.values()), "nobody was answered: nothing is shown"
    assert differences(before, after, frozenset()) == []


@pytest.mark.needs("kea-dhcp4")
@pytest.mark.parametrize(
    ("kind", "name"), [("pfsense", "pfsense-office.xml"), ("opnsense", "opnsense-kea-options.xml")]
)
def test_kea_answers_as_on_the_firewall(kind: str, name: str, tmp_path: Path) -> None:
    path = told(EXPORTS / name, kind, tmp_path)
    text = path.read_text().replace("<version>", "<dhcpbackend>kea</dhcpbackend><version>", 1)
    # A reservation by client identifier is told, and would keep the file from being written.
    path.write_text(
        text.replace("<client_id>01:02:03</client_id>", "<hw_address>02:87:00:00:00:09</hw_address>")
    )
    inventory = stored(import_files(kind, [path]), tmp_path / "site")
    address = next(iter(inventory.site.servers["firewall"].stands_on.values()))
    firewall = firewall_of(path)
    if kind == "pfsense":
        written = write_pfsense_kea(leasing(firewall), firewall)
    else:
        holders = [kea for own in firewall.root.all("OPNsense") for kea in own.all("Kea")]
        written = write_kea(next(holders[0].all("dhcp4")), firewall)
    old = kea_here(written.text)
    before = ask(tmp_path / "before", inventory, address, lambda host: start_kea(host, old))
    new = kea_here(rendered(inventory, "firewall", "kea-dhcp4.conf").decode())
    after = ask(tmp_path / "after", inventory, address, lambda host: start_kea(host, new))
    assert any(before.values()), "nobody was answered: nothing is shown"
    assert differences(before, after, frozenset()) == []


@pytest.mark.needs("dnsmasq")
@pytest.mark.parametrize("name", ["opnsense-dnsmasq.xml", "opnsense-dnsmasq-two.xml"])
def test_dnsmasq_answers_as_on_the_firewall(name: str, tmp_path: Path) -> None:
    path = told(EXPORTS / name, "opnsense", tmp_path)
    inventory = stored(import_files("opnsense", [path]), tmp_path / "site")
    address = next(iter(inventory.site.servers["firewall"].stands_on.values()))
    firewall = firewall_of(path)
    text = write_dnsmasq(next(firewall.root.all("dnsmasq")), firewall).text
    # The next server is dnsmasq itself, and here it stands on the first network only (255 is siaddr).
    text += "".join(f"dhcp-option=tag:if-{i.name},255,{i.address}\n" for i in firewall.interfaces.values())
    before = ask(
        tmp_path / "before", inventory, address, lambda host: start_dnsmasq_on(host, text), DNSMASQ_PATIENCE
    )
    new = rendered(inventory, "firewall", "dnsmasq.conf").decode()
    after = ask(
        tmp_path / "after", inventory, address, lambda host: start_dnsmasq_on(host, new), DNSMASQ_PATIENCE
    )
    assert any(before.values()), "nobody was answered: nothing is shown"
    assert differences(before, after, frozenset()) == []
