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
from scipy.spatial.transform import Rotation

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
    picture.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        path, optimize=True
    )


def simulate(reader: Reader) -> None:
    """A cuboid with two corners cut."""
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
    """Particles of a simulated micrograph, named, one of them chosen and fitted."""
    page = reader.page
    reader.says("9 whole particles")
    page.get_by_role("button", name="Name the shapes").click()
    page.locator(".slick-row", has_text="sphere").first.wait_for()
    page.locator(".slick-row").nth(1).locator(".slick-cell").first.click()
    reader.says("Particle ")
    page.get_by_label("It may be").select_option("sphere")
    page.get_by_role("button", name="Fit", exact=True).click()
    reader.says("% of the signal")


def reconstruct(reader: Reader) -> None:
    """A particle from three tilts."""
    reader.fill("a path a line", "\n".join(f"tilt{k}.tif" for k in range(3)))
    reader.fill("Tilts", "-40, 0, 40")
    reader.fill("Tilt axis", "0")
    reader.page.get_by_role("button", name="Reconstruct").click()
    reader.says("edge a")


def sets(reader: Reader) -> None:
    """Images of a set, those with two deformed corners."""
    reader.fill("Folder of a data set", "count")
    reader.page.get_by_role("button", name="Open the set").click()
    reader.says("600 images")
    reader.page.get_by_label("Label").select_option(index=3)


def tilts(folder: Path) -> None:
    """Three images of a cuboid with a cut corner, tilted about x."""
    scope = sf.Microscope(scan=sf.Scan(shape=(72, 72), pixel_size_nm=0.4, dwell_us=10))
    about_x = Rotation.from_rotvec(np.outer([-40, 0, 40], [1, 0, 0]), degrees=True)
    particle = sf.Cuboid((16, 13, 10), {7: sf.Truncation(0.4)})
    poses = about_x * Rotation.from_rotvec([0.5, 0.4, 0.3])
    taken = sf.simulate(particle, poses, scope, seed=1, return_truth=True)
    for k in range(3):
        taken.image(k).save(folder / f"tilt{k}.tif")


PAGES = {
    "Simulate": (simulate, 990),
    "Read": (read, 1480),
    "Reconstruct": (reconstruct, 960),
    "Data sets and runs": (sets, 760),
}

if __name__ == "__main__":
    folder = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "docs/images"
    with (
        tempfile.TemporaryDirectory() as made,
        chdir(micrograph(Path(made)).parent),
        chromium() as browser,
        explorer((Path("particles.tif"),)) as address,
    ):
        tilts(Path())
        sf.dataset.write("count", sf.recipes.get("count"), seed=1, splits={"train": (0, 600)})
        for name, (show, height) in PAGES.items():
            page = browser.new_page(viewport={"width": WIDE, "height": height})
            reader = Reader(page, address)
            page.set_default_timeout(300_000)
            page.get_by_text(name, exact=True).first.click()
            show(reader)
            page.wait_for_timeout(1500)
            keep(page, folder / f"explorer_{name.split()[-1].lower()}.png")
            page.close()
