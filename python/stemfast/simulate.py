"""The simulator's face: images and thickness maps.

It checks every argument first, lays the batch out as a
structure of arrays, and hands it over in one call that runs without the GIL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast import _core
from stemfast.arguments import index, one_of, output_array, seed_value, vectors
from stemfast.materials import Material
from stemfast.microscope import Microscope, Scan
from stemfast.saturation import Saturation, report
from stemfast.scene import Batch, Shown, lay_out

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

Engine: TypeAlias = Literal["exact", "voxel"]
Float: TypeAlias = NDArray[np.float64]

_ENGINES = ("exact", "voxel")


def simulate(
    particles: Shown | Sequence[Shown],
    orientations: Rotation | None = None,
    microscope: Microscope | Sequence[Microscope] | None = None,
    *,
    seed: int,
    first_index: int = 0,
    positions_nm: ArrayLike | None = None,
    spin_rad_s: ArrayLike | None = None,
    engine: Engine = "exact",
    oversample: int = 1,
    n_threads: int = 0,
    saturation: Saturation = "warn",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Take HAADF-STEM images of particles.

    Image i of seed s is the same bits for every batch, thread count and instruction set.

    Parameters
    ----------
    particles : Particle, Specimen or a sequence of n of them
        What is seen: one particle, or several in one field. A single one serves for all images.
    orientations : Rotation or None
        One, or n: active rotations about the centre of the scan. None is the identity.
    microscope : Microscope, a sequence of n of them, or None
        How it is seen; all must have the same `scan.shape` and `detector.bits`. None is
        `Microscope()`.
    seed : int
        0 … 2^64 − 1.
    first_index : int
        Index of the first image in the series of this seed, for drawing a series in parts.
    positions_nm : (3,) or (n, 3), optional
        Shift of what is seen: x, y, z [nm].
    spin_rad_s : (3,) or (n, 3), optional
        Angular velocity of the particles during the scan, in the laboratory frame, each about its
        own origin [rad/s]. `orientations` are the poses at mid-frame. Every row of the scan has the
        pose of its own time.
    engine : "exact" or "voxel"
        Chords of the solid, or a count of voxels of the pixel's size along the beam.
    oversample : int
        Samples per pixel side, averaged: 1 takes the thickness at the pixel's centre.
    n_threads : int
        0 for all cores the process may use.
    saturation : "warn", "raise" or "ignore"
        What to do when pixels are clipped to the range of the detector's bits.
    out : ndarray, optional
        Where to write: the result's shape and dtype, C-contiguous.

    Returns
    -------
    (rows, columns) or (n, rows, columns) uint8, uint16 or float32
        Pixel values. One image if nothing given is a series.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be, before any work starts.
    SaturationError
        A ValueError, after the work: pixels were clipped and `saturation` is "raise".
    MemoryError
        If the result would not fit into memory.

    Warns
    -----
    SaturationWarning
        Once, if pixels were clipped and `saturation` is "warn".

    Examples
    --------
    >>> import stemfast as sf
    >>> cube = sf.Cuboid(edges=(20, 20, 20), corners={7: sf.Truncation(0.4)})
    >>> images = sf.simulate(cube, sf.orientation.random(10, seed=1), seed=1)
    >>> images.shape, images.dtype
    ((10, 128, 128), dtype('uint16'))
    """
    scopes, series = _microscopes(microscope)
    first = scopes[0]
    batch, run = _prepare(
        particles, orientations, positions_nm, spin_rad_s, series, engine, oversample, n_threads
    )
    n = batch.n_images
    pick = np.arange(n) if len(scopes) == n and series else np.zeros(n, np.int64)
    numbers: dict[str, Any] = {
        "seed": seed_value(seed),
        "first_index": index("first_index", first_index),
    }
    one_of("saturation", saturation, ("warn", "raise", "ignore"))
    _require_countable(scopes)
    clipped = np.zeros((n, 2), np.int64)
    pixels, result = _allocate(out, batch, first.scan.shape, first.detector.dtype)
    _core.simulate(
        batch.scenes(_inverse_mean_free_paths(batch, scopes, pick)),
        pixels,
        **run,
        **_scan_columns([m.scan for m in scopes], pick),
        **_recording_columns(scopes, pick),
        clipped=clipped,
        **numbers,
    )
    report(clipped, pixels[0].size, first.detector, saturation, stacklevel=3)
    return result


