"""Likelihood of an image given a particle: counted electrons and a detector's noise.

A pixel value is read as a charge of q electrons (`stemfast.fit.image.charge`). Where a mean of μ
comes, its mean is μ, but for few electrons; its variance is F²μ + s², with s² from the read
noise, the rounding and what of the film's roughness is not fitted. So y = (q + s²/F²)/F² has both
mean and variance equal to (μ + s²/F²)/F², and is taken for a Poisson number of that mean: exact
for an ideal detector, and as good as a normal approximation where the detector adds noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast import _core
from stemfast.fit.cuboid.shape import CutCuboid, rotation_matrix
from stemfast.fit.cuboid.spinning import spinning_thickness, spinning_thickness_and_jacobian
from stemfast.fit.cuboid.steep import soft_thickness, soft_thickness_and_jacobian
from stemfast.fit.cuboid.thickness import thickness, thickness_and_jacobian
from stemfast.fit.image.blur import bands, blur_matrix
from stemfast.fit.image.charge import MeanReading, counts_whole, electrons_of
from stemfast.fit.image.film import FilmWaves, film_waves, mean_film
from stemfast.materials import Material
from stemfast.microscope import Microscope
from stemfast.reference import pixel_centres
from stemfast.scattering import ScatteringCurve

__all__ = ["Expected", "Observation", "check_optics", "curve_of", "observe"]

Float: TypeAlias = NDArray[np.float64]

_MARGIN_NM = 1.5
_LEAST_MEAN = 1e-6  # electrons: where no electron can come, none is expected
_TELLING = 0.3  # a wave whose signal is this share of its own error bar is fitted


@dataclass(frozen=True, eq=False)
class Expected:
    """Expected electrons of the pixels fitted.

    Attributes
    ----------
    electrons : (rows, columns) float64
    by_depth : (rows, columns) float64
        Their derivative before the probe's blur, by the depth in mean free paths.
    slopes : (rows, columns, parameters) float64 or None
        Derivatives of the thickness by every parameter of the shape, if asked.
    """

    electrons: Float
    by_depth: Float
    slopes: Float | None


@dataclass(frozen=True, eq=False)
class Observation:
    """The part of an image around a particle, ready to be compared with models of it.

    Attributes
    ----------
    counts : (rows, columns) float64
        y of the formula above.
    weight : (rows, columns) float64
        1, or 0 for a saturated pixel, of which only a limit is known; between them where a pixel
        says less than its counts, see `stemfast.fit.image.rims`.
    x_nm, y_nm : (rows, columns) float64
        Where the beam stood [nm].
    blur_rows, blur_columns : (rows, rows), (columns, columns) float64
        The probe along y and along x.
    dose, path_nm, film_path_nm : float
        Electrons per pixel, and the mean free paths of particle and film [nm].
    curve : ScatteringCurve
        From depths in mean free paths to the scattered fraction.
    excess, noise : float
        F² and s² [e^2].
    reading : MeanReading
        What pixels read on average where some electrons are expected.
    film_nm : (rows, columns) float64
        The film's mean [nm].
    waves : FilmWaves
        Of its roughness.
    turned : (rows, 3, 3) float64 or None
        How the particle is turned in each row from its pose in the middle of the frame, if it
        spins during the scan.
    rim_nm : float
        Least width of the rim of a face along the beam [nm]; 0 for as sharp as it is.
    """

    counts: Float
    weight: Float
    x_nm: Float
    y_nm: Float
    blur_rows: Float
    blur_columns: Float
    dose: float
    path_nm: float
    film_path_nm: float
    curve: ScatteringCurve
    excess: float
    noise: float
    reading: MeanReading
    film_nm: Float
    waves: FilmWaves
    turned: Float | None = None
    rim_nm: float = 0.0

    @cached_property
    def _constant(self) -> float:
        """Sum of ln y! of all pixels, so that likelihoods of different crops can be compared."""
        from scipy.special import gammaln

        return float((self.weight * gammaln(self.counts + 1.0)).sum())

    def expected(
        self,
        shape: CutCuboid,
        waves_nm: Float,
        log_scale: float = 0.0,
        *,
        derivatives: bool,
        known: Expected | None = None,
    ) -> Expected:
        """Expected electrons, by the parameters of the shape, the film's waves and the log scale.

        Parameters
        ----------
        shape : CutCuboid
        waves_nm : (n,) float64
            How high each wave of the film is [nm].
        log_scale : float
            Logarithm of the dose over the given one.
        derivatives : bool
            Whether to add the derivatives, by the parameters of the shape.
        known : Expected, optional
            The same without derivatives, so that it is not worked out again.
        """
        x, y = self.x_nm, self.y_nm
        t: Float
        slopes: Float | None = None
        if self.rim_nm > 0:
            if derivatives:
                t, slopes = soft_thickness_and_jacobian(shape, x, y, self.rim_nm)
            else:
                t = soft_thickness(shape, x, y, self.rim_nm)
        elif self.turned is None:
            if derivatives:
                t, slopes = thickness_and_jacobian(shape, x, y)
            else:
                t = thickness(shape, x, y)
        elif derivatives:
            t, slopes = spinning_thickness_and_jacobian(shape, self.turned, x, y)
        else:
            t = spinning_thickness(shape, self.turned, x, y)
        return self.through_optics(t, slopes, waves_nm, log_scale, known=known)

    def through_optics(
        self,
        t: Float,
        slopes: Float | None,
        waves_nm: Float,
        log_scale: float = 0.0,
        *,
        known: Expected | None = None,
    ) -> Expected:
        """The same of a thickness, whatever it is of.

        Parameters
        ----------
        t : (rows, columns) float64
            [nm]
        slopes : (rows, columns, parameters) float64 or None
            Its derivatives.
        waves_nm, log_scale, known
            As for `expected`.
        """
        if known is not None:
            return replace(known, slopes=slopes)
        electrons, by_depth = _core.expected_electrons(
            t,
            waves_nm,
            self.dose * math.exp(log_scale),
            film=self.film_nm,
            curve=self.curve.numbers,
            **self._optics,
        )
        return Expected(electrons, by_depth, slopes)

    @cached_property
    def _optics(self) -> Any:
        """Film and probe as the core takes them."""
        return {
            "waves": self.waves.maps,
            "path": self.path_nm,
            "film_path": self.film_path_nm,
            "rows": bands(self.blur_rows),
            "columns": bands(self.blur_columns),
        }

    @cached_property
    def _counted(self) -> Any:
        """The image as the core takes it."""
        return {
            "counts": self.counts,
            "weight": self.weight,
            "came": self.reading.came,
            "off": self.reading.off,
            "excess": self.excess,
            "noise": self.noise,
            "least": _LEAST_MEAN,
        }

    def log_likelihood(self, electrons: Float) -> float:
        """Logarithm of P(image | expected electrons)."""
        return _core.log_likelihood(electrons, **self._counted) - self._constant

    def log_likelihood_of(self, shape: CutCuboid) -> float:
        """The same of a shape on a smooth film."""
        calm = np.zeros(len(self.waves.variance))
        return self.log_likelihood(self.expected(shape, calm, derivatives=False).electrons)

    def gradient(self, expected: Expected) -> Float:
        """Derivative of the log-likelihood by every parameter."""
        residual, jacobian = self._weighted(expected)
        return np.asarray(residual @ jacobian)

    def gradient_and_information(self, expected: Expected) -> tuple[Float, Float]:
        """Derivative of the log-likelihood by every parameter, and their Fisher information.

        Parameters are those of the shape, the film's waves and the logarithm of the dose.
        """
        residual, jacobian = self._weighted(expected)
        return residual @ jacobian, jacobian.T @ jacobian

    def _weighted(self, expected: Expected) -> tuple[Float, Float]:
        """Residuals (pixels,) and jacobian (pixels, parameters) over the pixels' error bars."""
        assert expected.slopes is not None
        residual, weight = _core.error_bars(expected.electrons, **self._counted)
        # The waves are far longer than the probe is wide, so that they pass it unchanged.
        jacobian = _core.weighted_jacobian(
            expected.slopes, expected.by_depth, expected.electrons, weight, **self._optics
        )
        return residual, jacobian

    def deviance(self, electrons: Float) -> tuple[float, int]:
        """Twice the log-likelihood lost against a perfect fit, and the number of pixels."""
        mean = self.means(electrons)
        y = np.maximum(self.counts, 0.0)
        logs = np.where(y > 0, y * np.log(np.maximum(y, 1e-300) / mean), 0.0)
        return float(2.0 * (self.weight * (logs - y + mean)).sum()), int(self.weight.sum())

    @property
    def film_electrons(self) -> Float:
        """Expected electrons of the pixels, had they nothing but the film's mean."""
        return self.dose * self.curve.fraction(self.film_nm / self.film_path_nm)

    def means(self, electrons: Float) -> Float:
        """Mean of `counts` where so many electrons are expected."""
        mean = (self.reading.mean(electrons) + self.noise / self.excess) / self.excess
        return np.asarray(np.maximum(mean, _LEAST_MEAN))


