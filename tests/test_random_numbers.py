"""The counter-based generator against its published answers, the reference and statistics."""

import numpy as np
import pytest
from scipy import stats

from stemfast import _core, draws, reference


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # the known answers distributed with the authors' Random123
        ([0] * 4, 0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([2**32 - 1] * 4, 2**64 - 1, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            0x299F31D0_A4093822,
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_published_answers(counter, key, expected):
    assert list(_core.philox(counter, key)) == expected
    assert reference.philox(counter, [key & 0xFFFFFFFF, key >> 32]) == expected


def test_draws_equal_the_reference():
    indices = [0, 7, 2**33 + 1]
    drawn = draws.uniform(2**50 + 3, indices, stage=5, n=7)
    for row, index in zip(drawn, indices, strict=True):
        assert row.tolist() == reference.uniforms(2**50 + 3, index, 5, 7)


def test_draws_do_not_depend_on_company():
    together = draws.uniform(1, np.arange(100), stage=2, n=6)
    assert (draws.uniform(1, [41], stage=2, n=6)[0] == together[41]).all()
    assert (draws.uniform(1, [41], stage=2, n=4)[0] == together[41, :4]).all()


def test_draws_are_uniform_and_independent():
    # Kolmogorov-Smirnov on the pooled numbers and z-scores of four correlations; all two-sided.
    # False alarm: 0.1 % for the first, 5 × 5.7e-7 for the correlations (5 sigma).
    x = draws.uniform(9, np.arange(50_000), stage=0, n=2)
    y = draws.uniform(9, np.arange(50_000), stage=1, n=2)
    z = draws.uniform(10, np.arange(50_000), stage=0, n=2)
    p = stats.kstest(x.ravel(), "uniform").pvalue
    assert 5e-4 < p < 1 - 5e-4
    for a, b in [(x[:, 0], x[:, 1]), (x[1:, 0], x[:-1, 0]), (x[:, 0], y[:, 0]), (x[:, 0], z[:, 0])]:
        score = np.corrcoef(a, b)[0, 1] * np.sqrt(len(a))
        assert abs(score) < 5


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((-1, [0], 0, 1), ValueError, "seed must be from 0"),
        ((1.5, [0], 0, 1), TypeError, "seed must be a whole number, got 1.5"),
        ((2**64, [0], 0, 1), ValueError, "seed must be from 0"),
        ((0, [-1], 0, 1), ValueError, "indices must not be negative, got -1"),
        ((0, [0.5], 0, 1), TypeError, "indices must be whole numbers"),
        ((0, [0], 70_000, 1), ValueError, "stage must be from 0 to 65279"),
        ((0, [0], 0, -1), ValueError, "n must be from 0"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        draws.uniform(*arguments)
