"""Accuracy and calibration of a classifier, with 95 % intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Evaluation",
    "balanced_interval",
    "calibration_error",
    "evaluate",
    "fit_temperature",
    "wilson_interval",
]

Z_95 = 1.959963984540054  # 97.5 % quantile of the standard normal distribution


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Parameters
    ----------
    correct, total : int
        Successes out of trials, 0 <= correct <= total, total at least 1.

    Returns
    -------
    tuple of float
        Lower and upper end, between 0 and 1; sensible at 0 and at `total` successes too.

    Raises
    ------
    ValueError
        If the counts are impossible.

    Examples
    --------
    >>> "{:.3f} {:.3f}".format(*wilson_interval(98, 100))
    '0.930 0.994'
    """
    if total < 1 or not 0 <= correct <= total:
        raise ValueError(f"correct = {correct} of total = {total}: expected 0 <= correct <= total")
    p = correct / total
    scale = 1.0 / (1.0 + Z_95**2 / total)
    centre = p + Z_95**2 / (2 * total)
    half = Z_95 * float(np.sqrt(p * (1 - p) / total + (Z_95 / (2 * total)) ** 2))
    return max(0.0, scale * (centre - half)), min(1.0, scale * (centre + half))


def balanced_interval(confusion: ArrayLike, *, draws: int = 20_000) -> tuple[float, float]:
    """95 % interval of the balanced accuracy, the mean of the classes' recalls.

    Each recall has the Beta posterior of a proportion under Jeffreys' prior; the interval is that
    of their mean, by Monte Carlo with a fixed seed (Brodersen et al. 2010,
    doi:10.1109/ICPR.2010.764). Unlike a bootstrap it does not collapse at 100 %.

    Parameters
    ----------
    confusion : array_like, (C, C) int
        Rows truth, columns answer; every class has at least one image.
    draws : int
        Monte Carlo draws.

    Returns
    -------
    tuple of float
    """
    matrix = np.asarray(confusion)
    hits, totals = np.diag(matrix), matrix.sum(axis=1)
    rng = np.random.default_rng(20_100_823)
    recalls = rng.beta(hits + 0.5, totals - hits + 0.5, size=(draws, len(hits)))
    low, high = np.quantile(recalls.mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def calibration_error(probabilities: ArrayLike, labels: ArrayLike, *, bins: int = 15) -> float:
    """Expected calibration error of the answers given (Guo et al. 2017, arXiv:1706.04599).

    Parameters
    ----------
    probabilities : array_like, (N, C)
        Class probabilities.
    labels : array_like, (N,) int
        True classes.
    bins : int
        Equal bins of the highest probability.

    Returns
    -------
    float
        Mean |share right − mean probability| over the bins, weighted by their numbers; 0 is
        perfectly calibrated.
    """
    table = np.asarray(probabilities, dtype=float)
    confidence = table.max(axis=1)
    right = table.argmax(axis=1) == np.asarray(labels)
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.bincount(which, weights=right - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(table))


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature that makes softmax(logits / T) most likely, found on validation images.

    The truth is taken as certain only as far as the number of images allows: probability
    (n + 1) / (n + 2) for the true class, as Platt (1999, "Probabilistic outputs for support
    vector machines") does. Without that a network that makes no mistake on n images would be
    sharpened without limit.

    Parameters
    ----------
    logits : array_like, (N, C)
        Network output.
    labels : array_like, (N,) int
        True classes.

    Returns
    -------
    float
        T between 0.05 and 20. Above 1 the network was over-confident.

    Examples
    --------
    >>> overconfident = [[8.0, 0.0], [8.0, 0.0], [8.0, 0.0], [8.0, 0.0]]
    >>> fit_temperature(overconfident, [0, 0, 0, 1]) > 1
    True
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    table, truth = np.asarray(logits, dtype=float), np.asarray(labels)
    count, classes = table.shape
    target = np.full(table.shape, 1.0 / (count + 2) / (classes - 1))
    target[np.arange(count), truth] = (count + 1) / (count + 2)

    def surprise(log_t: float) -> float:
        return float(-(target * log_softmax(table / np.exp(log_t), axis=1)).sum() / count)

    found = minimize_scalar(surprise, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return float(np.exp(found.x))


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Result of :func:`evaluate`.

    Attributes
    ----------
    class_names : tuple of str
        Names of the classes.
    confusion : ndarray, (C, C) int
        Images by true class (row) and answer (column).
    accuracy, balanced_accuracy : float
        Share of images right; mean over classes of the share right.
    accuracy_interval, balanced_interval : tuple of float
        Their 95 % intervals: :func:`wilson_interval` and :func:`balanced_interval`.
    calibration_error : float
        :func:`calibration_error` of the probabilities.
    """

    class_names: tuple[str, ...]
    confusion: NDArray[np.int64]
    accuracy: float
    accuracy_interval: tuple[float, float]
    balanced_accuracy: float
    balanced_interval: tuple[float, float]
    calibration_error: float

    @property
    def n_images(self) -> int:
        """Number of images evaluated."""
        return int(self.confusion.sum())

    def __repr__(self) -> str:
        """The figures on a few lines, as in :meth:`__str__`."""
        return str(self)

    def __str__(self) -> str:
        low, high = self.accuracy_interval
        return (
            f"{100 * self.accuracy:.1f} % of {self.n_images} images right "
            f"(95 % interval {100 * low:.1f} % to {100 * high:.1f} %)"
        )

    def to_dict(self) -> dict[str, object]:
        """The same, of plain Python types for JSON."""
        return {
            "class_names": list(self.class_names),
            "confusion": self.confusion.tolist(),
            "n_images": self.n_images,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "balanced_accuracy": self.balanced_accuracy,
            "balanced_interval": list(self.balanced_interval),
            "calibration_error": self.calibration_error,
        }


def evaluate(
    probabilities: ArrayLike, labels: ArrayLike, class_names: tuple[str, ...]
) -> Evaluation:
    """Compare answers with the truth.

    Parameters
    ----------
    probabilities : array_like, (N, C)
        Class probabilities; the answer is the most probable class.
    labels : array_like, (N,) int
        True classes 0 … C − 1; every class must occur.
    class_names : tuple of str
        C names.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If the shapes disagree, a label is out of range, a probability is not finite, or a class
        has no image.

    Examples
    --------
    >>> result = evaluate([[0.9, 0.1], [0.2, 0.8]], [0, 1], ("cube", "sphere"))
    >>> result.confusion.tolist()
    [[1, 0], [0, 1]]
    """
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix

    table, truth, classes = np.asarray(probabilities, float), np.asarray(labels), len(class_names)
    if table.shape != (len(truth), classes):
        raise ValueError(
            f"probabilities has shape {table.shape}, expected ({len(truth)}, {classes}) "
            "from labels and class_names"
        )
    if not np.isfinite(table).all():
        raise ValueError("probabilities holds NaN or infinity, expected finite numbers")
    if set(np.unique(truth).tolist()) != set(range(classes)):
        raise ValueError(
            f"labels holds the classes {np.unique(truth).tolist()}, "
            f"expected every class of 0 … {classes - 1} and no other"
        )
    answer = table.argmax(axis=1)
    matrix = np.asarray(confusion_matrix(truth, answer, labels=range(classes)), dtype=np.int64)
    return Evaluation(
        class_names=tuple(class_names),
        confusion=matrix,
        accuracy=float(accuracy_score(truth, answer)),
        accuracy_interval=wilson_interval(int(np.diag(matrix).sum()), len(truth)),
        balanced_accuracy=float(balanced_accuracy_score(truth, answer)),
        balanced_interval=balanced_interval(matrix),
        calibration_error=calibration_error(table, truth),
    )
