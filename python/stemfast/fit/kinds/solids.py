"""The solids of `shapes` as a fit sees them: tetrahedra, cuboids and ellipsoids.

Their proportions are such that what the recipe draws is, or is nearly, normally distributed in
them, and that nothing is singular where proportions are equal:

- A tetrahedron has none.
- A cuboid has three, z, standard normal: the logarithm of edge k is ln r · Φ(z_k), less the mean of
  the three, where r is the largest ratio of edges and Φ the normal distribution. That is how the
  recipe draws them.
- An ellipsoid's image tells less than its three axes and its pose: only the ellipse of its outline
  and its thickness in the middle, which volume and outline give. Its placement has no rotation, and
  three proportions: half the logarithm of the outline's matrix is (m + ln d/2) 1 + e₁ σ_z + e₂ σ_x.
"""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.kinds.kind import PLACE, Faceted, Kind, Placement

__all__ = ["Box", "Ellipse", "Pyramid"]

Float: TypeAlias = NDArray[np.float64]

_EDGE_OF_BALL = (math.sqrt(2.0) * math.pi) ** (1 / 3)  # of a tetrahedron, ball of diameter 1
_EDGE_OF_CUBE = (math.pi / 6.0) ** (1 / 3)
_OUTLINE = 0.1  # where the slope of an ellipsoid's thickness is cut off, in units of its middle
_NARROWEST = 0.003  # standard deviation of proportions that the recipe has all alike
_DRAWS = 1 << 16


class Pyramid(Faceted):
    """Regular tetrahedra, upright as :class:`stemfast.Tetrahedron` is.

    Examples
    --------
    >>> Pyramid().group.shape, Pyramid().n
    ((24, 3, 3), 6)
    """

    n_proportions = 0

    def __init__(self) -> None:
        from stemfast.particles import Tetrahedron

        corners = np.array(Tetrahedron(edge=1.0).vertices)
        self.mean, self.precision = np.zeros(0), np.zeros((0, 0))
        # Each face is opposite a corner.
        self.normals = -corners / np.sqrt((corners**2).sum(axis=1, keepdims=True))
        self._inradius = float(np.sqrt((corners[0] ** 2).sum()) / 3.0)
        onto = np.linalg.pinv(corners)
        orders = itertools.permutations(range(4))
        self.group = np.stack([(onto @ corners[list(order)]).T for order in orders])

    def heights(self, values: Float) -> tuple[Float, Float]:
        """Distances of the faces, and their derivatives."""
        height = self._inradius * _EDGE_OF_BALL * math.exp(float(values[2]))
        return np.full(4, height), np.full((4, 1), height)

    def permuted(self, proportions: Float) -> Float:
        """Proportions as each element of the group leaves them."""
        return np.repeat(proportions[:, None], len(self.group), axis=1)


class Box(Faceted):
    """Cuboids, none of whose edges is more than `ratio` times another.

    Examples
    --------
    >>> Box(1.6).edges_nm(np.array([0.0, 0.0, np.log(10.0), 0.0, 0.0, 0.0])).round(3).tolist()
    [8.06, 8.06, 8.06]
    """

    n_proportions = 3

    def __init__(self, ratio: float) -> None:
        self.widest = math.log(ratio)
        self.mean, self.precision = np.zeros(3), np.eye(3)
        self.normals = np.concatenate([np.eye(3), -np.eye(3)])
        axes = [np.eye(3)[list(order)] for order in itertools.permutations(range(3))]
        signs = [np.diag(s) for s in itertools.product((1.0, -1.0), repeat=3)]
        self.group = np.stack([axis @ sign for axis in axes for sign in signs])

    def edges_nm(self, values: Float) -> Float:
        """The three edges [nm]."""
        from scipy.special import ndtr

        logs = self.widest * ndtr(values[PLACE:])
        return np.asarray(_EDGE_OF_CUBE * np.exp(values[2] + logs - logs.mean()))

    def proportions(self, edges_nm: Float) -> Float:
        """Proportions of a cuboid with these edges: of the many alike, the middle ones."""
        from scipy.special import ndtri

        logs = np.log(edges_nm)
        room = self.widest - (logs.max() - logs.min())
        share = (logs - logs.min() + 0.5 * room) / self.widest if self.widest else np.full(3, 0.5)
        return np.asarray(ndtri(np.clip(share, 0.02, 0.98)))

    def heights(self, values: Float) -> tuple[Float, Float]:
        """Distances of the faces, and their derivatives."""
        half = 0.5 * self.edges_nm(values)
        density = np.exp(-0.5 * values[PLACE:] ** 2) / math.sqrt(2 * math.pi)
        by_z = half[:, None] * self.widest * density[None, :] * (np.eye(3) - 1.0 / 3.0)
        slopes = np.concatenate([half[:, None], by_z], axis=1)
        return np.tile(half, 2), np.tile(slopes, (2, 1))

    def permuted(self, proportions: Float) -> Float:
        """Proportions as each element of the group leaves them."""
        return np.asarray(np.einsum("gij,ni->ngj", np.abs(self.group), proportions))


