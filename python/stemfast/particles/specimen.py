"""Several particles in one field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.arguments import vectors
from stemfast.orientation import quaternions
from stemfast.particles import Particle

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation


class Specimen:
    """Particles, each in its place and orientation.

    Thicknesses add where particles lie above one another. A particle that is meant to be partly
    another material (core and shell, a void) says so in its own bodies.

    Parameters
    ----------
    particles : sequence of Particle
        At least one.
    positions_nm : (m, 3) array_like
        x, y, z of each particle's origin, from the centre of the scan [nm].
    orientations : Rotation or None
        One for each particle, or a single one for all; None is the identity.

    Raises
    ------
    TypeError, ValueError
        If something is not a particle, or the numbers of particles, positions and orientations
        differ.

    Examples
    --------
    >>> import stemfast as sf
    >>> pair = Specimen([sf.Sphere(8), sf.Cuboid((10, 10, 6))], [(-9, 0, 0), (9, 2, 0)])
    >>> pair
    Specimen of 2 particles
    >>> sf.thickness(pair).shape
    (128, 128)
    """

    def __init__(
        self,
        particles: Sequence[Particle],
        positions_nm: ArrayLike,
        orientations: Rotation | None = None,
    ) -> None:
        self.particles: tuple[Particle, ...] = tuple(particles)
        if not self.particles:
            raise ValueError("particles is empty, expected at least one particle")
        for i, particle in enumerate(self.particles):
            if not isinstance(particle, Particle):
                raise TypeError(f"particles[{i}] must be a Particle, got {type(particle).__name__}")
        n = len(self.particles)
        self.positions_nm: NDArray[np.float64] = vectors("positions_nm", positions_nm, "nm")
        if len(self.positions_nm) != n:
            raise ValueError(
                f"positions_nm has {len(self.positions_nm)} rows, expected one for each of the "
                f"{n} particles"
            )
        q = quaternions(orientations)
        if len(q) not in (1, n):
            raise ValueError(
                f"orientations has length {len(q)}, expected 1 or one for each of the {n} particles"
            )
        self.quaternions: NDArray[np.float64] = np.ascontiguousarray(np.broadcast_to(q, (n, 4)))

    def __len__(self) -> int:
        return len(self.particles)

    def __repr__(self) -> str:
        return f"Specimen of {len(self)} particle{'s' if len(self) > 1 else ''}"