def thickness(
    particles: Shown | Sequence[Shown],
    orientations: Rotation | None = None,
    scan: Scan | None = None,
    *,
    positions_nm: ArrayLike | None = None,
    spin_rad_s: ArrayLike | None = None,
    engine: Engine = "exact",
    oversample: int = 1,
    n_threads: int = 0,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Project particles along the beam.

    Parameters
    ----------
    particles, orientations, positions_nm, spin_rad_s, engine, oversample, n_threads, out
        As in `simulate`.
    scan : Scan or None
        The grid of pixels; None is `Scan()`.

    Returns
    -------
    (rows, columns) or (n, rows, columns) float32
        Length of the beam's path inside the particles [nm], all materials together.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what it should be, before any work starts.
    MemoryError
        If the result would not fit into memory.

    Examples
    --------
    >>> import stemfast as sf
    >>> t = sf.thickness(sf.Sphere(radius=10), scan=sf.Scan(shape=(65, 65), pixel_size_nm=0.5))
    >>> float(t[32, 32])
    20.0
    """
    if scan is not None and not isinstance(scan, Scan):
        raise TypeError(f"scan must be a Scan, got {type(scan).__name__}")
    grid = Scan() if scan is None else scan
    batch, run = _prepare(
        particles, orientations, positions_nm, spin_rad_s, 0, engine, oversample, n_threads
    )
    pixels, result = _allocate(out, batch, grid.shape, np.dtype(np.float32))
    everywhere = np.zeros(batch.n_images, np.int64)
    _core.thickness(
        batch.scenes(batch.body_weights()), pixels, **run, **_scan_columns([grid], everywhere)
    )
    return result


def _microscopes(
    microscope: Microscope | Sequence[Microscope] | None,
) -> tuple[list[Microscope], int]:
    """Return the microscopes and the number of images they stand for (0: any)."""
    if microscope is None:
        return [Microscope()], 0
    if isinstance(microscope, Microscope):
        return [microscope], 0
    if not isinstance(microscope, Sequence):
        raise TypeError(
            "microscope must be a Microscope or a sequence of them, "
            f"got {type(microscope).__name__}"
        )
    scopes = list(microscope)
    if not scopes:
        raise ValueError("microscope is empty, expected at least one Microscope")
    for i, scope in enumerate(scopes):
        if not isinstance(scope, Microscope):
            raise TypeError(f"microscope[{i}] must be a Microscope, got {type(scope).__name__}")
        for what, mine, others in (
            ("scan.shape", scope.scan.shape, scopes[0].scan.shape),
            ("detector.bits", scope.detector.bits, scopes[0].detector.bits),
        ):
            if mine != others:
                raise ValueError(
                    f"microscope[{i}] has {what} {mine}, the first has {others}: "
                    "images of one batch must be alike in this"
                )
    return scopes, len(scopes)


def _require_countable(scopes: Sequence[Microscope]) -> None:
    electrons = max(scope.electrons_per_pixel for scope in scopes)
    if electrons > 2**30:
        raise ValueError(
            f"microscope sends {electrons:.3g} electrons to each pixel, expected at most 2^30: "
            "lower beam.current_pa or scan.dwell_us"
        )


def _prepare(
    particles: Shown | Sequence[Shown],
    orientations: Rotation | None,
    positions_nm: ArrayLike | None,
    spin_rad_s: ArrayLike | None,
    series: int,
    engine: Engine,
    oversample: int,
    n_threads: int,
) -> tuple[Batch, dict[str, Any]]:
    """Check what `simulate` and `thickness` share; return the batch and the core's arguments."""
    spin = vectors("spin_rad_s", spin_rad_s, "rad/s")
    spins = len(spin) if spin_rad_s is not None and np.ndim(spin_rad_s) == 2 else 0
    batch = lay_out(
        particles, orientations, positions_nm, {"spin_rad_s": spins, "microscope": series}
    )
    return batch, {
        "spin": np.ascontiguousarray(np.broadcast_to(spin, (batch.n_images, 3))),
        "engine": _ENGINES.index(one_of("engine", engine, _ENGINES)),
        "oversample": index("oversample", oversample, minimum=1, maximum=64),
        "n_threads": index("n_threads", n_threads, maximum=4096),
    }


def _allocate(
    out: NDArray[Any] | None, batch: Batch, field: tuple[int, int], dtype: np.dtype[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the stack that the core writes to and what the caller gets: the same memory."""
    result = output_array(out, field if batch.single else (batch.n_images, *field), dtype)
    return (result[None] if batch.single else result), result


def _scan_columns(scans: Sequence[Scan], pick: NDArray[np.int64]) -> dict[str, Any]:
    return {
        "pixel_size": np.array([s.pixel_size_nm for s in scans])[pick],
        "dwell": np.array([s.dwell_us for s in scans])[pick] * 1e-6,
        "flyback": np.array([s.flyback_us for s in scans])[pick] * 1e-6,
    }


def _recording_columns(scopes: Sequence[Microscope], pick: NDArray[np.int64]) -> dict[str, Any]:
    columns: dict[str, Callable[[Microscope], float]] = {
        "film_depth": lambda m: m.film.thickness_nm / m.mean_free_path_nm(m.film.material),
        "probe_sigma": lambda m: m.probe.sigma_nm / m.scan.pixel_size_nm,
        "electrons": lambda m: m.electrons_per_pixel,
        "gain": lambda m: m.detector.gain,
        "offset": lambda m: m.detector.offset,
        "read_noise": lambda m: m.detector.read_noise,
        "tail_fraction": lambda m: m.probe.tail_fraction,
        "tail_gamma": lambda m: m.probe.tail_gamma_nm / m.scan.pixel_size_nm,
        "excess_noise": lambda m: m.detector.excess_noise_factor - 1.0,
        "decay": lambda m: m.detector.decay_us * 1e-6,
    }
    return {name: np.array([value(m) for m in scopes])[pick] for name, value in columns.items()}


def _inverse_mean_free_paths(
    batch: Batch, scopes: Sequence[Microscope], pick: NDArray[np.int64]
) -> Float:
    """Weight of each placed body in Σ t/Λ: its own, times 1/Λ under its image's microscope."""
    known: dict[tuple[object, ...], float] = {}

    def inverse(scope: Microscope, material: str | Material) -> float:
        key = (scope.beam.energy_kev, scope.haadf, material)
        if key not in known:
            known[key] = 1.0 / scope.mean_free_path_nm(material)
        return known[key]

    table = np.array([[inverse(s, m) for m in batch.materials] for s in scopes])
    weights: Float = batch.body_weights() * table[pick[batch.image_of_body], batch.shape]
    return weights
