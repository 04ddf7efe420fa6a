"""Label images that end where outlines say, and outlines that are believed on a support."""

from __future__ import annotations

import numpy as np
import pytest

import stemfast as sf
from stemfast.finding.outline.accept import _fall, accepted
from stemfast.finding.outline.corners import signed_area
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
