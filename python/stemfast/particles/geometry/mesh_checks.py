"""Checks of triangle meshes: closed, oriented outwards, free of self-intersections."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stemfast.particles.geometry.solid import FLAT, FloatArray, triangle_areas

Triangles = NDArray[np.int32]


def checked_triangles(vertices: FloatArray, triangles: object) -> Triangles:
    """``triangles`` as (T, 3) int32 indices into ``vertices``, all used, none flat.

    Raises
    ------
    TypeError, ValueError
        For a wrong dtype or shape, an index out of range, a triangle without area, or a
        vertex that no triangle uses.
    """
    array = np.array(triangles)
    if array.dtype.kind not in "iu":
        raise TypeError(f"triangles must be integers of shape (T, 3), got dtype {array.dtype}")
    if array.ndim != 2 or array.shape[1] != 3 or len(array) < 4:
        raise ValueError(f"triangles must have shape (T, 3) with T >= 4, got {array.shape}")
    if array.min() < 0 or array.max() >= len(vertices):
        raise ValueError(
            f"triangles must index the {len(vertices)} vertices (0 … {len(vertices) - 1}), "
            f"got {array.min()} … {array.max()}"
        )
    checked = array.astype(np.int32)
    size = float(np.ptp(vertices, axis=0).max())
    thin = np.flatnonzero(triangle_areas(vertices, checked) <= FLAT**2 * size**2)
    if thin.size:
        raise ValueError(
            f"triangles[{thin[0]}] = {checked[thin[0]].tolist()} has no area "
            f"({thin.size} such triangles)"
        )
    unused = np.setdiff1d(np.arange(len(vertices)), checked)
    if unused.size:
        raise ValueError(
            f"vertices must all be used by a triangle, but {unused.size} are not, "
            f"the first is vertex {unused[0]}"
        )
    return checked


def check_closed(triangles: Triangles) -> None:
    """Every directed edge must be matched once by its opposite.

    Raises
    ------
    ValueError
        Saying whether the mesh is open, inconsistently oriented or not a manifold, and
        how many edges are wrong.
    """
    directed = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges, inverse, uses = np.unique(
        np.sort(directed, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    forward = np.bincount(
        inverse.ravel(), weights=directed[:, 0] < directed[:, 1], minlength=len(edges)
    )
    open_edges = np.flatnonzero(uses == 1)
    crowded = np.flatnonzero(uses > 2)
    turned = np.flatnonzero((uses == 2) & (forward != 1))
    if open_edges.size:
        hint = (
            "; every edge is open, so merge the vertices that coincide first"
            if open_edges.size == len(edges)
            else ""
        )
        raise ValueError(
            f"the mesh is open: {open_edges.size} of its {len(edges)} edges belong to one "
            f"triangle only, the first joins vertices {edges[open_edges[0]].tolist()}{hint}"
        )
    if crowded.size:
        raise ValueError(
            f"the mesh is not a manifold: {crowded.size} of its {len(edges)} edges belong to "
            f"more than two triangles, the first joins vertices {edges[crowded[0]].tolist()}"
        )
    if turned.size:
        raise ValueError(
            "the mesh is closed, but its triangles do not turn the same way: at "
            f"{turned.size} of its {len(edges)} edges both triangles run in one direction, "
            f"the first joins vertices {edges[turned[0]].tolist()}"
        )


def sheets(vertex_count: int, triangles: Triangles) -> NDArray[np.intp]:
    """(T,) number of the connected sheet that each triangle belongs to."""
    label = np.arange(vertex_count)
    while True:
        lowest = label[triangles].min(axis=1)
        spread = label.copy()
        for k in range(3):
            np.minimum.at(spread, triangles[:, k], lowest)
        spread = spread[spread]
        if (spread == label).all():
            break
        label = spread
    return np.unique(label[triangles[:, 0]], return_inverse=True)[1].astype(np.intp)


def winding_number(point: FloatArray, vertices: FloatArray, triangles: Triangles) -> float:
    """Winding number of a closed mesh about a point: 1 inside, 0 outside.

    The sum of the triangles' solid angles over 4π (A. van Oosterom and J. Strackee, IEEE
    Trans. Biomed. Eng. 30, 125 (1983)).
    """
    a, b, c = (vertices[triangles[:, k]] - point for k in range(3))
    la, lb, lc = (np.sqrt(np.einsum("ij,ij->i", v, v)) for v in (a, b, c))
    ab, bc, ca = (np.einsum("ij,ij->i", u, v) for u, v in ((a, b), (b, c), (c, a)))
    triple = np.einsum("ij,ij->i", a, np.cross(b, c))
    angles = 2 * np.arctan2(triple, la * lb * lc + ab * lc + bc * la + ca * lb)
    return float(angles.sum() / (4 * np.pi))


def check_outward(vertices: FloatArray, triangles: Triangles) -> None:
    """Each sheet must face outwards, or be the wall of a void inside another sheet.

    Raises
    ------
    ValueError
        Saying which sheet is inverted, or lies inside another one without being a void.
    """
    sheet = sheets(len(vertices), triangles)
    count = int(sheet.max()) + 1
    for number in range(count):
        own, others = triangles[sheet == number], triangles[sheet != number]
        origin = vertices[own[0, 0]]
        a, b, c = (vertices[own[:, k]] - origin for k in range(3))
        volume = float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)
        depth = round(winding_number(origin, vertices, others)) if count > 1 else 0
        which = "the mesh" if count == 1 else f"sheet {number} of {count} (triangle {own[0]})"
        if depth == 0 and volume <= 0:
            raise ValueError(
                f"{which} is inverted: all of its {len(own)} triangles and {3 * len(own) // 2} "
                f"edges run the wrong way (volume {volume:.6g} nm^3); swap two columns of triangles"
            )
        if depth > 0 and volume > 0:
            raise ValueError(
                f"{which} lies inside another sheet and faces outwards: matter would count twice"
            )


def check_not_crossing(vertices: FloatArray, triangles: Triangles) -> None:
    """No edge may pass through a triangle that it shares no vertex with.

    Raises
    ------
    ValueError
        Naming the first edge and triangle that cross.
    """
    low = vertices[triangles].min(axis=1)
    high = vertices[triangles].max(axis=1)
    axis = int(np.ptp(vertices, axis=0).argmax())
    order = np.argsort(low[:, axis], kind="stable")
    low, high, sorted_triangles = low[order], high[order], triangles[order]
    widest = float((high[:, axis] - low[:, axis]).max())
    edges = np.unique(
        np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])),
        axis=0,
    )
    ends = vertices[edges]
    edge_low, edge_high = ends.min(axis=1), ends.max(axis=1)
    first = np.searchsorted(low[:, axis], edge_low[:, axis] - widest, side="left")
    last = np.searchsorted(low[:, axis], edge_high[:, axis], side="right")
    step = max(1, 1_000_000 // max(1, int((last - first).max())))
    for start in range(0, len(edges), step):
        part = slice(start, start + step)
        counts = (last - first)[part]
        edge = np.repeat(np.arange(len(edges))[part], counts)
        offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        triangle = np.repeat(first[part], counts) + offset
        touching = (edge_low[edge] <= high[triangle]).all(axis=1) & (
            low[triangle] <= edge_high[edge]
        ).all(axis=1)
        edge, triangle = edge[touching], triangle[touching]
        shared = (edges[edge][:, :, None] == sorted_triangles[triangle][:, None, :]).any(
            axis=(1, 2)
        )
        edge, triangle = edge[~shared], triangle[~shared]
        crossing = _crosses(ends[edge], vertices[sorted_triangles[triangle]])
        if crossing.any():
            k = int(crossing.argmax())
            raise ValueError(
                f"the mesh crosses itself: the edge between vertices {edges[edge[k]].tolist()} "
                f"passes through triangles[{order[triangle[k]]}] = "
                f"{sorted_triangles[triangle[k]].tolist()}"
            )


def _crosses(segments: FloatArray, corners: FloatArray) -> NDArray[np.bool_]:
    """True where segments (K, 2, 3) pass through the inside of triangles (K, 3, 3)."""

    def volume(p: FloatArray, q: FloatArray, r: FloatArray, s: FloatArray) -> FloatArray:
        result: FloatArray = np.einsum("ij,ij->i", q - p, np.cross(r - p, s - p))
        return result

    start, end = segments[:, 0], segments[:, 1]
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    below, above = volume(start, a, b, c), volume(end, a, b, c)
    turns = np.stack([volume(start, end, *pair) for pair in ((a, b), (b, c), (c, a))])
    # Touching is allowed: only a clear passage from one side to the other counts.
    scale = np.abs(corners - start[:, None, :]).max(axis=(1, 2), initial=0.0) ** 3 * FLAT
    through = (below * above < 0) & (np.minimum(np.abs(below), np.abs(above)) > scale)
    crosses: NDArray[np.bool_] = through & (
        (turns > scale).all(axis=0) | (turns < -scale).all(axis=0)
    )
    return crosses
