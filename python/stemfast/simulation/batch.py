"""Batches of scenes as the C++ core takes them: structures of arrays, one entry per placed body.

A `Batch` is the only way into the core. `lay_out` makes it from particles and specimens, recipes
from their arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import _core
from stemfast.materials import Material
from stemfast.particles import Particle
from stemfast.particles.geometry.body_table import BodyTable, offsets_of
from stemfast.particles.specimen import Specimen

Float: TypeAlias = NDArray[np.float64]
Int: TypeAlias = NDArray[np.int64]
Shown: TypeAlias = Particle | Specimen
Poses: TypeAlias = tuple[Float, Float]

_EXACT = 0


@dataclass(frozen=True, eq=False, repr=False)
class Batch:
    """Scenes of `n_images` images, any number of bodies in each.

    Attributes
    ----------
    table : BodyTable
        The distinct bodies.
    image_offset : (n_images + 1,) int64
        Image i shows placed bodies image_offset[i] … image_offset[i + 1] − 1.
    shape : (n,) int32
        Row of each placed body in the table.
    position, orientation : (n, 3), (n, 4) float64
        Where it stands [nm] and its unit quaternion (x, y, z, w).
    weight : (n,) float64
        Factor of its thickness; negative for a void.
    materials : tuple of (str or Material)
        Materials of the batch.
    material : (n,) integer
        Index of each placed body's material.
    particle : (n,) int64
        Index, among its image's particles, of the one that it is part of.
    single : bool
        Whether the caller asked for one image, not for a stack of one.
    """

    table: BodyTable
    image_offset: Int
    shape: NDArray[np.int32]
    position: Float
    orientation: Float
    weight: Float
    materials: tuple[str | Material, ...]
    material: NDArray[np.integer]
    particle: Int
    single: bool = False

    def __repr__(self) -> str:
        return f"Batch of {self.n_images} images with {len(self.shape)} bodies"

    @property
    def n_images(self) -> int:
        """Number of images."""
        return len(self.image_offset) - 1

    @property
    def image_of_body(self) -> Int:
        """Image index of each placed body."""
        return np.arange(self.n_images).repeat(self.image_offset[1:] - self.image_offset[:-1])

    def repeated(self, times: int) -> Batch:
        """Return a batch that shows each image so many times in a row."""
        if times == 1:
            return self
        image = np.repeat(np.arange(self.n_images), times)
        count = np.diff(self.image_offset)[image]
        row = np.repeat(self.image_offset[image] - np.cumsum(count) + count, count)
        row += np.arange(len(row))
        return self._chosen(offsets_of(count), row)

    def part(self, first: int, last: int) -> Batch:
        """Return the batch of images first … last − 1."""
        rows = slice(self.image_offset[first], self.image_offset[last])
        offset = self.image_offset[first : last + 1] - self.image_offset[first]
        return self._chosen(offset, rows)

    def posed(self, turn: Float, shift: Float) -> Batch:
        """Return the batch with each image's scene turned about the origin, then shifted.

        Parameters
        ----------
        turn : (n_images, 4) float64
            Unit quaternions (x, y, z, w).
        shift : (n_images, 3) float64
            [nm].
        """
        image = self.image_of_body
        q, p = composed(turn[image], shift[image], (self.orientation, self.position))
        return replace(self, orientation=q, position=p)

    def reach_nm(self) -> Float:
        """Farthest that any body reaches from the origin along x, y and z [nm]."""
        reach = np.zeros(3)
        for number, q, centre in zip(self.shape, self.orientation, self.position, strict=True):
            axes = rotated(np.tile(q, (3, 1)), np.eye(3)).T
            reach = np.maximum(reach, self.table.farthest(int(number), axes, centre))
        return reach

    def scenes(self, weight: Float) -> _core.Scenes:
        """Return the core's view of the batch, with these weights of the placed bodies."""
        table = self.table
        return _core.Scenes(
            kind=table.kind,
            plane_offset=table.plane_offset,
            planes=table.planes,
            vertex_offset=table.vertex_offset,
            vertices=table.vertices,
            triangle_offset=table.triangle_offset,
            triangles=table.triangles,
            image_offset=self.image_offset,
            shape=self.shape,
            position=self.position,
            orientation=self.orientation,
            weight=np.ascontiguousarray(weight, np.float64),
        )

    def steady_thickness(
        self, shape: tuple[int, int], pixel_nm: float, weight: Float | None = None
    ) -> NDArray[np.float32]:
        """Project along a steady beam, on one thread: (n_images, rows, columns) [nm].

        Parameters
        ----------
        shape : (int, int)
            Rows and columns of the grid.
        pixel_nm : float
            Distance of its points [nm].
        weight : (n,) float64, optional
            Weights of the placed bodies in place of their own.
        """
        n = self.n_images
        steady = _core.Scanning(
            oversample=1,
            pose_per_pixel=False,
            pixel_size=np.full(n, pixel_nm),
            dwell=np.full(n, 1e-6),
            flyback=np.zeros(n),
            stray=np.zeros(n, _core.stray_dtype),
            frame=np.zeros(n, np.int64),
            spin=np.zeros((n, 3)),
            path_offset=np.zeros(n + 1, np.int64),
            path_time=np.zeros(0),
            path_turn=np.zeros((0, 4)),
        )
        out = np.empty((n, *shape), np.float32)
        key = {"seed": 0, "first_index": 0, "frames": 1, "engine": _EXACT, "n_threads": 1}
        _core.thickness(self.scenes(self.weight if weight is None else weight), steady, out, **key)
        return out

    def _chosen(self, image_offset: Int, rows: Int | slice) -> Batch:
        return replace(
            self,
            image_offset=image_offset,
            shape=self.shape[rows],
            position=self.position[rows],
            orientation=self.orientation[rows],
            weight=self.weight[rows],
            material=self.material[rows],
            particle=self.particle[rows],
        )


def composed(turn: Float, shift: Float, inner: Poses) -> Poses:
    """Poses (quaternions, positions) inside a scene that is turned, then shifted."""
    return multiplied(turn, inner[0]), rotated(turn, inner[1]) + shift


def _cross(a: Float, b: Float) -> Float:
    """Cross product of rows; `np.cross` takes longer than the core takes for an image."""
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)


def multiplied(p: Float, q: Float) -> Float:
    """Hamilton product of rows (x, y, z, w): rotate by q first, then by p."""
    v, w = p[:, :3], p[:, 3:]
    u, s = q[:, :3], q[:, 3:]
    vector = w * u + s * v + _cross(v, u)
    product = np.concatenate([vector, w * s - np.sum(v * u, axis=1, keepdims=True)], axis=1)
    return np.asarray(product / np.linalg.norm(product, axis=1, keepdims=True))


def rotated(q: Float, x: Float) -> Float:
    """Points (n, 3) rotated by unit quaternions (n, 4)."""
    v, w = q[:, :3], q[:, 3:]
    t = 2.0 * _cross(v, x)
    return np.asarray(x + w * t + _cross(v, t))
