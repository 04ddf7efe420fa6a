"""The probe's width from optics, and its tail."""

import numpy as np
import pytest
from scipy import integrate, ndimage, optimize, special
from scipy.spatial.transform import Rotation

import stemfast as sf
from stemfast import _core, reference, units

CUT = sf.Cuboid((24, 20, 16), corners={7: sf.Truncation(0.3)})
POSE = Rotation.random(rng=5)


def edges(shape):
    """An asymmetric scene of sharp edges, in [0, 1]."""
    rows, columns = shape
    image = np.zeros(shape)
    image[rows // 4 : rows // 2 + 1, columns // 3 :] = 1.0
    image[:, min(3, columns - 1)] = 0.5
    return reference.gaussian_blur(image, 0.6).astype(np.float32)


def test_the_airy_pattern_s_width():
    half = optimize.brentq(lambda v: (2 * special.j1(v) / v) ** 2 - 0.5, 1, 2)
    expected = 2 * half / (2 * np.pi) * units.wavelength_nm(200) / 0.02
    probe = sf.Probe.from_optics(convergence_mrad=20, energy_kev=200)
    assert probe.fwhm_nm == pytest.approx(expected, rel=1e-5)


def test_widths_add_in_quadrature():
    lens = {"convergence_mrad": 12.0, "energy_kev": 300.0}
    alone = sf.Probe.from_optics(**lens).fwhm_nm
    blurred = sf.Probe.from_optics(**lens, defocus_nm=-40, source_fwhm_nm=0.1)
    # A disc of radius R has the standard deviation R/2 along x: ∫x² over the disc is πR⁴/4.
    disc = units.fwhm_from_sigma(0.012 * 40 / 2)
    assert blurred.fwhm_nm**2 == pytest.approx(alone**2 + disc**2 + 0.1**2, rel=1e-12)
    assert sf.Probe.from_optics(**lens, tail_fraction=0.2).tail_fraction == 0.2


def test_the_tail_s_profile():
    # The formula in tail.hpp: unit integral, the half width at half maximum, a Lorentzian seen
    # along a line, and exp(-γk) as its transform, which the reference uses.
    gamma = sf.Probe(tail_fwhm_nm=3.0).tail_gamma_nm

    def profile(r):
        return (1 + (r / gamma) ** 2) ** -1.5 / (2 * np.pi * gamma**2)

    total = integrate.quad(lambda r: 2 * np.pi * r * profile(r), 0, np.inf)[0]
    assert total == pytest.approx(1, rel=1e-8)
    assert profile(1.5) / profile(0) == pytest.approx(0.5)
    line = integrate.quad(lambda y: profile(np.hypot(2.0, y)), -np.inf, np.inf)[0]
    assert line == pytest.approx(gamma / np.pi / (gamma**2 + 4.0), rel=1e-8)
    transform = [
        integrate.quad(lambda r: 2 * np.pi * r * profile(r) * special.j0(0.5 * r), a, a + 20)[0]
        for a in np.arange(0, 20_000, 20)
    ]
    assert sum(transform) == pytest.approx(np.exp(-0.5 * gamma), abs=1e-3)


@pytest.mark.parametrize("shape", [(128, 128), (100, 100), (101, 77), (48, 56), (5, 300), (1, 40)])
@pytest.mark.parametrize("gamma", [1.0, 2.3, 6.0, 20.0, 100.0])
def test_the_tail_equals_a_convolution(shape, gamma):
    image = edges(shape)
    tail = _core.add_tail(image, gamma=gamma, fraction=1.0)
    assert np.abs(tail - reference.lorentzian_blur(image, gamma)).max() < 4e-3
    assert tail.sum(dtype=np.float64) == pytest.approx(image.sum(dtype=np.float64), rel=1e-4)


def test_the_reference_s_tail_is_a_sum_over_the_plane():
    # The same convolution summed pixel by pixel over mirror images 30 fields away in each
    # direction; what lies beyond is a share of γ/R of the field's mean.
    gamma, n, copies = 3.0, 16, 30
    image = np.random.default_rng(3).uniform(size=(n, n))
    image = ndimage.gaussian_filter(image, 1.0)
    wide = np.pad(image, copies * n, mode="symmetric")
    offset = np.arange(-copies * n, copies * n + 1)
    r = np.hypot(*np.meshgrid(offset, offset, indexing="ij"))
    kernel = (1 + (r / gamma) ** 2) ** -1.5 / (2 * np.pi * gamma**2)
    summed = np.empty_like(image)
    for i, j in np.ndindex(image.shape):
        summed[i, j] = (wide[i : i + len(offset), j : j + len(offset)] * kernel).sum()
    summed += (1 - kernel.sum()) * image.mean()
    np.testing.assert_allclose(summed, reference.lorentzian_blur(image, gamma), atol=2e-4)


def test_a_tail_within_a_pixel_is_a_point():
    image = edges((40, 50))
    np.testing.assert_allclose(
        _core.add_tail(image, gamma=1e-3, fraction=1.0), image, rtol=0, atol=1e-3
    )


def test_a_tail_far_wider_than_the_field_is_its_mean():
    image = edges((40, 50))
    tail = _core.add_tail(image, gamma=1e6, fraction=1.0)
    np.testing.assert_allclose(tail, image.mean(dtype=np.float64), rtol=1e-3)


def test_an_image_with_a_tail_is_the_expected_one():
    # Many electrons, so that the counts' own noise (a relative 1e-4) hides nothing.
    scope = sf.Microscope(
        scan=sf.Scan(shape=(60, 71), pixel_size_nm=0.6),
        beam=sf.Beam(current_pa=3e6),
        probe=sf.Probe(fwhm_nm=1.2, tail_fraction=0.3, tail_fwhm_nm=4),
        detector=sf.Detector(bits=None),
    )
    image = sf.simulate(CUT, POSE, scope, seed=2) / scope.electrons_per_pixel
    expected = reference.detected_fraction(CUT, POSE, scope)
    noise = 6 * np.sqrt(expected / scope.electrons_per_pixel)
    assert (np.abs(image - expected) < 0.3 * 4e-3 * expected.max() + noise).all()


def test_no_tail_leaves_every_bit():
    scopes = [sf.Microscope(probe=sf.Probe(tail_fwhm_nm=width)) for width in (2.0, 7.0)]
    images = sf.simulate(CUT, POSE, scopes, seed=3, first_index=5)
    assert (images[0] == sf.simulate(CUT, POSE, None, seed=3, first_index=5)).all()
    assert (images[1] == sf.simulate(CUT, POSE, scopes[0], seed=3, first_index=6)).all()


def test_a_large_image_with_a_tail_is_the_same_however_it_is_shared_out():
    # Large enough that the rows of the coarser grids, too, go to several threads; 0.25 pixels has
    # narrow parts as well.
    for width in (0.25, 8.0):
        probe = sf.Probe(tail_fraction=0.3, tail_fwhm_nm=width)
        scope = sf.Microscope(scan=sf.Scan(shape=(1030, 1100)), probe=probe)
        one, *others = (
            sf.simulate(sf.Sphere(40), None, scope, seed=1, n_threads=n) for n in (1, 2, 3, 8)
        )
        assert all((image == one).all() for image in others)


def test_a_tail_of_one_image_leaves_its_neighbours_alone():
    probes = [sf.Probe(), sf.Probe(tail_fraction=0.2), sf.Probe(), sf.Probe(tail_fraction=0.4)]
    scopes = [sf.Microscope(probe=probe) for probe in probes]
    images = sf.simulate(CUT, POSE, scopes, seed=3)
    for i, scope in enumerate(scopes):
        assert (images[i] == sf.simulate(CUT, POSE, scope, seed=3, first_index=i)).all()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"fwhm_nm": -1}, "Probe.fwhm_nm: expected a number of at least 0, got -1"),
        ({"tail_fraction": 1}, "Probe.tail_fraction: expected a number less than 1, got 1"),
        ({"tail_fraction": -0.1}, "Probe.tail_fraction: expected a number of at least 0"),
        ({"tail_fwhm_nm": 0}, "Probe.tail_fwhm_nm: expected a number greater than 0, got 0"),
        ({"tail_fwhm_nm": np.nan}, "Probe.tail_fwhm_nm: expected a finite number"),
    ],
)
def test_impossible_probes(settings, reason):
    with pytest.raises(ValueError, match=reason):
        sf.Probe(**settings)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"convergence_mrad": 0}, "convergence_mrad: expected a number greater than 0, got 0"),
        ({"convergence_mrad": 2000}, "convergence_mrad: expected a number less than 1000"),
        ({"energy_kev": -200}, "energy_kev: expected a number greater than 0"),
        ({"defocus_nm": np.inf}, "defocus_nm: expected a finite number"),
        ({"source_fwhm_nm": -0.1}, "source_fwhm_nm: expected a number of at least 0"),
        ({"fwhm_nm": 1}, "works fwhm_nm out, leave it away"),
        ({"tail_friction": 1}, "did you mean 'tail_fraction'"),
    ],
)
def test_impossible_optics(settings, reason):
    with pytest.raises(ValueError, match=reason):
        sf.Probe.from_optics(**{"convergence_mrad": 20, "energy_kev": 200, **settings})


def test_a_tail_wider_than_the_field():
    wide = sf.Probe(tail_fraction=0.1, tail_fwhm_nm=50)
    with pytest.raises(ValueError, match=r"narrower than the field, got probe.tail_fwhm_nm=50"):
        sf.Microscope(probe=wide)
    assert sf.Microscope(probe=wide.replace(tail_fraction=0)).probe.tail_fwhm_nm == 50
