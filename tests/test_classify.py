"""Classifying a micrograph: what is written, what is not sure, and what is refused."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import stemfast as sf
from stemfast import micrograph
from stemfast.classification import NOT_SURE, classify
from stemfast.image import Image
from stemfast.pretrained import save
from stemfast.training import Experiment
from stemfast.training.learnt_range import measure
from untrained import undecided

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")
EXPERIMENT = Experiment(name="small", recipe="shapes", image_px=32, validation_images=300)


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    """An untrained network that knows what its images look like; every class is as likely."""
    trained = undecided(EXPERIMENT)
    novelty_model = measure(trained.model, EXPERIMENT.make_recipe(), seed=0, images=300)
    folder = tmp_path_factory.mktemp("network")
    save(folder, replace(trained, novelty_model=novelty_model))
    return folder


@pytest.fixture(scope="module")
def field(tmp_path_factory) -> Path:
    made = micrograph.simulated_field(2, n_particles=8)
    image = Image(made.image, made.pixel_size_nm, title="field")
    return image.save(tmp_path_factory.mktemp("field") / "field.npy")


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_table_says_why_a_shape_is_not_sure(network, field, tmp_path):
    classify(
        field, model=network, out=tmp_path, pixel_size_nm=0.8, min_probability=0.0, max_novelty=1e9
    )
    rows = rows_of(tmp_path / "particles.csv")
    cut = [row["on_border"] == "true" for row in rows]
    assert [row["not_sure_because"] == "cut by the edge" for row in rows] == cut
    assert [row["shape"] == NOT_SURE for row in rows] == cut
    novelty = [float(row["novelty"]) for row in rows]
    assert min(novelty) > 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["overlay.png", "particles.csv"]

    limit = float(np.median(novelty)) * (1 + 1e-9)
    said = classify(field, model=network, out=tmp_path, pixel_size_nm=0.8, max_novelty=limit)
    for row, doubt, new in zip(
        rows_of(tmp_path / "particles.csv"), said.doubts, novelty, strict=True
    ):
        assert row["shape"] == NOT_SURE  # a third each is below 0.8
        expected = "unlike anything learnt" if new > limit else "low probability"
        assert doubt == row["not_sure_because"]
        assert doubt in (expected, "cut by the edge")
    assert "unlike anything learnt" in said.doubts
    assert f"{said.doubts.count('low probability')} low probability" in str(said)


def test_an_image_in_memory_is_classified_and_written_only_where_it_is_told(
    network, field, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    image = Image(np.load(field), 0.8)
    said = sf.classify(image, model=network)
    assert len(said) == len(said.shapes) == len(said.table)
    assert str(said).startswith(f"{len(said)} particles at 0.8 nm/px")
    assert said._repr_html_().count("<tr>") == len(said) + 1
    assert list(tmp_path.iterdir()) == []
    assert said.save("out").is_dir()
    assert [row["shape"] for row in rows_of(tmp_path / "out" / "particles.csv")] == [*said.shapes]


def test_only_networks_that_frame_particles_at_their_own_scale_do_without_one(
    network, field, tmp_path
):
    said = classify(field, out=tmp_path, method="classical")
    assert said.pixel_size_nm is None
    assert "particles without a scale" in str(said)
    assert "sizes are in px" in str(said)
    assert {row["unit"] for row in rows_of(tmp_path / "particles.csv")} == {"px"}
    scaled = classify(field, pixel_size_nm=0.8, method="classical")
    assert scaled.shapes == said.shapes
    wide = [row["equivalent_diameter_nm"] / row["equivalent_diameter_px"] for row in scaled.table]
    np.testing.assert_allclose(wide, 0.8)
    for needed in ({"model": network}, {"corners": True}):
        with pytest.raises(ValueError, match="no pixel size in the file"):
            classify(field, method="classical", **needed)


def test_a_network_without_novelty_leaves_its_column_empty(network, field, tmp_path):
    from stemfast.pretrained import load

    save(tmp_path / "old", replace(load(network), novelty_model=None))
    classify(field, model=tmp_path / "old", out=tmp_path / "out", pixel_size_nm=0.8)
    assert {row["novelty"] for row in rows_of(tmp_path / "out" / "particles.csv")} == {""}


def test_particles_of_other_sizes_are_scaled_and_that_is_told(network, field, tmp_path):
    said = classify(field, model=network, out=tmp_path, pixel_size_nm=4.0)
    assert any("beyond the 5 to 28 nm" in note for note in said.notes)
    assert "note:" in str(said)


WRONG = {
    "zero": np.zeros((64, 64)),
    "NaN": np.full((64, 64), np.nan),
    "colour": np.ones((64, 64, 3)),
    "complex": np.eye(64, dtype=complex),
    "small": np.eye(5),
    "noise": np.random.default_rng(0).normal(100.0, 1.0, (64, 64)),
}
MESSAGES = {
    "zero": "same value",
    "NaN": "NaN",
    "colour": "3 dimensions|images",
    "complex": "complex",
    "small": "at least 8",
    "noise": "no particle found",
}


@pytest.mark.parametrize("what", WRONG)
def test_images_without_particles_are_refused_and_nothing_is_written(network, tmp_path, what):
    np.save(tmp_path / "image.npy", WRONG[what])
    with pytest.raises((ValueError, TypeError), match=MESSAGES[what]):
        classify(tmp_path / "image.npy", model=network, out=tmp_path / "out", pixel_size_nm=0.5)
    assert [file.name for file in tmp_path.iterdir()] == ["image.npy"]


@pytest.mark.parametrize("name", ["image.npy", "image.dm4", "image.tif", "image.png", "image.hspy"])
@pytest.mark.filterwarnings("ignore")  # some readers warn before they give up
def test_unreadable_files_are_refused(network, tmp_path, name):
    (tmp_path / name).write_bytes(b"no image at all")
    with pytest.raises(ValueError, match=name):
        classify(tmp_path / name, model=network, out=tmp_path / "out", pixel_size_nm=0.5)
    assert not (tmp_path / "out").exists()


def test_earlier_results_stay_until_new_ones_are_complete(network, field, tmp_path, monkeypatch):
    for name in ("particles.csv", "overlay.png"):
        (tmp_path / name).write_text("of yesterday")
    (tmp_path / "notes.txt").write_text("mine")

    def broken(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(micrograph, "write_table", broken)
        with pytest.raises(KeyboardInterrupt):
            classify(field, model=network, out=tmp_path, pixel_size_nm=0.8)
    assert {file.read_text() for file in tmp_path.iterdir()} == {"of yesterday", "mine"}
    assert len(list(tmp_path.iterdir())) == 3
    classify(field, model=network, out=tmp_path, pixel_size_nm=0.8)
    assert (tmp_path / "particles.csv").read_text().startswith("particle,")
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 3


def test_networks_of_another_kind_are_refused(network, field, tmp_path):
    def refused(folder, error, match):
        with pytest.raises(error, match=match):
            classify(field, model=folder, out=tmp_path / "out", pixel_size_nm=0.8)

    refused(tmp_path, FileNotFoundError, "a folder without a trained network")
    refused("nothing", ValueError, "expected a network that comes along")
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"format": "stemfast transfer model"}')
    refused(other, ValueError, "stemfast predict")
    (other / "config.json").write_text('{"format": "stemfast ground truth"}')
    refused(other, ValueError, "not a trained network")
    (other / "config.json").write_text("[")
    refused(other, ValueError, "not JSON")
    for name in ("config.json", "weights.safetensors", "novelty.safetensors"):
        (other / name).write_bytes((network / name).read_bytes())
    (other / "weights.safetensors").write_bytes(b"others")
    refused(other, ValueError, "SHA-256 differs")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("threshold", [-0.1, 1.1, np.nan])
def test_impossible_thresholds_are_refused(threshold):
    with pytest.raises(ValueError, match="min_probability"):
        classify("image.dm4", min_probability=threshold)


@pytest.mark.parametrize("limit", [0.0, -1.0, np.nan])
def test_impossible_novelties_are_refused(limit):
    with pytest.raises(ValueError, match="max_novelty"):
        classify("image.dm4", max_novelty=limit)


def test_what_is_in_the_way_is_said_first(network, field, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*gone\.dm4"):
        classify(tmp_path / "gone.dm4", model=network)
    (tmp_path / "out").touch()
    with pytest.raises(FileExistsError, match="which is a file"):
        classify(field, model=network, out=tmp_path / "out")
