"""Rivals compared by evidence, and the ideal observer's score of a task."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from typer.testing import CliRunner

import stemfast as sf
from stemfast import recipes, units
from stemfast.cli import app
from stemfast.dataset.splits import first_index
from stemfast.fit import CutCuboid, Prior, count_prior, observe, search
from stemfast.fit.tasks import CORNER_TASKS, question
from stemfast.studies.ceiling import Ceiling, Verdict, ceiling

COUNTS = np.array([mask.bit_count() for mask in range(256)])


def observed(mask: int, electrons: float, seed: int = 0):
    rng = np.random.default_rng([seed, mask])
    cuts = np.where([mask >> c & 1 for c in range(8)], rng.uniform(0.3, 0.45, 8), 0.0)
    pose = sf.orientation.random(1, seed=seed)[0].as_quat()
    shape = CutCuboid(np.array([10.0, 11.5, 13.0]), cuts, pose, np.zeros(2))
    scan = sf.Scan(shape=(96, 96), pixel_size_nm=0.25)
    scope = sf.Microscope(
        scan=scan,
        beam=sf.Beam(current_pa=units.current_pa(electrons, scan.dwell_us)),
        film=sf.Film(thickness_nm=0),
    )
    image = sf.simulate(shape.particle(), shape.orientation(), scope, seed=seed)
    return observe(image, scope, shape), shape


def test_the_search_finds_the_truth_from_a_wrong_first_idea():
    image, truth = observed(0b01001000, 3000.0)
    cuts = np.where([c in (3, 5) for c in range(8)], 0.35, 0.0)  # one corner elsewhere
    wrong = truth.moved(np.zeros(3), truth.position_nm, truth.edges_nm, cuts)
    found = search(image, wrong, log_prior=count_prior(), prior=Prior(cut=(0.2, 0.5)), starts=3)
    assert found.best.mask == truth.mask
    assert found.probabilities(COUNTS, 9)[2] > 0.999


def test_without_electrons_the_answer_is_the_prior():
    """What is left of it: of the masks tried, the share that each class had before."""
    image, truth = observed(0b1, 0.002)
    prior = Prior(cut=(0.2, 0.5), edge_nm=(12.0, 4.0))
    found = search(image, truth, log_prior=count_prior(), prior=prior, most=9, quick=False)
    (rivals,) = found.enantiomers
    assert sorted(rivals.fits) == sorted({1, *(1 ^ (1 << c) for c in range(8))})
    before = np.zeros(9)
    np.add.at(before, COUNTS[list(rivals.fits)], np.exp(count_prior()[list(rivals.fits)]))
    after = found.probabilities(COUNTS, 9)
    assert np.abs(after - before / before.sum()).max() < 0.15


def test_a_clean_image_leaves_no_doubt():
    score = ceiling(recipes.get("count", conditions="clean"), 9, seed=3)
    assert score.share == 1.0
    assert score.mean_probability > 0.999
    assert score.confusion.tolist() == np.eye(9, dtype=int).tolist()


@pytest.mark.parametrize("task", ["pairs-cube", "pairs-cuboid", "corners"])
def test_orbits_are_read_too(task):
    score = ceiling(recipes.get(task, conditions="clean"), 3)
    assert score.share == 1.0
    assert len(score.class_names) == {"pairs-cube": 3, "pairs-cuboid": 7, "corners": 46}[task]


def test_a_deformed_cuboid_is_told_from_a_whole_one():
    recipe = recipes.resolve("deformed", conditions="clean", sets=["particle.displaced_share=0.0"])
    assert ceiling(recipe, 4).share == 1.0


@pytest.mark.parametrize("task", CORNER_TASKS)
def test_labels_of_masks_are_those_of_the_recipe(task):
    sets = ["particle.displaced_share=0.0"] if task == "deformed" else []
    recipe = recipes.resolve(task, sets=sets)
    scenes = recipe.sample(seed=1, start=0, stop=400)
    edges, masks = scenes.columns["edges_nm"], scenes.columns["corner_mask"]
    labels = [question(task, e).class_of_mask[m] for e, m in zip(edges, masks, strict=True)]
    assert labels == scenes.labels.tolist()


@pytest.mark.parametrize("task", CORNER_TASKS)
def test_priors_are_probabilities_and_classes_equally_likely(task):
    asked = question(task, (9.0, 12.0, 10.0))
    probability = np.exp(asked.log_prior)
    assert probability.sum() == pytest.approx(1.0)
    possible = asked.class_of_mask >= 0
    by_class = np.bincount(asked.class_of_mask[possible], probability[possible])
    assert by_class == pytest.approx(np.full(len(by_class), 1 / len(by_class)))


def test_a_stopped_run_goes_on_where_it_was(tmp_path):
    recipe = recipes.get("count", conditions="clean")
    file = tmp_path / "run.jsonl"
    whole = ceiling(recipe, 3, path=file)
    lines = file.read_text().splitlines(keepends=True)
    assert len(lines) == 4
    file.write_text("".join(lines[:3]) + lines[3][:20])  # killed while writing
    made: list[int] = []
    again = ceiling(recipe, 4, path=file, report=lambda verdict, done: made.append(verdict.index))
    assert made == [first_index("test") + i for i in range(4)]
    for old, new in zip(whole.verdicts, again.verdicts[:3], strict=True):
        assert asdict(old) | {"seconds": 0} == asdict(new) | {"seconds": 0}
    kept = [json.loads(line)["seconds"] for line in file.read_text().splitlines()[1:]]
    assert kept[:2] == [verdict.seconds for verdict in whole.verdicts[:2]]
    assert len(kept) == 4


def test_a_file_of_another_run_is_left_alone(tmp_path):
    file = tmp_path / "run.jsonl"
    ceiling(recipes.get("count", conditions="clean"), 1, path=file)
    before = file.read_bytes()
    with pytest.raises(ValueError, match="seed is 0, expected 1"):
        ceiling(recipes.get("count", conditions="clean"), 1, seed=1, path=file)
    with pytest.raises(ValueError, match="recipe is .*conditions"):
        ceiling(recipes.get("count", conditions="hard"), 1, path=file)
    assert file.read_bytes() == before
    for precious in ("a letter", '{"a": 1}', '{"a": 1}\n{"b"'):
        file.write_text(precious)
        with pytest.raises(ValueError, match=r"run\.jsonl is"):
            ceiling(recipes.get("count", conditions="clean"), 1, path=file)
        assert file.read_text() == precious
    for line in ("nonsense", '{"index": 1}'):
        file.write_text(before.decode().splitlines()[0] + f"\n{line}\n")
        with pytest.raises(ValueError, match="damaged in line 2"):
            ceiling(recipes.get("count", conditions="clean"), 1, path=file)


def test_the_score_of_known_verdicts():
    def verdict(label: int, answer: int) -> Verdict:
        probability = tuple(0.7 if k == answer else 0.15 for k in range(3))
        return Verdict(0, label, answer, probability, 0, 0, 9, 1.0, 0.1)

    score = Ceiling(
        "count", ("0", "1", "2"), (verdict(0, 0), verdict(1, 2), verdict(2, 2), verdict(0, 2))
    )
    assert (score.right, score.share, score.within_one) == (2, 0.5, 0.75)
    assert score.confusion.tolist() == [[1, 0, 1], [0, 0, 1], [0, 0, 1]]
    assert score.mean_probability == pytest.approx(0.7)
    low, high = score.interval
    assert low == pytest.approx(0.15, abs=0.01)
    assert high == pytest.approx(0.85, abs=0.01)


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        ("handedness", {}, "reads shapes, deformed, count"),
        ("shapes", {"spin": True}, "expected no spin"),
        ("count", {"spin": True}, "expected no spin"),
        ("deformed", {}, "displaced_share is 0.5"),
    ],
)
def test_what_the_observer_cannot_read_is_refused(task, settings, message):
    with pytest.raises(ValueError, match=message):
        ceiling(recipes.get(task, **settings), 1)


def test_the_command(tmp_path):
    file = tmp_path / "count.jsonl"
    wanted = ["ceiling", "count", "--conditions", "clean", "-n", "9", "--size", "96"]
    wanted += ["--set", "imaging.film_nm=[1, 1]", "--out", str(file)]
    run = CliRunner().invoke(app, wanted)
    assert run.exit_code == 0, run.output
    assert "reads 100.0 % of 9 images of count right (95 % interval" in run.output
    assert "within one corner: 100.0 %" in run.output
    head = json.loads(file.read_text().splitlines()[0])
    assert head["recipe"]["imaging"]["film_nm"] == [1.0, 1.0]
    assert head["recipe"]["image_px"] == 96
    with_typo = CliRunner().invoke(app, ["ceiling", "count", "--set", "imaging.film=[1, 1]"])
    assert with_typo.exit_code == 2
