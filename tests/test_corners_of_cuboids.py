"""Corners of probable cuboids: columns of the table, and a section of the report."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

from small_session import READ, picture, results, table, write_session
from stemfast.classification import (
    CORNER_COLUMNS,
    NOT_SURE,
    classify,
    classify_found,
    corners,
    shown,
)
from stemfast.cli import app
from stemfast.finding import find
from stemfast.image import Image
from stemfast.micrograph.table import CUT, UNLIKE
from stemfast.populations import classify_folder, prevalence, write_report
from stemfast.populations.settings import settings_for
from stemfast.pretrained import TrainedClassifier, load_pretrained, save
from stemfast.pretrained.novelty import features_and_logits
from stemfast.training import Experiment
from stemfast.training.learnt_range import measure
from untrained import SMALL, by_chance, decided, undecided

pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")
EXPERIMENT = Experiment(name="small", recipe="shapes", image_px=32)
CONFUSION = [[900, 60, 40], [50, 930, 20], [10, 20, 970]]
SURE, SPREAD = 0.4, 1.0  # of nine numbers by chance some reach that probability, and some do not


def is_cuboid(row):
    """True for a whole particle like those learnt from that is most probably one."""
    names = [name for name in ("tetrahedron", "cuboid", "sphere") if name in row]
    best = max(names, key=lambda name: float(row[name]))
    return best == "cuboid" and row["not_sure_because"] not in (CUT, UNLIKE)


class Noted(TrainedClassifier):
    """Notes how many images it reads at once."""

    batches: tuple[list[int], ...] = ([],)

    def predict(self, images, **options):
        self.batches[0].append(len(images))
        return super().predict(images, **options)


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    """A network of shapes that is sure of what it says and finds nothing new."""
    folder = tmp_path_factory.mktemp("network")
    trained = decided(EXPERIMENT, seed=5)  # of cuboids and spheres
    save(folder, replace(trained, card={**trained.card, "test": {"confusion": CONFUSION}}))
    return folder


@pytest.fixture(scope="module")
def numbers(image) -> Noted:
    """A network of numbers that answers by chance, and knows what its images look like."""
    one = by_chance()
    cut = find(image, method="classical").needed().bright()
    features, logits = features_and_logits(one.model, shown(*cut, one)[0])
    # Of what all images share nothing is left, so that they differ in their answers.
    spread = SPREAD / float((logits - logits.mean(axis=0)).std())
    kernel = spread * np.asarray(one.model.head.kernel[...])
    one.model.head.kernel[...] = jnp.asarray(kernel)
    one.model.head.bias[...] = jnp.asarray(-features.mean(axis=0) @ kernel)
    novelty = measure(one.model, SMALL.make_recipe(), seed=0, images=300)
    return Noted(one.model, one.class_names, 1.0, one.card, novelty)


@pytest.fixture(autouse=True)
def in_place_of_count(numbers, monkeypatch):
    monkeypatch.setattr(corners, "_network", lambda: numbers)
    numbers.batches[0].clear()


@pytest.fixture(scope="module")
def image() -> Image:
    """Thirty-two discs and squares."""
    return Image(
        np.vstack([np.hstack([picture(4 * k + j) for j in range(4)]) for k in (0, 1)]), 0.5
    )


@pytest.fixture(scope="module")
def settings(network) -> dict:
    return {"model": network, **READ, "min_probability": SURE}


def test_the_table_tells_the_corners_of_cuboids_and_of_nothing_else(image, network, numbers):
    options = {"model": network, "method": "classical", "min_probability": SURE}
    without = classify(image, **options)
    cuboids = replace(
        without.particles,
        particles=tuple(
            one for one, row in zip(without.particles, without.table, strict=True) if is_cuboid(row)
        ),
    )
    assert 4 < len(cuboids) < len(without)
    views, _ = shown(without.found.source.micrograph(), cuboids, numbers)
    expected = numbers.read(views)
    limit = float(np.quantile(expected.novelty, 0.7))

    said = classify(image, corners=True, max_novelty=limit, **options)
    assert numbers.batches[0] == [len(cuboids)]
    assert list(said.table[0]) == [*without.table[0], *CORNER_COLUMNS]
    assert [{k: row[k] for k in without.table[0]} for row in said.table] == without.table
    rest = [row for row in said.table if not is_cuboid(row)]
    assert {tuple(row[name] for name in CORNER_COLUMNS) for row in rest} == {("",) * 4}
    rows = [row for row in said.table if is_cuboid(row)]
    for row, chances, new in zip(rows, expected.probabilities, expected.novelty, strict=True):
        assert row["corners"] == chances.argmax()
        assert row["corners_probability"] == pytest.approx(chances.max(), rel=1e-5)
        assert row["corners_novelty"] == pytest.approx(new, rel=1e-4)
        sure = str(row["corners"]) if chances.max() >= SURE else NOT_SURE
        assert row["corners_verdict"] == (UNLIKE if new > limit else sure)
    verdicts = {str(row["corners_verdict"]) for row in rows}
    assert {UNLIKE, NOT_SURE} < verdicts
    assert len(verdicts) > 3
    assert f"corners of {len(rows)} cuboids: " in str(said)
    assert all(f"{verdict} in " in str(said) for verdict in verdicts)


def test_cuboids_that_are_not_sure_are_read_too(image, numbers, tmp_path):
    one = undecided(EXPERIMENT)
    one.model.head.bias[...] = jnp.asarray([0.0, 0.1, 0.0])  # a little towards cuboids
    save(tmp_path / "network", one)
    said = classify(image, model=tmp_path / "network", method="classical", corners=True)
    assert set(said.shapes) == {NOT_SURE}
    rows = [row for row in said.table if is_cuboid(row)]
    assert numbers.batches[0] == [len(rows)]
    assert len(rows) > 4
    assert {row["corners"] == "" for row in rows} == {False}


def test_without_a_cuboid_nothing_is_read(image, numbers, tmp_path):
    save(tmp_path / "network", undecided(EXPERIMENT))  # the first class is not cuboid
    said = classify(
        image,
        model=tmp_path / "network",
        method="classical",
        corners=True,
        out=tmp_path,
    )
    assert numbers.batches[0] == []
    assert {row["corners_verdict"] for row in said.table} == {""}
    assert "corners of" not in str(said)
    head = (tmp_path / "particles.csv").read_text().splitlines()[0]
    assert head.endswith(",sphere,corners,corners_probability,corners_novelty,corners_verdict")


def test_networks_that_name_no_cuboid_are_refused_before_any_work(image, tmp_path):
    words = "corners: the network names 0, 1, .* 8, expected one that names a cuboid"
    np.save(tmp_path / "image.npy", np.zeros((64, 64)))  # which no reader takes
    with pytest.raises(ValueError, match=words):
        classify(tmp_path / "image.npy", model="count", corners=True, out=tmp_path / "out")
    with pytest.raises(ValueError, match=words):
        classify_folder(tmp_path, tmp_path / "out", model="count", corners=True)
    found = classify(image, model="shapes", method="classical").found
    with pytest.raises(ValueError, match=words):
        classify_found(found, lambda: load_pretrained("count"), corners=True)
    for where in (tmp_path / "image.npy", tmp_path):
        command = ["classify", str(where), "--model", "count", "--corners"]
        result = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])
        assert result.exit_code == 2
        assert "--corners: the network names 0, 1" in result.output
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="classes of the network and columns of the table"):
        corners.check_cuboids(["cuboid", "corners"])


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Path:
    return write_session(tmp_path_factory.mktemp("session"))


def test_the_report_tells_what_the_table_holds_and_the_page_what_the_report_does(
    session, settings, tmp_path
):
    report = classify_folder(session, tmp_path, corners=True, **settings)
    rows = [row for row in table(tmp_path) if is_cuboid(row)]
    told = json.loads((tmp_path / "report.json").read_text())["corners"]
    assert told == report.content["corners"]
    assert told["read"] == told["counted"] == len(rows) > 4
    assert {row["corners"] for row in table(tmp_path) if not is_cuboid(row)} == {""}
    counted = [sum(int(row["corners"]) == k for row in rows) for k in range(9)]
    assert [one["corners"] for one in told["numbers"]] == list(range(9))
    assert [one["counted"] for one in told["numbers"]] == counted
    assert told["sure"] == sum(row["corners_verdict"].isdecimal() for row in rows)
    card = load_pretrained("count").card["test"]["confusion"]
    assert told["confusion"] == card
    assert told["corrected"]
    shares = prevalence(counted, card)
    assert [one["share"] for one in told["numbers"]] == shares.shares.tolist()
    none = told["numbers"][0]
    assert told["deformed"]["share"] == 1.0 - none["share"]
    assert told["deformed"]["high"] == 1.0 - none["low"]
    assert told["deformed"]["low"] in (0.0, 1.0 - none["high"])
    assert told["mean_number"]["mean"] == pytest.approx(shares.shares @ np.arange(9))

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    section = page[page.index("<h2>Corners of cuboids</h2>") : page.index("<h2>Sizes</h2>")]
    cells = np.array(re.findall(r'data-v="([^"]*)"', section), float).reshape(9, 7)
    keys = ("corners", "share", "low", "share", "counted", "sure", "observed_share")
    np.testing.assert_array_equal(cells, [[one[k] for k in keys] for one in told["numbers"]])
    deformed, number = told["deformed"], told["mean_number"]
    for words in (
        f"<b>{len(rows)}</b> whole particles are most probably cuboids",
        f"<b>{100 * deformed['share']:.1f} %</b> ({100 * deformed['low']:.1f} to "
        f"{100 * deformed['high']:.1f} %)",
        f"<b>{number['mean']:.2f}</b> ({number['low']:.2f} to {number['high']:.2f})",
    ):
        assert words in section
    assert f"deformed corner or more: {100 * deformed['share']:.1f} %" in str(report)
    before = results(tmp_path)
    write_report(tmp_path)
    assert results(tmp_path) == before


def test_true_numbers_of_corners_are_shown_beside(session, settings, tmp_path):
    classify_folder(session, tmp_path, corners=True, **settings)
    true = {"cuboid": 3, "sphere": 1, "corners": {"0": 6, "2": 3, "8": 3}}
    (tmp_path / "truth.json").write_text(json.dumps(true))
    report = write_report(tmp_path)
    told = report.content["corners"]
    assert told["truth"] == {"deformed": 0.5, "mean_number": 2.5}
    shares = [one["true_share"] for one in told["numbers"]]
    assert shares == [0.5, 0, 0.25, 0, 0, 0, 0, 0, 0.25]
    by_shape = {one["shape"]: one["true_share"] for one in report.content["shapes"]}
    assert (by_shape["cuboid"], by_shape["sphere"]) == (0.75, 0.25)
    assert "In truth 50.0 % and 2.50." in report.page.read_text(encoding="utf-8")
    (tmp_path / "truth.json").write_text(json.dumps({**true, "corners": {"none": 3}}))
    with pytest.raises(ValueError, match="truth.json holds corners .*expected counts of corners"):
        write_report(tmp_path)
    for wrong in ({"0": -1}, [3], {"0": "many"}, {}):
        (tmp_path / "truth.json").write_text(json.dumps({**true, "corners": wrong}))
        with pytest.raises(ValueError, match="expected the number of each count of corners"):
            write_report(tmp_path)


def test_cuboids_unlike_anything_learnt_are_told_and_left_out(session, settings, tmp_path):
    limited = {**settings, "max_novelty": 1e-9}
    report = classify_folder(session, tmp_path, corners=True, **limited)
    told = report.content["corners"]
    assert told["unlike"] == told["read"] > 4
    assert told["deformed"] is told["mean_number"] is None
    assert {one["share"] for one in told["numbers"]} == {None}
    assert told["unlike_share"]["share"] == 1.0
    assert any("100 % of the cuboids are unlike all that" in n for n in report.content["notes"])
    assert "Corners of cuboids" in report.page.read_text(encoding="utf-8")


def test_without_a_cuboid_the_section_says_so(settings, tmp_path):
    folder = tmp_path / "session"
    folder.mkdir()
    np.save(folder / "nothing.npy", np.random.default_rng(0).normal(100.0, 1.0, (64, 64)))
    report = classify_folder(folder, tmp_path / "out", corners=True, **settings)
    assert report.content["corners"]["read"] == 0
    assert report.content["corners"]["unlike_share"] is None
    assert "<b>0</b> whole particles are most probably cuboids" in report.page.read_text(
        encoding="utf-8"
    )


def test_files_are_read_again_when_corners_are_wanted_or_no_longer(session, settings, tmp_path):
    seen = []
    options = {**settings, "tell": lambda part: seen.append(part.header.task.name)}
    classify_folder(session, tmp_path, **options)
    without = results(tmp_path)
    assert "corners" not in "".join(map(str, without.values()))
    files = len(seen)
    classify_folder(session, tmp_path, corners=True, **options)
    assert len(seen) == 2 * files
    assert list(table(tmp_path)[0])[-4:] == list(CORNER_COLUMNS)
    classify_folder(session, tmp_path, corners=True, **options)
    assert len(seen) == 2 * files + 1  # the one that failed
    classify_folder(session, tmp_path, **options)
    assert len(seen) == 3 * files + 1
    assert results(tmp_path) == without


def test_stopped_and_started_again_it_ends_with_the_same_bytes(session, settings, tmp_path):
    classify_folder(session, tmp_path / "undisturbed", corners=True, **settings)
    done = []

    def stop(part) -> None:
        done.append(part)
        if len(done) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classify_folder(session, tmp_path / "out", corners=True, tell=stop, **settings)
    before = []
    classify_folder(
        session, tmp_path / "out", corners=True, begin=lambda *n: before.append(n), **settings
    )
    assert 0 < before[0][1] < 7
    assert results(tmp_path / "out") == results(tmp_path / "undisturbed")


def test_settings_hold_the_weights_of_the_network_that_counts(settings, network):
    plain, with_corners = (settings_for(**settings, corners=c)[0] for c in (False, True))
    assert "corners" not in plain.to_json()
    assert plain.digest != with_corners.digest
    assert replace(with_corners, corners="others").digest != with_corners.digest
    assert type(with_corners).of_json(with_corners.to_json()) == with_corners
    with_corners.check_networks()
    with pytest.raises(RuntimeError, match="install the same everywhere"):
        replace(with_corners, corners="others").check_networks()
