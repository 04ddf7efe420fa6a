"""Streams: the right bits in order, nothing left behind, and what happens when something fails."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

import numpy as np
import pytest

from stemfast import dataset, recipes
from stemfast.recipes import Shapes

RECIPE = recipes.get(
    "shapes", image_px=32, field_nm=40, dtype="uint16", particle={"diameter_nm": (6, 12)}
)
FIRST = {"train": 0, "validation": 2**40, "test": 2**41}


def images_of(start, stop, seed=5):
    return RECIPE.sample(seed, start, stop).simulate()


def threads():
    """Threads of the process, the simulator's own included."""
    if Path("/proc/self/task").is_dir():
        return len(os.listdir("/proc/self/task"))
    return threading.active_count()


@pytest.fixture
def jnp():
    numpy = pytest.importorskip("jax.numpy")
    numpy.zeros(1).block_until_ready()  # starts threads of its own
    return numpy


@pytest.fixture(autouse=True)
def _nothing_left_behind(request):
    if "jnp" in request.fixturenames:
        request.getfixturevalue("jnp")
    images_of(0, 4)  # the main thread's team stays, and is not the stream's
    gc.collect()
    before = threads()
    yield
    gc.collect()
    for _ in range(200):
        if threads() <= before:
            break
        time.sleep(0.01)  # a team that was told to end takes a moment
    assert threads() <= before
    assert not [t for t in threading.enumerate() if t.name.startswith("stemfast")]


@pytest.mark.parametrize(
    ("batch_size", "n_threads", "prefetch"), [(7, 0, 2), (20, 1, 1), (1, 2, 5)]
)
def test_a_stream_gives_the_bits_of_the_recipe_in_order(batch_size, n_threads, prefetch):
    batches = list(
        dataset.stream(
            RECIPE,
            seed=5,
            batch_size=batch_size,
            start=3,
            stop=40,
            n_threads=n_threads,
            prefetch=prefetch,
        )
    )
    scenes = RECIPE.sample(5, 3, 40)
    assert np.array_equal(np.concatenate([b.images for b in batches]), scenes.simulate())
    assert np.array_equal(np.concatenate([b.labels for b in batches]), scenes.labels)
    assert np.array_equal(np.concatenate([b.indices for b in batches]), np.arange(3, 40))
    for name, column in scenes.columns.items():
        assert np.array_equal(np.concatenate([b.columns[name] for b in batches]), column), name
    assert [len(b) for b in batches] == [batch_size] * (37 // batch_size) + [37 % batch_size] * (
        37 % batch_size > 0
    )
    assert [b.next_index for b in batches[:-1]] == [b.start for b in batches[1:]]


@pytest.mark.parametrize("split", list(FIRST))
def test_each_split_has_scenes_of_its_own(split):
    with dataset.stream(RECIPE, seed=5, batch_size=6, split=split) as batches:
        images, labels = next(batches)
        second = next(batches)
    first = FIRST[split]
    assert np.array_equal(images, images_of(first, first + 6))
    assert np.array_equal(labels, RECIPE.sample(5, first, first + 6).labels)
    assert second.start == 6
    assert second.indices.tolist() == list(range(first + 6, first + 12))


def test_a_stream_goes_on_where_another_ended():
    whole = [b.images for b in dataset.stream(RECIPE, seed=5, batch_size=4, stop=20)]
    with dataset.stream(RECIPE, seed=5, batch_size=4) as first:
        next(first)
        assert next(first).next_index == first.next_index == 8
    with dataset.stream(RECIPE, seed=5, batch_size=4, start=first.next_index, stop=20) as rest:
        assert np.array_equal(np.concatenate(whole[2:]), np.concatenate([b.images for b in rest]))
    assert list(dataset.stream(RECIPE, start=20, stop=20)) == []


def test_several_views_of_one_particle_are_one_sample():
    recipe = recipes.get("ground-truth", image_px=32)
    assert recipe.views > 1
    (batch,) = dataset.stream(recipe, seed=5, batch_size=4, stop=3)
    assert batch.images.shape == (3, recipe.views, 32, 32)
    assert np.array_equal(batch.images, recipe.sample(5, 0, 3).simulate())


def test_large_batches_are_made_in_parts(monkeypatch):
    monkeypatch.setattr(sys.modules["stemfast.dataset.streaming.pipeline"], "PART", 4)
    (batch,) = dataset.stream(RECIPE, seed=5, batch_size=11, stop=11)
    scenes = RECIPE.sample(5, 0, 11)
    assert np.array_equal(batch.images, scenes.simulate())
    assert np.array_equal(batch.labels, scenes.labels)
    assert np.array_equal(batch.columns["position_nm"], scenes.columns["position_nm"])


def test_a_batch_never_changes_while_it_is_held_and_its_memory_is_used_again_after():
    with dataset.stream(RECIPE, seed=5, batch_size=4) as batches:
        held = [next(batches).images for _ in range(12)]
        for i, images in enumerate(held):
            assert np.array_equal(images, images_of(4 * i, 4 * i + 4))
        rows = [images[1:3, 5] for images in held]  # views keep the memory, too
        expected = [row.copy() for row in rows]
        del held, images
        for _ in range(12):
            next(batches)
        assert all(np.array_equal(row, was) for row, was in zip(rows, expected, strict=True))
        addresses = {next(batches).images.ctypes.data for _ in range(30)}
        assert len(addresses) <= 5


