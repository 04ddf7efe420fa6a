"""Motion during a scan: particles that turn, and a beam that strays from its grid.

Everything follows one clock, t = row·(columns·dwell + flyback) + column·dwell, from the start of
the first frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast import _core
from stemfast.arguments import index, one_of, vectors
from stemfast.microscope import Scan
from stemfast.orientation import quaternions
from stemfast.simulation.batch import Batch
from stemfast.simulation.columns import Remembered, stray_column

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

Float = NDArray[np.float64]

#: Farthest that a particle may be said to turn during a frame [degrees].
MOST_SPIN_DEG = 180.0


class PosePath:
    """A sequence of poses that particles go through while they are scanned.

    Between two poses a particle turns at a constant rate, the short way round (slerp); before the
    first and after the last it rests.

    Parameters
    ----------
    times_s : (k,) array_like
        When each pose is reached, rising, from the start of the first frame [s].
    rotations : Rotation
        The k poses, in the laboratory frame, each applied after the orientation that the image was
        given.

    Raises
    ------
    TypeError, ValueError
        If the times are not finite and rising, or their number is not that of the rotations.

    Examples
    --------
    >>> from scipy.spatial.transform import Rotation
    >>> PosePath([0, 0.02], Rotation.from_rotvec([[0, 0, 0], [0, 0, 0.5]]))
    PosePath of 2 poses from 0 to 0.02 s
    """

    def __init__(self, times_s: ArrayLike, rotations: Rotation) -> None:
        try:
            times = np.atleast_1d(np.asarray(times_s, np.float64))
        except (TypeError, ValueError):
            raise TypeError(f"times_s must hold numbers [s], got {times_s!r}") from None
        self.quaternions: Float = quaternions(rotations, "rotations")
        if times.ndim != 1 or len(times) != len(self.quaternions):
            raise ValueError(
                f"times_s has shape {times.shape}, expected one time for each of the "
                f"{len(self.quaternions)} rotations"
            )
        if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            raise ValueError("times_s must be finite and rise from pose to pose")
        self.times_s: Float = times

    def __repr__(self) -> str:
        first, last = self.times_s[[0, -1]]
        return f"PosePath of {len(self.times_s)} poses from {first:g} to {last:g} s"


#: Longest way around of a spinning particle in all frames of an image [rad].
MOST_TURNED_RAD = 1e9


@dataclass(frozen=True)
class Motion:
    """Motion of the particles of a batch as the caller gives it, and the number of frames."""

    spin_rad_s: ArrayLike | None = None
    pose_path: PosePath | Sequence[PosePath] | None = None
    pose_per: str = "row"
    frames: int = 1


def path_list(pose_path: PosePath | Sequence[PosePath] | None) -> tuple[list[PosePath], int]:
    """Return the paths and the number of images they stand for (0: any).

    Raises
    ------
    TypeError, ValueError
        If something is not a PosePath, or the sequence is empty.
    """
    if pose_path is None:
        return [], 0
    if isinstance(pose_path, PosePath):
        return [pose_path], 0
    if not isinstance(pose_path, Sequence):
        raise TypeError(
            f"pose_path must be a PosePath or a sequence of them, got {type(pose_path).__name__}"
        )
    for i, path in enumerate(pose_path):
        if not isinstance(path, PosePath):
            raise TypeError(f"pose_path[{i}] must be a PosePath, got {type(path).__name__}")
    if not pose_path:
        raise ValueError("pose_path is empty, expected at least one PosePath")
    return list(pose_path), len(pose_path)


def spin_lengths(spin_rad_s: ArrayLike | None) -> tuple[Float, int]:
    """Return the angular velocities and the number of images they stand for (0: any)."""
    spin = vectors("spin_rad_s", spin_rad_s, "rad/s")
    return spin, len(spin) if spin_rad_s is not None and np.ndim(spin_rad_s) == 2 else 0


def frame_spins(spin: ArrayLike | Sequence[ArrayLike | None] | None, n: int) -> list[Float | None]:
    """Rotation of a particle during each of n frames, or None if that is not known.

    Parameters
    ----------
    spin : (3,) array_like, or n of them or None, or None
        Rotation vectors of the turn from the beginning to the end of a frame, one for all or one
        for each [degrees].
    n : int
        Frames.

    Raises
    ------
    ValueError
        If it is something else, not finite, or a turn by more than 180 degrees.

    Examples
    --------
    >>> [None if one is None else one.tolist() for one in frame_spins([[0, 35, 0], None], 2)]
    [[0.0, 35.0, 0.0], None]
    """
    if spin is None:
        return [None] * n
    if isinstance(spin, str) or not hasattr(spin, "__len__"):
        raise ValueError(f"spin is {spin!r}, expected 3 numbers [degrees], or {n} x 3")
    each = list(cast("Sequence[ArrayLike | None]", spin))
    if each and not any(one is None or np.ndim(one) for one in each):
        each = [cast("ArrayLike", each)] * n
    if len(each) != n:
        raise ValueError(f"spin holds {len(each)} vectors, expected 3 numbers, or {n} x 3")
    found: list[Float | None] = []
    for i, one in enumerate(each):
        found.append(None)
        if one is None:
            continue
        try:
            vector = np.asarray(one, np.float64)
        except (TypeError, ValueError):
            vector = np.full(1, np.nan)
        if vector.shape != (3,) or not np.isfinite(vector).all():
            raise ValueError(f"spin of image {i} is {one}, expected 3 numbers [degrees], or None")
        turn = float(np.linalg.norm(vector))
        if turn > MOST_SPIN_DEG:
            raise ValueError(
                f"spin of image {i} turns by {turn:.0f} degrees during the frame, expected at most "
                f"{MOST_SPIN_DEG:g}"
            )
        found[-1] = vector
    return found


def scan_columns(
    batch: Batch,
    scans: Sequence[Scan],
    pick: NDArray[np.int64],
    *,
    motion: Motion,
    oversample: int,
    engine: str,
) -> dict[str, Any]:
    """Return how the core scans each image of a batch, its frames already laid out one by one.

    Parameters
    ----------
    batch : Batch
        n images, `frames` of each in a row.
    scans : sequence of Scan
        The different scans, of which image i uses number pick[i].
    motion : Motion
        Of all images, or of each before its frames were laid out.
    oversample : int
    engine : "exact" or "voxel"

    Returns
    -------
    dict
        What `_core.Scanning` takes.

    Raises
    ------
    ValueError
        If motions contradict each other, or the drift leaves the field.
    """
    n, frames = batch.n_images, motion.frames
    per_pixel = one_of("pose_per", motion.pose_per, ("row", "pixel")) == "pixel"
    spin, _ = spin_lengths(motion.spin_rad_s)
    paths, _ = path_list(motion.pose_path)
    if paths and spin.any():
        raise ValueError("spin_rad_s and pose_path both turn the particles, expected one of them")
    straying = [scan for scan in scans if scan.instability.moves]
    if engine == "voxel" and (straying or (per_pixel and (spin.any() or paths))):
        raise ValueError(
            "engine='voxel' keeps the beam on its grid and a pose for a whole row: "
            "expected engine='exact' with an instability or pose_per='pixel'"
        )
    for scan in straying:
        _require_in_field(scan, frames)
    if motion.spin_rad_s is not None:
        for scan in scans:
            _require_few_turns(scan, frames, spin)
    return {
        "oversample": index("oversample", oversample, minimum=1, maximum=64),
        "pose_per_pixel": per_pixel,
        # Records are taken ten times as fast as they are indexed.
        **{name: column.take(pick) for name, column in _each_scan(scans).items()},
        "frame": np.arange(n) % frames,
        "spin": spin.repeat(frames if len(spin) > 1 else n, axis=0),
        **_path_columns(
            [paths[i // frames if len(paths) > 1 else 0] for i in range(n)] if paths else [], n
        ),
    }


def _each_scan(scans: Sequence[Scan]) -> dict[str, NDArray[Any]]:
    return _of_one_scan(scans[0]) if len(scans) == 1 else _of_scans(scans)


def _of_scans(scans: Sequence[Scan]) -> dict[str, NDArray[Any]]:
    return {
        "pixel_size": np.array([s.pixel_size_nm for s in scans]),
        "dwell": np.array([s.dwell_us for s in scans]) * 1e-6,
        "flyback": np.array([s.flyback_us for s in scans]) * 1e-6,
        "stray": stray_column([scan.instability for scan in scans]),
    }


_of_one_scan = Remembered[Scan, dict[str, NDArray[Any]]](lambda scan: _of_scans([scan]))


def _path_columns(paths: Sequence[PosePath], n: int) -> dict[str, NDArray[Any]]:
    """Poses that each of n images goes through, or of none of them."""
    if not paths:
        nothing = np.zeros(n + 1, np.int64)
        return {"path_offset": nothing, "path_time": np.zeros(0), "path_turn": np.zeros((0, 4))}
    return {
        "path_offset": np.cumsum([0, *(len(path.times_s) for path in paths)]),
        "path_time": np.concatenate([path.times_s for path in paths]),
        "path_turn": np.concatenate([path.quaternions for path in paths]),
    }


def part_of_scan(columns: dict[str, Any], first: int, last: int) -> dict[str, Any]:
    """Return the columns of images first … last − 1 out of those of a batch."""
    start, end = columns["path_offset"][[first, last]]
    whole = ("oversample", "pose_per_pixel")
    part = {k: v if k in whole else v[first:last] for k, v in columns.items()}
    part["path_offset"] = columns["path_offset"][first : last + 1] - start
    return part | {k: columns[k][start:end] for k in ("path_time", "path_turn")}


def drift_reach_nm(scan: Scan, frames: int = 1) -> tuple[float, float]:
    """Return how far the drift carries the beam in x and y by the end of the last frame [nm].

    Examples
    --------
    >>> import stemfast as sf
    >>> drift = sf.Instability(drift_nm_s=(3, -4))
    >>> scan = Scan(shape=(10, 10), dwell_us=10_000, flyback_us=0, instability=drift)
    >>> drift_reach_nm(scan, frames=2)
    (6.0, -8.0)
    """
    seconds = frames * scan.shape[0] * scan.row_us * 1e-6
    decay = scan.instability.drift_decay_s
    lasting = seconds if decay is None else decay * -math.expm1(-seconds / decay)
    x, y = scan.instability.drift_nm_s
    return x * lasting, y * lasting


def _require_few_turns(scan: Scan, frames: int, spin: Float) -> None:
    """Refuse so many turns that rounding decides where the particle stands."""
    seconds = frames * scan.shape[0] * scan.row_us * 1e-6
    angle = float(np.linalg.norm(spin, axis=1).max()) * seconds
    if angle > MOST_TURNED_RAD:
        raise ValueError(
            f"spin_rad_s turns the particle by {angle:.3g} rad during the scan, expected at most "
            f"{MOST_TURNED_RAD:g}: rounding would decide how it stands"
        )


def _require_in_field(scan: Scan, frames: int) -> None:
    motion, seconds = scan.instability, frames * scan.shape[0] * scan.row_us * 1e-6
    jitter = 8 * motion.row_jitter_pm * 1e-3  # which rows hardly ever exceed
    for axis, field, drift, ripple, lag in zip(
        "xy",
        scan.field_nm[::-1],
        drift_reach_nm(scan, frames),
        motion.mains_pm,
        (motion.flyback_lag_nm, 0.0),
        strict=True,
    ):
        for setting, moved in (
            ("drift_nm_s", abs(drift)),
            ("mains_pm", abs(ripple) * 1e-3),
            ("flyback_lag_nm", lag),
            ("row_jitter_pm", jitter),
        ):
            if moved > field:
                raise ValueError(
                    f"scan.instability.{setting} moves the beam by {moved:.3g} nm along {axis} in "
                    f"{seconds:.3g} s, expected it to stay within the field of {field:.3g} nm"
                )


def frame_count(frames: int | None) -> tuple[int, bool]:
    """Return the number of frames and whether the result has an axis for them.

    Raises
    ------
    TypeError, ValueError
        If it is not a whole number from 1 to 65536.

    Examples
    --------
    >>> frame_count(None), frame_count(1), frame_count(5)
    ((1, False), (1, True), (5, True))
    """
    if frames is None:
        return 1, False
    return index("frames", frames, minimum=1, maximum=65536), True


def truth_of_scan(
    scenes: Any, scanning: _core.Scanning, image: int, field: tuple[int, int], **key: int
) -> dict[str, NDArray[Any]]:
    """Return when each pixel of one image is scanned, where the beam is and how particles stand.

    Returns
    -------
    dict
        time_s (rows, columns); beam_nm (rows, columns, 2): x, y; turn (rows, columns, 4):
        quaternion (x, y, z, w) of the particles since the orientation they were given.
    """
    time, x, y, turn = _core.scan_path(
        scenes, scanning, image=image, rows=field[0], columns=field[1], **key
    )
    return {"time_s": time, "beam_nm": np.stack([x, y], axis=-1), "turn": turn}
