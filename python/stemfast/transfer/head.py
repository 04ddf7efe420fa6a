"""The last layer: multinomial logistic regression on standardised features."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.evaluation.metrics import fit_temperature

__all__ = ["STRENGTHS", "DecayTrial", "Head", "HeadFit", "fit_head"]

#: Inverse strengths of regularisation that are tried, from the strongest: powers of ten.
STRENGTHS = tuple(10.0**n for n in range(-6, 3))
_MAX_ITERATIONS = 1000
_PATIENCE = 3
_RESOLUTION = 1e-6  # of float32, with some room: a feature that varies less is constant

Layer = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, repr=False)
class Head:
    """A linear layer behind a standardisation.

    Attributes
    ----------
    mean, scale : ndarray, (F,) float32
        Mean and spread of each feature over the training images; 1 where it is constant.
    weights : ndarray, (F, C) float32
        One column per class.
    bias : ndarray, (C,) float32
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def __repr__(self) -> str:
        """Numbers of features and classes."""
        return f"Head({len(self.mean)} features, {len(self.bias)} classes)"

    def logits(self, features: ArrayLike) -> NDArray[np.float64]:
        """Logits (N, C) of features (N, F)."""
        table = np.asarray(features, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != len(self.mean):
            raise ValueError(f"features has shape {table.shape}, expected (N, {len(self.mean)})")
        scaled = (table - self.mean) / self.scale
        return np.asarray(scaled @ self.weights.astype(np.float64) + self.bias)


@dataclass(frozen=True)
class DecayTrial:
    """Fit of the last layer at one strength of regularisation.

    Attributes
    ----------
    c : float
        Inverse strength: the loss of all images together counts this much against half the
        squared length of the weights.
    temperature : float
        Divides the logits; makes the validation images most likely.
    validation_loss : float
        Mean surprise −ln p(truth) on the validation images, so calibrated.
    train_accuracy, validation_accuracy : float
        Shares right.
    converged : bool
        Whether the optimiser says that it arrived.
    """

    c: float
    temperature: float
    validation_loss: float
    train_accuracy: float
    validation_accuracy: float
    converged: bool


@dataclass(frozen=True)
class HeadFit:
    """The chosen last layer and how it was chosen.

    Attributes
    ----------
    head : Head
    chosen : DecayTrial
        The trial with the smallest validation loss.
    trials : tuple of DecayTrial
        All of them, from the strongest regularisation.
    notes : tuple of str
        What to know about the choice.
    """

    head: Head
    chosen: DecayTrial
    trials: tuple[DecayTrial, ...]
    notes: tuple[str, ...]


def fit_head(
    train: tuple[ArrayLike, ArrayLike],
    validation: tuple[ArrayLike, ArrayLike],
    n_classes: int,
    *,
    strengths: Sequence[float] = STRENGTHS,
) -> HeadFit:
    """Fit a last layer for each strength of regularisation; keep the best on validation images.

    The validation images choose the strength and the temperature, and nothing else; the weights
    are fitted to the training images alone. Weaker regularisation is tried until the validation
    loss has not fallen three times in a row.

    Parameters
    ----------
    train, validation : (features (N, F), labels (N,))
        Every class must occur in both.
    n_classes : int
        C, at least 2.
    strengths : sequence of float
        Values of C to try, ascending.

    Returns
    -------
    HeadFit

    Raises
    ------
    ValueError
        If a class is missing, shapes disagree, or all training images have the same features.
    """
    x, y = _checked("train", *train, n_classes)
    x_validation, y_validation = _checked("validation", *validation, n_classes)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale <= _RESOLUTION * np.abs(mean)] = 0.0
    if not scale.any():
        raise ValueError("the backbone gives every training image the same features")
    scale[scale == 0.0] = 1.0
    z, z_validation = (x - mean) / scale, (x_validation - mean) / scale

    trials: list[DecayTrial] = []
    layers: list[Layer] = []
    fitted: Any = None
    for c in strengths:
        fitted, converged = _regression(z, y, c, fitted)
        layers.append(_softmax_form(fitted.coef_, fitted.intercept_))
        trials.append(_judge(layers[-1], c, converged, (z, y), (z_validation, y_validation)))
        losses = [trial.validation_loss for trial in trials]
        if len(losses) - 1 - int(np.argmin(losses)) >= _PATIENCE:
            break
    best = int(np.argmin([trial.validation_loss for trial in trials]))
    parts = (mean, scale, *layers[best])
    head = Head(*(np.asarray(part, dtype=np.float32) for part in parts))
    return HeadFit(head, trials[best], tuple(trials), _notes(trials[best], best, strengths))


def _checked(
    name: str, features: ArrayLike, labels: ArrayLike, n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    x, y = np.asarray(features, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    if x.ndim != 2 or y.shape != (len(x),):
        raise ValueError(
            f"{name} has features {x.shape} and labels {y.shape}, expected (N, F) and (N,)"
        )
    if n_classes < 2 or set(np.unique(y).tolist()) != set(range(n_classes)):
        raise ValueError(
            f"{name} holds the classes {np.unique(y).tolist()}, expected every class of "
            f"0 … {n_classes - 1}, two at least"
        )
    return x, y


def _regression(
    z: NDArray[np.float64], y: NDArray[np.int64], c: float, start: Any
) -> tuple[Any, bool]:
    """One fit, from the solution of the next stronger regularisation."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=c, max_iter=_MAX_ITERATIONS, warm_start=True)
    if start is not None:
        model.coef_, model.intercept_ = start.coef_.copy(), start.intercept_.copy()
        model.classes_ = start.classes_
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(z, y)
    return model, not any(issubclass(w.category, ConvergenceWarning) for w in caught)


def _judge(
    layer: Layer,
    c: float,
    converged: bool,
    train: tuple[NDArray[np.float64], NDArray[np.int64]],
    validation: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> DecayTrial:
    seen, table = (z @ layer[0] + layer[1] for z in (train[0], validation[0]))
    truth = validation[1]
    temperature = fit_temperature(table, truth)
    table /= temperature
    surprise = np.logaddexp.reduce(table, axis=1) - table[np.arange(len(truth)), truth]
    return DecayTrial(
        c=c,
        temperature=temperature,
        validation_loss=float(surprise.mean()),
        train_accuracy=float((seen.argmax(axis=1) == train[1]).mean()),
        validation_accuracy=float((table.argmax(axis=1) == truth).mean()),
        converged=converged,
    )


def _softmax_form(coefficients: NDArray[np.float64], intercept: NDArray[np.float64]) -> Layer:
    """Weights (F, C) and bias (C,); scikit-learn keeps one row for two classes, a sigmoid's."""
    if len(coefficients) == 1:
        coefficients = np.concatenate([-0.5 * coefficients, 0.5 * coefficients])
        intercept = np.concatenate([-0.5 * intercept, 0.5 * intercept])
    return coefficients.T.copy(), intercept.copy()


def _notes(chosen: DecayTrial, best: int, strengths: Sequence[float]) -> tuple[str, ...]:
    notes = []
    if best == 0 and len(strengths) > 1:
        notes.append(
            f"the strongest regularisation tried (C = {chosen.c:g}) was the best: the features "
            "hardly help"
        )
    if best == len(strengths) - 1 and len(strengths) > 1:
        notes.append(
            f"the weakest regularisation tried (C = {chosen.c:g}) was the best; a weaker one "
            "might be better still"
        )
    if not chosen.converged:
        notes.append(f"the optimiser had not arrived after {_MAX_ITERATIONS} iterations")
    return tuple(notes)
