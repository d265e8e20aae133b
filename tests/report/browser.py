"""Pages in headless Chromium, as a reader has them."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

_CHROMIUM, _DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
_IS_HERE = bool(_CHROMIUM and _DRIVER and find_spec("selenium") and find_spec("axe_selenium_python"))

needs_chromium = pytest.mark.skipif(
    not _IS_HERE,
    reason="needs Chromium: apt-get install chromium chromium-driver; pip install -e '.[dev]'",
)

_OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")


class Browser:
    """One Chromium for many pages."""

    def __init__(self) -> None:
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = str(_CHROMIUM)
        for each in _OPTIONS:
            options.add_argument(each)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(_DRIVER))

    def open(self, page: Path, *, width: int = 1400, dark: bool = False) -> None:
        """Opens a page and waits until its scripts have run."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        self.scheme(dark=dark)
        self.logs()
        self.driver.get(page.as_uri())
        self.wait("return document.documentElement.dataset.ready === 'yes'")

    def scheme(self, *, dark: bool) -> None:
        """Switches the system between light and dark."""
        value = "dark" if dark else "light"
        self.command(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}]
        )

    def command(self, name: str, **parameters: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, parameters)

    def run(self, script: str, *arguments: Any) -> Any:
        """Runs a script in the page and returns its value."""
        return self.driver.execute_script(script, *arguments)

    def set(self, name: str, value: float, *, event: str = "input") -> None:
        """Sets a slider or a selection, as a reader does."""
        script = (
            "const each = document.getElementById(arguments[0]); each.value = arguments[1];"
            "each.dispatchEvent(new Event(arguments[2]))"
        )
        self.run(script, name, value, event)

    def wait(self, condition: str, *, seconds: float = 20) -> None:
        """Waits until a script returns something true."""
        end = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.02)

    def logs(self) -> tuple[list[str], list[str]]:
        """Returns the console's errors and warnings since the last call, and the requested addresses."""
        console = [each["message"] for each in self.driver.get_log("browser") if each["level"] != "INFO"]
        messages = [json.loads(each["message"])["message"] for each in self.driver.get_log("performance")]
        asked = [
            each["params"]["request"]["url"]
            for each in messages
            if each["method"] == "Network.requestWillBeSent"
        ]
        return console, asked

    def check_quiet(self, page: Path) -> None:
        """Checks that the console is empty and no request has left the file."""
        console, asked = self.logs()
        assert console == []
        assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [page.as_uri()]

    def point(self, x: float, y: float, *, click: bool = False) -> None:
        """Moves the pointer to a place in the window, and clicks."""
        self.command("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        if click:
            for kind in ("mousePressed", "mouseReleased"):
                self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def faults(self) -> list[str]:
        """Returns the serious faults that axe-core finds in the page."""
        from axe_selenium_python import Axe

        axe = Axe(self.driver)
        axe.inject()
        found = axe.run()["violations"]
        return [
            f"{each['id']}: {node['html'][:120]}"
            for each in found
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]


@contextmanager
def started() -> Iterator[Browser]:
    """Starts a browser and ends it."""
    browser = Browser()
    try:
        yield browser
    finally:
        browser.driver.quit()
