"""The batch loop takes memory for its output and a little more, however many images there are."""

import subprocess
import sys

import pytest

resource = pytest.importorskip("resource", reason="peak memory is read through POSIX rusage")

PROGRAM = """
import resource, sys, numpy as np, stemfast as sf
n, size = int(sys.argv[1]), 64
particle = sf.Cuboid((10, 9, 8), corners={7: sf.Truncation(0.3)})
scope = sf.Microscope(scan=sf.Scan(shape=(size, size)))
out = np.empty((n, size, size), np.uint16)
out.fill(1)
poses = sf.orientation.random(n, seed=1)
sf.simulate(particle, poses[:64], scope, seed=1, out=out[:64], n_threads=2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sf.simulate(particle, poses, scope, seed=1, out=out, n_threads=2)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(after - before)
"""


def growth_kib(images: int) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(images)], capture_output=True, text=True, check=True
    )
    kib = int(done.stdout)
    return kib // 1024 if sys.platform == "darwin" else kib


def test_peak_memory_is_the_output_and_a_little_per_image():
    # Beside the output (8 KiB an image here) an image has one row in each table of the batch: about
    # 1 KiB with NumPy's temporaries. An image-sized buffer per image would show as 16 KiB or more.
    few, many = growth_kib(1000), growth_kib(9000)
    assert (many - few) / 8000 < 2.0
