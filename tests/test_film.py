"""The film: its spectrum, its statistics, its sameness, its wedge and its holes."""

import itertools

import numpy as np
import pytest
from scipy import stats

import stemfast as sf
from instruction_sets import digests_of
from stemfast import _core, reference

CUBE = sf.Cuboid((10, 9, 8))
# Shares of variance that a lattice's unit noise keeps: the integrals of the squared kernels.
SMOOTH, SHARP = 0.331946**2, 0.617039**2


def laid(film, scan, *, seed=1, index=0, n_threads=1):
    """The film alone, in nm."""
    settings = np.zeros(1, _core.film_dtype)
    settings["depth"] = film.thickness_nm
    settings["roughness"] = film.roughness_nm
    settings["correlation"] = film.correlation_nm
    settings["hurst"] = film.hurst
    settings["wedge"] = film.wedge_nm_per_um / 1000
    settings["wedge_direction"] = film.wedge_direction_deg
    settings["edge_distance"] = film.hole_distance_nm or 0.0
    settings["edge_direction"] = film.hole_direction_deg
    settings["edge_curvature"] = 1 / film.hole_radius_nm if film.hole_radius_nm else 0.0
    settings["edge_taper"] = -1.0 if film.hole_distance_nm is None else film.hole_taper_nm
    return _core.film(
        settings,
        rows=scan.shape[0],
        columns=scan.shape[1],
        pixel_size=scan.pixel_size_nm,
        seed=seed,
        index=index,
        n_threads=n_threads,
    )


def rough(correlation_nm=8.0, hurst=0.7, **more):
    return sf.Film(
        thickness_nm=20, roughness_nm=1, correlation_nm=correlation_nm, hurst=hurst, **more
    )


def surfaces(film, scan, n, seed=1):
    """The roughness of n images."""
    fields = np.stack([laid(film, scan, seed=seed, index=i) for i in range(n)])
    return fields.astype(np.float64) - film.thickness_nm


def variance_left(film, pixel_size_nm):
    """Variance of the roughness at a point, as built: what is finer than the lattice is gone."""
    lattices, remainder = reference.octaves(
        film.roughness_nm, film.correlation_nm, film.hurst, pixel_size_nm
    )
    return sum(a**2 for _, a in lattices) * SMOOTH + remainder**2 * SHARP


def expected_periodogram(film, n, pixel, window):
    """E|FFT(window·field)|² of the meant density up to the pixels' highest frequency, exactly."""
    wide = 8 * n
    q = 2 * np.pi * np.fft.fftfreq(wide, pixel)
    density = reference.roughness_density(
        np.hypot(q[:, None], q), film.roughness_nm, film.correlation_nm, film.hurst
    )
    covariance = np.fft.ifft2(density).real / pixel**2
    lag = np.arange(2 * n)
    lag = np.where(lag < n, lag, lag - 2 * n)
    overlap = np.fft.ifft2(np.abs(np.fft.fft2(window, (2 * n, 2 * n))) ** 2).real
    return np.fft.fft2(covariance[np.ix_(lag, lag)] * overlap).real[::2, ::2]


CASES = [  # xi, H, pixel: the pixels stand in all relations to the lattices
    (2.0, 0.5, 0.35),
    (8.0, 0.8, 0.35),
    (6.0, 0.5, 0.1),
    (20.0, 0.65, 0.5),
    (8.0, 0.7, 0.66),
    (3.0, 0.8, 1.0),
]


@pytest.mark.parametrize(("correlation", "hurst", "pixel"), CASES)
def test_spectrum(correlation, hurst, pixel):
    # Within 6 % up to 1/pixel, by construction, and five standard errors, two-sided: false alarm
    # below 1e-6 a band. The directions agree within 5 % likewise.
    n, images, film = 128, 240, rough(correlation, hurst)
    window = np.outer(np.hanning(n), np.hanning(n))
    fields = surfaces(film, sf.Scan(shape=(n, n), pixel_size_nm=pixel), images)
    power = np.abs(np.fft.fft2(fields * window)) ** 2
    expected = expected_periodogram(film, n, pixel, window)
    qy, qx = np.meshgrid(*2 * (2 * np.pi * np.fft.fftfreq(n, pixel),), indexing="ij")
    q, angle = np.hypot(qx, qy), np.arctan2(np.abs(qy), np.abs(qx))
    edges = np.geomspace(3 * 2 * np.pi / (n * pixel), 1 / pixel, 9)

    def ratios(where):
        per_image = (power[:, where] / expected[where]).mean(axis=1)
        return per_image.mean(), per_image.std() / np.sqrt(images)

    for low, high in itertools.pairwise(edges):
        ratio, error = ratios((q >= low) & (q < high))
        assert abs(ratio - 1) < 0.06 + 5 * error, (low, ratio)
    band = (q > edges[0]) & (q < edges[-1])
    eighth = np.pi / 8
    sectors = [angle < eighth, np.abs(angle - 2 * eighth) < eighth, angle > 3 * eighth]
    levels = [ratios(band & sector) for sector in sectors]
    for (a, error_a), (b, error_b) in zip(levels, levels[1:] + levels[:1], strict=True):
        assert abs(a / b - 1) < 0.05 + 5 * np.hypot(error_a, error_b)


