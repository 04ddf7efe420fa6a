"""Probe width, row jitter and dose read off images, and how far those of training reached.

A network does not tell that an image is blurred more than any that it learnt from, or taken with
fewer electrons: it answers with high probabilities, and often wrongly. The three are therefore read
off each image by a ridge regression on :func:`stemfast.pretrained.sharpness.sharpness` and its
squares, fitted to simulated images of the network's own recipe with wider ranges. An image is off
distribution where one of them is beyond what two in a thousand images like the learnt ones reach.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.pretrained.sharpness import sharpness

__all__ = ["CONDITIONS", "QUANTILE", "ImagingLimits", "fit"]

Floats = NDArray[np.float64]

#: What is read off an image. Larger is worse: of the dose it is one electron over those in a pixel.
CONDITIONS = ("probe", "row jitter", "dose")
#: Share of images like the learnt ones that a limit lets pass, for each condition.
QUANTILE = 0.998
_RIDGE = 3.0  # weight of the squared coefficients against one image's squared error
_CLIP = 5.0  # standard deviations of a coordinate
_LEAST_JITTER_PX = 0.05
_BEYOND = (
    "blurred by a probe of about {seen} px, learnt to {known} px",
    "rows shifted by about {seen} px, learnt to {known} px",
    "about {seen} electrons in a pixel of the particle, learnt from {known}",
)
_ARRAYS = ("means", "spread", "weights", "offset", "limits")


@dataclass(frozen=True, eq=False, repr=False)
class ImagingLimits:
    """Regression of imaging conditions, and their limits.

    Attributes
    ----------
    means, spread : ndarray, (F,)
        Of the coordinates of :func:`stemfast.pretrained.sharpness.sharpness` in training.
    weights : ndarray, (2F, 3)
        Coefficients of the standardised coordinates and of their squares, for log probe width
        [px], row jitter [px] and minus the log of the electrons in a pixel.
    offset : ndarray, (3,)
        The mean of each.
    limits : ndarray, (3,)
        Beyond which an image is off distribution: probe FWHM [px], row jitter [px], 1 / electrons.
    """

    means: Floats
    spread: Floats
    weights: Floats
    offset: Floats
    limits: Floats

    def __repr__(self) -> str:
        """The three limits."""
        probe, jitter, dose = self.limits
        return f"ImagingLimits(probe {probe:.3g} px, jitter {jitter:.3g} px, {1 / dose:.3g} e/px)"

    def read(self, images: ArrayLike) -> Floats:
        """Probe FWHM [px], row jitter [px] and 1 / electrons of images (N, H, W): (N, 3)."""
        return self._of(sharpness(images))

    def beyond(self, images: ArrayLike) -> Floats:
        """Each condition of images (N, H, W) over its limit, (N, 3); above 1 is beyond it."""
        return np.asarray(self.read(images) / self.limits)

    def told(self, beyond: Floats) -> tuple[str, ...]:
        """Sentences on conditions that are beyond their limits, with the median of those images.

        Parameters
        ----------
        beyond : (N, 3) ndarray
            Of :meth:`beyond`.
        """
        sentences = []
        for k, sentence in enumerate(_BEYOND):
            over = beyond[beyond[:, k] > 1.0, k]
            if len(over):
                known = float(self.limits[k])
                seen = known * float(np.median(over))
                if CONDITIONS[k] == "dose":
                    known, seen = 1.0 / known, 1.0 / seen
                told = sentence.format(seen=f"{seen:.2g}", known=f"{known:.2g}")
                sentences.append(f"{len(over)} of {len(beyond)} images: {told}")
        return tuple(sentences)

    def _of(self, coordinates: Floats) -> Floats:
        said = _terms(coordinates, self.means, self.spread) @ self.weights + self.offset
        said[:, ::2] = np.exp(said[:, ::2])
        return np.asarray(said)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays for the disk, by name, the regression rounded to float16."""
        kept = {name: getattr(self, name).astype(np.float16) for name in _ARRAYS[:-1]}
        return {**kept, "limits": self.limits}

    @classmethod
    def of_arrays(cls, arrays: dict[str, NDArray[Any]]) -> ImagingLimits:
        """Limits from the arrays of :meth:`arrays`.

        Raises
        ------
        ValueError
            If arrays are missing or do not fit together.
        """
        shapes = {name: array.shape for name, array in arrays.items()}
        length = shapes.get("means", (0,))[0] if len(shapes.get("means", ())) == 1 else 0
        wanted = ((length,), (length,), (2 * length, 3), (3,), (3,))
        if shapes != dict(zip(_ARRAYS, wanted, strict=True)) or not (arrays["limits"] > 0).all():
            raise ValueError(f"the arrays have shapes {shapes}, which do not fit together")
        return cls(**{name: arrays[name].astype(np.float64) for name in _ARRAYS})


def fit(
    known: Floats, known_truth: Floats, wide: Floats, wide_truth: Floats
) -> ImagingLimits | None:
    """Fit the regression and its limits.

    The first half of the images like the learnt ones is fitted together with those of wider
    ranges, the second half gives the limits.

    Parameters
    ----------
    known, wide : (N, F) and (M, F) ndarray
        Of :func:`stemfast.pretrained.sharpness.sharpness`: images like the learnt ones, and of
        wider ranges.
    known_truth, wide_truth : (N, 3) and (M, 3) ndarray
        Their probe FWHM [px], row jitter [px] and electrons in a pixel.

    Returns
    -------
    ImagingLimits or None
        None if the images are too few for the number of coordinates.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = np.exp(rng.uniform(-1, 1, (800, 3)))
    >>> seen = np.log(truth) @ rng.normal(size=(3, 9)) + rng.normal(0, 0.01, (800, 9))
    >>> sharp = truth[:, 0] < 1
    >>> limits = fit(seen[sharp], truth[sharp], seen[~sharp], truth[~sharp])
    >>> bool(0.9 < limits.limits[0] < 1.1)
    True
    """
    half = len(known) // 2
    table = np.concatenate([known[:half], wide])
    if len(table) < 2 * table.shape[1] or half < table.shape[1]:
        return None
    truth = np.concatenate([known_truth[:half], wide_truth])
    means, spread = table.mean(axis=0), table.std(axis=0)
    spread = np.maximum(spread, 1e-6)
    told = np.stack([np.log(truth[:, 0]), truth[:, 1], -np.log(truth[:, 2])], axis=1)
    offset = told.mean(axis=0)
    terms = _terms(table, means, spread)
    square = terms.T @ terms + _RIDGE * np.eye(terms.shape[1])
    weights = np.linalg.solve(square, terms.T @ (told - offset))
    rough = ImagingLimits(means, spread, weights, offset, np.ones(3))
    # As it will be kept on disk: the limits are those of the rounded numbers.
    rough = ImagingLimits.of_arrays(rough.arrays())
    limits = np.quantile(rough._of(known[half:]), QUANTILE, axis=0)
    limits[1] = max(limits[1], _LEAST_JITTER_PX)
    return replace(rough, limits=limits)


def _terms(coordinates: Floats, means: Floats, spread: Floats) -> Floats:
    """Standardised coordinates and their squares, (N, 2F)."""
    standard = np.clip((coordinates - means) / spread, -_CLIP, _CLIP)
    return np.concatenate([standard, standard * standard], axis=1)
