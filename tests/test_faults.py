"""Signals, full disks, folders that vanish, writers that were killed; ``make faults`` has more."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from stemfast import atomic
from stemfast.dataset.lock import FileLock
from stemfast.training import by_name

FAULTS = Path(__file__).with_name("faults.py")
linux = pytest.mark.skipif(sys.platform != "linux", reason="forks, mounts and audits as on Linux")


@linux
def test_a_data_set_that_is_disturbed_ends_well_after_all():
    words = ["--jobs", "dataset create", "--share", "0.03", "--conditions"]
    words += ["kill -9", "SIGTERM", "disk full", "folder removed"]
    done = subprocess.run([sys.executable, FAULTS, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| kill -9 | 3 of 3 |" in done.stdout


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


@pytest.mark.skipif(sys.platform == "win32", reason="there, nobody asks whether a process runs")
def test_what_a_killed_writer_left_goes_with_the_next_file(tmp_path):
    node, gone = platform.node(), ended_process()
    draft = tmp_path / f".draft.{node}-{gone}-0123abcd.tmp"
    draft.mkdir()
    (draft / "labels.tif").touch()
    (tmp_path / f".table.csv.{node}-{gone}-0123abcd.tmp").touch()
    kept = {f".a.{node}-{os.getpid()}-0123abcd.tmp", f".a.other-{gone}-0123abcd.tmp", ".mine.tmp"}
    for name in kept:
        (tmp_path / name).touch()
    atomic.write_text(tmp_path / "answer.txt", "42")
    assert {file.name for file in tmp_path.iterdir()} == kept | {"answer.txt"}


def test_a_second_training_in_the_same_folder_is_refused(tmp_path):
    lock = FileLock(tmp_path / ".lock")
    assert lock.acquire()
    with pytest.raises(FileExistsError, match="another run writes to .* wait for it"):
        by_name.train("shapes", tmp_path)
    lock.release()
    with pytest.raises(FileNotFoundError, match="holds no run to resume"):
        by_name.train("shapes", tmp_path / "new", resume=True)
    assert list(tmp_path.iterdir()) == []
