"""Paths of the beam inside solids, and voxels of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.microscope import Scan
from stemfast.particles import Particle
from stemfast.particles.arguments import MaterialLike
from stemfast.particles.geometry.body import Body, ConvexBody, EllipsoidBody
from stemfast.reference.clock import beam_shift, pixel_centres, pixel_times, pose_times

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

Float = NDArray[np.float64]


def chords(body: Body, matrix: Float, position: Float, x: Float, y: Float) -> Float:
    """Return the beam's path inside one body [nm] at points (x, y), by looking at every face.

    Parameters
    ----------
    body : Body
    matrix : (3, 3) float64
        Rotation of the body.
    position : (3,) float64
        Of its origin [nm].
    x, y : (n,) float64
        Where the beam passes [nm].

    Examples
    --------
    >>> import stemfast as sf
    >>> (ball,) = sf.Sphere(radius=5).bodies()
    >>> path = chords(ball, np.eye(3), np.zeros(3), np.array([0.0, 3.0, 9.0]), np.zeros(3))
    >>> path.round(12).tolist()
    [10.0, 8.0, 0.0]
    """
    if isinstance(body, ConvexBody):
        return _convex_chords(body, matrix, position, x, y)
    if isinstance(body, EllipsoidBody):
        return _ellipsoid_chords(body, matrix, position, x, y)
    path = np.zeros_like(x)
    points = body.vertices @ matrix.T + position
    for a, b, c in points[body.triangles]:
        area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        if area == 0:
            continue
        u = ((x - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (y - a[1])) / area
        v = ((b[0] - a[0]) * (y - a[1]) - (x - a[0]) * (b[1] - a[1])) / area
        depth = a[2] + u * (b[2] - a[2]) + v * (c[2] - a[2])
        path += np.where((u >= 0) & (v >= 0) & (u + v < 1), np.sign(area) * depth, 0.0)
    return path


def _convex_chords(body: ConvexBody, matrix: Float, position: Float, x: Float, y: Float) -> Float:
    leave, enter = np.full_like(x, np.inf), np.full_like(x, -np.inf)
    for *normal, offset in body.planes:
        nx, ny, nz = matrix @ np.array(normal)
        d = offset + np.dot((nx, ny, nz), position)
        if abs(nz) < 1e-9:  # a face along the beam lets it pass or not
            leave[nx * x + ny * y > d] = -np.inf
        elif nz > 0:
            leave = np.minimum(leave, (d - nx * x - ny * y) / nz)
        else:
            enter = np.maximum(enter, (d - nx * x - ny * y) / nz)
    return np.maximum(leave - enter, 0.0)


def _ellipsoid_chords(
    body: EllipsoidBody, matrix: Float, position: Float, x: Float, y: Float
) -> Float:
    # |S⁻¹Rᵀ(r − c)| = 1 along r = (x, y, z) is a quadratic equation in z.
    from scipy.spatial.transform import Rotation

    axes = matrix @ Rotation.from_quat(body.quaternion).as_matrix()
    to_sphere = np.diag(1.0 / np.asarray(body.semi_axes)) @ axes.T
    centre = matrix @ np.asarray(body.centre) + position
    start = to_sphere @ np.stack([x - centre[0], y - centre[1], np.zeros_like(x)])
    along = to_sphere[:, 2]
    a, b, c = along @ along, along @ start, np.sum(start**2, axis=0) - 1.0
    return np.asarray(2.0 * np.sqrt(np.maximum(b * b - a * c, 0.0)) / a)


def thickness(
    particle: Particle,
    orientation: Rotation,
    scan: Scan,
    *,
    position_nm: ArrayLike = (0.0, 0.0, 0.0),
    spin_rad_s: ArrayLike = (0.0, 0.0, 0.0),
    pose_per: str = "row",
    oversample: int = 1,
    jitter_nm: Float | None = None,
    material: MaterialLike | None = None,
) -> Float:
    """Return one thickness map (rows, columns) [nm]; see `stemfast.thickness`.

    With `material`, that of this material alone.

    Examples
    --------
    >>> import stemfast as sf
    >>> from scipy.spatial.transform import Rotation
    >>> thickness(sf.Cuboid((2, 2, 3)), Rotation.identity(), Scan(shape=(1, 1))).tolist()
    [[3.0]]
    """
    from scipy.spatial.transform import Rotation

    position, spin = np.asarray(position_nm, np.float64), np.asarray(spin_rad_s, np.float64)
    x, y = pixel_centres(scan, oversample)
    shift_x, shift_y = (np.kron(s, np.ones(2 * (oversample,))) for s in beam_shift(scan, jitter_nm))
    times = pose_times(scan, pose_per)
    times = np.kron(times - pixel_times(scan).mean(), np.ones(2 * (oversample,)))
    fine = np.zeros((len(y), len(x)))
    for i in range(len(y)):
        # One pose after the other: the pixels of a row that share one go together.
        for time in np.unique(times[i]):
            at = times[i] == time
            matrix = (Rotation.from_rotvec(spin * time) * orientation).as_matrix()
            beam = x[at] + shift_x[i, at], y[i] + shift_y[i, at]
            for body in particle.bodies():
                own = particle.material if body.material is None else body.material
                if material is not None and own != material:
                    continue
                fine[i, at] += body.weight * chords(body, matrix, position, *beam)
    rows, columns = scan.shape
    return np.asarray(fine.reshape(rows, oversample, columns, oversample).mean(axis=(1, 3)))


def occupancy(
    body: ConvexBody, matrix: Float, axes: tuple[Float, Float, Float]
) -> NDArray[np.bool_]:
    """Return which voxel centres lie inside a convex body, (nz, ny, nx), asking at each of them.

    Parameters
    ----------
    body : ConvexBody
    matrix : (3, 3) float64
        Rotation of the body.
    axes : three arrays
        z, y and x of the voxel centres [nm].

    Examples
    --------
    >>> import stemfast as sf
    >>> (cube,) = sf.Cuboid((2, 2, 2)).bodies()
    >>> axis = np.array([-1.5, -0.5, 0.5, 1.5])
    >>> int(occupancy(cube, np.eye(3), (axis, axis, axis)).sum())
    8
    """
    z, y, x = np.meshgrid(*axes, indexing="ij")
    inside = np.ones(z.shape, bool)
    for nx, ny, nz, d in body.planes:
        r = [m[0] * nx + m[1] * ny + m[2] * nz for m in matrix]
        inside &= (r[0] * x + r[1] * y) + r[2] * z <= d
    return inside


def project_volume(volume: Float, matrix: Float, side: int, voxel_size_nm: float) -> Float:
    """Return one projection (side, side) of a density volume; see `stemfast.project_volume`.

    Examples
    --------
    >>> float(project_volume(np.ones((3, 3, 3)), np.eye(3), 3, 0.5)[1, 1])
    1.5
    """
    middle = (side - 1) / 2
    z, y, x = np.meshgrid(*3 * (np.arange(side) - middle,), indexing="ij")
    back = np.einsum("ij,i...->j...", matrix, np.stack([x, y, z]))
    nz, ny, nx = volume.shape
    at = [back[k] + (n - 1) / 2 for k, n in enumerate((nx, ny, nz))]
    low = [np.floor(a).astype(int) for a in at]
    field = np.zeros(z.shape)
    for corner in np.ndindex(2, 2, 2):
        weight = np.ones(z.shape)
        inside = np.ones(z.shape, bool)
        where = []
        for k, n in enumerate((nx, ny, nz)):
            i = low[k] + corner[k]
            fraction = at[k] - low[k]
            weight = weight * (fraction if corner[k] else 1.0 - fraction)
            inside &= (i >= 0) & (i < n)
            where.append(np.clip(i, 0, n - 1))
        field += np.where(inside, weight * volume[where[2], where[1], where[0]], 0.0)
    projection = field.sum(axis=0)
    return np.asarray(projection * voxel_size_nm * volume.sum() / projection.sum())
