"""Masks, distances and polygons of the core, against their definitions in NumPy and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from stemfast import _core
from stemfast.image.distances import distance_to


def mask_by_chords(centre, radii, shape):
    """Pixels on the near side of the chord between the two rays around them, one angle each."""
    n, step = len(radii), 2.0 * np.pi / len(radii)
    y, x = np.indices(shape) - np.reshape(centre, (2, 1, 1))
    turn = np.arctan2(y, x) % (2.0 * np.pi) / step
    ray = np.minimum(turn.astype(int), n - 1)
    past = (turn - ray) * step
    first, second = radii[ray], radii[(ray + 1) % n]
    beyond = np.hypot(y, x) * (first * np.sin(past) + second * np.sin(step - past))
    return beyond <= first * second * np.sin(step)


@pytest.mark.parametrize(("rays", "least"), [(32, 3.0), (32, 0.0), (7, 5.0), (3, 6.0)])
def test_a_star_is_the_pixels_within_its_chords(rays, least):
    rng = np.random.default_rng(rays)
    for _ in range(20):
        centre, radii = rng.uniform(-3.0, 40.0, 2), rng.uniform(least, 17.0, rays)
        found = _core.star_mask(*centre, radii, rows=37, columns=29)
        assert np.array_equal(found, mask_by_chords(centre, radii, (37, 29)))


def test_wrong_stars_are_refused():
    for radii in (np.ones(2), np.array([1.0, -1.0, 2.0]), np.array([1.0, np.nan, 2.0])):
        with pytest.raises(ValueError, match="radii"):
            _core.star_mask(0.0, 0.0, radii, rows=3, columns=3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (41, 23), (16, 90)])
@pytest.mark.parametrize("share", [0.003, 0.05, 0.6])
def test_distances_are_those_of_scipy_to_the_last_bit(shape, share):
    rng = np.random.default_rng(shape[0])
    for _ in range(20):
        mask = rng.random(shape) < share
        mask[rng.integers(shape[0]), rng.integers(shape[1])] = True
        assert np.array_equal(distance_to(mask), ndimage.distance_transform_edt(~mask))


def test_distances_to_nothing_are_infinite():
    assert np.isinf(distance_to(np.zeros((4, 5), bool))).all()


def side_of(points, weight, first, k, trim):
    """Middle, normal and squared residue of the line of least squares, from the points alone."""
    own = np.arange(first + trim, first + k - trim + 1) % len(points)
    middle = np.average(points[own], axis=0, weights=weight[own])
    off = points[own] - middle
    values, vectors = np.linalg.eigh((off * weight[own, None]).T @ off)
    return middle, vectors[:, 0], max(values[0], 0.0)


def cheapest(points, weight, trim, shortest, price, start):
    """Breaks of the cheapest polygon with a corner at `start`: every last side is tried."""
    n = len(points)
    best, came = np.full(n + 1, np.inf), np.zeros(n + 1, int)
    best[0] = 0.0
    for end in range(shortest, n + 1):
        for i in range(end - shortest + 1):
            if best[i] < np.inf:
                cost = side_of(points, weight, (start + i) % n, end - i, trim)[2] + price
                if best[i] + cost < best[end]:
                    best[end], came[end] = best[i] + cost, i
    breaks = [int(came[n])]
    while breaks[-1] > 0:
        breaks.append(int(came[breaks[-1]]))
    return sorted(breaks) if len(breaks) >= 3 else [0, n // 3, 2 * n // 3]


@pytest.mark.parametrize(("n", "trim", "shortest"), [(40, 1, 4), (47, 2, 6), (40, 6, 14)])
def test_a_polygon_is_the_cheapest_of_all(n, trim, shortest):
    rng = np.random.default_rng(n + trim)
    angle = 2.0 * np.pi * np.arange(n) / n
    # An uneven pentagon, not about the origin.
    radius = 9.0 / np.cos((angle + 0.3) % (0.4 * np.pi) - 0.2 * np.pi) + 1.5 * np.cos(angle)
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points += rng.normal(scale=0.15, size=points.shape)
    weight, price = rng.uniform(10.0, 40.0, n), 3.0 * math.log(n)
    begins, sides = _core.fit_polygon(points, weight, trim=trim, shortest=shortest, price=price)
    first = cheapest(points, weight, trim, shortest, price, 0)
    start = first[len(first) // 2]
    breaks = cheapest(points, weight, trim, shortest, price, start)
    assert begins.tolist() == [(start + b) % n for b in breaks]
    for own, after, (x, y, turn, cost) in zip(
        begins, np.roll(begins, -1), sides.tolist(), strict=True
    ):
        k = int(after - own) % n
        if k < shortest:
            assert cost == math.inf
            continue
        middle, normal, residue = side_of(points, weight, int(own), k, trim)
        np.testing.assert_allclose((x, y), middle, atol=1e-9)
        assert abs(normal @ (-math.sin(turn), math.cos(turn))) == pytest.approx(1.0, abs=1e-9)
        assert cost == pytest.approx(residue, rel=1e-6, abs=1e-9)


def test_wrong_contours_are_refused():
    points, weight = np.zeros((9, 2)), np.ones(9)
    with pytest.raises(ValueError, match="weight has shape"):
        _core.fit_polygon(points, weight[:8], trim=1, shortest=4, price=1.0)
    with pytest.raises(ValueError, match="three points"):
        _core.fit_polygon(points[:2], weight[:2], trim=1, shortest=4, price=1.0)
    with pytest.raises(ValueError, match="trim must be positive"):
        _core.fit_polygon(points, weight, trim=2, shortest=3, price=1.0)
