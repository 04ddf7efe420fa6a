"""Ctrl-C stops long work within a second of CPU time."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")

LONG_WORK = """
import sys, threading, time
import stemfast as sf
from stemfast import orientation
sf.voxelize(sf.Sphere(4), voxel_size_nm=1.0), orientation.random(3, seed=0)
print("begun", flush=True)
begun = time.monotonic()
try:
    {call}
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


@posix
@pytest.mark.parametrize(
    "call",
    [
        "orientation.random(50_000_000, seed=1)",
        "sf.voxelize(sf.Sphere(499), voxel_size_nm=1.0, n_threads=1)",
    ],
)
def test_ctrl_c_stops_long_work_within_a_second(call):
    """Half a second after its start. CPU time counts, because other work may go on meanwhile."""
    psutil = pytest.importorskip("psutil")
    with subprocess.Popen(
        [sys.executable, "-c", LONG_WORK.format(call=call)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "begun\n"
        watched = psutil.Process(process.pid)

        def used():
            times = watched.cpu_times()
            return times.user + times.system

        start = used()
        while used() - start < 0.5:
            assert process.poll() is None, "it was done before it could be stopped"
            time.sleep(0.02)
        before = used()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "stopped\n"
        assert used() - before < 1.0
        process.wait(60)
