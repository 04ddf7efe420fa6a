"""Scenes drawn by a recipe, with their labels and everything drawn for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.arguments import index, output_array
from stemfast.microscope import Detector
from stemfast.orientation import IDENTITY
from stemfast.particles.geometry.solid_arrays import Solids
from stemfast.simulation.batch import Batch, Poses
from stemfast.simulation.imaging import Imaging
from stemfast.simulation.saturation import report

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

    from stemfast.microscope import Microscope
    from stemfast.particles import Particle
    from stemfast.particles.specimen import Specimen

__all__ = ["Members", "Scenes"]

_EXACT = 0


@dataclass(frozen=True, eq=False, repr=False)
class Members:
    """Bodies of N scenes that show any number of them, each with its place in its scene.

    Attributes
    ----------
    offset : (N + 1,) int64
        Scene i shows bodies offset[i] … offset[i + 1] − 1.
    particle : (B,) int64
        Index, in its scene, of the particle that each body is part of.
    material : (B,) bytes
        Its material.
    weight : (B,) float64
        Factor of its thickness: −1 carves a void into what is there.
    maker : callable
        maker(scene) gives the same scene as a particle or a specimen.
    orientation, position_nm : (B, 4), (B, 3) float64 or None
        Quaternion (x, y, z, w) and place [nm] of each body's particle in its scene, which the
        scene's own pose then turns and shifts; None for upright particles at the origin.
    """

    offset: NDArray[np.int64]
    particle: NDArray[np.int64]
    material: NDArray[np.bytes_]
    weight: NDArray[np.float64]
    maker: Callable[[int], Particle | Specimen]
    orientation: NDArray[np.float64] | None = None
    position_nm: NDArray[np.float64] | None = None

    def __repr__(self) -> str:
        return f"Members of {len(self.offset) - 1} scenes: {len(self.weight)} bodies"

    @property
    def poses(self) -> Poses:
        """Quaternions (B, 4) and positions (B, 3) [nm] of the bodies in their scenes."""
        n = len(self.weight)
        upright = np.tile(IDENTITY, (n, 1)) if self.orientation is None else self.orientation
        return upright, np.zeros((n, 3)) if self.position_nm is None else self.position_nm


@dataclass(frozen=True, eq=False, repr=False)
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
        N solids, or those of all members.
    materials : (N,) bytes
        Material of each scene's particle.
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
    members : Members or None
        Bodies of scenes that show several: nested particles, clusters. None for one a scene.
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
    members: Members | None = None

    def __repr__(self) -> str:
        n, k = len(self), self.views
        views = f" of {k} views" if self.several_views else ""
        last = f" to {self.start + n - 1}" if n > 1 else ""
        return (
            f"{n} scene{'s' if n > 1 else ''}{views}, seed {self.seed}, "
            f"ind{'ices' if n > 1 else 'ex'} {self.start}{last}: {', '.join(self.class_names)}"
        )

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
        batch = self.batch()
        contrast = self.imaging.contrast(batch)
        _core.simulate(
            batch.scenes(contrast.depth_weights),
            _core.Scanning(**self.imaging.scanning(spin.reshape(-1, 3))),
            images.reshape(-1, side, side),
            **self.imaging.recording(),
            curve=contrast.curve,
            clipped=clipped,
            seed=self.seed,
            first_index=self.start * k,
            frames=1,
            engine=_EXACT,
            n_threads=threads,
        )
        report(clipped, side * side, Detector(bits=self.imaging.bits), "warn", stacklevel=2)
        return images

    def batch(self) -> Batch:
        """Bodies of the N·K images: pose, material, weight and particle of each."""
        own = self._one_each() if self.members is None else self.members
        # One index for each material, by its name: comparing names is what costs here.
        names, number = np.unique(own.material, return_inverse=True)
        orientation, position = own.poses
        scenes = Batch(
            table=self.solids.table,
            image_offset=own.offset,
            shape=self.solids.row,
            position=position,
            orientation=orientation,
            weight=own.weight,
            materials=tuple(name.decode() for name in names.tolist()),
            material=number,
            particle=own.particle,
        ).repeated(self.views)
        turn, shift = self.orientations.reshape(-1, 4), self.positions_nm.reshape(-1, 3)
        if own.orientation is not None or own.position_nm is not None:
            return scenes.posed(turn, shift)
        image = scenes.image_of_body
        return replace(scenes, orientation=turn[image], position=shift[image])

    def _one_each(self) -> Members:
        n = len(self)
        return Members(
            offset=np.arange(n + 1),
            particle=np.zeros(n, np.int64),
            material=self.materials,
            weight=self.columns.get("grain_brightness", np.ones(n)),
            maker=self.particle,
        )

    def shown(self, scene: int) -> Particle | Specimen:
        """Particle or specimen of one scene, counted from the first of these."""
        return self.particle(scene) if self.members is None else self.members.maker(scene)

    def particle(self, scene: int) -> Particle:
        """The particle of one scene, counted from the first of these.

        Raises
        ------
        ValueError
            If scenes show several bodies: `shown` makes those.
        """
        if self.members is not None:
            raise ValueError("these scenes show several bodies each, expected shown(scene)")
        particle = self.solids.particle(scene, self.materials[scene].decode())
        if "grain_brightness" not in self.columns:
            return particle
        return particle.with_grain_brightness(float(self.columns["grain_brightness"][scene]))

    def orientation(self, scene: int, view: int = 0) -> Rotation:
        """Its orientation in one view."""
        from scipy.spatial.transform import Rotation

        return Rotation.from_quat(self.orientations[scene, view])

    def microscope(self, scene: int, view: int = 0) -> Microscope:
        """The microscope that took one view of it."""
        return self.imaging.microscope(scene * self.views + view)
