"""Data sets: reading at random, writing and streaming, against the simulator and other formats."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import peers_dataset as peers
from stemfast import dataset, recipes

RECIPE = recipes.get("count", image_px=128, dtype="uint8")
N_READ, BATCH = 20_000, 256


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "set"
    yield dataset.write(folder, RECIPE, seed=1, splits={"train": (0, N_READ)})
    shutil.rmtree(folder)


def test_random_batches(benchmark, race, report, data, tmp_path):
    images, labels = data[:]
    assert np.array_equal(images[-50:], RECIPE.sample(1, N_READ - 50, N_READ).simulate())
    rng = np.random.default_rng(1)
    batches = [rng.integers(0, N_READ, BATCH) for _ in range(20)]
    others = (
        peers.memmap_loop(tmp_path / "images.npy", images)
        | peers.tensorstore_zarr(tmp_path / "zarr", images)
        | peers.h5py_chunked(tmp_path / "images.h5", images)
    )
    ways = {"stemfast": lambda chosen: data[chosen].images} | others
    for name, take in ways.items():
        assert np.array_equal(take(batches[0]), images[batches[0]]), name
    assert np.array_equal(data[batches[0]].labels, labels[batches[0]])
    seconds = race(
        {
            name: (lambda take=take: [take(chosen) for chosen in batches])
            for name, take in ways.items()
        },
        rounds=5,
    )
    cores = os.cpu_count()
    report.rates(f"random {BATCH} of {N_READ}, 128² u8, {cores} cores", seconds, 20 * BATCH)
    one = dataset.Dataset(data.directory, n_threads=1)
    single = race(
        {
            "one thread": lambda: [one[chosen] for chosen in batches],
            "image by image": lambda: [one[i] for i in batches[0].tolist() * 20],
        },
        rounds=5,
    )
    report.rates("    the same", single, 20 * BATCH)
    benchmark(lambda: data[batches[1]])


def _simulated(scenes, out):
    for part in scenes:
        part.simulate(out=out[: len(part)])


def test_streaming_into_a_step_that_does_nothing(benchmark, race, report):
    import jax

    n_batches = 12
    scenes = [RECIPE.sample(1, BATCH * k, BATCH * (k + 1)) for k in range(n_batches)]
    out = np.empty((BATCH, *RECIPE.image_shape), RECIPE.dtype)
    step = jax.jit(lambda images, labels: labels.sum())
    sums = []

    def stream() -> None:
        sums.clear()
        for images, labels in dataset.stream(
            RECIPE, seed=1, batch_size=BATCH, stop=n_batches * BATCH
        ):
            sums.append(int(step(images, labels)))

    seconds = race({"streamed": stream, "simulator": lambda: _simulated(scenes, out)}, rounds=6)
    assert sums == [int(part.labels.sum()) for part in scenes]
    (last,) = dataset.stream(RECIPE, seed=1, batch_size=BATCH, start=11 * BATCH, stop=12 * BATCH)
    assert np.array_equal(last.images, out)
    share = seconds["simulator"] / seconds["streamed"]
    report.rates(f"into a JAX step: {share:.0%} of the simulator", seconds, n_batches * BATCH)
    benchmark.pedantic(stream, rounds=3)


def test_writing(benchmark, race, report, tmp_path):
    count = 8192
    scenes = [RECIPE.sample(1, start, start + BATCH) for start in range(0, count, BATCH)]
    out = np.empty((BATCH, *RECIPE.image_shape), RECIPE.dtype)
    block = np.random.default_rng(1).integers(0, 256, count * out[0].size, np.uint8)

    def write() -> dataset.Dataset:
        shutil.rmtree(tmp_path / "set", ignore_errors=True)
        return dataset.write(tmp_path / "set", RECIPE, seed=1, splits={"train": (0, count)})

    def disk() -> None:
        with (tmp_path / "block").open("wb") as file:
            file.write(block)
            os.fsync(file.fileno())

    seconds = race(
        {"written": write, "simulator": lambda: _simulated(scenes, out), "disk": disk}, rounds=4
    )
    assert np.array_equal(dataset.open(tmp_path / "set")[-BATCH:].images, out)
    share = seconds["simulator"] / seconds["written"]
    limit = "disk" if seconds["disk"] > seconds["simulator"] else "simulator"
    report.rates(f"writing: {share:.0%} of the simulator", seconds, count)
    report.add("    the limit", f"the {limit}")
    benchmark.pedantic(write, rounds=2)


# Small images, because a million of them are to be written: what is held besides is the same.
MEMORY = """
import json, sys, threading
import numpy as np
from stemfast import dataset, recipes

def private():  # without pages of mapped files, which the system takes back when it likes
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("RssAnon"))

peak, done = [0.0], threading.Event()
def watch():
    while not done.wait(0.02):
        peak[0] = max(peak[0], private())
watcher = threading.Thread(target=watch, daemon=True)

what, folder, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
small = {"image_px": 32, "field_nm": 40, "particle": {"diameter_nm": (6, 12)}}
recipe = recipes.get("shapes", dtype="uint8", **small)
recipe.sample(0, 0, 4096).simulate()
watcher.start()
if what == "write":
    # Shards of one size: the buffers are a shard's, whatever the size of the set.
    splits = {"train": (0, count)}
    total = len(dataset.write(folder, recipe, seed=1, splits=splits, shard_images=4096))
elif what == "read":
    data, rng = dataset.open(folder), np.random.default_rng(1)
    order = (rng.integers(0, count, 256) for _ in range(2000))
    total = sum(len(data[chosen].labels) for chosen in order)
else:
    batches = dataset.stream(recipe, seed=1, batch_size=256, stop=count)
    total = sum(len(batch) for batch in batches)
done.set()
watcher.join()
print(json.dumps([total, peak[0]]))
"""
FEW, MANY = 10_000, 1_000_000


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_memory_is_flat(benchmark, report, tmp_path):
    peaks = {}
    for count in (FEW, MANY):
        for what in ("write", "read", "stream"):
            arguments = [what, str(tmp_path / str(count)), str(count)]
            ran = subprocess.run(
                [sys.executable, "-c", MEMORY, *arguments], capture_output=True, text=True
            )
            assert ran.returncode == 0, ran.stderr
            total, peaks[what, count] = json.loads(ran.stdout)
            assert total == (2000 * 256 if what == "read" else count)
    for what in ("write", "read", "stream"):
        few, many = peaks[what, FEW], peaks[what, MANY]
        report.add(f"memory to {what} 10⁴ and 10⁶ images", f"{few:.0f} and {many:.0f} MB")
        assert many < few + 100, what  # of about 1000 MB of images
    data = dataset.open(tmp_path / str(MANY))
    shutil.rmtree(tmp_path / str(FEW))
    benchmark.pedantic(lambda: dataset.open(data.directory), rounds=5)
    shutil.rmtree(tmp_path / str(MANY))
