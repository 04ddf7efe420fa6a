"""The solids of `shapes` as a fit sees them: tetrahedra, cuboids and ellipsoids, with derivatives.

A placement has a rotation and values: x and y of the centre, the logarithm of the diameter of the
sphere of the same volume, and proportions. Proportions are such that what the recipe draws is, or
is nearly, normally distributed in them, and that nothing is singular where proportions are equal:

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
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache, cached_property
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fit.cuboid import compose, rotation_matrix
from stemfast.fit.jacobian import Planes, chords, chords_and_jacobian
from stemfast.recipes.distributions import quaternion_product

__all__ = ["Box", "Ellipse", "Faceted", "Family", "Placement", "Pyramid"]

Float: TypeAlias = NDArray[np.float64]
Float32: TypeAlias = NDArray[np.float32]

#: Values before the proportions: x, y, logarithm of the diameter.
PLACE = 3
_EDGE_OF_BALL = (math.sqrt(2.0) * math.pi) ** (1 / 3)  # of a tetrahedron, ball of diameter 1
_EDGE_OF_CUBE = (math.pi / 6.0) ** (1 / 3)
_OUTLINE = 0.1  # where the slope of an ellipsoid's thickness is cut off, in units of its middle
_NARROWEST = 0.003  # standard deviation of proportions that the recipe has all alike
_DRAWS = 1 << 16


@dataclass(frozen=True, eq=False)
class Placement:
    """A solid somewhere.

    Attributes
    ----------
    quaternion : (4,) float64
        How it is turned (x, y, z, w).
    values : (3 + proportions,) float64
        x and y of its centre [nm], logarithm of the diameter of the sphere of its volume [nm], and
        its proportions.
    """

    quaternion: Float
    values: Float


class Family(ABC):
    """Solids of one kind.

    Attributes
    ----------
    turns : int
        Parameters of the rotation, which come first: 3, or 0 for none.
    n_proportions : int
    mean, precision : (p,), (p, p) float64
        Of the normal distribution of proportions that fits assume.
    """

    turns: ClassVar[int]
    n_proportions: ClassVar[int]
    mean: Float
    precision: Float

    @property
    def n(self) -> int:
        """Number of parameters: turns, place, size and proportions."""
        return self.turns + PLACE + self.n_proportions

    @abstractmethod
    def thickness(self, at: Placement, x_nm: Float, y_nm: Float) -> Float:
        """Thickness along the beam at (x, y) [nm]."""

    @abstractmethod
    def thickness_and_jacobian(
        self, at: Placement, x_nm: Float, y_nm: Float
    ) -> tuple[Float, Float32]:
        """The same and its derivatives by turns [nm/rad], place [1], size and proportions [nm]."""

    def moved(self, at: Placement, change: Float) -> Placement:
        """A placement after a change of all parameters."""
        turned = compose(change[:3], at.quaternion) if self.turns else at.quaternion
        return Placement(turned, at.values + change[self.turns :])

    def log_prior(self, at: Placement) -> float:
        """Logarithm of the normal density of proportions, but for its norm."""
        off = at.values[PLACE:] - self.mean
        return -0.5 * float(off @ self.precision @ off)


class Faceted(Family):
    """Solids with plane faces.

    Attributes
    ----------
    normals : (F, 3) float64
        Unit normals of the faces of an upright one.
    group : (G, 3, 3) float64
        Rotations and reflections that map upright ones onto upright ones.
    """

    turns = 3
    normals: Float
    group: Float

    @abstractmethod
    def heights(self, values: Float) -> tuple[Float, Float]:
        """Distances (F,) of the faces, and derivatives (F, 1 + p) by size and proportions."""

    @abstractmethod
    def permuted(self, proportions: Float) -> Float:
        """Proportions (n, p) as each element of the group leaves them: (n, G, p)."""

    def turned(self, quaternions: Float) -> Float:
        """Rotations (n, G, 4) whose image is that of rotations (n, 4), see `permuted`.

        An element of the group that is a reflection h goes with one along the beam, σ: the rotation
        is σRh = (σRσ)(σh), and σ turns the axis of R about the beam by half a circle.
        """
        proper, mirror = self._turns
        seen = quaternions * np.where(mirror[:, None], [-1.0, -1.0, 1.0, 1.0], 1.0)[:, None]
        product = quaternion_product(seen, proper[:, None])
        return np.asarray(np.swapaxes(product, 0, 1))

    @cached_property
    def _turns(self) -> tuple[Float, NDArray[np.bool_]]:
        """Quaternions (G, 4) of each element h or of σh, and which are σh."""
        from scipy.spatial.transform import Rotation

        mirror = np.linalg.det(self.group) < 0
        matrices = self.group.copy()
        matrices[mirror, 2] *= -1.0
        return Rotation.from_matrix(matrices).as_quat(), mirror

    def _planes(self, at: Placement) -> Planes:
        matrix = rotation_matrix(at.quaternion)
        normals = self.normals @ matrix.T
        heights, slopes = self.heights(at.values)
        place = at.values[:2]
        d_normals = np.zeros((len(normals), self.n, 3))
        d_heights = np.zeros((len(normals), self.n))
        for k in range(3):
            d_normals[:, k] = np.cross(np.eye(3)[k], normals)
        d_heights[:, 3:5] = normals[:, :2]
        d_heights[:, 5:] = slopes
        d_heights += d_normals[:, :, :2] @ place
        return normals, heights + normals[:, :2] @ place, d_normals, d_heights

    def thickness(self, at: Placement, x_nm: Float, y_nm: Float) -> Float:
        """Thickness along the beam at (x, y) [nm]."""
        normals = self.normals @ rotation_matrix(at.quaternion).T
        heights = self.heights(at.values)[0] + normals[:, :2] @ at.values[:2]
        return chords(normals, heights, x_nm, y_nm)

    def thickness_and_jacobian(
        self, at: Placement, x_nm: Float, y_nm: Float
    ) -> tuple[Float, Float32]:
        """The same and its derivatives by all parameters."""
        return chords_and_jacobian(self._planes(at), x_nm, y_nm)


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


class Ellipse(Family):
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
    ) -> tuple[Float, Float32]:
        """The same and its derivatives by all parameters."""
        thickest, form, by_form = self._form(at.values)
        x, y = x_nm - at.values[0], y_nm - at.values[1]
        left = 1.0 - (form[0, 0] * x * x + 2 * form[0, 1] * x * y + form[1, 1] * y * y)
        t = np.asarray(thickest * np.sqrt(np.maximum(left, 0.0)))
        # t = T √left: infinitely steep at the outline, which pixels and probe smooth.
        steep = np.where(left > 0, 0.5 * thickest / np.sqrt(np.maximum(left, _OUTLINE**2)), 0.0)
        jacobian = np.empty((*x.shape, self.n), np.float32)
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
