"""Thresholds, planes, extents, level lines and hulls of the core, against NumPy and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import ConvexHull
from skimage.measure import find_contours

from stemfast import _core
from stemfast.finding.outline.corners import signed_area
from stemfast.finding.outline.measure import feret
from stemfast.image.central_piece import central_piece as central

MAD_TO_SIGMA = 1.4826


def otsu(image):
    """Edge of one of 256 bins that parts the histogram with the least variance within the parts."""
    counts, edges = np.histogram(image, bins=256)
    centres = 0.5 * (edges[:-1] + edges[1:])
    below = np.cumsum(counts)[:-1].astype(np.float64)
    above = counts.sum() - below
    first = np.cumsum(counts * centres)
    low = first[:-1] / np.maximum(below, 1.0)
    high = (first[-1] - first[:-1]) / np.maximum(above, 1.0)
    between = below * above * (low - high) ** 2
    return float(edges[1 + int(np.argmax(between))])


@pytest.mark.parametrize("seed", range(20))
def test_otsus_threshold_to_the_last_bit(seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=rng.integers(1, 900)) * 10.0 ** rng.integers(-9, 9)
    image[: rng.integers(0, 300)] += 5.0
    for values in (image, np.round(image), np.abs(image), np.full(7, image[0])):
        assert _core.otsu_threshold(values) == otsu(values)


@pytest.mark.parametrize("seed", range(10))
def test_grain_to_the_last_bit(seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(17 + seed, 31))
    image[4:12, 5:20] += 6.0
    threshold = otsu(image)
    bright = image > threshold
    mixed = image[:-2] - 2 * image[1:-1] + image[2:]
    mixed = mixed[:, :-2] - 2 * mixed[:, 1:-1] + mixed[:, 2:]
    response = np.median(np.abs(mixed[bright[1:-1, 1:-1]]))
    contrast = np.median(image[bright]) - np.median(image[~bright])
    assert _core.grain(image, threshold) == (response, contrast)


def test_grain_of_nothing_bright_or_nothing_else_is_none():
    image = np.random.default_rng(1).normal(size=(9, 8))
    assert _core.grain(image, 9.0) == _core.grain(image, -9.0) == (0.0, 0.0)
    image[0] = 50.0  # no pixel with all its neighbours
    assert _core.grain(image, 20.0) == (0.0, 0.0)


def clipped_plane(image, mask, enough, rounds, fewest):
    """Least squares over some pixels of a mask, those off by three deviations left out again."""
    rows, cols = np.nonzero(mask)
    some = slice(None, None, max(1, len(rows) // enough))
    rows, cols = rows[some], cols[some]
    values = image[rows, cols]
    longer = max(image.shape)
    design = np.column_stack([np.ones(len(rows)), rows / longer - 0.5, cols / longer - 0.5])
    use = np.ones(len(rows), bool)
    for _ in range(rounds):
        plane = np.linalg.lstsq(design[use], values[use], rcond=None)[0]
        left = values - design @ plane
        sigma = MAD_TO_SIGMA * np.median(np.abs(left[use] - np.median(left[use])))
        before, use = use, np.abs(left) <= max(3.0 * sigma, 1e-12)
        if np.count_nonzero(use) < fewest or np.array_equal(use, before):
            break
    return (*plane, sigma)


@pytest.mark.parametrize("enough", [60, 10_000])
@pytest.mark.parametrize("seed", range(10))
def test_a_plane_without_what_stands_out(seed, enough):
    rng = np.random.default_rng(seed)
    image = 3.0 + np.add.outer(0.2 * np.arange(33.0), -0.1 * np.arange(47.0))
    image += rng.normal(scale=0.5, size=image.shape)
    image[rng.random(image.shape) < 0.1] += 40.0
    mask = rng.random(image.shape) < 0.4
    found = _core.clipped_plane(image, mask, enough=enough, rounds=3, fewest=20)
    expected = clipped_plane(image, mask, enough, 3, 20)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_slope_of_which_nothing_is_seen_is_none():
    mask = np.zeros((20, 40), bool)
    mask[7] = True
    image = np.broadcast_to(2.0 + 0.5 * np.arange(40.0), (20, 40))
    height, down, across, sigma = _core.clipped_plane(
        np.ascontiguousarray(image), mask, enough=99, rounds=3, fewest=5
    )
    assert across == pytest.approx(20.0, abs=1e-6)
    assert height + (7 / 40 - 0.5) * down == pytest.approx(12.0, abs=1e-6)
    assert sigma < 1e-6
    with pytest.raises(ValueError, match="mask holds no pixel"):
        _core.clipped_plane(np.zeros((3, 3)), np.zeros((3, 3), bool), enough=9, rounds=1, fewest=1)


def extent(above, own, mine, beyond, levels, limit, most_leaks):
    """Labels of SciPy: the piece that shares most pixels with the particle's own."""
    near = mine & (beyond <= limit)
    outermost = near & (beyond > limit - 1.0)
    for k, level in enumerate(levels):
        pieces, count = ndimage.label(near & (above > level), structure=np.ones((3, 3)))
        shared = np.bincount(pieces[own], minlength=count + 1)[1:]
        if not shared.any():
            break
        mask = pieces == 1 + int(np.argmax(shared))
        leaks = np.count_nonzero(mask & outermost) / max(int(np.count_nonzero(outermost)), 1)
        if leaks < most_leaks:
            return ndimage.binary_fill_holes(mask), k
    return ndimage.binary_fill_holes(own), -1


