"""Excess noise, afterglow, saturation, and that none of it depends on how the work is shared."""

import re

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation

import stemfast as sf
from instruction_sets import digests_of
from stemfast import _core, reference
from stemfast.simulation.saturation import SaturationError, SaturationWarning

CUT = sf.Cuboid((24, 20, 16), corners={7: sf.Truncation(0.3)})
POSE = Rotation.random(rng=5)
SCAN = sf.Scan(shape=(48, 56), pixel_size_nm=0.7)
EVERYTHING = {"excess_noise_factor": 1.4, "decay_us": 3.0, "read_noise": 1.5, "offset": 30.0}


def charges(count, excess, n, *, seed, index=0):
    return _core.multiply(np.full(n, count, np.int32), excess=excess, seed=seed, index=index)


@pytest.mark.parametrize("excess", [0.01, 0.3, 1.0, 2.5, 40.0])
@pytest.mark.parametrize("count", [1, 2, 13, 1000])
def test_charges_are_gamma_distributed(count, excess):
    # Kolmogorov-Smirnov, two-sided: false alarm 0.01 % each, 0.2 % in all; the seed is fixed.
    charge = charges(count, excess, 20_000, seed=11)
    p = stats.kstest(charge, stats.gamma(count / excess, scale=excess).cdf).pvalue
    assert 5e-5 < p < 1 - 5e-5


@pytest.mark.parametrize("excess", [0.05, 0.7, 3.0])
def test_mean_and_variance_of_the_charge(excess):
    # Five standard errors, two-sided: false alarm below 1e-6 each. The fourth moment of a gamma
    # distribution of shape k is 3 + 6/k in units of its variance squared.
    n, count = 200_000, 6
    charge = charges(count, excess, n, seed=12)
    variance = count * excess
    assert abs(charge.mean() - count) < 5 * np.sqrt(variance / n)
    spread = variance * np.sqrt((2 + 6 * excess / count) / n)
    assert abs(charge.var() - variance) < 5 * spread


def test_no_electron_no_charge():
    assert (charges(0, 1.0, 1000, seed=1) == 0).all()


def test_charges_are_independent():
    # Correlations of pixels with their neighbours, other images, other seeds and other stages:
    # standard normal after scaling, 5 of them two-sided; false alarm below 1e-6 each.
    n = 100_000
    charge = charges(9, 0.6, n, seed=7)
    read_noise = _core.read_out(
        np.zeros(n, np.int32), gain=1, offset=0, read_noise=1, seed=7, index=0, dtype="f4"
    )
    counts = _core.poisson(np.full(n, 9, np.float32), seed=7, index=0)
    others = [np.roll(charge, 1), np.roll(charge, 64), read_noise, counts]
    others += [charges(9, 0.6, n, seed=7, index=1), charges(9, 0.6, n, seed=8)]
    for other in others:
        assert abs(np.corrcoef(charge, other)[0, 1]) * np.sqrt(n) < 5


def test_an_image_with_excess_noise_has_its_variance():
    # Var = gain²·F²·mean in a flat field. Five standard errors, two-sided; for a mean of 40 the
    # distribution is close enough to normal for the variance's error to be √(2/n), within 5 %.
    scope = sf.Microscope(
        scan=sf.Scan(shape=(256, 256)),
        film=sf.Film(thickness_nm=100),
        beam=sf.Beam(current_pa=80),
        detector=sf.Detector(bits=None, gain=3.0, excess_noise_factor=1.8),
    )
    far_away = (1e4, 0, 0)
    image = sf.simulate(CUT, None, scope, seed=3, positions_nm=far_away).astype(np.float64)
    film = np.array(100 / scope.mean_free_path_nm("C"))
    mean = scope.electrons_per_pixel * scope.scattering_curve(CUT.material, "C").fraction(film)
    assert abs(image.mean() / 3 - mean) < 5 * np.sqrt(1.8 * mean / image.size)
    assert abs(image.var() / (9 * 1.8 * mean) - 1) < 5 * 1.05 * np.sqrt(2 / image.size)


