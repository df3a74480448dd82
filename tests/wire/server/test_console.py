"""The console in a real browser, beside a running boot server and machines that ask it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from coexist.app import checklists
from coexist.app.migrations import load
from coexist.console import migration, pages, rollout
from coexist.console.users import Role, Users
from coexist.inventory import load_inventory
from coexist.registry.records import Note
from coexist.registry.sqlite import sqlite_registry
from coexist.wire.mac import format_mac, parse_mac
from coexist.wire.options import Option
from tests.harness.browser import RunningConsole, coloured, resized, too_wide, until, violations
from tests.harness.processes import wait_until

pytestmark = pytest.mark.needs("chromium", "chromedriver")

NEW = "00:80:64:10:00:02"
KNOWN = "00:80:64:10:00:01"
SMBIOS = "4c4c4544-0042-3510-8052-b4c04f4e4a32"
HOSTILE = "<img src=x onerror=document.title='owned'>"
INVENTORY = f"""
site: ward
vlans:
  office: {{id: 10, subnet: 10.10.0.0/16, gateway: 10.10.0.1}}
servers:
  dhcp: {{software: isc-dhcpd 4.4, address: 10.10.0.5, vlan: office}}
  otc:
    software: coexist
    address: 10.10.0.6
    vlan: office
    answers: {{only: thin}}
    programs: {{bios: lpxelinux.0}}
  next:
    {{software: coexist, address: 10.10.0.7, vlan: office, answers: nobody, programs: {{bios: next.0}}}}
scopes:
  office: {{server: dhcp, vlan: office, pools: [10.10.1.1-10.10.1.99], options: {{3: 10.10.0.1}}}}
architectures: {{bios: ipxe}}
clients:
  - {{mac: "{KNOWN}", name: "{HOSTILE}", hardware: igel}}
groups:
  thin: {{where: {{hardware: igel}}}}
intent:
  - {{clients: thin, boot_from: otc}}
  - {{clients: everyone, boot_from: nobody}}
migrations:
  renewal: {{from: otc, to: next, clients: thin, pilots: thin, checklist: [boots twice, "{HOSTILE}"]}}
