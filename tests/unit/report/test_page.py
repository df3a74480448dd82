"""Pages: whole, self-contained, and deaf to what an inventory or a name in it tries."""

from __future__ import annotations

from datetime import date
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from coexist.analysis.timeline import Event
from coexist.app.diff import compare
from coexist.app.explain import explain
from coexist.app.site_report import site_report
from coexist.cli import run
from coexist.report.page import difference_page, site_page
from coexist.report.race_picture import race_picture
from coexist.report.topology_picture import topology, topology_picture

ROOT = Path(__file__).resolve().parents[3]
TODAY = date(2026, 1, 15)
SITES = sorted(path for path in (ROOT / "inventories").iterdir() if (path / "site.yaml").is_file())
VOID = {"meta", "br", "link", "img", "input", "hr"}


class _Page(HTMLParser):
    """What is in a page: every tag is closed where it must be, every id stands once."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name in ("href", "src") and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("site", SITES, ids=lambda path: path.name)
def test_a_sites_page_is_whole_and_needs_nothing_else(site: Path) -> None:
    report = site_report(site, TODAY)
    page = _Page(site_page(report))
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert "script" not in page.tags
    told = " ".join(page.words)
    for finding in report.findings:
        assert finding.code.code in told
        assert str(finding.position) in told
    for server in report.servers:
        assert server.name in told


def test_each_finding_with_a_time_line_has_its_picture() -> None:
    report = site_report(ROOT / "inventories" / "broken", TODAY)
    shown = [f for f in report.findings if f.witness is not None and f.witness.timeline]
    assert shown
    assert _Page(site_page(report)).tags.count("svg") == len(shown) + 1


def test_a_picture_has_a_mark_for_each_event_and_lanes_for_all_servers() -> None:
    boot = explain(ROOT / "inventories" / "campus", "tc-workshop-1").boots[0].first
    picture = ElementTree.fromstring(race_picture(boot.events, 'a "race"'))
    events = [each for each in picture.iter("g") if "event" in each.get("class", "")]
    assert len(events) == len(boot.events)
    names = [text.text for text in picture.iter("text") if text.get("class") == "name"]
    assert names == ["client", *dict.fromkeys(event.server for event in boot.events if event.server)]
    places = [float(mark.get("x", "0")) for mark in picture.iter("text") if mark.get("class") == "number"]
    assert places == sorted(places)


def test_the_labels_of_a_picture_tell_its_moments_apart() -> None:
    times = (0.0, 0.0, 0.0, 0.0, 0.0004, 0.00041, 0.012, 0.0121, 0.9, 1.0, 4.0, 4.0002, 64.25)
    events = [Event(at=at, kind="send", server="", text="") for at in times]
    picture = ElementTree.fromstring(race_picture(events, "quick"))
    labels = [text for text in picture.iter("text") if text.get("class") == "time"]
    assert [label.text for label in labels] == [
        "0 s", "0.4 ms", "12 ms", "12.1 ms", "900 ms", "1 s", "4 s", "4.0002 s", "64.25 s",
    ]  # fmt: skip
    places = [float(label.get("x", "0")) for label in labels]
    assert min(after - before for before, after in pairwise(places)) >= 60


def test_the_network_has_every_vlan_and_server_and_who_hears_whom() -> None:
    inventory = site_report(ROOT / "inventories" / "campus", TODAY).inventory
    graph = topology(inventory.site)
    assert graph.edges["vlan workshop", "server otc"]["how"] == "relayed"
    assert graph.edges["vlan office", "server otc"]["how"] == "here"
    boxes = list(ElementTree.fromstring(topology_picture(inventory.site)).iter("rect"))
    assert len(boxes) == len(inventory.site.vlans) + len(inventory.site.servers)


HOSTILE = """
site: hostile
vlans:
  lan: {id: 1, subnet: 10.9.0.0/24, gateway: 10.9.0.1, relay_to: [10.9.0.99]}
servers:
  dhcp: {software: isc-dhcpd 4.4, address: 10.9.0.2, vlan: lan}
  otc: {software: coexist, address: 10.9.0.3, vlan: lan, owner: "<script>alert(1)</script>",
        programs: {bios: "<img src=x onerror=alert(1)>"}}
clients:
  - {mac: "52:54:00:00:00:01", name: "<b onmouseover=alert(1)>&amp;"}
groups:
  thin: {macs: "52:54:00:00:00:01"}
intent:
  - {clients: thin, boot_from: otc, reason: "</style><script>alert(2)</script>"}
  - {clients: everyone, boot_from: nobody}
"""


def test_what_an_inventory_says_is_text_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(HOSTILE, encoding="utf-8")
    out = tmp_path / "report.html"
    assert run(["report", str(tmp_path), "-o", str(out)]) == 0
    page = _Page(out.read_text(encoding="utf-8"))
    assert not {"script", "img", "b"} & set(page.tags)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert "<b onmouseover=alert(1)>&amp;" in " ".join(page.words)


def test_the_page_of_a_difference(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(HOSTILE, encoding="utf-8")
    page = _Page(difference_page(compare(tmp_path, ROOT / "inventories" / "campus", TODAY)))
    assert "table" in page.tags
    assert not {"script", "img", "b"} & set(page.tags)


@pytest.mark.parametrize("site", SITES, ids=lambda path: path.name)
def test_on_a_narrow_screen_each_cell_says_what_it_is(site: Path) -> None:
    """There a row is a list, and its heads are gone (``.stacked``)."""
    text = site_page(site_report(site, TODAY))
    start = text.index('<table class="stacked">')
    table = ElementTree.fromstring(text[start : text.index("</table>", start)] + "</table>")
    heads = [head.text or "" for head in table.iter("th")]
    rows = [[cell.get("data-label", "") for cell in row.iter("td")] for row in table.iter("tr")]
    assert [row for row in rows if row and row != heads] == []
    assert len(rows) > 1
