"""Voxels: particles rasterised in any orientation, and density volumes projected.

With `stemfast.simulate`, the only caller of the core's engines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast import _core
from stemfast.arguments import index, length_nm, output_array
from stemfast.orientation import quaternions
from stemfast.simulation.batch import Batch, Shown
from stemfast.simulation.lay_out import lay_out

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation


def voxelize(
    particle: Shown,
    orientation: Rotation | None = None,
    *,
    voxel_size_nm: float,
    shape: tuple[int, int, int] | None = None,
    n_threads: int = 0,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Rasterise a particle in its rotated frame.

    Parameters
    ----------
    particle : Particle or Specimen
    orientation : Rotation or None
        One rotation; None is the identity.
    voxel_size_nm : float
        Side of a voxel [nm].
    shape : (int, int, int), optional
        Voxels along z, y and x, centred on the origin; by default the smallest box that holds the
        particle.
    n_threads : int
        0 for all cores the process may use.
    out : ndarray, optional
        Where to write: the result's shape, uint8, C-contiguous.

    Returns
    -------
    (nz, ny, nx) uint8
        1 where a voxel's centre lies inside, else 0; where bodies overlap, their number.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be.
    MemoryError
        If the volume would not fit into memory.

    Examples
    --------
    >>> import stemfast as sf
    >>> volume = voxelize(sf.Cuboid(edges=(4, 6, 8)), voxel_size_nm=1.0)
    >>> volume.shape, int(volume.sum())
    ((8, 6, 4), 192)
    """
    if not isinstance(particle, Shown):
        raise TypeError(f"particle must be a Particle or Specimen, got {type(particle).__name__}")
    size = length_nm("voxel_size_nm", voxel_size_nm)
    batch = lay_out(particle, orientation, None, {})
    if batch.n_images != 1:
        raise ValueError(f"orientation has length {batch.n_images}, expected a single rotation")
    threads = index("n_threads", n_threads, maximum=4096)
    weights = batch.weight
    if not np.isin(weights, (-1.0, 1.0)).all():
        raise ValueError(
            "particle has a body whose weight is neither 1 nor −1: it has no occupancy; "
            "with_grain_brightness(None) takes factors of grains away"
        )
    if shape is None:
        shape = _smallest_box(batch, size)
    elif not isinstance(shape, tuple) or len(shape) != 3:
        raise ValueError(f"shape must be three whole numbers (nz, ny, nx), got {shape!r}")
    whole = tuple(index(f"shape[{i}]", n, minimum=1) for i, n in enumerate(shape))
    volume = output_array(out, whole, np.dtype(np.uint8))
    _core.voxelize(batch.scenes(weights), volume, voxel_size=size, n_threads=threads)
    return volume


def project_volume(
    volume: ArrayLike,
    orientations: Rotation | None = None,
    *,
    voxel_size_nm: float,
    shape: tuple[int, int] | None = None,
    n_threads: int = 0,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Project any density volume along the beam, turned by each orientation.

    Parameters
    ----------
    volume : (nz, ny, nx) array_like
        Density; it is zero outside, and turns about the middle of its box.
    orientations : Rotation or None
        One, or n; None is the identity.
    voxel_size_nm : float
        Side of a voxel, and of a pixel of the result [nm].
    shape : (int, int), optional
        Rows and columns of the result. By default a square that holds the volume in every
        orientation; a smaller one is a window on its middle.
    n_threads : int
        0 for all cores the process may use.
    out : ndarray, optional
        Where to write: the result's shape, float32, C-contiguous.

    Returns
    -------
    (rows, columns) or (n, rows, columns) float32
        Integral of the density along the beam [density · nm]. Its sum over the default shape times
        the pixel's area is the volume's mass.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be.
    MemoryError
        If the result would not fit into memory.

    Notes
    -----
    The density is interpolated trilinearly on the turned lattice. That changes the total by 1e-3 or
    less where the density is smooth; each projection is scaled by one factor that takes this back.

    Examples
    --------
    >>> import numpy as np
    >>> box = np.ones((4, 4, 4))
    >>> projection = project_volume(box, voxel_size_nm=0.5, shape=(4, 4))
    >>> float(projection[1, 1])
    2.0
    """
    density, size = _density(volume), length_nm("voxel_size_nm", voxel_size_nm)
    threads = index("n_threads", n_threads, maximum=4096)
    q = quaternions(orientations)
    single = orientations is None or orientations.single
    # Half the diagonal, and half a voxel for interpolation, on either side of the middle.
    side = int(np.ceil(np.linalg.norm(density.shape))) + 1
    if shape is None:
        shape = (side, side)
    elif not isinstance(shape, tuple) or len(shape) != 2:
        raise ValueError(f"shape must be two whole numbers (rows, columns), got {shape!r}")
    rows, columns = (index(f"shape[{i}]", n, minimum=1) for i, n in enumerate(shape))
    # The working field has the parity of the result, so that both have the same middle.
    work = max(side, rows, columns)
    work += (work - rows) % 2
    if (rows - columns) % 2:
        raise ValueError(
            "shape must be two even or two odd numbers, so that both middles fall alike, "
            f"got {shape!r}"
        )
    stack = output_array(
        out, (rows, columns) if single else (len(q), rows, columns), np.dtype(np.float32)
    )
    pixels = stack[None] if single else stack
    _core.project_volume(density, q, pixels, voxel_size=size, side=work, n_threads=threads)
    return stack


def _density(volume: ArrayLike) -> NDArray[np.float32]:
    try:
        given = np.asarray(volume)
        if given.dtype.kind not in "buifO":
            raise TypeError
        with np.errstate(over="ignore"):  # refused below
            density = np.ascontiguousarray(given, np.float32)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"volume must hold numbers, got {type(volume).__name__}") from None
    if density.ndim != 3 or density.size == 0:
        raise ValueError(f"volume has shape {density.shape}, expected (nz, ny, nx), none of them 0")
    if not np.isfinite(density).all():
        raise ValueError("volume holds numbers that are not finite")
    return density


def _smallest_box(batch: Batch, size: float) -> tuple[int, int, int]:
    """Voxels along z, y, x of the centred box that holds every placed body."""
    # A rounding error must not add a layer of empty voxels.
    nx, ny, nz = (max(1, int(np.ceil(2.0 * r / size - 1e-9))) for r in batch.reach_nm())
    return nz, ny, nx
