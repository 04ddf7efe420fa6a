"""Each page of the explorer does its main job in a real browser."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import zipfile

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from browser import Reader, chromium, explorer
from stemfast.explore.simulate.scene import Scene
from stemfast.pretrained import save
from untrained import by_chance

pytest.importorskip("bokeh", reason="needs the explorer: pip install 'stemfast[explore]'")


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("explore")


@pytest.fixture(scope="module")
def address(browser):
    with explorer() as found:
        yield found


@pytest.fixture(scope="module")
def micrograph(folder):
    """Four spheres, the second the largest."""
    spheres = [sf.Sphere(radius) for radius in (5, 8, 4, 6)]
    places = [(-14, -14, 0), (14, -13, 0), (-13, 14, 0), (13, 15, 0)]
    scope = sf.Microscope(scan=sf.Scan(shape=(128, 128), pixel_size_nm=0.5))
    taken = sf.simulate(sf.Specimen(spheres, places), microscope=scope, seed=1, return_truth=True)
    return taken.image().save(folder / "spheres.tif")


@pytest.fixture
def reader(browser, address):
    page = browser.new_page(viewport={"width": 1400, "height": 1300})
    seen = Reader(page, address)
    yield seen
    page.close()
    assert seen.errors == []


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
    drawing = min(reader.figures(), key=lambda box: box["x"])
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
    shown = max(reader.figures(), key=lambda box: box["x"])
    side = shown["width"] - 4
    column, row = 140, 118
    page.mouse.move(
        shown["x"] + 2 + side * (column + 0.5) / 256, shown["y"] + 32 + side * (row + 0.5) / 256
    )
    reader.says(f"{image.image[row, column]:.2f}")  # counts, where they moved as grey levels
    page.get_by_label("Support behind it").select_option("plate")
    reader.says("--support plate:30:C")
    handle = page.locator('.bk-Slider:has-text("Contamination")').locator(".noUi-handle")
    handle.press("ArrowRight")
    reader.says("--contamination 0.1 --support plate:30:C")


def test_simulate_goes_on_after_a_setting_that_makes_no_image(reader):
    reader.says("stemfast simulate image.tif")
    inner, outer = (
        reader.page.locator(f'.bk-Slider:has-text("Detector {end}")').locator(".noUi-handle")
        for end in ("from", "to")
    )
    inner.press("End")
    outer.press("Home")
    reader.says("expected inner_mrad < outer_mrad, got inner_mrad=120 and outer_mrad=80")
    outer.press("End")
    reader.says("--inner-mrad 120 --outer-mrad 300")


def read(reader, path):
    """Open a file on the page Read, with the finder that loads no network."""
    page = reader.page
    page.get_by_text("Read", exact=True).click()
    page.get_by_label("Found by").select_option("classical")
    reader.fill("Path of a micrograph", str(path))
    page.get_by_role("button", name="Find particles").click()


def test_read_finds_particles_and_links_the_table_with_the_image(reader, micrograph, folder):
    page = reader.page
    read(reader, micrograph)
    reader.says("spheres.tif: 4 particles, bright, 0.5 nm/px from the file")
    table = "Bokeh.documents[0].get_model_by_name('particles').source"
    diameters = list(page.evaluate(f"Array.from({table}.data.d)"))
    assert sorted(diameters) == pytest.approx([8, 10, 12, 16], abs=0.4)
    largest, smallest = diameters.index(max(diameters)), diameters.index(min(diameters))
    page.locator(".slick-row").nth(largest).locator(".slick-cell").first.click()
    reader.says(f"Particle {largest + 1}")
    picture = max(reader.figures(), key=lambda box: box["width"])
    side = picture["width"] - 4  # of the field of 64 nm; the third sphere is at the lower left
    at = picture["x"] + side * (0.5 - 13 / 64), picture["y"] + 34 + side * (0.5 + 14 / 64)
    page.mouse.click(*at)
    reader.says(f"Particle {smallest + 1}")
    assert page.evaluate(f"{table}.selected.indices") == [smallest]
    page.get_by_label("It may be").select_option("sphere")
    page.get_by_role("button", name="Fit", exact=True).click()
    reader.says("% of the signal")
    page.get_by_role("button", name="Delete").click()
    reader.says("3 whole particles")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save CSV").click()
    saved.value.save_as(folder / "particles.csv")
    assert len((folder / "particles.csv").read_text().splitlines()) == 1 + 3


def test_read_says_in_words_what_is_wrong_with_a_file(reader, folder):
    read(reader, folder / "nowhere.tif")
    reader.says("there is no file")
    wrong = folder / "words.tif"
    wrong.write_text("not an image")
    read(reader, wrong)
    reader.says("words.tif:")


def test_a_reload_finds_what_was_there_and_another_tab_is_another(reader, browser, address):
    page = reader.page
    reader.says("stemfast simulate image.tif")
    page.get_by_label("Shape").select_option("octahedron")
    reader.says("--shape octahedron")
    page.reload()
    reader.says("--shape octahedron")
    other = browser.new_page()
    assert "--shape" not in Reader(other, address).command()
    other.close()


def test_reconstruct_fits_an_image_and_shows_it_beside_the_measured_one(
    reader, folder, monkeypatch
):
    monkeypatch.setattr("stemfast.reconstruction.network._load", lambda: None)
    scope = sf.Microscope(scan=sf.Scan(shape=(56, 56), pixel_size_nm=0.5, dwell_us=20))
    pose = Rotation.from_rotvec([0.5, 0.4, 0.3])
    taken = sf.simulate(sf.Cuboid((16, 13, 10)), pose, scope, seed=1, return_truth=True)
    path = taken.image().save(folder / "cuboid.tif")
    page = reader.page
    page.get_by_text("Reconstruct", exact=True).first.click()
    reader.fill("a path a line", str(path))
    page.get_by_label("Found by").last.select_option("classical")
    page.get_by_role("button", name="Reconstruct").click()
    reader.says("edge a")
    reader.says("cuboid.tif: explained")
    reader.says("stemfast reconstruct")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save all").last.click()
    saved.value.save_as(folder / "particle.zip")
    with zipfile.ZipFile(folder / "particle.zip") as files:
        assert {"reconstruct.json", "reconstruct.png", "particle.stl"} <= set(files.namelist())
    page.get_by_label("It may be").select_option("sphere")
    page.get_by_role("button", name="Reconstruct").click()
    reader.says("None of 1 families explains these images")
    reader.says("--family sphere")


def test_sets_are_browsed_and_a_run_is_followed_as_it_goes_on(reader, folder):
    recipe = sf.recipes.get("count", image_px=32, field_nm=40, particle={"diameter_nm": (6, 12)})
    sf.dataset.write(folder / "set", recipe, seed=4, splits={"train": (0, 30)})
    run = folder / "run"
    run.mkdir()
    metrics = run / "metrics.jsonl"
    metrics.write_text('{"images": 128, "loss": 2.0, "accuracy": 0.25}\n')
    page = reader.page
    page.get_by_text("Data sets and runs", exact=True).click()
    reader.fill("Folder of a data set", str(folder))
    page.get_by_role("button", name="Open the set").click()
    reader.says("manifest")
    reader.fill("Folder of a data set", str(folder / "set"))
    page.get_by_role("button", name="Open the set").click()
    reader.says("30 images of 32 × 32 px")
    reader.fill("Folder of a training run", str(run))
    page.get_by_role("button", name="Follow").click()
    reader.says("run: 128; loss 2, accuracy 0.25")
    with metrics.open("a") as file:
        file.write('{"images": 256, "loss": 1.5, "accuracy": 0.5}\n')
    reader.says("run: 256; loss 1.5, accuracy 0.5")
    save(run, by_chance())
    judgement = {"class_names": list("ab"), "confusion": [[8, 2], [1, 9]]}
    judgement |= {"balanced_accuracy": 0.85, "images": 20}
    (run / "evaluation.json").write_text(json.dumps(judgement))
    page.get_by_alt_text("confusion matrix").wait_for()
    page.get_by_role("button", name="Find mistakes").click()
    reader.says("of 1000 test images are wrong")
    reader.says("→")


def test_files_come_from_the_browser_but_none_that_it_cannot_hold(reader, micrograph, folder):
    page, said = reader.page, []
    page.get_by_text("Read", exact=True).click()
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    huge = folder / "huge.tif"
    with huge.open("wb") as file:
        file.truncate(160_000_000)
    page.locator("input[type=file]").set_input_files(huge)
    assert said == [
        "huge.tif has 160 MB: give its path instead, up to 150 MB come through the browser"
    ]
    page.get_by_label("Found by").select_option("classical")
    page.locator("input[type=file]").set_input_files(micrograph)
    reader.says("spheres.tif: 4 particles")
