"""A particle drawn as its faces and edges, seen along the beam: x right, y down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stemfast.particles import Ellipsoid, Particle, Sphere
from stemfast.particles.picture import far_to_near
from stemfast.symmetry import CORNER_SIGNS

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

__all__ = ["Line", "Wireframe", "box_corners", "dragged", "wireframe"]

Floats = NDArray[np.float64]
Hidden = NDArray[np.bool_]
Line = tuple[list[float], list[float]]

_LIGHT = np.array([-0.45, -0.55, -0.7]) / np.sqrt(0.995)  # from the upper left, towards the viewer
_AROUND = np.linspace(0.0, 2.0 * np.pi, 73)


@dataclass(frozen=True)
class Wireframe:
    """Lines and faces of a particle in the plane of the image [nm].

    Attributes
    ----------
    faces : list of (list of float, list of float)
        x and y around each face that is turned to the beam's source, farthest first.
    shades : list of float
        How bright each is lit, 0 … 1.
    hidden : list of (list of float, list of float)
        Edges on the far side.
    """

    faces: list[Line]
    shades: list[float]
    hidden: list[Line]


def wireframe(particle: Particle, pose: Rotation) -> Wireframe:
    """Draw a particle as the beam sees it.

    Parameters
    ----------
    particle : Particle
    pose : Rotation

    Returns
    -------
    Wireframe

    Examples
    --------
    >>> import stemfast as sf
    >>> from scipy.spatial.transform import Rotation
    >>> drawn = wireframe(sf.Cuboid((10, 10, 10)), Rotation.from_euler("xy", [0.5, 0.4]))
    >>> len(drawn.faces), len(drawn.hidden)
    (3, 3)
    """
    if isinstance(particle, Sphere | Ellipsoid):
        return _round(particle, pose.as_matrix())
    drawn = Wireframe([], [], [])
    for corners, normal in far_to_near(pose.apply(particle.vertices), particle.faces):
        x, y = corners[:, 0].tolist(), corners[:, 1].tolist()
        if normal[2] < 0:  # the beam goes along +z, so its source sees what looks to -z
            drawn.faces.append((x, y))
            drawn.shades.append(0.35 + 0.65 * max(0.0, float(normal @ _LIGHT)))
        else:
            drawn.hidden.append((x + x[:1], y + y[:1]))
    return drawn


def box_corners(
    edges_nm: tuple[float, float, float], pose: Rotation
) -> tuple[Floats, Floats, Hidden]:
    """Places of a cuboid's eight corners in the image, undeformed, and how deep they lie.

    Returns
    -------
    places : ndarray, shape (8, 2)
        x and y [nm].
    depths : ndarray, shape (8,)
        z along the beam [nm].
    hidden : ndarray of bool, shape (8,)
        True behind all three of its faces.
    """
    points = pose.apply(0.5 * CORNER_SIGNS * np.array(edges_nm))
    towards = CORNER_SIGNS * pose.as_matrix()[2]  # z of the outward normals of its faces
    return points[:, :2], points[:, 2], (towards > 0).all(axis=1)


def dragged(pose: Rotation, dx_deg: float, dy_deg: float) -> Rotation:
    """The pose after a drag to the right and downwards [degrees].

    The side that faces the source follows the pointer: a drag to the right turns about −y, one
    downwards about x.
    """
    from scipy.spatial.transform import Rotation

    return Rotation.from_euler("yx", (-dx_deg, dy_deg), degrees=True) * pose


def _round(particle: Sphere | Ellipsoid, turn: Floats) -> Wireframe:
    """The outline of an ellipsoid, and its three principal ellipses as lines within."""
    axes = [particle.radius] * 3 if isinstance(particle, Sphere) else particle.semi_axes
    stretched = turn * np.array(axes)
    ring = np.stack([np.cos(_AROUND), np.sin(_AROUND)])
    # The projection of x^T A^-1 x = 1 onto a plane has the block of A that belongs to the plane.
    outline = np.linalg.cholesky((stretched @ stretched.T)[:2, :2]) @ ring
    lines = [stretched[:, pair] @ ring for pair in ([0, 1], [1, 2], [2, 0])]
    return Wireframe(
        [(outline[0].tolist(), outline[1].tolist())],
        [0.8],
        [(line[0].tolist(), line[1].tolist()) for line in lines],
    )
