"""Pictures of the explorer's pages: docs/images/explorer_*.png.

Run it with ``python docs/draw_explorer.py [FOLDER]``; it needs what the tests in
tests/test_explore_browser.py need.
"""

from __future__ import annotations

import io
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

import numpy as np
from PIL import Image

import stemfast as sf

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser import Reader, chromium, explorer  # noqa: E402

WIDE = 1360
_COLOURS, _WRITTEN = 64, 1080


def keep(page: object, path: Path) -> None:
    """Save what a page shows, with few colours."""
    page.evaluate("scrollTo(0, 0)")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture = picture.resize((_WRITTEN, _WRITTEN * picture.height // picture.width))
    picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def simulate(reader: Reader) -> None:
    """A cuboid with two corners cut."""
    reader.page.get_by_text("Simulate", exact=True).click()
    for corner in "17":
        reader.page.get_by_role("button", name=corner, exact=True).click()
    reader.says("--corner 7:truncate:0.3")


def micrograph(folder: Path) -> Path:
    """Particles of many shapes on a film."""
    shapes = [
        sf.Cuboid((22, 18, 15), {7: sf.Truncation(0.35)}),
        sf.Sphere(9),
        sf.Octahedron(24),
        sf.Decahedron(15),
        sf.Icosahedron(12),
        sf.HexagonalPrism(11, 14),
        sf.Tetrahedron(26),
        sf.TruncatedOctahedron(24),
        sf.Ellipsoid((13, 8, 8)),
    ]
    rows, columns = np.divmod(np.arange(9), 3)
    places = np.stack([36.0 * (columns - 1) + 3 * (rows - 1), 34.0 * (rows - 1), 0 * rows], axis=1)
    scope = sf.Microscope(
        scan=sf.Scan(shape=(512, 512), pixel_size_nm=0.25),
        film=sf.Film(thickness_nm=8, roughness_nm=0.6),
    )
    specimen = sf.Specimen(shapes, places, sf.orientation.random(9, seed=5))
    taken = sf.simulate(specimen, microscope=scope, seed=3, return_truth=True)
    return taken.image().save(folder / "particles.tif")


def read(reader: Reader) -> None:
    """Particles of a simulated micrograph, named, one of them chosen."""
    page = reader.page
    page.get_by_text("Read", exact=True).click()
    reader.says("9 whole particles")
    page.get_by_role("button", name="Name the shapes").click()
    page.locator(".slick-row", has_text="sphere").first.wait_for()
    page.locator(".slick-row").nth(2).locator(".slick-cell").first.click()
    reader.says("Particle ")


PAGES = {"simulate": (simulate, 900), "read": (read, 1180)}

if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "docs/images"
    with (
        tempfile.TemporaryDirectory() as made,
        chdir(micrograph(Path(made)).parent),
        chromium() as browser,
        explorer((Path("particles.tif"),)) as address,
    ):
        for name, (show, height) in PAGES.items():
            page = browser.new_page(viewport={"width": WIDE, "height": height})
            reader = Reader(page, address)
            show(reader)
            page.wait_for_timeout(1500)
            keep(page, folder / f"explorer_{name}.png")
            page.close()
