"""Half-spaces of a convex solid that a layer of even thickness covers."""

from __future__ import annotations

import numpy as np

from stemfast.particles.geometry.solid import FloatArray

__all__ = ["DIRECTIONS", "covered"]

_SIGNS = np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)], float)
_SIGNS = _SIGNS[np.abs(_SIGNS).sum(axis=1) > 0]
#: Unit vectors (26, 3) along ⟨100⟩, ⟨110⟩ and ⟨111⟩.
DIRECTIONS: FloatArray = _SIGNS / np.sqrt((_SIGNS * _SIGNS).sum(axis=1, keepdims=True))


def covered(normals: FloatArray, vertices: FloatArray, thickness_nm: float) -> FloatArray:
    """Half-spaces n·x <= h(n) + t of a solid and its layer, with h the farthest reach along n.

    Over all directions these are the parallel body, the solid grown by a ball of radius t
    (R. Schneider, Convex Bodies, Cambridge 2014, section 3.1). Here they are those of the solid's
    faces and of `DIRECTIONS`: the layer is t thick on faces and nowhere thinner, 1.0 to 1.5 t over
    corners and edges of the shapes of fields, and 2 t over the sharp rim of a flat decahedron.

    Parameters
    ----------
    normals : (..., F, 3) float64
        Unit outward normals of the solid's faces.
    vertices : (..., V, 3) float64
        Its corners [nm].
    thickness_nm : float
        Thickness t [nm].

    Returns
    -------
    (..., F + 26, 4) float64

    Examples
    --------
    >>> import stemfast as sf
    >>> (cube,) = sf.Cuboid((4, 4, 4)).bodies()
    >>> planes = covered(cube.planes[:, :3], cube.vertices, 1.0)
    >>> planes.shape, planes[:6, 3].tolist()
    ((32, 4), [3.0, 3.0, 3.0, 3.0, 3.0, 3.0])
    """
    around = np.broadcast_to(DIRECTIONS, (*normals.shape[:-2], *DIRECTIONS.shape))
    ways = np.concatenate([normals, around], axis=-2)
    x, y, z = (vertices[..., axis, None] for axis in range(3))
    a, b, c = (ways[..., None, :, axis] for axis in range(3))
    # Products and sums, no matrix product: the same bits with every linear algebra.
    reach = (x * a + y * b + z * c).max(axis=-2)
    return np.concatenate([ways, reach[..., None] + thickness_nm], axis=-1)
