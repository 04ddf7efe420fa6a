"""Placement of one solid in the frame of another: turned first, then shifted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np

from stemfast.arguments import Vector
from stemfast.particles.geometry.body import Body, ConvexBody, EllipsoidBody, MeshBody
from stemfast.particles.geometry.solid import FloatArray

Quaternion: TypeAlias = tuple[float, float, float, float]

UPRIGHT: Quaternion = (0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Placement:
    """A turn about the origin followed by a shift.

    Parameters
    ----------
    offset : (float, float, float)
        Where the origin goes [nm].
    quaternion : (float, float, float, float)
        Unit quaternion (x, y, z, w) of the turn.

    Examples
    --------
    >>> quarter = Placement((0.0, 0.0, 5.0), (0.0, 0.0, 0.5**0.5, 0.5**0.5))
    >>> quarter.points(np.array([[1.0, 2.0, 0.0]])).round(9).tolist()
    [[-2.0, 1.0, 5.0]]
    """

    offset: Vector = (0.0, 0.0, 0.0)
    quaternion: Quaternion = UPRIGHT

    @property
    def is_identity(self) -> bool:
        """True if everything stays where it is."""
        return self.quaternion == UPRIGHT and not any(self.offset)

    @cached_property
    def matrix(self) -> FloatArray:
        """(3, 3) rotation matrix of the turn."""
        return quaternion_matrix(self.quaternion)

    def points(self, points: FloatArray) -> FloatArray:
        """Points (n, 3), or one (3,), after the turn and the shift [nm]."""
        moved: FloatArray = points @ self.matrix.T + np.array(self.offset)
        return moved

    def after(self, first: Placement) -> Placement:
        """``first``, then this one."""
        x, y, z = (float(c) for c in self.points(np.array(first.offset)))
        return Placement((x, y, z), canonical_product(self.quaternion, first.quaternion))

    def body(self, body: Body) -> Body:
        """The same body, in its place."""
        if self.is_identity:
            return body
        if isinstance(body, ConvexBody):
            planes = np.empty_like(body.planes)
            planes[:, :3] = body.planes[:, :3] @ self.matrix.T
            planes[:, 3] = body.planes[:, 3] + planes[:, :3] @ np.array(self.offset)
            return replace(body, planes=planes, vertices=self.points(body.vertices))
        if isinstance(body, EllipsoidBody):
            turn = canonical_product(self.quaternion, body.quaternion)
            return replace(body, centre=self.points(body.centre), quaternion=turn)
        if isinstance(body, MeshBody):
            return replace(body, vertices=self.points(body.vertices))
        raise TypeError(f"unknown kind of body: {type(body).__name__}")


def quaternion_matrix(quaternion: Quaternion) -> FloatArray:
    """(3, 3) rotation matrix of a unit quaternion (x, y, z, w).

    Examples
    --------
    >>> quaternion_matrix((1.0, 0.0, 0.0, 0.0)).diagonal().tolist()
    [1.0, -1.0, -1.0]
    """
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def canonical_product(second: Quaternion, first: Quaternion) -> Quaternion:
    """The turn ``first``, then ``second``, as a unit quaternion with w >= 0.

    Examples
    --------
    >>> canonical_product((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0))
    (0.0, 0.0, 1.0, 0.0)
    """
    ax, ay, az, aw = second
    bx, by, bz, bw = first
    return unit_quaternion(
        aw * bx + bw * ax + ay * bz - az * by,
        aw * by + bw * ay + az * bx - ax * bz,
        aw * bz + bw * az + ax * by - ay * bx,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def unit_quaternion(x: float, y: float, z: float, w: float) -> Quaternion:
    """Of length 1, with the sign that makes w, or else the first component, positive.

    Examples
    --------
    >>> unit_quaternion(0, 0, 0, -2)
    (0.0, 0.0, 0.0, 1.0)
    """
    length = (x * x + y * y + z * z + w * w) ** 0.5
    leading = next(c for c in (w, x, y, z) if c != 0)
    scale = length if leading > 0 else -length
    # Adding 0 turns −0 into 0, so that equal turns compare and print alike.
    return x / scale + 0.0, y / scale + 0.0, z / scale + 0.0, w / scale + 0.0
