"""Grains of twinned crystals: a convex solid divided by planes through its centre."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from stemfast.particles.geometry.body import Body, ConvexBody
from stemfast.particles.geometry.clipping import intersect_halfspaces
from stemfast.particles.geometry.solid import FloatArray, Solid

__all__ = ["brightened", "pyramids", "wedges"]

# A boundary lies this far to one side [of the solid's size], so that a beam along it that hits
# pixel centres meets one grain and not two.
_ASIDE = 1e-5


def wedges(solid: Solid, count: int) -> tuple[ConvexBody, ...]:
    """Divide a solid into wedges about the z axis, the first from the x axis on.

    Examples
    --------
    >>> import stemfast as sf
    >>> (cube,) = sf.Cuboid((2, 2, 2)).bodies()
    >>> len(wedges(intersect_halfspaces(cube.planes), 4))
    4
    """
    planes, aside = solid.flats[0], _ASIDE * _size(solid)
    turn = [2 * math.pi * k / count for k in range(count)]
    sides = [(math.sin(a), -math.cos(a), 0.0) for a in turn]
    found = []
    for k in range(count):
        x, y, z = sides[(k + 1) % count]
        own = np.array([(*sides[k], -aside), (-x, -y, z, aside)])
        found.append(_body(np.concatenate([planes, own])))
    return tuple(found)


def pyramids(solid: Solid) -> tuple[ConvexBody, ...]:
    """Divide a solid about the origin into the pyramids from there to its faces, in their order.

    Examples
    --------
    >>> import stemfast as sf
    >>> (cube,) = sf.Cuboid((2, 2, 2)).bodies()
    >>> len(pyramids(intersect_halfspaces(cube.planes)))
    6
    """
    aside = _ASIDE * _size(solid)
    found = []
    for face in solid.faces:
        corners = solid.vertices[list(face)]
        ahead = np.roll(corners, -1, axis=0)
        normals = np.cross(ahead, corners)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        # The neighbour walks the edge the other way.
        sides = [
            aside if a < b else -aside for a, b in zip(face, (*face[1:], face[0]), strict=True)
        ]
        outer = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        outer /= np.linalg.norm(outer)
        planes = np.concatenate([normals, np.array(sides)[:, None]], axis=1)
        top = np.array([[*outer, outer @ corners[0]]])
        found.append(_body(np.concatenate([top, planes])))
    return tuple(found)


def _size(solid: Solid) -> float:
    return float(np.linalg.norm(solid.vertices, axis=1).max())


def _body(planes: FloatArray) -> ConvexBody:
    body = intersect_halfspaces(planes).body()
    assert isinstance(body, ConvexBody)
    return body


def brightened(
    whole: tuple[Body, ...], grains: tuple[Body, ...], factors: tuple[float, ...]
) -> tuple[Body, ...]:
    """Bodies whose thickness is multiplied grain by grain.

    Parameters
    ----------
    whole : tuple of Body
        All of the particle.
    grains : tuple of Body
        Its parts; not used where all factors are alike.
    factors : tuple of float
        One for each grain.

    Returns
    -------
    tuple of Body
        The whole with the mean factor, and the grains with what theirs differ from it: where
        grains meet, rounding moves the brightness and not the thickness.
    """
    mean = factors[0] if len(set(factors)) == 1 else math.fsum(factors) / len(factors)
    found = [replace(body, weight=mean * body.weight) for body in whole]
    if len(set(factors)) > 1:
        found += [
            replace(body, weight=factor - mean)
            for body, factor in zip(grains, factors, strict=True)
            if factor != mean
        ]
    return tuple(found)
