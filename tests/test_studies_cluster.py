"""Studies whose images are read by a cluster's workers: the answers of one process."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from typer.testing import CliRunner

from stemfast import recipes
from stemfast.cli import app
from stemfast.dataset import cluster
from stemfast.studies.ceiling import ceiling
from stemfast.studies.fit_trial import trial
from stemfast.studies.joint_trial import read_sets


@pytest.fixture
def travelling(monkeypatch):
    """In place of a cluster: what is sent is pickled, and the last task is done first."""
    asked = []

    def computed(address, make, tasks):
        asked.append(address)
        for item, arguments in reversed(list(tasks)):
            there, sent = pickle.loads(pickle.dumps((make, arguments)))
            yield item, partial(lambda value: value, pickle.loads(pickle.dumps(there(*sent))))

    monkeypatch.setattr(cluster, "computed", computed)
    return asked


def timeless(entries):
    return [replace(entry, seconds=0.0) for entry in entries]


def test_the_ceiling_is_that_of_one_process(travelling, tmp_path):
    recipe, file = recipes.get("count", conditions="clean", image_px=64), tmp_path / "run.jsonl"
    here = ceiling(recipe, 3).verdicts
    ceiling(recipe, 1, path=file)
    told = []
    words = ["ceiling", "count", "--conditions", "clean", "--size", "64", "-n", "3"]
    run = CliRunner().invoke(app, [*words, "--out", str(file), "--dask", "tcp://head:8786"])
    assert run.exit_code == 0, run.output
    assert travelling == ["tcp://head:8786"]
    kept = [json.loads(line)["index"] for line in file.read_text().splitlines()[1:]]
    assert kept == [here[0].index, here[2].index, here[1].index]  # as they were done
    again = ceiling(recipe, 3, path=file, report=lambda entry, done: told.append(done))
    assert timeless(again.verdicts) == timeless(here)
    assert told == [1, 2, 3]


def test_fits_are_those_of_one_process_and_the_network_is_asked_here(travelling):
    class Network:
        """Cannot travel."""

        def probabilities(self, images):
            return np.full((len(images), 9), images.mean() / images.max() / 9)

        def __reduce__(self):
            raise TypeError

    recipe = recipes.get("count", conditions="clean", image_px=64)
    here, there = (
        [
            replace(one, core_seconds=0.0)
            for one in timeless(trial(recipe, 2, network=Network(), dask=dask).readings)
        ]
        for dask in (None, "local:2")
    )
    assert travelling == ["local:2"]
    assert there == here
    assert len(there[0].network) == 9


def test_sets_of_images_are_those_of_one_process(travelling):
    recipe = recipes.get("ground-truth", conditions="clean", image_px=64)
    here, there = (timeless(read_sets(recipe, 1, (2, 1), dask=dask)) for dask in (None, "local:2"))
    assert [one.views for one in there] == [2, 1]
    assert there == here
    assert travelling == ["local:2"]
