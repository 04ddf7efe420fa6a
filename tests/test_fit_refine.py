"""Fits of a cuboid to an image: the truth comes back, within error bars that mean what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.spatial.transform import Rotation

import stemfast as sf
from cuboid_images import image_of, scope
from stemfast.fit import CutCuboid, Prior, observe, refine
from stemfast.fit.cuboid.shape import compose
from stemfast.fit.evidence import log_evidence, log_integral
from stemfast.fit.image.film import film_waves


def drawn(seed: int, mask: int) -> CutCuboid:
    rng = np.random.default_rng([seed, mask])
    cuts = np.where([mask >> c & 1 for c in range(8)], rng.uniform(0.28, 0.42, 8), 0.0)
    edges = rng.permutation([10.0, 11.5, 13.0]) * rng.uniform(0.97, 1.03)
    quaternion = Rotation.random(rng=rng).as_quat()
    return CutCuboid(edges, cuts, quaternion, rng.uniform(-0.5, 0.5, 2))


def deviation(truth: CutCuboid, found: CutCuboid) -> np.ndarray:
    """Parameters of the truth less those found, in the order of the covariance."""
    turn = truth.orientation() * found.orientation().inv()
    corners = np.flatnonzero(truth.cuts)
    return np.concatenate(
        [
            turn.as_rotvec(),
            truth.position_nm - found.position_nm,
            truth.edges_nm - found.edges_nm,
            (truth.cuts - found.cuts)[corners],
        ]
    )


DETECTORS = {
    "counting": {},
    "8 bits": {
        "detector": sf.Detector(
            bits=8, gain=0.3, offset=20, read_noise=0.5, excess_noise_factor=1.2
        ),
        "film": sf.Film(thickness_nm=12, roughness_nm=1.0, correlation_nm=6),
    },
}


@pytest.mark.parametrize("parts", DETECTORS.values(), ids=DETECTORS)
def test_error_bars_cover(parts):
    """Sixty images: χ² of all parameters together, and the share within one error bar.

    Two-sided; false alarms 1 in 1000 and 1 in 1000 were the parameters independent.
    """
    microscope = scope(1000.0, **parts)
    total, number, within, cases = 0.0, 0, 0, 0
    for index in range(60):
        truth = drawn(index, mask=int(np.random.default_rng(index).integers(256)))
        found = refine(observe(image_of(truth, microscope, index), microscope, truth), truth)
        assert found.converged
        off = deviation(truth, found.shape)
        total += float(off @ np.linalg.solve(found.view_covariances[0], off))
        number += len(off)
        within += int((np.abs(off) < np.sqrt(found.view_covariances[0].diagonal())).sum())
        cases += len(off)
    low, high = stats.chi2.ppf([0.0005, 0.9995], number)
    assert low < total < high
    assert abs(within / cases - 0.6827) < 3.3 * np.sqrt(0.6827 * 0.3173 / cases)


def test_a_poor_start_ends_at_the_same_place():
    truth = drawn(1, 0b01000010)
    microscope = scope()
    image = image_of(truth, microscope)
    part = observe(image, microscope, truth)
    good = refine(part, truth)
    poor = replace(
        truth,
        quaternion=compose(np.array([0.02, -0.02, 0.03]), truth.quaternion),
        edges_nm=truth.edges_nm * [1.02, 0.98, 1.015],
        position_nm=truth.position_nm + np.array([0.2, -0.15]),
        cuts=np.where(truth.cuts > 0, 0.2, 0.0),
    )
    found = refine(part, poor)
    assert found.converged
    assert found.log_likelihood == pytest.approx(good.log_likelihood, abs=0.05)
    assert np.abs(found.shape.edges_nm - good.shape.edges_nm).max() < 0.02


def test_wrong_corners_have_far_less_evidence():
    truth = drawn(2, 0b00010001)
    microscope = scope()
    image = image_of(truth, microscope)
    seen = observe(image, microscope, truth)
    right = refine(seen, truth, prior=Prior(cut=(0.2, 0.5)))
    for rival in (0b00010000, 0b00010011, 0b00010010):
        wrong = refine(seen, truth, rival, prior=Prior(cut=(0.2, 0.5)))
        assert wrong.log_evidence < right.log_evidence - 20
    deviance, pixels = seen.deviance(right.electrons[0])
    assert deviance / pixels == pytest.approx(1.0, abs=0.1)


def test_a_dose_that_is_not_known_is_found():
    truth = drawn(3, 0b00000100)
    microscope = scope()
    image = image_of(truth, microscope)
    told = microscope.replace(beam=sf.Beam(current_pa=microscope.beam.current_pa * 1.05))
    found = refine(observe(image, told, truth), truth, prior=Prior(dose_sd=0.2))
    assert found.converged
    assert found.dose_scales[0] == pytest.approx(1 / 1.05, abs=0.02)
    known = refine(observe(image, microscope, truth), truth)
    assert (found.edges_sd_nm >= known.edges_sd_nm).all()


def test_edges_of_a_cube_stay_equal():
    truth = replace(drawn(4, 0b00100001), edges_nm=np.full(3, 11.0))
    microscope = scope()
    found = refine(
        observe(image_of(truth, microscope), microscope, truth),
        truth,
        prior=Prior(equal_edges=True),
    )
    assert len(set(found.shape.edges_nm.tolist())) == 1
    error = found.edges_sd_nm[0]
    assert abs(found.shape.edges_nm[0] - 11.0) < 4 * error
    assert error < 0.1


def test_a_cut_stays_within_its_limits():
    truth = replace(drawn(6, 0b1), cuts=np.r_[0.3, np.zeros(7)])
    microscope = scope()
    found = refine(
        observe(image_of(truth, microscope), microscope, truth), truth, prior=Prior(cut=(0.35, 0.5))
    )
    assert found.shape.cuts[0] == 0.35
    assert found.at_limit.tolist() == [True] + [False] * 7


def test_saturated_pixels_do_not_mislead():
    truth = drawn(7, 0b00001000)
    detector = sf.Detector(bits=8, gain=1.0, offset=10)
    microscope = scope(2560.0, detector=detector)
    place = np.append(truth.position_nm, 0.0)
    image = sf.simulate(
        truth.particle(),
        truth.orientation(),
        microscope,
        seed=5,
        positions_nm=place,
        saturation="ignore",
    )
    assert 20 < (image == 255).sum() < 2000
    found = refine(observe(image, microscope, truth), truth)
    assert np.abs(found.shape.edges_nm - truth.edges_nm).max() < 0.3


def test_the_integral_of_a_cut_off_normal_distribution():
    rng = np.random.default_rng(0)
    for _ in range(20):
        slope, precision = rng.normal(scale=30), 10 ** rng.uniform(-2, 4)
        low, high = -rng.uniform(0, 0.4), rng.uniform(0.01, 0.4)
        value, _ = integrate.quad(
            lambda u, g=slope, p=precision: np.exp(g * u - 0.5 * p * u * u),
            low,
            high,
            points=[np.clip(slope / precision, low, high)],
        )
        assert log_integral(slope, precision, low, high) == pytest.approx(np.log(value), abs=1e-5)


def test_evidence_of_a_normal_distribution_is_exact():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(3, 3)) * 50
    information = root @ root.T + 1e4 * np.eye(3)
    is_cut = np.array([False, True, False])
    value = log_evidence(
        -7.0, np.zeros(3), information, is_cut, np.array([0.3]), (0.1, 0.5), np.zeros(3)
    )
    exact = -7.0 + 1.5 * np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(information)[1] - np.log(0.4)
    assert value == pytest.approx(exact, abs=1e-6)


def test_the_waves_of_a_film_have_the_variances_that_films_have():
    """300 films; χ² of each of the twelve strongest waves, two-sided, false alarms 1 in 1000."""
    film = sf.Film(thickness_nm=10, roughness_nm=1.2, correlation_nm=5, hurst=0.6)
    waves = film_waves(film, (60, 70), 0.25, 0.0)
    maps = waves.maps.reshape(-1, len(waves.variance)).astype(np.float64)
    assert np.abs(maps.T @ maps / len(maps) - np.eye(len(waves.variance))).max() < 1e-5
    scope = sf.Microscope(scan=sf.Scan(shape=(60, 70), pixel_size_nm=0.25), film=film)
    truth = sf.simulate([sf.Sphere(1)] * 300, None, scope, seed=3, return_truth=True).truth
    rough = truth.thickness_nm["film"].reshape(300, -1) - 10.0
    measured = ((rough @ maps / len(maps)) ** 2).sum(axis=0)
    expected = waves.variance - np.r_[1.0, np.zeros(len(waves.variance) - 1)]  # the mean's own
    level = 0.001 / 2 / 12
    low, high = stats.chi2.ppf([level, 1 - level], 300)
    ratio = (measured / expected)[:12]
    assert low < ratio.min()
    assert ratio.max() < high
    assert waves.rest + expected.sum() == pytest.approx(1.44, rel=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((3, 3))}, r"image has shape \(3, 3\), expected \(96, 96\)"),
        ({"image": np.full((96, 96), np.nan)}, "image must be finite"),
        ({"probe": sf.Probe(tail_fraction=0.1)}, "no tail"),
        ({"detector": sf.Detector(decay_us=1.0)}, "afterglow"),
        ({"film": sf.Film(hole_distance_nm=3.0)}, "hole"),
        ({"mask": 256}, "mask must be from 0 to 255"),
        ({"position_nm": np.array([90.0, 0.0])}, "is outside"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, message):
    shape = drawn(0, 1)
    image = change.get("image", np.ones((96, 96)))
    parts = {key: change[key] for key in ("probe", "detector", "film") if key in change}
    if "position_nm" in change:
        shape = replace(shape, position_nm=change["position_nm"])
    with pytest.raises(ValueError, match=message):
        refine(observe(image, scope(**parts), shape), shape, change.get("mask"))


def test_beam_positions_must_fit_the_image():
    with pytest.raises(ValueError, match="beam_nm is for"):
        observe(np.ones((96, 96)), scope(), drawn(0, 1), beam_nm=np.zeros((4, 4, 2)))


@pytest.mark.parametrize("cut", [(0.0, 0.5), (0.3, 0.3), (0.2, 0.6)])
def test_impossible_limits_are_refused(cut):
    with pytest.raises(ValueError, match="least cut < greatest cut"):
        Prior(cut=cut)
