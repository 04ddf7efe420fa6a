"""The explorer's page Read without a browser: particles, corrections by hand, fits, reports."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import stemfast as sf
from stemfast.explore.read.fitting import fit
from stemfast.explore.read.reading import Wanted, merged, named, read, split, up_to_date
from stemfast.explore.read.report import write_page
from stemfast.explore.widgets import packed
from stemfast.populations.settings import settings_for
from test_explore import quiet


@pytest.fixture(scope="module")
def spheres(tmp_path_factory):
    """Two spheres that touch, and one alone, as a file and as it was read."""
    places = [(-12, -9, 0), (-12, 9, 0), (14, 2, 0)]
    scope = sf.Microscope(scan=sf.Scan(shape=(128, 128), pixel_size_nm=0.5))
    specimen = sf.Specimen([sf.Sphere(r) for r in (9.5, 9.5, 6)], places)
    taken = sf.simulate(specimen, microscope=scope, seed=1, return_truth=True)
    path = taken.image().save(tmp_path_factory.mktemp("read") / "spheres.tif")
    return read(Wanted(path, method="classical"), quiet)


def test_only_particles_that_count_are_saved_and_numbered_anew(spheres, tmp_path):
    small = min(spheres.found, key=lambda one: one.area).label
    narrowed = replace(spheres, sizes=(15.0, 99.0))
    assert narrowed.counts.tolist() == [one.label != small for one in spheres.found]
    folder = replace(spheres, deleted=frozenset({small})).save(tmp_path / "found")
    labels = sf.micrograph.files.read.read_image(folder / "labels.tif").image
    assert sorted(np.unique(labels)) == [0, 1, 2]
    assert np.array_equal(labels > 0, narrowed.chosen().labels > 0)
    rows = list(csv.DictReader((folder / "particles.csv").read_text().splitlines()))
    assert [row["particle"] for row in rows] == ["1", "2"]
    alone = [narrowed.save_table(tmp_path / "one.csv"), narrowed.save_labels(tmp_path / "one.tif")]
    for file, name in zip(alone, ("particles.csv", "labels.tif"), strict=True):
        assert file.read_bytes() == (folder / name).read_bytes()


def test_particles_merged_and_split_by_hand_are_measured_anew(spheres):
    small = min(spheres.found, key=lambda one: one.area)
    large = [one.label for one in spheres.found if one.label != small.label]
    areas = [spheres.found[label - 1].area for label in large]
    one = merged(replace(spheres, corrected={1: "sphere"}), large, quiet)
    assert len(one.found) == 2
    assert not one.corrected
    both = max(one.found, key=lambda one: one.area)
    assert both.area == pytest.approx(sum(areas), rel=0.1)
    again = split(one, both.label, quiet)
    assert len(again.found) == 3
    assert sorted(p.area for p in again.found)[1:] == pytest.approx(areas, rel=0.1)
    kept = min(again.found, key=lambda one: one.area)
    assert kept.confidence == small.confidence


def test_limits_set_while_a_job_runs_hold_for_its_answer(spheres):
    shown = replace(spheres, sizes=(15.0, 99.0), min_confidence=0.2, deleted=frozenset({2}))
    answer = up_to_date(replace(spheres, corrected={1: "sphere"}), shown)
    assert (answer.sizes, answer.min_confidence, answer.deleted) == ((15, 99), 0.2, {2})
    assert answer.corrected
    one = up_to_date(merged(spheres, [1, 2], quiet), shown)
    assert (one.sizes, one.deleted) == ((15, 99), frozenset())
    other = replace(spheres, found=replace(spheres.found, source=replace(spheres.found.source)))
    assert up_to_date(other, shown) is other
    assert up_to_date(spheres, None) is spheres


def test_what_cannot_be_done_by_hand_is_said(spheres):
    small = min(spheres.found, key=lambda one: one.area).label
    with pytest.raises(ValueError, match="choose two or more particles to merge them"):
        merged(spheres, [1], quiet)
    with pytest.raises(ValueError, match=f"particle {small} is narrow nowhere"):
        split(spheres, small, quiet)


def named_by(class_names, reading):
    """Shapes as a network of these classes names them that takes all for the first."""

    class Network:
        reads_portraits = True

        def read(self, views):
            chances = [0.9] + [0.1 / (len(class_names) - 1)] * (len(class_names) - 1)
            return SimpleNamespace(probabilities=np.tile(chances, (len(views), 1)), novelty=None)

    Network.class_names = class_names
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("stemfast.classification.load_model", lambda model: Network())
        return named(reading, "open-shapes", quiet)


def test_shapes_are_named_with_what_the_network_saw_and_corrected_by_hand(spheres, tmp_path):
    told = named_by(("sphere", "cuboid"), spheres)
    assert told.shapes.views.shape[0] == 3
    assert [told.shape(label) for label in (1, 2, 3)] == ["sphere"] * 3
    by_hand = replace(told, corrected={2: "cuboid"}, deleted=frozenset({1}))
    rows = list(
        csv.DictReader((by_hand.save(tmp_path / "found") / "shapes.csv").read_text().splitlines())
    )
    assert [(row["particle"], row["shape"]) for row in rows] == [("1", "cuboid"), ("2", "sphere")]
    assert rows[0]["not_sure_because"] == "by hand"


def test_a_particle_is_fitted_and_the_fit_is_saved_and_reported(spheres, tmp_path):
    small = min(spheres.found, key=lambda one: one.area).label
    fitted = fit(spheres, small, "sphere", "Au", quiet)
    (radius, sd), *_ = fitted.answer.sizes_nm.values()
    assert fitted.answer.explained
    assert radius == pytest.approx(6, abs=4 * sd)
    image = fitted.answer.images[0]
    assert np.corrcoef(image.measured.ravel(), image.expected.ravel())[0, 1] > 0.9
    other = replace(spheres, found=replace(spheres.found))
    assert fitted.into(other) is other
    with pytest.raises(ValueError, match="name the shapes first"):
        write_page(tmp_path, spheres, "open-shapes")
    first = 1 if small != 1 else 2
    shown = named_by(settings_for()[1].class_names, fitted.into(spheres))
    shown = replace(shown, corrected={small: "cuboid"}, deleted=frozenset({first}))
    number = 1 + [n for n in (1, 2, 3) if n != first].index(small)
    page = write_page(tmp_path, shown, "open-shapes")
    assert f"Particle {number}, fitted" in page.read_text()
    content = json.loads((tmp_path / "report.json").read_text())
    counted = {one["shape"]: one["counted"] for one in content["shapes"] if one["counted"]}
    assert counted == {"cuboid": 1, settings_for()[1].class_names[0]: 1}
    assert "the shapes of 1 particles were given by hand" in content["file_list"][0]["notes"]
    with zipfile.ZipFile(io.BytesIO(packed(shown.save(tmp_path / "all")))) as files:
        assert {f"particle-{number}/reconstruct.json", "shapes.csv"} <= set(files.namelist())
