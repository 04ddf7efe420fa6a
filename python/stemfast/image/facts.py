"""Facts about an image: pixel size, unit, title, metadata, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Metadata = Mapping[str, Any] | Callable[[], Mapping[str, Any]]

OTHER_UNIT = "arbitrary units"
"""Unit of what arithmetic leaves without one, such as the logarithm of an image."""


@dataclass(frozen=True)
class Scale:
    """Pixel size [nm] and unit of an image."""

    pixel_size_nm: float
    unit: str


@dataclass(frozen=True, eq=False)
class Known:
    """Facts about an image: one scale, or one for each image of a stack; title and metadata.

    Metadata that cost something to put together are given as a function, called when asked for.
    """

    scales: tuple[Scale, ...]
    title: str = ""
    metadata: Metadata | None = None

    def resolved(self) -> Mapping[str, Any]:
        """The metadata."""
        if self.metadata is None:
            return {}
        return self.metadata() if callable(self.metadata) else self.metadata

    @property
    def sizes(self) -> tuple[float, ...]:
        """Pixel sizes [nm]."""
        return tuple(scale.pixel_size_nm for scale in self.scales)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """True if an array of this shape can be images of these scales."""
        n = len(self.scales)
        return 2 <= len(shape) <= 4 and (n == 1 or (len(shape) > 2 and shape[0] == n))


def alike(scales: Sequence[Scale]) -> tuple[Scale, ...]:
    """One scale where all are the same, else all of them.

    Examples
    --------
    >>> alike([Scale(0.5, "e-")] * 3)
    (Scale(pixel_size_nm=0.5, unit='e-'),)
    """
    return (scales[0],) if len(set(scales)) == 1 else tuple(scales)


class Imaged(Protocol):
    """Pixels with their facts, as they are written, handed over and drawn."""

    @property
    def pixels(self) -> NDArray[Any]:
        """Plain array of the pixels."""

    @property
    def pixel_size_nm(self) -> float:
        """Side of a square pixel [nm]."""

    @property
    def unit(self) -> str:
        """Unit of the pixel values."""

    @property
    def title(self) -> str:
        """Title, "" without one."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Other facts about it."""


_KEEP_UNITS = {
    "absolute", "add", "ceil", "clip", "fabs", "floor", "fmax", "fmin", "maximum", "minimum",
    "negative", "positive", "rint", "subtract", "trunc",
}  # fmt: skip
_QUOTIENTS = ("divide", "floor_divide")


def after(ufunc: np.ufunc, images: Sequence[Known | None], *, numerator: bool) -> Known | None:
    """Facts about what element-wise arithmetic makes of images.

    Parameters
    ----------
    ufunc : numpy.ufunc
    images : sequence of Known or None
        Facts about those of its arguments that are images.
    numerator : bool
        Whether the first argument is an image.

    Returns
    -------
    Known or None
        None where the images have no pixel size, or different ones.

    Examples
    --------
    >>> counts = Known((Scale(0.5, "e-"),))
    >>> after(np.add, [counts, counts], numerator=True).scales
    (Scale(pixel_size_nm=0.5, unit='e-'),)
    >>> after(np.divide, [counts, counts], numerator=True).scales[0].unit
    'arbitrary units'
    """
    known = images[0]
    if known is None:
        return None
    for other in images[1:]:
        if other is None or other.sizes != known.sizes:
            return None
    same_unit = len({tuple(s.unit for s in one.scales) for one in images if one}) == 1
    name = ufunc.__name__
    scaled = len(images) == 1 and (name == "multiply" or (name in _QUOTIENTS and numerator))
    if not (scaled or (name in _KEEP_UNITS and same_unit)):
        known = replace(known, scales=tuple(replace(s, unit=OTHER_UNIT) for s in known.scales))
    return known if len(images) == 1 else replace(known, metadata=None)


def place(key: Any, n_axes: int) -> tuple[Any, int] | None:
    """Index of the first axis, and step in rows and columns alike.

    None where rows and columns are not both kept, or their steps differ.

    Examples
    --------
    >>> place((3, slice(None, None, 2), slice(4, None, 2)), 3)
    (3, 2)
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    if not all(one is ... or _is_position(one) or isinstance(one, slice) for one in keys):
        return None
    whole = [slice(None)] * (n_axes - sum(one is not ... for one in keys))
    at = keys.index(...) if ... in keys else len(keys)
    keys[at : at + 1] = whole
    steps = {one.step or 1 if isinstance(one, slice) else 0 for one in keys[-2:]}
    step = steps.pop()
    return (keys[0], int(step)) if not steps and step > 0 else None


def _is_position(key: Any) -> bool:
    return isinstance(key, int | np.integer) and not isinstance(key, bool)


def from_to(values: Sequence[float]) -> str:
    """One number, or the least and the largest of several.

    Examples
    --------
    >>> from_to([0.5, 0.2]), from_to([0.35])
    ('0.2 to 0.5', '0.35')
    """
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
