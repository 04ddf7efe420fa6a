"""A whole microscope, put together from its parts."""

from __future__ import annotations

import math
from typing import Self

from pydantic import model_validator

from stemfast import materials, units
from stemfast.materials import Material
from stemfast.microscope.beam import Beam
from stemfast.microscope.bright_field import BrightField
from stemfast.microscope.detector import Detector
from stemfast.microscope.film import Film
from stemfast.microscope.haadf import Haadf
from stemfast.microscope.probe import Probe
from stemfast.microscope.scan import Scan
from stemfast.microscope.settings import Settings
from stemfast.scattering import Collection, ScatteringCurve, strongest


class Microscope(Settings):
    """A whole microscope, ready to take images.

    Parameters
    ----------
    scan : Scan
    beam : Beam
    probe : Probe
    haadf : Haadf
    bright_field : BrightField or None
        Takes bright-field images with this detector in place of dark-field ones with `haadf`.
    film : Film
    detector : Detector

    Raises
    ------
    ValueError
        If a part is not what it should be, a setting is unknown, the probe is wider than the
        scanned field, the film's wedge runs out within it, the cone of illumination reaches the
        annular detector, or it does not pass the bright-field one whole.

    Examples
    --------
    >>> microscope = Microscope(scan=Scan(dwell_us=8), beam=Beam(current_pa=50))
    >>> round(microscope.electrons_per_pixel)
    2497
    >>> round(microscope.mean_free_path_nm("Pd"))
    196
    """

    scan: Scan = Scan()
    beam: Beam = Beam()
    probe: Probe = Probe()
    haadf: Haadf = Haadf()
    bright_field: BrightField | None = None
    film: Film = Film()
    detector: Detector = Detector()

    @model_validator(mode="after")
    def _probe_fits_the_field(self) -> Self:
        height, width = self.scan.field_nm
        widths = {"fwhm_nm": self.probe.fwhm_nm}
        if self.probe.tail_fraction > 0:
            widths["tail_fwhm_nm"] = self.probe.tail_fwhm_nm
        for name, value in widths.items():
            if value > min(height, width):
                raise ValueError(
                    f"expected a probe narrower than the field, got probe.{name}={value:g} and a "
                    f"field of {height:g} x {width:g} nm; enlarge scan.shape or "
                    f"scan.pixel_size_nm, or lower probe.{name}"
                )
        return self

    @model_validator(mode="after")
    def _wedge_does_not_run_out(self) -> Self:
        film, (height, width) = self.film, self.scan.field_nm
        angle = math.radians(film.wedge_direction_deg)
        reach = abs(math.cos(angle)) * width / 2 + abs(math.sin(angle)) * height / 2
        thinnest = film.thickness_nm - abs(film.wedge_nm_per_um) * reach / 1000
        if film.wedge_nm_per_um != 0 and thinnest < 3 * film.roughness_nm:
            raise ValueError(
                "expected the wedge's thin side to be at least 3 film.roughness_nm thick in the "
                f"field, got {thinnest:g} nm with film.thickness_nm={film.thickness_nm:g}, "
                f"film.wedge_nm_per_um={film.wedge_nm_per_um:g}, "
                f"film.roughness_nm={film.roughness_nm:g} and a field of {height:g} x {width:g} nm"
            )
        return self

    @model_validator(mode="after")
    def _cone_misses_the_detector(self) -> Self:
        inner, cone = self.haadf.inner_mrad, self.beam.convergence_mrad
        if self.bright_field is not None:
            if cone > self.bright_field.outer_mrad:
                raise ValueError(
                    "expected bright_field.outer_mrad to be at least beam.convergence_mrad, got "
                    f"bright_field.outer_mrad={self.bright_field.outer_mrad:g} and "
                    f"beam.convergence_mrad={cone:g}: a part of the undeflected beam would be lost"
                )
        elif cone > inner:
            raise ValueError(
                "expected haadf.inner_mrad to be at least beam.convergence_mrad, got "
                f"haadf.inner_mrad={inner:g} and beam.convergence_mrad={cone:g}: the undeflected "
                "beam would fall onto the detector"
            )
        return self

    @property
    def collection(self) -> Collection:
        """Energy, illumination and angles of the scattering that the detector tells.

        The annulus of the dark field, or all that passes the bright-field detector by.
        """
        inner, outer = self.haadf.inner_mrad, self.haadf.outer_mrad
        if self.bright_field is not None:
            inner, outer = self.bright_field.outer_mrad, math.inf
        return Collection(self.beam.energy_kev, inner, outer, self.beam.convergence_mrad)

    @property
    def electrons_per_pixel(self) -> float:
        """Mean number of electrons that arrive in each pixel's dwell time [e/px]."""
        return units.electrons(self.beam.current_pa, self.scan.dwell_us)

    def mean_free_path_nm(self, material: str | Material) -> float:
        """Mean free path of a thin layer for scattering onto this detector at this energy.

        With a bright-field detector it is that for scattering past it.

        Parameters
        ----------
        material : str or Material
            A name from `stemfast.materials.names`, or a material of your own.

        Returns
        -------
        float
            Mean free path Λ [nm].

        Raises
        ------
        ValueError
            If the material is unknown.

        Examples
        --------
        >>> round(Microscope().mean_free_path_nm("Au"), 1)
        103.1
        """
        return self.scattering_curve(material).mean_free_path_nm

    def scattering_curve(self, *in_view: str | Material) -> ScatteringCurve:
        """Curve by which depths Σ t/Λ become scattered fractions in an image.

        An image has one: that of the strongest scatterer in it, of the smallest Λ. A test shows
        how far that is from the integral over several materials.

        Parameters
        ----------
        *in_view : str or Material
            What the image shows, at least one material; its film counts if it has one.

        Raises
        ------
        ValueError
            If a material is unknown.

        Examples
        --------
        >>> Microscope().scattering_curve("C", "Au").mean_free_path_nm
        103.0652
        """
        return strongest([materials.get(m).scattering_curve(self.collection) for m in in_view])
