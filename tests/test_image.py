"""The chain from thickness to pixel values: each stage, then all of them, then determinism."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage, optimize, special, stats
from scipy.spatial.transform import Rotation

import stemfast as sf
from instruction_sets import digests_of
from stemfast import _core, reference, scattering
from stemfast.simulation.contrast import curve_records

CUT = sf.Cuboid((24, 20, 16), corners={7: sf.Truncation(0.3)})
SCAN = sf.Scan(shape=(48, 56), pixel_size_nm=0.7)
SCOPE = sf.Microscope(scan=SCAN, probe=sf.Probe(fwhm_nm=1.5))


PLAIN = scattering.ScatteringCurve.exponential(1.0)
GOLD = sf.Microscope().scattering_curve("Au")
BRIGHT_FIELD = sf.materials.get("C").scattering_curve(scattering.Collection(200, 20, np.inf, 20))


@pytest.mark.parametrize("curve", [PLAIN, GOLD, BRIGHT_FIELD])
def test_scattered_fraction(curve):
    depth = np.concatenate([np.geomspace(1e-8, 60, 4001), [0.0, 200.0]]).astype(np.float32)
    expected = curve.fraction(depth.astype(np.float64))
    found = _core.scattered_fraction(depth, curve_records([curve]))
    np.testing.assert_allclose(found, expected, rtol=4e-7 if curve is PLAIN else 4e-6)


@pytest.mark.parametrize("boundary", ["nearest", "reflect"])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 1.5, 4.2, 11.0])
def test_blur_equals_scipy(sigma, boundary):
    image = np.random.default_rng(1).uniform(size=(33, 47)).astype(np.float32)
    blurred = _core.blur(image, sigma, boundary)
    expected = ndimage.gaussian_filter(image.astype(np.float64), sigma, mode=boundary)
    np.testing.assert_allclose(blurred, expected, atol=1e-6)
    np.testing.assert_allclose(
        reference.gaussian_blur(image, sigma, boundary), expected, atol=1e-12
    )


@pytest.mark.parametrize("boundary", ["nearest", "reflect"])
def test_blur_of_a_field_smaller_than_the_kernel(boundary):
    image = np.random.default_rng(2).uniform(size=(3, 5)).astype(np.float32)
    expected = ndimage.gaussian_filter(image.astype(np.float64), 6.0, mode=boundary)
    np.testing.assert_allclose(_core.blur(image, 6.0, boundary), expected, atol=1e-6)


MEANS = [0.01, 0.3, 1.0, 4.7, 9.999, 10.0, 10.5, 30.0, 137.2, 1e3, 12_345.6, 1e5, 1e6]


def counts_of(mean, n, *, seed, index=0):
    return _core.poisson(np.full(n, mean, np.float32), seed=seed, index=index)


def uniform_bits(seed, index, n):
    """The 53 bits that decide each pixel's count, by the slow generator."""
    key, where = [seed & 0xFFFFFFFF, seed >> 32], [index & 0xFFFFFFFF, index >> 32]
    bits = []
    for pixel in range(n):
        group, lane = divmod(pixel, 64)
        block, word = group * 16 + lane % 16, lane // 16
        high, low = (
            reference.philox([block, 1 << 16 | attempt, *where], key)[word] for attempt in (0, 1)
        )
        bits.append(high << 21 | low >> 11)
    return np.array(bits, np.uint64)


def test_a_count_is_the_quantile_of_its_uniform_number():
    # Every count, fast or slow, is what SciPy's quantile function gives for the same number.
    n = 4000
    bits = uniform_bits(2**40 + 5, 2**35 + 7, n)
    uniform = (bits.astype(np.float64) + 0.5) * 2.0**-53
    rng = np.random.default_rng(0)
    for mean in (
        rng.uniform(0, 10, n),
        rng.uniform(9, 30, n),
        10 ** rng.uniform(-3, 6, n),
        np.full(n, 100.0),
    ):
        single = mean.astype(np.float32)
        counts = _core.poisson(single, seed=2**40 + 5, index=2**35 + 7)
        expected = stats.poisson.ppf(uniform, single.astype(np.float64))
        assert (counts == expected).all()


