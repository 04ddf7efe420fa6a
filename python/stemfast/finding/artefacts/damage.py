"""Faults of detectors, scans and cameras: hot and dead pixels, lines, columns, steps.

All of it is found against the median of the neighbours, in units of the noise that such a
difference has, and replaced by that median, so that no finder sees it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.artefacts.burnt_in import BurntIn, find_burnt_in

__all__ = ["Damage", "repair"]

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

_PIXEL_SIGMAS, _LINE_SIGMAS, _STITCH_SIGMAS = 12.0, 8.0, 8.0
_LONE_SPREADS = 3.0
_MOST_PIXELS, _MOST_LINES, _MOST_STITCHES = 0.002, 0.05, 8
_LINE_SHARE, _LINE_ROUNDS = 0.75, 4
_SAMPLE, _SAMPLE_LINE, _BAND_ROWS = 400_000, 400, 512
_EDGE_PX, _WIDEST_LINE = 6, 3
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, eq=False)
class Damage:
    """Damage and graphics of an image.

    Attributes
    ----------
    image : ndarray of float32, shape (rows, columns)
        The image with the damage replaced by what is beside it.
    mask : ndarray of bool, shape (rows, columns)
        Where nothing can be found: graphics, lines and rows that were replaced. Single pixels are
        not among it, their neighbours say what is there.
    pixels, lines, columns : int
        Hot or dead pixels, rows and columns that were replaced.
    burnt_in : BurntIn
        Graphics.
    notes : tuple of str
        What was found, for the user.
    """

    image: Image = field(repr=False)
    mask: Mask = field(repr=False)
    pixels: int
    lines: int
    columns: int
    burnt_in: BurntIn = field(repr=False)
    notes: tuple[str, ...]


def repair(image: Image) -> Damage:
    """Find damage and graphics in an image and replace both.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)

    Returns
    -------
    Damage

    Examples
    --------
    >>> image = np.random.default_rng(1).normal(100, 3, (64, 64)).astype(np.float32)
    >>> image[20, 30], image[:, 50] = 9000, 4000
    >>> mended = repair(image)
    >>> mended.pixels, mended.columns, bool(mended.image.max() < 120)
    (1, 1, True)
    """
    notes: list[str] = []
    fixed, pixels = _without_pixels(image)
    fixed, columns = _without_lines(fixed.T)
    fixed, rows = _without_lines(fixed.T)
    if pixels or len(columns) or len(rows):  # which may have hidden others
        fixed, more = _without_pixels(fixed)
        pixels += more
    lost = np.zeros(image.shape, bool)
    if pixels:
        notes.append(f"replaced {_counted(pixels, 'hot or dead pixel')}")
    if len(rows):
        notes.append(f"replaced {_counted(len(rows), 'damaged row')}: {_listed(rows)}")
    if len(columns):
        notes.append(f"replaced {_counted(len(columns), 'damaged column')}: {_listed(columns)}")
    drawn = find_burnt_in(fixed)
    notes += drawn.notes()
    if drawn.mask.any():
        lost |= drawn.mask
        fixed = _filled(fixed, drawn.mask)
    fixed, stitches = _without_steps(fixed, lost)
    notes += stitches
    return Damage(fixed, lost, pixels, len(rows), len(columns), drawn, tuple(notes))


def _without_pixels(image: Image) -> tuple[Image, int]:
    """Replace pixels that stand alone far from their eight neighbours.

    A particle that is blurred over a pixel has neighbours that rise with it; a hot pixel has none.
    """
    step = max(1, math.isqrt(image.size // _SAMPLE))
    sample = np.abs(_off_mean(image[: -(-len(image) // step)]))
    noise = max(_MAD_TO_SIGMA * float(np.median(sample)), float(np.quantile(sample, 0.99)) / 2.6)
    # A lone pixel raises the mean of the nine by a ninth of what it is off.
    least = _PIXEL_SIGMAS * max(noise, 1e-30) * 8.0 / 9.0
    found = []
    for first in range(0, len(image), _BAND_ROWS):
        low = max(0, first - 1)
        band = _off_mean(image[low : first + _BAND_ROWS + 1])[first - low :][:_BAND_ROWS]
        rows, cols = np.nonzero(np.abs(band) > least)
        found.append(np.column_stack([rows + first, cols]))
    candidates = np.concatenate(found)
    if not len(candidates) or len(candidates) > _MOST_PIXELS * image.size + 16:
        return image, 0
    padded = np.pad(image, 1, mode="reflect")
    rows, cols = candidates.T
    around = np.sort(
        np.stack([padded[rows + dr, cols + dc] for dr, dc in _RING], axis=1), axis=1
    ).astype(np.float64)
    median = 0.5 * (around[:, 3] + around[:, 4])
    # Without the highest and the lowest, so that two hot pixels may lie side by side.
    spread = around[:, 6] - around[:, 1]
    lone = np.abs(image[rows, cols] - median)
    far = (lone > _PIXEL_SIGMAS * noise) & (lone > _LONE_SPREADS * spread)
    result = image.copy()
    result[rows[far], cols[far]] = median[far]
    return result, int(np.count_nonzero(far))


def _off_mean(image: Image) -> Image:
    """Each pixel less the mean of the nine around it."""
    from scipy import ndimage

    off: Image = image - ndimage.uniform_filter(image, 3, mode="mirror")
    return off


_RING = [(r, c) for r in (0, 1, 2) for c in (0, 1, 2) if (r, c) != (1, 1)]


def _without_lines(image: Image) -> tuple[Image, NDArray[np.intp]]:
    """Replace rows that differ from the rows beside them along their whole length."""
    n = len(image)
    sample = image[:, :: max(1, image.shape[1] // _SAMPLE_LINE)]
    bad = np.zeros(n, bool)
    for _ in range(_LINE_ROUNDS):
        level, pixel = np.zeros(n), np.inf
        for away in range(1, _WIDEST_LINE + 1):
            off, noise = _off_both(sample, bad, away)
            pixel = min(pixel, noise)
            level = np.where(np.abs(off) > np.abs(level), off, level)
        typical = _MAD_TO_SIGMA * float(np.median(np.abs(level)))
        least = max(_LINE_SIGMAS * typical, pixel, 1e-12)
        far = np.abs(level) > least
        if np.array_equal(far, bad):
            break
        bad = far
    if not bad.any() or np.count_nonzero(bad) > max(_MOST_LINES * n, 2):
        return image, np.empty(0, np.intp)
    above, below = _neighbours(n, bad, 1)
    result = image.copy()
    result[bad] = 0.5 * (image[above[bad]] + image[below[bad]])
    return result, np.flatnonzero(bad)


def _off_both(
    sample: Image, bad: NDArray[np.bool_], away: int
) -> tuple[NDArray[np.float64], float]:
    """By how much each row is off both good rows so far away from it, and a pixel's deviation.

    Beside a step across the image, a row lies between the two and is not off both: 0. So is one
    where fewer than three quarters of the pixels are off in the same direction.
    """
    above, below = _neighbours(len(sample), bad, away)
    up, down = sample - sample[above], sample - sample[below]
    same = np.maximum(
        np.mean((up > 0) & (down > 0), axis=1), np.mean((up < 0) & (down < 0), axis=1)
    )
    up_level, down_level = np.median(up, axis=1), np.median(down, axis=1)
    pixel = _MAD_TO_SIGMA * float(np.median(np.abs(0.5 * (up + down))))
    least = np.sign(up_level) * np.minimum(np.abs(up_level), np.abs(down_level))
    both = (up_level * down_level > 0) & (same > _LINE_SHARE)
    return np.where(both, least, 0.0).astype(np.float64), pixel


def _neighbours(
    n: int, bad: NDArray[np.bool_], away: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Numbers of the good rows so many good ones above and below each of n rows."""
    good = np.flatnonzero(~bad)
    rows = np.arange(n)
    last = len(good) - 1
    at = np.searchsorted(good, rows)
    own = good[np.minimum(at, last)] == rows
    first, second = at - away, at + own + away - 1
    before = good[np.clip(first, 0, last)]
    after = good[np.clip(second, 0, last)]
    before = np.where(first < 0, after, before)
    return before, np.where(second > last, before, after)