@pytest.mark.parametrize(("correlation", "hurst", "pixel"), CASES)
def test_points_are_normal_with_the_right_rms(correlation, hurst, pixel):
    # One point of each image, all independent. Kolmogorov-Smirnov, two-sided: false alarm 0.1 %;
    # variance and kurtosis within five standard errors, 6e-7.
    n, film = 20_000, rough(correlation, hurst)
    points = surfaces(film, sf.Scan(shape=(1, 1), pixel_size_nm=pixel), n).ravel()
    variance = variance_left(film, pixel)
    assert 5e-4 < stats.kstest(points / np.sqrt(variance), "norm").pvalue < 1 - 5e-4
    assert abs((points**2).mean() / variance - 1) < 5 * np.sqrt(2 / n)
    assert abs(stats.kurtosis(points)) < 5 * np.sqrt(24 / n)


def test_the_rms_is_what_was_asked_but_for_detail_below_the_pixels():
    # The part of S(q) beyond q = 2/pixel, where the images' own spectrum ends or so.
    for correlation, hurst, pixel in CASES:
        film = rough(correlation, hurst)
        beyond = (1 + (2 * correlation / pixel) ** 2) ** -hurst
        assert variance_left(film, pixel) == pytest.approx(1 - beyond, abs=0.03)
    assert variance_left(rough(), 0.35) ** 0.5 == pytest.approx(1, abs=0.01)


def test_every_part_of_a_film_is_as_rough():
    # The mean square over many images, pixel by pixel: no trace of the lattices. 1 ± 6 standard
    # errors of each of 1,024 pixels, false alarm 2e-6.
    n, film, scan = 4000, rough(2.0, 0.5), sf.Scan(shape=(32, 32), pixel_size_nm=0.1)
    square = (surfaces(film, scan, n) ** 2).mean(axis=0)
    assert np.abs(square / variance_left(film, 0.1) - 1).max() < 6 * np.sqrt(2 / n)


def correlations(a, b, lags):
    """Correlation of two fields at all shifts up to `lags`, over the part that overlaps."""
    shape = tuple(2 * s for s in a.shape)
    a, b = a - a.mean(), b - b.mean()
    product = np.fft.ifft2(np.fft.fft2(a, shape) * np.fft.fft2(b, shape).conj()).real
    lag = np.arange(-lags, lags + 1)
    overlap = np.outer(*(n - np.abs(lag) for n in a.shape))
    return product[np.ix_(lag, lag)] / overlap / (a.std() * b.std())