def test_quantiles_reach_into_both_tails():
    bits = np.array([0, 1, 2**20, 2**52, 2**53 - 2**20, 2**53 - 2, 2**53 - 1], np.uint64)
    for mean in (0.01, 1.0, 9.0, 40.0, 1e4, 1e6):
        quantiles = _core.poisson_quantiles(bits, np.full(len(bits), mean))
        # F in double is itself only good to an epsilon next to 1, so bracket from both sides.
        lower, upper = (bits + 0.5) * 2.0**-53, (2**53 - 1 - bits.astype(float) + 0.5) * 2.0**-53
        assert (stats.poisson.cdf(quantiles[:4], mean) > lower[:4] * (1 - 1e-9)).all()
        assert (stats.poisson.cdf(quantiles[:4] - 1, mean) <= lower[:4] * (1 + 1e-9)).all()
        assert (stats.poisson.sf(quantiles[4:], mean) < upper[4:] * (1 + 1e-9)).all()
        assert (stats.poisson.sf(quantiles[4:] - 1, mean) >= upper[4:] * (1 - 1e-9)).all()


def test_the_expansion_of_the_quantile_is_as_good_as_it_says():
    # dose.hpp trusts the expansion to 0.7/mean² for means from 10 and |z| < 2.94.
    z = np.linspace(-2.94, 2.94, 49)
    for mean in (10.0, 12.0, 17.0, 30.0, 100.0, 1000.0):
        exact = [brentq_gamma(mean, value) for value in stats.norm.cdf(z)]
        s = mean**-0.5
        x = mean + z / s + (1 / 3 + z**2 / 6) - s * (z / 36 + z**3 / 72)
        x += s**2 * (-8 / 405 + 7 * z**2 / 810 + z**4 / 270)
        x += s**3 * (0.01725924 * z - 0.00352279 * z**3 - 0.00133122 * z**5)
        assert np.abs(x - exact).max() < 0.62 / mean**2


def brentq_gamma(mean, probability):
    """X with Q(X, mean) = probability, the continuation of F(k) = Q(k + 1, mean)."""
    reach = 8 * np.sqrt(mean)
    low, high = max(1e-6, mean - reach), mean + reach + 8
    return optimize.brentq(lambda x: special.gammaincc(x, mean) - probability, low, high)


@pytest.mark.parametrize("mean", MEANS)
def test_poisson_follows_its_distribution(mean):
    # Two-sided χ² over at most 100 bins of equal probability. False alarm: 0.1 % a mean, 1.3 % in
    # all; the seed is fixed.
    n = 200_000
    counts = counts_of(mean, n, seed=3)
    edges = np.unique(stats.poisson.ppf(np.linspace(0, 1, 101)[1:-1], mean))
    probability = np.diff(stats.poisson.cdf(edges, mean), prepend=0, append=1)
    observed = np.bincount(np.searchsorted(edges, counts), minlength=len(probability))
    rare = probability * n <= 5
    expected = np.append(probability[~rare], probability[rare].sum()) * n
    observed = np.append(observed[~rare], observed[rare].sum())
    used = expected > 5
    p = stats.chi2.sf(((observed - expected)[used] ** 2 / expected[used]).sum(), used.sum() - 1)
    assert 5e-4 < p < 1 - 5e-4


@pytest.mark.parametrize("mean", MEANS)
def test_poisson_mean_and_variance(mean):
    # Five standard errors, two-sided: false alarm below 1e-6 each.
    n = 200_000
    counts = counts_of(mean, n, seed=4).astype(np.float64)
    assert abs(counts.mean() - mean) < 5 * np.sqrt(mean / n)
    spread = np.sqrt((mean + 2 * mean**2) / n)
    assert abs(counts.var() - mean) < 5 * spread


def test_poisson_of_nothing_is_nothing():
    mean = np.array([0.0, -1e-9, 1e-12, 0.0], np.float32)
    assert (_core.poisson(mean, seed=1, index=0) == 0).all()


