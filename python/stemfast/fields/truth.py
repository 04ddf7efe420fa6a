"""Truth of a field: label image of the visible parts, and what is known of each particle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fields.contrast import Depths, Optics, blurred, halved, scattered
from stemfast.fields.population import Population
from stemfast.fields.windows import Window

__all__ = ["Truth", "judged"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Map: TypeAlias = NDArray[np.float32]

#: Signal over noise of a whole particle below which nobody sees it; A. Rose's criterion.
ROSE = 5.0
#: Contrast over that of the support's own structure at the particle's scale.
STANDS_OUT = 0.8
#: Radii of particles that the support's structure is measured for [px].
_SCALES = (2, 4, 8, 16, 32)


@dataclass(frozen=True, eq=False, repr=False)
class Truth:
    """Particles of one field that reach into it, as columns.

    Attributes
    ----------
    label : (n,) int64
        Its number in the label image, 1 … n, also where other particles hide all of it.
    particle : (n,) int64
        Its number in the population.
    kind : (n,) int64
        Index in `stemfast.fields.shapes.CLASSES`.
    diameter_nm : (n,) float64
        Of the sphere of the same volume.
    brightness : (n,) float64
        Factor that stands for its orientation.
    area_px, seen_px : (n,) int64
        Pixels of its projection in the field, and of those that no other particle lies over.
    box : (n, 4) int64
        First and last row and column of the projection in the field, ends excluded.
    cut : (n,) bool
        It covers pixels beyond the border.
    signal_to_noise : (n,) float64
        Of the whole particle.
    contrast : (n,) float64
        Its signal over the support's structure at its scale.
    visible : (n,) bool
        Signal to noise is above `ROSE`, contrast above `STANDS_OUT`, and the share of it that no
        other particle lies over above the recipe's `least_seen`.
    """

    label: Ints
    particle: Ints
    kind: Ints
    diameter_nm: Floats
    brightness: Floats
    area_px: Ints
    seen_px: Ints
    box: NDArray[np.int64]
    cut: NDArray[np.bool_]
    signal_to_noise: Floats
    contrast: Floats
    visible: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.label)

    def __repr__(self) -> str:
        return f"Truth of {len(self)} particles, {int(self.visible.sum())} of them visible"


@dataclass(frozen=True, eq=False, repr=False)
class _Covered:
    """Pixels that particles cover, one particle after the other.

    Attributes
    ----------
    row, column : (m,) int64
    depth : (m,) float32
        Thickness of the particle there.
    start : (n,) int64
        Where each particle's pixels begin.
    area : (n,) int64
    """

    row: Ints
    column: Ints
    depth: Map
    start: Ints
    area: Ints

    @classmethod
    def by(cls, windows: list[Window]) -> _Covered:
        """Pixels of these windows, in their order."""
        within = [np.flatnonzero(w.inside) for w in windows]
        area = np.array([len(own) for own in within], np.int64)
        width = np.array([w.inside.shape[1] for w in windows], np.int64)
        top = np.array([w.rows.start for w in windows], np.int64)
        left = np.array([w.columns.start for w in windows], np.int64)
        row, column = np.divmod(np.concatenate(within), np.repeat(width, area))
        return cls(
            row + np.repeat(top, area),
            column + np.repeat(left, area),
            np.concatenate([w.depth[w.inside] for w in windows]),
            np.cumsum(area) - area,
            area,
        )

    def mean(self, values: NDArray[np.floating]) -> Floats:
        """Mean of values of the pixels over each particle, (n,)."""
        summed: Floats = np.add.reduceat(values.astype(np.float64), self.start)
        return summed / self.area

    def boxes(self) -> Ints:
        """First and last row and column of each particle, ends excluded, (n, 4)."""
        low, high = np.minimum.reduceat, np.maximum.reduceat
        return np.stack(
            [
                low(self.row, self.start),
                high(self.row, self.start) + 1,
                low(self.column, self.start),
                high(self.column, self.start) + 1,
            ],
            axis=1,
        )


def judged(
    people: Population,
    windows: list[Window],
    depths: Depths,
    optics: Optics,
    least_seen: float = 0.35,
) -> tuple[Truth, NDArray[np.int32]]:
    """Labels, large particles under small ones, and the truth of each particle."""
    labels = np.zeros(depths.particles.shape, np.int32)
    if not windows:
        return _nothing(), labels
    area = np.array([np.count_nonzero(w.inside) for w in windows], np.int64)
    windows = [windows[k] for k in np.argsort(-area, kind="stable").tolist()]
    for number, window in enumerate(windows, start=1):
        labels[window.rows, window.columns][window.inside] = number
    seen = np.bincount(labels.ravel(), minlength=len(windows) + 1)[1:]
    covered = _Covered.by(windows)
    ratio, contrast = _sight(covered, depths, optics)
    owner = np.array([w.particle for w in windows], np.int64)
    visible = (ratio > ROSE) & (contrast > STANDS_OUT) & (seen > least_seen * covered.area)
    truth = Truth(
        label=np.arange(1, len(windows) + 1),
        particle=owner,
        kind=people.kind[owner],
        diameter_nm=people.diameter_nm[owner],
        brightness=people.brightness[owner],
        area_px=covered.area,
        seen_px=seen,
        box=covered.boxes(),
        cut=np.array([w.cut for w in windows]),
        signal_to_noise=ratio,
        contrast=contrast,
        visible=visible,
    )
    return truth, labels


def _nothing() -> Truth:
    whole, real, yes = np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.bool_)
    box = np.zeros((0, 4), np.int64)
    return Truth(whole, whole, whole, real, real, whole, whole, box, yes, real, real, yes)


def _sight(covered: _Covered, depths: Depths, optics: Optics) -> tuple[Floats, Floats]:
    """Signal to noise of each particle, and its contrast over structure of its own scale."""
    at, area = (covered.row, covered.column), covered.area
    total = depths.total[at]
    share = scattered(total, depths.curve)
    through = np.float32(1.0) - share
    change = covered.mean(np.abs(covered.depth * through))
    radius2 = area / np.pi
    spread = 2.0 * (0.4247 * optics.probe_px) ** 2
    change = change * radius2 / (radius2 + spread)
    level = covered.mean(through if optics.bright_field else share)
    variance = np.maximum(level, 1e-9) / optics.electrons_px / area
    if optics.bright_field:
        mass = covered.mean(total)
        patch = max(1.0, 2.0 * optics.grain_px**2)
        grain = 0.25 * optics.grain * optics.grain
        variance += grain * (np.minimum(mass, 3.0) + 0.02) * patch / np.maximum(area, patch)
    return change / np.sqrt(variance), change / _around(covered, depths)


def _around(covered: _Covered, depths: Depths) -> Floats:
    """Rms structure of support and film where each particle lies, at its own scale, (n,)."""
    bare = scattered(np.maximum(depths.support + depths.film, np.float32(0.0)), depths.curve)
    radius = np.sqrt(covered.area / np.pi)
    scale = np.abs(radius[:, None] - np.array(_SCALES)).argmin(axis=1)
    around = np.zeros(len(radius))
    for k, size in enumerate(_SCALES):
        if k:
            bare = halved(bare)
        if not (scale == k).any():
            continue
        coarse = size // _SCALES[0]
        rms = _structure(bare, size / coarse, coarse)
        found = covered.mean(rms[covered.row // (2 * coarse), covered.column // (2 * coarse)])
        around[scale == k] = found[scale == k]
    return np.maximum(around, 1e-9)


def _structure(bare: Map, scale: float, coarse: int) -> Map:
    """Rms of the support's structure at one scale [px of a map binned by `coarse`].

    The rms itself is smooth, so it is on a map binned by two more.
    """
    # Binning has blurred already, by the variance of a box.
    box = (1.0 - 1.0 / (coarse * coarse)) / 12.0
    fine, wide = np.sqrt(np.array([0.25, 2.25]) * scale * scale - box).tolist()
    detail = blurred(bare, fine) - blurred(bare, wide)
    local = blurred(halved(detail * detail), 0.75 * scale)
    return np.sqrt(np.maximum(local, np.float32(0.0)))
