"""Claims of a family about its forms, its symmetry and its shapes, checked in the user's terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stemfast.fit.families.groups import is_closed, point_group

__all__ = ["check_symmetry", "depths_of", "group_of", "orbit"]

Float: TypeAlias = NDArray[np.float64]

_SAME = 1e-6


class _Faceted(Protocol):
    name: str
    normals: Float
    depths: Float
    types: tuple[str, ...]


def group_of(symmetry: str | ArrayLike) -> Float:
    """Elements (G, 3, 3) of a point group that is named or given.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(symmetry, str):
        return point_group(symmetry)
    group = np.array(symmetry, np.float64)
    if group.ndim != 3 or group.shape[1:] != (3, 3) or not len(group):
        raise ValueError(f"symmetry: got shape {group.shape}, expected a name or (G, 3, 3)")
    if np.abs(np.einsum("gij,gkj->gik", group, group) - np.eye(3)).max() > _SAME:
        raise ValueError("symmetry: got matrices that neither turn nor reflect")
    if not is_closed(group):
        raise ValueError(f"symmetry: {len(group)} matrices whose products are not among them")
    return group


def orbit(form: object, direction: ArrayLike, group: Float) -> list[Float]:
    """Unit normals that a group makes of a form's direction, each once."""
    values = np.array(direction, np.float64)
    if values.shape != (3,) or not np.isfinite(values).all() or not values.any():
        raise ValueError(f"forms[{form!r}]: got {direction!r}, expected three numbers, not all 0")
    found: list[Float] = []
    for normal in group @ (values / np.sqrt((values**2).sum())):
        if all(np.abs(normal - other).max() > _SAME for other in found):
            found.append(normal)
    return found


def depths_of(
    names: Sequence[str], forms: Sequence[str], shapes: Sequence[Mapping[str, float]] | None
) -> Float:
    """Distances (F, P) of facets of some forms, for each shape or for each form alone."""
    if shapes is None:
        return np.array([[float(name == form) for form in forms] for name in names])
    for k, shape in enumerate(shapes):
        if set(shape) != set(forms):
            raise ValueError(
                f"shapes[{k}]: got {', '.join(shape)}, expected a distance for each of "
                f"{', '.join(forms)}"
            )
        if not np.isfinite(list(shape.values())).all():
            raise ValueError(f"shapes[{k}]: got {dict(shape)}, expected finite distances")
    return np.array([[float(shape[name]) for shape in shapes] for name in names])


def check_symmetry(family: _Faceted, group: Float, name: object) -> None:
    """Refuse a family some of whose facets a group takes to none, or to others."""
    said = repr(name) if isinstance(name, str) else "the group"
    for element in group:
        images = family.normals @ element.T
        nearest = (images @ family.normals.T).argmax(axis=1)
        for facet, (there, image) in enumerate(zip(nearest.tolist(), images, strict=True)):
            words = (
                f"symmetry: {family.name!r} has not the symmetry it claims: an element of {said} "
                f"takes facet {facet} {_words(family.normals[facet])} to {_words(image)}, "
            )
            if np.abs(family.normals[there] - image).max() > _SAME:
                raise ValueError(words + "where there is none")
            same = np.abs(family.depths[there] - family.depths[facet]).max() <= _SAME
            if not same or family.types[there] != family.types[facet]:
                raise ValueError(words + ("of another type" if same else "of another distance"))


def _words(normal: Float) -> str:
    return f"({', '.join(f'{value:.3g}' for value in (normal + 0.0).tolist())})"
