"""Label images that end where outlines say, and outlines that are believed on a support."""

from __future__ import annotations

import numpy as np
import pytest

import stemfast as sf
from stemfast.finding.outline.accept import _fall, accepted
from stemfast.finding.outline.corners import signed_area, without_spikes
from stemfast.finding.outline.paint import painted_labels
from stemfast.micrograph import simulated_field
from stemfast.micrograph.files.error import MicrographError


def box(first_row, first_col, rows, cols):
    """Outline x, y of whole pixels."""
    low, left = first_row - 0.5, first_col - 0.5
    return np.array(
        [(left, low), (left + cols, low), (left + cols, low + rows), (left, low + rows)]
    )


def test_outlines_grow_particles_and_none_takes_anothers_pixels():
    labels = np.zeros((12, 15), np.int32)
    labels[2:6, 2:6] = 1
    labels[2:6, 8:11] = 2
    labels[9:11, 1:3] = 3
    painted = painted_labels(labels, [box(1, 1, 6, 8), box(1, 6, 6, 6), None])
    assert (painted[2:6, 8] == 2).all()  # had it before
    assert (painted[1, 6:9] == 2).all()  # the smaller of two that reach it
    assert (painted[1:7, 1:6] == 1).all()
    assert np.array_equal(painted == 3, labels == 3)


def test_a_particle_whose_outline_is_elsewhere_stays():
    labels = np.zeros((12, 15), np.int32)
    labels[2:6, 2:6] = 1
    labels[2:6, 8:11] = 2
    painted = painted_labels(labels, [box(2, 8, 4, 3), box(2, 8, 4, 3)])
    assert np.array_equal(painted, labels)


@pytest.mark.parametrize(("wider", "believed"), [(2, True), (0, False)])
def test_an_outline_that_differs_is_believed_where_brightness_falls_across_it(wider, believed):
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(3)
    image = 10.0 * gaussian_filter(rng.standard_normal((60, 70)), 3.0) / 0.1
    image[22 - wider : 38 + wider, 27 - wider : 43 + wider] += 100.0
    labels = np.zeros((60, 70), np.int32)
    labels[22:38, 27:43] = 1
    place, own, outline = (22, 27, 38, 43), box(22, 27, 16, 16), box(20, 25, 20, 20)
    bright = image.astype(np.float32)
    assert accepted(bright, labels, 1, place, outline, own) is believed
    assert not accepted(bright, labels, 1, place, outline, own, clear=False)
    assert accepted(bright, labels, 1, place, box(21, 26, 17, 17), own)
    assert not accepted(bright, labels, 1, place, outline + 12.0, own)


@pytest.mark.parametrize("turn", [1, -1])
def test_the_fall_across_an_outline_is_that_of_a_cone(turn):
    rows, columns = np.indices((60, 70))
    cone = -3.0 * np.hypot(rows - 28.3, columns - 37.6)
    angle = turn * np.linspace(0.0, 2.0 * np.pi, 90, endpoint=False)
    circle = np.stack([37.6 + 17.0 * np.cos(angle), 28.3 + 17.0 * np.sin(angle)], axis=1)
    assert _fall(cone.astype(np.float32), circle, 2.5) == pytest.approx(2 * 2.5 * 3.0, rel=1e-3)


def test_labels_on_carbon_reach_into_corners():
    field = simulated_field(0, n_particles=9, carbon_nm=45.0)
    found = sf.find(field.image, field.pixel_size_nm, method="network")
    assert len(found) >= 8
    assert sum(particle.edges_fitted for particle in found) >= 7
    for particle in found:
        if particle.edges_fitted:
            whole = np.count_nonzero(found.labels == particle.label)
            assert abs(whole / signed_area(particle.outline) - 1.0) < 0.08


@pytest.mark.parametrize("width", [0.0, -3.0, float("nan")])
def test_carbon_without_a_width_is_refused(width):
    with pytest.raises(MicrographError, match="carbon_nm: got"):
        simulated_field(0, carbon_nm=width)


def turned(points, angle, shift):
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(points, float) @ np.array([[c, s], [-s, c]]) + shift


@pytest.mark.parametrize("seed", range(6))
def test_convex_polygons_and_stars_have_no_spikes(seed):
    from scipy.spatial import ConvexHull

    rng = np.random.default_rng(seed)
    points = rng.normal(size=(12, 2)) * (20.0, 3.0)
    hull = points[ConvexHull(points).vertices]
    assert np.array_equal(without_spikes(hull), hull)
    angle = 2.0 * np.pi * np.arange(10) / 10 + rng.uniform(0, 6)
    star = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.tile([12.0, 5.0], 5)[:, None]
    assert np.array_equal(without_spikes(star), star)


