"""Shot noise against NumPy's: the same distribution, both exact."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stemfast import _core

SAMPLES = 1 << 18


@pytest.mark.parametrize("mean", [0.5, 1, 10, 100, 1000, 10_000])
def test_poisson(benchmark, race, report, mean):
    means = np.full(SAMPLES, mean, np.float32)
    numpy = np.random.default_rng(1)

    def stemfast() -> np.ndarray:
        return _core.poisson(means, seed=1, index=0)

    seconds = race({"stemfast": stemfast, "NumPy": lambda: numpy.poisson(mean, SAMPLES)}, rounds=8)
    for counts in (stemfast(), numpy.poisson(mean, SAMPLES)):
        # Five standard errors of mean and variance: both are the distribution they say.
        assert abs(counts.mean() - mean) < 5 * np.sqrt(mean / SAMPLES)
        assert abs(counts.var() - mean) < 5 * np.sqrt((mean + 2 * mean**2) / SAMPLES)
        assert counts.max() <= stats.poisson.isf(1e-12, mean)
    report.rates(f"Poisson, mean {mean:g}", seconds, SAMPLES, "counts/s")
    report.add(f"  mean {mean:g}", f"{seconds['stemfast'] / SAMPLES * 1e9:.1f} ns a count")
    benchmark.pedantic(stemfast, rounds=5)
