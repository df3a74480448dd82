#!/usr/bin/env python3
"""The screenshots of the guides: a site in the middle of a migration, in a real browser.

    .venv/bin/python scripts/screenshots.py                  # docs/guides/images
    .venv/bin/python scripts/screenshots.py --everything DIR # every page, light and dark, wide and on a phone

It needs chromium and chromedriver (`make setup` installs them) and no privileges.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.remote.webdriver import WebDriver  # noqa: E402

from coexist.registry.records import Note  # noqa: E402
from coexist.registry.sqlite import sqlite_registry  # noqa: E402
from coexist.wire.mac import parse_mac  # noqa: E402
from tests.harness.browser import RunningConsole, coloured, resized, too_wide, until  # noqa: E402

IMAGES = ROOT / "docs" / "guides" / "images"
NEW, NEAR = "00:80:64:10:00:f1", "00:80:64:10:00:81"
PAGES = {
    "now": "/",
    "machine": f"/machine?of={NEW}",
    "matrix": "/matrix",
    "findings": "/findings",
    "servers": "/servers",
    "rollout": "/rollout",
    "migration": "/migration",
    "steps": "/migration/steps?of=thin-client-manager",
    "find": "/machine",
    "history": "/history",
    "paste": "/paste",
}
IN_GUIDES = ("now", "machine", "matrix", "findings", "servers", "rollout", "migration", "pilot")
DEPLOY = """    deploy:
      {{host: localhost, paths: {{"*": {folder}}}, check: "true", reload: "true", status: "true"}}
"""
SMBIOS = "4c4c4544-0042-3510-8052-b4c04f4e%04x"
BIOS, UEFI = "PXEClient:Arch:00000:UNDI:002001", "PXEClient:Arch:00007:UNDI:003016"
STATE = """migration: thin-client-manager
from: otc
to: otc-new
waves:
  - name: billing
    moved: {moved}
    clients: [{clients}]
history:
  - {{at: {moved}, what: "billing moved, 2 changes"}}
