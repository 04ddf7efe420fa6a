"""Truth of a field: label image of the visible parts, and what is known of each particle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.fields.contrast import Depths, Optics, blurred, scattered
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
_LEAST_SEEN = 0.35


@dataclass(frozen=True, eq=False, repr=False)
class Truth:
    """Particles of one field that reach into it, as columns.

    Attributes
    ----------
    label : (n,) int64
        Its number in the label image; 0 where none of it is in sight.
    particle : (n,) int64
        Its number in the population.
    kind : (n,) int64
        Index in the names of `stemfast.fields.shapes.SHAPES`.
    diameter_nm : (n,) float64
        Of the sphere of the same volume.
    brightness : (n,) float64
        Factor that stands for its orientation.
    area_px, seen_px : (n,) int64
        Pixels of its projection in the field, and of those that no other particle lies over.
    box : (n, 4) int64
        First and last row and column of the projection in the field, ends excluded.
    cut : (n,) bool
        It reaches over the border.
    signal_to_noise : (n,) float64
        Of the whole particle.
    contrast : (n,) float64
        Its signal over the support's structure at its scale.
    visible : (n,) bool
        Both are high enough, and most of it is not covered.
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


def judged(
    people: Population, windows: list[Window], depths: Depths, optics: Optics
) -> tuple[Truth, NDArray[np.int32]]:
    """Labels, large particles under small ones, and the truth of each particle."""
    shape = depths.particles.shape
    labels = np.zeros(shape, np.int32)
    area = np.array([int(w.inside.sum()) for w in windows], np.int64)
    order = np.argsort(-area, kind="stable")
    for number, k in enumerate(order.tolist(), start=1):
        window = windows[k]
        labels[window.rows, window.columns][window.inside] = number
    seen = np.bincount(labels.ravel(), minlength=len(windows) + 1)[1:]
    ratio, contrast = _sight(windows, depths, optics, area)
    area, ratio, contrast = area[order], ratio[order], contrast[order]
    owner = np.array([windows[k].particle for k in order.tolist()], np.int64)
    box = np.array([_box(windows[k]) for k in order.tolist()], np.int64).reshape(-1, 4)
    cut = (box[:, [0, 2]] == 0).any(1) | (box[:, 1] == shape[0]) | (box[:, 3] == shape[1])
    visible = (ratio > ROSE) & (contrast > STANDS_OUT) & (seen > _LEAST_SEEN * area)
    truth = Truth(
        label=np.arange(1, len(windows) + 1),
        particle=owner,
        kind=people.kind[owner],
        diameter_nm=people.diameter_nm[owner],
        brightness=people.brightness[owner],
        area_px=area,
        seen_px=seen,
        box=box,
        cut=cut,
        signal_to_noise=ratio,
        contrast=contrast,
        visible=visible,
    )
    return truth, labels


def _box(window: Window) -> tuple[int, int, int, int]:
    rows = np.flatnonzero(window.inside.any(axis=1))
    columns = np.flatnonzero(window.inside.any(axis=0))
    top, left = int(window.rows.start), int(window.columns.start)
    return (
        top + int(rows[0]),
        top + int(rows[-1]) + 1,
        left + int(columns[0]),
        left + int(columns[-1]) + 1,
    )


def _sight(
    windows: list[Window], depths: Depths, optics: Optics, area: Ints
) -> tuple[Floats, Floats]:
    """Signal to noise of each particle, and its contrast over structure of its own scale."""
    n = len(windows)
    total = depths.total
    through = np.float32(1.0) - scattered(total)
    rest = np.maximum(depths.support + depths.film, np.float32(0.0))
    bare = scattered(rest)
    mean = through if optics.bright_field else np.float32(1.0) - through
    scales = (2.0, 4.0, 8.0, 16.0, 32.0)
    structure = [_structure(bare, scale) for scale in scales]
    ratio, contrast = np.zeros(n), np.zeros(n)
    spread = 2.0 * (0.4247 * optics.probe_px) ** 2
    grain = optics.grain * optics.grain
    for k, window in enumerate(windows):
        part = window.rows, window.columns
        inside = window.inside
        change = float(np.mean(np.abs(window.depth[inside]) * through[part][inside]))
        radius2 = area[k] / np.pi
        change *= radius2 / (radius2 + spread)
        level = float(np.mean(mean[part][inside]))
        variance = max(level, 1e-9) / optics.electrons_px / area[k]
        if optics.bright_field:
            mass = float(np.mean(total[part][inside]))
            patch = max(1.0, 2.0 * optics.grain_px**2)
            variance += 0.25 * grain * (min(mass, 3.0) + 0.02) * patch / max(area[k], patch)
        ratio[k] = change / np.sqrt(variance)
        nearest = int(np.argmin([abs(scale - np.sqrt(radius2)) for scale in scales]))
        around = structure[nearest][part][inside]
        contrast[k] = change / max(float(np.mean(around)), 1e-9)
    return ratio, contrast


def _structure(bare: Map, scale: float) -> Map:
    """Rms of the support's structure at one scale [px]."""
    detail = blurred(bare, 0.5 * scale) - blurred(bare, 1.5 * scale)
    return np.sqrt(np.maximum(blurred(detail * detail, 1.5 * scale), np.float32(0.0)))
