"""Interface of a kind of solids: thickness with derivatives, a prior, and symmetry.

A placement has a rotation and values: x and y of the centre, the logarithm of the diameter of the
sphere of the same volume, and proportions, which each kind has its own of
(`stemfast.fit.kinds.solids`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import compose, rotation_matrix
from stemfast.fit.cuboid.thickness import Planes, chords, chords_and_jacobian
from stemfast.orientation import quaternion_product

__all__ = ["PLACE", "Faceted", "Kind", "Placement"]

Float: TypeAlias = NDArray[np.float64]

#: Values before the proportions: x, y, logarithm of the diameter.
PLACE = 3


@dataclass(frozen=True, eq=False)
class Placement:
    """A solid somewhere.

    Attributes
    ----------
    quaternion : (4,) float64
        How it is turned (x, y, z, w).
    values : (3 + proportions,) float64
        x and y of its centre [nm], logarithm of the diameter of the sphere of its volume [nm], and
        its proportions.
    """

    quaternion: Float
    values: Float


class Kind(ABC):
    """Solids of one kind.

    Attributes
    ----------
    turns : int
        Parameters of the rotation, which come first: 3, or 0 for none.
    n_proportions : int
    mean, precision : (p,), (p, p) float64
        Of the normal distribution of proportions that fits assume.
    """

    turns: ClassVar[int]
    n_proportions: ClassVar[int]
    mean: Float
    precision: Float

    @property
    def n(self) -> int:
        """Number of parameters: turns, place, size and proportions."""
        return self.turns + PLACE + self.n_proportions

    @abstractmethod
    def thickness(self, at: Placement, x_nm: Float, y_nm: Float) -> Float:
        """Thickness along the beam at (x, y) [nm]."""

    @abstractmethod
    def thickness_and_jacobian(
        self, at: Placement, x_nm: Float, y_nm: Float
    ) -> tuple[Float, Float]:
        """The same and its derivatives by turns [nm/rad], place [1], size and proportions [nm]."""

    def moved(self, at: Placement, change: Float) -> Placement:
        """A placement after a change of all parameters."""
        turned = compose(change[:3], at.quaternion) if self.turns else at.quaternion
        return Placement(turned, at.values + change[self.turns :])

    def log_prior(self, at: Placement) -> float:
        """Logarithm of the normal density of proportions, but for its norm."""
        off = at.values[PLACE:] - self.mean
        return -0.5 * float(off @ self.precision @ off)


class Faceted(Kind):
    """Solids with plane faces.

    Attributes
    ----------
    normals : (F, 3) float64
        Unit normals of the faces of an upright one.
    group : (G, 3, 3) float64
        Rotations and reflections that map upright ones onto upright ones.
    """

    turns = 3
    normals: Float
    group: Float

    @abstractmethod
    def heights(self, values: Float) -> tuple[Float, Float]:
        """Distances (F,) of the faces, and derivatives (F, 1 + p) by size and proportions."""

    @abstractmethod
    def permuted(self, proportions: Float) -> Float:
        """Proportions (n, p) as each element of the group leaves them: (n, G, p)."""

    def turned(self, quaternions: Float) -> Float:
        """Rotations (n, G, 4) whose image is that of rotations (n, 4), see `permuted`.

        An element of the group that is a reflection h goes with one along the beam, σ: the rotation
        is σRh = (σRσ)(σh), and σ turns the axis of R about the beam by half a circle.
        """
        proper, mirror = self._turns
        seen = quaternions * np.where(mirror[:, None], [-1.0, -1.0, 1.0, 1.0], 1.0)[:, None]
        product = quaternion_product(seen, proper[:, None])
        return np.asarray(np.swapaxes(product, 0, 1))

    @cached_property
    def _turns(self) -> tuple[Float, NDArray[np.bool_]]:
        """Quaternions (G, 4) of each element h or of σh, and which are σh."""
        from scipy.spatial.transform import Rotation

        mirror = np.linalg.det(self.group) < 0
        matrices = self.group.copy()
        matrices[mirror, 2] *= -1.0
        return Rotation.from_matrix(matrices).as_quat(), mirror

    def _planes(self, at: Placement) -> Planes:
        matrix = rotation_matrix(at.quaternion)
        normals = self.normals @ matrix.T
        heights, slopes = self.heights(at.values)
        place = at.values[:2]
        d_normals = np.zeros((len(normals), self.n, 3))
        d_heights = np.zeros((len(normals), self.n))
        for k in range(3):
            d_normals[:, k] = np.cross(np.eye(3)[k], normals)
        d_heights[:, 3:5] = normals[:, :2]
        d_heights[:, 5:] = slopes
        d_heights += d_normals[:, :, :2] @ place
        return normals, heights + normals[:, :2] @ place, d_normals, d_heights

    def thickness(self, at: Placement, x_nm: Float, y_nm: Float) -> Float:
        """Thickness along the beam at (x, y) [nm]."""
        normals = self.normals @ rotation_matrix(at.quaternion).T
        heights = self.heights(at.values)[0] + normals[:, :2] @ at.values[:2]
        return chords(normals, heights, x_nm, y_nm)

    def thickness_and_jacobian(
        self, at: Placement, x_nm: Float, y_nm: Float
    ) -> tuple[Float, Float]:
        """The same and its derivatives by all parameters."""
        return chords_and_jacobian(self._planes(at), x_nm, y_nm)