@pytest.mark.parametrize("seed", range(6))
def test_spikes_and_notches_are_cut_off_wherever_they_are(seed):
    """A spike of 4 px by 1 on a square of 10, a notch, both, either way round."""
    rng = np.random.default_rng(seed)
    square = [[0, 0], [10, 0], [10, 10], [0, 10]]
    spiky = [
        [0, 0],
        [10, 0],
        [10, 4],
        [14, 4.6],
        [10, 5],
        [10, 10],
        [5.5, 10],
        [5, 7],
        [4.5, 10],
        [0, 10],
    ]
    turn, shift = rng.uniform(0, 6), rng.normal(size=2) * 50
    corners = np.roll(turned(spiky, turn, shift), seed, axis=0)
    for drawn in (corners, corners[::-1]):
        cut = without_spikes(drawn)
        assert abs(signed_area(cut)) == pytest.approx(100.0)
        assert len(cut) == len(spiky) - 2
        assert all(
            np.abs(cut - corner).sum(axis=1).min() < 1e-9 for corner in turned(square, turn, shift)
        )


def test_a_spike_along_a_side_ends_at_the_foot_of_its_other_side():
    """Leaving its tip out took a corner of the particle along."""
    kite = np.array([[0.0, 0], [14, 0], [10, 3], [10, 10], [0, 10]])
    for drawn in (kite, kite[::-1], np.roll(kite, 2, axis=0)):
        cut = without_spikes(drawn)
        assert sorted(map(tuple, cut.tolist())) == [(0, 0), (0, 10), (10, 0), (10, 3), (10, 10)]


def test_the_smallest_polygons_stay():
    thin = np.array([[0.0, 0], [40, 0.5], [0, 1]])
    assert np.array_equal(without_spikes(thin), thin)


def flat_squares(sigma, seed, side=26, apart=52, drawn=4):
    """Image and labels of nine squares of even brightness, turned at random; blur `sigma` [px]."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    pixels = 3 * apart + 8
    labels = np.zeros((pixels, pixels), np.int32)
    fine = np.zeros((drawn * pixels, drawn * pixels))
    for number in range(1, 10):
        row, column = (30 + apart * k + rng.uniform(-0.5, 0.5) for k in divmod(number - 1, 3))
        angle = rng.uniform(0.0, 1.5)
        for picture, value in ((labels, number), (fine, 1.0)):
            finer = len(picture) // pixels
            y, x = (np.indices(picture.shape) + 0.5) / finer - 0.5 - np.array([[[row]], [[column]]])
            u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
            picture[(np.abs(u) < side / 2) & (np.abs(v) < side / 2)] = value
    depth = fine.reshape(pixels, drawn, pixels, drawn).mean(axis=(1, 3))
    return rng.poisson(20 + 60 * gaussian_filter(depth, sigma)).astype(np.float32), labels


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
def test_particles_that_lie_flat_have_their_size(sigma):
    """Their faces are steep: a probe read too sharp and edges askew made them 8 to 14 % larger."""
    off, bars, widths = [], [], []
    for seed in range(2):
        image, labels = flat_squares(sigma, seed)
        found = sf.find(image, labels=labels)
        off += [one.area / 26**2 - 1.0 for one in found]
        bars += [one.area_sd / 26**2 for one in found]
        widths.append(found.blur_px)
    assert abs(np.mean(off)) < 0.02
    assert np.mean(np.abs(off) < 2.0 * np.array(bars)) > 0.9
    assert np.mean(widths) == pytest.approx(sigma, rel=0.1)


def test_a_known_probe_tells_how_particles_lie():
    image, labels = flat_squares(1.0, 3)
    told = sf.find(image, labels=labels, pixel_size_nm=1.0, probe_fwhm_nm=2.3548)
    assert abs(np.mean([one.area for one in told]) / 26**2 - 1.0) < 0.03


def test_one_step_does_not_reach_faces_far_within_the_contour():
    """Smoothing puts the contour of a steep face 3.4 px outside; 3 px are tried at a time."""
    from stemfast.finding.outline.edges import refine_polygon
    from stemfast.micrograph.isolate import isolate_label

    image, labels = flat_squares(1.0, 5)
    rows, columns = np.nonzero(labels == 5)
    place = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    isolated = isolate_label(image, labels, 5, tuple(int(edge) for edge in place))
    around = np.array([rows.mean(), columns.mean()]) - isolated.first
    # The square turned as it is, 4 px too far out on all sides.
    y, x = np.stack([rows - rows.mean(), columns - columns.mean()])
    angle = min(
        np.linspace(0, np.pi / 2, 91),
        key=lambda a: (
            np.abs(np.cos(a) * x + np.sin(a) * y).max()
            + np.abs(np.cos(a) * y - np.sin(a) * x).max()
        ),
    )
    u = np.array([np.cos(angle), np.sin(angle)])
    v = np.array([-u[1], u[0]])
    far = np.array([(a * u + b * v) * 17 for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])
    fitted = refine_polygon(isolated, far + around[::-1], 1.0, steep=0.99)
    assert abs(signed_area(fitted.points)) == pytest.approx(26**2, rel=0.04)


def test_without_edges_the_usual_blur_is_told():
    from stemfast.finding.outline.blur import USUAL_PX, Blur, find_blur

    assert find_blur([]) == Blur(*USUAL_PX, 0.5)
    assert find_blur([], 1.3) == Blur(1.3, 0.0, 0.5)
