"""Cuboid with cut corners, its position and its orientation: the variables of a fit."""

from __future__ import annotations

import math
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
_LENGTHS = (("edges_nm", 3), ("cuts", CORNERS), ("quaternion", 4), ("position_nm", 2))


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
        # Plain numbers: a climb makes a shape a step, and NumPy is slow with so few of them.
        edges, cuts, _, _ = (self._numbers(*one) for one in _LENGTHS)
        if min(edges) <= 0:
            raise ValueError(f"edges_nm must be positive, got {edges}")
        if min(cuts) < 0 or max(cuts) > 0.5:
            raise ValueError(f"cuts must be from 0 to 0.5, got {cuts}")
        norm = math.sqrt(sum(part * part for part in self.quaternion.tolist()))
        if norm == 0.0:
            raise ValueError("quaternion must not be zero")
        object.__setattr__(self, "quaternion", self.quaternion / norm)

    def _numbers(self, name: str, length: int) -> list[float]:
        """The numbers of a field, once it is an array of finite ones of this length."""
        values = np.array(getattr(self, name), np.float64)
        numbers: list[float] = values.tolist()
        if values.shape != (length,) or not all(map(math.isfinite, numbers)):
            raise ValueError(f"{name} must be {length} finite numbers, got {numbers}")
        object.__setattr__(self, name, values)
        return numbers

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
    angle = math.sqrt(sum(part * part for part in turn.tolist()))
    half = 0.5 * angle
    share = 0.5 if angle < 1e-9 else math.sin(half) / angle
    px, py, pz = (share * turn).tolist()
    pw = math.cos(half)
    qx, qy, qz, qw = quaternion.tolist()
    x = pw * qx + px * qw + py * qz - pz * qy
    y = pw * qy - px * qz + py * qw + pz * qx
    z = pw * qz + px * qy - py * qx + pz * qw
    w = pw * qw - px * qx - py * qy - pz * qz
    return np.array([x, y, z, w]) / math.sqrt(x * x + y * y + z * z + w * w)


MASKS = 256
