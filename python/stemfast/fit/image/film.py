"""The film under a particle as the observer knows it: a mean, and waves of unknown amplitude.

A rough film is a Gaussian random field of known spectral density S(q). On a rectangle it
is described by products of cosines φ = cos(πix/a) cos(πjy/b), each scaled to a mean square of 1.
The amplitude of one is normal, with the variance ∫ S(q) |φ(q)|² d²q/(2π)², φ(q) the mean of
φ exp(iq·r) over the rectangle; that those of different waves hardly depend on one another is used.
The few waves that the image could tell are fitted along with the particle, with that as their
prior; the rest, each far below the counting noise, is added to the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.microscope import Film

__all__ = ["FilmWaves", "film_waves", "mean_film"]

Float: TypeAlias = NDArray[np.float64]

#: Uncertainty of the mean thickness, as a share of it.
MEAN_SHARE = 0.1
_HIGHEST = 16
_MOST = 40


@dataclass(frozen=True, eq=False)
class FilmWaves:
    """Waves of the film's thickness on a rectangle of pixels.

    Attributes
    ----------
    maps : (rows, columns, n) float64
        Each of mean square 1.
    variance : (n,) float64
        Prior variance of their amplitudes [nm^2].
    rest : float
        Variance of the thickness that is left out [nm^2].
    """

    maps: Float
    variance: Float
    rest: float


def mean_film(film: Film, x_nm: Float, y_nm: Float) -> Float:
    """The film without its roughness at points (x, y) [nm].

    Raises
    ------
    ValueError
        If it has a hole, whose edge is not known from the settings alone.

    Examples
    --------
    >>> film = Film(thickness_nm=5, wedge_nm_per_um=100)
    >>> mean_film(film, np.array([0.0, 10.0]), np.zeros(2)).tolist()
    [5.0, 6.0]
    """
    if film.hole_distance_nm is not None:
        raise ValueError("a film with a hole cannot be fitted, expected hole_distance_nm=None")
    uphill = math.radians(film.wedge_direction_deg)
    slope = film.wedge_nm_per_um * 1e-3
    return np.asarray(
        film.thickness_nm + slope * (math.cos(uphill) * x_nm + math.sin(uphill) * y_nm)
    )


def film_waves(film: Film, shape: tuple[int, int], pixel_nm: float, least_nm: float) -> FilmWaves:
    """Waves of a film on a rectangle of pixels.

    Parameters
    ----------
    film : Film
    shape : (int, int)
        Rows and columns.
    pixel_nm : float
        Pixel size [nm].
    least_nm : float
        Waves weaker than this, and all beyond the strongest forty, go into the rest [nm].

    Examples
    --------
    >>> waves = film_waves(Film(thickness_nm=10, roughness_nm=1), (64, 48), 0.3, 0.05)
    >>> waves.maps.shape[2] == len(waves.variance)
    True
    >>> round(float(waves.variance.sum() + waves.rest), 6)  # with 1 nm² for the mean
    2.0
    """
    rows, columns = shape
    if film.thickness_nm == 0:
        return FilmWaves(np.zeros((rows, columns, 0)), np.zeros(0), 0.0)
    n_y, n_x = min(rows, _HIGHEST), min(columns, _HIGHEST)
    cos_y, cos_x = _cosines(rows, n_y), _cosines(columns, n_x)
    q_y, share_y = _spectra(cos_y, pixel_nm, film.correlation_nm)
    q_x, share_x = _spectra(cos_x, pixel_nm, film.correlation_nm)
    q2 = (q_y[:, None] ** 2 + q_x[None, :] ** 2) * film.correlation_nm**2
    density = 4 * np.pi * film.hurst * (film.correlation_nm * film.roughness_nm) ** 2
    variance = share_y @ (density * (1 + q2) ** (-1 - film.hurst)) @ share_x.T
    rest = max(film.roughness_nm**2 - float(variance.sum()), 0.0)
    variance[0, 0] += (MEAN_SHARE * film.thickness_nm) ** 2
    ranked = np.argsort(-variance, axis=None)[:_MOST]
    keep = [k for k in ranked.tolist() if k == 0 or variance.flat[k] > least_nm**2]
    rest += float(variance.sum() - variance.flat[keep].sum())
    i, j = np.divmod(np.array(keep), n_x)
    maps = cos_y[:, None, i] * cos_x[None, :, j]
    return FilmWaves(maps, variance.flat[keep], rest)


def _cosines(n: int, waves: int) -> Float:
    """(n, waves) of mean square 1."""
    phase = np.pi * (np.arange(n)[:, None] + 0.5) * np.arange(waves)[None, :] / n
    values = math.sqrt(2.0) * np.cos(phase)
    values[:, 0] = 1.0
    return np.asarray(values)


def _spectra(waves: Float, pixel_nm: float, correlation_nm: float) -> tuple[Float, Float]:
    """Frequencies q > 0 [rad/nm], and |φ(q)|² dq/π of each wave there, (waves, frequencies)."""
    n, count = waves.shape
    length = n * pixel_nm
    step = 0.5 * min(np.pi / length, 1.0 / correlation_nm)
    q = (np.arange(math.ceil((count + 8) * np.pi / length / step)) + 0.5) * step
    place = (np.arange(n) - (n - 1) / 2) * pixel_nm
    turned = np.outer(q, place)
    power = (np.cos(turned) @ waves) ** 2 + (np.sin(turned) @ waves) ** 2
    return q, np.asarray(power.T / n**2 * step / np.pi)
