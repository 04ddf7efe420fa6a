"""How fast thickness comes, against other ways to the same numbers."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import peers_thickness as peers
import stemfast as sf
from stemfast import _core

CUT = sf.Cuboid((24, 20, 16), corners={7: sf.Truncation(0.3), 0: sf.Truncation((0.2, 0.3, 0.4))})
(BODY,) = CUT.bodies()
FIELD_NM = 44.8


@pytest.mark.parametrize(("size", "images"), [(128, 256), (256, 128)])
def test_exact_thickness(benchmark, race, report, size, images):
    import jax.numpy as jnp

    poses = sf.orientation.random(images, seed=1)
    matrices, pixel = poses.as_matrix(), FIELD_NM / size
    scan = sf.Scan(shape=(size, size), pixel_size_nm=pixel)
    ours, clip, rows = (np.empty((images, size, size), np.float32) for _ in range(3))
    on_jax, jax_matrices = (
        peers.jax_clip(BODY.planes, size, pixel),
        jnp.asarray(matrices, jnp.float32),
    )

    def stemfast() -> None:
        sf.thickness(CUT, poses, scan, n_threads=1, out=ours)

    seconds = race(
        {
            "stemfast": stemfast,
            "Numba": lambda: peers.numba_clip(BODY.planes, BODY.vertices, matrices, pixel, clip),
            "Numba by rows": lambda: peers.numba_rows(
                BODY.planes, BODY.vertices, matrices, pixel, rows
            ),
            "JAX": lambda: on_jax(jax_matrices).block_until_ready(),
            "zero fill": lambda: ours.fill(0),
        }
    )
    stemfast()
    for other in (clip, rows, np.asarray(on_jax(jax_matrices))):
        # Single precision near steep faces; a handful of pixels on an outline may fall either way.
        assert np.isclose(ours, other, atol=2e-3).mean() > 0.99999
    floor = seconds.pop("zero fill")
    report.rates(f"exact thickness {size}²", seconds, images)
    per_image = seconds["stemfast"] / images * 1e6
    report.add(
        f"  floor {size}²",
        f"writing the bytes takes {floor / images * 1e6:.2f} µs of {per_image:.2f} µs an image; "
        + plane_evaluations(scan, poses, seconds["stemfast"]),
    )
    benchmark.pedantic(stemfast, rounds=5)


def plane_evaluations(scan: sf.Scan, poses: Rotation, seconds: float) -> str:
    """How many face-by-sample evaluations the bounding boxes hold, and at what rate they went."""
    corners = poses.as_matrix() @ BODY.vertices.T
    sides = [np.ptp(corners[:, k], axis=1) / scan.pixel_size_nm for k in (0, 1)]
    evaluations = float((sides[0] * sides[1]).sum() * len(BODY.planes))
    return f"{evaluations / seconds / 1e9:.1f} G face evaluations/s"


def test_a_student_program(benchmark, race, report):
    pose, scan = Rotation.random(rng=1), sf.Scan(shape=(128, 128), pixel_size_nm=0.35)
    batch = Rotation.random(256, rng=1)
    out = np.empty((256, 128, 128), np.float32)

    def stemfast() -> None:
        sf.thickness(CUT, batch, scan, n_threads=1, out=out)

    seconds = race({"stemfast": stemfast}, rounds=10)
    seconds["stemfast"] /= 256
    matrix = pose.as_matrix()
    seconds |= race({"student": lambda: peers.student_voxels(BODY.planes, matrix, 0.35)}, rounds=3)
    exact = sf.thickness(CUT, pose, scan)
    voxels = peers.student_voxels(BODY.planes, matrix, 0.35)
    assert np.abs(exact - voxels).max() < 2.001 * 0.35
    report.rates("exact against 128³ NumPy voxels", seconds, 1)
    benchmark.pedantic(stemfast, rounds=5)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_voxelize_and_integrate(benchmark, race, report, size):
    pose, pixel = Rotation.random(rng=2), FIELD_NM / size

    volume = np.empty((size, size, size), np.uint8)

    def stemfast() -> np.ndarray:
        sf.voxelize(CUT, pose, voxel_size_nm=pixel, shape=volume.shape, n_threads=1, out=volume)
        return volume.sum(axis=0, dtype=np.uint8)

    seconds = race({"stemfast": stemfast})
    seconds |= race(
        {
            "NumPy broadcast": lambda: peers.broadcast_voxels(
                BODY.planes, pose.as_matrix(), pixel, size
            )
        },
        rounds=5,
    )
    ours = stemfast() * np.float32(pixel)
    other = peers.broadcast_voxels(BODY.planes, pose.as_matrix(), pixel, size)
    # The broadcast version sums in single precision: a centre on a face may fall either way.
    assert (np.abs(ours - other) < 1.001 * pixel).all()
    assert (ours == other).mean() > 0.999
    report.rates(f"voxelize and integrate {size}³", seconds, 1, "volumes/s")
    report.add(f"  {size}³", f"{seconds['stemfast'] / size**3 * 1e12:.0f} ps a voxel")
    benchmark.pedantic(stemfast, rounds=5)


@pytest.mark.parametrize("size", [128, 256])
def test_voxel_engine(benchmark, race, report, size):
    images = 32
    poses, scan = (
        Rotation.random(images, rng=3),
        sf.Scan(shape=(size, size), pixel_size_nm=FIELD_NM / size),
    )
    out = np.empty((images, size, size), np.float32)

    def stemfast() -> None:
        sf.thickness(CUT, poses, scan, engine="voxel", n_threads=1, out=out)

    seconds = race({"stemfast": stemfast})
    stemfast()
    assert np.abs(out - sf.thickness(CUT, poses, scan)).max() < 2.001 * scan.pixel_size_nm
    report.rates(f"voxel engine {size}² × {size} layers", seconds, images)
    benchmark.pedantic(stemfast, rounds=5)


@pytest.mark.parametrize("images", [64, 256, 1024])
@pytest.mark.parametrize("what", ["thickness", "image"])
def test_two_cores(benchmark, race, report, images, what):
    if _core.info()["threads"] < 2:
        pytest.skip("this machine has one core")
    poses = sf.orientation.random(images, seed=1)
    dtype = np.float32 if what == "thickness" else np.uint16
    out = np.empty((images, 128, 128), dtype)

    def run(n: int) -> None:
        if what == "thickness":
            sf.thickness(CUT, poses, n_threads=n, out=out)
        else:
            sf.simulate(CUT, poses, seed=1, n_threads=n, out=out)

    seconds = race({"two cores": lambda: run(2), "one": lambda: run(1)}, rounds=10)
    run(1)
    one = out.copy()
    run(2)
    assert (out == one).all()
    report.rates(f"{what}, batches of {images}", seconds, images)
    benchmark.pedantic(run, args=(2,), rounds=3)


@pytest.mark.parametrize("what", ["thickness", "image"])
def test_one_call(benchmark, race, report, what):
    """Take few images of 64², and of one pixel each, which is next to no work for the core."""

    def call(images: int, side: int) -> Callable[[], sf.Image]:
        scope = sf.Microscope(
            scan=sf.Scan(shape=(side, side), pixel_size_nm=FIELD_NM / 64),
            probe=sf.Probe(fwhm_nm=0.5 * min(1.0, side / 64)),
        )
        poses = sf.orientation.random(images, seed=4)
        if what == "thickness":
            return lambda: sf.thickness(CUT, poses, scope.scan, n_threads=1)
        return lambda: sf.simulate(CUT, poses, scope, seed=1, n_threads=1)

    for n in (1, 8, 64):
        seconds = race(
            {"one": call(n, 64), "empty": call(n, 1)}, rounds=500, clock=time.thread_time
        )
        whole, checks = (value * 1e6 for value in seconds.values())
        report.add(
            f"one call: {what}, {n} of 64²",
            f"{whole:.0f} µs, {checks:.0f} µs of it for one pixel each",
        )
    assert np.asarray(call(64, 64)()).max() > 10
    benchmark.pedantic(call(1, 64), rounds=50)
