"""Prior of a particle's edges and cuts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from stemfast.recipes import Recipe

__all__ = ["Prior", "prior_of"]


@dataclass(frozen=True)
class Prior:
    """Prior of edges and cuts.

    Poses and places are even, edges even in nm or normal, cuts even within limits: their densities
    are the same for all sets of cut corners, but for the width of the limits, once for each cut.

    Parameters
    ----------
    cut : (float, float)
        Least and greatest cut fraction.
    equal_edges : bool
        Whether the three edges are one and the same.
    dose_sd : float
        Standard deviation of the logarithm of the dose; 0 if it is known.
    edge_nm : (float, float) or None
        Mean and standard deviation of each edge [nm]; None for even. Without it a fit to almost
        nothing can run away.

    Raises
    ------
    ValueError
        If the limits are not 0 < least < greatest <= 0.5, `dose_sd` is negative, or `edge_nm` is
        not positive.

    Examples
    --------
    >>> Prior(cut=(0.25, 0.5)).dose_sd
    0.0
    """

    cut: tuple[float, float] = (0.02, 0.5)
    equal_edges: bool = False
    dose_sd: float = 0.0
    edge_nm: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.cut[0] < self.cut[1] <= 0.5:
            raise ValueError(f"expected 0 < least cut < greatest cut <= 0.5, got cut={self.cut}")
        if not 0 <= self.dose_sd < np.inf:
            raise ValueError(f"dose_sd must be at least 0 and finite, got {self.dose_sd}")
        if self.edge_nm is not None and not min(self.edge_nm) > 0:
            raise ValueError(f"edge_nm must be two positive numbers, got {self.edge_nm}")


def prior_of(recipe: Recipe, *, least_cut: float | None = None) -> Prior:
    """Prior of edges and cuts from the ranges of a recipe.

    Parameters
    ----------
    recipe : Recipe
        One of corners.
    least_cut : float, optional
        Least cut fraction, where more is known than the recipe's range.

    Examples
    --------
    >>> from stemfast import recipes
    >>> prior_of(recipes.get("count", conditions="clean")).cut
    (0.25, 0.5)
    """
    settings = recipe.particle  # type: ignore[attr-defined]
    least, greatest = settings.severity
    small, large = settings.diameter_nm
    middle = (math.pi / 6) ** (1 / 3) * math.sqrt(small * large)
    least = min(least if least_cut is None else least_cut, greatest - 1e-3)
    return Prior(cut=(least, greatest), edge_nm=(middle, 0.5 * middle))