"""
BOOTS = {"clients": {"registered": True}, "programs": {"bios": "lpxelinux.0"}, "name": "registered"}


@pytest.fixture
def console(site: Any, tmp_path: Path) -> Iterator[RunningConsole]:
    (tmp_path / "site.yaml").write_text(INVENTORY, encoding="utf-8")
    site.serve(rules=[BOOTS])
    registry = site.otc.directory / "registry.sqlite"
    wait_until(registry.exists, "the boot server makes its registry")
    running = RunningConsole(tmp_path, "--registry", f"otc={registry}")
    yield running
    running.close()


def rows(browser: webdriver.Chrome) -> list[str]:
    return [row.text for row in browser.find_elements(By.CSS_SELECTOR, ".machines tbody tr")]


def test_a_machine_that_just_asked_is_registered_and_boots(site: Any, console: RunningConsole) -> None:
    browser = console.browser()
    with site.client(site.desk, mac=NEW, architecture=0) as client:
        client.discover(options={Option.CLIENT_MACHINE_IDENTIFIER: b"\0" + UUID(SMBIOS).bytes_le})
        until(browser, lambda: any(NEW in row for row in rows(browser)))
        (row,) = [row for row in rows(browser) if NEW in row]
        assert SMBIOS in row
        assert "unregistered" in row
        assert "one digit from" in row
        assert KNOWN in row
        browser.find_element(By.LINK_TEXT, "Register").click()
        browser.find_element(By.NAME, "name").send_keys("desk-2")
        browser.find_element(By.NAME, "location").send_keys("ward 3")
        Select(browser.find_element(By.NAME, "group")).select_by_visible_text("thin")
        browser.find_element(By.CSS_SELECTOR, "form[action='/register'] button").click()
        until(browser, lambda: load_inventory(console.root).clients.find(parse_mac(NEW)) is not None)
        inventory = load_inventory(console.root)
        assert parse_mac(NEW) in inventory.group("thin")
        (line,) = (console.root / "inventory.d" / "registered.yaml").read_text("utf-8").splitlines()[2:]
        assert all(word in line for word in (NEW, "desk-2", "ward 3", "igel"))
        registry = sqlite_registry(site.otc.directory / "registry.sqlite")
        assert [format_mac(each.mac) for each in registry.decided()] == [NEW]
        registry.close()

        def boots() -> bool:
            client.discover()
            heard = next(client.replies(timeout=0.5), None)
            return heard is not None and heard.packet.options.get(Option.BOOTFILE_NAME) == b"lpxelinux.0\0"

        wait_until(boots, "the machine is served")
    browser.get(console.base + "/history")
    browser.find_element(By.CSS_SELECTOR, "form[action='/undo'] button").click()
    until(browser, lambda: load_inventory(console.root).clients.find(parse_mac(NEW)) is None)


def test_two_browsers_see_the_same_change(site: Any, console: RunningConsole) -> None:
    one, other = console.browser(), console.browser()
    with site.client(site.desk, mac=NEW, architecture=0) as client:
        client.discover()
        for browser in (one, other):
            until(browser, lambda browser=browser: any(NEW in row for row in rows(browser)))
    one.get(f"{console.base}/machine?of={NEW}")
    one.find_element(By.CSS_SELECTOR, "form[action='/register'] button").click()
    until(other, lambda: any(NEW in row and "unregistered" not in row for row in rows(other)))
    other.get(f"{console.base}/paste")
    other.find_element(By.NAME, "list").send_keys(NEW)
    other.find_element(By.CSS_SELECTOR, "form[action='/register'] button").click()
    alert = until(other, lambda: other.find_element(By.CSS_SELECTOR, "[role=alert]"))
    assert NEW in alert.text


def test_hostile_words_are_words(site: Any, console: RunningConsole) -> None:
    browser = console.browser()
    options = {Option.VENDOR_CLASS_IDENTIFIER: b"PXEClient:Arch:00000:" + HOSTILE.encode()}
    with site.client(site.desk, mac=KNOWN, architecture=0) as client:
        client.discover(options=options)
        until(browser, lambda: any(KNOWN in row for row in rows(browser)))
    assert any(HOSTILE in row for row in rows(browser))
    for path in ("/", f"/machine?of={KNOWN}", "/matrix", "/findings"):
        browser.get(console.base + path)
        assert browser.title != "owned"
        assert browser.find_elements(By.CSS_SELECTOR, "img") == []


def test_a_pilot_fills_in_a_checklist_by_keyboard_on_a_phone(console: RunningConsole) -> None:
    browser = console.browser()
    browser.get(console.base + "/migration")
    browser.find_element(By.CSS_SELECTOR, "form[action='/migration/link'] button").click()
    made = until(browser, lambda: browser.find_element(By.CSS_SELECTOR, "input[id^='link-']"))
    link = made.get_attribute("value")
    pilot = console.browser(360, let_in=False)
    resized(pilot, 360, 800)
    pilot.get(link)
    assert violations(pilot) == []
    assert too_wide(pilot) <= 0
    for selector, keys in (
        ("[name=result-1]", Keys.SPACE),
        ("[name=result-2]", Keys.ARROW_RIGHT),
        ("[name=name]", "Bo" + Keys.ENTER),
    ):
        pilot.find_element(By.CSS_SELECTOR, selector).send_keys(keys)
    until(pilot, lambda: pilot.find_element(By.CSS_SELECTOR, "[role=status]"))
    assert pilot.title != "owned"
    sheet = load(console.root, None).sheet
    results = [sheet.cell(HOSTILE, item) for item in sheet.items]
    assert [each and (each.result, each.who) for each in results] == [("passed", "Bo"), ("failed", "Bo")]
    browser.get(console.base + "/migration")
    assert browser.find_elements(By.CSS_SELECTOR, "img") == []
    assert violations(browser) == []


def test_the_wire_is_asked_from_a_machines_page(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(INVENTORY, encoding="utf-8")
    console = RunningConsole(tmp_path, "--probe", "office=lo")
    try:
        browser = console.browser()
        browser.get(f"{console.base}/machine?of={KNOWN}")
        browser.find_element(By.CSS_SELECTOR, "form[action='/machine'] button").send_keys(Keys.ENTER)
        here = until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".answers .here"))
        assert here[0].text
        assert violations(browser) == []
    finally:
        console.close()


def test_a_roll_out_is_followed_live_and_done_by_keyboard(console: RunningConsole) -> None:
    file = console.root / "rolled-out" / "coexist.yaml"
    file.parent.mkdir()
    place = f'deploy: {{host: localhost, paths: {{"*": {file.parent}}}, check: "true", reload: "true"}}'
    site = console.root / "site.yaml"
    text = site.read_text(encoding="utf-8")
    site.write_text(
        text.replace("    address: 10.10.0.6\n", f"    address: 10.10.0.6\n    {place}\n"), "utf-8"
    )
    browser = console.browser()
    browser.get(console.base + "/rollout")
    browser.find_element(By.NAME, "why").send_keys("tried by hand" + Keys.ENTER)
    # The page follows by itself: the plan, then what the server is doing, then how it ended.
    apply = "form[action='/rollout/apply']"
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, apply))
    assert str(file) in browser.find_element(By.CSS_SELECTOR, ".diff").text
    assert violations(browser) == []
    resized(browser, 360, 800)
    assert too_wide(browser) <= 0

    def all_ticked() -> bool:
        boxes = browser.find_elements(By.CSS_SELECTOR, f"{apply} [type=checkbox]")
        for box in boxes:
            if not box.is_selected():
                box.send_keys(Keys.SPACE)
        return bool(boxes) and all(box.is_selected() for box in boxes)

    until(browser, all_ticked)
    browser.find_element(By.CSS_SELECTOR, f"{apply} button").send_keys(Keys.ENTER)
    until(browser, lambda: "record " in browser.find_element(By.ID, "rollout").text)
    assert file.exists()
    for path in ("/servers", "/history"):
        browser.get(console.base + path)
        assert violations(browser) == [], path
        assert too_wide(browser) <= 0, path
    assert "local (console)" in browser.page_source


OF_EVERY_PAGE = {
    "/": "/",
    "/login": "/login?to=/matrix",
    "/machine": f"/machine?of={NEW}",
    "/paste": "/paste",
    "/matrix": "/matrix",
    "/race": f"/race?mac={KNOWN}&vlan=office&architecture=bios&firmware=ipxe",
    "/findings": "/findings",
    "/servers": "/servers",
    "/rollout": "/rollout",
    "/migration": "/migration",
    "/migration/steps": "/migration/steps?of=renewal",
    "/history": "/history",
}
NO_PAGES = {"/enter", "/events", "/rows", "/migration/state", "/rollout/state", "/pilot/{secret}"}
"""What leads to a page, is a part of one, or has a test of its own: a pilot's page."""


