"""Poses of particles that rest on one of their faces."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fields.chance import Chance
from stemfast.fields.shapes import library
from stemfast.orientation import quaternion_product

__all__ = ["resting"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


def resting(chance: Chance, rows: Ints, scale: Floats, tilt_deg: float) -> Floats:
    """Quaternions (n, 4) that lay particles on a face, turned about the beam and tilted a little.

    A face is taken with a probability of one over the third power of its distance from the middle,
    which a large, near face has in its favour; ellipsoids lie on their shortest axis.

    Parameters
    ----------
    chance : Chance
    rows : (n,) int64
        Shape of each particle in the library.
    scale : (n, 3) float64
        Its stretch along the shape's axes.
    tilt_deg : float
        Standard deviation of the tilt [degrees].

    Examples
    --------
    >>> plate = library().rows("hexagonal plate")
    >>> q = resting(Chance(1, 0), plate, np.ones((1, 3)), 0.0)
    >>> q.shape, round(float((q * q).sum()), 12)
    ((1, 4), 1.0)
    """
    n = len(rows)
    u = chance.uniform(n)
    down = np.zeros((n, 3))
    for row in np.unique(rows).tolist():
        own = np.flatnonzero(rows == row)
        planes = library().planes[row]
        if len(planes) == 0:
            down[own] = np.eye(3)[np.argmin(scale[own], axis=1)]
            continue
        normal = planes[:, :3] / scale[own][:, None]
        length = np.sqrt((normal * normal).sum(axis=2))
        weight = (length / planes[:, 3]) ** 3
        bounds = np.cumsum(weight, axis=1)
        face = (u[own][:, None] * bounds[:, -1:] >= bounds).sum(axis=1)
        face = np.minimum(face, len(planes) - 1)
        down[own] = (normal / length[..., None])[np.arange(len(own)), face]
    laid = np.stack([-down[:, 1], down[:, 0], np.zeros(n), 1.0 - down[:, 2]], axis=1)
    upside = down[:, 2] > 1.0 - 1e-9  # half a turn about x
    laid[upside] = (1.0, 0.0, 0.0, 0.0)
    laid /= np.sqrt((laid * laid).sum(axis=1, keepdims=True))
    return quaternion_product(chance.about_the_beam(n, tilt_deg), laid)
