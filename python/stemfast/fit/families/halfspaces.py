"""The solid inside half-spaces, and its areas and edges by type of facet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stemfast.particles.geometry.clipping import CutError, intersect_halfspaces
from stemfast.particles.geometry.solid import Solid

__all__ = ["checked_closed", "is_member", "measures_of", "solid_of"]

Float: TypeAlias = NDArray[np.float64]

_SAME = 1e-6


def solid_of(normals: Float, depths: Float) -> Solid | None:
    """Solid inside half-spaces of unit normals (F, 3) and distances (F,); None without a volume."""
    scale = float(np.abs(depths).max())
    if not scale > 0:
        return None
    try:  # in numbers of order 1, which tolerances are for
        solid = intersect_halfspaces(np.column_stack([normals, depths / scale]))
    except (CutError, ValueError):
        return None
    return Solid.from_faces(solid.vertices * scale, solid.faces)


def measures_of(solid: Solid, normals: Float, types: Sequence[str]) -> dict[str, float]:
    """Measures of a solid whose facets are among some that have types.

    Parameters
    ----------
    solid : Solid
    normals : (F, 3) float64
        Of all facets, whether they show or not.
    types : sequence of F str

    Returns
    -------
    dict of str to float
        "volume" [nm³], "surface" [nm²], the area of each type [nm²], and for each pair of types the
        mean length of the edges between them, as "100/111" [nm].

    Examples
    --------
    >>> faces = np.concatenate([np.eye(3), -np.eye(3)])
    >>> measures_of(solid_of(faces, np.full(6, 1.0)), faces, ["100"] * 6)
    {'volume': 8.0, 'surface': 24.0, '100': 24.0, '100/100': 2.0}
    """
    which = (solid.face_planes[:, :3] @ normals.T).argmax(axis=1)
    areas = dict.fromkeys(dict.fromkeys(types), 0.0)
    owner: dict[tuple[int, int], int] = {}
    edges: dict[str, list[float]] = {}
    for face, facet in zip(solid.faces, which.tolist(), strict=True):
        points = solid.vertices[list(face)]
        spokes = points[1:] - points[0]
        across = np.cross(spokes[:-1], spokes[1:]).sum(axis=0)
        areas[types[facet]] += 0.5 * float(np.sqrt((across**2).sum()))
        for a, b in zip(face, (*face[1:], face[0]), strict=True):
            other = owner.pop((b, a), None)
            if other is None:
                owner[a, b] = facet
                continue
            pair = "/".join(sorted((types[facet], types[other])))
            step = solid.vertices[a] - solid.vertices[b]
            edges.setdefault(pair, []).append(float(np.sqrt((step**2).sum())))
    means = {pair: float(np.mean(lengths)) for pair, lengths in sorted(edges.items())}
    return {"volume": solid.volume, "surface": sum(areas.values()), **areas, **means}


def is_member(solid: Solid, normals: Float, depths: Float) -> bool:
    """True if some sizes p >= 0 put the facets at the distances where they touch a solid.

    Parameters
    ----------
    solid : Solid
        All of whose facets have one of the normals.
    normals, depths : (F, 3), (F, P) float64
        Unit normals, and distances of the facets for each parameter.

    Examples
    --------
    >>> faces, each = np.concatenate([np.eye(3), -np.eye(3)]), np.tile(np.eye(3), (2, 1))
    >>> box = solid_of(faces, each @ np.array([1.0, 2.0, 3.0]))
    >>> is_member(box, faces, each), is_member(box, faces, np.ones((6, 1)))
    (True, False)
    """
    from scipy.optimize import nnls

    touching = (normals @ solid.vertices.T).max(axis=1)
    return bool(nnls(depths, touching)[1] < _SAME * np.abs(touching).max())


def checked_closed(name: str, normals: Float) -> None:
    """Refuse half-spaces that leave a direction open, whatever their distances.

    They close if some positive sum of the normals is 0 and they span space; else there is a
    direction u with n·u <= 0 for all of them, found by linear programming.

    Raises
    ------
    ValueError
        If they do not close, with that direction.
    """
    from scipy.optimize import linprog

    for axis in range(3):
        for sign in (1.0, -1.0):
            bounds = [(-1.0, 1.0)] * 3
            bounds[axis] = (sign, sign)
            found = linprog(normals.sum(axis=0), A_ub=normals, b_ub=np.zeros(len(normals)),
                            bounds=bounds)  # fmt: skip
            if found.status == 0:
                way = ", ".join(f"{value:.3g}" for value in (np.round(found.x, 6) + 0.0).tolist())
                raise ValueError(
                    f"forms: the half-spaces of {name!r} do not close: no facet faces along ({way})"
                )
