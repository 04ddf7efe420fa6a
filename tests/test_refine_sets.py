"""Joint fits of the particles that the ground-truth network is judged by, and their table."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from stemfast import recipes
from stemfast.cli import app
from stemfast.dataset.splits import first_index
from stemfast.fit import decide
from stemfast.fit.prior import prior_of
from stemfast.studies.joint_answer import TrueParticle, of_fit, orbits
from stemfast.studies.joint_figures import coverage, figures, table
from stemfast.studies.joint_trial import read_sets


def run(*words: object):
    return CliRunner().invoke(app, ["study", "fit", "ground-truth", *map(str, words)])


def clean(kind: str, **more):
    return recipes.get("ground-truth", conditions="clean", image_px=64, series={"kind": kind})


def test_a_run_that_was_stopped_goes_on_and_is_not_mixed_with_another(tmp_path):
    path = tmp_path / "sets.jsonl"
    first = read_sets(clean("static"), 2, (1,), path=path)
    text = path.read_text()
    assert len(text.splitlines()) == 3
    path.write_text(text[:-20])  # killed in the middle of a line
    both = read_sets(clean("static"), 2, (1, 2), path=path)
    assert [(r.index - first_index("test"), r.views) for r in both] == [
        (0, 1),
        (0, 2),
        (1, 1),
        (1, 2),
    ]
    assert both[0] == first[0]
    assert all(reading.answer == reading.label for reading in both)
    assert all(reading.missed is None and not reading.network for reading in both)
    again = path.read_text()
    assert read_sets(clean("static"), 2, (2, 1), path=path)
    assert path.read_text() == again
    with pytest.raises(ValueError, match="of another run: its seed is 0, expected 1"):
        read_sets(clean("static"), 1, (1,), seed=1, path=path)
    with pytest.raises(ValueError, match="of another run: its recipe"):
        read_sets(clean("tilts"), 1, (1,), path=path)


def test_tilts_tell_the_hand_in_the_table_of_the_command(tmp_path):
    path = tmp_path / "sets.jsonl"
    words = ("-n", 3, "--views", 2, "--kind", "tilts", "--conditions", "clean", "--size", 64)
    result = run(*words, "--no-network", "--out", path)
    assert result.exit_code == 0, result.output
    assert "orbit with its hand, of 76 [%]: fit | 100.0" in result.output
    assert "edges: fit" in result.output
    assert "wrong answers of the fit: 0 of 3" in result.output
    readings = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    assert all(max(map(abs, one["fit"]["edges_off"])) < 0.01 for one in readings)
    assert any(one["fit"]["hand"] for one in readings)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--views", "0"), "views must be"),
        (("--views", "17"), "views must be"),
        (("--views", "2,2"), "expected different numbers"),
        (("--views", "many"), "--views is 'many'"),
        (("--kind", "rest"), "--kind is 'rest'"),
        (
            ("--set", "particle.displaced_share=0.5", "--set", "field_nm=40"),
            "expected --set particle.displaced_share=0",
        ),
    ],
)
def test_what_it_refuses(words, said, tmp_path):
    result = run("-n", 1, *words, "--no-network", "--out", tmp_path / "none.jsonl")
    assert result.exit_code != 0
    assert said in " ".join(result.output.replace("│", " ").split())
    assert not (tmp_path / "none.jsonl").exists()


def test_other_tasks_take_no_views():
    result = CliRunner().invoke(app, ["study", "fit", "count", "--views", "2"])
    assert "only the task ground-truth" in " ".join(result.output.split())


def test_a_view_whose_pose_was_first_taken_for_another_is_looked_at_again():
    """The first particle of the test set: its second image alone suggests a pose that is 7° off."""
    recipe = recipes.get("ground-truth", views=8)
    start = first_index("test")
    scenes = recipe.sample(0, start, start + 1)
    found = decide(
        scenes.simulate(n_threads=1)[0][:2],
        [scenes.microscope(0, view) for view in range(2)],
        material=scenes.materials[0].decode(),
        prior=prior_of(recipe),
    )
    assert all(left.beyond < 4 for left in found.best.goodness)
    estimate, own = of_fit(found.comparisons[0]), orbits()
    wanted = own.class_index(int(scenes.columns["sorted_mask"][0]), mirror=True)
    assert estimate.orbit_up_to_mirror == wanted
    edges = np.sort(scenes.columns["edges_nm"][0])[::-1]
    assert estimate.edges_nm == pytest.approx(edges, rel=0.005)


def test_answers_are_compared_up_to_turns_and_the_hand():
    own = orbits()
    mask = 0b00001011
    cuts = np.where([mask >> c & 1 for c in range(8)], np.linspace(0.2, 0.45, 8), 0.0)
    truth = TrueParticle(np.array([12.0, 10, 8]), cuts, 900.0)
    readings = read_sets(clean("static"), 1, (1,))
    assert figures(readings, "fit")["count"].value == 1.0
    assert "hand" not in figures(readings, "fit")
    assert set(coverage(readings, "fit")) <= {"edges", "cuts", "volume"}
    assert "K = 1" in table(readings)
    assert truth.orbit == own.class_table[mask]
