"""Data sets written by Dask workers: the bytes of the serial run, whatever dies on the way."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from stemfast import dataset, recipes
from stemfast.dataset import cluster as cluster_module
from stemfast.dataset.cluster import write_with_dask

distributed = pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")

RECIPE = recipes.get(
    "shapes", image_px=32, field_nm=40, dtype="uint16", particle={"diameter_nm": (6, 12)}
)
SPLITS = {"train": (0, 60), "test": (2**41, 2**41 + 20)}
PLAN = dataset.Plan(RECIPE, 4, SPLITS, 8)

# Dask's own, of sockets that its threads close a moment later.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def contents(folder):
    return {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir())}


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serial") / "set"
    dataset.write(folder, RECIPE, seed=4, splits=SPLITS, shard_images=8)
    return contents(folder)


@pytest.fixture(scope="module")
def address():
    """A scheduler with two worker processes; their nannies start them again when they die."""
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        memory_limit=0,
        dashboard_address=None,
        scheduler_kwargs=cluster_module.ANY_PORT,
        silence_logs=50,
    ) as running:
        yield running.scheduler_address


def test_two_clusters_of_one_machine_do_not_mind_each_other():
    """Dask serves its state on port 8787 unless told otherwise, and warns where that is taken."""
    with socket.socket() as taken:
        with contextlib.suppress(OSError):  # somebody has it already
            taken.bind(("", 8787))
            taken.listen()
        with cluster_module.connected("local:1") as (client, _):
            assert client.submit(int, 1).result() == 1


def test_a_scheduler_elsewhere_gives_the_bytes_of_the_serial_run(address, tmp_path, serial):
    seen = []
    whole = write_with_dask(
        tmp_path / "set", PLAN, address, advance=lambda done, made: seen.append((done, made))
    )
    assert whole
    assert contents(tmp_path / "set") == serial
    assert sum(done for done, _ in seen) == sum(made for _, made in seen) == 80
    assert len(seen) == len(PLAN.shards) == 11  # as they finish, one by one
    assert len(dataset.open(tmp_path / "set", "test")) == 20


def test_only_what_is_missing_is_written(address, tmp_path, serial):
    dataset.make_shard(tmp_path / "set", PLAN, 2)
    first = tmp_path / "set" / PLAN.shards[2].file
    written = first.stat().st_mtime_ns
    seen = []
    arguments = {"advance": lambda done, made: seen.append(done)}
    assert not write_with_dask(tmp_path / "set", PLAN, address, [1, 2, 3], **arguments)
    assert seen == [8, 8]
    assert write_with_dask(tmp_path / "set", PLAN, address, **arguments)
    assert contents(tmp_path / "set") == serial
    assert first.stat().st_mtime_ns == written
    assert write_with_dask(tmp_path / "set", PLAN, address)  # nothing left to do


def test_an_error_on_a_worker_is_raised_here(address, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_module, "stemfast_version", lambda: "0.0.1")
    with pytest.raises(RuntimeError, match="the command was given to 0.0.1.*install the same"):
        write_with_dask(tmp_path / "set", PLAN, address)


def test_workers_that_write_elsewhere_are_noticed(address, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_module, "PATIENCE_S", 0.2)
    entry = dataset.make_shard(tmp_path / "set", PLAN, 0)
    cluster_module._wait_for(tmp_path / "set", entry)
    with pytest.raises(FileNotFoundError, match="the same folder on all machines"):
        cluster_module._wait_for(tmp_path, entry)


@pytest.mark.parametrize("wrong", ["local", "local:0", "local:two", "host:8786", ""])
def test_wrong_addresses_are_refused_before_anything_is_made(wrong, tmp_path):
    with pytest.raises(ValueError, match="Dask address is"):
        write_with_dask(tmp_path / "set", PLAN, wrong)
    assert not (tmp_path / "set").exists()


def test_no_scheduler_is_said_so(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_module, "ANSWER_S", 1.0)
    with socket.socket() as taken:  # a port where nobody answers
        taken.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match="no Dask scheduler answers at tcp:"):
            write_with_dask(tmp_path / "set", PLAN, nobody)
    assert not (tmp_path / "set").exists()


# About a hundred shards of some tens of milliseconds each: time enough to be killed in.
LARGE = recipes.get("shapes", image_px=128)
LARGE_SPLITS = {"train": (0, 4000)}
COMMAND = """
import sys
from stemfast import dataset, recipes
from stemfast.dataset.cluster import write_with_dask
if __name__ == "__main__":
    recipe = recipes.get("shapes", image_px=128)
    plan = dataset.Plan(recipe, 4, {"train": (0, 4000)}, 40)
    print(write_with_dask(sys.argv[1], plan, "local:2"))
"""


def workers_of(process):
    """Processes that simulate; one of the others watches for leaks."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.fixture
def running(tmp_path):
    """A run on two local workers that has just written its first shards."""
    script = tmp_path / "write.py"
    script.write_text(COMMAND)
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "set")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and len(list((tmp_path / "set").glob("train-*.hspy"))) < 5:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    workers = workers_of(process)
    yield process, workers
    process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()
    psutil.wait_procs(workers, timeout=30)


def check_bits(folder):
    data = dataset.open(folder)
    dataset.verify(folder)
    assert len(data) == 4000
    for start in (0, 1980, 3990):
        images, labels = data[start : start + 10]
        scenes = LARGE.sample(4, start, start + 10)
        assert np.array_equal(images, scenes.simulate())
        assert np.array_equal(labels, scenes.labels)


@pytest.mark.skipif(os.name == "nt", reason="signals as on POSIX")
def test_a_worker_killed_mid_run_costs_nothing_but_time(running, tmp_path):
    process, workers = running
    assert len(workers) >= 2
    workers[0].kill()
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (0, "True\n"), err
    assert sorted(file.name for file in (tmp_path / "set").iterdir()) == [
        "manifest.json",
        *(f"train-{k:05d}.hspy" for k in range(100)),
    ]
    check_bits(tmp_path / "set")


@pytest.mark.skipif(os.name == "nt", reason="signals as on POSIX")
def test_ctrl_c_stops_the_workers_and_the_next_run_goes_on(running, tmp_path):
    process, workers = running
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert err.rstrip().endswith("KeyboardInterrupt")
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
    there = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "set").glob("*.hspy")}
    assert 5 <= len(there) < 100
    dataset.write(tmp_path / "set", LARGE, seed=4, splits=LARGE_SPLITS, shard_images=40)
    for name, written in there.items():
        assert (tmp_path / "set" / name).stat().st_mtime_ns == written
    check_bits(tmp_path / "set")
