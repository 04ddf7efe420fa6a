"""Batches as the C++ core takes them: structures of arrays, one entry per body.

`lay_out` turns particles, specimens, orientations and positions into a `Batch`; everything about it
that can be wrong is found here, before any work starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast import _core
from stemfast.arguments import vectors
from stemfast.materials import Material
from stemfast.orientation import quaternions
from stemfast.particles import Particle
from stemfast.particles.geometry.body import (
    KIND_CONVEX,
    KIND_ELLIPSOID,
    KIND_MESH,
    Body,
    ConvexBody,
    EllipsoidBody,
    MeshBody,
)
from stemfast.particles.specimen import Specimen

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

Float: TypeAlias = NDArray[np.float64]
Int: TypeAlias = NDArray[np.int64]
Shown: TypeAlias = Particle | Specimen

_NO_TURN = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Batch:
    """What `n_images` images show.

    Attributes
    ----------
    single : bool
        Whether the caller asked for one image, not for a stack of one.
    bodies : tuple of Body
        The table of distinct bodies.
    materials : tuple of (str or Material)
        The material of each body in the table.
    image_offset : (n_images + 1,) int64
        Image i shows placed bodies image_offset[i] … image_offset[i + 1] − 1.
    shape : (n,) int32
        Index into `bodies` of each placed body.
    position, orientation : (n, 3), (n, 4) float64
        Where it stands [nm] and its unit quaternion (x, y, z, w).
    particle : (n,) int64
        Which of its image's particles it is part of.
    """

    single: bool
    bodies: tuple[Body, ...]
    materials: tuple[str | Material, ...]
    image_offset: Int
    shape: NDArray[np.int32]
    position: Float
    orientation: Float
    particle: Int

    @property
    def n_images(self) -> int:
        """Number of images."""
        return len(self.image_offset) - 1

    @property
    def image_of_body(self) -> Int:
        """Image index of each placed body."""
        return np.repeat(np.arange(self.n_images), np.diff(self.image_offset))

    def body_weights(self) -> Float:
        """Weight of each placed body in a thickness map."""
        return np.array([body.weight for body in self.bodies])[self.shape]

    def repeated(self, times: int) -> Batch:
        """Return a batch that shows each image so many times in a row."""
        if times == 1:
            return self
        image = np.repeat(np.arange(self.n_images), times)
        count = np.diff(self.image_offset)[image]
        row = np.repeat(self.image_offset[image] - np.cumsum(count) + count, count)
        row += np.arange(len(row))
        return replace(
            self,
            image_offset=np.concatenate([[0], np.cumsum(count)]),
            shape=self.shape[row],
            position=self.position[row],
            orientation=self.orientation[row],
            particle=self.particle[row],
        )

    def part(self, first: int, last: int) -> Batch:
        """Return the batch of images first … last − 1."""
        rows = slice(self.image_offset[first], self.image_offset[last])
        return replace(
            self,
            image_offset=self.image_offset[first : last + 1] - self.image_offset[first],
            shape=self.shape[rows],
            position=self.position[rows],
            orientation=self.orientation[rows],
            particle=self.particle[rows],
        )

    def reach_nm(self) -> Float:
        """Farthest that any body reaches from the origin along x, y and z [nm]."""
        reach = np.zeros(3)
        for number, q, centre in zip(self.shape, self.orientation, self.position, strict=True):
            body, axes = self.bodies[number], _rotate(np.tile(q, (3, 1)), np.eye(3)).T
            if isinstance(body, EllipsoidBody):
                middle = axes @ body.centre + centre
                half = np.linalg.norm(axes * body.semi_axes, axis=1)
                reach = np.maximum(reach, np.maximum(np.abs(middle - half), np.abs(middle + half)))
            else:
                reach = np.maximum(reach, np.abs(body.vertices @ axes.T + centre).max(axis=0))
        return reach

    def scenes(self, weight: Float) -> _core.Scenes:
        """Return the core's view of the batch, with these weights of the placed bodies."""
        tables = [_tables(body) for body in self.bodies]
        planes, vertices = [t[0] for t in tables], [t[1] for t in tables]
        triangles = [t[2] for t in tables]
        return _core.Scenes(
            kind=np.array([_kind(body) for body in self.bodies], np.uint8),
            plane_offset=_offsets(planes),
            planes=np.concatenate(planes),
            vertex_offset=_offsets(vertices),
            vertices=np.concatenate(vertices),
            triangle_offset=_offsets(triangles),
            triangles=np.concatenate(triangles).astype(np.int32),
            image_offset=self.image_offset,
            shape=self.shape,
            position=self.position,
            orientation=self.orientation,
            weight=np.ascontiguousarray(weight, np.float64),
        )