@pytest.mark.parametrize("decay_us", [1e-3, 0.7, 5.0, 60.0, 2000.0])
def test_afterglow_equals_the_reference(decay_us):
    charge = np.random.default_rng(2).poisson(20, (30, 40)).astype(np.float32)
    scan = sf.Scan(shape=charge.shape, dwell_us=4, flyback_us=25)
    glow = _core.fade(charge, decay=decay_us, dwell=4, flyback=25)
    np.testing.assert_allclose(glow, reference.afterglow(charge, decay_us, scan), rtol=1e-6)


def test_afterglow_keeps_the_charge_and_the_order_of_time():
    charge = np.zeros((20, 30), np.float32)
    charge[4, 7], charge[12, 29] = 100.0, 50.0
    glow = _core.fade(charge, decay=8.0, dwell=4.0, flyback=0.0)
    assert glow.sum() == pytest.approx(150, rel=1e-6)
    assert (glow.ravel()[: 4 * 30 + 7] == 0).all()
    assert glow[4, 8] / glow[4, 7] == pytest.approx(np.exp(-0.5), rel=1e-6)
    assert glow[13, 0] / glow[12, 29] == pytest.approx(np.exp(-0.5), rel=1e-6)
    later = _core.fade(charge, decay=8.0, dwell=4.0, flyback=16.0)
    assert later[13, 0] / later[12, 29] == pytest.approx(np.exp(-2.5), rel=1e-6)


def test_an_image_with_afterglow_is_the_one_without_smeared():
    detector = sf.Detector(bits=None, gain=2.0, offset=5.0)
    plain = sf.Microscope(scan=SCAN, detector=detector)
    glowing = plain.replace(detector=detector.replace(decay_us=6.0))
    counts = (sf.simulate(CUT, POSE, plain, seed=1) - 5.0) / 2.0
    glow = sf.simulate(CUT, POSE, glowing, seed=1)
    expected = 5.0 + 2.0 * reference.afterglow(counts, 6.0, SCAN)
    np.testing.assert_allclose(glow, expected, rtol=1e-6)


def saturated_scope(**detector):
    return sf.Microscope(scan=SCAN, beam=sf.Beam(current_pa=30), detector=sf.Detector(**detector))


@pytest.mark.parametrize("read_noise", [0.0, 5.0])
def test_saturation_is_reported(read_noise):
    settings = {"gain": 4.0, "offset": 20.0, "read_noise": read_noise}
    levels = sf.simulate([CUT] * 3, POSE, saturated_scope(bits=None, **settings), seed=1)
    above = np.floor(levels + 0.5) > 255
    said = (
        rf"clipped {above.sum():,} pixels of 3 images \(.*\) reached the ceiling of 255: lower "
        r"detector\.gain or the dose, or take bits=16"
    )
    scope = saturated_scope(bits=8, **settings)
    with pytest.warns(SaturationWarning, match=said) as caught:
        images = sf.simulate([CUT] * 3, POSE, scope, seed=1)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert (images[above] == 255).all()
    assert above.sum() > 100
    with pytest.raises(SaturationError, match="reached the ceiling"):
        sf.simulate([CUT] * 3, POSE, scope, seed=1, saturation="raise")
    silent = sf.simulate([CUT] * 3, POSE, scope, seed=1, saturation="ignore")
    assert (silent == images).all()


def test_values_below_zero_are_reported():
    settings = {"gain": 1.0, "offset": -1.2, "read_noise": 0.8}
    levels = sf.simulate(CUT, POSE, saturated_scope(bits=None, **settings), seed=1)
    below = (np.floor(levels + 0.5) < 0).sum()
    said = rf"clipped {below:,} pixels of 1 image \(.*\) fell below 0: raise detector\.offset"
    with pytest.warns(SaturationWarning, match=said):
        sf.simulate(CUT, POSE, saturated_scope(bits=16, **settings), seed=1)


def test_a_full_range_is_no_saturation():
    # The highest value fits exactly, and floats have no ceiling.
    levels = sf.simulate(CUT, POSE, saturated_scope(bits=None), seed=1)
    offset = 255 - float(levels.max())
    image = sf.simulate(CUT, POSE, saturated_scope(bits=8, offset=offset), seed=1)
    assert image.max() == 255
    assert sf.simulate(CUT, POSE, saturated_scope(bits=None, gain=1e6), seed=1).max() > 1e7


