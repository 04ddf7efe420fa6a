"""Training shared by processes: the loss curve of one, and what is left when one is killed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from stemfast import dataset, training
from stemfast.training import processes, run
from stemfast.training.experiment import Experiment, ModelSettings

TINY = Experiment(
    name="tiny",
    recipe="shapes",
    image_px=32,
    model=ModelSettings(widths=(8,), blocks=1, stem_stride=2, variant="plain"),
    images=12 * 20,
    batch_size=12,
    validation_images=12,
    test_images=12,
    evaluations=5,
    seed=3,
)
#: A process of a run, which may kill itself at a step. The network is not judged: that takes long.
PROCESS = """
import os, signal, sys
from stemfast.training import processes, run
from stemfast.training.experiment import Experiment

experiment, folder, address, rank, resume, last = sys.argv[1:]
spread, steps = processes.spread, []

def spread_until(own, sharding):
    steps.append(len(own[0]))
    if len(steps) == int(last):
        os.kill(os.getpid(), signal.SIGKILL)
    return spread(own, sharding)

processes.spread = spread_until
run.finish = lambda *_: print("judges")
numbers = () if address == "slurm" else (int(rank), 2)
with processes.joined(address, *numbers):
    tiny = Experiment.model_validate_json(experiment)
    run.train(tiny, folder, resume=bool(resume), n_threads=1, checkpoint_s=0)
print(f"{min(steps)} to {max(steps)} rows of a batch")
"""


def ended(folder, address, *, resume="", last=(0, 0), extra=lambda rank: {}):
    """Exit codes and outputs of two processes, the one to end at step `last` of each."""
    words = [sys.executable, "-c", PROCESS, TINY.model_dump_json(), str(folder), address]
    environment = {
        "JAX_COMPILATION_CACHE_DIR": str(folder.parent / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        **os.environ,
        "JAX_PLATFORMS": "cpu",
    }
    started = []
    try:
        for rank in (0, 1):
            started.append(
                subprocess.Popen(
                    [*words, str(rank), resume, str(last[rank])],
                    env=environment | extra(rank),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        said = [one.communicate(timeout=900)[0] for one in started]
        return [one.returncode for one in started], said
    finally:
        for one in started:
            one.kill()
            one.wait()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def losses(folder) -> list[list[float]]:
    lines = [json.loads(line) for line in (folder / run.METRICS_FILE).read_text().splitlines()]
    return [[line["images"], line["loss"], line["validation_loss"]] for line in lines]


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_two_processes_one_of_them_killed_learn_what_one_does(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "finish", lambda *_: None)
    training.train(TINY, tmp_path / "one", n_threads=1)

    folder = tmp_path / "two"
    codes, said = ended(folder, f"tcp://127.0.0.1:{free_port()}", last=(0, 11))
    assert codes[0] != 0, said
    assert codes[1] == -9, said
    # JAX may end the other one itself before it can speak; then its watcher does.
    signs = (": another one ended or does not answer", " ended before its time")
    assert any(f"process 0 of 2 of this training{sign}" in said[0] for sign in signs), said
    assert "process 1 of 2 of this training ended before its time" in said[1]
    assert all("starting all processes again with --resume" in one for one in said)
    written = losses(folder)
    assert written[-1][0] == 8 * TINY.batch_size

    def slurm(rank: int) -> dict[str, str]:
        return {
            "SLURM_JOB_ID": "7",
            "SLURM_STEP_NODELIST": "localhost",
            "SLURM_NTASKS": "2",
            "SLURM_PROCID": str(rank),
            "SLURM_LOCALID": str(rank),
            "JAX_COORDINATOR_PORT": str(free_port_of_slurm),
        }

    free_port_of_slurm = free_port()
    codes, said = ended(folder, "slurm", resume="yes", extra=slurm)
    assert codes == [0, 0], said
    assert ["judges" in one for one in said] == [True, False]
    assert ["compiling" in one for one in said] == [True, False]
    assert all("6 to 6 rows of a batch" in one for one in said)
    assert losses(folder)[: len(written)] == written
    np.testing.assert_allclose(losses(folder), losses(tmp_path / "one"), rtol=1e-5)


def test_strided_streams_are_the_shares_of_one(tmp_path):
    recipe = TINY.make_recipe()
    with dataset.stream(recipe, seed=3, batch_size=12, stop=30) as stream:
        whole = [batch.indices.tolist() for batch in stream]
    shares = []
    for rank in (0, 1):
        given = {"batch_size": 6, "start": 6 * rank, "stop": 30, "stride": 12}
        with dataset.stream(recipe, seed=3, **given) as stream:
            shares.append(list(stream))
    assert [
        [*one.indices.tolist(), *other.indices.tolist()]
        for one, other in zip(*shares, strict=False)
    ] == whole[:2]
    assert shares[0][-1].indices.tolist() == whole[2] == list(range(24, 30))
    assert [batch.next_index for batch in shares[1]] == [18, 30]
    again = dataset.stream(recipe, seed=3, **given | {"start": shares[1][0].next_index})
    with again:
        assert np.array_equal(next(again).images, shares[1][1].images)
    with pytest.raises(ValueError, match="stride must be from 6 to"):
        dataset.stream(recipe, batch_size=6, stride=5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("head:8476", 0, 2), "processes is 'head:8476', expected tcp://host:port or slurm"),
        (("tcp://head", 0, 2), "expected tcp://host:port"),
        (("tcp://head:port", 0, 2), "expected tcp://host:port"),
        (("tcp://head:8476", None, 2), "rank is None and world_size is 2, expected both"),
        (("tcp://head:8476", 2, 2), "rank must be from 0 to 1, got 2"),
        (("slurm",), "SLURM_JOB_ID.* are not set: expected to be started by srun"),
    ],
)
def test_what_is_no_process_of_a_run_is_refused(given, message, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(ValueError, match=message):
        processes._settings(*(*given, None, None)[:3])


def test_a_port_that_is_taken_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} cannot be opened here"):
            processes._settings(f"tcp://127.0.0.1:{port}", 0, 2)
        assert processes._settings(f"tcp://127.0.0.1:{port}", 1, 2)["process_id"] == 1


def test_runs_that_are_not_shared_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("jax.distributed.is_initialized", lambda: True)
    for name in ("finder", "ground-truth"):
        with pytest.raises(ValueError, match=f"{name} is trained by one process"):
            training.train(name, tmp_path / name)
        assert not (tmp_path / name).exists()
