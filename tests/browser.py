"""The explorer in a real browser: a server in a thread, and Chromium driven by Playwright.

The browser is Debian's (`apt-get install chromium`), or the one in STEMFAST_BROWSER.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_MS = 120_000  # of a machine that is busy; nothing waits for it in vain


def browser_path() -> str:
    """Chromium on this machine; skips the tests that need it, with what to do, where none is."""
    found = os.environ.get("STEMFAST_BROWSER") or next(filter(None, map(shutil.which, NAMES)), "")
    if not found:
        pytest.skip("needs a browser: apt-get install chromium, or set STEMFAST_BROWSER to one")
    return found


@contextmanager
def explorer(files: tuple[Path, ...] = ()) -> Iterator[str]:
    """An explorer that runs; its address."""
    from stemfast.explore.server import Explorer

    ready = threading.Event()
    made: list[Explorer] = []

    def serve() -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        made.append(Explorer(files, port=15006))
        made[0].run(ready.set)
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert ready.wait(60)
        yield made[0].address
    finally:
        made[0].end()
        thread.join(20)


@contextmanager
def chromium() -> Iterator[object]:
    """Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install 'stemfast[test]'")
    path = browser_path()
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Reader:
    """One tab, as a person uses it."""

    def __init__(self, page: object, address: str) -> None:
        self.page = page
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        assert page.goto(address).ok

    def command(self) -> str:
        """The command line that is shown."""
        return self.page.locator("pre").first.inner_text()

    def fill(self, label: str, text: str) -> None:
        """Type into a field and leave it."""
        field = self.page.get_by_label(label)
        field.fill(text)
        field.press("Tab")

    def says(self, words: str) -> None:
        """Wait until these words stand on the page."""
        self.page.get_by_text(words).first.wait_for()

    def figures(self) -> list[dict[str, float]]:
        """Places of the figures that are seen [px]."""
        boxes = [one.bounding_box() for one in self.page.locator(".bk-Figure").all()]
        return [box for box in boxes if box is not None]

    def drag(self, at: tuple[float, float], by: tuple[float, float]) -> None:
        """Press the mouse, move it, and let it go."""
        mouse = self.page.mouse
        mouse.move(*at)
        mouse.down()
        for step in (0.3, 0.6, 1.0):
            mouse.move(at[0] + step * by[0], at[1] + step * by[1])
        mouse.up()
