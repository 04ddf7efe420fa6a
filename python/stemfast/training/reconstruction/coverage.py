"""Coverage of a ground-truth network's error bars, and the error of its severities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemfast.models.corner_evidence import symmetry
from stemfast.models.reconstructor import Answer
from stemfast.training.reconstruction.loss import Targets

__all__ = ["coverage_of", "deviations", "severity_errors"]

Floats = NDArray[np.float64]
_LOG_SD_RANGE = (-6.0, 3.0)  # as answers are told
_LIMITS = {"one error bar": 1.0, "two error bars": 2.0}


def severity_errors(
    answer: Answer, truth: Targets, *, handed: bool
) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Severities of deformed corners less the true ones, for particles whose corners are right.

    Axes are named so that answer and truth agree best; where the hand is not known, mirror images
    count as one.

    Returns
    -------
    off, sd : (M,) float64
        Of M corners, as fractions of the edges.
    particle : (M,) int
        Whose they are.
    """
    own = symmetry()
    names = own.permutations if not handed else own.rotation_permutations
    said = np.asarray(answer.severity, np.float64)[:, names]  # (B, name, 8)
    sd = np.exp(np.clip(np.asarray(answer.severity_sd, np.float64), *_LOG_SD_RANGE))[:, names]
    wanted = np.asarray(truth.severity, np.float64)[:, None, :]
    agrees = ((said > 0) == (wanted > 0)).all(axis=2)
    square = np.where(agrees, np.square(said - wanted).sum(axis=2), np.inf)
    best = square.argmin(axis=1)
    right = agrees.any(axis=1)[:, None] & (wanted[:, 0] > 0)
    rows = np.arange(len(said))
    off = (said[rows, best] - wanted[:, 0])[right]
    return off, sd[rows, best][right], np.nonzero(right)[0].astype(np.intp)


def deviations(
    answer: Answer, truth: Targets, *, handed: bool
) -> dict[str, tuple[Floats, NDArray[np.intp]]]:
    """Errors of edges, volumes and severities in error bars, and their particles."""

    def in_error_bars(name: str, log_sd: str) -> Floats:
        off = np.asarray(getattr(answer, name), np.float64) - getattr(truth, name)
        sd = np.exp(np.clip(np.asarray(getattr(answer, log_sd), np.float64), *_LOG_SD_RANGE))
        return np.asarray(off / sd)

    edges = in_error_bars("log_edges", "log_edges_sd")
    whose = np.repeat(np.arange(len(edges)), edges.shape[1])
    off, sd, owner = severity_errors(answer, truth, handed=handed)
    volume = in_error_bars("log_volume", "log_volume_sd")
    return {
        "edges": (edges.reshape(-1), whose),
        "volume": (volume, np.arange(len(volume))),
        "severity": (off / sd, owner),
    }


def coverage_of(answer: Answer, truth: Targets, *, handed: bool) -> dict[str, dict[str, Any]]:
    """Shares within one and two error bars, and the rms error of severities.

    Of a normal distribution 68.3 % lie within one standard deviation and 95.4 % within two.
    Severities are those of deformed corners of particles whose corners were read right, as
    fractions of the edges. Intervals count particles: the values of one depend on each other.

    Parameters
    ----------
    answer : Answer
        Of N particles.
    truth : Targets
        Theirs.
    handed : bool
        Whether the images could tell mirror images apart.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, (deviation, whose) in deviations(answer, truth, handed=handed).items():
        if not len(deviation):
            continue
        for words, limit in _LIMITS.items():
            found[f"{name} within {words}"] = _share(np.abs(deviation) < limit, whose)
    off, _, whose = severity_errors(answer, truth, handed=handed)
    if len(off):
        error = _standard_error(np.square(off), whose)
        mean = float(np.square(off).mean())
        ends = [max(mean - 1.96 * error, 0.0), mean + 1.96 * error]
        found["severity"] = {
            "rms": float(np.sqrt(mean)),
            "interval": np.sqrt(ends).tolist(),
            "of": len(np.unique(whose)),
        }
    return found


def _share(inside: NDArray[np.bool_], whose: NDArray[np.intp]) -> dict[str, Any]:
    share, error = float(inside.mean()), _standard_error(inside.astype(np.float64), whose)
    ends = [max(share - 1.96 * error, 0.0), min(share + 1.96 * error, 1.0)]
    return {"share": share, "interval": ends, "of": len(np.unique(whose))}


def _standard_error(values: Floats, whose: NDArray[np.intp]) -> float:
    """Of the mean of values that come in groups."""
    groups = np.bincount(whose, weights=values - values.mean())
    return float(np.sqrt(np.square(groups).sum()) / len(values))
