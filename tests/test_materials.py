"""Materials: the table, formulas, and the mean free paths that contrast rests on."""

from __future__ import annotations

import math
import pickle
from itertools import pairwise

import pytest

from stemfast import materials, units
from stemfast.materials import Material

ANNULUS = {"energy_kev": 200, "inner_mrad": 60, "outer_mrad": 200}


@pytest.mark.parametrize(("name", "nm"), [("Au", 103.1), ("Pd", 195.9), ("C", 5454.0)])
def test_mean_free_paths(name, nm):
    assert materials.get(name).mean_free_path_nm(**ANNULUS) == pytest.approx(nm, rel=0.01)


def test_faster_electrons_and_wider_holes_scatter_less_onto_the_detector():
    gold = materials.get("Au")
    by_energy = [gold.mean_free_path_nm(e, 60, 200) for e in (60, 80, 120, 200, 300)]
    by_inner = [gold.mean_free_path_nm(200, inner, 200, 0) for inner in (0, 20, 60, 90, 150)]
    assert sorted(by_energy) == by_energy
    assert sorted(by_inner) == by_inner


def test_annuli_add_up():
    whole = materials.cross_section_nm2(47, 300, 40, 220)
    parts = sum(materials.cross_section_nm2(47, 300, *edges) for edges in ((40, 90), (90, 220)))
    assert parts == pytest.approx(whole, rel=1e-6)


def test_a_compound_scatters_like_its_atoms():
    ceria = materials.get("CeO2")
    molecules_per_nm3 = 7.215 / (140.12 + 2 * 15.999) * units.AVOGADRO_PER_MOL * 1e-21
    sigma = materials.cross_section_nm2(58, **ANNULUS) + 2 * materials.cross_section_nm2(
        8, **ANNULUS
    )
    assert ceria.mean_free_path_nm(**ANNULUS) == pytest.approx(
        1 / (molecules_per_nm3 * sigma), rel=1e-6
    )


def test_scaling_a_formula_changes_nothing():
    once, thrice = Material("a", 5.0, "PbTe"), Material("b", 5.0, "Pb3Te3")
    assert once.mean_free_path_nm(**ANNULUS) == pytest.approx(thrice.mean_free_path_nm(**ANNULUS))


def test_twice_the_density_is_half_the_path():
    light, heavy = Material("a", 4.0, "TiO2"), Material("b", 8.0, "TiO2")
    ratio = light.mean_free_path_nm(**ANNULUS) / heavy.mean_free_path_nm(**ANNULUS)
    assert ratio == pytest.approx(2.0, rel=1e-6)


def test_every_material_of_the_table_is_usable():
    assert {"Au", "Ag", "Pt", "Pd", "Cu", "Ni", "Al", "Si", "Fe", "C"} <= set(materials.names())
    assert {"CeO2", "PbTe", "SiO2", "TiO2"} <= set(materials.names())
    for name in materials.names():
        material = materials.get(name)
        assert material.name == name
        assert 10 < material.mean_free_path_nm(**ANNULUS) < 10_000


@pytest.mark.parametrize("name", materials.names())
def test_every_compound_is_the_sum_of_its_elements(name):
    # By mass: each element as if it were alone, as thin as its share of the density.
    material = materials.get(name)
    masses = {s: n * materials.ELEMENTS[s][1] for s, n in material.elements}
    inverse = sum(
        1
        / Material(s, material.density_g_cm3 * mass / sum(masses.values()), s).mean_free_path_nm(
            **ANNULUS
        )
        for s, mass in masses.items()
    )
    assert material.mean_free_path_nm(**ANNULUS) == pytest.approx(1 / inverse, rel=1e-6)


# Edge of the cubic cell [nm] and the formula units in it.
CELLS = {
    "Au": (0.40786, 4), "Ag": (0.40862, 4), "Pt": (0.39239, 4), "Pd": (0.38898, 4),
    "Rh": (0.38031, 4), "Ir": (0.38394, 4), "Cu": (0.36149, 4), "Ni": (0.35240, 4),
    "Al": (0.40496, 4), "Fe": (0.28665, 2), "Mo": (0.31470, 2), "W": (0.31652, 2),
    "Si": (0.54310, 8), "Ge": (0.56579, 8), "CeO2": (0.5411, 4), "MgO": (0.4212, 4),
    "Cu2O": (0.4270, 2), "PbS": (0.5936, 4), "PbSe": (0.6124, 4), "PbTe": (0.6462, 4),
    "GaAs": (0.56533, 4), "CdTe": (0.6482, 4),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_densities_are_those_of_the_crystals(name):
    edge, units_in_cell = CELLS[name]
    material = materials.get(name)
    density = units_in_cell * material.molar_mass_g_mol / units.AVOGADRO_PER_MOL / edge**3 * 1e21
    # A handbook's are measured, on samples that are up to 2 % lighter than a perfect crystal.
    assert material.density_g_cm3 == pytest.approx(density, rel=0.022)


def test_weights_rise_with_the_number_but_where_nature_turns_them_round():
    order = sorted(materials.ELEMENTS, key=lambda s: materials.ELEMENTS[s][0])
    weight = {s: materials.ELEMENTS[s][1] for s in order}
    turned = [(a, b) for a, b in pairwise(order) if weight[a] >= weight[b]]
    assert turned == [("Ar", "K"), ("Co", "Ni"), ("Te", "I"), ("Th", "Pa")]
    # Between one and just over one neutron to a proton and a half, hydrogen apart.
    ratio = [weight[s] / materials.ELEMENTS[s][0] for s in order[1:]]
    assert 1.98 < min(ratio) <= max(ratio) < 2.61


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
    with pytest.raises(ValueError, match=r"material 'Gold' .*did you mean 'Au'\?"):
        materials.get("Gold")
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
    with pytest.raises(ValueError, match="density_g_cm3 must be (larger than 0|finite)"):
        Material("nonsense", density, "Au")


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="composition must be a formula"):
        Material("dict", 1.0, {"Au": 1})
    with pytest.raises(ValueError, match="name must be a non-empty string"):
        Material("", 1.0, "Au")
    with pytest.raises(TypeError, match="density_g_cm3 must be a number, got '19.3'"):
        Material("Au", "19.3", "Au")


@pytest.mark.parametrize("thickness", [-1.0, float("nan"), [1.0, float("inf")]])
def test_thicknesses_that_are_none(thickness):
    with pytest.raises(ValueError, match="thickness_nm must be finite and not negative"):
        materials.get("Au").scattered_fraction(thickness, 200, 60, 200)


def test_the_cone_must_miss_the_detector():
    with pytest.raises(ValueError, match="the undeflected beam would fall onto the detector"):
        materials.get("Au").mean_free_path_nm(200, 15, 200)


@pytest.mark.parametrize(("inner", "outer"), [(200, 60), (60, 60), (-1, 60)])
def test_angles_that_make_no_annulus(inner, outer):
    with pytest.raises(ValueError, match="inner_mrad must be at least 0 and less than outer_mrad"):
        materials.get("Au").mean_free_path_nm(200, inner, outer)
