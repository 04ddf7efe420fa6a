"""Everything known of one field as JSON holds it; the other formats are made from this."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.dataset.fields.plan import Place
from stemfast.fields import Field

__all__ = ["Record", "clipped", "grey_levels", "recorded"]

#: Field and particles by name; `particles` is a dict of columns.
Record: TypeAlias = dict[str, Any]

_DIGITS = 3  # of pixels


def recorded(field: Field, place: Place, ending: str, grey: tuple[float, float] | None) -> Record:
    """Record of a field.

    Parameters
    ----------
    field : Field
    place : Place
    ending : str
        Of the image's file.
    grey : (float, float) or None
        Electrons that the darkest and the brightest grey level stand for; None where the file
        holds the field's own numbers.
    """
    truth, names = field.truth, field.class_names
    numbers = range(len(truth))
    return {
        "split": place.split,
        "number": place.number,
        "index": place.index,
        "image": f"images/{place.split}/{place.number:06d}{ending}",
        "mask": f"masks/{place.split}/{place.number:06d}.tif",
        "rows": field.labels.shape[0],
        "columns": field.labels.shape[1],
        "kind": field.kind,
        "bright_field": field.bright_field,
        "pixel_size_nm": field.pixel_size_nm,
        "contamination_nm": field.contamination_nm,
        "asked": field.asked,
        "placed": field.placed,
        "grey_electrons": None if grey is None else list(grey),
        "particles": {
            "label": truth.label.tolist(),
            "class": [names[kind] for kind in truth.kind.tolist()],
            "diameter_nm": _rounded(truth.diameter_nm),
            "brightness": _rounded(truth.brightness),
            "area_px": truth.area_px.tolist(),
            "seen_px": truth.seen_px.tolist(),
            "box": truth.box.tolist(),
            "cut": truth.cut.tolist(),
            "signal_to_noise": _rounded(truth.signal_to_noise),
            "contrast": _rounded(np.minimum(truth.contrast, 1e6)),
            "visible": truth.visible.tolist(),
            "outline": [_rounded(field.outline_px(number)) for number in numbers],
            "corners": [_rounded(field.corners_px(number)) for number in numbers],
        },
    }


def _rounded(values: NDArray[np.float64]) -> list[Any]:
    found: list[Any] = np.round(values, _DIGITS).tolist()
    return found


def grey_levels(image: NDArray[Any]) -> tuple[NDArray[np.uint8], tuple[float, float] | None]:
    """8-bit grey levels of a field's image, and the electrons of the darkest and brightest.

    Grey levels of a laboratory's file stay as they are.

    Examples
    --------
    >>> grey_levels(np.array([[2.0, 4.0]], np.float32))
    (array([[  0, 255]], dtype=uint8), (2.0, 4.0))
    """
    if image.dtype == np.uint8:
        return image, None
    low, high = float(image.min()), float(image.max())
    unit = (image - np.float32(low)) / np.float32(max(high - low, 1e-9))
    return np.rint(255.0 * unit).astype(np.uint8), (low, high)


def clipped(outline: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """The part of a convex outline inside the field, (m, 2) rows and columns [px].

    I. E. Sutherland and G. W. Hodgman, Commun. ACM 17 (1974) 32. The field ends half a pixel
    beyond the centres of its outermost pixels.

    Examples
    --------
    >>> clipped(np.array([[-5.0, 0.0], [-5.0, 2.0], [1.0, 2.0], [1.0, 0.0]]), (4, 4)).tolist()
    [[-0.5, 2.0], [1.0, 2.0], [1.0, 0.0], [-0.5, 0.0]]
    """
    if (outline > -0.5).all() and (outline < np.array(shape) - 0.5).all():
        return outline
    for axis in (0, 1):
        for sign, limit in ((-1.0, 0.5), (1.0, shape[axis] - 0.5)):
            # Inside is sign·x <= limit.
            beyond = sign * outline[:, axis] - limit
            kept = []
            for here, there, a, b in zip(
                outline, np.roll(outline, -1, 0), beyond, np.roll(beyond, -1), strict=True
            ):
                if a <= 0:
                    kept.append(here)
                if (a < 0 < b) or (b < 0 < a):
                    kept.append(here + (there - here) * (a / (a - b)))
            if not kept:
                return np.zeros((0, 2))
            outline = np.array(kept)
    return outline