def test_every_page_is_looked_at() -> None:
    tables = (pages.routes, migration.routes, rollout.routes)
    routes = [route for table in tables for route in table if isinstance(route, web.RouteDef)]
    assert {route.path for route in routes if route.method == "GET"} == OF_EVERY_PAGE.keys() | NO_PAGES


def test_no_page_has_a_violation_and_all_fit_a_phone(site: Any, console: RunningConsole) -> None:
    browser = console.browser()
    with site.client(site.desk, mac=NEW, architecture=0) as client:
        client.discover()
        until(browser, lambda: any(NEW in row for row in rows(browser)))
    for path in (*OF_EVERY_PAGE.values(), "/machine", f"/machine?of={KNOWN}", "/machine?of=nobody's"):
        for scheme in ("light", "dark"):
            coloured(browser, scheme)
            resized(browser, 1200, 900)
            browser.get(console.base + path)
            assert violations(browser) == [], (path, scheme)
            resized(browser, 360, 800)
            assert too_wide(browser) <= 0, path
            assert violations(browser) == [], (path, scheme, "on a phone")
        told = browser.get_log("browser")
        # What is refused is answered with 422, and the browser notes that.
        assert told == [] or "nobody's" in path, path


def pressed(browser: webdriver.Chrome, *keys: str) -> None:
    webdriver.ActionChains(browser).send_keys(*keys).perform()


def tabbed_to(browser: webdriver.Chrome, selector: str) -> None:
    """Press Tab until the keyboard stands on what is meant."""
    for _ in range(120):
        if browser.execute_script("return document.activeElement.matches(arguments[0])", selector):
            return
        pressed(browser, Keys.TAB)
    raise AssertionError(f"the keyboard does not come to {selector} of {browser.current_url}")


