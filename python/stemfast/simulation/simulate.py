"""Simulation of images and thickness maps.

Every argument is checked first; then the batch goes to the core as a structure of arrays, in one
call that runs without the GIL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast import _core
from stemfast.arguments import index, one_of, output_array, seed_value
from stemfast.image import Image
from stemfast.image.facts import Known, Scale, alike
from stemfast.microscope import Microscope, Scan
from stemfast.particles import Particle
from stemfast.particles.specimen import Specimen
from stemfast.simulation.acquisition import Acquisition
from stemfast.simulation.batch import Batch, Shown
from stemfast.simulation.lay_out import lay_out
from stemfast.simulation.motion import (
    Motion,
    PosePath,
    frame_count,
    path_list,
    scan_columns,
    spin_lengths,
)
from stemfast.simulation.recording import (
    contrast_of,
    microscope_list,
    recording_columns,
    require_countable,
    require_film,
    require_focused,
)
from stemfast.simulation.saturation import Saturation, report
from stemfast.simulation.taken import Simulation
from stemfast.simulation.truth import Truth

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

Engine: TypeAlias = Literal["exact", "voxel"]
PosePer: TypeAlias = Literal["row", "pixel"]
Float: TypeAlias = NDArray[np.float64]

_ENGINES = ("exact", "voxel")
_USUAL_SCAN = Scan()


@overload
def simulate(
    particles: Shown | Sequence[Shown],
    orientations: Rotation | None = ...,
    microscope: Microscope | Sequence[Microscope] | None = ...,
    *,
    seed: int,
    first_index: int = ...,
    positions_nm: ArrayLike | None = ...,
    spin_rad_s: ArrayLike | None = ...,
    pose_path: PosePath | Sequence[PosePath] | None = ...,
    pose_per: PosePer = ...,
    frames: int | None = ...,
    sum_frames: bool = ...,
    engine: Engine = ...,
    oversample: int = ...,
    n_threads: int = ...,
    saturation: Saturation = ...,
    return_truth: Literal[False] = ...,
    out: NDArray[Any] | None = ...,
) -> Image: ...


@overload
def simulate(
    particles: Shown | Sequence[Shown],
    orientations: Rotation | None = ...,
    microscope: Microscope | Sequence[Microscope] | None = ...,
    *,
    seed: int,
    first_index: int = ...,
    positions_nm: ArrayLike | None = ...,
    spin_rad_s: ArrayLike | None = ...,
    pose_path: PosePath | Sequence[PosePath] | None = ...,
    pose_per: PosePer = ...,
    frames: int | None = ...,
    sum_frames: bool = ...,
    engine: Engine = ...,
    oversample: int = ...,
    n_threads: int = ...,
    saturation: Saturation = ...,
    return_truth: Literal[True],
    out: NDArray[Any] | None = ...,
) -> Simulation: ...


def simulate(
    particles: Shown | Sequence[Shown],
    orientations: Rotation | None = None,
    microscope: Microscope | Sequence[Microscope] | None = None,
    *,
    seed: int,
    first_index: int = 0,
    positions_nm: ArrayLike | None = None,
    spin_rad_s: ArrayLike | None = None,
    pose_path: PosePath | Sequence[PosePath] | None = None,
    pose_per: PosePer = "row",
    frames: int | None = None,
    sum_frames: bool = False,
    engine: Engine = "exact",
    oversample: int = 1,
    n_threads: int = 0,
    saturation: Saturation = "warn",
    return_truth: bool = False,
    out: NDArray[Any] | None = None,
) -> Image | Simulation:
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
        own origin [rad/s]. `orientations` are the poses in the middle of the (first) frame.
    pose_path : PosePath or a sequence of n of them, optional
        Poses that the particles go through during the scan, in place of a constant spin.
    pose_per : "row" or "pixel"
        Whether a whole row of the scan has the pose of its middle, or every pixel its own.
    frames : int, optional
        Takes the same area so many times, the clock running on; the result has an axis for them.
    sum_frames : bool
        Adds the frames up: uint32 in place of whole numbers, else float32.
    engine : "exact" or "voxel"
        Chords of the solid, or a count of voxels of the pixel's size along the beam.
    oversample : int
        Samples per pixel side, averaged: 1 takes the thickness at the pixel's centre.
    n_threads : int
        0 for as many as the work is worth, one for each 32,768 pixels, and at most all cores the
        process may use. The images are the same.
    saturation : "warn", "raise" or "ignore"
        What to do when pixels are clipped to the range of the detector's bits.
    return_truth : bool
        Returns, in place of the images alone, a `Simulation`: the same images and everything that
        is true of them. It is worked out when it is asked for.
    out : ndarray, optional
        Where to write: the images' shape and dtype, C-contiguous.

    Returns
    -------
    Image of (rows, columns) or (n, rows, columns) uint8, uint16 or float32, or Simulation
        Pixel values: an array that knows its pixel size and unit. One image if nothing given is a
        series. It shares the memory of `out`, where that is given.

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
    >>> images[3, 32:96, 32:96]
    Image of 64 x 64 px of 0.35 nm, uint16 [e-]
    >>> taken = sf.simulate(cube, seed=1, return_truth=True)
    >>> sorted(taken.truth.thickness_nm), taken.truth.expected_electrons.shape
    (['Au', 'film'], (128, 128))
    """
    scopes, series = microscope_list(microscope)
    scan, dtype = scopes[0].scan, scopes[0].detector.dtype
    n_frames, with_frames = frame_count(frames)
    numbers: dict[str, Any] = {
        "seed": seed_value(seed),
        "first_index": index("first_index", first_index, maximum=2**48 - 1),
        "frames": n_frames,
    }
    one_of("saturation", saturation, ("warn", "raise", "ignore"))
    plan = _plan(
        particles,
        orientations,
        positions_nm,
        Motion(spin_rad_s, pose_path, pose_per, n_frames),
        [scope.scan for scope in scopes],
        series,
        engine,
        oversample,
        n_threads,
    )
    require_countable(scopes)
    require_focused(scopes, plan.batch, plan.pick)
    require_film(scopes, n_frames)
    if not isinstance(return_truth, bool):
        raise TypeError(f"return_truth must be True or False, got {return_truth!r}")
    if sum_frames and not with_frames:
        raise ValueError("sum_frames adds up frames, expected frames to be given")
    batch, pick = plan.batch, plan.pick
    contrast = contrast_of(batch, scopes, pick)
    clipped = np.zeros((batch.n_images, 2), np.int64)
    taken = Acquisition(
        batch=batch,
        depth_weights=contrast.depth_weights,
        scan=plan.scan,
        recording=recording_columns(scopes, pick) | {"curve": contrast.curve, "clipped": clipped},
        run=plan.run,
        field=scan.shape,
        **numbers,
    )
    axes = (n_frames,) if with_frames else ()
    if sum_frames:
        result = _sum_of_frames(taken, dtype, out)
    else:
        pixels, result = _allocate(out, batch, axes, scan.shape, dtype)
        taken.record(pixels)
    report(clipped, scan.shape[0] * scan.shape[1], scopes[0].detector, saturation, stacklevel=3)
    shown = (particles,) if isinstance(particles, Particle | Specimen) else tuple(particles)

    def truth() -> Truth:
        return Truth(taken, shown, tuple(scopes), axes, sum_frames)

    scales = tuple(Scale(one.scan.pixel_size_nm, one.detector.unit) for one in scopes)
    first = numbers["first_index"]
    title = f"image {first}" if batch.single and not with_frames else f"seed {numbers['seed']}"
    images = Image._of(result, Known(alike(scales), title, lambda: truth().about()))
    return Simulation(images, truth()) if return_truth else images


