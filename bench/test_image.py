"""The whole chain from particle to counts, against the parts one would otherwise put together."""

from __future__ import annotations

import numpy as np
import pytest

import peers_image as peers
import stemfast as sf
from stemfast import _core

CUT = sf.Cuboid((24, 20, 16), corners={7: sf.Truncation(0.3), 0: sf.Truncation((0.2, 0.3, 0.4))})
(BODY,) = CUT.bodies()
IMAGES, SIZE, PIXEL_NM, SIGMA_PX = 64, 128, 0.35, 1.5


def microscope(electrons: float = 700.0, size: int = SIZE) -> sf.Microscope:
    """Counts of 20 to 200 a pixel in the particle."""
    scan = sf.Scan(shape=(size, size), pixel_size_nm=PIXEL_NM * SIZE / size, dwell_us=4.0)
    return sf.Microscope(
        scan=scan,
        beam=sf.Beam(current_pa=sf.units.current_pa(electrons, scan.dwell_us)),
        probe=sf.Probe(fwhm_nm=sf.units.fwhm_from_sigma(SIGMA_PX * PIXEL_NM)),
    )


def test_full_chain(benchmark, race, report):
    scope, poses = microscope(), sf.orientation.random(IMAGES, seed=1)
    ours, theirs = (np.empty((IMAGES, SIZE, SIZE), np.uint16) for _ in range(2))
    film = scope.film.thickness_nm / scope.mean_free_path_nm("C")
    shared = {
        "planes": BODY.planes,
        "vertices": BODY.vertices,
        "matrices": poses.as_matrix(),
        "pixel": PIXEL_NM,
        "inverse_path": 1 / scope.mean_free_path_nm("Au"),
        "film_depth": np.full((SIZE, SIZE), film, np.float32),
        "electrons": scope.electrons_per_pixel,
        "sigma": SIGMA_PX,
        "out": theirs,
        "rng": np.random.default_rng(1),
    }

    def stemfast() -> None:
        sf.simulate(CUT, poses, scope, seed=1, n_threads=1, out=ours)

    seconds = race(
        {
            "stemfast": stemfast,
            "Numba+OpenCV+NumPy": lambda: peers.chain(
                **shared, blur=peers.opencv_blur, count=peers.poisson_counts
            ),
            "Numba+SciPy+NumPy": lambda: peers.chain(
                **shared, blur=peers.scipy_blur, count=peers.poisson_counts
            ),
            "normal in place of Poisson": lambda: peers.chain(
                **shared, blur=peers.opencv_blur, count=peers.normal_counts
            ),
        },
        rounds=6,
    )
    stemfast()
    peers.chain(**shared, blur=peers.opencv_blur, count=peers.poisson_counts)
    # Two noisy images of one mean differ by sqrt(2) in units of the shot noise, pixel by pixel.
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    score = (a - b)[(a + b) > 40] / np.sqrt((a + b)[(a + b) > 40])
    assert abs(score.mean()) < 0.02
    assert abs(score.std() - 1) < 0.02
    report.rates("image 128², all stages", seconds, IMAGES)
    benchmark.pedantic(stemfast, rounds=5)


def test_where_the_time_goes(benchmark, race, report):
    scope, poses = microscope(), sf.orientation.random(IMAGES, seed=1)
    sharp = scope.replace(probe=sf.Probe(fwhm_nm=0))
    counts = np.empty((IMAGES, SIZE, SIZE), np.uint16)
    thick = np.empty((IMAGES, SIZE, SIZE), np.float32)
    mean = np.full(SIZE * SIZE, 60.0, np.float32)
    depth = np.full(SIZE * SIZE, 0.2, np.float32)
    seconds = race(
        {
            "all": lambda: sf.simulate(CUT, poses, scope, seed=1, n_threads=1, out=counts),
            "no blur": lambda: sf.simulate(CUT, poses, sharp, seed=1, n_threads=1, out=counts),
            "chords": lambda: sf.thickness(CUT, poses, scope.scan, n_threads=1, out=thick),
            "Poisson": lambda: [_core.poisson(mean, seed=1, index=i) for i in range(IMAGES)],
            "contrast": lambda: [_core.scattered_fraction(depth) for _ in range(IMAGES)],
        },
        rounds=10,
    )
    per_image = {name: value / IMAGES * 1e6 for name, value in seconds.items()}
    per_image["blur"] = per_image["all"] - per_image.pop("no blur")
    total = per_image.pop("all")
    rest = total - sum(per_image.values())
    parts = ", ".join(f"{name} {value:.0f}" for name, value in per_image.items())
    report.add("  stages of an image 128² [µs]", f"{total:.0f}: {parts}, rest {rest:.0f}")
    report.add("  floor 128²", f"random numbers 45, blur 18, chords 12 µs: {total / 75:.2f} of it")
    benchmark.pedantic(
        lambda: sf.simulate(CUT, poses, scope, seed=1, n_threads=1, out=counts), rounds=5
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
        },
        rounds=6,
    )
    take(scope)
    still = out.copy()
    take(scope, spin_rad_s=(0.0, 0.0, 0.0))
    assert (out == still).all()
    costs = [
        f"{name} {value / seconds['static']:.2f}×"
        for name, value in seconds.items()
        if name != "static"
    ]
    report.add("motion, cost of an image", ", ".join(costs))
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
