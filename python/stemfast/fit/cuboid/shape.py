"""Cuboid with cut corners, its position and its orientation: the variables of a fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.particles import Cuboid, Truncation

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

    from stemfast.particles import Particle

__all__ = ["CORNERS", "CutCuboid", "compose", "rotation_matrix"]

Float: TypeAlias = NDArray[np.float64]

CORNERS = 8


@dataclass(frozen=True, eq=False)
class CutCuboid:
    """A cuboid with cut corners at a pose.

    Attributes
    ----------
    edges_nm : (3,) float64
        Along the cuboid's own x, y and z [nm].
    cuts : (8,) float64
        How far from each corner a plane cuts its three edges, as a fraction of their lengths, at
        most 0.5; 0 leaves the corner whole.
    quaternion : (4,) float64
        Orientation (x, y, z, w).
    position_nm : (2,) float64
        x and y of its centre from the centre of the scan [nm].
    material : str
        What it is made of.

    Examples
    --------
    >>> from scipy.spatial.transform import Rotation
    >>> particle = Cuboid(edges=(14, 12, 10), corners={7: Truncation(0.3)})
    >>> shape = CutCuboid.of(particle, Rotation.identity())
    >>> shape.mask, shape.cuts[7].item()
    (128, 0.3)
    >>> shape.particle() == particle
    True
    """

    edges_nm: Float
    cuts: Float
    quaternion: Float
    position_nm: Float
    material: str = "Au"

    def __post_init__(self) -> None:
        lengths = {"edges_nm": 3, "cuts": CORNERS, "quaternion": 4, "position_nm": 2}
        for name, length in lengths.items():
            values = np.array(getattr(self, name), np.float64)
            if values.shape != (length,) or not np.isfinite(values).all():
                raise ValueError(f"{name} must be {length} finite numbers, got {values.tolist()}")
            object.__setattr__(self, name, values)
        if (self.edges_nm <= 0).any():
            raise ValueError(f"edges_nm must be positive, got {self.edges_nm.tolist()}")
        if (self.cuts < 0).any() or (self.cuts > 0.5).any():
            raise ValueError(f"cuts must be from 0 to 0.5, got {self.cuts.tolist()}")
        norm = float(np.sqrt((self.quaternion**2).sum()))
        if norm == 0.0:
            raise ValueError("quaternion must not be zero")
        object.__setattr__(self, "quaternion", self.quaternion / norm)

    @classmethod
    def of(
        cls, particle: Particle, orientation: Rotation, position_nm: ArrayLike = (0.0, 0.0)
    ) -> Self:
        """The same of a particle.

        Parameters
        ----------
        particle : Particle
        orientation : Rotation
        position_nm : array_like
            x and y of its centre [nm]; z does not matter.

        Raises
        ------
        TypeError
            If it is not a cuboid whose corners are whole or cut alike along their three edges.
        """
        if not isinstance(particle, Cuboid):
            raise TypeError(f"expected a Cuboid, got {particle!r}")
        cuts = np.zeros(CORNERS)
        for corner, edit in particle.corners.items():
            fractions = edit.fractions if isinstance(edit, Truncation) else None
            if fractions is None or len(set(fractions)) > 1:
                raise TypeError(
                    f"expected corners cut at one fraction of their edges, got {corner}: {edit!r}"
                )
            cuts[corner] = fractions[0]
        return cls(
            np.array(particle.edges),
            cuts,
            orientation.as_quat(),
            np.asarray(position_nm, np.float64)[:2],
            str(particle.material),
        )

    @property
    def mask(self) -> int:
        """The cut corners as 8 bits."""
        return sum(1 << corner for corner in np.flatnonzero(self.cuts > 0).tolist())

    def particle(self) -> Cuboid:
        """The same as a particle."""
        cuts = {c: Truncation(f) for c, f in enumerate(self.cuts.tolist()) if f > 0}
        a, b, c = self.edges_nm.tolist()
        return Cuboid((a, b, c), corners=cuts, material=self.material)

    def orientation(self) -> Rotation:
        """Its orientation as SciPy's rotation."""
        from scipy.spatial.transform import Rotation

        return Rotation.from_quat(self.quaternion)

    def moved(self, turn: Float, position: Float, edges: Float, cuts: Float) -> CutCuboid:
        """A copy turned further, the rest set anew.

        Parameters
        ----------
        turn : (3,) float64
            Rotation vector [rad].
        position, edges, cuts : float64
            As those of the particle.
        """
        return replace(
            self,
            quaternion=compose(turn, self.quaternion),
            position_nm=position,
            edges_nm=edges,
            cuts=cuts,
        )

    @property
    def volume_nm3(self) -> float:
        """Volume [nm^3]."""
        return float(self.edges_nm.prod() * (1.0 - (self.cuts**3).sum() / 6.0))


def rotation_matrix(quaternion: Float) -> Float:
    """Rotation matrix of a unit quaternion (x, y, z, w).

    Examples
    --------
    >>> rotation_matrix(np.array([0.0, 0.0, 1.0, 0.0])).diagonal().tolist()
    [-1.0, -1.0, 1.0]
    """
    x, y, z, w = quaternion.tolist()
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def compose(turn: Float, quaternion: Float) -> Float:
    """The quaternion that turns by `quaternion` first, then by a rotation vector [rad].

    Examples
    --------
    >>> compose(np.array([0.0, 0.0, np.pi]), np.array([0.0, 0.0, 0.0, 1.0])).round(12).tolist()
    [0.0, 0.0, 1.0, 0.0]
    """
    angle = float(np.sqrt((turn**2).sum()))
    half = 0.5 * angle
    share = 0.5 if angle < 1e-9 else float(np.sin(half)) / angle
    px, py, pz = (share * turn).tolist()
    pw = float(np.cos(half))
    qx, qy, qz, qw = quaternion.tolist()
    product = np.array(
        [
            pw * qx + px * qw + py * qz - pz * qy,
            pw * qy - px * qz + py * qw + pz * qx,
            pw * qz + px * qy - py * qx + pz * qw,
            pw * qw - px * qx - py * qy - pz * qz,
        ]
    )
    return np.asarray(product / np.sqrt((product**2).sum()))


MASKS = 256