@pytest.mark.parametrize("seed", range(40))
def test_extent_is_the_piece_that_shares_most(seed):
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(31, 43)), 1.2)
    own = noise[::-1] + rng.uniform(-0.1, 0.1) > 0.15
    beyond = ndimage.distance_transform_edt(~own)
    mine = rng.random(own.shape) < 0.97
    levels = np.sort(rng.uniform(-0.3, 0.6, 4))
    limit = rng.uniform(1.0, 6.0)
    found, level = _core.extent(noise, own, mine, beyond, levels, limit=limit, most_leaks=0.2)
    expected, bounds = extent(noise, own, mine, beyond, levels, limit, 0.2)
    assert level == bounds
    assert np.array_equal(found, expected)


def test_no_level_bounds_what_is_bright_everywhere():
    own = np.zeros((9, 11), bool)
    own[3:7, 4:8] = True
    own[4, 5] = False
    beyond = ndimage.distance_transform_edt(~own)
    found, level = _core.extent(
        np.ones(own.shape), own, ~np.zeros_like(own), beyond, np.array([0.5]), limit=3.0,
        most_leaks=0.05,
    )  # fmt: skip
    assert level == -1
    assert np.array_equal(found, ndimage.binary_fill_holes(own))


def central_piece(mask, fewest):
    """Of SciPy's labels the one of the largest area times one less its distance from the middle."""
    pieces, count = ndimage.label(mask)
    if not count:
        return None
    areas = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    middles = np.array(ndimage.center_of_mass(mask, pieces, np.arange(1, count + 1)))
    off = np.abs(middles / np.array(mask.shape) - 0.5).max(axis=1)
    best = int(np.argmax(areas * (1.0 - off)))
    return ndimage.binary_fill_holes(pieces == best + 1) if areas[best] >= fewest else None


@pytest.mark.parametrize("seed", range(30))
def test_the_central_piece_is_large_and_near_the_middle(seed):
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(37, 26)), rng.uniform(0.0, 2.5))
    mask = smooth > np.quantile(smooth, rng.uniform(0.4, 0.95))
    for fewest in (1, 9, 60):
        found, expected = central(mask, fewest=fewest), central_piece(mask, fewest)
        assert (found is None) == (expected is None)
        assert found is None or np.array_equal(found, expected)
    assert central(np.zeros((4, 5), bool), fewest=1) is None


def canonical(line):
    """Points of a closed line in an order that does not hang on where it began."""
    return np.array(sorted({(round(x, 9), round(y, 9)) for x, y in line.tolist()}))


def largest_contour(image, level):
    """The one of scikit-image around the largest area, x and y."""
    lines = find_contours(np.pad(image, 1), level)
    return max(lines, key=lambda one: abs(signed_area(one)))[:-1, ::-1] - 1.0


