"""One particle in several images.  (Being written: the interface.)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid import CutCuboid
from stemfast.fit.likelihood import Observation
from stemfast.fit.prior import Prior
from stemfast.microscope import Microscope

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

Float: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Turns:
    """How the views are turned against each other: pose_k = error_k * rotations[k] * base."""

    rotations: Rotation
    sd_deg: float = 0.0
    axis: ArrayLike | None = None  # of the errors; None: about any


@dataclass(frozen=True, eq=False)
class Goodness:
    """How well a model explains an image: chi2 against expected ± sd; misfit; p."""

    chi2: float
    expected: float
    sd: float
    misfit: float  # share of the particle's signal that neither model nor noise explains (rms)
    p_value: float  # of so bad a fit if the model were right but for `tolerance`
    explained: bool


@dataclass(frozen=True, eq=False)
class RefinedViews:
    """One particle fitted to K images."""

    shapes: tuple[CutCuboid, ...]  # one a view: same edges and cuts, own pose and place
    names: tuple[str, ...]  # shared parameters: edges, then cuts of the cut corners
    covariance: Float  # of these
    pose_errors_rad: Float  # (K, 3)
    place_errors_nm: Float  # (K, 2)
    turn_errors_rad: Float  # (K, 3) fitted deviation from the given turns
    log_likelihood: float
    log_evidence: float
    goodness: tuple[Goodness, ...]
    electrons: tuple[Float, ...]  # expected, of each observation's pixels
    converged: bool
    # properties: shape (of the first view), mask, edge_errors_nm (3,), cut_errors (8,),
    # volume_nm3, volume_error_nm3


@dataclass(frozen=True, eq=False)
class ViewsComparison:
    """Masks compared over K images; like `Comparison`: fits, best, probabilities(class, n).

    With turns, a mirror twin is one more rival of each mask (key = its own mask in the axes of the
    first idea's mirror image); `hand_probability` is that of the first idea's hand.
    """


def refine_views(
    observations: Sequence[Observation],
    start: CutCuboid | Sequence[CutCuboid],
    mask: int | None = None,
    *,
    prior: Prior | None = None,
    turns: Turns | None = None,
) -> RefinedViews:
    """Fit one particle to several images. start: one (with turns: the pose before them) or K."""
    raise NotImplementedError


def propose_views(
    images: Sequence[ArrayLike],
    microscopes: Sequence[Microscope],
    *,
    material: str = "Au",
    prior: Prior | None = None,
    turns: Turns | None = None,
) -> list[tuple[CutCuboid, ...]]:
    """Starts for `refine_views` from K images alone: each K shapes, the most likely first."""
    raise NotImplementedError


def search_views(
    observations: Sequence[Observation],
    start: CutCuboid | Sequence[CutCuboid],
    *,
    log_prior: ArrayLike,
    prior: Prior,
    elsewhere: bool = False,
    turns: Turns | None = None,
) -> ViewsComparison:
    """Compare sets of cut corners, and with turns mirror images, over K images."""
    raise NotImplementedError
