"""Each page of the explorer does its main job in a real browser."""

from __future__ import annotations

import urllib.error
import urllib.request

import numpy as np
import pytest

import stemfast as sf
from browser import Reader, chromium, explorer
from stemfast.explore.simulate.scene import Scene

pytest.importorskip("bokeh", reason="needs the explorer: pip install 'stemfast[explore]'")


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address(browser):
    with explorer() as found:
        yield found


@pytest.fixture
def reader(browser, address):
    page = browser.new_page(viewport={"width": 1400, "height": 1300})
    seen = Reader(page, address)
    yield seen
    page.close()
    assert seen.errors == []


def left_to_right(box):
    return box["x"]


def test_nobody_gets_in_without_the_token(address):
    bare = address.partition("?")[0]
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(bare)
    assert "Open the address" in refused.value.read().decode()
    refused.value.close()


def test_simulate_follows_the_widgets_and_saves_what_it_shows(reader, tmp_path):
    page = reader.page
    reader.says("stemfast simulate image.tif")
    page.get_by_text("Not turned").click()
    page.get_by_role("button", name="7", exact=True).click()
    reader.says("--corner 7:truncate:0.3")
    drawing = min((f.bounding_box() for f in page.locator(".bk-Figure").all()), key=left_to_right)
    middle = drawing["x"] + 156, drawing["y"] + 34 + 156
    reader.drag(middle, (50, 0))
    reader.says("--turn y:-30 ")
    page.get_by_text("Not turned").click()
    reader.says("truncate:0.3 --pixels")
    reach = 156 / 1.15 / np.hypot(np.hypot(24, 20), 16)  # half edges on the screen [px/nm]
    page.mouse.click(middle[0] - 24 * reach, middle[1] + 20 * reach)
    reader.says("--corner 2:truncate:0.3")  # in front of 6: its z is -8 nm
    page.get_by_label("Shape").select_option("sphere")
    reader.says("--shape sphere --size 20")
    with page.expect_download() as saved:
        page.get_by_text("Save .tif").click()
    saved.value.save_as(tmp_path / "image.tif")
    image = sf.micrograph.read(tmp_path / "image.tif")
    scene = Scene("sphere", (20,), turn_deg=(0, 0, 0))
    assert np.array_equal(image.image, scene.take().images)
    assert image.pixel_size_nm == pytest.approx(0.2)
