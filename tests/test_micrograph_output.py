"""The answer: a table that spreadsheets read and a picture in which no label covers another."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from stemfast.micrograph import (
    NOT_SURE,
    FoundParticle,
    FoundParticles,
    Micrograph,
    MicrographError,
    draw_overlay,
    find_particles,
    sphere_thickness,
    table_rows,
    write_table,
)
from stemfast.micrograph.families import coarse_shapes
from stemfast.micrograph.placing import place_labels

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")

NAMES = ["tetrahedron", "cuboid", "sphere"]


@pytest.fixture(scope="module")
def micrograph() -> Micrograph:
    image = 20.0 + sum(
        5.0 * sphere_thickness((60, 81), row, col, radius=radius, sigma=1.0)
        for row, col, radius in ((14, 20, 8), (14, 37, 8), (42, 60, 11), (57, 12, 7))
    )
    return Micrograph(image, 0.5, title="four spheres")


@pytest.fixture(scope="module")
def found(micrograph: Micrograph) -> FoundParticles:
    found = find_particles(micrograph)
    assert len(found) == 4
    return found


@pytest.fixture
def probabilities() -> np.ndarray:
    return np.array([[0.1, 0.2, 0.7], [0.9, 0.05, 0.05], [0.2, 0.6, 0.2], [0.0, 0.0, 1.0]])


def test_the_table_says_where_how_large_and_what(
    found: FoundParticles, probabilities: np.ndarray, tmp_path: Path
) -> None:
    file = write_table(tmp_path / "a.csv", table_rows(found, NAMES, probabilities))
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0]) == [
        "particle", "unit", "row_px", "col_px", "x_nm", "y_nm", "equivalent_diameter_px",
        "equivalent_diameter_nm", "area_px2", "area_nm2",
        "on_border", "shape", "probability", "not_sure_because", "novelty", "coarse_shape", *NAMES,
    ]  # fmt: skip
    assert [row["shape"] for row in rows] == ["sphere", "tetrahedron", "cuboid", "sphere"]
    assert [float(row["probability"]) for row in rows] == [0.7, 0.9, 0.6, 1.0]
    assert [row["on_border"] for row in rows] == ["false", "false", "false", "true"]
    for row, particle, chances in zip(rows, found, probabilities, strict=True):
        assert int(row["particle"]) == particle.label
        assert float(row["row_px"]) == pytest.approx(particle.centroid[0], rel=1e-5)
        # The centre of the image (row 29.5, column 40) is the origin; y points down.
        assert float(row["x_nm"]) == pytest.approx((particle.centroid[1] - 40) / 2, abs=1e-4)
        assert float(row["y_nm"]) == pytest.approx((particle.centroid[0] - 29.5) / 2, abs=1e-4)
        assert [float(row[name]) for name in NAMES] == chances.tolist()
    assert float(rows[2]["equivalent_diameter_nm"]) == pytest.approx(11.0, abs=0.6)
    assert [f.name for f in tmp_path.iterdir()] == ["a.csv"]


def test_the_table_says_what_is_not_sure_and_why(
    found: FoundParticles, probabilities: np.ndarray
) -> None:
    doubts, novelty = ["", "low probability", "", ""], [0.5, 0.25, 2.0, np.nan]
    rows = table_rows(found, NAMES, probabilities, doubts=doubts, novelty=novelty)
    assert [row["shape"] for row in rows] == ["sphere", NOT_SURE, "cuboid", "sphere"]
    assert [row["not_sure_because"] for row in rows] == doubts
    assert [row["novelty"] for row in rows] == [0.5, 0.25, 2.0, ""]
    with pytest.raises(MicrographError, match="doubts, novelty: got 1"):
        table_rows(found, NAMES, probabilities, doubts=["a"])
    with pytest.raises(MicrographError, match=r"novelty: got 4 and \(3,\)"):
        table_rows(found, NAMES, probabilities, novelty=novelty[:3])


def test_a_table_is_whole_or_absent(
    found: FoundParticles,
    probabilities: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import os

    rows = table_rows(found, NAMES, probabilities)
    (tmp_path / "a.csv").write_text("the old one")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_table(tmp_path / "a.csv", rows)
    assert (tmp_path / "a.csv").read_text() == "the old one"
    assert [f.name for f in tmp_path.iterdir()] == ["a.csv"]


def test_bad_tables_are_refused(
    found: FoundParticles, probabilities: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(MicrographError, match=r"probabilities: got shape \(4, 2\)"):
        table_rows(found, NAMES, probabilities[:, :2])
    with pytest.raises(MicrographError, match="each row summing to 1"):
        table_rows(found, NAMES, probabilities * 2)
    with pytest.raises(MicrographError, match="each row summing to 1"):
        table_rows(found, NAMES, probabilities * np.nan)
    with pytest.raises(MicrographError, match="expected distinct names"):
        table_rows(found, ["a", "a", "b"], probabilities)
    with pytest.raises(MicrographError, match="names of other columns"):
        table_rows(found, ["shape", "a", "b"], probabilities)
    rows = table_rows(found, NAMES, probabilities)
    with pytest.raises(MicrographError, match="rows: got none"):
        write_table(tmp_path / "a.csv", [])
    with pytest.raises(MicrographError, match="no such folder"):
        write_table(tmp_path / "no" / "a.csv", rows)
    with pytest.raises(MicrographError, match=r"rows\[1\]: got columns"):
        write_table(tmp_path / "a.csv", [rows[0], {**rows[1], "more": 1}])
    with pytest.raises(MicrographError, match="rows: got columns"):
        write_table(tmp_path / "a.csv", [{"particle": 1}])


def test_the_overlay_is_drawn_without_a_global_figure(
    micrograph: Micrograph, found: FoundParticles, tmp_path: Path
) -> None:
    from PIL import Image

    pytest.importorskip("matplotlib", reason="needs matplotlib, the extra [viz]")
    shapes = ["sphere", "cuboid", "sphere", "sphere"]
    file = draw_overlay(
        micrograph, found, shapes, [0.9, 0.5, 1.0, 0.7], tmp_path / "a.png", class_names=NAMES
    )
    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    colours = dict(zip(NAMES, _colours(), strict=False))
    # Every shape's colour is in the picture (outline and legend), the absent one's far less.
    count = {
        name: np.count_nonzero(np.abs(pixels - colour).max(axis=-1) < 12)
        for name, colour in colours.items()
    }
    assert count["sphere"] > 2 * count["cuboid"] > 4 * count["tetrahedron"] > 0
    assert [f.name for f in tmp_path.iterdir()] == ["a.png"]


def _colours() -> list[np.ndarray]:
    from matplotlib.colors import to_rgb

    from stemfast.micrograph.overlay import _COLOURS

    return [np.round(255 * np.array(to_rgb(colour))).astype(int) for colour in _COLOURS]


def test_bad_overlays_are_refused(
    micrograph: Micrograph, found: FoundParticles, tmp_path: Path
) -> None:
    shapes, chances, file = ["sphere"] * 4, [0.5] * 4, tmp_path / "a.png"
    with pytest.raises(MicrographError, match="got 4 particles, 3 shapes"):
        draw_overlay(micrograph, found, shapes[:3], chances, file)
    with pytest.raises(MicrographError, match="probabilities: expected numbers from 0 to 1"):
        draw_overlay(micrograph, found, shapes, [0.5, 0.5, 0.5, 1.5], file)
    with pytest.raises(MicrographError, match=r"\['sphere'\] are not among class_names"):
        draw_overlay(micrograph, found, shapes, chances, file, class_names=["cuboid"])
    with pytest.raises(MicrographError, match="no such folder"):
        draw_overlay(micrograph, found, shapes, chances, tmp_path / "no" / "a.png")


def test_labels_cover_neither_each_other_nor_what_is_taken() -> None:
    rng = np.random.default_rng(7)
    corners = rng.integers(0, 190, (40, 2))
    bboxes = [(int(r), int(c), int(r) + 10, int(c) + 10) for r, c in corners]
    taken = [(10.0, 185.0, 60.0, 195.0)]
    sizes = [(14.0, 4.0)] * len(bboxes)
    boxes = [
        (x - 7, y - 2, x + 7, y + 2) for x, y in place_labels(bboxes, sizes, (200, 200), taken)
    ]
    every = np.array(boxes + taken)
    across = np.minimum(every[:, None, 2], every[:, 2]) - np.maximum(every[:, None, 0], every[:, 0])
    down = np.minimum(every[:, None, 3], every[:, 3]) - np.maximum(every[:, None, 1], every[:, 1])
    overlap = np.clip(across, 0, None) * np.clip(down, 0, None)
    np.fill_diagonal(overlap, 0.0)
    assert overlap.max() < 1e-9
    assert every[:, :2].min() >= 0
    assert every[:, 2:].max() <= 199


def test_outlines_of_hollow_particles_are_those_of_their_pixels() -> None:
    rows, cols = np.indices((120, 120))
    turned = (rows - 30) * np.cos(0.4) + (cols - 90) * np.sin(0.4)
    across = (cols - 90) * np.cos(0.4) - (rows - 30) * np.sin(0.4)
    labels = np.zeros((120, 120), np.int32)
    labels[np.hypot(rows - 30.3, cols - 29.6) < 12] = 1
    labels[np.maximum(abs(turned), abs(across)) < 11] = 2
    labels[60:66, 20:60] = 3
    labels[80:86, 80:86] = 4
    boxes = [(18, 18, 43, 43), (10, 70, 50, 111), (60, 20, 66, 60), (80, 80, 86, 86)]
    few = [FoundParticle(k + 1, box, 1.0, False, labels) for k, box in enumerate(boxes)]
    chances = np.array([[0.05, 0.15, 0.0, 0.8]] * 4)
    said = coarse_shapes(["sphere", "cuboid", "octahedron", "hollow"], chances, few)
    # The last is too small for its pixels to tell.
    assert said == [("round", 0.85), ("square", 0.95), ("rod", 0.8), ("square", 0.75)]
