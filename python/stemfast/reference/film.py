"""The film, at each pixel where the beam stands.

The rough surface is summed octave by octave, each interpolated by
itself at every place, where the core refines one octave's spline into the next and takes whole
rows where the beam keeps to its grid.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.microscope import Film, Scan
from stemfast.reference.clock import beam_shift, pixel_centres
from stemfast.reference.random import philox

Float = NDArray[np.float64]

_STAGE = 5  # Stage::film of rng.hpp
_ORIGIN_RANGE_NM = 256.0
_WIDTH_SQUARED, _REMAINDER_SHARE, _LARGEST_S = 0.725, 0.94, 12.0
_SMOOTHING, _SHARPENING = (0.19, 0.62), (-0.125, 1.25)


def roughness_density(
    q: ArrayLike, roughness_nm: float, correlation_nm: float, hurst: float
) -> Float:
    """Return the spectral density that a rough film is meant to have [nm^4].

    Parameters
    ----------
    q : array_like
        Spatial frequency [rad/nm].
    roughness_nm, correlation_nm, hurst : float
        As in `stemfast.Film`.

    Notes
    -----
    G. Palasantzas, Phys. Rev. B 48 (1993) 14472.

    Examples
    --------
    >>> float(roughness_density(0.0, 1.0, 2.0, 0.5).round(3))
    25.133
    """
    x2 = (np.asarray(q, np.float64) * correlation_nm) ** 2
    scale = 4 * math.pi * hurst * (correlation_nm * roughness_nm) ** 2
    return np.asarray(scale * (1 + x2) ** (-1 - hurst))


def octaves(
    roughness_nm: float, correlation_nm: float, hurst: float, pixel_size_nm: float
) -> tuple[list[tuple[int, float]], float]:
    """Return (exponent, amplitude) of each octave's lattice, 2^exponent nm wide, and the remainder.

    Examples
    --------
    >>> lattices, remainder = octaves(1.0, 8.0, 0.7, 0.35)
    >>> [exponent for exponent, _ in lattices]
    [-1, 0, 1, 2, 3, 4, 5]
    """
    finest = math.floor(math.log2(0.75 * pixel_size_nm)) + 1
    exponents = np.arange(finest - 60, finest + 60)
    s = _WIDTH_SQUARED * (2.0**exponents / correlation_nm) ** 2
    share = np.where(s > _LARGEST_S, 0.0, s**hurst * np.exp(-np.minimum(s, 700.0)))
    # Below the sixty octaves that are summed, what is left is a geometric series.
    share /= share.sum() + share[0] / (4.0**hurst - 1)
    variance = 4 * math.pi * _WIDTH_SQUARED * roughness_nm**2 * share
    kept = [
        (int(k), math.sqrt(v))
        for k, v, at in zip(exponents, variance, s, strict=True)
        if k == finest or (k > finest and at <= _LARGEST_S)
    ]
    finer = exponents < finest
    density = (variance[finer] * 4.0 ** (exponents[finer] - finest)).sum()
    return kept, math.sqrt(_REMAINDER_SHARE * density)


def beam_positions(
    scan: Scan, jitter_nm: Float | None = None, frame: int = 0
) -> tuple[Float, Float]:
    """Return where the beam stands, x and y of every pixel, (rows, columns) [nm].

    Parameters
    ----------
    scan, jitter_nm, frame
        As in `stemfast.reference.beam_shift`.

    Examples
    --------
    >>> x, y = beam_positions(Scan(shape=(1, 3), pixel_size_nm=0.5))
    >>> x.tolist(), y.tolist()
    ([[-0.5, 0.0, 0.5]], [[0.0, 0.0, 0.0]])
    """
    x, y = np.meshgrid(*pixel_centres(scan))
    shift_x, shift_y = beam_shift(scan, jitter_nm, frame)
    return np.asarray(x + shift_x), np.asarray(y + shift_y)


def rough_surface(
    film: Film, pixel_size_nm: float, x: Float, y: Float, *, seed: int, index: int
) -> Float:
    """Return the roughness alone where the beam stands, mean 0 [nm].

    Parameters
    ----------
    film : Film
    pixel_size_nm : float
        What sets the finest detail.
    x, y : (...) float64
        Where to look [nm].
    seed, index : int
        Whose random numbers.

    Examples
    --------
    >>> x, y = beam_positions(Scan(shape=(3, 4)))
    >>> rough_surface(Film(roughness_nm=0.5), 0.35, x, y, seed=1, index=2).shape
    (3, 4)
    """
    mask = 2**32 - 1
    key, where = [seed & mask, seed >> 32], [index & mask, index >> 32]
    words = philox([0, _STAGE << 16 | 63 << 10, *where], key)
    origin = [((h << 32 | low) >> 11) * 2.0**-53 for h, low in (words[:2], words[2:])]
    places = [a + _ORIGIN_RANGE_NM * shift for a, shift in zip((x, y), origin, strict=True)]
    lattices, remainder = octaves(film.roughness_nm, film.correlation_nm, film.hurst, pixel_size_nm)
    surface = np.zeros(np.shape(x))
    for exponent, amplitude in lattices:
        at_x, at_y = (place / 2.0**exponent for place in places)
        # The nodes that are needed, and one more on each side for the filter.
        i, j = (
            np.arange(np.floor(a.min()) - 2, np.floor(a.max()) + 4, dtype=int) for a in (at_x, at_y)
        )
        smooth, sharp = _noise(exponent, i, j, key, where)
        coefficients = amplitude * _filter(smooth, *_SMOOTHING)
        if exponent == lattices[0][0]:
            coefficients += remainder * _filter(sharp, *_SHARPENING)
        surface += _spline_surface(coefficients, at_x - i[1], at_y - j[1])
    return surface


def _spline_surface(coefficients: Float, x: Float, y: Float) -> Float:
    """Return the sum of the cubic B-splines around each place (x, y), in nodes."""
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    total = np.zeros(x.shape)
    for down in range(-1, 3):
        for across in range(-1, 3):
            weight = _spline(x - column - across) * _spline(y - row - down)
            total += weight * coefficients[row + down, column + across]
    return total


def _spline(distance: Float) -> Float:
    r = np.abs(distance)
    return np.asarray(np.where(r < 1, (4 - 6 * r**2 + 3 * r**3) / 6, np.maximum(2 - r, 0) ** 3 / 6))


def _noise(
    exponent: int,
    i: NDArray[np.int64],
    j: NDArray[np.int64],
    key: list[int],
    where: list[int],
) -> tuple[Float, Float]:
    """Return both noises of the nodes (j, i): of variance 1, the first of kurtosis 3."""
    y, x = np.meshgrid(j + 2**20, (i >> 2) + 2**20, indexing="ij")
    item = (y | (x & 0x7FF) << 21).astype(np.uint64)
    attempt = (exponent + 32 << 10 | x >> 11).astype(np.uint64)
    counter = [item, np.uint64(_STAGE << 16) | attempt, *(np.full_like(item, w) for w in where)]
    word = np.choose(i & 3, philox(counter, key))
    bytes_ = [(word >> np.uint64(8 * k) & np.uint64(255)).astype(np.float64) for k in range(4)]
    total = bytes_[0] + bytes_[1] + bytes_[2] - 382.5
    return (
        7.20742234e-3 * total + 1.39695180e-8 * total**3,
        1.35317502e-2 * (bytes_[3] - 127.5),
    )


def _filter(noise: Float, side: float, middle: float) -> Float:
    for _ in range(2):
        noise = (side * (noise[:-2] + noise[2:]) + middle * noise[1:-1]).T
    return noise


def film_thickness(
    film: Film,
    scan: Scan,
    *,
    seed: int = 0,
    index: int = 0,
    jitter_nm: Float | None = None,
    frame: int = 0,
) -> Float:
    """Return the thickness of the film where the beam stands, (rows, columns) [nm].

    Parameters
    ----------
    film, scan
    seed, index : int
        Whose random numbers.
    jitter_nm, frame
        As in `stemfast.reference.beam_shift`.

    Examples
    --------
    >>> film = Film(wedge_nm_per_um=100)
    >>> film_thickness(film, Scan(shape=(1, 3), pixel_size_nm=1)).round(12).tolist()
    [[4.9, 5.0, 5.1]]
    """
    x, y = beam_positions(scan, jitter_nm, frame)
    t = np.full(scan.shape, film.thickness_nm)
    if film.roughness_nm > 0:
        t += rough_surface(film, scan.pixel_size_nm, x, y, seed=seed, index=index)
    uphill = math.radians(film.wedge_direction_deg)
    t += film.wedge_nm_per_um / 1000 * (math.cos(uphill) * x + math.sin(uphill) * y)
    if film.hole_distance_nm is not None:
        hole = math.radians(film.hole_direction_deg)
        if film.hole_radius_nm is None:
            distance = film.hole_distance_nm - (math.cos(hole) * x + math.sin(hole) * y)
        else:
            centre = film.hole_distance_nm + film.hole_radius_nm
            distance = np.hypot(x - centre * math.cos(hole), y - centre * math.sin(hole))
            distance -= film.hole_radius_nm
        if film.hole_taper_nm > 0:
            t *= -np.expm1(-np.maximum(distance, 0) / film.hole_taper_nm)
        else:
            t *= distance > 0
    return np.asarray(np.maximum(t, 0))
