"""The film that the particles lie on."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from stemfast import materials
from stemfast.materials import Material
from stemfast.microscope.settings import (
    Finite,
    FiniteOrNone,
    NotNegative,
    Positive,
    PositiveOrNone,
    Settings,
)


class Film(Settings):
    """The support that the particles lie on: an amorphous film, rough, perhaps a wedge with a hole.

    Every image has a film of its own, fixed by the seed and the image's index.

    Parameters
    ----------
    thickness_nm : float
        Mean thickness, at the centre of the scan if there is a wedge [nm]; 0 for no film.
    material : str or Material
        What it is made of.
    roughness_nm : float
        Standard deviation of the thickness over an area much larger than the correlation length
        [nm], at most a third of the thickness. Detail smaller than about a pixel is left out of an
        image, and its share of the variance with it.
    correlation_nm : float
        Distance xi over which the thickness forgets itself [nm].
    hurst : float
        Hurst exponent H, 0.1 … 1: the smaller, the more jagged the detail.
    wedge_nm_per_um : float
        How fast the film gets thicker in `wedge_direction_deg` [nm/um].
    wedge_direction_deg : float
        Direction in the image, 0 along x (right), 90 along y (down) [degrees].
    hole_distance_nm : float or None
        From the centre of the scan to the edge of a hole, in `hole_direction_deg` [nm]; negative
        if the centre of the scan is over the hole. None for no hole.
    hole_direction_deg : float
        Where the hole lies, counted like `wedge_direction_deg` [degrees].
    hole_radius_nm : float or None
        Radius of the hole [nm]; None for a straight edge.
    hole_taper_nm : float
        The film thins towards the edge as 1 - exp(-d / taper) with the distance d from it [nm];
        0 for a sharp edge.

    Raises
    ------
    ValueError
        If a value is out of range or not finite, the film is too thin for its roughness, the
        material is unknown, a hole has a radius but no distance, or a setting is unknown.

    Notes
    -----
    The thickness is that of a self-affine surface: a Gaussian random field with the spectral
    density S(q) = 4 pi H xi^2 rms^2 (1 + q^2 xi^2)^-(1 + H), q in rad/nm and rms^2 the integral of
    S(q) d^2q / (2 pi)^2, the k-correlation model of G. Palasantzas, Phys. Rev. B 48 (1993) 14472.
    Between H of 0.3 and 0.8 the images have it within 6 % for q up to 1/pixel_size_nm.

    No film is thinner than nothing: where the field would go below, it is cut at 0. As the film is
    at least three times thicker than its roughness that is 0.14 % of the area at most.

    Examples
    --------
    >>> Film(thickness_nm=10, material="SiO2").thickness_nm
    10.0
    >>> Film(roughness_nm=0.5, correlation_nm=6, hole_distance_nm=15).hole_taper_nm
    2.0
    """

    thickness_nm: NotNegative = 5.0
    material: str | Material = "C"
    roughness_nm: NotNegative = 0.0
    correlation_nm: Annotated[Positive, Field(ge=0.1, le=1e4)] = 8.0
    hurst: Annotated[Positive, Field(ge=0.1, le=1.0)] = 0.7
    wedge_nm_per_um: Finite = 0.0
    wedge_direction_deg: Finite = 0.0
    hole_distance_nm: FiniteOrNone = None
    hole_direction_deg: Finite = 0.0
    hole_radius_nm: PositiveOrNone = None
    hole_taper_nm: NotNegative = 2.0

    @field_validator("material", mode="before")
    @classmethod
    def _material_is_known(cls, value: object) -> object:
        if isinstance(value, dict):  # what a Material becomes in JSON
            return value
        if not isinstance(value, str | Material):
            raise ValueError("expected a name or a Material")
        materials.get(value)
        return value

    @model_validator(mode="after")
    def _thick_enough(self) -> Self:
        if 3 * self.roughness_nm > self.thickness_nm:
            raise ValueError(
                "expected a roughness_nm of at most a third of thickness_nm, got "
                f"roughness_nm={self.roughness_nm:g} and thickness_nm={self.thickness_nm:g}"
            )
        return self

    @model_validator(mode="after")
    def _hole_is_somewhere(self) -> Self:
        if self.hole_radius_nm is not None and self.hole_distance_nm is None:
            raise ValueError(
                "expected hole_distance_nm together with hole_radius_nm, got "
                f"hole_radius_nm={self.hole_radius_nm:g} alone"
            )
        return self
