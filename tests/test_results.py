"""Curves, finished runs side by side, baselines as a command, and docs/results.md."""

from __future__ import annotations

import copy
import json
import re
import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from stemfast import pretrained, recipes
from stemfast.cli import app
from stemfast.evaluation.metrics import wilson_interval
from stemfast.pretrained.store import sealed_text
from stemfast.studies import curve_pictures, curves, runs
from untrained import SMALL, by_chance

ROOT = Path(__file__).resolve().parents[1]


def stemfast(*words: object) -> tuple[int, str]:
    ended = CliRunner().invoke(app, [str(word) for word in words])
    return ended.exit_code, " ".join(ended.output.split())


@pytest.fixture(scope="module")
def trained():
    """A network that was never trained: it answers by chance."""
    return by_chance()


@pytest.fixture(scope="module")
def network(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("network") / "small"
    pretrained.save(folder, trained)
    return folder


@pytest.fixture
def judged(monkeypatch):
    """The recipes that points of a curve were judged with."""
    seen = []
    original = curves.judge

    def judge(trained, recipe, **words):
        seen.append(recipe)
        return original(trained, recipe, **words)

    monkeypatch.setattr(curves, "judge", judge)
    return seen


def test_along_a_curve_only_its_condition_changes(trained, judged):
    recipe = SMALL.make_recipe()
    found = curves.curve(trained, recipe, "dose", at=[100, 1, 10], images=9)
    assert [point.value for point in found.points] == [1, 10, 100]
    assert [one.imaging.signal_e_px for one in judged] == [(1, 1), (10, 10), (100, 100)]
    # The recipe would cut deeper where the dose is low.
    assert {one.particle.least_visibility for one in judged} == {0.0}
    same = [one.replace(imaging={"signal_e_px": (5, 5)}) for one in judged]
    assert same[0] == same[1] == same[2]
    assert same[0] == recipe.replace(
        imaging={"signal_e_px": (5, 5)}, particle={"least_visibility": 0.0}
    )
    assert (found.chance, found.trained) == (1 / 9, recipe.imaging.signal_e_px)


def test_scenes_of_a_curve_are_the_same_at_every_dose():
    few, many = (
        recipes.get("count", imaging={"signal_e_px": (x, x)}, particle={"least_visibility": 0.0})
        for x in (1.0, 1000.0)
    )
    a, b = few.sample(0, 0, 20), many.sample(0, 0, 20)
    assert np.array_equal(a.columns["edges_nm"], b.columns["edges_nm"])
    assert np.array_equal(a.columns["severity"], b.columns["severity"])
    assert np.array_equal(a.orientations, b.orientations)


def test_what_a_curve_would_change_can_be_kept(trained, judged):
    recipe = SMALL.make_recipe()
    kept = {"particle.least_visibility"}
    curves.curve(trained, recipe, "dose", at=[50], images=9, keep=kept)
    assert judged[0].particle.least_visibility == recipe.particle.least_visibility > 0


def test_severity_is_of_cut_corners_and_turn_turns(trained, judged):
    mixed = SMALL.make_recipe().replace(particle={"displaced_share": 0.5})
    curves.curve(trained, mixed, "severity", at=[0.3], images=9)
    assert judged[0].particle.displaced_share == 0.0
    found = curves.curve(trained, mixed, "turn", at=[20], images=9)
    assert judged[1].spin
    assert judged[1].particle == mixed.particle
    assert found.trained == (0.0, 0.0)  # it learnt from particles at rest


@pytest.mark.parametrize(
    ("against", "words", "message"),
    [
        ("colour", {}, "expected one of dose, severity, turn"),
        ("dose", {"at": []}, "at least one"),
        ("dose", {"at": [1, float("nan")]}, "finite"),
        ("dose", {"at": [1, -1]}, "signal_e_px"),
        ("severity", {"at": [0.2, 0.7]}, "up to 0.5"),
        ("dose", {"images": 3}, "images is 3"),
    ],
)
def test_a_curve_refuses_before_any_work(trained, judged, against, words, message):
    with pytest.raises(ValueError, match=message):
        curves.curve(trained, SMALL.make_recipe(), against, **words)
    assert judged == []


def test_shapes_have_no_depth_of_cuts(trained):
    with pytest.raises(ValueError, match=r"shapes has no particle\.severity"):
        curves.curve(trained, recipes.get("shapes", image_px=32), "severity")


def test_evaluate_against_a_condition(network, tmp_path):
    words = ["--against", "dose", "--at", "1,30,1000", "-n", 18, "--out", tmp_path]
    code, said = stemfast("evaluate", network, *words)
    assert code == 0, said
    assert "it learnt from 70 to 270" in said
    record = json.loads((tmp_path / "curve-dose.json").read_text())
    assert [point["value"] for point in record["points"]] == [1, 30, 1000]
    assert record["images_per_point"] == 18
    assert record["network"] == "small"
    for point in record["points"]:
        low, high = wilson_interval(round(18 * point["accuracy"]), 18)
        assert point["interval"] == [low, high]
        assert point["within_one"] >= point["accuracy"]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["curve-dose.json", "curve-dose.png"]


def test_a_curve_is_printed_as_json(network, tmp_path):
    words = ["--against", "dose", "--at", "30", "-n", "9", "--out", str(tmp_path), "--json"]
    result = CliRunner().invoke(app, ["evaluate", str(network), *words])
    assert json.loads(result.stdout) == json.loads((tmp_path / "curve-dose.json").read_text())
    assert "it learnt from 70 to 270" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--at", "1,2"), "expected --against"),
        (("--against", "colour"), "expected one of dose"),
        (("--against", "dose", "--at", "1;2"), "expected numbers such as"),
        (("--against", "dose", "--set", "imaging.signal_e_px=[9,9]"), "give its values with --at"),
        (("--against", "turn", "--no-spin"), "turns particles"),
    ],
)
def test_evaluate_refuses_curves_that_make_no_sense(network, tmp_path, words, message):
    code, said = stemfast("evaluate", network, "--out", tmp_path / "out", *words)
    assert code == 2
    assert message in said
    assert not (tmp_path / "out").exists()


