"""The whole chain from particle to counts, against the parts one would otherwise put together."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import peers_image as peers
import stemfast as sf
from stemfast.simulation import stage_times

CUT = sf.Cuboid(
    (24, 20, 16), corners={7: sf.Truncation(0.3), 0: sf.Truncation((0.2, 0.3, 0.4))}, material="Cu"
)
(BODY,) = CUT.bodies()
IMAGES, SIZE, PIXEL_NM, SIGMA_PX = 64, 128, 0.35, 1.5


def microscope(roughness_nm: float = 0.0, electrons: float = 2300.0) -> sf.Microscope:
    """About 22 electrons a pixel from the film, up to 200 from a copper particle on it."""
    scan = sf.Scan(shape=(SIZE, SIZE), pixel_size_nm=PIXEL_NM, dwell_us=4.0)
    return sf.Microscope(
        scan=scan,
        beam=sf.Beam(current_pa=sf.units.current_pa(electrons, scan.dwell_us)),
        probe=sf.Probe(fwhm_nm=sf.units.fwhm_from_sigma(SIGMA_PX * PIXEL_NM)),
        film=sf.Film(thickness_nm=50.0, roughness_nm=roughness_nm, correlation_nm=8.0, hurst=0.7),
    )


@pytest.mark.parametrize("film", ["rough", "smooth"])
def test_full_chain(benchmark, race, report, film):
    scope, poses = (
        microscope(1.0 if film == "rough" else 0.0),
        sf.orientation.random(IMAGES, seed=1),
    )
    ours, theirs = (np.empty((IMAGES, SIZE, SIZE), np.uint16) for _ in range(2))
    path = scope.mean_free_path_nm("C")
    shared = {
        "planes": BODY.planes,
        "vertices": BODY.vertices,
        "matrices": poses.as_matrix(),
        "pixel": PIXEL_NM,
        "inverse_path": 1 / scope.mean_free_path_nm("Cu"),
        "curve": scope.scattering_curve("Cu", "C").numbers,
        "film": peers.SmoothFilm(SIZE, 50 / path)
        if film == "smooth"
        else peers.SpectralFilm(SIZE, PIXEL_NM, 50 / path, 1 / path, 8.0, 0.7),
        "electrons": scope.electrons_per_pixel,
        "sigma": SIGMA_PX,
        "out": theirs,
        "rng": np.random.default_rng(1),
    }

    def stemfast() -> None:
        sf.simulate(CUT, poses, scope, seed=1, n_threads=1, out=ours)

    def peer(blur: Callable[..., object], count: Callable[..., object]) -> Callable[[], None]:
        return lambda: peers.chain(**shared, blur=blur, count=count)

    seconds = race(
        {
            "stemfast": stemfast,
            "Numba+OpenCV+NumPy": peer(peers.opencv_blur, peers.poisson_counts),
            "Numba+SciPy+NumPy": peer(peers.scipy_blur, peers.poisson_counts),
            "normal in place of Poisson": peer(peers.opencv_blur, peers.normal_counts),
        },
        rounds=20,
        clock=time.thread_time,
    )
    stemfast()
    peer(peers.opencv_blur, peers.poisson_counts)()
    check_same(ours, theirs)
    taken = sf.simulate(CUT, poses, scope, seed=1, return_truth=True)
    mean = taken.truth.expected_electrons
    assert mean.min() > 20 / 1.1
    assert 150 < np.quantile(mean, 0.999) < 250
    report.rates(f"image 128², all stages, {film} film", seconds, IMAGES)
    report.add("  electrons a pixel", f"{mean.min():.0f} to {mean.max():.0f}")
    benchmark.pedantic(stemfast, rounds=5)


def check_same(ours: NDArray[np.uint16], theirs: NDArray[np.uint16]) -> None:
    """Compare counts: two of one mean differ by sqrt(2) in units of the shot noise."""
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    score = (a - b) / np.sqrt(a + b)
    assert abs(score.mean()) < 0.02
    assert abs(score.std() - 1) < 0.02


def test_where_the_time_goes(benchmark, report):
    scope = microscope(1.0)
    found = stage_times.measure(scope, CUT, images=IMAGES, seconds=3.0)
    parts = ", ".join(f"{name} {time:.0f}" for name, time in found.stages_us.items())
    report.add("  stages of an image 128² [µs]", f"{found.image_us:.0f}: {parts}")
    floor = {"random numbers": 45, "blur": 18, "chords": 12}
    text = ", ".join(f"{name} {time}" for name, time in floor.items())
    rough = found.stages_us["film"]
    report.add(
        "  floor 128²",
        f"{text} µs: {found.image_us / sum(floor.values()):.2f} of it with the rough film, "
        f"{(found.image_us - rough) / sum(floor.values()):.2f} without",
    )
    poses, out = sf.orientation.random(IMAGES, seed=1), np.empty((IMAGES, SIZE, SIZE), np.uint16)
    benchmark.pedantic(
        lambda: sf.simulate(CUT, poses, scope, seed=1, n_threads=1, out=out), rounds=5
    )


def test_motion(benchmark, race, report):
    scope, poses = microscope(), sf.orientation.random(IMAGES, seed=1)
    shaky = scope.replace(
        scan=scope.scan.replace(
            instability=sf.Instability(drift_nm_s=(5, 3), row_jitter_pm=50, mains_pm=(50, 50))
        )
    )
    out = np.empty((IMAGES, SIZE, SIZE), np.uint16)

    def take(how: sf.Microscope, **motion: object) -> None:
        sf.simulate(CUT, poses, how, seed=1, n_threads=1, out=out, **motion)

    spin = {"spin_rad_s": (5.0, 6.0, 7.0)}
    seconds = race(
        {
            "static": lambda: take(scope),
            "spin per row": lambda: take(scope, **spin),
            "spin per pixel": lambda: take(scope, pose_per="pixel", **spin),
            "drift, jitter and ripple": lambda: take(shaky),
            "the same on a rough film": lambda: take(shaky.replace(film=microscope(1.0).film)),
            "still on a rough film": lambda: take(microscope(1.0)),
        },
        rounds=20,
        clock=time.thread_time,
    )
    take(scope)
    still = out.copy()
    take(scope, spin_rad_s=(0.0, 0.0, 0.0))
    assert (out == still).all()
    strayed = seconds.pop("the same on a rough film") / seconds.pop("still on a rough film")
    costs = [f"{name} {value / seconds['static']:.2f}×" for name, value in seconds.items()]
    report.add("motion, cost of an image", ", ".join(costs[1:]))
    report.add("  a beam that strays over a rough film", f"{strayed:.2f}× a still one")
    benchmark.pedantic(lambda: take(scope, **spin), rounds=5)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_large_field(benchmark, race, report, threads):
    rng = np.random.default_rng(1)
    positions = rng.uniform(-330, 330, (200, 3))
    field = sf.Specimen([CUT] * 200, positions, sf.orientation.random(200, seed=2))
    scope = sf.Microscope(scan=sf.Scan(shape=(2048, 2048), pixel_size_nm=0.35))
    seconds = race(
        {"stemfast": lambda: sf.simulate(field, None, scope, seed=1, n_threads=threads)}, rounds=4
    )
    image = sf.simulate(field, None, scope, seed=1, n_threads=threads)
    assert (image == sf.simulate(field, None, scope, seed=1, n_threads=1)).all()
    report.add(f"2048² with 200 particles, {threads} core(s)", f"{seconds['stemfast']:.3f} s")
    benchmark.pedantic(lambda: sf.simulate(field, None, scope, seed=1, n_threads=threads), rounds=2)