def test_saturation_is_counted_alike_however_the_work_is_shared():
    scope = saturated_scope(bits=8, gain=4.0, offset=20, read_noise=5.0, decay_us=3.0)
    said = set()
    for n_threads in (1, 2, 3, 8):
        with pytest.warns(SaturationWarning) as caught:
            sf.simulate([CUT] * 3, POSE, scope, seed=1, n_threads=n_threads)
        said.add(re.sub(r" \(.*", "", str(caught[0].message)))
    assert len(said) == 1


def test_neutral_settings_leave_every_bit():
    neutral = sf.Detector(excess_noise_factor=1.0, decay_us=0.0)
    image = sf.simulate(CUT, POSE, sf.Microscope(detector=neutral), seed=9)
    assert (image == sf.simulate(CUT, POSE, seed=9)).all()
    # A decay that is over within the dwell and an excess of almost nothing come to the same counts.
    near = sf.Detector(excess_noise_factor=1 + 1e-9, decay_us=1e-3)
    assert (image == sf.simulate(CUT, POSE, sf.Microscope(detector=near), seed=9)).all()


@pytest.mark.parametrize("bits", [16, None])
def test_the_same_bits_whatever_the_batch_and_the_threads(bits):
    scope = sf.Microscope(
        scan=SCAN,
        probe=sf.Probe(fwhm_nm=1.0, tail_fraction=0.2, tail_fwhm_nm=5),
        detector=sf.Detector(bits=bits, **EVERYTHING),
    )
    poses = sf.orientation.random(9, seed=2)
    whole = sf.simulate(CUT, poses, scope, seed=5, n_threads=1)
    for n in (2, 3, 8):
        assert (sf.simulate(CUT, poses, scope, seed=5, n_threads=n) == whole).all()
    for start, stop in ((0, 1), (1, 4), (4, 9)):
        part = sf.simulate(CUT, poses[start:stop], scope, seed=5, first_index=start)
        assert (part == whole[start:stop]).all()


ISA_PROGRAM = """
import hashlib, stemfast as sf
poses = sf.orientation.random(12, seed=3)
flat = sf.Probe(fwhm_nm=0.9, tail_fraction=0.3, tail_fwhm_nm=3)
cone = flat.replace(depth_of_focus=True, focus_nm=3)
shapes = [sf.Cuboid((24, 20, 16)), sf.Ellipsoid((9, 7, 5)),
          sf.Cuboid((12, 13, 14), corners={2: sf.Displacement(nm=8.0)})]
digests = []
for shape, bits, probe in (((128, 128), 16, flat), ((61, 77), None, cone)):
    noise = {"read_noise": 1.0, "offset": 30, "excess_noise_factor": 2.5}
    detector = sf.Detector(bits=bits, decay_us=9, **noise)
    scope = sf.Microscope(scan=sf.Scan(shape=shape), probe=probe, detector=detector)
    images = sf.simulate(shapes * 4, poses, scope, seed=4)
    digests.append(hashlib.sha256(images.tobytes()).hexdigest())
"""


def test_the_same_bits_under_every_instruction_set():
    found = digests_of(ISA_PROGRAM)
    assert len({tuple(digests) for digests in found.values()}) == 1, found


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"excess_noise_factor": 0.9}, "excess_noise_factor: expected a number of at least 1"),
        ({"decay_us": -1}, "Detector.decay_us: expected a number of at least 0, got -1"),
        ({"decay_us": np.inf}, "Detector.decay_us: expected a finite number"),
        ({"read_noise": -1}, "Detector.read_noise: expected a number of at least 0"),
        ({"gain": 0}, "Detector.gain: expected a number greater than 0"),
    ],
)
def test_impossible_detectors(settings, reason):
    with pytest.raises(ValueError, match=reason):
        sf.Detector(**settings)


def test_an_unknown_wish_about_saturation():
    with pytest.raises(ValueError, match="saturation must be"):
        sf.simulate(CUT, seed=1, saturation="hide")