def observe(
    image: ArrayLike,
    microscope: Microscope,
    around: CutCuboid,
    *,
    beam_nm: ArrayLike | None = None,
    turned: ArrayLike | None = None,
) -> Observation:
    """Cut out what matters of an image, and bring it into the form that fits need.

    Parameters
    ----------
    image : (rows, columns) array_like
        Pixel values, as the microscope's detector gives them.
    microscope : Microscope
        What took it.
    around : CutCuboid
        A first idea of the particle: its place, size and material.
    beam_nm : (rows, columns, 2) array_like, optional
        Where the beam stood [nm]; without it, on its grid.
    turned : (rows, 3, 3) array_like, optional
        How the particle is turned in each row of the image, from `row_turns`, if it spins during
        the scan. Its pose is that in the middle of the frame.

    Raises
    ------
    ValueError
        If the image does not fit the scan, is not finite, or the microscope has what fits do not
        model: a probe's tail or depth of focus, an afterglow, a hole in the film.

    Examples
    --------
    >>> import stemfast as sf
    >>> from scipy.spatial.transform import Rotation
    >>> cube, pose = sf.Cuboid(edges=(10, 10, 10)), Rotation.identity()
    >>> image = sf.simulate(cube, pose, seed=1)
    >>> observe(image, sf.Microscope(), CutCuboid.of(cube, pose)).counts.shape
    (44, 44)
    """
    pixels = np.asarray(image)
    _check(pixels, microscope)
    scan, detector = microscope.scan, microscope.detector
    if beam_nm is None:
        x, y = np.meshgrid(*pixel_centres(scan))
    else:
        x, y = np.moveaxis(np.asarray(beam_nm, np.float64), -1, 0)
        if x.shape != scan.shape:
            raise ValueError(f"beam_nm is for {x.shape} pixels, expected {scan.shape}")
    rows = None if turned is None else np.asarray(turned, np.float64)
    if rows is not None and rows.shape != (scan.shape[0], 3, 3):
        raise ValueError(f"turned has shape {rows.shape}, expected {(scan.shape[0], 3, 3)}")
    sigma = microscope.probe.sigma_nm / scan.pixel_size_nm
    window = _window(around, microscope)
    part = pixels[window].astype(np.float64)
    film_path = microscope.mean_free_path_nm(microscope.film.material)
    dose = microscope.electrons_per_pixel
    electrons, read_out, reading = electrons_of(part, detector)
    # The error of a wave's amplitude, were it alone: √(variance of all pixels)/(slope · √pixels).
    brightness = max(float(electrons.mean()), 0.1)
    error = math.sqrt(detector.excess_noise_factor * brightness / part.size) * film_path / dose
    waves = film_waves(microscope.film, part.shape, scan.pixel_size_nm, _TELLING * error)
    noise = read_out + waves.rest * (dose / film_path) ** 2
    excess = detector.excess_noise_factor
    highest = np.inf if detector.bits is None else 2**detector.bits - 1
    lowest = 0 if counts_whole(detector) or detector.bits is None else 1
    inside = (part < highest) & (part >= (lowest if detector.bits else -np.inf))
    return Observation(
        counts=(electrons + noise / excess) / excess,
        weight=inside.astype(np.float64),
        x_nm=np.ascontiguousarray(x[window]),
        y_nm=np.ascontiguousarray(y[window]),
        blur_rows=blur_matrix(part.shape[0], sigma),
        blur_columns=blur_matrix(part.shape[1], sigma),
        dose=dose,
        path_nm=microscope.mean_free_path_nm(around.material),
        film_path_nm=film_path,
        curve=curve_of(microscope, around.material),
        excess=excess,
        noise=noise,
        reading=reading,
        film_nm=mean_film(microscope.film, x[window], y[window]),
        waves=waves,
        turned=None if rows is None else rows[window[0]],
    )


