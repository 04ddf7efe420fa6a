"""Handedness of cuboids in tilt series: columns of the table, and a section of the report."""

from __future__ import annotations

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from small_session import table
from stemfast.classification import HAND_COLUMNS, classify, frames_of
from stemfast.classification.hands import LEFT, RIGHT, SYMMETRIC, UNTOLD
from stemfast.populations import classify_folder
from stemfast.populations.shares import Hands, told_of_hands
from stemfast.pretrained import save
from stemfast.training import Experiment
from untrained import undecided

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")
TILTS, AXIS_DEG, PIXEL_NM = (-25.0, 15.0), 90.0, 0.5
CUTS = {3: 0.4, 6: 0.35, 7: 0.4}
#: Name of each particle, its middle [nm], and whether its corners are those of the mirror image.
PARTICLES = {"right": ((-28.0, -20.0), False), "left": ((24.0, 22.0), True)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tilt series of two cuboids and a ball, and one image of them."""
    folder = tmp_path_factory.mktemp("session")
    solids = [
        sf.Cuboid(
            edges=(16, 13, 10),
            corners={k ^ mirrored: sf.Truncation(cut) for k, cut in CUTS.items()},
        )
        for _, mirrored in PARTICLES.values()
    ]
    poses = Rotation.from_rotvec([[0.5, 0.4, 0.3], [-0.4, 0.6, 0.2], [0, 0, 0]])
    places = [(*middle, 0.0) for middle, _ in PARTICLES.values()]
    field = sf.Specimen([*solids, sf.Sphere(9)], [*places, (25.0, -25.0, 0.0)], poses)
    scope = sf.Microscope(scan=sf.Scan(shape=(224, 208), pixel_size_nm=PIXEL_NM, dwell_us=30))
    turns = Rotation.from_euler("y", [[tilt] for tilt in TILTS], degrees=True)
    images = np.asarray(sf.simulate(field, turns, scope, seed=3))
    np.save(folder / "series.npy", images)
    (folder / "series.rawtlt").write_text("\n".join(map(str, TILTS)))
    np.save(folder / "single.npy", images[1])
    return folder


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> dict:
    """A network that calls everything a cuboid, and tilts about y."""
    one = undecided(Experiment(name="small", recipe="shapes", image_px=32))
    one.model.head.bias[...] = jnp.asarray([0.0, 4.0, 0.0])
    network = tmp_path_factory.mktemp("network")
    save(network, one)
    return {
        "model": network,
        "method": "classical",
        "pixel_size_nm": PIXEL_NM,
        "tilt_axis_deg": AXIS_DEG,
    }


@pytest.fixture(scope="module")
def report(folder, settings, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    told = {"cuboid": 2, "sphere": 1, "hands": {RIGHT: 1, LEFT: 1}}
    (out / "truth.json").write_text(json.dumps(told))
    return classify_folder(folder, out, **settings)


def nearest(rows, name):
    """The row of the particle at a place."""
    (x, y), _ = PARTICLES[name]
    return min(rows, key=lambda row: np.hypot(float(row["x_nm"]) - x, float(row["y_nm"]) - y))


def test_mirror_images_are_told_apart_and_what_is_no_cuboid_is_not(report):
    rows = [row for row in table(report.table.parent) if row["file"] == "series.npy"]
    assert len(rows) == 3
    for name, hand in (("right", RIGHT), ("left", LEFT)):
        row = nearest(rows, name)
        assert row["hand"] == hand
        assert float(row["hand_probability"]) > 0.9
        assert row["hand_images"] == "2"
    ball = next(row for row in rows if row["hand"] not in (RIGHT, LEFT))
    assert ball["hand"] in (UNTOLD, SYMMETRIC)
    assert ball["hand_probability"] == ""
    alone = [row for row in table(report.table.parent) if row["file"] == "single.npy"]
    assert {tuple(row[name] for name in HAND_COLUMNS) for row in alone} == {("",) * 3}


def test_the_report_and_its_page_tell_the_excess(report):
    told = json.loads(report.json.read_text())["hands"]
    assert (told["read"], told["right"], told["left"]) == (3, 1, 1)
    assert told["symmetric"] + told["not_told"] == 1
    assert told["true_excess"] == 0.0
    excess = told["excess"]
    assert excess["excess"] == pytest.approx(0.0, abs=0.2)
    assert excess["low"] < excess["excess"] < excess["high"]
    page = report.page.read_text()
    assert "Handedness of cuboids" in page
    assert f"<b>{100 * excess['excess']:+.1f} %</b>" in page
    assert "In truth +0.0 %" in page
    assert "1 right, 1 left" in str(report)
    assert "tilts of -25, 15 degrees; 3 of 3 cuboids were followed" in page


def test_excess_holds_chance_and_doubt():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        right = rng.random(30) < 0.7
        sure = rng.uniform(0.6, 1.0, 30)
        named = np.where(rng.random(30) < sure, right, ~right)  # wrong as often as it says
        hands = Hands()
        for hand, chance in zip(named, sure, strict=True):
            hands.add({"hand": RIGHT if hand else LEFT, "hand_probability": float(chance)})
        excess = told_of_hands(hands)["excess"]
        covered += excess["low"] <= 0.4 <= excess["high"]
    assert 170 <= covered <= 200
    assert told_of_hands(Hands())["excess"] is None


def test_what_is_no_tilt_series_is_refused(folder, settings, stemfast, tmp_path):
    assert frames_of(folder / "single.npy") is None
    assert frames_of(folder / "series.npy").reference == 1
    options = {k: v for k, v in settings.items() if k != "tilt_axis_deg"}
    with pytest.raises(ValueError, match=r"single\.npy is no tilt series, expected the file of a"):
        classify(folder / "single.npy", **settings)
    with pytest.raises(ValueError, match="an array is no tilt series"):
        classify(np.zeros((64, 64)), **settings)
    with pytest.raises(ValueError, match="got index or labels as well"):
        classify(folder / "series.npy", index=0, **settings)
    with pytest.raises(ValueError, match="tilt_axis_deg: got index 0"):
        classify_folder(folder, tmp_path / "out", index=0, **settings)
    with pytest.raises(ValueError, match="tilt_axis_deg must be finite"):
        classify(folder / "series.npy", **options, tilt_axis_deg=float("nan"))
    with pytest.raises(ValueError, match="material 'Gold'"):
        classify(folder / "series.npy", **settings, material="Gold")
    with pytest.raises(ValueError, match="material: got 'Pt', but no tilt axis"):
        classify(folder / "single.npy", **options, material="Pt")
    with pytest.raises(ValueError, match="material: got 'Pt', but no tilt axis"):
        classify_folder(folder, tmp_path / "out", **options, material="Pt")
    result = stemfast(
        "classify", str(folder / "series.npy"), "--model", "count", "--tilt-axis-deg", "0"
    )
    assert result.exit_code == 2
    assert "--tilt-axis-deg: the network names 0, 1" in result.output
    assert not (tmp_path / "out").exists()


def test_truth_of_hands_must_be_hands(report):
    file = report.table.parent / "truth.json"
    kept = file.read_text()
    file.write_text(json.dumps({"cuboid": 1, "hands": {"right": 1}}))
    with pytest.raises(ValueError, match="expected numbers of right-handed and left-handed"):
        sf.populations.write_report(report.table.parent)
    file.write_text(kept)


def test_a_frame_without_particles_is_left_out(folder, settings, tmp_path):
    images = np.load(folder / "series.npy")
    film = images[:, :24, :].mean(axis=(0, 1))
    empty = np.random.default_rng(1).poisson(film, images[0].shape)
    np.save(tmp_path / "three.npy", np.stack([images[1], images[1], empty]).astype(images.dtype))
    (tmp_path / "three.rawtlt").write_text("14.9\n15.0\n40\n")
    options = {k: v for k, v in settings.items() if k != "tilt_axis_deg"}
    said = classify(tmp_path / "three.npy", **options, tilt_axis_deg=AXIS_DEG)
    assert len(said) == 3
    assert {row["hand"] for row in said.table} == {UNTOLD}
    assert {row["hand_images"] for row in said.table} == {2}
