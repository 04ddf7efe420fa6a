"""Materials: the table, formulas, and the mean free paths that contrast rests on."""

from __future__ import annotations

import math
import pickle

import pytest
from scipy.integrate import quad

from stemfast import materials, units
from stemfast.materials import Material

ANNULUS = {"energy_kev": 200, "inner_mrad": 60, "outer_mrad": 200}


@pytest.mark.parametrize(("name", "nm"), [("Au", 65.0), ("Pd", 153.0), ("C", 5270.0)])
def test_mean_free_paths_of_the_design(name, nm):
    assert materials.get(name).mean_free_path_nm(**ANNULUS) == pytest.approx(nm, rel=0.01)


@pytest.mark.parametrize("atomic_number", [1, 6, 29, 79, 92])
def test_cross_section_is_the_integral_over_the_annulus(atomic_number):
    k = 2 * math.pi / units.wavelength_nm(200)
    screening = atomic_number ** (1 / 3) / (k * units.BOHR_RADIUS_NM)
    amplitude = 2 * units.lorentz_factor(200) * atomic_number / (units.BOHR_RADIUS_NM * k**2)

    def ring(angle):
        return amplitude**2 / (angle**2 + screening**2) ** 2 * 2 * math.pi * angle

    integral, _ = quad(ring, 0.060, 0.200, epsabs=0, epsrel=1e-12)
    sigma = materials.cross_section_nm2(atomic_number, 200, 60, 200)
    assert sigma == pytest.approx(integral, rel=1e-10)


def test_annuli_add_up():
    whole = materials.cross_section_nm2(47, 300, 40, 220)
    parts = sum(materials.cross_section_nm2(47, 300, *edges) for edges in ((40, 90), (90, 220)))
    assert parts == pytest.approx(whole, rel=1e-12)


def test_a_compound_scatters_like_its_atoms():
    ceria = materials.get("CeO2")
    molecules_per_nm3 = 7.215 / (140.12 + 2 * 15.999) * units.AVOGADRO_PER_MOL * 1e-21
    sigma = materials.cross_section_nm2(58, **ANNULUS) + 2 * materials.cross_section_nm2(
        8, **ANNULUS
    )
    assert ceria.mean_free_path_nm(**ANNULUS) == pytest.approx(
        1 / (molecules_per_nm3 * sigma), rel=1e-12
    )


def test_scaling_a_formula_changes_nothing():
    once, thrice = Material("a", 5.0, "PbTe"), Material("b", 5.0, "Pb3Te3")
    assert once.mean_free_path_nm(**ANNULUS) == pytest.approx(thrice.mean_free_path_nm(**ANNULUS))


def test_twice_the_density_is_half_the_path():
    light, heavy = Material("a", 4.0, "TiO2"), Material("b", 8.0, "TiO2")
    ratio = light.mean_free_path_nm(**ANNULUS) / heavy.mean_free_path_nm(**ANNULUS)
    assert ratio == pytest.approx(2.0)


def test_every_material_of_the_table_is_usable():
    assert {"Au", "Ag", "Pt", "Pd", "Cu", "Ni", "Al", "Si", "Fe", "C"} <= set(materials.names())
    assert {"CeO2", "PbTe", "SiO2", "TiO2"} <= set(materials.names())
    for name in materials.names():
        material = materials.get(name)
        assert material.name == name
        assert 10 < material.mean_free_path_nm(**ANNULUS) < 10_000


def test_the_periodic_table_is_whole():
    assert len(materials.ELEMENTS) == 92
    assert [materials.ELEMENTS[s][0] for s in ("H", "Ne", "Ca", "Kr", "Xe", "Yb", "Au", "U")] == [
        1, 10, 20, 36, 54, 70, 79, 92,
    ]  # fmt: skip
    # Weight per charge grows from 2 to 2.6, hydrogen apart: a slip of the pen would stand out.
    ratios = [weight / number for number, weight in materials.ELEMENTS.values()][1:]
    assert 1.9 < min(ratios)
    assert max(ratios) < 2.65


def test_a_material_of_your_own_passes_through_get():
    mine = Material("electrum", density_g_cm3=15.0, composition="Au0.7Ag0.3")
    assert materials.get(mine) is mine
    assert mine.elements == (("Au", 0.7), ("Ag", 0.3))


def test_materials_are_values():
    assert Material("Au", 19.3, "Au") == materials.get("Au")
    assert len({Material("Au", 19.3, "Au"), materials.get("Au")}) == 1
    assert pickle.loads(pickle.dumps(materials.get("CeO2"))) == materials.get("CeO2")
    with pytest.raises(AttributeError):
        materials.get("Au").density_g_cm3 = 1.0


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(ValueError, match=r"material 'CeO3' is not in the table .*'CeO2'\?"):
        materials.get("CeO3")
    with pytest.raises(ValueError, match=r"did you mean 'Au'\?"):
        materials.get("au")
    with pytest.raises(TypeError, match="material must be a name or a Material, got 79"):
        materials.get(79)


@pytest.mark.parametrize(
    "formula", ["", "au", "Xx2", "Au-Ag", "Ca(OH)2", "Au0", "Au2.", "2Au", "Au "]
)
def test_formulas_that_cannot_be_read(formula):
    with pytest.raises(ValueError, match="composition must be element symbols"):
        Material("nonsense", 1.0, formula)


@pytest.mark.parametrize("density", [0.0, -1.0, math.nan, math.inf])
def test_densities_that_cannot_be(density):
    with pytest.raises(ValueError, match="density_g_cm3 must be (positive|finite)"):
        Material("nonsense", density, "Au")


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="composition must be a formula"):
        Material("dict", 1.0, {"Au": 1})
    with pytest.raises(ValueError, match="name must be a non-empty string"):
        Material("", 1.0, "Au")
    with pytest.raises(TypeError, match="density_g_cm3 must be a number, got '19.3'"):
        Material("Au", "19.3", "Au")


@pytest.mark.parametrize(("inner", "outer"), [(200, 60), (60, 60), (-1, 60)])
def test_angles_that_make_no_annulus(inner, outer):
    with pytest.raises(ValueError, match="inner_mrad must be at least 0 and less than outer_mrad"):
        materials.get("Au").mean_free_path_nm(200, inner, outer)
