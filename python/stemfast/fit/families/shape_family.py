"""Interface of a family of shapes: thickness with derivatives, symmetry, and measures.

The parameters of every family are lengths in nm that are not negative; each shape that they give
belongs to the family.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import compose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scipy.spatial.transform import Rotation

    from stemfast.fit.image.likelihood import Observation
    from stemfast.microscope import Microscope
    from stemfast.particles import Particle

__all__ = ["Placed", "ShapeFamily"]

Float: TypeAlias = NDArray[np.float64]

#: Parameters before the sizes: rotation vector, x, y.
POSE = 5


@dataclass(frozen=True, eq=False)
class Placed:
    """A member of a family at a pose.

    Attributes
    ----------
    sizes_nm : (P,) float64
        Parameters of the family [nm].
    quaternion : (4,) float64
        Orientation (x, y, z, w).
    position_nm : (2,) float64
        x and y of its origin from the centre of the scan [nm].
    """

    sizes_nm: Float
    quaternion: Float
    position_nm: Float

    def orientation(self) -> Rotation:
        """Its orientation as SciPy's rotation."""
        from scipy.spatial.transform import Rotation

        return Rotation.from_quat(self.quaternion)

    def moved(self, turn: Float, position_nm: Float, sizes_nm: Float) -> Placed:
        """The same turned a little further, at another place, of other sizes.

        Parameters
        ----------
        turn : (3,) float64
            Rotation vector in the laboratory's frame [rad].
        position_nm, sizes_nm : (2,), (P,) float64
            Of the result.
        """
        return replace(
            self,
            sizes_nm=sizes_nm,
            quaternion=compose(turn, self.quaternion),
            position_nm=position_nm,
        )


class ShapeFamily(ABC):
    """Shapes of one family.

    Attributes
    ----------
    name : str
    parameters : tuple of str
        Names of its parameters, lengths of at least 0 [nm].
    group : (G, 3, 3) float64
        Rotations and reflections that leave every member as it is.
    relabellings : tuple of ((3, 3) float64, (P,) int64)
        Rotations and reflections that make another member of one, and the parameters of that:
        ``sizes[order]``. The first leaves all as it is.
    flat : tuple of int
        Parameters at 0 of which images have no slope, as of a core that only just appears.
    """

    name: str
    parameters: tuple[str, ...]
    group: Float
    relabellings: tuple[tuple[Float, NDArray[np.intp]], ...]
    flat: tuple[int, ...] = ()

    @property
    def n(self) -> int:
        """Number of parameters."""
        return len(self.parameters)

    @property
    def outer(self) -> ShapeFamily:
        """Family of the outer surface: itself, where nothing is inside."""
        return self

    @property
    def chiral(self) -> bool:
        """True if no reflection leaves the members as they are."""
        return not bool((np.linalg.det(self.group) < 0).any())

    def copies(self, *, turned: bool) -> float:
        """Number of poses that look the same in one image, or, of known turns, in all.

        Parameters
        ----------
        turned : bool
            Whether the turns between the views are known, so that reflections do not count.
        """
        if turned:
            return float((np.linalg.det(self.group) > 0).sum())
        return len(self.group) * (2.0 if self.chiral else 1.0)

    def holds(self, other: ShapeFamily) -> bool:
        """True if the members of another family are known to be members of this one, axes alike.

        Parameters
        ----------
        other : ShapeFamily
        """
        return other is self

    def under(self, microscopes: Sequence[Microscope], material: str) -> ShapeFamily:
        """The same as microscopes see it in a material; of one material it looks always alike."""
        return self

    def seen(self, observation: Observation) -> Observation:
        """An observation as one of this family's members, which may hold other materials."""
        return observation

    def highest(self, sizes_nm: Float, limit_nm: float) -> Float:
        """Largest value of each size (P,) beside the others, where none exceeds a limit [nm]."""
        return np.full(self.n, limit_nm)

    def seen_volume(self, sizes_nm: Float) -> float:
        """Volume that a member's brightness tells [nm³]."""
        return self.measures(sizes_nm)["volume"]

    def inside(self, sizes_nm: Float) -> dict[str, float]:
        """Sizes [nm] and volumes [nm³] of what is inside a member, by name; empty if nothing is."""
        return {}

    @abstractmethod
    def thickness(self, at: Placed, x_nm: Float, y_nm: Float) -> Float:
        """Thickness along the beam at (x, y) [nm], in the shape of x_nm."""

    @abstractmethod
    def thickness_and_jacobian(self, at: Placed, x_nm: Float, y_nm: Float) -> tuple[Float, Float]:
        """The same and its derivatives: by a further turn [nm/rad], the place and the sizes [1]."""

    @abstractmethod
    def measures(self, sizes_nm: Float) -> dict[str, float]:
        """Volume [nm³], surface [nm²], areas by type [nm²] and edges [nm] of a member."""

    @abstractmethod
    def particle(self, sizes_nm: Float, material: str = "Au") -> Particle:
        """A member as a particle."""

    @abstractmethod
    def shapes(self) -> Float:
        """Sizes (m, P) of members of `seen_volume` 1 nm³ that stand for all, to start fits from."""
