"""The demo, small, and the classification that it ends on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from small_session import picture
from stemfast import dataset, demo, micrograph, pretrained, training
from stemfast.classification import DEFAULT_MODEL, NOT_SURE, classify
from stemfast.demo.batch import report_real
from stemfast.micrograph.families import FAMILIES

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "jeol_haadf_nanoparticles.dm4"
SMALL = demo.DemoSettings(
    train_per_class=30,
    validation_per_class=10,
    test_per_class=10,
    shapes_epochs=2,
    deformed_epochs=1,
    batch_size=15,
    batch_fields=1,
    micrograph=Path("no such file.dm4"),
    catalysts=Path("no such folder"),
)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, demo.run(folder, seed=3, settings=SMALL)


def test_the_demo_leaves_everything_it_promises(done):
    folder, results = done
    for name in (
        "data/shapes/manifest.json",
        "data/deformed/manifest.json",
        "models/shapes/weights.safetensors",
        "models/deformed/weights.safetensors",
        "shapes_examples.png",
        "deformed_examples.png",
        "shapes_confusion.png",
        "deformed_confusion.png",
        "gallery/gallery.png",
        "gallery/shapes.png",
        "gallery/corners.png",
        "gallery/rotation.gif",
        "micrograph/particles.csv",
        "micrograph/overlay.png",
        "micrograph/found/particles.csv",
        "micrograph/found/labels.tif",
        "micrograph/found/overlay.png",
        "micrograph/found/sizes.png",
        "simulated_field.hspy",
        "match/conditions.toml",
        "match/match.png",
        "tilt_pair/reconstruct.json",
        "tilt_pair/reconstruct.png",
        "tilt_pair/particle.stl",
        "report.html",
        "report.json",
        "particles.csv",
    ):
        assert (folder / name).stat().st_size > 0, name
    assert not list(folder.rglob("*.tmp"))
    assert json.loads((folder / "results.json").read_text()) == results
    for name, classes in (("shapes", 3), ("deformed", 2)):
        figures = results[name]
        assert figures["n_images"] == 10 * classes
        low, high = figures["accuracy_interval"]
        assert low <= figures["accuracy"] <= high
        assert figures["images_seen"] == 30 * classes * (2 if name == "shapes" else 1)
        card = pretrained.load(folder / "models" / name).card
        assert card["test"]["confusion"] == figures["confusion"]


def test_a_batch_is_reported_beside_its_truth(done):
    folder, results = done
    shapes = results["batch"]["shapes"]
    assert sum(one["true_share"] for one in shapes) == pytest.approx(1.0)
    assert all(one["low"] <= one["share"] <= one["high"] for one in shapes)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<th>Truth</th>" in page
    hands = results["batch"]["hands"]
    assert hands["read"] == sum(hands[k] for k in ("right", "left", "symmetric", "not_told")) > 0
    assert hands["true_excess"] == pytest.approx(0.2)
    assert "Handedness of cuboids" in page


def test_a_tilt_pair_is_reconstructed(done):
    pair = done[1]["tilt_pair"]
    assert pair["corners"] == pair["true_corners"]
    assert pair["edges_nm"] == pytest.approx(pair["true_edges_nm"], abs=0.2)


def test_training_validation_and_test_are_disjoint(done):
    folder, _ = done
    data = dataset.open(folder / "data" / "shapes")
    indices = [set(data.split(s).indices.tolist()) for s in ("train", "validation", "test")]
    assert [len(part) for part in indices] == [90, 30, 30]
    assert len(set.union(*indices)) == 150


def test_the_network_that_comes_along_answers_and_the_demos_own_is_compared(done):
    folder, results = done
    found = results["micrograph"]
    if DEFAULT_MODEL not in pretrained.pretrained_names():
        assert found["model"] == str(folder / "models" / "shapes")
        return
    assert found["model"] == DEFAULT_MODEL
    own = found["demo_network"]
    assert len(own["shapes"]) == len(found["shapes"])
    assert own["agree"] <= own["both_sure"] <= len(found["shapes"])
    assert (folder / "micrograph" / "demo_network" / "overlay.png").stat().st_size > 0


def test_the_table_has_a_row_per_particle_and_agrees_with_the_answer(done):
    folder, results = done
    with (folder / "micrograph" / "particles.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["shape"] for row in rows] == results["micrograph"]["shapes"]
    assert len(rows) > 10  # the simulated field holds 25, some touching
    assert results["micrograph"]["found"]["count"] == len(rows)
    for row in rows:
        chances = [
            float(row[name]) for name in pretrained.load_pretrained(DEFAULT_MODEL).class_names
        ]
        assert sum(chances) == pytest.approx(1, abs=1e-4)
        assert (row["shape"] == NOT_SURE) == bool(row["not_sure_because"])
        if row["shape"] in row:
            assert float(row[row["shape"]]) == pytest.approx(max(chances))
        elif row["shape"] != NOT_SURE:
            assert row["shape"] in FAMILIES
            assert float(row["probability"]) > max(chances)
        if row["shape"] != NOT_SURE:
            assert float(row["probability"]) >= 0.8


def test_the_threshold_decides_what_is_not_sure(done, tmp_path):
    folder, _ = done
    file, model = folder / "simulated_field.hspy", folder / "models" / "shapes"
    never = classify(file, model=model, out=tmp_path / "all", min_probability=0.0)
    always = classify(file, model=model, out=tmp_path / "none", min_probability=1.0)
    found = micrograph.find_particles(micrograph.read(file))
    cut = [particle.on_border for particle in found]
    assert [shape == NOT_SURE for shape in never.shapes] == cut
    assert always.shapes.count(NOT_SURE) > never.shapes.count(NOT_SURE)
    assert f"{len(found)} particles at 0.8 nm/px" in str(never)


def test_a_set_of_another_seed_is_not_overwritten(done):
    folder, _ = done
    with pytest.raises(ValueError, match="seed: 3 → 4"):
        demo.run(folder, seed=4, settings=SMALL)


def test_real_micrographs_get_a_report_of_their_own(tmp_path):
    pillow = pytest.importorskip("PIL.Image", reason="needs Pillow, the extra [io]")
    (tmp_path / "exported").mkdir()
    pillow.fromarray(picture(0).astype(np.uint8)).save(tmp_path / "exported" / "a.jpg")
    lines = []
    told = report_real(tmp_path / "real", tmp_path / "exported", lines.append)
    assert told["particles"]["found"] > 0
    assert json.loads((tmp_path / "real" / "report.json").read_text())["size_unit"] == "px"
    assert "REAL micrographs" in lines[0]
    assert str(tmp_path / "real" / "report.html") in lines[-1]


@pytest.mark.skipif(not REAL.is_file(), reason=f"no real micrograph at {REAL}")
def test_most_particles_of_the_real_micrograph_are_spheres(tmp_path):
    # Smaller than the demo, to take seconds: 300 images of each shape, 12 epochs. The demo's own
    # network, from 1000 of each, finds more.
    from stemfast import recipes
    from stemfast.demo.network import train_network

    settings = demo.DemoSettings(train_per_class=300, validation_per_class=40, test_per_class=40)
    shapes = recipes.get("shapes", image_px=64, dtype="uint16")
    data = dataset.write(tmp_path / "set", shapes, seed=0, splits=settings.splits(3))
    recipe = training.TrainingSettings(epochs=12, batch_size=32)
    outcome = train_network(data, recipe, tmp_path / "net", title="")
    assert outcome.evaluation.accuracy_interval[1] > 0.9
    answer = classify(REAL, model=tmp_path / "net", out=tmp_path / "out", min_probability=0.5)
    assert answer.pixel_size_nm == pytest.approx(1.249, abs=1e-3)
    assert answer.shapes.count("sphere") > len(answer.shapes) / 2