def _sum_of_frames(
    taken: Acquisition, dtype: np.dtype[Any], out: NDArray[Any] | None
) -> NDArray[Any]:
    wide = np.dtype(np.uint32 if dtype.kind == "u" else np.float32)
    shape = taken.field if taken.batch.single else (taken.n_series, *taken.field)
    result = np.asarray(output_array(out, shape, wide))
    stack = output_array(None, (taken.batch.n_images, *taken.field), dtype)
    taken.record(stack)
    by_image = stack.reshape(-1, taken.frames, *taken.field)
    by_image.sum(axis=1, dtype=wide, out=result.reshape(-1, *taken.field))
    return result


def thickness(
    particles: Shown | Sequence[Shown],
    orientations: Rotation | None = None,
    scan: Scan | None = None,
    *,
    seed: int = 0,
    first_index: int = 0,
    positions_nm: ArrayLike | None = None,
    spin_rad_s: ArrayLike | None = None,
    pose_path: PosePath | Sequence[PosePath] | None = None,
    pose_per: PosePer = "row",
    engine: Engine = "exact",
    oversample: int = 1,
    n_threads: int = 0,
    out: NDArray[np.float32] | None = None,
) -> Image:
    """Project particles along the beam.

    Parameters
    ----------
    particles, orientations
        As in `simulate`.
    scan : Scan or None
        The grid of pixels and how the beam strays from it; None is `Scan()`.
    seed, first_index : int
        As in `simulate`; they matter only where the scan has row jitter.
    positions_nm, spin_rad_s, pose_path, pose_per, engine, oversample, n_threads, out
        As in `simulate`.

    Returns
    -------
    Image of (rows, columns) or (n, rows, columns) float32
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
    grid = _USUAL_SCAN if scan is None else scan
    numbers = {
        "seed": seed_value(seed),
        "first_index": index("first_index", first_index, maximum=2**48 - 1),
    }
    motion = Motion(spin_rad_s, pose_path, pose_per)
    plan = _plan(
        particles, orientations, positions_nm, motion, [grid], 0, engine, oversample, n_threads
    )
    pixels, result = _allocate(out, plan.batch, (), grid.shape, np.dtype(np.float32))
    scenes = plan.batch.scenes(plan.batch.weight)
    _core.thickness(scenes, _core.Scanning(**plan.scan), pixels, **plan.run, **numbers, frames=1)
    return Image._of(result, Known((Scale(grid.pixel_size_nm, "nm"),), "thickness"))


@dataclass(frozen=True)
class _Plan:
    """A batch ready for the core: what is seen, how it is scanned, whose microscope is which."""

    batch: Batch
    scan: dict[str, Any]
    pick: NDArray[np.int64]
    run: dict[str, Any]


def _plan(
    particles: Shown | Sequence[Shown],
    orientations: Rotation | None,
    positions_nm: ArrayLike | None,
    motion: Motion,
    scans: list[Scan],
    series: int,
    engine: Engine,
    oversample: int,
    n_threads: int,
) -> _Plan:
    """Check what `simulate` and `thickness` share and lay it out."""
    lengths = {
        "spin_rad_s": spin_lengths(motion.spin_rad_s)[1],
        "pose_path": path_list(motion.pose_path)[1],
        "microscope": series,
    }
    run = {
        "engine": _ENGINES.index(one_of("engine", engine, _ENGINES)),
        "n_threads": index("n_threads", n_threads, maximum=4096),
    }
    batch = lay_out(particles, orientations, positions_nm, lengths).repeated(motion.frames)
    n = batch.n_images
    pick = np.arange(n) // motion.frames if series else np.zeros(n, np.int64)
    how = scan_columns(batch, scans, pick, motion=motion, oversample=oversample, engine=engine)
    return _Plan(batch, how, pick, run)


def _allocate(
    out: NDArray[Any] | None,
    batch: Batch,
    frames: tuple[int, ...],
    field: tuple[int, int],
    dtype: np.dtype[Any],
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the stack that the core writes to and what the caller gets: the same memory."""
    shape = (*frames, *field)
    if not batch.single:
        shape = (batch.n_images // (frames[0] if frames else 1), *shape)
    result = np.asarray(output_array(out, shape, dtype))
    return result.reshape(-1, *field), result
