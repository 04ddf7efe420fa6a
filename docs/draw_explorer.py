"""Pictures of the explorer's pages: docs/images/explorer_*.png.

Run it with ``python docs/draw_explorer.py [FOLDER]``; it needs what the tests in
tests/test_explore_browser.py need.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import Reader, chromium, explorer  # noqa: E402

WIDE = (1360, 900)
_COLOURS = 96


def keep(page: object, path: Path) -> None:
    """Save what a page shows, with few colours."""
    page.evaluate("scrollTo(0, 0)")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def simulate(reader: Reader) -> None:
    """A cuboid with two corners cut."""
    for corner in "17":
        reader.page.get_by_role("button", name=corner, exact=True).click()
    reader.says("--corner 7:truncate:0.3")


PAGES = {"simulate": simulate}

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/images"
    with chromium() as browser, explorer() as address:
        for name, show in PAGES.items():
            page = browser.new_page(viewport={"width": WIDE[0], "height": WIDE[1]})
            reader = Reader(page, address)
            show(reader)
            page.wait_for_timeout(1500)
            keep(page, folder / f"explorer_{name}.png")
            page.close()
