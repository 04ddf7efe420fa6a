"""How fast the probe's blur is, against other ways to the same numbers; what its extras cost."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import stemfast as sf
from stemfast import _core, reference

CUT = sf.Cuboid((24, 20, 16), corners={7: sf.Truncation(0.3)})


@pytest.mark.parametrize(("size", "sigma"), [(128, 0.6), (128, 1.5), (128, 3.0), (512, 1.5)])
def test_gaussian_blur(benchmark, race, report, size, sigma):
    cv2 = pytest.importorskip("cv2")
    cv2.setNumThreads(1)
    image = np.random.default_rng(1).uniform(size=(size, size)).astype(np.float32)
    width = 2 * int(4 * sigma + 0.5) + 1
    other = np.empty_like(image)

    def stemfast() -> np.ndarray:
        return _core.blur(image, sigma)

    def opencv() -> np.ndarray:
        edge = cv2.BORDER_REPLICATE
        return cv2.GaussianBlur(image, (width, width), sigma, dst=other, borderType=edge)

    def scipy() -> np.ndarray:
        return ndimage.gaussian_filter(image, sigma, mode="nearest")

    seconds = race(
        {"stemfast": stemfast, "OpenCV": opencv, "SciPy": scipy, "copy": image.copy}, rounds=200
    )
    np.testing.assert_allclose(stemfast(), opencv(), atol=2e-6)
    np.testing.assert_allclose(stemfast(), scipy(), atol=2e-6)
    floor = seconds.pop("copy")
    report.rates(f"blur {size}², σ = {sigma} px", seconds, 1)
    # Two passes, each of a product and two sums for every pair and a product for the centre.
    operations = size * size * 2 * (3 * (width // 2) + 1)
    report.add(
        f"  {size}², σ = {sigma} px",
        f"{seconds['stemfast'] * 1e6:.1f} µs an image, OpenCV {seconds['OpenCV'] * 1e6:.1f}, SciPy "
        f"{seconds['SciPy'] * 1e6:.1f}; {operations / seconds['stemfast'] / 1e9:.0f} Gflop/s; a "
        f"copy takes {floor * 1e6:.1f} µs",
    )
    benchmark.pedantic(stemfast, rounds=20)


@pytest.mark.parametrize("gamma", [2.0, 6.0])
def test_tail(benchmark, race, report, gamma):
    # The same convolution by the fast cosine transform, exact for this kernel.
    from scipy import fft

    image = ndimage.gaussian_filter(np.random.default_rng(2).uniform(size=(128, 128)), 1.0)
    image = image.astype(np.float32)
    k = np.pi * np.arange(128) / 128
    transfer = np.exp(-gamma * np.hypot(k[:, None], k[None, :])).astype(np.float32)
    # A thick film: the tail lights the dark up, and counting electrons there costs more than none.
    scope = sf.Microscope(film=sf.Film(thickness_nm=500))
    tailed = scope.replace(probe=sf.Probe(tail_fraction=0.2, tail_fwhm_nm=1.5328 * gamma * 0.35))
    n = 64
    poses, out = sf.orientation.random(n, seed=1), np.empty((n, 128, 128), np.uint16)

    def run(setup: sf.Microscope) -> None:
        sf.simulate(CUT, poses, setup, seed=1, n_threads=1, out=out)

    seconds = race(
        {
            "tailed": lambda: run(tailed),
            "plain": lambda: run(scope),
            "cosines": lambda: fft.idctn(transfer * fft.dctn(image, norm="ortho"), norm="ortho"),
        }
    )
    ours = _core.add_tail(image, gamma=gamma, fraction=1.0)
    assert np.abs(ours - reference.lorentzian_blur(image, gamma)).max() < 4e-3 * np.ptp(image)
    extra = (seconds["tailed"] - seconds["plain"]) / n
    report.add(
        f"tail of γ = {gamma:g} px, 128²",
        f"{extra * 1e6:.0f} µs on top of {seconds['plain'] / n * 1e6:.0f} µs an image; "
        f"SciPy's cosine transforms {seconds['cosines'] * 1e6:.0f} µs "
        f"({seconds['cosines'] / extra:.1f}×)",
    )
    benchmark.pedantic(run, args=(tailed,), rounds=3)


@pytest.mark.parametrize(
    ("what", "scope"),
    [
        ("depth of focus, 8 slabs", sf.Microscope(probe=sf.Probe(convergence_mrad=25))),
        ("read noise", sf.Microscope(detector=sf.Detector(read_noise=2, offset=30))),
        ("excess noise", sf.Microscope(detector=sf.Detector(excess_noise_factor=1.3))),
        ("afterglow", sf.Microscope(detector=sf.Detector(decay_us=3))),
    ],
)
def test_what_an_effect_costs(benchmark, race, report, what, scope):
    n = 64
    poses, out = sf.orientation.random(n, seed=1), np.empty((n, 128, 128), np.uint16)

    def run(setup: sf.Microscope) -> None:
        sf.simulate(CUT, poses, setup, seed=1, n_threads=1, out=out)

    plain = sf.Microscope()
    seconds = race({"with": lambda: run(scope), "without": lambda: run(plain)})
    run(plain)
    before = out.copy()
    run(scope)
    assert (out != before).any()
    extra = (seconds["with"] - seconds["without"]) / n
    report.add(
        f"{what}, 128²",
        f"{extra * 1e6:.0f} µs on top of {seconds['without'] / n * 1e6:.0f} µs an image",
    )
    benchmark.pedantic(run, args=(scope,), rounds=3)
