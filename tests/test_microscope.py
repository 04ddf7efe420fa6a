"""Microscope settings: what they work out, and everything they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stemfast import units
from stemfast.materials import Material
from stemfast.microscope import Beam, Detector, Film, Haadf, Microscope, Probe, Scan

PARTS = [Scan, Beam, Probe, Haadf, Film, Detector, Microscope]
NUMBERS = [
    (Scan, "pixel_size_nm"),
    (Scan, "dwell_us"),
    (Scan, "flyback_us"),
    (Beam, "energy_kev"),
    (Beam, "current_pa"),
    (Probe, "fwhm_nm"),
    (Haadf, "inner_mrad"),
    (Haadf, "outer_mrad"),
    (Film, "thickness_nm"),
    (Detector, "gain"),
    (Detector, "offset"),
    (Detector, "read_noise"),
]
MAY_BE_ZERO = {"flyback_us", "fwhm_nm", "thickness_nm", "offset", "read_noise"}


def test_defaults_are_those_of_the_design():
    microscope = Microscope()
    assert microscope.scan == Scan(
        shape=(128, 128), pixel_size_nm=0.35, dwell_us=4.0, flyback_us=60.0
    )
    assert microscope.beam == Beam(energy_kev=200, current_pa=20)
    assert microscope.probe == Probe(fwhm_nm=0.5)
    assert microscope.haadf == Haadf(inner_mrad=60, outer_mrad=200)
    assert microscope.film == Film(thickness_nm=5.0, material="C")
    assert microscope.detector == Detector(bits=16, gain=1.0, offset=0.0, read_noise=0.0)


def test_what_a_microscope_works_out():
    microscope = Microscope(beam=Beam(current_pa=32), scan=Scan(dwell_us=10))
    assert microscope.electrons_per_pixel == pytest.approx(1997.28, abs=0.01)
    assert microscope.mean_free_path_nm("Au") == pytest.approx(103.1, rel=0.001)
    assert microscope.beam.wavelength_nm == units.wavelength_nm(200)
    assert Probe(fwhm_nm=1.0).sigma_nm == pytest.approx(1 / (2 * math.sqrt(2 * math.log(2))))


def test_the_mean_free_path_follows_beam_and_detector():
    narrow = Microscope(haadf=Haadf(inner_mrad=100))
    fast = Microscope(beam=Beam(energy_kev=300))
    usual = Microscope().mean_free_path_nm("Pt")
    assert narrow.mean_free_path_nm("Pt") > usual
    assert fast.mean_free_path_nm("Pt") > usual


def test_a_wider_cone_scatters_more_onto_the_detector():
    paths = [
        Microscope(beam=Beam(convergence_mrad=cone)).mean_free_path_nm("Au") for cone in (0, 20, 40)
    ]
    assert sorted(paths, reverse=True) == paths
    assert paths[0] / paths[1] == pytest.approx(1.077, abs=0.002)


def test_the_curve_of_an_image_is_that_of_its_strongest_scatterer():
    scope = Microscope()
    assert scope.scattering_curve("C", "Pt", "Au") == scope.scattering_curve("Pt")


def test_a_cone_that_reaches_the_detector():
    reason = r"haadf.inner_mrad=15 and beam.convergence_mrad=20: the undeflected beam would fall"
    with pytest.raises(ValueError, match=reason):
        Microscope(haadf=Haadf(inner_mrad=15))


@pytest.mark.parametrize("angle", [-1.0, 1000.0, float("nan"), "wide"])
def test_angles_that_no_beam_has(angle):
    with pytest.raises(ValueError, match=r"Beam\.convergence_mrad: expected a"):
        Beam(convergence_mrad=angle)


def test_the_scan_knows_its_size_and_time():
    scan = Scan(shape=(3, 5), pixel_size_nm=0.5, dwell_us=2.0, flyback_us=7.0)
    assert scan.field_nm == (1.5, 2.5)
    assert scan.row_us == 17.0
    assert scan.frame_us == 3 * 10 + 2 * 7


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16), (None, np.float32)])
def test_bits_choose_the_type(bits, dtype):
    assert Detector(bits=bits).dtype == dtype


@pytest.mark.parametrize(("part", "name"), NUMBERS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_not_finite_is_refused(part, name, bad):
    with pytest.raises(
        ValueError, match=rf"{part.__name__}\.{name}: expected a .*, got -?(nan|inf)"
    ):
        part(**{name: bad})


@pytest.mark.parametrize(("part", "name"), NUMBERS)
@pytest.mark.parametrize("bad", ["1.0", None, True, [1.0], 1j])
def test_other_types_are_refused(part, name, bad):
    with pytest.raises(ValueError, match=rf"{part.__name__}\.{name}: expected a number, got"):
        part(**{name: bad})


@pytest.mark.parametrize(("part", "name"), [pair for pair in NUMBERS if pair[1] != "offset"])
def test_negative_is_refused(part, name):
    limit = "of at least 0" if name in MAY_BE_ZERO else "greater than 0"
    with pytest.raises(
        ValueError, match=rf"{part.__name__}\.{name}: expected a number {limit}, got -1"
    ):
        part(**{name: -1})


@pytest.mark.parametrize(("part", "name"), NUMBERS)
def test_zero_is_refused_unless_it_means_none(part, name):
    if name in MAY_BE_ZERO:
        assert getattr(part(**{name: 0}), name) == 0.0
    else:
        with pytest.raises(ValueError, match=rf"{name}: expected a number greater than 0, got 0"):
            part(**{name: 0})


@pytest.mark.parametrize("number", [np.float32(2), np.float64(2), np.int64(2), 2])
def test_numpy_numbers_are_numbers(number):
    value = Probe(fwhm_nm=number).fwhm_nm
    assert type(value) is float
    assert value == 2.0


@pytest.mark.parametrize("part", PARTS)
def test_unknown_settings_are_refused(part):
    with pytest.raises(ValueError, match=f"{part.__name__} has no setting 'colour'"):
        part(colour="red")


def test_a_misspelt_setting_gets_a_suggestion():
    with pytest.raises(ValueError, match="no setting 'pixel_size'; did you mean 'pixel_size_nm'?"):
        Scan(pixel_size=0.3)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((0, 8), r"Scan\.shape\[0\]: expected a number of at least 1, got 0"),
        ((8, -2), r"Scan\.shape\[1\]: expected a number of at least 1, got -2"),
        ((8, 2.5), r"Scan\.shape\[1\]: expected a whole number, got 2\.5"),
        ((8, True), r"Scan\.shape\[1\]: expected a whole number, got True"),
        ((8,), r"Scan\.shape\[1\]: expected a value"),
        ((8, 8, 8), r"Scan\.shape: expected at most 2 values, got \(8, 8, 8\)"),
        (8, r"Scan\.shape: expected a tuple, got 8"),
        ("ab", r"Scan\.shape: expected a tuple, got 'ab'"),
    ],
)
def test_shapes_that_make_no_image(shape, message):
    with pytest.raises(ValueError, match=message):
        Scan(shape=shape)


def test_shapes_may_be_numpy():
    assert Scan(shape=list(np.array([4, 6]))).shape == (4, 6)


@pytest.mark.parametrize("bits", [0, 1, 12, 32, 8.5, "16", True])
def test_other_depths_are_refused(bits):
    with pytest.raises(ValueError, match=r"Detector\.bits: expected 8 or 16 or None, got"):
        Detector(bits=bits)


@pytest.mark.parametrize("inner", [200, 200.0, 300])
def test_an_annulus_inside_out_is_refused(inner):
    with pytest.raises(
        ValueError, match=f"expected inner_mrad < outer_mrad, got inner_mrad={inner:g}"
    ):
        Haadf(inner_mrad=inner)


def test_the_film_knows_its_materials():
    mine = Material("nitride", 3.17, "Si3N4")
    assert Film(material=mine).material is mine
    with pytest.raises(
        ValueError, match=r"Film\.material: material 'Unobtainium' is not in the table"
    ):
        Film(material="Unobtainium")
    with pytest.raises(ValueError, match=r"Film\.material: expected a name or a Material, got 6"):
        Film(material=6)


def test_a_probe_wider_than_the_field_is_refused():
    scan = Scan(shape=(4, 128), pixel_size_nm=0.5)
    assert Microscope(scan=scan, probe=Probe(fwhm_nm=2.0))
    with pytest.raises(ValueError, match=r"probe\.fwhm_nm=2\.5 and a field of 2 x 64 nm"):
        Microscope(scan=scan, probe=Probe(fwhm_nm=2.5))


def test_parts_must_be_parts():
    with pytest.raises(ValueError, match=r"Microscope\.scan: expected a Scan, got 3"):
        Microscope(scan=3)
    with pytest.raises(TypeError, match="positional"):
        Microscope(Scan())


def test_two_mistakes_are_both_told():
    with pytest.raises(ValueError, match=r"energy_kev.*; Beam\.current_pa"):
        Beam(energy_kev=-1, current_pa=math.nan)


def test_a_mistake_inside_a_part_given_as_a_mapping_is_named():
    with pytest.raises(ValueError, match=r"Microscope\.scan: Scan\.shape\[1\]: .* got -1"):
        Microscope(scan={"shape": (3, -1)})


@pytest.mark.parametrize("part", PARTS)
def test_settings_are_frozen(part):
    settings = part()
    name = next(iter(type(settings).model_fields))
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings, name, getattr(settings, name))


def test_replace_checks_again():
    scan = Scan(shape=(8, 9))
    assert scan.replace(dwell_us=1.5) == Scan(shape=(8, 9), dwell_us=1.5)
    with pytest.raises(ValueError, match=r"Scan\.dwell_us"):
        scan.replace(dwell_us=-1)
    with pytest.raises(ValueError, match="no setting 'dwell'"):
        scan.replace(dwell=1)


def test_settings_survive_json():
    microscope = Microscope(
        scan=Scan(shape=(7, 9), pixel_size_nm=0.2),
        film=Film(thickness_nm=3, material=Material("nitride", 3.17, "Si3N4")),
        detector=Detector(bits=None, read_noise=2.0),
    )
    again = Microscope.model_validate_json(microscope.model_dump_json())
    assert again == microscope
    assert hash(again) == hash(microscope)


@pytest.mark.parametrize("energy", [200_000, 0.0001])
def test_an_energy_in_another_unit_is_refused(energy):
    with pytest.raises(ValueError, match=r"Beam\.energy_kev: expected a number from 0\.001 to 1"):
        Beam(energy_kev=energy)
