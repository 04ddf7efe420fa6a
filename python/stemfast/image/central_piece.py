"""The piece of a mask that is large and near the middle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfast import _core

__all__ = ["central_piece"]


def central_piece(mask: NDArray[np.bool_], *, fewest: int) -> NDArray[np.bool_] | None:
    """Piece of the largest area times one less its centre's distance from the middle.

    Pixels hang together over their four sides. The distance is the larger one of both directions,
    in units of the image's sides.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)
    fewest : int
        Pixels of a piece that counts.

    Returns
    -------
    ndarray of bool, shape (rows, columns), or None
        Its pixels without holes; None where there is no such piece.

    Examples
    --------
    >>> mask = np.zeros((9, 9), bool)
    >>> mask[0, :4] = mask[4, 3:6] = True
    >>> np.argwhere(central_piece(mask, fewest=1)).tolist()
    [[4, 3], [4, 4], [4, 5]]
    """
    piece = _core.central_piece(mask, fewest=fewest)
    return piece if piece.any() else None
