"""What a recipe gives: scenes ready to simulate, their labels, and everything drawn for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.arguments import index, output_array
from stemfast.microscope import Detector
from stemfast.particles.geometry.solid_arrays import Solids
from stemfast.simulation.imaging import Imaging
from stemfast.simulation.saturation import report

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

    from stemfast.microscope import Microscope
    from stemfast.particles import Particle

__all__ = ["Scenes"]

_EXACT = 0


@dataclass(frozen=True, eq=False)
class Scenes:
    """Scenes [start, start + N) of one recipe and seed, each seen in K images, its views.

    All of it is arrays: a hundred thousand scenes hold no more Python objects than one. The view k
    of scene i has the noise of image (start + i)·K + k of the seed.

    Attributes
    ----------
    seed, start : int
        Seed, and index of the first scene. Both also key the noise of the images.
    class_names : tuple of str
        Meaning of the labels.
    labels : (N,) int64
        Class of each scene.
    solids : Solids
        N solids.
    materials : (N,) bytes
        What they are made of.
    orientations : (N, K, 4) float64
        Quaternions (x, y, z, w), at mid-scan if the particle spins.
    positions_nm : (N, K, 3) float64
        Positions about the centre of the scan [nm].
    spin_rad_s : (N, K, 3) float64 or None
        Angular velocity during the scan in the laboratory frame [rad/s].
    imaging : Imaging
        Of the N·K images, views of one scene in a row.
    columns : dict of str to ndarray, (N, ...)
        Everything drawn, by name with its unit.
    several_views : bool
        Whether images have an axis for the views, as those of a recipe that gives several do.
    """

    seed: int
    start: int
    class_names: tuple[str, ...]
    labels: NDArray[np.int64]
    solids: Solids
    materials: NDArray[np.bytes_]
    orientations: NDArray[np.float64]
    positions_nm: NDArray[np.float64]
    spin_rad_s: NDArray[np.float64] | None
    imaging: Imaging
    columns: dict[str, NDArray[Any]]
    several_views: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def views(self) -> int:
        """Images of each scene."""
        return int(self.orientations.shape[1])

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(H, W), or (K, H, W) if a scene has several views."""
        side = self.imaging.image_px
        return (self.views, side, side) if self.several_views else (side, side)

    def simulate(self, n_threads: int = 0, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Take the images; the same bits for any number of threads, without the GIL.

        Parameters
        ----------
        n_threads : int
            0 means all cores the process may use.
        out : ndarray, optional
            Where to write: shape and dtype of the result, C-contiguous.

        Returns
        -------
        (N, H, W) or (N, K, H, W) uint8, uint16 or float32

        Raises
        ------
        TypeError, ValueError
            If an argument is not what it should be.
        """
        threads = index("n_threads", n_threads, maximum=4096)
        n, k, side = len(self), self.views, self.imaging.image_px
        images = output_array(out, (n, *self.image_shape), self.imaging.dtype)
        clipped = np.zeros((n * k, 2), np.int64)
        spin = np.zeros((n, k, 3)) if self.spin_rad_s is None else self.spin_rad_s
        _core.simulate(
            self._scenes(),
            _core.Scanning(**self.imaging.scanning(spin.reshape(-1, 3))),
            images.reshape(-1, side, side),
            **self.imaging.recording(),
            clipped=clipped,
            seed=self.seed,
            first_index=self.start * k,
            frames=1,
            engine=_EXACT,
            n_threads=threads,
        )
        report(clipped, side * side, Detector(bits=self.imaging.bits), "warn", stacklevel=2)
        return images

    def _scenes(self) -> _core.Scenes:
        k, table = self.views, self.solids
        # One path for each material, by its name: comparing names is what costs here.
        names, number = np.unique(self.materials, return_inverse=True)
        paths = [self.imaging.mean_free_path_nm(name.decode()) for name in names.tolist()]
        weight = (1.0 / np.array(paths))[number]
        return _core.Scenes(
            kind=table.kind,
            plane_offset=table.plane_offset,
            planes=table.planes,
            vertex_offset=table.vertex_offset,
            vertices=table.vertices,
            triangle_offset=table.triangle_offset,
            triangles=table.triangles,
            image_offset=np.arange(len(self) * k + 1),
            shape=np.repeat(table.row, k),
            position=np.ascontiguousarray(self.positions_nm.reshape(-1, 3)),
            orientation=np.ascontiguousarray(self.orientations.reshape(-1, 4)),
            weight=np.repeat(weight, k),
        )

    def particle(self, scene: int) -> Particle:
        """The particle of one scene, counted from the first of these."""
        return self.solids.particle(scene, self.materials[scene].decode())

    def orientation(self, scene: int, view: int = 0) -> Rotation:
        """Its orientation in one view."""
        from scipy.spatial.transform import Rotation

        return Rotation.from_quat(self.orientations[scene, view])

    def microscope(self, scene: int, view: int = 0) -> Microscope:
        """The microscope that took one view of it."""
        return self.imaging.microscope(scene * self.views + view)