def test_a_count_does_not_depend_on_where_its_row_begins():
    mean = np.random.default_rng(1).uniform(0, 40, 1000).astype(np.float32)
    whole = _core.poisson(mean, seed=1, index=2)
    scope = sf.Microscope(scan=sf.Scan(shape=(9, 37)), detector=sf.Detector(bits=None))
    one = sf.simulate(CUT, None, scope, seed=1, n_threads=1)
    assert (sf.simulate(CUT, None, scope, seed=1, n_threads=3) == one).all()
    for n in (1, 63, 64, 65, 200):
        assert (_core.poisson(mean[:n], seed=1, index=2) == whole[:n]).all()


def test_neighbouring_pixels_images_and_seeds_are_independent():
    n = 100_000
    a = counts_of(20.0, n, seed=1)
    nothing = np.zeros(n, np.int32)
    noise = _core.read_out(nothing, gain=1, offset=0, read_noise=1, seed=1, index=0, dtype="f4")
    others = [np.roll(a, shift) for shift in (1, 16, 64, 128)]
    for b in (*others, counts_of(20.0, n, seed=1, index=1), counts_of(20.0, n, seed=2), noise):
        # 5 sigma of a correlation of independent numbers: false alarm 6e-7 each.
        assert abs(np.corrcoef(a, b)[0, 1]) * np.sqrt(n) < 5


def test_detector_rounds_clips_and_scales():
    counts = np.array([0, 1, 2, 100, 100_000], np.int32)
    read = {"read_noise": 0.0, "seed": 0, "index": 0}
    bytes_ = _core.read_out(counts, gain=1.3, offset=-1.0, dtype="u1", **read)
    assert bytes_.tolist() == [0, 0, 2, 129, 255]
    words = _core.read_out(counts, gain=1.3, offset=7.0, dtype="u2", **read)
    assert words.tolist() == [7, 8, 10, 137, 65535]
    floats = _core.read_out(counts, gain=1.5, offset=-2.0, dtype="f4", **read)
    assert floats.tolist() == [-2.0, -0.5, 1.0, 148.0, 149998.0]


def test_read_noise_is_normal():
    # Kolmogorov-Smirnov, two-sided: false alarm 0.1 %.
    noise = _core.read_out(
        np.zeros(100_000, np.int32), gain=1, offset=0, read_noise=2.5, seed=7, index=3, dtype="f4"
    )
    assert 5e-4 < stats.kstest(noise / 2.5, "norm").pvalue < 1 - 5e-4


def test_the_mean_image_is_the_expected_one():
    # 4,000 images of one scene: their mean differs from N_e·f by its standard error, pixel by
    # pixel.
    scope = SCOPE.replace(detector=sf.Detector(bits=None, gain=2.0, offset=5.0))
    pose = Rotation.random(rng=4)
    n = 4000
    images = sf.simulate([CUT] * n, pose, scope, seed=6, positions_nm=(1.0, -2.0, 0))
    fraction = reference.detected_fraction(CUT, pose, scope, position_nm=(1.0, -2.0, 0))
    expected = scope.electrons_per_pixel * fraction
    score = ((images.mean(axis=0, dtype=np.float64) - 5.0) / 2.0 - expected) / np.sqrt(expected / n)
    # Scores are standard normal: the mean of their squares is 1 ± 5·sqrt(2/pixels), false alarm
    # 6e-7.
    assert abs((score**2).mean() - 1) < 5 * np.sqrt(2 / score.size)
    assert np.abs(score).max() < 6


def test_microscopes_may_differ_from_image_to_image():
    scopes = [
        SCOPE,
        SCOPE.replace(beam=sf.Beam(current_pa=200)),
        SCOPE.replace(film=sf.Film(thickness_nm=0)),
    ]
    images = sf.simulate(CUT, None, scopes, seed=1, first_index=4)
    for i, (image, scope) in enumerate(zip(images, scopes, strict=True)):
        assert (image == sf.simulate(CUT, None, scope, seed=1, first_index=4 + i)).all()
    assert images[1].mean() > 8 * images[0].mean()
    assert images[2].mean() < images[0].mean()


