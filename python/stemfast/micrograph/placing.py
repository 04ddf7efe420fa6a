"""Room for labels in a crowded picture."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Box = tuple[float, float, float, float]
"""Left, top, right, bottom [px of the image]."""

_DIRECTIONS = 24
_RINGS = (0.0, 0.35, 0.8, 1.5, 2.5, 4.0)
_ON_LABEL, _ON_PARTICLE, _OUTSIDE, _FAR = 1000.0, 30.0, 1e6, 4.0


def place_labels(
    bboxes: Sequence[tuple[int, int, int, int]],
    sizes: Sequence[tuple[float, float]],
    shape: tuple[int, ...],
    taken: Sequence[Box] = (),
) -> list[tuple[float, float]]:
    """Choose a place for the label of every particle.

    Greedy, the most crowded particles first: of the places on rings around the particle's box,
    the one that covers least of the labels already placed, then of the particles, and is
    nearest. Deterministic.

    Parameters
    ----------
    bboxes : sequence of tuple
        First row, first column, end row, end column of each particle [px].
    sizes : sequence of (float, float)
        Width and height of each label [px].
    shape : tuple of int
        Rows and columns of the image; labels stay inside where they can.
    taken : sequence of Box
        Places that are in use, such as the scale bar.

    Returns
    -------
    list of (float, float)
        x and y of the middle of each label [px].

    Examples
    --------
    >>> [(x, y)] = place_labels([(10, 10, 20, 20)], [(8.0, 4.0)], (64, 64))
    >>> x < 6 or x > 24 or y < 10 or y > 20
    True
    """
    particles = np.array([(c0, r0, c1, r1) for r0, c0, r1, c1 in bboxes], float).reshape(-1, 4)
    particles -= 0.5
    placed: list[Box] = list(taken)
    result: list[tuple[float, float]] = [(0.0, 0.0)] * len(bboxes)
    for n in _most_crowded_first(particles):
        width, height = sizes[n]
        best, best_cost = (0.0, 0.0), math.inf
        labels = np.array(placed, float).reshape(-1, 4)
        for x, y, ring in _candidates(particles[n], width, height):
            box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            area = width * height
            cost = (
                _FAR * ring
                + _ON_LABEL * _overlap(box, labels) / area
                + _ON_PARTICLE * _overlap(box, particles) / area
                + _OUTSIDE * (box[0] < 0 or box[1] < 0 or box[2] > shape[1] - 1)
                + _OUTSIDE * (box[3] > shape[0] - 1)
            )
            if cost < best_cost:
                best, best_cost = (x, y), cost
        result[n] = best
        placed.append(
            (best[0] - width / 2, best[1] - height / 2, best[0] + width / 2, best[1] + height / 2)
        )
    return result


def _candidates(
    particle: npt.NDArray[np.float64], width: float, height: float
) -> Iterator[tuple[float, float, float]]:
    x0, y0, x1, y1 = particle.tolist()
    cx, cy = 0.5 * (x0 + x1), 0.5 * (y0 + y1)
    for ring in _RINGS:
        half_x = 0.5 * (x1 - x0 + width) + height * (0.15 + ring)
        half_y = 0.5 * (y1 - y0 + height) + height * (0.15 + ring)
        for step in range(_DIRECTIONS):
            angle = 2.0 * math.pi * step / _DIRECTIONS
            dx, dy = math.cos(angle), -math.sin(angle)
            # On the rectangle around the particle on which the label just does not touch it.
            stretch = 1.0 / max(abs(dx) / half_x, abs(dy) / half_y)
            yield cx + dx * stretch, cy + dy * stretch, ring


def _overlap(box: Box, others: npt.NDArray[np.float64]) -> float:
    if not len(others):
        return 0.0
    across = np.minimum(box[2], others[:, 2]) - np.maximum(box[0], others[:, 0])
    down = np.minimum(box[3], others[:, 3]) - np.maximum(box[1], others[:, 1])
    return float(np.sum(np.maximum(across, 0.0) * np.maximum(down, 0.0)))


def _most_crowded_first(particles: npt.NDArray[np.float64]) -> list[int]:
    centres = 0.5 * (particles[:, :2] + particles[:, 2:])
    if len(centres) < 3:
        return list(range(len(centres)))
    from scipy.spatial import cKDTree

    nearest = cKDTree(centres).query(centres, k=3)[0].sum(axis=1)
    return [int(n) for n in np.lexsort((np.arange(len(centres)), nearest))]
