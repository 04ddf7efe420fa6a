"""The last layer: the optimum it should be, and the honesty of its choice."""

from __future__ import annotations

import numpy as np
import pytest

from stemfast.transfer import fit_head


def clouds(count, classes=3, features=5, distance=2.0, seed=0):
    """Gaussian clouds around corners of a simplex, with features of very different sizes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    x = rng.normal(size=(count, features))
    x[np.arange(count), labels] += distance
    return x * 10.0 ** (np.arange(features) % 7) + 7.0, labels


@pytest.mark.parametrize("classes", [2, 3])
def test_it_is_scikit_learns_optimum(classes):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    train, validation = clouds(300, classes), clouds(100, classes, seed=1)
    fit = fit_head(train, validation, classes, strengths=(0.03,))
    scaler = StandardScaler().fit(train[0])
    model = LogisticRegression(C=0.03, max_iter=1000).fit(scaler.transform(train[0]), train[1])
    expected = model.predict_log_proba(scaler.transform(validation[0]))
    logits = fit.head.logits(validation[0])
    got = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    np.testing.assert_allclose(got, expected, atol=2e-3)


def test_it_reaches_what_can_be_reached():
    """Two unit clouds 3 apart in each of two directions: the best possible is Φ(3/√2) = 98.3 %.

    4,000 test images: within 4.5 standard deviations, 1.2 % with what the fit loses; a false alarm
    in 10^5.
    """
    test = clouds(4000, 2, 4, 3.0, seed=3)
    fit = fit_head(clouds(2000, 2, 4, 3.0), clouds(500, 2, 4, 3.0, seed=2), 2)
    right = (fit.head.logits(test[0]).argmax(axis=1) == test[1]).mean()
    assert right == pytest.approx(0.9831, abs=0.012)


def test_the_choice_is_the_smallest_validation_loss_and_all_trials_are_told():
    fit = fit_head(clouds(60, 3, 40, 1.0), clouds(200, 3, 40, 1.0, seed=1), 3)
    losses = [trial.validation_loss for trial in fit.trials]
    assert fit.chosen is fit.trials[int(np.argmin(losses))]
    assert 0 < int(np.argmin(losses)) < len(losses) - 1
    assert [trial.c for trial in fit.trials] == sorted(trial.c for trial in fit.trials)
    assert fit.trials[-1].train_accuracy > fit.chosen.validation_accuracy  # weak: it overfits


def test_noise_is_called_noise():
    rng = np.random.default_rng(8)
    train = rng.normal(size=(100, 30)), np.arange(100) % 2
    validation = rng.normal(size=(400, 30)), np.arange(400) % 2
    fit = fit_head(train, validation, 2)
    # 400 images at chance: within 4 standard deviations of 2.5 %, a false alarm in 16,000.
    assert fit.chosen.validation_accuracy == pytest.approx(0.5, abs=0.1)
    assert fit.chosen.validation_loss == pytest.approx(np.log(2), abs=0.01)


def test_a_wide_grid_reports_its_ends():
    fit = fit_head(clouds(100), clouds(100, seed=1), 3, strengths=(1e-9, 1e-8))
    assert any("weakest regularisation tried" in note for note in fit.notes)


def test_constant_features_do_no_harm():
    train, validation = clouds(90), clouds(30, seed=1)
    pad = [
        np.column_stack([x, np.full(len(x), np.float32(0.1)), np.zeros(len(x))])
        for x, _ in (train, validation)
    ]
    fit = fit_head((pad[0], train[1]), (pad[1], validation[1]), 3, strengths=(1.0,))
    bare = fit_head(train, validation, 3, strengths=(1.0,))
    np.testing.assert_allclose(fit.head.logits(pad[1]), bare.head.logits(validation[0]), atol=1e-3)


def test_bad_input():
    x, y = clouds(30)
    with pytest.raises(ValueError, match="every training image the same features"):
        fit_head((np.ones((30, 4)), y), (np.ones((30, 4)), y), 3)
    with pytest.raises(ValueError, match=r"validation holds the classes \[0, 1\]"):
        fit_head((x, y), (x[y < 2], y[y < 2]), 3)
    with pytest.raises(ValueError, match=r"expected \(N, F\) and \(N,\)"):
        fit_head((x, y[:-1]), (x, y), 3)
    fit = fit_head((x, y), (x, y), 3, strengths=(1.0,))
    with pytest.raises(ValueError, match=r"expected \(N, 5\)"):
        fit.head.logits(x[:, :4])
