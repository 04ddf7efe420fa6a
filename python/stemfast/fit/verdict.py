"""What the ideal observer says of an image."""

from __future__ import annotations

from dataclasses import dataclass

from stemfast.studies.record import Entry

__all__ = ["Verdict"]


@dataclass(frozen=True)
class Verdict(Entry):
    """What the observer says of one image; see `Entry` for its answer.

    Attributes
    ----------
    mask, best_mask : int
        The true corners, and the most probable ones; 0 where the task is not one of corners.
    fits : int
        Sets of corners that were fitted, or maxima of solids that were found.
    deviance_per_pixel : float
        Of the fit of the true corners or the true solid.
    seconds : float
        It took.
    """

    mask: int
    best_mask: int
    fits: int
    deviance_per_pixel: float
    seconds: float