def test_nothing_repeats():
    # A correlation over an area A of independent fields has the variance ∫ρ²/A, and for this
    # spectrum ∫ρ² = 4πH²ξ²/(1 + 2H). Six standard deviations at 4,000 independent shifts: false
    # alarm 1e-5 for each pair.
    n, pixel, correlation, hurst = 512, 0.35, 2.0, 0.6
    film, scan = rough(correlation, hurst), sf.Scan(shape=(n, n), pixel_size_nm=pixel)
    a = laid(film, scan, seed=1, index=0)
    area = (n * pixel / 2) ** 2
    sigma = np.sqrt(4 * np.pi * hurst**2 * correlation**2 / (1 + 2 * hurst) / area)
    itself = correlations(a, a, n // 2)
    lag = pixel * np.arange(-(n // 2), n // 2 + 1)
    far = np.hypot(lag[:, None], lag) > 8 * correlation
    assert np.abs(itself[far]).max() < 6 * sigma
    for seed, index in ((1, 1), (2, 0), (1, 2**32), (2**32 + 1, 0)):
        other = laid(film, scan, seed=seed, index=index)
        assert np.abs(correlations(a, other, n // 2)).max() < 6 * sigma


def test_the_same_film_at_another_pixel_size():
    film = rough()
    fine = laid(film, sf.Scan(shape=(401, 301), pixel_size_nm=0.2)).astype(np.float64)
    coarse = laid(film, sf.Scan(shape=(201, 151), pixel_size_nm=0.4)).astype(np.float64)
    # They differ by the octave that only the fine one has and by both remainders, nothing else.
    (finest, *_), fine_rest = reference.octaves(1, 8, 0.7, 0.2)
    coarse_rest = reference.octaves(1, 8, 0.7, 0.4)[1]
    expected = finest[1] ** 2 * SMOOTH + (fine_rest**2 + coarse_rest**2) * SHARP
    # 30,000 points, hardly correlated: four standard errors are about 5 %.
    assert ((fine[::2, ::2] - coarse) ** 2).mean() == pytest.approx(expected, rel=0.05)
    assert np.sqrt(expected) < 0.13


def test_the_same_film_in_a_smaller_field():
    whole = laid(rough(), sf.Scan(shape=(96, 128), pixel_size_nm=0.3))
    middle = laid(rough(), sf.Scan(shape=(32, 30), pixel_size_nm=0.3))
    np.testing.assert_allclose(whole[32:64, 49:79], middle, atol=1e-5)


@pytest.mark.parametrize(
    ("film", "shape", "pixel", "index"),
    [
        (rough(), (33, 50), 0.35, 3),
        (rough(2.0, 0.5), (1, 1), 2.0, 0),
        (rough(0.5, 1.0), (7, 300), 2.0, 2**63),
        (rough(20.0, 0.8, wedge_nm_per_um=30, wedge_direction_deg=30), (70, 41), 0.66, 2**40 + 1),
        (rough(3000.0, 0.3, wedge_nm_per_um=-9, wedge_direction_deg=-200), (20, 9), 0.02, 1),
        (rough(hole_distance_nm=2, hole_direction_deg=70, hole_taper_nm=1.5), (40, 50), 0.3, 1),
        (rough(hole_distance_nm=-2, hole_direction_deg=190, hole_taper_nm=0), (40, 50), 0.31, 1),
        (rough(hole_distance_nm=1, hole_direction_deg=-30, hole_radius_nm=9), (60, 50), 0.4, 1),
        (sf.Film(hole_distance_nm=3, hole_radius_nm=5e4), (60, 50), 0.4, 1),
        (sf.Film(wedge_nm_per_um=100, wedge_direction_deg=120), (60, 50), 0.4, 1),
    ],
)
def test_equals_the_reference(film, shape, pixel, index):
    scan = sf.Scan(shape=shape, pixel_size_nm=pixel)
    expected = reference.film_thickness(film, scan, seed=2**50 + 3, index=index)
    ours = laid(film, scan, seed=2**50 + 3, index=index)
    np.testing.assert_allclose(ours, expected, atol=5e-6)


def test_a_hole_is_empty_and_its_edge_is_where_it_was_put():
    scan = sf.Scan(shape=(81, 81), pixel_size_nm=0.5)
    x, y = np.meshgrid(*reference.pixel_centres(scan))
    film = sf.Film(hole_distance_nm=4.25, hole_direction_deg=90, hole_radius_nm=6, hole_taper_nm=3)
    t = laid(film, scan)
    inside = np.hypot(x, y - 10.25) < 6
    assert (t[inside] == 0).all()
    assert (t[~inside] > 0).all()
    centre = laid(film, sf.Scan(shape=(1, 1)))[0, 0]
    assert centre == pytest.approx(5 * (1 - np.exp(-4.25 / 3)), rel=1e-6)


def test_a_smooth_film_is_a_constant_whatever_else_is_set():
    scan = sf.Scan(shape=(17, 19))
    assert (laid(sf.Film(thickness_nm=5.3), scan) == np.float32(5.3)).all()
    one, other = (
        sf.simulate(CUBE, None, sf.Microscope(film=film), seed=1)
        for film in (sf.Film(), sf.Film(correlation_nm=3, hurst=0.9, hole_taper_nm=1))
    )
    assert (one == other).all()


def test_images_hold_the_film():
    film = sf.Film(
        thickness_nm=60, roughness_nm=15, wedge_nm_per_um=300, hole_distance_nm=12, hole_radius_nm=9
    )
    scan = sf.Scan(shape=(64, 80), pixel_size_nm=0.5)
    scope = sf.Microscope(scan=scan, film=film, beam=sf.Beam(current_pa=2000))
    pose = sf.orientation.random(1, seed=3)[0]
    image = sf.simulate(CUBE, pose, scope, seed=5, first_index=9)
    fraction = reference.detected_fraction(CUBE, pose, scope, seed=5, index=9)
    expected = scope.electrons_per_pixel * fraction
    assert expected.min() < 1 < 200 < np.median(expected)
    good = expected > 20
    score = (image[good] - expected[good]) / np.sqrt(expected[good])
    # Mean squares of standard normal scores, five standard errors, two-sided: false alarm 6e-7.
    assert abs((score**2).mean() - 1) < 5 * np.sqrt(2 / score.size)


def scopes_of(n):
    films = [
        rough(),
        sf.Film(),
        rough(2.0, 0.5, wedge_nm_per_um=80, wedge_direction_deg=40),
        rough(15.0, 0.8, hole_distance_nm=8, hole_radius_nm=30),
    ]
    return [
        sf.Microscope(
            scan=sf.Scan(shape=(48, 56), pixel_size_nm=0.3 + 0.05 * i),
            film=films[i % 4],
            beam=sf.Beam(current_pa=2000),
        )
        for i in range(n)
    ]


def test_the_same_bits_whatever_the_batch_and_the_threads():
    scopes, poses = scopes_of(11), sf.orientation.random(11, seed=2)
    whole = sf.simulate(CUBE, poses, scopes, seed=5, n_threads=1)
    for n in (2, 3, 8):
        assert (sf.simulate(CUBE, poses, scopes, seed=5, n_threads=n) == whole).all()
    for start, stop in ((0, 1), (1, 4), (4, 11)):
        part = sf.simulate(
            CUBE, poses[start:stop], scopes[start:stop], seed=5, first_index=start, n_threads=3
        )
        assert (part == whole[start:stop]).all()
    assert (sf.simulate(CUBE, poses, scopes, seed=6) != whole).any()
    # A field so wide that one thread, too, makes it in several portions.
    film, scan = rough(), sf.Scan(shape=(100, 3000))
    one = laid(film, scan)
    for n in (2, 3, 8):
        assert (laid(film, scan, n_threads=n) == one).all()


ISA_PROGRAM = """
import hashlib, numpy as np
from stemfast import _core
rows = [(5, 1, xi, h, 0.01, 33, 9, 120, 0.05, 1.5) for xi in (0.4, 2, 20) for h in (0.5, 0.8)]
films = np.array(rows, _core.film_dtype)
fields = [_core.film(films[i : i + 1], rows=77, columns=91, pixel_size=p, seed=3, index=i)
          for i in range(6) for p in (0.1, 0.35, 0.66)]
digests = [hashlib.sha256(b"".join(a.tobytes() for a in fields)).hexdigest()]
"""


def test_the_same_bits_under_every_instruction_set():
    found = digests_of(ISA_PROGRAM)
    assert len({tuple(digests) for digests in found.values()}) == 1, found


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"roughness_nm": -1}, r"roughness_nm: expected a number of at least 0, got -1"),
        (
            {"roughness_nm": 2},
            "roughness_nm of at most a third of thickness_nm, got roughness_nm=2 and thickness",
        ),
        ({"correlation_nm": 0}, r"correlation_nm: expected a number .*, got 0"),
        ({"correlation_nm": 1e5}, r"correlation_nm: expected a number of at most 10000, got 1"),
        ({"hurst": 1.2}, r"Film\.hurst: expected a number of at most 1, got 1\.2"),
        ({"hurst": 0.01}, r"Film\.hurst: expected a number of at least 0\.1, got 0\.01"),
        ({"hurst": None}, r"Film\.hurst: expected a number, got None"),
        ({"wedge_nm_per_um": float("nan")}, r"wedge_nm_per_um: expected a finite number, got nan"),
        ({"wedge_direction_deg": "x"}, r"wedge_direction_deg: expected a number, got 'x'"),
        ({"hole_distance_nm": float("inf")}, r"hole_distance_nm: expected a finite number"),
        ({"hole_distance_nm": "1"}, r"hole_distance_nm: expected a number, got '1'"),
        (
            {"hole_distance_nm": 1, "hole_radius_nm": 0},
            r"hole_radius_nm: expected a number greater than 0, got 0",
        ),
        ({"hole_radius_nm": 4}, r"expected hole_distance_nm together with hole_radius_nm, got"),
        ({"hole_taper_nm": -1}, r"hole_taper_nm: expected a number of at least 0, got -1"),
        ({"roughness": 1}, r"Film has no setting 'roughness'; did you mean 'roughness_nm'\?"),
    ],
)
def test_films_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        sf.Film(**settings)


def test_a_wedge_that_runs_out_is_refused():
    scan = sf.Scan(shape=(128, 128), pixel_size_nm=0.5)
    assert sf.Microscope(scan=scan, film=sf.Film(wedge_nm_per_um=-150))
    with pytest.raises(ValueError, match=r"thin side .* got -0\.12 nm with film\.thickness_nm=5"):
        sf.Microscope(scan=scan, film=sf.Film(wedge_nm_per_um=-160))
    with pytest.raises(ValueError, match=r"at least 3 film\.roughness_nm"):
        sf.Microscope(scan=scan, film=sf.Film(wedge_nm_per_um=150, roughness_nm=0.5))


def test_a_rough_film_needs_pixels_of_some_size():
    scope = sf.Microscope(
        scan=sf.Scan(shape=(4, 4), pixel_size_nm=1e-4),
        film=sf.Film(roughness_nm=1),
        probe=sf.Probe(fwhm_nm=0),
    )
    with pytest.raises(ValueError, match="a rough film under 4 x 4 pixels"):
        sf.simulate(CUBE, None, scope, seed=1)