def lay_out(
    particles: Shown | Sequence[Shown],
    orientations: Rotation | None,
    positions_nm: ArrayLike | None,
    other_lengths: dict[str, int],
) -> Batch:
    """Place particles, one image each, or specimens, several particles in an image.

    Parameters
    ----------
    particles : Particle, Specimen or a sequence of them
    orientations : Rotation or None
        Of each image, applied to the whole scene about the scan's centre, then shifted.
    positions_nm : (3,), (n, 3) or None
        Shift of each image's scene [nm].
    other_lengths : dict
        Number of images that other arguments of the caller stand for, by name; 0 for a single one.

    Raises
    ------
    TypeError, ValueError
        If something is not a particle or lengths differ.
    """
    shown, many = _as_list(particles)
    turn, shift = quaternions(orientations), vectors("positions_nm", positions_nm, "nm")
    lengths = {
        "particles": len(shown) if many else 0,
        "orientations": 0 if orientations is None or orientations.single else len(turn),
        "positions_nm": len(shift)
        if positions_nm is not None and np.ndim(positions_nm) == 2
        else 0,
        **other_lengths,
    }
    n = common_length(lengths)
    turn, shift = np.broadcast_to(turn, (max(n, 1), 4)), np.broadcast_to(shift, (max(n, 1), 3))
    return _place(shown, turn, shift, single=n == 0)


def common_length(lengths: dict[str, int]) -> int:
    """Return the number of images on which all arguments agree; 0 means a single image.

    Raises
    ------
    ValueError
        If two arguments stand for different numbers of images.

    Examples
    --------
    >>> common_length({"particles": 0, "orientations": 5})
    5
    """
    given = {name: n for name, n in lengths.items() if n > 0}
    if len(set(given.values())) > 1:
        listing = ", ".join(f"{name}: {n}" for name, n in given.items())
        raise ValueError(f"arguments stand for different numbers of images ({listing})")
    return next(iter(given.values()), 0)


def _as_list(particles: Shown | Sequence[Shown]) -> tuple[list[Shown], bool]:
    if isinstance(particles, Particle | Specimen):
        return [particles], False
    if isinstance(particles, str | bytes) or not isinstance(particles, Sequence):
        raise TypeError(
            "particles must be a Particle, a Specimen or a sequence of them, "
            f"got {type(particles).__name__}"
        )
    shown = list(particles)
    if not shown:
        raise ValueError("particles is empty, expected at least one")
    for i, item in enumerate(shown):
        if not isinstance(item, Particle | Specimen):
            raise TypeError(
                f"particles[{i}] must be a Particle or Specimen, got {type(item).__name__}"
            )
    return shown, True


