"""The command, the table, the picture, and the baselines that learn from features."""

import csv
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import stemfast as sf
from stemfast import describing, recipes
from stemfast.cli import app
from stemfast.studies import baselines

DATA = Path(__file__).parents[2] / "shared" / "data" / "jeol_haadf_nanoparticles.dm4"


@pytest.fixture
def file(tmp_path):
    scene = sf.Specimen(
        particles=[sf.Sphere(radius=7), sf.Sphere(radius=5)],
        positions_nm=[[-8, -8, 0], [10, 9, 0]],
    )
    path = tmp_path / "two.npy"
    np.save(path, np.asarray(sf.simulate(scene, None, sf.Microscope(), seed=1)))
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["features", *map(str, arguments)])


def rows_of(table):
    with table.open() as lines:
        return list(csv.DictReader(lines))


def test_command_writes_a_row_per_particle_and_a_picture(file, tmp_path):
    electrons = sf.Microscope().electrons_per_pixel
    table = tmp_path / "results" / "table.csv"
    arguments = [file, "--pixel-size-nm", 0.35, "--out", table, "--probe-fwhm-nm", 0.5]
    result = run(*arguments, "--material", "Au", "--electrons-px", electrons)
    assert result.exit_code == 0, result.output
    rows = rows_of(table)
    assert [row["particle"] for row in rows] == ["1", "2"]
    for row, radius, place in zip(rows, (7, 5), (-8, 10), strict=True):
        assert row["is_round"] == "true"
        assert float(row["volume_nm3"]) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.02)
        assert float(row["equivalent_diameter_nm"]) == pytest.approx(2 * radius, rel=0.02)
        assert float(row["centroid_x_nm"]) == pytest.approx(place, abs=0.2)
    assert table.with_suffix(".png").stat().st_size > 5000


def test_without_a_scale_lengths_are_in_px(file, tmp_path):
    result = run(file, "--out", tmp_path / "px.csv")
    assert result.exit_code == 0, result.output
    assert "2 particles without a scale" in result.output
    assert "give it with --pixel-size-nm" in result.output
    assert "nm²" not in result.output
    assert run(file, "--pixel-size-nm", 0.35, "--out", tmp_path / "nm.csv").exit_code == 0
    for bare, scaled in zip(
        rows_of(tmp_path / "px.csv"), rows_of(tmp_path / "nm.csv"), strict=True
    ):
        assert [name.replace("_px", "_nm") for name in bare] == list(scaled)
        assert float(bare["area_px2"]) == pytest.approx(float(scaled["area_nm2"]) / 0.35**2, 1e-4)
    calibrated = run(file, "--electrons-px", 100, "--out", tmp_path / "no.csv")
    assert calibrated.exit_code == 2
    assert "no pixel size in the file" in calibrated.output


def test_command_says_when_there_are_no_volumes(file, tmp_path):
    result = run(file, "--pixel-size-nm", 0.35, "--out", tmp_path / "t.csv")
    assert result.exit_code == 0, result.output
    assert "not calibrated" in result.output
    assert rows_of(tmp_path / "t.csv")[0]["volume_nm3"] == ""


def test_command_refuses_what_it_cannot_use(file, tmp_path):
    size = ["--pixel-size-nm", 0.35]
    assert run(tmp_path / "none.npy").exit_code == 2
    assert "ends in .csv" in run(file, *size, "--out", tmp_path / "t.png").output
    wrong = run(file, *size, "--material", "Unobtainium", "--electrons-px", 100)
    assert wrong.exit_code == 2
    assert "Unobtainium" in wrong.output
    assert run(file, *size, "--electrons-px", -5).exit_code == 2
    assert not list(tmp_path.glob("*.csv"))


@pytest.mark.skipif(not DATA.is_file(), reason="the real micrograph is not at hand")
def test_command_on_a_real_micrograph(tmp_path):
    result = run(DATA, "--out", tmp_path / "table.csv")
    assert result.exit_code == 0, result.output
    rows = rows_of(tmp_path / "table.csv")
    assert len(rows) > 10
    # The file shows near-spherical particles.
    assert sum(row["is_round"] == "true" for row in rows) > 0.7 * len(rows)


def test_picture_and_table_need_a_folder(tmp_path):
    with pytest.raises(describing.FeatureError, match="no such folder"):
        describing.draw_features(np.eye(32), 0.5, [], tmp_path / "none" / "a.png")
    with pytest.raises(describing.FeatureError, match="no such folder"):
        describing.write_table(tmp_path / "none" / "a.csv", [describing.FeatureError("nothing")])
    with pytest.raises(describing.FeatureError, match="got none"):
        describing.write_table(tmp_path / "a.csv", [])


def test_boosted_trees_learn_from_features_and_repeat_themselves():
    recipe = recipes.get("shapes", image_px=64)
    first = baselines.boosted_features(recipe, 120, 60, seed=3, max_iter=30)
    assert first.n_images == 60
    assert first.accuracy > 0.75
    again = baselines.boosted_features(recipe, 120, 60, seed=3, max_iter=30)
    assert np.array_equal(first.confusion, again.confusion)


def test_two_layers_learn_from_pixels():
    # Of particles in the middle: wherever they may be, it takes far more images than a test has.
    recipe = recipes.get("shapes", conditions="clean", image_px=64, particle={"shift_nm": 0.0})
    judged = baselines.two_layers(recipe, 900, 90, seed=3, hidden=32, epochs=20)
    # Chance is 1/3; four standard deviations above it are 0.53 on 90 images.
    assert judged.accuracy > 0.53


def test_baselines_are_tested_on_scenes_they_never_saw(monkeypatch):
    asked = []
    recipe = recipes.get("shapes", image_px=64)
    original = type(recipe).sample

    def sample(self, seed, start, stop):
        asked.append((start, stop))
        return original(self, seed, start, stop)

    monkeypatch.setattr(type(recipe), "sample", sample)
    baselines.two_layers(recipe, 12, 6, seed=1, hidden=4, epochs=1)
    assert asked == [(0, 12), (2**40, 2**40 + 6), (2**41, 2**41 + 6)]


def test_baselines_refuse_too_few_images():
    recipe = recipes.get("shapes", image_px=64)
    with pytest.raises(ValueError, match="n_train"):
        baselines.boosted_features(recipe, 5, 30, seed=1)
    with pytest.raises(ValueError, match="n_test"):
        baselines.two_layers(recipe, 30, 5, seed=1)
