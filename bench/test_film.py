"""How fast a rough film comes, against noise filtered by FFT, and what it adds to an image."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import fft

import peers_image as peers
import stemfast as sf
from stemfast import _core, reference

CUT = sf.Cuboid((24, 20, 16), corners={7: sf.Truncation(0.3)})
SIZE, CORRELATION, HURST = 128, 8.0, 0.7
IMAGES = 128


def settings() -> NDArray[np.void]:
    film = np.zeros(1, _core.film_dtype)
    film["depth"], film["roughness"], film["edge_taper"] = 20.0, 1.0, -1.0
    film["correlation"], film["hurst"] = CORRELATION, HURST
    return film


def check_spectrum(fields: NDArray[np.float32], pixel: float) -> None:
    """Compare with the density between 2 % and 30 % of the highest frequency, in the middle."""
    window = np.outer(np.hanning(SIZE), np.hanning(SIZE))
    power = (np.abs(fft.fft2((fields - fields.mean()) * window)) ** 2).mean(axis=0)
    power *= pixel**2 / (window**2).sum()
    q = 2 * np.pi * np.hypot(fft.fftfreq(SIZE, pixel)[:, None], fft.fftfreq(SIZE, pixel))
    band = (q > 0.1 * np.pi / pixel) & (q < 0.3 * np.pi / pixel)
    expected = reference.roughness_density(q[band], 1.0, CORRELATION, HURST)
    assert abs((power[band] / expected).mean() - 1) < 0.1


# 0.35 nm lies well for the lattices, 0.66 nm as badly as can be.
@pytest.mark.parametrize("pixel", [0.35, 0.5, 0.66])
def test_rough_film(benchmark, race, report, pixel):
    ours, theirs = (np.empty((IMAGES, SIZE, SIZE), np.float32) for _ in range(2))
    film, rng = settings(), np.random.default_rng(1)
    spectral = peers.SpectralFilm(SIZE, pixel, 20.0, 1.0, CORRELATION, HURST)

    def stemfast() -> None:
        for i in range(IMAGES):
            ours[i] = _core.film(film, rows=SIZE, columns=SIZE, pixel_size=pixel, seed=1, index=i)

    def scipy_fft() -> None:
        for field in theirs:
            field[:] = spectral(rng)

    seconds = race({"stemfast": stemfast, "SciPy FFT": scipy_fft}, rounds=10)
    check_spectrum(ours, pixel)
    check_spectrum(theirs, pixel)
    report.rates(f"rough film 128², {pixel} nm", seconds, IMAGES)
    per_image = {name: s / IMAGES * 1e6 for name, s in seconds.items()}
    report.add(
        "  per film",
        f"{per_image['stemfast']:.0f} µs, scratch space made anew each time; "
        f"SciPy FFT {per_image['SciPy FFT']:.0f} µs",
    )
    benchmark.pedantic(stemfast, rounds=3)


@pytest.mark.parametrize("pixel", [0.35, 0.66])
def test_what_roughness_adds_to_an_image(benchmark, race, report, pixel):
    poses = sf.orientation.random(IMAGES, seed=1)
    scan = sf.Scan(shape=(SIZE, SIZE), pixel_size_nm=pixel)
    probe = sf.Probe(fwhm_nm=1.5 * 2.355 * pixel)
    smooth, rough = (
        sf.Microscope(scan=scan, probe=probe, film=sf.Film(thickness_nm=8, roughness_nm=r))
        for r in (0.0, 1.0)
    )
    out = np.empty((IMAGES, SIZE, SIZE), np.uint16)

    def chain(scope: sf.Microscope) -> None:
        sf.simulate(CUT, poses, scope, seed=1, n_threads=1, out=out)

    seconds = race({"rough": lambda: chain(rough), "smooth": lambda: chain(smooth)})
    chain(smooth)
    even = out.astype(np.float64)
    chain(rough)
    assert abs(out.mean() / even.mean() - 1) < 0.02
    assert (out != even).any(axis=(1, 2)).all()
    report.rates(f"image on a film 128², {pixel} nm", seconds, IMAGES)
    added = (seconds["rough"] - seconds["smooth"]) / IMAGES * 1e6
    report.add("  roughness adds", f"{added:.0f} µs an image")
    benchmark.pedantic(lambda: chain(rough), rounds=3)