"""


@contextmanager
def console(folder: Path) -> Iterator[RunningConsole]:
    """A console over a site whose first wave has moved, with machines that asked."""
    site = folder / "site"
    shutil.copytree(ROOT / "inventories" / "two-generations", site)
    # Somebody forgot to keep the Windows service away from the thin clients: a race.
    text = (site / "site.yaml").read_text(encoding="utf-8")
    changed = text.replace("{except: [thin-clients, phones]}", "{except: phones}").replace(
        "    delay: 1.2 ", "    delay: 0.0 "
    )
    # Two servers are rolled out to folders of this machine, so that there is a plan to look at.
    for name, address in (("otc", "10.10.0.6"), ("otc-new", "10.10.0.8")):
        (folder / name).mkdir()
        deploy = DEPLOY.format(folder=folder / name)
        changed = changed.replace(f"    address: {address}\n", f"    address: {address}\n{deploy}", 1)
    assert changed.count("deploy:") == 2
    (site / "site.yaml").write_text(changed, encoding="utf-8")
    rows = [line.split(",") for line in (site / "clients.csv").read_text(encoding="utf-8").splitlines()[1:]]
    now = time.time()
    moved = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 2 * 86400))
    billing = [row[0] for row in rows if row[2] == "Billing"]
    (site / "migrations").mkdir()
    state = STATE.format(moved=moved, clients=", ".join(f'"{mac}"' for mac in billing))
    (site / "migrations" / "thin-client-manager.yaml").write_text(state, encoding="utf-8")
    registries = {name: folder / f"{name}.sqlite" for name in ("otc", "otc-new")}
    for name, path in registries.items():
        registry = sqlite_registry(path)
        registry.note(_notes(name, rows, billing, now), server=name)
        registry.close()
    watched = [f"--registry={name}={path}" for name, path in registries.items()]
    running = RunningConsole(Path(site.name), *watched, directory=folder)
    try:
        yield running
    finally:
        running.close()


def _notes(server: str, rows: list[list[str]], billing: list[str], now: float) -> Iterator[Note]:
    for number, row in enumerate(rows[:30]):
        is_new = row[0] in billing or "moved" in row[6]
        if not row[3].startswith(("igel", "dell")) or (is_new != (server == "otc-new")):
            continue
        if row[0] in billing[-1:]:
            continue
        vendor, architecture = (BIOS, 0) if row[4] == "bios" else (UEFI, 7)
        seen = now - 40 * number - 7
        rule = "moved" if is_new else "not-yet-moved"
        address = f"10.10.1.{20 + number}"
        yield Note(parse_mac(row[0]), address, "office", architecture, vendor, "answered", rule, "10.10.0.5",
                   seen - 86400, seen, 3 + number, False, SMBIOS % number)  # fmt: skip
    if server == "otc":
        for mac, address, first, last in ((NEW, "10.10.3.77", 95, 4), (NEAR, "10.10.3.78", 600, 61)):
            yield Note(parse_mac(mac), address, "office", 0, BIOS, "no rule", "", "10.10.0.5", now - first,
                       now - last, 6, False, SMBIOS % last)  # fmt: skip


def filled(running: RunningConsole, browser: WebDriver) -> str:
    """Register a machine, make a pilot's link, fill its page in; the link."""
    browser.get(f"{running.base}/machine?of={NEW}")
    for name, value in (("name", "tc-sales-9"), ("hardware", "igel-ud3"), ("why", "new desk in Sales")):
        browser.find_element(By.NAME, name).send_keys(value)
    browser.find_element(By.CSS_SELECTOR, "form[action='/register'] button").click()
    until(browser, lambda: not browser.find_elements(By.CSS_SELECTOR, "form[action='/register']"))
    browser.get(f"{running.base}/migration")
    browser.find_element(By.CSS_SELECTOR, "form[action='/migration/link'] button").click()
    shown = until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "input[id^='link-']"))
    link = shown[0].get_attribute("value") or ""
    browser.get(link)
    for number, result in enumerate(("passed", "passed", "failed"), start=1):
        browser.find_element(By.CSS_SELECTOR, f"[name=result-{number}][value={result}]").click()
    browser.find_element(By.NAME, "note-3").send_keys("the right one stays dark")
    browser.find_element(By.NAME, "name").send_keys("Kim")
    browser.find_element(By.CSS_SELECTOR, "form.pilot button").click()
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "[role=status]"))
    browser.get(f"{running.base}/rollout")
    browser.find_element(By.NAME, "why").send_keys("sccm is repaired tonight")
    browser.find_element(By.CSS_SELECTOR, "form[action='/rollout/plan'] button").click()
    until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "form[action='/rollout/apply']"))
    return link


def shoot(browser: WebDriver, url: str, path: Path, width: int, most: int) -> None:
    """One page as a picture, at most so many pixels high."""
    resized(browser, width, 800)
    browser.get(url)
    high = int(browser.execute_script("return document.documentElement.scrollHeight"))
    resized(browser, width, min(high, most))
    if too_wide(browser) > 0:
        print(f"{path.name}: {too_wide(browser)} pixels too wide", file=sys.stderr)
    browser.save_screenshot(str(path))


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--everything", type=Path, metavar="DIR", help="every page in every form, into DIR")
    everything: Path | None = parser.parse_args().everything
    out = everything or IMAGES
    out.mkdir(parents=True, exist_ok=True)
    os.environ["COLUMNS"] = "200"
    with tempfile.TemporaryDirectory(prefix="coexist-pictures-") as folder, console(Path(folder)) as running:
        browser = running.browser(1280)
        shoot_all = [(name, f"{running.base}{path}") for name, path in PAGES.items()]
        if everything is None:
            for name, url in shoot_all[:2]:
                shoot(browser, url, out / f"{name}.png", 1100, 900)
        link = filled(running, browser)
        shoot_all.append(("pilot", link))
        for name, url in shoot_all:
            if everything is None:
                if name in IN_GUIDES[2:]:
                    shoot(browser, url, out / f"{name}.png", 1100, 900)
                continue
            for scheme in ("light", "dark"):
                coloured(browser, scheme)
                for width in (1280, 360):
                    shoot(browser, url, out / f"{name}-{scheme}-{width}.png", width, 1800)
    print(f"{out}: {len(list(out.glob('*.png')))} pictures")


if __name__ == "__main__":
    main()
