"""A running console and real browsers that look at it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.support.wait import WebDriverWait

from tests.harness.processes import PATIENCE


class RunningConsole:
    """A console of its own process, started in ``directory``, and browsers that are let in."""

    def __init__(self, root: Path, *arguments: str, directory: Path | None = None) -> None:
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, "-m", "coexist", "console", str(root), "--listen", "127.0.0.1:0", *arguments],
            stderr=subprocess.PIPE,
            text=True,
            cwd=directory,
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found is not None, line
        self.base, self.link = found[0].rstrip("/"), line.partition("console: ")[2].strip()
        self.browsers: list[webdriver.Chrome] = []

    def browser(self, width: int = 1200, *, let_in: bool = True) -> webdriver.Chrome:
        """A browser; without ``let_in`` it has no session."""
        options = webdriver.ChromeOptions()
        arguments = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
        for argument in (*arguments, f"--window-size={width},900"):
            options.add_argument(argument)
        options.binary_location = "/usr/bin/chromium"
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
        self.browsers.append(browser)
        browser.get(self.link if let_in else "about:blank")
        return browser

    def close(self) -> None:
        """End the browsers, then the console, which must end well."""
        for browser in self.browsers:
            browser.quit()
        self.process.send_signal(signal.SIGTERM)
        _, told = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == 0, told


def until(browser: webdriver.Chrome, condition: Any) -> Any:
    """What a condition is once it is true; a page that is replaced meanwhile is looked at again."""
    ignored = [NoSuchElementException, StaleElementReferenceException]
    return WebDriverWait(browser, PATIENCE, ignored_exceptions=ignored).until(lambda _: condition())


def violations(browser: webdriver.Chrome) -> list[str]:
    """What axe-core finds wrong with the page (https://github.com/dequelabs/axe-core)."""
    axe = files("axe_core_python").joinpath("axe.min.js").read_text("utf-8")
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": axe})
    found = browser.execute_cdp_cmd(
        "Runtime.evaluate",
        {"expression": "axe.run().then(r => r.violations)", "awaitPromise": True, "returnByValue": True},
    )
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found["result"]["value"]]


def resized(browser: webdriver.Chrome, width: int, height: int) -> None:
    """A viewport of exactly this size, as a phone has it."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )


def too_wide(browser: webdriver.Chrome) -> int:
    """By how many pixels the page is wider than the window."""
    return int(browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth"))


def coloured(browser: webdriver.Chrome, scheme: str) -> None:
    """As a reader with a dark or a light screen sees it."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