def _without_steps(image: Image, lost: Mask) -> tuple[Image, list[str]]:
    """Level the parts of an image that was stitched: steps across its whole width or height."""
    notes: list[str] = []
    result = image
    for axis, word in ((0, "row"), (1, "column")):
        turned = result if axis == 0 else result.T
        steps = np.diff(turned[:, :: max(1, turned.shape[1] // _SAMPLE_LINE)], axis=0)
        level = np.median(steps, axis=1)
        typical = _MAD_TO_SIGMA * float(np.median(np.abs(level - np.median(level))))
        pixel = _MAD_TO_SIGMA * float(np.median(np.abs(steps)))
        least = max(_STITCH_SIGMAS * typical, 2.0 * pixel)
        share = np.maximum(np.mean(steps > 0, axis=1), np.mean(steps < 0, axis=1))
        free = ~(lost if axis == 0 else lost.T)[:-1].any(axis=1)
        found = np.flatnonzero((np.abs(level) > max(least, 1e-12)) & (share > 0.9) & free)
        found = found[(found > _EDGE_PX) & (found < len(turned) - _EDGE_PX)]
        if not len(found) or len(found) > _MOST_STITCHES:
            continue
        shift = np.zeros(len(turned), np.float32)
        for k in found:
            shift[k + 1 :] -= level[k]
        levelled = turned + shift[:, None]
        result = np.ascontiguousarray(levelled if axis == 0 else levelled.T)
        notes.append(
            f"levelled {_counted(len(found), 'stitching line')} after {word} {_listed(found)}"
        )
    return result, notes


def _filled(image: Image, mask: Mask) -> Image:
    """Put what lies around graphics in their place, with the noise of it."""
    from scipy import ndimage

    result = image.copy()
    pieces, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    reach = 8
    for window in ndimage.find_objects(pieces):
        wide = tuple(slice(max(0, s.start - reach), s.stop + reach) for s in window)
        result[wide] = _filled_window(image[wide], mask[wide])
    return result


def _filled_window(image: Image, mask: Mask) -> Image:
    from scipy import ndimage

    if mask.all():
        return image
    rows, cols = ndimage.distance_transform_edt(mask, return_distances=False, return_indices=True)
    n_rows, n_cols = image.shape
    at = np.nonzero(mask)
    # Mirrored at the edge of the graphics: the same noise as beside them.
    r = 2 * rows[at] - at[0]
    c = 2 * cols[at] - at[1]
    inside = (r >= 0) & (r < n_rows) & (c >= 0) & (c < n_cols)
    r, c = np.where(inside, r, rows[at]), np.where(inside, c, cols[at])
    again = mask[r, c]
    r, c = np.where(again, rows[at], r), np.where(again, cols[at], c)
    result = image.copy()
    result[at] = image[r, c]
    return result


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _listed(numbers: NDArray[np.intp]) -> str:
    some = ", ".join(str(int(k)) for k in numbers[:8])
    return some + (", …" if len(numbers) > 8 else "")