def _place(shown: list[Shown], turn: Float, shift: Float, *, single: bool) -> Batch:
    members = [s.particles if isinstance(s, Specimen) else (s,) for s in shown]
    distinct: dict[int, Particle] = {id(p): p for group in members for p in group}
    number = {key: i for i, key in enumerate(distinct)}
    bodies = [particle.bodies() for particle in distinct.values()]
    first_body = np.array(list(accumulate(map(len, bodies), initial=0)))
    materials = tuple(
        particle.material if body.material is None else body.material
        for particle, own in zip(distinct.values(), bodies, strict=True)
        for body in own
    )

    # One row per placed particle, first for the listed scenes …
    n = len(turn)
    particle = np.array([number[id(p)] for group in members for p in group])
    size = np.array([len(group) for group in members])
    scene = np.repeat(np.arange(len(shown)), size)
    inner = _inner_poses(shown) if any(isinstance(s, Specimen) for s in shown) else None
    # … then for the images, of which all may show the same scene.
    if len(shown) == 1 and n > 1:
        particle, scene = np.tile(particle, n), np.repeat(np.arange(n), size[0])
        if inner is not None:
            inner = np.tile(inner[0], (n, 1)), np.tile(inner[1], (n, 1))
    q, p = turn[scene], shift[scene]
    if inner is not None:
        q, p = _multiply(q, inner[0]), _rotate(q, inner[1]) + p

    count = np.diff(first_body)[particle]
    row = np.repeat(np.arange(len(particle)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    bodies_per_image = np.bincount(scene[row], minlength=n)
    table, turned = _upright([body for own in bodies for body in own])
    shape = (first_body[particle][row] + within).astype(np.int32)
    in_image = np.arange(len(particle)) - np.searchsorted(scene, scene)
    return Batch(
        single=single,
        bodies=table,
        materials=materials,
        image_offset=np.concatenate([[0], np.cumsum(bodies_per_image)]).astype(np.int64),
        shape=shape,
        position=np.ascontiguousarray(p[row]),
        orientation=np.ascontiguousarray(
            q[row] if turned is None else _multiply(q[row], turned[shape])
        ),
        particle=in_image[row],
    )


def _upright(bodies: list[Body]) -> tuple[tuple[Body, ...], Float | None]:
    """The bodies with turned ellipsoids set upright, and the turn that each of them then lacks.

    The core's ellipsoids have their axes along x, y and z. A turned one is an upright one, its
    centre turned back about the particle's origin, in a particle that is turned further.
    """
    turns = [b.quaternion if isinstance(b, EllipsoidBody) else _NO_TURN for b in bodies]
    if all(turn == _NO_TURN for turn in turns):
        return tuple(bodies), None
    table = [
        body
        if turn == _NO_TURN or not isinstance(body, EllipsoidBody)
        else replace(body, centre=_turned_back(turn, body.centre), quaternion=_NO_TURN)
        for body, turn in zip(bodies, turns, strict=True)
    ]
    return tuple(table), np.array(turns)


def _turned_back(turn: tuple[float, float, float, float], point: Float) -> Float:
    back: Float = _rotate(np.array([turn]) * (-1.0, -1.0, -1.0, 1.0), point[None])[0]
    return back


def _inner_poses(shown: list[Shown]) -> tuple[Float, Float]:
    q = [s.quaternions if isinstance(s, Specimen) else [[0.0, 0.0, 0.0, 1.0]] for s in shown]
    p = [s.positions_nm if isinstance(s, Specimen) else [[0.0, 0.0, 0.0]] for s in shown]
    return np.concatenate(q), np.concatenate(p)


def _cross(a: Float, b: Float) -> Float:
    """Cross product of rows; `np.cross` takes longer than the core takes for an image."""
    (ax, ay, az), (bx, by, bz) = a.T, b.T
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=1)


def _multiply(p: Float, q: Float) -> Float:
    """Hamilton product of rows (x, y, z, w): rotate by q first, then by p."""
    v, w = p[:, :3], p[:, 3:]
    u, s = q[:, :3], q[:, 3:]
    vector = w * u + s * v + _cross(v, u)
    product = np.concatenate([vector, w * s - np.sum(v * u, axis=1, keepdims=True)], axis=1)
    return np.asarray(product / np.linalg.norm(product, axis=1, keepdims=True))


def _rotate(q: Float, x: Float) -> Float:
    v, w = q[:, :3], q[:, 3:]
    t = 2.0 * _cross(v, x)
    return np.asarray(x + w * t + _cross(v, t))


def _kind(body: Body) -> int:
    if isinstance(body, ConvexBody):
        return KIND_CONVEX
    return KIND_ELLIPSOID if isinstance(body, EllipsoidBody) else KIND_MESH


def _tables(body: Body) -> tuple[Float, Float, NDArray[np.int32]]:
    no_planes, no_triangles = np.zeros((0, 4)), np.zeros((0, 3), np.int32)
    if isinstance(body, ConvexBody):
        return body.planes, body.vertices, no_triangles
    if isinstance(body, EllipsoidBody):
        principal = np.concatenate([np.eye(3), np.reshape(body.semi_axes, (3, 1))], axis=1)
        return principal, np.reshape(body.centre, (1, 3)), no_triangles
    if isinstance(body, MeshBody):
        return no_planes, body.vertices, body.triangles
    raise TypeError(f"unknown kind of body: {type(body).__name__}")


def _offsets(rows: list[Float] | list[NDArray[np.int32]]) -> Int:
    return np.array(list(accumulate((len(r) for r in rows), initial=0)), np.int64)
