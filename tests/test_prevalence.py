"""Corrected shares: exact where the answer is known, and intervals that cover."""

from __future__ import annotations

import numpy as np
import pytest

from stemfast.populations import prevalence

# What `deformed`, which comes along, did on 10,000 test images.
DEFORMED = np.array([[4979, 21], [109, 4891]])


def batch(rng, shares, rates, n):
    """Names that a classifier of these rates gives to n particles, and the true numbers."""
    truth = rng.multinomial(n, shares)
    return sum(rng.multinomial(m, rate) for m, rate in zip(truth, rates, strict=True)), truth


def test_expected_counts_give_the_true_shares_back():
    confusion = np.array([[90, 8, 2], [10, 170, 20], [5, 5, 390]])
    shares = np.array([0.5, 0.3, 0.2])
    seen = shares @ (confusion / confusion.sum(axis=1, keepdims=True))
    answer = prevalence(np.round(1e6 * seen), confusion)
    np.testing.assert_allclose(answer.shares, shares, atol=2e-6)
    assert np.all((answer.low < shares) & (shares < answer.high))
    np.testing.assert_allclose(answer.draws.sum(axis=1), 1.0)
    assert answer.corrected


def test_without_a_confusion_the_counts_stand():
    answer = prevalence([30, 70])
    np.testing.assert_array_equal(answer.shares, [0.3, 0.7])
    assert not answer.corrected
    # Jeffreys' interval of 30 in 100 (Brown, Cai and DasGupta 2001, table of the Beta quantiles).
    assert (answer.low[0], answer.high[0]) == pytest.approx((0.2164, 0.3940), abs=0.006)


def test_shares_stay_within_0_and_1():
    few = prevalence([998, 2], DEFORMED)  # fewer than the classifier's mistakes alone would give
    assert few.shares[1] == pytest.approx(0.0, abs=1e-6)
    assert few.low[1] == 0.0
    assert 0.0 < few.high[1] < 0.01
    assert few.draws.min() >= 0.0


def test_a_classifier_that_guesses_tells_nothing():
    answer = prevalence([60, 40], [[50, 50], [50, 50]])
    assert np.all(np.isfinite(answer.shares))
    assert answer.low[0] < 0.1
    assert answer.high[0] > 0.9


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("n", [100, 400, 20_000])
def test_intervals_cover_and_are_hardly_wider_than_those_of_perfect_labels(share, n):
    """Of 100 batches 90 to 99 (chance: an interval of 95 % misses that in about 3 of 100 seeds)."""
    rng = np.random.default_rng([12, n])
    rates = DEFORMED / DEFORMED.sum(axis=1, keepdims=True)
    covered, widths, perfect = 0, [], []
    for _ in range(100):
        card = np.stack([rng.multinomial(5000, rate) for rate in rates])  # another test
        seen, truth = batch(rng, [1 - share, share], rates, n)
        answer, known = prevalence(seen, card), prevalence(truth)
        covered += answer.low[1] <= share <= answer.high[1]
        widths.append(answer.high[1] - answer.low[1])
        perfect.append(known.high[1] - known.low[1])
    assert 90 <= covered <= 99
    assert np.mean(widths) < 2.0 * np.mean(perfect)


def test_intervals_of_many_classes_cover():
    """15 classes, 8 of them absent, and 8 % mistakes: at least 93 % on their average."""
    rng = np.random.default_rng(3)
    shares = np.array([0.4, 0.2, 0.15, 0.1, 0.1, 0.03, 0.02, *[0.0] * 8])
    rates = 0.92 * np.eye(15) + 0.08 * rng.dirichlet(np.full(15, 0.3), 15)
    covered = np.zeros(15)
    for _ in range(20):
        card = np.stack([rng.multinomial(700, rate) for rate in rates])
        answer = prevalence(batch(rng, shares, rates, 500)[0], card)
        covered += (answer.low <= shares) & (shares <= answer.high)
    assert covered.mean() >= 0.93 * 20
    assert covered.min() >= 15


def test_the_mean_number_follows_the_shares():
    mean, low, high = prevalence([100, 0, 300], [[99, 1, 0], [1, 98, 1], [0, 1, 99]]).mean_of(
        [0, 1, 2]
    )
    assert low < mean < high
    assert mean == pytest.approx(1.5, abs=0.02)


@pytest.mark.parametrize(
    ("counts", "confusion", "match"),
    [
        ([0, 0], None, "not all 0"),
        ([5], None, "at least two"),
        ([1.5, 2], None, "whole numbers"),
        ([-1, 2], None, "whole numbers"),
        ([np.nan, 2], None, "whole numbers"),
        ([1, 2], [[1, 2, 3]], r"expected \(2, 2\)"),
        ([1, 2], [[1, 2], [0, 0]], r"no test image of the classes \[1\]"),
    ],
)
def test_impossible_counts_are_refused(counts, confusion, match):
    with pytest.raises(ValueError, match=match):
        prevalence(counts, confusion)


def test_the_share_of_all_but_one_class_is_what_that_one_leaves():
    answer = prevalence([40, 50, 30], [[99, 1, 0], [1, 98, 1], [0, 1, 99]])
    share, low, high = answer.all_but(0)
    assert (share, high) == (1.0 - answer.shares[0], 1.0 - answer.low[0])
    assert low == 1.0 - answer.high[0]
    few = prevalence([500, 0, 0])
    assert few.all_but(0)[:2] == (0.0, 0.0)
    assert 0.0 < few.all_but(0)[2] < 0.01
