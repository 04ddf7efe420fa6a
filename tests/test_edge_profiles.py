"""Profiles across the sides of outlines: the core against NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

import edge_profiles as slow
from stemfast import _core
from stemfast.finding.outline.profile import (
    Place,
    rim_evidence,
    rim_place,
    side_evidence,
    side_places,
)
from stemfast.micrograph.isolate import Isolated


def scene(seed):
    """A polygon of uneven sides with a slope, blurred and noisy, a neighbour, and its corners."""
    from scipy.ndimage import gaussian_filter
    from skimage.draw import polygon2mask

    rng = np.random.default_rng(seed)
    sides = int(rng.integers(3, 8))
    angle = np.sort(rng.uniform(0.0, 0.5, sides) + np.arange(sides)) * 2.0 * np.pi / sides
    radius = rng.uniform(8.0, 15.0, sides)
    corners = np.stack([24.3 + radius * np.cos(angle), 21.8 + radius * np.sin(angle)], axis=1)
    thickness = polygon2mask((45, 51), corners[:, ::-1]) * 1.0
    thickness *= 1.0 + 0.02 * np.arange(51) - 0.01 * np.arange(45)[:, None]
    signal = gaussian_filter(30.0 * thickness, rng.uniform(0.4, 2.0))
    signal += rng.normal(scale=1.0, size=signal.shape)
    foreign = np.zeros(signal.shape, np.bool_)
    foreign[: rng.integers(0, 14), 30:] = True
    one = Isolated(
        signal=np.where(foreign, 0.0, signal),
        smooth=signal,
        mask=thickness > 0,
        film=np.zeros_like(signal),
        first=(0, 0),
        level=3.0,
        bright=30.0,
        film_noise=0.4,
        level_noise=0.5,
        pixel_noise=1.3,
        smoothing_px=0.9,
        flags=(),
        foreign=foreign,
        own=thickness > 0,
    )
    return one, corners + rng.normal(scale=0.7, size=corners.shape)


def around(one, corners):
    """Distances of the pixels inwards of a circle, their brightness, the circle's radius."""
    points, values = slow.pixels_of(one)
    middle = corners.mean(axis=0)
    radius = float(np.hypot(*(corners - middle).T).mean())
    return radius - np.hypot(*(points - middle).T), values, radius


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("blur_px", [0.0, 0.64, 2.7])
def test_places_of_sides(seed, blur_px):
    one, corners = scene(seed)
    points, values = slow.pixels_of(one)
    expected = [
        slow.place_of(d, values[near], blur_px, one, depth)
        for near, d, depth in slow.from_sides(points, corners, blur_px)
    ]
    found = side_places(one, corners, blur_px)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)
    assert len({place.shift for place in found}) == len(corners)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("blur_px", [0.64, 2.7])
def test_place_of_a_rim(seed, blur_px):
    one, corners = scene(seed)
    d, values, radius = around(one, corners)
    expected = slow.place_of(d, values, blur_px, one, radius, round_=True)
    found = rim_place(one, d, values, blur_px, radius)
    np.testing.assert_allclose(found, expected[:2], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("wide", [1.0, 2.5])
def test_evidence_of_widths(seed, wide):
    one, corners = scene(seed)
    points, values = slow.pixels_of(one)
    widths = np.array([0.2, 0.6, 1.1, 2.1, 4.2])
    lines = [
        slow.profile_of(d, values[near], one, depth, wide, round_=False)
        for near, d, depth in slow.from_sides(points, corners, wide)
    ]
    expected = slow.evidence([line for line in lines if line is not None], widths, 0.9)
    found = side_evidence(one, corners, widths, wide=wide, steep_share=0.9)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    d, values, radius = around(one, corners)
    line = slow.profile_of(d, values, one, radius, wide, round_=True)
    expected, _ = slow.evidence([line], widths, 0.9)
    found = rim_evidence(one, d, values, widths, wide=wide, radius=radius)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_nothing_seen_outside_leaves_a_side_where_it_was():
    one, corners = scene(1)
    d, values, radius = around(one, corners)
    inner = d > 0.0
    assert rim_place(one, d[inner], values[inner], 0.6, radius) == (0.0, 1.0)
    assert rim_place(one, d[:3], values[:3], 0.6, radius) == (0.0, 1.0)
    far = corners + 500.0
    assert side_places(one, far, 0.6) == [Place(0.0, 1.0, 0.0, 1.0, 0.0)] * len(corners)


@pytest.mark.parametrize(("place", "width"), [(0.37, 0.5), (-1.1, 1.4)])
def test_a_blurred_step_is_found_where_it_is(place, width):
    one, _ = scene(1)
    shape = (60, 60)
    signal = 30.0 * ndtr((np.arange(60.0)[None, :] - 20.0 - place) / width) * np.ones((60, 1))
    step = replace(
        one, signal=signal, foreign=np.zeros(shape, bool), film_noise=0.01, pixel_noise=0.05
    )
    left_first = np.array([[20.0, 50.0], [20.0, 10.0], [50.0, 10.0], [50.0, 50.0]])
    found = side_places(step, left_first, width)[0]
    # Free of any slope, the mean lies within a wedge's shortest bends outside.
    assert place - 0.3 < found.shift < place
    assert found.steep_shift == pytest.approx(place, abs=0.05)  # half a step of those tried


def test_wrong_profiles_are_refused():
    one, corners = scene(1)
    with pytest.raises(ValueError, match="three corners"):
        side_places(one, corners[:2], 0.6)
    with pytest.raises(ValueError, match="between 0 and 1000 px, got -1"):
        side_places(one, corners, -1.0)
    with pytest.raises(ValueError, match="width of the blur or more, got none"):
        side_evidence(one, corners, np.zeros(0), wide=1.0, steep_share=0.9)
    noise = _core.EdgeNoise(film=1.0, pixel=1.0, smoothing_px=1.0, bright=1.0)
    with pytest.raises(ValueError, match="brightness has shape"):
        _core.rim_place(np.zeros(9), np.zeros(8), 0.6, 5.0, noise)
    with pytest.raises(ValueError, match="foreign has shape"):
        _core.side_places(np.zeros((9, 8)), np.zeros((8, 9), bool), corners, 0.6, noise)
