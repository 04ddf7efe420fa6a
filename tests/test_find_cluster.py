"""``stemfast find --dask``: the files of one process, also if a worker is killed."""

from __future__ import annotations

import os
import signal

import pytest
from typer.testing import CliRunner

from small_session import write_discs
from stemfast.cli import app
from stemfast.dataset import cluster
from stemfast.finding import many

pytest.importorskip("distributed")
psutil = pytest.importorskip("psutil")
pytest.importorskip("skimage", reason="needs scikit-image, the extra [io]")

# Dask's own, of sockets that its threads close a moment later.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return write_discs(tmp_path_factory.mktemp("session"), 4)


def found(*words):
    given = ["--method", "classical", "--contrast", "bright", "--pixel-size-nm", "0.5"]
    return CliRunner().invoke(app, ["find", *map(str, words), *given])


def contents(out):
    return {str(f.relative_to(out)): f.read_bytes() for f in out.rglob("*") if f.is_file()}


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_two_workers_one_of_them_killed_write_what_one_process_does(session, tmp_path, monkeypatch):
    one = found(session, "--out", tmp_path / "one")
    assert one.exit_code == 2
    finished = cluster.finished

    def interrupted(client, make, tasks):
        for number, done in enumerate(finished(client, make, tasks)):
            if number == 0:
                children = psutil.Process().children(recursive=True)
                workers = [one for one in children if "spawn_main" in " ".join(one.cmdline())]
                assert len(workers) == 2
                workers[0].send_signal(signal.SIGKILL)
            yield done

    monkeypatch.setattr(cluster, "finished", interrupted)
    two = found(session, "--out", tmp_path / "two", "--dask", "local:2")
    assert two.exit_code == 2
    assert "broken.npy: left out: " in two.output
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    said = two.output.replace(str(tmp_path / "two"), str(tmp_path / "one"))
    assert said == one.output


def test_a_file_that_kills_its_workers_is_left_out():
    """As Dask tells it; no worker is started here."""
    import distributed

    class Dead:
        def result(self):
            raise distributed.KilledWorker("task", None, 3)

    with pytest.raises(many.UnsearchableError) as error:
        many._unless_workers_died(lambda: cluster._result(Dead()))
    assert "several workers died of it" in str(error.value.why)


def test_what_cannot_be_is_refused(session, monkeypatch):
    assert "Dask address is 'local'" in found(session, "--dask", "local").output
    monkeypatch.setattr("stemfast.finding.layers.needed_napari", lambda: None)
    assert "--napari and --dask" in found(session, "--dask", "local:2", "--napari").output
