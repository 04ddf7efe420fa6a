"""Faces that a solid rests on, one solid and one face at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def resting_faces(vertices: Float, centre: Float) -> list[tuple[Float, float]]:
    """Stable faces of a solid's convex hull, and the probability that it rests on each.

    A face is stable where the foot of the perpendicular from the centre of mass lies on it. The
    probability is the face's solid angle from there, among those of the stable faces
    (K. Goldberg et al., IEEE Trans. Robot. Autom. 15 (1999) 849).

    Parameters
    ----------
    vertices : (V, 3) float64
        Of the solid [nm].
    centre : (3,) float64
        Centre of mass [nm].

    Returns
    -------
    list of ((3,) float64, float)
        Outward unit normal and probability of each face.

    Examples
    --------
    >>> cube = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    >>> faces = resting_faces(cube, np.zeros(3))
    >>> len(faces), round(faces[0][1], 6)
    (6, 0.166667)
    """
    from scipy.spatial import ConvexHull

    hull = ConvexHull(vertices)
    scale = float(np.abs(vertices).max())
    faces: list[tuple[Float, float, list[Float]]] = []
    for corners, equation in zip(hull.simplices, hull.equations, strict=True):
        normal, offset = equation[:3], -float(equation[3])
        triangle = vertices[corners]
        if np.dot(np.cross(triangle[1] - triangle[0], triangle[2] - triangle[0]), normal) < 0:
            triangle = triangle[::-1]
        for known, distance, triangles in faces:
            if np.allclose(known, normal, atol=1e-7) and abs(distance - offset) < 1e-7 * scale:
                triangles.append(triangle)
                break
        else:
            faces.append((normal, offset, [triangle]))
    stable = []
    for normal, offset, triangles in faces:
        foot = centre + (offset - np.dot(normal, centre)) * normal
        if any(_holds(triangle, foot, normal, 1e-7 * scale) for triangle in triangles):
            stable.append((normal, sum(_solid_angle(t - centre) for t in triangles)))
    total = sum(angle for _, angle in stable)
    return [(normal, angle / total) for normal, angle in stable]


def _holds(triangle: Float, point: Float, normal: Float, tolerance: float) -> bool:
    for k in range(3):
        side = triangle[(k + 1) % 3] - triangle[k]
        away = np.dot(np.cross(side, point - triangle[k]), normal) / np.linalg.norm(side)
        if away < -tolerance:
            return False
    return True


def _solid_angle(triangle: Float) -> float:
    """Angles between the planes through the origin and the sides, less π: A. Girard (1629)."""
    angles = 0.0
    for k in range(3):
        corner, left, right = (triangle[(k + j) % 3] for j in range(3))
        one, other = np.cross(corner, left), np.cross(corner, right)
        cosine = np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other)
        angles += float(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return angles - float(np.pi)
