"""The detector's electronics: from electrons to pixel values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from stemfast.microscope.settings import Finite, NotNegative, Positive, Settings


class Detector(Settings):
    """The detector: counted electrons in, pixel values out.

    In this order: every electron makes a pulse of random charge, the charge is recorded with a
    delay (afterglow), then value = gain·charge + offset + noise, rounded and clipped to `bits`.

    Parameters
    ----------
    bits : 8, 16 or None
        Bits per pixel of the unsigned image; None leaves it unquantised, as float32.
    gain : float
        Pixel value per counted electron [1/e].
    offset : float
        Pixel value without electrons.
    read_noise : float
        Standard deviation of the Gaussian electronic noise [pixel value].
    excess_noise_factor : float
        F² = ⟨q²⟩/⟨q⟩² of one electron's charge q, at least 1 (all pulses alike). Pulses are
        gamma-distributed with the mean 1 and the variance F² - 1, so that N electrons have the
        charge N with the variance (F² - 1)·N on top of the Poisson noise of N itself.
    decay_us : float
        Time constant of the scintillator's afterglow [us]; 0 for none. Of what an electron leaves,
        exp(-dwell/decay) is recorded in later pixels of the scan, x_j = (1 - a)·s_j + a·x_(j-1);
        what decays during the fly-back is lost, and what is left then appears in the next row.

    Raises
    ------
    ValueError
        If a value is out of range or not finite, or a setting is unknown.

    Examples
    --------
    >>> Detector(bits=8).dtype
    dtype('uint8')
    """

    bits: Literal[8, 16] | None = 16
    gain: Positive = 1.0
    offset: Finite = 0.0
    read_noise: NotNegative = 0.0
    excess_noise_factor: Annotated[Finite, Field(ge=1)] = 1.0
    decay_us: NotNegative = 0.0

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels: uint8, uint16, or float32 when `bits` is None."""
        return np.dtype({8: np.uint8, 16: np.uint16, None: np.float32}[self.bits])

    @property
    def unit(self) -> str:
        """Unit of the pixel values: "e-" at a gain of 1 and no offset, else "grey levels"."""
        return "e-" if self.gain == 1 and self.offset == 0 else "grey levels"
