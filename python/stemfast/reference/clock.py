"""Scan clock: time of each pixel, nominal position of the beam, and its deviation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfast.microscope import Scan

Float = NDArray[np.float64]


def pixel_centres(scan: Scan, oversample: int = 1) -> tuple[Float, Float]:
    """Return x of the columns and y of the rows [nm], the scan's centre at 0.

    Examples
    --------
    >>> pixel_centres(Scan(shape=(1, 3), pixel_size_nm=0.5))[0].tolist()
    [-0.5, 0.0, 0.5]
    """
    step = scan.pixel_size_nm / oversample
    rows, columns = (n * oversample for n in scan.shape)

    def axis(n: int) -> Float:
        return np.asarray((np.arange(n) - (n - 1) / 2) * step, np.float64)

    return axis(columns), axis(rows)


def pixel_times(scan: Scan, frame: int = 0) -> Float:
    """Return when each pixel is scanned, (rows, columns), from the start of the first frame [s].

    Examples
    --------
    >>> pixel_times(Scan(shape=(2, 2), dwell_us=1, flyback_us=10)).round(9).tolist()
    [[0.0, 1e-06], [1.2e-05, 1.3e-05]]
    """
    rows, columns = scan.shape
    period = (columns * scan.dwell_us + scan.flyback_us) * 1e-6
    row = np.arange(rows)[:, None] + frame * rows
    return np.asarray(row * period + np.arange(columns) * scan.dwell_us * 1e-6)


def pose_times(scan: Scan, pose_per: str, frame: int = 0) -> Float:
    """Return the time that each pixel's pose belongs to, (rows, columns) [s].

    Examples
    --------
    >>> pose_times(Scan(shape=(1, 3), dwell_us=1), "row").round(9).tolist()
    [[1e-06, 1e-06, 1e-06]]
    """
    times = pixel_times(scan, frame)
    if pose_per == "pixel":
        return times
    return np.repeat(times.mean(axis=1, keepdims=True), times.shape[1], axis=1)


def beam_shift(scan: Scan, jitter_nm: Float | None = None, frame: int = 0) -> tuple[Float, Float]:
    """Return how far the beam is from its grid in x and y at each pixel, (rows, columns) [nm].

    Parameters
    ----------
    scan : Scan
    jitter_nm : (rows, 2), optional
        Shift of each row in x and y.
    frame : int
        Number of the frame.

    Examples
    --------
    >>> import stemfast as sf
    >>> steady = Scan(shape=(1, 2), dwell_us=1e6, instability=sf.Instability(drift_nm_s=(3, 0)))
    >>> beam_shift(steady)[0].tolist()
    [[0.0, 3.0]]
    """
    motion, t = scan.instability, pixel_times(scan, frame)
    decay = motion.drift_decay_s
    drifted = t if decay is None else decay * (1 - np.exp(-t / decay))
    ripple = np.sin(2 * np.pi * motion.mains_hz * t + motion.mains_phase_rad)
    in_row = np.arange(scan.shape[1]) * scan.dwell_us
    lag = motion.flyback_lag_nm * np.exp(-in_row / motion.flyback_lag_us)
    jitter = np.zeros((scan.shape[0], 2)) if jitter_nm is None else jitter_nm
    x, y = (
        velocity * drifted + amplitude * 1e-3 * ripple + jitter[:, k, None]
        for k, (velocity, amplitude) in enumerate(
            zip(motion.drift_nm_s, motion.mains_pm, strict=True)
        )
    )
    return np.asarray(x - lag), np.asarray(y)
