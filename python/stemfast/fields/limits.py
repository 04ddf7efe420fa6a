"""Limits of the settings of fields: known kinds and materials, sizes, supports that fit."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, get_args
from warnings import warn

from pydantic import AfterValidator, BeforeValidator

from stemfast import materials
from stemfast.fields.shapes import CLASSES
from stemfast.recipes.settings import nearest

__all__ = [
    "KINDS",
    "LARGEST_SHARE",
    "MOST",
    "Kind",
    "KnownMaterial",
    "KnownShape",
    "check_support",
    "typical_nm",
]

_Name = Literal[
    "monolayer",
    "carbon-black",
    "silica",
    "powder",
    "alumina",
    "zeolite",
    "graphene",
    "sparse",
    "large",
    "rods",
]
_Range: TypeAlias = tuple[float, float]

#: Kinds of field: particles side by side, on each support, on a film, a few large ones, and long
#: rods that cross each other.
KINDS: tuple[_Name, ...] = get_args(_Name)
#: Most particles of one field.
MOST = 3000
#: Median diameter of particles at most, as a share of the field's shorter side.
LARGEST_SHARE = 0.3


def _known_kind(value: object) -> object:
    if isinstance(value, str) and value not in KINDS:
        near = nearest(value, list(KINDS))
        raise ValueError(f"one of {', '.join(KINDS)}{f'; did you mean {near!r}?' if near else ''}")
    return value


def _known_material(name: str) -> str:
    materials.get(name)
    return name


def _known_shape(name: str) -> str:
    if name not in CLASSES:
        near = nearest(name, list(CLASSES))
        raise ValueError(
            f"one of {', '.join(CLASSES)}{f'; did you mean {near!r}?' if near else ''}"
        )
    return name


#: A name of `stemfast.fields.shapes.CLASSES`.
KnownShape = Annotated[str, AfterValidator(_known_shape)]
#: One of `KINDS`.
Kind = Annotated[_Name, BeforeValidator(_known_kind)]
#: A name of `stemfast.materials`.
KnownMaterial = Annotated[str, AfterValidator(_known_material)]


def typical_nm(kind: str) -> _Range:
    """Range of the median diameter of the particles of a kind of field [nm].

    Examples
    --------
    >>> typical_nm("silica")
    (1.5, 12.0)
    """
    large = (30.0, 400.0)
    wide = {"monolayer": (4.0, 80.0), "sparse": (2.0, 60.0), "large": large, "rods": large}
    return wide.get(kind, (1.5, 12.0))


def check_support(
    support_nm: _Range | None, shape: tuple[int, int], shown_px: _Range, particle_nm: _Range
) -> None:
    """Refuse a support that is larger than every field, warn of one larger than some.

    Parameters
    ----------
    support_nm : (float, float) or None
        Range of its diameter [nm]; None goes with the particles.
    shape : (int, int)
        Rows and columns of the field.
    shown_px, particle_nm : (float, float)
        Ranges of the median diameter of the particles [px], [nm].

    Raises
    ------
    ValueError
        If it is larger.

    Examples
    --------
    >>> check_support((10.0, 20.0), (512, 512), (10.0, 20.0), (2.0, 4.0))
    """
    if support_nm is None:
        return
    side, most = max(shape), LARGEST_SHARE * min(shape)
    smallest = side * particle_nm[0] / min(shown_px[1], most)
    largest = side * particle_nm[1] / min(shown_px[0], most)
    said = f"recipe field: support_diameter_nm is ({support_nm[0]:g}, {support_nm[1]:g})"
    if support_nm[0] > largest:
        raise ValueError(
            f"{said}, and the longer side of the largest field is {largest:.4g} nm: expected a "
            "support that is not larger than every field"
        )
    if support_nm[1] > smallest:
        warn(
            f"{said}, and the longer side of the smallest field is {smallest:.4g} nm: some fields "
            "may show the inside of one sphere or plate alone",
            stacklevel=4,
        )
