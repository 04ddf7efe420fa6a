"""MRC files, as electron tomography and cryo-microscopy read them (MRC2014).

A header of 256 words of four bytes, then the pixels, row 0 first (A. Cheng et al., J. Struct. Biol.
192 (2015) 146). Lengths of the cell are in Å.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["mrc_bytes"]

_MODES = {"int8": 0, "int16": 1, "float32": 2, "uint16": 6}
_A_PER_NM = 10.0


def mrc_bytes(pixels: NDArray[Any], pixel_size_nm: float, title: str = "") -> bytes:
    """An image, or a stack of images, as an MRC file.

    Parameters
    ----------
    pixels : (rows, columns) or (n, rows, columns) ndarray
        Of int8, int16, uint16 or float32; uint8 is written as uint16, which MRC does not know
        otherwise.
    pixel_size_nm : float
        [nm].
    title : str
        For the header, in ASCII.

    Raises
    ------
    ValueError
        If the file cannot hold pixels of this type, or the stack has several axes.

    Examples
    --------
    >>> len(mrc_bytes(np.zeros((4, 6), np.float32), 0.5)) - 4 * 4 * 6
    1024
    """
    if pixels.ndim > 3:
        raise ValueError(f"a .mrc holds images one after another, got a stack of {pixels.shape}")
    if pixels.dtype == np.uint8:
        pixels = pixels.astype(np.uint16)
    if pixels.dtype.name not in _MODES:
        raise ValueError(
            f"a .mrc holds whole numbers of 8 or 16 bits or float32, got {pixels.dtype}: "
            "convert with image.astype('float32')"
        )
    stack = pixels if pixels.ndim == 3 else pixels[None]
    sections, rows, columns = stack.shape
    counts = np.array([columns, rows, sections], "<i4")
    words, numbers = np.zeros(256, "<i4"), np.zeros(256, "<f4")
    words[:3], words[3], words[7:10] = counts, _MODES[pixels.dtype.name], counts
    numbers[10:13] = counts * (pixel_size_nm * _A_PER_NM)
    numbers[13:16] = 90.0
    words[16:19] = 1, 2, 3  # columns, rows, sections are x, y, z
    values = stack.astype(np.float64)
    numbers[19:22] = values.min(), values.max(), values.mean()
    numbers[54] = values.std()
    words[27] = 20140
    words[55] = 1
    head = bytearray((words | numbers.view("<i4")).tobytes())
    head[208:216] = b"MAP " + b"\x44\x44\x00\x00"  # little-endian
    head[224:304] = (title or "stemfast").encode("ascii", "replace")[:80].ljust(80)
    return bytes(head) + stack.astype(stack.dtype.newbyteorder("<"), copy=False).tobytes()
