"""Scattering by one atom and by many: the table, the eikonal, the transport integral, the curve."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import special
from scipy.integrate import quad

from stemfast import materials, scattering, units
from stemfast.scattering import Collection, ScatteringCurve, bessel, eikonal, potential, transport

USUAL = Collection(200.0, 60.0, 200.0, 20.0)
PARALLEL = Collection(200.0, 60.0, 200.0, 0.0)
EVERYTHING = Collection(200.0, 0.0, math.inf, 0.0)
SYMBOLS = ("C", "Si", "Cu", "Ag", "Au")


def number(symbol):
    return materials.ELEMENTS[symbol][0]


def rutherford_nm2(z, collection):
    """Screened Rutherford in the first Born approximation, the measure of the table below."""
    k = 2 * math.pi / units.wavelength_nm(collection.energy_kev)
    screening = z ** (1 / 3) / (k * units.BOHR_RADIUS_NM)
    inner, outer = collection.inner_mrad * 1e-3, collection.outer_mrad * 1e-3
    amplitude = units.lorentz_factor(collection.energy_kev) * z / (units.BOHR_RADIUS_NM * k**2)
    annulus = 1 / (inner**2 + screening**2) - 1 / (outer**2 + screening**2)
    return 4 * math.pi * amplitude**2 * annulus


def born_nm2(z, collection):
    inner, outer, _ = collection.per_nm()
    strength = units.lorentz_factor(collection.energy_kev) * units.wavelength_nm(
        collection.energy_kev
    )

    def ring(q):
        f = potential.scattering_factor_nm(z, np.array([q]))[0]
        return (strength * f) ** 2 * 2 * math.pi * q

    return quad(ring, inner, outer, epsrel=1e-8)[0]


def test_bessel_functions_are_scipys():
    x = np.concatenate([[0.0], np.geomspace(1e-6, 900.0, 400), -np.linspace(1, 50, 20)])
    np.testing.assert_allclose(bessel.j0(x), special.j0(x), atol=1e-13)
    np.testing.assert_allclose(bessel.j1(x), special.j1(x), atol=1e-13)
    x = np.geomspace(1e-6, 600.0, 500)
    k0, k1 = bessel.k0_and_k1(x)
    np.testing.assert_allclose(k0, special.k0(x), rtol=1e-12, atol=1e-18)
    np.testing.assert_allclose(k1, special.k1(x), rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("n", [20, 32, 400])
def test_nodes_are_gauss_and_legendres(n):
    nodes, weights = np.polynomial.legendre.leggauss(n)
    x, weight = eikonal.clustered(n, 2.0, 1.0)
    np.testing.assert_allclose(x - 1.0, nodes, atol=1e-13)
    np.testing.assert_allclose(weight, weights, rtol=1e-9)


def test_hydrogen_is_known_exactly():
    # f(q) = a₀/2 (2 + b q²)/(1 + b q²)², b = (π a₀)², from the 1s density by Mott and Bethe.
    q = np.array([0.0, 1.0, 5.0, 20.0, 60.0])
    x = (np.pi * units.BOHR_RADIUS_NM * q) ** 2
    exact = 0.5 * units.BOHR_RADIUS_NM * (2 + x) / (1 + x) ** 2
    np.testing.assert_allclose(potential.scattering_factor_nm(1, q), exact, rtol=4e-3)


@pytest.mark.parametrize(
    ("symbol", "nm"),
    [("C", 0.2507), ("Si", 0.5819), ("Cu", 0.5589), ("Ag", 0.8656), ("Au", 1.0558)],
)
def test_the_forward_amplitude_is_that_of_doyle_and_turner(symbol, nm):
    # The sum of the amplitudes a of P. A. Doyle and P. S. Turner, Acta Cryst. A24 (1968) 390.
    forward = potential.scattering_factor_nm(number(symbol), np.array([0.0]))[0]
    assert forward == pytest.approx(nm, rel=0.01)


@pytest.mark.parametrize("z", range(1, potential.HEAVIEST + 1))
def test_the_table(z):
    a, b = potential.coefficients(z)
    assert (b > 0).all()
    forward = potential.scattering_factor_nm(z, np.array([0.0]))[0]
    assert forward == pytest.approx(2 * a.sum())
    assert 0.03 < forward < 2.2
    # The nucleus alone is left at large q.
    q = 2000.0
    mott_bethe = z / (2 * np.pi**2 * units.BOHR_RADIUS_NM * q**2)
    found = potential.scattering_factor_nm(z, np.array([q]))[0]
    assert found == pytest.approx(mott_bethe, rel=3e-3)


def test_the_phase_is_the_transform_of_the_factor():
    # Back again: γλ f(q) = 2π ∫ σV(r) J₀(2πqr) r dr.
    r = np.geomspace(1e-7, 4.0, 40_001)
    step = np.log(r[1] / r[0])
    for z in (6, 79):
        shift = potential.phase(z, r, 200.0)
        q = np.array([0.5, 3.0, 20.0])
        back = [2 * np.pi * step * np.sum(shift * special.j0(2 * np.pi * x * r) * r**2) for x in q]
        strength = units.lorentz_factor(200.0) * units.wavelength_nm(200.0)
        factor = strength * potential.scattering_factor_nm(z, q)
        np.testing.assert_allclose(back, factor, rtol=1e-5)


# Cross-sections over screened Rutherford: first Born with tabulated potentials, the eikonal, and
# multislice of one atom on the finest grid (docs/abtem.md).
RATIOS = {
    "C": (0.878, 0.876, 0.865),
    "Si": (0.883, 0.872, 0.865),
    "Cu": (0.831, 0.789, 0.792),
    "Ag": (0.825, 0.716, 0.717),
    "Au": (0.816, 0.583, 0.584),
}


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_one_atom_against_born_and_multislice(symbol):
    z = number(symbol)
    measure = rutherford_nm2(z, PARALLEL)
    born, whole, multislice = RATIOS[symbol]
    assert born_nm2(z, PARALLEL) / measure == pytest.approx(born, rel=0.01)
    ours = scattering.cross_section_nm2(z, PARALLEL) / measure
    assert ours == pytest.approx(whole, rel=0.01)
    assert ours == pytest.approx(multislice, rel=0.012)


@pytest.mark.parametrize("symbol", ["C", "Au"])
def test_the_cross_section_is_that_of_the_amplitude(symbol):
    z, (inner, outer, _) = number(symbol), PARALLEL.per_nm()
    node, weight = np.polynomial.legendre.leggauss(20)
    q = inner + 0.5 * (outer - inner) * (1 + node)
    ring = np.abs(eikonal.amplitude_nm2(z, q, 200.0)) ** 2 * 2 * np.pi * q
    integral = 0.5 * (outer - inner) * (weight @ ring)
    assert scattering.cross_section_nm2(z, PARALLEL) == pytest.approx(integral, rel=3e-4)


def test_a_weak_atom_is_borns():
    fast = Collection(300.0, 30.0, 200.0, 0.0)
    ratio = scattering.cross_section_nm2(1, fast) / born_nm2(1, fast)
    assert ratio == pytest.approx(1.0, abs=2e-3)


def test_annuli_add_up_and_the_last_reaches_to_infinity():
    edges = (20.0, 40.0, 90.0, 220.0, math.inf)
    for z in (6, 79):
        parts = sum(
            scattering.cross_section_nm2(z, Collection(200, a, b, 20)) for a, b in pairwise(edges)
        )
        whole = scattering.cross_section_nm2(z, Collection(200, 20, math.inf, 20))
        assert parts == pytest.approx(whole, rel=1e-6)


def test_all_that_is_scattered_is_what_leaves_the_beam():
    gold = materials.get("Au")
    t = np.array([0.5, 5.0, 50.0])
    ((z, n),) = gold.atoms
    total = eikonal.transport_nm2(z, 200.0, np.array([1.3]))[0]
    found = scattering.scattered_fraction([(gold.atoms, t)], EVERYTHING)
    np.testing.assert_allclose(found, -np.expm1(-n * total * t), rtol=1e-9)


def test_thin_layers_scatter_by_their_cross_section():
    for symbol in ("C", "Au"):
        ((z, n),) = atoms = materials.get(symbol).atoms
        f = scattering.scattered_fraction([(atoms, np.array(1e-4))], USUAL)
        assert f / 1e-4 == pytest.approx(n * scattering.cross_section_nm2(z, USUAL), rel=1e-4)


def test_a_cone_scatters_more_onto_the_detector_than_a_parallel_beam():
    sections = [
        scattering.cross_section_nm2(79, Collection(200, 60, 200, cone)) for cone in (0, 10, 20, 40)
    ]
    assert sorted(sections) == sections
    # The mean of a uniform disc of directions, summed directly: 24 around, of which the grid, like
    # its eight images of itself, leaves three to be summed.
    angle = 2 * np.pi * (np.arange(3) + 0.5) / 24
    radius = 30 * np.sqrt((np.arange(12) + 0.5) / 12)
    tilt_x, tilt_y = (np.outer(radius, f(angle)).ravel() for f in (np.cos, np.sin))
    coarse = np.geomspace(20, 240, 40)
    amplitude = np.abs(eikonal.amplitude_nm2(79, coarse * 1e-3 / units.wavelength_nm(200), 200.0))
    theta = np.linspace(20, 240, 2000)
    power = np.interp(np.log(theta), np.log(coarse), np.log(amplitude))
    density = np.exp(2 * power)
    grid = np.linspace(-210, 210, 421)
    x, y = np.meshgrid(grid, grid)
    inside = (np.hypot(x, y) > 60) & (np.hypot(x, y) < 200)
    cell = (1e-3 / units.wavelength_nm(200)) ** 2
    shifted = [
        np.interp(np.hypot(x[inside] - a, y[inside] - b), theta, density).sum()
        for a, b in zip(tilt_x, tilt_y, strict=True)
    ]
    direct = np.mean(shifted) * cell
    found = scattering.cross_section_nm2(79, Collection(200, 60, 200, 30))
    assert found == pytest.approx(direct, rel=0.01)


def test_the_order_and_the_number_of_layers_do_not_matter():
    gold, carbon = (materials.get(name).atoms for name in ("Au", "C"))
    one = scattering.scattered_fraction([(gold, 8.0), (carbon, 30.0)], USUAL)
    other = scattering.scattered_fraction([(carbon, 10.0), (gold, 8.0), (carbon, 20.0)], USUAL)
    assert one == pytest.approx(float(other), rel=1e-12)


def test_gold_by_another_program():
    # Values of an independent program.
    other = [0.0097, 0.0486, 0.0965, 0.1870, 0.2675, 0.3364]
    ours = materials.get("Au").scattered_fraction([1, 5, 10, 20, 30, 40], 200, 60, 200)
    np.testing.assert_allclose(ours, other, rtol=0.015)


@pytest.mark.parametrize(
    "collection",
    [
        USUAL,
        PARALLEL,
        Collection(80.0, 60.0, 200.0, 20.0),
        Collection(300.0, 90.0, 200.0, 20.0),
        Collection(200.0, 30.0, 60.0, 10.0),
        Collection(200.0, 10.0, math.inf, 8.0),
        Collection(80.0, 30.0, math.inf, 20.0),
    ],
)
@pytest.mark.parametrize("name", ["Au", "Ag", "Cu", "Si", "C", "CeO2", "SiO2"])
def test_the_curve_is_the_integral(name, collection):
    material = materials.get(name)
    curve = material.scattering_curve(collection)
    depth = np.linspace(0.01, 1.0, 60) * curve.limit
    t = depth * curve.mean_free_path_nm
    exact = scattering.scattered_fraction([(material.atoms, t)], collection)
    np.testing.assert_allclose(curve.fraction(depth), exact, rtol=0.006)
    assert curve.slope(depth[:-2]).min() > 0
    nearby = (curve.exponent(depth + 1e-6) - curve.exponent(depth - 1e-6)) / 2e-6
    np.testing.assert_allclose(curve.slope(depth)[:-1], nearby[:-1], atol=1e-6)
    inside = depth[depth < 0.95 * curve.limit]
    np.testing.assert_allclose(curve.depth(curve.fraction(inside)), inside, rtol=1e-6)
    bends = (curve.slope(depth + 1e-6) - curve.slope(depth - 1e-6)) / 2e-6
    np.testing.assert_allclose(curve.bend(depth)[:-1], bends[:-1], atol=1e-4)


def test_beyond_its_limit_an_annular_detector_sees_no_more():
    gold = materials.get("Au").scattering_curve(USUAL)
    at_most = gold.fraction(np.array(gold.limit))
    assert gold.fraction(np.array(10.0)) == at_most == gold.largest_fraction
    assert gold.depth(np.array(0.9)) == pytest.approx(gold.limit)
    assert gold.depth(np.array(-0.01)) == pytest.approx(-math.log(1.01))
    open_ended = materials.get("Au").scattering_curve(Collection(200, 10, math.inf, 8))
    far = np.array([open_ended.limit + 3.0])
    assert open_ended.depth(open_ended.fraction(far)) == pytest.approx(far)


# Thickness [nm] of pairs of materials, and how far the image's one curve is from the integral [%].
PAIRS = [
    ("Au", 10.0, "C", 5.0, 0.5),
    ("Au", 10.0, "C", 100.0, 3.0),
    ("Pt", 3.0, "C", 100.0, 3.6),
    ("Pt", 5.0, "Al2O3", 50.0, 3.3),
    ("Au", 20.0, "Ag", 20.0, 1.9),
    ("Au", 5.0, "Ag", 40.0, 4.0),
    ("Au", 20.0, "SiO2", 40.0, 1.3),
    ("Au", 0.0, "C", 100.0, 4.5),
]


@pytest.mark.parametrize(("one", "t_one", "two", "t_two", "per_cent"), PAIRS)
def test_two_materials_share_the_curve_of_the_stronger(one, t_one, two, t_two, per_cent):
    first, second = materials.get(one), materials.get(two)
    exact = scattering.scattered_fraction([(first.atoms, t_one), (second.atoms, t_two)], USUAL)
    curves = [material.scattering_curve(USUAL) for material in (first, second)]
    depth = t_one / curves[0].mean_free_path_nm + t_two / curves[1].mean_free_path_nm
    found = scattering.strongest(curves).fraction(np.array(depth))
    assert abs(found / exact - 1) < per_cent / 100
    plain = -math.expm1(-depth)
    assert abs(found / exact - 1) < abs(plain / exact - 1)


def test_numbers_that_reach_an_image_are_rounded():
    # 7 digits of Λ and 6 decimals: the last bits of an integral differ between processors.
    gold = materials.get("Au").scattering_curve(USUAL)
    expected = ScatteringCurve(103.0652, (0.499635, -1.192706, 0.440462), 1.216783, 0.0)
    assert gold == expected
    for name in materials.names():
        curve = materials.get(name).scattering_curve(USUAL)
        assert curve.mean_free_path_nm == float(f"{curve.mean_free_path_nm:.7g}")
        assert all(value == round(value, 6) for value in curve.numbers)


def test_rounding_hides_the_last_bits_of_the_integrals(monkeypatch):
    atoms = materials.get("CeO2").atoms
    before = scattering.scattering_curve(atoms, USUAL)
    noise = np.random.default_rng(1)
    exact = transport.transport_nm2

    def shaken(z, energy, rho):
        value = exact(z, energy, rho)
        return value * (1 + 1e-14 * noise.standard_normal(np.shape(value)))

    monkeypatch.setattr(transport, "transport_nm2", shaken)
    scattering.scattering_curve.cache_clear()
    assert scattering.scattering_curve(atoms, USUAL) == before
    scattering.scattering_curve.cache_clear()


def test_a_density_moves_the_path_and_not_the_curve():
    thin, dense = (materials.Material("x", rho, "TiO2") for rho in (2.0, 4.0))
    one, two = (material.scattering_curve(USUAL) for material in (thin, dense))
    assert one.mean_free_path_nm == pytest.approx(2 * two.mean_free_path_nm, rel=1e-6)
    np.testing.assert_allclose(one.numbers, two.numbers, atol=2e-6)


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ((200, 60, 50, 20), "inner_mrad must be at least 0 and less than outer_mrad"),
        ((200, -1, 50, 0), "inner_mrad must be at least 0 and less than outer_mrad"),
        ((200, 15, 50, 20), r"convergence_mrad must be from 0 to inner_mrad, .* would fall onto"),
        ((200, 15, 50, -2), "convergence_mrad must be from 0 to inner_mrad"),
        ((0, 15, 50, 2), "energy_kev must be"),
        ((200, math.nan, 50, 2), "inner_mrad must be"),
        ((200, 15, math.nan, 2), "outer_mrad must be"),
    ],
)
def test_impossible_collections(numbers, reason):
    with pytest.raises(ValueError, match=reason):
        Collection(*numbers)


@pytest.mark.parametrize("z", [0, 104, 6.5])
def test_elements_without_a_table(z):
    with pytest.raises(ValueError, match="atomic_number must be a whole number of 1 … 103"):
        scattering.cross_section_nm2(z, USUAL)
