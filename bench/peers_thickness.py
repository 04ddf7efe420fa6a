"""Other people's ways to the thickness of a convex polyhedron, each as fast as we know how to write
it.

All take unit quaternions (n, 4) and give (n, size, size) float32 [nm].
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numba
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Images = NDArray[np.float32]


@numba.njit(cache=False, fastmath=True)
def _numba_clip(planes, vertices, matrices, size, pixel, out):  # type: ignore[no-untyped-def]
    n_faces = planes.shape[0]
    base = np.empty(n_faces, np.float32)
    slope_x = np.empty(n_faces, np.float32)
    slope_y = np.empty(n_faces, np.float32)
    exits = np.empty(n_faces, np.bool_)
    half = 0.5 * (size - 1)
    for i in range(matrices.shape[0]):
        m = matrices[i]
        low_x = low_y = 1e30
        high_x = high_y = -1e30
        for v in range(vertices.shape[0]):
            x = m[0, 0] * vertices[v, 0] + m[0, 1] * vertices[v, 1] + m[0, 2] * vertices[v, 2]
            y = m[1, 0] * vertices[v, 0] + m[1, 1] * vertices[v, 1] + m[1, 2] * vertices[v, 2]
            low_x, high_x = min(low_x, x), max(high_x, x)
            low_y, high_y = min(low_y, y), max(high_y, y)
        # Exits first, so that the inner loops have no branch.
        n_exits = 0
        for wanted in (True, False):
            for f in range(n_faces):
                nz = m[2, 0] * planes[f, 0] + m[2, 1] * planes[f, 1] + m[2, 2] * planes[f, 2]
                if (nz > 0) == wanted:
                    nx = m[0, 0] * planes[f, 0] + m[0, 1] * planes[f, 1] + m[0, 2] * planes[f, 2]
                    ny = m[1, 0] * planes[f, 0] + m[1, 1] * planes[f, 1] + m[1, 2] * planes[f, 2]
                    base[n_exits] = planes[f, 3] / nz
                    slope_x[n_exits] = -nx / nz
                    slope_y[n_exits] = -ny / nz
                    exits[n_exits] = wanted
                    n_exits += 1
        split = 0
        while split < n_faces and exits[split]:
            split += 1
        out[i] = 0.0
        row0 = max(0, int(low_y / pixel + half))
        row1 = min(size, int(high_y / pixel + half) + 2)
        col0 = max(0, int(low_x / pixel + half))
        col1 = min(size, int(high_x / pixel + half) + 2)
        for r in range(row0, row1):
            y = np.float32((r - half) * pixel)
            for c in range(col0, col1):
                x = np.float32((c - half) * pixel)
                leave = np.float32(1e30)
                for f in range(split):
                    leave = min(leave, base[f] + slope_x[f] * x + slope_y[f] * y)
                enter = np.float32(-1e30)
                for f in range(split, n_faces):
                    enter = max(enter, base[f] + slope_x[f] * x + slope_y[f] * y)
                out[i, r, c] = max(leave - enter, np.float32(0.0))


@numba.njit(cache=False, fastmath=True)
def _numba_rows(planes, vertices, matrices, size, pixel, out):  # type: ignore[no-untyped-def]
    # The same clip face by face along a row, which LLVM turns into vector code.
    n_faces = planes.shape[0]
    half = 0.5 * (size - 1)
    leave = np.empty(size, np.float32)
    enter = np.empty(size, np.float32)
    for i in range(matrices.shape[0]):
        m = matrices[i]
        low_x = low_y = 1e30
        high_x = high_y = -1e30
        for v in range(vertices.shape[0]):
            x = m[0, 0] * vertices[v, 0] + m[0, 1] * vertices[v, 1] + m[0, 2] * vertices[v, 2]
            y = m[1, 0] * vertices[v, 0] + m[1, 1] * vertices[v, 1] + m[1, 2] * vertices[v, 2]
            low_x, high_x = min(low_x, x), max(high_x, x)
            low_y, high_y = min(low_y, y), max(high_y, y)
        out[i] = 0.0
        row0 = max(0, int(low_y / pixel + half))
        row1 = min(size, int(high_y / pixel + half) + 2)
        col0 = max(0, int(low_x / pixel + half))
        col1 = min(size, int(high_x / pixel + half) + 2)
        rotated = np.ascontiguousarray(planes[:, :3]) @ np.ascontiguousarray(m.T)
        for r in range(row0, row1):
            y = (r - half) * pixel
            leave[col0:col1] = 1e30
            enter[col0:col1] = -1e30
            for f in range(n_faces):
                inverse = 1.0 / rotated[f, 2]
                start = np.float32((planes[f, 3] - rotated[f, 1] * y) * inverse)
                slope = np.float32(-rotated[f, 0] * inverse)
                if inverse > 0:
                    for c in range(col0, col1):
                        x = np.float32((np.float32(c) - np.float32(half)) * np.float32(pixel))
                        leave[c] = min(leave[c], start + slope * x)
                else:
                    for c in range(col0, col1):
                        x = np.float32((np.float32(c) - np.float32(half)) * np.float32(pixel))
                        enter[c] = max(enter[c], start + slope * x)
            for c in range(col0, col1):
                out[i, r, c] = max(leave[c] - enter[c], np.float32(0.0))


def numba_clip(planes: Float, vertices: Float, matrices: Float, pixel: float, out: Images) -> None:
    """Pixel by pixel, all faces at each."""
    _numba_clip(planes, vertices, matrices, out.shape[1], pixel, out)


def numba_rows(planes: Float, vertices: Float, matrices: Float, pixel: float, out: Images) -> None:
    """Row by row, face by face."""
    _numba_rows(planes, vertices, matrices, out.shape[1], pixel, out)


def jax_clip(planes: Float, size: int, pixel: float) -> Callable[[jax.Array], jax.Array]:
    """Return a jitted function of rotation matrices (n, 3, 3), the faces unrolled."""
    faces = jnp.asarray(planes, jnp.float32)
    axis = (jnp.arange(size, dtype=jnp.float32) - 0.5 * (size - 1)) * pixel

    def one(matrix: jax.Array) -> jax.Array:
        normal = faces[:, :3] @ matrix.T
        x, y = axis[None, :], axis[:, None]
        leave = jnp.full((size, size), 1e30, jnp.float32)
        enter = -leave
        for f in range(len(faces)):
            nz = normal[f, 2]
            z = (faces[f, 3] - normal[f, 0] * x - normal[f, 1] * y) / nz
            leave = jnp.minimum(leave, jnp.where(nz > 0, z, 1e30))
            enter = jnp.maximum(enter, jnp.where(nz > 0, -1e30, z))
        return jnp.maximum(leave - enter, 0.0)

    return jax.jit(lambda matrices: jax.lax.map(one, matrices))


def student_voxels(planes: Float, matrix: Float, pixel: float, n: int = 128) -> Images:
    """A first NumPy program: n³ booleans, rotated coordinates, a test for every face, a sum."""
    axis = (np.arange(n) - 0.5 * (n - 1)) * pixel
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    points = np.stack([x.ravel(), y.ravel(), z.ravel()])
    back = matrix.T @ points
    inside = np.ones(back.shape[1], bool)
    for *normal, d in planes:
        inside &= normal @ back <= d
    return (inside.reshape(n, n, n).sum(axis=0) * pixel).astype(np.float32)


def broadcast_voxels(planes: Float, matrix: Float, pixel: float, n: int = 128) -> Images:
    """The same without any array of coordinates: each face's three terms are broadcast."""
    axis = ((np.arange(n) - 0.5 * (n - 1)) * pixel).astype(np.float32)
    inside = np.ones((n, n, n), bool)
    for *normal, d in planes:
        a, b, c = (matrix @ np.array(normal)).astype(np.float32)
        plane = (a * axis)[None, :] + (b * axis - np.float32(d))[:, None]
        inside &= plane[None] <= (-c * axis)[:, None, None]
    return inside.sum(axis=0, dtype=np.uint8) * np.float32(pixel)
