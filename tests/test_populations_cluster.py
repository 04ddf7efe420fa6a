"""Folders of micrographs read by Dask workers: the bytes of one process, also if one dies."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest

from small_session import results, write_discs
from stemfast.populations import classify_folder, run
from stemfast.populations.one_file import classify_on_worker
from stemfast.populations.settings import settings_for
from stemfast.pretrained import save
from stemfast.training import Experiment
from untrained import undecided

pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")
pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")

# Dask's own, of sockets that its threads close a moment later.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> dict:
    experiment = Experiment(name="small", recipe="shapes", image_px=32)
    folder = tmp_path_factory.mktemp("network")
    save(folder, replace(undecided(experiment), card={"test": {"confusion": [[9, 1, 0]] * 3}}))
    return {"model": folder, "method": "classical", "contrast": "bright", "pixel_size_nm": 0.5}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return write_discs(tmp_path_factory.mktemp("session"), 10)


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_two_workers_one_of_them_killed_give_the_bytes_of_one_process(session, settings, tmp_path):
    seen = []

    def tell(part) -> None:
        seen.append(part.header.task.name)
        if len(seen) == 1:
            children = psutil.Process().children(recursive=True)
            workers = [one for one in children if "spawn_main" in " ".join(one.cmdline())]
            assert len(workers) == 2
            workers[0].send_signal(signal.SIGKILL)

    report = classify_folder(session, tmp_path / "two", dask="local:2", tell=tell, **settings)
    assert sorted(seen) == sorted(path.name for path in session.iterdir())
    assert report.content["files"]["read"] == 10
    classify_folder(session, tmp_path / "one", **settings)
    assert results(tmp_path / "two") == results(tmp_path / "one")


def test_a_file_that_kills_its_workers_is_listed(session, settings, tmp_path, monkeypatch):
    """As Dask tells it; no worker is started here."""
    from contextlib import contextmanager

    import distributed

    from stemfast.dataset import cluster

    class Dead:
        def result(self):
            raise distributed.KilledWorker("task", None, 3)

    @contextmanager
    def connected(address):
        yield None, 1

    monkeypatch.setattr(cluster, "connected", connected)
    monkeypatch.setattr(
        cluster, "finished", lambda client, make, tasks: ((task, Dead()) for _, task, _ in tasks)
    )
    report = classify_folder(session, tmp_path / "out", dask="local:2", **settings)
    assert {one["why"] for one in report.content["failed"]} == {run.KILLED}


def test_a_worker_with_another_network_is_refused(session, settings):
    chosen, _ = settings_for(**settings)
    told = {**chosen.to_json(), "network": "another"}
    task = run.micrographs_in(session)[0]
    with pytest.raises(RuntimeError, match="install the same everywhere"):
        classify_on_worker(str(session / task.name), task, told)


def test_a_wrong_address_is_refused(session, settings, tmp_path):
    with pytest.raises(ValueError, match="Dask address is"):
        classify_folder(session, tmp_path / "out", dask="local", **settings)
