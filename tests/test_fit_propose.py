"""Starts found from the image alone, and the particle that is found from them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

import stemfast as sf
from cuboid_images import image_of, scope
from stemfast import recipes
from stemfast.cli import app
from stemfast.dataset.splits import first_index
from stemfast.fit import CutCuboid, Prior, count_prior, decide, observe, propose
from stemfast.fit.cuboid.equivalents import aligned, apart, axis_turns, mirrored, renamed
from stemfast.fit.cuboid.shape import rotation_matrix
from stemfast.fit.image.goodness import goodness
from stemfast.fit.prior import prior_of
from stemfast.fit.propose import likely_mask, proposals
from stemfast.fit.templates import binned, outline
from stemfast.studies.fit_trial import FitTrial, Reading, read_scene, trial

COUNT = recipes.get("count")


def drawn(seed: int, mask: int) -> CutCuboid:
    rng = np.random.default_rng([seed, mask])
    cuts = np.where([mask >> c & 1 for c in range(8)], rng.uniform(0.3, 0.42, 8), 0.0)
    edges = rng.permutation([9.5, 11.5, 13.5])
    quaternion = Rotation.random(rng=rng).as_quat()
    return CutCuboid(edges, cuts, quaternion, rng.uniform(-1, 1, 2))


def test_names_and_the_mirror_leave_the_image_as_it_is():
    shape = drawn(0, 0b00101101)
    scan = sf.Scan(shape=(64, 64), pixel_size_nm=0.4)

    def shadow(other: CutCuboid) -> np.ndarray:
        place = np.append(other.position_nm, 0.0)
        return sf.thickness(other.particle(), other.orientation(), scan, positions_nm=place)

    seen = shadow(shape)
    twin = mirrored(shape)
    assert np.abs(shadow(twin) - seen).max() < 1e-4
    for turn in axis_turns()[[3, 11, 20]]:
        named = renamed(twin, turn)
        assert np.abs(shadow(named) - seen).max() < 1e-4
        back = aligned(shape, named)
        assert back.mask == named.mask
        assert back.edges_nm == pytest.approx(named.edges_nm)
        angle, edges = apart(
            rotation_matrix(named.quaternion)[None],
            named.edges_nm[None],
            rotation_matrix(shape.quaternion),
            shape.edges_nm,
        )
        assert angle[0] < 1e-3
        assert edges[0] < 1e-9


def test_a_glance_tells_volume_place_and_moments():
    scope_ = scope(2e4)
    for seed in range(3):
        truth = drawn(seed, 0)
        seen = outline(image_of(truth, scope_), scope_, "Au")
        matrix = rotation_matrix(truth.quaternion)
        moments = (matrix @ np.diag(truth.edges_nm**2 / 12) @ matrix.T)[:2, :2]
        assert seen.volume_nm3 == pytest.approx(truth.volume_nm3, rel=0.01)
        assert np.abs(seen.centre_nm - truth.position_nm).max() < 0.05
        assert np.abs(seen.moments_nm2 - moments).max() < 0.02 * np.trace(moments)


def test_joined_pixels_expect_what_their_pixels_do():
    film = sf.Film(thickness_nm=8, roughness_nm=0.5, correlation_nm=6)
    scope_ = scope(3000.0, film=film)
    truth = drawn(1, 0b1001)
    fine = observe(image_of(truth, scope_), scope_, truth)
    part = binned(fine, 3, 6)
    rows, columns = part.counts.shape
    waves = np.zeros(len(fine.waves.variance))
    exact = fine.expected(truth, waves, derivatives=False).electrons
    summed = exact[: 3 * rows, : 3 * columns].reshape(rows, 3, columns, 3).sum(axis=(1, 3))
    few = np.zeros(len(part.waves.variance))
    quick = part.expected(truth, few, derivatives=False).electrons
    assert len(few) == 6
    assert np.abs(quick - summed).max() < 0.06 * summed.max()
    assert quick.sum() == pytest.approx(summed.sum(), rel=2e-3)


@pytest.mark.parametrize("index", [0, 4, 8])
def test_poses_are_found_from_the_image_alone(index):
    scenes = COUNT.sample(3, index, index + 1)
    truth = CutCuboid.of(scenes.particle(0), scenes.orientation(0), scenes.positions_nm[0, 0])
    material = scenes.materials[0].decode()
    image, microscope = scenes.simulate(n_threads=1)[0], scenes.microscope(0)
    start = propose([image], [microscope], material=material, prior=prior_of(COUNT))[0][0]
    angle, edges = apart(
        rotation_matrix(start.quaternion)[None],
        start.edges_nm[None],
        rotation_matrix(truth.quaternion),
        truth.edges_nm,
    )
    assert angle[0] < 3.0
    assert edges[0] < 0.03
    assert np.abs(start.position_nm - truth.position_nm).max() < 0.2
    assert start.material == material


def test_a_first_idea_obeys_the_prior():
    scope_ = scope(4000.0)
    truth = drawn(2, 0b00010010)
    known = Prior(cut=(0.2, 0.5))
    idea = proposals([image_of(truth, scope_)], [scope_], material="Au", prior=known)[0]
    assert likely_mask(idea, known, count_prior())[0].mask.bit_count() == 2
    only_three = np.where([m.bit_count() == 3 for m in range(256)], 0.0, -np.inf)
    assert likely_mask(idea, known, only_three)[0].mask.bit_count() == 3


@pytest.mark.parametrize(("task", "edges"), [("count", 3), ("pairs-cube", 1)])
def test_the_particle_is_found_from_the_image_alone(task, edges):
    recipe = recipes.get(task)
    scenes = recipe.sample(1, 2, 3)
    found = decide(
        scenes.simulate(n_threads=1)[0],
        scenes.microscope(0),
        task,
        material=scenes.materials[0].decode(),
        prior=prior_of(recipe),
    )
    assert found.answer == scenes.labels[0]
    assert found.probability.sum() == pytest.approx(1.0)
    assert found.explained
    sizes = found.best.shape.edges_nm
    assert len(set(sizes.tolist())) == edges
    assert np.abs(np.sort(sizes) / np.sort(scenes.columns["edges_nm"][0]) - 1).max() < 0.02


def test_which_edge_is_the_longest_is_for_the_fit_to_say():
    # Here the first idea takes the second edge for the longest, as the fit that follows does not.
    recipe = recipes.get("pairs-cuboid")
    index = first_index("test") + 126
    read = read_scene(recipe, recipe.sample(0, index, index + 1), 0)
    assert (read.mask, read.answer) == (read.true_mask, read.label)


def test_what_is_no_cuboid_is_not_explained():
    scope_ = scope(1000.0)
    image = sf.simulate(sf.Sphere(radius=6.0), None, scope_, seed=1)
    found = decide(image, scope_, starts=1)
    assert not found.explained
    assert found.best.goodness[0].misfit > 0.05


def test_goodness_is_that_of_noise():
    """Eighty images against their own expectation; mean and variance, false alarms 1 in 500."""
    scope_ = scope(300.0)
    truth = drawn(4, 0b11)
    scores, p_values = [], []
    for index in range(80):
        part = observe(image_of(truth, scope_, index), scope_, truth)
        calm = np.zeros(len(part.waves.variance))
        electrons = part.expected(truth, calm, derivatives=False).electrons
        fair = goodness(part, electrons)
        scores.append((fair.chi2 - fair.expected) / fair.spread)
        p_values.append(fair.p_value)
    assert abs(np.mean(scores)) < 3.1 / np.sqrt(80)
    low, high = stats.chi2.ppf([0.001, 0.999], 79) / 79
    assert low < np.var(scores, ddof=1) < high
    assert min(p_values) > 0.001


def test_a_fit_that_shows_nothing_explains_nothing():
    shape = drawn(1, 0)
    image = observe(image_of(shape, scope()), scope(), shape)
    nothing = goodness(image, np.zeros_like(image.counts))
    assert not nothing.explained
    assert nothing.misfit == 1.0


def test_a_small_error_of_the_model_is_forgiven_and_a_large_one_is_not():
    scope_ = scope(2e4)
    truth = drawn(5, 0)
    part = observe(image_of(truth, scope_), scope_, truth)
    calm = np.zeros(len(part.waves.variance))
    for scale, explained in ((0.015, True), (0.1, False)):
        electrons = part.expected(truth, calm, scale, derivatives=False).electrons
        verdict = goodness(part, electrons)
        assert verdict.explained is explained
        assert verdict.misfit == pytest.approx(scale, rel=0.25)
        assert verdict.chi2 > verdict.expected + 10 * verdict.spread  # noise alone would not do


def reading(**changes: object) -> Reading:
    plain = Reading(
        index=0,
        label=1,
        answer=1,
        probability=(0.1, 0.9),
        network=(0.8, 0.2),
        mask=1,
        true_mask=1,
        pose_deg=0.5,
        edge_error=0.01,
        off=(0.1, 0.1, 0.1, 0.2, 0.0, 0.0, 0.0),
        error=(0.2, 0.2, 0.05, 0.1, 0.1, 0.1, 0.1),
        n_cuts=1,
        volume_error=0.0,
        misfit=0.0,
        p_value=1.0,
        fits=1,
        seconds=1.0,
        core_seconds=1.0,
    )
    return replace(plain, **changes)


def test_the_sums_of_a_trial():
    readings = (
        reading(),
        reading(label=0, p_value=0.0),  # not explained: the network's answer, which is right
        reading(label=0),
        reading(mask=2),  # of other corners: its error bars mean nothing
    )
    result = FitTrial("count", ("0", "1"), readings)
    assert result.share("fit")[0] == 0.5
    assert result.share("network")[0] == 0.5
    assert result.share("together")[0] == 0.75
    assert result.covered()["edges"] == (pytest.approx(2 / 3), 9)
    assert result.covered()["cuts"] == (0.0, 3)
    assert result.poses_found == 1.0


def test_a_stopped_trial_goes_on_where_it_was(tmp_path):
    recipe = recipes.get("count", conditions="clean", image_px=96)
    file = tmp_path / "run.jsonl"
    trial(recipe, 2, path=file)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:2]) + lines[2][:20])  # killed while writing
    made: list[int] = []
    again = trial(recipe, 2, path=file, report=lambda one, done: made.append(one.index))
    assert made == [first_index("test"), first_index("test") + 1]
    assert json.loads(file.read_text().splitlines()[2])["index"] == again.readings[1].index
    assert file.read_text().splitlines(keepends=True)[1] == lines[1]
    kept = file.read_bytes()
    with pytest.raises(ValueError, match="its seed is 0, expected 1"):
        trial(recipe, 1, seed=1, path=file)
    assert file.read_bytes() == kept
    file.write_text("a letter")
    with pytest.raises(ValueError, match="is no record of stemfast refine"):
        trial(recipe, 1, path=file)


def test_the_command(tmp_path):
    file = tmp_path / "count.jsonl"
    wanted = ["study", "fit", "count", "--conditions", "clean", "-n", "1", "--size", "96"]
    run = CliRunner().invoke(app, [*wanted, "--no-network", "--out", str(file)])
    assert run.exit_code == 0, run.output
    assert "fit       100.0 %" in run.output
    assert "edges within one error bar" in run.output
    assert "1 of 1 images, 100.0 % right" in run.stderr


def test_tasks_that_are_not_of_corners_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = CliRunner().invoke(app, ["study", "fit", "shapes"])
    assert refused.exit_code == 2
    assert "task is 'shapes', expected one of deformed, count" in refused.stderr
    with pytest.raises(ValueError, match="task is 'shapes': the fit reads deformed"):
        trial(recipes.get("shapes"), 1, path="shapes.jsonl")
    with pytest.raises(ValueError, match="task is 'shape', expected one of deformed"):
        decide(np.ones((96, 96)), scope(), "shape")
    assert not list(tmp_path.iterdir())


def test_an_empty_image_is_refused():
    with pytest.raises(ValueError, match="no particle"):
        propose([np.random.default_rng(0).poisson(50, (96, 96))], [scope()])


def test_a_pose_that_cuts_make_up_for_is_left_again():
    """Test particle 94 of ground-truth: a whole cuboid whose first fit had four cut corners."""
    recipe = recipes.get("ground-truth").replace(views=8)
    index = first_index("test") + 94

    scenes = recipe.sample(0, index, index + 1)
    decision = decide(
        scenes.simulate(n_threads=1)[0, 0],
        scenes.microscope(0),
        material=scenes.materials[0].decode(),
        prior=prior_of(recipe),
    )
    assert decision.answer == 0
    assert decision.explained