def test_a_curve_that_is_stopped_leaves_nothing(network, tmp_path, monkeypatch):
    original, calls = curves.judge, []

    def judge(*words, **named):
        calls.append(words)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*words, **named)

    monkeypatch.setattr(curves, "judge", judge)
    words = ["--against", "dose", "--at", "1,30", "-n", 9, "--out", tmp_path / "out"]
    assert stemfast("evaluate", network, *words)[0] == 130
    assert len(calls) == 2
    assert not (tmp_path / "out").exists()


def test_curves_of_two_networks_share_a_picture(trained, tmp_path):
    one = curves.curve(trained, SMALL.make_recipe(), "severity", at=[0.2, 0.4], images=9).to_dict()
    curve_pictures.draw([one, {**one, "task": "deformed", "chance": 0.5}], tmp_path / "two.png")
    assert (tmp_path / "two.png").stat().st_size > 5000
    with pytest.raises(ValueError, match="same condition"):
        curve_pictures.draw([one, {**one, "against": "dose"}], tmp_path / "no.png")


CARD = {
    "experiment": SMALL.model_dump(mode="json"),
    "recipe": SMALL.make_recipe().model_dump(mode="json"),
    "images_seen": 64,
    "seconds": 12.5,
    "parameters": 1000,
    "machine": {"devices": "1 × cpu", "processor": "a processor", "cores": 2},
    "test": {
        "class_names": [str(k) for k in range(9)],
        "balanced_accuracy": 0.5,
        "balanced_interval": [0.48, 0.52],
        "within_one": 0.9,
        "within_one_interval": [0.88, 0.92],
        "images": 900,
    },
}


def finished(folder: Path, **changes: object) -> Path:
    """A run's records with some of them changed, by dotted name."""
    card = copy.deepcopy(CARD)
    for key, value in changes.items():
        *groups, last = key.split("__")
        place = card
        for group in groups:
            place = place[group]
        place[last] = value
    folder.mkdir()
    content = {"format": "stemfast classifier", "format_version": 2, "card": card}
    (folder / "config.json").write_text(json.dumps(content))
    return folder


