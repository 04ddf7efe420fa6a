"""The electrons that a pixel value stands for, and how well it tells them.

A detector that counts electrons one by one, with little read noise, puts out gain·N + offset for
whole N alone, and rounds that. Two things follow. Which N share a value goes in a slow beat between
the gain and whole numbers: near a gain of one half, the straight line reads a quarter of an
electron wrong, in a hundred successive values and in every image of a session alike. So a value is
read as the mean of all whole numbers of electrons that would give it, each weighed by its chance
to. And where few electrons come, not all of those that share a value are as likely, some being
fewer than none: how far the mean reading is off is reckoned from the mean number that comes, and
the model is asked for that reading. Both are small, and each was several error bars of a volume.

Where pulses differ in height charges are not whole: values are then read along the straight line,
and what rounding does to a few electrons is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.microscope import Detector

__all__ = ["RIGHT", "MeanReading", "counts_whole", "electrons_of"]

Float: TypeAlias = NDArray[np.float64]

_FAR = 6.0  # standard deviations of read noise that are looked at
_SMOOTH = 0.7  # read noise that leaves exp(−2π²·0.7²), 6e-5, of what rounding does [pixel value]
_MANY = 300.0  # electrons: beyond, readings are right on average to a few hundredths
_POINTS = 300


@dataclass(frozen=True, eq=False)
class MeanReading:
    """Mean reading against the mean number of electrons.

    Attributes
    ----------
    came : (n,) float64
        Mean numbers of electrons, from 0 on; none where readings are right on average.
    off : (n,) float64
        How far the mean of the readings is off there, 0 at the last [e].
    """

    came: Float
    off: Float

    def mean(self, electrons: Float) -> Float:
        """Mean of the readings where so many electrons are expected."""
        if not len(self.came):
            return electrons
        return electrons + np.interp(electrons, self.came, self.off)

    def slope(self, electrons: Float) -> Float | float:
        """Derivative of `mean`."""
        if not len(self.came):
            return 1.0
        slopes = np.append(np.diff(self.off) / np.diff(self.came), 0.0)
        before = np.searchsorted(self.came, electrons, side="right") - 1
        return np.asarray(1.0 + slopes[np.maximum(before, 0)])


#: Where readings are right on average.
RIGHT = MeanReading(np.zeros(0), np.zeros(0))


def counts_whole(detector: Detector) -> bool:
    """True where pixel values are the counted electrons themselves, but for an offset.

    Examples
    --------
    >>> counts_whole(Detector()), counts_whole(Detector(gain=0.5))
    (True, False)
    """
    exact = detector.read_noise == 0 and detector.excess_noise_factor == 1
    return exact and detector.gain == 1 and float(detector.offset).is_integer()


def electrons_of(pixels: Float, detector: Detector) -> tuple[Float, float, MeanReading]:
    """Read pixel values.

    Parameters
    ----------
    pixels : (rows, columns) float64
        Pixel values.
    detector : Detector

    Returns
    -------
    electrons : (rows, columns) float64
        What each pixel value is read as.
    variance : float
        That reading out adds: of the read noise and the rounding, mean over the pixels [e^2].
    reading : MeanReading
        Of electrons that are expected.

    Notes
    -----
    Where h whole numbers share a value, it adds the variance (h² − 1)/12: Sheppard's correction,
    for a lattice.

    Examples
    --------
    At a gain of one half and an offset of 10.25, 13 and 14 electrons both give 17, and none gives
    the 10 that -1 would. So empty pixels are read half an electron low, and brighter ones rightly:

    >>> detector = Detector(bits=8, gain=0.5, offset=10.25)
    >>> electrons, variance, reading = electrons_of(np.array([[17.0, 18.0]]), detector)
    >>> electrons.round(6).tolist(), round(variance, 6)
    ([[13.5, 15.5]], 0.25)
    >>> reading.mean(np.array([0.0, 0.5, 50.0])).round(2).tolist()
    [-0.5, 0.32, 50.0]
    """
    line = (pixels - detector.offset) / detector.gain
    read = (detector.read_noise / detector.gain) ** 2
    if detector.bits is None or counts_whole(detector):
        return line, read, RIGHT
    rounded = 1.0 / 12.0 / detector.gain**2
    if detector.excess_noise_factor != 1 or detector.read_noise > _SMOOTH:
        return line, read + rounded, RIGHT
    values, which, times = np.unique(pixels, return_inverse=True, return_counts=True)
    mean, variance = _read(values, detector)
    reached = np.isfinite(mean)  # values between those that electrons give
    mean = np.where(reached, mean, (values - detector.offset) / detector.gain)
    variance = np.where(reached, variance, read + rounded)
    added = float(times @ variance) / float(times.sum())
    return mean[which.reshape(pixels.shape)], added, _few(detector)


def _chances(values: Float, number: Float, detector: Detector) -> Float:
    """Probability of each pixel value, given a number of electrons."""
    from scipy.special import ndtr

    level = detector.gain * number + detector.offset
    if detector.read_noise == 0:
        return np.asarray(np.floor(level + 0.5) == values, np.float64)
    # Of two alike tails the lower one, where differences are not lost to rounding.
    middle = -np.abs(values - level) / detector.read_noise
    half = 0.5 / detector.read_noise
    return np.asarray(ndtr(middle + half) - ndtr(middle - half))


def _read(values: Float, detector: Detector) -> tuple[Float, Float]:
    """Mean and variance of the numbers of electrons that give each value; nan where none does.

    Negative numbers are let in, as the read noise may go below none.
    """
    reach = math.ceil((0.5 + _FAR * detector.read_noise) / detector.gain) + 1
    nearest = np.round((values - detector.offset) / detector.gain)
    number = nearest[:, None] + np.arange(-reach, reach + 1)
    chance = _chances(values[:, None], number, detector)
    total = chance.sum(axis=1)
    chance /= np.where(total > 1e-12, total, np.nan)[:, None]
    mean = (chance * number).sum(axis=1)
    return mean, (chance * (number - mean[:, None]) ** 2).sum(axis=1)


@cache
def _arrivals() -> tuple[Float, Float, Float]:
    """Mean numbers of electrons (n,), numbers that come (m,), and their probabilities (n, m)."""
    from scipy.stats import poisson

    came = _MANY * np.linspace(0.0, 1.0, _POINTS) ** 2
    number = np.arange(float(math.ceil(_MANY + 8 * math.sqrt(_MANY))))
    return came, number, np.asarray(poisson.pmf(number, came[:, None]))


@lru_cache(maxsize=64)  # the images of one session share a detector
def _few(detector: Detector) -> MeanReading:
    """Mean reading of a detector where few electrons come."""
    came, number, arrivals = _arrivals()
    reach = math.ceil(0.5 + _FAR * detector.read_noise)
    level = np.floor(detector.gain * number + detector.offset + 0.5)
    values: Float = level[:, None] + np.arange(-float(reach), reach + 1)
    distinct, which = np.unique(values, return_inverse=True)
    read = np.nan_to_num(_read(distinct, detector)[0])[which.reshape(values.shape)]
    mean = (_chances(values, number[:, None], detector) * read).sum(axis=1)
    off = arrivals @ (mean - number)
    off[-1] = 0.0
    return MeanReading(came, off)