def test_arrays_that_share_a_batchs_memory_keep_it(jnp):
    with dataset.stream(RECIPE, seed=5, batch_size=4) as batches:
        held = [jnp.asarray(next(batches).images) for _ in range(12)]
    for i, images in enumerate(held):
        assert np.array_equal(images, images_of(4 * i, 4 * i + 4))


def test_breaking_off_stops_the_threads():
    for batch in dataset.stream(RECIPE, seed=5, batch_size=4):
        assert len(batch) == 4
        break


def test_a_consumer_that_fails_stops_the_threads():
    def consume():
        for batch in dataset.stream(RECIPE, seed=5, batch_size=4):
            batch.start / 0

    with pytest.raises(ZeroDivisionError):
        consume()


def test_a_stream_in_a_cycle_is_collected():
    batches = dataset.stream(RECIPE, seed=5, batch_size=4)
    batches.itself = batches
    next(batches)


def test_a_closed_stream_ends_and_one_never_used_starts_nothing():
    batches = dataset.stream(RECIPE, seed=5, batch_size=4)
    before = threads()
    assert threads() == before
    with batches:
        next(batches)
    assert list(batches) == []
    batches.close()
    assert "closed" in repr(batches)


class Failing(Shapes):
    """Cannot draw scenes from 8 on."""

    def sample(self, seed, start, stop):
        if stop > 8:
            raise OSError(f"no scene {stop - 1}")
        return super().sample(seed, start, stop)


def test_an_error_in_the_background_comes_after_the_batches_before_it():
    recipe = Failing(**RECIPE.model_dump())
    batches = dataset.stream(recipe, seed=5, batch_size=4)
    assert [next(batches).start, next(batches).start] == [0, 4]
    with pytest.raises(OSError, match="no scene 11") as caught:
        next(batches)
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-1] == "sample"  # where it happened
    assert batches.next_index == 8
    with pytest.raises(StopIteration):
        next(batches)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size must be from 1 to .*, got 0"),
        ({"start": -1}, "start must be from 0 to"),
        ({"start": 5, "stop": 4}, "stop must be from 5 to"),
        ({"stop": 2**40 + 1}, "stop must be from 0 to"),
        ({"seed": -1}, "seed must be"),
        ({"split": "tests"}, "split is 'tests', expected one of train, validation, test"),
        ({"prefetch": 0}, "prefetch must be from 1"),
        ({"n_threads": -1}, "n_threads must be from 0"),
    ],
)
def test_wrong_settings_are_refused_at_once(settings, message):
    with pytest.raises(ValueError, match=message):
        dataset.stream(RECIPE, **settings)


def test_what_is_no_recipe_is_refused():
    with pytest.raises(ValueError, match="recipe is 'shape'"):
        dataset.stream("shape")
    with pytest.raises(TypeError, match="recipe must be a Recipe or a name, got 3"):
        dataset.stream(3)


def test_a_stream_does_not_travel():
    batches = dataset.stream(RECIPE, seed=5, batch_size=4)
    with pytest.raises(TypeError, match="make one in each process"):
        pickle.dumps(batches)


def _next_in_child(batches, answers):
    try:
        next(batches)
    except RuntimeError as error:
        answers.put(str(error))
    with dataset.stream(RECIPE, seed=5, batch_size=4) as own:
        answers.put(next(own).images)


# The child is what is tested, and it does only what is tested.
@pytest.mark.filterwarnings("ignore:.*fork:")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_is_told_to_make_its_own_and_can():
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    with dataset.stream(RECIPE, seed=5, batch_size=4) as batches:
        next(batches)
        child = context.Process(target=_next_in_child, args=(batches, answers))
        child.start()
        assert "make one stream in each process" in answers.get(timeout=60)
        assert np.array_equal(answers.get(timeout=60), images_of(0, 4))
        child.join(60)
        assert child.exitcode == 0
        assert np.array_equal(next(batches).images, images_of(4, 8))


SCRIPT = """
import sys, time
from stemfast import dataset, recipes
recipe = recipes.get("shapes", image_px=256)
batches = dataset.stream(recipe, seed=5, batch_size=400)
first = next(batches)
print("started", flush=True)
{then}
"""


def _script(then):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(then=then)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_program_may_end_while_its_stream_is_at_work():
    out, err = _script("").communicate(timeout=120)
    assert (out, err) == ("started\n", "")


def test_an_error_ends_the_program():
    process = _script("raise SystemExit(7)")
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (7, "")


@pytest.mark.skipif(os.name == "nt", reason="signals as on POSIX")
def test_ctrl_c_reaches_a_loop_that_waits():
    process = _script("for batch in batches: pass")
    assert process.stdout.readline() == "started\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert process.returncode in (130, -signal.SIGINT)


def test_memory_stays_flat():
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()
    with dataset.stream(RECIPE, seed=5, batch_size=64) as batches:
        for _ in range(20):
            next(batches)
        gc.collect()
        before = process.memory_info().rss
        for _ in range(150):
            next(batches)
        gc.collect()
        grown = process.memory_info().rss - before
    assert grown < 4 * 2**20  # 9600 images more, 20 MB of them