class Ellipse(Kind):
    """Ellipsoids, none of whose axes is more than `ratio` times another, by their outline.

    Attributes
    ----------
    draws : (n, 3) float64
        Proportions of ellipsoids as the recipe draws them.

    Examples
    --------
    >>> ball = Placement(np.array([0, 0, 0, 1.0]), np.array([0, 0, np.log(10.0), 0, 0, 0]))
    >>> Ellipse(1.2).thickness(ball, np.array([0.0, 3.0, 6.0]), np.zeros(3)).round(6).tolist()
    [10.0, 8.0, 0.0]
    """

    turns = 0
    n_proportions = 3

    def __init__(self, ratio: float) -> None:
        self.draws = _outlines(ratio)
        covariance = np.cov(self.draws.T) + _NARROWEST**2 * np.eye(3)
        self.mean = np.asarray(self.draws.mean(axis=0))
        self.precision = np.linalg.inv(covariance).astype(np.float64)

    @staticmethod
    def _form(values: Float) -> tuple[float, Float, Float]:
        """Thickness in the middle; Q (2, 2) with the outline at r·Qr = 1; dQ (3, 2, 2)."""
        _, _, size, middle, *tilt = values.tolist()
        h2 = tilt[0] ** 2 + tilt[1] ** 2
        h = math.sqrt(h2)
        even = math.cosh(2 * h)
        odd = math.sinh(2 * h) / h if h > 1e-4 else 2.0 + 4.0 / 3.0 * h2
        slope = (2 * even - odd) / h2 if h > 1e-2 else 8.0 / 3.0 + 16.0 / 15.0 * h2
        one = np.eye(2)
        pauli = np.array([[[1.0, 0.0], [0.0, -1.0]], [[0.0, 1.0], [1.0, 0.0]]])
        bent = tilt[0] * pauli[0] + tilt[1] * pauli[1]
        scale = 4.0 * math.exp(-2 * (size + middle))
        form = scale * (even * one - odd * bent)
        by_tilt = [
            scale * (2 * odd * tilt[k] * one - slope * tilt[k] * bent - odd * pauli[k])
            for k in range(2)
        ]
        thickest = math.exp(size - 2 * middle)
        return thickest, form, np.stack([-2.0 * form, *by_tilt])

    def thickness(self, at: Placement, x_nm: Float, y_nm: Float) -> Float:
        """Thickness along the beam at (x, y) [nm]."""
        thickest, form, _ = self._form(at.values)
        x, y = x_nm - at.values[0], y_nm - at.values[1]
        left = 1.0 - (form[0, 0] * x * x + 2 * form[0, 1] * x * y + form[1, 1] * y * y)
        return np.asarray(thickest * np.sqrt(np.maximum(left, 0.0)))

    def thickness_and_jacobian(
        self, at: Placement, x_nm: Float, y_nm: Float
    ) -> tuple[Float, Float]:
        """The same and its derivatives by all parameters."""
        thickest, form, by_form = self._form(at.values)
        x, y = x_nm - at.values[0], y_nm - at.values[1]
        left = 1.0 - (form[0, 0] * x * x + 2 * form[0, 1] * x * y + form[1, 1] * y * y)
        t = np.asarray(thickest * np.sqrt(np.maximum(left, 0.0)))
        # t = T √left: infinitely steep at the outline, which pixels and probe smooth.
        steep = np.where(left > 0, 0.5 * thickest / np.sqrt(np.maximum(left, _OUTLINE**2)), 0.0)
        jacobian = np.empty((*x.shape, self.n))
        jacobian[..., 0] = 2 * steep * (form[0, 0] * x + form[0, 1] * y)
        jacobian[..., 1] = 2 * steep * (form[0, 1] * x + form[1, 1] * y)
        for k, slope in enumerate(by_form):
            change = slope[0, 0] * x * x + 2 * slope[0, 1] * x * y + slope[1, 1] * y * y
            jacobian[..., 3 + k] = -steep * change
        jacobian[..., 2] = t + jacobian[..., 3]
        jacobian[..., 3] -= 2 * t
        return t, jacobian


@cache
def _outlines(ratio: float) -> Float:
    """Proportions (n, 3) of the outlines of random ellipsoids, as the recipe draws them."""
    rng = np.random.default_rng(0)
    logs = math.log(ratio) * rng.random((_DRAWS, 3))
    logs -= logs.mean(axis=1, keepdims=True)
    # Two rows of a random rotation: what x and y see of the three axes.
    first = rng.normal(size=(_DRAWS, 3))
    first /= np.sqrt((first**2).sum(axis=1, keepdims=True))
    second = np.cross(first, rng.normal(size=(_DRAWS, 3)))
    second /= np.sqrt((second**2).sum(axis=1, keepdims=True))
    squares = np.exp(2 * logs)
    a, b, c = (
        (squares * first * first).sum(axis=1),
        (squares * second * second).sum(axis=1),
        (squares * first * second).sum(axis=1),
    )
    mean, half = 0.5 * (a + b), 0.5 * (a - b)
    apart = np.sqrt(half**2 + c**2)
    high, low = 0.5 * np.log(mean + apart), 0.5 * np.log(mean - apart)
    share = np.where(apart > 0, 0.5 * (high - low) / np.maximum(apart, 1e-300), 0.0)
    return np.stack([0.5 * (high + low), share * half, share * c], axis=1)