def test_who_has_only_a_keyboard_logs_in_registers_and_takes_it_back(site: Any, tmp_path: Path) -> None:
    mistaken = INVENTORY.replace("answers: {only: thin}", "answers: everyone")
    (tmp_path / "site.yaml").write_text(mistaken, encoding="utf-8")
    Users(tmp_path / "console-users.json").add("ada", "a long one indeed", Role.REGISTER)
    site.serve(rules=[BOOTS])
    registry = site.otc.directory / "registry.sqlite"
    wait_until(registry.exists, "the boot server makes its registry")
    console = RunningConsole(tmp_path, "--registry", f"otc={registry}")
    try:
        browser = console.browser(let_in=False)
        resized(browser, 360, 800)
        browser.get(console.base + "/")
        assert violations(browser) == []
        assert too_wide(browser) <= 0
        tabbed_to(browser, "[name=name]")
        pressed(browser, "ada", Keys.TAB, "wrong", Keys.ENTER)
        until(browser, lambda: browser.find_element(By.CSS_SELECTOR, "[role=alert]"))
        assert violations(browser) == []
        tabbed_to(browser, "[name=name]")
        pressed(browser, "ada", Keys.TAB, "a long one indeed", Keys.ENTER)
        with site.client(site.desk, mac=NEW, architecture=0) as client:
            client.discover()
            until(browser, lambda: any(NEW in row for row in rows(browser)))
        pressed(browser, "j", "r")
        until(browser, lambda: f"of={NEW}" in browser.current_url)
        tabbed_to(browser, "form[action='/register'] [name=name]")
        pressed(browser, "desk-3", Keys.ENTER)
        until(browser, lambda: load_inventory(tmp_path).clients.find(parse_mac(NEW)) is not None)
        browser.get(console.base + "/history")
        tabbed_to(browser, "form[action='/undo'] button")
        pressed(browser, Keys.ENTER)
        until(browser, lambda: load_inventory(tmp_path).clients.find(parse_mac(NEW)) is None)
        browser.get(console.base + "/findings")
        tabbed_to(browser, "details.accept > summary")
        pressed(browser, Keys.ENTER)
        tabbed_to(browser, "form[action='/accept'] [name=why]")
        pressed(browser, "until the spring", Keys.ENTER)
        until(browser, lambda: load_inventory(tmp_path).site.suppress != ())
        browser.get(console.base + "/")
        tabbed_to(browser, "form[action='/logout'] button")
        pressed(browser, Keys.ENTER)
        until(browser, lambda: "/login" in browser.current_url)
    finally:
        console.close()


def test_the_migration_page_follows_by_itself(console: RunningConsole) -> None:
    browser = console.browser()
    browser.get(console.base + "/migration")
    loaded = load(console.root, None)
    checklists.complain(loaded, "the left screen stays dark", who="Kim")
    until(browser, lambda: "stays dark" in browser.find_element(By.CSS_SELECTOR, ".complaints").text)
    assert violations(browser) == []
    tabbed_to(browser, "form[action='/migration/settle'] button")
    pressed(browser, Keys.ENTER)
    until(browser, lambda: load(console.root, None).sheet.complaints[0].settled is not None)
    # The wave has moved, and its machine has not been seen since.
    moved = datetime.now(UTC) - timedelta(hours=1)
    (console.root / "migrations" / "renewal.yaml").write_text(
        "migration: renewal\nfrom: otc\nto: next\nwaves:\n"
        f'  - {{name: pilots, moved: {moved:%Y-%m-%dT%H:%M:%SZ}, clients: ["{KNOWN}"]}}\n',
        encoding="utf-8",
    )
    missing = "//details[summary[contains(., 'Not seen')]]"
    until(browser, lambda: browser.find_element(By.XPATH, missing))
    tabbed_to(browser, "details > summary")
    pressed(browser, Keys.ENTER)
    until(browser, lambda: KNOWN in browser.find_element(By.XPATH, missing).text)
    checklists.complain(loaded, "and it hums", who="Kim")
    until(browser, lambda: "hums" in browser.find_element(By.CSS_SELECTOR, ".complaints").text)
    # What somebody opened is open still, and the keyboard stands where it stood.
    assert KNOWN in browser.find_element(By.XPATH, missing).text
    assert browser.execute_script("return document.activeElement.matches('details > summary')")


def test_the_keyboard_alone_will_do(site: Any, console: RunningConsole) -> None:
    browser = console.browser()
    with site.client(site.desk, mac=NEW, architecture=0) as client:
        client.discover()
        until(browser, lambda: any(NEW in row for row in rows(browser)))
    keys = webdriver.ActionChains(browser)
    keys.send_keys("j", "r").perform()
    until(browser, lambda: f"of={NEW}" in browser.current_url)
    browser.get(console.base + "/")
    webdriver.ActionChains(browser).send_keys("/").perform()
    assert browser.switch_to.active_element.get_attribute("name") == "q"
    browser.switch_to.active_element.send_keys("nothing-like-it" + Keys.ENTER)
    until(browser, lambda: "No machine" in rows(browser)[0])


def test_twenty_thousand_machines_are_a_page(console: RunningConsole, site: Any) -> None:
    registry = sqlite_registry(site.otc.directory / "registry.sqlite")
    first = parse_mac("02:00:00:00:00:01")
    vendor = "PXEClient:Arch:00007:UNDI:003000"
    registry.note(
        Note(first + n, "10.10.3.7", "office", 7, vendor, "no rule", "", "", 1.7e9, 1.7e9 + n, 1, False)
        for n in range(20_000)
    )
    registry.close()
    browser = console.browser()
    assert len(rows(browser)) == 200
    assert "20000 of 20000" in browser.find_element(By.CSS_SELECTOR, "[role=status]").text
    assert len(browser.page_source.encode()) < 300_000
    browser.find_element(By.LINK_TEXT, "Next page").click()
    assert format_mac(first + 19_799) in rows(browser)[0]
