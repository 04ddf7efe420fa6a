"""Agreement of two finders, and the threshold's word on it before the second one has run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfast.evaluation.detection import mask_overlap, matched
from stemfast.finding.classical import seen_above
from stemfast.finding.detection import Detection

__all__ = ["agree", "may_agree"]

# Shares that both find: of the network's particles, and of the classical finder's, which parts
# small ones from large neighbours that the network takes as one.
_OF_NETWORK, _OF_CLASSICAL = 0.85, 0.8
_OVERLAP = 0.4
# A particle that is matched shows at least this share of its pixels above the threshold, and a
# piece of at least this size there is a particle: both with some allowance.
_LEAST_SHOWN, _LEAST_PIECE_PX = 0.3, 25


def agree(classical: Detection, network: Detection) -> bool:
    """True if two finders find the same particles, all but a few."""
    fewest = max(_OF_CLASSICAL * len(classical), _OF_NETWORK * len(network))
    if min(len(classical), len(network)) < fewest:
        return False
    shared = matched(mask_overlap(classical.labels, network.labels), least=_OVERLAP).right.sum()
    return bool(shared >= fewest)


def may_agree(image: NDArray[np.float32], seen: Detection) -> bool:
    """False where the classical finder's threshold alone says that it finds something else.

    That is where it hides too many of the particles seen, or lets through too many pieces that are
    none of them. The threshold takes a quarter of the finder's time.

    Parameters
    ----------
    image : ndarray of float32, shape (rows, columns)
    seen : Detection
        Particles of the other finder.

    Examples
    --------
    >>> rows, cols = np.indices((64, 64))
    >>> disc = np.hypot(rows - 20, cols - 30) < 9
    >>> square = np.maximum(abs(rows - 50), abs(cols - 50)) < 5
    >>> one = Detection(np.int32(disc), np.ones(1), np.zeros(1, bool), "bright")
    >>> may_agree(np.float32(10 + 40 * disc), one), may_agree(np.float32(10 + 40 * square), one)
    (True, False)
    """
    from scipy import ndimage

    n = len(seen)
    if not n:
        return False
    mask, step = seen_above(image, seen.contrast)
    labels = seen.labels[step // 2 :: step, step // 2 :: step][: mask.shape[0], : mask.shape[1]]
    whole = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    shown = np.bincount(labels[mask], minlength=n + 1)[1:]
    if np.count_nonzero(shown < _LEAST_SHOWN * whole) > (1.0 - _OF_NETWORK) * n:
        return False
    pieces, count = ndimage.label(mask, structure=np.ones((3, 3), int))
    area = np.bincount(pieces.ravel(), minlength=count + 1)
    known = np.bincount(pieces[labels > 0], minlength=count + 1)
    others = np.count_nonzero((area[1:] >= _LEAST_PIECE_PX) & (known[1:] == 0))
    # Were all the others in both, these would still be too many.
    return bool(others <= (1.0 / _OF_CLASSICAL - 1.0) * n)
