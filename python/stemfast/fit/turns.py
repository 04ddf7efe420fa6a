"""Known rotations between the views of one particle, with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.cuboid.shape import CutCuboid

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

__all__ = ["Turns"]

Float: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Turns:
    """Known turns between the views: the pose in view k is error · rotations[k] · pose before.

    Parameters
    ----------
    rotations : Rotation
        One for each view, in the laboratory's frame.
    sd_deg : float
        Standard deviation of what each is off by, normal [degrees]; 0 if they are exact.
    axis : (3,) array_like, optional
        What the errors turn about; without it, each is off about any axis, by `sd_deg` about each
        of x, y and z.

    Raises
    ------
    ValueError
        If rotations, deviation or axis are not what they should be.

    Examples
    --------
    >>> turns = Turns.about_axis([-40, 0, 40], axis_deg=0.0, sd_deg=0.5)
    >>> len(turns), turns.errors(0).shape
    (3, (3, 1))
    """

    rotations: Rotation
    sd_deg: float = 0.0
    axis: ArrayLike | None = None

    def __post_init__(self) -> None:
        if self.rotations.single:
            raise ValueError("rotations must be one for each view, got a single one")
        if not (math.isfinite(self.sd_deg) and self.sd_deg >= 0):
            raise ValueError(f"sd_deg is {self.sd_deg}, expected a number of at least 0")
        if self.axis is not None:
            axis = np.asarray(self.axis, np.float64)
            if axis.shape != (3,) or not np.isfinite(axis).all() or not axis.any():
                raise ValueError(f"axis must be three numbers, not all 0, got {self.axis}")

    @classmethod
    def about_axis(
        cls, tilts_deg: ArrayLike, *, axis_deg: float = 0.0, sd_deg: float = 0.0
    ) -> Turns:
        """The turns of a goniometer.

        Parameters
        ----------
        tilts_deg : (K,) array_like
            Of each view [degrees].
        axis_deg : float
            Direction of the axis in the image, 0 along x (right), 90 along y (down) [degrees].
        sd_deg : float
            Standard deviation of each tilt [degrees].
        """
        from scipy.spatial.transform import Rotation

        tilts = np.asarray(tilts_deg, np.float64)
        if tilts.ndim != 1 or not len(tilts) or not np.isfinite(tilts).all():
            raise ValueError(f"tilts_deg must be finite numbers, one a view, got {tilts.tolist()}")
        turn = math.radians(axis_deg)
        axis = np.array([math.cos(turn), math.sin(turn), 0.0])
        return cls(Rotation.from_rotvec(np.radians(tilts)[:, None] * axis), sd_deg, axis)

    def __len__(self) -> int:
        return len(self.rotations)

    def errors(self, view: int) -> Float:
        """(3, n): what each of the n parameters of a view's error turns about; n is 0, 1 or 3."""
        if self.sd_deg == 0:
            return np.zeros((3, 0))
        if self.axis is None:
            return np.eye(3)
        axis = np.asarray(self.axis, np.float64)
        return np.asarray((axis / np.sqrt((axis**2).sum()))[:, None])

    def quaternion(self, view: int, before: Float, error: Float) -> Float:
        """Pose in a view (x, y, z, w).

        Parameters
        ----------
        view : int
            Which, counted from 0.
        before : (4,) float64
            Pose before the turns (x, y, z, w).
        error : (3,) float64
            Of the turn, as a rotation vector [rad].
        """
        from scipy.spatial.transform import Rotation

        turned = Rotation.from_rotvec(error) * self.rotations[view] * Rotation.from_quat(before)
        return np.asarray(turned.as_quat())

    def posed(
        self, shapes: Sequence[CutCuboid], before: Float, errors: Float | None = None
    ) -> tuple[CutCuboid, ...]:
        """Shapes at the poses that the turns make of one before them.

        Parameters
        ----------
        shapes : sequence of CutCuboid
            In each view.
        before : (4,) float64
            Pose before the turns (x, y, z, w).
        errors : (K, 3) float64, optional
            Of the turns, as rotation vectors [rad].
        """
        off = np.zeros((len(shapes), 3)) if errors is None else errors
        return tuple(
            replace(shape, quaternion=self.quaternion(view, before, off[view]))
            for view, shape in enumerate(shapes)
        )

    def before(self, shape: CutCuboid, view: int) -> Float:
        """Pose before the turns (x, y, z, w) of a particle that is seen in one of the views."""
        return np.asarray((self.rotations[view].inv() * shape.orientation()).as_quat())
