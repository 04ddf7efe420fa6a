"""Thickness of a cut cuboid whose faces may stand along the beam: rims no sharper than a pixel.

A face that the beam grazes is seen as a rim, a ramp of thickness of width w = H |n_z|/n_xy, with H
the face's extent along the beam. Where w is less than a pixel, a model that takes thickness at the
centres of pixels no longer changes with the place of the rim but in jumps, as one pixel after the
other falls off it: the likelihood is a landscape of steps, its slope says nothing, and neither a
climb nor Laplace's method can be trusted. So the ramp is given the width √(w² + p²) that the mean
over a pixel of width p would give it, to second order, by a larger n_z, turned about the middle of
the face. With that, the likelihood is smooth in edges, place and pose.

At n_z = 0 the beam leaves by a face or enters by it. A widened ramp is not quite the same for both
where the body is not symmetric about the middle of the face, so near 0 the mean of both is taken,
with weights that change smoothly from one to the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid.shape import CutCuboid, rotation_matrix
from stemfast.fit.cuboid.thickness import Planes, chords, chords_and_jacobian, faces, planes

__all__ = ["rim_widths_nm", "soft_thickness", "soft_thickness_and_jacobian"]

Float: TypeAlias = NDArray[np.float64]

_OTHERS = ~np.eye(3, dtype=bool)
_LEAST = 1e-9
_BOTH = 2.0  # up to |n_z| so many times its least, a face is left and entered by


def rim_widths_nm(shape: CutCuboid) -> Float:
    """(3,) widths [nm] of the rims as which the faces across x, y and z are seen.

    Examples
    --------
    >>> tilted = np.array([np.sin(0.01), 0.0, 0.0, np.cos(0.01)])
    >>> cube = CutCuboid(np.full(3, 10.0), np.zeros(8), tilted, np.zeros(2))
    >>> rim_widths_nm(cube)[:2].round(2).tolist()
    [0.0, 0.2]
    """
    along = np.abs(rotation_matrix(shape.quaternion)[2])
    across = np.sqrt(np.maximum(1.0 - along**2, _LEAST**2))
    return np.asarray(_extents(shape, along) * along / across)


def soft_thickness(shape: CutCuboid, x_nm: Float, y_nm: Float, rim_nm: float) -> Float:
    """Thickness along the beam where it passes (x, y) [nm], rims as wide as a pixel at least.

    Parameters
    ----------
    shape : CutCuboid
    x_nm, y_nm : ndarray
        [nm]
    rim_nm : float
        Width of a pixel [nm].

    Examples
    --------
    >>> cube = CutCuboid(np.full(3, 10.0), np.zeros(8), np.array([0, 0, 0, 1]), np.zeros(2))
    >>> soft_thickness(cube, np.array([4.8, 4.95, 5.0, 5.2]), np.zeros(4), 0.2).round(6).tolist()
    [10.0, 7.5, 5.0, 0.0]
    """
    normals, heights = faces(shape)
    rims = _Rims(shape, normals[:6, 2], rim_nm)
    total = np.zeros(x_nm.shape)
    for signs, weight, _ in rims.versions():
        there, far = normals.copy(), heights.copy()
        there[:6, 2] = rims.steep(signs)
        far[:6] += rims.shift(there[:6, 2])
        total += weight * chords(there, far, x_nm, y_nm)
    return total


def soft_thickness_and_jacobian(
    shape: CutCuboid, x_nm: Float, y_nm: Float, rim_nm: float
) -> tuple[Float, Float]:
    """The same and its derivatives, as of `stemfast.fit.cuboid.thickness.thickness_and_jacobian`.

    Parameters
    ----------
    shape, x_nm, y_nm, rim_nm
        As for `soft_thickness`.
    """
    found = planes(shape)
    rims = _Rims(shape, found[0][:6, 2], rim_nm)
    d_nz, d_q = rims.slopes(found[2][:6, :, 2])
    total = np.zeros(x_nm.shape)
    jacobian = np.zeros((*x_nm.shape, d_nz.shape[1]))
    for signs, weight, by_ratio in rims.versions():
        t, slopes = chords_and_jacobian(rims.planes(found, signs, d_nz, d_q), x_nm, y_nm)
        total += weight * t
        jacobian += weight * slopes
        change = by_ratio @ ((d_nz - (rims.nz / rims.q)[:, None] * d_q) / rims.q[:, None])[:3]
        if change.any():
            jacobian += t[..., None] * change
    return total, jacobian


class _Rims:
    """The six faces with larger n_z: q the least, and what comes of it."""

    def __init__(self, shape: CutCuboid, nz: Float, rim_nm: float) -> None:
        self.edges, self.rim, self.nz = shape.edges_nm, rim_nm, nz.copy()
        self.half = np.tile(0.5 * shape.edges_nm, 2)
        self.extent = np.tile(_extents(shape, np.abs(nz[:3])), 2)
        self.square = np.maximum(1.0 - nz**2, _LEAST**2)  # n_xy²
        # Of a flat face nothing is to be softened: n_xy to the third takes care of it.
        self.q = rim_nm * self.square**1.5 / self.extent

    def steep(self, signs: Float) -> Float:
        """(6,) larger n_z."""
        return np.asarray(np.tile(signs, 2) * np.repeat([1.0, -1.0], 3) * np.hypot(self.nz, self.q))

    def shift(self, steep: Float) -> Float:
        """(6,) by how much farther out the planes are, so that each passes its face's middle."""
        return np.asarray(self.half * (self.square + steep * self.nz - 1.0))

    def versions(self) -> Iterator[tuple[Float, float, Float]]:
        """Signs of n_z of the first three faces, the version's weight, and its slope.

        The slope (3,) is that by the ratios n_z/q.
        """
        ratio = self.nz[:3] / self.q[:3] / _BOTH
        inside = np.clip(0.5 * (1.0 + ratio), 0.0, 1.0)
        share = inside**2 * (3.0 - 2.0 * inside)  # of +1, smooth from 0 to 1
        slope = 3.0 * inside * (1.0 - inside) / _BOTH
        for signs in itertools.product((1.0, -1.0), repeat=3):
            own = np.where(np.array(signs) > 0, share, 1.0 - share)
            weight = float(own.prod())
            if weight > 0:
                others = np.array([own[_OTHERS[k]].prod() for k in range(3)])
                yield np.array(signs), weight, np.array(signs) * slope * others

    def slopes(self, d_nz: Float) -> tuple[Float, Float]:
        """Derivatives (6, P) of n_z and of q by every parameter."""
        d_edges = self._by_edges(d_nz.shape[1])
        along, edges = self.nz[:3, None], self.edges[:, None]
        d_squares = edges * along**2 * d_edges + edges**2 * along * d_nz[:3]
        d_extent = np.tile(_OTHERS @ d_squares, (2, 1)) / self.extent[:, None]
        by_nz = -3.0 * self.rim * np.sqrt(self.square) * self.nz
        d_q = (by_nz[:, None] * d_nz - self.q[:, None] * d_extent) / self.extent[:, None]
        return d_nz.copy(), d_q

    def planes(self, found: Planes, signs: Float, d_nz: Float, d_q: Float) -> Planes:
        """A version of the planes, with derivatives."""
        normals, heights, d_normals, d_heights = (part.copy() for part in found)
        steep, nz = self.steep(signs), self.nz
        d_steep = (nz[:, None] * d_nz + self.q[:, None] * d_q) / steep[:, None]
        shift = self.shift(steep)
        d_half = np.tile(0.5 * self._by_edges(d_nz.shape[1]), (2, 1))
        d_shift = d_half * (shift / self.half)[:, None]
        d_shift += self.half[:, None] * ((steep - 2.0 * nz)[:, None] * d_nz + nz[:, None] * d_steep)
        heights[:6] += shift
        d_heights[:6] += d_shift
        normals[:6, 2], d_normals[:6, :, 2] = steep, d_steep
        return normals, heights, d_normals, d_heights

    def _by_edges(self, n: int) -> Float:
        d_edges = np.zeros((3, n))
        d_edges[np.arange(3), 5 + np.arange(3)] = 1.0
        return d_edges


def _extents(shape: CutCuboid, along: Float) -> Float:
    """(3,) extents of the faces along the beam [nm]."""
    return np.asarray(np.sqrt(np.maximum(_OTHERS @ (shape.edges_nm * along) ** 2, _LEAST)))