def test_materials_scatter_by_their_mean_free_paths():
    scope = SCOPE.replace(
        detector=sf.Detector(bits=None), beam=sf.Beam(current_pa=1e5), film=sf.Film(thickness_nm=0)
    )
    gold, carbon = (sf.Cuboid((20, 20, 10), material=m) for m in ("Au", "C"))
    centre = (slice(20, 28), slice(24, 32))
    ratio = [sf.simulate(p, None, scope, seed=1)[centre].mean() for p in (gold, carbon)]
    expected = [sf.materials.get(m).scattered_fraction(10.0, 200, 60, 200) for m in ("Au", "C")]
    assert ratio[0] / ratio[1] == pytest.approx(expected[0] / expected[1], rel=5e-3)


@pytest.mark.parametrize("bits", [8, 16, None])
def test_the_same_bits_whatever_the_batch_and_the_threads(bits):
    scope = SCOPE.replace(detector=sf.Detector(bits=bits, read_noise=1.5, offset=3))
    poses = sf.orientation.random(11, seed=2)
    whole = sf.simulate(CUT, poses, scope, seed=5, n_threads=1)
    for n in (2, 3, 8):
        assert (sf.simulate(CUT, poses, scope, seed=5, n_threads=n) == whole).all()
    for start, stop in ((0, 1), (1, 4), (4, 11)):
        part = sf.simulate(CUT, poses[start:stop], scope, seed=5, first_index=start)
        assert (part == whole[start:stop]).all()
    assert (sf.simulate(CUT, poses[7], scope, seed=5, first_index=7) == whole[7]).all()
    assert (sf.simulate(CUT, poses, scope, seed=6) != whole).any()


ISA_PROGRAM = """
import hashlib, stemfast as sf
shapes = [sf.Cuboid((24, 20, 16), corners={7: sf.Truncation(0.3), 0: sf.Displacement(nm=3.0)}),
          sf.Cuboid((22, 18, 20), corners={1: sf.Rounding(radius_nm=3.0)}),
          sf.Ellipsoid((9, 7, 5)), sf.Cuboid((12, 13, 14), corners={2: sf.Displacement(nm=8.0)})]
poses = sf.orientation.random(40, seed=3)
scope = sf.Microscope(detector=sf.Detector(read_noise=1.0), beam=sf.Beam(current_pa=100))
images = sf.simulate(shapes * 10, poses, scope, seed=4, spin_rad_s=(20, 3, -7))
exact = sf.thickness(shapes * 10, poses)
volume = sf.voxelize(shapes[3], poses[0], voxel_size_nm=0.3)
projection = sf.project_volume(volume, poses[1], voxel_size_nm=0.3)
digests = [hashlib.sha256(a.tobytes()).hexdigest() for a in (images, exact, volume, projection)]
"""


def test_the_same_bits_under_every_instruction_set():
    found = digests_of(ISA_PROGRAM)
    assert len({tuple(digests) for digests in found.values()}) == 1, found


def test_an_unknown_instruction_set_stops_the_import():
    done = subprocess.run(
        [sys.executable, "-c", "import stemfast"],
        env={**os.environ, "STEMFAST_ISA": "v9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "STEMFAST_ISA=v9 is not one of" in done.stderr


FORK_PROGRAM = """
import os, warnings, numpy as np, stemfast as sf
poses = sf.orientation.random(64, seed=1)
parent = sf.thickness(sf.Sphere(9), poses, n_threads=2)
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of what this is about
pid = os.fork()
if pid == 0:
    os._exit(int((sf.thickness(sf.Sphere(9), poses, n_threads=2) != parent).any()))
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_works_in_a_forked_child_after_threads_were_used():
    # In a process of its own: other libraries loaded by the test session may not survive a fork.
    subprocess.run([sys.executable, "-c", FORK_PROGRAM], check=True, timeout=300)