def test_runs_are_grouped_by_what_sets_them_apart(tmp_path):
    folders = [
        finished(tmp_path / "p4m", experiment__model__variant="p4m"),
        finished(tmp_path / "a", experiment__seed=1, test__balanced_accuracy=0.49),
        finished(tmp_path / "b", experiment__seed=0),
        finished(tmp_path / "from", experiment__start_from="count"),
        finished(tmp_path / "more", images_seen=640, experiment__images=640),
    ]
    found = runs.read(folders)
    assert [(row.kind, row.images, row.seed) for row in found.rows] == [
        ("plain", 64, 0),
        ("plain", 64, 1),
        ("plain", 640, 0),
        ("plain, from count", 64, 0),
        ("p4m", 64, 0),
    ]
    assert "plain, 64 images, 2 seeds: 49.00 % to 50.00 %, mean 49.50 %" in str(found)
    assert runs.from_dict(json.loads(json.dumps(found.to_dict()))) == found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe__imaging__film_nm": [1.0, 1.0]}, r"imaging\.film_nm differs"),
        ({"experiment__recipe": "deformed"}, "the recipe differs"),
    ],
)
def test_runs_of_different_images_are_not_compared(tmp_path, changes, message):
    one, other = finished(tmp_path / "one"), finished(tmp_path / "other", **changes)
    with pytest.raises(ValueError, match=message):
        runs.read([one, other])


def test_compare_prints_and_writes(tmp_path):
    few, many = (finished(tmp_path / str(n), images_seen=n) for n in (64, 640))
    code, said = stemfast("study", "runs", few, many, "--out", tmp_path / "out")
    assert code == 0, said
    assert "| plain | 64 |" in said
    assert "50.00 %" in said
    record = json.loads((tmp_path / "out" / "runs.json").read_text())
    assert [row["images"] for row in record["runs"]] == [64, 640]
    assert (tmp_path / "out" / "runs.md").read_text().startswith("| network")
    assert (tmp_path / "out" / "runs.png").stat().st_size > 5000
    code, said = stemfast("study", "runs", few, "--out", tmp_path / "one")  # a row, not a line
    assert code == 0, said
    assert (tmp_path / "one" / "runs.png").stat().st_size > 3000


def test_compare_names_what_is_no_finished_run(network, tmp_path):
    one = finished(tmp_path / "one")
    code, said = stemfast("study", "runs", one, tmp_path / "none")
    assert code == 2
    assert "none holds no config.json" in said
    code, said = stemfast("study", "runs", network)
    assert code == 2
    assert "lacks test, images_seen" in said
    code, said = stemfast("study", "runs", one, one)
    assert code == 2
    assert "named once" in said


def test_baselines_are_one_command(tmp_path):
    out = tmp_path / "record.json"
    words = ["--images", 18, "-n", 18, "--image-px", 64, "--seed", 3, "--out", out]
    code, said = stemfast("train", "baselines", "count", *words)
    assert code == 0, said
    record = json.loads(out.read_text())
    assert (record["task"], record["training_images"], record["seed"]) == ("count", 18, 3)
    assert record["recipe"]["image_px"] == 64
    assert list(record["baselines"]) == ["boosted features", "two layers"]
    for judged in record["baselines"].values():
        confusion = np.array(judged["confusion"])
        assert judged["n_images"] == confusion.sum() == 18
        near = sum(np.diag(confusion, k).sum() for k in (-1, 0, 1))
        assert judged["within_one"] == near / 18
        assert judged["seconds"] > 0


def test_baselines_refuse_before_any_work(tmp_path):
    code, said = stemfast("train", "baselines", "count", "--out", tmp_path / "no" / "x.json")
    assert code == 2
    assert "there is no folder" in said
    code, said = stemfast("train", "baselines", "colours")
    assert code == 2
    assert "expected one of shapes" in said
    code, said = stemfast("train", "baselines", "count", "-n", 5, "--out", tmp_path / "x.json")
    assert code == 2
    assert "n_test" in said
    assert not list(tmp_path.iterdir())


