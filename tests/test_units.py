"""Conversions: against scipy's constants, and there and back."""

from __future__ import annotations

import math

import pytest
import scipy.constants as codata
from hypothesis import given
from hypothesis import strategies as st

from stemfast import units

positive = st.floats(1e-6, 1e6)


def test_constants_are_those_of_codata():
    assert units.PLANCK_J_S == codata.h
    assert units.SPEED_OF_LIGHT_M_S == codata.c
    assert units.ELEMENTARY_CHARGE_C == codata.e
    assert units.AVOGADRO_PER_MOL == codata.N_A
    # CODATA 2018 and 2022 differ in the tenth digit of these two.
    assert units.ELECTRON_MASS_KG == pytest.approx(codata.m_e, rel=1e-8)
    assert units.BOHR_RADIUS_NM == pytest.approx(
        codata.physical_constants["Bohr radius"][0] * 1e9, rel=1e-8
    )


@pytest.mark.parametrize(
    ("energy_kev", "picometres"), [(60, 4.8661), (80, 4.1757), (200, 2.5079), (300, 1.9687)]
)
def test_wavelength_is_the_textbook_one(energy_kev, picometres):
    assert units.wavelength_nm(energy_kev) * 1e3 == pytest.approx(picometres, abs=6e-5)


@given(positive)
def test_wavelength_and_energy_are_inverse(energy_kev):
    assert units.energy_kev(units.wavelength_nm(energy_kev)) == pytest.approx(energy_kev, rel=1e-9)


def test_lorentz_factor_is_two_at_the_rest_energy():
    assert units.lorentz_factor(510.99895069) == pytest.approx(2.0, rel=1e-9)


@given(positive, st.sampled_from(["pm", "A", "Å", "nm", "um", "µm", "μm", "mm", "cm", "m"]))
def test_lengths_return_from_every_unit(length, unit):
    assert units.from_nm(units.to_nm(length, unit), unit) == pytest.approx(length, rel=1e-12)


@pytest.mark.parametrize(
    ("unit", "nm"),
    [("pm", 1e-3), ("A", 0.1), ("Å", 0.1), ("\u212b", 0.1), ("nm", 1), ("um", 1e3),
     ("\u00b5m", 1e3), ("\u03bcm", 1e3), ("mm", 1e6), ("cm", 1e7), ("m", 1e9), (" nm ", 1)],
)  # fmt: skip
def test_one_of_each_length_in_nm(unit, nm):
    assert units.to_nm(1.0, unit) == nm


@given(positive, positive)
def test_current_and_electrons_are_inverse(current, dwell):
    counted = units.electrons(current, dwell)
    assert units.current_pa(counted, dwell) == pytest.approx(current, rel=1e-12)


def test_one_picoampere_for_one_microsecond():
    assert units.electrons(1.0, 1.0) == pytest.approx(1e-12 * 1e-6 / codata.e, rel=1e-12)


@given(positive, positive)
def test_doses_are_inverse(dose, pixel_size):
    there = units.electrons_per_nm2(dose, pixel_size)
    assert units.electrons_per_pixel(there, pixel_size) == pytest.approx(dose, rel=1e-12)


@given(positive)
def test_fwhm_is_where_the_gaussian_is_half(fwhm):
    sigma = units.sigma_from_fwhm(fwhm)
    assert math.exp(-((fwhm / 2) ** 2) / (2 * sigma**2)) == pytest.approx(0.5, rel=1e-12)
    assert units.fwhm_from_sigma(sigma) == pytest.approx(fwhm, rel=1e-12)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "convert",
    [
        lambda value: units.to_nm(value, "nm"),
        lambda value: units.from_nm(value, "nm"),
        units.wavelength_nm,
        units.energy_kev,
        units.lorentz_factor,
        units.sigma_from_fwhm,
        units.fwhm_from_sigma,
        lambda value: units.electrons(value, 1.0),
        lambda value: units.electrons(1.0, value),
        lambda value: units.current_pa(1.0, value),
        lambda value: units.electrons_per_nm2(1.0, value),
        lambda value: units.electrons_per_pixel(value, 1.0),
    ],
)
def test_not_finite_is_refused(convert, bad):
    with pytest.raises(ValueError, match="must be finite, got -?(nan|inf)"):
        convert(bad)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: units.wavelength_nm(0), "energy_kev must be larger than 0, got 0"),
        (lambda: units.energy_kev(-1), "wavelength_nm must be larger than 0, got -1"),
        (lambda: units.current_pa(1, 0), "dwell_us must be larger than 0, got 0"),
        (lambda: units.to_nm(1, "furlong"), r"unit must be a length .*, got 'furlong'"),
        (lambda: units.to_nm(1, "1/nm"), r"unit must be a length .*, got '1/nm'"),
    ],
)
def test_out_of_range_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("bad", ["3", None, True, [1.0]])
def test_other_types_are_refused(bad):
    with pytest.raises(TypeError, match="length must be a number"):
        units.to_nm(bad, "nm")
    with pytest.raises(TypeError, match="unit must be a string"):
        units.to_nm(1.0, 3)
