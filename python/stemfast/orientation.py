"""Orientations: recognising, checking and drawing them.

The public face speaks `scipy.spatial.transform.Rotation` (active rotations of the particle). SciPy
takes half a second to import, so it is loaded only when an orientation has to be made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stemfast import _core, elementary
from stemfast.arguments import index, require_memory, seed_value

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

_AT_ONCE = 2**18
IDENTITY = np.array([[0.0, 0.0, 0.0, 1.0]])


def is_rotation(value: object) -> bool:
    """True if `value` is SciPy's `Rotation`, found out without importing SciPy.

    Examples
    --------
    >>> is_rotation([0, 0, 0, 1])
    False
    """
    kind = type(value)
    return kind.__name__ == "Rotation" and kind.__module__.startswith("scipy.spatial.transform")


def quaternions(orientations: Rotation | None, name: str = "orientations") -> NDArray[np.float64]:
    """Return unit quaternions (x, y, z, w) of one or many rotations.

    Parameters
    ----------
    orientations : Rotation or None
        None stands for no rotation.
    name : str
        What the caller's argument is called, for the message.

    Returns
    -------
    (n, 4) float64
        With n = 1 for a single rotation.

    Raises
    ------
    TypeError
        If it is something else than a `Rotation`.
    ValueError
        If it holds no rotation, or numbers that are not finite.

    Examples
    --------
    >>> quaternions(None)
    array([[0., 0., 0., 1.]])
    """
    if orientations is None:
        return IDENTITY.copy()
    if not is_rotation(orientations):
        raise TypeError(
            f"{name} must be a scipy.spatial.transform.Rotation (for quaternions q in the order "
            f"x, y, z, w: Rotation.from_quat(q)), got {type(orientations).__name__}"
        )
    q = np.atleast_2d(np.asarray(orientations.as_quat(), dtype=np.float64))
    if q.ndim != 2:
        raise ValueError(f"{name} must be one rotation or a row of them, got shape {q.shape[:-1]}")
    if len(q) == 0:
        raise ValueError(f"{name} is empty, expected at least one rotation")
    if not np.isfinite(q).all():
        raise ValueError(f"{name} holds a rotation that is not finite")
    return q


def random(n: int, *, seed: int, first_index: int = 0) -> Rotation:
    """Draw orientations uniformly over all rotations (Haar measure).

    Orientation i depends on (seed, first_index + i) alone, so any part of a long series can be
    drawn on its own.

    Parameters
    ----------
    n : int
        How many.
    seed : int
        0 … 2^64 − 1.
    first_index : int
        Index of the first.

    Returns
    -------
    Rotation
        Of length n.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a whole number in its range.
    MemoryError
        If they would not fit into memory.

    Notes
    -----
    K. Shoemake, "Uniform random rotations", Graphics Gems III (1992), on Philox numbers.

    Examples
    --------
    >>> all_of_them = random(5, seed=1).as_quat()
    >>> bool((all_of_them[3:] == random(2, seed=1, first_index=3).as_quat()).all())
    True
    """
    from scipy.spatial.transform import Rotation

    count, key = index("n", n, minimum=1), seed_value(seed)
    start = index("first_index", first_index, maximum=2**63 - 1 - count)
    require_memory(3 * 32 * count, f"n = {count} orientations")
    parts = []
    for first in range(0, count, _AT_ONCE):  # between two parts Ctrl-C is heard
        some = min(_AT_ONCE, count - first)
        parts.append(Rotation.from_quat(_core.haar_orientations(key, start + first, some)))
    return parts[0] if len(parts) == 1 else Rotation.concatenate(parts)


Floats = NDArray[np.float64]


def quaternion_product(p: Floats, q: Floats) -> Floats:
    """Quaternions (…, 4) in the order x, y, z, w that turn by q first, then by p."""
    px, py, pz, pw = (p[..., k] for k in range(4))
    qx, qy, qz, qw = (q[..., k] for k in range(4))
    x = pw * qx + px * qw + py * qz - pz * qy
    y = pw * qy - px * qz + py * qw + pz * qx
    z = pw * qz + px * qy - py * qx + pz * qw
    w = pw * qw - px * qx - py * qy - pz * qz
    length = np.sqrt(x * x + y * y + z * z + w * w)
    return np.stack([x / length, y / length, z / length, w / length], axis=-1)


def rotate(axis: Floats, turns: Floats) -> Floats:
    """Quaternions (…, 4) that turn about a unit axis (3,) by a number of full turns (…)."""
    sine, cosine = elementary.sin_cos_turns(np.ascontiguousarray(0.5 * turns))
    return np.stack([*(component * sine for component in axis), cosine], axis=-1)
