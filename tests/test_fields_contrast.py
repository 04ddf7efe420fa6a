"""Pictures of fields against the reference: what scatters, what is left, and the counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stemfast.fields.chance import Chance
from stemfast.fields.contrast import Depths, Optics, grain, halved, taken, white
from stemfast.reference.image import gaussian_blur
from stemfast.scattering import ScatteringCurve

PLAIN = ScatteringCurve.exponential(1.0)

SHAPE = (40, 56)
FWHM = 2.3548200450309493


def depths(seed=1):
    rng = np.random.default_rng(seed)
    y, x = np.indices(SHAPE)
    ball = 0.6 * np.sqrt(np.maximum(100.0 - (x - 20.0) ** 2 - (y - 17.0) ** 2, 0.0)) / 10.0
    support = rng.uniform(0.0, 0.3) * (x / SHAPE[1])
    film = np.full(SHAPE, 0.08)
    return Depths(*(part.astype(np.float32) for part in (ball, support, film)), PLAIN)


@pytest.mark.parametrize("probe", [0.0, 1.7, 4.0])
@pytest.mark.parametrize("bright_field", [False, True])
def test_pictures_follow_the_formula(bright_field, probe):
    own, dose = depths(), 4e6
    share = 1.0 - np.exp(-(own.particles + own.support + own.film).astype(np.float64))
    share = gaussian_blur(share, probe / FWHM) if probe else share
    expected = dose * (1.0 - share if bright_field else share)
    found = taken(Chance(1, 2), own, None, Optics(bright_field, dose, probe))
    assert found.dtype == np.float32
    score = (found - expected) / np.sqrt(expected)
    # 2240 normal numbers: beyond 5 once in 800 runs; 1e-5 of the blur is 0.01 of the noise.
    assert np.abs(score).max() < 5.0
    assert abs(score.mean()) < 4.0 / np.sqrt(score.size) + 0.02


@pytest.mark.parametrize("bright_field", [False, True])
def test_counts_are_poisson(bright_field):
    """Variance over mean of flat pictures, two-sided: false alarms once in 1000 runs."""
    flat = np.full((200, 200), 0.3, np.float32)
    nothing = np.zeros_like(flat)
    counts = taken(
        Chance(4, 1), Depths(nothing, nothing, flat, PLAIN), None, Optics(bright_field, 20, 1)
    )
    share = 1.0 - np.exp(-0.3)
    mean = 20 * (1.0 - share if bright_field else share)
    n = counts.size
    assert np.array_equal(counts, np.rint(counts))
    z = (counts.mean() - mean) / np.sqrt(mean / n)
    assert abs(z) < stats.norm.isf(0.0005)
    dispersion = ((counts - mean) ** 2).sum() / mean
    assert stats.chi2.isf(0.9995, n) * 0.98 < dispersion < stats.chi2.isf(0.0005, n) * 1.02
    # Neighbours know nothing of each other.
    left, right = counts[:, :-1].ravel(), counts[:, 1:].ravel()
    assert abs(np.corrcoef(left, right)[0, 1]) < stats.norm.isf(0.0005) / np.sqrt(len(left))


def test_no_electrons_no_counts():
    assert not taken(Chance(1, 1), depths(), None, Optics(False, 0.0, 1.0)).any()


def test_white_noise_has_unit_variance():
    noise = white(3, 4, (300, 300)).astype(np.float64)
    assert abs(noise.mean()) < 4.0 / 300
    assert abs(noise.var() - 1.0) < 4.0 * np.sqrt(2.0) / 300 + 0.003


@pytest.mark.parametrize("width", [1.2, 2.5, 6.0])
def test_grain_has_unit_variance_and_no_mean(width):
    noise = np.stack([grain(Chance(seed, 0), (256, 256), width) for seed in range(4)])
    inner = noise[:, 30:-30, 30:-30].astype(np.float64)
    patches = inner.size / (20.0 * width**2)
    assert abs(inner.var() - 1.0) < 4.0 * np.sqrt(2.0 / patches)
    assert abs(inner.mean()) < 4.0 / np.sqrt(patches)


def test_halved_averages_two_by_two():
    image = np.random.default_rng(1).random((7, 10)).astype(np.float32)
    even = np.concatenate([image, image[-1:]]).reshape(4, 2, 5, 2).mean(axis=(1, 3))
    assert np.allclose(halved(image), even, atol=1e-6)