def _check(pixels: NDArray[np.generic], microscope: Microscope) -> None:
    if pixels.shape != microscope.scan.shape:
        raise ValueError(f"image has shape {pixels.shape}, expected {microscope.scan.shape}")
    if pixels.dtype.kind not in "uif":
        raise ValueError(f"image has type {pixels.dtype}, expected numbers")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ValueError("image must be finite")
    check_optics(microscope)
    if microscope.detector.decay_us > 0:
        raise ValueError("fits do not model an afterglow, expected detector.decay_us=0")


def curve_of(microscope: Microscope, material: str | Material) -> ScatteringCurve:
    """Curve of an image of particles of a material, with the microscope's film if it has one."""
    film = microscope.film
    return microscope.scattering_curve(material, *[film.material] * (film.thickness_nm > 0))


def check_optics(microscope: Microscope) -> None:
    """Refuse a probe that is not a plain Gaussian, and bright-field images.

    Raises
    ------
    ValueError
        If it has a tail or a depth of focus, or the microscope a bright-field detector.
    """
    if microscope.bright_field is not None:
        raise ValueError("fits model dark-field images, expected microscope.bright_field=None")
    if microscope.probe.tail_fraction > 0 or microscope.probe.depth_of_focus:
        raise ValueError("fits model a Gaussian probe, expected no tail and no depth of focus")


def _window(around: CutCuboid, microscope: Microscope) -> tuple[slice, slice]:
    """Rows and columns within reach of the particle, its probe and a margin."""
    scan = microscope.scan
    half = np.abs(rotation_matrix(around.quaternion)) @ (0.5 * around.edges_nm)
    reach = half[:2] + _MARGIN_NM + 4.0 * microscope.probe.sigma_nm
    slices = []
    for n, centre, far in zip(
        scan.shape, around.position_nm[::-1].tolist(), reach[::-1].tolist(), strict=True
    ):
        middle, pixels = centre / scan.pixel_size_nm + (n - 1) / 2, far / scan.pixel_size_nm
        first, last = math.floor(middle - pixels), math.ceil(middle + pixels)
        slices.append(slice(max(first, 0), min(last + 1, n)))
        if slices[-1].stop - slices[-1].start < 4:
            raise ValueError(f"the particle at {around.position_nm.tolist()} nm is outside")
    return slices[0], slices[1]
