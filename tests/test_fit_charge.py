"""How pixel values are read as electrons, against a detector written out in NumPy."""

from dataclasses import replace

import numpy as np
import pytest

import stemfast as sf
from stemfast.fit.cuboid.shape import CutCuboid
from stemfast.fit.image.charge import RIGHT, electrons_of
from stemfast.fit.image.likelihood import observe
from stemfast.fit.refine import refine
from stemfast.microscope import Detector

N = 400_000

# Sharp and blurred, fewer than one value an electron and more, near a half and far from it.
DETECTORS = [
    Detector(bits=8, gain=0.513, offset=13.353, read_noise=0.055),
    Detector(bits=8, gain=0.2265, offset=13.4, read_noise=0.0136),
    Detector(bits=8, gain=0.5, offset=10.0, read_noise=0.0),
    Detector(bits=8, gain=0.05, offset=20.3, read_noise=0.1),
    Detector(bits=16, gain=1.7, offset=20.2, read_noise=0.3),
    Detector(bits=16, gain=2.0, offset=20.0, read_noise=0.0),
    Detector(bits=8, gain=0.9, offset=20.2, read_noise=0.65),
    Detector(bits=8, gain=0.4, offset=30.2, read_noise=0.9),
    Detector(bits=None, gain=0.4, offset=30.2, read_noise=0.1),
    Detector(),
]


def values(detector, electrons, rng):
    """Pixel values of a number of electrons each, one stage after the other."""
    level = detector.gain * electrons + detector.offset
    level = level + detector.read_noise * rng.standard_normal(electrons.shape)
    return level if detector.bits is None else np.floor(level + 0.5)


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("mean", [0.2, 1.3, 6.0, 19.7, 117.3])
def test_readings_have_the_mean_that_is_asked_of_the_model(detector, mean):
    rng = np.random.default_rng([round(10 * mean), DETECTORS.index(detector)])
    seen = values(detector, rng.poisson(mean, (1, N)), rng)
    electrons, _, reading = electrons_of(seen, detector)
    error = electrons.std() / np.sqrt(N)
    assert abs(electrons.mean() - reading.mean(np.array([mean]))[0]) < 4 * error + 1e-3


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_variance_is_that_of_the_electrons_and_what_reading_adds(detector):
    rng = np.random.default_rng(DETECTORS.index(detector))
    seen = values(detector, rng.poisson(117.3, (1, N)), rng)
    electrons, variance, _ = electrons_of(seen, detector)
    assert electrons.var() == pytest.approx(117.3 + variance, rel=0.02)


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_slope_is_that_of_the_mean(detector):
    rng = np.random.default_rng(5)
    reading = electrons_of(values(detector, rng.poisson(3.0, (4, 5)), rng), detector)[2]
    electrons = rng.uniform(0.1, 80, (7, 3))
    step = 1e-7
    slope = (reading.mean(electrons + step) - reading.mean(electrons - step)) / (2 * step)
    np.testing.assert_allclose(slope, reading.slope(electrons) * np.ones((7, 3)), atol=1e-4)


def test_a_straight_line_would_be_wrong():
    rng = np.random.default_rng(1)
    detector = DETECTORS[0]
    seen = values(detector, rng.poisson(6.0, (1, N)), rng)
    line = (seen - detector.offset) / detector.gain
    assert line.mean() == pytest.approx(6.0 - 0.22, abs=0.02)


def test_a_value_that_no_number_gives_is_read_along_the_line():
    seen = np.array([[11.0, 12.0]])
    electrons, _, _ = electrons_of(seen, Detector(bits=8, gain=2.0, offset=10.0))
    assert electrons.tolist() == [[0.5, 1.0]]


def test_pulses_of_different_height_are_read_along_the_line():
    detector = Detector(bits=8, gain=0.5, offset=10.0, excess_noise_factor=1.5)
    electrons, variance, _ = electrons_of(np.array([[11.0, 12.0]]), detector)
    assert electrons.tolist() == [[2.0, 4.0]]
    assert variance == pytest.approx(4.0 / 12.0)


def test_a_coarse_detector_does_not_bias_the_volume():
    """Eight views through a detector that reads a few electrons several error bars wrong."""
    coarse = Detector(bits=8, gain=0.2265, offset=13.4, read_noise=0.0136)
    film = sf.Film(thickness_nm=2.3, roughness_nm=0.07)
    scope = sf.Microscope(detector=coarse, film=film)
    particle = sf.Cuboid(edges=(12, 9.6, 16.9), corners={3: sf.Truncation(0.3)})
    poses = sf.orientation.random(8, seed=3)
    images = sf.simulate(particle, poses, scope, seed=4)
    shapes = [CutCuboid.of(particle, pose) for pose in poses]
    seen = [
        observe(image, scope, replace(shape, edges_nm=1.12 * shape.edges_nm))
        for image, shape in zip(images, shapes, strict=True)
    ]
    fit = refine(seen, shapes)
    off = (fit.volume_nm3 - shapes[0].volume_nm3) / fit.volume_sd_nm3
    assert abs(off) < 3
    unasked = [replace(one, reading=RIGHT) for one in seen]
    wrong = refine(unasked, shapes)
    assert abs(wrong.volume_nm3 - shapes[0].volume_nm3) > 4 * wrong.volume_sd_nm3
