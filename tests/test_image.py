"""The chain from thickness to pixel values: each stage, then all of them, then determinism."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage, stats
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import _core, reference

CUT = sf.Cuboid((24, 20, 16), corners={7: sf.Truncation(0.3)})
SCAN = sf.Scan(shape=(48, 56), pixel_size_nm=0.7)
SCOPE = sf.Microscope(scan=SCAN, probe=sf.Probe(fwhm_nm=1.5))


def test_scattered_fraction():
    depth = np.concatenate([np.geomspace(1e-8, 60, 4001), [0.0, 200.0]]).astype(np.float32)
    expected = -np.expm1(-depth.astype(np.float64))
    np.testing.assert_allclose(_core.scattered_fraction(depth), expected, rtol=4e-7)


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


@pytest.mark.parametrize("mean", MEANS)
def test_poisson_follows_its_distribution(mean):
    # Two-sided χ² over at most 100 bins of equal probability. False alarm: 0.1 % a mean, 1.3 % in
    # all; the seed is fixed.
    n = 200_000
    counts = _core.poisson(np.full(n, mean), seed=3, index=int(mean))
    edges = np.unique(stats.poisson.ppf(np.linspace(0, 1, 101)[1:-1], mean))
    probability = np.diff(stats.poisson.cdf(edges, mean), prepend=0, append=1)
    observed = np.bincount(np.searchsorted(edges, counts), minlength=len(probability))
    used = probability * n > 5
    rest = [observed[~used].sum()], [probability[~used].sum() * n]
    if rest[1][0] > 5:
        observed, expected = (
            np.append(observed[used], rest[0]),
            np.append(probability[used] * n, rest[1]),
        )
    else:
        observed, expected = observed[used], probability[used] * n
    p = stats.chi2.sf(((observed - expected) ** 2 / expected).sum(), len(expected) - 1)
    assert 5e-4 < p < 1 - 5e-4


@pytest.mark.parametrize("mean", MEANS)
def test_poisson_mean_and_variance(mean):
    # Five standard errors, two-sided: false alarm below 1e-6 each.
    n = 200_000
    counts = _core.poisson(np.full(n, mean), seed=4, index=int(mean)).astype(np.float64)
    assert abs(counts.mean() - mean) < 5 * np.sqrt(mean / n)
    spread = np.sqrt((mean + 2 * mean**2) / n)
    assert abs(counts.var() - mean) < 5 * spread


def test_poisson_of_zero_is_zero():
    assert (_core.poisson(np.array([0.0, -1e-9, 1e-12]), seed=1, index=0) == 0).all()


def test_neighbouring_pixels_images_and_seeds_are_independent():
    mean = np.full(100_000, 20.0)
    a = _core.poisson(mean, seed=1, index=0)
    for b in (
        np.roll(a, 1),
        _core.poisson(mean, seed=1, index=1),
        _core.poisson(mean, seed=2, index=0),
        _core.read_out(
            np.zeros(len(mean)), gain=1, offset=0, read_noise=1, seed=1, index=0, dtype="f4"
        ),
    ):
        # 5 sigma of a correlation of independent numbers: false alarm 6e-7 each.
        assert abs(np.corrcoef(a, b)[0, 1]) * np.sqrt(len(a)) < 5


def test_detector_rounds_clips_and_scales():
    counts = np.array([0.0, 1.0, 2.0, 100.0, 1e5])
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
        np.zeros(100_000), gain=1, offset=0, read_noise=2.5, seed=7, index=3, dtype="f4"
    )
    assert 5e-4 < stats.kstest(noise / 2.5, "norm").pvalue < 1 - 5e-4


def test_the_mean_image_is_the_expected_one():
    # 4,000 images of one scene: their mean differs from N_e·f by its standard error, pixel by
    # pixel.
    scope = SCOPE.replace(detector=sf.Detector(bits=None, gain=2.0, offset=5.0))
    pose = Rotation.random(rng=4)
    n = 4000
    images = sf.simulate([CUT] * n, pose, scope, seed=6, positions_nm=(1.0, -2.0, 0))
    fraction = reference.scattered_fraction(CUT, pose, scope, position_nm=(1.0, -2.0, 0))
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
    expected = [-np.expm1(-10 / scope.mean_free_path_nm(m)) for m in ("Au", "C")]
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
import hashlib, json, sys, numpy as np, stemfast as sf
from stemfast import _core
shapes = [sf.Cuboid((24, 20, 16), corners={7: sf.Truncation(0.3), 0: sf.Displacement(nm=3.0)}),
          sf.Cuboid((22, 18, 20), corners={1: sf.Rounding(radius_nm=3.0)}),
          sf.Ellipsoid((9, 7, 5)), sf.Cuboid((12, 13, 14), corners={2: sf.Displacement(nm=8.0)})]
poses = sf.orientation.random(40, seed=3)
scope = sf.Microscope(detector=sf.Detector(read_noise=1.0), beam=sf.Beam(current_pa=100))
images = sf.simulate(shapes * 10, poses, scope, seed=4, spin_rad_s=(20, 3, -7))
exact = sf.thickness(shapes * 10, poses)
volume = sf.voxelize(shapes[3], poses[0], voxel_size_nm=0.3)
projection = sf.project_volume(volume, poses[1], voxel_size_nm=0.3)
digest = [hashlib.sha256(a.tobytes()).hexdigest() for a in (images, exact, volume, projection)]
print(json.dumps([_core.info()["instruction_set"], *digest]))
"""


def test_the_same_bits_under_every_instruction_set():
    digests = {}
    for name in _core.info()["runnable"]:
        done = subprocess.run(
            [sys.executable, "-c", ISA_PROGRAM],
            env={**os.environ, "STEMFAST_ISA": name},
            capture_output=True,
            text=True,
            check=True,
        )
        used, *digest = json.loads(done.stdout)
        assert used == name
        digests[name] = digest
    assert len({tuple(d) for d in digests.values()}) == 1, digests


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


def test_works_in_a_forked_child_after_threads_were_used():
    poses = sf.orientation.random(64, seed=1)
    parent = sf.thickness(CUT, poses, SCAN, n_threads=2)
    pid = os.fork()
    if pid == 0:  # the child must not run pytest's own ending
        same = (sf.thickness(CUT, poses, SCAN, n_threads=2) == parent).all()
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
