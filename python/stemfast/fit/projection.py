"""The exact projection of a cut cuboid in JAX: differentiable, compiled, in batches by `jax.vmap`.

The same numbers as the C++ core's. A whole corner is one cut at 0, whose plane touches it alone, so
that one compiled function serves every set of cut corners, and a corner can grow a cut by following
the gradient. Importing this loads JAX.

Examples
--------
>>> import jax, jax.numpy as jnp
>>> shape = Shape(
...     quaternion=jnp.array([0.0, 0.0, 0.0, 1.0]),
...     position_nm=jnp.zeros(2),
...     edges_nm=jnp.array([10.0, 12.0, 14.0]),
...     cuts=jnp.zeros(8),
... )
>>> middle = jnp.zeros((1, 1))
>>> float(thickness(shape, middle, middle)[0, 0])
14.0
>>> slope = jax.grad(lambda s: thickness(s, middle, middle)[0, 0])(shape)
>>> slope.edges_nm.tolist()
[0.0, 0.0, 1.0]
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.image.likelihood import Observation
from stemfast.microscope import Microscope
from stemfast.reference import pixel_centres
from stemfast.scattering import exponent
from stemfast.symmetry import CORNER_SIGNS

__all__ = [
    "Optics",
    "Shape",
    "expected_electrons",
    "log_likelihood",
    "optics",
    "scan_grid",
    "thickness",
]

_STEEPEST = 1e-6  # n_z of a plane along the beam, kept from 0
_SIGNS = CORNER_SIGNS.astype(np.float32)


class Shape(NamedTuple):
    """A cut cuboid as arrays, a pytree: see `CutCuboid` for meanings and units.

    The quaternion need not be of length 1, so that it can be stepped freely.
    """

    quaternion: jax.Array
    position_nm: jax.Array
    edges_nm: jax.Array
    cuts: jax.Array

    @classmethod
    def of(cls, cuboid: CutCuboid) -> Shape:
        """The arrays of a cut cuboid."""
        return cls(
            jnp.asarray(cuboid.quaternion),
            jnp.asarray(cuboid.position_nm),
            jnp.asarray(cuboid.edges_nm),
            jnp.asarray(cuboid.cuts),
        )


class Optics(NamedTuple):
    """Optics and contrast applied to a thickness map, as a pytree.

    Attributes
    ----------
    electrons : ()
        Electrons per pixel.
    path_nm, film_path_nm : ()
        Mean free paths of particle and film [nm].
    curve : (5,)
        Numbers of `stemfast.scattering.exponent`.
    film_nm : () or (rows, columns)
        Thickness of the film [nm].
    blur_rows, blur_columns : (rows, rows), (columns, columns)
        The probe along y and along x.
    """

    electrons: jax.Array
    path_nm: jax.Array
    film_path_nm: jax.Array
    curve: jax.Array
    film_nm: jax.Array
    blur_rows: jax.Array
    blur_columns: jax.Array


def scan_grid(microscope: Microscope) -> tuple[jax.Array, jax.Array]:
    """Places x and y of the pixels, (rows, columns) [nm]."""
    x, y = np.meshgrid(*pixel_centres(microscope.scan))
    return jnp.asarray(x), jnp.asarray(y)


def optics(microscope: Microscope, material: str) -> Optics:
    """The optics of a microscope for particles of a material, over its whole field.

    Raises
    ------
    ValueError
        If the probe is not a plain Gaussian.
    """
    from stemfast.fit.image.blur import blur_matrix
    from stemfast.fit.image.film import mean_film
    from stemfast.fit.image.likelihood import check_optics, curve_of

    check_optics(microscope)
    rows, columns = microscope.scan.shape
    sigma = microscope.probe.sigma_nm / microscope.scan.pixel_size_nm
    x, y = np.meshgrid(*pixel_centres(microscope.scan))
    return Optics(
        jnp.asarray(microscope.electrons_per_pixel),
        jnp.asarray(microscope.mean_free_path_nm(material)),
        jnp.asarray(microscope.mean_free_path_nm(microscope.film.material)),
        jnp.asarray(curve_of(microscope, material).numbers),
        jnp.asarray(mean_film(microscope.film, x, y)),
        jnp.asarray(blur_matrix(rows, sigma)),
        jnp.asarray(blur_matrix(columns, sigma)),
    )


def _matrix(quaternion: jax.Array) -> jax.Array:
    x, y, z, w = quaternion / jnp.sqrt((quaternion**2).sum())
    return jnp.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def thickness(shape: Shape, x_nm: jax.Array, y_nm: jax.Array) -> jax.Array:
    """Thickness along the beam where it passes (x, y) [nm], in the shape of x_nm.

    A convex body is the common part of half-spaces n·r <= d, met by the beam at
    z = (d − n_x x − n_y y)/n_z: t = min over exits − max over entries, or 0. A cut at the fraction
    f of a corner's edges is Σ s_k r_k/e_k <= 3/2 − f in the cuboid's own frame.
    """
    own = jnp.concatenate([jnp.eye(3), -jnp.eye(3), jnp.asarray(_SIGNS) / shape.edges_nm])
    half = 0.5 * shape.edges_nm
    heights = jnp.concatenate([half, half, 1.5 - shape.cuts])
    # In full precision: some accelerators multiply matrices in less than float32.
    normals = jnp.matmul(own, _matrix(shape.quaternion).T, precision="highest")
    nz = normals[:, 2]
    leaves = nz >= 0
    nz = jnp.where(jnp.abs(nz) < _STEEPEST, jnp.where(leaves, _STEEPEST, -_STEEPEST), nz)
    x, y = x_nm - shape.position_nm[0], y_nm - shape.position_nm[1]
    along = (heights / nz, -normals[:, 0] / nz, -normals[:, 1] / nz)
    z = along[0] + along[1] * x[..., None] + along[2] * y[..., None]
    last = jnp.where(leaves, z, jnp.inf).min(axis=-1)
    first = jnp.where(leaves, -jnp.inf, z).max(axis=-1)
    return jnp.maximum(last - first, 0.0)


def expected_electrons(shape: Shape, seen: Optics, x_nm: jax.Array, y_nm: jax.Array) -> jax.Array:
    """Mean number of electrons in each pixel, (rows, columns): thickness, contrast, probe."""
    t = thickness(shape, x_nm, y_nm)
    depth = t / seen.path_nm + seen.film_nm / seen.film_path_nm
    fraction = -jnp.expm1(-exponent(depth, seen.curve))
    down = jnp.matmul(seen.blur_rows, fraction, precision="highest")
    return seen.electrons * jnp.matmul(down, seen.blur_columns.T, precision="highest")


def log_likelihood(shape: Shape, observation: Observation) -> jax.Array:
    """Logarithm of P(image | shape), of an `Observation`.

    The film is its mean; the constant ln y! is left out.
    """
    seen = Optics(
        jnp.asarray(observation.dose),
        jnp.asarray(observation.path_nm),
        jnp.asarray(observation.film_path_nm),
        jnp.asarray(observation.curve.numbers),
        jnp.asarray(observation.film_nm),
        jnp.asarray(observation.blur_rows),
        jnp.asarray(observation.blur_columns),
    )
    electrons = expected_electrons(
        shape, seen, jnp.asarray(observation.x_nm), jnp.asarray(observation.y_nm)
    )
    excess, noise, reading = observation.excess, observation.noise, observation.reading
    if len(reading.came):
        electrons = electrons + jnp.interp(electrons, reading.came, reading.off)
    mean = jnp.maximum((electrons + noise / excess) / excess, 1e-6)
    logs = jnp.asarray(observation.counts) * jnp.log(mean) - mean
    return (jnp.asarray(observation.weight) * logs).sum()
