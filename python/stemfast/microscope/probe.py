"""The probe: how wide the beam is where it meets the specimen."""

from __future__ import annotations

import math
from typing import Annotated, Any, Self

from pydantic import Field

from stemfast import units
from stemfast.microscope.settings import Angle, Finite, NotNegative, Positive, Settings, Whole

# Full width at half maximum of an Airy pattern, in λ/α: 2·1.61634/(2π), where (2 J₁(v)/v)² = ½ at
# v = 1.61634.
_AIRY_FWHM = 0.514498


class Probe(Settings):
    """The focused beam: a Gaussian for diffraction and source size together, and a tail if wanted.

    The tail holds a share of the intensity far outside the central peak, as left there by
    aberrations and the surroundings of the source. Its profile is (1 + r²/γ²)^(-3/2)/(2πγ²), whose
    integral is 1 and which seen along a line is a Lorentzian of half width γ; the Gaussian widens
    it like everything else. What lies past the edge of the field is its mirror image to the tail.
    It is computed as a mixture of Gaussians, at about three times the cost of the Gaussian alone;
    where γ is at least a pixel, the tail is within 0.4 % of the field's contrast.

    With a depth of focus the probe is a cone about its focus z₀, of the beam's convergence angle α
    (`Beam.convergence_mrad`), and blurs what it meets at z by σ(z)² = σ² + (α(z - z₀)/2)². The
    particles are then cut across the beam into slabs, each blurred by its own width. What a slab
    scatters is what all slabs down to it scatter less what those above it do, so that the slabs add
    up to the whole and α → 0 is the plain image. The film lies with the last slab. The cost is that
    of `slabs` images before the counting.

    Parameters
    ----------
    fwhm_nm : float
        Full width at half maximum of the Gaussian [nm]; 0 for an infinitely fine probe.
    tail_fraction : float
        Share of the intensity in the tail, below 1; 0 for none.
    tail_fwhm_nm : float
        Full width at half maximum of the tail [nm].
    depth_of_focus : bool
        Whether the width follows the depth; else it is the same at all depths.
    focus_nm : float
        z of the focus [nm]; positive is below the specimen's origin, down the beam.
    slabs : int
        Slabs of equal thickness that the depth is cut into.

    Raises
    ------
    ValueError
        If a value is out of range or not finite, or a setting is unknown.

    See Also
    --------
    Probe.from_optics : the width from the convergence angle, defocus and source size.

    Examples
    --------
    >>> round(Probe(fwhm_nm=0.5).sigma_nm, 4)
    0.2123
    >>> Probe(tail_fraction=0.1, tail_fwhm_nm=3).tail_gamma_nm < 2
    True
    """

    fwhm_nm: NotNegative = 0.5
    tail_fraction: Annotated[Finite, Field(ge=0, lt=1)] = 0.0
    tail_fwhm_nm: Positive = 2.0
    depth_of_focus: Annotated[bool, Field(strict=True)] = False
    focus_nm: Finite = 0.0
    slabs: Annotated[Whole, Field(ge=1, le=4096)] = 8

    @classmethod
    def from_optics(
        cls,
        *,
        convergence_mrad: float,
        energy_kev: float,
        defocus_nm: float = 0.0,
        source_fwhm_nm: float = 0.0,
        depth_of_focus: bool = False,
        **others: Any,
    ) -> Self:
        """Return the probe that a lens forms, its contributions added in quadrature.

        Diffraction: an aperture of semi-angle α makes an Airy pattern, whose first zero is at
        0.61 λ/α and whose full width at half maximum, here taken as the Gaussian's, is 0.5145 λ/α
        (M. Born and E. Wolf, *Principles of Optics*, section 8.5.2). Defocus by Δ spreads the
        beam over a disc of radius αΔ, whose standard deviation along x or y is αΔ/2. The
        source's demagnified image is a Gaussian. Adding squares is the usual estimate and is
        some 10 % off where two contributions are alike and not Gaussian (J. E. Barth and
        P. Kruit, *Optik* 101 (1996) 101). Spherical aberration is taken as corrected.

        Parameters
        ----------
        convergence_mrad : float
            Convergence semi-angle α [mrad].
        energy_kev : float
            Energy of the beam, for the wavelength λ [keV].
        defocus_nm : float
            Distance between focus and specimen Δ, of either sign [nm].
        source_fwhm_nm : float
            Full width at half maximum of the source's image [nm].
        depth_of_focus : bool
            Whether the blur by defocus follows the depth in the specimen, in place of one width:
            sets `depth_of_focus`, and `focus_nm` to `defocus_nm`. The beam needs the same
            convergence angle.
        **others
            Further settings of the probe.

        Raises
        ------
        ValueError
            If a value is out of range or not finite, or a setting is unknown.

        Examples
        --------
        >>> round(Probe.from_optics(convergence_mrad=25, energy_kev=200).fwhm_nm, 4)
        0.0516
        """
        given = _Optics(
            convergence_mrad=convergence_mrad,
            energy_kev=energy_kev,
            defocus_nm=defocus_nm,
            source_fwhm_nm=source_fwhm_nm,
        )
        for name in ("fwhm_nm", "focus_nm"):
            if name in others:
                raise ValueError(f"Probe.from_optics works {name} out, leave it away")
        angle = given.convergence_mrad * 1e-3
        diffraction = _AIRY_FWHM * units.wavelength_nm(given.energy_kev) / angle
        blur = units.fwhm_from_sigma(0.5 * angle * abs(given.defocus_nm))
        if depth_of_focus:
            blur = 0.0
            others = {**others, "depth_of_focus": True, "focus_nm": given.defocus_nm}
        return cls(fwhm_nm=math.hypot(diffraction, blur, given.source_fwhm_nm), **others)

    @property
    def sigma_nm(self) -> float:
        """Standard deviation of the Gaussian [nm]."""
        return units.sigma_from_fwhm(self.fwhm_nm)

    def fwhm_at_nm(self, z_nm: float, convergence_mrad: float) -> float:
        """Full width at half maximum of the Gaussian at a depth [nm].

        Parameters
        ----------
        z_nm : float
            Depth, counted down the beam from the specimen's origin [nm].
        convergence_mrad : float
            Half angle of the beam's cone [mrad]; without a depth of focus it does not matter.

        Examples
        --------
        >>> probe = Probe(fwhm_nm=0.1, depth_of_focus=True)
        >>> round(probe.fwhm_at_nm(50, convergence_mrad=20), 3)
        1.182
        """
        angle = convergence_mrad * 1e-3 if self.depth_of_focus else 0.0
        blur = units.fwhm_from_sigma(0.5 * angle * abs(z_nm - self.focus_nm))
        return math.hypot(self.fwhm_nm, blur)

    @property
    def tail_gamma_nm(self) -> float:
        """Half width γ of the tail seen along a line [nm]."""
        return self.tail_fwhm_nm / (2.0 * math.sqrt(2.0 ** (2.0 / 3.0) - 1.0))


class _Optics(Settings):
    convergence_mrad: Angle
    energy_kev: Positive
    defocus_nm: Finite
    source_fwhm_nm: NotNegative
