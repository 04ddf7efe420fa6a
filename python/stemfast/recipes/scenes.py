"""What a recipe gives: scenes ready to simulate, their labels, and everything drawn for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

    from stemfast.microscope import Microscope
    from stemfast.particles import Particle

__all__ = ["Scenes"]


@dataclass(frozen=True)
class Scenes:
    """Scenes [start, start + N) of one recipe and seed.

    Attributes
    ----------
    seed, start : int
        Seed, and index of the first scene. Both also key the noise of the images.
    class_names : tuple of str
        Meaning of the labels.
    labels : ndarray, (N,) int64
        Class of each scene.
    particles : tuple of Particle
        N particles.
    orientations : Rotation
        N orientations.
    positions_nm : ndarray, (N, 3)
        Positions about the centre of the scan [nm].
    microscopes : tuple of Microscope
        N microscopes of one scan shape.
    columns : dict of str to ndarray, (N, ...)
        Everything drawn, by name with its unit.
    """

    seed: int
    start: int
    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    particles: tuple[Particle, ...]
    orientations: Rotation
    positions_nm: NDArray[np.float64]
    microscopes: tuple[Microscope, ...]
    columns: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.labels)

    def simulate(self, n_threads: int = 0) -> NDArray[Any]:
        """The images (N, H, W); the same bits for any `n_threads` (0 means all cores)."""
        from stemfast.simulate import simulate

        return simulate(
            self.particles,
            self.orientations,
            self.microscopes,
            seed=self.seed,
            first_index=self.start,
            positions_nm=self.positions_nm,
            n_threads=n_threads,
        )
