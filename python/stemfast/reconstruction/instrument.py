"""Instrument estimated from an image: gain and offset, dose, probe and film.

Counted electrons have a variance that equals their number, so that v = gain·n + offset has the
variance gain·(v − offset): a straight line through the noise at different brightness gives both.
The dose follows from the size of the particle: the mean projected area of a convex solid is a
quarter of its surface (A. L. Cauchy, 1841), which gives a cube of the same mean area, and the dose
is the one for which the image sums up to that cube's volume. Where the particle lies on a support,
what is around it is uneven; that is taken for a film that is as rough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast import units
from stemfast.microscope import Beam, Detector, Film, Haadf, Microscope, Probe, Scan
from stemfast.reconstruction.prepare import View
from stemfast.scattering import ScatteringCurve

__all__ = ["DOSE_SD", "Response", "estimate", "measure_response", "span"]

Float: TypeAlias = NDArray[np.float64]

#: Standard deviation of the logarithm of an estimated dose.
DOSE_SD = 0.3
_LEAST_PIXELS = 40
_PROBE_PX = 1.5
_THICKEST_FILM_NM = 30.0
# Shares of the particle's brightness: from the first on unevenness is a support's, and what is
# beyond the second has other reasons, such as a neighbour.
_LEAST_ROUGH, _MOST_ROUGH = 0.01, 0.1
_APART_PX, _SMOOTHED_PX = 3.0, 2.0
_LEAST_AROUND = 200  # pixels that tell unevenness
_BRIGHTEST = 0.9  # share of what the material scatters at any thickness, at the most
# Counted in a bright pixel: with more, what is not known of the microscope outweighs the noise.
_MOST_ELECTRONS = 1e4


@dataclass(frozen=True)
class Response:
    """Pixel value = gain · electrons + offset.

    Attributes
    ----------
    gain, offset : float
        In the image's units.
    measured : bool
        Whether the noise grows with brightness, so that the gain could be measured.
    """

    gain: float
    offset: float
    measured: bool


def measure_response(view: View) -> Response:
    """Gain and offset of an image from its noise.

    The noise is the response of a mixed second difference, which slow changes of brightness do not
    excite: its mean square on the film and on the particle, without the largest.

    Examples
    --------
    >>> import stemfast as sf
    >>> from stemfast.reconstruction.prepare import prepare
    >>> scope = sf.Microscope(detector=sf.Detector(gain=5, offset=40), scan=sf.Scan(dwell_us=20))
    >>> image = sf.simulate(sf.Cuboid(edges=(24, 22, 20)), microscope=scope, seed=1)
    >>> noise = measure_response(prepare("cuboid", image, 0.35))
    >>> bool(abs(noise.gain / 5 - 1) < 0.1), noise.measured
    (True, True)
    """
    from scipy import ndimage

    image = view.image
    mixed = image[:-2] - 2 * image[1:-1] + image[2:]
    mixed = mixed[:, :-2] - 2 * mixed[:, 1:-1] + mixed[:, 2:]
    smooth = ndimage.gaussian_filter(image, 1.5)
    steep = ndimage.gaussian_gradient_magnitude(image, 1.5)[1:-1, 1:-1]
    level = smooth[1:-1, 1:-1]
    on = view.particle[1:-1, 1:-1]
    contrast = max(float(np.median(level[on]) - np.median(view.film)), 1e-12)
    # Edges excite differences as well: what is steep is left out, as far as anything remains.
    calm = steep <= max(float(np.quantile(steep[on], 0.5)), 0.02 * contrast)
    values, squares = level[calm], mixed[calm] ** 2 / 36.0  # the sum of the squared weights
    film = float(np.median(view.film))
    low, high = values < film + 0.1 * contrast, values > film + 0.5 * contrast
    bright = film + contrast
    if min(int(low.sum()), int(high.sum())) >= _LEAST_PIXELS:
        v0, v1 = _variance(squares[low]), _variance(squares[high])
        m0, m1 = float(values[low].mean()), float(values[high].mean())
        slope = (v1 - v0) / (m1 - m0)
        if slope > 0.1 * v1 / (m1 - m0) and slope > contrast / _MOST_ELECTRONS:
            return Response(slope, min(m0 - v0 / slope, film), measured=True)
        return Response(max(v1, 0.0) / contrast + contrast / _MOST_ELECTRONS, film, measured=False)
    every = _variance(squares) if len(squares) >= _LEAST_PIXELS else view.noise**2
    return Response(every / max(bright - film, 1e-12) + contrast / _MOST_ELECTRONS, film, False)


def _variance(squares: Float) -> float:
    """Mean square of noise among which a few differences are of edges."""
    median = float(np.median(squares)) / 0.4549  # of a χ² of one degree of freedom
    kept = squares[squares <= 9.0 * median] if median > 0 else squares
    return float(kept.mean()) / (0.9707 if median > 0 else 1.0)  # what of a χ² lies below 9


def estimate(
    views: Sequence[View],
    *,
    material: str,
    energy_kev: float | None = None,
    probe_fwhm_nm: float | None = None,
) -> tuple[list[Microscope], list[str]]:
    """A microscope for each view, and what had to be assumed.

    Parameters
    ----------
    views : sequence of View
        All of one particle.
    material : str
        What the particle is made of.
    energy_kev, probe_fwhm_nm : float, optional
        Where known; else 200 keV, and a first guess of 1.5 pixels.

    Returns
    -------
    microscopes : list of Microscope
    assumptions : list of str

    Examples
    --------
    >>> import stemfast as sf
    >>> from stemfast.reconstruction.prepare import prepare
    >>> cube = sf.Cuboid(edges=(20, 20, 20))
    >>> image = sf.simulate(cube, sf.orientation.random(1, seed=2)[0], seed=1)
    >>> (scope,), assumed = estimate([prepare("cube", image, 0.35)], material="Au")
    >>> bool(0.6 < scope.electrons_per_pixel / sf.Microscope().electrons_per_pixel < 1.6)
    True
    """
    beam, haadf = Beam(energy_kev=energy_kev or 200.0), Haadf()
    side = math.sqrt(np.mean([view.area_nm2 for view in views]) / 1.5)
    noises = [measure_response(view) for view in views]
    scopes = []
    for view, noise in zip(views, noises, strict=True):
        bare = Microscope(beam=beam, haadf=haadf)
        curve = bare.scattering_curve(material)
        dose = _dose(view, noise, curve, side**3)
        film, offset = _film(view, noise, dose, bare)
        width = _PROBE_PX * view.pixel_size_nm if probe_fwhm_nm is None else probe_fwhm_nm
        scan = Scan(shape=view.shape, pixel_size_nm=view.pixel_size_nm)
        scopes.append(
            Microscope(
                scan=scan,
                beam=beam.replace(current_pa=units.current_pa(dose, scan.dwell_us)),
                probe=Probe(fwhm_nm=width),
                haadf=haadf,
                film=film,
                detector=Detector(bits=None, gain=noise.gain, offset=offset),
            )
        )
    return scopes, _assumptions(scopes, noises, material, energy_kev)


def _dose(view: View, noise: Response, curve: ScatteringCurve, volume_nm3: float) -> float:
    """Electrons a pixel with which the image sums up to a volume."""
    from scipy import ndimage, optimize

    signal = ndimage.gaussian_filter(view.image - view.film, 1.0) / noise.gain
    signal = np.maximum(signal[view.particle], 0.0)
    area = view.pixel_size_nm**2
    top = float(np.quantile(signal, 0.99))

    def excess(log_dose: float) -> float:
        depth = curve.depth(np.minimum(signal / math.exp(log_dose), 0.999))
        return float(curve.mean_free_path_nm * depth.sum() * area) - volume_nm3

    brightest = _BRIGHTEST * curve.largest_fraction
    least = math.log(max(float(signal.max()) * 1.05, top / brightest, 1e-3))
    most = math.log(max(1e4 * math.exp(least), 1.0))
    if excess(least) <= 0:
        return math.exp(least)
    if excess(most) >= 0:
        return math.exp(most)
    return math.exp(float(optimize.brentq(excess, least, most)))


def _film(view: View, noise: Response, dose: float, scope: Microscope) -> tuple[Film, float]:
    """The film or support around a particle, and the offset that goes with it."""
    curve = scope.scattering_curve("C")
    path, level = curve.mean_free_path_nm, float(np.median(view.film))

    def counted(thick_nm: float) -> float:
        return dose * float(curve.fraction(np.array(thick_nm / path)))

    electrons = max((level - noise.offset) / noise.gain, 0.0)
    if electrons < counted(_THICKEST_FILM_NM):
        thick, offset = path * float(curve.depth(np.array(electrons / dose))), noise.offset
    else:
        # More than a film explains: the rest is light, or electronics, that adds no noise here.
        thick, offset = _THICKEST_FILM_NM, level - noise.gain * counted(_THICKEST_FILM_NM)
    rough = _unevenness(view) / (noise.gain * counted(1.0))
    if not rough:
        return Film(thickness_nm=thick), offset
    thick = max(thick, 3.001 * rough)  # the least that a film so rough can be
    film = Film(
        thickness_nm=thick, roughness_nm=rough, correlation_nm=0.5 * math.sqrt(view.area_nm2)
    )
    return film, level - noise.gain * counted(thick)


def _unevenness(view: View) -> float:
    """Standard deviation of what is around a particle beyond its noise; 0 where it is even."""
    from scipy import ndimage

    apart = ndimage.distance_transform_edt(~view.particle) > _APART_PX
    if not view.whole or np.count_nonzero(apart) < _LEAST_AROUND:
        return 0.0
    off = view.image - view.film
    weight = ndimage.gaussian_filter(apart.astype(np.float64), _SMOOTHED_PX)
    smooth = ndimage.gaussian_filter(np.where(apart, off, 0.0), _SMOOTHED_PX)
    even = np.var(off[apart]) / (4.0 * math.pi * _SMOOTHED_PX**2)  # if it were noise alone
    inner = apart & (weight > 0.5)
    excess = float(np.var(smooth[inner] / weight[inner]) - even) if inner.any() else 0.0
    uneven = math.sqrt(max(excess, 0.0))
    contrast = float(np.median(off[view.particle]))
    return min(uneven, _MOST_ROUGH * contrast) if uneven > _LEAST_ROUGH * contrast else 0.0


def _assumptions(
    scopes: Sequence[Microscope],
    noises: Sequence[Response],
    material: str,
    energy_kev: float | None,
) -> list[str]:
    doses = [scope.electrons_per_pixel for scope in scopes]
    gains = [noise.gain for noise in noises]
    said = [
        f"material {material}, which sets the scale of thickness",
        f"dose {span(doses)} e/px, gain {span(gains)} per electron, estimated from the images",
    ]
    if energy_kev is None:
        said.append("beam of 200 keV, detector from 60 to 200 mrad")
    else:
        said.append(f"detector from 60 to 200 mrad at the file's {energy_kev:g} keV")
    rough = [scope.film.roughness_nm for scope in scopes if scope.film.roughness_nm > 0]
    if rough:
        said.append(
            f"what is around the particle in {len(rough)} of {len(scopes)} images is as uneven as "
            f"carbon of {span(rough)} nm (standard deviation)"
        )
    unmeasured = sum(not noise.measured for noise in noises)
    if unmeasured:
        said.append(
            f"the noise of {unmeasured} of {len(noises)} images does not grow with brightness, as "
            "counted electrons' does: their gain is a guess"
        )
    return said


def span(values: Sequence[float]) -> str:
    """The least and the greatest of some numbers in words.

    Examples
    --------
    >>> span([2.0, 3.0]), span([2.0, 2.01])
    ('2 … 3', '2')
    """
    low, high = min(values), max(values)
    return f"{low:.3g}" if high < 1.02 * low else f"{low:.3g} … {high:.3g}"