@pytest.fixture
def script():
    """examples/results_table.py as a module."""
    spec = spec_from_file_location("results_table", ROOT / "examples" / "results_table.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def test_the_page_of_results_says_what_the_records_say(script):
    assert script.page(PAGE) == PAGE, "run: python examples/results_table.py"
    for picture in re.findall(r"\]\((results/[^)]*png)\)", PAGE):
        assert (ROOT / "docs" / picture).is_file(), picture


def test_a_page_without_records_has_dashes(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "RECORDS", tmp_path)
    monkeypatch.setattr(script, "WEIGHTS", tmp_path)
    text = script.page(PAGE)
    assert "| `shapes` | 33.3 % | – | – | – | – | – | – | 99.5 % | – |" in text
    with pytest.raises(ValueError, match="once each"):
        script.page(PAGE.replace("<!-- end of dose -->", ""))


def test_records_enter_the_page(script, trained, tmp_path, monkeypatch):
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr(script, "RECORDS", kept)
    found = curves.curve(trained, SMALL.make_recipe(), "dose", at=[30, 300], images=9)
    own = tmp_path.as_posix()  # where runs lay on this machine: nothing of it is kept
    command = f"stemfast evaluate {own}/runs/small --against dose --out {own}/x"
    curves.write(tmp_path, found, more={"network": "small", "command": command})
    finished(tmp_path / "few", command=f"stemfast train count --out {own}/runs/few")
    more = finished(tmp_path / "more", images_seen=640)
    stemfast("study", "runs", tmp_path / "few", more, "--out", tmp_path / "budgets")
    (tmp_path / "odd.json").write_text("{}")
    names = [
        script.add(path).name
        for path in (tmp_path / "curve-dose.json", tmp_path / "few", tmp_path / "budgets/runs.json")
    ]
    assert names == ["curve-dose-small.json", "run-few.json", "runs-budgets.json"]
    assert (kept / "curve-dose.png").stat().st_size > 5000
    assert (kept / "runs-budgets.png").stat().st_size > 5000
    text = script.page(PAGE)
    assert "`stemfast evaluate runs/small --against dose`" in text
    assert "**budgets**, on 1 × cpu (a processor, 2 cores)" in text
    assert own not in text + "".join(path.read_text() for path in kept.glob("*.json"))
    with pytest.raises(ValueError, match="is no record"):
        script.add(tmp_path / "odd.json")


def test_a_ceiling_is_summed_up(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "RECORDS", tmp_path)
    recipe = recipes.get("deformed", particle={"displaced_share": 0.0})
    head = {"format": "stemfast ceiling 1", "task": "deformed", "seed": 0}
    lines = [head | {"recipe": recipe.model_dump(mode="json")}]
    for k, answer in enumerate((0, 1, 1)):
        same = {"mask": 0, "best_mask": 0, "fits": 9, "deviance_per_pixel": 1.0, "seconds": 2.0}
        lines.append(
            {"index": 2**41 + k, "label": k % 2, "answer": answer, "probability": [0.5, 0.5]} | same
        )
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    record = json.loads(script.add(tmp_path / "lines.jsonl").read_text())
    assert record["command"] == (
        "stemfast ceiling deformed -n 3 --set particle.displaced_share=0.0"
    )
    assert (record["accuracy"], record["images"], record["seconds"]) == (2 / 3, 3, 6.0)
    assert record["interval"] == list(wilson_interval(2, 3))
    assert record["confusion"] == [[1, 1], [0, 1]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": "shapes"}, "recipe = 'shapes', expected its settings"),
        ({"experiment": "shapes"}, "expected an object"),
        ({"experiment": {"name": "shapes"}}, "experiment has seed = None, expected int"),
    ],
)
def test_evaluate_says_what_a_strangers_card_lacks(network, tmp_path, change, message):
    own = shutil.copytree(network, tmp_path / "own")
    config = json.loads((own / "config.json").read_text())
    config["card"] |= change
    del config["config_sha256"]
    (own / "config.json").write_text(sealed_text(config))
    code, said = stemfast("evaluate", own, "--out", tmp_path / "out")
    assert (code, message in said) == (2, True), said
    assert not (tmp_path / "out").exists()