@pytest.mark.parametrize("seed", range(30))
def test_a_level_line_is_that_of_scikit_image(seed):
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(rng.random((23, 31)), rng.uniform(0.0, 2.0))
    level = float(np.quantile(image, rng.uniform(0.3, 0.9)))
    found, expected = _core.level_line(image, level), largest_contour(image, level)
    np.testing.assert_allclose(canonical(found), canonical(expected), atol=1e-8)
    assert abs(signed_area(found)) == pytest.approx(abs(signed_area(expected)), rel=1e-12)


def test_no_line_where_nothing_is_above():
    assert _core.level_line(np.zeros((5, 6)), 0.5).shape == (0, 2)
    one = np.zeros((5, 6))
    one[0, 5] = 2.0
    np.testing.assert_allclose(
        canonical(_core.level_line(one, 1.0)), [[4.5, 0.0], [5.0, -0.5], [5.0, 0.5], [5.5, 0.0]]
    )
    with pytest.raises(ValueError, match="level must not be negative, got -1"):
        _core.level_line(one, -1.0)


def evenly(points, spacing, fewest, most):
    """Points at equal distances along a closed line, from the one farthest from their mean."""
    if signed_area(points) < 0:
        points = points[::-1]
    start = int(np.argmax(np.hypot(*(points - points.mean(axis=0)).T)))
    closed = np.roll(points, -start, axis=0)
    closed = np.vstack([closed, closed[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    n = int(np.clip(round(along[-1] / spacing), fewest, most))
    at = np.arange(n) * (along[-1] / n)
    return np.column_stack([np.interp(at, along, closed[:, k]) for k in (0, 1)]), along[-1]


@pytest.mark.parametrize("seed", range(12))
def test_an_even_line_with_slopes_and_distances(seed):
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.random((33, 41)), 3.0)
    level = float(np.quantile(smooth, 0.6))
    foreign = np.zeros(smooth.shape, bool)
    foreign[:6, 9:] = seed % 3 > 0
    points, slopes, away, length = _core.even_level_line(
        smooth, level, smooth, foreign, spacing=1.25, fewest=40, most=96
    )
    expected, whole = evenly(largest_contour(smooth, level), 1.25, 40, 96)
    assert length == pytest.approx(whole, rel=1e-12)
    np.testing.assert_allclose(points, expected, atol=1e-9)
    gy, gx = np.gradient(smooth)
    at = {"coordinates": points[:, ::-1].T, "order": 1, "mode": "nearest"}
    np.testing.assert_allclose(slopes, ndimage.map_coordinates(np.hypot(gx, gy), **at), rtol=1e-9)
    if foreign.any():
        distance = ndimage.distance_transform_edt(~foreign)
        np.testing.assert_allclose(away, ndimage.map_coordinates(distance, **at), atol=1e-9)
    else:
        assert np.isinf(away).all()


@pytest.mark.parametrize("seed", range(20))
def test_hulls_and_their_calliper_widths(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(rng.integers(3, 60), 2)) * (3.0, 1.0)
    if seed % 4 == 0:
        points = np.round(points * 2.0)  # many in a line
    hull = points[ConvexHull(points).vertices]
    assert np.array_equal(canonical(_core.convex_hull(points)), canonical(hull))
    assert signed_area(_core.convex_hull(points)) == pytest.approx(signed_area(hull))
    sides = np.roll(hull, -1, axis=0) - hull
    normals = np.column_stack([-sides[:, 1], sides[:, 0]]) / np.hypot(*sides.T)[:, None]
    widths = np.ptp(normals @ hull.T, axis=1)
    apart = max(math.dist(a, b) for a in hull for b in hull)
    np.testing.assert_allclose(feret(points), (widths.min(), apart), rtol=1e-9)


def test_flat_hulls_have_no_width():
    assert _core.callipers(np.array([[0.0, 0.0], [3.0, 4.0], [1.5, 2.0]])) == (0.0, 5.0)
    assert _core.callipers(np.ones((4, 2))) == (0.0, 0.0)
    with pytest.raises(ValueError, match="three points or more, got 2"):
        _core.callipers(np.ones((2, 2)))


def test_images_with_holes_in_their_numbers_are_refused():
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="NaN or infinity"):
            _core.otsu_threshold(np.array([1.0, value, 2.0]))
    with pytest.raises(ValueError, match="no pixel"):
        _core.otsu_threshold(np.zeros(0))
