"""Bright-field images: what is not scattered past the detector."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import describing, reference, scattering
from stemfast.fit import CutCuboid, observe

CUT = sf.Cuboid((16, 13, 10), corners={7: sf.Truncation(0.3)})
POSE = Rotation.from_rotvec([0.5, 0.4, -0.3])
FAR = (1e4, 0.0, 0.0)


def scope(outer_mrad=15.0, cone_mrad=12.0, **parts):
    given = {
        "scan": sf.Scan(shape=(40, 44), pixel_size_nm=0.6),
        "beam": sf.Beam(current_pa=2e4, convergence_mrad=cone_mrad),
        "bright_field": sf.BrightField(outer_mrad=outer_mrad),
        "detector": sf.Detector(bits=None),
    }
    return sf.Microscope(**(given | parts))


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"probe": sf.Probe(fwhm_nm=0)},
        {"probe": sf.Probe(fwhm_nm=1.2, tail_fraction=0.3, tail_fwhm_nm=4)},
        {"film": sf.Film(thickness_nm=30, roughness_nm=4)},
    ],
)
def test_expected_electrons_are_the_reference(parts):
    one = scope(**parts)
    truth = sf.simulate(CUT, POSE, one, seed=2, return_truth=True).truth
    expected = one.electrons_per_pixel * reference.detected_fraction(CUT, POSE, one, seed=2)
    tolerance = 1e-5 if one.probe.tail_fraction == 0 else 4e-3
    np.testing.assert_allclose(truth.expected_electrons, expected, rtol=tolerance)


def test_counts_have_that_mean():
    one = scope()
    taken = sf.simulate(CUT, POSE, one, seed=3, return_truth=True)
    mean = taken.truth.expected_electrons
    score = (taken.images - mean) / np.sqrt(mean)
    # Five standard errors of the mean and of the variance, two-sided.
    assert abs(score.mean()) < 5 / math.sqrt(score.size)
    assert abs((score**2).mean() - 1) < 5 * math.sqrt(2 / score.size)


def test_without_a_film_the_beam_arrives_whole():
    one = scope(film=sf.Film(thickness_nm=0))
    truth = sf.simulate(CUT, POSE, one, seed=1, positions_nm=FAR, return_truth=True).truth
    np.testing.assert_allclose(truth.expected_electrons, one.electrons_per_pixel, rtol=1e-6)


def test_bright_and_dark_fields_share_out_the_beam():
    # A dark field from the bright one's edge to where nothing comes any more is its complement.
    film = sf.Film(thickness_nm=0)
    bright = scope(outer_mrad=30.0, film=film)
    dark = bright.replace(bright_field=None, haadf=sf.Haadf(inner_mrad=30.0, outer_mrad=900.0))
    shares = [
        sf.simulate(CUT, POSE, one, seed=1, return_truth=True).truth.expected_electrons
        / one.electrons_per_pixel
        for one in (bright, dark)
    ]
    np.testing.assert_allclose(sum(shares), 1.0, atol=5e-3)
    assert shares[0].min() < 0.75


def test_focused_slabs_add_up_in_bright_field_too():
    plain = scope(cone_mrad=1e-9)
    slabs = plain.replace(probe=sf.Probe(depth_of_focus=True, slabs=5))
    one, other = (
        sf.simulate(CUT, POSE, s, seed=1, return_truth=True).truth.expected_electrons
        for s in (plain, slabs)
    )
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_wider_detector_loses_less():
    carbon = sf.materials.get("C")
    left = [
        1 - carbon.scattered_fraction(50.0, 200, edge, math.inf, 12) for edge in (12, 20, 40, 80)
    ]
    assert sorted(left) == left
    # No more than leaves a parallel beam at all.
    total = scattering.cross_section_nm2(6, scattering.Collection(200, 0, math.inf, 0))
    assert 1 - left[0] < -math.expm1(-50 * carbon.atoms[0][1] * total)


def test_thickness_of_every_material_stays_the_truth():
    truth = sf.simulate(CUT, POSE, scope(), seed=1, return_truth=True).truth
    np.testing.assert_allclose(truth.thickness_nm["film"], 5.0, rtol=1e-5)


def test_one_batch_takes_both_kinds():
    bright, dark = scope(), scope(bright_field=None)
    both = sf.simulate([CUT, CUT], None, [bright, dark], seed=4)
    for i, one in enumerate((bright, dark)):
        assert (both[i] == sf.simulate(CUT, None, one, seed=4, first_index=i)).all()
    assert both[0].mean() > 5 * both[1].mean()


def test_an_aperture_smaller_than_the_cone():
    reason = r"bright_field.outer_mrad=8 and beam.convergence_mrad=12: a part of the undeflected"
    with pytest.raises(ValueError, match=reason):
        scope(outer_mrad=8.0)


@pytest.mark.parametrize("angle", [0.0, -3.0, 1000.0, math.inf])
def test_impossible_apertures(angle):
    with pytest.raises(ValueError, match=r"BrightField\.outer_mrad: expected a"):
        sf.BrightField(outer_mrad=angle)


def test_what_reads_dark_fields_says_so():
    one = scope()
    image = sf.simulate(CUT, POSE, one, seed=1)
    with pytest.raises(ValueError, match="fits model dark-field images"):
        observe(image, one, CutCuboid.of(CUT, POSE))
    with pytest.raises(ValueError, match="a calibration is of dark-field images"):
        describing.Calibration.of(one)
